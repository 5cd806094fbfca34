//! 2.4.5: idle timeouts of both sides.

use std::time::Duration;

use deuteron_engine::{Cause, ConnectionConfig, EndpointState, Event, SessionConfig};
use deuteron_testkit::wire::AMQP;
use deuteron_testkit::{CHUNKS, Conversation, Pair, Side};

const MS: Duration = Duration::from_millis(1);

fn with_idle_timeout(timeout: Duration, chunk: usize) -> Conversation {
    let config = ConnectionConfig { idle_timeout: Some(timeout), ..ConnectionConfig::default() };
    let mut c = Conversation::new(config, chunk);
    c.peer.accepts_open();
    c.engine.open();
    c.run();
    c
}

fn with_idle_peer(timeout: u32, chunk: usize) -> Conversation {
    let mut c = Conversation::client(chunk);
    c.peer.expect_header(AMQP).respond();
    c.peer.expect_open().respond_with(move |open| open.set("idle-time-out", timeout));
    c.engine.open();
    c.run();
    c
}

#[test]
fn half_of_our_timeout_is_told_to_the_peer() {
    let config =
        ConnectionConfig { idle_timeout: Some(Duration::from_secs(10)), ..ConnectionConfig::default() };
    let mut c = Conversation::new(config, usize::MAX);
    c.peer.expect_header(AMQP);
    c.peer.expect_open().field("idle-time-out", 5000u32);
    c.engine.open();
    c.run();
}

#[test]
fn no_timeout_is_told_when_there_is_none() {
    let mut c = Conversation::client(usize::MAX);
    c.peer.expect_header(AMQP).respond();
    c.peer.expect_open().absent("idle-time-out").respond();
    c.engine.open();
    c.run();
    assert_eq!(c.engine.poll_timeout(), None, "nothing to wait for");
}

#[test]
fn a_silent_peer_is_closed_at_our_timeout() {
    for chunk in CHUNKS {
        let mut c = with_idle_timeout(Duration::from_secs(10), chunk);
        assert_eq!(c.pass(Duration::from_secs(10) - MS), []);
        c.peer.expect_close().error("amqp:resource-limit-exceeded").describing("idle");
        c.peer.expect_eof();
        let events = c.pass(MS);
        assert!(events.contains(&Event::TransportError), "{events:?}");
        assert!(events.ends_with(&[Event::TransportClosed]), "{events:?}");
        let failure = c.engine.transport_failure().expect("the wire failed");
        assert_eq!(failure.cause, Cause::IdleTimeout);
        assert_eq!(c.engine.local_state(), EndpointState::Open, "what we declared stands");
    }
}

#[test]
fn whatever_the_peer_sends_keeps_it_alive() {
    for chunk in CHUNKS {
        let mut c = with_idle_timeout(Duration::from_secs(10), chunk);
        for _ in 0..5 {
            assert_eq!(c.pass(Duration::from_secs(9)), []);
            c.peer.send_empty_frame();
            assert_eq!(c.run(), []);
        }
        // Half of a frame is a sign of life too.
        c.pass(Duration::from_secs(9));
        c.peer.send_bytes(b"\0\0\0\x08\x02");
        c.run();
        assert_eq!(c.pass(Duration::from_secs(9)), []);
        c.peer.tolerate("close");
        assert!(c.pass(Duration::from_secs(1)).contains(&Event::TransportError));
    }
}

#[test]
fn a_heartbeat_goes_out_at_half_of_the_peers_timeout() {
    for chunk in CHUNKS {
        let mut c = with_idle_peer(4000, chunk);
        for _ in 0..5 {
            assert_eq!(c.pass(Duration::from_millis(1999)), []);
            c.peer.expect_empty_frame();
            assert_eq!(c.pass(MS), []);
        }
    }
}

#[test]
fn what_we_send_anyway_is_a_heartbeat() {
    let mut c = with_idle_peer(4000, usize::MAX);
    c.pass(Duration::from_millis(1500));
    c.peer.expect_begin().respond();
    c.engine.begin(SessionConfig::default());
    c.run();
    c.pass(Duration::from_millis(1999));
    c.peer.expect_empty_frame();
    c.pass(MS);
}

#[test]
fn a_driver_may_write_heartbeats_by_itself() {
    let mut c = with_idle_peer(4000, usize::MAX);
    assert_eq!(c.engine.keep_alive_interval(), Some(Duration::from_secs(2)));
    c.pass(Duration::from_millis(1500));
    let now = c.now;
    c.engine.kept_alive(now);
    // The next one is due two seconds after that.
    c.pass(Duration::from_millis(1999));
    c.peer.expect_empty_frame();
    c.pass(MS);
    c.peer.expect_close();
    c.engine.close(None);
    c.run();
    assert_eq!(c.engine.keep_alive_interval(), None, "nothing may follow close");
}

#[test]
fn a_peer_with_timeout_zero_wants_no_heartbeats() {
    let mut c = with_idle_peer(0, usize::MAX);
    assert_eq!(c.engine.poll_timeout(), None);
    assert_eq!(c.pass(Duration::from_secs(100_000)), []);
}

#[test]
fn a_peer_with_a_tiny_timeout_cannot_keep_us_busy_without_end() {
    let mut c = with_idle_peer(1, usize::MAX);
    c.peer.tolerate("empty frame");
    for _ in 0..10 {
        let before = c.now;
        c.jump();
        assert!(c.now > before, "time must go on between two heartbeats");
    }
}

#[test]
fn no_heartbeat_follows_close() {
    let config = ConnectionConfig { close_timeout: None, ..ConnectionConfig::default() };
    let mut c = Conversation::new(config, usize::MAX);
    c.peer.expect_header(AMQP).respond();
    c.peer.expect_open().respond_with(|open| open.set("idle-time-out", 4000u32));
    c.peer.expect_close();
    c.engine.open();
    c.settle();
    c.engine.close(None);
    c.run();
    // 2.7.9: nothing may follow close, not even a heartbeat.
    assert_eq!(c.pass(Duration::from_secs(100)), []);
}

#[test]
fn two_engines_keep_each_other_alive() {
    let config = |seconds| ConnectionConfig {
        idle_timeout: Some(Duration::from_secs(seconds)),
        ..ConnectionConfig::default()
    };
    Pair::each_of(
        || Pair::new(config(2), config(7)),
        |pair| {
            pair.latency = Duration::from_millis(300);
            pair.open();
            pair.pass(Duration::from_secs(600));
            assert!(pair.client.transport_failure().is_none() && pair.server.transport_failure().is_none());
            let beats = pair.carried(Side::Server);
            assert!(
                (8 * 550..8 * 1300).contains(&beats),
                "the client wants one a second: {beats} bytes in 600 s"
            );
        },
    );
}

#[test]
fn one_side_may_have_a_timeout_and_the_other_none() {
    let config =
        ConnectionConfig { idle_timeout: Some(Duration::from_secs(2)), ..ConnectionConfig::default() };
    let mut pair = Pair::new(ConnectionConfig::default(), config);
    pair.open();
    let before = pair.carried(Side::Server);
    pair.pass(Duration::from_secs(600));
    assert!(pair.server.transport_failure().is_none());
    assert_eq!(pair.carried(Side::Server), before, "the client never asked for heartbeats");
}
