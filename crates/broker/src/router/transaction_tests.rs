//! Transactions: by example, and beside a model.

use deuteron::Message;
use proptest::prelude::*;

use super::tests::{HERE, LIMITS, Link, TestRouter, router, text};
use super::*;

const COORDINATOR: CoordinatorId = CoordinatorId(1);

fn producer(router: &mut TestRouter, address: &str) -> ProducerId {
    let (id, _) = router.open_producer(Some(Node::at(address)), HERE, Link::default()).expect("it attaches");
    router.producer_ready(id);
    id
}

fn consumer(router: &mut TestRouter, address: &str, credit: u32) -> (ConsumerId, Link) {
    let link = Link::with_credit(credit);
    let opened = router.open_consumer(
        Node::at(address),
        HERE,
        Manner::default(),
        Subscribing::default(),
        link.clone(),
    );
    let id = opened.expect("it attaches").0;
    router.consumer_ready(id);
    (id, link)
}

fn declare(router: &mut TestRouter) -> TransactionId {
    router.declare(HERE, COORDINATOR).expect("there may be one more")
}

fn post(router: &mut TestRouter, id: TransactionId, producer: ProducerId, text: &str) {
    router.post(id, producer, None, Message::new(text).to_bytes(), 0).expect("it is taken");
}

fn send(router: &mut TestRouter, producer: ProducerId, text: &str) {
    router.arrive(producer, None, Message::new(text).to_bytes(), 0).expect("it is taken");
}

#[test]
fn posts_arrive_at_the_commit_in_order_and_not_before() {
    let mut router = router(LIMITS);
    let (one, two) = (producer(&mut router, "one"), producer(&mut router, "two"));
    let (_, first) = consumer(&mut router, "one", 10);
    let (_, second) = consumer(&mut router, "two", 10);
    let id = declare(&mut router);
    post(&mut router, id, one, "a");
    post(&mut router, id, two, "b");
    post(&mut router, id, one, "c");
    assert!(first.texts().is_empty() && second.texts().is_empty());
    assert!(router.bytes() > 0, "what waits counts");
    router.discharge(HERE, id, false).unwrap();
    assert_eq!(first.texts(), ["a", "c"]);
    assert_eq!(second.texts(), ["b"]);
    assert_eq!(router.transactions(), 0);
}

#[test]
fn nothing_is_left_of_what_was_rolled_back() {
    let mut router = router(LIMITS);
    let one = producer(&mut router, "one");
    let id = declare(&mut router);
    post(&mut router, id, one, "a");
    router.discharge(HERE, id, true).unwrap();
    assert_eq!((router.messages(), router.bytes(), router.transactions()), (0, 0, 0));
}

#[test]
fn outcomes_happen_at_the_commit() {
    let mut router = router(LIMITS);
    let one = producer(&mut router, "one");
    let (_, link) = consumer(&mut router, "one", 2);
    send(&mut router, one, "accepted");
    send(&mut router, one, "released");
    let id = declare(&mut router);
    let returned = Verdict::Returned { failed: false, undeliverable_here: false, annotations: None };
    router.retire(HERE, id, link.lease(0), Verdict::Accepted).unwrap();
    router.retire(HERE, id, link.lease(1), returned).unwrap();
    let (_, other) = consumer(&mut router, "one", 10);
    assert_eq!(router.messages_of("one"), Some(2));
    assert!(other.texts().is_empty());
    router.discharge(HERE, id, false).unwrap();
    assert_eq!(other.texts(), ["released"]);
    assert_eq!((router.messages_of("one"), router.counters.accepted), (Some(1), 1));
}

#[test]
fn what_was_decided_in_a_transaction_that_is_rolled_back_is_delivered_again_in_order() {
    let mut router = router(LIMITS);
    let one = producer(&mut router, "one");
    let (_, link) = consumer(&mut router, "one", 2);
    for text in ["a", "b", "c"] {
        send(&mut router, one, text);
    }
    let id = declare(&mut router);
    router.retire(HERE, id, link.lease(1), Verdict::Accepted).unwrap();
    router.retire(HERE, id, link.lease(0), Verdict::Rejected).unwrap();
    router.discharge(HERE, id, true).unwrap();
    let (_, other) = consumer(&mut router, "one", 10);
    assert_eq!(other.texts(), ["a", "b", "c"]);
    let again = Message::decode(&other.sent.borrow()[0].1).unwrap();
    assert_eq!(again.delivery_count(), 1, "the attempt counts");
}

#[test]
fn what_was_acquired_and_not_decided_on_goes_back_with_a_rollback() {
    let mut router = router(LIMITS);
    let one = producer(&mut router, "one");
    for text in ["a", "b", "c"] {
        send(&mut router, one, text);
    }
    let id = declare(&mut router);
    let (consumer_id, link) = consumer(&mut router, "one", 0);
    link.within.set(Some(id));
    link.add_credit(10);
    router.consumer_ready(consumer_id);
    assert_eq!(link.texts(), ["a", "b", "c"]);
    router.settle(link.lease(0), Verdict::Accepted);
    router.retire(HERE, id, link.lease(1), Verdict::Accepted).unwrap();
    let (_, other) = consumer(&mut router, "one", 10);
    router.close_coordinator(COORDINATOR);
    assert_eq!(other.texts(), ["b", "c"], "what was settled outside of the transaction is done with");
    // Whatever is said of them later is not about them any more.
    router.settle(link.lease(2), Verdict::Accepted);
    assert_eq!(router.messages_of("one"), Some(2));
}

#[test]
fn what_was_acquired_stays_acquired_after_a_commit() {
    let mut router = router(LIMITS);
    let one = producer(&mut router, "one");
    let id = declare(&mut router);
    let (consumer_id, link) = consumer(&mut router, "one", 10);
    link.within.set(Some(id));
    send(&mut router, one, "a");
    router.discharge(HERE, id, false).unwrap();
    let (_, other) = consumer(&mut router, "one", 10);
    assert!(other.texts().is_empty());
    send(&mut router, one, "b");
    assert_eq!(
        (link.texts(), other.texts()),
        (vec!["a".to_owned()], vec!["b".to_owned()]),
        "nothing outside of it"
    );
    router.settle(link.lease(0), Verdict::Accepted);
    assert_eq!(router.counters.accepted, 1);
    link.within.set(None);
    router.consumer_ready(consumer_id);
    router.settle(other.lease(0), Verdict::Accepted);
    send(&mut router, one, "c");
    send(&mut router, one, "d");
    assert_eq!(link.texts().len() + other.texts().len(), 4);
    assert!(router.check_transaction(HERE, id).is_err());
}

#[test]
fn what_is_sent_settled_within_a_transaction_comes_back_with_its_rollback() {
    for fails in [false, true] {
        let mut router = router(LIMITS);
        let one = producer(&mut router, "one");
        send(&mut router, one, "a");
        let id = declare(&mut router);
        let link = Link::with_credit(10);
        let manner = Manner { settled: true, ..Manner::default() };
        let node = Node::at("one");
        let opened = router.open_consumer(node, HERE, manner, Subscribing::default(), link.clone());
        let consumer_id = opened.unwrap().0;
        link.within.set(Some(id));
        router.consumer_ready(consumer_id);
        assert_eq!(link.texts(), ["a"]);
        router.discharge(HERE, id, fails).unwrap();
        assert_eq!(router.messages_of("one"), Some(u64::from(fails)));
    }
}

#[test]
fn a_link_that_is_gone_takes_nothing_out_of_the_transaction() {
    let mut router = router(LIMITS);
    let one = producer(&mut router, "one");
    let (reader, link) = consumer(&mut router, "one", 1);
    send(&mut router, one, "a");
    let id = declare(&mut router);
    router.retire(HERE, id, link.lease(0), Verdict::Accepted).unwrap();
    post(&mut router, id, one, "b");
    router.close_consumer(reader, true);
    router.close_producer(one, true);
    router.discharge(HERE, id, false).unwrap();
    let (_, other) = consumer(&mut router, "one", 10);
    assert_eq!(other.texts(), ["b"]);
}

#[test]
fn a_lost_connection_or_coordinator_rolls_back() {
    for by_connection in [true, false] {
        let mut router = router(LIMITS);
        let one = producer(&mut router, "one");
        let (_, link) = consumer(&mut router, "one", 1);
        send(&mut router, one, "a");
        let id = declare(&mut router);
        router.retire(HERE, id, link.lease(0), Verdict::Accepted).unwrap();
        post(&mut router, id, one, "b");
        if by_connection {
            router.close_connection(HERE);
        } else {
            router.close_coordinator(COORDINATOR);
        }
        let (_, other) = consumer(&mut router, "one", 10);
        assert_eq!(other.texts(), ["a"]);
        let unknown = router.discharge(HERE, id, false).unwrap_err();
        assert_eq!(unknown.condition, condition::TRANSACTION_UNKNOWN_ID);
    }
}

#[test]
fn a_transaction_that_takes_too_long_is_rolled_back_and_says_so() {
    let mut router = router(LIMITS);
    let one = producer(&mut router, "one");
    let id = declare(&mut router);
    post(&mut router, id, one, "a");
    router.expire_transaction(id);
    assert_eq!(router.bytes(), 0);
    let late = router.post(id, one, None, Message::new("b").to_bytes(), 0).unwrap_err();
    assert_eq!(late.condition, condition::TRANSACTION_TIMEOUT);
    assert_eq!(router.discharge(HERE, id, false).unwrap_err().condition, condition::TRANSACTION_TIMEOUT);
    assert_eq!(router.discharge(HERE, id, false).unwrap_err().condition, condition::TRANSACTION_UNKNOWN_ID);
}

#[test]
fn transactions_belong_to_their_connection_and_are_limited() {
    let mut router = router(Limits { transactions: 1, ..LIMITS });
    let id = declare(&mut router);
    let other = ConnectionId(9);
    assert_eq!(router.discharge(other, id, false).unwrap_err().condition, condition::TRANSACTION_UNKNOWN_ID);
    let refused = router.declare(HERE, COORDINATOR).unwrap_err();
    assert_eq!(refused.condition, condition::RESOURCE_LIMIT_EXCEEDED);
    router.declare(other, COORDINATOR).unwrap();
    router.discharge(HERE, id, true).unwrap();
    declare(&mut router);
}

#[test]
fn a_decision_within_no_transaction_gives_the_message_back() {
    let mut router = router(LIMITS);
    let one = producer(&mut router, "one");
    let (_, link) = consumer(&mut router, "one", 1);
    send(&mut router, one, "a");
    let id = declare(&mut router);
    router.discharge(HERE, id, true).unwrap();
    let unknown = router.retire(HERE, id, link.lease(0), Verdict::Accepted).unwrap_err();
    assert_eq!(unknown.condition, condition::TRANSACTION_UNKNOWN_ID);
    let (_, other) = consumer(&mut router, "one", 1);
    assert_eq!(other.texts(), ["a"]);
}

#[test]
fn what_cannot_be_delivered_at_the_commit_rolls_all_of_it_back() {
    let mut router = router(LIMITS);
    let one = producer(&mut router, "one");
    let node = Node::Temporary { owner: ConnectionId(5), kind: Kind::Queue, lifetime: Lifetime::OnClose };
    let opened = router.open_consumer(
        node,
        ConnectionId(5),
        Manner::default(),
        Subscribing::default(),
        Link::default(),
    );
    let address = opened.unwrap().1;
    let answers = producer(&mut router, &address);
    let id = declare(&mut router);
    post(&mut router, id, one, "a");
    post(&mut router, id, answers, "b");
    router.close_connection(ConnectionId(5));
    let error = router.discharge(HERE, id, false).unwrap_err();
    assert_eq!(error.condition, condition::TRANSACTION_ROLLBACK);
    assert_eq!((router.messages(), router.bytes()), (0, 0));
}

#[derive(Clone, Debug)]
enum Action {
    Declare,
    Send(usize),
    Post(usize, usize),
    Settle(usize, bool),
    Retire(usize, usize, bool),
    Discharge(usize, bool),
    Credit,
    Reattach,
}

fn action() -> impl Strategy<Value = Action> {
    let (index, yes) = (0..1000_usize, any::<bool>());
    prop_oneof![
        2 => Just(Action::Declare),
        3 => (0..2_usize).prop_map(Action::Send),
        6 => (index.clone(), 0..2_usize).prop_map(|(id, to)| Action::Post(id, to)),
        2 => (index.clone(), yes).prop_map(|(at, accepts)| Action::Settle(at, accepts)),
        6 => (index.clone(), index.clone(), yes).prop_map(|(id, at, accepts)| Action::Retire(id, at, accepts)),
        2 => (index, any::<bool>()).prop_map(|(id, fails)| Action::Discharge(id, fails)),
        3 => Just(Action::Credit),
        1 => Just(Action::Reattach),
    ]
}

const ADDRESSES: [&str; 2] = ["one", "two"];

/// What an open transaction would do.
#[derive(Default)]
struct Open {
    posts: Vec<(usize, u64)>,
    /// Messages that it takes away for good.
    accepted: Vec<(usize, u64)>,
}

/// What each queue must still deliver, and who has what.
struct Model {
    router: TestRouter,
    producers: [ProducerId; 2],
    consumers: Vec<(ConsumerId, Link, usize)>,
    next: u64,
    owed: [Vec<u64>; 2],
    held: Vec<(LeaseId, usize, u64)>,
    open: Vec<(TransactionId, Open)>,
}

impl Model {
    fn new() -> Self {
        let mut router = router(Limits { window: 1_000_000, queue_messages: 1_000_000, ..LIMITS });
        let producers = ADDRESSES.map(|address| producer(&mut router, address));
        let consumers = ADDRESSES.map(|address| consumer(&mut router, address, 2));
        let consumers = consumers.into_iter().map(|(id, link)| (id, link, 0)).collect();
        let (owed, held, open) = (Default::default(), Vec::new(), Vec::new());
        Self { router, producers, consumers, next: 0, owed, held, open }
    }

    fn message(&mut self) -> (u64, String) {
        self.next += 1;
        (self.next, self.next.to_string())
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Declare => self.open.push((declare(&mut self.router), Open::default())),
            Action::Send(to) => {
                let (number, text) = self.message();
                self.owed[to].push(number);
                send(&mut self.router, self.producers[to], &text);
            }
            Action::Post(at, to) => {
                if !self.open.is_empty() {
                    let (number, text) = self.message();
                    let at = at % self.open.len();
                    self.open[at].1.posts.push((to, number));
                    post(&mut self.router, self.open[at].0, self.producers[to], &text);
                }
            }
            Action::Settle(at, accepts) => self.settle(None, at, accepts),
            Action::Retire(id, at, accepts) => {
                if !self.open.is_empty() {
                    self.settle(Some(id % self.open.len()), at, accepts);
                }
            }
            Action::Discharge(at, fails) => {
                if !self.open.is_empty() {
                    let at = at % self.open.len();
                    self.discharge(at, fails);
                }
            }
            Action::Credit => {
                for (id, link, _) in &self.consumers {
                    link.credit.set(link.credit.get() + 2);
                    self.router.consumer_ready(*id);
                }
            }
            Action::Reattach => self.reattach(2),
        }
    }

    fn settle(&mut self, transaction: Option<usize>, at: usize, accepts: bool) {
        if self.held.is_empty() {
            return;
        }
        let (lease, queue, number) = self.held.swap_remove(at % self.held.len());
        let returned = Verdict::Returned { failed: true, undeliverable_here: false, annotations: None };
        let verdict = if accepts { Verdict::Accepted } else { returned };
        match transaction {
            Some(at) => {
                let (id, open) = &mut self.open[at];
                if accepts {
                    open.accepted.push((queue, number));
                }
                self.router.retire(HERE, *id, lease, verdict).expect("it is open");
            }
            None => {
                if accepts {
                    self.owed[queue].retain(|other| *other != number);
                }
                self.router.settle(lease, verdict);
            }
        }
    }

    fn discharge(&mut self, at: usize, fails: bool) {
        let (id, open) = self.open.swap_remove(at);
        if !fails {
            for (to, number) in open.posts {
                self.owed[to].push(number);
            }
            for (queue, number) in open.accepted {
                self.owed[queue].retain(|other| *other != number);
            }
        }
        self.router.discharge(HERE, id, fails).expect("it is open");
    }

    /// The consumers go, and others come.
    fn reattach(&mut self, credit: u32) {
        for (id, ..) in std::mem::take(&mut self.consumers) {
            self.router.close_consumer(id, false);
        }
        self.held.clear();
        for address in ADDRESSES {
            let (id, link) = consumer(&mut self.router, address, credit);
            self.consumers.push((id, link, 0));
        }
    }

    /// What came is owed, and neither held nor decided upon by somebody.
    fn look(&mut self) {
        for queue in 0..2 {
            let (_, link, seen) = &mut self.consumers[queue];
            let sent = link.sent.borrow();
            let fresh: Vec<_> = sent[*seen..].to_vec();
            *seen = sent.len();
            drop(sent);
            for (lease, payload) in fresh {
                let number: u64 = text(&payload).parse().expect("a number");
                assert!(self.owed[queue].contains(&number), "{number} is not owed");
                assert!(!self.held.iter().any(|(.., other)| *other == number), "{number} is doubled");
                let decided = self.open.iter().any(|(_, open)| open.accepted.contains(&(queue, number)));
                assert!(!decided, "{number} was accepted within a transaction");
                self.held.push((lease, queue, number));
            }
        }
    }

    fn finish(mut self) {
        while !self.open.is_empty() {
            self.discharge(0, true);
        }
        self.reattach(u32::MAX);
        for (queue, (_, link, _)) in self.consumers.iter().enumerate() {
            let came: Vec<u64> = link.texts().iter().map(|text| text.parse().expect("a number")).collect();
            assert_eq!(came, self.owed[queue], "of queue {queue}");
        }
    }
}

proptest! {
    #[test]
    fn transactions_happen_whole_or_not_at_all(actions in prop::collection::vec(action(), 0..120)) {
        let mut model = Model::new();
        for action in &actions {
            model.act(action);
            model.look();
        }
        model.finish();
    }
}
