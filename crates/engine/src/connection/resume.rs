//! Links that are attached again go on with what was unsettled (2.6.13).
//!
//! Each side's Attach names what it has not settled. A sender compares: what the receiver has decided is the outcome,
//! and a settled transfer without payload ends it; what the receiver has is sent again as resumed; what it
//! does not have never reached it, and is sent as new. A receiver takes what the sender no longer has as settled, and
//! waits for the sender to resume the rest.
//!
//! A map that does not fit a frame is cut off, and says so (2.7.3, incomplete-unsettled): what is in both maps is resumed,
//! nothing new is sent, and once that is settled the sender detaches and attaches again, until the maps are whole. Where
//! they have nothing in common that could be settled, the rest is reported lost.

use std::collections::{HashMap, VecDeque};

use deuteron_codec::{DeliveryState, DeliveryTag, ReceiverSettleMode, Transfer, Value};

use super::Connection;
use super::unbind::is_transactional;
use crate::config::Recovery;
use crate::delivery::Delivery;
use crate::endpoint::EndpointState;
use crate::event::Event;
use crate::id::{DeliveryId, LinkId};
use crate::link::resume::{Resume, Resumed, Suspended, state_of, tags};

impl Connection {
    /// The link is off its wire: whether it is to be resumed is settled here, and what is left of earlier attachments
    /// goes if it is not.
    pub(crate) fn suspend_resumption(&mut self, id: LinkId, unbound: bool, session_over: bool) {
        let connection_closed = self.endpoint.local == EndpointState::Closed;
        let Some(link) = self.links.get_mut(id) else { return };
        let local = link.endpoint.local;
        let over = local == EndpointState::Closed || session_over || connection_closed;
        let back = local == EndpointState::Detached || unbound && local == EndpointState::Open;
        if link.config.recovery == Recovery::Resume && link.was_attached && back && !over {
            let resume = link.resume.get_or_insert_default();
            resume.compared = false;
            resume.incomplete = false;
            resume.under_way = 0;
        } else if let Some(left) = link.resume.take() {
            self.abandon_resumption(id, *left);
        }
    }

    fn abandon_resumption(&mut self, id: LinkId, left: Resume) {
        let mut receipts: Vec<_> = left.receipts.into_values().collect();
        receipts.sort_unstable();
        for delivery in left.sends.into_iter().chain(receipts) {
            if let Some(entry) = self.deliveries.get_mut(delivery) {
                entry.suspended = false;
            }
            self.lose(id, delivery);
        }
    }

    /// A send that was under way. True if it now waits for the peer's map.
    pub(super) fn suspend_send(&mut self, link: LinkId, id: DeliveryId) -> bool {
        let (Some(link), Some(delivery)) = (self.links.get_mut(link), self.deliveries.get_mut(id)) else {
            return false;
        };
        let Some(resume) = link.resume.as_deref_mut() else { return false };
        if delivery.locally_settled || is_transactional(delivery) {
            return false;
        }
        if std::mem::take(&mut delivery.queued) {
            link.queue.retain(|queued| *queued != id);
        }
        suspend(delivery);
        resume.sends.push_back(id);
        true
    }

    /// Resumed sends that had no credit yet on the wire that is gone.
    pub(super) fn suspend_queued(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        if link.resume.is_none() {
            return;
        }
        let deliveries = &self.deliveries;
        let resumed = |key: &DeliveryId| deliveries.get(*key).is_some_and(|entry| entry.resumed.is_some());
        let (again, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut link.queue).into_iter().partition(resumed);
        link.queue = kept;
        for key in again {
            let Some(delivery) = self.deliveries.get_mut(key) else { continue };
            delivery.queued = false;
            let finished = delivery.resumed.take() == Some(Resumed::Finish);
            if !finished {
                self.suspend_send(id, key);
            } else if delivery.locally_settled {
                self.drop_delivery(key);
            } else {
                // The outcome was told; that the peer does not hear our end of it is its own business.
                delivery.remotely_settled = true;
            }
        }
    }

    /// Messages that came on the wire that is gone: whole ones are kept, with what the application says of them.
    pub(super) fn suspend_receipts(
        &mut self,
        id: LinkId,
        on_wire: &[DeliveryId],
        partial: Option<DeliveryId>,
    ) {
        for &key in on_wire {
            self.take_off_wire(key);
            let (Some(link), Some(delivery)) = (self.links.get_mut(id), self.deliveries.get_mut(key)) else {
                continue;
            };
            let Some(resume) = link.resume.as_deref_mut() else { return };
            let transactional = is_transactional(delivery)
                || matches!(delivery.remote, Some(DeliveryState::Transactional(_)));
            if delivery.complete && !delivery.locally_settled && !transactional {
                suspend(delivery);
                resume.receipts.insert(delivery.tag, key);
            }
        }
        if let Some(partial) =
            partial.filter(|key| self.deliveries.get(*key).is_some_and(|entry| !entry.complete))
        {
            self.drop_delivery(partial);
        }
    }

    /// Both have attached: what each has said of unsettled deliveries is compared.
    pub(crate) fn compare_unsettled(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.is_attached() && !link.is_refused())
        else {
            return;
        };
        let Some(resume) = link.resume.as_deref_mut().filter(|resume| !resume.compared) else { return };
        resume.compared = true;
        let Some(attach) = link.remote_attach.as_deref() else { return };
        let (map, cut) = (attach.unsettled.clone(), attach.incomplete_unsettled);
        let Some(map) = map else {
            if let Some(left) = link.resume.take() {
                self.abandon_resumption(id, *left);
            }
            return;
        };
        resume.incomplete |= cut;
        let theirs: HashMap<DeliveryTag, &Value> = tags(&map).collect();
        if link.is_sender() {
            self.compare_sends(id, &theirs);
        } else {
            self.compare_receipts(id, &theirs, cut);
        }
        if let Some(link) = self.links.get_mut(id) {
            link.resume_is_over();
        }
    }

    fn compare_sends(&mut self, id: LinkId, theirs: &HashMap<DeliveryTag, &Value>) {
        let Some(link) = self.links.get_mut(id) else { return };
        let second = link.settles_second();
        let Some(resume) = link.resume.as_deref_mut() else { return };
        let incomplete = resume.incomplete;
        let (mut again, mut lost, mut later) = (VecDeque::new(), Vec::new(), VecDeque::new());
        let mut decided = Vec::new();
        for key in std::mem::take(&mut resume.sends) {
            let Some(delivery) = self.deliveries.get_mut(key) else { continue };
            match theirs.get(&delivery.tag).map(|state| state_of(state)) {
                Some(Some(state)) if state.is_terminal() => {
                    finish(delivery, state);
                    decided.push(key);
                }
                Some(_) => delivery.resumed = Some(Resumed::Whole),
                None if incomplete => {
                    later.push_back(key);
                    continue;
                }
                // A receiver that settles first may have taken it, and have said so in vain.
                None if !second => {
                    lost.push(key);
                    continue;
                }
                None => {}
            }
            resume.under_way += usize::from(delivery.resumed.is_some());
            delivery.suspended = false;
            delivery.queued = true;
            again.push_back(key);
        }
        resume.sends = later;
        let stuck = incomplete && resume.under_way == 0;
        again.append(&mut link.queue);
        link.queue = again;
        for key in lost {
            self.lose(id, key);
        }
        for key in decided {
            self.tell_decided(key);
        }
        if stuck {
            self.give_up_comparing(id);
        }
    }

    /// The transfer that ends a decided delivery is written: nothing more is to be heard of it.
    pub(super) fn finished(&mut self, id: DeliveryId) {
        self.take_off_wire(id);
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        delivery.remotely_settled = true;
        if delivery.locally_settled || delivery.forgotten {
            self.drop_delivery(id);
        } else {
            delivery.resumed = None;
            let link = delivery.link;
            self.resumption_over(link);
        }
    }

    fn tell_decided(&mut self, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        let link = delivery.link;
        if delivery.forgotten {
            delivery.locally_settled = true;
        } else {
            self.raise(Event::DeliveryUpdated(id));
        }
        if let Some(link) = self.links.get_mut(link).filter(|link| link.stream == Some(id)) {
            link.stream = None;
        }
    }

    /// The maps have nothing in common, and will not have next time: the rest will never be known.
    fn give_up_comparing(&mut self, id: LinkId) {
        let Some(resume) = self.links.get_mut(id).and_then(|link| link.resume.as_deref_mut()) else { return };
        let left = Resume { sends: std::mem::take(&mut resume.sends), ..Resume::default() };
        self.abandon_resumption(id, left);
        self.attach_once_more(id);
    }

    fn compare_receipts(&mut self, id: LinkId, theirs: &HashMap<DeliveryTag, &Value>, cut: bool) {
        let Some(resume) = self.links.get_mut(id).and_then(|link| link.resume.as_deref_mut()) else { return };
        if cut {
            return;
        }
        let gone = |tag: &DeliveryTag| !theirs.contains_key(tag);
        let mut settled: Vec<_> =
            resume.receipts.iter().filter(|(tag, _)| gone(tag)).map(|(_, key)| *key).collect();
        settled.sort_unstable();
        resume.receipts.retain(|tag, _| !gone(tag));
        for key in settled {
            self.settled_by_sender(key);
        }
    }

    fn settled_by_sender(&mut self, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        delivery.suspended = false;
        delivery.remotely_settled = true;
        if delivery.forgotten {
            self.drop_delivery(id);
        } else {
            self.raise(Event::DeliveryUpdated(id));
        }
    }

    /// A transfer for a message that is here already: its payload is, too.
    pub(super) fn resumed_part(&mut self, link_id: LinkId, id: DeliveryId, transfer: Transfer) {
        let (Some(link), Some(delivery)) = (self.links.get_mut(link_id), self.deliveries.get_mut(id)) else {
            return;
        };
        if let Some(state) = transfer.state.filter(DeliveryState::is_terminal) {
            delivery.remote = Some(state);
        }
        if transfer.more && !transfer.aborted {
            link.partial = Some(id);
            return;
        }
        link.partial = None;
        delivery.resumed = None;
        let number = delivery.number;
        let session = delivery.session;
        let decided = delivery.local.as_ref().is_some_and(DeliveryState::is_terminal);
        let forgotten = delivery.forgotten;
        if transfer.aborted || delivery.remotely_settled {
            delivery.on_wire = false;
            if let Some(session) = self.sessions.get_mut(session) {
                session.incoming.remove(number);
            }
            self.settled_by_sender(id);
        } else if decided {
            self.dispose(id, None, false);
        } else if forgotten {
            self.dispose(id, None, true);
        }
        self.credit_used(link_id);
        self.give_credit_again(link_id);
    }

    /// Credit given by hand is for messages that are handed over, which a resumed one is not.
    fn give_credit_again(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.config.credit_window == 0) else { return };
        if link.is_attached() && !link.drain && !link.paused {
            link.credit = link.credit.saturating_add(1);
            self.flow_due(id, false);
        }
    }

    /// Whether the delivery stays, although the application has settled it: the sender has to settle it first, so that it
    /// cannot be sent again.
    pub(super) fn waits_for_sender(&mut self, id: DeliveryId) -> bool {
        let Some(delivery) = self.deliveries.get_mut(id) else { return false };
        if delivery.outgoing || delivery.remotely_settled {
            return false;
        }
        let Some(link) = self.links.get(delivery.link) else { return false };
        let decided = delivery.local.as_ref().is_some_and(DeliveryState::is_terminal);
        let second = link.settles_second() && delivery.rcv_settle_mode != Some(ReceiverSettleMode::First);
        let resumes = link.config.recovery == Recovery::Resume;
        let waits =
            resumes && (delivery.suspended || delivery.on_wire && delivery.complete && decided && second);
        delivery.forgotten |= waits;
        waits
    }

    /// A resumed send is over. If the maps were not all, the next part of them has its turn after the last one.
    pub(super) fn resumption_over(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.is_sender()) else { return };
        let Some(resume) = link.resume.as_deref_mut().filter(|resume| resume.incomplete) else { return };
        resume.under_way = resume.under_way.saturating_sub(1);
        if resume.under_way == 0 {
            self.attach_once_more(id);
        }
    }

    fn attach_once_more(&mut self, id: LinkId) {
        if self.links.get(id).is_some_and(|link| link.endpoint.both_open()) {
            self.detach_link(id, false, None);
            self.attach_link(id);
        }
    }

    pub(super) fn is_comparing(&self, id: LinkId) -> bool {
        self.links.get(id).is_some_and(|link| link.is_comparing())
    }

    /// The sender has detached the link to exchange the next part of the maps. True if that was why.
    pub(super) fn renews_attachment(&mut self, id: LinkId, closed: bool) -> bool {
        let renews = |link: &&crate::link::Link| {
            link.is_comparing() && link.endpoint.local.is_open() && link.endpoint.remote_error.is_none()
        };
        if closed || self.links.get(id).filter(renews).is_none() {
            return false;
        }
        self.write_detach(id, false, None);
        self.suspend(id, true, false);
        self.take_link_off_wire(id);
        self.write_attach(id);
        true
    }

    pub(crate) fn take_suspended(&mut self, id: LinkId) -> Option<Suspended> {
        // One that is still attached is treated as if its wire were gone.
        if self.links.get(id).is_some_and(|link| link.endpoint.local.is_open()) {
            self.suspend(id, true, false);
        }
        // What waits for credit goes along, whether it was sent before or not.
        let waiting = self.links.get(id).map(|link| link.queue.clone()).unwrap_or_default();
        for key in waiting {
            if self.deliveries.get(key).is_some_and(|delivery| delivery.complete) {
                self.suspend_send(id, key);
            }
        }
        let link = self.links.get_mut(id)?;
        let resume = link.resume.take()?;
        let (role, next_tag) = (link.config.role, link.next_tag);
        let mut receipts: Vec<_> = resume.receipts.into_values().collect();
        receipts.sort_unstable();
        let mut deliveries = Vec::new();
        for key in resume.sends.into_iter().chain(receipts) {
            let Some(delivery) = self.deliveries.remove(key) else { continue };
            let Some(link) = self.links.get_mut(id) else { continue };
            link.deliveries = link.deliveries.saturating_sub(1);
            if link.stream == Some(key) {
                link.stream = None;
            }
            if delivery.unread {
                self.was_read(delivery.session, id, delivery.payload.len(), true);
            }
            deliveries.push((key, delivery));
        }
        Some(Suspended::new(role, next_tag, deliveries))
    }

    pub(crate) fn restore(&mut self, id: LinkId, suspended: Suspended) -> Vec<(DeliveryId, DeliveryId)> {
        let role = suspended.role();
        let (next_tag, deliveries) = suspended.into_parts();
        let Some(link) = self.links.get_mut(id).filter(|link| link.config.role == role) else {
            return Vec::new();
        };
        let Some(session) = self.sessions.get_mut(link.session) else { return Vec::new() };
        link.config.recovery = Recovery::Resume;
        link.next_tag = link.next_tag.max(next_tag);
        let mut resume = Box::new(Resume::default());
        let mut ids = Vec::with_capacity(deliveries.len());
        for (before, mut delivery) in deliveries {
            (delivery.session, delivery.link) = (link.session, id);
            link.deliveries += 1;
            if delivery.unread {
                link.unread += 1;
                session.buffered += delivery.payload.len();
            }
            let tag = delivery.tag;
            let key = self.deliveries.insert(delivery);
            if link.is_sender() {
                resume.sends.push_back(key);
            } else {
                resume.receipts.insert(tag, key);
            }
            ids.push((before, key));
        }
        link.resume = Some(resume);
        ids
    }
}

fn suspend(delivery: &mut Delivery) {
    delivery.framed = 0;
    delivery.sent = false;
    delivery.overdue = false;
    delivery.suspended = true;
    delivery.resumed = None;
}

/// The receiver's outcome is known: what is left is to say that we know.
fn finish(delivery: &mut Delivery, state: DeliveryState) {
    delivery.local.get_or_insert_with(|| state.clone());
    delivery.remote = Some(state);
    delivery.payload = Default::default();
    delivery.complete = true;
    delivery.resumed = Some(Resumed::Finish);
}
