//! Contract 6.3 and 6.4: reconnect and failover.

mod common;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Recorder, accepts_open, dead_port, error};
use deuteron::{
    Backoff, ConnectOptions, Connection, Container, Delays, Fate, ReconnectPolicy, Recovery, Scope,
    SenderOptions,
};
use deuteron_testkit::wire::composite;
use deuteron_testkit::{ScriptedPeer, TcpScript};

fn at(address: SocketAddr) -> ConnectOptions {
    ConnectOptions::new(format!("amqp://{address}")).sasl(false)
}

/// A policy that writes down what it is asked.
struct Asked(Arc<Mutex<Vec<&'static str>>>, Vec<Duration>);

impl ReconnectPolicy for Asked {
    fn reset(&mut self) {
        self.0.lock().unwrap().push("reset");
    }
    fn next(&mut self) -> Option<Duration> {
        self.0.lock().unwrap().push("next");
        self.1.pop()
    }
}

#[test]
fn a_failed_first_attempt_is_retried_and_the_end_is_told_once() {
    let port = dead_port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let delays = vec![Duration::from_millis(2), Duration::from_millis(1), Duration::ZERO];
    let policy = Asked(Arc::clone(&asked), delays);
    let options = ConnectOptions::new(format!("amqp://127.0.0.1:{port}")).reconnect_policy(policy);
    let recorder = Recorder::connecting(options).run();
    assert_eq!(
        recorder.log,
        [
            "transport_error",
            "disconnected true",
            "reconnecting 2 1",
            "transport_error",
            "disconnected true",
            "reconnecting 3 2",
            "transport_error",
            "disconnected false",
            "gave_up 3",
            "connection_closed"
        ]
    );
    let last = recorder.errors.last().unwrap();
    assert_eq!(last.scope(), Scope::Connect);
    assert_eq!(last.attempt(), Some(3));
    assert!(last.url().unwrap().ends_with(&port.to_string()), "{last}");
    assert_eq!(*asked.lock().unwrap(), ["reset", "next", "next", "next", "next"]);
}

#[test]
fn without_reconnect_each_url_is_tried_once() {
    let options = ConnectOptions::from([
        format!("amqp://127.0.0.1:{}", dead_port()),
        format!("amqp://127.0.0.1:{}", dead_port()),
    ]);
    let recorder = Recorder::connecting(options.reconnect(false)).run();
    assert_eq!(
        recorder.log,
        [
            "transport_error",
            "disconnected true",
            "reconnecting 2 0",
            "transport_error",
            "disconnected false",
            "gave_up 2",
            "connection_closed"
        ]
    );
}

#[test]
fn without_reconnect_a_lost_connection_stays_lost() {
    let mut peer = accepts_open();
    peer.drop_wire();
    let (address, script) = TcpScript::serve(peer);
    let recorder = Recorder::connecting(at(address).reconnect(false)).run();
    assert_eq!(
        recorder.log,
        ["connection_opened", "transport_error", "disconnected false", "gave_up 0", "connection_closed"]
    );
    script.join();
}

#[test]
fn a_host_that_does_not_resolve_is_a_failure_like_any_other() {
    let options = ConnectOptions::new("amqp://no-such-host.invalid")
        .reconnect_policy(Delays::new([Duration::ZERO, Duration::ZERO]));
    let recorder = Recorder::connecting(options).run();
    assert_eq!(recorder.count("transport_error"), 2);
    assert_eq!(recorder.errors[0].scope(), Scope::Dns);
    assert!(recorder.errors[0].is_retryable());
    assert_eq!(recorder.log.last().unwrap(), "connection_closed");
}

#[test]
fn the_first_round_after_a_loss_goes_through_the_list_without_waiting() {
    // The second of three is alive. No delay but the first zero is there, so a wait would be the end.
    let mut first = accepts_open();
    first.drop_wire();
    let mut second = accepts_open();
    second.accepts_close();
    let (one, script_one) = TcpScript::serve(first);
    let (two, script_two) = TcpScript::serve(second);
    let dead = dead_port();
    let options = ConnectOptions::from([
        format!("amqp://{one}"),
        format!("amqp://127.0.0.1:{dead}"),
        format!("amqp://{two}"),
    ])
    .sasl(false)
    .reconnect_policy(Delays::new([Duration::ZERO]));
    let mut recorder = Recorder::connecting(options);
    let urls = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&urls);
    recorder.opened = Some(Box::new(move |_, connection| {
        seen.borrow_mut().push(connection.url().unwrap());
        if seen.borrow().len() == 2 {
            drop(connection.close());
        }
    }));
    let recorder = recorder.run();
    assert_eq!(recorder.count("connection_opened"), 2);
    assert_eq!(recorder.count("gave_up"), 0);
    assert!(urls.borrow()[1].contains(&two.port().to_string()));
    script_one.join();
    script_two.join();
}

/// The peer's part for a sender and a receiver, attached in this order.
fn attached() -> ScriptedPeer {
    let mut peer = common::accepts_session();
    peer.tolerate("flow");
    peer.expect_attach().role_sender().name("out").respond();
    peer.send_credit(0, 10);
    peer.expect_attach().role_receiver().name("in").respond();
    peer
}

#[test]
fn links_come_back_by_themselves_with_the_same_names_and_handles() {
    let mut first = attached();
    first.drop_wire();
    let mut second = attached();
    second.send_transfer(1, 0, b"\x00\x53\x77\xa1\x02hi");
    second.expect_disposition().state("accepted");
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let mut recorder = Recorder::connecting(at(address));
    let opened = Cell::new(false);
    recorder.opened = Some(Box::new(move |_, connection| {
        if !opened.replace(true) {
            connection.open_sender(SenderOptions::new("q").name("out")).unwrap();
            connection.open_receiver(deuteron::ReceiverOptions::new("q").name("in")).unwrap();
        }
    }));
    recorder.message = Some(Box::new(|_, delivery| {
        drop(delivery.connection().close());
        deuteron::Ack::Accept
    }));
    let recorder = recorder.run();
    assert_eq!(recorder.count("connection_opened"), 2);
    assert_eq!(recorder.count("session_opened"), 2);
    assert!(recorder.count("link_opened") >= 3, "{:?}", recorder.log);
    assert_eq!(recorder.count("message"), 1);
    assert_eq!(recorder.count("sendable"), 2);
    script.join();
}

#[test]
fn closing_in_on_disconnected_ends_the_attempts() {
    let options = ConnectOptions::new(format!("amqp://127.0.0.1:{}", dead_port()));
    let mut recorder = Recorder::connecting(options);
    recorder.disconnected = Some(Box::new(|_, connection| drop(connection.close())));
    let recorder = recorder.run();
    assert_eq!(recorder.log, ["transport_error", "disconnected true", "connection_closed"]);
}

#[test]
fn a_close_that_is_forced_upon_the_peer_is_a_loss() {
    let mut first = accepts_open();
    first.send(0, composite("close").set("error", error("amqp:connection:forced", "going down")));
    first.tolerate("close");
    let mut second = accepts_open();
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let mut recorder = Recorder::connecting(at(address));
    let count = Cell::new(0);
    recorder.opened = Some(Box::new(move |_, connection| {
        count.set(count.get() + 1);
        if count.get() == 2 {
            drop(connection.close());
        }
    }));
    let recorder = recorder.run();
    assert_eq!(recorder.count("connection_opened"), 2, "{:?}", recorder.log);
    assert_eq!(recorder.count("connection_error"), 0);
    assert_eq!(recorder.errors[0].condition(), Some("amqp:connection:forced"));
    script.join();
}

#[test]
fn any_other_close_by_the_peer_is_the_end() {
    let mut peer = accepts_open();
    peer.send(0, composite("close").set("error", error("amqp:not-allowed", "go away")));
    peer.expect_close();
    let (address, script) = TcpScript::serve(peer);
    let recorder = Recorder::connecting(at(address)).run();
    assert_eq!(recorder.log, ["connection_opened", "connection_error", "connection_closed"]);
    assert!(recorder.errors[0].is_remote());
    assert_eq!(recorder.errors[0].condition(), Some("amqp:not-allowed"));
    script.join();
}

#[test]
fn a_wrong_password_is_not_retried() {
    let mut peer = ScriptedPeer::new();
    peer.expect_sasl_header().respond();
    peer.send_mechanisms(["PLAIN"]);
    peer.expect_init();
    peer.send_outcome(1);
    let (address, script) = TcpScript::serve(peer);
    let options =
        ConnectOptions::new(format!("amqp://alice:wrong@{address}")).allow_insecure_mechanisms(true);
    let recorder = Recorder::connecting(options).run();
    assert_eq!(recorder.log, ["transport_error", "disconnected false", "gave_up 1", "connection_closed"]);
    let error = &recorder.errors[0];
    assert_eq!(error.scope(), Scope::Sasl);
    assert_eq!(error.condition(), Some("amqp:unauthorized-access"));
    assert!(!error.is_retryable());
    assert!(error.url().unwrap().contains("alice:***@"), "{error}");
    assert!(!format!("{error} {error:?}").contains("wrong"));
    script.join();
}

/// The peer's part for one sender.
fn takes_a_sender() -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(10);
    peer
}

#[tokio::test]
async fn what_was_not_settled_is_sent_again_with_its_tag() {
    let mut first = takes_a_sender();
    first.expect_transfer();
    first.drop_wire();
    let mut second = takes_a_sender();
    second.expect_transfer().respond();
    second.tolerate("detach").accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let connection = Connection::connect(at(address)).await.unwrap();
    let sender = connection.sender("q").await.unwrap();
    assert!(sender.send("again").await.unwrap().is_accepted());
    connection.close().await.unwrap();
    let peers = script.join();
    let tags: Vec<_> = peers.iter().map(|peer| peer.last("transfer").get("delivery-tag").clone()).collect();
    assert_eq!(tags[0], tags[1]);
    assert_eq!(peers[0].last("transfer").payload, peers[1].last("transfer").payload);
    assert_eq!(peers[0].last("attach").get("name"), peers[1].last("attach").get("name"));
}

#[tokio::test]
async fn with_recovery_report_the_fate_is_unknown_and_nothing_is_sent_twice() {
    let mut first = takes_a_sender();
    first.expect_transfer();
    first.drop_wire();
    let mut second = takes_a_sender();
    second.expect_transfer().respond();
    second.tolerate("detach").accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let connection = Connection::connect(at(address)).await.unwrap();
    let sender = connection.sender(SenderOptions::new("q").recovery(Recovery::Report)).await.unwrap();
    let error = sender.send("once").await.unwrap_err();
    assert_eq!(error.fate(), Some(Fate::Unknown), "{error}");
    assert!(sender.send("another").await.unwrap().is_accepted());
    connection.close().await.unwrap();
    script.join();
}

#[test]
fn a_handler_is_told_of_what_was_lost() {
    let mut first = takes_a_sender();
    first.expect_transfer();
    first.drop_wire();
    let mut second = takes_a_sender();
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let mut recorder = Recorder::connecting(at(address));
    let opened = Rc::new(Cell::new(0));
    let again = Rc::clone(&opened);
    recorder.opened = Some(Box::new(move |_, connection| {
        if opened.replace(opened.get() + 1) == 0 {
            connection.open_sender(SenderOptions::new("q").recovery(Recovery::Report)).unwrap();
        }
    }));
    recorder.sendable = Some(Box::new(move |_, sender| {
        if again.get() == 1 {
            again.set(10);
            sender.send_now("x").unwrap();
        } else if again.get() > 10 {
            drop(sender.connection().close());
        }
    }));
    let recorder = recorder.run();
    assert_eq!(recorder.count("lost"), 1, "{:?}", recorder.log);
    script.join();
}

#[tokio::test]
async fn connecting_is_bounded_although_attempts_go_on() {
    let deadlines = deuteron::Deadlines { establish: Some(Duration::from_millis(300)), ..Default::default() };
    let options = ConnectOptions::new(format!("amqp://127.0.0.1:{}", dead_port())).deadlines(deadlines);
    let error = Connection::connect(options).await.unwrap_err();
    assert_eq!(error.deadline(), Some(deuteron::Phase::Establish), "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("refused"), "{cause}");
}

#[tokio::test]
async fn a_backoff_counts_rounds_and_starts_afresh_after_a_success() {
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = accepts_open();
        peer.drop_wire();
        peers.push(peer);
    }
    let mut last = accepts_open();
    last.accepts_close();
    peers.push(last);
    let (address, script) = TcpScript::serve_each(peers);
    // One round only: used up by each attempt, and given back by each success.
    let options = at(address).backoff(Backoff::default().max_attempts(1));
    let mut recorder = Recorder::connecting(options);
    let count = Cell::new(0);
    recorder.opened = Some(Box::new(move |_, connection| {
        count.set(count.get() + 1);
        if count.get() == 4 {
            drop(connection.close());
        }
    }));
    Container::new().run_async(&mut recorder).await.unwrap();
    assert_eq!(recorder.count("connection_opened"), 4);
    assert_eq!(recorder.count("gave_up"), 0);
    script.join();
}
