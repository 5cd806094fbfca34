//! Topics: every subscription gets its own queue of what is published.

use std::sync::Arc;

use bytes::Bytes;
use deuteron::{AmqpError, condition};

use super::address::Lifetime;
use super::{ConnectionId, Found, Inlet, Outlet, ProducerId, QueueId, Router, SubscriptionId, TopicId};
use crate::message::cost;

/// A topic: it holds no messages itself.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) address: Arc<str>,
    /// Whose it is, if it is temporary.
    pub(super) owner: Option<ConnectionId>,
    pub(super) lifetime: Option<Lifetime>,
    /// It was configured, and stays.
    pub(super) kept: bool,
    pub(super) subscriptions: Vec<SubscriptionId>,
    pub(super) producers: Vec<ProducerId>,
}

impl Topic {
    pub(super) fn new(address: Arc<str>) -> Self {
        Self {
            address,
            owner: None,
            lifetime: None,
            kept: false,
            subscriptions: Vec::new(),
            producers: Vec::new(),
        }
    }

    fn is_unused(&self) -> bool {
        self.subscriptions.is_empty() && self.producers.is_empty()
    }
}

impl<O: Outlet, I: Inlet> Router<O, I> {
    /// Gives a message to all subscriptions that want it. The bytes are shared, and count for each.
    pub(super) fn publish(&mut self, id: TopicId, from: ConnectionId, payload: &Bytes, format: u32) {
        let Some(topic) = self.topics.get(id) else { return };
        let wanted: Vec<QueueId> = topic
            .subscriptions
            .iter()
            .filter_map(|id| self.subscriptions.get(*id))
            .filter(|subscription| subscription.filter.wants(from, payload))
            .map(|subscription| subscription.queue)
            .collect();
        for queue_id in wanted {
            if let Some(queue) = self.queues.get_mut(queue_id) {
                self.bytes += cost(payload.len());
                queue.push(from, payload.clone(), format, &self.clock);
            }
            self.dispatch(queue_id);
        }
    }

    /// The queue of a topic's subscription that has no room left.
    pub(super) fn full_subscription(
        &self,
        id: TopicId,
        is_full: impl Fn(QueueId) -> bool,
    ) -> Option<QueueId> {
        let subscriptions = self.topics.get(id)?.subscriptions.iter();
        let mut queues = subscriptions.filter_map(|id| self.subscriptions.get(*id)).map(|one| one.queue);
        queues.find(|queue| is_full(*queue))
    }

    /// A link to a topic is gone: it goes too, if nothing keeps it.
    pub(super) fn after_topic_detach(&mut self, id: TopicId, closes: bool) {
        let Some(topic) = self.topics.get(id) else { return };
        let goes = !topic.kept
            && topic.is_unused()
            && match topic.lifetime {
                None | Some(Lifetime::NoLinks | Lifetime::NoLinksOrMessages) => true,
                Some(Lifetime::OnClose) => closes,
                // There are never any in a topic, and it was asked for.
                Some(Lifetime::NoMessages) => closes,
            };
        if goes {
            self.delete_topic(id);
        }
    }

    /// Deletes a topic with its subscriptions; links to it are closed.
    pub(super) fn delete_topic(&mut self, id: TopicId) {
        let Some(topic) = self.topics.remove(id) else { return };
        self.addresses.remove(&topic.address);
        self.disown(topic.owner, Found::Topic(id));
        for subscription in topic.subscriptions {
            self.end_subscription(subscription);
        }
        for producer in topic.producers {
            if let Some(producer) = self.producers.remove(producer) {
                let text = format!("the topic '{}' was deleted", topic.address);
                producer.inlet.close(AmqpError::new(condition::RESOURCE_DELETED, text));
            }
        }
    }
}
