//! Heartbeats: ours go out whatever the program does, and a silent peer is found out.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{Recorder, accepts_open, accepts_open_with, options};
use deuteron::{Connection, Phase};
use deuteron_testkit::wire::Frame;
use deuteron_testkit::{ScriptedPeer, TcpScript};

/// A peer that wants to hear from us every 200 ms, counts three heartbeats, and tells when it has them.
fn listening_peer() -> (ScriptedPeer, mpsc::Receiver<()>) {
    let (told, heard) = mpsc::channel();
    let mut peer = accepts_open_with(|open| open.set("idle-time-out", 200u32));
    peer.expect_empty_frame();
    peer.expect_empty_frame();
    peer.expect_empty_frame().reply(move |_| {
        told.send(()).expect("the test waits");
        Frame::empty()
    });
    peer.tolerate("empty frame");
    peer.accepts_close();
    (peer, heard)
}

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn heartbeats_go_out_while_a_callback_blocks() {
    let (peer, heard) = listening_peer();
    let (address, script) = TcpScript::serve(peer);
    let mut recorder = Recorder::connecting(options(address));
    recorder.opened = Some(Box::new(move |_, connection| {
        heard.recv_timeout(PATIENCE).expect("the peer heard us while we were busy");
        drop(connection.close());
    }));
    let recorder = recorder.run();
    assert_eq!(recorder.log.last().unwrap(), "connection_closed");
    script.join();
}

#[test]
fn heartbeats_go_out_while_a_task_blocks_its_runtime() {
    let (peer, heard) = listening_peer();
    let (address, script) = TcpScript::serve(peer);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = Connection::connect(options(address)).await.unwrap();
        heard.recv_timeout(PATIENCE).expect("the peer heard us while we were busy");
        connection.close().await.unwrap();
    });
    script.join();
}

#[test]
fn heartbeats_go_out_while_nothing_happens() {
    let (peer, heard) = listening_peer();
    let (address, script) = TcpScript::serve(peer);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = Connection::connect(options(address)).await.unwrap();
        tokio::task::spawn_blocking(move || heard.recv_timeout(PATIENCE)).await.unwrap().unwrap();
        connection.close().await.unwrap();
    });
    script.join();
}

#[test]
fn a_silent_peer_is_told_and_the_error_names_the_deadline() {
    let mut peer = accepts_open();
    peer.tolerate("empty frame");
    peer.expect_close().error("amqp:resource-limit-exceeded");
    let (address, script) = TcpScript::serve(peer);
    let recorder = Recorder::connecting(options(address).heartbeat(Duration::from_millis(100))).run();
    assert_eq!(recorder.errors[0].deadline(), Some(Phase::Idle), "{}", recorder.errors[0]);
    assert_eq!(
        recorder.log,
        ["connection_opened", "transport_error", "disconnected false", "gave_up 0", "connection_closed"]
    );
    script.join();
}

#[test]
fn what_came_while_a_callback_was_busy_counts_as_a_sign_of_life() {
    // The peer wants a sign of life every second, so our second one goes out a second after we fell
    // silent, later than our own limit. But the peer has answered the first.
    let (told, heard) = mpsc::channel();
    let mut peer = accepts_open_with(|open| open.set("idle-time-out", 1000u32));
    peer.expect_empty_frame().reply(|_| Frame::empty());
    peer.expect_empty_frame().reply(move |_| {
        told.send(()).expect("the test waits");
        Frame::empty()
    });
    peer.tolerate("empty frame");
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let mut recorder = Recorder::connecting(options(address).heartbeat(Duration::from_millis(700)));
    recorder.opened = Some(Box::new(move |_, connection| {
        heard.recv_timeout(PATIENCE).expect("the peer heard us twice");
        drop(connection.close());
    }));
    let recorder = recorder.run();
    assert_eq!(recorder.log, ["connection_opened", "connection_closed"]);
    script.join();
}
