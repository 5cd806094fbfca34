//! Section 6.4, "Configuring failover".

use std::time::Duration;

use deuteron::{Backoff, ConnectOptions, Connection, Container, Delays, ReceiverOptions, Scope};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

const NONE: Duration = Duration::ZERO;
const NEVER: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(1);

/// The attempts that failed, as told by their errors, until the program gives up.
fn failed_attempts(program: &Program) -> (Vec<(String, u32)>, u32) {
    let mut failed = Vec::new();
    let attempts = program.until(|seen| match seen {
        Seen::TransportError(_, error) => {
            failed.push((error.url().unwrap().to_owned(), error.attempt().unwrap()));
            None
        }
        Seen::GaveUp(_, error, attempts) => {
            assert_eq!(error.attempt(), Some(*attempts));
            Some(*attempts)
        }
        _ => None,
    });
    (failed, attempts)
}

#[test]
fn the_urls_are_tried_in_order_and_the_list_starts_over() {
    let dead = [Reserved::new(), Reserved::new(), Reserved::new()];
    let urls = dead.each_ref().map(Reserved::url);
    let program = Program::new();
    let policy = Delays::new([NONE, SHORT]);
    program.connect(ConnectOptions::from(urls.clone()).reconnect_policy(policy));
    let (failed, attempts) = failed_attempts(&program);
    let expected: Vec<_> = urls.iter().cycle().cloned().zip(1..=6).collect();
    assert_eq!(failed, expected);
    assert_eq!(attempts, 6);
}

#[test]
fn each_delay_is_waited_before_each_url_of_its_round() {
    let dead = [Reserved::new(), Reserved::new()];
    let program = Program::new();
    let delays = Delays::new([NONE, Duration::from_millis(20), SHORT]);
    program.connect(ConnectOptions::from(dead.each_ref().map(Reserved::url)).reconnect_policy(delays));
    let mut waited = Vec::new();
    program.until(|seen| match seen {
        Seen::Reconnecting(_, attempt, delay) => {
            waited.push((*attempt, delay.as_millis()));
            None
        }
        Seen::GaveUp(..) => Some(()),
        _ => None,
    });
    assert_eq!(waited, [(2, 0), (3, 20), (4, 20), (5, 1), (6, 1)]);
}

#[test]
fn a_backoff_counts_rounds_through_the_list() {
    let dead = [Reserved::new(), Reserved::new()];
    let program = Program::new();
    let backoff = Backoff::new().initial(SHORT).max_attempts(2);
    program.connect(ConnectOptions::from(dead.each_ref().map(Reserved::url)).backoff(backoff));
    assert_eq!(failed_attempts(&program).1, 4);
}

#[test]
fn a_live_server_anywhere_in_the_list_is_reached_at_once() {
    let dead = [Reserved::new(), Reserved::new()];
    let server = Program::new();
    let listener = server.listen(loopback());
    for place in 0..3 {
        let mut urls: Vec<_> = dead.iter().map(Reserved::url).collect();
        urls.insert(place, url(&listener));
        let program = Program::new();
        program.connect(ConnectOptions::from(urls).reconnect_policy(Delays::new([NONE, NEVER])));
        assert_eq!(program.opened().to_string(), url(&listener));
    }
}

#[test]
fn after_a_loss_a_live_server_anywhere_in_the_list_is_reached_at_once() {
    let mut lost = ScriptedPeer::new();
    lost.accepts_open().drop_wire();
    let (first, script) = TcpScript::serve(lost);
    let dead = Reserved::new();
    let mut alive = ScriptedPeer::new();
    alive.accepts_open().accepts_close();
    let (last, alive) = TcpScript::serve(alive);
    let program = Program::new();
    let urls = [format!("amqp://{first}"), dead.url(), format!("amqp://{last}")];
    let options = ConnectOptions::from(urls.clone()).sasl(false);
    let connection = program.connect(options.reconnect_policy(Delays::new([NONE, NEVER])));
    program.opened();
    // The loss, and then the walk from the beginning of the list.
    for lost in [&urls[0], &urls[0], &urls[1]] {
        assert_eq!(program.disconnected().0.url(), Some(lost.as_str()));
    }
    program.opened();
    assert_eq!(connection.to_string(), urls[2]);
    script.join();
    drop(connection.close());
    alive.join();
}

#[test]
fn after_a_loss_the_list_is_walked_from_its_beginning() {
    let mut peers = [ScriptedPeer::new(), ScriptedPeer::new()];
    peers[0].accepts_open().drop_wire();
    peers[1].accepts_open().accepts_close();
    let (first, script) = TcpScript::serve_each(peers);
    let second = Reserved::new();
    let urls = [format!("amqp://{first}"), second.url()];
    let program = Program::new();
    let connection = program.connect(ConnectOptions::from(urls.clone()).sasl(false));
    program.opened();
    assert_eq!(program.disconnected().0.url(), Some(urls[0].as_str()));
    assert_eq!(program.opened().to_string(), urls[0]);
    drop(connection.close());
    script.join();
}

#[test]
fn without_reconnect_each_url_is_tried_once() {
    let dead = [Reserved::new(), Reserved::new()];
    let urls = dead.each_ref().map(Reserved::url);
    let program = Program::new();
    program.connect(ConnectOptions::from(urls.clone()).reconnect(false));
    let (failed, attempts) = failed_attempts(&program);
    assert_eq!(failed, urls.into_iter().zip(1..=2).collect::<Vec<_>>());
    assert_eq!(attempts, 2);
    program.closed();
    program.ends();
}

#[tokio::test]
async fn without_reconnect_a_later_url_of_the_list_is_reached_too() {
    let dead = Reserved::new();
    let listener = Container::new().listen(loopback()).await.unwrap();
    let options = ConnectOptions::new(dead.url()).failover(url(&listener)).reconnect(false);
    let connection = within(Connection::connect(options)).await.unwrap();
    assert_eq!(connection.to_string(), url(&listener));
    within(connection.close()).await.unwrap();
}

#[tokio::test]
async fn a_url_whose_password_is_wrong_is_left_out_and_the_others_are_tried() {
    let container = Container::new();
    let strict = loopback().sasl(["SCRAM-SHA-256"], users()).require_sasl(true);
    let strict = container.listen(strict).await.unwrap();
    let open = container.listen(loopback()).await.unwrap();
    let strict = format!("amqp://alice:wonderbread@{}", strict.local_addr());
    let connection = within(Connection::connect([strict, url(&open)])).await.unwrap();
    assert_eq!(connection.to_string(), url(&open));
    within(connection.close()).await.unwrap();
}

#[test]
fn user_and_password_may_differ_from_url_to_url() {
    let server = Program::new();
    let listener = server.listen(loopback().sasl(["SCRAM-SHA-256"], users()).require_sasl(true));
    let with = |password| format!("amqp://alice:{password}@{}", listener.local_addr());
    let program = Program::new();
    program.connect([with("wonderbread"), with("wonderland")]);
    program.opened();
    assert_eq!(server.opened().authenticated_identity().as_deref(), Some("alice"));
}

#[test]
fn a_list_that_is_empty_or_has_a_bad_url_in_it_is_an_error_at_the_call() {
    let program = Program::new();
    let error = program.run(|cx| cx.connect(Vec::<String>::new())).unwrap_err();
    assert_eq!(error.scope(), Scope::Config, "{error}");
    let error = program.run(|cx| cx.connect(["amqp://127.0.0.1", "amqp://h:65536"])).unwrap_err();
    assert_eq!(error.scope(), Scope::Config, "{error}");
    assert!(error.to_string().contains("65536"), "{error}");
    program.ends();
}

#[test]
fn links_are_attached_at_the_server_that_was_failed_over_to() {
    let accepts = || {
        let mut peer = ScriptedPeer::new();
        peer.accepts_session();
        peer.expect_attach().name("mine").role_receiver().respond();
        peer.expect_flow().credit(9);
        peer
    };
    let (mut first, mut second) = (accepts(), accepts());
    first.drop_wire();
    second.send_transfer(0, 0, HELLO).expect_disposition().state("accepted");
    second.accepts_close();
    let (first, _one) = TcpScript::serve(first);
    let (second, two) = TcpScript::serve(second);
    let program = Program::new();
    let urls = [first, second].map(|address| format!("amqp://{address}"));
    let connection = program.connect(ConnectOptions::from(urls).sasl(false));
    let receiver = connection.open_receiver(ReceiverOptions::new("q").name("mine").credit_window(9)).unwrap();
    program.link_opened();
    program.disconnected();
    assert_eq!(*program.link_opened(), *receiver);
    assert!(program.message().is_on(&receiver));
    drop(connection.close());
    two.join();
}
