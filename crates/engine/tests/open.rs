//! 2.2 and 2.4: protocol headers, open, close.

use deuteron_engine::codec::{Error, Map, Symbol};
use deuteron_engine::{Cause, ConnectionConfig, ConnectionRole, EndpointState, Event, SessionConfig};
use deuteron_testkit::wire::{AMQP, Plain, TLS, composite, symbols};
use deuteron_testkit::{Conversation, Pair, Side};

#[test]
fn a_client_sends_header_and_open_and_waits_for_the_same() {
    Conversation::each_client(|c| {
        c.peer.expect_header(AMQP).respond();
        c.peer.expect_open().container_id("me").channel(0).respond();
        c.engine.open();
        assert_eq!(c.run(), [Event::ConnectionOpened]);
        assert_eq!(
            (c.engine.local_state(), c.engine.remote_state()),
            (EndpointState::Open, EndpointState::Open)
        );
        assert_eq!(c.engine.remote_open().map(|open| open.container_id.as_str()), Some("peer"));
    });
}

#[test]
fn a_server_answers_header_and_open() {
    Conversation::each_server(|c| {
        c.peer.send_header(AMQP).send_open();
        c.peer.expect_header(AMQP);
        assert_eq!(c.run(), [Event::ConnectionOpened]);
        assert_eq!(c.engine.local_state(), EndpointState::Uninit, "the application has not answered yet");
        c.peer.expect_open().container_id("me");
        c.engine.open();
        c.run();
    });
}

#[test]
fn open_carries_the_configuration() {
    let config = ConnectionConfig {
        container_id: "c-1".into(),
        hostname: Some("vhost".into()),
        max_frame_size: 4096,
        channel_max: 7,
        idle_timeout: Some(std::time::Duration::from_secs(20)),
        offered_capabilities: vec!["ANONYMOUS-RELAY".into()],
        desired_capabilities: vec![Symbol::from_static("a"), Symbol::from_static("b")],
        properties: Some(Map::from_iter([(Symbol::from_static("product"), "deuteron")])),
        ..ConnectionConfig::default()
    };
    let mut c = Conversation::new(config, usize::MAX);
    c.peer.expect_header(AMQP).respond();
    c.peer
        .expect_open()
        .container_id("c-1")
        .field("hostname", "vhost")
        .field("max-frame-size", 4096u32)
        .field("channel-max", 7u16)
        .field("idle-time-out", 10_000u32)
        .field("offered-capabilities", symbols(["ANONYMOUS-RELAY"]))
        .field("desired-capabilities", symbols(["a", "b"]))
        .field("properties", Plain::fields([("product", "deuteron".into())]))
        .respond();
    c.engine.open();
    c.run();
}

#[test]
fn the_peers_open_can_be_read() {
    Conversation::each_client(|c| {
        c.peer.expect_header(AMQP).respond();
        c.peer.expect_open().respond_with(|open| {
            open.set("container-id", "broker")
                .set("max-frame-size", 1024u32)
                .set("channel-max", 3u16)
                .set("idle-time-out", 5000u32)
                .set("offered-capabilities", Plain::symbol("one"))
                .set("properties", Plain::fields([("product", "x".into())]))
        });
        c.engine.open();
        c.run();
        let open = c.engine.remote_open().expect("the peer has opened");
        assert_eq!(open.container_id, "broker");
        assert_eq!((open.max_frame_size, open.channel_max, open.idle_time_out), (1024, 3, Some(5000)));
        assert_eq!(open.offered_capabilities, [Symbol::from_static("one")], "one value needs no array (1.4)");
    });
}

#[test]
fn a_client_pipelines_open_begin_and_attach() {
    let mut c = Conversation::client(usize::MAX);
    c.peer.expect_header(AMQP);
    c.peer.expect_open();
    c.peer.expect_begin().channel(0).absent("remote-channel");
    c.peer.expect_attach().name("s").role_sender().handle(0);
    c.engine.open();
    let session = c.engine.begin(SessionConfig::default());
    c.engine.attach(session, deuteron_engine::LinkConfig::sender("s", "q")).expect("a fresh session");
    c.run();
}

#[test]
fn nothing_but_the_header_is_sent_before_the_application_opens() {
    let mut c = Conversation::client(usize::MAX);
    c.peer.expect_header(AMQP).respond();
    c.engine.begin(SessionConfig::default());
    c.run();
    c.peer.expect_open();
    c.peer.expect_begin();
    c.engine.open();
    c.run();
}

#[test]
fn a_connection_opened_before_the_wire_is_there_opens_on_it() {
    Pair::each(|pair| {
        pair.client.open();
        assert_eq!(pair.client.local_state(), EndpointState::Open);
        pair.bind();
        pair.drive();
        assert_eq!(pair.events(Side::Client), [Event::ConnectionOpened]);
        assert_eq!(pair.events(Side::Server), [Event::ConnectionOpened]);
    });
}

#[test]
fn close_waits_for_the_peers_close() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.engine.open();
        c.run();
        c.peer.expect_close().absent("error");
        c.engine.close(None);
        assert_eq!(c.run(), []);
        assert_eq!(c.engine.remote_state(), EndpointState::Open);
        assert!(!c.engine.output_done());
        c.peer.send_close().expect_eof();
        let events = c.run();
        assert_eq!(
            events,
            [Event::ConnectionClosed, Event::TailClosed, Event::HeadClosed, Event::TransportClosed]
        );
        assert!(c.engine.output_done() && c.engine.input_done());
        assert!(c.engine.transport_failure().is_none());
    });
}

#[test]
fn the_peers_close_is_reported_and_answered() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.peer.send_close();
        c.engine.open();
        assert_eq!(c.run(), [Event::ConnectionOpened, Event::ConnectionClosed]);
        assert_eq!(c.engine.local_state(), EndpointState::Open);
        c.peer.expect_close();
        c.peer.expect_eof();
        c.engine.close(None);
        assert_eq!(c.run(), [Event::TailClosed, Event::HeadClosed, Event::TransportClosed]);
        assert!(c.engine.transport_failure().is_none());
    });
}

#[test]
fn errors_of_close_reach_the_other_side() {
    Pair::each(|pair| {
        pair.open();
        pair.client.close(Some(Error::new(Symbol::from_static("x:mine"), "because")));
        pair.drive();
        let error = pair.server.remote_error().expect("the close had an error");
        assert_eq!((error.condition.as_str(), error.description.as_deref()), ("x:mine", Some("because")));
        assert_eq!(pair.client.local_error().map(|error| error.condition.as_str()), Some("x:mine"));
        assert!(pair.events(Side::Client).ends_with(&[Event::TransportClosed]));
        assert!(pair.events(Side::Server).ends_with(&[Event::TransportClosed]));
    });
}

#[test]
fn both_sides_may_close_at_once() {
    Pair::each(|pair| {
        pair.open();
        pair.events(Side::Client);
        pair.events(Side::Server);
        pair.client.close(None);
        pair.server.close(None);
        pair.drive();
        for side in [Side::Client, Side::Server] {
            let events = pair.events(side);
            let end = [Event::ConnectionClosed, Event::TailClosed, Event::HeadClosed, Event::TransportClosed];
            assert_eq!(events.len(), end.len(), "{events:?}");
            assert!(end.iter().all(|event| events.contains(event)), "{events:?}");
            assert!(pair.engine(side).transport_failure().is_none());
        }
    });
}

#[test]
fn a_server_refuses_a_connection_with_open_and_close() {
    Conversation::each_server(|c| {
        c.peer.send_header(AMQP).send_open();
        c.peer.expect_header(AMQP);
        c.run();
        c.peer.expect_open();
        c.peer.expect_close().error("amqp:not-allowed").respond();
        c.peer.expect_eof();
        c.engine.close(Some(Error::new(Symbol::from_static("amqp:not-allowed"), "not today")));
        c.run();
    });
}

#[test]
fn frames_after_close_are_thrown_away() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.send_close().send_begin(1).send_open();
        c.peer.send(9, composite("end"));
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let events = c.run();
        let expected = [Event::ConnectionOpened, Event::SessionBegun(session), Event::ConnectionClosed];
        assert_eq!(events, expected);
    });
}

#[test]
fn empty_frames_mean_nothing_but_life() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.peer.send_empty_frame().send_empty_frame();
        c.engine.open();
        assert_eq!(c.run(), [Event::ConnectionOpened]);
    });
}

#[test]
fn an_extended_header_of_a_frame_is_skipped() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        // doff 4: eight bytes between the frame header and the performative.
        c.peer.send_bytes(b"\0\0\0\x14\x04\0\0\0EXTENDED\0\x53\x18\x45");
        c.engine.open();
        assert_eq!(c.run(), [Event::ConnectionOpened, Event::ConnectionClosed]);
    });
}

#[test]
fn the_end_of_the_stream_without_close_is_a_loss() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.peer.drop_wire();
        c.engine.open();
        let events = c.run();
        assert!(events.contains(&Event::TransportError), "{events:?}");
        assert!(events.ends_with(&[Event::TailClosed, Event::HeadClosed, Event::TransportClosed]));
        let failure = c.engine.transport_failure().expect("the wire failed");
        assert_eq!(failure.cause, Cause::Lost);
        assert_eq!(failure.error.condition.as_str(), "amqp:connection:framing-error");
        assert_eq!(failure.error.description.as_deref(), Some("connection aborted"));
        assert_eq!(c.engine.local_state(), EndpointState::Open, "what we declared stands");
    });
}

#[test]
fn the_end_of_the_stream_before_the_header_is_a_loss_that_says_so() {
    let mut c = Conversation::client(usize::MAX);
    c.peer.expect_header(AMQP);
    c.peer.expect_open();
    c.peer.drop_wire();
    c.engine.open();
    c.run();
    let failure = c.engine.transport_failure().expect("the wire failed");
    assert!(failure.to_string().contains("no protocol header found"), "{failure}");
}

#[test]
fn the_end_of_the_stream_after_our_close_alone_is_a_loss() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.peer.expect_close();
        c.peer.drop_wire();
        c.engine.open();
        c.settle();
        c.engine.close(None);
        let events = c.run();
        assert!(events.ends_with(&[Event::TransportClosed]), "{events:?}");
    });
}

fn a_wrong_header_fails(bytes: &'static [u8], mentions: &str) {
    for role in [ConnectionRole::Client, ConnectionRole::Server] {
        for chunk in deuteron_testkit::CHUNKS {
            let config = ConnectionConfig { role, ..ConnectionConfig::default() };
            let mut c = Conversation::new(config, chunk);
            c.peer.send_bytes(bytes);
            c.peer.expect_header(AMQP);
            c.peer.tolerate("open").tolerate("close");
            if role == ConnectionRole::Client {
                c.engine.open();
            }
            let events = c.run();
            assert!(events.contains(&Event::TransportError));
            assert!(events.ends_with(&[Event::HeadClosed, Event::TransportClosed]));
            let failure = c.engine.transport_failure().expect("the wire failed");
            assert_eq!(failure.error.condition.as_str(), "amqp:connection:framing-error");
            assert!(chunk != usize::MAX || failure.to_string().contains(mentions), "{failure}");
            assert!(c.engine.output_done());
        }
    }
}

#[test]
fn another_version_is_answered_with_ours_and_the_end() {
    a_wrong_header_fails(b"AMQP\x00\x00\x09\x01", "version 0.9.1");
}

#[test]
fn amqp_0_9_1_as_its_clients_write_it_is_refused() {
    a_wrong_header_fails(b"AMQP\x01\x01\x00\x0a", "AMQP");
}

#[test]
fn something_that_is_not_amqp_is_refused() {
    a_wrong_header_fails(b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP");
    a_wrong_header_fails(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS");
    a_wrong_header_fails(b"\0\0\0\0\0\0\0\0", "does not speak AMQP");
}

#[test]
fn a_tls_header_is_refused() {
    a_wrong_header_fails(&[b'A', b'M', b'Q', b'P', TLS, 1, 0, 0], "TLS");
}

#[test]
fn a_sasl_header_without_sasl_is_refused() {
    a_wrong_header_fails(b"AMQP\x03\x01\x00\x00", "SASL");
}
