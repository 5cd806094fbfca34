//! Messages to consumers, in turn, and what consumers say of them.

use std::sync::Arc;

use bytes::Bytes;
use deuteron::{AmqpError, Map, condition};

use super::leases::Held;
use super::transaction::acquiring;
use super::{
    ConnectionId, ConsumerId, Found, Inlet, Kind, LeaseId, Outgoing, Outlet, ProducerId, QueueId, Router,
};
use crate::message::{Stored, cost};
use crate::queue::Queue;
use crate::selector::Selector;
use crate::slots::Key;

/// How a consumer wants its messages.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// They are sent settled: gone when sent.
    pub(crate) settled: bool,
    /// It gets copies, and the queue keeps the messages.
    pub(crate) browses: bool,
    /// The longest message that it takes, in bytes.
    pub(crate) longest: u64,
    /// Of a queue, only messages for which this holds.
    pub(crate) selector: Option<Arc<Selector>>,
    /// Of a queue, nothing that this connection has sent.
    pub(crate) not_from: Option<ConnectionId>,
}

impl Manner {
    /// It wants some messages of a queue only.
    pub(super) fn selects(&self) -> bool {
        self.selector.is_some() || self.not_from.is_some()
    }

    /// The next message of a queue that is for the consumer.
    fn take(&self, id: ConsumerId, queue: &mut Queue) -> Option<Stored> {
        if !self.selects() {
            return queue.take(id, self.longest);
        }
        queue.select(id, |message| {
            message.payload.len() as u64 <= self.longest
                && self.wants(message.from, &message.payload, message.failures())
        })
    }

    fn wants(&self, from: ConnectionId, payload: &[u8], failures: u32) -> bool {
        self.not_from != Some(from)
            && self.selector.as_ref().is_none_or(|selector| selector.matches(payload, failures))
    }
}

impl Default for Manner {
    fn default() -> Self {
        Self { settled: false, browses: false, longest: u64::MAX, selector: None, not_from: None }
    }
}

/// A link on which we send.
pub(super) struct Consumer<O> {
    pub(super) queue: QueueId,
    pub(super) manner: Manner,
    pub(super) outlet: O,
    pub(super) held: Held,
    /// It is among those that wait for their turn.
    in_turns: bool,
    /// Browsers: the sequence to go on from.
    cursor: u64,
}

impl<O> Consumer<O> {
    pub(super) fn new(queue: QueueId, manner: Manner, outlet: O) -> Self {
        Self { queue, manner, outlet, held: Held::default(), in_turns: false, cursor: 0 }
    }
}

/// What a consumer has made of a message (3.4).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It is done with.
    Accepted,
    /// It is invalid: dropped.
    Rejected,
    /// It goes back.
    Returned {
        /// The attempt counts.
        failed: bool,
        /// Not to this consumer again.
        undeliverable_here: bool,
        annotations: Option<Map>,
    },
}

impl<O: Outlet, I: Inlet> Router<O, I> {
    /// A message has come. Anonymous producers say by `to` where it goes.
    ///
    /// # Errors
    /// Why it cannot be taken; the producer has its credit back then.
    pub(crate) fn arrive(
        &mut self,
        producer: ProducerId,
        to: Option<&str>,
        payload: Bytes,
        format: u32,
    ) -> Result<(), AmqpError> {
        let sender = self.producers.get_mut(producer).ok_or_else(super::gone)?;
        sender.spend(payload.len());
        let connection = sender.connection;
        let node = self.destination(producer, to);
        if let Ok(node) = node {
            self.counters.received += 1;
            self.deliver(node, connection, payload, format);
        }
        self.top_up(producer, node.as_ref().ok().copied());
        if let Ok(Found::Topic(id)) = node {
            // One that was made only for this message.
            self.after_topic_detach(id, true);
        }
        node.map(|_| ())
    }

    /// Where a message goes.
    pub(super) fn destination(&mut self, producer: ProducerId, to: Option<&str>) -> Result<Found, AmqpError> {
        let known = self.producers.get(producer).ok_or_else(super::gone)?.node;
        match (known, to) {
            (Some(node), _) => Ok(node),
            (None, Some(address)) => self.find_or_make(address, None, self.on_demand.then_some(Kind::Queue)),
            (None, None) => {
                let text = "a message for the anonymous relay needs the property 'to'";
                Err(AmqpError::new(condition::INVALID_FIELD, text))
            }
        }
    }

    /// Puts a message where it goes.
    pub(super) fn deliver(&mut self, node: Found, from: ConnectionId, payload: Bytes, format: u32) {
        match node {
            Found::Queue(id) => {
                if let Some(queue) = self.queues.get_mut(id) {
                    self.bytes += cost(payload.len());
                    queue.push(from, payload, format, &self.clock);
                    self.dispatch(id);
                }
            }
            Found::Topic(id) => self.publish(id, from, &payload, format),
        }
    }

    /// A consumer has credit.
    pub(crate) fn consumer_ready(&mut self, id: ConsumerId) {
        let Some(consumer) = self.consumers.get_mut(id) else { return };
        let queue_id = consumer.queue;
        if !consumer.manner.browses
            && !std::mem::replace(&mut consumer.in_turns, true)
            && let Some(queue) = self.queues.get_mut(queue_id)
        {
            queue.turns.push_back(id);
        }
        self.dispatch(queue_id);
    }

    /// Hands out what there is to those that have credit, one message each in turn.
    pub(super) fn dispatch(&mut self, id: QueueId) {
        if self.drop_expired(id) && self.after_message(id) {
            return;
        }
        self.browse(id);
        let Self { queues, consumers, leases, counters, bytes, clock, transactions, .. } = self;
        let Some(queue) = queues.get_mut(id) else { return };
        let mut passed = Vec::new();
        let mut gone = false;
        while queue.available() > 0
            && let Some(consumer_id) = queue.turns.pop_front()
        {
            let Some(consumer) = consumers.get_mut(consumer_id) else { continue };
            let Some(mut transaction) = acquiring(transactions, &consumer.outlet, consumer_id) else {
                // Until it gets credit, or says in what transaction it goes on.
                consumer.in_turns = false;
                continue;
            };
            let Some(message) = consumer.manner.take(consumer_id, queue) else {
                // Nothing here is for it; its credit stays.
                passed.push(consumer_id);
                continue;
            };
            let outgoing = Outgoing {
                payload: message.delivered(&*clock),
                format: message.format,
                settled: consumer.manner.settled,
                within: transaction.as_ref().map(|(id, _)| *id),
            };
            let lease = leases.grant(id, consumer_id, &mut consumer.held, message);
            if !consumer.outlet.send(lease, outgoing) {
                consumer.in_turns = false;
                if let Some(lease) = leases.end(lease, &mut consumer.held) {
                    queue.put_back(lease.message);
                }
                continue;
            }
            counters.sent += 1;
            queue.turns.push_back(consumer_id);
            if let Some((_, transaction)) = transaction.as_mut().filter(|_| !consumer.manner.settled) {
                transaction.acquire(lease, leases);
            }
            if consumer.manner.settled
                && let Some(lease) = leases.end(lease, &mut consumer.held)
            {
                if let Some((_, transaction)) = transaction {
                    transaction.take(lease);
                    continue;
                }
                queue.remove(&lease.message);
                *bytes -= lease.message.cost();
                gone = true;
            }
        }
        queue.turns.extend(passed);
        if gone && !self.after_message(id) {
            self.made_room(Some(id));
        }
    }

    /// Sends copies to those that browse.
    fn browse(&mut self, id: QueueId) {
        let Self { queues, consumers, copies, clock, .. } = self;
        let Some(queue) = queues.get_mut(id) else { return };
        for id in &queue.browsers {
            let Some(browser) = consumers.get_mut(*id) else { continue };
            while browser.outlet.credit(*id) > 0
                && let Some((cursor, message)) = queue.after(browser.cursor)
            {
                if !browser.manner.wants(message.from, &message.payload, 0) {
                    browser.cursor = cursor;
                    continue;
                }
                let outgoing = Outgoing {
                    payload: message.delivered(&*clock),
                    format: message.format,
                    settled: browser.manner.settled,
                    // A copy is not acquired.
                    within: None,
                };
                *copies = copies.wrapping_add(1);
                // A tag that no lease has: whatever becomes of a copy, nothing follows.
                let tag = LeaseId::new(u32::MAX, *copies);
                if !browser.outlet.send(tag, outgoing) {
                    break;
                }
                browser.cursor = cursor;
            }
        }
    }

    /// A consumer has decided on a message.
    pub(crate) fn settle(&mut self, lease: LeaseId, verdict: Verdict) {
        let Some(consumer_id) = self.leases.consumer(lease) else { return };
        let Some(consumer) = self.consumers.get_mut(consumer_id) else { return };
        let Some(lease) = self.leases.end(lease, &mut consumer.held) else { return };
        self.decide(lease.queue, consumer_id, lease.message, verdict);
    }

    /// What was decided on a message happens.
    pub(super) fn decide(
        &mut self,
        queue_id: QueueId,
        consumer_id: ConsumerId,
        message: Stored,
        verdict: Verdict,
    ) {
        match verdict {
            Verdict::Accepted => {
                self.counters.accepted += 1;
                self.finish(queue_id, &message);
            }
            Verdict::Rejected => {
                self.counters.rejected += 1;
                self.give_up(queue_id, &message);
            }
            Verdict::Returned { failed, undeliverable_here, annotations } => {
                let mut message = message;
                let past = message.past_mut();
                past.failures += u32::from(failed);
                for (key, value) in annotations.iter().flat_map(Map::iter) {
                    past.annotations.insert(key.clone(), value.clone());
                }
                if undeliverable_here && !past.refused_by.contains(&consumer_id) {
                    past.refused_by.push(consumer_id);
                }
                self.counters.returned += 1;
                if self.is_given_up(&message) {
                    self.give_up(queue_id, &message);
                    return;
                }
                if let Some(queue) = self.queues.get_mut(queue_id) {
                    queue.put_back(message);
                }
                self.dispatch(queue_id);
            }
        }
    }

    /// Whether a message was delivered too often.
    fn is_given_up(&self, message: &Stored) -> bool {
        let most = self.limits.deliveries;
        most > 0 && message.failures() >= most
    }

    /// A message goes to where dead letters go, if there is such a place and it does not come from there.
    fn give_up(&mut self, queue_id: QueueId, message: &Stored) {
        let address = self.queues.get(queue_id).map(|queue| Arc::clone(&queue.address));
        let (payload, format) = (message.delivered(&self.clock), message.format);
        self.finish(queue_id, message);
        let place = self.dead_letter.clone().filter(|place| address.as_deref() != Some(&**place));
        if let Some(place) = place {
            self.lay_aside(&place, message.from, payload, format);
        }
    }

    /// A message that was given up, or has expired, is kept in a queue for such. It does not expire there.
    fn lay_aside(&mut self, place: &str, from: ConnectionId, payload: Bytes, format: u32) {
        match self.find_or_make(place, Some(Kind::Queue), Some(Kind::Queue)) {
            Ok(Found::Queue(id)) => {
                if let Some(queue) = self.queues.get_mut(id) {
                    self.bytes += cost(payload.len());
                    queue.keep(from, payload, format);
                    self.dispatch(id);
                }
            }
            Ok(Found::Topic(id)) => self.publish(id, from, &payload, format),
            Err(error) => tracing::warn!(%error, place, "a message that was to be laid aside was dropped"),
        }
    }

    /// Takes away what has expired in a queue. True if there was anything.
    fn drop_expired(&mut self, id: QueueId) -> bool {
        if !self.queues.get(id).is_some_and(Queue::has_deadlines) {
            return false;
        }
        let now = (self.clock)();
        let before = self.counters.expired;
        let mut place = self.expiry.clone();
        if self.queues.get(id).map(|queue| &*queue.address) == place.as_deref() {
            place = None;
        }
        while let Some(queue) = self.queues.get_mut(id)
            && let Some(message) = queue.take_expired(now)
        {
            self.counters.expired += 1;
            queue.remove(&message);
            self.bytes -= message.cost();
            self.made_room(Some(id));
            if let Some(place) = &place {
                self.lay_aside(place, message.from, message.payload, message.format);
            }
        }
        self.counters.expired > before
    }

    /// Takes away what has expired anywhere. To be called now and then, so that memory comes back where nobody receives.
    pub(crate) fn drop_all_expired(&mut self) {
        self.end_overdue_subscriptions();
        let with = |id: &QueueId| self.queues.get(*id).is_some_and(Queue::has_deadlines);
        let queues: Vec<_> = self.queues.keys().filter(with).collect();
        for id in queues {
            if self.drop_expired(id) {
                self.after_message(id);
            }
        }
    }

    /// A message is done with.
    fn finish(&mut self, id: QueueId, message: &Stored) {
        let Some(queue) = self.queues.get_mut(id) else { return };
        queue.remove(message);
        self.bytes -= message.cost();
        if !self.after_message(id) {
            self.made_room(Some(id));
        }
    }

    /// Everything that a consumer that is gone had goes back, as failed attempts.
    pub(super) fn give_back_all(&mut self, consumer: &Consumer<O>) {
        let mut held = consumer.held;
        let Some(queue) = self.queues.get_mut(consumer.queue) else {
            self.leases.drop_all(held);
            return;
        };
        let most = self.limits.deliveries;
        let mut given_up = Vec::new();
        // Newest first: each goes right to the front.
        while let Some(lease) = self.leases.end_last(&mut held) {
            let mut message = lease.message;
            message.past_mut().failures += 1;
            self.counters.returned += 1;
            if most > 0 && message.failures() >= most {
                given_up.push(message);
            } else {
                queue.put_back(message);
            }
        }
        for message in given_up.into_iter().rev() {
            self.give_up(consumer.queue, &message);
        }
    }
}
