//! What happens when the peer does not answer: every [`Deadline`], by default bounded.

use std::time::Duration;

use deuteron_engine::sasl::{SaslClientConfig, SaslServerConfig};
use deuteron_engine::{
    Cause, ConnectionConfig, ConnectionRole, Deadline, EndpointState, Event, LinkConfig, SaslConfig,
    SessionConfig,
};
use deuteron_testkit::wire::{AMQP, composite};
use deuteron_testkit::{CHUNKS, Conversation};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// A configuration in which every deadline is another number of seconds.
fn config() -> ConnectionConfig {
    ConnectionConfig {
        container_id: "me".into(),
        handshake_timeout: Some(2 * SECOND),
        begin_timeout: Some(3 * SECOND),
        attach_timeout: Some(4 * SECOND),
        detach_timeout: Some(5 * SECOND),
        close_timeout: Some(6 * SECOND),
        ..ConnectionConfig::default()
    }
}

fn each(test: impl Fn(&mut Conversation)) {
    CHUNKS.into_iter().for_each(|chunk| test(&mut Conversation::new(config(), chunk)));
}

/// Nothing happens until `time`, and then this.
#[track_caller]
fn expires(c: &mut Conversation, time: Duration, deadline: Deadline) {
    assert_eq!(c.pass(time - MS), []);
    assert_eq!(c.pass(MS), [Event::DeadlineExpired(deadline)]);
    assert_eq!(c.pass(1000 * SECOND), [], "once is enough");
    assert!(c.engine.transport_failure().is_none(), "what to do is for the application to say");
}

#[track_caller]
fn fails(c: &mut Conversation, time: Duration, deadline: Deadline, mentions: &str) {
    assert!(!c.pass(time - MS).contains(&Event::TransportError));
    c.settle();
    let events = c.pass(MS);
    assert!(events.contains(&Event::TransportError), "{events:?}");
    assert!(events.ends_with(&[Event::HeadClosed, Event::TransportClosed]), "{events:?}");
    let failure = c.engine.transport_failure().expect("the wire failed");
    assert_eq!(failure.cause, Cause::Deadline(deadline));
    assert!(failure.to_string().contains(mentions), "{failure}");
    assert!(c.engine.output_done());
}

#[test]
fn a_peer_that_sends_no_header() {
    each(|c| {
        c.peer.expect_header(AMQP);
        c.peer.tolerate("open").tolerate("close");
        c.engine.open();
        fails(c, 2 * SECOND, Deadline::Open, "open");
    });
}

#[test]
fn a_peer_that_does_not_open() {
    each(|c| {
        c.peer.expect_header(AMQP).respond();
        c.peer.expect_open();
        c.peer.tolerate("close");
        c.engine.open();
        c.run();
        fails(c, 2 * SECOND, Deadline::Open, "open");
    });
}

#[test]
fn a_server_that_authenticates_nobody_in_time() {
    for chunk in CHUNKS {
        let sasl = SaslConfig::Client(SaslClientConfig::default());
        let mut c = Conversation::new(ConnectionConfig { sasl, ..config() }, chunk);
        c.peer.expect_sasl_header().respond();
        c.peer.send_mechanisms(["ANONYMOUS"]);
        c.peer.expect_init();
        c.engine.open();
        c.run();
        fails(&mut c, 2 * SECOND, Deadline::Sasl, "SASL");
    }
}

#[test]
fn a_client_that_does_not_authenticate_in_time() {
    for chunk in CHUNKS {
        let sasl = SaslConfig::Server(SaslServerConfig::default());
        let role = ConnectionRole::Server;
        let mut c = Conversation::new(ConnectionConfig { sasl, role, ..config() }, chunk);
        c.peer.send_sasl_header();
        c.peer.expect_sasl_header();
        c.peer.expect_mechanisms();
        c.run();
        fails(&mut c, 2 * SECOND, Deadline::Sasl, "SASL");
    }
}

#[test]
fn a_client_that_connects_and_says_nothing() {
    for chunk in CHUNKS {
        let role = ConnectionRole::Server;
        let mut c = Conversation::new(ConnectionConfig { role, ..config() }, chunk);
        c.engine.open();
        fails(&mut c, 2 * SECOND, Deadline::Open, "open");
    }
}

#[test]
fn a_client_that_sends_its_header_and_no_open() {
    for chunk in CHUNKS {
        let role = ConnectionRole::Server;
        let mut c = Conversation::new(ConnectionConfig { role, ..config() }, chunk);
        c.peer.send_header(AMQP);
        c.peer.expect_header(AMQP);
        c.peer.tolerate("open").tolerate("close");
        c.run();
        fails(&mut c, 2 * SECOND, Deadline::Open, "open");
    }
}

#[test]
fn a_begin_that_is_not_answered() {
    each(|c| {
        c.peer.accepts_open();
        c.peer.expect_begin();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        c.run();
        expires(c, 3 * SECOND, Deadline::Begin(session));
        assert_eq!(c.engine.session(session).map(|s| s.local_state()), Some(EndpointState::Open));
    });
}

#[test]
fn an_attach_that_is_not_answered() {
    each(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        c.run();
        expires(c, 4 * SECOND, Deadline::Attach(link));
    });
}

#[test]
fn a_detach_that_is_not_answered() {
    for closed in [false, true] {
        each(|c| {
            let link = c.sender(0);
            c.peer.expect_detach().flag("closed", closed);
            let mut sender = c.engine.link(link).expect("attached");
            if closed {
                sender.close(None);
            } else {
                sender.detach(None);
            }
            c.run();
            expires(c, 5 * SECOND, Deadline::Detach(link));
        });
    }
}

#[test]
fn an_end_that_is_not_answered() {
    each(|c| {
        c.peer.accepts_session();
        c.peer.expect_end();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        c.settle();
        c.engine.session(session).expect("begun").end(None);
        c.run();
        expires(c, 5 * SECOND, Deadline::End(session));
    });
}

#[test]
fn a_close_that_is_not_answered() {
    each(|c| {
        c.peer.accepts_open();
        c.peer.expect_close();
        c.engine.open();
        c.settle();
        c.engine.close(None);
        c.run();
        fails(c, 6 * SECOND, Deadline::Close, "close");
    });
}

#[test]
fn a_close_in_the_middle_of_the_handshake() {
    for chunk in CHUNKS {
        let patient = ConnectionConfig { handshake_timeout: Some(20 * SECOND), ..config() };
        let c = &mut Conversation::new(patient, chunk);
        c.peer.expect_header(AMQP);
        c.peer.tolerate("open").tolerate("close");
        c.engine.open();
        c.settle();
        c.engine.close(None);
        c.settle();
        fails(c, 6 * SECOND, Deadline::Close, "close");
    }
}

#[test]
fn a_send_that_is_not_settled() {
    each(|c| {
        let config = LinkConfig { settle_timeout: Some(7 * SECOND), ..LinkConfig::sender("s", "q") };
        let link = c.sender_with(5, config);
        c.peer.expect_transfer();
        let first = c.send(link, b"x");
        c.run();
        c.pass(2 * SECOND);
        c.peer.expect_transfer();
        let second = c.send(link, b"x");
        c.run();
        assert_eq!(c.pass(5 * SECOND - MS), []);
        assert_eq!(c.pass(MS), [Event::DeadlineExpired(Deadline::Settle(first))]);
        assert_eq!(c.pass(2 * SECOND - MS), []);
        assert_eq!(c.pass(MS), [Event::DeadlineExpired(Deadline::Settle(second))]);
        assert_eq!(c.pass(1000 * SECOND), []);
        c.peer.send_outcome_of(0, 1, "accepted", true);
        assert_eq!(
            c.run(),
            [Event::DeliveryUpdated(first), Event::DeliveryUpdated(second)],
            "late is better than never"
        );
    });
}

#[test]
fn a_settle_deadline_runs_from_when_the_message_left() {
    each(|c| {
        let config = LinkConfig { settle_timeout: Some(7 * SECOND), ..LinkConfig::sender("s", "q") };
        let link = c.sender_with(0, config);
        let id = c.send(link, b"x");
        c.run();
        assert_eq!(c.pass(100 * SECOND), [], "it waits for credit");
        c.peer.send_credit(0, 1);
        c.peer.expect_transfer();
        c.run();
        assert_eq!(c.pass(7 * SECOND - MS), []);
        assert_eq!(c.pass(MS), [Event::DeadlineExpired(Deadline::Settle(id))]);
    });
}

#[test]
fn what_is_settled_in_time_has_no_deadline() {
    each(|c| {
        let config = LinkConfig { settle_timeout: Some(7 * SECOND), ..LinkConfig::sender("s", "q") };
        let link = c.sender_with(5, config);
        for _ in 0..3 {
            c.peer.expect_transfer().respond();
            let id = c.send(link, b"x");
            c.run();
            c.engine.delivery(id).expect("kept until it is settled here").settle();
            assert_eq!(c.pass(5 * SECOND), []);
        }
        assert_eq!(c.pass(1000 * SECOND), []);
    });
}

#[test]
fn what_is_answered_in_time_has_no_deadline() {
    each(|c| {
        let link = c.receiver(5);
        let session = c.engine.link(link).and_then(|link| link.session()).expect("attached");
        c.peer.expect_detach().respond();
        c.engine.link(link).expect("attached").close(None);
        c.run();
        c.peer.expect_end().respond();
        c.engine.session(session).expect("begun").end(None);
        c.run();
        assert_eq!(c.pass(1000 * SECOND), []);
        c.peer.expect_close().respond();
        c.engine.close(None);
        c.run();
        assert_eq!(c.pass(1000 * SECOND), []);
        assert!(c.engine.transport_failure().is_none());
    });
}

#[test]
fn no_deadline_runs_where_none_is_set() {
    let config = ConnectionConfig {
        handshake_timeout: None,
        begin_timeout: None,
        attach_timeout: None,
        detach_timeout: None,
        close_timeout: None,
        ..ConnectionConfig::default()
    };
    let mut c = Conversation::new(config, usize::MAX);
    c.peer.tolerate("open").tolerate("begin").tolerate("attach").tolerate("close");
    c.peer.expect_header(AMQP);
    c.engine.open();
    let session = c.engine.begin(SessionConfig::default());
    c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
    c.run();
    assert_eq!(c.engine.poll_timeout(), None);
    c.engine.close(None);
    c.run();
    assert_eq!(c.pass(100_000 * SECOND), []);
}

#[test]
fn deadlines_end_with_the_wire() {
    each(|c| {
        c.peer.accepts_open();
        c.peer.expect_begin();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        c.run();
        c.rebind();
        c.peer.accepts_session();
        let events = c.run();
        assert!(events.contains(&Event::SessionBegun(session)), "{events:?}");
        assert_eq!(c.pass(1000 * SECOND), []);
    });
}

#[test]
fn an_answer_after_the_deadline_is_taken() {
    each(|c| {
        c.peer.accepts_open();
        c.peer.expect_begin();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        c.run();
        expires(c, 3 * SECOND, Deadline::Begin(session));
        let begin = composite("begin")
            .set("remote-channel", 0u16)
            .set("next-outgoing-id", 0u32)
            .set("incoming-window", 1u32)
            .set("outgoing-window", 1u32);
        c.peer.send(0, begin);
        assert_eq!(c.run(), [Event::SessionBegun(session)]);
    });
}
