//! Nothing is unbounded: whatever a peer does not do ends in an error that names the deadline.

mod common;

use std::future::Future;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use common::{Recorder, SOON, accepts_open, accepts_session, joined, options};
use deuteron::{
    Ack, Closing, Connection, Deadlines, Error, Fate, Outcome, Phase, ReceiverOptions, Scope, SenderOptions,
};
use deuteron_testkit::{ScriptedPeer, TcpScript};

fn deadlines(set: impl FnOnce(&mut Deadlines)) -> Deadlines {
    let mut deadlines = Deadlines::default();
    set(&mut deadlines);
    deadlines
}

#[track_caller]
fn names(error: &Error, scope: Scope, phase: Phase) {
    assert_eq!((error.scope(), error.deadline()), (scope, Some(phase)), "{error}");
    assert!(error.to_string().contains(phase.name()), "{error}");
}

/// A server that accepts, reads, and says nothing; it ends when the client does.
fn silent_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
            });
        }
    });
    address
}

#[tokio::test]
async fn a_peer_that_never_says_anything() {
    let limits = deadlines(|d| d.establish = Some(SOON));
    let error = Connection::connect(options(silent_server()).deadlines(limits)).await.unwrap_err();
    // The wait for the connection and that for Open are the same length: either may be first.
    assert!(matches!(error.deadline(), Some(Phase::Open | Phase::Establish)), "{error}");
}

#[tokio::test]
async fn a_peer_that_never_opens() {
    let limits = deadlines(|d| d.open = Some(SOON));
    let error = Connection::connect(options(silent_server()).deadlines(limits)).await.unwrap_err();
    names(&error, Scope::Connection, Phase::Open);
    assert!(error.url().is_some() && error.attempt() == Some(1), "{error}");
}

#[tokio::test]
async fn a_peer_that_never_ends_sasl() {
    let limits = deadlines(|d| d.open = Some(SOON));
    let error = Connection::connect(options(silent_server()).sasl(true).deadlines(limits)).await.unwrap_err();
    names(&error, Scope::Sasl, Phase::Sasl);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_peer_that_never_answers_the_tls_handshake() {
    let limits = deadlines(|d| d.tls = Some(SOON));
    let options = deuteron::ConnectOptions::new(format!("amqps://{}", silent_server())).reconnect(false);
    let error = Connection::connect(options.deadlines(limits)).await.unwrap_err();
    names(&error, Scope::Tls, Phase::Tls);
}

/// Lets the peer end when the client has gone, however it went.
fn until_the_end(peer: &mut ScriptedPeer) {
    ignoring_links(peer);
    peer.expect_close().respond();
    peer.expect_eof();
}

fn ignoring_links(peer: &mut ScriptedPeer) {
    for name in ["flow", "detach", "end", "transfer", "disposition", "attach"] {
        peer.tolerate(name);
    }
}

#[tokio::test]
async fn a_peer_that_never_begins() {
    let mut peer = accepts_open();
    peer.expect_begin();
    until_the_end(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let limits = deadlines(|d| d.begin = Some(SOON));
    let connection = Connection::connect(options(address).deadlines(limits)).await.unwrap();
    let error = connection.sender("q").await.unwrap_err();
    names(&error, Scope::Session, Phase::Begin);
    drop(connection);
    joined(script).await;
}

#[tokio::test]
async fn a_peer_that_never_attaches() {
    let mut peer = accepts_session();
    until_the_end(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let limits = deadlines(|d| d.attach = Some(SOON));
    let connection = Connection::connect(options(address).deadlines(limits)).await.unwrap();
    let error = connection.receiver("q").await.unwrap_err();
    names(&error, Scope::Link, Phase::Attach);
    drop(connection);
    joined(script).await;
}

#[tokio::test]
async fn a_peer_that_never_gives_credit() {
    let mut peer = accepts_session();
    peer.expect_attach().respond();
    until_the_end(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let connection = Connection::connect(options(address)).await.unwrap();
    let limits = deadlines(|d| d.credit = Some(SOON));
    let sender = connection.sender(SenderOptions::new("q").deadlines(limits)).await.unwrap();
    let error = sender.send("x").await.unwrap_err();
    names(&error, Scope::Link, Phase::Credit);
    assert_eq!(error.fate(), Some(Fate::NotSent));
    assert_eq!(sender.queued(), 0);
    assert!(sender.try_send("x").unwrap().is_none());
    drop(sender);
    drop(connection);
    joined(script).await;
}

fn takes_messages() -> ScriptedPeer {
    let mut peer = accepts_session();
    peer.expect_attach().respond();
    peer.send_credit(0, 100);
    peer
}

#[tokio::test]
async fn a_peer_that_never_settles() {
    let mut peer = takes_messages();
    peer.expect_transfer();
    until_the_end(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let limits = deadlines(|d| d.settle = Some(SOON));
    let connection = Connection::connect(options(address).deadlines(limits)).await.unwrap();
    let sender = connection.sender("q").await.unwrap();
    let error = sender.send("x").await.unwrap_err();
    names(&error, Scope::Delivery, Phase::Settle);
    assert_eq!(error.fate(), Some(Fate::Unknown));
    drop((sender, connection));
    joined(script).await;
}

#[test]
fn a_peer_that_never_settles_is_told_to_a_handler() {
    let mut peer = takes_messages();
    peer.expect_transfer();
    until_the_end(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let limits = deadlines(|d| {
        d.settle = Some(SOON);
        d.close = Some(SOON);
    });
    let mut recorder = Recorder::connecting(options(address).deadlines(limits));
    recorder.opened = Some(Box::new(|_, connection| {
        connection.open_sender("q").unwrap().send_now("x").unwrap();
    }));
    let recorder = recorder.run();
    names(&recorder.errors[0], Scope::Delivery, Phase::Settle);
    assert!(recorder.log.contains(&"link_error".to_owned()));
    script.join();
}

#[tokio::test]
async fn a_peer_that_never_answers_a_drain() {
    let mut peer = accepts_session();
    peer.expect_attach().respond();
    until_the_end(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let connection = Connection::connect(options(address)).await.unwrap();
    let limits = deadlines(|d| d.drain = Some(SOON));
    let receiver = connection.receiver(ReceiverOptions::new("q").deadlines(limits)).await.unwrap();
    let error = receiver.drain().await.unwrap_err();
    names(&error, Scope::Link, Phase::Drain);
    drop((receiver, connection));
    joined(script).await;
}

#[tokio::test]
async fn a_peer_that_answers_a_drain_with_credit_used_up() {
    let mut peer = accepts_session();
    peer.expect_attach().respond();
    peer.expect_flow().flag("drain", false);
    peer.expect_flow().flag("drain", true);
    peer.send_link_flow(0, 1000, 0, true);
    until_the_end(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let connection = Connection::connect(options(address)).await.unwrap();
    let receiver = connection.receiver("q").await.unwrap();
    receiver.drain().await.unwrap();
    assert_eq!(receiver.credit(), 0);
    drop((receiver, connection));
    joined(script).await;
}

async fn closing(
    prepare: impl FnOnce(&mut ScriptedPeer),
    set: impl FnOnce(&mut Deadlines),
    close: impl FnOnce(&Connection, &deuteron::Receiver) -> Closing,
) -> Error {
    let mut peer = accepts_session();
    peer.expect_attach().respond();
    peer.tolerate("flow");
    prepare(&mut peer);
    ignoring_links(&mut peer);
    peer.tolerate("close").expect_eof();
    let (address, script) = TcpScript::serve(peer);
    let limits = deadlines(|d| {
        d.close = Some(SOON);
        set(d);
    });
    let connection = Connection::connect(options(address).deadlines(limits)).await.unwrap();
    let receiver = connection.receiver("q").await.unwrap();
    let error = close(&connection, &receiver).await.unwrap_err();
    drop((receiver, connection));
    joined(script).await;
    error
}

#[tokio::test]
async fn a_peer_that_never_detaches() {
    let error = closing(
        |peer| {
            peer.expect_detach();
        },
        |d| d.detach = Some(SOON),
        |_, receiver| receiver.close(),
    )
    .await;
    names(&error, Scope::Link, Phase::Detach);
}

#[tokio::test]
async fn a_peer_that_never_ends() {
    let error = closing(
        |peer| {
            peer.expect_end();
        },
        |d| d.detach = Some(SOON),
        |_, receiver| receiver.session().end(),
    )
    .await;
    names(&error, Scope::Session, Phase::End);
}

#[tokio::test]
async fn a_peer_that_never_closes() {
    let error = closing(
        |peer| {
            peer.tolerate("detach");
            peer.expect_close();
        },
        |d| d.close = Some(SOON),
        |connection, _| connection.close(),
    )
    .await;
    names(&error, Scope::Connection, Phase::Close);
}

/// Takes credit for everything and then does not read on.
fn stops_reading(told: mpsc::Receiver<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut peer = accepts_session();
        peer.expect_attach().respond();
        peer.send_link_flow(0, 0, 1_000_000, false);
        let mut buffer = [0; 4096];
        while !peer.is_done() {
            std::io::Write::write_all(&mut stream, &peer.output()).unwrap();
            let count = stream.read(&mut buffer).unwrap();
            peer.input(&buffer[..count]);
        }
        std::io::Write::write_all(&mut stream, &peer.output()).unwrap();
        told.recv().unwrap_err();
    });
    address
}

#[tokio::test]
async fn a_peer_that_stops_reading() {
    let (hold, told) = mpsc::channel();
    let limits = deadlines(|d| d.write = Some(SOON));
    let connection = Connection::connect(options(stops_reading(told)).deadlines(limits)).await.unwrap();
    let sender = connection.sender("q").await.unwrap();
    let message = "x".repeat(100_000);
    let error = loop {
        if let Err(error) = sender.transfer(&message.as_str()).await {
            break error;
        }
    };
    assert_eq!(error.fate(), Some(Fate::NotSent), "{error}");
    names(&connection.closed().await.unwrap_err(), Scope::Connection, Phase::Write);
    drop(hold);
}

#[tokio::test]
async fn a_peer_that_stops_reading_does_not_make_us_hold_everything() {
    let (hold, told) = mpsc::channel();
    let connection = Connection::connect(options(stops_reading(told))).await.unwrap();
    let limits = deadlines(|d| d.credit = Some(Duration::from_millis(300)));
    let sender = connection.sender(SenderOptions::new("q").deadlines(limits)).await.unwrap();
    let message = "x".repeat(100_000);
    let mut taken = 0_usize;
    let error = loop {
        match sender.transfer(&message.as_str()).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    names(&error, Scope::Link, Phase::Credit);
    // What the sockets hold, and the output limit: megabytes, not the hundred gigabytes of the credit.
    assert!(taken < 1000, "{taken}");
    drop(hold);
}

#[tokio::test]
async fn outcomes_are_known_to_every_clone() {
    let mut peer = takes_messages();
    peer.expect_transfer().respond();
    until_the_end(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let connection = Connection::connect(options(address)).await.unwrap();
    let sender = connection.sender("q").await.unwrap();
    let delivery = sender.transfer("x").await.unwrap();
    let clone = delivery.clone();
    let (one, other) = tokio::join!(delivery.outcome(), clone.outcome());
    assert_eq!((one.unwrap(), other.unwrap()), (Outcome::Accepted, Outcome::Accepted));
    drop(delivery);
    assert_eq!(clone.known_outcome(), Some(Outcome::Accepted));
    drop(clone);
    assert_eq!(sender.unsettled(), 0);
    drop((sender, connection));
    joined(script).await;
}

#[test]
fn waiting_inside_a_callback_is_an_error_at_once() {
    let mut peer = accepts_session();
    peer.expect_attach().respond();
    until_the_end(&mut peer);
    let (address, script) = TcpScript::serve(peer);
    let mut recorder = Recorder::connecting(options(address));
    recorder.link_opened = Some(Box::new(|_, link| {
        let mut closing = std::pin::pin!(link.connection().close());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(Err(error)) = closing.as_mut().poll(&mut cx) else { panic!("no error") };
        assert!(error.to_string().contains("callback"), "{error}");
    }));
    recorder.opened = Some(Box::new(|_, connection| drop(connection.open_receiver("q").unwrap())));
    recorder.message = Some(Box::new(|_, _| Ack::Accept));
    let recorder = recorder.run();
    assert_eq!(recorder.log.last().unwrap(), "connection_closed");
    script.join();
}
