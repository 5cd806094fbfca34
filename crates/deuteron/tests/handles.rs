//! The async handles: what dropping does, and that every future can be dropped at any time.

mod common;

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use common::{on_loopback, url};
use deuteron::{
    ConnectOptions, Connection, Container, Link, Listener, Message, Outcome, Receiver, ReceiverOptions,
    SendOptions, Sender, SenderOptions,
};

/// Both ends of a connection, and of a link from the client to the server.
struct Pair {
    listener: Listener,
    client: Connection,
    server: Connection,
}

async fn pair() -> Pair {
    let listener = Container::new().listen(on_loopback()).await.unwrap();
    let client = Connection::connect(url(&listener)).await.unwrap();
    let server = listener.accept().await.unwrap();
    Pair { listener, client, server }
}

impl Pair {
    async fn upwards(&self, options: impl Into<SenderOptions>) -> (Sender, Receiver) {
        let options = options.into();
        let (sender, link) = tokio::join!(self.client.sender(options), self.accepted());
        let Link::Receiver(receiver) = link else { panic!("a receiver was expected") };
        (sender.unwrap(), receiver)
    }

    async fn downwards(&self, options: impl Into<ReceiverOptions>) -> (Sender, Receiver) {
        let options = options.into();
        let (receiver, link) = tokio::join!(self.client.receiver(options), self.accepted());
        let Link::Sender(sender) = link else { panic!("a sender was expected") };
        (sender, receiver.unwrap())
    }

    async fn accepted(&self) -> Link {
        let link = self.server.accept_link().await.unwrap();
        link.accept();
        link
    }
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut TaskContext::from_waker(Waker::noop()))
}

#[tokio::test]
async fn the_last_handle_closes_the_connection_in_order() {
    let pair = pair().await;
    let (sender, receiver) = pair.upwards("q").await;
    let Pair { client, server, listener: _listener } = pair;
    drop(client);
    assert!(sender.connection().is_open());
    drop(sender.transfer("last words").await.unwrap());
    drop(sender);
    // Closed without an error, and not before what was sent had come.
    assert_eq!(receiver.recv().await.unwrap().message().unwrap().body_text(), Some("last words"));
    server.closed().await.unwrap();
}

#[tokio::test]
async fn a_delivery_keeps_its_connection() {
    let pair = pair().await;
    let (sender, receiver) = pair.downwards("q").await;
    let sent = sender.transfer("x").await.unwrap();
    let delivery = receiver.recv().await.unwrap();
    drop((pair.client, receiver));
    drop(pair.listener);
    // The link is closed with its receiver, so the message is not settled any more, but nobody hangs.
    assert!(delivery.connection().is_open());
    drop(delivery.accept());
    drop(delivery);
    pair.server.closed().await.unwrap();
    assert!(sent.outcome().await.is_ok_and(|outcome| outcome == Outcome::Accepted) || sender.is_closed());
}

#[tokio::test]
async fn the_last_handle_of_a_link_closes_it() {
    let pair = pair().await;
    let (sender, receiver) = pair.upwards("q").await;
    let clone = sender.clone();
    drop(sender);
    assert!(clone.is_open());
    drop(clone);
    let error = receiver.recv().await.unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    assert!(pair.client.is_open());
    let left_open = pair.client.open_sender("kept").unwrap().name().to_owned();
    let link = pair.accepted().await;
    assert_eq!(link.name(), left_open);
    assert!(link.is_open());
}

#[tokio::test]
async fn a_send_that_is_dropped_while_it_waits_for_credit_sends_nothing() {
    let pair = pair().await;
    let (sender, receiver) = pair.downwards(ReceiverOptions::new("q").manual_credit()).await;
    {
        let mut dropped = pin!(sender.send("dropped"));
        assert!(poll_once(dropped.as_mut()).is_pending());
    }
    {
        let mut dropped = pin!(sender.ready());
        assert!(poll_once(dropped.as_mut()).is_pending());
    }
    receiver.add_credit(1);
    let (outcome, delivery) = tokio::join!(sender.send("sent"), async {
        let delivery = receiver.recv().await.unwrap();
        delivery.accept().unwrap();
        delivery
    });
    assert_eq!(outcome.unwrap(), Outcome::Accepted);
    assert_eq!(delivery.message().unwrap().body_text(), Some("sent"));
    assert!(sender.try_send("no credit").unwrap().is_none());
    assert_eq!(receiver.try_recv().unwrap(), None);
}

#[tokio::test]
async fn a_recv_that_is_dropped_takes_nothing() {
    let pair = pair().await;
    let (sender, receiver) = pair.downwards("q").await;
    {
        let mut dropped = pin!(receiver.recv());
        assert!(poll_once(dropped.as_mut()).is_pending());
        sender.send_now("one").unwrap();
        // The message may have come by now; the future is dropped without having been asked again.
        while receiver.queued() == 0 {
            tokio::task::yield_now().await;
        }
    }
    let delivery = receiver.recv().await.unwrap();
    assert_eq!(delivery.message().unwrap().body_text(), Some("one"));
    delivery.accept().unwrap();
}

#[tokio::test]
async fn an_outcome_can_be_awaited_again() {
    let pair = pair().await;
    let (sender, receiver) = pair.upwards("q").await;
    let delivery = sender.transfer("x").await.unwrap();
    {
        let mut dropped = pin!(delivery.outcome());
        assert!(poll_once(dropped.as_mut()).is_pending());
    }
    receiver.recv().await.unwrap().modify(true, true, None).unwrap();
    let expected = Outcome::Modified { delivery_failed: true, undeliverable_here: true, annotations: None };
    assert_eq!(delivery.outcome().await.unwrap(), expected);
    assert_eq!(delivery.outcome().await.unwrap(), expected);
}

#[tokio::test]
async fn an_unsettled_message_that_is_dropped_is_released() {
    let pair = pair().await;
    let (sender, receiver) = pair.upwards("q").await;
    let sent = sender.transfer("x").await.unwrap();
    let delivery = receiver.recv().await.unwrap();
    let clone = delivery.clone();
    drop(delivery);
    assert_eq!(sent.known_outcome(), None);
    drop(clone);
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Released);
    assert_eq!(receiver.unsettled(), 0);
}

#[tokio::test]
async fn a_message_is_settled_once() {
    let pair = pair().await;
    let (sender, receiver) = pair.upwards("q").await;
    let sent = sender.transfer("x").await.unwrap();
    let delivery = receiver.recv().await.unwrap();
    let clone = delivery.clone();
    delivery.reject(None).unwrap();
    assert!(delivery.accept().is_err());
    assert!(clone.accept().is_err());
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Rejected(None));
}

#[tokio::test]
async fn presettled_messages_have_no_outcome_to_wait_for() {
    let pair = pair().await;
    let (sender, receiver) = pair.upwards(SenderOptions::new("q").presettled()).await;
    assert_eq!(sender.send("x").await.unwrap(), Outcome::Settled);
    let delivery = receiver.recv().await.unwrap();
    assert!(delivery.is_remotely_settled());
    delivery.accept().unwrap();
    let (sender, receiver) = pair.upwards("q").await;
    let options = SendOptions { settled: Some(true), ..SendOptions::default() };
    assert_eq!(sender.transfer_with("y", options).await.unwrap().outcome().await.unwrap(), Outcome::Settled);
    assert_eq!(receiver.recv().await.unwrap().message().unwrap().body_text(), Some("y"));
    assert_eq!(receiver.unsettled(), 0);
}

#[tokio::test]
async fn the_second_settle_mode_waits_for_the_sender() {
    use deuteron::ReceiverSettleMode::Second;
    let pair = pair().await;
    let (sender, receiver) = pair.upwards(SenderOptions::new("q").rcv_settle_mode(Second)).await;
    let sent = sender.transfer("x").await.unwrap();
    let delivery = receiver.recv().await.unwrap();
    delivery.accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    while receiver.unsettled() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_share_one_sender_and_one_receiver() {
    const TASKS: usize = 16;
    const EACH: usize = 200;
    let pair = pair().await;
    let (sender, receiver) = pair.upwards("q").await;
    let senders: Vec<_> = (0..TASKS)
        .map(|task| {
            let sender = sender.clone();
            tokio::spawn(async move {
                for count in 0..EACH {
                    let outcome = sender.send(format!("{task} {count}")).await.unwrap();
                    assert!(outcome.is_accepted());
                }
            })
        })
        .collect();
    let receivers: Vec<_> = (0..4)
        .map(|_| {
            let receiver = receiver.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while let Ok(delivery) = receiver.recv().await {
                    seen.push(delivery.message().unwrap().body_text().unwrap().to_owned());
                    delivery.accept().unwrap();
                }
                seen
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    sender.close().await.unwrap();
    let mut seen = HashSet::new();
    for receiver in receivers {
        for text in receiver.await.unwrap() {
            assert!(seen.insert(text));
        }
    }
    assert_eq!(seen.len(), TASKS * EACH);
}

#[tokio::test]
async fn credit_follows_what_is_taken() {
    let pair = pair().await;
    let (sender, receiver) = pair.downwards(ReceiverOptions::new("q").credit_window(10)).await;
    sender.ready().await.unwrap();
    let mut sent = 0;
    while sender.try_send("x").unwrap().is_some() {
        sent += 1;
    }
    assert_eq!(sent, 10);
    for _ in 0..10 {
        receiver.recv().await.unwrap().accept().unwrap();
    }
    sender.ready().await.unwrap();
    assert_eq!(sender.credit(), 10);
}

#[tokio::test]
async fn a_drain_takes_what_is_there_and_gives_the_rest_back() {
    let pair = pair().await;
    let (sender, receiver) = pair.downwards(ReceiverOptions::new("q").manual_credit()).await;
    receiver.add_credit(5);
    sender.ready().await.unwrap();
    for text in ["a", "b"] {
        sender.send_now(text).unwrap();
    }
    receiver.drain().await.unwrap();
    assert_eq!(receiver.credit(), 0);
    for text in ["a", "b"] {
        let delivery = receiver.try_recv().unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body_text(), Some(text));
        delivery.accept().unwrap();
    }
    assert!(receiver.try_recv().unwrap().is_none());
    assert_eq!(sender.credit(), 0);
}

#[tokio::test]
async fn a_drain_does_not_end_with_the_one_before() {
    let pair = pair().await;
    let (sender, receiver) = pair.downwards(ReceiverOptions::new("q").manual_credit()).await;
    for _ in 0..100 {
        // There is nothing to give back: this is over at once, and what it tells comes later.
        receiver.drain().await.unwrap();
        receiver.add_credit(5);
        receiver.drain().await.unwrap();
        assert_eq!(receiver.credit(), 0);
    }
    assert_eq!(sender.credit(), 0);
}

#[tokio::test]
async fn send_now_queues_up_to_its_limit() {
    let pair = pair().await;
    let (sender, receiver) = pair.downwards(ReceiverOptions::new("q").manual_credit()).await;
    drop((sender, receiver));
    let sender = pair.client.open_sender(SenderOptions::new("q").queue_limit(3)).unwrap();
    for _ in 0..3 {
        sender.send_now("queued before the peer has attached").unwrap();
    }
    let error = sender.send_now("one too many").unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let Link::Receiver(receiver) = pair.accepted().await else { panic!("a receiver was expected") };
    for _ in 0..3 {
        receiver.recv().await.unwrap().accept().unwrap();
    }
}

#[tokio::test]
async fn messages_of_all_sizes_cross() {
    let pair = pair().await;
    let (sender, receiver) = pair.upwards("q").await;
    for size in [0, 1, 100, 4095, 4096, 65_536, 1 << 20, 10 << 20] {
        let body: Vec<u8> = (0..size).map(|n: usize| (n % 251) as u8).collect();
        let message = Message::new(bytes::Bytes::from(body.clone()));
        let (outcome, ()) = tokio::join!(sender.send(&message), async {
            let delivery = receiver.recv().await.unwrap();
            assert_eq!(delivery.message().unwrap().body_bytes().as_deref(), Some(&body[..]), "{size}");
            delivery.accept().unwrap();
        });
        assert_eq!(outcome.unwrap(), Outcome::Accepted);
    }
}

#[tokio::test]
async fn stopping_a_container_closes_all_its_connections_in_order() {
    let container = Container::new();
    let listener = Container::new().listen(on_loopback()).await.unwrap();
    let one = container.connect(url(&listener)).await.unwrap();
    let two = container.connect(url(&listener)).await.unwrap();
    container.stop();
    one.closed().await.unwrap();
    two.closed().await.unwrap();
    for _ in 0..2 {
        listener.accept().await.unwrap().closed().await.unwrap();
    }
    assert!(container.connect(url(&listener)).await.unwrap_err().to_string().contains("stopped"));
}

#[tokio::test]
async fn errors_of_options_come_from_the_call() {
    for bad in ["http://x", "amqp://", "amqp://::1", "amqp://x:65536", "amqp://x:0", "amqp://a b"] {
        let error = Connection::connect(bad).await.unwrap_err();
        assert_eq!(error.scope(), deuteron::Scope::Config, "{bad}: {error}");
    }
    let none: [&str; 0] = [];
    assert!(Connection::connect(ConnectOptions::from(none)).await.is_err());
    let error = Connection::connect("amqp://user:secret@x y").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[test]
fn outside_of_a_runtime_there_is_an_error() {
    let mut connecting = pin!(Connection::connect("amqp://127.0.0.1:1"));
    let Poll::Ready(Err(error)) = poll_once(connecting.as_mut()) else { panic!("no error") };
    assert!(error.to_string().contains("runtime"), "{error}");
}

#[test]
fn handles_learn_that_their_runtime_has_gone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (_listener, connection, sender) = runtime.block_on(async {
        struct Any;
        impl deuteron::MessagingHandler for Any {}
        let listener = Container::new().serve(on_loopback(), || Any).await.unwrap();
        let connection = Connection::connect(url(&listener)).await.unwrap();
        let sender = connection.sender("q").await.unwrap();
        (listener, connection, sender)
    });
    runtime.shutdown_timeout(Duration::from_secs(60));
    assert!(connection.is_closed());
    assert!(connection.error().unwrap().to_string().contains("runtime"));
    assert!(sender.send_now("x").is_err());
}
