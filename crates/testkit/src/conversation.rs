//! An engine and a scripted peer, in virtual time.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use deuteron_engine::{
    Connection, ConnectionConfig, ConnectionRole, DeliveryId, Event, LinkConfig, LinkId, OutBuf, Payload,
    Security, SendOptions, SessionConfig,
};

use crate::ScriptedPeer;

/// Sizes in which the byte stream is handed over: as it comes, byte by byte, and in pieces that fit no frame.
pub const CHUNKS: [usize; 3] = [usize::MAX, 1, 7];

/// Rounds after which something that never comes to rest is a failure.
const PATIENCE: usize = 10_000;

/// An engine that talks to a [`ScriptedPeer`]. Time stands still until the test moves it.
///
/// Write the script into [`peer`](Self::peer), command the [`engine`](Self::engine), and call [`run`](Self::run), which
/// carries bytes both ways until nobody has anything to say and fails if the script is not done.
#[derive(Debug)]
pub struct Conversation {
    /// The engine under test.
    pub engine: Connection,
    /// The other side.
    pub peer: ScriptedPeer,
    /// The time that it is.
    pub now: Instant,
    chunk: usize,
    input: BytesMut,
    events: Vec<Event>,
    saw_engine_end: bool,
}

impl Conversation {
    /// A bound engine with the given configuration.
    pub fn new(config: ConnectionConfig, chunk: usize) -> Self {
        let now = Instant::now();
        let mut engine = Connection::new(config);
        engine.bind(Security::default(), now);
        Self {
            engine,
            peer: ScriptedPeer::new(),
            now,
            chunk,
            input: BytesMut::new(),
            events: Vec::new(),
            saw_engine_end: false,
        }
    }

    /// A bound client named `me`, without SASL. It is not opened yet.
    pub fn client(chunk: usize) -> Self {
        Self::new(config(ConnectionRole::Client), chunk)
    }

    /// A bound server named `me`, without SASL. It is not opened yet.
    pub fn server(chunk: usize) -> Self {
        Self::new(config(ConnectionRole::Server), chunk)
    }

    /// Runs a test with a client for each of [`CHUNKS`].
    pub fn each_client(test: impl Fn(&mut Self)) {
        CHUNKS.into_iter().for_each(|chunk| test(&mut Self::client(chunk)));
    }

    /// Runs a test with a server for each of [`CHUNKS`].
    pub fn each_server(test: impl Fn(&mut Self)) {
        CHUNKS.into_iter().for_each(|chunk| test(&mut Self::server(chunk)));
    }

    /// As a client: opens, begins, and attaches a sender named `s` to which the peer gives credit.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn sender(&mut self, credit: u32) -> LinkId {
        self.sender_with(credit, LinkConfig::sender("s", "queue"))
    }

    /// As [`sender`](Self::sender), with a configuration.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn sender_with(&mut self, credit: u32, config: LinkConfig) -> LinkId {
        self.peer.accepts_sender(credit);
        self.engine.open();
        let session = self.engine.begin(SessionConfig::default());
        let link = self.engine.attach(session, config).expect("the session is fresh");
        self.run();
        link
    }

    /// As a client: opens, begins, and attaches a receiver named `r` that gives credit.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn receiver(&mut self, credit: u32) -> LinkId {
        self.receiver_with(credit, LinkConfig::receiver("r", "queue"))
    }

    /// As [`receiver`](Self::receiver), with a configuration.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn receiver_with(&mut self, credit: u32, config: LinkConfig) -> LinkId {
        self.peer.accepts_receiver(credit);
        self.engine.open();
        let session = self.engine.begin(SessionConfig::default());
        let link = self.engine.attach(session, config).expect("the session is fresh");
        if credit > 0 {
            self.engine.link(link).expect("the link is fresh").add_credit(credit);
        }
        self.run();
        link
    }

    /// Sends bytes on a link of the engine.
    ///
    /// # Panics
    /// If the link does not take them.
    #[track_caller]
    pub fn send(&mut self, link: LinkId, payload: &[u8]) -> DeliveryId {
        self.send_with(link, payload, SendOptions::default())
    }

    /// As [`send`](Self::send), with options.
    ///
    /// # Panics
    /// If the link does not take them.
    #[track_caller]
    pub fn send_with(&mut self, link: LinkId, payload: &[u8], options: SendOptions) -> DeliveryId {
        let mut link = self.engine.link(link).expect("the link is there");
        link.send(Payload::Slice(payload), options).expect("the link takes messages")
    }

    /// Runs, and returns the messages that arrived whole meanwhile.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn run_delivered(&mut self) -> Vec<DeliveryId> {
        let whole = |event| if let Event::Delivered(id) = event { Some(id) } else { None };
        self.run().into_iter().filter_map(whole).collect()
    }

    /// Carries bytes until both sides are silent, and then expects the script to be done. Returns what the engine
    /// reported meanwhile.
    ///
    /// # Panics
    /// If the script failed or still waits.
    #[track_caller]
    pub fn run(&mut self) -> Vec<Event> {
        self.settle();
        self.peer.check();
        std::mem::take(&mut self.events)
    }

    /// As [`run`](Self::run), but the script may still wait for something.
    ///
    /// # Panics
    /// If the two never fall silent.
    #[track_caller]
    pub fn settle(&mut self) {
        for _ in 0..PATIENCE {
            let moved = self.feed_engine() | self.poll_events() | self.feed_peer();
            if !moved {
                return;
            }
        }
        panic!("engine and script never fall silent\n{}", self.peer.transcript());
    }

    /// Takes what the engine has reported since the last [`run`](Self::run).
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Lets time pass in one step, then [`run`](Self::run)s.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn pass(&mut self, time: Duration) -> Vec<Event> {
        self.now += time;
        self.engine.handle_timeout(self.now);
        self.run()
    }

    /// Jumps to the engine's next deadline, then [`run`](Self::run)s.
    ///
    /// # Panics
    /// As [`run`](Self::run); and if the engine has no deadline.
    #[track_caller]
    pub fn jump(&mut self) -> Vec<Event> {
        let next = self.engine.poll_timeout().expect("the engine waits for a deadline");
        self.now = self.now.max(next);
        self.engine.handle_timeout(self.now);
        self.run()
    }

    /// Unbinds the engine from its wire, and binds it to a new one with an empty script on the other end.
    pub fn rebind(&mut self) {
        self.engine.unbind(None, self.now);
        self.poll_events();
        self.peer = ScriptedPeer::new();
        self.input.clear();
        self.saw_engine_end = false;
        self.engine.bind(Security::default(), self.now);
    }

    fn feed_engine(&mut self) -> bool {
        let bytes = self.peer.output();
        for chunk in bytes.chunks(self.chunk) {
            self.input.extend_from_slice(chunk);
            self.engine.handle_input(&mut self.input, self.now);
        }
        if self.peer.has_dropped_wire() && !self.engine.input_done() {
            self.engine.handle_eof(self.now);
            return true;
        }
        !bytes.is_empty()
    }

    fn poll_events(&mut self) -> bool {
        let before = self.events.len();
        self.events.extend(std::iter::from_fn(|| self.engine.poll_event()));
        self.events.len() > before
    }

    fn feed_peer(&mut self) -> bool {
        let bytes = transmit(&mut self.engine, self.now);
        bytes.chunks(self.chunk).for_each(|chunk| self.peer.input(chunk));
        if self.engine.output_done() && !self.saw_engine_end {
            self.saw_engine_end = true;
            self.peer.input_end();
            return true;
        }
        !bytes.is_empty()
    }
}

/// A configuration with the container id `me`.
pub(crate) fn config(role: ConnectionRole) -> ConnectionConfig {
    ConnectionConfig { role, container_id: "me".to_owned(), ..ConnectionConfig::default() }
}

/// All that an engine has to write.
pub(crate) fn transmit(engine: &mut Connection, now: Instant) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = OutBuf::new();
    while engine.poll_transmit(now, &mut out) {
        while out.has_remaining() {
            bytes.extend_from_slice(out.chunk());
            let written = out.chunk().len();
            out.advance(written);
        }
    }
    bytes
}
