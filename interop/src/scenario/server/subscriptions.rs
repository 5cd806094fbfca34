//! Subscriptions that last longer than a link, or that several receivers share.

use super::{connect, is_exhausted, pass, put, receiver, sender, take};
use crate::server::Server;
use deuteron::{ConnectOptions, Connection, Receiver, ReceiverOptions};

async fn connect_as(server: &impl Server, container: &str) -> Connection {
    let options = ConnectOptions::new(server.url()).container_id(container);
    Connection::connect(options).await.expect("it connects")
}

/// It gathers messages while its receiver is away, and ends when it is closed.
pub async fn durable_subscription(server: &impl Server) {
    let node = server.topic("subscriptions.durable").await;
    let publisher = connect(server).await;
    let publish = sender(&publisher, &node).await;

    let connection = connect_as(server, "durable-1").await;
    let subscription =
        connection.receiver(node.receiver().durable("news")).await.expect("the receiver opens");
    put(&publish, ["one"]).await;
    assert_eq!(take(&subscription, 1).await, ["one"]);
    subscription.detach().await.expect("it detaches");
    put(&publish, ["two"]).await;
    let subscription =
        connection.receiver(node.receiver().durable("news")).await.expect("the receiver opens again");
    assert_eq!(take(&subscription, 1).await, ["two"]);
    // This time the whole connection goes, without a word on the link.
    connection.close().await.expect("it closes");
    put(&publish, ["three", "four"]).await;

    let connection = connect_as(server, "durable-1").await;
    let subscription =
        connection.receiver(node.receiver().durable("news")).await.expect("the receiver opens again");
    assert_eq!(take(&subscription, 2).await, ["three", "four"]);
    subscription.close().await.expect("the subscription ends");
    put(&publish, ["five"]).await;
    let subscription = connection.receiver(node.receiver().durable("news")).await.expect("a new one opens");
    assert!(is_exhausted(server, &subscription).await, "the old one had ended");
    subscription.close().await.expect("it ends");
    connection.close().await.expect("it closes");
    publisher.close().await.expect("it closes");
    pass(server, "durable subscription");
}

/// Receivers of one subscription share its messages out; another subscriber gets all.
pub async fn shared_subscription(server: &impl Server) {
    let node = server.topic("subscriptions.shared").await;
    let publisher = connect(server).await;
    let connections = [connect_as(server, "shared-1").await, connect_as(server, "shared-1").await];
    let mut workers = Vec::new();
    for connection in &connections {
        let options = node.receiver().shared("workers");
        workers.push(with_credit(connection, options).await);
    }
    let alone = receiver(&publisher, &node).await;
    let texts: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    put(&sender(&publisher, &node).await, texts.iter().map(String::as_str)).await;
    assert_eq!(take(&alone, 20).await, texts);
    let mut shared = Vec::new();
    for worker in &workers {
        let part = take(worker, 10).await;
        assert!(part.windows(2).all(|pair| number(&pair[0]) < number(&pair[1])), "in order: {part:?}");
        shared.extend(part);
    }
    shared.sort_by_key(|text| number(text));
    assert_eq!(shared, texts, "each message came once");
    for connection in connections {
        connection.close().await.expect("it closes");
    }
    publisher.close().await.expect("it closes");
    pass(server, "shared subscription");
}

/// As before, for receivers of different containers.
pub async fn global_subscription(server: &impl Server) {
    let node = server.topic("subscriptions.global").await;
    let publisher = connect(server).await;
    let connections = [connect_as(server, "global-1").await, connect_as(server, "global-2").await];
    let mut workers = Vec::new();
    for connection in &connections {
        let options = node.receiver().shared_globally("workers");
        workers.push(with_credit(connection, options).await);
    }
    let texts: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    put(&sender(&publisher, &node).await, texts.iter().map(String::as_str)).await;
    let mut shared = take(&workers[0], 10).await;
    shared.extend(take(&workers[1], 10).await);
    shared.sort_by_key(|text| number(text));
    assert_eq!(shared, texts, "each message came once");
    for connection in connections {
        connection.close().await.expect("it closes");
    }
    publisher.close().await.expect("it closes");
    pass(server, "shared subscription, several containers");
}

/// A receiver that may get ten messages, and no more.
async fn with_credit(connection: &Connection, options: ReceiverOptions) -> Receiver {
    let receiver = connection.receiver(options.manual_credit()).await.expect("the receiver opens");
    receiver.add_credit(10);
    receiver
}

fn number(text: &str) -> u32 {
    text.parse().expect("it is a number")
}
