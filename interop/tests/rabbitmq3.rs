//! Deuteron's client and RabbitMQ 3.10.

use deuteron_interop::scenario::server as scenario;
use deuteron_interop::server::{RabbitMq, Version};
use std::sync::{Arc, OnceLock};

/// The node that all tests share which do not stop it.
fn shared() -> Option<Arc<RabbitMq>> {
    static SHARED: OnceLock<Option<Arc<RabbitMq>>> = OnceLock::new();
    SHARED.get_or_init(|| RabbitMq::launch(Version::V3).map(Arc::new)).clone()
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
    scram: no_scram;
    tls: tls;
    client_certificate: optional_certificate;
    hello_world: hello_world;
    queue: queue;
    settle_modes: no_second;
    redelivery: redelivery;
    large_message: large_message, 10 << 20;
    hundred_thousand: hundred_thousand;
    heartbeats: heartbeats;
    selector: no_selector;
    browse: no_browse;
    time_to_live: time_to_live;
    transactions: no_transactions;
    topic: topic;
    subscriptions: plain_subscriptions_only;
    anonymous_relay: no_relay, "address_not_utf8_string";
    request_and_answer: no_dynamic_address, "ynamic";
    delivery_count: no_delivery_failed;
    credit_and_drain: no_drain;
    priority: few_priorities, ["low", "middle", "high"], "a queue made by its address has no priorities";
}

/// A node that a test may stop.
async fn another() -> Option<Arc<RabbitMq>> {
    let launch = || RabbitMq::launch(Version::V3);
    tokio::task::spawn_blocking(launch).await.expect("it starts").map(Arc::new)
}

#[tokio::test]
async fn reconnect() {
    let Some(server) = another().await else { return };
    scenario::receiver_reconnects(&server).await;
    scenario::nothing_survives(&server).await;
}
