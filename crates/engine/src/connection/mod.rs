//! The connection: what the application declared, plus the wire that it is bound to at the moment, if any.

mod close;
mod credit;
mod dispose;
mod endpoints;
mod handshake;
mod input;
mod output;
mod peer;
mod recover;
mod resume;
mod send;
mod timers;
mod transfer;
mod unbind;

use std::collections::VecDeque;
use std::fmt;

use deuteron_codec::{Error, Open, SaslCode};

use crate::config::ConnectionConfig;
use crate::delivery::{Delivery, DeliveryMut};
use crate::endpoint::{Endpoint, EndpointState};
use crate::error::Failure;
use crate::event::Event;
use crate::id::{DeliveryId, LinkId, SessionId};
use crate::link::{Link, LinkMut};
use crate::security::Security;
use crate::session::{Session, SessionMut};
use crate::store::Store;
use crate::wire::output::OutBuf;
use crate::wire::{SaslMachine, Wire};
pub(crate) use output::frame_size;
use timers::Deadlines;
pub use timers::EMPTY_FRAME;

/// One AMQP connection, in either role, without a socket.
///
/// Its methods are of four kinds.
/// - *Wire side*, called by a driver: [`bind`](Self::bind), [`handle_input`](Self::handle_input),
///   [`handle_eof`](Self::handle_eof), [`handle_timeout`](Self::handle_timeout), [`unbind`](Self::unbind). They return
///   nothing: what the peer did wrong becomes bytes for the peer and an event for us.
/// - *Outputs*, polled by a driver in this order until there is nothing left: [`poll_event`](Self::poll_event),
///   [`poll_transmit`](Self::poll_transmit), [`poll_timeout`](Self::poll_timeout). Transmitting may free credit and so
///   raise events: poll those again before sleeping.
/// - *Commands*, any number between polls: [`open`](Self::open), [`close`](Self::close), [`begin`](Self::begin),
///   [`attach`](Self::attach) and the methods of the views.
/// - *Getters*.
///
/// Time is only ever a parameter, and must not go back.
///
/// Endpoints outlive the wire: [`unbind`](Self::unbind) drops channels, handles, windows and delivery numbers, but
/// sessions, links, queued messages and all ids stay, and the next [`bind`](Self::bind) opens again whatever is open on
/// our side. So a reconnect needs no list of what to do.
pub struct Connection {
    pub(crate) config: ConnectionConfig,
    pub(crate) endpoint: Endpoint,
    pub(crate) remote_open: Option<Box<Open>>,
    pub(crate) sessions: Store<SessionId, Session>,
    pub(crate) links: Store<LinkId, Link>,
    pub(crate) deliveries: Store<DeliveryId, Delivery>,
    pub(crate) wire: Option<Box<Wire>>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) deadlines: Deadlines,
    pub(crate) failure: Option<Box<Failure>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("container_id", &self.config.container_id)
            .field("local", &self.endpoint.local)
            .field("remote", &self.endpoint.remote)
            .field("phase", &self.wire.as_ref().map(|wire| wire.phase))
            .field("sessions", &self.sessions.len())
            .field("links", &self.links.len())
            .field("deliveries", &self.deliveries.len())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection with no wire and nothing open.
    pub fn new(config: ConnectionConfig) -> Self {
        Self {
            config,
            endpoint: Endpoint::default(),
            remote_open: None,
            sessions: Store::default(),
            links: Store::default(),
            deliveries: Store::default(),
            wire: None,
            events: VecDeque::new(),
            deadlines: Deadlines::default(),
            failure: None,
        }
    }

    /// Our declaration.
    pub fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    /// Our declaration; changes count from the next [`bind`](Self::bind) on.
    pub fn config_mut(&mut self) -> &mut ConnectionConfig {
        &mut self.config
    }

    /// The next thing that happened. Poll until `None`.
    #[must_use]
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether events are waiting.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether there is a wire.
    pub fn is_bound(&self) -> bool {
        self.wire.is_some()
    }

    /// What we have said of the connection.
    pub fn local_state(&self) -> EndpointState {
        self.endpoint.local
    }

    /// What the peer has said on the current wire.
    pub fn remote_state(&self) -> EndpointState {
        self.endpoint.remote
    }

    /// The error that we closed the connection with.
    pub fn local_error(&self) -> Option<&Error> {
        self.endpoint.error.as_deref()
    }

    /// The error that the peer closed the connection with.
    pub fn remote_error(&self) -> Option<&Error> {
        self.endpoint.remote_error.as_deref()
    }

    /// The peer's Open; kept after the wire is gone until the next [`bind`](Self::bind).
    pub fn remote_open(&self) -> Option<&Open> {
        self.remote_open.as_deref()
    }

    /// Why the current or last wire failed, if it did.
    pub fn transport_failure(&self) -> Option<&Failure> {
        self.failure.as_deref()
    }

    /// Who the SASL exchange says the peer is (server), or who we authenticated as (client); `None` for anonymous.
    pub fn authenticated_identity(&self) -> Option<&str> {
        self.wire.as_ref()?.identity.as_deref()
    }

    /// The SASL mechanism in use on the current wire.
    pub fn sasl_mechanism(&self) -> Option<&str> {
        self.wire.as_ref()?.mechanism.as_deref()
    }

    /// The SASL mechanism that was chosen on the current wire, whatever came of it.
    pub fn sasl_choice(&self) -> Option<&str> {
        match &self.wire.as_ref()?.sasl {
            SaslMachine::Client(client) => client.mechanism(),
            SaslMachine::Server(server) => server.mechanism(),
            SaslMachine::None => None,
        }
    }

    /// How the SASL exchange on the current wire ended, once it has. A client that could not go on, as none of the
    /// mechanisms that are offered can be used, has ended it with [`SaslCode::SysPerm`].
    pub fn sasl_outcome(&self) -> Option<SaslCode> {
        self.wire.as_ref()?.outcome
    }

    /// What the transport that is bound was said to have established.
    pub fn security(&self) -> Option<&Security> {
        self.wire.as_ref().map(|wire| &wire.security)
    }

    /// Whether our Close has been written on this wire: nothing follows it (2.4.3).
    pub fn close_is_written(&self) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.close_sent)
    }

    /// Whether nothing more will be written on this wire: flush, then shut the socket down.
    pub fn output_done(&self) -> bool {
        self.wire.as_ref().is_none_or(|wire| wire.finished && wire.out.is_empty())
    }

    /// Whether nothing more will be read from this wire.
    pub fn input_done(&self) -> bool {
        self.wire.as_ref().is_none_or(|wire| wire.tail_closed)
    }

    /// Bytes of output that wait to be taken.
    pub fn pending_output(&self) -> usize {
        self.wire.as_ref().map_or(0, |wire| wire.out.len())
    }

    /// Borrows a session.
    pub fn session(&mut self, id: SessionId) -> Option<SessionMut<'_>> {
        self.sessions.get(id).filter(|session| !session.forgotten)?;
        Some(SessionMut { connection: self, id })
    }

    /// All sessions.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.sessions.iter().filter(|(_, session)| !session.forgotten).map(|(id, _)| id).collect()
    }

    /// Borrows a link.
    #[inline]
    pub fn link(&mut self, id: LinkId) -> Option<LinkMut<'_>> {
        self.links.get(id).filter(|link| !link.forgotten)?;
        Some(LinkMut { connection: self, id })
    }

    /// All links.
    pub fn links(&self) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| !link.forgotten).map(|(id, _)| id).collect()
    }

    /// Borrows a delivery; `None` once it is settled and gone.
    #[inline]
    pub fn delivery(&mut self, id: DeliveryId) -> Option<DeliveryMut<'_>> {
        self.deliveries.get(id)?;
        Some(DeliveryMut { connection: self, id })
    }

    /// Deliveries that are not settled and forgotten, of all links.
    pub fn unsettled(&self) -> usize {
        self.deliveries.len()
    }

    #[inline]
    pub(crate) fn raise(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Hands out the memory of the output, if the connection does not use it at the moment: idle connections should
    /// hold next to nothing, and busy ones should not allocate. [`lend`](Self::lend) gives it to the next one.
    pub fn reclaim(&mut self) -> Option<OutBuf> {
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        self.wire.as_mut()?.out.reclaim()
    }

    /// Gives the output memory to write into. False if it has memory, or there is no output.
    pub fn lend(&mut self, spare: &mut Option<OutBuf>) -> bool {
        let Some(wire) = self.wire.as_deref_mut() else { return false };
        let lent = wire.out.is_bare() && spare.is_some();
        if lent && let Some(spare) = spare.take() {
            wire.out = spare;
        }
        lent
    }
}
