//! What exists only while a transport is bound: the phase of the handshake, channels, negotiated limits, output, timers.

pub(crate) mod output;

use std::time::{Duration, Instant};

use deuteron_codec::SaslCode;

use crate::id::{LinkId, SessionId};
use crate::sasl::{SaslClient, SaslServer};
use crate::security::Security;
use output::OutBuf;

/// What the peer is to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A server that waits for the client's first header, SASL or AMQP.
    AnyHeader,
    SaslHeader,
    SaslFrames,
    AmqpHeader,
    Frames,
    /// Whatever comes is thrown away: a Close with an error was sent (2.4.6, DISCARDING), or the tail is closed.
    Discarding,
}

#[derive(Debug)]
pub(crate) enum SaslMachine {
    None,
    Client(Box<SaslClient>),
    Server(Box<SaslServer>),
}

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) phase: Phase,
    pub(crate) security: Security,
    pub(crate) sasl: SaslMachine,
    pub(crate) identity: Option<String>,
    pub(crate) mechanism: Option<String>,
    /// How the SASL exchange ended.
    pub(crate) outcome: Option<SaslCode>,
    pub(crate) out: OutBuf,
    /// Our AMQP header is written: Open may follow.
    pub(crate) header_sent: bool,
    pub(crate) open_sent: bool,
    pub(crate) open_received: bool,
    pub(crate) close_sent: bool,
    pub(crate) close_received: bool,
    /// Nothing more will be read.
    pub(crate) tail_closed: bool,
    /// Nothing more will be put into `out`.
    pub(crate) finished: bool,
    /// All of `out` was taken after `finished`.
    pub(crate) head_closed: bool,
    /// The largest frame that the peer takes: 512 until its Open is here (2.4.1).
    pub(crate) peer_max_frame_size: usize,
    pub(crate) peer_channel_max: u16,
    /// By the peer's channel.
    pub(crate) incoming: Vec<Option<SessionId>>,
    /// By our channel.
    pub(crate) outgoing: Vec<Option<SessionId>>,
    /// Sessions with dispositions or flows to write.
    pub(crate) dirty_sessions: Vec<SessionId>,
    /// Links with flows to write.
    pub(crate) dirty_links: Vec<LinkId>,
    /// Some session holds sends back.
    pub(crate) any_held: bool,
    pub(crate) last_input: Instant,
    pub(crate) last_output: Instant,
    /// Half of what the peer wants to hear from us at least (2.4.5).
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) handshake_deadline: Option<Instant>,
    pub(crate) close_deadline: Option<Instant>,
    /// An endpoint's frame could not be written yet, for want of the peer's Open.
    pub(crate) blocked_endpoints: bool,
}

impl Wire {
    pub(crate) fn new(phase: Phase, security: Security, sasl: SaslMachine, now: Instant) -> Self {
        Self {
            phase,
            security,
            sasl,
            identity: None,
            mechanism: None,
            outcome: None,
            out: OutBuf::new(),
            header_sent: false,
            open_sent: false,
            open_received: false,
            close_sent: false,
            close_received: false,
            tail_closed: false,
            finished: false,
            head_closed: false,
            peer_max_frame_size: 512,
            peer_channel_max: u16::MAX,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            dirty_sessions: Vec::new(),
            dirty_links: Vec::new(),
            any_held: false,
            last_input: now,
            last_output: now,
            keep_alive: None,
            handshake_deadline: None,
            close_deadline: None,
            blocked_endpoints: false,
        }
    }

    /// Frames of sessions may be written.
    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        self.open_sent && !self.close_sent && !self.finished
    }

    #[inline]
    pub(crate) fn session_at(&self, channel: u16) -> Option<SessionId> {
        self.incoming.get(channel as usize).copied().flatten()
    }

    pub(crate) fn set_incoming(&mut self, channel: u16, session: Option<SessionId>) {
        let channel = channel as usize;
        if channel >= self.incoming.len() {
            if session.is_none() {
                return;
            }
            self.incoming.resize(channel + 1, None);
        }
        self.incoming[channel] = session;
    }

    /// The lowest free channel; `None` above the peer's channel-max.
    pub(crate) fn allocate_channel(&mut self, session: SessionId) -> Option<u16> {
        let channel = self.outgoing.iter().position(Option::is_none).unwrap_or(self.outgoing.len());
        if channel > usize::from(self.peer_channel_max) {
            return None;
        }
        if channel == self.outgoing.len() {
            self.outgoing.push(None);
        }
        self.outgoing[channel] = Some(session);
        Some(channel as u16)
    }
}
