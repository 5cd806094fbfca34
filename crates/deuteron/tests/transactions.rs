//! Transactions from our side: the peer is a coordinator that does what each test says.

mod common;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use common::on_loopback;
use deuteron::codec::{Declared, DeliveryState, TransactionalState};
use deuteron::{
    AmqpError, ConnectOptions, Connection, Container, Context, Deadlines, Delivery, Error, Fate, Link,
    Listener, Map, Message, MessagingHandler, Outcome, Phase, Receiver, Scope, Sender, Transaction, Value,
    condition,
};

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens")
}

/// Both sides of a connection; ours reconnects.
struct Pair {
    listener: Listener,
    client: Connection,
    server: Connection,
}

async fn pair_with(options: impl FnOnce(ConnectOptions) -> ConnectOptions) -> Pair {
    let listener = Container::new().listen(on_loopback()).await.unwrap();
    let options = options(ConnectOptions::new(common::url(&listener)));
    let (client, server) =
        within(async { tokio::join!(Connection::connect(options), listener.accept()) }).await;
    Pair { client: client.unwrap(), server: server.unwrap(), listener }
}

async fn pair() -> Pair {
    pair_with(|options| options).await
}

impl Pair {
    /// The next link of the client's, accepted.
    async fn link(&self) -> Link {
        let link = within(self.server.accept_link()).await.unwrap();
        link.accept();
        link
    }

    async fn receiver(&self) -> Receiver {
        match self.link().await {
            Link::Receiver(receiver) => receiver,
            Link::Sender(_) => panic!("a link that the client sends on was expected"),
        }
    }

    /// The link to the coordinator.
    async fn coordinator(&self) -> Receiver {
        let receiver = self.receiver().await;
        assert!(receiver.targets_coordinator());
        receiver
    }

    /// A transaction that the peer calls `txn-1`, and the link to the coordinator.
    async fn transaction(&self) -> (Transaction, Receiver) {
        let begun = self.client.begin_transaction();
        let answered = async {
            let coordinator = self.coordinator().await;
            declare(&coordinator, "txn-1").await;
            coordinator
        };
        let (transaction, coordinator) = within(async { tokio::join!(begun, answered) }).await;
        (transaction.unwrap(), coordinator)
    }

    /// A sender of the client's with the server's side of it.
    async fn sender(&self) -> (Sender, Receiver) {
        let (sender, receiver) =
            within(async { tokio::join!(self.client.sender("q"), self.receiver()) }).await;
        (sender.unwrap(), receiver)
    }

    /// A receiver of the client's with the server's side of it.
    async fn client_receiver(&self) -> (Receiver, Sender) {
        let (receiver, link) = within(async { tokio::join!(self.client.receiver("q"), self.link()) }).await;
        match link {
            Link::Sender(sender) => (receiver.unwrap(), sender),
            Link::Receiver(_) => panic!("a link that the server sends on was expected"),
        }
    }

    /// The wire goes; the client comes back.
    async fn lose_wire(&mut self) {
        drop(self.server.close_with(AmqpError::new(condition::CONNECTION_FORCED, "gone")));
        self.server = within(self.listener.accept()).await.unwrap();
    }
}

/// What a control message says: the descriptor, and the fields.
fn control(delivery: &Delivery) -> (Value, Vec<Value>) {
    match delivery.message().unwrap().body {
        deuteron::Body::Value(Value::Described(described)) => match described.value {
            Value::List(fields) => (described.descriptor, fields),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

async fn declare(coordinator: &Receiver, id: &'static str) {
    let delivery = within(coordinator.recv()).await.unwrap();
    assert_eq!(control(&delivery).0, Value::Ulong(0x31));
    let declared = Declared { txn_id: Bytes::from_static(id.as_bytes()) };
    delivery.settle_with(DeliveryState::Declared(Box::new(declared))).unwrap();
}

/// The next discharge: which transaction, and whether it is to fail.
async fn discharge(coordinator: &Receiver) -> (Delivery, Bytes, bool) {
    let delivery = within(coordinator.recv()).await.unwrap();
    let (descriptor, fields) = control(&delivery);
    assert_eq!(descriptor, Value::Ulong(0x32));
    let Some(Value::Binary(id)) = fields.first().cloned() else { panic!("{fields:?}") };
    let fail = fields.get(1) == Some(&Value::Bool(true));
    (delivery, id, fail)
}

async fn assert_discharge(coordinator: &Receiver, fail: bool) {
    let (delivery, id, failed) = discharge(coordinator).await;
    assert_eq!((&id[..], failed), (&b"txn-1"[..], fail));
    delivery.accept().unwrap();
}

fn transactional(outcome: Option<DeliveryState>) -> DeliveryState {
    let state = TransactionalState { txn_id: Bytes::from_static(b"txn-1"), outcome };
    DeliveryState::Transactional(Box::new(state))
}

#[tokio::test]
async fn a_message_is_posted_and_the_transaction_committed() {
    let pair = pair().await;
    let (sender, posted) = pair.sender().await;
    let (transaction, coordinator) = pair.transaction().await;
    assert_eq!(transaction.id().as_deref(), Some(&b"txn-1"[..]));
    let answered = async {
        let delivery = posted.recv().await.unwrap();
        assert_eq!(delivery.remote_state(), Some(transactional(None)));
        delivery.settle_with(transactional(Some(DeliveryState::Accepted))).unwrap();
    };
    let (outcome, ()) = within(async { tokio::join!(transaction.send(&sender, "one"), answered) }).await;
    assert_eq!(outcome.unwrap(), Outcome::Accepted);
    let (committed, ()) =
        within(async { tokio::join!(transaction.commit(), assert_discharge(&coordinator, false)) }).await;
    committed.unwrap();
    assert_eq!(transaction.id(), None);
    let again = transaction.send(&sender, "two").await.unwrap_err();
    assert_eq!((again.scope(), again.fate()), (Scope::Usage, Some(Fate::NotSent)));
}

#[tokio::test]
async fn outcomes_are_given_in_the_transaction() {
    let pair = pair().await;
    let (receiver, sender) = pair.client_receiver().await;
    let (transaction, coordinator) = pair.transaction().await;
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(within(sender.transfer("x")).await.unwrap());
    }
    let mut annotations = Map::new();
    annotations.insert("why", "late");
    for number in 0..4 {
        let delivery = within(receiver.recv()).await.unwrap();
        match number {
            0 => transaction.accept(&delivery),
            1 => transaction.reject(&delivery, Some(AmqpError::new(condition::NOT_ALLOWED, "no"))),
            2 => transaction.release(&delivery),
            _ => transaction.modify(&delivery, true, true, Some(annotations.clone())),
        }
        .unwrap();
        assert!(delivery.accept().is_err(), "it has an outcome");
    }
    let mut outcomes = Vec::new();
    for delivery in &sent {
        outcomes.push(within(delivery.outcome()).await.unwrap());
    }
    assert!(matches!(
        &outcomes[..],
        [
            Outcome::Accepted,
            Outcome::Rejected(Some(error)),
            Outcome::Released,
            Outcome::Modified { delivery_failed: true, undeliverable_here: true, annotations: Some(_) },
        ] if error.condition == condition::NOT_ALLOWED
    ));
    let (rolled_back, ()) =
        within(async { tokio::join!(transaction.rollback(), assert_discharge(&coordinator, true)) }).await;
    rolled_back.unwrap();
}

#[tokio::test]
async fn outcomes_may_be_settled_at_the_discharge() {
    for commits in [true, false] {
        let pair = pair().await;
        let (receiver, sender) = pair.client_receiver().await;
        let (transaction, coordinator) = pair.transaction().await;
        transaction.settle_at_discharge(true);
        let sent = within(sender.transfer("x")).await.unwrap();
        let delivery = within(receiver.recv()).await.unwrap();
        transaction.accept(&delivery).unwrap();
        while sent.remote_state().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(sent.remote_state(), Some(transactional(Some(DeliveryState::Accepted))));
        assert!(!sent.is_remotely_settled());
        let end = if commits { transaction.commit() } else { transaction.rollback() };
        let (end, ()) = within(async { tokio::join!(end, assert_discharge(&coordinator, !commits)) }).await;
        end.unwrap();
        while !sent.is_remotely_settled() {
            tokio::task::yield_now().await;
        }
        let state = if commits { DeliveryState::Accepted } else { DeliveryState::Released };
        assert_eq!(sent.remote_state(), Some(state));
    }
}

#[tokio::test]
async fn a_coordinator_that_refuses_says_why() {
    let pair = pair().await;
    let refused = async {
        let link = within(pair.server.accept_link()).await.unwrap();
        link.reject(AmqpError::new(condition::NOT_IMPLEMENTED, "no transactions here"));
    };
    let (begun, ()) = within(async { tokio::join!(pair.client.begin_transaction(), refused) }).await;
    assert_eq!(begun.unwrap_err().condition(), Some("amqp:not-implemented"));
    // The next one asks again, and the connection has suffered nothing.
    let (_transaction, _coordinator) = pair.transaction().await;
}

#[tokio::test]
async fn a_declare_that_is_rejected_says_why() {
    let pair = pair().await;
    let rejected = async {
        let coordinator = pair.coordinator().await;
        let delivery = coordinator.recv().await.unwrap();
        delivery.reject(Some(AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, "enough"))).unwrap();
        coordinator
    };
    let (begun, _coordinator) =
        within(async { tokio::join!(pair.client.begin_transaction(), rejected) }).await;
    let error = begun.unwrap_err();
    assert_eq!(
        (error.scope(), error.condition()),
        (Scope::Transaction, Some("amqp:resource-limit-exceeded"))
    );
}

#[tokio::test]
async fn a_commit_that_is_rolled_back_says_why() {
    let pair = pair().await;
    let (transaction, coordinator) = pair.transaction().await;
    let rejected = async {
        let (delivery, _, fail) = discharge(&coordinator).await;
        assert!(!fail);
        delivery.reject(Some(AmqpError::new(condition::TRANSACTION_ROLLBACK, "no room"))).unwrap();
    };
    let (committed, ()) = within(async { tokio::join!(transaction.commit(), rejected) }).await;
    let error = committed.unwrap_err();
    assert_eq!(error.condition(), Some("amqp:transaction:rollback"));
    assert_eq!(error.fate(), Some(Fate::NotSent));
    assert!(error.to_string().contains("no room"), "{error}");
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back() {
    let pair = pair().await;
    let (transaction, coordinator) = pair.transaction().await;
    drop(transaction.clone());
    assert!(transaction.id().is_some(), "a handle is left");
    drop(transaction);
    assert_discharge(&coordinator, true).await;
}

#[tokio::test]
async fn a_transaction_that_is_declared_when_nobody_waits_any_more_is_rolled_back() {
    let pair = pair().await;
    let mut begun = Box::pin(pair.client.begin_transaction());
    let coordinator = tokio::select! {
        _ = &mut begun => panic!("nobody has answered"),
        coordinator = pair.coordinator() => coordinator,
    };
    drop(begun);
    declare(&coordinator, "txn-1").await;
    assert_discharge(&coordinator, true).await;
}

#[tokio::test]
async fn a_lost_wire_ends_the_transaction_and_its_messages_are_not_sent_again() {
    let mut pair = pair().await;
    let (sender, posted) = pair.sender().await;
    let (transaction, _coordinator) = pair.transaction().await;
    let within_it = within(transaction.transfer(&sender, "in the transaction")).await.unwrap();
    let _unanswered = within(posted.recv()).await.unwrap();
    let other = within(sender.transfer("outside")).await.unwrap();
    pair.lose_wire().await;
    let error = within(within_it.outcome()).await.unwrap_err();
    assert_eq!(error.fate(), Some(Fate::Unknown));
    for error in [
        within(transaction.send(&sender, "more")).await.unwrap_err(),
        within(transaction.commit()).await.unwrap_err(),
    ] {
        assert_eq!(
            (error.scope(), error.condition()),
            (Scope::Transaction, Some("amqp:transaction:rollback"))
        );
        assert!(error.is_retryable());
    }
    // Links come back in any order; only what was sent outside comes again.
    let mut links = vec![pair.receiver().await, pair.receiver().await];
    links.retain(|link| !link.targets_coordinator());
    let again = within(links[0].recv()).await.unwrap();
    assert_eq!(again.message().unwrap().body_text(), Some("outside"));
    again.accept().unwrap();
    assert!(within(other.outcome()).await.unwrap().is_accepted());
    assert!(links[0].try_recv().unwrap().is_none());
}

#[tokio::test]
async fn a_transaction_begins_anew_after_a_lost_wire() {
    let mut pair = pair().await;
    let (transaction, _) = pair.transaction().await;
    pair.lose_wire().await;
    let coordinator = pair.coordinator().await;
    let answered = declare(&coordinator, "txn-2");
    let (second, ()) = within(async { tokio::join!(pair.client.begin_transaction(), answered) }).await;
    assert_eq!(second.unwrap().id().as_deref(), Some(&b"txn-2"[..]));
    assert_eq!(transaction.id(), None);
}

#[tokio::test]
async fn the_fate_of_a_commit_that_was_under_way_is_unknown() {
    let mut pair = pair().await;
    let (transaction, coordinator) = pair.transaction().await;
    let commit = transaction.commit();
    let _unanswered = discharge(&coordinator).await;
    pair.lose_wire().await;
    let error = within(commit).await.unwrap_err();
    assert_eq!((error.scope(), error.fate()), (Scope::Transaction, Some(Fate::Unknown)));
}

#[tokio::test]
async fn a_rollback_that_was_under_way_has_happened() {
    let mut pair = pair().await;
    let (transaction, coordinator) = pair.transaction().await;
    let rollback = transaction.rollback();
    let _unanswered = discharge(&coordinator).await;
    pair.lose_wire().await;
    within(rollback).await.unwrap();
}

#[tokio::test]
async fn a_coordinator_that_closes_its_link_has_rolled_back() {
    let pair = pair().await;
    let (transaction, coordinator) = pair.transaction().await;
    drop(coordinator.close_with(AmqpError::new(condition::TRANSACTION_TIMEOUT, "too long")));
    while transaction.id().is_some() {
        tokio::task::yield_now().await;
    }
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(error.condition(), Some("amqp:transaction:timeout"));
    assert!(pair.client.is_open());
    let (_second, _coordinator) = pair.transaction().await;
}

#[tokio::test]
async fn who_waits_for_credit_hears_of_the_end_of_the_transaction() {
    let mut pair = pair().await;
    let without_credit = async {
        let Link::Receiver(receiver) = pair.server.accept_link().await.unwrap() else { panic!("it sends") };
        receiver.set_credit_window(0);
        receiver.accept();
    };
    let (sender, ()) = within(async { tokio::join!(pair.client.sender("q"), without_credit) }).await;
    let sender = sender.unwrap();
    let (transaction, _coordinator) = pair.transaction().await;
    let waiting = transaction.send(&sender, "x");
    let (error, ()) = within(async { tokio::join!(waiting, pair.lose_wire()) }).await;
    let error = error.unwrap_err();
    assert_eq!((error.condition(), error.fate()), (Some("amqp:transaction:rollback"), Some(Fate::NotSent)));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_waited_for_no_longer_than_the_deadline() {
    let deadline = Duration::from_millis(50);
    let pair = pair_with(|options| {
        options.deadlines(Deadlines { transaction: Some(deadline), ..Deadlines::default() })
    })
    .await;
    let (begun, _coordinator) =
        within(async { tokio::join!(pair.client.begin_transaction(), pair.coordinator()) }).await;
    let error = begun.unwrap_err();
    assert_eq!((error.scope(), error.deadline()), (Scope::Transaction, Some(Phase::Transaction)));
}

#[tokio::test]
async fn links_of_another_connection_do_not_belong_to_it() {
    let (first, second) = (pair().await, pair().await);
    let (transaction, _coordinator) = first.transaction().await;
    let (sender, _posted) = second.sender().await;
    assert_eq!(transaction.send(&sender, "x").await.unwrap_err().scope(), Scope::Usage);
    assert_eq!(transaction.send_now(&sender, "x").unwrap_err().scope(), Scope::Usage);
}

/// Declares at the start, and writes down what it is told.
struct Declares {
    url: String,
    rolls_back: bool,
    log: Vec<String>,
}

impl Declares {
    fn note(&mut self, connection: &Connection, text: impl Into<String>) {
        self.log.push(text.into());
        drop(connection.close());
    }
}

impl MessagingHandler for Declares {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(ConnectOptions::new(self.url.as_str()).reconnect(false)).unwrap();
        // Nobody keeps the handle.
        drop(connection.declare_transaction().unwrap());
    }

    fn on_link_opened(&mut self, _: &mut Context<'_>, link: &Link) {
        self.log.push(format!("link {}", link.name()));
    }

    fn on_link_error(&mut self, _: &mut Context<'_>, link: &Link, _: &Error) {
        self.log.push(format!("link error {}", link.name()));
    }

    fn on_transaction_declared(&mut self, _: &mut Context<'_>, transaction: &Transaction) {
        self.log.push("declared".into());
        drop(if self.rolls_back { transaction.rollback() } else { transaction.commit() });
    }

    fn on_transaction_declare_failed(
        &mut self,
        _: &mut Context<'_>,
        transaction: &Transaction,
        error: &Error,
    ) {
        let condition = error.condition().map(str::to_owned);
        self.note(&transaction.connection(), format!("declare failed {condition:?}"));
    }

    fn on_transaction_committed(&mut self, _: &mut Context<'_>, transaction: &Transaction) {
        self.note(&transaction.connection(), "committed");
    }

    fn on_transaction_commit_failed(
        &mut self,
        _: &mut Context<'_>,
        transaction: &Transaction,
        error: &Error,
    ) {
        let condition = error.condition().map(str::to_owned);
        self.note(&transaction.connection(), format!("commit failed {condition:?}"));
    }

    fn on_transaction_aborted(&mut self, _: &mut Context<'_>, transaction: &Transaction) {
        self.note(&transaction.connection(), "aborted");
    }
}

/// Runs the handler against a server that does what the future says.
async fn told<F: Future<Output = ()>>(rolls_back: bool, serve: impl FnOnce(Connection) -> F) -> Vec<String> {
    let listener = Container::new().listen(on_loopback()).await.unwrap();
    let mut handler = Declares { url: common::url(&listener), rolls_back, log: Vec::new() };
    let ran = std::thread::spawn(move || {
        Container::new().run(&mut handler).unwrap();
        handler.log
    });
    serve(within(listener.accept()).await.unwrap()).await;
    tokio::task::spawn_blocking(|| ran.join().unwrap()).await.unwrap()
}

async fn coordinator_of(server: &Connection) -> Receiver {
    let Link::Receiver(receiver) = within(server.accept_link()).await.unwrap() else { panic!("it sends") };
    receiver.accept();
    receiver
}

#[tokio::test]
async fn handlers_are_told_of_a_commit_and_of_a_rollback() {
    for rolls_back in [false, true] {
        let log = told(rolls_back, |server| async move {
            let coordinator = coordinator_of(&server).await;
            declare(&coordinator, "txn-1").await;
            assert_discharge(&coordinator, rolls_back).await;
            drop(within(server.closed()).await);
        })
        .await;
        assert_eq!(log, ["declared", if rolls_back { "aborted" } else { "committed" }]);
    }
}

#[tokio::test]
async fn handlers_are_told_of_failures() {
    let log = told(false, |server| async move {
        let link = within(server.accept_link()).await.unwrap();
        link.reject(AmqpError::new(condition::NOT_IMPLEMENTED, "none here"));
        drop(within(server.closed()).await);
    })
    .await;
    assert_eq!(log, [r#"declare failed Some("amqp:not-implemented")"#]);
    let log = told(false, |server| async move {
        let coordinator = coordinator_of(&server).await;
        declare(&coordinator, "txn-1").await;
        let (delivery, ..) = discharge(&coordinator).await;
        delivery.reject(Some(AmqpError::new(condition::TRANSACTION_ROLLBACK, "no"))).unwrap();
        drop(within(server.closed()).await);
    })
    .await;
    assert_eq!(log, ["declared", r#"commit failed Some("amqp:transaction:rollback")"#]);
}

/// A message that goes through a transaction is encoded as any other.
#[tokio::test]
async fn what_is_posted_is_the_message() {
    let pair = pair().await;
    let (sender, posted) = pair.sender().await;
    let (transaction, _coordinator) = pair.transaction().await;
    let message = Message::new("body").with_subject("s").with_property("p", 1);
    transaction.send_now(&sender, &message).unwrap();
    assert_eq!(within(posted.recv()).await.unwrap().message().unwrap(), message);
}
