//! Topics and subscriptions beside a model of them: no message of a subscription is lost, doubled or out of order.

use std::collections::HashMap;

use deuteron::Message;
use proptest::prelude::*;

use super::tests::{LIMITS, Link, TestRouter, router, text};
use super::topic_tests::{READER, durable, publish, publisher, selecting, shared, topic};
use super::*;

#[derive(Clone, Debug)]
enum Action {
    Publish(usize),
    /// One of a few names; the second of them is shared.
    Attach(usize),
    Detach(usize),
    Close(usize),
    Credit(usize),
    Settle(usize, bool),
}

fn action() -> impl Strategy<Value = Action> {
    let index = 0..1000_usize;
    prop_oneof![
        8 => (0..3_usize).prop_map(Action::Publish),
        2 => (0..4_usize).prop_map(Action::Attach),
        2 => index.clone().prop_map(Action::Detach),
        1 => index.clone().prop_map(Action::Close),
        3 => index.clone().prop_map(Action::Credit),
        5 => (index, any::<bool>()).prop_map(|(index, accepts)| Action::Settle(index, accepts)),
    ]
}

/// What a subscription must still deliver, in order: numbers of messages.
type Owed = Vec<u64>;

/// Readers and what they owe us, by the name of their subscription.
struct Model {
    router: TestRouter,
    publisher: ProducerId,
    next: u64,
    owed: HashMap<usize, Owed>,
    readers: Vec<Reader>,
}

struct Reader {
    name: usize,
    id: ConsumerId,
    link: Link,
    /// How many of the link's messages were looked at.
    seen: usize,
    /// Leases that are not settled.
    held: Vec<(LeaseId, u64)>,
}

const COLOURS: [&str; 3] = ["red", "green", "blue"];

/// Names 0 and 1 are durable, 2 is shared by many, 3 wants red only.
fn wanted(name: usize) -> Subscribing {
    match name {
        2 => shared("two", Expiry::Never),
        3 => Subscribing { filter: selecting("colour = 'red'"), ..durable("three") },
        _ => durable(["zero", "one"][name]),
    }
}

impl Model {
    fn new() -> Self {
        let mut router = router(Limits { queue_messages: 1_000_000, ..LIMITS });
        let (publisher, _) = publisher(&mut router, "t");
        Self { router, publisher, next: 0, owed: HashMap::new(), readers: Vec::new() }
    }

    fn publish(&mut self, colour: usize) {
        let number = self.next;
        self.next += 1;
        for (name, owed) in &mut self.owed {
            if *name != 3 || colour == 0 {
                owed.push(number);
            }
        }
        let message = Message::new(number.to_string()).with_property("colour", COLOURS[colour]);
        publish(&mut self.router, self.publisher, &message);
    }

    fn attach(&mut self, name: usize) {
        self.owed.entry(name).or_default();
        if name != 2 {
            // The former link, if there is one, loses its place.
            self.readers.retain(|reader| reader.name != name);
        }
        let link = Link::default();
        let opened =
            self.router.open_consumer(topic("t"), READER, Manner::default(), wanted(name), link.clone());
        let id = opened.expect("it attaches").0;
        self.readers.push(Reader { name, id, link, seen: 0, held: Vec::new() });
    }

    fn leave(&mut self, index: usize, closes: bool) {
        if self.readers.is_empty() {
            return;
        }
        let reader = self.readers.swap_remove(index % self.readers.len());
        self.router.close_consumer(reader.id, closes);
        if closes && !self.readers.iter().any(|other| other.name == reader.name) {
            self.owed.remove(&reader.name);
        }
    }

    fn credit(&mut self, index: usize) {
        if self.readers.is_empty() {
            return;
        }
        let index = index % self.readers.len();
        let reader = &self.readers[index];
        reader.link.credit.set(reader.link.credit.get() + 3);
        self.router.consumer_ready(reader.id);
    }

    fn settle(&mut self, index: usize, accepts: bool) {
        let held = self.readers.iter().enumerate();
        let mut held: Vec<_> =
            held.flat_map(|(at, reader)| reader.held.iter().map(move |lease| (at, *lease))).collect();
        if held.is_empty() {
            return;
        }
        let (at, (lease, number)) = held.swap_remove(index % held.len());
        let reader = &mut self.readers[at];
        reader.held.retain(|(other, _)| *other != lease);
        let verdict = if accepts {
            let owed = self.owed.get_mut(&reader.name).expect("the subscription is there");
            owed.retain(|other| *other != number);
            Verdict::Accepted
        } else {
            Verdict::Returned { failed: true, undeliverable_here: false, annotations: None }
        };
        self.router.settle(lease, verdict);
    }

    /// Every message that came is one that is owed, and nobody else has.
    fn look(&mut self) {
        for at in 0..self.readers.len() {
            let fresh: Vec<_> = {
                let reader = &mut self.readers[at];
                let sent = reader.link.sent.borrow();
                let fresh = sent[reader.seen..].to_vec();
                reader.seen = sent.len();
                fresh
            };
            for (lease, payload) in fresh {
                let number: u64 = text(&payload).parse().expect("a number");
                let name = self.readers[at].name;
                assert!(self.owed[&name].contains(&number), "{number} is not owed to {name}");
                let doubled = self.readers.iter().filter(|reader| reader.name == name);
                let mut held = doubled.flat_map(|reader| &reader.held);
                assert!(!held.any(|(_, other)| *other == number), "{number} is doubled for {name}");
                self.readers[at].held.push((lease, number));
            }
        }
    }

    /// All that is owed comes, in order, to whoever comes last.
    fn finish(mut self) {
        for name in 0..4 {
            for index in (0..self.readers.len()).rev() {
                if self.readers[index].name == name {
                    let reader = self.readers.swap_remove(index);
                    self.router.close_consumer(reader.id, false);
                }
            }
            let Some(owed) = self.owed.get(&name).cloned() else { continue };
            let link = Link::with_credit(u32::MAX);
            let opened =
                self.router.open_consumer(topic("t"), READER, Manner::default(), wanted(name), link.clone());
            let id = opened.expect("it attaches").0;
            self.router.consumer_ready(id);
            let came: Owed = link.texts().iter().map(|text| text.parse().expect("a number")).collect();
            assert_eq!(came, owed, "of subscription {name}");
            self.router.close_consumer(id, true);
        }
        assert_eq!((self.router.messages(), self.router.bytes(), self.router.subscriptions()), (0, 0, 0));
    }
}

proptest! {
    #[test]
    fn no_message_of_a_subscription_is_lost_doubled_or_out_of_order(actions in prop::collection::vec(action(), 0..120)) {
        let mut model = Model::new();
        for action in actions {
            match action {
                Action::Publish(colour) => model.publish(colour),
                Action::Attach(name) => model.attach(name),
                Action::Detach(index) => model.leave(index, false),
                Action::Close(index) => model.leave(index, true),
                Action::Credit(index) => model.credit(index),
                Action::Settle(index, accepts) => model.settle(index, accepts),
            }
            model.look();
        }
        model.finish();
    }
}
