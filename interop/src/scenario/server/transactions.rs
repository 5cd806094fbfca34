//! All at once, or not at all.

use super::{connect, is_exhausted, next, pass, put, receiver, sender, take, text};
use crate::server::Server;
use deuteron::Receiver;

async fn has_nothing(server: &impl Server, receiver: &Receiver) -> bool {
    receiver.add_credit(10);
    is_exhausted(server, receiver).await
}

/// What is sent in a transaction is there when it is committed, and not before.
pub async fn transaction_commit(server: &impl Server) {
    let (connection, other) = (connect(server).await, connect(server).await);
    let nodes = [server.queue("transactions.commit").await, server.queue("transactions.commit.too").await];
    let senders = [sender(&connection, &nodes[0]).await, sender(&connection, &nodes[1]).await];
    let reader = other.receiver(nodes[0].receiver().manual_credit()).await.expect("the receiver opens");
    let transaction = connection.begin_transaction().await.expect("the server declares it");
    for (number, sender) in senders.iter().enumerate() {
        let outcome = transaction.send(sender, number.to_string()).await.expect("the message is sent");
        assert!(outcome.is_accepted(), "{outcome:?}");
    }
    assert!(has_nothing(server, &reader).await, "it is not committed yet");
    transaction.commit().await.expect("it is committed");
    reader.add_credit(1);
    assert_eq!(take(&reader, 1).await, ["0"]);
    assert_eq!(take(&receiver(&other, &nodes[1]).await, 1).await, ["1"]);
    connection.close().await.expect("it closes");
    other.close().await.expect("it closes");
    pass(server, "transaction: commit");
}

/// What is sent in a transaction that is rolled back, or given up, was never there.
pub async fn transaction_rollback(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("transactions.rollback").await;
    let sender = sender(&connection, &node).await;
    let transaction = connection.begin_transaction().await.expect("the server declares it");
    let outcome = transaction.send(&sender, "never").await.expect("the message is sent");
    assert!(outcome.is_accepted(), "{outcome:?}");
    transaction.rollback().await.expect("it is rolled back");
    let dropped = connection.begin_transaction().await.expect("the server declares another one");
    let outcome = dropped.send(&sender, "never either").await.expect("the message is sent");
    assert!(outcome.is_accepted(), "{outcome:?}");
    drop(dropped);
    put(&sender, ["outside"]).await;
    let reader = connection.receiver(node.receiver().manual_credit()).await.expect("the receiver opens");
    reader.add_credit(1);
    assert_eq!(take(&reader, 1).await, ["outside"]);
    assert!(has_nothing(server, &reader).await, "what was rolled back is not there");
    connection.close().await.expect("it closes");
    pass(server, "transaction: rollback");
}

/// What is accepted in a transaction is gone when it is committed; when it is rolled back, it is still to be done.
pub async fn transaction_consume(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("transactions.consume").await;
    let answers = server.queue("transactions.consume.answers").await;
    put(&sender(&connection, &node).await, ["order"]).await;
    let answer = sender(&connection, &answers).await;
    for commit in [false, true] {
        let orders = connection.receiver(node.receiver().manual_credit()).await.expect("the receiver opens");
        orders.add_credit(1);
        let order = next(&orders).await;
        assert_eq!(text(&order), "order", "it was not taken for good");
        let transaction = connection.begin_transaction().await.expect("the server declares it");
        let outcome = transaction.send(&answer, commit.to_string()).await.expect("the message is sent");
        assert!(outcome.is_accepted(), "{outcome:?}");
        transaction.accept(&order).expect("it is not settled yet");
        if commit {
            transaction.commit().await.expect("it is committed");
            assert!(has_nothing(server, &orders).await, "the order was taken");
        } else {
            transaction.rollback().await.expect("it is rolled back");
            // It is ours still, though not settled: we give it back.
            let _ = order.release();
        }
        orders.close().await.expect("it closes");
    }
    let answers = receiver(&connection, &answers).await;
    assert_eq!(take(&answers, 1).await, ["true"]);
    assert!(is_exhausted(server, &answers).await);
    connection.close().await.expect("it closes");
    pass(server, "transaction: consume");
}
