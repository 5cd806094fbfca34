//! Deuteron's client and Apache ActiveMQ Artemis.

use deuteron::Connection;
use deuteron_interop::scenario::server as scenario;
use deuteron_interop::server::{Artemis, Server, start};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The one that all tests share which do not stop it.
static SHARED: LazyLock<Option<Arc<Artemis>>> = LazyLock::new(|| Artemis::launch().map(Arc::new));

deuteron_interop::with_server! {
    SHARED;
    anonymous;
    plain(password, "PLAIN");
    scram_sha_256(password, "SCRAM-SHA-256");
    scram_sha_512(password, "SCRAM-SHA-512");
    strongest_mechanism(strongest_mechanism, "SCRAM-SHA-512");
    tls;
    client_certificate;
    hello_world;
    queue;
    topic;
    anonymous_relay;
    request_and_answer;
    settle_modes;
    redelivery;
    dead_letters;
    delivery_count;
    credit_and_drain;
    large_message(large_message, 20 << 20);
    hundred_thousand;
    heartbeats;
    selector;
    wrong_selector;
    browse;
    no_local;
    priority;
    time_to_live;
    durable_subscription;
    shared_subscription;
    global_subscription;
    transaction_commit;
    transaction_rollback;
    transaction_consume;
}

#[tokio::test]
async fn every_type() {
    let Some(server) = SHARED.as_deref() else { return };
    let note = "it keeps delivery annotations, which are for the next hop, to itself; it counts deliveries itself; message \
                annotations keyed by ulong it refuses (\"Expected Symbol type but found encoding: ULONG\")";
    scenario::every_type(server, &["annotations keyed by ulong"], scenario::but_for_hops, note).await;
}

/// One that a test may stop.
async fn another() -> Option<Arc<Artemis>> {
    start(Artemis::launch).await
}

#[tokio::test]
async fn reconnect() {
    let Some(server) = another().await else { return };
    scenario::reconnect_under_load(&server).await;
    scenario::receiver_reconnects(&server).await;
    scenario::durable_queue(&server, &[]).await;
    scenario::callbacks_reconnect(&server).await;
}

#[tokio::test]
async fn failover() {
    let (Some(first), Some(second)) = (another().await, another().await) else { return };
    scenario::failover(&first, &second).await;
}

/// A shared subscription is named by what comes before the bar in the link's name: two links of one connection can share it.
#[tokio::test]
async fn shared_subscription_on_one_connection() {
    let Some(server) = SHARED.as_deref() else { return };
    let connection = Connection::connect(server.url()).await.expect("it connects");
    let node = server.topic("artemis.shared").await;
    let mut workers = Vec::new();
    for name in ["workers|1", "workers|2"] {
        let options = node.receiver().shared("workers").name(name).manual_credit();
        workers.push(connection.receiver(options).await.expect("the receiver opens"));
    }
    let sender = connection.sender(node.sender()).await.expect("the sender opens");
    for (number, worker) in workers.iter().enumerate() {
        worker.add_credit(1);
        let text = number.to_string();
        let outcome = sender.send(&*text).await.expect("the message is sent");
        assert!(outcome.is_accepted(), "{outcome:?}");
        let delivery =
            worker.recv_timeout(Duration::from_secs(60)).await.expect("it comes here, where the credit is");
        assert_eq!(delivery.message().expect("it is a message").body_text(), Some(&*text));
        delivery.accept().expect("it is not settled yet");
    }
    connection.close().await.expect("it closes");
}

/// What is a queue is no topic, and the refusal says so.
#[tokio::test]
async fn a_queue_is_no_topic() {
    let Some(server) = SHARED.as_deref() else { return };
    let connection = Connection::connect(server.url()).await.expect("it connects");
    connection.sender(server.queue("artemis.queue").await.sender()).await.expect("the sender opens");
    let topic = server.topic("artemis.queue").await.receiver();
    let error = connection.receiver(topic).await.expect_err("it is a queue");
    assert_eq!(error.condition(), Some("amqp:illegal-state"), "{error}");
    assert!(error.description().contains("not configured for topic support"), "{error}");
    connection.close().await.expect("it closes");
}
