//! Receivers.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll};
use std::time::Duration;

use deuteron_codec::{Map, Symbol, Value};

use crate::drive::shared::Core;
use crate::drive::waits::{Bound, link_failure, poll_core};
use crate::link::LinkHandle;
use crate::{Delivery, Error, Phase, Scope, Transaction};

/// A link that we receive on. Dereferences to [`LinkHandle`].
///
/// Cheap to clone, `Send` and `Sync`. With a handler its messages go to
/// [`on_message`](crate::MessagingHandler::on_message); otherwise [`recv`](Self::recv) takes them.
/// Several clones may wait at once: each message goes to one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    link: LinkHandle,
}

impl Deref for Receiver {
    type Target = LinkHandle;

    fn deref(&self) -> &LinkHandle {
        &self.link
    }
}

impl Receiver {
    pub(crate) fn from_handle(link: LinkHandle) -> Self {
        Self { link }
    }

    /// Waits for the next message. There is no deadline: see [`recv_timeout`](Self::recv_timeout).
    /// It goes on waiting across reconnects.
    ///
    /// A delivery that is dropped without having been settled is released: the peer may give it to
    /// another receiver.
    ///
    /// # Errors
    /// When the link or the connection ends, once all messages that came before are taken. Those
    /// cannot be settled any more.
    ///
    /// # Cancel safety
    /// Cancel safe: if it is dropped before it is ready, no message is taken.
    pub async fn recv(&self) -> Result<Delivery, Error> {
        self.next(None).await
    }

    /// As [`recv`](Self::recv), for at most `timeout`.
    ///
    /// # Errors
    /// As there, or that the time has passed: [`Error::deadline`] is [`Phase::Receive`].
    ///
    /// # Cancel safety
    /// As there.
    pub async fn recv_timeout(&self, timeout: Duration) -> Result<Delivery, Error> {
        self.next(Some(timeout)).await
    }

    /// A message that is here already, if there is one.
    ///
    /// # Errors
    /// When the link or the connection has ended.
    pub fn try_recv(&self) -> Result<Option<Delivery>, Error> {
        self.owner.shared.command(|core| match self.take(core) {
            Some(delivery) => Ok(Some(delivery)),
            None => link_failure(core, &self.facts).map_or(Ok(None), Err),
        })
    }

    async fn next(&self, timeout: Option<Duration>) -> Result<Delivery, Error> {
        let bound = Bound::new(timeout, Scope::Link, Phase::Receive);
        poll_fn(|cx| {
            let what = || format!("no message came from the link '{}'", self.facts.name);
            poll_core(&self.owner.shared, cx, &bound, what, |core, waiter| {
                if let Some(delivery) = self.take(core) {
                    return Some(Ok(delivery));
                }
                if let Some(error) = link_failure(core, &self.facts) {
                    return Some(Err(error));
                }
                if let Some(link) = core.links.get_mut(&self.facts.id) {
                    link.waiters.register(waiter);
                }
                None
            })
        })
        .await
    }

    fn take(&self, core: &mut Core) -> Option<Delivery> {
        let Some(state) = core.links.get_mut(&self.facts.id) else {
            let left = self.facts.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            return left.map(|(id, tag, payload)| Delivery::orphan(&self.link, id, tag, payload));
        };
        while let Some(id) = state.inbox.pop_front() {
            if let Some(mut delivery) = core.engine.delivery(id) {
                return Some(Delivery::incoming(&self.link, id, &mut delivery));
            }
        }
        None
    }

    /// Allows the peer to send `messages` more; for receivers with manual credit.
    pub fn add_credit(&self, messages: u32) {
        drop(self.change(|link| link.add_credit(messages)));
    }

    /// Lets the peer send what this receiver gets from now on within a transaction: if that is rolled back, messages that are not
    /// settled by then go back to where they came from (4.4.3). Once the transaction is over, say `None`, or the next one, before
    /// giving credit again: the peer closes the link otherwise. For receivers with manual credit (`credit_window(0)`); a window
    /// gives credit by itself. Default: none.
    ///
    /// # Errors
    /// If the transaction is not declared yet, or over; if it is one of another connection.
    ///
    /// ```no_run
    /// # async fn f(connection: deuteron::Connection, receiver: deuteron::Receiver) -> Result<(), deuteron::Error> {
    /// let transaction = connection.begin_transaction().await?;
    /// receiver.acquire_in(Some(&transaction))?;
    /// receiver.add_credit(10);
    /// # Ok(()) }
    /// ```
    pub fn acquire_in(&self, transaction: Option<&Transaction>) -> Result<(), Error> {
        let properties = match transaction {
            None => None,
            Some(transaction) => {
                let id = transaction.id_for(&self.owner)?;
                let mut properties = Map::new();
                properties.insert(Value::from(Symbol::from_static("txn-id")), Value::Binary(id));
                Some(properties)
            }
        };
        self.change(|link| link.set_flow_properties(properties))
    }

    /// Changes the credit window; 0 is manual credit from now on. Ends the pause after a drain.
    pub fn set_credit_window(&self, messages: u32) {
        drop(self.change(|link| link.set_credit_window(messages)));
    }

    /// Asks the peer to send what it has and to give the rest of the credit back (spec 2.6.7). The
    /// credit window then rests until [`set_credit_window`](Self::set_credit_window) or
    /// [`add_credit`](Self::add_credit). The request is made at once; the result may be awaited, or
    /// [`on_drained`](crate::MessagingHandler::on_drained) tells the end.
    pub fn drain(&self) -> Draining {
        self.owner.shared.command(|core| {
            if let Some(mut link) = core.engine.link(self.facts.id) {
                link.drain();
            }
        });
        let bound = Bound::new(self.facts.deadlines.drain, Scope::Link, Phase::Drain);
        Draining { link: self.link.clone(), bound }
    }
}

/// A drain that was asked for: ready when the peer has used up or given back all credit. The
/// messages that it sent before that can be taken with [`Receiver::try_recv`].
///
/// # Errors
/// The deadline [`drain`](crate::Deadlines::drain), or the end of the link or connection.
///
/// # Cancel safety
/// Cancel safe.
pub struct Draining {
    link: LinkHandle,
    bound: Bound,
}

impl Future for Draining {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let facts = &this.link.facts;
        let what = || format!("the peer did not answer the drain of '{}'", facts.name);
        poll_core(&this.link.owner.shared, cx, &this.bound, what, |core, waiter| {
            let draining = core.engine.link(facts.id).is_some_and(|link| link.is_draining());
            match core.links.get_mut(&facts.id) {
                Some(_) if !draining => return Some(Ok(())),
                Some(state) => state.waiters.register(waiter),
                None => {}
            }
            link_failure(core, facts).map(Err)
        })
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining").field("link", &self.link).finish_non_exhaustive()
    }
}
