//! Bad input to a listener whose connections share one loop: it goes on serving, and lets go of what it held.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use deuteron::{Ack, Connection, Link, ListenOptions, Listener};
use deuteron_testkit::wire::{AMQP, Frame, SASL, TLS, composite, header};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

/// A server and a client that keeps asking whether it still serves.
struct Fixture {
    server: Program,
    listener: Listener,
}

impl Fixture {
    fn new(options: ListenOptions) -> Self {
        let server = Program::new();
        let listener = server.listen(options);
        Self { server, listener }
    }

    /// A good client gets a message through, on a connection of its own.
    #[track_caller]
    fn serves(&self) {
        let client = Program::new();
        let connection = client.connect(url(&self.listener));
        connection.open_sender("q").unwrap().send_now("still there?").unwrap();
        client.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
        drop(connection.close());
        client.closed();
    }

    /// Nothing is left of any client.
    #[track_caller]
    fn forgets_all(&self) {
        wait_until(|| self.listener.connections() == 0);
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr()
    }
}

fn open() -> Frame {
    Frame::new(0, composite("open").set("container-id", "bad"))
}

/// A TLS 1.2 client hello, as far as anybody looks at it.
fn tls_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, 0x01, 0x00, 0x80, 0x01, 0x00, 0x00, 0x7c, 0x03, 0x03];
    hello.resize(5 + 0x80, 0x5a);
    hello
}

/// What clients say that are no AMQP clients, or bad ones.
fn bad_input() -> Vec<(&'static str, Vec<u8>)> {
    let amqp = header(AMQP).to_vec();
    let opened = [amqp.as_slice(), &open().bytes()].concat();
    let mut oversized = opened.clone();
    oversized.extend((1_u32 << 20).to_be_bytes());
    oversized.extend([2, 0, 0, 0]);
    vec![
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("a TLS hello on a plain port", tls_hello()),
        ("the header of another protocol id", header(9).to_vec()),
        ("the header of AMQP over TLS", header(TLS).to_vec()),
        ("a version of long ago", b"AMQP\x01\x01\x00\x09".to_vec()),
        ("random bytes", (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
        ("a frame of no size", [amqp.as_slice(), &[0; 8]].concat()),
        (
            "a frame with its body before its header ends",
            [amqp.as_slice(), &[0, 0, 0, 8, 1, 0, 0, 0]].concat(),
        ),
        ("an oversized frame", oversized),
        (
            "a performative that there is not",
            [&opened[..], &[0, 0, 0, 11, 2, 0, 0, 0, 0, 0x53, 0x99]].concat(),
        ),
        ("a SASL frame after open", [&opened[..], &Frame::new(0, composite("sasl-init")).bytes()].concat()),
        (
            "SASL that begins with its end",
            [&header(SASL)[..], &Frame::new(0, composite("sasl-outcome").set("code", 0_u8)).bytes()].concat(),
        ),
        (
            "a transfer without a session",
            [&opened[..], &Frame::new(3, composite("transfer").set("handle", 0_u32)).bytes()].concat(),
        ),
        ("an end of what was never begun", [&opened[..], &Frame::new(7, composite("end")).bytes()].concat()),
    ]
}

#[test]
fn a_listener_goes_on_serving_whatever_it_is_told() {
    let fixture = Fixture::new(loopback());
    for (what, bytes) in bad_input() {
        let answer = hear(&mut say(fixture.address(), &bytes));
        assert!(answer.is_empty() || answer.starts_with(b"AMQP"), "{what}: {}", answer.escape_ascii());
        fixture.serves();
    }
    fixture.forgets_all();
}

#[test]
fn half_a_frame_and_no_more_ends_with_the_stream_or_the_deadline() {
    let fixture = Fixture::new(loopback().handshake_deadline(SOON));
    let whole = [&header(AMQP)[..], &open().bytes()].concat();
    for length in [0, 3, 8, 12, whole.len() - 1] {
        let mut ends = say(fixture.address(), &whole[..length]);
        ends.shutdown(Shutdown::Write).unwrap();
        hear(&mut ends);
        // One that says no more but does not end.
        hear(&mut say(fixture.address(), &whole[..length]));
    }
    fixture.serves();
    fixture.forgets_all();
}

#[test]
fn a_client_that_trickles_its_bytes_is_held_to_the_deadline_all_the_same() {
    let fixture = Fixture::new(loopback().handshake_deadline(Some(Duration::from_millis(200))));
    let mut stream = say(fixture.address(), &header(AMQP));
    let writer = stream.try_clone().unwrap();
    let trickle = thread::spawn(move || {
        let frame = open().bytes();
        // All but the last byte, again and again one more: the frame is never whole.
        for byte in frame[..frame.len() - 1].iter().chain(std::iter::repeat(&0)).take(10_000) {
            if (&writer).write_all(&frame[..0]).and_then(|()| (&writer).write_all(&[*byte])).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    hear(&mut stream);
    fixture.serves();
    drop(stream);
    trickle.join().unwrap();
    fixture.forgets_all();
}

#[test]
fn a_listener_tells_its_program_of_clients_that_fail() {
    let fixture = Fixture::new(loopback());
    hear(&mut say(fixture.address(), b"GET / HTTP/1.1\r\n\r\n"));
    let error = fixture.server.until(|seen| match seen {
        Seen::ListenerError(listener, error) if listener.port() == fixture.listener.port() => {
            Some(error.clone())
        }
        Seen::ConnectionOpening(_) => panic!("this is no client"),
        _ => None,
    });
    assert!(error.condition().is_some(), "{error}");
}

#[test]
fn a_thousand_connects_that_say_nothing_keep_nobody_out_and_are_gone_after_the_deadline() {
    let fixture = Fixture::new(loopback().handshake_deadline(Some(Duration::from_secs(2))));
    let silent: Vec<_> = (0..1000).map(|_| TcpStream::connect(fixture.address()).unwrap()).collect();
    fixture.serves();
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // What is said to it before the end does not matter.
        hear(&mut stream);
    }
    fixture.forgets_all();
    fixture.serves();
}

#[test]
fn those_that_wait_longest_go_when_too_many_say_nothing() {
    let fixture = Fixture::new(loopback().max_pending(10).handshake_deadline(None));
    let mut silent: Vec<_> = (0..30).map(|_| TcpStream::connect(fixture.address()).unwrap()).collect();
    wait_until(|| fixture.listener.connections() <= 10);
    for stream in &mut silent[..15] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        hear(stream);
    }
    fixture.serves();
    drop(silent);
    fixture.forgets_all();
}

#[test]
fn connections_beyond_the_limit_are_closed_and_those_within_it_go_on() {
    let fixture = Fixture::new(loopback().max_connections(3));
    let clients: Vec<_> = (0..3).map(|_| Program::new()).collect();
    let connections: Vec<Connection> = clients
        .iter()
        .map(|client| {
            client.connect(url(&fixture.listener));
            client.opened()
        })
        .collect();
    hear(&mut say(fixture.address(), &header(AMQP)));
    for (client, connection) in clients.iter().zip(&connections) {
        connection.open_sender("q").unwrap().send_now("still").unwrap();
        client.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
    }
    drop(connections[0].close());
    clients[0].closed();
    wait_until(|| fixture.listener.connections() == 2);
    fixture.serves();
}

#[test]
fn a_client_that_sends_without_credit_is_told_so_and_the_others_go_on() {
    let server = Program::reacting(|_, seen| {
        if let Seen::LinkOpening(Link::Receiver(receiver)) = seen
            && receiver.name() == "greedy"
        {
            receiver.set_credit_window(0);
        }
        Ack::Accept
    });
    let fixture = Fixture { listener: server.listen(loopback()), server };
    let mut client = ScriptedPeer::new();
    client.tolerate("flow").opens_sender("greedy").send_transfer(0, 0, HELLO);
    client.expect_detach().flag("closed", true).error("amqp:link:transfer-limit-exceeded");
    client.send_detach(0).send_close();
    client.expect_close();
    let script = TcpScript::connect(fixture.address(), client);
    fixture.serves();
    script.join();
    fixture.forgets_all();
}

/// A whole conversation of a good client, as bytes.
fn conversation() -> Vec<u8> {
    let mut peer = ScriptedPeer::new();
    peer.send_header(AMQP).send_open().send_begin(0).send_attach_sender("s", 0);
    peer.send_transfer(0, 0, HELLO).send_detach(0).send_end(0).send_close();
    peer.output()
}

#[test]
fn a_conversation_with_any_byte_of_it_wrong_harms_nobody() {
    let fixture = Fixture::new(loopback().handshake_deadline(Some(Duration::from_secs(2))));
    let address = fixture.address();
    let whole = Arc::new(conversation());
    let attackers: Vec<_> = (0..4)
        .map(|part| {
            let whole = Arc::clone(&whole);
            thread::spawn(move || {
                for place in (part..whole.len()).step_by(4) {
                    for flip in [0x01, 0x80, 0xff] {
                        let mut bytes = whole.to_vec();
                        bytes[place] ^= flip;
                        let mut stream = TcpStream::connect(address).unwrap();
                        stream.set_read_timeout(Some(PATIENCE)).unwrap();
                        // The listener may have closed already.
                        drop(stream.write_all(&bytes));
                        drop(stream.shutdown(Shutdown::Write));
                        hear(&mut stream);
                    }
                }
            })
        })
        .collect();
    for attacker in attackers {
        attacker.join().unwrap();
    }
    fixture.serves();
    fixture.forgets_all();
}

#[test]
fn a_client_that_goes_in_the_middle_of_a_message_leaves_nothing() {
    let fixture = Fixture::new(loopback());
    let whole = conversation();
    for length in (0..whole.len()).step_by(7) {
        drop(say(fixture.address(), &whole[..length]));
    }
    fixture.serves();
    fixture.forgets_all();
}

mod tls {
    use deuteron::TlsServerConfig;
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    #[test]
    fn a_tls_listener_goes_on_serving_whatever_it_is_told() {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let tls = TlsServerConfig::pem(cert.pem(), signing_key.serialize_pem());
        let options = ListenOptions::new("amqps://127.0.0.1:0")
            .tls(tls)
            .handshake_deadline(Some(Duration::from_secs(2)));
        let server = Program::new();
        let listener = server.listen(options);
        let serves = || {
            let client = Program::new();
            let trust = deuteron::TlsConfig::new().ca_pem(cert.pem());
            let url = format!("amqps://{}", listener.local_addr());
            client.connect(deuteron::ConnectOptions::new(url).tls(trust));
            client.opened();
        };
        for (_, bytes) in bad_input() {
            let mut stream = say(listener.local_addr(), &bytes);
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = [0; 64];
            // A TLS alert, or the end.
            let _ = stream.read(&mut answer);
            serves();
        }
        // One that begins the handshake and falls silent.
        hear(&mut say(listener.local_addr(), &tls_hello()[..20]));
        serves();
        wait_until(|| listener.connections() == 0);
    }
}
