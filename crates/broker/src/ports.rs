//! Links, as the router sees them: where messages leave, and where they come from.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deuteron::{AmqpError, DeliveryTag, Encoded, Injector, Receiver, SendOptions, Sender};

use crate::coordinator;
use crate::router::{self, ConnectionId, ConsumerId, Inlet, LeaseId, Outlet, TransactionId};
use crate::slots::Key;

/// Settled messages that may wait for a slow consumer's socket. They are no longer the broker's, so
/// that credit alone would not bound them.
const MOST_WAITING: usize = 512;

/// How often it is looked whether all messages are really out.
const LOOK_EVERY: u32 = 64;

/// How long until a consumer that is slow gets more.
const PAUSE: Duration = Duration::from_millis(2);

/// A link on which the broker sends.
pub(crate) struct Outgoing {
    sender: Sender,
    settled: bool,
    /// For pauses: the loop of the link's connection.
    injector: Injector,
    pub(crate) pause: Arc<Pause>,
    /// Messages since the last look.
    unseen: Cell<u32>,
    connection: ConnectionId,
    /// The transaction that the flow names which gave the last credit that was looked at.
    within: Cell<Option<TransactionId>>,
}

/// A pause of one consumer.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    pub(crate) lasts: AtomicBool,
}

impl Outgoing {
    pub(crate) fn new(sender: Sender, settled: bool, injector: Injector, connection: ConnectionId) -> Self {
        Self {
            sender,
            settled,
            injector,
            pause: Arc::default(),
            unseen: Cell::new(0),
            connection,
            within: Cell::new(None),
        }
    }

    /// Whether messages that are sent settled pile up.
    fn is_congested(&self) -> bool {
        self.unseen.set(self.unseen.get() + 1);
        if self.unseen.get() < LOOK_EVERY {
            return false;
        }
        if self.sender.queued() < MOST_WAITING {
            self.unseen.set(0);
            return false;
        }
        true
    }
}

impl Outlet for Outgoing {
    fn credit(&self, id: ConsumerId) -> u32 {
        let (credit, properties) = self.sender.credit_and_properties();
        // What is no transaction of ours finds none.
        let named = coordinator::of_flow(properties.as_ref()).unwrap_or_else(|_| Some(key(u64::MAX)));
        self.within.set(named);
        if credit == 0 || !self.settled || !self.is_congested() {
            return credit;
        }
        if !self.pause.lasts.swap(true, Ordering::AcqRel) {
            self.injector.run(move |cx| {
                cx.schedule(PAUSE, number(id));
            });
        }
        0
    }

    fn within(&self) -> Option<(ConnectionId, TransactionId)> {
        self.within.get().map(|transaction| (self.connection, transaction))
    }

    fn send(&self, lease: LeaseId, message: router::Outgoing) -> bool {
        let options = SendOptions {
            tag: Some(DeliveryTag::from(number(lease))),
            settled: Some(message.settled),
            message_format: message.format,
            state: message.within.map(coordinator::acquired),
            ..SendOptions::default()
        };
        self.sender.send_now_with(Encoded(message.payload), options).is_ok()
    }

    fn close(&self, error: AmqpError) {
        drop(self.sender.close_with(error));
    }
}

/// A link on which the broker receives.
pub(crate) struct Incoming(pub(crate) Receiver);

impl Inlet for Incoming {
    fn add_credit(&self, messages: u32) {
        self.0.add_credit(messages);
    }

    fn close(&self, error: AmqpError) {
        drop(self.0.close_with(error));
    }
}

/// A key as a number, for delivery tags and timers.
pub(crate) fn number(key: impl Key) -> u64 {
    u64::from(key.generation()) << 32 | u64::from(key.slot())
}

/// The key that became this number.
#[allow(clippy::cast_possible_truncation, reason = "the halves of the number")]
pub(crate) fn key<K: Key>(number: u64) -> K {
    K::new(number as u32, (number >> 32) as u32)
}

/// The lease that became this tag.
pub(crate) fn lease(tag: DeliveryTag) -> LeaseId {
    key(tag.as_slice().iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_found_again_by_its_tag() {
        for (slot, generation) in [(0, 0), (255, 0), (256, 1), (7, u32::MAX), (u32::MAX, 3)] {
            let id = LeaseId::new(slot, generation);
            assert_eq!(lease(DeliveryTag::from(number(id))), id);
        }
    }
}
