//! Delivery states and settlement, ours and the peer's (2.6.12, 2.7.6).

use std::time::Instant;

use deuteron_codec::{DeliveryState, Disposition, Role};

use super::Connection;
use super::transfer::role_of;
use crate::delivery::Delivery;
use crate::event::Event;
use crate::id::DeliveryId;
use crate::serial::Serial;

impl Connection {
    /// Our state for a delivery, and our settlement of it.
    pub(crate) fn dispose(&mut self, id: DeliveryId, state: Option<DeliveryState>, settled: bool) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        if state.is_some() {
            delivery.local = state;
        }
        if delivery.outgoing && (delivery.queued || !delivery.sent && delivery.on_wire) {
            // The transfers that are still to come say so.
            if settled {
                delivery.locally_settled = true;
                delivery.forgotten = true;
            }
            return;
        }
        let settled = settled && !self.waits_for_sender(id);
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        if delivery.on_wire && !delivery.remotely_settled && !delivery.locally_settled {
            let (number, state) = (delivery.number, delivery.local.clone());
            let (session_id, role) = (delivery.session, role_of(delivery.outgoing));
            if let Some(session) = self.sessions.get_mut(session_id) {
                let broken = session.dispositions[role as usize & 1].add(number, state, settled);
                let clean = !session.dirty;
                if let Some(pending) = broken {
                    self.write_disposition(session_id, pending, role);
                }
                if clean {
                    self.mark_session(session_id);
                }
            }
        }
        if settled {
            self.settled(id);
        }
    }

    /// We have settled: the delivery goes, unless its last part is still to come.
    fn settled(&mut self, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        delivery.locally_settled = true;
        if !delivery.outgoing && !delivery.complete && !delivery.aborted && delivery.on_wire {
            delivery.payload = Default::default();
            return;
        }
        self.drop_delivery(id);
    }

    /// Takes a delivery out of all that counts it.
    pub(crate) fn drop_delivery(&mut self, id: DeliveryId) {
        let Some(delivery) = self.deliveries.remove(id) else { return };
        if delivery.resumed.is_some() {
            self.resumption_over(delivery.link);
        }
        if delivery.on_wire
            && let Some(session) = self.sessions.get_mut(delivery.session)
        {
            let ring = if delivery.outgoing { &mut session.outgoing } else { &mut session.incoming };
            ring.remove(delivery.number);
        }
        let Some(link) = self.links.get_mut(delivery.link) else { return };
        link.deliveries = link.deliveries.saturating_sub(1);
        if link.partial == Some(id) {
            link.partial = None;
        }
        if link.stream == Some(id) {
            link.stream = None;
        }
        if delivery.queued {
            link.queue.retain(|queued| *queued != id);
        }
        let bytes = delivery.payload.len();
        if delivery.unread || delivery.counted && bytes > 0 {
            self.was_read(delivery.session, delivery.link, bytes, delivery.unread);
        }
    }

    pub(crate) fn forget_delivery(&mut self, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        let over = delivery.outgoing && !delivery.on_wire && !delivery.queued && !delivery.suspended;
        if !delivery.outgoing || delivery.remotely_settled || over || is_over(delivery) {
            self.dispose(id, None, true);
        } else {
            delivery.forgotten = true;
        }
    }

    pub(crate) fn cancel_delivery(&mut self, id: DeliveryId) -> bool {
        let Some(delivery) = self.deliveries.get(id) else { return false };
        if !delivery.outgoing || delivery.on_wire || delivery.replayed || !delivery.queued {
            return false;
        }
        self.drop_delivery(id);
        true
    }

    pub(crate) fn on_disposition(&mut self, channel: u16, disposition: Disposition, now: Instant) {
        let Some(session_id) = self.live_session_of(channel, "disposition", now) else { return };
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let outgoing = disposition.role == Role::Receiver;
        let first = Serial(disposition.first);
        let last = disposition.last.map_or(first, Serial);
        let ring = if outgoing { &mut session.outgoing } else { &mut session.incoming };
        let mut acknowledged: Vec<DeliveryId> = Vec::new();
        for offset in ring.range(first, last) {
            let Some(id) = ring.at(offset) else { continue };
            let Some(delivery) = self.deliveries.get_mut(id) else { continue };
            if disposition.state.is_some() {
                delivery.remote.clone_from(&disposition.state);
            }
            if disposition.settled {
                delivery.remotely_settled = true;
                // An entry that still has parts to come keeps its number.
                if delivery.complete && (delivery.sent || !outgoing) {
                    delivery.on_wire = false;
                    ring.clear_at(offset);
                }
            }
            if !delivery.forgotten {
                self.events.push_back(Event::DeliveryUpdated(id));
            } else if is_over(delivery) {
                acknowledged.push(id);
            }
        }
        ring.trim();
        for id in acknowledged {
            self.dispose(id, None, true);
        }
    }
}

/// A delivery that nobody waits for is done once the peer has settled it, or has given an outcome and waits for us.
pub(super) fn is_over(delivery: &Delivery) -> bool {
    let outcome = delivery.remote.as_ref().is_some_and(DeliveryState::is_terminal);
    if !delivery.outgoing {
        return delivery.remotely_settled;
    }
    delivery.sent && (delivery.remotely_settled || outcome)
}
