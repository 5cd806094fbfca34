//! A broker on loopback, and what its clients do in most tests.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::time::Duration;

use deuteron::{ConnectOptions, Connection, Delivery, Receiver};
use deuteron_broker::{Broker, BrokerConfig, BrokerHandle};

/// How long a test waits for something that should happen: no part of any claim.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn broker(change: impl FnOnce(&mut BrokerConfig)) -> BrokerHandle {
    let mut config = BrokerConfig::listening(["amqp://127.0.0.1:0"]);
    change(&mut config);
    Broker::start(config).await.expect("the broker starts")
}

pub(crate) async fn connect(broker: &BrokerHandle) -> Connection {
    Connection::connect(broker.url()).await.expect("the broker takes the connection")
}

/// A client with a name of its own, as durable subscriptions go by it.
pub(crate) async fn connect_as(broker: &BrokerHandle, container: &str) -> Connection {
    let options = ConnectOptions::new(broker.url()).container_id(container).reconnect(false);
    Connection::connect(options).await.expect("the broker takes the connection")
}

pub(crate) async fn next(receiver: &Receiver) -> Delivery {
    receiver.recv_timeout(PATIENCE).await.expect("a message comes")
}

pub(crate) async fn next_text(receiver: &Receiver) -> String {
    let delivery = next(receiver).await;
    let text = delivery.message().expect("it is a message").body_text().expect("it has a text").to_owned();
    delivery.accept().expect("it can be accepted");
    text
}

/// Waits until the broker is as it should be.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
