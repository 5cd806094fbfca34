//! Frames on their way out.

use std::time::Instant;

use bytes::{Buf, BytesMut};
use deuteron_codec::frame::{self, FRAME_AMQP, FRAME_SASL};
use deuteron_codec::{Encode, Flow, Role, Writer};

use super::Connection;
use crate::event::Event;
use crate::id::{LinkId, SessionId};
use crate::session::disposition::Pending;
use crate::wire::output::OutBuf;

/// How long a performative is when encoded.
pub(crate) fn frame_size(performative: &impl Encode) -> usize {
    let mut scratch = BytesMut::new();
    performative.encode(&mut Writer::new(&mut scratch));
    scratch.len()
}

impl Connection {
    /// Moves what is to be written into `out`, which must be empty: otherwise nothing happens, so that output waits here,
    /// bounded, while the socket is slow. True if there is something to write.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, out: &mut OutBuf) -> bool {
        if self.wire.is_none() || !out.is_empty() {
            return false;
        }
        self.flush();
        self.start_deadlines(now);
        let Some(wire) = self.wire.as_deref_mut() else { return false };
        std::mem::swap(&mut wire.out, out);
        if !out.is_empty() {
            wire.last_output = now;
        }
        if wire.finished && !wire.head_closed {
            wire.head_closed = true;
            let both = wire.tail_closed;
            self.raise(Event::HeadClosed);
            if both {
                self.raise(Event::TransportClosed);
            }
        }
        !out.is_empty()
    }

    /// Writes what was put off: dispositions, flows, sends that were held back.
    fn flush(&mut self) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if !wire.is_writable() {
            return;
        }
        let links = std::mem::take(&mut wire.dirty_links);
        let sessions = std::mem::take(&mut wire.dirty_sessions);
        for id in &sessions {
            self.flush_session_dispositions(*id);
        }
        for id in links {
            self.write_due_flow(id);
        }
        for id in sessions {
            self.flush_session(id);
        }
        let limit = self.config.limits.output;
        if let Some(wire) = self.wire.as_deref_mut()
            && wire.out.remaining() < limit
            && std::mem::take(&mut wire.any_held)
        {
            for id in self.sessions.keys() {
                self.pump_held(id);
            }
        }
    }

    /// Writes the dispositions that wait for others to be combined with, of all sessions: what is sent next shall not overtake
    /// them. A discharge must not, which ends the transaction that they belong to (4.3, 4.4.2).
    pub fn flush_dispositions(&mut self) {
        let Some(wire) = self.wire.as_deref().filter(|wire| wire.is_writable()) else { return };
        for id in wire.dirty_sessions.clone() {
            self.flush_session_dispositions(id);
        }
    }

    fn flush_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.dirty = false;
        if !std::mem::take(&mut session.flow_due) || !session.is_writable() {
            return;
        }
        session.widen_window(self.config.max_frame_size);
        self.write_flow(id, None, false);
    }

    /// Puts the session on the list of those that [`flush`](Self::flush) looks at.
    pub(crate) fn mark_session(&mut self, id: SessionId) {
        let (Some(wire), Some(session)) = (self.wire.as_deref_mut(), self.sessions.get_mut(id)) else {
            return;
        };
        if !session.dirty {
            session.dirty = true;
            wire.dirty_sessions.push(id);
        }
    }

    pub(crate) fn flush_session_dispositions(&mut self, id: SessionId) {
        for role in [Role::Receiver, Role::Sender] {
            let Some(session) = self.sessions.get_mut(id) else { return };
            if let Some(pending) = session.dispositions[role as usize & 1].take() {
                self.write_disposition(id, pending, role);
            }
        }
    }

    pub(crate) fn flush_dispositions_of(&mut self, link: LinkId) {
        if let Some(session) = self.links.get(link).map(|link| link.session) {
            self.flush_session_dispositions(session);
        }
    }

    pub(crate) fn write_disposition(&mut self, id: SessionId, pending: Pending, role: Role) {
        if let Some(session) = self.sessions.get(id)
            && session.is_writable()
            && let Some(channel) = session.local_channel
        {
            self.write(channel, &pending.into_frame(role));
        }
    }

    /// Writes a flow for the session, and for one of its links if given.
    pub(crate) fn write_flow(&mut self, id: SessionId, link: Option<LinkId>, echo: bool) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let (true, Some(channel)) = (session.is_writable(), session.local_channel) else { return };
        session.widen_window(self.config.max_frame_size);
        let mut flow = Flow { echo, ..Flow::default() };
        session.window.fill(&mut flow, session.remote_begin.is_some(), session.config.outgoing_window);
        if let Some(link) = link.and_then(|id| self.links.get(id)) {
            let Some(handle) = link.local_handle else { return };
            flow.handle = Some(handle);
            flow.delivery_count = Some(link.delivery_count.0);
            flow.link_credit = Some(link.credit);
            flow.available = link.is_sender().then_some(link.available.max(link.queue.len() as u32));
            flow.drain = link.drain;
            flow.properties = link.flow_properties.as_deref().cloned();
        }
        self.write(channel, &flow);
    }

    /// Writes one frame. The caller has made sure that the wire is writable.
    pub(crate) fn write(&mut self, channel: u16, performative: &impl Encode) {
        self.write_typed(FRAME_AMQP, channel, performative);
    }

    pub(crate) fn write_sasl(&mut self, body: &impl Encode) {
        self.write_typed(FRAME_SASL, 0, body);
    }

    fn write_typed(&mut self, frame_type: u8, channel: u16, body: &impl Encode) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if wire.finished || (wire.close_sent && frame_type == FRAME_AMQP) {
            return;
        }
        let buffer = wire.out.tail();
        let start = frame::begin_frame(buffer, frame_type, channel);
        body.encode(&mut Writer::new(buffer));
        frame::end_frame(buffer, start);
        if let Some(trace) = &self.config.trace {
            (trace.0)(&super::input::trace_line(true, &buffer[start..]));
        }
    }
}
