//! Nothing is unbounded, as a handler is told it: a peer that does not do its part ends in an error that names the
//! deadline.

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;

use deuteron::{
    Ack, ConnectOptions, Connection, Container, Context, Deadlines, Delivery, Error, Link, MessagingHandler,
    Phase, ReceiverOptions, Scope, Sender, SenderOptions,
};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

#[track_caller]
fn named(error: &Error, scope: Scope, phase: Phase) {
    assert_eq!((error.scope(), error.deadline()), (scope, Some(phase)), "{error}");
    assert!(error.to_string().contains(&format!("deadline '{}'", phase.name())), "{error}");
}

/// A peer that plays its part and then says nothing more, whatever it is told, until the other side ends.
fn silent_after(play: impl FnOnce(&mut ScriptedPeer)) -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    for name in ["begin", "attach", "flow", "transfer", "disposition", "detach", "end", "close"] {
        peer.tolerate(name);
    }
    play(&mut peer);
    peer.expect_eof();
    peer
}

struct Meeting {
    program: Program,
    connection: Connection,
    script: deuteron_testkit::ScriptHandle,
}

/// A program that is connected to such a peer, with these deadlines.
fn meet(play: impl FnOnce(&mut ScriptedPeer), change: impl FnOnce(&mut Deadlines)) -> Meeting {
    let (address, script) = TcpScript::serve(silent_after(play));
    let program = Program::new();
    let options = to(address).reconnect(false).deadlines(deadlines(|all| {
        all.close = SOON;
        change(all);
    }));
    let connection = program.connect(options);
    Meeting { program, connection, script }
}

impl Meeting {
    /// The connection still ends, though the peer does not answer that either.
    #[track_caller]
    fn ends(self) {
        drop(self.connection.close());
        self.program.closed();
        self.script.join();
        self.program.ends();
    }
}

#[test]
fn a_peer_that_never_begins_a_session() {
    let meeting = meet(
        |peer| {
            peer.accepts_open();
        },
        |all| all.begin = SOON,
    );
    let sender = meeting.connection.open_sender("q").unwrap();
    let error = meeting.program.until(|seen| match seen {
        Seen::SessionError(_, error) => Some(error.clone()),
        _ => None,
    });
    named(&error, Scope::Session, Phase::Begin);
    meeting.program.until(|seen| matches!(seen, Seen::SessionClosed(_)).then_some(()));
    wait_until(|| sender.send_now("too late").is_err());
    meeting.ends();
}

#[test]
fn a_peer_that_never_attaches_a_link() {
    let meeting = meet(
        |peer| {
            peer.accepts_session();
        },
        |all| all.attach = SOON,
    );
    let sender = meeting.connection.open_sender(SenderOptions::new("q").name("mute")).unwrap();
    let error = meeting.program.link_error();
    named(&error, Scope::Link, Phase::Attach);
    assert!(error.to_string().contains("'mute'"), "{error}");
    let closed = meeting.program.until(|seen| match seen {
        Seen::LinkClosed(link) => Some(link.clone()),
        _ => None,
    });
    assert_eq!(*closed, *sender);
    named(&sender.send_now("too late").unwrap_err(), Scope::Link, Phase::Attach);
    meeting.ends();
}

#[test]
fn a_peer_that_never_settles_a_message() {
    let meeting = meet(
        |peer| {
            peer.accepts_sender(10);
        },
        |all| all.settle = SOON,
    );
    meeting.connection.open_sender("q").unwrap().send_now("one").unwrap();
    named(&meeting.program.link_error(), Scope::Delivery, Phase::Settle);
    meeting.ends();
}

#[test]
fn a_peer_that_never_answers_a_drain() {
    let meeting = meet(
        |peer| {
            peer.accepts_receiver(5);
        },
        |all| all.drain = SOON,
    );
    let receiver = meeting.connection.open_receiver(ReceiverOptions::new("q").credit_window(5)).unwrap();
    meeting.program.link_opened();
    drop(receiver.drain());
    named(&meeting.program.link_error(), Scope::Link, Phase::Drain);
    meeting.ends();
}

#[test]
fn a_peer_that_never_detaches_a_link() {
    for close in [true, false] {
        let meeting = meet(
            |peer| {
                peer.accepts_sender(0);
            },
            |all| all.detach = SOON,
        );
        let sender = meeting.connection.open_sender("q").unwrap();
        meeting.program.link_opened();
        drop(if close { sender.close() } else { sender.detach() });
        named(&meeting.program.link_error(), Scope::Link, Phase::Detach);
        meeting.program.until(|seen| matches!(seen, Seen::LinkClosed(_)).then_some(()));
        meeting.ends();
    }
}

#[test]
fn a_peer_that_never_ends_a_session() {
    let meeting = meet(
        |peer| {
            peer.accepts_sender(0);
        },
        |all| all.detach = SOON,
    );
    let sender = meeting.connection.open_sender("q").unwrap();
    meeting.program.link_opened();
    drop(sender.session().end());
    let error = meeting.program.until(|seen| match seen {
        Seen::SessionError(_, error) => Some(error.clone()),
        _ => None,
    });
    named(&error, Scope::Session, Phase::End);
    meeting.ends();
}

#[test]
fn a_peer_that_never_closes_the_connection() {
    let meeting = meet(
        |peer| {
            peer.accepts_open();
        },
        |_| (),
    );
    meeting.program.opened();
    drop(meeting.connection.close());
    let closed = meeting.program.closed();
    named(&closed.error().expect("why it ended"), Scope::Connection, Phase::Close);
    meeting.script.join();
    meeting.program.ends();
}

#[test]
fn a_peer_that_falls_silent_ends_at_the_heartbeat() {
    let (address, script) = TcpScript::serve(silent_after(|peer| {
        peer.tolerate("empty frame").accepts_open();
    }));
    let program = Program::new();
    program.connect(to(address).heartbeat(SOON.unwrap()).reconnect(false));
    let (error, _) = program.gave_up();
    named(&error, Scope::Connection, Phase::Idle);
    script.join();
}

/// A peer that gives credit for everything and then reads nothing until it is told to go.
fn stops_reading(until: mpsc::Receiver<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut peer = ScriptedPeer::new();
        peer.accepts_sender(1_000_000).tolerate("transfer");
        let mut buffer = [0; 4096];
        loop {
            std::io::Write::write_all(&mut stream, &peer.output()).unwrap();
            if peer.is_done() {
                break;
            }
            let count = stream.read(&mut buffer).unwrap();
            peer.input(&buffer[..count]);
        }
        // Ends when the test has dropped the other end.
        let _ = until.recv();
    });
    url
}

#[test]
fn a_peer_that_stops_reading() {
    let (_hold, until) = mpsc::channel();
    let program = Program::reacting(|_, seen| {
        if let Seen::Sendable(sender) = seen {
            for _ in 0..500 {
                sender.send_now("x".repeat(100_000)).unwrap();
            }
        }
        Ack::Accept
    });
    let limits = deadlines(|all| all.write = SOON);
    let options = ConnectOptions::new(stops_reading(until)).sasl(false).reconnect(false).deadlines(limits);
    program.connect(options).open_sender("q").unwrap();
    let (error, _) = program.gave_up();
    named(&error, Scope::Connection, Phase::Write);
    program.closed();
}

/// A program that leaves everything to the defaults of the handler.
struct Plain(Option<ConnectOptions>);

impl MessagingHandler for Plain {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.0.take().unwrap()).unwrap();
        connection.open_sender("q").unwrap();
    }
}

#[test]
fn a_program_with_the_default_callbacks_ends_and_does_not_wait_for_ever() {
    let plays: [fn(&mut ScriptedPeer); 2] = [
        |peer| {
            peer.accepts_open();
        },
        |peer| {
            peer.accepts_session();
        },
    ];
    for play in plays {
        let (address, script) = TcpScript::serve(silent_after(play));
        let limits = deadlines(|all| {
            all.begin = SOON;
            all.attach = SOON;
            all.close = SOON;
        });
        Container::new().run(Plain(Some(to(address).deadlines(limits)))).unwrap();
        script.join();
    }
}

#[test]
fn stopping_is_bounded_although_the_peer_does_not_answer() {
    let meeting = meet(
        |peer| {
            peer.accepts_open();
        },
        |_| (),
    );
    meeting.program.opened();
    meeting.program.container.stop();
    meeting.program.closed();
    meeting.script.join();
    meeting.program.ends();
}

/// The other side of it: a listener's clients that do not do their part.
struct Asking {
    listener: deuteron::Listener,
    server: Program,
}

fn listening(change: impl FnOnce(&mut Deadlines)) -> Asking {
    let server = Program::new();
    let listener = server.listen(loopback().deadlines(deadlines(change)));
    Asking { listener, server }
}

#[test]
fn a_client_that_never_answers_close() {
    let asking = listening(|all| all.close = SOON);
    let mut client = ScriptedPeer::new();
    client.opens();
    client.expect_close();
    client.expect_eof();
    let script = TcpScript::connect(asking.listener.local_addr(), client);
    drop(asking.server.opened().close());
    let closed = asking.server.closed();
    named(&closed.error().expect("why it ended"), Scope::Connection, Phase::Close);
    script.join();
    wait_until(|| asking.listener.connections() == 0);
}

#[test]
fn a_client_that_never_settles() {
    let asking = listening(|all| {
        all.settle = SOON;
        all.close = SOON;
    });
    let mut client = ScriptedPeer::new();
    client.opens_receiver("r").send_credit(0, 10);
    client.expect_transfer();
    client.tolerate("close").expect_eof();
    let script = TcpScript::connect(asking.listener.local_addr(), client);
    let sender = asking.server.until(|seen| match seen {
        Seen::Sendable(sender) => Some(sender.clone()),
        _ => None,
    });
    sender.send_now("one").unwrap();
    named(&asking.server.link_error(), Scope::Delivery, Phase::Settle);
    asking.server.run({
        let connection = sender.connection();
        move |_| drop(connection.close())
    });
    drop(asking.server);
    script.join();
}

#[test]
fn a_link_has_deadlines_of_its_own() {
    let meeting = meet(
        |peer| {
            peer.accepts_session();
            peer.expect_attach().respond();
            peer.send_credit(0, 10);
        },
        |_| (),
    );
    let own = deadlines(|all| all.settle = SOON);
    meeting.connection.open_sender(SenderOptions::new("q").deadlines(own)).unwrap().send_now("one").unwrap();
    named(&meeting.program.link_error(), Scope::Delivery, Phase::Settle);
    meeting.ends();
}

/// Waits inside of callbacks would never end: they are errors.
#[derive(Default)]
struct Waiting {
    errors: Vec<Error>,
}

impl MessagingHandler for Waiting {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let server = cx.listen(loopback()).unwrap();
        cx.connect(url(&server)).unwrap().open_sender("q").unwrap();
    }

    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: &Link) {
        if let (Link::Sender(sender), true) = (link, link.connection().is_outgoing()) {
            self.errors.extend(now(sender.send("x")).err());
            self.errors.extend(now(sender.connection().closed()).err());
            cx.stop();
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> Ack {
        Ack::Accept
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, _: &Sender) {}
}

#[test]
fn a_wait_inside_a_callback_is_an_error_and_not_a_standstill() {
    let mut waiting = Waiting::default();
    Container::new().run(&mut waiting).unwrap();
    assert_eq!(waiting.errors.len(), 2);
    for error in waiting.errors {
        assert_eq!(error.scope(), Scope::Usage, "{error}");
        assert!(error.to_string().contains("callback"), "{error}");
    }
}
