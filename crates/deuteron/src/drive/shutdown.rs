//! The orderly end of a connection: nothing more is taken, what is under way is settled, then it is closed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deuteron_codec::Role;

use super::shared::{Core, Owner, Shared};
use super::waits::{Bound, connection_closed, poll_core};
use crate::{Error, Phase, Scope};

/// What was left undone when a connection was shut down.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Leftovers {
    /// Messages that we were to send and did not: they waited for credit, or for a wire.
    pub not_sent: usize,
    /// Messages that we sent, or a part of them, and that the peer did not settle: it may have them or not.
    pub unknown: usize,
    /// Messages that came, and that the program took and did not settle: the peer will deliver them again.
    pub unsettled: usize,
    /// Messages that came, and that nobody took: the peer will deliver them again.
    pub untaken: usize,
    /// Why the connection did not end in order, if it did not.
    pub error: Option<Error>,
}

impl Leftovers {
    /// Whether nothing was left, and the peer has confirmed the end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0 && self.error.is_none()
    }

    /// How many messages were left.
    #[must_use]
    pub fn count(&self) -> usize {
        self.not_sent + self.unknown + self.unsettled + self.untaken
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.not_sent += other.not_sent;
        self.unknown += other.unknown;
        self.unsettled += other.unsettled;
        self.untaken += other.untaken;
        self.error = self.error.take().or(other.error);
    }
}

/// An end that was asked for, and that waits for what is under way.
pub(crate) struct Shutdown {
    pub(super) until: Instant,
    left: Arc<OnceLock<Leftovers>>,
}

/// The shutdown of a connection: a future that is ready when it is closed, and tells what was left.
///
/// It was begun by the call that returned this; dropping it only stops waiting.
///
/// # Cancel safety
/// Cancel safe.
pub struct ShuttingDown {
    shared: Arc<Shared>,
    /// Keeps the connection, where it is a handle that has asked.
    _owner: Option<Arc<Owner>>,
    bound: Bound,
    left: Arc<OnceLock<Leftovers>>,
}

impl ShuttingDown {
    pub(crate) fn begin(shared: Arc<Shared>, owner: Option<Arc<Owner>>, within: Duration) -> Self {
        let now = Instant::now();
        let until = now.checked_add(within).unwrap_or(now);
        let left = shared.command(|core| begin(core, until));
        let length = shared.deadlines.close.map(|close| within.saturating_add(close));
        let bound = Bound::new(length, Scope::Connection, Phase::Close);
        Self { shared, _owner: owner, bound, left }
    }
}

impl Future for ShuttingDown {
    type Output = Leftovers;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Leftovers> {
        let this = self.get_mut();
        let what = || "the peer did not confirm the end".to_owned();
        poll_core(&this.shared, cx, &this.bound, what, connection_closed).map(|ended| {
            let mut left = this.left.get().cloned().unwrap_or_default();
            left.error = ended.err();
            left
        })
    }
}

impl fmt::Debug for ShuttingDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShuttingDown").field("left", &self.left.get()).finish_non_exhaustive()
    }
}

/// Stops taking messages: the peer is asked to give its credit back.
fn begin(core: &mut Core, until: Instant) -> Arc<OnceLock<Leftovers>> {
    if let Some(shutdown) = &mut core.shutdown {
        // The earlier deadline counts.
        shutdown.until = shutdown.until.min(until);
        return Arc::clone(&shutdown.left);
    }
    let left = Arc::new(OnceLock::new());
    core.shutdown = Some(Shutdown { until, left: Arc::clone(&left) });
    let receivers = core.links.values().filter(|link| link.facts.role == Role::Receiver);
    let receivers: Vec<_> = receivers.map(|link| link.facts.id).collect();
    for id in receivers {
        let Some(mut link) = core.engine.link(id) else { continue };
        link.set_credit_window(0);
        if link.credit() > 0 {
            link.drain();
        }
    }
    left
}

/// Closes the connection if nothing is under way any more, or the time is over.
pub(super) fn look(core: &mut Core, now: Instant) {
    let Some(shutdown) = &core.shutdown else { return };
    let (until, slot) = (shutdown.until, Arc::clone(&shutdown.left));
    let (left, drains) = left(core);
    let done = left.not_sent + left.unknown + left.unsettled == 0 && !drains;
    if done || until <= now {
        drop(slot.set(left));
        core.shutdown = None;
        core.engine.close(None);
    }
}

/// What is under way, and whether a receiver waits for its credit.
fn left(core: &mut Core) -> (Leftovers, bool) {
    let mut left = Leftovers::default();
    let mut drains = false;
    for state in core.links.values() {
        let Some(link) = core.engine.link(state.facts.id) else { continue };
        if state.facts.role == Role::Sender {
            let undecided = link.undecided();
            left.unknown += undecided;
            // A message of which a part was written is in the queue as well.
            left.not_sent += link.queued().min(link.unsettled().saturating_sub(undecided));
        } else {
            let untaken = state.inbox.len();
            left.untaken += untaken;
            left.unsettled += link.unsettled().saturating_sub(untaken);
            drains |= link.is_draining();
        }
    }
    (left, drains)
}
