//! The callback front: order of events, timers, injection, endings, handlers of connections' own.

mod common;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use common::{Recorder, accepts_session, error, on_loopback, options, url};
use deuteron::{
    Ack, AmqpError, ConnectOptions, Connection, Container, Context, Delivery, Error, Link, Listener,
    MessagingHandler, Scope, SenderOptions, TimerId,
};
use deuteron_testkit::TcpScript;
use deuteron_testkit::wire::composite;

/// Fires timers and notes what comes.
#[derive(Default)]
struct Timers {
    log: Vec<String>,
    cancelled: Option<TimerId>,
}

impl MessagingHandler for Timers {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.schedule(Duration::from_millis(30), 3);
        cx.schedule(Duration::from_millis(10), 1);
        self.cancelled = Some(cx.schedule(Duration::from_millis(20), 2));
        cx.schedule(Duration::MAX, 99);
        cx.schedule(Duration::ZERO, 0);
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, timer: TimerId, token: u64) {
        self.log.push(format!("timer {token}"));
        if token == 1 {
            assert!(cx.cancel(self.cancelled.take().unwrap()));
            assert!(!cx.cancel(timer));
        }
        if token == 3 {
            cx.stop();
        }
    }

    fn on_injected(&mut self, cx: &mut Context<'_>, event: Box<dyn Any + Send>) {
        let text = event.downcast::<&str>().unwrap();
        self.log.push(format!("injected {text}"));
        if *text == "stop" {
            cx.stop();
        }
    }
}

#[test]
fn timers_fire_in_the_order_of_their_deadlines_and_can_be_cancelled() {
    let mut timers = Timers::default();
    Container::new().run(&mut timers).unwrap();
    assert_eq!(timers.log, ["timer 0", "timer 1", "timer 3"]);
}

#[test]
fn a_loop_with_nothing_to_do_ends() {
    struct Nothing;
    impl MessagingHandler for Nothing {}
    Container::new().run(Nothing).unwrap();
}

#[derive(Default)]
struct Injected(Timers);

impl MessagingHandler for Injected {
    fn on_injected(&mut self, cx: &mut Context<'_>, event: Box<dyn Any + Send>) {
        self.0.on_injected(cx, event);
    }
}

#[test]
fn other_threads_inject_events_in_order_and_keep_the_loop_running() {
    let container = Container::new();
    let injector = container.injector();
    let thread = std::thread::spawn(move || {
        for text in ["one", "two"] {
            injector.inject(text);
        }
        let (told, seen) = mpsc::channel();
        injector.run(move |cx| told.send(cx.container_id().to_owned()).unwrap());
        injector.inject("three");
        seen.recv().unwrap()
    });
    let mut injected = Injected::default();
    container.run(&mut injected).unwrap();
    assert_eq!(thread.join().unwrap(), container.id());
    assert_eq!(injected.0.log, ["injected one", "injected two", "injected three"]);
}

#[test]
fn stop_from_another_thread_closes_everything_in_order() {
    let container = Container::new();
    let (told, opened) = mpsc::channel();
    let stopper = container.clone();
    let thread = std::thread::spawn(move || {
        opened.recv().unwrap();
        stopper.stop();
    });
    let mut recorder = Recorder::starting(|cx| {
        let listener = cx.listen(on_loopback()).unwrap();
        cx.connect(url(&listener)).unwrap();
    });
    recorder.opened = Some(Box::new(move |_, connection| {
        if connection.is_outgoing() {
            told.send(()).unwrap();
        }
    }));
    container.run(&mut recorder).unwrap();
    thread.join().unwrap();
    assert_eq!(recorder.count("connection_closed"), 2, "{:?}", recorder.log);
    assert_eq!(recorder.count("transport_error"), 0, "{:?}", recorder.log);
}

#[test]
fn the_error_callback_comes_before_the_closed_callback() {
    let mut peer = accepts_session();
    peer.expect_attach().respond_with(|attach| attach.clear("target"));
    let refused = error("amqp:not-found", "no such queue");
    peer.send(0, composite("detach").set("handle", 0u32).set("closed", true).set("error", refused));
    peer.expect_detach();
    peer.expect_close().respond();
    let (address, script) = TcpScript::serve(peer);
    let mut recorder = Recorder::connecting(options(address));
    recorder.opened = Some(Box::new(|_, connection| drop(connection.open_sender("q").unwrap())));
    let recorder = recorder.run();
    assert_eq!(
        recorder.log,
        ["connection_opened", "session_opened", "link_error", "link_closed", "connection_closed"]
    );
    assert_eq!(recorder.errors[0].scope(), Scope::Link);
    assert_eq!(recorder.errors[0].description(), "no such queue");
    script.join();
}

#[test]
fn the_default_link_error_closes_a_connection_that_we_made() {
    struct Defaults(Vec<&'static str>, Option<ConnectOptions>);
    impl MessagingHandler for Defaults {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            cx.connect(self.1.take().unwrap()).unwrap();
        }
        fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
            connection.open_receiver("q").unwrap();
        }
        fn on_link_closed(&mut self, _: &mut Context<'_>, _: &Link) {
            self.0.push("link closed");
        }
        fn on_connection_closed(&mut self, _: &mut Context<'_>, connection: &Connection) {
            assert!(connection.is_closed());
            self.0.push("connection closed");
        }
    }
    let mut peer = accepts_session();
    peer.expect_attach().respond_with(|attach| attach.clear("source"));
    let refused = error("amqp:not-found", "no such queue");
    peer.send(0, composite("detach").set("handle", 0u32).set("closed", true).set("error", refused));
    peer.tolerate("detach").expect_close().respond();
    let (address, script) = TcpScript::serve(peer);
    let mut defaults = Defaults(Vec::new(), Some(options(address)));
    Container::new().run(&mut defaults).unwrap();
    assert_eq!(defaults.0, ["link closed", "connection closed"]);
    script.join();
}

#[test]
fn a_session_that_is_ended_instead_of_a_refusal_is_told() {
    let mut peer = accepts_session();
    peer.expect_attach();
    peer.send(0, composite("end").set("error", error("amqp:not-found", "no such queue")));
    peer.expect_end();
    peer.expect_close().respond();
    let (address, script) = TcpScript::serve(peer);
    let mut recorder = Recorder::connecting(options(address));
    recorder.opened = Some(Box::new(|_, connection| drop(connection.open_sender("q").unwrap())));
    let recorder = recorder.run();
    assert_eq!(
        recorder.log,
        ["connection_opened", "session_opened", "session_error", "session_closed", "connection_closed"]
    );
    assert_eq!(recorder.errors[0].scope(), Scope::Session);
    script.join();
}

#[test]
fn a_link_that_is_detached_but_not_closed_is_another_event() {
    let mut peer = accepts_session();
    peer.expect_attach().respond();
    peer.tolerate("flow");
    peer.send(0, composite("detach").set("handle", 0u32).set("closed", false));
    peer.expect_detach().flag("closed", false);
    peer.expect_close().respond();
    let (address, script) = TcpScript::serve(peer);
    let mut recorder = Recorder::connecting(options(address));
    recorder.opened = Some(Box::new(|_, connection| drop(connection.open_receiver("q").unwrap())));
    recorder.link_closed = Some(Box::new(|_, link| drop(link.connection().close())));
    let recorder = recorder.run();
    let expected = [
        "connection_opened",
        "session_opened",
        "link_opened",
        "link_detached",
        "link_closed",
        "connection_closed",
    ];
    assert_eq!(recorder.log, expected);
    script.join();
}

/// Sends `count` messages at once, and counts.
struct Burst {
    listener: Option<Listener>,
    count: usize,
    sent: usize,
    got: usize,
    released: usize,
    accepted: usize,
    stop_after: usize,
    close_link: bool,
    texts: Vec<String>,
}

impl Burst {
    fn new(count: usize, stop_after: usize, close_link: bool) -> Self {
        Self {
            listener: None,
            count,
            sent: 0,
            got: 0,
            released: 0,
            accepted: 0,
            stop_after,
            close_link,
            texts: Vec::new(),
        }
    }
}

impl MessagingHandler for Burst {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let listener = cx.listen(on_loopback()).unwrap();
        cx.connect(ConnectOptions::new(url(&listener)).reconnect(false)).unwrap();
        self.listener = Some(listener);
    }
    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        if connection.is_outgoing() {
            let options = SenderOptions::new("q").recovery(deuteron::Recovery::Report);
            connection.open_sender(options).unwrap();
        }
    }
    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &deuteron::Sender) {
        while self.sent < self.count && sender.credit() > 0 {
            sender.send_now(format!("{}", self.sent)).unwrap();
            self.sent += 1;
        }
    }
    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        self.got += 1;
        self.texts.push(delivery.message().unwrap().body_text().unwrap().to_owned());
        if self.got == self.stop_after {
            if self.close_link {
                drop(delivery.receiver().unwrap().close());
            } else {
                drop(delivery.connection().close());
            }
        }
        Ack::Accept
    }
    fn on_accepted(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.accepted += 1;
    }
    fn on_released(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.released += 1;
    }
    fn on_link_closed(&mut self, _: &mut Context<'_>, link: &Link) {
        drop(link.connection().close());
    }
    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: &Connection) {
        if let Some(listener) = self.listener.take() {
            listener.close();
        }
    }
}

#[test]
fn closing_a_link_in_on_message_settles_that_message_and_releases_those_after_it() {
    let mut burst = Burst::new(50, 10, true);
    Container::new().run(&mut burst).unwrap();
    assert_eq!(burst.got, 10);
    assert_eq!(burst.accepted, 10);
    assert!(burst.released <= 40);
}

#[test]
fn closing_the_connection_in_on_message_still_accepts_that_message() {
    let mut burst = Burst::new(50, 10, false);
    Container::new().run(&mut burst).unwrap();
    assert_eq!(burst.got, 10);
    assert_eq!(burst.accepted, 10);
}

/// Its own log, shared.
#[derive(Clone, Default)]
struct Own(std::sync::Arc<std::sync::Mutex<Vec<&'static str>>>);

impl MessagingHandler for Own {
    fn on_start(&mut self, _: &mut Context<'_>) {
        self.0.lock().unwrap().push("start");
    }
    fn on_connection_opened(&mut self, cx: &mut Context<'_>, _: &Connection) {
        self.0.lock().unwrap().push("opened");
        cx.schedule(Duration::from_millis(1), 7);
    }
    fn on_timer(&mut self, cx: &mut Context<'_>, _: TimerId, token: u64) {
        assert_eq!(token, 7);
        self.0.lock().unwrap().push("timer");
        cx.stop();
    }
    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: &Connection) {
        self.0.lock().unwrap().push("closed");
    }
}

#[test]
fn a_connection_may_carry_its_own_handler() {
    let own = Own::default();
    let carried = own.clone();
    let recorder = Recorder::starting(move |cx| {
        let listener = cx.listen(on_loopback()).unwrap();
        cx.connect(ConnectOptions::new(url(&listener)).handler(carried.clone())).unwrap();
    });
    let recorder = recorder.run();
    assert_eq!(*own.0.lock().unwrap(), ["start", "opened", "timer", "closed"]);
    // The container's handler saw the incoming side only.
    assert_eq!(recorder.count("connection_opened"), 1);
}

#[test]
fn a_delivery_that_was_kept_is_settled_later() {
    let kept: Rc<RefCell<Vec<Delivery>>> = Rc::default();
    let keep = Rc::clone(&kept);
    let mut recorder = Recorder::starting(|cx| {
        let listener = cx.listen(on_loopback()).unwrap();
        cx.connect(url(&listener)).unwrap();
    });
    recorder.opened = Some(Box::new(|_, connection| {
        if connection.is_outgoing() {
            let sender = connection.open_sender("q").unwrap();
            for text in ["kept", "dropped", "rejected"] {
                sender.send_now(text).unwrap();
            }
        }
    }));
    recorder.message = Some(Box::new(move |_, delivery| {
        match delivery.message().unwrap().body_text() {
            Some("kept") => keep.borrow_mut().push(delivery.clone()),
            Some("dropped") => {}
            _ => {
                keep.borrow_mut().pop().unwrap().accept().unwrap();
                let reason = AmqpError::new("amqp:decode-error", "no good");
                return Ack::Reject(Some(reason));
            }
        }
        Ack::Later
    }));
    let count = Cell::new(0);
    recorder.settled = Some(Box::new(move |cx, _| {
        count.set(count.get() + 1);
        if count.get() == 3 {
            cx.stop();
        }
        Ack::Accept
    }));
    let recorder = recorder.run();
    assert_eq!(recorder.count("accepted"), 1, "{:?}", recorder.log);
    assert_eq!(recorder.count("released"), 1);
    assert!(recorder.log.contains(&"rejected amqp:decode-error".to_owned()));
}

#[test]
fn two_loops_of_one_container_are_an_error() {
    let container = Container::new();
    let same = container.clone();
    let tried: Rc<RefCell<Option<Error>>> = Rc::default();
    let note = Rc::clone(&tried);
    let mut recorder = Recorder::starting(move |_| {
        let same = same.clone();
        // On another thread, as this one has a runtime.
        let second = std::thread::spawn(move || {
            struct Nothing;
            impl MessagingHandler for Nothing {}
            same.run(Nothing).unwrap_err()
        });
        *note.borrow_mut() = Some(second.join().unwrap());
    });
    container.run(&mut recorder).unwrap();
    assert!(tried.borrow().as_ref().unwrap().to_string().contains("runs already"));
}

#[test]
fn an_async_task_uses_the_links_of_a_handlers_connection() {
    let mut recorder = Recorder::starting(|cx| {
        let listener = cx.listen(on_loopback()).unwrap();
        cx.connect(url(&listener)).unwrap();
    });
    recorder.opened = Some(Box::new(|_, connection| {
        if connection.is_outgoing() {
            let connection = connection.clone();
            // Another runtime on another thread.
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    let sender = connection.sender("q").await.unwrap();
                    assert!(sender.send("from a task").await.unwrap().is_accepted());
                    connection.close().await.unwrap();
                });
            });
        }
    }));
    let mut wrapped = StopAtLastClose(recorder, 2);
    Container::new().run(&mut wrapped).unwrap();
    assert_eq!(wrapped.0.count("accepted"), 0);
    assert_eq!(wrapped.0.log.last().unwrap(), "message from a task");
}

/// Stops after so many connections have closed.
struct StopAtLastClose(Recorder, usize);

impl MessagingHandler for StopAtLastClose {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        self.0.on_start(cx);
    }
    fn on_connection_opened(&mut self, cx: &mut Context<'_>, connection: &Connection) {
        self.0.on_connection_opened(cx, connection);
    }
    fn on_message(&mut self, cx: &mut Context<'_>, delivery: &Delivery) -> Ack {
        self.0.on_message(cx, delivery)
    }
    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {
        self.0.on_accepted(cx, delivery);
    }
    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        self.1 -= 1;
        if self.1 == 0 {
            cx.stop();
        }
    }
}

#[test]
fn stop_does_not_wait_for_clients_that_never_opened() {
    // Without a deadline of the handshake a wait for them would have no end.
    let mut recorder = Recorder::starting(|cx| {
        let listener = cx.listen(on_loopback().handshake_deadline(None)).unwrap();
        let silent = std::net::TcpStream::connect(listener.local_addr()).unwrap();
        let injector = cx.injector();
        std::thread::spawn(move || {
            while listener.connections() == 0 {
                std::thread::yield_now();
            }
            injector.run(|cx| cx.stop());
            let mut rest = Vec::new();
            drop(std::io::Read::read_to_end(&mut &silent, &mut rest));
        });
    });
    Container::new().run(&mut recorder).unwrap();
    assert!(recorder.log.is_empty(), "{:?}", recorder.log);
}
