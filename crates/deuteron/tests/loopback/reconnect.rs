//! Section 6.3, "Configuring reconnect".

use std::sync::{Arc, Mutex};
use std::time::Duration;

use deuteron::{
    Ack, Backoff, ConnectOptions, Connection, Container, Delays, ListenOptions, ReceiverOptions,
    ReconnectPolicy, Scope, SenderOptions, SenderSettleMode, SessionOptions, condition,
};
use deuteron_testkit::wire::{Frame, Plain, composite};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

const NONE: Duration = Duration::ZERO;

/// What is asked of a policy.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Reset,
    Next(Option<Duration>),
}

/// A policy that writes down what is asked of it.
#[derive(Clone)]
struct Recording<P> {
    policy: P,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl<P> Recording<P> {
    fn new(policy: P) -> Self {
        Self { policy, calls: Arc::default() }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl<P: ReconnectPolicy> ReconnectPolicy for Recording<P> {
    fn reset(&mut self) {
        self.calls.lock().unwrap().push(Call::Reset);
        self.policy.reset();
    }

    fn next(&mut self) -> Option<Duration> {
        let delay = self.policy.next();
        self.calls.lock().unwrap().push(Call::Next(delay));
        delay
    }
}

/// A peer that opens the connection and then drops it.
fn opens_and_drops() -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open().drop_wire();
    peer
}

/// A peer that opens the connection and waits for it to be closed.
fn opens_and_closes() -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open().accepts_close();
    peer
}

#[test]
fn a_lost_connection_is_made_again_by_default() {
    let (address, script) = TcpScript::serve_each([opens_and_drops(), opens_and_closes()]);
    let program = Program::new();
    let connection = program.connect(to(address));
    assert_eq!(program.opened(), connection);
    let (error, will_retry) = program.disconnected();
    assert!(will_retry, "{error}");
    assert_eq!(program.opened(), connection);
    assert!(connection.is_open());
    drop(connection.close());
    program.closed();
    script.join();
    program.ends();
}

#[test]
fn a_failed_first_attempt_is_repeated_by_default() {
    let reserved = Reserved::new();
    let program = Program::new();
    let connection = program.connect(reserved.url());
    let (error, will_retry) = program.disconnected();
    assert!(will_retry, "{error}");
    assert_eq!((error.scope(), error.attempt()), (Scope::Connect, Some(1)), "{error}");
    let server = Program::new();
    reserved.lend(|| server.listen(reserved.url()));
    assert_eq!(program.opened(), connection);
}

#[tokio::test]
async fn a_failed_first_attempt_of_an_awaited_connect_is_repeated() {
    let reserved = Reserved::new();
    let container = Container::new();
    let connection = container.start(reserved.url()).unwrap();
    eventually(|| connection.error().is_some()).await;
    assert!(!connection.is_open() && !connection.is_closed());
    // Listening waits for nothing.
    let _listener = reserved.lend(|| now(container.listen(reserved.url()))).unwrap();
    within(connection.opened()).await.unwrap();
    assert!(connection.error().is_none());
    within(connection.close()).await.unwrap();
}

#[test]
fn without_reconnect_a_lost_connection_stays_lost() {
    let (address, _script) = TcpScript::serve(opens_and_drops());
    let program = Program::new();
    program.connect(to(address).reconnect(false));
    let connection = program.opened();
    let names = program.names_until("connection_closed");
    assert_eq!(names, ["transport_error", "disconnected", "gave_up", "connection_closed"]);
    assert!(connection.is_closed());
    assert!(program.ends().is_empty());
}

#[test]
fn without_reconnect_a_first_attempt_that_fails_is_the_only_one() {
    let reserved = Reserved::new();
    let program = Program::new();
    program.connect(ConnectOptions::new(reserved.url()).reconnect(false));
    let (error, will_retry) = program.disconnected();
    assert!(!will_retry, "{error}");
    let (error, attempts) = program.gave_up();
    assert_eq!((error.scope(), attempts), (Scope::Connect, 1), "{error}");
    program.closed();
    program.ends();
}

#[test]
fn the_default_delays_are_zero_then_a_tenth_of_a_second_doubled_up_to_ten() {
    let mut policy = Backoff::default();
    let delays: Vec<_> = (0..11).map(|_| policy.next().unwrap().as_millis()).collect();
    assert_eq!(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
}

#[test]
fn the_first_attempt_of_all_uses_up_the_delay_of_zero() {
    let reserved = Reserved::new();
    let program = Program::new();
    program.connect(reserved.url());
    let reconnecting = || {
        program.until(|seen| match seen {
            Seen::Reconnecting(_, attempt, delay) => Some((*attempt, *delay)),
            _ => None,
        })
    };
    assert_eq!(reconnecting(), (2, Duration::from_millis(100)));
    assert_eq!(reconnecting(), (3, Duration::from_millis(200)));
}

#[test]
fn after_the_loss_of_an_open_connection_the_first_retry_is_made_at_once() {
    let (address, script) = TcpScript::serve_each([opens_and_drops(), opens_and_closes()]);
    let program = Program::new();
    let policy = Delays::new([NONE, Duration::from_secs(3600)]);
    program.connect(to(address).reconnect_policy(policy));
    program.opened();
    let delay = program.until(|seen| match seen {
        Seen::Reconnecting(_, attempt, delay) => Some((*attempt, *delay)),
        _ => None,
    });
    assert_eq!(delay, (1, NONE));
    drop(program.opened().close());
    script.join();
}

#[test]
fn the_delays_start_afresh_after_each_connection_that_opened() {
    let scripts = [opens_and_drops(), opens_and_drops(), opens_and_closes()];
    let (address, script) = TcpScript::serve_each(scripts);
    let program = Program::new();
    let policy = Recording::new(Backoff::default());
    program.connect(to(address).reconnect_policy(policy.clone()));
    program.opened();
    program.opened();
    drop(program.opened().close());
    program.closed();
    script.join();
    let zero = Call::Next(Some(NONE));
    assert_eq!(policy.calls(), [Call::Reset, zero, Call::Reset, zero, Call::Reset, zero]);
}

#[test]
fn a_connection_that_was_not_opened_does_not_start_the_delays_afresh() {
    let mut silent = ScriptedPeer::new();
    silent.expect_header(deuteron_testkit::wire::AMQP);
    silent.expect_open();
    silent.drop_wire();
    let (address, script) = TcpScript::serve_each([silent, opens_and_closes()]);
    let program = Program::new();
    let millisecond = Duration::from_millis(1);
    let policy = Recording::new(Delays::new([NONE, millisecond]));
    program.connect(to(address).reconnect_policy(policy.clone()));
    drop(program.opened().close());
    program.closed();
    script.join();
    assert_eq!(policy.calls(), [Call::Reset, Call::Next(Some(NONE)), Call::Next(Some(millisecond))]);
}

/// The class of the guide, as it is printed there: no delay, then a tenth of a second, doubled up to ten.
#[derive(Clone, Default)]
struct MyReconnect {
    delay: f64,
}

impl ReconnectPolicy for MyReconnect {
    fn reset(&mut self) {
        self.delay = 0.0;
    }

    fn next(&mut self) -> Option<Duration> {
        let delay = self.delay;
        self.delay = if delay == 0.0 { 0.1 } else { f64::min(10.0, 2.0 * delay) };
        Some(Duration::from_secs_f64(delay))
    }
}

#[test]
fn a_policy_of_ones_own_is_reset_once_before_the_attempts_begin_and_then_asked_for_each_delay() {
    let reserved = Reserved::new();
    let program = Program::new();
    let policy = Recording::new(MyReconnect::default());
    let connection = program.connect(ConnectOptions::new(reserved.url()).reconnect_policy(policy.clone()));
    for _ in 0..3 {
        let (error, will_retry) = program.disconnected();
        assert!(will_retry, "{error}");
    }
    drop(connection.close());
    program.closed();
    let next = |milliseconds| Call::Next(Some(Duration::from_millis(milliseconds)));
    assert_eq!(policy.calls(), [Call::Reset, next(0), next(100), next(200), next(400)]);
}

#[test]
fn the_policy_of_the_guide_gives_the_delays_of_the_guide() {
    let mut policy = MyReconnect::default();
    policy.reset();
    let delays: Vec<_> = (0..10).map(|_| policy.next().unwrap().as_millis()).collect();
    assert_eq!(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
}

#[test]
fn when_retries_run_out_there_is_one_final_event_with_the_last_error_and_the_attempts() {
    let reserved = Reserved::new();
    let program = Program::new();
    let backoff = Backoff::new().initial(Duration::from_millis(1)).max_attempts(3);
    let connection = program.connect(ConnectOptions::new(reserved.url()).backoff(backoff));
    let names = program.names_until("connection_closed");
    let attempt = ["transport_error", "disconnected", "reconnecting"];
    let last = ["transport_error", "disconnected", "gave_up", "connection_closed"];
    assert_eq!(names, [attempt.as_slice(), &attempt, &last].concat());
    let error = connection.error().expect("the last error");
    assert_eq!((error.scope(), error.attempt()), (Scope::Connect, Some(3)), "{error}");
    assert!(program.ends().is_empty());
}

#[tokio::test]
async fn when_retries_run_out_an_awaited_connect_returns_the_last_error() {
    let reserved = Reserved::new();
    let backoff = Backoff::new().initial(Duration::from_millis(1)).max_attempts(3);
    let error =
        within(Connection::connect(ConnectOptions::new(reserved.url()).backoff(backoff))).await.unwrap_err();
    assert_eq!((error.scope(), error.attempt()), (Scope::Connect, Some(3)), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn closing_when_disconnected_ends_the_attempts() {
    let (address, script) = TcpScript::serve(opens_and_drops());
    let program = Program::reacting(|_, seen| {
        if let Seen::Disconnected(connection, _, will_retry) = seen {
            assert!(will_retry);
            drop(connection.close());
        }
        Ack::Accept
    });
    program.connect(to(address));
    program.opened();
    let names = program.names_until("connection_closed");
    assert_eq!(names, ["transport_error", "disconnected", "connection_closed"]);
    script.join();
    assert!(program.ends().is_empty());
}

fn with_password(url: &str) -> ConnectOptions {
    ConnectOptions::new(url).user("alice").password("wonderbread")
}

#[test]
fn a_wrong_password_is_not_tried_again() {
    let server = Program::new();
    let listener = server.listen(loopback().sasl(["SCRAM-SHA-256"], users()).require_sasl(true));
    let program = Program::new();
    program.connect(with_password(&url(&listener)));
    let names = program.names_until("connection_closed");
    assert_eq!(names, ["transport_error", "disconnected", "gave_up", "connection_closed"]);
    program.ends();
}

#[tokio::test]
async fn a_wrong_password_ends_an_awaited_connect_with_an_error_that_says_so() {
    let listener = Container::new()
        .listen(loopback().sasl(["SCRAM-SHA-256"], users()).require_sasl(true))
        .await
        .unwrap();
    let error = within(Connection::connect(with_password(&url(&listener)))).await.unwrap_err();
    assert_eq!((error.scope(), error.attempt()), (Scope::Sasl, Some(1)), "{error}");
    assert_eq!(error.condition(), Some("amqp:unauthorized-access"), "{error}");
    assert!(!error.is_retryable(), "{error}");
}

#[test]
fn a_server_that_cannot_check_the_password_just_now_is_tried_again() {
    let mut peer = ScriptedPeer::new();
    peer.expect_sasl_header().respond();
    peer.send_mechanisms(["ANONYMOUS"]);
    peer.expect_init();
    peer.send_outcome(4); // sys-temp
    peer.drop_wire();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    program.connect(ConnectOptions::new(format!("amqp://{address}")));
    let (error, will_retry) = program.disconnected();
    assert_eq!((error.scope(), will_retry), (Scope::Sasl, true), "{error}");
    script.join();
}

#[test]
fn a_connection_that_the_peer_forces_to_close_is_made_again() {
    let mut forced = ScriptedPeer::new();
    let error = composite("error").set("condition", Plain::symbol("amqp:connection:forced"));
    forced.accepts_open().send(0, composite("close").set("error", error));
    forced.tolerate("close").expect_eof();
    let (address, script) = TcpScript::serve_each([forced, opens_and_closes()]);
    let program = Program::new();
    let connection = program.connect(to(address));
    program.opened();
    let (error, will_retry) = program.disconnected();
    assert_eq!((error.condition(), will_retry), (Some("amqp:connection:forced"), true), "{error}");
    assert_eq!(program.opened(), connection);
    drop(connection.close());
    script.join();
}

#[test]
fn a_connection_that_the_peer_closes_is_not_made_again() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_open().send_close();
    peer.expect_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    program.connect(to(address));
    program.opened();
    assert_eq!(program.names_until("connection_closed"), ["connection_closing", "connection_closed"]);
    script.join();
    assert!(program.ends().is_empty());
}

#[test]
fn a_connection_that_the_peer_closes_with_an_error_is_not_made_again() {
    let server = Program::reacting(|_, seen| {
        if let Seen::ConnectionOpened(connection) = seen {
            drop(connection.close_with(deuteron::AmqpError::new(condition::NOT_ALLOWED, "full")));
        }
        Ack::Accept
    });
    let listener = server.listen(loopback());
    let program = Program::new();
    let connection = program.connect(url(&listener));
    program.opened();
    assert_eq!(program.names_until("connection_closed"), ["connection_error", "connection_closed"]);
    let error = connection.error().expect("the error that it ended with");
    assert_eq!(error.condition(), Some("amqp:not-allowed"));
    assert!(error.is_remote());
    assert!(program.ends().is_empty());
}

/// The frames of one wire by which sessions and links are made, without what differs between two wires.
fn endpoints(peer: &ScriptedPeer) -> Vec<Frame> {
    ["open", "begin", "attach"].iter().flat_map(|name| peer.frames(name).into_iter().cloned()).collect()
}

#[test]
fn sessions_and_links_come_back_with_the_same_names_and_settings() {
    let accepts_all = || {
        let mut peer = ScriptedPeer::new();
        peer.tolerate("flow").accepts_open();
        peer.expect_begin().channel(0).respond();
        peer.expect_attach().name("out").respond();
        peer.expect_attach().name("in").respond();
        peer.expect_begin().channel(1).respond();
        peer.expect_attach().channel(1).respond();
        peer
    };
    let mut first = accepts_all();
    first.drop_wire();
    let mut second = accepts_all();
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = SenderOptions::new("q").name("out").snd_settle_mode(SenderSettleMode::Unsettled);
    connection.open_sender(sender).unwrap();
    let receiver = ReceiverOptions::new("t").selector("colour = 'green'").durable("in").credit_window(5);
    let receiver = connection.open_receiver(receiver).unwrap();
    let session = connection.open_session(SessionOptions::new().incoming_window(17)).unwrap();
    let third = session.open_sender("third").unwrap();
    let both = || {
        for _ in 0..3 {
            program.link_opened();
        }
    };
    both();
    program.disconnected();
    both();
    assert!(receiver.is_open() && third.is_open() && session.is_open());
    drop(connection.close());
    program.closed();
    let peers = script.join();
    assert_eq!(endpoints(&peers[0]), endpoints(&peers[1]));
    let attach = &peers[1].frames("attach")[1];
    let source = attach.get("source").as_composite().unwrap();
    assert_eq!((attach.get("name").as_text(), source.get("address").as_text()), (Some("in"), Some("t")));
    assert_eq!(*source.get("durable"), Plain::Uint(2));
    assert_eq!(source.get("expiry-policy").as_text(), Some("never"));
    assert!(source.get("filter").to_string().contains("colour = 'green'"), "{source}");
    assert_eq!(*peers[1].frames("begin")[1].get("incoming-window"), Plain::Uint(17));
}

#[test]
fn a_receiver_gets_its_credit_again_after_a_reconnect() {
    let accepts = || {
        let mut peer = ScriptedPeer::new();
        peer.accepts_receiver(7);
        peer
    };
    let (mut first, mut second) = (accepts(), accepts());
    first.drop_wire();
    second.send_transfer(0, 0, HELLO).expect_disposition().state("accepted");
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let program = Program::new();
    let connection = program.connect(to(address));
    connection.open_receiver(ReceiverOptions::new("q").credit_window(7)).unwrap();
    program.link_opened();
    program.disconnected();
    program.message();
    drop(connection.close());
    script.join();
}

#[test]
fn a_link_that_was_closed_does_not_come_back() {
    let mut first = ScriptedPeer::new();
    first.accepts_sender(0);
    first.expect_detach().respond();
    first.drop_wire();
    let mut second = ScriptedPeer::new();
    second.accepts_session();
    second.expect_attach().name("stays").respond();
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender("q").unwrap();
    program.link_opened();
    drop(sender.close());
    // What is opened between the wires is attached on the next.
    program.disconnected();
    connection.open_sender(SenderOptions::new("q").name("stays")).unwrap();
    assert_eq!(program.link_opened().name(), "stays");
    drop(connection.close());
    script.join();
}

#[tokio::test]
async fn asynchronous_waits_last_across_a_reconnect() {
    let mut first = ScriptedPeer::new();
    first.accepts_receiver(10).drop_wire();
    let mut second = ScriptedPeer::new();
    second.accepts_receiver(10).send_transfer(0, 0, HELLO);
    second.expect_disposition().state("accepted");
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let receiver = within(connection.receiver(ReceiverOptions::new("q").credit_window(10))).await.unwrap();
    let delivery = within(receiver.recv()).await.unwrap();
    assert_eq!(delivery.message().unwrap().body_text(), Some("hello"));
    delivery.accept().unwrap();
    within(connection.close()).await.unwrap();
    script.join();
}

#[test]
fn a_listener_does_not_reconnect() {
    let server = Program::new();
    let listener = server.listen(ListenOptions::from("amqp://127.0.0.1:0"));
    let client = Program::new();
    client.connect(url(&listener));
    server.opened();
    let (error, will_retry) = {
        let mut peer = ScriptedPeer::new();
        peer.opens().drop_wire();
        TcpScript::connect(listener.local_addr(), peer).join();
        server.disconnected()
    };
    assert!(!will_retry, "{error}");
    server.closed();
}
