//! How much producers may send: less and less as a queue, or the broker, fills up. Nothing that came
//! is turned away for lack of room; producers wait instead.
//!
//! Credit that was given cannot be taken back, so the limits can be exceeded by what producers may
//! still send: each at most its window, and no more than a share of the room at the time it was given.

use super::{Inlet, Limits, Outlet, ProducerId, QueueId, Router};
use crate::message::cost;
use crate::queue::Queue;

/// Credit of a producer whose messages have not been seen yet.
const FIRST: u32 = 10;

/// A link on which we receive.
pub(super) struct Producer<I> {
    /// `None`: each message says where it goes.
    pub(super) queue: Option<QueueId>,
    pub(super) inlet: I,
    /// What it may still send.
    credit: u32,
    /// How large its messages are, in bytes: the largest, lately.
    size: u64,
    /// In the list of those that wait for room.
    waits: bool,
    /// Its link is open.
    ready: bool,
}

impl<I> Producer<I> {
    pub(super) fn new(queue: Option<QueueId>, inlet: I) -> Self {
        Self { queue, inlet, credit: 0, size: 0, waits: false, ready: false }
    }

    /// It has sent a message.
    pub(super) fn spend(&mut self, length: usize) {
        self.credit = self.credit.saturating_sub(1);
        let length = cost(length);
        self.size = if length >= self.size { length } else { self.size - (self.size - length) / 16 };
    }

    /// How much credit it gets for its share of `room` bytes and `messages`.
    fn share(&self, room: u64, messages: u64, window: u32) -> u32 {
        let window = if self.size == 0 { window.min(FIRST) } else { window };
        let fits = messages.min(room / self.size.max(1)).max(1);
        window.min(u32::try_from(fits).unwrap_or(u32::MAX)).saturating_sub(self.credit)
    }
}

impl<O: Outlet, I: Inlet> Router<O, I> {
    /// A producer's link is open: it gets credit, if there is room.
    pub(crate) fn producer_ready(&mut self, id: ProducerId) {
        let Some(producer) = self.producers.get_mut(id) else { return };
        if !std::mem::replace(&mut producer.ready, true) {
            let queue = producer.queue;
            self.grant(id, queue);
        }
    }

    /// A message came: more credit once half of it is used up. `queue` is where the message went.
    pub(super) fn top_up(&mut self, id: ProducerId, queue: Option<QueueId>) {
        if self
            .producers
            .get(id)
            .is_some_and(|producer| !producer.waits && producer.credit <= self.limits.window / 2)
        {
            self.grant(id, queue);
        }
    }

    /// A message came that cannot be read: it is not taken, and its producer goes on.
    pub(crate) fn refused(&mut self, id: ProducerId) {
        let Some(producer) = self.producers.get_mut(id) else { return };
        producer.spend(0);
        let queue = producer.queue;
        self.top_up(id, queue);
    }

    /// Gives a producer credit for its share of the room, or lets it wait for room: in `queue`, or in
    /// the broker as a whole.
    pub(super) fn grant(&mut self, id: ProducerId, queue: Option<QueueId>) {
        let Self { limits, queues, producers, bytes, waiting, .. } = self;
        let Some(producer) = producers.get_mut(id) else { return };
        producer.waits = false;
        if !producer.ready {
            return;
        }
        let mut room = limits.bytes.saturating_sub(*bytes);
        if room == 0 {
            producer.waits = true;
            waiting.push_back(id);
            return;
        }
        let mut messages = u64::MAX;
        if let Some(queue) = queue.and_then(|id| queues.get_mut(id)) {
            if is_full(queue, limits) {
                producer.waits = true;
                queue.waiting.push_back(id);
                return;
            }
            let sharing = queue.producers.len().max(1) as u64;
            room = room.min(limits.queue_bytes - queue.bytes()) / sharing;
            messages = (limits.queue_messages - queue.messages()) / sharing;
        }
        let credit = producer.share(room, messages, limits.window);
        if credit > 0 {
            producer.credit += credit;
            producer.inlet.add_credit(credit);
        }
    }

    /// Messages are gone: those that wait for room get credit, once there is an eighth of it.
    pub(super) fn made_room(&mut self, queue: Option<QueueId>) {
        if let Some(id) = queue
            && let Some(queue) = self.queues.get_mut(id)
            && !queue.waiting.is_empty()
            && !is_nearly_full(queue, &self.limits)
        {
            for producer in std::mem::take(&mut queue.waiting) {
                self.grant(producer, Some(id));
            }
        }
        if !self.waiting.is_empty() && self.bytes <= self.limits.bytes / 8 * 7 {
            for producer in std::mem::take(&mut self.waiting) {
                let queue = self.producers.get(producer).and_then(|producer| producer.queue);
                self.grant(producer, queue);
            }
        }
    }
}

fn is_full(queue: &Queue, limits: &Limits) -> bool {
    queue.bytes() >= limits.queue_bytes || queue.messages() >= limits.queue_messages
}

fn is_nearly_full(queue: &Queue, limits: &Limits) -> bool {
    let most = |limit: u64| limit - limit.div_ceil(8);
    queue.bytes() > most(limits.queue_bytes) || queue.messages() > most(limits.queue_messages)
}
