//! Topics, subscriptions and selectors: by example, and beside a model.

use std::collections::HashMap;

use deuteron::Message;
use proptest::prelude::*;

use super::tests::{LIMITS, Link, TestRouter, router, text};
use super::*;
use crate::selector::Selector;

const PUBLISHER: ConnectionId = ConnectionId(1);
const READER: ConnectionId = ConnectionId(2);

fn topic(address: &str) -> Node<'_> {
    Node::Address { address, kind: Some(Kind::Topic), new: Kind::Queue }
}

fn publisher(router: &mut TestRouter, address: &str) -> (ProducerId, Link) {
    let link = Link::default();
    let (id, _) = router.open_producer(Some(topic(address)), PUBLISHER, link.clone()).expect("it attaches");
    router.producer_ready(id);
    (id, link)
}

fn publish(router: &mut TestRouter, id: ProducerId, message: &Message) {
    router.arrive(id, None, message.to_bytes(), 0).expect("it is taken");
}

fn subscribe(router: &mut TestRouter, from: ConnectionId, wanted: Subscribing) -> (ConsumerId, Link) {
    let link = Link::with_credit(100);
    let opened = router.open_consumer(topic("t"), from, Manner::default(), wanted, link.clone());
    let (id, ..) = opened.expect("it attaches");
    router.consumer_ready(id);
    (id, link)
}

fn named(container: Option<&str>, name: &str) -> Option<SubscriptionName> {
    Some(SubscriptionName { container: container.map(str::to_owned), name: name.to_owned() })
}

fn durable(name: &str) -> Subscribing {
    Subscribing { name: named(Some("c"), name), expiry: Expiry::Never, ..Subscribing::default() }
}

fn shared(name: &str, expiry: Expiry) -> Subscribing {
    Subscribing { name: named(None, name), shared: true, expiry, ..Subscribing::default() }
}

fn selecting(text: &str) -> Filter {
    let selector = Selector::parse(text).expect("a good selector");
    Filter { selector: Some(Arc::new(selector)), text: Some(text.into()), not_from: None }
}

#[test]
fn every_subscription_gets_what_is_published_while_it_is_there() {
    let mut router = router(LIMITS);
    let (id, _) = publisher(&mut router, "t");
    publish(&mut router, id, &Message::new("nobody"));
    let (_, first) = subscribe(&mut router, READER, Subscribing::default());
    publish(&mut router, id, &Message::new("one"));
    let (_, second) = subscribe(&mut router, READER, Subscribing::default());
    publish(&mut router, id, &Message::new("two"));
    assert_eq!(first.texts(), ["one", "two"]);
    assert_eq!(second.texts(), ["two"]);
    assert_eq!((router.topics(), router.subscriptions(), router.queues()), (1, 2, 0));
}

#[test]
fn nothing_is_kept_of_what_nobody_has_subscribed_to() {
    let mut router = router(LIMITS);
    let (id, link) = publisher(&mut router, "t");
    for _ in 0..100 {
        publish(&mut router, id, &Message::new("x"));
    }
    assert_eq!((router.messages(), router.bytes()), (0, 0));
    assert!(link.credit.get() > 0);
    router.close_producer(id, true);
    assert_eq!(router.topics(), 0);
}

#[test]
fn a_durable_subscription_gathers_messages_while_nobody_is_there() {
    let mut router = router(LIMITS);
    let (id, _) = publisher(&mut router, "t");
    let (reader, first) = subscribe(&mut router, READER, durable("s"));
    publish(&mut router, id, &Message::new("one"));
    router.settle(first.lease(0), Verdict::Accepted);
    router.close_consumer(reader, false);
    router.close_connection(READER);
    publish(&mut router, id, &Message::new("two"));
    publish(&mut router, id, &Message::new("three"));
    let (reader, second) = subscribe(&mut router, ConnectionId(3), durable("s"));
    assert_eq!(second.texts(), ["two", "three"]);
    router.close_consumer(reader, true);
    assert_eq!((router.subscriptions(), router.messages(), router.bytes()), (0, 0, 0));
}

#[test]
fn a_subscription_may_last_as_long_as_its_connection() {
    let mut router = router(LIMITS);
    let (id, _) = publisher(&mut router, "t");
    let wanted = Subscribing { expiry: Expiry::Connection, ..durable("s") };
    let (reader, _) = subscribe(&mut router, READER, wanted.clone());
    router.close_consumer(reader, false);
    publish(&mut router, id, &Message::new("one"));
    let (reader, again) = subscribe(&mut router, READER, wanted);
    assert_eq!(again.texts(), ["one"]);
    router.close_consumer(reader, false);
    router.close_connection(READER);
    assert_eq!(router.subscriptions(), 0);
}

#[test]
fn a_link_of_the_same_name_takes_the_subscription_over() {
    let mut router = router(LIMITS);
    let (id, _) = publisher(&mut router, "t");
    let (former, first) = subscribe(&mut router, READER, durable("s"));
    publish(&mut router, id, &Message::new("one"));
    let (_, second) = subscribe(&mut router, ConnectionId(3), durable("s"));
    assert_eq!(first.closed.borrow().as_ref().map(|error| error.condition.clone()), Some(condition::STOLEN));
    assert_eq!(second.texts(), ["one"], "what the former had not settled");
    // Its end is nobody's any more.
    router.close_consumer(former, true);
    assert_eq!(router.subscriptions(), 1);
}

#[test]
fn another_selector_or_topic_makes_another_subscription() {
    let mut router = router(LIMITS);
    let (id, _) = publisher(&mut router, "t");
    let (reader, _) = subscribe(&mut router, READER, durable("s"));
    router.close_consumer(reader, false);
    publish(&mut router, id, &Message::new("before"));
    let wanted = Subscribing { filter: selecting("p = 1"), ..durable("s") };
    let (_, link) = subscribe(&mut router, READER, wanted);
    publish(&mut router, id, &Message::new("no"));
    publish(&mut router, id, &Message::new("yes").with_property("p", 1));
    assert_eq!(link.texts(), ["yes"]);
    assert_eq!(router.subscriptions(), 1);
}

#[test]
fn shared_subscribers_take_turns_and_the_last_one_ends_it() {
    let mut router = router(LIMITS);
    let (id, _) = publisher(&mut router, "t");
    let (one, first) = subscribe(&mut router, READER, shared("s", Expiry::Detach));
    let (two, second) = subscribe(&mut router, ConnectionId(3), shared("s", Expiry::Detach));
    for number in 0..4 {
        publish(&mut router, id, &Message::new(number.to_string()));
    }
    assert_eq!((first.texts(), second.texts()), (vec!["0".into(), "2".into()], vec!["1".into(), "3".into()]));
    router.close_consumer(one, true);
    assert_eq!(router.subscriptions(), 1, "one is left");
    assert_eq!(second.texts(), ["1", "3", "0", "2"]);
    router.close_consumer(two, false);
    assert_eq!(router.subscriptions(), 0);
}

#[test]
fn a_shared_subscription_in_use_cannot_become_another() {
    let mut router = router(LIMITS);
    let _reader = subscribe(&mut router, READER, shared("s", Expiry::Never));
    let wanted = Subscribing { filter: selecting("p = 1"), ..shared("s", Expiry::Never) };
    let refused = router.open_consumer(topic("t"), READER, Manner::default(), wanted, Link::default());
    assert_eq!(refused.map(|_| ()).unwrap_err().condition, condition::NOT_ALLOWED);
}

#[test]
fn what_one_has_published_oneself_can_be_left_out() {
    let mut router = router(LIMITS);
    let (id, _) = publisher(&mut router, "t");
    let filter = Filter { not_from: Some(PUBLISHER), ..Filter::default() };
    let wanted = Subscribing { filter, ..Subscribing::default() };
    let (_, own) = subscribe(&mut router, PUBLISHER, wanted);
    let (_, other) = subscribe(&mut router, READER, Subscribing::default());
    publish(&mut router, id, &Message::new("x"));
    assert_eq!((own.texts().len(), other.texts().len()), (0, 1));
}

#[test]
fn a_subscription_is_found_by_its_name_alone_and_can_be_ended_so() {
    let mut router = router(LIMITS);
    let name = named(Some("c"), "s").unwrap();
    let missing = router.resume(&name, READER, Manner::default(), Link::default());
    assert_eq!(missing.map(|_| ()).unwrap_err().condition, condition::NOT_FOUND);
    let (reader, _) = subscribe(&mut router, READER, durable("s"));
    router.close_consumer(reader, false);
    let (found, address, expiry) =
        router.resume(&name, READER, Manner::default(), Link::default()).expect("it is there");
    assert_eq!((&*address, expiry), ("t", Expiry::Never));
    router.close_consumer(found, true);
    assert_eq!((router.subscriptions(), router.topics()), (0, 0));
}

#[test]
fn an_address_is_of_one_kind() {
    let mut router = router(LIMITS);
    let (_, _link) = publisher(&mut router, "t");
    let asked = Node::Address { address: "t", kind: Some(Kind::Queue), new: Kind::Queue };
    let refused = router.open_producer(Some(asked), READER, Link::default()).unwrap_err();
    assert_eq!(refused.condition, condition::NOT_ALLOWED);
    assert!(refused.to_string().contains("'t' is a topic"), "{refused}");
    let (_, found) = router.open_producer(Some(Node::at("t")), READER, Link::default()).unwrap();
    assert_eq!(found.unwrap().1, Kind::Topic, "who does not say gets what it is");
    let (_, found) = router.open_producer(Some(Node::at("topic://u")), READER, Link::default()).unwrap();
    let (address, kind) = found.unwrap();
    assert_eq!((&*address, kind), ("u", Kind::Topic));
}

#[test]
fn what_was_configured_stays_and_the_rest_may_be_refused() {
    let mut router = router(LIMITS);
    router.configure("jobs", Kind::Queue).unwrap();
    router.configure("news", Kind::Topic).unwrap();
    router.stop_making_on_demand();
    for (address, kind) in [("jobs", Kind::Queue), ("news", Kind::Topic)] {
        let (id, found) = router.open_producer(Some(Node::at(address)), READER, Link::default()).unwrap();
        assert_eq!(found.unwrap().1, kind);
        router.close_producer(id, true);
    }
    let refused = router.open_producer(Some(Node::at("else")), READER, Link::default()).unwrap_err();
    assert_eq!(refused.condition, condition::NOT_FOUND);
    let (id, _) = router.open_producer(None, READER, Link::default()).unwrap();
    assert!(router.arrive(id, Some("else"), Message::new("x").to_bytes(), 0).is_err());
    router.arrive(id, Some("jobs"), Message::new("x").to_bytes(), 0).unwrap();
    assert_eq!((router.messages_of("jobs"), router.messages_of("news")), (Some(1), Some(0)));
}

#[test]
fn dynamic_nodes_live_as_long_as_was_asked_for() {
    let mut router = router(LIMITS);
    let open = |router: &mut TestRouter, lifetime, kind| {
        let node = Node::Temporary { owner: READER, kind, lifetime };
        let opened =
            router.open_consumer(node, READER, Manner::default(), Subscribing::default(), Link::default());
        let (id, address, _) = opened.unwrap();
        (id, address.to_string())
    };
    for (lifetime, after_detach, after_connection) in [
        (Lifetime::OnClose, 1, 0),
        (Lifetime::NoLinks, 0, 0),
        (Lifetime::NoMessages, 1, 1),
        (Lifetime::NoLinksOrMessages, 0, 0),
    ] {
        let before = router.queues();
        let (id, _) = open(&mut router, lifetime, Kind::Queue);
        router.close_consumer(id, false);
        assert_eq!(router.queues() - before, after_detach, "{lifetime:?}");
        router.close_connection(READER);
        assert_eq!(router.queues() - before, after_connection, "{lifetime:?}");
    }
    let (id, address) = open(&mut router, Lifetime::NoLinksOrMessages, Kind::Queue);
    let (producer, _) = router.open_producer(Some(Node::at(&address)), READER, Link::default()).unwrap();
    router.arrive(producer, None, Message::new("x").to_bytes(), 0).unwrap();
    router.close_producer(producer, true);
    router.close_consumer(id, true);
    assert_eq!(router.messages_of(&address), Some(1), "a message is left");
    let (id, address) = open(&mut router, Lifetime::OnClose, Kind::Topic);
    assert_eq!((router.topics(), router.messages_of(&address)), (1, Some(0)));
    router.close_consumer(id, true);
    assert_eq!(router.topics(), 0);
}

#[test]
fn a_full_subscription_holds_publishers_until_there_is_room() {
    let mut router = router(Limits { queue_messages: 20, ..LIMITS });
    let (id, link) = publisher(&mut router, "t");
    let (reader, _) = subscribe(&mut router, READER, durable("s"));
    router.close_consumer(reader, false);
    let mut sent = 0;
    while link.credit.get() > 0 {
        link.credit.set(link.credit.get() - 1);
        publish(&mut router, id, &Message::new("x"));
        sent += 1;
    }
    assert!((20..=40).contains(&sent), "{sent}");
    let (_, reader) = subscribe(&mut router, READER, durable("s"));
    for index in 0..sent {
        router.settle(reader.lease(index), Verdict::Accepted);
    }
    assert!(link.credit.get() > 0);
}

#[test]
fn there_are_limits_for_topics_and_subscriptions() {
    let mut router = router(Limits { topics: 1, subscriptions: 1, ..LIMITS });
    let _reader = subscribe(&mut router, READER, Subscribing::default());
    let wanted = Subscribing::default();
    let refused = router.open_consumer(topic("t"), READER, Manner::default(), wanted, Link::default());
    assert_eq!(refused.map(|_| ()).unwrap_err().condition, condition::RESOURCE_LIMIT_EXCEEDED);
    let refused = router.open_producer(Some(topic("u")), READER, Link::default()).unwrap_err();
    assert_eq!(refused.condition, condition::RESOURCE_LIMIT_EXCEEDED);
}

#[test]
fn a_selector_takes_from_a_queue_what_it_wants_and_leaves_the_rest() {
    let mut router = router(LIMITS);
    let (id, _) = router.open_producer(Some(Node::at("q")), PUBLISHER, Link::default()).unwrap();
    let manner = Manner { selector: Some(Arc::new(Selector::parse("n >= 2").unwrap())), ..Manner::default() };
    let link = Link::with_credit(2);
    let opened =
        router.open_consumer(Node::at("q"), READER, manner.clone(), Subscribing::default(), link.clone());
    let chooser = opened.unwrap().0;
    router.consumer_ready(chooser);
    for n in [1, 3, 0, 2, 5] {
        publish(&mut router, id, &Message::new(n.to_string()).with_property("n", n));
    }
    assert_eq!(link.texts(), ["3", "2"]);
    let returned = Verdict::Returned { failed: false, undeliverable_here: false, annotations: None };
    router.settle(link.lease(0), returned);
    link.credit.set(5);
    router.consumer_ready(chooser);
    assert_eq!(link.texts(), ["3", "2", "3", "5"], "what came back is looked at again");
    let browser = Link::with_credit(10);
    let copies = Manner { browses: true, ..manner };
    let opened = router.open_consumer(Node::at("q"), READER, copies, Subscribing::default(), browser.clone());
    router.consumer_ready(opened.unwrap().0);
    assert!(browser.texts().is_empty(), "those that are left do not match");
    let all = Link::with_credit(10);
    let opened =
        router.open_consumer(Node::at("q"), READER, Manner::default(), Subscribing::default(), all.clone());
    router.consumer_ready(opened.unwrap().0);
    assert_eq!(all.texts(), ["1", "0"]);
}

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
