//! The orderly end: nothing more is taken, what is under way is settled, what is left is told.

use std::time::Duration;

use deuteron::{Connection, Container, Outcome};
use deuteron_testkit::wire::composite;
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_connection_with_nothing_under_way_is_closed_at_once() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open().accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let left = within(connection.shut_down(LONG)).await;
    assert!(left.is_empty(), "{left:?}");
    assert!(connection.is_closed());
    script.join();
}

#[tokio::test]
async fn the_outcome_of_what_was_sent_is_waited_for() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(1);
    peer.expect_transfer();
    let (address, script) = TcpScript::serve({
        // It settles only after it was asked for the end of the other link.
        peer.tolerate("flow");
        peer.send_outcome_of(0, 0, "accepted", true);
        peer.accepts_close();
        peer
    });
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let sender = within(connection.sender("q")).await.unwrap();
    let sent = sender.send_now("one").unwrap();
    let left = within(connection.shut_down(LONG)).await;
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(within(sent.outcome()).await.unwrap(), Outcome::Accepted);
    script.join();
}

#[tokio::test]
async fn credit_is_taken_back_and_what_was_taken_is_settled_first() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_session();
    peer.expect_attach().role_receiver().respond();
    peer.expect_flow().credit(1000);
    peer.send_transfer(0, 0, HELLO);
    peer.expect_disposition();
    peer.expect_flow().flag("drain", true);
    peer.send_link_flow(0, 1000, 0, true);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let receiver = within(connection.receiver("q")).await.unwrap();
    let delivery = within(receiver.recv()).await.unwrap();
    let ending = connection.shut_down(LONG);
    delivery.accept().unwrap();
    let left = within(ending).await;
    assert!(left.is_empty(), "{left:?}");
    script.join();
}

#[tokio::test]
async fn what_is_left_when_the_time_is_over_is_told() {
    let mut peer = ScriptedPeer::new();
    peer.tolerate("flow").accepts_session();
    peer.expect_attach().role_sender().respond();
    peer.expect_attach().role_receiver().respond();
    peer.send_credit(0, 1);
    peer.expect_transfer();
    peer.send_transfer(1, 0, HELLO).send_transfer(1, 1, HELLO);
    peer.tolerate("disposition").accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let sender = within(connection.sender("q")).await.unwrap();
    let receiver = within(connection.receiver("q")).await.unwrap();
    sender.send_now("sent").unwrap();
    sender.send_now("without credit").unwrap();
    let _held = within(receiver.recv()).await.unwrap();
    let left = within(connection.shut_down(Duration::from_millis(50))).await;
    assert_eq!((left.not_sent, left.unknown, left.unsettled), (1, 1, 1), "{left:?}");
    assert!(left.error.is_none());
    script.join();
}

#[tokio::test]
async fn a_connection_that_is_away_is_waited_for_no_longer_than_that() {
    let reserved = Reserved::new();
    let connection = Container::new().start(reserved.url()).unwrap();
    let sender = connection.open_sender("q").unwrap();
    sender.send_now("waits for a wire").unwrap();
    let left = within(connection.shut_down(Duration::from_millis(20))).await;
    assert_eq!(left.not_sent, 1, "{left:?}");
}

#[test]
fn a_handler_goes_on_while_its_connection_is_shut_down() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(1);
    peer.expect_transfer().dispose(composite("accepted"), true);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender("q").unwrap();
    program.until(|seen| matches!(seen, Seen::Sendable(_)).then_some(()));
    program.run(move |_| {
        sender.send_now("one").unwrap();
        drop(connection.shut_down(LONG));
    });
    program.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
    program.closed();
    script.join();
}

#[tokio::test]
async fn a_container_shuts_all_its_connections_down() {
    let container = Container::new();
    let (mut scripts, mut links) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut peer = ScriptedPeer::new();
        peer.accepts_sender(0).accepts_close();
        let (address, script) = TcpScript::serve(peer);
        scripts.push(script);
        let connection = within(container.connect(to(address))).await.unwrap();
        let sender = within(connection.sender("q")).await.unwrap();
        sender.send_now("without credit").unwrap();
        links.push(sender);
    }
    let left = within(container.shut_down(Duration::from_millis(20))).await;
    assert_eq!((left.not_sent, left.count()), (3, 3), "{left:?}");
    assert!(container.start("amqp://127.0.0.1").is_err());
    scripts.into_iter().for_each(|script| drop(script.join()));
}
