//! What is over leaves nothing behind, and nobody waiting.

mod common;

use std::future::Future;
use std::time::Duration;

use common::{Recorder, SOON, accepts_session, joined, on_loopback, options, url};
use deuteron::{
    Ack, ConnectOptions, Connection, Container, Context, Deadlines, Delivery, Fate, MessagingHandler,
};
use deuteron_testkit::{ScriptedPeer, TcpScript};

/// Connections that are opened and closed.
const CONNECTIONS: usize = 1000;

struct Takes;

impl MessagingHandler for Takes {
    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> Ack {
        Ack::Accept
    }
}

/// A passing test never waits that long.
async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens")
}

async fn eventually(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Files, sockets and all else that the process has open.
#[cfg(target_os = "linux")]
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> usize {
    0
}

async fn connect_send_close(url: String) {
    let connection = Connection::connect(url).await.unwrap();
    let sender = connection.sender("q").await.unwrap();
    assert!(sender.send("x").await.unwrap().is_accepted());
    connection.close().await.unwrap();
}

/// In a process of its own, as other tests open files too.
#[test]
fn a_thousand_connections_leave_no_task_and_no_file_open() {
    const ALONE: &str = "DEUTERON_LEAK_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "a_thousand_connections_leave_no_task_and_no_file_open";
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", name]).env(ALONE, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = Container::new().serve(on_loopback(), || Takes).await.unwrap();
        connect_send_close(url(&listener)).await;
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        // The listener is a task of its own.
        eventually(|| listener.connections() == 0 && tasks() == 1).await;
        let before = open_files();
        for _ in 0..CONNECTIONS / 10 {
            let together: Vec<_> =
                (0..10).map(|_| tokio::spawn(connect_send_close(url(&listener)))).collect();
            for one in together {
                one.await.unwrap();
            }
        }
        eventually(|| listener.connections() == 0 && tasks() == 1).await;
        assert_eq!(open_files(), before);
    });
}

fn limits() -> Deadlines {
    Deadlines { detach: Some(SOON), close: Some(SOON), settle: None, ..Deadlines::default() }
}

/// Takes messages, and has nothing more to say.
fn falls_silent() -> ScriptedPeer {
    let mut peer = accepts_session();
    peer.expect_attach().respond();
    peer.send_credit(0, 100);
    for name in ["flow", "transfer", "disposition", "detach", "end", "close", "begin", "attach"] {
        peer.tolerate(name);
    }
    peer.expect_eof();
    peer
}

#[tokio::test]
async fn a_link_or_session_whose_end_is_not_answered_tells_who_waits_for_an_outcome() {
    for session in [false, true] {
        let (address, script) = TcpScript::serve(falls_silent());
        let connection = Connection::connect(options(address).deadlines(limits())).await.unwrap();
        let sender = connection.sender("q").await.unwrap();
        let delivery = sender.transfer("x").await.unwrap();
        let outcome = tokio::spawn(async move { delivery.outcome().await });
        let closing = if session { sender.session().end() } else { sender.close() };
        within(closing).await.unwrap_err();
        assert_eq!(within(outcome).await.unwrap().unwrap_err().fate(), Some(Fate::Unknown));
        drop((sender, connection));
        joined(script).await;
    }
}

#[test]
fn a_link_whose_end_is_not_answered_tells_the_handler_what_is_lost() {
    let (address, script) = TcpScript::serve(falls_silent());
    let mut recorder = Recorder::connecting(options(address).deadlines(limits()));
    recorder.opened = Some(Box::new(|_, connection| drop(connection.open_sender("q").unwrap())));
    recorder.sendable = Some(Box::new(|_, sender| {
        if sender.unsettled() == 0 {
            sender.send_now("x").unwrap();
            drop(sender.close());
        }
    }));
    let recorder = recorder.run();
    assert_eq!(recorder.count("lost"), 1, "{:?}", recorder.log);
    script.join();
}

#[tokio::test]
async fn deadlines_without_end_are_none() {
    let longest = Some(Duration::MAX);
    let limits = Deadlines {
        establish: longest,
        resolve: longest,
        connect: longest,
        tls: longest,
        open: longest,
        begin: longest,
        attach: longest,
        credit: longest,
        settle: longest,
        transaction: longest,
        drain: longest,
        detach: longest,
        close: longest,
        write: longest,
    };
    let listening = on_loopback().deadlines(limits).handshake_deadline(longest).heartbeat(Duration::MAX);
    let listener = Container::new().serve(listening, || Takes).await.unwrap();
    let options = ConnectOptions::new(url(&listener)).failover(url(&listener)).deadlines(limits);
    let connection = within(Connection::connect(options.heartbeat(Duration::MAX))).await.unwrap();
    let sender = within(connection.sender("q")).await.unwrap();
    assert!(within(sender.send("x")).await.unwrap().is_accepted());
    let receiver = within(connection.receiver("q")).await.unwrap();
    within(receiver.drain()).await.unwrap();
    let waiting = tokio::spawn(async move { receiver.recv_timeout(Duration::MAX).await });
    within(connection.close()).await.unwrap();
    within(waiting).await.unwrap().unwrap_err();
}

/// Panics at its first message.
struct Fails;

impl MessagingHandler for Fails {
    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> Ack {
        panic!("a callback that fails, as this test wants it to");
    }
}

#[tokio::test]
async fn a_panic_in_a_callback_ends_its_connection_and_no_other() {
    let listener = Container::new().serve(on_loopback(), || Fails).await.unwrap();
    for _ in 0..2 {
        let options = ConnectOptions::new(url(&listener)).reconnect(false);
        let connection = Connection::connect(options).await.unwrap();
        let sender = connection.sender("q").await.unwrap();
        assert_eq!(within(sender.send("x")).await.unwrap_err().fate(), Some(Fate::Unknown));
        within(connection.closed()).await.unwrap_err();
    }
    eventually(|| listener.connections() == 0).await;
}

#[tokio::test]
async fn who_waits_for_an_outcome_sees_that_we_settle_ourselves() {
    let (address, script) = TcpScript::serve(falls_silent());
    let connection = Connection::connect(options(address).deadlines(limits())).await.unwrap();
    let sender = connection.sender("q").await.unwrap();
    let delivery = sender.transfer("x").await.unwrap();
    let clone = delivery.clone();
    let outcome = tokio::spawn(async move { clone.outcome().await });
    tokio::task::yield_now().await;
    delivery.settle().unwrap();
    assert_eq!(within(outcome).await.unwrap().unwrap_err().fate(), Some(Fate::Unknown));
    drop((delivery, sender));
    within(connection.close()).await.unwrap_err();
    drop(connection);
    joined(script).await;
}
