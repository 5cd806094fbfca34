//! The other side: a small broker that outlives its wires.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use deuteron_engine::codec::{
    Attach, AttachTarget, Body, Declare, Declared, DeliveryState, Discharge, Error, Message,
    ReceiverSettleMode, Role, TransactionalState, Value,
};
use deuteron_engine::{Connection, DeliveryId, Event, LinkId, Payload, Recovery, SendOptions, Suspended};

use crate::world::{number, payload};

#[derive(Debug, Default)]
pub(crate) struct Broker {
    /// What has come, by number, and how often.
    pub(crate) stored: BTreeMap<u32, usize>,
    /// To be sent to the program, oldest first.
    outbox: VecDeque<u32>,
    /// What the program has accepted.
    pub(crate) acknowledged: BTreeSet<u32>,
    under_way: BTreeMap<u64, (DeliveryId, u32)>,
    receiver: Option<LinkId>,
    sent: u64,
    sender: Option<LinkId>,
    /// What was posted in transactions that are open.
    staged: BTreeMap<Bytes, Vec<u32>>,
    transactions: u16,
    /// Messages are kept rather than taken: the program waits for their outcomes.
    pub(crate) keeps: bool,
    kept: Vec<(DeliveryId, u32)>,
    /// The same, of a link that is not back yet.
    away: Vec<(DeliveryId, u32)>,
    /// What its links with the program have left: that to it, and that from it.
    suspended: [Option<Suspended>; 2],
}

impl Broker {
    pub(crate) fn enqueue(&mut self, numbers: impl IntoIterator<Item = u32>) {
        self.outbox.extend(numbers);
    }

    /// The wire is gone: what was not acknowledged is to be sent again, and open transactions are rolled back.
    pub(crate) fn wire_lost(&mut self) {
        let again: Vec<u32> =
            std::mem::take(&mut self.under_way).into_values().map(|(_, number)| number).collect();
        for number in again.into_iter().rev() {
            self.outbox.push_front(number);
        }
        self.sender = None;
        self.receiver = None;
        self.staged.clear();
        self.kept.clear();
    }

    /// The wire of an engine is gone: what can be resumed is kept, the rest is as after [`wire_lost`](Self::wire_lost).
    pub(crate) fn carry(&mut self, engine: &mut Connection) {
        let links = [self.sender, self.receiver];
        let mut under_way = BTreeMap::new();
        for (link, place) in links.into_iter().zip([0, 1]) {
            // One that was not attached when the wire was lost leaves what there was before.
            let Some(suspended) =
                link.and_then(|link| engine.link(link)).and_then(|mut link| link.take_suspended())
            else {
                continue;
            };
            // The names of deliveries are those of different engines: only its own sends are looked for among what it sent.
            for (id, _) in suspended.deliveries().filter(|_| place == 0) {
                let known = self.under_way.iter().find(|(_, (known, _))| *known == id).map(|(key, _)| *key);
                if let Some((key, entry)) = known.and_then(|key| Some((key, self.under_way.remove(&key)?))) {
                    under_way.insert(key, entry);
                }
            }
            self.suspended[place] = Some(suspended);
        }
        if let Some(waits) = self.suspended[0].as_ref().filter(|_| self.sender.is_none()) {
            let waits: Vec<_> = waits.deliveries().map(|(id, _)| id).collect();
            let (kept, gone) =
                std::mem::take(&mut self.under_way).into_iter().partition(|(_, (id, _))| waits.contains(id));
            under_way = kept;
            self.under_way = gone;
        }
        let kept = std::mem::take(&mut self.kept);
        self.wire_lost();
        self.under_way = under_way;
        // They are not handed over again when they are resumed.
        let waits: Vec<_> =
            self.suspended[1].iter().flat_map(|receipts| receipts.deliveries().map(|(id, _)| id)).collect();
        let away = std::mem::take(&mut self.away);
        self.away = kept.into_iter().chain(away).filter(|(id, _)| waits.contains(id)).collect();
    }

    fn restore(&mut self, engine: &mut Connection, id: LinkId) {
        let Some(mut link) = engine.link(id) else { return };
        let wanted = link.config().is_some_and(|config| config.rcv_settle_mode == ReceiverSettleMode::Second);
        if !wanted {
            return;
        }
        if let Some(config) = link.config_mut() {
            config.recovery = Recovery::Resume;
        }
        let place = usize::from(link.role() == Role::Receiver);
        let Some(suspended) = self.suspended[place].take() else { return };
        let now: BTreeMap<_, _> = link.restore(suspended).into_iter().collect();
        for (known, _) in self.under_way.values_mut().filter(|_| place == 0) {
            *known = now.get(known).copied().unwrap_or(*known);
        }
        if place == 1 {
            let away = std::mem::take(&mut self.away);
            self.kept.extend(away.into_iter().filter_map(|(id, number)| Some((*now.get(&id)?, number))));
        }
    }

    pub(crate) fn react(&mut self, engine: &mut Connection, event: Event) {
        match event {
            Event::ConnectionOpened => engine.open(),
            Event::SessionBegun(id) => engine.session(id).into_iter().for_each(|mut session| session.begin()),
            Event::LinkAttached(id) => self.attached(engine, id),
            Event::LinkClosed(id) => engine.link(id).into_iter().for_each(|mut link| link.close(None)),
            Event::ConnectionClosed => engine.close(None),
            Event::Delivered(id) => self.delivered(engine, id),
            Event::DeliveryUpdated(id) => self.updated(engine, id),
            Event::DeliveryLost(id) => self.lost(engine, id),
            _ => {}
        }
        self.send(engine);
    }

    fn attached(&mut self, engine: &mut Connection, id: LinkId) {
        self.restore(engine, id);
        let Some(mut link) = engine.link(id) else { return };
        if link.role() == Role::Sender {
            self.sender = Some(id);
        } else {
            link.set_credit_window(10);
            if !is_coordinator(link.remote_attach()) {
                self.receiver = Some(id);
            }
        }
        link.attach();
    }

    pub(crate) fn send(&mut self, engine: &mut Connection) {
        let Some(id) = self.sender else { return };
        while let Some(mut link) = engine.link(id).filter(|link| link.credit() > 0) {
            if !link.local_state().is_open() {
                return;
            }
            let Some(number) = self.outbox.pop_front() else { return };
            let sent =
                link.send(Payload::Bytes(payload(number)), SendOptions::default()).expect("it is a sender");
            self.sent += 1;
            self.under_way.insert(self.sent, (sent, number));
        }
    }

    /// Takes what was kept, as far as its delivery is still there.
    pub(crate) fn take_kept(&mut self, engine: &mut Connection) {
        for (id, number) in std::mem::take(&mut self.kept) {
            match engine.delivery(id) {
                Some(mut delivery) if delivery.is_live() => {
                    delivery.disposition(Some(DeliveryState::Accepted), true);
                    *self.stored.entry(number).or_default() += 1;
                }
                // Its link is away, and may resume it.
                Some(_) => self.kept.push((id, number)),
                None => {}
            }
        }
    }

    /// One of its links with the program: that to it, or that from it.
    pub(crate) fn link(&self, to_the_program: bool) -> Option<LinkId> {
        if to_the_program { self.sender } else { self.receiver }
    }

    /// Ends the session that its links are on, and rolls back what is open.
    pub(crate) fn end_session(&mut self, engine: &mut Connection, error: Error) {
        let session = self.receiver.and_then(|link| engine.link(link)).and_then(|link| link.session());
        if let Some(mut session) = session.and_then(|session| engine.session(session)) {
            session.end(Some(error));
            self.staged.clear();
            // What is sent on them from now on would go nowhere.
            self.sender = None;
            self.receiver = None;
        }
    }

    fn lost(&mut self, engine: &mut Connection, id: DeliveryId) {
        if let Some(mut delivery) = engine.delivery(id) {
            delivery.settle();
        }
        let known = self.under_way.iter().find(|(_, (known, _))| *known == id).map(|(key, _)| *key);
        if let Some((_, number)) = known.and_then(|key| self.under_way.remove(&key)) {
            self.outbox.push_back(number);
        }
    }

    fn updated(&mut self, engine: &mut Connection, id: DeliveryId) {
        let Some(mut delivery) = engine.delivery(id) else { return };
        let accepted = delivery.remote_state() == Some(&DeliveryState::Accepted);
        if !accepted && !delivery.remotely_settled() {
            return;
        }
        delivery.settle();
        let known = self.under_way.iter().find(|(_, (known, _))| *known == id).map(|(key, _)| *key);
        if let Some((_, number)) = known.and_then(|key| self.under_way.remove(&key)) {
            assert!(accepted, "the program accepts all that it gets");
            self.acknowledged.insert(number);
        }
    }

    fn delivered(&mut self, engine: &mut Connection, id: DeliveryId) {
        let Some(mut delivery) = engine.delivery(id) else { return };
        let (link, state, body) = (delivery.link(), delivery.remote_state().cloned(), delivery.take());
        let controls =
            link.and_then(|id| engine.link(id)).is_some_and(|link| is_coordinator(link.remote_attach()));
        let outcome = if controls {
            self.control(&body)
        } else if let Some(DeliveryState::Transactional(state)) = state {
            self.post(&state, number(&body))
        } else if self.keeps {
            self.kept.push((id, number(&body)));
            return;
        } else {
            *self.stored.entry(number(&body)).or_default() += 1;
            DeliveryState::Accepted
        };
        if let Some(mut delivery) = engine.delivery(id) {
            delivery.disposition(Some(outcome), true);
        }
    }

    fn post(&mut self, state: &TransactionalState, number: u32) -> DeliveryState {
        let Some(staged) = self.staged.get_mut(&state.txn_id) else { return DeliveryState::Rejected(None) };
        staged.push(number);
        let outcome = Some(DeliveryState::Accepted);
        DeliveryState::Transactional(Box::new(TransactionalState { txn_id: state.txn_id.clone(), outcome }))
    }

    fn control(&mut self, body: &Bytes) -> DeliveryState {
        let message = Message::decode(body).expect("it is a message");
        let Body::Value(Value::Described(described)) = message.body else { panic!("{:?}", message.body) };
        let Value::List(fields) = &described.value else { panic!("{described:?}") };
        if described.descriptor == Value::Ulong(Declare::CODE) {
            self.transactions += 1;
            let txn_id = Bytes::copy_from_slice(&self.transactions.to_be_bytes());
            self.staged.insert(txn_id.clone(), Vec::new());
            return DeliveryState::Declared(Box::new(Declared { txn_id }));
        }
        assert_eq!(described.descriptor, Value::Ulong(Discharge::CODE));
        let Some(Value::Binary(txn_id)) = fields.first() else { panic!("{fields:?}") };
        let Some(staged) = self.staged.remove(txn_id) else { return DeliveryState::Rejected(None) };
        let fails = fields.get(1) == Some(&Value::Bool(true));
        for number in staged.into_iter().filter(|_| !fails) {
            *self.stored.entry(number).or_default() += 1;
        }
        DeliveryState::Accepted
    }
}

fn is_coordinator(attach: Option<&Attach>) -> bool {
    let target = attach.and_then(|attach| attach.target.as_deref());
    matches!(target, Some(AttachTarget::Coordinator(_)))
}
