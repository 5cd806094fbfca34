//! Subscriptions to topics: whose they are, how long they last, what they want.

use std::sync::Arc;

use bytes::Bytes;
use deuteron::{AmqpError, Map, condition};

use super::dispatch::{Consumer, Manner};
use super::{ConnectionId, ConsumerId, Inlet, Outlet, QueueId, Router, SubscriptionId, TopicId};
use crate::queue::Queue;
use crate::selector::Selector;

/// What a subscription that can be found again is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SubscriptionName {
    /// The container whose it is; `None` if containers share it.
    pub(crate) container: Option<String>,
    pub(crate) name: String,
}

/// How long a subscription outlives its last link (3.5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Not at all.
    #[default]
    Detach,
    /// As long as its connection.
    Connection,
    /// Until it is closed.
    Never,
}

/// Which messages a subscription wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) selector: Option<Arc<Selector>>,
    /// The text of the selector: another one makes another subscription.
    pub(crate) text: Option<String>,
    /// As it was granted, for whoever asks by the name alone.
    pub(crate) granted: Option<Map>,
    /// Not those that this connection has sent.
    pub(crate) not_from: Option<ConnectionId>,
}

impl Filter {
    pub(super) fn wants(&self, from: ConnectionId, payload: &Bytes) -> bool {
        self.not_from != Some(from)
            && self.selector.as_ref().is_none_or(|selector| selector.matches(payload, 0))
    }

    /// Whether both ask for the same, whoever asks.
    fn is_like(&self, other: &Self) -> bool {
        self.text == other.text && self.not_from.is_some() == other.not_from.is_some()
    }
}

/// What a consumer wants of a topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscribing {
    /// `None` for one that nobody will ask for again.
    pub(crate) name: Option<SubscriptionName>,
    pub(crate) shared: bool,
    pub(crate) expiry: Expiry,
    /// How many seconds more it lasts then.
    pub(crate) timeout: u32,
    pub(crate) filter: Filter,
}

/// One reader, or group of readers, of a topic.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) topic: TopicId,
    pub(super) queue: QueueId,
    name: Option<SubscriptionName>,
    shared: bool,
    expiry: Expiry,
    timeout: u32,
    /// When it ends, unless a link comes back to it.
    ends: Option<u64>,
    pub(super) filter: Filter,
    /// The connection of the last link that was attached.
    connection: ConnectionId,
}

impl<O: Outlet, I: Inlet> Router<O, I> {
    /// Attaches a consumer to a topic: to the subscription that it names, or a new one.
    pub(super) fn subscribe(
        &mut self,
        topic: TopicId,
        connection: ConnectionId,
        wanted: Subscribing,
        manner: Manner,
        outlet: O,
    ) -> Result<(ConsumerId, Arc<str>), AmqpError> {
        // What is selected here is selected when it is published.
        let manner = Manner { selector: None, not_from: None, browses: false, ..manner };
        self.end_overdue_subscriptions();
        let known = wanted.name.as_ref().and_then(|name| self.named.get(name)).copied();
        let timeout = wanted.timeout;
        let id = match known {
            Some(id) if self.is_as(id, topic, &wanted) => {
                if !wanted.shared {
                    self.steal(id);
                }
                id
            }
            Some(id) => {
                self.may_replace(id, &wanted)?;
                let former = self.subscriptions.get(id).map(|subscription| subscription.topic);
                self.end_subscription(id);
                let made = self.make_subscription(topic, connection, wanted)?;
                if let Some(former) = former {
                    self.after_topic_detach(former, true);
                }
                made
            }
            None => self.make_subscription(topic, connection, wanted)?,
        };
        let subscription = self.subscriptions.get_mut(id).ok_or_else(super::gone)?;
        subscription.connection = connection;
        (subscription.timeout, subscription.ends) = (timeout, None);
        if subscription.filter.not_from.is_some() {
            subscription.filter.not_from = Some(connection);
        }
        let queue_id = subscription.queue;
        let consumer = self.consumers.insert(Consumer::new(queue_id, manner, outlet));
        let queue = self.queues.get_mut(queue_id).ok_or_else(super::gone)?;
        queue.consumers.push(consumer);
        let address = self.topics.get(topic).map(|topic| Arc::clone(&topic.address));
        Ok((consumer, address.ok_or_else(super::gone)?))
    }

    /// Its consumer goes on, on another connection.
    pub(super) fn subscription_moved(&mut self, id: SubscriptionId, connection: ConnectionId) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        subscription.connection = connection;
        subscription.ends = None;
        if let Some(not_from) = &mut subscription.filter.not_from {
            *not_from = connection;
        }
    }

    /// Attaches a consumer to a subscription that is only called by its name, to end it or to go on. Returns also how the
    /// subscription is.
    pub(crate) fn resume(
        &mut self,
        name: &SubscriptionName,
        connection: ConnectionId,
        manner: Manner,
        outlet: O,
    ) -> Result<(ConsumerId, Arc<str>, Subscribing), AmqpError> {
        self.end_overdue_subscriptions();
        let Some(subscription) = self.named.get(name).and_then(|id| self.subscriptions.get(*id)) else {
            let text = format!("there is no subscription called '{}'", name.name);
            return Err(AmqpError::new(condition::NOT_FOUND, text));
        };
        let wanted = Subscribing {
            name: subscription.name.clone(),
            shared: subscription.shared,
            expiry: subscription.expiry,
            timeout: subscription.timeout,
            filter: subscription.filter.clone(),
        };
        let (id, address) = self.subscribe(subscription.topic, connection, wanted.clone(), manner, outlet)?;
        Ok((id, address, wanted))
    }

    /// Whether a subscription is what is wanted: the same topic, filter and kind (JMS makes a new one otherwise).
    fn is_as(&self, id: SubscriptionId, topic: TopicId, wanted: &Subscribing) -> bool {
        self.subscriptions.get(id).is_some_and(|one| {
            one.topic == topic && one.shared == wanted.shared && one.filter.is_like(&wanted.filter)
        })
    }

    /// A shared subscription that is in use cannot become another one.
    fn may_replace(&self, id: SubscriptionId, wanted: &Subscribing) -> Result<(), AmqpError> {
        let Some(subscription) = self.subscriptions.get(id) else { return Ok(()) };
        let used = self.queues.get(subscription.queue).is_some_and(|queue| !queue.consumers.is_empty());
        if used && (subscription.shared || wanted.shared) {
            let name = wanted.name.as_ref().map_or("", |name| &name.name);
            let text = format!(
                "the subscription '{name}' is in use with another topic, selector or kind of sharing"
            );
            return Err(AmqpError::new(condition::NOT_ALLOWED, text));
        }
        Ok(())
    }

    /// A link of the same name comes from the same container: the former has lost its place (2.6.1).
    fn steal(&mut self, id: SubscriptionId) {
        let Some(queue_id) = self.subscriptions.get(id).map(|subscription| subscription.queue) else {
            return;
        };
        let Some(queue) = self.queues.get(queue_id) else { return };
        for consumer_id in queue.consumers.clone() {
            let Some(consumer) = self.consumers.remove(consumer_id) else { continue };
            self.give_back_all(&consumer);
            if let Some(queue) = self.queues.get_mut(queue_id) {
                queue.forget(consumer_id);
            }
            let text = "another link of this name and container has taken the subscription over";
            consumer.outlet.close(AmqpError::new(condition::STOLEN, text));
        }
    }

    fn make_subscription(
        &mut self,
        topic: TopicId,
        connection: ConnectionId,
        wanted: Subscribing,
    ) -> Result<SubscriptionId, AmqpError> {
        if self.subscriptions.len() >= self.limits.subscriptions {
            let most = self.limits.subscriptions;
            let text = format!("the broker has {most} subscriptions already, which is its limit");
            return Err(AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, text));
        }
        let address = Arc::clone(&self.topics.get(topic).ok_or_else(super::gone)?.address);
        let queue = self.queues.insert(Queue::new(address));
        let Subscribing { name, shared, expiry, timeout, filter } = wanted;
        let subscription = Subscription {
            topic,
            queue,
            name: name.clone(),
            shared,
            expiry,
            timeout,
            ends: None,
            filter,
            connection,
        };
        let id = self.subscriptions.insert(subscription);
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.subscription = Some(id);
        }
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.subscriptions.push(id);
        }
        if let Some(name) = name {
            self.named.insert(name, id);
        }
        Ok(id)
    }

    /// A consumer of a subscription is gone.
    pub(super) fn after_subscriber(&mut self, id: SubscriptionId, closes: bool) {
        let Some(subscription) = self.subscriptions.get(id) else { return };
        let used = self.queues.get(subscription.queue).is_some_and(|queue| !queue.consumers.is_empty());
        if used || !closes && subscription.expiry != Expiry::Detach {
            return;
        }
        if !closes && subscription.timeout > 0 {
            return self.start_timeout(id);
        }
        let topic = subscription.topic;
        self.end_subscription(id);
        self.after_topic_detach(topic, closes);
    }

    /// A subscription has a while left for a link to come back to it (3.5.3, timeout).
    fn start_timeout(&mut self, id: SubscriptionId) {
        let now = (self.clock)();
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            let ends = now + u64::from(subscription.timeout) * 1000;
            subscription.ends = Some(ends);
            self.ending.entry(ends).or_default().push(id);
        }
    }

    /// Ends those that nobody came back to in time. To be called now and then.
    pub(super) fn end_overdue_subscriptions(&mut self) {
        while let Some(first) = self.ending.first_entry()
            && *first.key() <= (self.clock)()
        {
            let (ends, ids) = first.remove_entry();
            for id in ids {
                // It may have been used since, or be gone.
                let over = self.subscriptions.get(id).filter(|subscription| subscription.ends == Some(ends));
                let Some(topic) = over.map(|subscription| subscription.topic) else { continue };
                self.end_subscription(id);
                self.after_topic_detach(topic, true);
            }
        }
    }

    /// A connection is over: subscriptions that last no longer go.
    pub(super) fn end_subscriptions_of(&mut self, connection: ConnectionId) {
        let ended: Vec<_> = self
            .subscriptions
            .keys()
            .filter(|id| {
                self.subscriptions.get(*id).is_some_and(|subscription| {
                    subscription.expiry == Expiry::Connection
                        && subscription.connection == connection
                        && self.queues.get(subscription.queue).is_none_or(|queue| queue.consumers.is_empty())
                })
            })
            .collect();
        for id in ended {
            if self.subscriptions.get(id).is_some_and(|subscription| subscription.timeout > 0) {
                self.start_timeout(id);
                continue;
            }
            let topic = self.subscriptions.get(id).map(|subscription| subscription.topic);
            self.end_subscription(id);
            if let Some(topic) = topic {
                self.after_topic_detach(topic, false);
            }
        }
    }

    /// Ends a subscription with what it holds; links to it are closed.
    pub(super) fn end_subscription(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.remove(id) else { return };
        if let Some(name) = &subscription.name {
            self.named.remove(name);
        }
        if let Some(topic) = self.topics.get_mut(subscription.topic) {
            topic.subscriptions.retain(|other| *other != id);
        }
        self.delete(subscription.queue);
    }

    /// How many subscriptions there are.
    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// How many topics there are.
    pub(crate) fn topics(&self) -> usize {
        self.topics.len()
    }
}
