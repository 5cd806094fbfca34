//! What only RabbitMQ 4 has: streams, and queues bound to topics.

use super::{connect, next, pass, put, receiver, sender, take, text};
use crate::server::{Node, RabbitMq, Server};
use deuteron::codec::Described;
use deuteron::{Connection, Outcome, Receiver, Symbol, Value};

/// The name of the filter that says where to begin.
const OFFSET: &str = "rabbitmq:stream-offset-spec";

/// A stream keeps what is read, and each reader begins where it says: at the first message, at the one of a number, or at the next.
pub async fn stream(server: &RabbitMq) {
    let connection = connect(server).await;
    let node = server.declare("rabbitmq.stream", &[("x-queue-type", "stream")]).await;
    let sender = sender(&connection, &node).await;
    put(&sender, (0..10).map(|number| number.to_string())).await;
    for (begin, offset) in [(0, Value::from("first")), (0, Value::from(0_u64)), (7, Value::from(7_u64))] {
        let reader = reader(&connection, &node, offset).await;
        for number in begin..10_i64 {
            let delivery = next(&reader).await;
            assert_eq!(text(&delivery), number.to_string());
            let annotations = delivery.message().expect("it is a message").message_annotations;
            let annotations = annotations.expect("the server adds some");
            assert_eq!(annotations.get("x-stream-offset"), Some(&Value::Long(number)));
            delivery.accept().expect("it is not settled yet");
        }
        reader.close().await.expect("it closes");
    }
    let reader = reader(&connection, &node, Value::from("next")).await;
    put(&sender, ["new"]).await;
    assert_eq!(take(&reader, 1).await, ["new"]);
    connection.close().await.expect("it closes");
    pass(server, "stream, from an offset");
}

async fn reader(connection: &Connection, node: &Node, offset: Value) -> Receiver {
    let filter = Value::Described(Box::new(Described::new(Symbol::from(OFFSET), offset)));
    let options = node.receiver().filter(OFFSET, filter.clone());
    let reader = connection.receiver(options).await.expect("the receiver opens");
    let granted = reader.remote_source().and_then(|source| source.filter);
    let granted = granted.as_ref().and_then(|filters| filters.get(OFFSET));
    assert_eq!(granted, Some(&filter), "the server says what it applies");
    reader
}

/// A queue gets what is published under the keys that it is bound to; what no queue is bound to comes back.
pub async fn bound_queue(server: &RabbitMq) {
    let connection = connect(server).await;
    let node = server.queue("rabbitmq.news").await;
    server.bind("rabbitmq.news", "news.#").await;
    for key in ["news.sport", "news.weather.today"] {
        put(&sender(&connection, &server.topic(key).await).await, [key]).await;
    }
    let other = sender(&connection, &server.topic("gossip").await).await;
    let outcome = other.send("nobody wants it").await.expect("the message is sent");
    assert_eq!(outcome, Outcome::Released);
    let receiver = receiver(&connection, &node).await;
    assert_eq!(take(&receiver, 2).await, ["news.sport", "news.weather.today"]);
    assert!(super::is_exhausted(server, &receiver).await);
    connection.close().await.expect("it closes");
    pass(server, "queue bound to a topic");
}
