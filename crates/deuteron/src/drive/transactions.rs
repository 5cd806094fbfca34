//! Transactions that we have declared (part 4 of the specification): what each waits for, and what became of it.
//!
//! One link to the coordinator serves all transactions of a connection. A transaction lives on the wire it was declared
//! on: when that is lost the peer rolls it back (4.3), and so its record ends here.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use deuteron_codec::{
    AttachTarget, Coordinator, Declare, DeliveryState, Discharge, Encode, Source, Symbol, TransactionalState,
    Writer, condition, section,
};
use deuteron_engine::{DeliveryId, LinkId, Payload, Recovery, SendOptions};

use super::links;
use super::route::Notice;
use super::settle::settle_incoming;
use super::shared::{Core, Owner};
use super::waiters::{IdHash, Waiter, WakerSet};
use super::waits;
use crate::transaction::Held;
use crate::{Deadlines, Error, Fate, Phase as Wait, Scope, SenderOptions, Transaction};

const LOCAL_TRANSACTIONS: Symbol = Symbol::from_static("amqp:local-transactions");

/// Finds a transaction among those of its connection.
pub(crate) type Key = u64;

/// What a handler is told of a transaction.
#[derive(Debug)]
pub(crate) enum Told {
    Declared,
    DeclareFailed(Error),
    Committed,
    CommitFailed(Error),
    Aborted,
}

/// The transactions of a connection.
#[derive(Default)]
pub(crate) struct Transactions {
    pub(crate) coordinator: Option<LinkId>,
    next: Key,
    records: HashMap<Key, Record>,
    /// Declares and discharges under way.
    controls: HashMap<DeliveryId, Key, IdHash>,
}

enum Phase {
    Declaring,
    Open(Bytes),
    Discharging { fail: bool },
    Over(Result<(), Error>),
}

struct Record {
    phase: Phase,
    /// Outcomes are settled at the discharge only.
    settles_late: bool,
    unsettled: Vec<(DeliveryId, DeliveryState)>,
    waiters: WakerSet,
    held: Weak<Held>,
    /// A handler is told what becomes of it.
    told: bool,
    /// For a handler that keeps no handle: until it has been told of what was asked for.
    kept: Option<Transaction>,
}

/// Asks for a transaction. Its handle is not usable before the peer has answered.
pub(crate) fn declare(owner: &Arc<Owner>, told: bool) -> Result<Transaction, Error> {
    let link = coordinator(owner)?;
    let told = told && owner.shared.handled;
    owner.shared.command(|core| {
        let declare = control(&Declare { global_id: None });
        let delivery = send_control(core, link, declare)?;
        let transactions = &mut core.transactions;
        let key = transactions.next;
        transactions.next += 1;
        transactions.controls.insert(delivery, key);
        let transaction = Transaction::new(owner, key);
        let record = Record {
            phase: Phase::Declaring,
            settles_late: false,
            unsettled: Vec::new(),
            waiters: WakerSet::default(),
            held: transaction.downgrade(),
            told,
            kept: told.then(|| transaction.clone()),
        };
        transactions.records.insert(key, record);
        Ok(transaction)
    })
}

/// The link to the coordinator, opened on first use.
fn coordinator(owner: &Arc<Owner>) -> Result<LinkId, Error> {
    let known = || {
        let mut core = owner.shared.lock();
        let link = core.transactions.coordinator?;
        let open = core.engine.link(link).is_some_and(|link| !link.local_state().is_over());
        (open && core.links.contains_key(&link)).then_some(link)
    };
    if let Some(link) = known() {
        return Ok(link);
    }
    let deadlines = Deadlines { settle: owner.shared.deadlines.transaction, ..owner.shared.deadlines };
    let outcomes = ["amqp:declared:list", "amqp:accepted:list", "amqp:rejected:list"];
    let source = Source { outcomes: outcomes.map(Symbol::from_static).into(), ..Source::default() };
    let mut options =
        SenderOptions::new("").source(source).recovery(Recovery::Report).deadlines(deadlines).stay_detached();
    let capabilities = vec![LOCAL_TRANSACTIONS];
    options.config.target = Some(AttachTarget::Coordinator(Coordinator { capabilities }));
    let handle = links::open_sender(owner, None, options, true)?;
    let ours = handle.facts.id;
    // Another thread may have been faster.
    if let Some(link) = known() {
        drop(handle.close());
        return Ok(link);
    }
    owner.shared.lock().transactions.coordinator = Some(ours);
    Ok(ours)
}

/// A message to the coordinator (4.2).
fn control(body: &impl Encode) -> Bytes {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out);
    writer.descriptor(section::AMQP_VALUE);
    body.encode(&mut writer);
    out.freeze()
}

fn send_control(core: &mut Core, link: LinkId, message: Bytes) -> Result<DeliveryId, Error> {
    if let Some(error) = core.over() {
        return Err(error);
    }
    let sent = core.engine.link(link).map(|mut link| {
        link.send(Payload::Bytes(message), SendOptions { settled: Some(false), ..SendOptions::default() })
    });
    match sent {
        Some(Ok(id)) => Ok(id),
        Some(Err(usage)) => {
            Err(failed(format!("nothing can be sent to the coordinator: {usage}")).with_source(usage))
        }
        None => Err(failed("the link to the coordinator is closed")),
    }
}

fn failed(text: impl Into<String>) -> Error {
    Error::new(Scope::Transaction, text)
}

/// Asks for the end of a transaction.
///
/// # Errors
/// If it is not open.
pub(crate) fn discharge(core: &mut Core, key: Key, fail: bool) -> Result<(), Error> {
    let id = open_id(core, key)?;
    let Some(link) = core.transactions.coordinator else {
        return Err(failed("the link to the coordinator is closed"));
    };
    core.engine.flush_dispositions();
    let delivery = send_control(core, link, control(&Discharge { txn_id: id, fail }))?;
    let transactions = &mut core.transactions;
    transactions.controls.insert(delivery, key);
    if let Some(record) = transactions.records.get_mut(&key) {
        record.phase = Phase::Discharging { fail };
        record.kept = record.held.upgrade().filter(|_| record.told).map(Transaction::from_held);
    }
    Ok(())
}

/// The id of a transaction that can be worked in.
///
/// # Errors
/// Why it cannot.
pub(crate) fn open_id(core: &Core, key: Key) -> Result<Bytes, Error> {
    match core.transactions.records.get(&key).map(|record| &record.phase) {
        Some(Phase::Open(id)) => Ok(id.clone()),
        Some(Phase::Declaring) => Err(Error::usage("the coordinator has not answered the declare yet")
            .with_advice("wait for it, or for on_transaction_declared")),
        Some(Phase::Over(Err(error))) => Err(error.clone()),
        Some(Phase::Discharging { .. } | Phase::Over(Ok(()))) | None => {
            Err(Error::usage("the transaction was committed or rolled back before")
                .with_advice("begin a new one"))
        }
    }
}

/// Whether a transaction is declared; leaves the waker if that is not known.
pub(crate) fn declared(core: &mut Core, key: Key, waiter: &Waiter<'_>) -> Option<Result<(), Error>> {
    let over = core.over();
    let record = core.transactions.records.get_mut(&key)?;
    match &record.phase {
        Phase::Declaring if over.is_some() => over.map(Err),
        Phase::Declaring => {
            record.waiters.register(waiter);
            None
        }
        Phase::Over(Err(error)) => Some(Err(error.clone())),
        Phase::Open(_) | Phase::Discharging { .. } | Phase::Over(Ok(())) => Some(Ok(())),
    }
}

/// How the discharge ended; leaves the waker if that is not known.
pub(crate) fn discharged(core: &mut Core, key: Key, waiter: &Waiter<'_>) -> Option<Result<(), Error>> {
    let over = core.over();
    let record = core.transactions.records.get_mut(&key)?;
    match &record.phase {
        Phase::Over(result) => Some(result.clone()),
        _ if over.is_some() => over.map(Err),
        _ => {
            record.waiters.register(waiter);
            None
        }
    }
}

/// Has whoever waits for something within the transaction woken when it ends.
pub(crate) fn watch(core: &mut Core, key: Key, waiter: &Waiter<'_>) {
    if let Some(record) = core.transactions.records.get_mut(&key) {
        record.waiters.register(waiter);
    }
}

pub(crate) fn set_settles_late(core: &mut Core, key: Key, late: bool) {
    if let Some(record) = core.transactions.records.get_mut(&key) {
        record.settles_late = late;
    }
}

/// The options of a message sent within a transaction (4.4.1).
pub(crate) fn posting(id: Bytes) -> SendOptions {
    let state = TransactionalState { txn_id: id, outcome: None };
    SendOptions { state: Some(DeliveryState::Transactional(Box::new(state))), ..SendOptions::default() }
}

/// Gives a message that came its outcome within a transaction (4.4.2).
pub(crate) fn retire(core: &mut Core, key: Key, delivery: DeliveryId, outcome: DeliveryState) -> Option<()> {
    let id = open_id(core, key).ok()?;
    let record = core.transactions.records.get_mut(&key)?;
    let state = TransactionalState { txn_id: id, outcome: Some(outcome.clone()) };
    let state = DeliveryState::Transactional(Box::new(state));
    if !record.settles_late {
        return settle_incoming(core, delivery, state);
    }
    record.unsettled.push((delivery, outcome));
    core.engine.delivery(delivery)?.disposition(Some(state), false);
    Some(())
}

/// No handle is left: what is not discharged is rolled back.
pub(crate) fn abandon(core: &mut Core, key: Key) {
    if open_id(core, key).is_ok() && discharge(core, key, true).is_ok() {
        return;
    }
    let under_way = |record: &Record| matches!(record.phase, Phase::Declaring | Phase::Discharging { .. });
    if !core.transactions.records.get(&key).is_some_and(under_way) {
        core.transactions.records.remove(&key);
    }
}

/// The coordinator has answered. True if the delivery was for it.
pub(super) fn answered(core: &mut Core, id: DeliveryId, woken: &mut Vec<Waker>) -> bool {
    let Some(mut delivery) = core.engine.delivery(id) else { return false };
    let state = delivery.remote_state().cloned();
    let terminal = state.as_ref().is_some_and(DeliveryState::is_terminal);
    if !delivery.remotely_settled() && !terminal {
        return core.transactions.controls.contains_key(&id);
    }
    let Some(key) = core.transactions.controls.remove(&id) else { return false };
    delivery.settle();
    let Some(record) = core.transactions.records.get(&key) else { return true };
    match (&record.phase, state) {
        (Phase::Declaring, Some(DeliveryState::Declared(declared))) => {
            opened(core, key, declared.txn_id, woken);
        }
        (Phase::Discharging { .. }, Some(DeliveryState::Accepted)) => over(core, key, Ok(()), woken),
        (phase, Some(DeliveryState::Rejected(Some(error)))) => {
            let error = Error::remote(Scope::Transaction, &error);
            let rolled_back = matches!(phase, Phase::Discharging { .. });
            over(core, key, Err(if rolled_back { error.with_fate(Fate::NotSent) } else { error }), woken);
        }
        (_, state) => {
            let answer = state.map_or("nothing", |state| state.name());
            over(core, key, Err(failed(format!("the coordinator answered with {answer}"))), woken);
        }
    }
    true
}

fn opened(core: &mut Core, key: Key, id: Bytes, woken: &mut Vec<Waker>) {
    let Some(record) = core.transactions.records.get_mut(&key) else { return };
    record.phase = Phase::Open(id);
    record.waiters.take_into(woken);
    if record.held.strong_count() == 0 {
        abandon(core, key);
    } else if record.told {
        core.unheard.push(Notice::Transaction(key, Told::Declared));
    }
}

/// The handles that were kept for a handler which will be told nothing more. To be dropped when nothing is locked.
pub(super) fn take_kept(core: &mut Core) -> Vec<Transaction> {
    core.transactions.records.values_mut().filter_map(|record| record.kept.take()).collect()
}

/// A transaction has ended, one way or the other.
fn over(core: &mut Core, key: Key, result: Result<(), Error>, woken: &mut Vec<Waker>) {
    let Some(record) = core.transactions.records.get_mut(&key) else { return };
    let before = std::mem::replace(&mut record.phase, Phase::Over(result.clone()));
    record.waiters.take_into(woken);
    let unsettled = std::mem::take(&mut record.unsettled);
    let told = match (before, &result) {
        (Phase::Declaring, Err(error)) => Told::DeclareFailed(error.clone()),
        (Phase::Discharging { fail: false }, Ok(())) => Told::Committed,
        (Phase::Discharging { fail: false }, Err(error)) => Told::CommitFailed(error.clone()),
        _ => Told::Aborted,
    };
    let committed = matches!(told, Told::Committed);
    if record.told {
        core.unheard.push(Notice::Transaction(key, told));
    }
    if record.held.strong_count() == 0 {
        core.transactions.records.remove(&key);
    }
    for (delivery, outcome) in unsettled {
        // A message whose acceptance was rolled back is still ours: it goes back.
        settle_incoming(core, delivery, if committed { outcome } else { DeliveryState::Released });
    }
}

/// A declare or discharge got no answer, as its wire or link went. True if the delivery was for the coordinator.
pub(super) fn unanswered(core: &mut Core, id: DeliveryId, sent: bool, woken: &mut Vec<Waker>) -> bool {
    let Some(key) = core.transactions.controls.remove(&id) else { return false };
    let said = why_gone(core);
    let result = match core.transactions.records.get(&key).map(|record| &record.phase) {
        Some(Phase::Declaring) if said.is_some() => said.map_or(Ok(()), Err),
        // Nobody else can have committed it.
        Some(Phase::Discharging { fail: true }) => Ok(()),
        Some(Phase::Discharging { fail: false }) if sent => {
            let text = "the link was lost before the coordinator had answered the commit";
            let error =
                failed(text).with_fate(Fate::Unknown).with_advice("look whether its effects are there");
            Err(match said {
                Some(said) => error.with_source(said),
                None => error,
            })
        }
        Some(Phase::Discharging { fail: false }) => Err(rolled_back().with_fate(Fate::NotSent)),
        _ => Err(failed("the link was lost before the transaction was declared").retryable(true)),
    };
    over(core, key, result, woken);
    true
}

/// What the peer has said of the end of the coordinator's link, or of its session.
fn why_gone(core: &mut Core) -> Option<Error> {
    let id = core.transactions.coordinator?;
    let state = core.links.get(&id)?;
    if state.failure.is_some() {
        return state.failure.clone();
    }
    let session = state.facts.session;
    let of_link = core.engine.link(id).and_then(|link| link.remote_error().cloned());
    if let Some(error) = of_link {
        return Some(Error::remote(Scope::Link, &error));
    }
    let of_session = core.engine.session(session).and_then(|session| session.remote_error().cloned());
    of_session.map(|error| Error::remote(Scope::Session, &error))
}

fn rolled_back() -> Error {
    failed("the transaction was rolled back, as its connection was lost")
        .with_condition(condition::TRANSACTION_ROLLBACK)
        .with_fate(Fate::NotSent)
        .retryable(true)
        .with_advice("do all of it again in a new one")
}

/// The wire is gone: the peer rolls back what was not discharged.
pub(super) fn wire_lost(core: &mut Core, woken: &mut Vec<Waker>) {
    end_open(core, &rolled_back(), woken);
}

/// The link to the coordinator has ended, and with it its transactions (4.3).
pub(super) fn coordinator_ended(core: &mut Core, error: Option<&Error>, woken: &mut Vec<Waker>) {
    core.transactions.coordinator = None;
    let error = error.cloned().unwrap_or_else(|| {
        failed("the transaction was rolled back, as the coordinator has closed its link")
            .with_condition(condition::TRANSACTION_ROLLBACK)
            .with_fate(Fate::NotSent)
    });
    for (_, key) in std::mem::take(&mut core.transactions.controls) {
        over(core, key, Err(error.clone()), woken);
    }
    end_open(core, &error, woken);
}

fn end_open(core: &mut Core, error: &Error, woken: &mut Vec<Waker>) {
    let is_open = |record: &Record| matches!(record.phase, Phase::Open(_));
    let records = core.transactions.records.iter();
    let open: Vec<_> = records.filter(|(_, record)| is_open(record)).map(|(key, _)| *key).collect();
    for key in open {
        over(core, key, Err(error.clone()), woken);
    }
}

/// The answer did not come in time: its waiters are told, and nothing can be done in it any more.
pub(super) fn late(core: &mut Core, delivery: DeliveryId, length: Duration, woken: &mut Vec<Waker>) {
    if let Some(key) = core.transactions.controls.remove(&delivery) {
        let what = "the coordinator did not answer";
        let error = waits::late(Scope::Transaction, Wait::Transaction, length, what);
        over(core, key, Err(error.with_fate(Fate::Unknown)), woken);
    }
}

/// The handle of a transaction about which a handler is to be told, and the one kept for it. To be dropped when nothing
/// is locked.
pub(super) fn handle(core: &mut Core, key: Key) -> (Option<Transaction>, Option<Transaction>) {
    let Some(record) = core.transactions.records.get_mut(&key) else { return (None, None) };
    (record.held.upgrade().map(Transaction::from_held), record.kept.take())
}
