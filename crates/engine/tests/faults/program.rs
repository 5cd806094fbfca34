//! The program that is cut off: it sends and receives, works in a transaction, and keeps book of what it is told.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use deuteron_engine::codec::{
    AttachTarget, Coordinator, Declare, DeliveryState, Discharge, Encode, Role, Source, TransactionalState,
    Writer, section,
};
use deuteron_engine::reconnect::Backoff;
use deuteron_engine::{
    Connection, DeliveryId, Event, LinkConfig, LinkId, Payload, Recovery, SendOptions, SessionConfig,
};

use crate::world::{POSTED, number, payload};

/// What the program knows of a message that it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    Unknown,
    NotSent,
}

/// How far the transaction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    None,
    Declaring(DeliveryId),
    Open(Bytes),
    Discharging { delivery: DeliveryId, fail: bool },
    Over(Fate),
}

#[derive(Debug)]
pub(crate) struct Program {
    sender: LinkId,
    receiver: LinkId,
    coordinator: LinkId,
    waiting: BTreeMap<u32, DeliveryId>,
    pub(crate) fates: BTreeMap<u32, Fate>,
    /// What was received, by number, and how often.
    pub(crate) received: BTreeMap<u32, usize>,
    /// The transaction that is worked in, and the message that is posted in it.
    pub(crate) transaction: Transaction,
    posted: u32,
    /// What became of earlier ones, by the message that was posted in them.
    pub(crate) transactions: BTreeMap<u32, Fate>,
    /// Messages are kept rather than accepted.
    pub(crate) keeps: bool,
    kept: Vec<DeliveryId>,
}

impl Program {
    pub(crate) fn new(engine: &mut Connection, recovery: Recovery) -> Self {
        engine.open();
        let comeback = Some(Backoff::new());
        let session = engine.begin(SessionConfig { rebegin: comeback.clone(), ..SessionConfig::default() });
        let resumes = recovery == Recovery::Resume;
        let kept = |config: LinkConfig| if resumes { config.resuming(60) } else { config };
        let sender =
            LinkConfig { recovery, reattach: comeback.clone(), ..kept(LinkConfig::sender("s", "queue")) };
        let sender = engine.attach(session, sender).expect("a fresh session");
        let receiver =
            LinkConfig { credit_window: 10, reattach: comeback, ..kept(LinkConfig::receiver("r", "queue")) };
        let receiver = engine.attach(session, receiver).expect("another name");
        let mut coordinator = LinkConfig::new("c", Role::Sender);
        coordinator.source = Some(Source::default());
        coordinator.target = Some(AttachTarget::Coordinator(Coordinator::default()));
        let coordinator = engine.attach(session, coordinator).expect("another name");
        Self {
            sender,
            receiver,
            coordinator,
            posted: POSTED,
            transactions: BTreeMap::new(),
            // What is not decided when the wire is cut is resumed too.
            keeps: resumes,
            kept: Vec::new(),
            waiting: BTreeMap::new(),
            fates: BTreeMap::new(),
            received: BTreeMap::new(),
            transaction: Transaction::None,
        }
    }

    pub(crate) fn send(&mut self, engine: &mut Connection, number: u32) {
        self.send_with(engine, number, SendOptions::default());
    }

    fn send_with(&mut self, engine: &mut Connection, number: u32, options: SendOptions) {
        let mut link = engine.link(self.sender).expect("links stay");
        let sent = link.send(Payload::Bytes(payload(number)), options).expect("it is a sender");
        self.waiting.insert(number, sent);
    }

    pub(crate) fn declare(&mut self, engine: &mut Connection) {
        if let Transaction::Over(fate) = self.transaction {
            self.transactions.insert(self.posted, fate);
            self.posted += 1;
        }
        let sent = self.control(engine, &Declare::default());
        self.transaction = Transaction::Declaring(sent);
    }

    /// Whether nothing is waited for.
    pub(crate) fn is_idle(&self) -> bool {
        let over = matches!(self.transaction, Transaction::None | Transaction::Over(_));
        self.waiting.is_empty() && over
    }

    pub(crate) fn react(&mut self, engine: &mut Connection, event: Event) {
        match event {
            Event::Delivered(id) => {
                let Some(mut delivery) = engine.delivery(id) else { return };
                *self.received.entry(number(&delivery.take())).or_default() += 1;
                if self.keeps {
                    self.kept.push(id);
                } else {
                    delivery.disposition(Some(DeliveryState::Accepted), true);
                }
            }
            Event::DeliveryUpdated(id) => self.updated(engine, id),
            Event::DeliveryLost(id) => self.lost(engine, id),
            Event::Unbound | Event::SessionInterrupted(_)
                if matches!(self.transaction, Transaction::Open(_)) =>
            {
                self.transaction = Transaction::Over(Fate::NotSent);
            }
            _ => {}
        }
    }

    pub(crate) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Accepts what was kept.
    pub(crate) fn accept_kept(&mut self, engine: &mut Connection) {
        for id in std::mem::take(&mut self.kept) {
            if let Some(mut delivery) = engine.delivery(id) {
                delivery.disposition(Some(DeliveryState::Accepted), true);
            }
        }
    }

    /// Asks for what there is, and takes credit back; with a window it gives credit again.
    pub(crate) fn credit(&self, engine: &mut Connection, window: Option<u32>) {
        let Some(mut link) = engine.link(self.receiver) else { return };
        match window {
            Some(window) => link.set_credit_window(window),
            None => link.drain(),
        }
    }

    fn updated(&mut self, engine: &mut Connection, id: DeliveryId) {
        let Some(mut delivery) = engine.delivery(id) else { return };
        let Some(state) = delivery.remote_state().cloned() else { return };
        delivery.settle();
        match (&self.transaction, state) {
            (Transaction::Declaring(declare), DeliveryState::Declared(declared)) if *declare == id => {
                let txn_id = declared.txn_id;
                self.transaction = Transaction::Open(txn_id.clone());
                let state = Some(DeliveryState::Transactional(Box::new(TransactionalState {
                    txn_id,
                    outcome: None,
                })));
                self.send_with(engine, self.posted, SendOptions { state, ..SendOptions::default() });
            }
            (Transaction::Discharging { delivery, fail }, state) if *delivery == id => {
                let done = state == DeliveryState::Accepted && !fail;
                self.transaction = Transaction::Over(if done { Fate::Accepted } else { Fate::NotSent });
            }
            (Transaction::Open(txn_id), DeliveryState::Transactional(_)) => {
                let txn_id = txn_id.clone();
                self.told(id, Fate::Accepted);
                self.discharge(engine, txn_id, false);
            }
            // The broker has rolled the transaction back.
            (Transaction::Open(_), DeliveryState::Rejected(_)) => {
                self.told(id, Fate::NotSent);
                self.transaction = Transaction::Over(Fate::NotSent);
            }
            (_, DeliveryState::Rejected(_)) => self.told(id, Fate::NotSent),
            (_, DeliveryState::Accepted) => self.told(id, Fate::Accepted),
            // Of a transaction that the wire has ended.
            (_, DeliveryState::Transactional(_)) => self.told(id, Fate::Unknown),
            (transaction, state) => panic!("{state:?} while {transaction:?}"),
        }
    }

    fn lost(&mut self, engine: &mut Connection, id: DeliveryId) {
        let Some(mut delivery) = engine.delivery(id) else { return };
        let fate = if delivery.was_sent() { Fate::Unknown } else { Fate::NotSent };
        delivery.settle();
        match &self.transaction {
            Transaction::Declaring(declare) if *declare == id => {
                self.transaction = Transaction::Over(Fate::NotSent);
            }
            Transaction::Discharging { delivery, fail } if *delivery == id => {
                self.transaction = Transaction::Over(if *fail { Fate::NotSent } else { fate });
            }
            // Of what was posted nobody knows whether it is in the transaction: it is rolled back.
            Transaction::Open(txn_id) if self.waiting.get(&self.posted) == Some(&id) => {
                let txn_id = txn_id.clone();
                self.told(id, fate);
                self.discharge(engine, txn_id, true);
            }
            _ => self.told(id, fate),
        }
    }

    fn discharge(&mut self, engine: &mut Connection, txn_id: Bytes, fail: bool) {
        let delivery = self.control(engine, &Discharge { txn_id, fail });
        self.transaction = Transaction::Discharging { delivery, fail };
    }

    fn told(&mut self, id: DeliveryId, fate: Fate) {
        let known = self.waiting.iter().find(|(_, delivery)| **delivery == id).map(|(number, _)| *number);
        let number = known.expect("each message is told of once");
        self.waiting.remove(&number);
        self.fates.insert(number, fate);
    }

    fn control(&self, engine: &mut Connection, body: &impl Encode) -> DeliveryId {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.descriptor(section::AMQP_VALUE);
        body.encode(&mut writer);
        let mut link = engine.link(self.coordinator).expect("links stay");
        link.send(Payload::Bytes(out.freeze()), SendOptions::default()).expect("it is a sender")
    }
}
