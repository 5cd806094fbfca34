//! Deadlines and heartbeats. Time comes in as a parameter; commands have none, so what they start counts from the next
//! transmit, which a driver does right after them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use deuteron_codec::{Error, condition};

use super::Connection;
use crate::endpoint::EndpointState;
use crate::error::Cause;
use crate::event::{Deadline, Event};
use crate::id::{LinkId, SessionId};
use crate::wire::Phase;

/// A frame with nothing in it, which says that its sender is alive (2.4.5).
pub const EMPTY_FRAME: [u8; 8] = [0, 0, 0, 8, 2, 0, 0, 0];

/// What is done when a time is over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    /// The peer may be late.
    Late(Deadline),
    /// The link is attached again.
    Reattach(LinkId),
    /// The session is begun again.
    Rebegin(SessionId),
}

impl From<Deadline> for Due {
    fn from(deadline: Deadline) -> Self {
        Self::Late(deadline)
    }
}

/// Deadlines of endpoints. One whose endpoint has moved on is recognised by its token when it is due, so nothing has to
/// be taken back.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    starting: Vec<(Due, Duration, u32)>,
    running: BTreeMap<(Instant, u64), (Due, u32)>,
    count: u64,
    /// Some session has sent messages with a settle deadline since the last transmit.
    pub(crate) unmarked: bool,
}

impl Deadlines {
    pub(crate) fn start(&mut self, due: impl Into<Due>, timeout: Option<Duration>, token: u32) {
        if let Some(timeout) = timeout {
            self.starting.push((due.into(), timeout, token));
        }
    }

    fn set_off(&mut self, now: Instant) {
        for (due, timeout, token) in self.starting.drain(..) {
            self.count += 1;
            // One that is too far away to be represented never comes.
            if let Some(at) = now.checked_add(timeout) {
                self.running.insert((at, self.count), (due, token));
            }
        }
    }

    fn next(&self) -> Option<Instant> {
        self.running.keys().next().map(|(at, _)| *at)
    }

    fn pop_due(&mut self, now: Instant) -> Option<(Due, u32)> {
        let entry = self.running.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    pub(crate) fn clear(&mut self) {
        self.starting.clear();
        self.running.clear();
    }
}

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let wire = self.wire.as_deref()?;
        let settle = self.sessions.iter().filter_map(|(_, session)| session.settle_check).min();
        let mut next = [
            wire.handshake_deadline,
            wire.close_deadline,
            self.deadlines.next(),
            settle,
            self.idle_deadline(),
        ]
        .into_iter()
        .flatten()
        .min();
        if !wire.finished
            && wire.open_sent
            && let Some(interval) = wire.keep_alive
        {
            let at = wire.last_output + interval;
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        next
    }

    fn idle_deadline(&self) -> Option<Instant> {
        let wire = self.wire.as_deref()?;
        let counts = wire.phase == Phase::Frames && !wire.finished;
        self.config.idle_timeout.filter(|_| counts).and_then(|timeout| wire.last_input.checked_add(timeout))
    }

    /// Time has passed: sends heartbeats, and acts on deadlines that are over.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if wire.handshake_deadline.is_some_and(|at| at <= now) {
            wire.handshake_deadline = None;
            self.late_handshake(now);
        }
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if wire.close_deadline.is_some_and(|at| at <= now) {
            wire.close_deadline = None;
            self.late(Deadline::Close, "the peer did not answer close in time", now);
        }
        if self.idle_deadline().is_some_and(|at| at <= now) {
            // The text is Proton's, as programs look for it.
            let error = Error::new(condition::RESOURCE_LIMIT_EXCEEDED, "local-idle-timeout expired");
            self.fail(error, Cause::IdleTimeout, now);
        }
        self.keep_alive(now);
        while let Some((due, token)) = self.deadlines.pop_due(now) {
            match due {
                Due::Late(deadline) => self.expire(deadline, token, now),
                Due::Reattach(id) => self.reattach(id, token),
                Due::Rebegin(id) => self.rebegin(id, token),
            }
        }
        for id in self.sessions.keys() {
            if self.sessions.get(id).and_then(|session| session.settle_check).is_some_and(|at| at <= now) {
                self.check_settlements(id, now);
            }
        }
    }

    /// 2.4.5: an empty frame says that we are alive; it is due when nothing was sent for half of what the peer asked.
    ///
    /// Part of [`handle_timeout`](Self::handle_timeout). By itself it is for a driver that cannot read at the moment,
    /// and so must not find the peer silent.
    pub fn keep_alive(&mut self, now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        let due = wire.keep_alive.is_some_and(|interval| wire.last_output + interval <= now);
        if due && wire.is_writable() && wire.out.is_empty() {
            wire.out.tail().extend_from_slice(&EMPTY_FRAME);
            self.kept_alive(now);
        }
        if let Some(wire) = self.wire.as_deref_mut()
            && wire.keep_alive.is_some_and(|interval| wire.last_output + interval <= now)
        {
            // Output that nobody takes is no reason to wake up again and again.
            wire.last_output = now;
        }
    }

    /// How long nothing may be sent until an empty frame is due (2.4.5): half of what the peer's Open says. `None` if the peer
    /// asks for none, and where none may be sent: before our Open, and after our Close.
    ///
    /// For a driver that writes [`EMPTY_FRAME`] by itself while it cannot call in; it then says so with
    /// [`kept_alive`](Self::kept_alive).
    #[must_use]
    pub fn keep_alive_interval(&self) -> Option<Duration> {
        let wire = self.wire.as_deref()?;
        wire.keep_alive.filter(|_| wire.is_writable())
    }

    /// An empty frame has been written: none is due for a while.
    pub fn kept_alive(&mut self, now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        wire.last_output = now;
        if let Some(trace) = &self.config.trace {
            (trace.0)(&super::input::trace_line(true, &EMPTY_FRAME));
        }
    }

    fn late_handshake(&mut self, now: Instant) {
        let Some(wire) = self.wire.as_deref() else { return };
        match wire.phase {
            Phase::SaslHeader | Phase::SaslFrames => {
                self.late(Deadline::Sasl, "the SASL exchange did not end in time", now);
            }
            _ => self.late(Deadline::Open, "the peer did not open in time", now),
        }
    }

    fn late(&mut self, deadline: Deadline, what: &str, now: Instant) {
        let error = Error::new(condition::RESOURCE_LIMIT_EXCEEDED, what);
        self.fail(error, Cause::Deadline(deadline), now);
    }

    fn expire(&mut self, deadline: Deadline, token: u32, now: Instant) {
        match deadline {
            _ if !self.is_due(deadline, token) => {}
            Deadline::Attach(id) if self.recovers_attach(id, now) => {}
            Deadline::End(id) if self.gives_up_on_end(id, now) => {}
            Deadline::Detach(id) if self.gives_up_on_detach(id, now) => {}
            _ => self.raise(Event::DeadlineExpired(deadline)),
        }
    }

    fn is_due(&self, deadline: Deadline, token: u32) -> bool {
        let silent = |state| state == EndpointState::Uninit;
        match deadline {
            Deadline::Begin(id) => self.sessions.get(id).is_some_and(|session| {
                session.begin_token == token
                    && session.endpoint.local.is_open()
                    && silent(session.endpoint.remote)
            }),
            Deadline::End(id) => self
                .sessions
                .get(id)
                .is_some_and(|session| session.begin_token == token && !session.endpoint.remote.is_over()),
            Deadline::Attach(id) => self.links.get(id).is_some_and(|link| {
                link.attach_token == token && link.endpoint.local.is_open() && silent(link.endpoint.remote)
            }),
            Deadline::Detach(id) => self
                .links
                .get(id)
                .is_some_and(|link| link.detach_token == token && !link.endpoint.remote.is_over()),
            Deadline::Drain(id) => {
                self.links.get(id).is_some_and(|link| link.drain_token == token && link.drain)
            }
            Deadline::Sasl | Deadline::Open | Deadline::Close | Deadline::Settle(_) => false,
        }
    }

    /// Sets off what commands have started since the last transmit.
    pub(crate) fn start_deadlines(&mut self, now: Instant) {
        self.deadlines.set_off(now);
        // Where the handshake is not done the Close has to wait for it, and that is part of the time that it may take.
        let closed = self.endpoint.local == EndpointState::Closed;
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if (wire.close_sent || closed)
            && !wire.close_received
            && !wire.finished
            && wire.close_deadline.is_none()
        {
            wire.close_deadline = self.config.close_timeout.and_then(|timeout| now.checked_add(timeout));
        }
        if wire.close_received || wire.finished {
            wire.close_deadline = None;
        }
        if std::mem::take(&mut self.deadlines.unmarked) {
            for id in self.sessions.keys() {
                self.mark_sent(id, now);
            }
        }
    }

    /// Notes which deliveries were sent by now, for their settle deadlines.
    fn mark_sent(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if !std::mem::take(&mut session.wants_settle_deadline) {
            return;
        }
        while session.marks.len() > 1
            && session.marks.get(1).is_some_and(|(number, _)| !session.outgoing.base().is_before(*number))
        {
            session.marks.pop_front();
        }
        let oldest = session.outgoing.base();
        let first = session.marks.back().map_or(oldest, |(number, _)| *number);
        if first.is_before(session.outgoing.next()) || session.marks.is_empty() {
            session.marks.push_back((session.outgoing.next(), now));
        }
        if session.settle_check.is_none() {
            let mine = self.links.iter().filter(|(_, link)| link.session == id);
            session.settle_check = mine
                .filter_map(|(_, link)| link.config.settle_timeout)
                .min()
                .and_then(|t| now.checked_add(t));
        }
    }

    fn check_settlements(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.settle_check = None;
        let mut next: Option<Instant> = None;
        let mut late = Vec::new();
        for (number, delivery_id) in session.outgoing.iter() {
            let Some(delivery) = self.deliveries.get_mut(delivery_id) else { continue };
            let timeout = self.links.get(delivery.link).and_then(|link| link.config.settle_timeout);
            let (Some(timeout), false, true) = (timeout, delivery.overdue, delivery.sent) else { continue };
            // The mark after the delivery's number was made when it was sent.
            let Some((_, sent_at)) = session.marks.iter().find(|(mark, _)| number.is_before(*mark)) else {
                continue;
            };
            let Some(due) = sent_at.checked_add(timeout) else { continue };
            if due <= now {
                delivery.overdue = true;
                late.push(delivery_id);
            } else {
                next = Some(due);
                break;
            }
        }
        session.settle_check = next;
        for delivery in late {
            self.raise(Event::DeadlineExpired(Deadline::Settle(delivery)));
        }
    }
}
