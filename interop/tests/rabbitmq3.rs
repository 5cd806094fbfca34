//! Deuteron's client and RabbitMQ 3.10.

use deuteron_interop::scenario::server as scenario;
use deuteron_interop::scenario::server::Lapse;
use deuteron_interop::server::{RabbitMq, Version, start};
use std::sync::{Arc, LazyLock};

/// What it ends the session for, or does not answer: then its log has the failure of the process that has the session.
const REFUSED: &[Lapse] = &[
    Lapse {
        reason: "a user-id must be the user's",
        words: "but authenticated user was 'alice'",
        names: &["properties", "property empty user id"],
    },
    Lapse {
        reason: "a user-id that is no UTF-8 makes its session fail without a word",
        words: "no answer",
        names: &["property user id"],
    },
    Lapse {
        reason: "so do most lists as a value",
        words: "no answer",
        names: &[
            "list mixed",
            "list nested",
            "list of 300",
            "described in a list",
            "list of 255 nulls",
            "list of 256 nulls",
            "list of every type",
            "list of decimals and chars",
            "sequence of compounds",
        ],
    },
    Lapse {
        reason: "so do arrays, but for those of booleans, text and integers in full width",
        words: "no answer",
        names: &[
            "array of float",
            "array of double",
            "array of decimal32",
            "array of decimal64",
            "array of decimal128",
            "array of char",
            "array of timestamp",
            "array of uuid",
            "array of binary",
            "array of null",
            "array of list",
            "array of map",
            "array of array",
            "array empty",
            "array of described",
            "array of no uint",
            "array of no ulong",
            "array of no int",
            "array of no long",
            "array of no float",
            "array of no double",
            "array of no decimal32",
            "array of no decimal64",
            "array of no decimal128",
            "array of no char",
            "array of no timestamp",
            "array of no uuid",
            "array of no binary",
            "array of no list",
            "array of no map",
            "array of extreme uint",
            "array of extreme timestamp",
            "array of small int",
            "array of small long",
            "array of uint zeros",
            "array of ulong zeros",
            "array of floats",
            "array of doubles",
            "array of 256 octets",
            "array of lists",
            "array of empty lists",
            "array of maps",
            "array of arrays of arrays",
            "array of described list",
            "array of no described",
            "arrays in a list",
            "described array",
        ],
    },
    Lapse {
        reason: "so do delivery annotations",
        words: "no answer",
        names: &[
            "annotations",
            "delivery annotations of every kind",
            "delivery annotations none",
            "delivery annotations with a symbol",
            "delivery annotations with a map",
            "every section",
        ],
    },
];

/// What it gives back as another message.
const CHANGED: &[Lapse] = &[Lapse {
    reason: "it turns the order of a body's sections round",
    words: "\"body\":{",
    names: &["three data sections", "two sequences", "hundred data sections", "three sequences, one empty"],
}];

/// The one that all tests share which do not stop it.
static SHARED: LazyLock<Option<Arc<RabbitMq>>> =
    LazyLock::new(|| RabbitMq::launch(Version::V3).map(Arc::new));

deuteron_interop::with_server! {
    SHARED;
    anonymous;
    plain(password, "PLAIN");
    scram(no_scram);
    tls;
    client_certificate(optional_certificate);
    hello_world;
    queue;
    settle_modes(no_second);
    redelivery;
    dead_letters;
    large_message(large_message, 10 << 20);
    hundred_thousand;
    heartbeats;
    selector(no_selector);
    browse(no_browse);
    time_to_live;
    transactions(no_transactions);
    topic;
    subscriptions(plain_subscriptions_only);
    anonymous_relay(no_relay, "address_not_utf8_string");
    request_and_answer(no_dynamic_address, "ynamic");
    delivery_count(no_delivery_failed);
    credit_and_drain(no_drain);
    priority(few_priorities, ["low", "middle", "high"], "a queue made by its address has no priorities");
}

#[tokio::test]
async fn every_type() {
    let Some(server) = SHARED.as_deref() else { return };
    let note = "it says itself whether a message is new, and how often it was delivered";
    scenario::every_type_but(server, scenario::but_for_hops, REFUSED, CHANGED, note).await;
}

/// One that a test may stop.
async fn another() -> Option<Arc<RabbitMq>> {
    start(|| RabbitMq::launch(Version::V3)).await
}

#[tokio::test]
async fn reconnect() {
    let Some(server) = another().await else { return };
    scenario::receiver_reconnects(&server).await;
    scenario::durable_queue(&server, &[]).await;
    scenario::reconnect_under_load(&server).await;
    scenario::callbacks_reconnect(&server).await;
    scenario::nothing_survives(&server).await;
}

#[tokio::test]
async fn failover() {
    let (Some(first), Some(second)) = (another().await, another().await) else { return };
    scenario::failover(&first, &second).await;
}
