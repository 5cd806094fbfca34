//! Flow control of links (2.6.7): credit, drain, echo.

use std::time::Instant;

use deuteron_codec::{Flow, Map, condition};

use super::Connection;
use crate::event::{Deadline, Event};
use crate::id::{LinkId, SessionId};
use crate::serial::Serial;

impl Connection {
    /// A flow for the link is to be written at the next transmit.
    pub(crate) fn flow_due(&mut self, id: LinkId, echo: bool) {
        let (Some(wire), Some(link)) = (self.wire.as_deref_mut(), self.links.get_mut(id)) else { return };
        link.flow_echo |= echo;
        if !link.flow_due {
            link.flow_due = true;
            wire.dirty_links.push(id);
        }
    }

    pub(crate) fn write_due_flow(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.flow_due = false;
        let echo = std::mem::take(&mut link.flow_echo);
        if !link.is_attached() {
            return;
        }
        if link.is_sender() && link.drain && link.config.auto_drained && link.queue.is_empty() {
            self.drained(id);
            return;
        }
        link.overdrawn = 0;
        let session = link.session;
        self.write_flow(session, Some(id), echo);
        if let Some(link) = self.links.get_mut(id)
            && link.is_sender()
            && link.credit == 0
        {
            // Messages have used the credit up: this flow has answered the drain.
            link.drain = false;
        }
    }

    /// A message has used one of the peer's credits. The last one ends a drain, whether or not a flow says so too.
    #[inline]
    pub(crate) fn credit_used(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.delivery_count = link.delivery_count.add(1);
        link.credit = link.credit.saturating_sub(1);
        if link.drain && link.credit == 0 {
            link.drain = false;
            self.raise(Event::LinkDrained(id));
        } else if link.is_attached() && link.refill_credit() {
            self.flow_due(id, false);
        }
    }

    pub(crate) fn on_flow(&mut self, channel: u16, flow: Flow, now: Instant) {
        let Some(id) = self.live_session_of(channel, "flow", now) else { return };
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.window.on_flow(&flow);
        let link = match flow.handle {
            None => None,
            Some(handle) => match session.link_at(handle) {
                Some(link) => Some(link),
                None => {
                    let what = format!("flow on handle {handle}, to which no link is attached");
                    self.session_violation(id, condition::UNATTACHED_HANDLE, what);
                    return;
                }
            },
        };
        match link {
            Some(link) => self.on_link_flow(link, flow),
            None if flow.echo => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.flow_due = true;
                }
                self.mark_session(id);
            }
            None => {}
        }
        self.pump_held(id);
    }

    fn on_link_flow(&mut self, id: LinkId, flow: Flow) {
        let Some(link) = self.links.get_mut(id) else { return };
        if link.forgotten || link.endpoint.local.is_over() {
            // Written before the peer saw our detach.
            return;
        }
        link.remote_flow_properties = flow.properties.map(Box::new);
        if link.is_sender() {
            // 2.6.7: link-credit(snd) := delivery-count(rcv) + link-credit(rcv) - delivery-count(snd); a receiver that
            // has not seen our Attach yet counts from our initial delivery-count.
            if let Some(credit) = flow.link_credit {
                link.credit = link.delivery_count.left_of(credit, Serial(flow.delivery_count.unwrap_or(0)));
            }
            link.drain = flow.drain;
            let answers = flow.echo || flow.drain && link.config.auto_drained;
            self.pump(id);
            self.raise(Event::LinkFlow(id));
            if answers {
                self.flow_due(id, false);
            }
            return;
        }
        link.available = flow.available.unwrap_or(0);
        if let Some(count) = flow.delivery_count {
            // The sender has advanced its count: that credit is used up without messages (2.6.7, drain).
            let skipped = Serial(count).distance(link.delivery_count).max(0) as u32;
            // A message of which a part is here counts here when it is whole. Senders count it with its first part; one that does
            // not is believed with its next flow.
            let skipped = skipped.saturating_sub(u32::from(link.partial.is_some()));
            link.credit = link.credit.saturating_sub(skipped);
            link.delivery_count = link.delivery_count.add(skipped);
        }
        if link.drain && link.credit == 0 {
            link.drain = false;
            self.raise(Event::LinkDrained(id));
        } else {
            self.raise(Event::LinkFlow(id));
        }
        if flow.echo {
            self.flow_due(id, false);
        }
    }

    pub(crate) fn add_credit(&mut self, id: LinkId, count: u32) {
        let Some(link) = self.links.get_mut(id).filter(|link| !link.is_sender()) else { return };
        link.credit = link.credit.saturating_add(count);
        link.paused = false;
        if link.is_attached() {
            self.flow_due(id, false);
        }
    }

    pub(crate) fn set_credit_window(&mut self, id: LinkId, count: u32) {
        let Some(link) = self.links.get_mut(id).filter(|link| !link.is_sender()) else { return };
        link.config.credit_window = count;
        link.paused = false;
        if link.is_attached() && link.refill_credit() {
            self.flow_due(id, false);
        }
    }

    pub(crate) fn drain(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id).filter(|link| !link.is_sender()) else { return };
        link.paused = true;
        if link.credit == 0 {
            // Nothing to give back.
            self.raise(Event::LinkDrained(id));
            return;
        }
        link.drain = true;
        link.drain_token += 1;
        let (timeout, token) = (link.config.drain_timeout, link.drain_token);
        self.deadlines.start(Deadline::Drain(id), timeout, token);
        if self.links.get(id).is_some_and(|link| link.is_attached()) {
            self.flow_due(id, false);
        }
    }

    /// A sender has no more messages for a peer that drains: its credit is used up.
    pub(crate) fn drained(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        // A message that is on its way, and waits for its next part, has its credit.
        let first = link.queue.front().and_then(|first| self.deliveries.get(*first));
        let begun = first.is_some_and(|delivery| delivery.on_wire && !delivery.complete);
        if !link.is_sender() || !link.drain || link.queue.len() > usize::from(begun) {
            return;
        }
        link.delivery_count = link.delivery_count.add(link.credit);
        link.credit = 0;
        let session = link.session;
        self.write_flow(session, Some(id), false);
        if let Some(link) = self.links.get_mut(id) {
            link.drain = false;
        }
    }

    pub(crate) fn end_drain(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id).filter(|link| !link.is_sender() && link.drain) else {
            return;
        };
        link.drain = false;
        if link.is_attached() {
            self.flow_due(id, false);
        }
    }

    pub(crate) fn offered(&mut self, id: LinkId, available: u32) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.is_sender()) else { return };
        link.available = available;
        if link.is_attached() {
            self.flow_due(id, false);
        }
    }

    pub(crate) fn set_flow_properties(&mut self, id: LinkId, properties: Option<Map>) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.is_attached()) else { return };
        link.flow_properties = properties.map(Box::new);
        self.flow_due(id, false);
    }

    /// Sends what the session's window or the output's limit has held back.
    pub(crate) fn pump_held(&mut self, id: SessionId) {
        let (Some(wire), Some(session)) = (self.wire.as_deref_mut(), self.sessions.get(id)) else { return };
        if session.held.is_empty() || session.window.sendable() == 0 {
            return;
        }
        if wire.out.len() >= self.config.limits.output {
            wire.any_held = true;
            return;
        }
        let waiting = session.held.len();
        for _ in 0..waiting {
            let Some(link) = self.sessions.get_mut(id).and_then(|session| session.held.pop_front()) else {
                return;
            };
            if let Some(entry) = self.links.get_mut(link) {
                entry.held = false;
            }
            self.pump(link);
            if self.links.get(link).is_some_and(|link| !link.held && link.queue.is_empty() && link.credit > 0)
            {
                self.raise(Event::LinkFlow(link));
            }
        }
    }
}
