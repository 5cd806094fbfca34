//! Two engines back to back, in virtual time.

mod answers;
mod stream;

pub use answers::Answers;

use std::time::{Duration, Instant};

use bytes::Bytes;
use deuteron_engine::{
    Connection, ConnectionConfig, ConnectionRole, DeliveryId, EndpointState, Event, LinkConfig, LinkId,
    Payload, Security, SendOptions, SessionConfig, SessionId,
};

use crate::conversation::{CHUNKS, config};
use stream::Stream;

/// Steps after which something that never comes to rest is a failure.
const PATIENCE: usize = 100_000;

/// One of the two engines of a [`Pair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The engine that connected.
    Client,
    /// The engine that was connected to.
    Server,
}

/// A client engine and a server engine with a byte stream in each direction between them.
///
/// The clock starts at an `Instant` and moves only when told to, or to let bytes under way arrive. The server
/// answers everything by default, the client nothing; see [`Answers`].
#[derive(Debug)]
pub struct Pair {
    /// The client's engine.
    pub client: Connection,
    /// The server's engine. [`rebind`](Self::rebind) puts a new one in its place.
    pub server: Connection,
    /// The time that it is.
    pub now: Instant,
    /// Largest piece of the stream that is handed over at once.
    pub chunk: usize,
    /// How long bytes are under way.
    pub latency: Duration,
    /// Whether a wire that is cut loses what is under way the other way. Default: that still arrives.
    pub resets: bool,
    /// What the transports know, client's and server's. Default: nothing.
    pub security: [Security; 2],
    /// What the client does by itself. Default: nothing.
    pub client_answers: Answers,
    /// What the server does by itself. Default: everything.
    pub server_answers: Answers,
    /// Payloads that a side has taken by itself, client's and server's.
    pub inbox: [Vec<Bytes>; 2],
    events: [Vec<Event>; 2],
    streams: [Stream; 2],
}

impl Pair {
    /// Two engines with these configurations, not bound yet.
    pub fn new(client: ConnectionConfig, server: ConnectionConfig) -> Self {
        Self {
            client: Connection::new(ConnectionConfig { role: ConnectionRole::Client, ..client }),
            server: Connection::new(ConnectionConfig { role: ConnectionRole::Server, ..server }),
            now: Instant::now(),
            chunk: usize::MAX,
            latency: Duration::ZERO,
            resets: false,
            security: Default::default(),
            client_answers: Answers::none(),
            server_answers: Answers::all(),
            inbox: Default::default(),
            events: Default::default(),
            streams: Default::default(),
        }
    }

    /// Two engines with default configurations, not bound yet.
    pub fn plain() -> Self {
        Self::new(config(ConnectionRole::Client), config(ConnectionRole::Server))
    }

    /// Runs a test with a [plain](Self::plain) pair for each of the chunk sizes: all, one byte, seven bytes.
    pub fn each(test: impl Fn(&mut Self)) {
        Self::each_of(Self::plain, test);
    }

    /// Runs a test with a pair made afresh for each of the chunk sizes.
    pub fn each_of(make: impl Fn() -> Self, test: impl Fn(&mut Self)) {
        for chunk in CHUNKS {
            let mut pair = make();
            pair.chunk = chunk;
            test(&mut pair);
        }
    }

    /// One of the engines.
    pub fn engine(&mut self, side: Side) -> &mut Connection {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    // The wire --------------------------------------------------------------------------------------------------

    /// Binds both engines to a new wire.
    pub fn bind(&mut self) {
        self.streams = Default::default();
        let [client, server] = self.security.clone();
        self.client.bind(client, self.now);
        self.server.bind(server, self.now);
    }

    /// Opens the client, binds both and drives.
    ///
    /// # Panics
    /// If the connection is not open on both sides then.
    #[track_caller]
    pub fn open(&mut self) {
        self.client.open();
        self.bind();
        self.drive();
        assert_eq!(self.client.remote_state(), EndpointState::Open, "{:?}", self.client.transport_failure());
        assert_eq!(self.server.remote_state(), EndpointState::Open, "{:?}", self.server.transport_failure());
    }

    /// The wire ends after this many more bytes from one side; both sides see it end.
    pub fn cut_after(&mut self, from: Side, bytes: usize) {
        let stream = &mut self.streams[from as usize];
        stream.cut_at = Some(stream.carried() + bytes);
    }

    /// The wire ends now; what is under way still arrives.
    pub fn cut(&mut self) {
        self.streams.iter_mut().for_each(Stream::cut);
    }

    /// Whether the wire has ended.
    pub fn is_cut(&self) -> bool {
        self.streams.iter().any(Stream::is_cut)
    }

    /// Bytes that one side has sent on this wire.
    pub fn carried(&self, from: Side) -> usize {
        self.streams[from as usize].carried()
    }

    /// Where each frame, and each protocol header, ends that one side has written on this wire: offsets in bytes.
    pub fn frame_ends(&self, from: Side) -> &[usize] {
        self.streams[from as usize].ends()
    }

    /// Takes both engines off the wire, and binds the client to a new wire with a fresh server on its other end,
    /// as a reconnect does. The old server is returned; what it had reported is dropped.
    pub fn rebind(&mut self) -> Connection {
        self.client.unbind(None, self.now);
        self.server.unbind(None, self.now);
        self.poll_events();
        let fresh = Connection::new(self.server.config().clone());
        let old = std::mem::replace(&mut self.server, fresh);
        self.events[Side::Server as usize].clear();
        self.bind();
        old
    }

    // Time ------------------------------------------------------------------------------------------------------

    /// Carries bytes until both sides are silent, moving the clock only for bytes under way.
    ///
    /// # Panics
    /// If the two never fall silent.
    #[track_caller]
    pub fn drive(&mut self) {
        self.drive_until(None);
    }

    /// Lets time pass, with all deadlines on the way.
    ///
    /// # Panics
    /// If the two never fall silent.
    #[track_caller]
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.drive_until(Some(end));
        self.now = end;
    }

    /// Jumps to the next deadline of either side and drives.
    ///
    /// # Panics
    /// If there is no deadline.
    #[track_caller]
    pub fn jump(&mut self) {
        let next = self.next_deadline().expect("somebody waits for a deadline");
        self.now = self.now.max(next);
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.drive();
    }

    /// The next deadline of either side.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.client.poll_timeout().into_iter().chain(self.server.poll_timeout()).min()
    }

    #[track_caller]
    fn drive_until(&mut self, end: Option<Instant>) {
        for _ in 0..PATIENCE {
            if self.step() {
                continue;
            }
            let arrival = self.streams.iter().filter_map(Stream::next_arrival).min();
            let deadline = self.next_deadline().filter(|at| end.is_some_and(|end| *at <= end));
            let next = arrival.into_iter().chain(deadline).min();
            let Some(next) = next.filter(|at| end.is_none_or(|end| *at <= end)) else { return };
            self.now = self.now.max(next);
            if deadline.is_some_and(|at| at <= self.now) {
                self.client.handle_timeout(self.now);
                self.server.handle_timeout(self.now);
            }
        }
        panic!("the two never fall silent: {:?} and {:?}", self.client, self.server);
    }

    fn step(&mut self) -> bool {
        let (now, chunk, latency) = (self.now, self.chunk, self.latency);
        let [up, down] = &mut self.streams;
        let mut moved = up.empty(&mut self.server, now, chunk) | down.empty(&mut self.client, now, chunk);
        moved |= self.poll_events();
        let [up, down] = &mut self.streams;
        moved |= up.fill(&mut self.client, now, latency) | down.fill(&mut self.server, now, latency);
        if self.is_cut() {
            self.cut_both();
        }
        moved | self.poll_events()
    }

    /// A wire that ends in one direction ends in the other too.
    fn cut_both(&mut self) {
        for stream in self.streams.iter_mut().filter(|stream| !stream.is_cut()) {
            stream.cut();
            if self.resets {
                stream.lose();
            }
        }
    }

    // Events ----------------------------------------------------------------------------------------------------

    fn poll_events(&mut self) -> bool {
        let Self { client, server, client_answers, server_answers, inbox, events, .. } = self;
        let [client_inbox, server_inbox] = inbox;
        let [client_events, server_events] = events;
        let moved = poll(client, client_answers, client_inbox, client_events);
        moved | poll(server, server_answers, server_inbox, server_events)
    }

    /// Takes what a side has reported since the last call.
    pub fn events(&mut self, side: Side) -> Vec<Event> {
        self.poll_events();
        std::mem::take(&mut self.events[side as usize])
    }

    /// Takes the ids of the messages that a side has reported as whole since the last call; other events are dropped.
    pub fn delivered(&mut self, side: Side) -> Vec<DeliveryId> {
        let whole = |event| if let Event::Delivered(id) = event { Some(id) } else { None };
        self.events(side).into_iter().filter_map(whole).collect()
    }

    // Short cuts ------------------------------------------------------------------------------------------------

    /// Begins a session on the client with the default configuration.
    pub fn session(&mut self) -> SessionId {
        self.client.begin(SessionConfig::default())
    }

    /// Attaches a link of the client and drives. Returns the client's id and the server's.
    ///
    /// # Panics
    /// If the link is not attached on both sides then.
    #[track_caller]
    pub fn attach(&mut self, session: SessionId, link: LinkConfig) -> (LinkId, LinkId) {
        let name = link.name.clone();
        let ours = self.client.attach(session, link).expect("the session is there and the name free");
        self.drive();
        let state = self.client.link(ours).map(|link| link.remote_state());
        assert_eq!(state, Some(EndpointState::Open), "{:?}", self.client.transport_failure());
        (ours, self.server_link(&name))
    }

    /// The server's newest link of this name.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn server_link(&mut self, name: &str) -> LinkId {
        let links = self.server.links();
        let found =
            links.into_iter().rfind(|id| self.server.link(*id).is_some_and(|link| link.name() == name));
        found.unwrap_or_else(|| panic!("the server has no link {name:?}"))
    }

    /// Opens if needed, begins a session and attaches a sender named `s`.
    ///
    /// # Panics
    /// As [`attach`](Self::attach).
    #[track_caller]
    pub fn sender(&mut self) -> (LinkId, LinkId) {
        self.link(LinkConfig::sender("s", "queue"))
    }

    /// Opens if needed, begins a session and attaches a receiver named `r`, without credit.
    ///
    /// # Panics
    /// As [`attach`](Self::attach).
    #[track_caller]
    pub fn receiver(&mut self) -> (LinkId, LinkId) {
        self.link(LinkConfig::receiver("r", "queue"))
    }

    /// Opens if needed, begins a session and attaches the link on it.
    ///
    /// # Panics
    /// As [`attach`](Self::attach).
    #[track_caller]
    pub fn link(&mut self, link: LinkConfig) -> (LinkId, LinkId) {
        if self.client.remote_state() != EndpointState::Open {
            self.open();
        }
        let session = self.session();
        self.attach(session, link)
    }

    /// Sends bytes on a link of one side; they leave with the next drive.
    ///
    /// # Panics
    /// If the link does not take them.
    #[track_caller]
    pub fn send(&mut self, side: Side, link: LinkId, payload: &[u8]) -> DeliveryId {
        self.send_with(side, link, payload, SendOptions::default())
    }

    /// As [`send`](Self::send), with options.
    ///
    /// # Panics
    /// If the link does not take them.
    #[track_caller]
    pub fn send_with(
        &mut self,
        side: Side,
        link: LinkId,
        payload: &[u8],
        options: SendOptions,
    ) -> DeliveryId {
        let mut link = self.engine(side).link(link).expect("the link is there");
        link.send(Payload::Slice(payload), options).expect("the link takes messages")
    }
}

fn poll(engine: &mut Connection, answers: &Answers, inbox: &mut Vec<Bytes>, events: &mut Vec<Event>) -> bool {
    let before = events.len();
    while let Some(event) = engine.poll_event() {
        events.push(event);
        answers.act(engine, event, inbox);
    }
    events.len() > before
}
