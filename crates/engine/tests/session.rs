//! 2.5: sessions.

use deuteron_engine::codec::{Error, Symbol};
use deuteron_engine::{ConnectionConfig, EndpointState, Event, LinkConfig, SessionConfig};
use deuteron_testkit::wire::{AMQP, Plain, composite, symbols};
use deuteron_testkit::{Conversation, Pair, Side};

#[test]
fn begin_carries_the_configuration() {
    let config = ConnectionConfig { handle_max: 3, ..ConnectionConfig::default() };
    let mut c = Conversation::new(config, usize::MAX);
    c.peer.accepts_open();
    c.peer
        .expect_begin()
        .channel(0)
        .absent("remote-channel")
        .field("next-outgoing-id", 17u32)
        .field("incoming-window", 5u32)
        .field("outgoing-window", 6u32)
        .field("handle-max", 3u32)
        .field("offered-capabilities", symbols(["o"]))
        .field("desired-capabilities", symbols(["d"]))
        .field("properties", Plain::fields([("k", 1u32.into())]))
        .respond();
    c.engine.open();
    c.engine.begin(SessionConfig {
        incoming_window: 5,
        outgoing_window: 6,
        next_outgoing_id: 17,
        offered_capabilities: vec![Symbol::from_static("o")],
        desired_capabilities: vec![Symbol::from_static("d")],
        properties: Some([(Symbol::from_static("k"), 1u32)].into_iter().collect()),
        ..SessionConfig::default()
    });
    c.run();
}

#[test]
fn a_session_of_the_peer_is_answered_with_its_channel() {
    Conversation::each_server(|c| {
        c.peer.opens().send_begin(9);
        c.engine.open();
        let events = c.run();
        let Some(Event::SessionBegun(session)) = events.last().copied() else { panic!("{events:?}") };
        assert_eq!(c.engine.session(session).map(|s| s.local_state()), Some(EndpointState::Uninit));
        c.peer.expect_begin().channel(0).field("remote-channel", 9u16);
        c.engine.session(session).expect("just begun").begin();
        c.run();
    });
}

#[test]
fn the_channels_of_the_two_sides_are_independent() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        // Our channel 0 is the peer's 4, our channel 1 the peer's 0.
        for (ours, theirs) in [(0u16, 4u16), (1, 0)] {
            c.peer.expect_begin().channel(ours).reply(move |begin| {
                let reply = composite("begin")
                    .set("remote-channel", begin.channel)
                    .set("next-outgoing-id", 0u32)
                    .set("incoming-window", 10u32)
                    .set("outgoing-window", 10u32);
                deuteron_testkit::wire::Frame::new(theirs, reply)
            });
        }
        c.engine.open();
        let first = c.engine.begin(SessionConfig::default());
        let second = c.engine.begin(SessionConfig::default());
        c.run();
        c.peer.send_end(4);
        c.peer.expect_end().channel(0);
        c.settle();
        let mut session = c.engine.session(first).expect("kept until it is freed");
        assert_eq!(session.remote_state(), EndpointState::Closed);
        session.end(None);
        c.run();
        assert_eq!(c.engine.session(second).map(|s| s.remote_state()), Some(EndpointState::Open));
    });
}

#[test]
fn end_is_answered_and_the_channel_is_used_again() {
    Pair::each(|pair| {
        pair.open();
        for _ in 0..3 {
            let session = pair.session();
            pair.drive();
            assert!(pair.events(Side::Client).contains(&Event::SessionBegun(session)));
            pair.client.session(session).expect("begun").end(None);
            pair.drive();
            assert_eq!(pair.events(Side::Client), [Event::SessionEnded(session)]);
            pair.client.session(session).expect("kept until freed").free();
            assert!(pair.client.session(session).is_none(), "its id is void");
        }
        assert!(pair.client.sessions().is_empty());
    });
}

#[test]
fn both_sides_may_end_at_once() {
    Pair::each(|pair| {
        let (link, theirs) = pair.sender();
        let ours = pair.client.link(link).and_then(|link| link.session()).expect("attached");
        let theirs = pair.server.link(theirs).and_then(|link| link.session()).expect("attached");
        pair.client.session(ours).expect("begun").end(None);
        pair.server.session(theirs).expect("begun").end(None);
        pair.drive();
        assert!(pair.events(Side::Client).contains(&Event::SessionEnded(ours)));
        assert!(pair.events(Side::Server).contains(&Event::SessionEnded(theirs)));
        assert!(pair.client.transport_failure().is_none() && pair.server.transport_failure().is_none());
        pair.sender();
    });
}

#[test]
fn errors_of_end_reach_the_other_side() {
    Pair::each(|pair| {
        pair.open();
        let session = pair.session();
        pair.drive();
        let theirs = pair.server.sessions()[0];
        let error = Error::new(Symbol::from_static("amqp:resource-deleted"), "gone");
        pair.server.session(theirs).expect("begun").end(Some(error.clone()));
        pair.drive();
        let session = pair.client.session(session).expect("kept until freed");
        assert_eq!(session.remote_error(), Some(&error));
        assert_eq!(
            (session.local_state(), session.remote_state()),
            (EndpointState::Open, EndpointState::Closed)
        );
    });
}

#[test]
fn frames_before_the_peer_sees_our_end_are_thrown_away() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_end().channel(0);
        c.peer.send_attach_sender("x", 0).send_transfer(0, 0, b"x").send_end(0);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        c.settle();
        c.engine.session(session).expect("begun").end(None);
        let events = c.run();
        assert_eq!(events.last(), Some(&Event::SessionEnded(session)));
        assert!(c.engine.links().is_empty());
        assert!(c.engine.transport_failure().is_none());
    });
}

#[test]
fn a_session_ends_its_links() {
    Pair::each(|pair| {
        let (sender, _) = pair.sender();
        let session = pair.client.link(sender).and_then(|link| link.session()).expect("attached");
        pair.server_answers.settle_with = None;
        let delivery = pair.send(Side::Client, sender, b"x");
        pair.drive();
        pair.events(Side::Client);
        pair.client.session(session).expect("begun").end(None);
        pair.drive();
        let events = pair.events(Side::Client);
        assert!(events.contains(&Event::DeliveryLost(delivery)), "{events:?}");
        assert!(events.contains(&Event::SessionEnded(session)), "{events:?}");
        assert!(
            pair.client.attach(session, LinkConfig::sender("t", "q")).is_err(),
            "no link on an ended session"
        );
    });
}

#[test]
fn sessions_above_the_peers_channel_max_wait() {
    Conversation::each_client(|c| {
        c.peer.expect_header(AMQP).respond();
        c.peer.expect_open().respond_with(|open| open.set("channel-max", 1u16));
        c.engine.open();
        c.run();
        c.peer.expect_begin().channel(0).respond();
        c.peer.expect_begin().channel(1).respond();
        let sessions: Vec<_> = (0..3).map(|_| c.engine.begin(SessionConfig::default())).collect();
        c.run();
        assert_eq!(c.engine.session(sessions[2]).map(|s| s.remote_state()), Some(EndpointState::Uninit));
        // The channel that is free again goes to the one that waits.
        c.peer.expect_end().channel(0).respond();
        c.peer.expect_begin().channel(0).respond();
        c.engine.session(sessions[0]).expect("begun").end(None);
        c.run();
        assert_eq!(c.engine.session(sessions[2]).map(|s| s.remote_state()), Some(EndpointState::Open));
    });
}

#[test]
fn a_begin_longer_than_512_bytes_waits_for_the_peers_open() {
    Conversation::each_client(|c| {
        c.peer.expect_header(AMQP).respond();
        c.peer.expect_open();
        c.engine.open();
        let long = "x".repeat(600);
        let properties = Some([(Symbol::from_static("k"), long.as_str())].into_iter().collect());
        let session = c.engine.begin(SessionConfig { properties, ..SessionConfig::default() });
        c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        c.run();
        c.peer.send_open();
        c.peer.expect_begin().field("properties", Plain::fields([("k", long.into())]));
        c.peer.expect_attach();
        c.run();
    });
}

#[test]
fn a_session_freed_before_it_is_answered_disturbs_nobody() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.engine.open();
        c.run();
        let session = c.engine.begin(SessionConfig::default());
        c.engine.session(session).expect("just begun").free();
        c.peer.expect_begin().channel(0).respond();
        c.peer.expect_end().channel(0).respond();
        assert!(c.run().is_empty(), "nobody waits for it");
        assert!(c.engine.sessions().is_empty());
        c.peer.expect_begin().channel(0).respond();
        c.engine.begin(SessionConfig::default());
        c.run();
    });
}
