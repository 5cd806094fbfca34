//! Deuteron's client and RabbitMQ 3.10.

use deuteron_interop::scenario::server as scenario;
use deuteron_interop::server::{RabbitMq, Version, start};
use std::sync::{Arc, LazyLock};

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

/// One that a test may stop.
async fn another() -> Option<Arc<RabbitMq>> {
    start(|| RabbitMq::launch(Version::V3)).await
}

#[tokio::test]
async fn reconnect() {
    let Some(server) = another().await else { return };
    scenario::receiver_reconnects(&server).await;
    scenario::nothing_survives(&server).await;
}
