//! Deuteron's client and RabbitMQ 4.0.

use deuteron_interop::Typed;
use deuteron_interop::scenario::server as scenario;
use deuteron_interop::scenario::server::Lapse;
use deuteron_interop::server::{RabbitMq, Version, start};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// What it ends the session for.
const REFUSED: &[Lapse] = &[
    Lapse {
        reason: "a user-id must be the user's",
        words: "but authenticated user was 'alice'",
        names: &["properties", "property user id", "property empty user id"],
    },
    Lapse {
        reason: "message annotations keyed by ulong make it fail",
        words: "reserved_annotation_key",
        names: &["annotations keyed by ulong"],
    },
];

/// The one that all tests share which do not stop it.
static SHARED: LazyLock<Option<Arc<RabbitMq>>> =
    LazyLock::new(|| RabbitMq::launch(Version::V4).map(Arc::new));

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
    stream;
    bound_queue;
    large_message(large_message, 10 << 20);
    hundred_thousand;
    heartbeats;
    selector(no_selector);
    browse(no_browse);
    time_to_live;
    transactions(no_transactions);
    topic(no_topics, "unknown_destination");
    anonymous_relay;
    request_and_answer(no_dynamic_address, "Dynamic sources not supported");
    delivery_count;
    credit_and_drain;
    priority(few_priorities, ["middle", "high", "low"], "quorum queues tell two levels apart only: above 4, and the rest");
}

#[tokio::test]
async fn every_type() {
    let Some(server) = SHARED.as_deref() else { return };
    let business = |typed: &Typed, form: &mut Value| {
        scenario::but_for_hops(typed, form);
        scenario::but_for_header(typed, form, "durable");
        let pairs = form["message_annotations"][1].as_array_mut().expect("it is a map");
        let count = pairs.len();
        pairs.retain(|pair| {
            pair[0] != json!(["symbol", "x-exchange"]) && pair[0] != json!(["symbol", "x-routing-key"])
        });
        assert_eq!(pairs.len(), count - 2, "{}", typed.name);
        if pairs.is_empty() && typed.form["message_annotations"].is_null() {
            form.as_object_mut().expect("it is an object").remove("message_annotations");
        }
    };
    let note = "it keeps delivery annotations, which are for the next hop, to itself; it says itself whether a message is new, and \
                how often it was delivered; it says of every message that it is durable, and adds x-exchange and x-routing-key to \
                its annotations";
    scenario::every_type_but(server, business, REFUSED, &[], note).await;
}

/// One that a test may stop.
async fn another() -> Option<Arc<RabbitMq>> {
    start(|| RabbitMq::launch(Version::V4)).await
}

#[tokio::test]
async fn reconnect() {
    let Some(server) = another().await else { return };
    scenario::reconnect_under_load(&server).await;
    scenario::receiver_reconnects(&server).await;
    scenario::durable_queue(&server, &["not durable"]).await;
    scenario::callbacks_reconnect(&server).await;
}

#[tokio::test]
async fn failover() {
    let (Some(first), Some(second)) = (another().await, another().await) else { return };
    scenario::failover(&first, &second).await;
}
