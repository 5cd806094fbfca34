//! The batch: callbacks for messages and their outcomes, with nothing locked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task;
use std::time::{Duration, Instant};

use bytes::Bytes;
use deuteron_codec::{DeliveryTag, Role};
use deuteron_engine::{DeliveryId, LinkId};

use super::route::Notice;
use super::settle::{settle_incoming, state_of};
use super::shared::{Core, Ending};
use super::waits::CallbackScope;
use super::{Driver, Handler, SharedWire, lock_wire};

use crate::link::LinkHandle;
use crate::{Ack, Context, Delivery, Link, MessagingHandler, Outcome};

/// Callbacks may take this long before what they have done so far is written.
const PATIENCE: Duration = Duration::from_millis(1);

/// Looks at the clock seldom while callbacks are quick, and after each when they are not.
struct Pace {
    last: Instant,
    count: u32,
    next: u32,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { last: now, count: 0, next: 1 }
    }

    #[inline]
    fn is_due(&mut self) -> bool {
        self.count += 1;
        self.count >= self.next && self.look()
    }

    fn look(&mut self) -> bool {
        let now = Instant::now();
        let due = now.duration_since(self.last) >= PATIENCE;
        self.next = if due { 1 } else { (self.next * 2).min(64) };
        self.count = 0;
        if due {
            self.last = now;
        }
        due
    }
}

impl Driver {
    /// Hands the batch to the handler. Without one the endpoints are still looked after.
    pub(super) fn dispatch(
        &mut self,
        handler: &mut Handler<'_>,
        now: Instant,
        mut flush: Option<(&mut task::Context<'_>, &SharedWire)>,
    ) {
        let _callback = handler.is_some().then(CallbackScope::enter);
        let mut pace = Pace::new(now);
        let mut batch = std::mem::take(&mut self.batch);
        for notice in batch.drain(..) {
            match notice {
                Notice::Message { id, link, tag, payload } => self.message(handler, id, link, tag, payload),
                Notice::Updated { id, link, role, tag, outcome } => {
                    self.updated(handler, id, link, role, tag, outcome);
                }
                other => {
                    self.write_acks();
                    self.react(handler, other);
                }
            }
            if let Some((cx, wire)) = &mut flush
                && pace.is_due()
            {
                self.flush(cx, wire);
            }
        }
        // Keep the memory, and what callbacks have caused meanwhile.
        batch.append(&mut self.batch);
        self.batch = batch;
    }

    /// Hands out what was found when the wire had gone.
    pub(super) fn dispatch_rest(&mut self, handler: &mut Handler<'_>) {
        while !self.batch.is_empty() {
            self.shared.lock().dispatching = handler.is_some();
            self.dispatch(handler, Instant::now(), None);
            let shared = Arc::clone(&self.shared);
            let mut core = shared.lock();
            self.conclude(&mut core);
        }
    }

    /// Writes what callbacks have done so far, when they take long.
    fn flush(&mut self, cx: &mut task::Context<'_>, wire: &SharedWire) {
        let now = Instant::now();
        let mut wire = lock_wire(wire);
        let mut core = self.shared.lock();
        self.acks.drain(..).for_each(|(id, ack)| acknowledge(&mut core, id, ack));
        let more = core.engine.poll_transmit(now, &mut wire.out);
        drop(core);
        if more {
            wire.write(cx, now);
        }
    }

    /// Outcomes come before what follows them: a link whose peer has closed it can carry none once we close it too.
    fn write_acks(&mut self) {
        if !self.acks.is_empty() {
            let mut core = self.shared.lock();
            self.acks.drain(..).for_each(|(id, ack)| acknowledge(&mut core, id, ack));
        }
    }

    /// Writes down the outcomes and carries out the ends that callbacks have asked for.
    pub(super) fn conclude(&mut self, core: &mut Core) {
        self.acks.drain(..).for_each(|(id, ack)| acknowledge(core, id, ack));
        core.dispatching = false;
        if !core.endings.is_empty() {
            for ending in std::mem::take(&mut core.endings) {
                core.carry_out(ending);
            }
            self.shared.ending.store(false, Ordering::Relaxed);
        }
    }

    fn delivery(
        &self,
        id: DeliveryId,
        link: LinkId,
        role: Role,
        tag: DeliveryTag,
        payload: Bytes,
    ) -> Option<Delivery> {
        Some(Delivery {
            owner: Arc::clone(self.owner.as_ref()?),
            id,
            link,
            role,
            tag,
            payload,
            fate: OnceLock::new(),
            released: AtomicBool::new(false),
        })
    }

    #[inline]
    fn message(
        &mut self,
        handler: &mut Handler<'_>,
        id: DeliveryId,
        link: LinkId,
        tag: DeliveryTag,
        payload: Bytes,
    ) {
        let Some(handler) = handler else { return };
        if self.shared.ending.load(Ordering::Relaxed) && self.is_ending(link) {
            self.acks.push((id, Ack::Release));
            return;
        }
        let Some(mut delivery) = self.delivery(id, link, Role::Receiver, tag, payload) else { return };
        let ack = handler.on_message(&mut self.surroundings.context(), &delivery);
        if ack != Ack::Later {
            if !*delivery.released.get_mut() {
                self.acks.push((id, ack));
            }
            *delivery.released.get_mut() = true;
        }
    }

    fn updated(
        &self,
        handler: &mut Handler<'_>,
        id: DeliveryId,
        link: LinkId,
        role: Role,
        tag: DeliveryTag,
        outcome: Option<Outcome>,
    ) {
        let Some(handler) = handler else { return };
        let Some(delivery) = self.known_delivery(id, link, role, tag, outcome) else { return };
        let cx = &mut self.surroundings.context();
        match delivery.known_outcome() {
            Some(Outcome::Accepted) => handler.on_accepted(cx, &delivery),
            Some(Outcome::Rejected(_)) => handler.on_rejected(cx, &delivery),
            Some(Outcome::Released) => handler.on_released(cx, &delivery),
            Some(Outcome::Modified { .. }) => handler.on_modified(cx, &delivery),
            _ => {}
        }
        handler.on_settled(cx, &delivery);
    }

    /// A delivery about which nothing is left to be done but to tell.
    pub(super) fn known_delivery(
        &self,
        id: DeliveryId,
        link: LinkId,
        role: Role,
        tag: DeliveryTag,
        outcome: Option<Outcome>,
    ) -> Option<Delivery> {
        let mut delivery = self.delivery(id, link, role, tag, Bytes::new())?;
        *delivery.released.get_mut() = true;
        if let Some(outcome) = outcome {
            drop(delivery.fate.set(outcome));
        }
        Some(delivery)
    }

    /// Whether a callback of this batch has asked for the end of a link or of what it is on.
    pub(super) fn is_ending(&self, link: LinkId) -> bool {
        let core = self.shared.lock();
        let session = core.links.get(&link).map(|state| state.facts.session);
        core.endings.iter().any(|ending| match ending {
            Ending::Connection(_) => true,
            Ending::Session(id, _) => Some(*id) == session,
            Ending::Link { id, .. } => *id == link,
        })
    }

    pub(super) fn link(&self, id: LinkId) -> Option<Link> {
        let owner = self.owner.as_ref()?;
        let core = self.shared.lock();
        if core.transactions.coordinator == Some(id) {
            // Its handlers are told of transactions.
            return None;
        }
        let facts = core.links.get(&id).map(|state| Arc::clone(&state.facts))?;
        drop(core);
        Some(Link::from_handle(LinkHandle::new(Arc::clone(owner), facts)))
    }

    /// Calls the handler about a link.
    pub(super) fn tell_link(
        &self,
        handler: &mut Handler<'_>,
        link: Option<&Link>,
        call: impl FnOnce(&mut dyn MessagingHandler, &mut Context<'_>, &Link),
    ) {
        if let (Some(handler), Some(link)) = (handler.as_deref_mut(), link) {
            call(handler, &mut self.surroundings.context(), link);
        }
    }
}

fn acknowledge(core: &mut Core, id: DeliveryId, ack: Ack) {
    let settled_by_hand = core.engine.delivery(id).is_none_or(|delivery| delivery.local_state().is_some());
    if !settled_by_hand && let Some(state) = state_of(ack) {
        settle_incoming(core, id, state);
    }
}
