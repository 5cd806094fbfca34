//! All queues, who is attached to them, and what is under way: plain data, no I/O.
//!
//! | file | what it does |
//! |---|---|
//! | mod | addresses, attaching and detaching, temporary queues |
//! | dispatch | messages to consumers, and what consumers say of them |
//! | leases | which message is under way to whom |
//! | credit | how much producers may send |

mod credit;
mod dispatch;
mod leases;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use deuteron::{AmqpError, condition};

use crate::queue::Queue;
use crate::slots::{Slots, key};
use crate::stats::Counters;
use credit::Producer;
use dispatch::Consumer;
pub(crate) use dispatch::{Manner, Verdict};
use leases::Leases;

key! {
    /// Finds a queue.
    QueueId
}
key! {
    /// Finds a link on which we send.
    ConsumerId
}
key! {
    /// Finds a link on which we receive.
    ProducerId
}
key! {
    /// Finds a message that is under way.
    LeaseId
}

/// A connection, for what belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Addresses of temporary queues start with this; no other queue has such an address.
const TEMPORARY: &str = "deuteron:temporary:";

/// Longer addresses are refused, in bytes.
const MAX_ADDRESS: usize = 4096;

/// Where messages leave the router.
pub(crate) trait Outlet {
    /// How many messages the consumer `id` takes now.
    fn credit(&self, id: ConsumerId) -> u32;
    /// Sends one. False if the link is over.
    fn send(&self, lease: LeaseId, payload: Bytes, format: u32, settled: bool) -> bool;
    /// Closes the link.
    fn close(&self, error: AmqpError);
}

/// Where messages come from.
pub(crate) trait Inlet {
    /// Allows that many more.
    fn add_credit(&self, messages: u32);
    /// Closes the link.
    fn close(&self, error: AmqpError);
}

/// Bounds. A message counts for its bytes and an overhead, see [`cost`](crate::message::cost).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) queue_bytes: u64,
    pub(crate) queue_messages: u64,
    pub(crate) queues: usize,
    /// Credit that a producer has at most.
    pub(crate) window: u32,
}

/// The node that a link is to be attached to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node<'a> {
    /// The queue of this address, made if there is none.
    Address(&'a str),
    /// A new queue, which lives no longer than this connection.
    Temporary(ConnectionId),
}

/// All of the broker's state.
pub(crate) struct Router<O, I> {
    limits: Limits,
    queues: Slots<QueueId, Queue>,
    addresses: HashMap<Arc<str>, QueueId>,
    /// Temporary queues, by owner.
    temporary: HashMap<ConnectionId, Vec<QueueId>>,
    /// What makes addresses of temporary queues unique among brokers.
    name: String,
    temporary_made: u64,
    consumers: Slots<ConsumerId, Consumer<O>>,
    producers: Slots<ProducerId, Producer<I>>,
    leases: Leases,
    /// Copies sent to browsers: they need tags, but no leases.
    copies: u32,
    /// What all messages count for.
    bytes: u64,
    /// Producers that get credit when the broker as a whole has room again.
    waiting: VecDeque<ProducerId>,
    pub(crate) counters: Counters,
}

impl<O: Outlet, I: Inlet> Router<O, I> {
    pub(crate) fn new(limits: Limits, name: impl Into<String>) -> Self {
        Self {
            limits,
            queues: Slots::default(),
            addresses: HashMap::new(),
            temporary: HashMap::new(),
            name: name.into(),
            temporary_made: 0,
            consumers: Slots::default(),
            producers: Slots::default(),
            leases: Leases::default(),
            copies: 0,
            bytes: 0,
            waiting: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// How many queues there are.
    pub(crate) fn queues(&self) -> usize {
        self.queues.len()
    }

    /// Messages in all queues, those under way included.
    pub(crate) fn messages(&self) -> u64 {
        self.queues.keys().filter_map(|id| self.queues.get(id)).map(Queue::messages).sum()
    }

    /// What all messages count for in limits, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Messages of a queue, those under way included; `None` if there is no such queue.
    pub(crate) fn messages_of(&self, address: &str) -> Option<u64> {
        self.addresses.get(address).and_then(|id| self.queues.get(*id)).map(Queue::messages)
    }

    /// Attaches a consumer. It gets nothing before [`consumer_ready`](Self::consumer_ready).
    pub(crate) fn open_consumer(
        &mut self,
        node: Node<'_>,
        manner: Manner,
        outlet: O,
    ) -> Result<(ConsumerId, Arc<str>), AmqpError> {
        let queue = self.queue_for(node)?;
        let consumer = self.consumers.insert(Consumer::new(queue, manner, outlet));
        let queue = self.queues.get_mut(queue).ok_or_else(gone)?;
        queue.consumers.push(consumer);
        if manner.browses {
            queue.browsers.push(consumer);
        }
        Ok((consumer, Arc::clone(&queue.address)))
    }

    /// Attaches a producer: to a queue, or with `None` as anonymous relay. It has no credit before
    /// [`producer_ready`](Self::producer_ready).
    pub(crate) fn open_producer(
        &mut self,
        node: Option<Node<'_>>,
        inlet: I,
    ) -> Result<(ProducerId, Option<Arc<str>>), AmqpError> {
        let Some(node) = node else {
            return Ok((self.producers.insert(Producer::new(None, inlet)), None));
        };
        let id = self.queue_for(node)?;
        let producer = self.producers.insert(Producer::new(Some(id), inlet));
        let queue = self.queues.get_mut(id).ok_or_else(gone)?;
        queue.producers.push(producer);
        Ok((producer, Some(Arc::clone(&queue.address))))
    }

    /// A consumer's link is over: what it had goes back to its queue, each a failed attempt. With
    /// `closes`, a temporary queue that nobody else uses goes too.
    pub(crate) fn close_consumer(&mut self, id: ConsumerId, closes: bool) {
        let Some(consumer) = self.consumers.remove(id) else { return };
        self.give_back_all(&consumer);
        if let Some(queue) = self.queues.get_mut(consumer.queue) {
            queue.forget(id);
        }
        self.dispatch(consumer.queue);
        self.after_detach(consumer.queue, closes);
    }

    /// A producer's link is over.
    pub(crate) fn close_producer(&mut self, id: ProducerId, closes: bool) {
        let Some(producer) = self.producers.remove(id) else { return };
        let Some(queue) = producer.queue else { return };
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.producers.retain(|other| *other != id);
        }
        self.after_detach(queue, closes);
    }

    /// A connection is over: its temporary queues go.
    pub(crate) fn close_connection(&mut self, connection: ConnectionId) {
        for queue in self.temporary.remove(&connection).unwrap_or_default() {
            self.delete(queue);
        }
    }

    /// A temporary queue goes with the last link that was closed on it (3.5.9, where the policy is
    /// left to us); one made on demand as soon as it is empty and unused.
    fn after_detach(&mut self, id: QueueId, closes: bool) {
        let Some(queue) = self.queues.get(id) else { return };
        match queue.owner {
            None if queue.is_unused() => self.delete(id),
            Some(owner) if closes && queue.consumers.is_empty() && queue.producers.is_empty() => {
                if let Some(owned) = self.temporary.get_mut(&owner) {
                    owned.retain(|other| *other != id);
                }
                self.delete(id);
            }
            _ => {}
        }
    }

    fn queue_for(&mut self, node: Node<'_>) -> Result<QueueId, AmqpError> {
        match node {
            Node::Address(address) => self.queue_at(address),
            Node::Temporary(owner) => {
                self.temporary_made += 1;
                let address = format!("{TEMPORARY}{}:{}", self.name, self.temporary_made);
                let id = self.make_queue(address.into(), Some(owner))?;
                self.temporary.entry(owner).or_default().push(id);
                Ok(id)
            }
        }
    }

    /// The queue of an address, made on demand.
    fn queue_at(&mut self, address: &str) -> Result<QueueId, AmqpError> {
        if let Some(id) = self.addresses.get(address) {
            return Ok(*id);
        }
        if address.starts_with(TEMPORARY) {
            let text = format!("the temporary queue '{address}' does not exist (any more)");
            return Err(AmqpError::new(condition::NOT_FOUND, text));
        }
        if address.is_empty() || address.len() > MAX_ADDRESS {
            let text = format!("an address has 1 to {MAX_ADDRESS} bytes, this one has {}", address.len());
            return Err(AmqpError::new(condition::INVALID_FIELD, text));
        }
        self.make_queue(address.into(), None)
    }

    fn make_queue(&mut self, address: Arc<str>, owner: Option<ConnectionId>) -> Result<QueueId, AmqpError> {
        if self.queues.len() >= self.limits.queues {
            let text = format!("the broker has {} queues already, which is its limit", self.limits.queues);
            return Err(AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, text));
        }
        let id = self.queues.insert(Queue::new(Arc::clone(&address), owner));
        self.addresses.insert(address, id);
        Ok(id)
    }

    /// Deletes a queue with all that is in it; links to it are closed.
    fn delete(&mut self, id: QueueId) {
        let Some(queue) = self.queues.remove(id) else { return };
        self.addresses.remove(&queue.address);
        self.bytes -= queue.bytes();
        self.counters.deleted += queue.messages();
        let error = || {
            let text = format!("the queue '{}' was deleted", queue.address);
            AmqpError::new(condition::RESOURCE_DELETED, text)
        };
        for consumer in &queue.consumers {
            if let Some(consumer) = self.consumers.remove(*consumer) {
                self.leases.drop_all(consumer.held);
                consumer.outlet.close(error());
            }
        }
        for producer in &queue.producers {
            if let Some(producer) = self.producers.remove(*producer) {
                producer.inlet.close(error());
            }
        }
        // Anonymous producers that waited for room in it.
        for producer in queue.waiting {
            self.grant(producer, None);
        }
        self.made_room(None);
    }
}

fn gone() -> AmqpError {
    AmqpError::new(condition::RESOURCE_DELETED, "the queue was deleted")
}
