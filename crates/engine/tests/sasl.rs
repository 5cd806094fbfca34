//! Part 5: SASL before AMQP, from both sides.

use std::sync::{Arc, mpsc};

use deuteron_engine::sasl::{Authenticator, Decision, Password, SaslClientConfig, SaslServerConfig, Users};
use deuteron_engine::{
    Cause, ConnectionConfig, ConnectionRole, EndpointState, Event, SaslConfig, Security, SessionConfig, Trace,
};
use deuteron_testkit::wire::{AMQP, Plain, composite, symbols};
use deuteron_testkit::{CHUNKS, Conversation, Pair, Side};

fn user(name: &str, password: &str) -> SaslClientConfig {
    SaslClientConfig {
        username: Some(name.into()),
        password: Some(Password::from(password)),
        allow_insecure: true,
        ..SaslClientConfig::default()
    }
}

/// Knows one user, `ada` with `lovelace`, and one whose decision is pending, `later`.
#[derive(Debug)]
struct Ada;

impl Authenticator for Ada {
    fn plain(&self, _authorization: Option<&str>, user: &str, password: &str) -> Decision {
        match (user, password) {
            ("ada", "lovelace") => Decision::Accept,
            ("later", _) => Decision::Pending,
            _ => Decision::Reject,
        }
    }
}

fn ada(mechanisms: &[&str]) -> SaslServerConfig {
    SaslServerConfig {
        mechanisms: mechanisms.iter().map(|name| (*name).to_owned()).collect(),
        authenticator: Some(Arc::new(Ada)),
        allow_insecure: true,
        ..SaslServerConfig::default()
    }
}

fn client(sasl: SaslClientConfig, chunk: usize) -> Conversation {
    let config = ConnectionConfig {
        container_id: "me".into(),
        hostname: Some("vhost".into()),
        sasl: SaslConfig::Client(sasl),
        ..ConnectionConfig::default()
    };
    let mut c = Conversation::new(config, chunk);
    c.engine.open();
    c
}

fn server(sasl: SaslServerConfig, chunk: usize) -> Conversation {
    let config = ConnectionConfig {
        container_id: "me".into(),
        role: ConnectionRole::Server,
        sasl: SaslConfig::Server(sasl),
        ..ConnectionConfig::default()
    };
    let mut c = Conversation::new(config, chunk);
    c.engine.open();
    c
}

fn init(mechanism: &str, response: &[u8]) -> deuteron_testkit::wire::Composite {
    composite("sasl-init").set("mechanism", Plain::symbol(mechanism)).set("initial-response", response)
}

// As the client -------------------------------------------------------------------------------------------------

#[test]
fn a_client_without_credentials_is_anonymous() {
    for chunk in CHUNKS {
        let mut c = client(SaslClientConfig::default(), chunk);
        c.peer.expect_sasl_header().respond();
        c.peer.send_mechanisms(["PLAIN", "ANONYMOUS"]);
        c.peer.expect_init().field("mechanism", Plain::symbol("ANONYMOUS")).field("hostname", "vhost");
        c.run();
        // 5.3.2: AMQP starts over with its own header, and only after the outcome.
        c.peer.send_outcome(0);
        c.peer.expect_header(AMQP).respond();
        c.peer.expect_open().respond();
        assert_eq!(c.run(), [Event::Authenticated, Event::ConnectionOpened]);
        assert_eq!(c.engine.sasl_mechanism(), Some("ANONYMOUS"));
        assert_eq!(c.engine.authenticated_identity(), None);
    }
}

#[test]
fn a_client_sends_its_password_in_plain_when_allowed() {
    for chunk in CHUNKS {
        let mut c = client(user("ada", "lovelace"), chunk);
        c.peer.expect_sasl_header().respond();
        c.peer.send_mechanisms(["ANONYMOUS", "PLAIN"]);
        c.peer
            .expect_init()
            .field("mechanism", Plain::symbol("PLAIN"))
            .field("initial-response", b"\0ada\0lovelace");
        c.peer.send_outcome(0);
        c.peer.expect_header(AMQP).respond();
        c.peer.expect_open().respond();
        c.run();
        assert_eq!(c.engine.authenticated_identity(), Some("ada"));
    }
}

#[test]
fn one_mechanism_needs_no_array() {
    let mut c = client(SaslClientConfig::default(), usize::MAX);
    c.peer.expect_sasl_header().respond();
    c.peer.send(0, composite("sasl-mechanisms").set("sasl-server-mechanisms", Plain::symbol("ANONYMOUS")));
    c.peer.expect_init().field("mechanism", Plain::symbol("ANONYMOUS"));
    c.run();
}

#[test]
fn a_password_is_not_sent_in_the_clear() {
    for chunk in CHUNKS {
        let mut c = client(SaslClientConfig { allow_insecure: false, ..user("ada", "lovelace") }, chunk);
        c.peer.expect_sasl_header().respond();
        c.peer.send_mechanisms(["PLAIN", "ANONYMOUS"]).expect_eof();
        let events = c.run();
        assert!(events.contains(&Event::TransportError));
        let failure = c.engine.transport_failure().expect("the wire failed");
        assert_eq!(failure.cause, Cause::Authentication);
        assert!(
            failure.to_string().contains("PLAIN") && !failure.to_string().contains("lovelace"),
            "{failure}"
        );
    }
}

#[test]
fn a_refused_password_ends_the_wire() {
    for chunk in CHUNKS {
        let mut c = client(user("ada", "wrong"), chunk);
        c.peer.expect_sasl_header().respond();
        c.peer.send_mechanisms(["PLAIN"]);
        c.peer.expect_init();
        c.peer.send_outcome(1).expect_eof();
        let events = c.run();
        assert!(!events.contains(&Event::Authenticated));
        assert!(events.ends_with(&[Event::HeadClosed, Event::TransportClosed]), "{events:?}");
        let failure = c.engine.transport_failure().expect("the wire failed");
        assert_eq!(failure.cause, Cause::Authentication);
        assert_eq!(failure.error.condition.as_str(), "amqp:unauthorized-access");
        assert!(failure.to_string().contains("PLAIN"), "{failure}");
    }
}

#[test]
fn a_server_in_trouble_is_another_failure_than_a_wrong_password() {
    for (code, cause) in [
        (2, Cause::AuthenticationUnavailable),
        (3, Cause::Authentication),
        (4, Cause::AuthenticationUnavailable),
    ] {
        let mut c = client(user("ada", "lovelace"), usize::MAX);
        c.peer.expect_sasl_header().respond();
        c.peer.send_mechanisms(["PLAIN"]);
        c.peer.expect_init();
        c.peer.send_outcome(code).expect_eof();
        c.run();
        assert_eq!(c.engine.transport_failure().map(|failure| failure.cause), Some(cause), "code {code}");
    }
}

#[test]
fn a_server_without_sasl_is_refused_by_a_client_with_it() {
    let mut c = client(user("ada", "lovelace"), usize::MAX);
    c.peer.expect_sasl_header();
    c.peer.send_header(AMQP).expect_eof();
    c.run();
    let failure = c.engine.transport_failure().expect("the wire failed");
    assert!(failure.to_string().contains("SASL"), "{failure}");
}

#[test]
fn the_end_of_the_stream_during_sasl_says_so() {
    let mut c = client(user("ada", "lovelace"), usize::MAX);
    c.peer.expect_sasl_header().respond();
    c.peer.drop_wire();
    c.run();
    let failure = c.engine.transport_failure().expect("the wire failed");
    assert!(failure.to_string().contains("SASL"), "{failure}");
}

#[test]
fn an_amqp_frame_during_sasl_is_refused() {
    for chunk in CHUNKS {
        let mut c = client(SaslClientConfig::default(), chunk);
        c.peer.expect_sasl_header().respond();
        c.peer.send_open().expect_eof();
        let events = c.run();
        assert!(!events.contains(&Event::ConnectionOpened), "{events:?}");
        let failure = c.engine.transport_failure().expect("the wire failed");
        assert_eq!(failure.error.condition.as_str(), "amqp:connection:framing-error");
    }
}

#[test]
fn frames_that_only_a_client_sends_are_refused_by_a_client() {
    for frame in [init("PLAIN", b""), composite("sasl-response").set("response", b"")] {
        let mut c = client(SaslClientConfig::default(), usize::MAX);
        c.peer.expect_sasl_header().respond();
        c.peer.send(0, frame).expect_eof();
        c.run();
        assert_eq!(c.engine.transport_failure().map(|failure| failure.cause), Some(Cause::PeerViolation));
    }
}

#[test]
fn an_outcome_before_anything_was_asked_is_not_believed() {
    let mut c = client(SaslClientConfig::default(), usize::MAX);
    c.peer.expect_sasl_header().respond();
    c.peer.send_outcome(0).expect_eof();
    let events = c.run();
    assert!(!events.contains(&Event::Authenticated), "{events:?}");
    assert!(c.engine.transport_failure().is_some());
}

#[test]
fn a_missing_mandatory_field_of_sasl_is_named() {
    let mut c = client(user("ada", "lovelace"), usize::MAX);
    c.peer.expect_sasl_header().respond();
    c.peer.send_mechanisms(["PLAIN"]);
    c.peer.expect_init();
    c.peer.send(0, composite("sasl-outcome")).expect_eof();
    c.run();
    let failure = c.engine.transport_failure().expect("the wire failed");
    assert!(failure.to_string().contains("code"), "{failure}");
}

// As the server -------------------------------------------------------------------------------------------------

#[test]
fn a_server_offers_mechanisms_and_takes_a_password() {
    for chunk in CHUNKS {
        let mut c = server(ada(&["PLAIN"]), chunk);
        c.peer.send_sasl_header();
        c.peer.expect_sasl_header();
        c.peer.expect_mechanisms().field("sasl-server-mechanisms", symbols(["PLAIN"]));
        c.run();
        c.peer.send(0, init("PLAIN", b"\0ada\0lovelace"));
        c.peer.expect_outcome(0);
        assert_eq!(c.run(), [Event::Authenticated]);
        assert_eq!(c.engine.authenticated_identity(), Some("ada"));
        assert_eq!(c.engine.sasl_mechanism(), Some("PLAIN"));
        c.peer.send_header(AMQP).send_open();
        c.peer.expect_header(AMQP);
        c.peer.expect_open();
        assert_eq!(c.run(), [Event::ConnectionOpened]);
    }
}

#[test]
fn a_client_may_send_everything_at_once() {
    for chunk in CHUNKS {
        let mut c = server(ada(&["PLAIN"]), chunk);
        c.peer.send_sasl_header().send(0, init("PLAIN", b"\0ada\0lovelace")).send_header(AMQP).send_open();
        c.peer.expect_sasl_header();
        c.peer.expect_mechanisms();
        c.peer.expect_outcome(0);
        c.peer.expect_header(AMQP);
        c.peer.expect_open();
        assert_eq!(c.run(), [Event::Authenticated, Event::ConnectionOpened]);
    }
}

#[test]
fn a_wrong_password_gets_the_outcome_auth_and_the_end() {
    for response in [&b"\0ada\0wrong"[..], b"\0bob\0lovelace", b"", b"\0", b"ada", b"\0ada\0lovelace\0x"] {
        for chunk in CHUNKS {
            let mut c = server(ada(&["PLAIN"]), chunk);
            c.peer.send_sasl_header().send(0, init("PLAIN", response));
            // What follows in the hope of success is thrown away: open is never accepted without an outcome.
            c.peer.send_header(AMQP).send_open();
            c.peer.expect_sasl_header();
            c.peer.expect_mechanisms();
            c.peer.expect_outcome(1);
            c.peer.expect_eof();
            let events = c.run();
            assert!(!events.contains(&Event::ConnectionOpened) && !events.contains(&Event::Authenticated));
            assert_eq!(c.engine.remote_state(), EndpointState::Uninit);
            assert_eq!(
                c.engine.transport_failure().map(|failure| failure.cause),
                Some(Cause::Authentication)
            );
        }
    }
}

#[test]
fn a_mechanism_that_was_not_offered_is_refused() {
    for name in ["ANONYMOUS", "EXTERNAL", "SCRAM-SHA-256", "plain", "NO-SUCH"] {
        let mut c = server(ada(&["PLAIN"]), usize::MAX);
        c.peer.send_sasl_header().send(0, init(name, b"\0ada\0lovelace"));
        c.peer.expect_sasl_header();
        c.peer.expect_mechanisms();
        c.peer.expect_outcome(1);
        c.peer.expect_eof();
        c.run();
    }
}

#[test]
fn open_before_the_outcome_is_never_accepted() {
    // In place of the init; after an init that is still being decided.
    for decided in [false, true] {
        for chunk in CHUNKS {
            let mut c = server(ada(&["PLAIN"]), chunk);
            c.peer.send_sasl_header();
            c.peer.expect_sasl_header();
            c.peer.expect_mechanisms();
            if decided {
                c.peer.send(0, init("PLAIN", b"\0later\0x"));
            }
            c.peer.send_open().expect_eof();
            let events = c.run();
            assert!(!events.contains(&Event::ConnectionOpened), "{events:?}");
            assert_eq!(c.engine.remote_state(), EndpointState::Uninit);
            assert_eq!(c.engine.transport_failure().map(|failure| failure.cause), Some(Cause::PeerViolation));
        }
    }
}

#[test]
fn an_amqp_header_before_the_outcome_is_no_way_in() {
    let mut c = server(ada(&["PLAIN"]), usize::MAX);
    c.peer.send_sasl_header().send_header(AMQP).send_open();
    c.peer.expect_sasl_header();
    c.peer.expect_mechanisms();
    c.peer.expect_eof();
    let events = c.run();
    assert!(!events.contains(&Event::ConnectionOpened), "{events:?}");
}

#[test]
fn a_client_that_skips_sasl_is_refused_where_it_is_required() {
    for config in [ada(&["PLAIN"]), SaslServerConfig { require: true, ..SaslServerConfig::default() }] {
        for chunk in CHUNKS {
            let mut c = server(config.clone(), chunk);
            c.peer.send_header(AMQP).send_open();
            c.peer.expect_sasl_header();
            c.peer.expect_eof();
            let events = c.run();
            assert!(!events.contains(&Event::ConnectionOpened), "{events:?}");
            assert_eq!(
                c.engine.transport_failure().map(|failure| failure.cause),
                Some(Cause::Authentication)
            );
        }
    }
}

#[test]
fn a_client_may_skip_sasl_where_anybody_may_come_in() {
    let mut c = server(SaslServerConfig::default(), usize::MAX);
    c.peer.opens();
    assert_eq!(c.run(), [Event::ConnectionOpened]);
    assert_eq!(c.engine.authenticated_identity(), None);
}

#[test]
fn a_decision_may_take_its_time() {
    for accept in [true, false] {
        for chunk in CHUNKS {
            let mut c = server(ada(&["PLAIN"]), chunk);
            c.peer.send_sasl_header().send(0, init("PLAIN", b"\0later\0x"));
            c.peer.expect_sasl_header();
            c.peer.expect_mechanisms();
            assert_eq!(c.run(), [Event::SaslPending]);
            c.peer.expect_outcome(u8::from(!accept));
            c.engine.sasl_decide(accept, c.now);
            let events = c.run();
            assert_eq!(events.contains(&Event::Authenticated), accept, "{events:?}");
            assert_eq!(c.engine.authenticated_identity(), accept.then_some("later"));
        }
    }
}

#[test]
fn frames_that_only_a_server_sends_are_refused_by_a_server() {
    let frames = [
        composite("sasl-outcome").set("code", 0u8),
        composite("sasl-mechanisms").set("sasl-server-mechanisms", symbols(["PLAIN"])),
        composite("sasl-challenge").set("challenge", b""),
    ];
    for frame in frames {
        let mut c = server(ada(&["PLAIN"]), usize::MAX);
        c.peer.send_sasl_header().send(0, frame);
        c.peer.expect_sasl_header();
        c.peer.expect_mechanisms();
        c.peer.expect_eof();
        let events = c.run();
        assert!(!events.contains(&Event::Authenticated), "{events:?}");
    }
}

// Engine to engine ----------------------------------------------------------------------------------------------

fn pair(client: SaslClientConfig, server: SaslServerConfig) -> Pair {
    let base = |id: &str| ConnectionConfig { container_id: id.into(), ..ConnectionConfig::default() };
    let mut pair = Pair::new(
        ConnectionConfig { sasl: SaslConfig::Client(client), ..base("c") },
        ConnectionConfig { sasl: SaslConfig::Server(server), ..base("s") },
    );
    pair.security = [1, 2].map(|fill| Security { nonce: [fill; 24], ..Security::default() });
    pair
}

fn users() -> SaslServerConfig {
    let mut users = Users::new();
    users.add("ada", &Password::from("lovelace"), b"salt of sixteen!").expect("a good name and password");
    SaslServerConfig {
        mechanisms: ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"].map(str::to_owned).to_vec(),
        authenticator: Some(Arc::new(users)),
        ..SaslServerConfig::default()
    }
}

#[test]
fn scram_lets_in_who_knows_the_password() {
    for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"] {
        Pair::each_of(
            || {
                let allowed_mechanisms = Some(vec![mechanism.to_owned()]);
                pair(SaslClientConfig { allowed_mechanisms, ..user("ada", "lovelace") }, users())
            },
            |pair| {
                pair.open();
                assert_eq!(pair.client.sasl_mechanism(), Some(mechanism));
                assert_eq!(pair.server.authenticated_identity(), Some("ada"));
                pair.sender();
            },
        );
    }
}

#[test]
fn scram_keeps_out_who_does_not() {
    for (name, password) in [("ada", "byron"), ("bob", "lovelace")] {
        Pair::each_of(
            || pair(user(name, password), users()),
            |pair| {
                pair.client.open();
                pair.bind();
                pair.drive();
                for side in [Side::Client, Side::Server] {
                    let events = pair.events(side);
                    assert!(!events.contains(&Event::Authenticated), "{events:?}");
                    assert!(events.ends_with(&[Event::TransportClosed]), "{events:?}");
                    let failure = pair.engine(side).transport_failure().expect("the wire failed");
                    assert_eq!(failure.cause, Cause::Authentication);
                    assert!(!failure.to_string().contains(password), "{failure}");
                }
            },
        );
    }
}

#[test]
fn sasl_is_gone_through_again_on_each_wire() {
    let mut pair = pair(user("ada", "lovelace"), users());
    pair.open();
    pair.cut();
    pair.drive();
    pair.rebind();
    assert_eq!(pair.client.sasl_mechanism(), None);
    pair.drive();
    assert_eq!(pair.server.authenticated_identity(), Some("ada"));
    assert_eq!(pair.client.remote_state(), EndpointState::Open);
}

#[test]
fn the_trace_holds_no_secrets() {
    let (sink, lines) = mpsc::channel();
    let trace = Trace(Arc::new(move |line: &str| sink.send(line.to_owned()).expect("the test listens")));
    let config = ConnectionConfig {
        container_id: "me".into(),
        sasl: SaslConfig::Client(user("ada", "lovelace")),
        trace: Some(trace),
        ..ConnectionConfig::default()
    };
    assert!(!format!("{config:?}").contains("lovelace"));
    let mut c = Conversation::new(config, usize::MAX);
    c.peer.expect_sasl_header().respond();
    c.peer.send_mechanisms(["PLAIN"]);
    c.peer.expect_init();
    c.peer.send_outcome(0);
    c.peer.expect_header(AMQP).respond();
    c.peer.expect_open().respond();
    c.peer.expect_begin().respond();
    c.engine.open();
    c.engine.begin(SessionConfig::default());
    c.run();
    let lines = lines.try_iter().collect::<Vec<_>>().join("\n");
    for frame in ["sasl-init", "sasl-outcome", "open", "begin"] {
        assert!(lines.contains(frame), "{frame} is not in\n{lines}");
    }
    assert!(!lines.contains("lovelace"), "{lines}");
}
