//! Which message is under way to whom.

use crate::message::Stored;
use crate::router::{ConsumerId, LeaseId, QueueId};
use crate::slots::Slots;

/// A message under way: the consumer has it, and has not said yet what became of it.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) queue: QueueId,
    pub(super) consumer: ConsumerId,
    pub(super) message: Stored,
    /// The consumer's leases form a list, so that they are found when it goes.
    before: Option<LeaseId>,
    after: Option<LeaseId>,
}

/// The ends of a consumer's list of leases, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    first: Option<LeaseId>,
    last: Option<LeaseId>,
}

/// All leases.
#[derive(Default)]
pub(super) struct Leases {
    slots: Slots<LeaseId, Lease>,
}

impl Leases {
    pub(super) fn grant(
        &mut self,
        queue: QueueId,
        consumer: ConsumerId,
        held: &mut Held,
        message: Stored,
    ) -> LeaseId {
        let id = self.slots.insert(Lease { queue, consumer, message, before: held.last, after: None });
        match held.last.and_then(|last| self.slots.get_mut(last)) {
            Some(last) => last.after = Some(id),
            None => held.first = Some(id),
        }
        held.last = Some(id);
        id
    }

    pub(super) fn consumer(&self, id: LeaseId) -> Option<ConsumerId> {
        self.slots.get(id).map(|lease| lease.consumer)
    }

    /// Ends a lease of the consumer whose list `held` is.
    pub(super) fn end(&mut self, id: LeaseId, held: &mut Held) -> Option<Lease> {
        let lease = self.slots.remove(id)?;
        match lease.before.and_then(|before| self.slots.get_mut(before)) {
            Some(before) => before.after = lease.after,
            None => held.first = lease.after,
        }
        match lease.after.and_then(|after| self.slots.get_mut(after)) {
            Some(after) => after.before = lease.before,
            None => held.last = lease.before,
        }
        Some(lease)
    }

    /// Ends a consumer's newest lease.
    pub(super) fn end_last(&mut self, held: &mut Held) -> Option<Lease> {
        let last = held.last?;
        self.end(last, held)
    }

    /// Ends all leases of a consumer; their messages are gone.
    pub(super) fn drop_all(&mut self, mut held: Held) {
        while self.end_last(&mut held).is_some() {}
    }
}
