//! Deliveries: one message under way, in either direction.

use std::fmt;
use std::future::poll_fn;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use deuteron_codec::{
    DecodeError, DeliveryState, DeliveryTag, Error as AmqpError, Map, Message, MessageView, Role,
};
use deuteron_engine::{self as engine, DeliveryId, LinkId};

use crate::drive::settle::{modified, settle_incoming, state_of};
use crate::drive::shared::{Core, Owner};
use crate::drive::waiters::Waiter;
use crate::drive::waits::{Bound, poll_core};
use crate::link::LinkHandle;
use crate::outcome::has_outcome;
use crate::{Ack, Connection, Error, Fate, Link, Outcome, Phase, Receiver, Scope, Sender};

/// A message under way. One that came holds the message; one that was sent tells its outcome.
///
/// `Send` and `Sync`. Clones are the same delivery. When the last handle of a message that was
/// received is dropped before it is settled, the message is released; inside
/// [`on_message`](crate::MessagingHandler::on_message) the returned [`Ack`] decides instead. Handles
/// of a message that was sent may be dropped at any time; it is sent all the same.
pub struct Delivery {
    pub(crate) owner: Arc<Owner>,
    pub(crate) id: DeliveryId,
    pub(crate) link: LinkId,
    pub(crate) role: Role,
    pub(crate) tag: DeliveryTag,
    pub(crate) payload: Bytes,
    pub(crate) fate: OnceLock<Outcome>,
    /// Nothing is left to be done when this handle goes.
    pub(crate) released: AtomicBool,
}

impl Delivery {
    pub(crate) fn outgoing(handle: &LinkHandle, id: DeliveryId) -> Self {
        Self {
            owner: Arc::clone(&handle.owner),
            id,
            link: handle.facts.id,
            role: Role::Sender,
            tag: DeliveryTag::default(),
            payload: Bytes::new(),
            fate: OnceLock::new(),
            released: AtomicBool::new(!handle.facts.pull),
        }
    }

    pub(crate) fn incoming(
        handle: &LinkHandle,
        id: DeliveryId,
        delivery: &mut engine::DeliveryMut<'_>,
    ) -> Self {
        Self {
            owner: Arc::clone(&handle.owner),
            id,
            link: handle.facts.id,
            role: Role::Receiver,
            tag: delivery.tag(),
            payload: delivery.take(),
            fate: OnceLock::new(),
            released: AtomicBool::new(false),
        }
    }

    /// A message that came on a link that is closed by now.
    pub(crate) fn orphan(handle: &LinkHandle, id: DeliveryId, tag: DeliveryTag, payload: Bytes) -> Self {
        Self {
            owner: Arc::clone(&handle.owner),
            id,
            link: handle.facts.id,
            role: Role::Receiver,
            tag,
            payload,
            fate: OnceLock::new(),
            released: AtomicBool::new(true),
        }
    }

    /// The message, decoded whole. For one that was sent: empty, as it is not kept.
    ///
    /// # Errors
    /// If its bytes are not those of a message. The delivery can be rejected all the same.
    pub fn message(&self) -> Result<Message, DecodeError> {
        Message::decode_bytes(self.payload.clone())
    }

    /// The message, read in place and only as far as it is looked at.
    ///
    /// # Errors
    /// If its bytes are not those of a message.
    pub fn view(&self) -> Result<MessageView<'_>, DecodeError> {
        MessageView::new(&self.payload)
    }

    /// The bytes of the message, sections and all.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::from_owner(Arc::clone(&self.owner))
    }

    /// The link, unless it is closed.
    #[must_use]
    pub fn link(&self) -> Option<Link> {
        let facts = self.owner.shared.lock().links.get(&self.link).map(|link| Arc::clone(&link.facts))?;
        Some(Link::from_handle(LinkHandle::new(Arc::clone(&self.owner), facts)))
    }

    /// The receiver it came on, unless that is closed.
    #[must_use]
    pub fn receiver(&self) -> Option<Receiver> {
        match self.link()? {
            Link::Receiver(receiver) => Some(receiver),
            Link::Sender(_) => None,
        }
    }

    /// The sender it was sent on, unless that is closed.
    #[must_use]
    pub fn sender(&self) -> Option<Sender> {
        match self.link()? {
            Link::Sender(sender) => Some(sender),
            Link::Receiver(_) => None,
        }
    }

    /// Whether it came on this link.
    #[must_use]
    pub fn is_on(&self, link: &LinkHandle) -> bool {
        self.link == link.facts.id && Arc::ptr_eq(&self.owner, &link.owner)
    }

    /// Its delivery tag (spec 2.6.12).
    #[must_use]
    pub fn tag(&self) -> DeliveryTag {
        if self.tag != DeliveryTag::default() {
            return self.tag;
        }
        self.read(|delivery| delivery.tag()).unwrap_or_default()
    }

    /// Its message format; 0 is the format of AMQP messages (spec 3.2.16).
    #[must_use]
    pub fn message_format(&self) -> u32 {
        self.read(|delivery| delivery.message_format()).unwrap_or(0)
    }

    /// The state that the peer has given it so far.
    #[must_use]
    pub fn remote_state(&self) -> Option<DeliveryState> {
        self.read(|delivery| delivery.remote_state().cloned()).flatten()
    }

    /// The state that we have given it so far.
    #[must_use]
    pub fn local_state(&self) -> Option<DeliveryState> {
        self.read(|delivery| delivery.local_state().cloned()).flatten()
    }

    /// Whether we have settled it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.read(|delivery| delivery.locally_settled()).unwrap_or(true)
    }

    /// Whether the peer has settled it; true from the start if it was sent settled.
    #[must_use]
    pub fn is_remotely_settled(&self) -> bool {
        self.read(|delivery| delivery.remotely_settled()).unwrap_or(true)
    }

    fn read<R>(&self, read: impl FnOnce(&mut engine::DeliveryMut<'_>) -> R) -> Option<R> {
        let mut core = self.owner.shared.lock();
        core.engine.delivery(self.id).map(|mut delivery| read(&mut delivery))
    }

    /// For a message that came: it was processed.
    ///
    /// # Errors
    /// If it was settled before, or its wire is gone: the peer will deliver it again then.
    pub fn accept(&self) -> Result<(), Error> {
        self.settle_with(DeliveryState::Accepted)
    }

    /// For a message that came: it is invalid, and shall not be delivered again.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn reject(&self, error: Option<AmqpError>) -> Result<(), Error> {
        self.settle_with(DeliveryState::Rejected(error.map(Box::new)))
    }

    /// For a message that came: it was not touched, and may be delivered to anybody.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn release(&self) -> Result<(), Error> {
        self.settle_with(DeliveryState::Released)
    }

    /// For a message that came: it was touched but not processed.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn modify(
        &self,
        delivery_failed: bool,
        undeliverable_here: bool,
        annotations: Option<Map>,
    ) -> Result<(), Error> {
        self.settle_with(modified(delivery_failed, undeliverable_here, annotations))
    }

    /// Settles as [`on_message`](crate::MessagingHandler::on_message) would; [`Ack::Later`] does
    /// nothing.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn acknowledge(&self, ack: Ack) -> Result<(), Error> {
        state_of(ack).map_or(Ok(()), |state| self.settle_with(state))
    }

    /// Gives it a state and settles it; where the link's receiver settles second, the settling waits
    /// for the peer's (spec 2.8.3).
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn settle_with(&self, state: DeliveryState) -> Result<(), Error> {
        self.dispose(|core| settle_incoming(core, self.id, state))
    }

    /// Settles it, with the state that it has.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn settle(&self) -> Result<(), Error> {
        self.dispose(|core| core.engine.delivery(self.id).map(|mut delivery| delivery.settle()))
    }

    /// Gives it a state without settling it, `received` for example (spec 3.4.1).
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn update(&self, state: DeliveryState) -> Result<(), Error> {
        self.owner
            .shared
            .command(|core| core.engine.delivery(self.id).map(|mut delivery| delivery.update(state)))
            .ok_or_else(|| self.gone())
    }

    pub(crate) fn dispose(&self, dispose: impl FnOnce(&mut Core) -> Option<()>) -> Result<(), Error> {
        if self.role == Role::Receiver && self.released.swap(true, Ordering::AcqRel) {
            return Err(self.gone());
        }
        let shared = &self.owner.shared;
        let mut woken = Vec::new();
        let live = shared.command(|core| {
            match self.role {
                Role::Receiver => {
                    core.forget_share(self.id);
                }
                // Nothing more will be heard of it. This handle counts until it is dropped.
                Role::Sender => {
                    if let Some(waiting) = core.deliveries.get_mut(&self.id) {
                        waiting.take_into(&mut woken);
                    }
                }
            }
            let live = core
                .engine
                .delivery(self.id)
                .map(|delivery| delivery.is_live() || delivery.remotely_settled() || delivery.is_suspended());
            dispose(core).and(live)
        });
        woken.into_iter().for_each(Waker::wake);
        match live {
            Some(true) => Ok(()),
            Some(false) => Err(Error::new(Scope::Delivery, "the wire that the message came on is gone")
                .with_advice("expect it again")),
            None => Err(self.gone()),
        }
    }

    fn gone(&self) -> Error {
        let over = self.owner.shared.lock().over();
        over.unwrap_or_else(|| Error::usage("the delivery was settled before, or its link is closed"))
    }

    /// For a message that was sent: the outcome, if it is known already.
    #[must_use]
    pub fn known_outcome(&self) -> Option<Outcome> {
        if let Some(outcome) = self.fate.get() {
            return Some(outcome.clone().provisional());
        }
        self.conclude(&mut self.owner.shared.lock()).map(Outcome::provisional)
    }

    /// The transaction that the peer's state belongs to: for a message that came, the one it was posted in (spec 4.4.1); for
    /// one that was sent, the one that its outcome waits for (4.4.2). For servers that are coordinators.
    #[must_use]
    pub fn transaction_id(&self) -> Option<Bytes> {
        let of = |state: &DeliveryState| match state {
            DeliveryState::Transactional(state) => Some(state.txn_id.clone()),
            _ => None,
        };
        match self.fate.get() {
            Some(Outcome::Other(state)) => of(state),
            Some(_) => None,
            None => self.read(|delivery| delivery.remote_state().and_then(of)).flatten(),
        }
    }

    /// For a message that was sent: why the peer rejected it.
    #[must_use]
    pub fn rejection(&self) -> Option<AmqpError> {
        match self.known_outcome() {
            Some(Outcome::Rejected(error)) => error,
            _ => None,
        }
    }

    /// For a message that was sent: waits for the peer's outcome. Deliveries of a handler's senders
    /// tell theirs by callbacks instead.
    ///
    /// # Errors
    /// The deadline [`settle`](crate::Deadlines::settle), counted from this call, or the end of the
    /// link or connection; [`Error::fate`] says whether the peer may have the message.
    ///
    /// # Cancel safety
    /// Cancel safe: it can be awaited again.
    pub async fn outcome(&self) -> Result<Outcome, Error> {
        if let Some(outcome) = self.fate.get() {
            return self.as_result(outcome.clone(), None);
        }
        let mut bound = None;
        let outcome = poll_fn(|cx| {
            let bound = bound.get_or_insert_with(|| {
                let length = self.settle_deadline();
                Bound::new(length, Scope::Delivery, Phase::Settle)
            });
            let what = || "the peer did not settle the message".to_owned();
            poll_core(&self.owner.shared, cx, bound, what, |core, waiter| self.look(core, waiter))
        })
        .await;
        match outcome {
            Ok((outcome, cause)) => self.as_result(outcome, cause),
            Err(error) => Err(error.with_fate(Fate::Unknown)),
        }
    }

    pub(crate) fn settle_deadline(&self) -> Option<Duration> {
        let core = self.owner.shared.lock();
        core.links.get(&self.link).map_or(self.owner.shared.deadlines, |link| link.facts.deadlines).settle
    }

    fn look(&self, core: &mut Core, waiter: &Waiter<'_>) -> Option<Result<(Outcome, Option<Error>), Error>> {
        if let Some(outcome) = self.conclude(core) {
            return Some(Ok((outcome, core.over())));
        }
        core.deliveries.entry(self.id).or_default().register(waiter);
        None
    }

    /// The outcome, if there is one; the delivery is settled and forgotten then.
    fn conclude(&self, core: &mut Core) -> Option<Outcome> {
        if let Some(outcome) = core.fates.get(&self.id).cloned() {
            if !core.shares.contains_key(&self.id) {
                core.fates.remove(&self.id);
            }
            return Some(self.known(outcome));
        }
        let over = core.over().is_some();
        let shared = core.shares.contains_key(&self.id);
        let Some(mut delivery) = core.engine.delivery(self.id) else {
            return Some(self.known(Outcome::Lost));
        };
        let state = delivery.remote_state();
        if delivery.remotely_settled() || state.is_some_and(has_outcome) {
            let outcome = Outcome::from_state(state);
            if !shared {
                delivery.settle();
                self.released.store(true, Ordering::Release);
            }
            return Some(self.known(outcome));
        }
        if over {
            return Some(self.known(if delivery.was_sent() { Outcome::Lost } else { Outcome::NotSent }));
        }
        None
    }

    fn known(&self, outcome: Outcome) -> Outcome {
        self.fate.get_or_init(|| outcome).clone()
    }

    fn as_result(&self, outcome: Outcome, cause: Option<Error>) -> Result<Outcome, Error> {
        let (text, fate) = match outcome {
            Outcome::Lost => ("the wire was lost before the peer had settled the message", Fate::Unknown),
            Outcome::NotSent => ("the link ended before the message was sent", Fate::NotSent),
            known => return Ok(known.provisional()),
        };
        let error = Error::new(Scope::Delivery, text).with_fate(fate).retryable(true);
        Err(match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }
}

impl Clone for Delivery {
    fn clone(&self) -> Self {
        let released = self.released.load(Ordering::Acquire);
        if !released {
            *self.owner.shared.lock().shares.entry(self.id).or_insert(0) += 1;
        }
        Self {
            owner: Arc::clone(&self.owner),
            id: self.id,
            link: self.link,
            role: self.role,
            tag: self.tag,
            payload: self.payload.clone(),
            fate: self.fate.clone(),
            released: AtomicBool::new(released),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if *self.released.get_mut() {
            return;
        }
        let (id, role) = (self.id, self.role);
        let release = |core: &mut Core| {
            if !core.forget_share(id) {
                return;
            }
            core.deliveries.remove(&id);
            core.fates.remove(&id);
            match role {
                Role::Sender => {
                    if let Some(mut delivery) = core.engine.delivery(id) {
                        delivery.forget();
                    }
                }
                Role::Receiver => {
                    let untouched =
                        core.engine.delivery(id).is_some_and(|delivery| delivery.local_state().is_none());
                    if untouched {
                        settle_incoming(core, id, DeliveryState::Released);
                    }
                }
            }
        };
        match role {
            // Nothing has to be written for it.
            Role::Sender => release(&mut self.owner.shared.lock()),
            Role::Receiver => self.owner.shared.command(release),
        }
    }
}

impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.owner, &other.owner)
    }
}

impl Eq for Delivery {}

impl Hash for Delivery {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id)
            .field("role", &self.role)
            .field("bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}
