//! Making queues on RabbitMQ 4: by requests to its node `/management`, as HTTP has them.

use deuteron::{Connection, Map, Message, ReceiverOptions, SenderOptions, SenderSettleMode, Symbol, Value};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a queue of that name and kind, `quorum` or `classic`, if it is not there.
///
/// # Panics
/// When the server refuses.
pub(super) async fn declare_queue(url: &str, name: &str, kind: &str) {
    let connection = Connection::connect(url).await.expect("it connects");
    let mut paired = Map::new();
    paired.insert(Symbol::from("paired"), true);
    // Both links have the same name, by which the server knows that they belong together.
    let sender = SenderOptions::new("/management")
        .name("management")
        .snd_settle_mode(SenderSettleMode::Settled)
        .properties(paired.clone());
    let receiver = ReceiverOptions::new("/management").name("management").properties(paired);
    let sender = connection.sender(sender).await.expect("the sender opens");
    let receiver = connection.receiver(receiver).await.expect("the receiver opens");
    let mut arguments = Map::new();
    arguments.insert("x-queue-type", kind);
    let mut queue = Map::new();
    queue.insert("durable", true);
    queue.insert("exclusive", false);
    queue.insert("auto_delete", false);
    queue.insert("arguments", Value::Map(arguments));
    let request = Message::new(Value::Map(queue))
        .with_id("declare")
        .with_to(format!("/queues/{name}"))
        .with_subject("PUT")
        .with_reply_to("$me");
    drop(sender.send(request).await.expect("the request is sent"));
    let answer = receiver.recv_timeout(PATIENCE).await.expect("it answers");
    let message = answer.message().expect("the answer is a message");
    let status = message.properties.as_ref().and_then(|properties| properties.subject.clone());
    let status = status.unwrap_or_default();
    assert!(["200", "201"].contains(&&*status), "{name}: {status}: {message:?}");
    answer.accept().expect("it is not settled yet");
    connection.close().await.expect("it closes");
}
