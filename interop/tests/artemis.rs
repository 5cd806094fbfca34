//! Deuteron's client and Apache ActiveMQ Artemis.

use deuteron_interop::Typed;
use deuteron_interop::scenario::server as scenario;
use deuteron_interop::server::Artemis;
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// The instance that all tests share which do not stop it.
fn shared() -> Option<Arc<Artemis>> {
    static SHARED: OnceLock<Option<Arc<Artemis>>> = OnceLock::new();
    SHARED.get_or_init(|| Artemis::launch().map(Arc::new)).clone()
}

macro_rules! scenarios {
    ($($test:ident: $scenario:ident $(, $argument:expr)*;)*) => {
        $(#[tokio::test]
        async fn $test() {
            let Some(server) = shared() else { return };
            scenario::$scenario(&*server $(, $argument)*).await;
        })*
    };
}

scenarios! {
    anonymous: anonymous;
    plain: password, "PLAIN";
    scram_sha_256: password, "SCRAM-SHA-256";
    scram_sha_512: password, "SCRAM-SHA-512";
    strongest_mechanism: strongest_mechanism, "SCRAM-SHA-512";
    tls: tls;
    client_certificate: client_certificate;
    hello_world: hello_world;
    queue: queue;
    topic: topic;
    anonymous_relay: anonymous_relay;
    request_and_answer: request_and_answer;
    settle_modes: settle_modes;
    redelivery: redelivery;
    delivery_count: delivery_count;
    credit_and_drain: credit_and_drain;
    large_message: large_message, 20 << 20;
    hundred_thousand: hundred_thousand;
    heartbeats: heartbeats;
    selector: selector;
    wrong_selector: wrong_selector;
    browse: browse;
    no_local: no_local;
    priority: priority;
    time_to_live: time_to_live;
    durable_subscription: durable_subscription;
    shared_subscription: shared_subscription;
    global_subscription: global_subscription;
    transaction_commit: transaction_commit;
    transaction_rollback: transaction_rollback;
    transaction_consume: transaction_consume;
}

#[tokio::test]
async fn every_type() {
    let Some(server) = shared() else { return };
    // Delivery annotations are for the next hop (3.2.2): the broker is that. And it counts deliveries itself.
    let business = |typed: &Typed, form: &mut Value| {
        if form["delivery_annotations"].is_null() && !typed.form["delivery_annotations"].is_null() {
            form["delivery_annotations"] = typed.form["delivery_annotations"].clone();
        }
        let count = &typed.form["header"]["delivery_count"];
        if form["header"].is_object() && form["header"]["delivery_count"].is_null() && !count.is_null() {
            form["header"]["delivery_count"] = count.clone();
        }
    };
    let note = "it keeps delivery annotations, which are for the next hop, to itself; it counts deliveries itself; message \
                annotations keyed by ulong it refuses (\"Expected Symbol type but found encoding: ULONG\")";
    scenario::every_type(&*server, &["annotations keyed by ulong"], business, note).await;
}

/// An instance that a test may stop.
async fn another() -> Option<Arc<Artemis>> {
    tokio::task::spawn_blocking(Artemis::launch).await.expect("it starts").map(Arc::new)
}

#[tokio::test]
async fn reconnect() {
    let Some(server) = another().await else { return };
    scenario::reconnect_under_load(&server).await;
    scenario::receiver_reconnects(&server).await;
    scenario::callbacks_reconnect(&server).await;
}

#[tokio::test]
async fn failover() {
    let (Some(first), Some(second)) = (another().await, another().await) else { return };
    scenario::failover(&first, &second).await;
}
