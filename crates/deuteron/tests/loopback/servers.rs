//! Which of several servers is taken: orders, limits, lists that change, what peers name, and the way back to the primary.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use deuteron::{Ack, ConnectOptions, Connection, Delays, ReceiverOptions, Server, ServerList};
use deuteron_testkit::wire::{Composite, Plain, composite};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

/// A peer that opens and waits for the end.
fn stays() -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open().accepts_close();
    peer
}

/// A peer that opens and goes.
fn goes() -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open().drop_wire();
    peer
}

/// A map that names a server.
fn naming(address: SocketAddr) -> Plain {
    Plain::fields([
        ("network-host", Plain::String(address.ip().to_string())),
        ("port", Plain::Int(i32::from(address.port()))),
        ("hostname", Plain::String("blue".into())),
    ])
}

fn redirect(address: SocketAddr) -> Composite {
    composite("error")
        .set("condition", Plain::symbol("amqp:connection:redirect"))
        .set("info", naming(address))
}

fn redirects(address: SocketAddr) -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open().send(0, composite("close").set("error", redirect(address)));
    peer.expect_close();
    peer
}

/// A program, and where each of its wires went when it opened.
struct Traveller {
    program: Program,
    places: Receiver<SocketAddr>,
}

impl Traveller {
    fn new() -> Self {
        Self::reacting(|_| ())
    }

    /// It does something when the connection opens.
    fn reacting(mut react: impl FnMut(&Connection) + Send + 'static) -> Self {
        let (tell, places) = channel();
        let program = Program::reacting(move |_, seen| {
            if let Seen::ConnectionOpened(connection) = seen {
                let _ = tell.send(connection.remote_addr().unwrap());
                react(connection);
            }
            Ack::Accept
        });
        Self { program, places }
    }

    #[track_caller]
    fn opened(&self) -> SocketAddr {
        self.program.until(|seen| matches!(seen, Seen::ConnectionOpened(_)).then_some(()));
        self.places.recv_timeout(PATIENCE).unwrap()
    }
}

#[test]
fn servers_can_be_changed_while_connected() {
    let (first, first_script) = TcpScript::serve(goes());
    let (second, second_script) = TcpScript::serve(stays());
    let traveller = Traveller::reacting(move |connection| {
        connection.set_servers([format!("amqp://{second}")]).unwrap();
    });
    let connection = traveller.program.connect(to(first));
    assert_eq!(traveller.opened(), first);
    assert_eq!(traveller.opened(), second);
    drop(connection.close());
    traveller.program.closed();
    first_script.join();
    second_script.join();
}

#[test]
fn a_list_of_servers_that_cannot_be_used_changes_nothing() {
    let (address, script) = TcpScript::serve(stays());
    let traveller = Traveller::new();
    let program = &traveller.program;
    let connection = program.connect(to(address));
    traveller.opened();
    let error = connection.set_servers(["amqp://one.example", "http://two.example"]).unwrap_err();
    assert!(error.to_string().contains("http://two.example"), "{error}");
    assert!(connection.set_servers(Vec::<Server>::new()).is_err());
    drop(connection.close());
    program.closed();
    script.join();
}

#[test]
fn the_first_connection_may_have_fewer_attempts() {
    let dead = [Reserved::new(), Reserved::new()];
    let policy = Delays::new([Duration::ZERO; 100]);
    let options = ConnectOptions::from(dead.each_ref().map(Reserved::url));
    let program = Program::new();
    let _connection = program.connect(options.reconnect_policy(policy).first_attempts(3));
    let attempts = program.until(|seen| match seen {
        Seen::GaveUp(_, _, attempts) => Some(*attempts),
        _ => None,
    });
    assert_eq!(attempts, 6);
}

#[test]
fn each_server_may_have_settings_of_its_own() {
    let reserved = Reserved::new();
    let mut peer = ScriptedPeer::new();
    peer.expect_sasl_header();
    peer.send_sasl_header().send_mechanisms(["PLAIN"]);
    peer.expect_init().field("initial-response", Plain::binary(b"\0bob\0hidden".to_vec()));
    peer.send_outcome(0);
    peer.expect_header(0);
    peer.send_header(0);
    peer.expect_open().field("hostname", "blue");
    peer.send_open();
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let second = Server::new(format!("amqp://{address}")).user("bob").password("hidden").virtual_host("blue");
    assert!(!format!("{second:?}").contains("hidden"));
    let options = ConnectOptions::new(reserved.url())
        .user("alice")
        .password("secret")
        .allow_insecure_mechanisms(true)
        .failover(second);
    let traveller = Traveller::new();
    let program = &traveller.program;
    let connection = program.connect(options);
    traveller.opened();
    drop(connection.close());
    program.closed();
    script.join();
}

#[test]
fn a_redirect_is_followed_if_that_was_asked_for() {
    let mut elsewhere = ScriptedPeer::new();
    elsewhere.expect_header(0);
    elsewhere.send_header(0);
    elsewhere.expect_open().field("hostname", "blue");
    elsewhere.send_open();
    elsewhere.accepts_close();
    let (second, second_script) = TcpScript::serve(elsewhere);
    let (first, first_script) = TcpScript::serve(redirects(second));
    let traveller = Traveller::new();
    let program = &traveller.program;
    let connection = program.connect(to(first).follow_redirects(true));
    assert_eq!(traveller.opened(), first);
    assert_eq!(traveller.opened(), second);
    drop(connection.close());
    program.closed();
    first_script.join();
    second_script.join();
}

#[test]
fn a_redirect_is_an_error_otherwise() {
    let reserved = Reserved::new();
    let (first, script) = TcpScript::serve(redirects(reserved.address));
    let program = Program::new();
    let _connection = program.connect(to(first));
    let error = program.until(|seen| match seen {
        Seen::ConnectionError(_, error) => Some(error.clone()),
        _ => None,
    });
    assert_eq!(error.condition(), Some("amqp:connection:redirect"));
    program.closed();
    script.join();
}

#[test]
fn a_peer_that_sends_us_in_circles_is_left() {
    let reserved = Reserved::new();
    let address = reserved.address;
    let script = reserved.lend(|| TcpScript::listen(address, (0..6).map(|_| redirects(address))));
    let program = Program::new();
    let _connection = program.connect(to(address).follow_redirects(true));
    let mut opens = 0;
    program.until(|seen| match seen {
        Seen::ConnectionOpened(_) => {
            opens += 1;
            None
        }
        Seen::ConnectionError(..) => Some(()),
        _ => None,
    });
    assert_eq!(opens, 6);
    program.closed();
    script.join();
}

/// A peer that opens with a list of servers, and goes.
fn lists(address: SocketAddr) -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.expect_header(0);
    peer.send_header(0);
    peer.expect_open().respond_with(move |open| {
        let list = Plain::List(vec![naming(address)]);
        open.set("properties", Plain::fields([("failover-server-list", list)]))
    });
    peer.drop_wire();
    peer
}

#[test]
fn servers_that_the_peer_names_are_used_if_that_was_asked_for() {
    for (action, expected) in [(ServerList::Append, 1), (ServerList::Replace, 1), (ServerList::Ignore, 0)] {
        let (second, second_script) = TcpScript::serve(stays());
        let (first, first_script) = TcpScript::serve(lists(second));
        let policy = Delays::new([Duration::ZERO; 2]);
        let traveller = Traveller::new();
        let program = &traveller.program;
        let connection = program.connect(to(first).server_list(action).reconnect_policy(policy));
        assert_eq!(traveller.opened(), first);
        let found = program.until(|seen| match seen {
            Seen::ConnectionOpened(_) => Some(1),
            Seen::GaveUp(..) => Some(0),
            _ => None,
        });
        assert_eq!(found, expected, "{action:?}");
        drop(connection.close());
        program.closed();
        first_script.join();
        if expected == 1 {
            assert_eq!(traveller.places.recv_timeout(PATIENCE), Ok(second));
            second_script.join();
        }
    }
}

#[test]
fn a_connection_goes_back_to_the_primary_when_it_is_there_again() {
    let primary = Reserved::new();
    let address = primary.address;
    let mut second = ScriptedPeer::new();
    second.accepts_open();
    second.expect_close().error("amqp:connection:forced").respond();
    let (other, other_script) = TcpScript::serve(second);
    let traveller = Traveller::new();
    let program = &traveller.program;
    let every = Duration::from_millis(5);
    let options = ConnectOptions::from([primary.url(), format!("amqp://{other}")]).sasl(false);
    let connection = program.connect(options.prefer_primary(every));
    assert_eq!(traveller.opened(), other);
    // The first connection is only to see whether it is there.
    let script = primary.lend(|| TcpScript::listen(address, [stays(), stays()]));
    let (error, retried) = program.disconnected();
    assert!(retried && error.to_string().contains("the primary server is there again"), "{error}");
    assert_eq!(traveller.opened(), address);
    drop(connection.close());
    program.closed();
    other_script.join();
    script.join();
}

#[test]
fn the_address_of_a_node_that_is_made_anew_is_told() {
    let made = |name: &'static str| {
        let mut peer = ScriptedPeer::new();
        peer.tolerate("flow").accepts_session();
        peer.expect_attach().respond_with(move |attach| {
            attach.set("source", composite("source").set("address", name).set("dynamic", true))
        });
        peer
    };
    let mut first = made("one");
    first.drop_wire();
    let mut second = made("two");
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let program = Program::new();
    let connection = program.connect(to(address));
    connection.open_receiver(ReceiverOptions::dynamic()).unwrap();
    let (before, now) = program.until(|seen| match seen {
        Seen::AddressChanged(_, before, now) => Some((before.clone(), now.clone())),
        _ => None,
    });
    assert_eq!((before.as_str(), now.as_str()), ("one", "two"));
    drop(connection.close());
    program.closed();
    script.join();
}
