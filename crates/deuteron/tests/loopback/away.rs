//! While there is no wire: what programs may do then, and what becomes of what they were waiting for.

use std::time::Duration;

use deuteron::{
    Ack, ConnectOptions, Connection, Container, Delays, Fate, Outcome, Phase, ReceiverOptions, Recovery,
    Scope, SenderOptions,
};
use deuteron_testkit::wire::{Plain, composite};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

const NONE: Duration = Duration::ZERO;
const NEVER: Duration = Duration::from_secs(3600);

/// Does not come back within the time of a test: the first retry fails, the next is far away.
fn stays_away() -> Delays {
    Delays::new([NONE, NEVER])
}

/// Has a program lose its connection for good after a peer has played its part; hands over what `open` opened.
fn lose<R>(
    play: impl FnOnce(&mut ScriptedPeer),
    open: impl FnOnce(&Connection) -> R,
) -> (Program, Connection, R) {
    let mut peer = ScriptedPeer::new();
    peer.tolerate("flow").tolerate("transfer").tolerate("begin").tolerate("attach");
    play(&mut peer);
    peer.drop_wire();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address).reconnect_policy(stays_away()));
    let opened = open(&connection);
    program.until(|seen| match seen {
        Seen::Reconnecting(_, _, delay) => (*delay > NONE).then_some(()),
        _ => None,
    });
    script.join();
    (program, connection, opened)
}

#[test]
fn stopping_ends_a_program_that_waits_for_the_next_attempt() {
    let (program, connection, ()) = lose(
        |peer| {
            peer.accepts_open();
        },
        |_| (),
    );
    assert!(!connection.is_open() && !connection.is_closed());
    program.container.stop();
    assert_eq!(program.names_until("connection_closed"), ["connection_closed"]);
    program.ends();
}

#[test]
fn closing_the_connection_ends_the_wait_for_the_next_attempt() {
    let (program, connection, ()) = lose(
        |peer| {
            peer.accepts_open();
        },
        |_| (),
    );
    drop(connection.close());
    assert_eq!(program.names_until("connection_closed"), ["connection_closed"]);
    program.ends();
}

#[tokio::test]
async fn closing_an_awaited_connection_that_is_away_is_done_at_once() {
    let reserved = Reserved::new();
    let options = ConnectOptions::new(reserved.url()).reconnect_policy(stays_away());
    let connection = Container::new().start(options).unwrap();
    eventually(|| connection.error().is_some()).await;
    within(connection.close()).await.unwrap();
    assert!(connection.is_closed());
}

#[test]
fn closing_during_an_attempt_ends_it_within_the_deadline_close() {
    let silent = Silent::new();
    for scheme in ["amqp", "amqps"] {
        let program = Program::new();
        let limits = deadlines(|all| all.close = SOON);
        let connection =
            program.connect(ConnectOptions::new(format!("{scheme}://{}", silent.address)).deadlines(limits));
        // Sooner or later in the attempt: in TCP, TLS or SASL.
        drop(connection.close());
        program.closed();
        program.ends();
    }
}

#[tokio::test]
async fn dropping_an_awaited_connect_abandons_the_attempt() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let mut connecting = Box::pin(Connection::connect(url));
    let (mut stream, _) = tokio::select! {
        result = &mut connecting => panic!("{result:?}"),
        accepted = within(listener.accept()) => accepted.unwrap(),
    };
    drop(connecting);
    let mut heard = Vec::new();
    within(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut heard)).await.unwrap();
}

#[test]
fn a_link_that_is_closed_while_the_connection_is_away_is_closed_at_once() {
    let (program, connection, sender) = lose(
        |peer| {
            peer.accepts_sender(0);
        },
        |connection| connection.open_sender("q").unwrap(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deadline = sender.close();
    runtime.block_on(within(deadline)).unwrap();
    assert!(sender.is_closed());
    assert!(sender.send_now("too late").is_err());
    drop(connection.close());
    program.closed();
    program.ends();
}

#[test]
fn a_session_that_is_ended_while_the_connection_is_away_is_ended_at_once() {
    let (program, connection, session) = lose(
        |peer| {
            peer.accepts_session();
        },
        |connection| connection.open_session(deuteron::SessionOptions::new()).unwrap(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(within(session.end())).unwrap();
    assert!(session.open_sender("q").is_err());
    drop(connection.close());
    program.closed();
    program.ends();
}

#[test]
fn messages_that_never_left_are_not_sent_when_the_connection_is_closed_while_it_is_away() {
    let reserved = Reserved::new();
    let options = ConnectOptions::new(reserved.url()).reconnect_policy(stays_away());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = Container::new().start(options).unwrap();
        let sender = connection.open_sender("q").unwrap();
        let delivery = sender.send_now("never leaves").unwrap();
        eventually(|| connection.error().is_some()).await;
        within(connection.close()).await.unwrap();
        let error = within(delivery.outcome()).await.unwrap_err();
        assert_eq!(error.fate(), Some(Fate::NotSent), "{error}");
    });
}

#[tokio::test]
async fn a_task_that_waits_for_credit_gets_it_from_the_next_wire() {
    let mut first = ScriptedPeer::new();
    first.accepts_sender(0).drop_wire();
    let mut second = ScriptedPeer::new();
    second.accepts_sender(1);
    second.expect_transfer().respond();
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    // Attached on the first wire or the second, but credit comes on the second only.
    let sender = connection.open_sender("q").unwrap();
    assert!(within(sender.send("patient")).await.unwrap().is_accepted());
    within(connection.close()).await.unwrap();
    script.join();
}

#[test]
fn a_drain_ends_with_its_wire() {
    let (program, connection, receiver) = lose(
        |peer| {
            peer.accepts_receiver(5).send_transfer(0, 0, HELLO);
            peer.tolerate("disposition");
            peer.expect_flow().flag("drain", true);
        },
        |connection| {
            let receiver = connection.open_receiver(ReceiverOptions::new("q").credit_window(5)).unwrap();
            // Asked for when the first message has come, by whichever thread.
            let draining = receiver.clone();
            std::thread::spawn(move || {
                wait_until(|| draining.credit() == 4);
                drop(draining.drain());
            });
            receiver
        },
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Asked for without a wire there is nothing that the peer could still send.
    runtime.block_on(within(receiver.drain())).unwrap();
    drop(connection.close());
    program.closed();
}

#[test]
fn a_message_whose_wire_is_gone_cannot_be_settled_and_comes_again() {
    let mut first = ScriptedPeer::new();
    first.accepts_receiver(10).send_transfer(0, 0, HELLO).drop_wire();
    let mut second = ScriptedPeer::new();
    second.accepts_receiver(10).send_transfer(0, 0, HELLO);
    second.expect_disposition().state("accepted");
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let program = Program::reacting(|_, _| Ack::Later);
    let connection = program.connect(to(address));
    connection.open_receiver(ReceiverOptions::new("q").credit_window(10)).unwrap();
    let stale = program.message();
    program.disconnected();
    let error = stale.accept().unwrap_err();
    assert_eq!(error.scope(), Scope::Delivery, "{error}");
    let fresh = program.message();
    assert_eq!(fresh.payload(), stale.payload());
    fresh.accept().unwrap();
    drop(connection.close());
    script.join();
}

#[test]
fn a_link_that_is_refused_after_a_reconnect_fails_as_at_first() {
    let mut first = ScriptedPeer::new();
    first.accepts_sender(0).drop_wire();
    let mut second = ScriptedPeer::new();
    second.accepts_session();
    second.expect_attach().respond_with(|reply| reply.clear("target"));
    let error = composite("error").set("condition", Plain::symbol("amqp:unauthorized-access"));
    second.send(0, composite("detach").set("handle", 0_u32).set("closed", true).set("error", error));
    second.expect_detach();
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender("q").unwrap();
    program.disconnected();
    let error = program.link_error();
    assert_eq!(
        (error.scope(), error.condition()),
        (Scope::Link, Some("amqp:unauthorized-access")),
        "{error}"
    );
    program.until(|seen| matches!(seen, Seen::LinkClosed(_)).then_some(()));
    assert!(connection.is_open() && sender.is_closed());
    drop(connection.close());
    script.join();
}

#[test]
fn what_was_lost_is_told_to_a_handler_before_the_next_wire() {
    let (program, connection, deliveries) = lose(
        |peer| {
            peer.accepts_sender(2);
            peer.expect_transfer();
            peer.expect_transfer().respond();
        },
        |connection| {
            let sender = connection.open_sender(SenderOptions::new("q").recovery(Recovery::Report)).unwrap();
            [sender.send_now("unknown").unwrap(), sender.send_now("accepted").unwrap()]
        },
    );
    let known = deliveries.map(|delivery| delivery.known_outcome());
    assert_eq!(known[0], Some(Outcome::Lost));
    // Its outcome may have been on its way when the wire went.
    assert!(matches!(known[1], Some(Outcome::Accepted | Outcome::Lost)), "{known:?}");
    drop(connection.close());
    program.closed();
}

#[tokio::test]
async fn waiting_for_the_connection_to_come_back_is_bounded() {
    let reserved = Reserved::new();
    let limits = deadlines(|all| all.establish = SOON);
    let options = ConnectOptions::new(reserved.url()).reconnect_policy(stays_away()).deadlines(limits);
    let connection = Container::new().start(options).unwrap();
    let error = within(connection.opened()).await.unwrap_err();
    assert_eq!(error.deadline(), Some(Phase::Establish), "{error}");
    within(connection.close()).await.unwrap();
    assert!(within(connection.opened()).await.is_err());
}

#[tokio::test]
async fn everybody_who_waits_learns_when_the_program_gives_up() {
    let mut peer = ScriptedPeer::new();
    peer.tolerate("flow").accepts_session();
    peer.expect_attach().respond();
    peer.expect_attach().respond();
    peer.send_credit(0, 1);
    peer.expect_transfer();
    peer.drop_wire();
    let (address, script) = TcpScript::serve(peer);
    let connection = within(Connection::connect(to(address).reconnect(false))).await.unwrap();
    let sender = connection.open_sender("q").unwrap();
    let receiver = connection.open_receiver("q").unwrap();
    let waits = tokio::join!(
        within(receiver.recv()),
        within(sender.send("one")),
        async {
            eventually(|| sender.credit() == 0).await;
            within(sender.transfer("two")).await
        },
        within(connection.accept_link()),
        within(connection.closed()),
    );
    script.join();
    let errors = [
        waits.0.err().unwrap(),
        waits.1.err().unwrap(),
        // Never given credit or never attached: it is not under way.
        waits.2.err().unwrap(),
        waits.3.err().unwrap(),
        waits.4.err().unwrap(),
    ];
    assert_eq!(errors[1].fate(), Some(Fate::Unknown), "{}", errors[1]);
    assert_eq!(errors[2].fate(), Some(Fate::NotSent), "{}", errors[2]);
    for error in errors {
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn the_loop_of_a_program_goes_on_while_a_connection_is_away() {
    let reserved = Reserved::new();
    let program = Program::reacting(|_, _| Ack::Accept);
    program.connect(ConnectOptions::new(reserved.url()).reconnect_policy(stays_away()));
    program.disconnected();
    let listener = program.listen(loopback());
    let other = program.connect(url(&listener));
    program.until(|seen| match seen {
        Seen::ConnectionOpened(connection) => (*connection == other).then_some(()),
        _ => None,
    });
    program.run(|cx| cx.schedule(NONE, 7));
    program.until(|seen| matches!(seen, Seen::Timer(_, 7)).then_some(()));
}

#[test]
fn a_link_that_is_closed_before_it_is_attached_is_closed_at_once_and_the_peer_never_hears_of_it() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open();
    peer.expect_begin().respond();
    peer.expect_attach().name("stays").respond();
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    // Within one turn of the loop nothing is written.
    let connection = program.run(move |cx| {
        let connection = cx.connect(to(address)).unwrap();
        drop(connection.open_sender("goes").unwrap().close());
        connection.open_sender(SenderOptions::new("q").name("stays")).unwrap();
        connection
    });
    let names = program.names_until("link_opened");
    assert_eq!(names.iter().filter(|name| *name == "link_closed").count(), 1, "{names:?}");
    drop(connection.close());
    script.join();
}

#[test]
fn a_close_whose_answer_went_with_the_wire_is_done() {
    let mut first = ScriptedPeer::new();
    first.accepts_sender(0);
    first.expect_detach();
    first.drop_wire();
    let mut second = ScriptedPeer::new();
    second.accepts_session().accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender("q").unwrap();
    program.link_opened();
    let closing = sender.close();
    assert_eq!(program.names_until("connection_opened")[..2], ["link_closed", "transport_error"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(within(closing)).unwrap();
    drop(connection.close());
    script.join();
}

#[tokio::test]
async fn a_drain_that_is_awaited_ends_with_its_wire() {
    let mut first = ScriptedPeer::new();
    first.accepts_receiver(5);
    first.expect_flow().flag("drain", true);
    first.drop_wire();
    let (address, script) = TcpScript::serve(first);
    let options = to(address).reconnect_policy(stays_away());
    let connection = within(Connection::connect(options)).await.unwrap();
    let receiver = within(connection.receiver(ReceiverOptions::new("q").manual_credit())).await.unwrap();
    receiver.add_credit(5);
    // Written before the drain is asked for: the peer has seen it, or the script fails.
    let _ = within(receiver.recv_timeout(Duration::from_millis(20))).await.unwrap_err();
    let _ = within(receiver.drain()).await;
    assert_eq!(receiver.credit(), 0);
    within(connection.close()).await.unwrap();
    script.join();
}

#[tokio::test]
async fn an_awaited_open_of_a_link_lasts_across_a_reconnect() {
    let mut first = ScriptedPeer::new();
    first.accepts_session();
    first.expect_attach();
    first.drop_wire();
    let mut second = ScriptedPeer::new();
    second.accepts_sender(1);
    second.expect_transfer().respond();
    second.expect_detach().respond();
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let sender = within(connection.sender("q")).await.unwrap();
    assert!(within(sender.send("one")).await.unwrap().is_accepted());
    within(sender.close()).await.unwrap();
    within(connection.close()).await.unwrap();
    script.join();
}

#[tokio::test]
async fn awaited_closes_end_with_their_wire() {
    let play = |peer: &mut ScriptedPeer, what: &'static str| {
        peer.accepts_sender(0);
        peer.expect(what);
        peer.drop_wire();
    };
    for what in ["detach", "end", "close"] {
        let mut peer = ScriptedPeer::new();
        play(&mut peer, what);
        let (address, script) = TcpScript::serve(peer);
        let options = to(address).reconnect_policy(stays_away());
        let connection = within(Connection::connect(options)).await.unwrap();
        let sender = within(connection.sender("q")).await.unwrap();
        let closing = match what {
            "detach" => sender.close(),
            "end" => sender.session().end(),
            _ => connection.close(),
        };
        within(closing).await.unwrap();
        drop(sender);
        within(connection.close()).await.unwrap();
        script.join();
    }
}

#[tokio::test]
async fn a_listener_ends_with_its_last_handle_and_its_connections_go_on() {
    let container = Container::new();
    let listener = container.listen(loopback()).await.unwrap();
    let address = listener.local_addr();
    let connection = within(Connection::connect(url(&listener))).await.unwrap();
    let accepted = within(listener.accept()).await.unwrap();
    let untaken = within(Connection::connect(url(&listener))).await.unwrap();
    drop(listener);
    // Nobody can take it any more.
    within(untaken.closed()).await.unwrap();
    eventually(|| std::net::TcpListener::bind(address).is_ok()).await;
    assert!(connection.is_open() && accepted.is_open());
    within(connection.close()).await.unwrap();
    within(accepted.closed()).await.unwrap();
}
