//! How much producers may send: less and less as a queue, or the broker, fills up. Nothing that came
//! is turned away for lack of room; producers wait instead.
//!
//! Credit that was given cannot be taken back, so the limits can be exceeded by what producers may
//! still send: each at most its window, and no more than a share of the room at the time it was given.

use super::{ConnectionId, Found, Inlet, Limits, Outlet, ProducerId, QueueId, Router};
use crate::message::cost;
use crate::queue::Queue;

/// Credit of a producer whose messages have not been seen yet.
const FIRST: u32 = 10;

/// A link on which we receive.
pub(super) struct Producer<I> {
    /// `None`: each message says where it goes.
    pub(super) node: Option<Found>,
    pub(super) connection: ConnectionId,
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
    pub(super) fn new(node: Option<Found>, connection: ConnectionId, inlet: I) -> Self {
        Self { node, connection, inlet, credit: 0, size: 0, waits: false, ready: false }
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
            let node = producer.node;
            self.grant(id, node);
        }
    }

    /// A message came: more credit once half of it is used up. `node` is where the message went.
    pub(super) fn top_up(&mut self, id: ProducerId, node: Option<Found>) {
        if self
            .producers
            .get(id)
            .is_some_and(|producer| !producer.waits && producer.credit <= self.limits.window / 2)
        {
            self.grant(id, node);
        }
    }

    /// A message came that cannot be read: it is not taken, and its producer goes on.
    pub(crate) fn refused(&mut self, id: ProducerId) {
        let Some(producer) = self.producers.get_mut(id) else { return };
        producer.spend(0);
        let node = producer.node;
        self.top_up(id, node);
    }

    /// Gives a producer credit for its share of the room, or lets it wait for room: in the queue or a subscription
    /// of the topic that it sends to, or in the broker as a whole.
    pub(super) fn grant(&mut self, id: ProducerId, node: Option<Found>) {
        if !self.producers.get_mut(id).is_some_and(|producer| {
            producer.waits = false;
            producer.ready
        }) {
            return;
        }
        let mut room = self.limits.bytes.saturating_sub(self.bytes);
        if room == 0 {
            self.wait(id, None);
            return;
        }
        let full = match node {
            None => None,
            Some(Found::Queue(id)) => Some(id).filter(|id| self.is_full(*id)),
            Some(Found::Topic(id)) => self.full_subscription(id, |queue| self.is_full(queue)),
        };
        if full.is_some() {
            self.wait(id, full);
            return;
        }
        let mut messages = u64::MAX;
        for (queue, sharing) in self.receiving(node) {
            let Some(queue) = self.queues.get(queue) else { continue };
            room = room.min((self.limits.queue_bytes - queue.bytes()) / sharing);
            messages = messages.min((self.limits.queue_messages - queue.messages()) / sharing);
        }
        let window = self.limits.window;
        let Some(producer) = self.producers.get_mut(id) else { return };
        let credit = producer.share(room, messages, window);
        if credit > 0 {
            producer.credit += credit;
            producer.inlet.add_credit(credit);
        }
    }

    /// The queues that a message to a node comes to, and how many producers share the room of each.
    fn receiving(&self, node: Option<Found>) -> Vec<(QueueId, u64)> {
        let sharing = |producers: &[ProducerId]| producers.len().max(1) as u64;
        match node {
            None => Vec::new(),
            Some(Found::Queue(id)) => {
                self.queues.get(id).map(|queue| (id, sharing(&queue.producers))).into_iter().collect()
            }
            Some(Found::Topic(id)) => self.topics.get(id).map_or_else(Vec::new, |topic| {
                let subscriptions = topic.subscriptions.iter().filter_map(|id| self.subscriptions.get(*id));
                subscriptions.map(|one| (one.queue, sharing(&topic.producers))).collect()
            }),
        }
    }

    fn is_full(&self, queue: QueueId) -> bool {
        self.queues.get(queue).is_some_and(|queue| is_full(queue, &self.limits))
    }

    /// Has a producer wait for room, in a queue or in the broker as a whole.
    fn wait(&mut self, id: ProducerId, queue: Option<QueueId>) {
        if let Some(producer) = self.producers.get_mut(id) {
            producer.waits = true;
        }
        match queue.and_then(|id| self.queues.get_mut(id)) {
            Some(queue) => queue.waiting.push_back(id),
            None => self.waiting.push_back(id),
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
                // An anonymous one waits where its last message went.
                self.grant_again(producer, Some(Found::Queue(id)));
            }
        }
        if !self.waiting.is_empty() && self.bytes <= self.limits.bytes / 8 * 7 {
            for producer in std::mem::take(&mut self.waiting) {
                self.grant_again(producer, None);
            }
        }
    }

    /// A producer has waited long enough: credit for the node that it is attached to, or as a relay for `last`.
    pub(super) fn grant_again(&mut self, id: ProducerId, last: Option<Found>) {
        let node = self.producers.get(id).and_then(|producer| producer.node);
        self.grant(id, node.or(last));
    }
}

fn is_full(queue: &Queue, limits: &Limits) -> bool {
    queue.bytes() >= limits.queue_bytes || queue.messages() >= limits.queue_messages
}

fn is_nearly_full(queue: &Queue, limits: &Limits) -> bool {
    let most = |limit: u64| limit - limit.div_ceil(8);
    queue.bytes() > most(limits.queue_bytes) || queue.messages() > most(limits.queue_messages)
}
