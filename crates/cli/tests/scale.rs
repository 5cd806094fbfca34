//! What one machine carries: the broker in one process, a client with ten thousand of something in another.

mod common;

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use common::Broker;
use deuteron::{Connection, Delivery, Message, ReceiverOptions, SenderOptions};
use tokio::task::JoinSet;

/// Connections at once, and links on one connection.
const MANY: usize = 10_000;

/// So many are being opened at a time.
const AT_ONCE: usize = 100;

/// Messages in one queue.
const MESSAGES: u64 = 1_000_000;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(900);

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it ends") })
}

/// Does something for each number below [`MANY`], a hundred of them at a time; results in order.
async fn for_each<T, F>(start: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    let mut done: Vec<(usize, T)> = Vec::with_capacity(MANY);
    for number in 0..MANY {
        if under_way.len() == AT_ONCE {
            done.push(under_way.join_next().await.expect("some are under way").expect("it ends"));
        }
        let future = start(number);
        under_way.spawn(async move { (number, future.await) });
    }
    while let Some(next) = under_way.join_next().await {
        done.push(next.expect("it ends"));
    }
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Sends a message to a queue of its own on that connection, and gets it back.
async fn exchange(connection: &Connection, number: usize) {
    let address = format!("scale-{number}");
    let sender = connection.sender(SenderOptions::new(&address)).await.expect("a sender");
    let receiver = connection.receiver(ReceiverOptions::new(&address).credit_window(1)).await.expect("one");
    let text = format!("message {number}");
    assert!(sender.send(text.as_str()).await.expect("it is sent").is_accepted());
    let delivery = receiver.recv().await.expect("it comes back");
    assert_eq!(delivery.message().expect("a message").body_text(), Some(text.as_str()));
    delivery.accept().expect("it is ours");
    receiver.close().await.expect("it closes");
    sender.close().await.expect("it closes");
}

#[test]
fn ten_thousand_connections_are_open_at_once_and_each_exchanges_a_message() {
    let limit = common::raise_descriptor_limit();
    assert!(
        limit >= MANY as u64 + 500,
        "this needs {MANY} connections in a process, and the system allows it {limit} open files at most: \
         raise the hard limit (ulimit -Hn)"
    );
    let broker = Broker::start(&["--threads", "1"]);
    let idle = broker.open_files();
    block_on(async {
        let url = broker.url("");
        let connections = for_each(|_| {
            let url = url.clone();
            async move { Connection::connect(url).await.expect("it connects") }
        })
        .await;
        assert!(broker.open_files() >= idle + MANY, "the broker has {} files open", broker.open_files());
        let all = connections.clone();
        for_each(|number| {
            let connection = all[number].clone();
            async move { exchange(&connection, number).await }
        })
        .await;
        assert!(connections.iter().all(Connection::is_open));
        for connection in connections {
            connection.close().await.expect("it closes");
        }
        // The broker closes its side after it has answered.
        while broker.open_files() > idle {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn ten_thousand_links_are_on_one_connection_and_each_carries_a_message() {
    let broker = Broker::start(&["--threads", "1"]);
    block_on(async {
        let connection = Connection::connect(broker.url("")).await.expect("it connects");
        let receivers = for_each(|number| {
            let connection = connection.clone();
            async move {
                let options = ReceiverOptions::new(format!("link-{number}")).credit_window(1);
                connection.receiver(options).await.expect("a link")
            }
        })
        .await;
        assert_eq!(receivers.iter().filter(|receiver| receiver.is_open()).count(), MANY);
        let relay = connection.sender(SenderOptions::anonymous()).await.expect("a relay");
        let mut sent = Vec::with_capacity(MANY);
        for number in 0..MANY {
            let message = Message::new(number as u64).with_to(format!("link-{number}"));
            sent.push(relay.transfer(message).await.expect("it is sent"));
        }
        for delivery in sent {
            assert!(delivery.outcome().await.expect("it has one").is_accepted());
        }
        for (number, receiver) in receivers.iter().enumerate() {
            let delivery = receiver.recv().await.expect("it comes");
            let message = delivery.message().expect("a message");
            assert_eq!(message.body, Message::new(number as u64).body);
            delivery.accept().expect("it is ours");
        }
        for receiver in receivers {
            receiver.close().await.expect("it closes");
        }
        connection.close().await.expect("it closes");
    });
}

#[test]
fn a_million_messages_wait_in_a_queue_and_come_in_order() {
    let broker = Broker::start(&["--threads", "1"]);
    block_on(async {
        let connection = Connection::connect(broker.url("")).await.expect("it connects");
        let sender = connection.sender("million").await.expect("a sender");
        let mut in_flight: VecDeque<Delivery> = VecDeque::new();
        for number in 0..MESSAGES {
            if in_flight.len() == 1000 {
                let oldest = in_flight.pop_front().expect("there are a thousand");
                assert!(oldest.outcome().await.expect("it has one").is_accepted());
            }
            in_flight.push_back(sender.transfer(Message::new(number)).await.expect("it is sent"));
        }
        for delivery in in_flight {
            assert!(delivery.outcome().await.expect("it has one").is_accepted());
        }
        sender.close().await.expect("it closes");
        let receiver =
            connection.receiver(ReceiverOptions::new("million").credit_window(1000)).await.expect("one");
        for number in 0..MESSAGES {
            let delivery = receiver.recv().await.expect("it comes");
            assert_eq!(delivery.message().expect("a message").body, Message::new(number).body);
            delivery.accept().expect("it is ours");
        }
        connection.close().await.expect("it closes");
    });
}
