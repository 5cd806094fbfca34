//! What a receiver may ask its source for.

use super::{connect, is_exhausted, next, pass, put, receiver, sender, take};
use crate::server::Server;
use deuteron::codec::Described;
use deuteron::{Message, Symbol, Value};

fn coloured(text: &str, colour: &str, weight: i64) -> Message {
    Message::new(text).with_property("colour", colour).with_property("weight", weight)
}

/// Only messages for which an expression holds; the others wait for somebody else.
pub async fn selector(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("filters.selector").await;
    let messages = [
        coloured("a", "red", 1),
        coloured("b", "green", 200),
        coloured("c", "green", 3),
        coloured("d", "blue", 400),
    ];
    put(&sender(&connection, &node).await, messages).await;
    let green = node.receiver().selector("colour = 'green' AND weight > 100");
    let green = connection.receiver(green).await.expect("the receiver opens");
    let filter = green.remote_source().and_then(|source| source.filter).unwrap_or_default();
    assert!(filter.get("selector").is_some(), "the server says which filters it honours: {filter:?}");
    assert_eq!(take(&green, 1).await, ["b"]);
    assert!(is_exhausted(server, &green).await);
    green.close().await.expect("it closes");
    let either = node.receiver().selector("colour IN ('red', 'yellow') OR colour LIKE 'bl%'");
    let either = connection.receiver(either).await.expect("the receiver opens");
    assert_eq!(take(&either, 2).await, ["a", "d"]);
    either.close().await.expect("it closes");
    assert_eq!(take(&receiver(&connection, &node).await, 1).await, ["c"]);
    connection.close().await.expect("it closes");
    pass(server, "selector");
}

/// An expression with a mistake is refused, and the connection is as good as before.
pub async fn wrong_selector(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("filters.wrong").await;
    let wrong = node.receiver().selector("colour = = 'green'");
    let error = connection.receiver(wrong).await.expect_err("the expression is wrong");
    assert!(error.is_remote() && error.condition().is_some(), "{error:?}");
    assert!(!error.is_retryable(), "{error}");
    put(&sender(&connection, &node).await, ["text"]).await;
    assert_eq!(take(&receiver(&connection, &node).await, 1).await, ["text"]);
    connection.close().await.expect("it closes");
    pass(server, "wrong selector refused");
}

/// Copies; the queue keeps the messages.
pub async fn browse(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("filters.browse").await;
    put(&sender(&connection, &node).await, ["one", "two", "three"]).await;
    for _ in 0..2 {
        let browser = connection.receiver(node.receiver().browse()).await.expect("the receiver opens");
        assert_eq!(take(&browser, 3).await, ["one", "two", "three"]);
        assert!(is_exhausted(server, &browser).await);
        browser.close().await.expect("it closes");
    }
    assert_eq!(take(&receiver(&connection, &node).await, 3).await, ["one", "two", "three"]);
    connection.close().await.expect("it closes");
    pass(server, "browse");
}

/// A subscriber that does not want what its own connection publishes.
pub async fn no_local(server: &impl Server) {
    let (here, there) = (connect(server).await, connect(server).await);
    let node = server.topic("filters.local").await;
    let filter = Described {
        descriptor: Value::Symbol(Symbol::from_static("apache.org:no-local-filter:list")),
        value: Value::List(Vec::new()),
    };
    let options = node.receiver().filter("no-local", Value::Described(Box::new(filter)));
    let others = here.receiver(options).await.expect("the receiver opens");
    let all = receiver(&here, &node).await;
    put(&sender(&here, &node).await, ["from here"]).await;
    put(&sender(&there, &node).await, ["from there"]).await;
    assert_eq!(take(&all, 2).await, ["from here", "from there"]);
    assert_eq!(take(&others, 1).await, ["from there"]);
    here.close().await.expect("it closes");
    there.close().await.expect("it closes");
    pass(server, "no-local");
}

/// The more urgent message overtakes.
pub async fn priority(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("filters.priority").await;
    let messages = [("low", 1), ("middle", 4), ("high", 9), ("middle too", 4)];
    let messages = messages.map(|(text, priority)| Message::new(text).with_priority(priority));
    put(&sender(&connection, &node).await, messages).await;
    let receiver = receiver(&connection, &node).await;
    assert_eq!(take(&receiver, 4).await, ["high", "middle", "middle too", "low"]);
    connection.close().await.expect("it closes");
    pass(server, "priority");
}

/// What is too old is not delivered; what has time left is.
pub async fn time_to_live(server: &impl Server) {
    use std::time::Duration;
    let connection = connect(server).await;
    let node = server.queue("filters.ttl").await;
    let sender = sender(&connection, &node).await;
    put(&sender, [Message::new("short").with_ttl(Duration::from_millis(1))]).await;
    put(&sender, [Message::new("long").with_ttl(Duration::from_secs(3600))]).await;
    // The clock is the only thing to wait for here: afterwards "short" is too old, however slow the machine.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let receiver = receiver(&connection, &node).await;
    let delivery = next(&receiver).await;
    let message = delivery.message().expect("it is a message");
    assert_eq!(message.body_text(), Some("long"));
    let left = message.ttl().expect("it still has a time to live");
    assert!(left <= Duration::from_secs(3600), "{left:?}");
    delivery.accept().expect("it is not settled yet");
    assert!(is_exhausted(server, &receiver).await);
    connection.close().await.expect("it closes");
    pass(server, "time to live");
}
