//! Making queues and bindings on RabbitMQ 4: by requests to its node `/management`, as HTTP has them.

use deuteron::{Connection, Map, Message, ReceiverOptions, SenderOptions, SenderSettleMode, Symbol, Value};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a queue of that name, with arguments such as `x-queue-type`, if it is not there.
///
/// # Panics
/// When the server refuses.
pub(super) async fn declare_queue(url: &str, name: &str, arguments: &[(&str, &str)]) {
    let mut queue = Map::new();
    queue.insert("durable", true);
    queue.insert("exclusive", false);
    queue.insert("auto_delete", false);
    queue.insert("arguments", map(arguments));
    request(url, "PUT", &format!("/queues/{name}"), queue, &["200", "201"]).await;
}

/// Has an exchange put messages with a routing key that matches `key` into a queue.
///
/// # Panics
/// When the server refuses.
pub(super) async fn bind_queue(url: &str, name: &str, exchange: &str, key: &str) {
    let mut binding = Map::new();
    binding.insert("source", exchange);
    binding.insert("destination_queue", name);
    binding.insert("binding_key", key);
    binding.insert("arguments", map(&[]));
    request(url, "POST", "/bindings", binding, &["204"]).await;
}

fn map(pairs: &[(&str, &str)]) -> Value {
    let mut map = Map::new();
    for (key, value) in pairs {
        map.insert(*key, *value);
    }
    Value::Map(map)
}

/// Sends a request, whose answer must have one of these statuses.
async fn request(url: &str, method: &str, to: &str, body: Map, fine: &[&str]) {
    let connection = Connection::connect(url).await.expect("it connects");
    let mut paired = Map::new();
    paired.insert(Symbol::from("paired"), true);
    // Both links have the same name, by which the server knows that they belong together.
    let sender = SenderOptions::new("/management")
        .name("management")
        .snd_settle_mode(SenderSettleMode::Settled)
        .properties(paired.clone());
    let receiver = ReceiverOptions::new("/management").name("management").properties(paired);
    // A request is refused if there is no credit for the answer yet: that is on its way before the sender opens.
    let receiver = connection.receiver(receiver).await.expect("the receiver opens");
    let sender = connection.sender(sender).await.expect("the sender opens");
    let request = Message::new(Value::Map(body))
        .with_id("request")
        .with_to(to)
        .with_subject(method)
        .with_reply_to("$me");
    drop(sender.send(request).await.expect("the request is sent"));
    let answer = receiver.recv_timeout(PATIENCE).await.expect("it answers");
    let message = answer.message().expect("the answer is a message");
    let status = message.properties.as_ref().and_then(|properties| properties.subject.clone());
    let status = status.unwrap_or_default();
    assert!(fine.contains(&&*status), "{method} {to}: {status}: {message:?}");
    answer.accept().expect("it is not settled yet");
    connection.close().await.expect("it closes");
}
