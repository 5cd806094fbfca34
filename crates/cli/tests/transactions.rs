//! `--transaction`: against a server in this test that writes down what it is told.

mod common;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{Run, deuteron, run};
use deuteron::codec::{Declared, TransactionalState};
use deuteron::{AmqpError, Body, Connection, Delivery, DeliveryState, Link, Receiver, Sender, Value};
use tokio::runtime::Runtime;

/// What happened, in order: `begin`, `commit`, `rollback`, and messages with the transaction they belong to.
type Log = Arc<Mutex<Vec<String>>>;

struct Server {
    url: String,
    log: Log,
    _runtime: Runtime,
}

impl Server {
    /// Gives each receiver so many messages; takes those of senders, and refuses the text `bad`.
    fn start(messages: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let log = Log::default();
        let kept = Arc::clone(&log);
        let listener =
            runtime.block_on(deuteron::Container::new().listen("amqp://127.0.0.1:0")).expect("it listens");
        let url = format!("amqp://{}/q", listener.local_addr());
        runtime.spawn(async move {
            while let Ok(connection) = listener.accept().await {
                tokio::spawn(serve(connection, messages, Arc::clone(&kept)));
            }
        });
        Self { url, log, _runtime: runtime }
    }

    /// What has happened since the last call.
    fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().expect("nobody has panicked"))
    }
}

async fn serve(connection: Connection, messages: usize, log: Log) {
    while let Ok(link) = connection.accept_link().await {
        link.accept();
        match link {
            Link::Receiver(receiver) if receiver.targets_coordinator() => {
                tokio::spawn(coordinate(receiver, Arc::clone(&log)));
            }
            Link::Receiver(receiver) => drop(tokio::spawn(take(receiver, Arc::clone(&log)))),
            Link::Sender(sender) => drop(tokio::spawn(give(sender, messages, Arc::clone(&log)))),
        }
    }
}

fn note(log: &Log, event: String) {
    log.lock().expect("nobody has panicked").push(event);
}

async fn coordinate(receiver: Receiver, log: Log) {
    let mut number = 0_u8;
    while let Ok(delivery) = receiver.recv().await {
        let Ok(Body::Value(Value::Described(control))) = delivery.message().map(|message| message.body)
        else {
            panic!("this is no control message: {delivery:?}");
        };
        let fails = control.value.as_list().and_then(|fields| fields.get(1)) == Some(&Value::Bool(true));
        if control.descriptor == Value::Ulong(0x31) {
            number += 1;
            note(&log, format!("begin {number}"));
            let declared = Declared { txn_id: Bytes::copy_from_slice(&[number]) };
            delivery.settle_with(DeliveryState::Declared(Box::new(declared))).expect("it is open");
        } else {
            note(&log, format!("{} {number}", if fails { "rollback" } else { "commit" }));
            delivery.accept().expect("it is open");
        }
    }
}

/// The transaction that a delivery belongs to.
fn transaction(delivery: &Delivery) -> Bytes {
    match delivery.remote_state() {
        Some(DeliveryState::Transactional(state)) => state.txn_id,
        other => panic!("there is no transaction: {other:?}"),
    }
}

async fn take(receiver: Receiver, log: Log) {
    while let Ok(delivery) = receiver.recv().await {
        let text = delivery.message().expect("a message").body_text().unwrap_or_default().to_owned();
        let txn_id = transaction(&delivery);
        note(&log, format!("{text} in {}", txn_id[0]));
        let outcome = if text == "bad" {
            DeliveryState::from(AmqpError::new("amqp:not-allowed", "it is bad"))
        } else {
            DeliveryState::Accepted
        };
        let state = TransactionalState { txn_id, outcome: Some(outcome) };
        delivery.settle_with(DeliveryState::Transactional(Box::new(state))).expect("it is open");
    }
}

async fn give(sender: Sender, messages: usize, log: Log) {
    let mut given = Vec::new();
    for number in 1..=messages {
        let Ok(delivery) = sender.transfer(format!("m{number}")).await else { break };
        given.push(delivery);
    }
    for (number, delivery) in (1..).zip(given) {
        let Ok(outcome) = delivery.outcome().await else { return };
        let accepted = if outcome.is_accepted() { "accepted" } else { "other" };
        note(&log, format!("m{number} {accepted}"));
    }
}

fn send(server: &Server, lines: &[u8], args: &[&str]) -> Run {
    let args = [&["send", &server.url, "--lines", "--transaction", "2"], args].concat();
    Run::with_input(&mut deuteron(&args), lines)
}

#[test]
fn a_batch_of_messages_is_committed() {
    let server = Server::start(0);
    let done = send(&server, b"a\nb\nc\n", &[]).expect(0);
    assert!(done.err.contains("3 of 3 messages accepted by q, 3 committed, 0 rolled back"), "{}", done.err);
    let expected = ["begin 1", "a in 1", "b in 1", "commit 1", "begin 2", "c in 2", "commit 2"];
    assert_eq!(server.log(), expected);
    // One at a time makes no difference.
    send(&server, b"a\nb\n", &["--in-flight", "1"]).expect(0);
    assert_eq!(server.log(), ["begin 1", "a in 1", "b in 1", "commit 1"]);
}

#[test]
fn a_batch_can_be_rolled_back() {
    let server = Server::start(0);
    let done = send(&server, b"a\nb\nc\n", &["--rollback"]).expect(0);
    assert!(done.err.contains("0 committed, 3 rolled back"), "{}", done.err);
    let expected = ["begin 1", "a in 1", "b in 1", "rollback 1", "begin 2", "c in 2", "rollback 2"];
    assert_eq!(server.log(), expected);
    run(&["send", &server.url, "--rollback"]).expect(2);
    run(&["send", &server.url, "--transaction", "0"]).expect(2);
}

#[test]
fn a_batch_with_a_message_that_is_refused_has_no_effect() {
    let server = Server::start(0);
    let failed = send(&server, b"a\nb\nbad\nc\nd\n", &["--in-flight", "1"]).expect(4);
    assert!(
        failed.err.contains("2 committed, 1 rolled back") && failed.err.contains("it is bad"),
        "{}",
        failed.err
    );
    let expected = ["begin 1", "a in 1", "b in 1", "commit 1", "begin 2", "bad in 2", "rollback 2"];
    assert_eq!(server.log(), expected);
    // So has one that breaks off.
    let failed = send(&server, b"a\n\xff\n", &[]).expect(2);
    assert!(failed.err.contains("0 committed, 1 rolled back"), "{}", failed.err);
    assert_eq!(server.log(), ["begin 1", "a in 1", "rollback 1"]);
}

#[test]
fn a_batch_of_acknowledgements_is_discharged() {
    let server = Server::start(3);
    for (discharge, flag) in [("commit", &[][..]), ("rollback", &["--rollback"])] {
        let args = [&["receive", &server.url, "--count", "3", "--transaction", "2"], flag].concat();
        let done = run(&args).expect(0);
        assert_eq!(done.out, "m1\nm2\nm3\n");
        let told = if flag.is_empty() { "3 committed, 0 rolled back" } else { "0 committed, 3 rolled back" };
        assert!(done.err.contains(told), "{}", done.err);
        let log = server.log();
        assert!(!log.iter().any(|event| event.ends_with("other")), "{log:?}");
        // Outcomes and control messages are written down by different tasks.
        let control: Vec<_> = log.iter().filter(|event| !event.starts_with('m')).cloned().collect();
        let [first, second] = [1, 2].map(|number| format!("{discharge} {number}"));
        assert_eq!(control, ["begin 1", &first, "begin 2", &second], "{log:?}");
    }
}
