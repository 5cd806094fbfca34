//! Settings at the ends of their ranges, which may be useless but do no harm.

use std::time::Duration;

use deuteron::{
    Ack, Backoff, ConnectOptions, Connection, Container, Deadlines, Delays, ListenOptions, Message, Phase,
    ReceiverOptions, SenderOptions, SessionOptions,
};

use crate::support::*;

/// One message each way in handlers' programs that are set like that.
fn converse(listen: ListenOptions, connect: impl FnOnce(ConnectOptions) -> ConnectOptions, credit: u32) {
    let server = Program::reacting(move |_, seen| {
        if let Seen::LinkOpened(deuteron::Link::Sender(sender)) = seen {
            sender.send_now("down").unwrap();
        }
        Ack::Accept
    });
    let listener = server.listen(listen);
    let program = Program::new();
    let connection = program.connect(connect(ConnectOptions::new(url(&listener))));
    let receiver = connection.open_receiver(ReceiverOptions::new("q").credit_window(credit)).unwrap();
    assert_eq!(program.message().message().unwrap().body_text(), Some("down"));
    assert!(receiver.is_open());
    connection.open_sender("q").unwrap().send_now(Message::new(vec![7; 5000])).unwrap();
    assert_eq!(server.message().message().unwrap().body_bytes().unwrap(), vec![7; 5000]);
    program.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
    drop(connection.close());
    program.closed();
    program.ends();
}

fn all(length: Option<Duration>) -> Deadlines {
    Deadlines {
        establish: length,
        resolve: length,
        connect: length,
        tls: length,
        open: length,
        begin: length,
        attach: length,
        credit: length,
        settle: length,
        transaction: length,
        drain: length,
        detach: length,
        close: length,
        write: length,
    }
}

#[test]
fn deadlines_that_never_pass() {
    for length in [None, Some(Duration::MAX), Some(Duration::from_secs(u64::MAX / 2))] {
        let listen = loopback().deadlines(all(length)).handshake_deadline(length);
        converse(listen, |options| options.deadlines(all(length)), 10);
    }
}

#[tokio::test]
async fn deadlines_that_never_pass_for_tasks() {
    for length in [None, Some(Duration::MAX)] {
        let listener = Container::new().listen(loopback().deadlines(all(length))).await.unwrap();
        let options = ConnectOptions::new(url(&listener)).deadlines(all(length));
        let connection = within(Connection::connect(options)).await.unwrap();
        let accepted = within(listener.accept()).await.unwrap();
        let sender = connection.open_sender("q").unwrap();
        let receiver = accept_receiver(&accepted).await;
        let (sent, received) = tokio::join!(within(sender.send("x")), async {
            within(receiver.recv_timeout(Duration::MAX)).await.unwrap().accept()
        });
        assert!(sent.unwrap().is_accepted());
        received.unwrap();
        drop(receiver.drain());
        within(sender.close()).await.unwrap();
        within(connection.close()).await.unwrap();
    }
}

#[tokio::test]
async fn deadlines_that_have_passed_already() {
    let listener = Container::new().listen(loopback()).await.unwrap();
    let options = ConnectOptions::new(url(&listener)).deadlines(all(Some(Duration::ZERO))).reconnect(false);
    let error = within(Connection::connect(options)).await.unwrap_err();
    assert!(error.deadline().is_some(), "{error}");
    let limits = deadlines(|all| all.credit = Some(Duration::ZERO));
    let connection = within(Connection::connect(ConnectOptions::new(url(&listener)))).await.unwrap();
    let _accepted = within(listener.accept()).await.unwrap();
    let sender = connection.open_sender(SenderOptions::new("q").deadlines(limits)).unwrap();
    let error = within(sender.send("x")).await.unwrap_err();
    assert_eq!(error.deadline(), Some(Phase::Credit), "{error}");
    within(connection.close()).await.unwrap();
}

#[test]
fn heartbeats_of_all_lengths() {
    // Those that fit no 32 bits of milliseconds are cut; none may be so short that it cannot be kept here.
    for heartbeat in [Duration::from_secs(10), Duration::from_secs(u64::from(u32::MAX)), Duration::MAX] {
        converse(loopback().heartbeat(heartbeat), |options| options.heartbeat(heartbeat), 10);
    }
}

#[test]
fn frame_sizes_and_channels() {
    for size in [0, 1, 512, 513, u32::MAX] {
        converse(loopback().max_frame_size(size), |options| options.max_frame_size(size), 10);
    }
    for channel in [0, 1, u16::MAX] {
        converse(loopback().channel_max(channel), |options| options.channel_max(channel), 10);
    }
}

#[test]
fn credit_windows() {
    for credit in [1, 2, u32::MAX / 2, u32::MAX] {
        converse(loopback(), |options| options, credit);
    }
}

#[test]
fn session_windows() {
    let server = Program::new();
    let listener = server.listen(loopback());
    for (window, capacity) in [(1, usize::MAX), (2, 1), (u32::MAX, 1 << 20)] {
        let program = Program::new();
        let connection = program.connect(url(&listener));
        let options = SessionOptions::new().incoming_window(window).incoming_capacity(capacity);
        let session = connection.open_session(options).unwrap();
        let sender = session.open_sender("q").unwrap();
        for _ in 0..100 {
            sender.send_now("x").unwrap();
        }
        for _ in 0..100 {
            program.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
        }
    }
}

#[test]
fn a_queue_without_any_room_refuses_with_an_error_that_says_so() {
    let server = Program::new();
    let listener = server.listen(loopback());
    let program = Program::new();
    let sender = program.connect(url(&listener)).open_sender(SenderOptions::new("q").queue_limit(0)).unwrap();
    let error = sender.send_now("x").unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(error.fate(), Some(deuteron::Fate::NotSent));
}

#[test]
fn listeners_without_any_room() {
    for options in [loopback().max_connections(0), loopback().max_pending(0)] {
        let server = Program::new();
        let listener = server.listen(options);
        let mut stream =
            say(listener.local_addr(), &deuteron_testkit::wire::header(deuteron_testkit::wire::AMQP));
        hear(&mut stream);
        wait_until(|| listener.connections() == 0);
    }
}

#[test]
fn timers_of_all_lengths() {
    let program = Program::new();
    let never = program.run(|cx| cx.schedule(Duration::MAX, 1));
    program.run(|cx| cx.schedule(Duration::ZERO, 2));
    program.until(|seen| matches!(seen, Seen::Timer(_, 2)).then_some(()));
    assert!(program.run(move |cx| cx.cancel(never)));
    program.ends();
}

#[test]
fn policies_at_the_ends_of_their_ranges() {
    let reserved = Reserved::new();
    let attempts = |options: ConnectOptions| {
        let program = Program::new();
        program.connect(options);
        program.gave_up().1
    };
    let options = || ConnectOptions::new(reserved.url());
    assert_eq!(attempts(options().backoff(Backoff::new().max_attempts(0))), 1);
    assert_eq!(attempts(options().reconnect_policy(Delays::new([]))), 1);
    let strange = Backoff::new().initial(Duration::ZERO).factor(f64::NAN).max_delay(Duration::ZERO);
    assert_eq!(attempts(options().backoff(strange.jitter(f64::INFINITY, 1).max_attempts(5))), 5);
    // A delay that cannot be represented is waited all the same, and can be ended.
    let program = Program::new();
    program.connect(options().reconnect_policy(Delays::new([Duration::ZERO, Duration::MAX])));
    program.until(|seen| matches!(seen, Seen::Reconnecting(..)).then_some(()));
    program.container.stop();
    program.closed();
    program.ends();
}

#[test]
fn a_container_that_is_stopped_before_it_runs_ends_at_once() {
    let container = Container::new();
    container.stop();
    let program = Program::of(container, |_, _| Ack::Accept);
    assert!(program.ends().is_empty());
}

#[tokio::test]
async fn a_stopped_container_connects_and_listens_no_more() {
    let container = Container::new();
    let listener = container.listen(loopback()).await.unwrap();
    container.stop();
    assert!(listener.is_closed());
    let error = within(container.connect(url(&listener))).await.unwrap_err();
    assert!(error.to_string().contains("stopped"), "{error}");
    assert!(container.listen(loopback()).await.is_err());
}
