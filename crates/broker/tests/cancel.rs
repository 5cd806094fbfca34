//! Futures are dropped at each of their awaits: nothing hangs, nothing is lost, and what they were for can be done again.

mod common;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use common::{broker, connect, next_text};
use deuteron::{Connection, Container, Error, ReceiverOptions, SenderOptions};
use deuteron_broker::BrokerHandle;

/// No future of these is polled more often.
const MOST: usize = 100;

/// Polls a future so many times, each time after it was woken, and drops it. What it returned if it was ready by then.
async fn dropped_after<R>(polls: usize, future: impl Future<Output = R>) -> Option<R> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            // The rest is dropped without waiting to be woken once more.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drops what `make` makes after one poll, two, three and so on, until it is ready before that; `check` looks after each.
async fn at_each_await<R, F, C>(mut make: impl FnMut() -> F, mut check: impl FnMut(Option<R>) -> C)
where
    F: Future<Output = R>,
    C: Future<Output = ()>,
{
    for polls in 1..MOST {
        let ready = dropped_after(polls, make()).await;
        let done = ready.is_some();
        check(ready).await;
        if done {
            assert!(polls > 1, "it never had to wait");
            return;
        }
    }
    panic!("it is not ready after {MOST} polls");
}

/// One message crosses the connection and comes back.
async fn works(connection: &Connection, queue: &str) {
    let sender = connection.sender(queue).await.expect("a sender");
    let receiver = connection.receiver(queue).await.expect("a receiver");
    assert!(sender.send("works").await.expect("an outcome").is_accepted());
    while next_text(&receiver).await != "works" {}
    sender.close().await.expect("it is closed");
    receiver.close().await.expect("it is closed");
}

async fn both() -> (BrokerHandle, Connection) {
    let broker = broker(|_| ()).await;
    let connection = connect(&broker).await;
    (broker, connection)
}

#[tokio::test]
async fn connect_abandons_the_connection() {
    let broker = broker(|_| ()).await;
    let container = Container::new();
    at_each_await(
        || container.connect(broker.url()),
        |made: Option<Result<Connection, Error>>| async {
            drop(made);
            let connection = container.connect(broker.url()).await.expect("another one is made");
            works(&connection, "q").await;
            connection.close().await.expect("it is closed");
        },
    )
    .await;
}

#[tokio::test]
async fn opening_a_sender_or_receiver_leaves_the_connection_as_it_was() {
    let (_broker, connection) = both().await;
    at_each_await(
        || connection.sender(SenderOptions::new("q").name("s")),
        |made: Option<Result<_, Error>>| {
            drop(made);
            works(&connection, "q")
        },
    )
    .await;
    at_each_await(
        || connection.receiver(ReceiverOptions::new("other").name("r")),
        |made: Option<Result<_, Error>>| {
            drop(made);
            works(&connection, "q")
        },
    )
    .await;
}

#[tokio::test]
async fn a_send_happens_wholly_or_not_at_all() {
    let (_broker, connection) = both().await;
    let sender = connection.sender("q").await.expect("a sender");
    let receiver = connection.receiver("q").await.expect("a receiver");
    for polls in 1..MOST {
        let text = format!("message {polls}");
        let sent = dropped_after(polls, sender.send(text.as_str())).await;
        assert!(sender.send("mark").await.expect("an outcome").is_accepted());
        let first = next_text(&receiver).await;
        if first != "mark" {
            assert_eq!(first, text);
            assert_eq!(next_text(&receiver).await, "mark", "it came once");
        }
        if let Some(outcome) = sent {
            assert!(outcome.expect("an outcome").is_accepted());
            assert_eq!(first, text);
            return;
        }
    }
    panic!("no send was ready");
}

#[tokio::test]
async fn a_recv_takes_a_message_or_leaves_it() {
    let (_broker, connection) = both().await;
    let sender = connection.sender("q").await.expect("a sender");
    let receiver = connection.receiver("q").await.expect("a receiver");
    for round in 0..20 {
        let text = format!("message {round}");
        let sending = dropped_after(round + 1, receiver.recv());
        let (taken, sent) = tokio::join!(sending, sender.send(text.as_str()));
        assert!(sent.expect("an outcome").is_accepted());
        let got = match taken {
            Some(delivery) => {
                let delivery = delivery.expect("a message");
                delivery.accept().expect("it can be accepted");
                delivery.message().expect("it is one").body_text().expect("it has a text").to_owned()
            }
            None => next_text(&receiver).await,
        };
        assert_eq!(got, text);
    }
}

#[tokio::test]
async fn a_drain_goes_on_when_nobody_waits_for_it() {
    let (_broker, connection) = both().await;
    let receiver =
        connection.receiver(ReceiverOptions::new("empty").manual_credit()).await.expect("a receiver");
    at_each_await(
        || {
            receiver.add_credit(5);
            receiver.drain()
        },
        |drained: Option<Result<(), Error>>| {
            drained.into_iter().for_each(|drained| drained.expect("it was answered"));
            works(&connection, "q")
        },
    )
    .await;
    assert_eq!(receiver.credit(), 0);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_while_it_begins_leaves_nothing() {
    let (_broker, connection) = both().await;
    at_each_await(
        || connection.begin_transaction(),
        |begun: Option<Result<_, Error>>| {
            drop(begun);
            works(&connection, "q")
        },
    )
    .await;
    let sender = connection.sender("t").await.expect("a sender");
    let receiver = connection.receiver("t").await.expect("a receiver");
    for polls in 1..MOST {
        let transaction = connection.begin_transaction().await.expect("a transaction");
        let posted = dropped_after(polls, transaction.send(&sender, "provisional")).await;
        let ready = posted.is_some();
        drop(transaction);
        assert!(sender.send("mark").await.expect("an outcome").is_accepted());
        assert_eq!(next_text(&receiver).await, "mark", "what was posted is rolled back");
        if ready {
            return;
        }
    }
    panic!("nothing was posted");
}

#[tokio::test]
async fn closing_goes_on_when_nobody_waits_for_it() {
    let (broker, connection) = both().await;
    for polls in 1..MOST {
        let sender = connection.sender("q").await.expect("a sender");
        let closed = dropped_after(polls, sender.close()).await;
        works(&connection, "q").await;
        assert!(sender.is_closed());
        let other = connect(&broker).await;
        let ended = dropped_after(polls, other.close()).await;
        other.closed().await.expect("it is closed all the same");
        let third = connect(&broker).await;
        let shut = dropped_after(polls, third.shut_down(Duration::from_secs(60))).await;
        third.closed().await.expect("it is closed all the same");
        if closed.is_some() && ended.is_some() && shut.is_some() {
            return;
        }
    }
    panic!("nothing was closed");
}

#[tokio::test]
async fn waiting_for_credit_or_an_outcome_can_be_given_up() {
    let (_broker, connection) = both().await;
    let sender = connection.sender("q").await.expect("a sender");
    let receiver = connection.receiver("q").await.expect("a receiver");
    for polls in 1..MOST {
        let ready = dropped_after(polls, sender.ready()).await;
        let delivery = sender.transfer("one").await.expect("it is sent");
        let told = dropped_after(polls, delivery.outcome()).await;
        // Who asks later is told all the same.
        assert!(delivery.outcome().await.expect("an outcome").is_accepted());
        assert_eq!(next_text(&receiver).await, "one");
        if ready.is_some() && told.is_some() {
            return;
        }
    }
    panic!("nothing was ready");
}
