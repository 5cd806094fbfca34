//! The router by example.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use deuteron::{Map, Message};

use super::*;

/// A link's other end: what has come out, and how much may.
#[derive(Clone, Default)]
pub(super) struct Link {
    pub(super) credit: Rc<Cell<u32>>,
    pub(super) within: Rc<Cell<Option<TransactionId>>>,
    pub(super) sent: Rc<RefCell<Vec<(LeaseId, Bytes)>>>,
    pub(super) closed: Rc<RefCell<Option<AmqpError>>>,
}

impl Link {
    pub(super) fn with_credit(credit: u32) -> Self {
        let link = Self::default();
        link.credit.set(credit);
        link
    }

    pub(super) fn texts(&self) -> Vec<String> {
        self.sent.borrow().iter().map(|(_, payload)| text(payload)).collect()
    }

    pub(super) fn lease(&self, index: usize) -> LeaseId {
        self.sent.borrow()[index].0
    }
}

impl Outlet for Link {
    fn credit(&self, _: ConsumerId) -> u32 {
        self.credit.get()
    }

    fn within(&self) -> Option<(ConnectionId, TransactionId)> {
        self.within.get().map(|transaction| (HERE, transaction))
    }

    fn send(&self, lease: LeaseId, message: Outgoing) -> bool {
        self.credit.set(self.credit.get() - 1);
        self.sent.borrow_mut().push((lease, message.payload));
        true
    }

    fn close(&self, error: AmqpError) {
        *self.closed.borrow_mut() = Some(error);
    }
}

impl Inlet for Link {
    fn add_credit(&self, messages: u32) {
        self.credit.set(self.credit.get() + messages);
    }

    fn close(&self, error: AmqpError) {
        *self.closed.borrow_mut() = Some(error);
    }
}

pub(super) fn text(payload: &[u8]) -> String {
    Message::decode(payload).expect("it is a message").body_text().expect("it has a text").to_owned()
}

pub(super) type TestRouter = Router<Link, Link>;

pub(super) const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    queue_bytes: 1 << 20,
    queue_messages: 1000,
    queues: 100,
    topics: 100,
    subscriptions: 100,
    transactions: 100,
    deliveries: 0,
    window: 10,
};

/// The connection that everything is on where it does not matter.
pub(super) const HERE: ConnectionId = ConnectionId(0);

pub(super) fn router(limits: Limits) -> TestRouter {
    Router::new(limits, "test")
}

fn produce(router: &mut TestRouter, link: &Link, producer: ProducerId, text: &str) {
    link.credit.set(link.credit.get().checked_sub(1).expect("the producer has credit"));
    router.arrive(producer, None, Message::new(text).to_bytes(), 0).expect("it is taken");
}

fn producer(router: &mut TestRouter, address: &str) -> (ProducerId, Link) {
    let link = Link::default();
    let (id, _) = router.open_producer(Some(Node::at(address)), HERE, link.clone()).expect("it attaches");
    router.producer_ready(id);
    (id, link)
}

fn consumer(router: &mut TestRouter, address: &str, credit: u32, manner: Manner) -> (ConsumerId, Link) {
    let link = Link::with_credit(credit);
    let (id, ..) = router
        .open_consumer(Node::at(address), HERE, manner, Subscribing::default(), link.clone())
        .expect("it attaches");
    router.consumer_ready(id);
    (id, link)
}

fn returned(failed: bool, undeliverable_here: bool) -> Verdict {
    Verdict::Returned { failed, undeliverable_here, annotations: None }
}

#[test]
fn consumers_with_credit_get_messages_in_turn() {
    let mut router = router(LIMITS);
    let (_, first) = consumer(&mut router, "q", 3, Manner::default());
    let (_, second) = consumer(&mut router, "q", 1, Manner::default());
    let (_, third) = consumer(&mut router, "q", 3, Manner::default());
    let (id, link) = producer(&mut router, "q");
    for number in 0..6 {
        produce(&mut router, &link, id, &number.to_string());
    }
    assert_eq!(first.texts(), ["0", "3", "5"]);
    assert_eq!(second.texts(), ["1"]);
    assert_eq!(third.texts(), ["2", "4"]);
}

#[test]
fn what_a_lost_consumer_had_is_delivered_again_in_order_and_counted() {
    let mut router = router(LIMITS);
    let (id, link) = producer(&mut router, "q");
    for number in 0..4 {
        produce(&mut router, &link, id, &number.to_string());
    }
    let (lost, first) = consumer(&mut router, "q", 3, Manner::default());
    router.settle(first.lease(1), Verdict::Accepted);
    router.close_consumer(lost, false);
    let (_, second) = consumer(&mut router, "q", 10, Manner::default());
    assert_eq!(second.texts(), ["0", "2", "3"]);
    let counts: Vec<_> = second
        .sent
        .borrow()
        .iter()
        .map(|(_, payload)| {
            Message::decode(payload).unwrap().header.map_or(0, |header| header.delivery_count)
        })
        .collect();
    assert_eq!(counts, [1, 1, 0]);
    assert_eq!(router.messages_of("q"), Some(3));
}

#[test]
fn rejected_messages_are_dropped_and_counted() {
    let mut router = router(LIMITS);
    let (id, link) = producer(&mut router, "q");
    produce(&mut router, &link, id, "bad");
    let (_, out) = consumer(&mut router, "q", 10, Manner::default());
    router.settle(out.lease(0), Verdict::Rejected);
    assert_eq!((router.messages(), router.bytes(), router.counters.rejected), (0, 0, 1));
    // A second verdict on the same delivery means nothing.
    router.settle(out.lease(0), returned(true, false));
    assert_eq!(router.messages(), 0);
}

#[test]
fn released_messages_come_again_and_undeliverable_ones_go_to_others() {
    let mut router = router(LIMITS);
    let (id, link) = producer(&mut router, "q");
    let (_, first) = consumer(&mut router, "q", 10, Manner::default());
    produce(&mut router, &link, id, "x");
    router.settle(first.lease(0), returned(false, false));
    assert_eq!(first.texts(), ["x", "x"]);
    let mut annotations = Map::new();
    annotations.insert(deuteron::Symbol::from("why"), "not mine");
    let verdict =
        Verdict::Returned { failed: true, undeliverable_here: true, annotations: Some(annotations) };
    router.settle(first.lease(1), verdict);
    assert_eq!(first.texts().len(), 2);
    let (_, second) = consumer(&mut router, "q", 10, Manner::default());
    let message = Message::decode(&second.sent.borrow()[0].1).unwrap();
    assert_eq!(message.header.map(|header| header.delivery_count), Some(1));
    assert!(message.message_annotations.is_some_and(|annotations| annotations.get("why").is_some()));
}

#[test]
fn settled_messages_are_gone_when_they_are_sent() {
    let mut router = router(LIMITS);
    let (_, out) = consumer(&mut router, "q", 10, Manner { settled: true, ..Manner::default() });
    let (id, link) = producer(&mut router, "q");
    produce(&mut router, &link, id, "x");
    assert_eq!(out.texts(), ["x"]);
    assert_eq!((router.messages(), router.bytes()), (0, 0));
}

#[test]
fn browsers_get_copies() {
    let mut router = router(LIMITS);
    let (id, link) = producer(&mut router, "q");
    produce(&mut router, &link, id, "1");
    let (_, browser) = consumer(&mut router, "q", 10, Manner { browses: true, ..Manner::default() });
    produce(&mut router, &link, id, "2");
    assert_eq!(browser.texts(), ["1", "2"]);
    router.settle(browser.lease(0), Verdict::Accepted);
    let (_, consumer) = consumer(&mut router, "q", 10, Manner::default());
    assert_eq!(consumer.texts(), ["1", "2"]);
}

#[test]
fn a_full_queue_gives_no_credit_until_there_is_room() {
    let mut router = router(Limits { queue_messages: 20, ..LIMITS });
    let (id, link) = producer(&mut router, "q");
    let mut sent = 0;
    while link.credit.get() > 0 {
        produce(&mut router, &link, id, "x");
        sent += 1;
    }
    assert_eq!((sent, router.messages_of("q")), (20, Some(20)));
    let (_, out) = consumer(&mut router, "q", 2, Manner::default());
    router.settle(out.lease(0), Verdict::Accepted);
    router.settle(out.lease(1), Verdict::Accepted);
    assert_eq!(link.credit.get(), 0, "less than an eighth is free");
    let (_, out) = consumer(&mut router, "q", 1, Manner::default());
    router.settle(out.lease(0), Verdict::Accepted);
    assert!(link.credit.get() > 0);
}

#[test]
fn a_full_broker_gives_no_credit_to_anybody_until_there_is_room() {
    let mut router = router(Limits { bytes: 4000, ..LIMITS });
    let (one, in_one) = producer(&mut router, "one");
    let (_, in_two) = producer(&mut router, "two");
    let text = "x".repeat(400);
    while in_one.credit.get() > 0 {
        produce(&mut router, &in_one, one, &text);
    }
    let (_, late) = producer(&mut router, "three");
    assert_eq!(late.credit.get(), 0);
    assert!(in_two.credit.get() <= LIMITS.window);
    let (_, out) = consumer(&mut router, "one", 5, Manner::default());
    for index in 0..5 {
        router.settle(out.lease(index), Verdict::Accepted);
    }
    assert!(late.credit.get() > 0 && in_one.credit.get() > 0);
}

#[test]
fn large_messages_get_little_credit() {
    let mut router = router(Limits { window: 1000, bytes: 100_000, queue_bytes: 100_000, ..LIMITS });
    let (id, link) = producer(&mut router, "q");
    produce(&mut router, &link, id, &"x".repeat(10_000));
    assert_eq!(link.credit.get(), 9, "what it had at first");
    while link.credit.get() > 0 {
        produce(&mut router, &link, id, &"x".repeat(10_000));
    }
    assert!(router.bytes() <= 112_000, "{} bytes", router.bytes());
}

#[test]
fn the_anonymous_relay_makes_queues_and_refuses_what_has_no_address() {
    let mut router = router(LIMITS);
    let (id, address) = router.open_producer(None, HERE, Link::default()).unwrap();
    router.producer_ready(id);
    assert_eq!(address, None);
    let payload = Message::new("x").to_bytes();
    router.arrive(id, Some("made"), payload.clone(), 0).unwrap();
    assert_eq!(router.messages_of("made"), Some(1));
    let refused = router.arrive(id, None, payload.clone(), 0).unwrap_err();
    assert_eq!(refused.condition, condition::INVALID_FIELD);
    let refused = router.arrive(id, Some("deuteron:temporary:old:1"), payload, 0).unwrap_err();
    assert_eq!(refused.condition, condition::NOT_FOUND);
}

#[test]
fn temporary_queues_have_addresses_of_their_own_and_go_with_their_connection() {
    let mut router = router(LIMITS);
    let owner = ConnectionId(7);
    let (_, first, _) = router
        .open_consumer(
            Node::Temporary { owner, kind: Kind::Queue, lifetime: Lifetime::OnClose },
            HERE,
            Manner::default(),
            Subscribing::default(),
            Link::default(),
        )
        .unwrap();
    let (_, second, _) = router
        .open_consumer(
            Node::Temporary { owner, kind: Kind::Queue, lifetime: Lifetime::OnClose },
            HERE,
            Manner::default(),
            Subscribing::default(),
            Link::default(),
        )
        .unwrap();
    assert_ne!(first, second);
    let (id, answers) = producer(&mut router, &first);
    produce(&mut router, &answers, id, "answer");
    assert_eq!(router.queues(), 2);
    router.close_connection(owner);
    assert_eq!((router.queues(), router.messages(), router.bytes()), (0, 0, 0));
    assert_eq!(router.counters.deleted, 1);
    let closed = answers.closed.borrow().clone().expect("the link is closed");
    assert_eq!(closed.condition, condition::RESOURCE_DELETED);
    let refused = router.open_producer(Some(Node::at(&first)), HERE, Link::default()).unwrap_err();
    assert_eq!(refused.condition, condition::NOT_FOUND);
}

#[test]
fn a_temporary_queue_goes_when_its_link_is_closed_but_not_when_it_is_detached() {
    let mut router = router(LIMITS);
    let owner = ConnectionId(1);
    let open = |router: &mut TestRouter| {
        router
            .open_consumer(
                Node::Temporary { owner, kind: Kind::Queue, lifetime: Lifetime::OnClose },
                HERE,
                Manner::default(),
                Subscribing::default(),
                Link::default(),
            )
            .unwrap()
            .0
    };
    let detached = open(&mut router);
    router.close_consumer(detached, false);
    assert_eq!(router.queues(), 1);
    let closed = open(&mut router);
    router.close_consumer(closed, true);
    assert_eq!(router.queues(), 1);
    router.close_connection(owner);
    assert_eq!(router.queues(), 0);
}

#[test]
fn a_queue_made_on_demand_goes_when_it_is_empty_and_unused() {
    let mut router = router(LIMITS);
    let (id, link) = producer(&mut router, "q");
    produce(&mut router, &link, id, "x");
    router.close_producer(id, true);
    assert_eq!(router.queues(), 1);
    let (id, out) = consumer(&mut router, "q", 1, Manner::default());
    router.settle(out.lease(0), Verdict::Accepted);
    assert_eq!(router.queues(), 1);
    router.close_consumer(id, true);
    assert_eq!(router.queues(), 0);
}

#[test]
fn there_are_limits_to_queues_and_addresses() {
    let mut router = router(Limits { queues: 1, ..LIMITS });
    let mut open = |address: &str| {
        router.open_producer(Some(Node::at(address)), HERE, Link::default()).map_err(|error| error.condition)
    };
    assert!(open("q").is_ok());
    assert_eq!(open("r").err(), Some(condition::RESOURCE_LIMIT_EXCEEDED));
    assert_eq!(open("").err(), Some(condition::INVALID_FIELD));
    assert_eq!(open(&"x".repeat(5000)).err(), Some(condition::INVALID_FIELD));
}

#[test]
fn waiting_for_a_queue_that_is_deleted_ends() {
    let mut router = router(Limits { queue_messages: 1, ..LIMITS });
    let owner = ConnectionId(1);
    let (_, address, _) = router
        .open_consumer(
            Node::Temporary { owner, kind: Kind::Queue, lifetime: Lifetime::OnClose },
            HERE,
            Manner::default(),
            Subscribing::default(),
            Link::default(),
        )
        .unwrap();
    let link = Link::default();
    let (id, _) = router.open_producer(None, HERE, link.clone()).unwrap();
    router.producer_ready(id);
    while link.credit.get() > 0 {
        link.credit.set(link.credit.get() - 1);
        router.arrive(id, Some(&address), Message::new("x").to_bytes(), 0).unwrap();
    }
    router.close_connection(owner);
    assert!(link.credit.get() > 0);
}
