//! What several tests need: scripted peers behind URLs, and a handler that writes down what it is told.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::net::SocketAddr;
use std::time::Duration;

use deuteron::{
    Ack, ConnectOptions, Connection, Container, Context, Delivery, Error, Link, ListenOptions, Listener,
    MessagingHandler, Sender, Session,
};
use deuteron_testkit::wire::{AMQP, Composite, composite};
use deuteron_testkit::{ScriptHandle, ScriptedPeer};

pub const SOON: Duration = Duration::from_millis(100);

/// Options for a scripted peer: no SASL, one attempt.
pub fn options(address: SocketAddr) -> ConnectOptions {
    ConnectOptions::new(format!("amqp://{address}")).sasl(false).reconnect(false)
}

pub fn on_loopback() -> ListenOptions {
    ListenOptions::new("amqp://127.0.0.1:0")
}

pub fn url(listener: &Listener) -> String {
    format!("amqp://127.0.0.1:{}", listener.port())
}

/// A peer that answers header and Open, the latter with changes.
pub fn accepts_open_with(change: impl Fn(Composite) -> Composite + Send + 'static) -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.expect_header(AMQP).respond();
    peer.expect_open().respond_with(change);
    peer
}

/// A peer that answers header and Open.
pub fn accepts_open() -> ScriptedPeer {
    accepts_open_with(|open| open)
}

/// A peer that answers up to Begin.
pub fn accepts_session() -> ScriptedPeer {
    let mut peer = ScriptedPeer::new();
    peer.accepts_session();
    peer
}

pub fn error(condition: &str, description: &str) -> Composite {
    composite("error")
        .set("condition", deuteron_testkit::wire::Plain::symbol(condition))
        .set("description", description)
}

/// Waits for scripts without holding up the runtime that our side runs in.
pub async fn joined(script: ScriptHandle) -> Vec<ScriptedPeer> {
    match tokio::task::spawn_blocking(move || script.join()).await {
        Ok(peers) => peers,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// A port of the loopback interface on which nobody listens.
pub fn dead_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

type OnStart = Box<dyn FnMut(&mut Context<'_>)>;
type OnConnection = Box<dyn FnMut(&mut Context<'_>, &Connection)>;
type OnLink = Box<dyn FnMut(&mut Context<'_>, &Link)>;
type OnSender = Box<dyn FnMut(&mut Context<'_>, &Sender)>;
type OnMessage = Box<dyn FnMut(&mut Context<'_>, &Delivery) -> Ack>;

/// Writes down the name of every callback, and what matters of it.
#[derive(Default)]
pub struct Recorder {
    pub log: Vec<String>,
    pub errors: Vec<Error>,
    pub start: Option<OnStart>,
    pub opened: Option<OnConnection>,
    pub disconnected: Option<OnConnection>,
    pub link_opening: Option<OnLink>,
    pub link_opened: Option<OnLink>,
    pub link_error: Option<OnLink>,
    pub link_closed: Option<OnLink>,
    pub sendable: Option<OnSender>,
    pub message: Option<OnMessage>,
    pub settled: Option<OnMessage>,
}

impl Recorder {
    pub fn starting(start: impl FnMut(&mut Context<'_>) + 'static) -> Self {
        Self { start: Some(Box::new(start)), ..Self::default() }
    }

    /// Connects at the start.
    pub fn connecting(options: ConnectOptions) -> Self {
        Self::starting(move |cx| drop(cx.connect(options.clone()).unwrap()))
    }

    pub fn run(mut self) -> Self {
        Container::with_id("tested").run(&mut self).unwrap();
        self
    }

    pub fn count(&self, name: &str) -> usize {
        self.log.iter().filter(|line| line.split(' ').next() == Some(name)).count()
    }

    fn note(&mut self, line: impl Into<String>) {
        self.log.push(line.into());
    }

    fn failed(&mut self, name: &str, error: &Error) {
        self.note(name);
        self.errors.push(error.clone());
    }
}

impl MessagingHandler for Recorder {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if let Some(call) = &mut self.start {
            call(cx);
        }
    }
    fn on_connection_opening(&mut self, _: &mut Context<'_>, _: &Connection) {
        self.note("connection_opening");
    }
    fn on_connection_opened(&mut self, cx: &mut Context<'_>, connection: &Connection) {
        self.note("connection_opened");
        if let Some(call) = &mut self.opened {
            call(cx, connection);
        }
    }
    fn on_connection_closing(&mut self, _: &mut Context<'_>, _: &Connection) {
        self.note("connection_closing");
    }
    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: &Connection) {
        self.note("connection_closed");
    }
    fn on_connection_error(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error) {
        self.failed("connection_error", error);
    }
    fn on_session_opening(&mut self, _: &mut Context<'_>, _: &Session) {
        self.note("session_opening");
    }
    fn on_session_opened(&mut self, _: &mut Context<'_>, _: &Session) {
        self.note("session_opened");
    }
    fn on_session_closing(&mut self, _: &mut Context<'_>, _: &Session) {
        self.note("session_closing");
    }
    fn on_session_closed(&mut self, _: &mut Context<'_>, _: &Session) {
        self.note("session_closed");
    }
    fn on_session_error(&mut self, _: &mut Context<'_>, session: &Session, error: &Error) {
        self.failed("session_error", error);
        drop(session.connection().close());
    }
    fn on_link_opening(&mut self, cx: &mut Context<'_>, link: &Link) {
        self.note("link_opening");
        if let Some(call) = &mut self.link_opening {
            call(cx, link);
        }
    }
    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: &Link) {
        self.note("link_opened");
        if let Some(call) = &mut self.link_opened {
            call(cx, link);
        }
    }
    fn on_link_detached(&mut self, _: &mut Context<'_>, link: &Link) {
        self.note("link_detached");
        drop(link.detach());
    }
    fn on_link_closing(&mut self, _: &mut Context<'_>, _: &Link) {
        self.note("link_closing");
    }
    fn on_link_closed(&mut self, cx: &mut Context<'_>, link: &Link) {
        self.note("link_closed");
        if let Some(call) = &mut self.link_closed {
            call(cx, link);
        }
    }
    fn on_link_error(&mut self, cx: &mut Context<'_>, link: &Link, error: &Error) {
        self.failed("link_error", error);
        match &mut self.link_error {
            Some(call) => call(cx, link),
            None => drop(link.connection().close()),
        }
    }
    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: &Sender) {
        self.note("sendable");
        if let Some(call) = &mut self.sendable {
            call(cx, sender);
        }
    }
    fn on_message(&mut self, cx: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let text = delivery
            .message()
            .map_or_else(|_| "?".into(), |message| message.body_text().unwrap_or("-").to_owned());
        self.note(format!("message {text}"));
        self.message.as_mut().map_or(Ack::Accept, |call| call(cx, delivery))
    }
    fn on_message_aborted(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.note("message_aborted");
    }
    fn on_accepted(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.note("accepted");
    }
    fn on_rejected(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        let condition = delivery.rejection().map_or(String::new(), |error| error.condition.to_string());
        self.note(format!("rejected {condition}"));
    }
    fn on_released(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.note("released");
    }
    fn on_modified(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.note("modified");
    }
    fn on_settled(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {
        self.note("settled");
        if let Some(call) = &mut self.settled {
            call(cx, delivery);
        }
    }
    fn on_lost(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.note("lost");
    }
    fn on_drained(&mut self, _: &mut Context<'_>, _: &Link) {
        self.note("drained");
    }
    fn on_transport_error(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error) {
        self.failed("transport_error", error);
    }
    fn on_disconnected(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        _: &Error,
        will_retry: bool,
    ) {
        self.note(format!("disconnected {will_retry}"));
        if let Some(call) = &mut self.disconnected {
            call(cx, connection);
        }
    }
    fn on_reconnecting(&mut self, _: &mut Context<'_>, _: &Connection, attempt: u32, delay: Duration) {
        self.note(format!("reconnecting {attempt} {}", delay.as_millis()));
    }
    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, attempts: u32) {
        self.errors.push(error.clone());
        self.note(format!("gave_up {attempts}"));
    }
    fn on_listener_error(&mut self, _: &mut Context<'_>, _: &Listener, error: &Error) {
        self.failed("listener_error", error);
    }
}
