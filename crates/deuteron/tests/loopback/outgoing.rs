//! Section 6.2, "Creating outgoing connections".

use std::time::Duration;

use deuteron::{
    ConnectOptions, Connection, Container, Context, Deadlines, Delays, MessagingHandler, Phase, Scope, Url,
};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

#[derive(Default)]
struct Guide {
    url: String,
    printed: Vec<String>,
}

impl MessagingHandler for Guide {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.connect(self.url.as_str()).unwrap();
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        self.printed.push(connection.to_string());
        drop(connection.close());
    }
}

#[test]
fn connect_in_on_start_leads_to_on_connection_opened_with_a_connection_that_prints_usefully() {
    let server = Program::new();
    let listener = server.listen(loopback());
    let mut client = Guide { url: url(&listener), ..Guide::default() };
    Container::new().run(&mut client).unwrap();
    assert_eq!(client.printed, [url(&listener)]);
    let accepted = server.opened();
    assert!(!accepted.is_outgoing());
    assert!(accepted.to_string().starts_with("127.0.0.1:"), "{accepted}");
}

#[test]
fn a_password_is_never_printed() {
    let server = Program::new();
    let listener = server.listen(loopback().sasl(["SCRAM-SHA-256"], users()));
    let program = Program::new();
    let with = |password| format!("amqp://alice:{password}@{}", listener.local_addr());
    program.connect(with("wonderland"));
    let connection = program.opened();
    let options = ConnectOptions::new(with("wonderland")).password("looking-glass");
    let printed = format!("{connection} {connection:?} {:?} {options:?}", connection.url());
    assert!(printed.contains("***"), "{printed}");
    program.connect(with("wonderbread"));
    let (error, _) = program.gave_up();
    let printed = format!("{printed} {error} {error:?} {:?}", error.url());
    for secret in ["wonderland", "wonderbread", "looking-glass"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert_eq!(connection.to_string(), format!("amqp://alice:***@{}", listener.local_addr()));
}

#[tokio::test]
async fn connecting_is_awaited_until_both_sides_are_open() {
    let listener = Container::with_id("server").listen(loopback()).await.unwrap();
    let connection = within(Connection::connect(url(&listener))).await.unwrap();
    assert!(connection.is_open() && connection.is_outgoing() && !connection.is_closed());
    assert_eq!(connection.remote_container_id().as_deref(), Some("server"));
    assert_eq!(connection.remote_addr(), Some(listener.local_addr()));
    let accepted = within(listener.accept()).await.unwrap();
    assert_eq!(accepted.remote_addr(), connection.local_addr());
    assert_eq!(accepted.remote_hostname().as_deref(), Some("127.0.0.1"));
    within(connection.close()).await.unwrap();
    within(accepted.closed()).await.unwrap();
}

#[tokio::test]
async fn a_connection_is_made_from_a_text_a_url_and_options() {
    let listener = Container::new().listen(loopback()).await.unwrap();
    let text = url(&listener);
    let parsed: Url = text.parse().unwrap();
    for options in [text.as_str().into(), (&text).into(), parsed.into(), ConnectOptions::new(&text)] {
        let options: ConnectOptions = options;
        within(within(Connection::connect(options)).await.unwrap().close()).await.unwrap();
    }
}

#[test]
fn what_is_set_for_the_connection_is_what_the_peer_reads_in_open() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open().accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(
        to(address)
            .container_id("chapter-6")
            .virtual_host("broker.example")
            .heartbeat(Duration::from_secs(20))
            .max_frame_size(4096)
            .channel_max(7)
            .properties([("product", "deuteron")].into_iter().collect())
            .offered_capabilities(["ONE"])
            .desired_capabilities(["TWO", "THREE"]),
    );
    program.opened();
    drop(connection.close());
    program.closed();
    let peers = script.join();
    let open = peers[0].last("open");
    assert_eq!(open.get("container-id").as_text(), Some("chapter-6"));
    assert_eq!(open.get("hostname").as_text(), Some("broker.example"));
    // Half of what we hold out: the peer is to be in time by a wide margin (2.4.5).
    assert_eq!(open.get("idle-time-out").as_u32(), Some(10_000));
    assert_eq!(open.get("max-frame-size").as_u32(), Some(4096));
    assert_eq!(open.get("channel-max").as_u16(), Some(7));
    assert_eq!(open.get("properties").to_string(), "{:product=\"deuteron\"}");
    assert_eq!(open.get("offered-capabilities").to_string(), "@[:ONE]");
    assert_eq!(open.get("desired-capabilities").to_string(), "@[:TWO, :THREE]");
}

#[test]
fn the_hostname_in_open_is_the_urls_host_unless_it_is_set_or_set_to_nothing() {
    for (virtual_host, expected) in [(None, Some("127.0.0.1")), (Some("v"), Some("v")), (Some(""), None)] {
        let mut peer = ScriptedPeer::new();
        peer.accepts_open().accepts_close();
        let (address, script) = TcpScript::serve(peer);
        let program = Program::new();
        let options = match virtual_host {
            Some(host) => to(address).virtual_host(host),
            None => to(address),
        };
        drop(program.connect(options));
        drop(program.opened().close());
        assert_eq!(script.join()[0].last("open").get("hostname").as_text(), expected);
    }
}

#[test]
fn the_container_id_is_in_open_and_random_unless_it_is_set() {
    let server = Program::new();
    let listener = server.listen(loopback());
    let named = Program::of(Container::with_id("mine"), |_, _| deuteron::Ack::Accept);
    named.connect(url(&listener));
    assert_eq!(server.opened().remote_container_id().as_deref(), Some("mine"));
    let ids: Vec<_> = (0..2)
        .map(|_| {
            let program = Program::new();
            program.connect(url(&listener));
            program.opened();
            server.opened().remote_container_id().unwrap()
        })
        .collect();
    assert!(!ids[0].is_empty() && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn a_name_that_cannot_be_resolved_is_a_failed_attempt_that_is_retried() {
    let program = Program::new();
    program.connect(
        ConnectOptions::new("amqp://no-such-host.invalid")
            .reconnect_policy(Delays::new([Duration::ZERO, Duration::ZERO])),
    );
    let (error, will_retry) = program.disconnected();
    assert_eq!((error.scope(), will_retry), (Scope::Dns, true), "{error}");
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    let (error, attempts) = program.gave_up();
    assert_eq!((error.scope(), attempts), (Scope::Dns, 2), "{error}");
    program.closed();
    program.ends();
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_an_error_of_the_awaited_connect() {
    let options = ConnectOptions::new("amqp://no-such-host.invalid").reconnect(false);
    let error = within(Connection::connect(options)).await.unwrap_err();
    assert_eq!(error.scope(), Scope::Dns, "{error}");
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_name_is_as_good_as_an_address() {
    let listener = Container::new().listen("amqp://localhost:0").await.unwrap();
    let connection =
        within(Connection::connect(format!("amqp://localhost:{}", listener.port()))).await.unwrap();
    assert_eq!(connection.to_string(), format!("amqp://localhost:{}", listener.port()));
    within(connection.close()).await.unwrap();
}

#[test]
fn a_url_that_cannot_be_used_is_an_error_at_the_call() {
    let program = Program::new();
    for (url, part) in [
        ("amqp://", "host"),
        ("amqp://h:0", "port"),
        ("amqp://h:65536", "65536"),
        ("http://h", "amqps"),
        ("amqp://::1", "["),
    ] {
        let error = program.run(move |cx| cx.connect(url)).unwrap_err();
        assert_eq!(error.scope(), Scope::Config, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    program.ends();
}

/// Connects where nothing comes of it, in both fronts, and checks which deadline is named.
fn ends_at(phase: Phase, options: impl Fn() -> ConnectOptions) {
    let program = Program::new();
    program.connect(options().reconnect(false));
    let (error, _) = program.gave_up();
    named(&error, phase);
    program.closed();
    program.ends();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(within(Connection::connect(options().reconnect(false)))).unwrap_err();
    named(&error, phase);
}

#[track_caller]
fn named(error: &deuteron::Error, phase: Phase) {
    assert_eq!(error.deadline(), Some(phase), "{error}");
    assert!(error.is_retryable(), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("deadline '{}'", phase.name())), "{text}");
    assert!(text.contains("://127.0.0.1:"), "{text}");
}

#[test]
fn a_tcp_connect_that_hangs_ends_at_the_deadline_connect() {
    let (reserved, _fillers) = Reserved::new().clogged();
    ends_at(Phase::Connect, || {
        ConnectOptions::new(reserved.url()).deadlines(deadlines(|all| all.connect = SOON))
    });
}

#[test]
fn a_tls_handshake_that_hangs_ends_at_the_deadline_tls() {
    let silent = Silent::new();
    ends_at(Phase::Tls, || {
        ConnectOptions::new(format!("amqps://{}", silent.address)).deadlines(deadlines(|all| all.tls = SOON))
    });
}

#[test]
fn a_peer_without_an_answer_to_sasl_ends_at_the_deadline_sasl() {
    let silent = Silent::new();
    ends_at(Phase::Sasl, || {
        ConnectOptions::new(format!("amqp://{}", silent.address)).deadlines(deadlines(|all| all.open = SOON))
    });
}

#[test]
fn a_peer_that_never_opens_ends_at_the_deadline_open() {
    let silent = Silent::new();
    ends_at(Phase::Open, || to(silent.address).deadlines(deadlines(|all| all.open = SOON)));
}

#[test]
fn all_phases_together_are_bounded_by_the_deadline_establish() {
    let silent = Silent::new();
    let options = || to(silent.address).deadlines(deadlines(|all| all.establish = SOON));
    let program = Program::new();
    program.connect(options().reconnect(false));
    let (error, _) = program.gave_up();
    assert!(matches!(error.deadline(), Some(Phase::Open | Phase::Establish)), "{error}");
    let (reserved, _fillers) = Reserved::new().clogged();
    ends_at(Phase::Establish, || {
        ConnectOptions::new(reserved.url()).deadlines(deadlines(|all| all.establish = SOON))
    });
}

#[tokio::test]
async fn an_awaited_connect_that_goes_on_trying_ends_at_the_deadline_establish_and_says_why() {
    let reserved = Reserved::new();
    let options = ConnectOptions::new(reserved.url()).deadlines(deadlines(|all| all.establish = SOON));
    let error = within(Connection::connect(options)).await.unwrap_err();
    assert_eq!(error.deadline(), Some(Phase::Establish), "{error}");
    let cause = std::error::Error::source(&error).expect("the last failure is the source").to_string();
    assert!(cause.contains(&reserved.address.to_string()), "{cause}");
}

#[test]
fn a_peer_is_given_thirty_seconds_in_all_by_default() {
    assert_eq!(Deadlines::default().establish, Some(Duration::from_secs(30)));
}

#[test]
fn a_peer_that_says_something_else_than_amqp_is_a_failed_attempt_that_says_so() {
    let mut peer = ScriptedPeer::new();
    peer.expect_header(deuteron_testkit::wire::AMQP);
    peer.send_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n").drop_wire();
    let (address, _script) = TcpScript::serve(peer);
    let program = Program::new();
    program.connect(to(address).reconnect(false));
    let (error, attempts) = program.gave_up();
    assert_eq!((error.scope(), attempts), (Scope::Connection, 1), "{error}");
    assert!(error.condition().is_some(), "{error}");
}
