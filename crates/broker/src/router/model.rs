//! The router beside a model of it: whatever is done, in whatever order, no message is lost, doubled
//! or out of order within its queue and consumer, and nobody waits for what is there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use deuteron::Message;
use proptest::prelude::*;

use super::tests::{HERE, LIMITS, text};
use super::*;

const QUEUES: usize = 2;
const ADDRESSES: [&str; QUEUES] = ["one", "two"];

#[derive(Clone, Debug)]
enum Action {
    Send { producer: usize, to: usize },
    Credit { consumer: usize, messages: u32 },
    Settle { delivery: usize, verdict: Verdict },
    Attach { queue: usize, settled: bool },
    Detach { consumer: usize },
    Drain { consumer: usize },
}

fn action() -> impl Strategy<Value = Action> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Accepted),
        1 => Just(Verdict::Rejected),
        4 => (any::<bool>(), prop::bool::weighted(0.3)).prop_map(|(failed, undeliverable_here)| {
            Verdict::Returned { failed, undeliverable_here, annotations: None }
        }),
    ];
    let any_index = 0..1000_usize;
    prop_oneof![
        8 => (0..3_usize, 0..QUEUES).prop_map(|(producer, to)| Action::Send { producer, to }),
        4 => (any_index.clone(), 1..6_u32).prop_map(|(consumer, messages)| Action::Credit { consumer, messages }),
        6 => (any_index.clone(), verdict).prop_map(|(delivery, verdict)| Action::Settle { delivery, verdict }),
        2 => (0..QUEUES, prop::bool::weighted(0.2)).prop_map(|(queue, settled)| Action::Attach { queue, settled }),
        1 => any_index.clone().prop_map(|consumer| Action::Detach { consumer }),
        1 => any_index.prop_map(|consumer| Action::Drain { consumer }),
    ]
}

#[derive(Debug, Default)]
struct Waiting {
    failures: u32,
    refused_by: BTreeSet<usize>,
}

#[derive(Debug)]
struct UnderWay {
    lease: LeaseId,
    consumer: usize,
    queue: usize,
    number: u64,
    message: Waiting,
}

#[derive(Debug)]
struct ModelConsumer {
    queue: usize,
    settled: bool,
    credit: u32,
}

/// What should be, told of each message as it leaves the router.
#[derive(Debug, Default)]
struct Model {
    next: u64,
    available: [BTreeMap<u64, Waiting>; QUEUES],
    under_way: Vec<UnderWay>,
    consumers: BTreeMap<usize, ModelConsumer>,
    credit: [u32; 3],
}

impl Model {
    /// The router sends a message: it must be the first that the consumer may have.
    fn send(&mut self, number: usize, lease: LeaseId, payload: &[u8]) {
        let consumer = self.consumers.get_mut(&number).expect("the consumer is attached");
        consumer.credit = consumer.credit.checked_sub(1).expect("the consumer has credit");
        let available = &mut self.available[consumer.queue];
        let first = available.iter().find(|(_, message)| !message.refused_by.contains(&number));
        let id = *first.expect("there is a message for the consumer").0;
        assert_eq!(text(payload), id.to_string(), "the first message that the consumer may have");
        let message = available.remove(&id).expect("it was there");
        let header = Message::decode(payload).expect("it is a message").header.unwrap_or_default();
        assert_eq!(header.delivery_count, message.failures);
        if !consumer.settled {
            let queue = consumer.queue;
            self.under_way.push(UnderWay { lease, consumer: number, queue, number: id, message });
        }
    }

    fn held(&self, queue: usize) -> u64 {
        let under_way = self.under_way.iter().filter(|delivery| delivery.queue == queue).count();
        (self.available[queue].len() + under_way) as u64
    }
}

#[derive(Clone)]
struct Out {
    model: Rc<RefCell<Model>>,
    number: usize,
}

impl Outlet for Out {
    fn credit(&self, _: ConsumerId) -> u32 {
        self.model.borrow().consumers[&self.number].credit
    }

    fn within(&self) -> Option<(ConnectionId, TransactionId)> {
        None
    }

    fn send(&self, lease: LeaseId, message: Outgoing) -> bool {
        self.model.borrow_mut().send(self.number, lease, &message.payload);
        true
    }

    fn close(&self, error: AmqpError) {
        panic!("no queue is deleted under a link: {error}");
    }
}

struct In {
    model: Rc<RefCell<Model>>,
    number: usize,
}

impl Inlet for In {
    fn add_credit(&self, messages: u32) {
        let credit = &mut self.model.borrow_mut().credit[self.number];
        *credit += messages;
        assert!(*credit <= LIMITS.window);
    }

    fn close(&self, error: AmqpError) {
        panic!("no queue is deleted under a link: {error}");
    }
}

struct World {
    router: Router<Out, In>,
    model: Rc<RefCell<Model>>,
    /// One for each queue, and an anonymous one.
    producers: Vec<ProducerId>,
    consumers: BTreeMap<usize, ConsumerId>,
    attached: usize,
    limits: Limits,
}

impl World {
    fn new() -> Self {
        let limits = Limits { queue_messages: 8, ..LIMITS };
        let model = Rc::new(RefCell::new(Model::default()));
        let mut router = Router::new(limits, "model");
        let nodes = [Some(Node::at(ADDRESSES[0])), Some(Node::at(ADDRESSES[1])), None];
        let producers = nodes.into_iter().enumerate().map(|(number, node)| {
            let inlet = In { model: Rc::clone(&model), number };
            let (id, _) = router.open_producer(node, HERE, inlet).expect("it attaches");
            router.producer_ready(id);
            id
        });
        let producers = producers.collect();
        Self { router, model, producers, consumers: BTreeMap::new(), attached: 0, limits }
    }

    fn pick(&self, index: usize) -> Option<(usize, ConsumerId)> {
        let index = index.checked_rem(self.consumers.len())?;
        self.consumers.iter().nth(index).map(|(number, id)| (*number, *id))
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Send { producer, to } => self.send(*producer, *to),
            Action::Credit { consumer, messages } => {
                let Some((number, id)) = self.pick(*consumer) else { return };
                self.change(number, |consumer| consumer.credit += messages);
                self.router.consumer_ready(id);
            }
            Action::Drain { consumer } => {
                let Some((number, _)) = self.pick(*consumer) else { return };
                self.change(number, |consumer| consumer.credit = 0);
            }
            Action::Settle { delivery, verdict } => self.settle(*delivery, verdict),
            Action::Attach { queue, settled } => self.attach(*queue, *settled),
            Action::Detach { consumer } => self.detach(*consumer),
        }
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut ModelConsumer)) {
        change(self.model.borrow_mut().consumers.get_mut(&number).expect("it is attached"));
    }

    fn send(&mut self, producer: usize, to: usize) {
        let queue = if producer < QUEUES { producer } else { to };
        {
            let mut model = self.model.borrow_mut();
            let Some(left) = model.credit[producer].checked_sub(1) else { return };
            model.credit[producer] = left;
            let number = model.next;
            model.next += 1;
            model.available[queue].insert(number, Waiting::default());
        }
        let number = self.model.borrow().next - 1;
        let payload = Message::new(number.to_string()).to_bytes();
        let to = (producer == QUEUES).then_some(ADDRESSES[queue]);
        self.router.arrive(self.producers[producer], to, payload, 0).expect("it is taken");
    }

    fn attach(&mut self, queue: usize, settled: bool) {
        let number = self.attached;
        self.attached += 1;
        self.model.borrow_mut().consumers.insert(number, ModelConsumer { queue, settled, credit: 0 });
        let outlet = Out { model: Rc::clone(&self.model), number };
        let manner = Manner { settled, ..Manner::default() };
        let opened = self.router.open_consumer(
            Node::at(ADDRESSES[queue]),
            HERE,
            manner,
            Subscribing::default(),
            outlet,
        );
        self.consumers.insert(number, opened.expect("it attaches").0);
    }

    fn settle(&mut self, delivery: usize, verdict: &Verdict) {
        let delivery = {
            let mut model = self.model.borrow_mut();
            let Some(index) = delivery.checked_rem(model.under_way.len()) else { return };
            let delivery = model.under_way.remove(index);
            if let Verdict::Returned { failed, undeliverable_here, .. } = verdict {
                let mut message =
                    Waiting { failures: delivery.message.failures, refused_by: BTreeSet::new() };
                message.refused_by.clone_from(&delivery.message.refused_by);
                message.failures += u32::from(*failed);
                if *undeliverable_here {
                    message.refused_by.insert(delivery.consumer);
                }
                model.available[delivery.queue].insert(delivery.number, message);
            }
            delivery
        };
        self.router.settle(delivery.lease, verdict.clone());
        // Once is all that counts.
        self.router.settle(delivery.lease, Verdict::Rejected);
    }

    fn detach(&mut self, consumer: usize) {
        let Some((number, id)) = self.pick(consumer) else { return };
        {
            let mut model = self.model.borrow_mut();
            let (back, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut model.under_way)
                .into_iter()
                .partition(|delivery| delivery.consumer == number);
            model.under_way = rest;
            for mut delivery in back {
                delivery.message.failures += 1;
                model.available[delivery.queue].insert(delivery.number, delivery.message);
            }
            for message in model.available.iter_mut().flat_map(BTreeMap::values_mut) {
                message.refused_by.remove(&number);
            }
            model.consumers.remove(&number);
        }
        self.consumers.remove(&number);
        self.router.close_consumer(id, true);
    }

    fn check(&self) {
        let model = self.model.borrow();
        for (queue, address) in ADDRESSES.iter().enumerate() {
            assert_eq!(self.router.messages_of(address), Some(model.held(queue)), "messages of {address}");
            for (number, consumer) in model.consumers.iter().filter(|(_, consumer)| consumer.queue == queue) {
                let mut messages = model.available[queue].values();
                let waits = messages.any(|message| !message.refused_by.contains(number));
                assert!(consumer.credit == 0 || !waits, "consumer {number} has credit and a message waits");
            }
            let most = self.limits.queue_messages - self.limits.queue_messages.div_ceil(8);
            if model.held(queue) <= most {
                assert!(model.credit[queue] > 0, "{address} has room and its producer no credit");
            }
        }
        if (0..QUEUES).all(|queue| model.held(queue) == 0) {
            assert_eq!(self.router.bytes(), 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_is_lost_doubled_or_out_of_order(actions in prop::collection::vec(action(), 1..200)) {
        let mut world = World::new();
        for action in &actions {
            world.act(action);
            world.check();
        }
    }
}
