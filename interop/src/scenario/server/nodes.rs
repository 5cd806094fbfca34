//! Queues, topics and addresses that the server makes up.

use super::{connect, is_exhausted, next, pass, put, receiver, sender, take, text};
use crate::server::Server;
use deuteron::{Message, Outcome, ReceiverOptions, SenderOptions};

/// What is sent to a queue waits there, in order; of two receivers each message goes to one.
pub async fn queue(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("nodes.queue").await;
    let sender = sender(&connection, &node).await;
    let texts: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    put(&sender, texts.iter().map(String::as_str)).await;
    let mut receivers = Vec::new();
    for _ in 0..2 {
        let options = node.receiver().manual_credit();
        receivers.push(connection.receiver(options).await.expect("the receiver opens"));
    }
    for (receiver, texts) in receivers.iter().zip(texts.chunks(5)) {
        receiver.add_credit(5);
        assert_eq!(take(receiver, 5).await, texts);
    }
    receivers[0].add_credit(10);
    assert!(is_exhausted(server, &receivers[0]).await);
    connection.close().await.expect("it closes");
    pass(server, "queue");
}

/// What is sent to a topic goes to each receiver that is there, and to nobody who comes later.
pub async fn topic(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.topic("nodes.topic").await;
    let sender = sender(&connection, &node).await;
    put(&sender, ["nobody is there"]).await;
    let receivers = [receiver(&connection, &node).await, receiver(&connection, &node).await];
    put(&sender, ["one", "two"]).await;
    for receiver in &receivers {
        assert_eq!(take(receiver, 2).await, ["one", "two"]);
    }
    let late = receiver(&connection, &node).await;
    put(&sender, ["three"]).await;
    assert_eq!(take(&late, 1).await, ["three"]);
    for receiver in &receivers {
        assert_eq!(take(receiver, 1).await, ["three"]);
        assert!(is_exhausted(server, receiver).await);
    }
    connection.close().await.expect("it closes");
    pass(server, "topic");
}

/// A sender without an address: each message goes where its `to` says.
pub async fn anonymous_relay(server: &impl Server) {
    let connection = connect(server).await;
    let (one, two) = (server.queue("nodes.relay.one").await, server.queue("nodes.relay.two").await);
    let receivers = [receiver(&connection, &one).await, receiver(&connection, &two).await];
    let relay = connection.sender(SenderOptions::anonymous()).await.expect("the sender opens");
    let messages = [(&one, "1"), (&two, "2"), (&one, "3")];
    put(&relay, messages.map(|(node, text)| Message::new(text).with_to(&node.address))).await;
    assert_eq!(take(&receivers[0], 2).await, ["1", "3"]);
    assert_eq!(take(&receivers[1], 1).await, ["2"]);
    connection.close().await.expect("it closes");
    pass(server, "anonymous relay");
}

/// Requests, answered at an address that the server made up for the asking program.
pub async fn request_and_answer(server: &impl Server) {
    let (asking, answering) = (connect(server).await, connect(server).await);
    let node = server.queue("nodes.requests").await;
    let service = tokio::spawn({
        let requests = receiver(&answering, &node).await;
        let relay = answering.sender(SenderOptions::anonymous()).await.expect("the sender opens");
        async move {
            for _ in 0..5 {
                let delivery = next(&requests).await;
                let request = delivery.message().expect("it is a message");
                let address = request.reply_to().expect("a request says where the answer goes");
                let id = request.id().cloned().expect("a request has an id");
                let answer = text(&delivery).to_uppercase();
                put(&relay, [Message::new(answer).with_to(address).with_correlation_id(id)]).await;
                delivery.accept().expect("it is not settled yet");
            }
        }
    });
    let answers = asking.receiver(ReceiverOptions::dynamic()).await.expect("the receiver opens");
    let address = answers.remote_address().expect("the server named the node");
    let requests = sender(&asking, &node).await;
    for number in 0..5_u64 {
        put(&requests, [Message::new("question").with_reply_to(&address).with_id(number)]).await;
        let delivery = next(&answers).await;
        assert_eq!(delivery.message().expect("it is a message").correlation_id(), Some(&number.into()));
        assert_eq!(text(&delivery), "QUESTION");
        delivery.accept().expect("it is not settled yet");
    }
    service.await.expect("the service has answered all");
    asking.close().await.expect("it closes");
    answering.close().await.expect("it closes");
    pass(server, "request and answer, dynamic address");
}

/// The three ways to settle: not before the server has it, at once, and each message as it likes.
pub async fn settle_modes(server: &impl Server) {
    use deuteron::{ReceiverSettleMode, SendOptions, SenderSettleMode};
    let connection = connect(server).await;
    let node = server.queue("nodes.modes").await;
    let settled = connection.sender(node.sender().presettled()).await.expect("the sender opens");
    assert_eq!(settled.send("settled").await.expect("it is sent"), Outcome::Settled);
    let unsettled = node.sender().snd_settle_mode(SenderSettleMode::Unsettled);
    let unsettled = connection.sender(unsettled).await.expect("the sender opens");
    put(&unsettled, ["unsettled"]).await;
    let mixed = sender(&connection, &node).await;
    let at_once = SendOptions { settled: Some(true), ..SendOptions::default() };
    let delivery = mixed.transfer_with("mixed, settled", at_once).await.expect("it is sent");
    assert_eq!(delivery.outcome().await.expect("it is sent"), Outcome::Settled);
    put(&mixed, ["mixed, unsettled"]).await;
    let first = receiver(&connection, &node).await;
    let mut texts = take(&first, 4).await;
    texts.sort_unstable();
    assert_eq!(texts, ["mixed, settled", "mixed, unsettled", "settled", "unsettled"]);
    first.close().await.expect("it closes");

    put(&mixed, ["for a receiver that settles second"]).await;
    let second = node.receiver().rcv_settle_mode(ReceiverSettleMode::Second);
    let second = connection.receiver(second).await.expect("the receiver opens");
    take(&second, 1).await;
    second.close().await.expect("it closes");
    put(&mixed, ["for a receiver that wants it settled"]).await;
    let settled = node.receiver().snd_settle_mode(SenderSettleMode::Settled);
    let settled = connection.receiver(settled).await.expect("the receiver opens");
    let delivery = next(&settled).await;
    assert_eq!(text(&delivery), "for a receiver that wants it settled");
    assert!(delivery.is_remotely_settled());
    settled.close().await.expect("it closes");
    let last = receiver(&connection, &node).await;
    assert!(is_exhausted(server, &last).await);
    connection.close().await.expect("it closes");
    pass(server, "unsettled, settled and mixed modes");
}
