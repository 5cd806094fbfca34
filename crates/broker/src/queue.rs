//! One queue: messages in order, and whose turn it is to get them. It knows neither links nor leases.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::lanes::{Lanes, place};
use crate::message::{Life, Stored, cost};
use crate::router::{ConnectionId, ConsumerId, Lifetime, ProducerId, SubscriptionId};

/// Messages, in the order in which they came, and who waits for what.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) address: Arc<str>,
    /// Whose it is, if it is temporary.
    pub(crate) owner: Option<ConnectionId>,
    /// When it goes, if it is dynamic.
    pub(crate) lifetime: Option<Lifetime>,
    /// The subscription whose it is: nobody finds it by its address then.
    pub(crate) subscription: Option<SubscriptionId>,
    /// It was configured, and stays.
    pub(crate) kept: bool,
    /// Those that anybody may have.
    ready: Lanes,
    /// Those that some consumer must not have, by sequence.
    restricted: BTreeMap<u64, Stored>,
    /// When messages that are here expire, and their sequence.
    deadlines: BTreeSet<(u64, u64)>,
    /// How many messages have come.
    number: u64,
    /// Messages here and leased.
    messages: u64,
    /// What they count for in limits.
    bytes: u64,
    /// Consumers that may have credit, the next one first.
    pub(crate) turns: VecDeque<ConsumerId>,
    /// Consumers that want copies.
    pub(crate) browsers: Vec<ConsumerId>,
    pub(crate) consumers: Vec<ConsumerId>,
    /// Consumers with a selector, and the sequence before which nothing is for them.
    pub(crate) selecting: Vec<(ConsumerId, u64)>,
    pub(crate) producers: Vec<ProducerId>,
    /// Producers that get credit when there is room again.
    pub(crate) waiting: VecDeque<ProducerId>,
}

impl Queue {
    pub(crate) fn new(address: Arc<str>) -> Self {
        Self {
            address,
            owner: None,
            lifetime: None,
            subscription: None,
            kept: false,
            ready: Lanes::default(),
            deadlines: BTreeSet::new(),
            restricted: BTreeMap::new(),
            number: 0,
            messages: 0,
            bytes: 0,
            turns: VecDeque::new(),
            browsers: Vec::new(),
            consumers: Vec::new(),
            selecting: Vec::new(),
            producers: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Messages, those under way to consumers included.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages that no consumer has.
    pub(crate) fn available(&self) -> usize {
        self.ready.len() + self.restricted.len()
    }

    /// What the messages count for in limits.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Nothing is in it and nobody uses it.
    pub(crate) fn is_unused(&self) -> bool {
        self.messages == 0 && self.consumers.is_empty() && self.producers.is_empty()
    }

    /// Adds a message behind those of its priority. `now` is asked for only if it expires.
    pub(crate) fn push(&mut self, from: ConnectionId, payload: Bytes, format: u32, now: impl Fn() -> u64) {
        let life = Life::of(&payload);
        let expires = life.expires(now);
        self.add(from, payload, format, life.priority, expires);
    }

    /// Adds a message that does not expire, whatever it says.
    pub(crate) fn keep(&mut self, from: ConnectionId, payload: Bytes, format: u32) {
        let priority = Life::of(&payload).priority;
        self.add(from, payload, format, priority, None);
    }

    fn add(&mut self, from: ConnectionId, payload: Bytes, format: u32, priority: u8, expires: Option<u64>) {
        self.messages += 1;
        self.bytes += cost(payload.len());
        let sequence = place(priority, self.number);
        self.number += 1;
        let message = Stored { sequence, from, payload, format, expires, past: None };
        for (_, from) in &mut self.selecting {
            *from = (*from).min(sequence);
        }
        self.watch(&message);
        self.ready.insert(message);
    }

    fn watch(&mut self, message: &Stored) {
        if let Some(expires) = message.expires {
            self.deadlines.insert((expires, message.sequence));
        }
    }

    fn unwatch(&mut self, message: &Stored) {
        if let Some(expires) = message.expires {
            self.deadlines.remove(&(expires, message.sequence));
        }
    }

    /// Whether any message may expire.
    pub(crate) fn has_deadlines(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// Takes a message that has expired by `now`.
    pub(crate) fn take_expired(&mut self, now: u64) -> Option<Stored> {
        let (expires, sequence) = *self.deadlines.first()?;
        if expires > now {
            return None;
        }
        self.deadlines.pop_first();
        self.ready.remove(sequence).or_else(|| self.restricted.remove(&sequence))
    }

    /// Takes the first message that `consumer` may have, and that is no longer than `longest`.
    pub(crate) fn take(&mut self, consumer: ConsumerId, longest: u64) -> Option<Stored> {
        let message = self.next(consumer, longest)?;
        self.unwatch(&message);
        Some(message)
    }

    fn next(&mut self, consumer: ConsumerId, longest: u64) -> Option<Stored> {
        let suits = |message: &Stored| message.is_for(consumer) && message.payload.len() as u64 <= longest;
        // What is too long for this consumer stays for others, and must not hold up what follows.
        while let Some(first) = self.ready.front()
            && !suits(first)
        {
            let mut message = self.ready.pop_front()?;
            message.past_mut().refused_by.push(consumer);
            self.restricted.insert(message.sequence, message);
        }
        let restricted =
            self.restricted.values().find(|message| suits(message)).map(|message| message.sequence);
        match (restricted, self.ready.front().map(|message| message.sequence)) {
            (Some(restricted), ready) if ready.is_none_or(|ready| restricted < ready) => {
                self.restricted.remove(&restricted)
            }
            _ => self.ready.pop_front(),
        }
    }

    /// Takes the first message for which `wants` holds, for a consumer that selects. What it has looked at once and does
    /// not want, it does not look at again, unless it comes back.
    pub(crate) fn select(&mut self, consumer: ConsumerId, wants: impl Fn(&Stored) -> bool) -> Option<Stored> {
        let Self { ready, restricted, selecting, .. } = self;
        let from = selecting.iter_mut().find(|(other, _)| *other == consumer).map(|(_, from)| from)?;
        let suits = |message: &&Stored| message.is_for(consumer) && wants(message);
        let first = ready.from(*from).find(suits).map(|message| message.sequence);
        let aside = restricted.range(*from..).map(|(_, message)| message).find(suits);
        let aside =
            aside.map(|message| message.sequence).filter(|aside| first.is_none_or(|first| *aside < first));
        let Some(sequence) = aside.or(first) else {
            // Whatever comes next brings it back to where that is.
            *from = u64::MAX;
            return None;
        };
        *from = sequence + 1;
        let message = ready.remove(sequence).or_else(|| restricted.remove(&sequence))?;
        self.unwatch(&message);
        Some(message)
    }

    /// Puts a message that a consumer gave back where it was: before all that came after it.
    pub(crate) fn put_back(&mut self, message: Stored) {
        for (_, from) in &mut self.selecting {
            *from = (*from).min(message.sequence);
        }
        self.watch(&message);
        if message.is_restricted() {
            self.restricted.insert(message.sequence, message);
        } else {
            self.ready.insert(message);
        }
    }

    /// A message that was taken is gone for good.
    pub(crate) fn remove(&mut self, message: &Stored) {
        self.messages -= 1;
        self.bytes -= message.cost();
        if self.messages == 0 {
            self.ready.shrink();
        }
    }

    /// The first message from `cursor` on, and the cursor behind it.
    pub(crate) fn after(&self, cursor: u64) -> Option<(u64, &Stored)> {
        let ready = self.ready.from(cursor).next();
        let restricted = self.restricted.range(cursor..).next().map(|(_, message)| message);
        let message = match (ready, restricted) {
            (Some(ready), Some(restricted)) if restricted.sequence < ready.sequence => restricted,
            (ready, restricted) => ready.or(restricted)?,
        };
        Some((message.sequence + 1, message))
    }

    /// A consumer is gone: what only it must not have is for anybody now.
    pub(crate) fn forget(&mut self, consumer: ConsumerId) {
        self.turns.retain(|other| *other != consumer);
        self.browsers.retain(|other| *other != consumer);
        self.consumers.retain(|other| *other != consumer);
        self.selecting.retain(|(other, _)| *other != consumer);
        let freed: Vec<u64> = self
            .restricted
            .values_mut()
            .filter_map(|message| {
                let past = message.past.as_mut()?;
                past.refused_by.retain(|other| *other != consumer);
                past.refused_by.is_empty().then_some(message.sequence)
            })
            .collect();
        for sequence in freed {
            if let Some(message) = self.restricted.remove(&sequence) {
                self.put_back(message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Key;

    fn queue(messages: u64) -> Queue {
        let mut queue = Queue::new("q".into());
        for number in 0..messages {
            queue.push(ConnectionId(0), Bytes::from(number.to_string()), 0, || 0);
        }
        queue
    }

    fn consumer(number: u32) -> ConsumerId {
        ConsumerId::new(number, 0)
    }

    /// Which of the messages it is.
    fn number(message: &Stored) -> u64 {
        message.sequence & ((1 << 56) - 1)
    }

    fn take(queue: &mut Queue, by: ConsumerId) -> Stored {
        queue.take(by, u64::MAX).expect("there is a message")
    }

    #[test]
    fn what_comes_back_goes_before_what_came_later() {
        let mut queue = queue(4);
        let taken: Vec<_> = (0..3).map(|_| take(&mut queue, consumer(0))).collect();
        for message in taken.into_iter().rev().chain(None) {
            queue.put_back(message);
        }
        let order: Vec<_> = (0..4).map(|_| number(&take(&mut queue, consumer(1)))).collect();
        assert_eq!(order, [0, 1, 2, 3]);
        assert_eq!((queue.available(), queue.messages()), (0, 4));
    }

    #[test]
    fn a_consumer_does_not_get_again_what_it_cannot_deliver_but_all_that_follows() {
        let mut queue = queue(3);
        let mut refused = take(&mut queue, consumer(0));
        refused.past_mut().refused_by.push(consumer(0));
        queue.put_back(refused);
        assert_eq!(number(&take(&mut queue, consumer(0))), 1);
        assert_eq!(number(&take(&mut queue, consumer(1))), 0);
        assert_eq!(number(&take(&mut queue, consumer(1))), 2);
    }

    #[test]
    fn what_nobody_but_one_refused_is_free_when_that_one_goes() {
        let mut queue = queue(1);
        let mut refused = take(&mut queue, consumer(0));
        refused.past_mut().refused_by.push(consumer(0));
        queue.put_back(refused);
        assert!(queue.take(consumer(0), u64::MAX).is_none());
        queue.forget(consumer(0));
        assert!(!take(&mut queue, consumer(1)).is_restricted());
    }

    #[test]
    fn what_is_too_long_for_a_consumer_waits_for_another() {
        let mut queue = queue(0);
        queue.push(ConnectionId(0), Bytes::from_static(b"long"), 0, || 0);
        queue.push(ConnectionId(0), Bytes::from_static(b"s"), 0, || 0);
        assert_eq!(queue.take(consumer(0), 3).as_ref().map(number), Some(1));
        assert!(queue.take(consumer(0), 3).is_none());
        assert_eq!(number(&take(&mut queue, consumer(1))), 0);
    }

    #[test]
    fn copies_go_forward_and_take_nothing() {
        let mut queue = queue(2);
        let (cursor, first) = queue.after(0).expect("the first");
        assert_eq!(number(first), 0);
        let (cursor, second) = queue.after(cursor).expect("the second");
        assert_eq!(number(second), 1);
        assert!(queue.after(cursor).is_none());
        assert_eq!(queue.available(), 2);
        queue.push(ConnectionId(0), Bytes::from_static(b"2"), 0, || 0);
        assert_eq!(queue.after(cursor).map(|(_, message)| number(message)), Some(2));
    }
}
