//! All queues and topics, who is attached to them, and what is under way: plain data, no I/O.
//!
//! | file | what it does |
//! |---|---|
//! | mod | attaching and detaching, nodes on demand and temporary ones |
//! | address | what an address says of its node |
//! | transaction | what waits for a discharge |
//! | topic, subscription | publishing, and who gets what is published |
//! | dispatch | messages to consumers, and what consumers say of them |
//! | leases | which message is under way to whom |
//! | resume | consumers that come back on another connection |
//! | credit | how much producers may send |

mod address;
mod clock;
mod credit;
mod dispatch;
mod leases;
#[cfg(test)]
mod life_tests;
#[cfg(test)]
mod model;
mod resume;
mod settings;
mod subscription;
#[cfg(test)]
mod tests;
mod topic;
#[cfg(test)]
mod topic_model;
#[cfg(test)]
mod topic_tests;
mod transaction;
#[cfg(test)]
mod transaction_tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use deuteron::{AmqpError, condition};

use crate::queue::Queue;
use crate::slots::{Slots, key};
use crate::stats::Counters;
use address::Found;
pub(crate) use address::{Kind, Lifetime, Node};
use clock::Clock;
use credit::Producer;
use dispatch::Consumer;
pub(crate) use dispatch::{Manner, Verdict};
use leases::Leases;
use subscription::Subscription;
pub(crate) use subscription::{Expiry, Filter, Subscribing, SubscriptionName};
use topic::Topic;
use transaction::Transactions;
pub(crate) use transaction::{CoordinatorId, TransactionId};

key! {
    /// Finds a queue.
    QueueId
}
key! {
    /// Finds a topic.
    TopicId
}
key! {
    /// Finds a subscription.
    SubscriptionId
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

/// A message as it leaves.
pub(crate) struct Outgoing {
    pub(crate) payload: Bytes,
    pub(crate) format: u32,
    pub(crate) settled: bool,
    /// The transaction that it is acquired in.
    pub(crate) within: Option<TransactionId>,
}

/// Where messages leave the router.
pub(crate) trait Outlet {
    /// How many messages the consumer `id` takes now.
    fn credit(&self, id: ConsumerId) -> u32;
    /// In which transaction, of its connection, it wants to acquire what it takes, as of the last call of `credit` (4.4.3).
    fn within(&self) -> Option<(ConnectionId, TransactionId)>;
    /// Sends one. False if the link is over.
    fn send(&self, lease: LeaseId, message: Outgoing) -> bool;
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
    pub(crate) topics: usize,
    pub(crate) subscriptions: usize,
    /// Of each connection.
    pub(crate) transactions: usize,
    /// Attempts to deliver a message, after which it is given up; 0 for no such limit.
    pub(crate) deliveries: u32,
    /// Credit that a producer has at most.
    pub(crate) window: u32,
}

/// The address and kind of a node that a link was attached to.
pub(crate) type Granted = (Arc<str>, Kind);

/// All of the broker's state.
pub(crate) struct Router<O, I> {
    limits: Limits,
    queues: Slots<QueueId, Queue>,
    topics: Slots<TopicId, Topic>,
    subscriptions: Slots<SubscriptionId, Subscription>,
    /// Subscriptions that can be found again.
    named: HashMap<SubscriptionName, SubscriptionId>,
    addresses: HashMap<Arc<str>, Found>,
    /// Temporary nodes that go with their connection, by owner.
    temporary: HashMap<ConnectionId, Vec<Found>>,
    /// Nodes are made when they are first used.
    on_demand: bool,
    /// Milliseconds since 1970, for what expires.
    clock: Clock,
    /// Where what is rejected, or delivered too often, goes.
    dead_letter: Option<Box<str>>,
    expiry: Option<Box<str>>,
    /// Subscriptions by when they end, if nobody comes back to them.
    ending: BTreeMap<u64, Vec<SubscriptionId>>,
    /// What makes addresses of temporary nodes unique among brokers.
    name: String,
    temporary_made: u64,
    consumers: Slots<ConsumerId, Consumer<O>>,
    producers: Slots<ProducerId, Producer<I>>,
    leases: Leases,
    transactions: Transactions,
    /// How many of them each connection has.
    declared: HashMap<ConnectionId, usize>,
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
            topics: Slots::default(),
            subscriptions: Slots::default(),
            named: HashMap::new(),
            addresses: HashMap::new(),
            temporary: HashMap::new(),
            on_demand: true,
            clock: Box::new(clock::since_1970),
            dead_letter: None,
            expiry: None,
            ending: BTreeMap::new(),
            name: name.into(),
            temporary_made: 0,
            consumers: Slots::default(),
            producers: Slots::default(),
            leases: Leases::default(),
            transactions: Transactions::default(),
            declared: HashMap::new(),
            copies: 0,
            bytes: 0,
            waiting: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// How many queues there are; those of subscriptions are not counted.
    pub(crate) fn queues(&self) -> usize {
        self.queues.len() - self.subscriptions.len()
    }

    /// Messages in all queues, those under way included.
    pub(crate) fn messages(&self) -> u64 {
        self.queues.keys().filter_map(|id| self.queues.get(id)).map(Queue::messages).sum()
    }

    /// What all messages count for in limits, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Messages of a queue, or of all subscriptions to a topic, those under way included; `None` if there is no such node.
    pub(crate) fn messages_of(&self, address: &str) -> Option<u64> {
        match self.addresses.get(address)? {
            Found::Queue(id) => self.queues.get(*id).map(Queue::messages),
            Found::Topic(id) => {
                let subscriptions = self.topics.get(*id)?.subscriptions.iter();
                let queues = subscriptions.filter_map(|id| self.subscriptions.get(*id)).map(|one| one.queue);
                Some(queues.filter_map(|id| self.queues.get(id)).map(Queue::messages).sum())
            }
        }
    }

    /// Attaches a consumer: to a queue, or by a subscription to a topic. It gets nothing before
    /// [`consumer_ready`](Self::consumer_ready). Returns the node's address and kind.
    pub(crate) fn open_consumer(
        &mut self,
        node: Node<'_>,
        connection: ConnectionId,
        manner: Manner,
        subscribing: Subscribing,
        outlet: O,
    ) -> Result<(ConsumerId, Arc<str>, Kind), AmqpError> {
        let id = match self.node_for(node)? {
            Found::Queue(id) => id,
            Found::Topic(id) => {
                let opened = self.subscribe(id, connection, subscribing, manner, outlet);
                if opened.is_err() {
                    self.after_topic_detach(id, true);
                }
                return opened.map(|(consumer, address)| (consumer, address, Kind::Topic));
            }
        };
        let browses = manner.browses;
        let selects = manner.selects();
        let consumer = self.consumers.insert(Consumer::new(id, manner, outlet));
        let queue = self.queues.get_mut(id).ok_or_else(gone)?;
        queue.consumers.push(consumer);
        if browses {
            queue.browsers.push(consumer);
        } else if selects {
            queue.selecting.push((consumer, 0));
        }
        Ok((consumer, Arc::clone(&queue.address), Kind::Queue))
    }

    /// Attaches a producer: to a queue or topic, or with `None` as anonymous relay. It has no credit before
    /// [`producer_ready`](Self::producer_ready).
    pub(crate) fn open_producer(
        &mut self,
        node: Option<Node<'_>>,
        connection: ConnectionId,
        inlet: I,
    ) -> Result<(ProducerId, Option<Granted>), AmqpError> {
        let Some(node) = node else {
            return Ok((self.producers.insert(Producer::new(None, connection, inlet)), None));
        };
        let found = self.node_for(node)?;
        let producer = self.producers.insert(Producer::new(Some(found), connection, inlet));
        let address = match found {
            Found::Queue(id) => self.queues.get_mut(id).map(|queue| {
                queue.producers.push(producer);
                Arc::clone(&queue.address)
            }),
            Found::Topic(id) => self.topics.get_mut(id).map(|topic| {
                topic.producers.push(producer);
                Arc::clone(&topic.address)
            }),
        };
        Ok((producer, Some((address.ok_or_else(gone)?, found.kind()))))
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
        match producer.node {
            Some(Found::Queue(queue_id)) => {
                if let Some(queue) = self.queues.get_mut(queue_id) {
                    queue.producers.retain(|other| *other != id);
                }
                self.after_detach(queue_id, closes);
            }
            Some(Found::Topic(topic_id)) => {
                if let Some(topic) = self.topics.get_mut(topic_id) {
                    topic.producers.retain(|other| *other != id);
                }
                self.after_topic_detach(topic_id, closes);
            }
            None => {}
        }
    }

    /// A connection is over: its transactions are rolled back, its temporary nodes and subscriptions go.
    pub(crate) fn close_connection(&mut self, connection: ConnectionId) {
        self.undo_all_of(connection);
        for node in self.temporary.remove(&connection).unwrap_or_default() {
            match node {
                Found::Queue(id) => self.delete(id),
                Found::Topic(id) => self.delete_topic(id),
            }
        }
        self.end_subscriptions_of(connection);
    }

    /// A link to a queue is gone. A temporary queue goes with the last link that was closed on it, unless another
    /// lifetime was asked for (3.5.10 to 3.5.13); one made on demand as soon as it is empty and unused.
    fn after_detach(&mut self, id: QueueId, closes: bool) {
        let Some(queue) = self.queues.get(id) else { return };
        if let Some(subscription) = queue.subscription {
            return self.after_subscriber(subscription, closes);
        }
        let linked = !queue.consumers.is_empty() || !queue.producers.is_empty();
        let goes = match queue.lifetime {
            None => queue.is_unused() && !queue.kept,
            Some(Lifetime::OnClose) => closes && !linked,
            Some(Lifetime::NoLinks) => !linked,
            Some(Lifetime::NoMessages) => false,
            Some(Lifetime::NoLinksOrMessages) => queue.is_unused(),
        };
        if goes {
            self.delete(id);
        }
    }

    /// A message of a queue is done with. True if the queue went with it.
    fn after_message(&mut self, id: QueueId) -> bool {
        let Some(queue) = self.queues.get(id) else { return true };
        let goes = match queue.lifetime {
            None => queue.is_unused() && !queue.kept && queue.subscription.is_none(),
            Some(Lifetime::NoMessages) => queue.messages() == 0,
            Some(Lifetime::NoLinksOrMessages) => queue.is_unused(),
            Some(Lifetime::OnClose | Lifetime::NoLinks) => false,
        };
        if goes {
            self.delete(id);
        }
        goes
    }

    fn node_for(&mut self, node: Node<'_>) -> Result<Found, AmqpError> {
        match node {
            Node::Address { address, kind, new } => {
                self.find_or_make(address, kind, self.on_demand.then_some(new))
            }
            Node::Temporary { owner, kind, lifetime } => self.make_temporary(owner, kind, lifetime),
        }
    }

    /// The node of an address, made on demand: of the kind that is asked for, or else a `new` one.
    fn find_or_make(
        &mut self,
        address: &str,
        kind: Option<Kind>,
        new: Option<Kind>,
    ) -> Result<Found, AmqpError> {
        let (name, kind) = address::parse(address, kind)?;
        if let Some(found) = self.addresses.get(name) {
            return match kind {
                Some(kind) if kind != found.kind() => Err(address::other_kind(name, found.kind())),
                _ => Ok(*found),
            };
        }
        match new {
            Some(new) if !name.starts_with(address::TEMPORARY) => self.make(name.into(), kind.unwrap_or(new)),
            _ => Err(address::not_found(name)),
        }
    }

    fn make_temporary(
        &mut self,
        owner: ConnectionId,
        kind: Kind,
        lifetime: Lifetime,
    ) -> Result<Found, AmqpError> {
        self.temporary_made += 1;
        let found = self.make(address::temporary(&self.name, self.temporary_made), kind)?;
        let owned = (lifetime == Lifetime::OnClose).then_some(owner);
        match found {
            Found::Queue(id) => {
                if let Some(queue) = self.queues.get_mut(id) {
                    (queue.owner, queue.lifetime) = (owned, Some(lifetime));
                }
            }
            Found::Topic(id) => {
                if let Some(topic) = self.topics.get_mut(id) {
                    (topic.owner, topic.lifetime) = (owned, Some(lifetime));
                }
            }
        }
        if let Some(owner) = owned {
            self.temporary.entry(owner).or_default().push(found);
        }
        Ok(found)
    }

    /// A temporary node is gone before its owner.
    fn disown(&mut self, owner: Option<ConnectionId>, node: Found) {
        if let Some(owned) = owner.and_then(|owner| self.temporary.get_mut(&owner)) {
            owned.retain(|other| *other != node);
        }
    }

    fn make(&mut self, address: Arc<str>, kind: Kind) -> Result<Found, AmqpError> {
        let (there, most) = match kind {
            Kind::Queue => (self.queues(), self.limits.queues),
            Kind::Topic => (self.topics.len(), self.limits.topics),
        };
        if there >= most {
            let text = format!("the broker has {most} {}s already, which is its limit", kind.name());
            return Err(AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, text));
        }
        let found = match kind {
            Kind::Queue => Found::Queue(self.queues.insert(Queue::new(Arc::clone(&address)))),
            Kind::Topic => Found::Topic(self.topics.insert(Topic::new(Arc::clone(&address)))),
        };
        self.addresses.insert(address, found);
        Ok(found)
    }

    /// Deletes a queue with all that is in it; links to it are closed.
    fn delete(&mut self, id: QueueId) {
        let Some(queue) = self.queues.remove(id) else { return };
        if queue.subscription.is_none() {
            self.addresses.remove(&queue.address);
        }
        self.disown(queue.owner, Found::Queue(id));
        self.bytes -= queue.bytes();
        self.counters.deleted += queue.messages();
        let error = || {
            let what = if queue.subscription.is_some() { "the subscription to" } else { "the queue" };
            let text = format!("{what} '{}' was deleted", queue.address);
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
        // Those that waited for room in it, and are attached to something else.
        for producer in queue.waiting {
            self.grant_again(producer, None);
        }
        self.made_room(None);
    }
}

fn gone() -> AmqpError {
    AmqpError::new(condition::RESOURCE_DELETED, "the queue was deleted")
}
