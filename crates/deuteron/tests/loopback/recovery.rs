//! What the peer ends on a live connection comes back by itself, and each remedy of the table is what happens.

use deuteron::{
    ConnectOptions, Connection, Place, ReceiverOptions, Recovery, Remedies, Remedy, Scope, SenderOptions,
    Symptom,
};
use deuteron_testkit::wire::{Composite, Plain, composite};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

fn error(condition: &str) -> Composite {
    composite("error").set("condition", Plain::symbol(condition)).set("description", "for reasons of its own")
}

/// The peer ends the link with the handle, and it is attached again.
fn ends_link(peer: &mut ScriptedPeer, handle: u32, condition: &str) {
    let detach = composite("detach").set("handle", handle).set("closed", true);
    peer.send(0, detach.set("error", error(condition)));
    peer.expect_detach().handle(handle).flag("closed", true);
    peer.expect_attach().handle(handle).respond();
}

fn ends_session(peer: &mut ScriptedPeer, condition: &str) {
    peer.send(0, composite("end").set("error", error(condition)));
    peer.expect_end();
    peer.expect_begin().respond();
}

/// A peer that attaches one sender with credit for one message, and takes that.
fn takes_one() -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(1);
    peer.expect_transfer();
    peer
}

#[test]
fn a_handler_is_told_of_a_link_that_comes_back() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(0);
    ends_link(&mut peer, 0, "amqp:link:detach-forced");
    peer.send_credit(0, 1);
    peer.expect_transfer().dispose(composite("accepted"), true);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender("q").unwrap();
    sender.send_now("waits for credit").unwrap();
    let (error, delay) = program.until(|seen| match seen {
        Seen::LinkInterrupted(_, error, delay) => Some((error.clone(), *delay)),
        _ => None,
    });
    assert_eq!((error.scope(), error.condition()), (Scope::Link, Some("amqp:link:detach-forced")), "{error}");
    assert!(error.is_retryable() && delay.is_zero());
    program.until(|seen| matches!(seen, Seen::LinkOpened(_)).then_some(()));
    program.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
    assert!(!sender.is_closed());
    drop(connection.close());
    program.closed();
    script.join();
}

#[tokio::test]
async fn futures_wait_through_the_return_of_their_links() {
    let mut peer = ScriptedPeer::new();
    peer.tolerate("flow").accepts_session();
    peer.expect_attach().role_sender().respond();
    peer.expect_attach().role_receiver().respond();
    ends_link(&mut peer, 0, "amqp:resource-deleted");
    ends_link(&mut peer, 1, "com.microsoft:timeout");
    peer.send_transfer(1, 0, HELLO);
    peer.expect_disposition();
    peer.send_credit(0, 1);
    peer.expect_transfer().dispose(composite("accepted"), true);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let sender = within(connection.sender("q")).await.unwrap();
    let receiver = within(connection.receiver("q")).await.unwrap();
    within(receiver.recv()).await.unwrap().accept().unwrap();
    assert!(within(sender.send("one")).await.unwrap().is_accepted());
    within(connection.close()).await.unwrap();
    script.join();
}

#[tokio::test]
async fn futures_wait_through_the_return_of_their_session() {
    let mut peer = takes_one();
    ends_session(&mut peer, "amqp:session:window-violation");
    peer.expect_attach().respond();
    peer.send_credit(0, 1);
    peer.expect_transfer().dispose(composite("accepted"), true);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let sender = within(connection.sender("q")).await.unwrap();
    assert!(within(sender.send("again")).await.unwrap().is_accepted());
    within(connection.close()).await.unwrap();
    script.join();
}

#[test]
fn what_was_under_way_on_an_interrupted_link_is_told_as_lost() {
    let mut peer = takes_one();
    ends_link(&mut peer, 0, "amqp:link:detach-forced");
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender(SenderOptions::new("q").recovery(Recovery::Report)).unwrap();
    sender.send_now("under way").unwrap();
    program.until(|seen| matches!(seen, Seen::Lost(_)).then_some(()));
    program.until(|seen| matches!(seen, Seen::LinkOpened(_)).then_some(()));
    drop(connection.close());
    program.closed();
    script.join();
}

#[test]
fn a_link_or_a_connection_may_have_none_of_it() {
    let settings: [fn(ConnectOptions) -> (ConnectOptions, ReceiverOptions); 3] = [
        |connect| (connect, ReceiverOptions::new("q").stay_detached()),
        |connect| (connect.recover_links(false), ReceiverOptions::new("q")),
        |connect| (connect.reconnect(false), ReceiverOptions::new("q")),
    ];
    for setting in settings {
        let mut peer = ScriptedPeer::new();
        peer.tolerate("flow").accepts_session();
        peer.expect_attach().respond();
        let detach = composite("detach").set("handle", 0_u32).set("closed", true);
        peer.send(0, detach.set("error", error("amqp:link:detach-forced")));
        peer.expect_detach();
        peer.accepts_close();
        let (address, script) = TcpScript::serve(peer);
        let (connect, receiver) = setting(to(address));
        let program = Program::new();
        let connection = program.connect(connect);
        connection.open_receiver(receiver).unwrap();
        assert_eq!(program.link_error().condition(), Some("amqp:link:detach-forced"));
        drop(connection.close());
        program.closed();
        script.join();
    }
}

#[test]
fn the_attempts_of_a_link_may_run_out() {
    let mut peer = ScriptedPeer::new();
    peer.tolerate("flow").accepts_session();
    peer.expect_attach().respond();
    ends_link(&mut peer, 0, "amqp:not-found");
    let detach = composite("detach").set("handle", 0_u32).set("closed", true);
    peer.send(0, detach.set("error", error("amqp:not-found")));
    peer.expect_detach();
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let once = deuteron::Backoff::new().max_attempts(1);
    connection.open_receiver(ReceiverOptions::new("q").reattach(once)).unwrap();
    assert_eq!(program.link_error().condition(), Some("amqp:not-found"));
    drop(connection.close());
    program.closed();
    script.join();
}

// The remedies that need another wire ---------------------------------------------------------------------------

/// A peer whose link goes wrong in a way of which the table says `remedy`, and where the client goes then.
fn goes_to(remedy: Remedy) -> usize {
    let mut first = ScriptedPeer::new();
    first.tolerate("flow").accepts_session();
    first.expect_attach().respond();
    first.send(
        0,
        composite("detach").set("handle", 0_u32).set("closed", true).set("error", error("test:odd")),
    );
    first.expect_close();
    let mut again = ScriptedPeer::new();
    again.tolerate("flow").accepts_session();
    again.expect_attach().respond();
    again.accepts_close();
    let mut elsewhere = ScriptedPeer::new();
    elsewhere.tolerate("flow").accepts_session();
    elsewhere.expect_attach().respond();
    elsewhere.accepts_close();
    let (address, script) = TcpScript::serve_each([first, again]);
    let (other, other_script) = TcpScript::serve(elsewhere);
    let odd = Symptom::Condition("test:odd".into());
    let options = to(address).failover(format!("amqp://{other}")).remedies(Remedies::default().with(
        Place::Link,
        odd,
        remedy,
    ));
    let program = Program::new();
    let connection = program.connect(options);
    connection.open_receiver("q").unwrap();
    program.until(|seen| matches!(seen, Seen::LinkOpened(_)).then_some(()));
    program.disconnected();
    program.until(|seen| matches!(seen, Seen::LinkOpened(_)).then_some(()));
    let there = connection.remote_addr().unwrap();
    drop(connection.close());
    program.closed();
    if there == address {
        script.join();
        0
    } else {
        other_script.join();
        1
    }
}

#[test]
fn a_new_connection_is_made_where_the_table_says_so() {
    assert_eq!(goes_to(Remedy::NewConnection), 0);
}

#[test]
fn the_next_address_is_taken_where_the_table_says_so() {
    assert_eq!(goes_to(Remedy::NextAddress), 1);
}

/// A peer that closes the connection at once, and what the client makes of it.
fn closed_with(condition: Option<&str>, remedies: Remedies) -> bool {
    let close = match condition {
        Some(condition) => composite("close").set("error", error(condition)),
        None => composite("close"),
    };
    let mut first = ScriptedPeer::new();
    first.accepts_open().send(0, close);
    first.expect_close();
    let mut second = ScriptedPeer::new();
    second.accepts_open();
    second.accepts_close();
    let (address, _script) = TcpScript::serve_each([first, second]);
    let program = Program::new();
    let connection = program.connect(to(address).remedies(remedies));
    program.until(|seen| matches!(seen, Seen::ConnectionOpened(_)).then_some(()));
    let again = program.until(|seen| match seen {
        Seen::ConnectionOpened(_) => Some(true),
        Seen::ConnectionClosed(_) => Some(false),
        _ => None,
    });
    drop(connection.close());
    again
}

#[test]
fn each_row_for_connections_that_the_peer_closes_is_what_happens() {
    let mut seen = 0;
    for row in deuteron::TABLE.iter().filter(|row| row.place == Place::Connection) {
        let condition = match &row.symptom {
            Symptom::Condition(condition) => Some(condition.as_str()),
            Symptom::Closed => None,
            Symptom::Any => Some("test:unheard-of"),
            _ => continue,
        };
        let again = closed_with(condition, Remedies::default());
        assert_eq!(again, row.remedy != Remedy::GiveUp, "{row:?}");
        seen += 1;
    }
    assert!(seen >= 4, "{seen} rows");
}

#[test]
fn a_close_without_an_error_may_be_taken_for_a_loss() {
    let remedies = Remedies::default().with(Place::Connection, Symptom::Closed, Remedy::NewConnection);
    assert!(closed_with(None, remedies));
}

#[test]
fn a_lost_connection_may_be_left_lost() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open().drop_wire();
    let (address, script) = TcpScript::serve(peer);
    let remedies = Remedies::default().with(Place::Connection, Symptom::Lost, Remedy::GiveUp);
    let program = Program::new();
    let _connection = program.connect(to(address).remedies(remedies));
    program.until(|seen| matches!(seen, Seen::GaveUp(..)).then_some(()));
    program.closed();
    script.join();
}

#[test]
fn a_refused_connection_may_be_given_up_at_once() {
    let reserved = Reserved::new();
    let remedies = Remedies::default().with(Place::Connect, Symptom::Any, Remedy::GiveUp);
    let program = Program::new();
    let _connection = program.connect(ConnectOptions::new(reserved.url()).remedies(remedies));
    let attempts = program.until(|seen| match seen {
        Seen::GaveUp(_, _, attempts) => Some(*attempts),
        _ => None,
    });
    assert_eq!(attempts, 1);
}
