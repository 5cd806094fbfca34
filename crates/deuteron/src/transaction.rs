//! Transactions, on our side: posting and retiring messages all at once or not at all.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use deuteron_codec::{DeliveryState, Error as AmqpError, Map};

use crate::drive::settle::modified;
use crate::drive::shared::Owner;
use crate::drive::transactions::{self, Key};
use crate::drive::waits::{Bound, link_failure, poll_core};
use crate::sender::{encoded, has_room};
use crate::{Connection, Delivery, Error, Fate, Outcome, Phase, Scope, Sendable, Sender};

/// A local transaction (spec part 4): what is sent, accepted, rejected, released or modified through it happens when it
/// is [committed](Self::commit), all at once, and not at all if it is [rolled back](Self::rollback).
///
/// Made by [`Connection::begin_transaction`], or in a handler by [`Connection::declare_transaction`]. Clones are the same
/// transaction. When the last of them is dropped before it is discharged, it is rolled back.
///
/// It works for all sessions and links of its connection, and for no other. It does not outlive the wire that it was
/// declared on: when that is lost the peer rolls it back, every call says so
/// ([`condition`](Error::condition) `amqp:transaction:rollback`), its messages are not sent again, and all of it can be
/// done again in a new one. Only a commit that was under way may have happened or not: its error has
/// [`Fate::Unknown`].
///
/// ```no_run
/// # async fn run() -> Result<(), deuteron::Error> {
/// let connection = deuteron::Connection::connect("amqp://127.0.0.1").await?;
/// let (receiver, sender) = (connection.receiver("orders").await?, connection.sender("invoices").await?);
/// let order = receiver.recv().await?;
/// let transaction = connection.begin_transaction().await?;
/// transaction.send(&sender, "an invoice").await?;
/// transaction.accept(&order)?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction {
    held: Arc<Held>,
}

/// What all clones share.
pub(crate) struct Held {
    owner: Arc<Owner>,
    key: Key,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.owner.shared.command(|core| transactions::abandon(core, self.key));
    }
}

impl Connection {
    /// Declares a transaction and waits until the peer has answered. The link to the peer's coordinator is opened on
    /// first use.
    ///
    /// # Errors
    /// What the peer says if it has no transactions, or no more of them; the deadline
    /// [`transaction`](crate::Deadlines::transaction); or the end of the connection.
    ///
    /// # Cancel safety
    /// Dropping the future rolls back what the peer may have declared.
    pub async fn begin_transaction(&self) -> Result<Transaction, Error> {
        let transaction = transactions::declare(&self.owner, false)?;
        transaction.declared().await?;
        Ok(transaction)
    }

    /// Declares a transaction without waiting. A handler is told by
    /// [`on_transaction_declared`](crate::MessagingHandler::on_transaction_declared) or
    /// [`on_transaction_declare_failed`](crate::MessagingHandler::on_transaction_declare_failed); others await
    /// [`Transaction::declared`].
    ///
    /// # Errors
    /// If the connection is closed.
    pub fn declare_transaction(&self) -> Result<Transaction, Error> {
        transactions::declare(&self.owner, true)
    }
}

impl Transaction {
    pub(crate) fn new(owner: &Arc<Owner>, key: Key) -> Self {
        Self { held: Arc::new(Held { owner: Arc::clone(owner), key }) }
    }

    pub(crate) fn from_held(held: Arc<Held>) -> Self {
        Self { held }
    }

    pub(crate) fn downgrade(&self) -> Weak<Held> {
        Arc::downgrade(&self.held)
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::from_owner(Arc::clone(&self.held.owner))
    }

    /// The peer's name for it (`txn-id`), while it can be worked in.
    #[must_use]
    pub fn id(&self) -> Option<Bytes> {
        transactions::open_id(&self.held.owner.shared.lock(), self.held.key).ok()
    }

    /// Its name, for a link of this connection; or why it cannot be worked in there.
    pub(crate) fn id_for(&self, owner: &Arc<Owner>) -> Result<Bytes, Error> {
        self.same_connection(owner)?;
        self.open_id()
    }

    /// Waits until the peer has declared it.
    ///
    /// # Errors
    /// As for [`Connection::begin_transaction`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn declared(&self) -> Result<(), Error> {
        let shared = &self.held.owner.shared;
        let bound = Bound::new(shared.deadlines.transaction, Scope::Transaction, Phase::Transaction);
        let what = || "the coordinator did not declare the transaction".to_owned();
        poll_fn(|cx| {
            poll_core(shared, cx, &bound, what, |core, waiter| {
                transactions::declared(core, self.held.key, waiter)
            })
        })
        .await
    }

    /// Whether outcomes of messages that came are settled only when the transaction is discharged, rather than with the
    /// outcome (spec 4.4.2 leaves both). A message whose outcome is rolled back is released then. Default false.
    pub fn settle_at_discharge(&self, late: bool) {
        transactions::set_settles_late(&mut self.held.owner.shared.lock(), self.held.key, late);
    }

    /// Sends a message within the transaction and waits for its outcome, which holds if the transaction is committed.
    ///
    /// # Errors
    /// As for [`Sender::send`]; if the transaction has ended; or if `sender` is one of another connection.
    ///
    /// # Cancel safety
    /// As for [`Sender::send`].
    pub async fn send(&self, sender: &Sender, message: impl Sendable) -> Result<Outcome, Error> {
        self.transfer(sender, message).await?.outcome().await
    }

    /// As [`Sender::transfer`], within the transaction: returns when the message is handed over.
    ///
    /// # Errors
    /// As for [`Sender::transfer`]; if the transaction has ended; or if `sender` is one of another connection.
    ///
    /// # Cancel safety
    /// Cancel safe: if it is dropped before it is ready, the message is not sent.
    pub async fn transfer(&self, sender: &Sender, message: impl Sendable) -> Result<Delivery, Error> {
        self.same_connection(&sender.owner)?;
        let bound = Bound::new(sender.facts.deadlines.credit, Scope::Link, Phase::Credit);
        poll_fn(|cx| {
            encoded(&message, &sender.facts, |payload| {
                let mut payload = Some(payload);
                let what = || format!("the link '{}' got no credit to send", sender.facts.name);
                poll_core(&self.held.owner.shared, cx, &bound, what, |core, waiter| {
                    let id = match transactions::open_id(core, self.held.key) {
                        Ok(id) => id,
                        Err(error) => return Some(Err(error)),
                    };
                    if has_room(core, sender) {
                        return Some(sender.hand_over(core, payload.take()?, transactions::posting(id)));
                    }
                    if let Some(error) = link_failure(core, &sender.facts) {
                        return Some(Err(error));
                    }
                    if let Some(link) = core.links.get_mut(&sender.facts.id) {
                        link.waiters.register(waiter);
                    }
                    transactions::watch(core, self.held.key, waiter);
                    None
                })
            })
        })
        .await
        .map_err(|error| error.with_fate(Fate::NotSent))
    }

    /// As [`Sender::send_now`], within the transaction: never waits. Meant for callbacks.
    ///
    /// # Errors
    /// As for [`Sender::send_now`]; if the transaction has ended; or if `sender` is one of another connection.
    pub fn send_now(&self, sender: &Sender, message: impl Sendable) -> Result<Delivery, Error> {
        self.same_connection(&sender.owner)?;
        let id = self.open_id()?;
        sender.send_now_with(message, transactions::posting(id))
    }

    /// For a message that came: it was processed, if the transaction is committed.
    ///
    /// # Errors
    /// If the delivery was settled before or its wire is gone; if the transaction has ended; or if the delivery is one of
    /// another connection.
    pub fn accept(&self, delivery: &Delivery) -> Result<(), Error> {
        self.settle_with(delivery, DeliveryState::Accepted)
    }

    /// For a message that came: it is invalid, if the transaction is committed.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn reject(&self, delivery: &Delivery, error: Option<AmqpError>) -> Result<(), Error> {
        self.settle_with(delivery, DeliveryState::Rejected(error.map(Box::new)))
    }

    /// For a message that came: it goes back untouched, if the transaction is committed.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn release(&self, delivery: &Delivery) -> Result<(), Error> {
        self.settle_with(delivery, DeliveryState::Released)
    }

    /// For a message that came: it goes back changed, if the transaction is committed.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn modify(
        &self,
        delivery: &Delivery,
        delivery_failed: bool,
        undeliverable_here: bool,
        annotations: Option<Map>,
    ) -> Result<(), Error> {
        self.settle_with(delivery, modified(delivery_failed, undeliverable_here, annotations))
    }

    /// Gives a message that came an outcome within the transaction.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn settle_with(&self, delivery: &Delivery, outcome: DeliveryState) -> Result<(), Error> {
        self.same_connection(&delivery.owner)?;
        self.open_id()?;
        delivery.dispose(|core| transactions::retire(core, self.held.key, delivery.id, outcome))
    }

    /// Makes it all happen. Wait for the outcome of each message before: one that still waits for credit would come after
    /// the commit, and be refused. The request is made at once; the result may be awaited, or dropped, which changes nothing. A
    /// handler is told by [`on_transaction_committed`](crate::MessagingHandler::on_transaction_committed) or
    /// [`on_transaction_commit_failed`](crate::MessagingHandler::on_transaction_commit_failed).
    pub fn commit(&self) -> Discharging {
        self.discharge(false)
    }

    /// Undoes it all. The request is made at once; the result may be awaited, or dropped, which changes nothing. A handler
    /// is told by [`on_transaction_aborted`](crate::MessagingHandler::on_transaction_aborted).
    pub fn rollback(&self) -> Discharging {
        self.discharge(true)
    }

    fn discharge(&self, fail: bool) -> Discharging {
        let shared = &self.held.owner.shared;
        let refused = shared.command(|core| transactions::discharge(core, self.held.key, fail)).err();
        let bound = Bound::new(shared.deadlines.transaction, Scope::Transaction, Phase::Transaction);
        Discharging { transaction: self.clone(), refused, bound }
    }

    fn open_id(&self) -> Result<Bytes, Error> {
        transactions::open_id(&self.held.owner.shared.lock(), self.held.key)
    }

    fn same_connection(&self, owner: &Arc<Owner>) -> Result<(), Error> {
        if Arc::ptr_eq(owner, &self.held.owner) {
            return Ok(());
        }
        Err(Error::usage("the transaction belongs to another connection")
            .with_advice("use links of the connection that it was declared on"))
    }
}

impl PartialEq for Transaction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.held, &other.held)
    }
}

impl Eq for Transaction {}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("key", &self.held.key).finish_non_exhaustive()
    }
}

/// The end of a transaction that was asked for: a future that is ready when the peer has answered.
///
/// # Errors
/// What the peer said if it has rolled back instead of committing; the deadline
/// [`transaction`](crate::Deadlines::transaction); the loss of the wire. [`Error::fate`] says whether it may have been
/// committed all the same.
///
/// # Cancel safety
/// Cancel safe. Dropping it only stops waiting.
pub struct Discharging {
    transaction: Transaction,
    /// The request could not be made.
    refused: Option<Error>,
    bound: Bound,
}

impl Future for Discharging {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(error) = this.refused.take() {
            return Poll::Ready(Err(error));
        }
        let held = &this.transaction.held;
        let what = || "the coordinator did not answer the discharge".to_owned();
        poll_core(&held.owner.shared, cx, &this.bound, what, |core, waiter| {
            transactions::discharged(core, held.key, waiter)
        })
        .map_err(|error| match error.deadline() {
            Some(_) => error.with_fate(Fate::Unknown),
            None => error,
        })
    }
}

impl fmt::Debug for Discharging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discharging").field("transaction", &self.transaction).finish_non_exhaustive()
    }
}
