//! Senders.

use std::cell::Cell;
use std::future::poll_fn;
use std::ops::Deref;

use bytes::{Bytes, BytesMut};
use deuteron_engine::{self as engine, Payload, SendOptions};

use crate::drive::shared::{Core, LinkFacts, Status};
use crate::drive::waiters::Waiter;
use crate::drive::waits::{Bound, link_failure, poll_core};
use crate::drive::wire::lend_output;
use crate::link::LinkHandle;
use crate::{Delivery, Error, Fate, Outcome, Phase, Scope, Sendable};

/// Encoded messages from this size on are kept by reference in the output instead of being copied.
const CHAINED: usize = 32 * 1024;

thread_local! {
    /// Where messages are encoded before the connection is locked.
    static SCRATCH: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// A link that we send on. Dereferences to [`LinkHandle`].
///
/// Cheap to clone, `Send` and `Sync`. With a handler: send in
/// [`on_sendable`](crate::MessagingHandler::on_sendable) with [`send_now`](Self::send_now) while
/// [`credit`](LinkHandle::credit) lasts. Without: [`send`](Self::send) and
/// [`transfer`](Self::transfer) wait for credit by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    link: LinkHandle,
}

impl Deref for Sender {
    type Target = LinkHandle;

    fn deref(&self) -> &LinkHandle {
        &self.link
    }
}

impl Sender {
    pub(crate) fn from_handle(link: LinkHandle) -> Self {
        Self { link }
    }

    /// Sends a message and waits for the peer's outcome. [`Outcome::Settled`] if it was sent settled.
    ///
    /// # Errors
    /// The deadlines [`credit`](crate::Deadlines::credit) and
    /// [`settle`](crate::Deadlines::settle), or the end of the link or connection.
    /// [`Error::fate`] says whether the peer may have the message.
    ///
    /// # Cancel safety
    /// Dropped while it waits for credit: the message is not sent. Dropped later: the message is
    /// sent all the same, and its outcome is not known. Never is a message sent twice or in part.
    pub async fn send(&self, message: impl Sendable) -> Result<Outcome, Error> {
        self.transfer(message).await?.outcome().await
    }

    /// Waits for credit and for room in the output, hands the message over, and returns without
    /// waiting for its outcome: [`Delivery::outcome`] is awaited later, or never if the delivery is
    /// dropped. This is how to keep many messages in flight.
    ///
    /// # Errors
    /// The deadline [`credit`](crate::Deadlines::credit), or the end of the link or connection.
    /// Nothing was sent then.
    ///
    /// # Cancel safety
    /// Cancel safe: if it is dropped before it is ready, the message is not sent.
    pub async fn transfer(&self, message: impl Sendable) -> Result<Delivery, Error> {
        self.transfer_with(message, SendOptions::default()).await
    }

    /// As [`transfer`](Self::transfer), with a tag, a state or settled of your own choice.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn transfer_with(
        &self,
        message: impl Sendable,
        options: SendOptions,
    ) -> Result<Delivery, Error> {
        let mut bound = None;
        let mut kept: Option<Bytes> = None;
        let mut options = Some(options);
        poll_fn(|cx| {
            let mut attempt = |payload: Payload<'_>, kept: &mut Option<Bytes>| {
                let bound = *bound.get_or_insert_with(|| {
                    Bound::new(self.facts.deadlines.credit, Scope::Link, Phase::Credit)
                });
                let what = || format!("the link '{}' got no credit to send", self.facts.name);
                let mut payload = Some(payload);
                let result = poll_core(&self.owner.shared, cx, &bound, what, |core, waiter| {
                    self.send_if_ready(core, waiter, &mut payload, &mut options)
                });
                if result.is_pending()
                    && kept.is_none()
                    && let Some(payload) = payload
                {
                    *kept = Some(owned(payload));
                }
                result
            };
            match kept.clone() {
                Some(bytes) => attempt(Payload::Bytes(bytes), &mut kept),
                None => encoded(&message, &self.facts, |payload| attempt(payload, &mut kept)),
            }
        })
        .await
        .map_err(|error| error.with_fate(Fate::NotSent))
    }

    fn send_if_ready(
        &self,
        core: &mut Core,
        waiter: &Waiter<'_>,
        payload: &mut Option<Payload<'_>>,
        options: &mut Option<SendOptions>,
    ) -> Option<Result<Delivery, Error>> {
        if !has_room(core, &self.link) {
            if let Some(error) = link_failure(core, &self.facts) {
                return Some(Err(error));
            }
            if let Some(link) = core.links.get_mut(&self.facts.id) {
                link.waiters.register(waiter);
            }
            return None;
        }
        Some(self.hand_over(core, payload.take()?, options.take()?))
    }

    /// Sends at once, or queues the message until the peer gives credit: never waits. Meant for
    /// callbacks.
    ///
    /// # Errors
    /// If the link is closed, or [`queue_limit`](crate::SenderOptions::queue_limit) messages wait
    /// already (retryable).
    pub fn send_now(&self, message: impl Sendable) -> Result<Delivery, Error> {
        self.send_now_with(message, SendOptions::default())
    }

    /// As [`send_now`](Self::send_now), with a tag, a state or settled of your own choice.
    ///
    /// # Errors
    /// As there.
    pub fn send_now_with(&self, message: impl Sendable, options: SendOptions) -> Result<Delivery, Error> {
        encoded(&message, &self.facts, |payload| {
            self.owner.shared.command(|core| {
                let queued = core.engine.link(self.facts.id).map_or(0, |link| link.queued());
                if queued >= self.facts.queue_limit {
                    let text = format!("{queued} messages already wait on the link '{}'", self.facts.name);
                    return Err(Error::new(Scope::Link, text)
                        .retryable(true)
                        .with_fate(Fate::NotSent)
                        .with_advice("wait for credit before sending more"));
                }
                self.hand_over(core, payload, options)
            })
        })
    }

    /// Sends if there is credit and room in the output; otherwise `Ok(None)`, and nothing is sent.
    ///
    /// # Errors
    /// If the link is closed.
    pub fn try_send(&self, message: impl Sendable) -> Result<Option<Delivery>, Error> {
        encoded(&message, &self.facts, |payload| {
            self.owner.shared.command(|core| {
                if has_room(core, &self.link) {
                    return self.hand_over(core, payload, SendOptions::default()).map(Some);
                }
                link_failure(core, &self.facts).map_or(Ok(None), Err)
            })
        })
    }

    /// Waits until a message can be sent at once.
    ///
    /// # Errors
    /// The deadline [`credit`](crate::Deadlines::credit), or the end of the link or connection.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ready(&self) -> Result<(), Error> {
        let bound = Bound::new(self.facts.deadlines.credit, Scope::Link, Phase::Credit);
        poll_fn(|cx| {
            let what = || format!("the link '{}' got no credit to send", self.facts.name);
            poll_core(&self.owner.shared, cx, &bound, what, |core, waiter| {
                if has_room(core, &self.link) {
                    return Some(Ok(()));
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

    /// Tells the peer how many messages wait for credit (spec 2.6.7, available).
    pub fn offered(&self, messages: u32) {
        drop(self.change(|link| link.offered(messages)));
    }

    /// Whether the peer asks us to use up the credit or give it back. It is given back by itself
    /// when nothing is queued after [`on_sendable`](crate::MessagingHandler::on_sendable).
    #[must_use]
    pub fn drain_requested(&self) -> bool {
        self.read(|link| link.drain_requested()).unwrap_or(false)
    }

    /// Gives all credit back to a peer that drains.
    pub fn drained(&self) {
        drop(self.change(|link| link.drained()));
    }

    pub(crate) fn hand_over(
        &self,
        core: &mut Core,
        payload: Payload<'_>,
        options: SendOptions,
    ) -> Result<Delivery, Error> {
        if core.engine.pending_output() == 0 {
            lend_output(&mut core.engine);
        }
        let sent = match core.engine.link(self.facts.id) {
            Some(mut link) if !matches!(core.status, Status::Over(_)) => link.send(payload, options),
            _ => Err(engine::UsageError::Gone),
        };
        match sent {
            Ok(id) => {
                let mut delivery = Delivery::outgoing(&self.link, id);
                if core.engine.delivery(id).is_none_or(|sent| sent.locally_settled()) {
                    // Sent settled: nobody will say anything of it.
                    delivery.released = true.into();
                    delivery.fate = Outcome::Settled.into();
                }
                Ok(delivery)
            }
            Err(usage) => Err(link_failure(core, &self.facts)
                .unwrap_or_else(|| {
                    Error::usage(format!("cannot send on '{}': {usage}", self.facts.name)).with_source(usage)
                })
                .with_fate(Fate::NotSent)),
        }
    }
}

/// Credit for one more, and nothing held back by the window or the output.
pub(crate) fn has_room(core: &mut Core, handle: &LinkHandle) -> bool {
    core.engine.link(handle.facts.id).is_some_and(|link| link.credit() > 0 && link.queued() == 0)
}

fn owned(payload: Payload<'_>) -> Bytes {
    match payload {
        Payload::Slice(slice) => Bytes::copy_from_slice(slice),
        Payload::Bytes(bytes) => bytes,
    }
}

/// Encodes a message where that costs least, for the time of the call.
pub(crate) fn encoded<R>(
    message: &impl Sendable,
    facts: &LinkFacts,
    then: impl FnOnce(Payload<'_>) -> R,
) -> R {
    if let Some(ids) = &facts.duplicate_ids {
        return then(Payload::Bytes(ids.mark(message)));
    }
    if let Some(bytes) = message.encoded() {
        return then(Payload::Bytes(bytes.clone()));
    }
    let mut scratch = SCRATCH.take();
    scratch.clear();
    message.encode_into(&mut scratch);
    if scratch.len() >= CHAINED {
        return then(Payload::Bytes(scratch.freeze()));
    }
    let result = then(Payload::Slice(&scratch));
    SCRATCH.set(scratch);
    result
}
