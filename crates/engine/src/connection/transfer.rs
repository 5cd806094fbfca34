//! Messages on their way in: transfers become deliveries (2.6.12, 2.6.14).

use std::time::Instant;

use bytes::Bytes;
use deuteron_codec::{Error, Role, Transfer, condition};

use super::Connection;
use crate::config::Recovery;
use crate::delivery::Delivery;
use crate::endpoint::EndpointState;
use crate::event::Event;
use crate::id::{DeliveryId, LinkId, SessionId};
use crate::link::Link;
use crate::link::resume::Resumed;
use crate::session::Session;

impl Connection {
    pub(crate) fn on_transfer(&mut self, channel: u16, transfer: Transfer, payload: Bytes, now: Instant) {
        if !self.wire.as_deref().is_some_and(|wire| wire.open_received) {
            self.violation(condition::NOT_ALLOWED, "transfer before open", now);
            return;
        }
        let Some(session_id) = self.live_session_of(channel, "transfer", now) else { return };
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        if session.window.on_transfer().is_err() {
            self.session_violation(
                session_id,
                condition::WINDOW_VIOLATION,
                "transfer beyond the incoming window",
            );
            return;
        }
        let window_due = !session.flow_due && session.may_widen(self.config.max_frame_size);
        let Some(link_id) = session.link_at(transfer.handle) else {
            let what = format!("transfer on handle {}, to which no link is attached", transfer.handle);
            self.session_violation(session_id, condition::UNATTACHED_HANDLE, what);
            return;
        };
        if window_due {
            session.flow_due = true;
            self.mark_session(session_id);
        }
        let Some(link) = self.links.get(link_id) else { return };
        if link.is_sender() {
            let what = "transfer on a link whose sender is on the other side";
            self.session_violation(session_id, condition::NOT_ALLOWED, what);
        } else if link.endpoint.local.is_open() {
            // A link that we have detached: what was under way when we did is thrown away.
            self.receive(session_id, link_id, transfer, payload);
        } else if is_errant(link, &transfer) {
            let what = "another transfer on a link that was closed for a transfer without credit";
            self.session_violation(session_id, condition::ERRANT_LINK, what);
        } else {
            let unanswered = link.endpoint.local == EndpointState::Uninit;
            self.skip_number(session_id, &transfer);
            if unanswered {
                let what = "transfer without credit, on a link that was not answered yet";
                self.reject_link(link_id, Error::new(condition::TRANSFER_LIMIT_EXCEEDED, what));
            }
        }
    }

    /// Keeps count of delivery-ids that are of no interest. A later part may repeat its delivery's.
    fn skip_number(&mut self, id: SessionId, transfer: &Transfer) {
        let (Some(session), Some(number)) = (self.sessions.get_mut(id), transfer.delivery_id) else { return };
        let (number, next) = (crate::serial::Serial(number), session.incoming.next());
        if session.incoming.is_started() && next.is_before(number) {
            let what = format!("delivery-id {} came where {} was due", number.0, next.0);
            self.session_violation(id, condition::INVALID_FIELD, what);
        } else {
            session.incoming.skip_to(number.add(1));
        }
    }

    fn receive(&mut self, session: SessionId, link_id: LinkId, transfer: Transfer, payload: Bytes) {
        let partial = self.links.get(link_id).and_then(|link| link.partial);
        let id = match partial {
            Some(id) => {
                let number = self.deliveries.get(id).map(|delivery| delivery.number.0);
                if transfer.delivery_id.is_some() && transfer.delivery_id != number {
                    let what = "transfer of another delivery before the last one of the link was complete";
                    self.session_violation(session, condition::NOT_ALLOWED, what);
                    return;
                }
                id
            }
            None => match self.begin_delivery(session, link_id, &transfer) {
                Some(id) => id,
                None => return,
            },
        };
        self.add_part(session, link_id, id, transfer, payload);
    }

    /// The first transfer of a delivery: it has a number, a tag, and credit.
    fn begin_delivery(
        &mut self,
        session_id: SessionId,
        link_id: LinkId,
        transfer: &Transfer,
    ) -> Option<DeliveryId> {
        let (Some(number), Some(tag)) = (transfer.delivery_id, transfer.delivery_tag) else {
            let missing = if transfer.delivery_id.is_none() { "delivery-id" } else { "delivery-tag" };
            let what = format!("the first transfer of a delivery has no {missing}");
            self.session_violation(session_id, condition::INVALID_FIELD, what);
            return None;
        };
        let session = self.sessions.get_mut(session_id)?;
        let link = self.links.get_mut(link_id)?;
        let number = crate::serial::Serial(number);
        if session.incoming.is_started() && session.incoming.next() != number {
            let what = format!("delivery-id {} came where {} was due", number.0, session.incoming.next().0);
            self.session_violation(session_id, condition::INVALID_FIELD, what);
            return None;
        }
        if session.incoming.span() >= self.config.limits.unsettled {
            let what = format!("more than {} unsettled deliveries", self.config.limits.unsettled);
            self.session_violation(session_id, condition::RESOURCE_LIMIT_EXCEEDED, what);
            return None;
        }
        if link.credit == 0 && !link.overdraw() {
            session.incoming.skip_to(number.add(1));
            self.link_violation(link_id, condition::TRANSFER_LIMIT_EXCEEDED, "transfer without credit");
            return None;
        }
        if !transfer.resume && link.is_comparing() {
            // 2.7.3, incomplete-unsettled.
            session.incoming.skip_to(number.add(1));
            let what = "a new delivery on a link whose unsettled map was incomplete";
            self.link_violation(link_id, condition::NOT_ALLOWED, what);
            return None;
        }
        if let Some(known) = transfer.resume.then(|| link.take_receipt(&tag)).flatten()
            && let Some(delivery) = self.deliveries.get_mut(known)
        {
            delivery.number = number;
            delivery.on_wire = true;
            delivery.suspended = false;
            delivery.resumed = Some(Resumed::Whole);
            session.incoming.start_at(number);
            session.incoming.push(known);
            return Some(known);
        }
        let mut delivery = Delivery::new(session_id, link_id, tag, false);
        // 2.7.5: a resumed one that we do not know is ignored.
        delivery.locally_settled = transfer.resume && link.config.recovery == Recovery::Resume;
        delivery.message_format = transfer.message_format.unwrap_or(0);
        delivery.number = number;
        delivery.on_wire = true;
        let id = self.deliveries.insert(delivery);
        session.incoming.start_at(number);
        session.incoming.push(id);
        link.deliveries += 1;
        Some(id)
    }

    fn add_part(
        &mut self,
        session_id: SessionId,
        link_id: LinkId,
        id: DeliveryId,
        transfer: Transfer,
        payload: Bytes,
    ) {
        let (Some(session), Some(link), Some(delivery)) =
            (self.sessions.get_mut(session_id), self.links.get_mut(link_id), self.deliveries.get_mut(id))
        else {
            return;
        };
        if transfer.settled == Some(true) && !delivery.remotely_settled {
            delivery.remotely_settled = true;
            session.incoming.remove(delivery.number);
        }
        if delivery.complete {
            self.resumed_part(link_id, id, transfer);
            return;
        }
        if transfer.state.is_some() {
            delivery.remote = transfer.state;
        }
        delivery.rcv_settle_mode = transfer.rcv_settle_mode.or(delivery.rcv_settle_mode);
        if transfer.aborted {
            self.aborted(session_id, link_id, id);
            return;
        }
        let limit = match link.config.max_message_size {
            0 => self.config.limits.message_size,
            size => size,
        };
        delivery.received += payload.len() as u64;
        keep(session, link, delivery, payload);
        if delivery.received > limit {
            link.partial = None;
            let what = format!("a message of more than {limit} bytes");
            self.drop_delivery(id);
            self.link_violation(link_id, condition::MESSAGE_SIZE_EXCEEDED, what);
            return;
        }
        if transfer.more {
            link.partial = Some(id);
            if link.config.partial_events {
                self.raise(Event::DeliveryPartial(id));
            }
            return;
        }
        link.partial = None;
        if delivery.locally_settled {
            self.drop_delivery(id);
        } else {
            is_whole(session, link, delivery);
            self.events.push_back(Event::Delivered(id));
        }
        self.credit_used(link_id);
    }

    fn aborted(&mut self, session_id: SessionId, link_id: LinkId, id: DeliveryId) {
        let (Some(session), Some(link), Some(delivery)) =
            (self.sessions.get_mut(session_id), self.links.get_mut(link_id), self.deliveries.get_mut(id))
        else {
            return;
        };
        link.partial = None;
        // 2.6.14: an aborted delivery counts as settled.
        session.incoming.remove(delivery.number);
        delivery.on_wire = false;
        delivery.aborted = true;
        delivery.remotely_settled = true;
        let locally_settled = delivery.locally_settled;
        let dropped = if delivery.counted { delivery.payload.len() } else { 0 };
        delivery.payload = Default::default();
        if dropped > 0 {
            self.was_read(session_id, link_id, dropped, false);
        }
        if locally_settled {
            self.drop_delivery(id);
        } else {
            self.raise(Event::DeliveryAborted(id));
        }
        self.credit_used(link_id);
    }

    /// The payload so far, in one piece.
    pub(crate) fn take_payload(&mut self, id: DeliveryId) -> Bytes {
        let Some(delivery) = self.deliveries.get_mut(id) else { return Bytes::new() };
        if delivery.outgoing {
            return Bytes::new();
        }
        let payload = delivery.payload.join();
        let was_unread = std::mem::take(&mut delivery.unread);
        let (session, link, counted) = (delivery.session, delivery.link, delivery.counted);
        if was_unread || counted && !payload.is_empty() {
            self.was_read(session, link, payload.len(), was_unread);
        }
        payload
    }

    pub(crate) fn read_payload(&mut self, id: DeliveryId) -> Option<Bytes> {
        let delivery = self.deliveries.get_mut(id).filter(|delivery| !delivery.outgoing)?;
        let chunk = delivery.payload.pop()?;
        let (session, link, unread, counted) =
            (delivery.session, delivery.link, delivery.unread, delivery.counted);
        let last = unread && delivery.payload.len() == 0;
        if last {
            delivery.unread = false;
        }
        if unread || counted {
            self.was_read(session, link, chunk.len(), last);
        }
        Some(chunk)
    }

    /// The application has taken `bytes`; that may widen the window, and give credit for another message.
    pub(crate) fn was_read(&mut self, session_id: SessionId, link_id: LinkId, bytes: usize, whole: bool) {
        if let Some(session) = self.sessions.get_mut(session_id) {
            session.buffered = session.buffered.saturating_sub(bytes);
            if !session.flow_due && session.may_widen(self.config.max_frame_size) {
                session.flow_due = true;
                self.mark_session(session_id);
            }
        }
        if whole && let Some(link) = self.links.get_mut(link_id) {
            link.unread = link.unread.saturating_sub(1);
            self.top_up(link_id);
        }
    }

    #[inline]
    fn top_up(&mut self, link_id: LinkId) {
        if let Some(link) = self.links.get_mut(link_id)
            && link.is_attached()
            && link.refill_credit()
        {
            self.flow_due(link_id, false);
        }
    }
}

/// The last part of a message is here.
#[inline]
fn is_whole(session: &mut Session, link: &mut Link, delivery: &mut Delivery) {
    delivery.complete = true;
    delivery.unread = true;
    link.unread += 1;
    if !delivery.counted {
        session.buffered += delivery.payload.len();
    }
}

/// Keeps a part of a message, unless it was settled before it was whole.
fn keep(session: &mut Session, link: &Link, delivery: &mut Delivery, payload: Bytes) {
    if delivery.locally_settled {
        return;
    }
    if session.config.strict_capacity && link.config.partial_events {
        delivery.counted = true;
        session.buffered += payload.len();
    }
    delivery.payload.push(payload);
}

/// 2.6.5 ends the session for any input to a link that was detached with an error. A peer whose messages were on the way
/// when we detached cannot know of it, so we end it only for one that goes on sending without credit.
fn is_errant(link: &Link, transfer: &Transfer) -> bool {
    let without_credit = |error: &Error| error.condition == condition::TRANSFER_LIMIT_EXCEEDED;
    link.endpoint.error.as_deref().is_some_and(without_credit) && transfer.delivery_id.is_some()
}

/// The role of our side for deliveries in the given direction.
pub(crate) fn role_of(outgoing: bool) -> Role {
    if outgoing { Role::Sender } else { Role::Receiver }
}
