//! Transactions over loopback, with clients of ours.

mod common;

use std::time::Duration;

use common::{PATIENCE, broker, connect, next_text, until};
use deuteron::{Message, Outcome, ReceiverOptions, SenderOptions};

#[tokio::test]
async fn messages_arrive_with_the_commit() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    let transaction = connection.begin_transaction().await.unwrap();
    for text in ["a", "b"] {
        assert_eq!(transaction.send(&sender, text).await.unwrap(), Outcome::Accepted);
    }
    assert_eq!(broker.messages("q"), Some(0));
    assert_eq!(broker.stats().transactions, 1);
    transaction.commit().await.unwrap();
    let receiver = connection.receiver("q").await.unwrap();
    assert_eq!((next_text(&receiver).await, next_text(&receiver).await), ("a".into(), "b".into()));
    let transaction = connection.begin_transaction().await.unwrap();
    let _ = transaction.send(&sender, "c").await.unwrap();
    transaction.rollback().await.unwrap();
    let _ = sender.send("d").await.unwrap();
    assert_eq!(next_text(&receiver).await, "d");
}

#[tokio::test]
async fn a_message_moves_from_queue_to_queue_or_stays() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let orders = connection.sender("orders").await.unwrap();
    let _ = orders.send("order").await.unwrap();
    let receiver = connection.receiver(ReceiverOptions::new("orders").credit_window(1)).await.unwrap();
    let invoices = connection.sender("invoices").await.unwrap();
    for commits in [false, true] {
        let order = receiver.recv_timeout(PATIENCE).await.unwrap();
        assert_eq!(order.message().unwrap().delivery_count(), u32::from(commits));
        let transaction = connection.begin_transaction().await.unwrap();
        let _ = transaction.send(&invoices, "invoice").await.unwrap();
        transaction.accept(&order).unwrap();
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let there = u64::from(commits);
        until("it happens", || broker.messages("orders") == Some(1 - there)).await;
        assert_eq!(broker.messages("invoices"), Some(there));
    }
}

#[tokio::test]
async fn several_links_and_sessions_share_a_transaction() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let session = connection.open_session(deuteron::SessionOptions::default()).unwrap();
    let one = connection.sender("one").await.unwrap();
    let two = session.sender("two").await.unwrap();
    let relay = connection.sender(SenderOptions::anonymous()).await.unwrap();
    let first = connection.begin_transaction().await.unwrap();
    let second = connection.begin_transaction().await.unwrap();
    let _ = first.send(&one, "1").await.unwrap();
    let _ = first.send(&two, "1").await.unwrap();
    let _ = second.send(&two, "2").await.unwrap();
    let _ = second.send(&relay, Message::new("3").with_to("three")).await.unwrap();
    second.commit().await.unwrap();
    assert_eq!((broker.messages("one"), broker.messages("two")), (Some(0), Some(1)));
    assert_eq!(broker.messages("three"), Some(1));
    first.commit().await.unwrap();
    assert_eq!((broker.messages("one"), broker.messages("two")), (Some(1), Some(2)));
}

#[tokio::test]
async fn outcomes_settled_at_the_discharge_count_once() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    for text in ["a", "b"] {
        let _ = sender.send(text).await.unwrap();
    }
    let receiver = connection.receiver("q").await.unwrap();
    let transaction = connection.begin_transaction().await.unwrap();
    transaction.settle_at_discharge(true);
    let delivery = receiver.recv_timeout(PATIENCE).await.unwrap();
    transaction.accept(&delivery).unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(next_text(&receiver).await, "b");
    until("all is done with", || broker.stats().accepted == 2 && broker.messages("q") == Some(0)).await;
}

#[tokio::test]
async fn a_lost_connection_rolls_back() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    let _ = sender.send("kept").await.unwrap();
    let other = connect(&broker).await;
    let receiver = other.receiver("q").await.unwrap();
    let delivery = receiver.recv_timeout(PATIENCE).await.unwrap();
    let transaction = other.begin_transaction().await.unwrap();
    transaction.accept(&delivery).unwrap();
    let posting = other.sender("q").await.unwrap();
    let _ = transaction.send(&posting, "lost").await.unwrap();
    other.close().await.unwrap();
    until("it is rolled back", || broker.stats().transactions == 0).await;
    let receiver = connection.receiver("q").await.unwrap();
    assert_eq!(next_text(&receiver).await, "kept");
    assert_eq!(broker.stats().received, 1);
}

#[tokio::test]
async fn a_transaction_that_takes_too_long_is_rolled_back() {
    let broker = broker(|config| config.transaction_timeout = Some(Duration::from_millis(20))).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    let transaction = connection.begin_transaction().await.unwrap();
    let _ = transaction.send(&sender, "x").await;
    until("its bytes go", || broker.stats().bytes == 0).await;
    loop {
        // The clock decides when; until then a message is taken.
        match transaction.send(&sender, "x").await.unwrap() {
            Outcome::Rejected(Some(error)) => {
                assert_eq!(error.condition.as_str(), "amqp:transaction:timeout");
                break;
            }
            outcome => assert_eq!(outcome, Outcome::Accepted),
        }
    }
    assert_eq!(transaction.commit().await.unwrap_err().condition(), Some("amqp:transaction:timeout"));
    assert_eq!(broker.messages("q"), Some(0));
}

#[tokio::test]
async fn a_connection_has_so_many_transactions_and_no_more() {
    let broker = broker(|config| config.max_transactions = 1).await;
    let connection = connect(&broker).await;
    let transaction = connection.begin_transaction().await.unwrap();
    let error = connection.begin_transaction().await.unwrap_err();
    assert_eq!(error.condition(), Some("amqp:resource-limit-exceeded"));
    transaction.rollback().await.unwrap();
    connection.begin_transaction().await.unwrap().rollback().await.unwrap();
}

#[tokio::test]
async fn a_message_within_no_known_transaction_closes_its_link() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    let state = deuteron::codec::TransactionalState { txn_id: vec![1, 2, 3].into(), outcome: None };
    let options = deuteron::SendOptions {
        state: Some(deuteron::DeliveryState::Transactional(Box::new(state))),
        ..deuteron::SendOptions::default()
    };
    let delivery = sender.transfer_with("x", options).await.unwrap();
    drop(delivery.outcome().await);
    until("the link is closed", || sender.is_closed()).await;
    assert_eq!(sender.error().unwrap().condition(), Some("amqp:transaction:unknown-id"));
    assert_eq!(broker.stats().received, 0);
    assert!(connection.is_open());
}

#[tokio::test]
async fn messages_acquired_in_a_transaction_stay_with_a_commit_and_go_back_with_a_rollback() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    for text in ["a", "b", "c"] {
        let _ = sender.send(text).await.unwrap();
    }
    let receiver = connection.receiver(ReceiverOptions::new("q").credit_window(0)).await.unwrap();
    let transaction = connection.begin_transaction().await.unwrap();
    receiver.acquire_in(Some(&transaction)).unwrap();
    receiver.add_credit(2);
    let mut deliveries = Vec::new();
    for text in ["a", "b"] {
        let delivery = receiver.recv_timeout(PATIENCE).await.unwrap();
        assert_eq!(delivery.message().unwrap().body_text(), Some(text));
        assert_eq!(delivery.transaction_id(), transaction.id());
        deliveries.push(delivery);
    }
    transaction.rollback().await.unwrap();
    deliveries.clear();
    // Nothing more comes on the link until it says how to go on.
    let transaction = connection.begin_transaction().await.unwrap();
    receiver.acquire_in(Some(&transaction)).unwrap();
    receiver.add_credit(2);
    for text in ["a", "b"] {
        let delivery = receiver.recv_timeout(PATIENCE).await.unwrap();
        let message = delivery.message().unwrap();
        assert_eq!((message.body_text(), message.delivery_count()), (Some(text), 1));
        deliveries.push(delivery);
    }
    // One is decided on within the transaction too, the other after it.
    transaction.accept(&deliveries[0]).unwrap();
    transaction.commit().await.unwrap();
    until("one is gone", || broker.messages("q") == Some(2)).await;
    deliveries[1].accept().unwrap();
    until("the other is gone", || broker.messages("q") == Some(1)).await;
    receiver.acquire_in(None).unwrap();
    receiver.add_credit(1);
    assert_eq!(next_text(&receiver).await, "c");
}

#[tokio::test]
async fn what_was_acquired_goes_back_when_the_connection_is_lost() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let _ = connection.sender("q").await.unwrap().send("a").await.unwrap();
    let receiver = connection.receiver(ReceiverOptions::new("q").credit_window(0)).await.unwrap();
    let transaction = connection.begin_transaction().await.unwrap();
    receiver.acquire_in(Some(&transaction)).unwrap();
    receiver.add_credit(1);
    let _ = receiver.recv_timeout(PATIENCE).await.unwrap();
    connection.close().await.unwrap();
    let other = connect(&broker).await;
    assert_eq!(next_text(&other.receiver("q").await.unwrap()).await, "a");
}

#[tokio::test]
async fn a_receiver_that_goes_on_in_a_transaction_that_is_over_loses_its_link() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let receiver = connection.receiver(ReceiverOptions::new("q").credit_window(0)).await.unwrap();
    let transaction = connection.begin_transaction().await.unwrap();
    receiver.acquire_in(Some(&transaction)).unwrap();
    transaction.commit().await.unwrap();
    receiver.add_credit(1);
    let error = receiver.recv_timeout(PATIENCE).await.unwrap_err();
    assert_eq!(error.condition(), Some("amqp:transaction:unknown-id"), "{error}");
    assert!(receiver.acquire_in(Some(&transaction)).is_err(), "it is over here too");
}
