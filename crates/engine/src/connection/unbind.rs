//! The wire goes, the endpoints stay.

use std::collections::VecDeque;
use std::time::Instant;

use deuteron_codec::{DeliveryState, Error};

use super::Connection;
use crate::config::Recovery;
use crate::delivery::Delivery;
use crate::endpoint::EndpointState;
use crate::error::{Cause, Failure};
use crate::event::Event;
use crate::id::{DeliveryId, LinkId};

impl Connection {
    /// The transport is gone, for the given reason if it failed. Channels, handles, windows and delivery numbers go with
    /// it. Sessions, links and queued messages stay; sends that were not settled are replayed on the next wire or
    /// reported lost, as their link says.
    pub fn unbind(&mut self, reason: Option<Error>, _now: Instant) {
        if self.wire.take().is_none() {
            return;
        }
        if let Some(error) = reason
            && self.failure.is_none()
        {
            self.failure = Some(Box::new(Failure { error, cause: Cause::Lost }));
        }
        self.deadlines.clear();
        for link in self.links.keys() {
            self.suspend(link, true, false);
        }
        for id in self.sessions.keys() {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            session.start_wire();
            session.endpoint.forget_remote();
            session.begin_token += 1;
            if let Some(comeback) = session.comeback.as_deref_mut() {
                comeback.waiting = false;
                if std::mem::take(&mut comeback.ending) {
                    session.endpoint.local = EndpointState::Open;
                }
            }
            // What the peer began and we never answered goes with the wire; so does what nobody wants.
            if session.forgotten || session.endpoint.local == EndpointState::Uninit {
                self.sessions.remove(id);
            }
        }
        for id in self.links.keys() {
            let Some(link) = self.links.get_mut(id) else { continue };
            let orphan = self.sessions.get(link.session).is_none();
            if link.forgotten || orphan || link.endpoint.local == EndpointState::Uninit {
                let (name, role, session) = (link.config.name.clone(), link.config.role, link.session);
                if let Some(session) = self.sessions.get_mut(session)
                    && session.names(role).get(&name) == Some(&id)
                {
                    session.names(role).remove(&name);
                }
                self.links.remove(id);
                continue;
            }
            if std::mem::take(&mut link.reattach) {
                link.endpoint.local = EndpointState::Open;
            }
            self.take_link_off_wire(id);
        }
        self.endpoint.forget_remote();
        self.raise(Event::Unbound);
    }

    /// The link is over on a live wire, as far as it goes: when neither side is attached any more, what is unsettled will
    /// not be settled here.
    pub(crate) fn link_over(&mut self, id: LinkId) {
        let Some(link) = self.links.get(id) else { return };
        let session_over = self.sessions.get(link.session).is_none_or(|session| {
            session.endpoint.remote.is_over()
                || session.endpoint.local.is_over() && session.local_channel.is_none()
        });
        let both =
            link.endpoint.local.is_over() && (link.endpoint.remote.is_over() || link.local_handle.is_none());
        if both || session_over {
            // A terminus may outlive its session: whether this one does is for the link's owner to say.
            let resumes = link.config.recovery == Recovery::Resume && session_over;
            self.suspend(id, resumes, session_over && !resumes);
        }
    }

    /// Takes the link's deliveries off the wire: unsettled sends are put back into the queue, or are lost.
    pub(crate) fn suspend(&mut self, id: LinkId, unbound: bool, session_over: bool) {
        let connection_closed = self.endpoint.local == EndpointState::Closed;
        self.suspend_resumption(id, unbound, session_over);
        let Some(link) = self.links.get_mut(id) else { return };
        if link.deliveries == 0 {
            return;
        }
        let resume = link.resume.is_some();
        let sender = link.is_sender();
        let local = link.endpoint.local;
        let over = local == EndpointState::Closed || session_over || connection_closed;
        let back = local == EndpointState::Detached || unbound && local == EndpointState::Open;
        let replay = link.config.recovery == Recovery::Replay && back && !over;
        let partial = link.partial.take();
        let Some(session) = self.sessions.get(link.session) else { return };
        let ring = if sender { &session.outgoing } else { &session.incoming };
        let deliveries = &self.deliveries;
        let on_wire: Vec<_> = ring
            .iter()
            .map(|(_, delivery)| delivery)
            .filter(|key| deliveries.get(*key).is_some_and(|delivery| delivery.link == id))
            .collect();
        if sender {
            self.suspend_sends(id, &on_wire, replay, over);
        } else if resume {
            self.suspend_receipts(id, &on_wire, partial);
        } else {
            for delivery in on_wire {
                self.take_off_wire(delivery);
                let decided =
                    |delivery: &Delivery| delivery.local.as_ref().is_some_and(DeliveryState::is_terminal);
                if self.deliveries.get(delivery).is_some_and(decided) {
                    // It waited for the sender to settle (2.8.3, second), of which nothing will be heard any more.
                    self.drop_delivery(delivery);
                }
            }
            if let Some(partial) = partial {
                self.drop_delivery(partial);
            }
        }
    }

    fn suspend_sends(&mut self, id: LinkId, on_wire: &[DeliveryId], replay: bool, over: bool) {
        let resumes = self.links.get(id).is_some_and(|link| link.resume.is_some());
        let mut again = VecDeque::new();
        for &delivery_id in on_wire {
            self.take_off_wire(delivery_id);
            let Some(delivery) = self.deliveries.get_mut(delivery_id) else { continue };
            let whole = delivery.complete || delivery.queued;
            let decided = delivery.sent && delivery.remote.as_ref().is_some_and(DeliveryState::is_terminal);
            if decided {
                // The outcome is known, only our answer to it was not: there is nothing to repeat.
                delivery.remotely_settled = true;
                self.report(delivery_id, Event::DeliveryUpdated(delivery_id));
            } else if resumes {
                if !self.suspend_send(id, delivery_id) {
                    self.lose(id, delivery_id);
                }
            } else if replay && whole && !delivery.locally_settled && !is_transactional(delivery) {
                delivery.framed = 0;
                delivery.sent = false;
                delivery.overdue = false;
                if !std::mem::replace(&mut delivery.queued, true) {
                    again.push_back(delivery_id);
                }
            } else {
                self.lose(id, delivery_id);
            }
        }
        self.suspend_queued(id);
        let Some(link) = self.links.get_mut(id) else { return };
        // A message of which a part was sent is still first in the queue; those sent whole go before it.
        again.append(&mut link.queue);
        link.queue = again;
        let deliveries = &self.deliveries;
        let stale = |key: &DeliveryId| over || deliveries.get(*key).is_some_and(is_transactional);
        if link.queue.iter().any(stale) {
            let (gone, kept) = std::mem::take(&mut link.queue).into_iter().partition(stale);
            link.queue = kept;
            self.lose_queued(id, gone);
        }
    }

    fn lose_queued(&mut self, id: LinkId, gone: VecDeque<DeliveryId>) {
        for delivery in gone {
            if let Some(delivery) = self.deliveries.get_mut(delivery) {
                delivery.queued = false;
            }
            self.lose(id, delivery);
        }
    }

    pub(super) fn take_off_wire(&mut self, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        delivery.on_wire = false;
        if let Some(session) = self.sessions.get_mut(delivery.session) {
            let ring = if delivery.outgoing { &mut session.outgoing } else { &mut session.incoming };
            ring.remove(delivery.number);
        }
    }

    pub(super) fn lose(&mut self, link: LinkId, id: DeliveryId) {
        if let (Some(link), Some(delivery)) = (self.links.get_mut(link), self.deliveries.get_mut(id)) {
            if std::mem::take(&mut delivery.queued) {
                link.queue.retain(|queued| *queued != id);
            }
            if link.stream == Some(id) {
                link.stream = None;
            }
            delivery.payload = Default::default();
        }
        self.report(id, Event::DeliveryLost(id));
    }

    /// Raises the event if anybody waits for the delivery; otherwise it goes.
    pub(super) fn report(&mut self, id: DeliveryId, event: Event) {
        if self.deliveries.get(id).is_some_and(|delivery| delivery.forgotten || delivery.locally_settled) {
            self.drop_delivery(id);
        } else {
            self.raise(event);
        }
    }
}

/// A transaction ends with the wire it was declared on (4.3): on the next one nobody knows it.
pub(super) fn is_transactional(delivery: &Delivery) -> bool {
    matches!(delivery.local, Some(DeliveryState::Transactional(_)))
}
