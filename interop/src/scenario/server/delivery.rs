//! Outcomes, credit, and what is large or many.

use super::{connect, is_exhausted, next, pass, put, receiver, sender, take, text};
use crate::scenario::sized;
use crate::server::Server;
use crate::{digest, pattern};
use deuteron::{ConnectOptions, Connection, Delivery, Message, Outcome, Phase};
use std::collections::VecDeque;
use std::time::Duration;

/// What we give back comes again, and says how often it failed; what we reject does not.
pub async fn redelivery(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("delivery.again").await;
    let sender = sender(&connection, &node).await;
    let receiver = connection.receiver(node.receiver().manual_credit()).await.expect("the receiver opens");

    put(&sender, ["released"]).await;
    receiver.add_credit(1);
    next(&receiver).await.release().expect("it is not settled yet");
    receiver.add_credit(1);
    let again = next(&receiver).await;
    assert_eq!(text(&again), "released");
    again.accept().expect("it is not settled yet");

    put(&sender, ["rejected", "after it"]).await;
    receiver.add_credit(2);
    next(&receiver).await.reject(None).expect("it is not settled yet");
    assert_eq!(take(&receiver, 1).await, ["after it"]);
    receiver.add_credit(1);
    assert!(is_exhausted(server, &receiver).await, "what is rejected does not come again");
    pass(server, "redelivery: release and reject");
    connection.close().await.expect("it closes");
}

/// What is rejected is moved to the queue for dead letters.
pub async fn dead_letters(server: &impl Server) {
    let connection = connect(server).await;
    let [node, dead] = server.dead_letters("delivery.rejecting").await;
    let (sender, queue) = (sender(&connection, &node).await, receiver(&connection, &node).await);
    let dead = receiver(&connection, &dead).await;
    put(&sender, [Message::new("a dead letter").with_id("dead").with_property("colour", "black")]).await;
    next(&queue).await.reject(None).expect("it is not settled yet");
    let letter = loop {
        let delivery = next(&dead).await;
        delivery.accept().expect("it is not settled yet");
        // There may be one queue for all dead letters.
        if text(&delivery) == "a dead letter" {
            break delivery.message().expect("it is a message");
        }
    };
    assert_eq!(letter.id(), Some(&"dead".into()));
    assert_eq!(letter.property("colour"), Some(&"black".into()));
    put(&sender, ["after it"]).await;
    assert_eq!(take(&queue, 1).await, ["after it"]);
    connection.close().await.expect("it closes");
    pass(server, "dead letters");
}

/// A failed attempt is counted.
pub async fn delivery_count(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("delivery.count").await;
    put(&sender(&connection, &node).await, ["modified"]).await;
    let receiver = connection.receiver(node.receiver().manual_credit()).await.expect("the receiver opens");
    for count in 0..3 {
        receiver.add_credit(1);
        let delivery = next(&receiver).await;
        assert_eq!(delivery.message().expect("it is a message").delivery_count(), count);
        delivery.modify(true, false, None).expect("it is not settled yet");
    }
    receiver.add_credit(1);
    take(&receiver, 1).await;
    connection.close().await.expect("it closes");
    pass(server, "redelivery: modify with delivery-failed");
}

/// No more messages come than we allow, and what we do not use up comes back when we ask.
pub async fn credit_and_drain(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("delivery.credit").await;
    put(&sender(&connection, &node).await, ["1", "2", "3", "4", "5"]).await;
    let receiver = connection.receiver(node.receiver().manual_credit()).await.expect("the receiver opens");
    assert!(is_exhausted(server, &receiver).await, "no credit, no message");
    receiver.add_credit(2);
    assert_eq!(take(&receiver, 2).await, ["1", "2"]);
    assert!(is_exhausted(server, &receiver).await, "the credit is used up");
    receiver.add_credit(10);
    receiver.drain().await.expect("the server answers the drain");
    assert_eq!(take(&receiver, 3).await, ["3", "4", "5"]);
    assert_eq!(receiver.credit(), 0, "the rest came back");
    receiver.add_credit(1);
    put(&sender(&connection, &node).await, ["6"]).await;
    assert_eq!(take(&receiver, 1).await, ["6"]);
    connection.close().await.expect("it closes");
    pass(server, "credit and drain");
}

/// Bodies of many frames, in both directions.
pub async fn large_message(server: &impl Server, bytes: usize) {
    let connection = connect(server).await;
    let node = server.queue("delivery.large").await;
    let (sender, receiver) = (sender(&connection, &node).await, receiver(&connection, &node).await);
    for size in [1 << 20, bytes] {
        let outcome = sender.send(sized(size.to_string(), size)).await.expect("the message is sent");
        assert_eq!(outcome, Outcome::Accepted);
        let delivery = next(&receiver).await;
        let body = delivery.message().expect("it is a message").body_bytes().expect("it has bytes");
        assert_eq!((body.len(), digest(&body)), (size, digest(&pattern(size))));
        delivery.accept().expect("it is not settled yet");
    }
    connection.close().await.expect("it closes");
    pass(server, "large message");
}

/// Many messages at once through one queue: each arrives once, in order.
pub async fn hundred_thousand(server: &impl Server) {
    const COUNT: usize = 100_000;
    let (sending, receiving) = (connect(server).await, connect(server).await);
    let node = server.queue("delivery.many").await;
    let (sender, receiver) = (sender(&sending, &node).await, receiver(&receiving, &node).await);
    let sent = tokio::spawn(async move {
        let mut open: VecDeque<Delivery> = VecDeque::new();
        for number in 0..COUNT {
            open.push_back(sender.transfer(number.to_string()).await.expect("there is credit in the end"));
            if open.len() > 1000
                && let Some(oldest) = open.pop_front()
            {
                assert_eq!(oldest.outcome().await.expect("it is settled"), Outcome::Accepted);
            }
        }
        for delivery in open {
            assert_eq!(delivery.outcome().await.expect("it is settled"), Outcome::Accepted);
        }
    });
    for number in 0..COUNT {
        let delivery = next(&receiver).await;
        assert_eq!(text(&delivery), number.to_string());
        delivery.accept().expect("it is not settled yet");
    }
    sent.await.expect("all were accepted");
    assert!(is_exhausted(server, &receiver).await);
    sending.close().await.expect("it closes");
    receiving.close().await.expect("it closes");
    pass(server, "100,000 messages");
}

/// An idle connection stays, by empty frames in both directions: ours, since the server asks for them, and the server's.
pub async fn heartbeats(server: &impl Server) {
    const OURS: Duration = Duration::from_secs(3);
    let options = ConnectOptions::new(server.url()).heartbeat(OURS).reconnect(false);
    let connection = Connection::connect(options).await.expect("it connects");
    let theirs =
        connection.remote_open().and_then(|open| open.idle_time_out).expect("the server asks for frames");
    let theirs = Duration::from_millis(theirs.into());
    assert!(theirs <= Duration::from_secs(15), "the test should not take so long: {theirs:?}");
    let node = server.queue("delivery.idle").await;
    let receiver = receiver(&connection, &node).await;
    // Longer than either side waits: without empty frames the other one would have given it up.
    let idle = OURS.max(theirs) * 2 + Duration::from_secs(1);
    let error = receiver.recv_timeout(idle).await.expect_err("there is no message");
    assert_eq!(error.deadline(), Some(Phase::Receive), "{error}");
    put(&sender(&connection, &node).await, ["still here"]).await;
    assert_eq!(take(&receiver, 1).await, ["still here"]);
    connection.close().await.expect("it closes");
    pass(server, "heartbeats, both ways");
}
