//! Transactions (part 4 of the specification): what was sent and decided within them waits for their discharge.

use bytes::Bytes;
use deuteron::{AmqpError, condition};

use super::dispatch::Verdict;
use super::leases::{Lease, Leases};
use super::{ConnectionId, ConsumerId, Found, Inlet, Kind, LeaseId, Outlet, ProducerId, QueueId, Router};
use crate::message::{Stored, cost};
use crate::slots::{Slots, key};

key! {
    /// Finds a transaction.
    TransactionId
}

/// The link to the coordinator that a transaction was declared on: it ends with it (4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CoordinatorId(pub(crate) u64);

/// All transactions that are not discharged.
pub(super) type Transactions = Slots<TransactionId, Transaction>;

/// What is to happen all at once, or not at all.
pub(super) struct Transaction {
    owner: ConnectionId,
    coordinator: CoordinatorId,
    posts: Vec<Post>,
    retired: Vec<Retired>,
    /// Messages that were acquired within it, some of which are decided on since.
    acquired: Vec<LeaseId>,
    /// It took too long, and was rolled back; its owner does not know yet.
    late: bool,
}

/// The transaction that a consumer with credit acquires messages in, if it names one. `None` without credit, and if it names one
/// that is over, or that never was.
#[allow(clippy::option_option, reason = "nothing may be sent, or it may without a transaction")]
pub(super) fn acquiring<'t>(
    transactions: &'t mut Transactions,
    outlet: &impl Outlet,
    consumer: ConsumerId,
) -> Option<Option<(TransactionId, &'t mut Transaction)>> {
    if outlet.credit(consumer) == 0 {
        return None;
    }
    let Some((owner, id)) = outlet.within() else { return Some(None) };
    let transaction = transactions.get_mut(id)?;
    (transaction.owner == owner && !transaction.late).then_some(Some((id, transaction)))
}

impl Transaction {
    /// A consumer gets a message within it (4.4.3).
    pub(super) fn acquire(&mut self, lease: LeaseId, leases: &Leases) {
        if self.acquired.len() == self.acquired.capacity() {
            // Many may have been decided on since.
            self.acquired.retain(|acquired| leases.consumer(*acquired).is_some());
        }
        self.acquired.push(lease);
    }

    /// A consumer that gets messages settled takes one within it.
    pub(super) fn take(&mut self, lease: Lease) {
        let Lease { queue, consumer, message, .. } = lease;
        self.retired.push(Retired { queue, consumer, message, verdict: Verdict::Accepted });
    }
}

/// A message that was sent.
struct Post {
    /// Of the node, which may be another one by then, or none.
    address: Box<str>,
    kind: Kind,
    from: ConnectionId,
    payload: Bytes,
    format: u32,
}

/// A message that a consumer has decided on.
struct Retired {
    queue: QueueId,
    consumer: ConsumerId,
    message: Stored,
    verdict: Verdict,
}

impl<O: Outlet, I: Inlet> Router<O, I> {
    /// Declares a transaction.
    ///
    /// # Errors
    /// If the connection has too many.
    pub(crate) fn declare(
        &mut self,
        owner: ConnectionId,
        coordinator: CoordinatorId,
    ) -> Result<TransactionId, AmqpError> {
        let most = self.limits.transactions;
        let own = self.declared.get(&owner).copied().unwrap_or(0);
        if own >= most {
            let text = format!("the connection has {most} open transactions already, which is the limit");
            return Err(AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, text));
        }
        let transaction = Transaction {
            owner,
            coordinator,
            posts: Vec::new(),
            retired: Vec::new(),
            acquired: Vec::new(),
            late: false,
        };
        self.declared.insert(owner, own + 1);
        Ok(self.transactions.insert(transaction))
    }

    /// Takes a transaction out of all that counts it.
    fn end_transaction(&mut self, id: TransactionId) -> Option<Transaction> {
        let transaction = self.transactions.remove(id)?;
        if let Some(count) = self.declared.get_mut(&transaction.owner) {
            *count -= 1;
            if *count == 0 {
                self.declared.remove(&transaction.owner);
            }
        }
        Some(transaction)
    }

    /// How many transactions are open.
    pub(crate) fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// The transaction of a connection's.
    ///
    /// # Errors
    /// If it has none of this id, or it took too long.
    fn transaction(&mut self, owner: ConnectionId, id: TransactionId) -> Result<&mut Transaction, AmqpError> {
        match self.transactions.get_mut(id) {
            Some(transaction) if transaction.owner == owner && transaction.late => {
                let text = "the transaction took too long, and was rolled back";
                Err(AmqpError::new(condition::TRANSACTION_TIMEOUT, text))
            }
            Some(transaction) if transaction.owner == owner => Ok(transaction),
            _ => {
                let text = "this connection has no transaction of this id (any more)";
                Err(AmqpError::new(condition::TRANSACTION_UNKNOWN_ID, text))
            }
        }
    }

    /// Whether a consumer may acquire messages in a transaction.
    ///
    /// # Errors
    /// If the connection has no such transaction.
    pub(crate) fn check_transaction(
        &mut self,
        owner: ConnectionId,
        id: TransactionId,
    ) -> Result<(), AmqpError> {
        self.transaction(owner, id).map(|_| ())
    }

    /// A message has come within a transaction (4.4.1). It counts in limits from now on.
    ///
    /// # Errors
    /// If there is no such transaction; if the message cannot go where it shall.
    pub(crate) fn post(
        &mut self,
        id: TransactionId,
        producer: ProducerId,
        to: Option<&str>,
        payload: Bytes,
        format: u32,
    ) -> Result<(), AmqpError> {
        let sender = self.producers.get_mut(producer).ok_or_else(super::gone)?;
        sender.spend(payload.len());
        let from = sender.connection;
        let node = self.destination(producer, to);
        let posted = node.and_then(|node| {
            let address = self.address_of(node).ok_or_else(super::gone)?;
            let size = cost(payload.len());
            self.transaction(from, id)?.posts.push(Post {
                address,
                kind: node.kind(),
                from,
                payload,
                format,
            });
            self.bytes += size;
            Ok(node)
        });
        self.top_up(producer, posted.as_ref().ok().copied());
        posted.map(|_| ())
    }

    fn address_of(&self, node: Found) -> Option<Box<str>> {
        match node {
            Found::Queue(id) => self.queues.get(id).map(|queue| (&*queue.address).into()),
            Found::Topic(id) => self.topics.get(id).map(|topic| (&*topic.address).into()),
        }
    }

    /// A consumer has decided on a message within a transaction (4.4.2).
    ///
    /// # Errors
    /// If there is no such transaction. The message goes back then.
    pub(crate) fn retire(
        &mut self,
        owner: ConnectionId,
        id: TransactionId,
        lease: LeaseId,
        verdict: Verdict,
    ) -> Result<(), AmqpError> {
        if let Err(error) = self.transaction(owner, id) {
            let back = Verdict::Returned { failed: false, undeliverable_here: false, annotations: None };
            self.settle(lease, back);
            return Err(error);
        }
        let Some(consumer_id) = self.leases.consumer(lease) else { return Ok(()) };
        let Some(consumer) = self.consumers.get_mut(consumer_id) else { return Ok(()) };
        let Some(lease) = self.leases.end(lease, &mut consumer.held) else { return Ok(()) };
        let retired = Retired { queue: lease.queue, consumer: consumer_id, message: lease.message, verdict };
        self.transaction(owner, id)?.retired.push(retired);
        Ok(())
    }

    /// The end of a transaction: all of it happens, or nothing if it `fails` (4.3).
    ///
    /// # Errors
    /// If there is no such transaction, or if it cannot be committed and was rolled back.
    pub(crate) fn discharge(
        &mut self,
        owner: ConnectionId,
        id: TransactionId,
        fails: bool,
    ) -> Result<(), AmqpError> {
        let known = self.transaction(owner, id).map(|_| ());
        if let Err(error) = known {
            if error.condition == condition::TRANSACTION_TIMEOUT {
                drop(self.end_transaction(id));
            }
            return Err(error);
        }
        let Some(transaction) = self.end_transaction(id) else { return Ok(()) };
        if fails {
            self.undo(transaction);
            return Ok(());
        }
        let on_demand = self.on_demand;
        let mut nodes = Vec::with_capacity(transaction.posts.len());
        for post in &transaction.posts {
            match self.find_or_make(&post.address, Some(post.kind), on_demand.then_some(post.kind)) {
                Ok(node) => nodes.push(node),
                Err(error) => {
                    self.undo(transaction);
                    let text = format!("rolled back, as a message cannot be delivered: {error}");
                    return Err(AmqpError::new(condition::TRANSACTION_ROLLBACK, text));
                }
            }
        }
        self.commit(transaction, nodes);
        Ok(())
    }

    fn commit(&mut self, transaction: Transaction, nodes: Vec<Found>) {
        for (post, node) in transaction.posts.into_iter().zip(nodes) {
            self.bytes -= cost(post.payload.len());
            self.counters.received += 1;
            self.deliver(node, post.from, post.payload, post.format);
            if let Found::Topic(id) = node {
                // One that was made only for this message.
                self.after_topic_detach(id, true);
            }
        }
        for Retired { queue, consumer, message, verdict } in transaction.retired {
            self.decide(queue, consumer, message, verdict);
        }
        self.made_room(None);
    }

    fn undo(&mut self, transaction: Transaction) {
        for post in &transaction.posts {
            self.bytes -= cost(post.payload.len());
        }
        // The newest first: each goes right to its place.
        let back = Verdict::Returned { failed: true, undeliverable_here: false, annotations: None };
        for Retired { queue, consumer, message, .. } in transaction.retired.into_iter().rev() {
            self.decide(queue, consumer, message, back.clone());
        }
        for lease in transaction.acquired.into_iter().rev() {
            self.settle(lease, back.clone());
        }
        self.made_room(None);
    }

    /// A transaction took too long: it is rolled back, and its owner hears of it with whatever it does next in it.
    pub(crate) fn expire_transaction(&mut self, id: TransactionId) {
        let Some(transaction) = self.transactions.get_mut(id) else { return };
        transaction.late = true;
        let (owner, coordinator) = (transaction.owner, transaction.coordinator);
        let posts = std::mem::take(&mut transaction.posts);
        let retired = std::mem::take(&mut transaction.retired);
        let acquired = std::mem::take(&mut transaction.acquired);
        self.undo(Transaction { owner, coordinator, posts, retired, acquired, late: true });
    }

    /// A link to the coordinator is over: what was declared on it is rolled back.
    pub(crate) fn close_coordinator(&mut self, coordinator: CoordinatorId) {
        self.undo_where(|transaction| transaction.coordinator == coordinator);
    }

    /// A connection is over: its transactions are rolled back.
    pub(super) fn undo_all_of(&mut self, owner: ConnectionId) {
        self.undo_where(|transaction| transaction.owner == owner);
    }

    fn undo_where(&mut self, is_over: impl Fn(&Transaction) -> bool) {
        let keys = self.transactions.keys();
        let over: Vec<_> = keys.filter(|id| self.transactions.get(*id).is_some_and(&is_over)).collect();
        for id in over {
            if let Some(transaction) = self.end_transaction(id) {
                self.undo(transaction);
            }
        }
    }
}
