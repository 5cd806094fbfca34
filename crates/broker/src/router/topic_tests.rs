//! Topics, subscriptions and selectors, by example.

use std::sync::atomic::{AtomicU64, Ordering};

use deuteron::Message;

use super::tests::{LIMITS, Link, TestRouter, router};
use super::*;
use crate::selector::Selector;

const PUBLISHER: ConnectionId = ConnectionId(1);
pub(super) const READER: ConnectionId = ConnectionId(2);

pub(super) fn topic(address: &str) -> Node<'_> {
    Node::Address { address, kind: Some(Kind::Topic), new: Kind::Queue }
}

pub(super) fn publisher(router: &mut TestRouter, address: &str) -> (ProducerId, Link) {
    let link = Link::default();
    let (id, _) = router.open_producer(Some(topic(address)), PUBLISHER, link.clone()).expect("it attaches");
    router.producer_ready(id);
    (id, link)
}

pub(super) fn publish(router: &mut TestRouter, id: ProducerId, message: &Message) {
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

pub(super) fn durable(name: &str) -> Subscribing {
    Subscribing { name: named(Some("c"), name), expiry: Expiry::Never, ..Subscribing::default() }
}

pub(super) fn shared(name: &str, expiry: Expiry) -> Subscribing {
    Subscribing { name: named(None, name), shared: true, expiry, ..Subscribing::default() }
}

pub(super) fn selecting(text: &str) -> Filter {
    let selector = Selector::parse(text).expect("a good selector");
    Filter { selector: Some(Arc::new(selector)), text: Some(text.into()), ..Filter::default() }
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

/// With a timeout a subscription waits for its reader, and no longer than that.
#[test]
fn a_subscription_outlasts_its_link_or_its_connection_by_its_timeout() {
    for expiry in [Expiry::Detach, Expiry::Connection] {
        let mut router = router(LIMITS);
        let time = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&time);
        router.set_clock(Box::new(move || clock.load(Ordering::Relaxed)));
        let (id, _) = publisher(&mut router, "t");
        let wanted = Subscribing { expiry, timeout: 10, ..durable("s") };
        let lost = |router: &mut TestRouter, reader| {
            router.close_consumer(reader, false);
            router.close_connection(READER);
        };
        let (reader, _) = subscribe(&mut router, READER, wanted.clone());
        lost(&mut router, reader);
        publish(&mut router, id, &Message::new("one"));
        time.store(9_999, Ordering::Relaxed);
        router.drop_all_expired();
        let (reader, again) = subscribe(&mut router, READER, wanted.clone());
        assert_eq!(again.texts(), ["one"]);
        // Back in time, it starts afresh.
        time.store(15_000, Ordering::Relaxed);
        router.drop_all_expired();
        assert_eq!(router.subscriptions(), 1);
        lost(&mut router, reader);
        time.store(25_000, Ordering::Relaxed);
        let (reader, late) = subscribe(&mut router, READER, wanted.clone());
        assert_eq!((late.texts().len(), router.subscriptions()), (0, 1), "a new one");
        lost(&mut router, reader);
        time.store(35_000, Ordering::Relaxed);
        router.drop_all_expired();
        assert_eq!((router.subscriptions(), router.messages(), router.bytes()), (0, 0, 0));
        // Closed, it is over at once.
        let (reader, _) = subscribe(&mut router, READER, wanted);
        router.close_consumer(reader, true);
        assert_eq!(router.subscriptions(), 0);
    }
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
    // On another topic: the first one goes with its publisher.
    router.close_producer(id, true);
    let opened = router.open_consumer(topic("u"), READER, Manner::default(), durable("s"), Link::default());
    assert_eq!(&*opened.expect("it attaches").1, "u");
    assert_eq!((router.topics(), router.subscriptions()), (1, 1));
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
    let (found, address, subscription) =
        router.resume(&name, READER, Manner::default(), Link::default()).expect("it is there");
    assert_eq!((&*address, subscription.expiry), ("t", Expiry::Never));
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
