//! Deuteron's client and RabbitMQ 4.0.

use deuteron_interop::scenario::server as scenario;
use deuteron_interop::server::{RabbitMq, Version, start};
use std::sync::{Arc, LazyLock};

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

/// One that a test may stop.
async fn another() -> Option<Arc<RabbitMq>> {
    start(|| RabbitMq::launch(Version::V4)).await
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
