//! What the peer ends, and with which error, as everybody learns it who waits.

use deuteron::{
    Ack, AmqpError, Connection, Container, Context, Delivery, Error, Fate, MessagingHandler, Outcome,
    ReceiverOptions, Scope, SessionOptions,
};
use deuteron_testkit::wire::{Composite, Plain, composite};
use deuteron_testkit::{ScriptHandle, ScriptedPeer, TcpScript};

use crate::support::*;

fn error(condition: &str) -> Composite {
    composite("error").set("condition", Plain::symbol(condition)).set("description", "for reasons of its own")
}

#[track_caller]
fn told(error: &Error, scope: Scope, condition: &str) {
    assert_eq!((error.scope(), error.condition()), (scope, Some(condition)), "{error}");
    assert!(error.is_remote(), "{error}");
    assert!(error.to_string().contains("for reasons of its own"), "{error}");
}

/// A connection without a handler to a peer that attaches a sender and a receiver, and then does this.
async fn meet(
    then: impl FnOnce(&mut ScriptedPeer),
) -> (Connection, deuteron::Sender, deuteron::Receiver, ScriptHandle) {
    let mut peer = ScriptedPeer::new();
    peer.tolerate("flow").accepts_session();
    peer.expect_attach().role_sender().respond();
    peer.expect_attach().role_receiver().respond();
    // The message shows that both waits are under way.
    peer.send_credit(0, 1);
    peer.expect_transfer();
    then(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let sender = within(connection.sender("q")).await.unwrap();
    let receiver = within(connection.receiver("q")).await.unwrap();
    (connection, sender, receiver, script)
}

#[tokio::test]
async fn an_error_of_the_connection_reaches_everybody_who_waits() {
    let (connection, sender, receiver, script) = meet(|peer| {
        peer.send(0, composite("close").set("error", error("amqp:resource-deleted")));
        peer.expect_close();
    })
    .await;
    let (send, recv, closed, link) = tokio::join!(
        within(sender.send("one")),
        within(receiver.recv()),
        within(connection.closed()),
        within(connection.accept_link()),
    );
    let send = send.unwrap_err();
    assert_eq!(send.fate(), Some(Fate::Unknown), "{send}");
    for error in [recv.err().unwrap(), closed.unwrap_err(), link.err().unwrap()] {
        told(&error, Scope::Connection, "amqp:resource-deleted");
    }
    told(&within(sender.transfer("two")).await.err().unwrap(), Scope::Connection, "amqp:resource-deleted");
    told(&connection.open_sender("other").unwrap_err(), Scope::Connection, "amqp:resource-deleted");
    told(&within(connection.close()).await.unwrap_err(), Scope::Connection, "amqp:resource-deleted");
    script.join();
}

#[tokio::test]
async fn an_error_of_a_session_reaches_everybody_who_waits_on_its_links() {
    let (connection, sender, receiver, script) = meet(|peer| {
        peer.send(0, composite("end").set("error", error("amqp:not-allowed")));
        peer.expect_end();
        peer.accepts_close();
    })
    .await;
    let (send, recv) = tokio::join!(within(sender.send("one")), within(receiver.recv()));
    assert_eq!(send.unwrap_err().fate(), Some(Fate::Unknown));
    told(&recv.err().unwrap(), Scope::Session, "amqp:not-allowed");
    told(&within(sender.transfer("two")).await.err().unwrap(), Scope::Session, "amqp:not-allowed");
    assert!(connection.is_open() && sender.is_closed() && receiver.is_closed());
    within(connection.close()).await.unwrap();
    script.join();
}

#[tokio::test]
async fn an_error_of_a_link_reaches_everybody_who_waits_on_it_and_nobody_else() {
    let (connection, sender, receiver, script) = meet(|peer| {
        let detach = composite("detach").set("closed", true);
        peer.send(0, detach.clone().set("handle", 0_u32).set("error", error("amqp:unauthorized-access")));
        peer.expect_detach().handle(0);
        peer.send_transfer(1, 0, HELLO);
        peer.expect_disposition();
        peer.send(0, detach.set("handle", 1_u32).set("error", error("amqp:link:stolen")));
        peer.expect_detach().handle(1);
        peer.accepts_close();
    })
    .await;
    let send = within(sender.send("one")).await.unwrap_err();
    assert_eq!(send.fate(), Some(Fate::Unknown), "{send}");
    told(&within(sender.transfer("two")).await.err().unwrap(), Scope::Link, "amqp:unauthorized-access");
    within(receiver.recv()).await.unwrap().accept().unwrap();
    told(&within(receiver.recv()).await.err().unwrap(), Scope::Link, "amqp:link:stolen");
    told(&sender.error().unwrap(), Scope::Link, "amqp:unauthorized-access");
    within(connection.close()).await.unwrap();
    script.join();
}

#[tokio::test]
async fn a_link_that_the_peer_closes_without_an_error_is_closed() {
    let (connection, sender, receiver, script) = meet(|peer| {
        peer.send_detach(0).send_detach(1);
        peer.expect_detach();
        peer.expect_detach();
        peer.accepts_close();
    })
    .await;
    assert_eq!(within(sender.send("one")).await.unwrap_err().fate(), Some(Fate::Unknown));
    assert!(within(receiver.recv()).await.is_err());
    assert!(within(sender.transfer("two")).await.is_err());
    within(connection.close()).await.unwrap();
    script.join();
}

#[test]
fn a_handler_learns_what_was_lost_with_a_link_or_a_session() {
    let ends: [fn(&mut ScriptedPeer); 2] = [
        |peer| {
            peer.send_detach(0);
            peer.expect_detach();
        },
        |peer| {
            peer.send_end(0);
            peer.expect_end();
        },
    ];
    for end in ends {
        let mut peer = ScriptedPeer::new();
        peer.accepts_sender(1);
        peer.expect_transfer();
        end(&mut peer);
        peer.accepts_close();
        let (address, script) = TcpScript::serve(peer);
        let program = Program::new();
        let connection = program.connect(to(address));
        let sender = connection.open_sender("q").unwrap();
        let sent = sender.send_now("under way").unwrap();
        let queued = sender.send_now("without credit").unwrap();
        for (delivery, outcome) in [(sent, Outcome::Lost), (queued, Outcome::NotSent)] {
            let lost = program.until(|seen| match seen {
                Seen::Lost(delivery) => Some(delivery.clone()),
                _ => None,
            });
            assert_eq!((&lost, lost.known_outcome()), (&delivery, Some(outcome)));
        }
        drop(connection.close());
        script.join();
    }
}

#[tokio::test]
async fn a_refused_link_is_the_error_of_the_awaited_open() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_session();
    for (_, which) in [(0, "target"), (1, "source")] {
        peer.expect_attach().respond_with(move |reply| reply.clear(which));
        let detach = composite("detach").set("handle", 0_u32).set("closed", true);
        peer.send(0, detach.set("error", error("amqp:unauthorized-access")));
        peer.expect_detach();
    }
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    told(&within(connection.sender("q")).await.unwrap_err(), Scope::Link, "amqp:unauthorized-access");
    told(&within(connection.receiver("q")).await.unwrap_err(), Scope::Link, "amqp:unauthorized-access");
    within(connection.close()).await.unwrap();
    script.join();
}

#[tokio::test]
async fn a_refused_connection_is_an_error_of_the_awaited_connect_or_of_its_end() {
    let mut peer = ScriptedPeer::new();
    peer.expect_header(deuteron_testkit::wire::AMQP).respond();
    peer.expect_open().respond();
    peer.send(0, composite("close").set("error", error("amqp:not-allowed")));
    peer.expect_close();
    let (address, script) = TcpScript::serve(peer);
    // Its Open comes first: the connection may be seen to be open for a moment.
    let refused = match within(Connection::connect(to(address))).await {
        Ok(connection) => within(connection.closed()).await.unwrap_err(),
        Err(error) => error,
    };
    told(&refused, Scope::Connection, "amqp:not-allowed");
    script.join();
}

#[test]
fn redirections_are_told_with_all_that_the_peer_says() {
    let mut peer = ScriptedPeer::new();
    let info = Plain::fields([("network-host", Plain::from("other.example")), ("port", Plain::Uint(5673))]);
    let redirect = error("amqp:connection:redirect").set("info", info);
    peer.accepts_open().send(0, composite("close").set("error", redirect));
    peer.expect_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    program.connect(to(address));
    let error = program.until(|seen| match seen {
        Seen::ConnectionError(_, error) => Some(error.clone()),
        _ => None,
    });
    told(&error, Scope::Connection, "amqp:connection:redirect");
    let host = error.info().and_then(|info| info.get("network-host").cloned());
    assert_eq!(host, Some("other.example".into()));
    script.join();
}

#[test]
fn our_own_errors_reach_the_peer_with_all_that_we_say() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_session();
    peer.expect_attach().respond();
    peer.expect_detach().error("app:link").describing("no longer").flag("closed", true).respond();
    peer.expect_begin().respond();
    peer.expect_end().error("app:session").respond();
    peer.expect_close().error("app:connection").describing("over").respond();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender("q").unwrap();
    program.link_opened();
    drop(sender.close_with(AmqpError::new("app:link", "no longer")));
    program.until(|seen| matches!(seen, Seen::LinkClosed(_)).then_some(()));
    let session = connection.open_session(SessionOptions::new()).unwrap();
    program.until(|seen| matches!(seen, Seen::SessionOpened(_)).then_some(()));
    drop(session.end_with(AmqpError::new("app:session", "")));
    program.until(|seen| matches!(seen, Seen::SessionClosed(_)).then_some(()));
    drop(connection.close_with(AmqpError::new("app:connection", "over")));
    program.closed();
    script.join();
}

#[test]
fn two_links_of_one_name_and_direction_are_an_error_at_the_call() {
    let server = Program::new();
    let listener = server.listen(loopback());
    let program = Program::new();
    let connection = program.connect(url(&listener));
    let named = || ReceiverOptions::new("q").name("same");
    let first = connection.open_receiver(named()).unwrap();
    let error = connection.open_receiver(named()).unwrap_err();
    assert!(error.to_string().contains("same"), "{error}");
    // The other direction has names of its own.
    connection.open_sender(deuteron::SenderOptions::new("q").name("same")).unwrap();
    drop(first.close());
    program.until(|seen| matches!(seen, Seen::LinkClosed(_)).then_some(()));
    connection.open_receiver(named()).unwrap();
}

/// Fails in the middle of its work.
struct Failing;

impl MessagingHandler for Failing {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let listener = cx.listen(loopback()).unwrap();
        cx.connect(url(&listener)).unwrap().open_sender("q").unwrap().send_now("x").unwrap();
    }

    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> Ack {
        std::panic::resume_unwind(Box::new("in the handler"));
    }
}

#[test]
fn a_panic_in_a_callback_comes_out_of_run_and_leaves_nothing_behind() {
    let container = Container::new();
    let looped = container.clone();
    let panic = std::thread::spawn(move || looped.run(Failing)).join().unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"in the handler"));
    // The container can be asked for another loop.
    let program = Program::of(container, |_, _| Ack::Accept);
    program.listen(loopback());
}
