//! Our client when a peer's server goes away.

use super::sized;
use crate::{Event, Kind, Peer, Row};
use deuteron::{Connection, Delivery, Outcome, Sender};
use std::collections::{BTreeSet, VecDeque};

/// Messages of one run. The server goes after a part of them.
const COUNT: usize = 3000;
const BEFORE: usize = 500;

/// Sends numbered messages, many at a time, and waits until each was accepted somewhere.
async fn send_all(sender: Sender) {
    let mut open: VecDeque<Delivery> = VecDeque::new();
    for number in 0..COUNT {
        open.push_back(sender.transfer(sized(number.to_string(), 100)).await.expect("it waits for a server"));
        while open.len() > 100 {
            settle(open.pop_front()).await;
        }
    }
    while !open.is_empty() {
        settle(open.pop_front()).await;
    }
}

async fn settle(delivery: Option<Delivery>) {
    if let Some(delivery) = delivery {
        assert_eq!(delivery.outcome().await.expect("it is sent again after a loss"), Outcome::Accepted);
    }
}

/// The ids of the messages that servers say they received.
fn ids<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeSet<usize> {
    let received = events.into_iter().filter(|event| event.name() == "received");
    received.map(|event| event.text("id").parse().expect("ids are numbers")).collect()
}

async fn wait_for(server: &mut Peer, messages: usize) {
    for _ in 0..messages {
        server.wait("received").await;
    }
}

/// The server crashes in the middle and comes back at the same place: nothing is lost.
pub async fn our_client_reconnects(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let (mut first, port) = Peer::listen(kind, [""; 0]).await;
    let connection = Connection::connect(format!("amqp://127.0.0.1:{port}")).await.expect("it connects");
    let sender = connection.sender("q").await.expect("the sender opens");
    let sending = tokio::spawn(send_all(sender));
    wait_for(&mut first, BEFORE).await;
    let before = first.kill().await;
    let (mut second, _) = Peer::listen(kind, ["--port", &port.to_string()]).await;
    let mut missing: BTreeSet<usize> = (0..COUNT).collect();
    missing.retain(|number| !ids(&before).contains(number));
    while !missing.is_empty() {
        let event = second.wait("received").await;
        missing.remove(&event.text("id").parse().expect("ids are numbers"));
    }
    sending.await.expect("every message was accepted");
    connection.close().await.expect("it closes");
    Row::our_client(kind.title(), "reconnect, sender under load").pass();
}

/// The server crashes in the middle; the other peer's one takes over. Then that one crashes and the first is back.
pub async fn our_client_fails_over(kind: Kind) {
    if !(kind.is_installed() && kind.other().is_installed()) {
        return;
    }
    let (mut first, first_port) = Peer::listen(kind, [""; 0]).await;
    let (mut second, second_port) = Peer::listen(kind.other(), [""; 0]).await;
    let urls = [format!("amqp://127.0.0.1:{first_port}"), format!("amqp://127.0.0.1:{second_port}")];
    let connection = Connection::connect(urls).await.expect("it connects");
    let sender = connection.sender("q").await.expect("the sender opens");
    let sending = tokio::spawn(send_all(sender));
    wait_for(&mut first, BEFORE).await;
    let mut events = first.kill().await;
    wait_for(&mut second, BEFORE).await;
    let (third, _) = Peer::listen(kind, ["--port", &first_port.to_string()]).await;
    events.extend(second.kill().await);
    sending.await.expect("every message was accepted");
    connection.close().await.expect("it closes");
    events.extend(third.kill().await);
    assert_eq!(ids(&events), (0..COUNT).collect(), "each message arrived somewhere");
    Row::our_client(kind.title(), "failover under load").pass();
}

/// A receiver goes on when its server is back.
pub async fn our_receiver_reconnects(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let (first, port) = Peer::listen(kind, ["--fill", "q,10,100"]).await;
    let connection = Connection::connect(format!("amqp://127.0.0.1:{port}")).await.expect("it connects");
    let receiver = connection.receiver("q").await.expect("the receiver opens");
    for _ in 0..10 {
        receiver.recv().await.expect("a message comes").accept().expect("it is not settled yet");
    }
    first.kill().await;
    let (mut second, _) = Peer::listen(kind, ["--port", &port.to_string(), "--fill", "q,10,100"]).await;
    for _ in 0..10 {
        receiver.recv().await.expect("a message comes").accept().expect("it is not settled yet");
    }
    for _ in 0..10 {
        assert_eq!(second.wait("settled").await.text("state"), "accepted");
    }
    connection.close().await.expect("it closes");
    Row::our_client(kind.title(), "reconnect, receiver").pass();
}
