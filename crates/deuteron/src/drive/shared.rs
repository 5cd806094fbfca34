//! What the handles and the driver of one connection share, and the rules for its lock.
//!
//! Lock rules: hold a [`Core`] for a few operations of the engine only. Never await, never call user
//! code, never wake a waker and never lock a second core while holding one.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use deuteron_codec::{DeliveryTag, Error as AmqpError, Role};
use deuteron_engine as engine;
use engine::reconnect::Backoff;
use engine::{DeliveryId, EndpointState, LinkId, SessionId};

use super::route::Notice;
use super::servers::KnownServer;
use super::shutdown::Shutdown;
use super::transactions::{self, Transactions};
use super::waiters::{Alarms, IdHash, WakerSet};
use crate::container::ContainerShared;
use crate::duplicates::DuplicateIds;
use crate::{Deadlines, Error, Outcome, Scope};

/// Where a connection stands, seen over all its wires.
#[derive(Clone, Debug)]
pub(crate) enum Status {
    /// No wire yet, or none at the moment; the error is that of the last attempt or wire.
    Connecting(Option<Error>),
    /// Both sides have opened.
    Open,
    /// For good. The error is that of the end, if it was not orderly.
    Over(Option<Error>),
}

/// What handles know of a link without the lock; outlives the link.
#[derive(Debug)]
pub(crate) struct LinkFacts {
    pub(crate) id: LinkId,
    pub(crate) session: SessionId,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) deadlines: Deadlines,
    pub(crate) queue_limit: usize,
    /// Its messages are given names, by which a server finds duplicates.
    pub(crate) duplicate_ids: Option<DuplicateIds>,
    /// Its deliveries are looked after by futures rather than given to a handler.
    pub(crate) pull: bool,
    /// Set when the link is closed on both sides: with which error, if any.
    pub(crate) ended: OnceLock<Option<Error>>,
    /// Messages that had come before the link ended and that nobody has taken yet.
    pub(crate) left: Mutex<VecDeque<(DeliveryId, DeliveryTag, Bytes)>>,
}

/// What the driver keeps for a link that exists.
pub(crate) struct LinkState {
    pub(crate) facts: Arc<LinkFacts>,
    pub(crate) inbox: VecDeque<DeliveryId>,
    pub(crate) waiters: WakerSet,
    /// What the peer has called the node that it made for the link.
    pub(crate) address: Option<String>,
    /// A deadline that passed, or an error of the peer's, seen while our side was still open.
    pub(crate) failure: Option<Error>,
}

pub(crate) struct SessionFacts {
    pub(crate) id: SessionId,
    pub(crate) ended: OnceLock<Option<Error>>,
}

pub(crate) struct SessionState {
    pub(crate) facts: Arc<SessionFacts>,
    pub(crate) waiters: WakerSet,
}

/// An end that was asked for. During callbacks it is put off until the outcomes of the messages
/// already handed out are written.
#[derive(Debug)]
pub(crate) enum Ending {
    Connection(Option<AmqpError>),
    Session(SessionId, Option<AmqpError>),
    Link { id: LinkId, closed: bool, error: Option<AmqpError> },
}

pub(crate) struct Core {
    pub(crate) engine: engine::Connection,
    pub(crate) status: Status,
    /// The driver's waker while it sleeps.
    pub(crate) driver: Option<Waker>,
    /// When the driver will wake by itself.
    pub(crate) driver_until: Option<Instant>,
    /// Callbacks are running.
    pub(crate) dispatching: bool,
    pub(crate) endings: Vec<Ending>,
    pub(crate) links: HashMap<LinkId, LinkState, IdHash>,
    pub(crate) sessions: HashMap<SessionId, SessionState, IdHash>,
    /// Tasks that wait for the fate of a delivery.
    pub(crate) deliveries: HashMap<DeliveryId, WakerSet, IdHash>,
    /// What became of deliveries that will not be settled any more, until somebody asks.
    pub(crate) fates: HashMap<DeliveryId, Outcome, IdHash>,
    /// Messages that were accepted and whose senders are waited for, with what is known.
    pub(crate) confirmations: HashMap<DeliveryId, Option<Outcome>, IdHash>,
    /// Further handles of a delivery than the one counted as zero.
    pub(crate) shares: HashMap<DeliveryId, u32, IdHash>,
    /// Waits for anything that concerns the connection as a whole.
    pub(crate) waiters: WakerSet,
    pub(crate) alarms: Alarms,
    pub(crate) default_session: Option<SessionId>,
    /// Links of the peer's that `accept_link` has not taken yet.
    pub(crate) incoming: VecDeque<LinkId>,
    pub(crate) remote_addr: Option<SocketAddr>,
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) url: Option<String>,
    /// The end is near: it waits for what is under way.
    pub(crate) shutdown: Option<Shutdown>,
    /// Counts the wires that were bound.
    pub(crate) wires: u64,
    /// Other servers than so far, from the next attempt on.
    pub(crate) servers: Option<Vec<KnownServer>>,
    /// The driver is to give the wire up.
    pub(crate) abort: Option<Error>,
    /// Ends of which the peer will not say a word, as it knows nothing of what has ended.
    pub(super) unheard: Vec<Notice>,
    pub(crate) transactions: Transactions,
}

impl Core {
    pub(crate) fn new(config: engine::ConnectionConfig, now: Instant) -> Self {
        Self {
            engine: engine::Connection::new(config),
            status: Status::Connecting(None),
            driver: None,
            driver_until: None,
            dispatching: false,
            endings: Vec::new(),
            links: HashMap::default(),
            sessions: HashMap::default(),
            deliveries: HashMap::default(),
            fates: HashMap::default(),
            confirmations: HashMap::default(),
            shares: HashMap::default(),
            waiters: WakerSet::default(),
            alarms: Alarms::new(now),
            default_session: None,
            incoming: VecDeque::new(),
            remote_addr: None,
            local_addr: None,
            url: None,
            shutdown: None,
            wires: 0,
            servers: None,
            abort: None,
            unheard: Vec::new(),
            transactions: Transactions::default(),
        }
    }

    /// The error of a connection that is over.
    pub(crate) fn over(&self) -> Option<Error> {
        match &self.status {
            Status::Over(error) => Some(error.clone().unwrap_or_else(|| {
                Error::new(Scope::Connection, "the connection is closed").with_advice("make a new one")
            })),
            _ => None,
        }
    }

    /// Ends something now, or after the callbacks that are running.
    pub(crate) fn end(&mut self, ending: Ending) {
        if self.dispatching {
            self.endings.push(ending);
        } else {
            self.carry_out(ending);
        }
    }

    pub(crate) fn carry_out(&mut self, ending: Ending) {
        match ending {
            Ending::Connection(error) => self.engine.close(error),
            Ending::Session(id, error) => {
                let on_wire = self.engine.session_is_on_wire(id);
                if let Some(mut session) = self.engine.session(id) {
                    session.end(error);
                }
                if !on_wire {
                    self.end_session_unheard(id);
                }
            }
            Ending::Link { id, closed, error } => {
                let on_wire = self.engine.link_is_on_wire(id);
                if let Some(mut link) = self.engine.link(id) {
                    if closed {
                        link.close(error);
                    } else {
                        link.detach(error);
                    }
                }
                if !on_wire {
                    self.end_link_unheard(id);
                }
            }
        }
    }

    /// Our side of a link that is attached on no wire may be over: no peer will answer that.
    fn end_link_unheard(&mut self, id: LinkId) {
        let Some(link) = self.engine.link(id) else { return };
        match link.local_state() {
            _ if link.remote_state() != EndpointState::Uninit => {}
            EndpointState::Closed => self.unheard.push(Notice::LinkClosed(id)),
            EndpointState::Detached => self.unheard.push(Notice::LinkDetached(id)),
            EndpointState::Uninit | EndpointState::Open => {}
        }
    }

    /// As [`end_link_unheard`](Self::end_link_unheard), for a session.
    fn end_session_unheard(&mut self, id: SessionId) {
        let Some(session) = self.engine.session(id) else { return };
        if session.local_state().is_over() && session.remote_state() == EndpointState::Uninit {
            self.unheard.push(Notice::SessionEnded(id));
        }
    }

    /// The wire is gone, and with it the answers to the ends that were under way, and what the peer had begun and we
    /// had not answered.
    pub(super) fn end_what_went_with_the_wire(&mut self, woken: &mut Vec<Waker>) {
        let links: Vec<_> = self.links.keys().copied().collect();
        for id in links {
            if self.engine.link(id).is_some() {
                self.end_link_unheard(id);
            } else {
                let gone = Error::new(Scope::Link, "the wire that the link came on is gone");
                self.forget_link(id, Some(gone), woken);
            }
        }
        let sessions: Vec<_> = self.sessions.keys().copied().collect();
        for id in sessions {
            if self.engine.session(id).is_some() {
                self.end_session_unheard(id);
            } else if let Some(mut state) = self.sessions.remove(&id) {
                drop(state.facts.ended.set(None));
                state.waiters.take_into(woken);
            }
        }
    }

    /// Has `waker` woken at `deadline`; the driver is woken if it would sleep longer.
    pub(crate) fn alarm(&mut self, deadline: Instant, now: Instant, waker: &Waker) -> Option<Waker> {
        let at = self.alarms.register(deadline, now, waker);
        match self.driver_until {
            Some(until) if until <= at => None,
            _ => self.driver.take(),
        }
    }

    /// The link is over: its handles learn with which error.
    pub(crate) fn forget_link(&mut self, id: LinkId, error: Option<Error>, woken: &mut Vec<Waker>) {
        let Some(mut state) = self.links.remove(&id) else { return };
        if self.transactions.coordinator == Some(id) {
            transactions::coordinator_ended(self, error.as_ref(), woken);
        }
        let mut left = state.facts.left.lock().unwrap_or_else(PoisonError::into_inner);
        for id in state.inbox.drain(..) {
            if let Some(mut delivery) = self.engine.delivery(id) {
                left.push_back((id, delivery.tag(), delivery.take()));
            }
        }
        drop(left);
        drop(state.facts.ended.set(error));
        state.waiters.take_into(woken);
    }

    /// The wire is lost: messages that nobody has taken will be delivered again, unless they were
    /// settled when they came.
    pub(crate) fn forget_undelivered(&mut self) {
        let Self { engine, links, .. } = self;
        for link in links.values_mut() {
            link.inbox.retain(|id| {
                engine.delivery(*id).is_some_and(|mut delivery| {
                    // Or will be resumed, in which case the sender does not deliver them again.
                    let keep = delivery.remotely_settled() || delivery.is_suspended();
                    if !keep {
                        delivery.forget();
                    }
                    keep
                })
            });
        }
    }

    /// Everybody who waits for anything: the connection has changed as a whole.
    pub(crate) fn wake_all(&mut self, woken: &mut Vec<Waker>) {
        self.waiters.take_into(woken);
        for link in self.links.values_mut() {
            link.waiters.take_into(woken);
        }
        for session in self.sessions.values_mut() {
            session.waiters.take_into(woken);
        }
        for (_, mut set) in self.deliveries.drain() {
            set.take_into(woken);
        }
    }

    /// Whether both sides of a link stand, and the peer has not refused it (2.6.3: an Attach
    /// without its terminus, and a Detach to follow).
    pub(crate) fn link_is_open(&mut self, id: LinkId) -> bool {
        let Some(link) = self.engine.link(id) else { return false };
        link.local_state() == EndpointState::Open
            && link.remote_state() == EndpointState::Open
            && !link.is_refused()
    }
}

/// One connection.
pub(crate) struct Shared {
    core: Mutex<Core>,
    pub(crate) container: Arc<ContainerShared>,
    pub(crate) deadlines: Deadlines,
    /// For all attempts of a call that waits for the connection: the deadline once for each URL.
    pub(crate) establish: Option<Duration>,
    /// How links and sessions that the peer ends come back, where they do not say so themselves.
    pub(crate) comeback: Option<Backoff>,
    /// We connected; the peer listens.
    pub(crate) outgoing: bool,
    /// A handler is told what happens.
    pub(crate) handled: bool,
    /// An end was asked for by a callback of the batch that is being dispatched.
    pub(crate) ending: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        core: Core,
        container: Arc<ContainerShared>,
        deadlines: Deadlines,
        comeback: Option<Backoff>,
        outgoing: bool,
        handled: bool,
        urls: usize,
    ) -> Arc<Self> {
        let urls = u32::try_from(urls).unwrap_or(u32::MAX);
        Arc::new(Self {
            core: Mutex::new(core),
            container,
            deadlines,
            establish: deadlines.establish.map(|length| length.saturating_mul(urls)),
            comeback,
            outgoing,
            handled,
            ending: AtomicBool::new(false),
        })
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and wakes the driver if it sleeps.
    #[inline]
    pub(crate) fn command<R>(&self, change: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.lock();
        let result = change(&mut core);
        let driver = core.driver.take();
        drop(core);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    pub(crate) fn end(&self, ending: Ending) {
        self.command(|core| {
            if core.dispatching {
                self.ending.store(true, Ordering::Relaxed);
            }
            core.end(ending);
        });
    }
}

/// Held by every handle; when the last one goes the connection is closed in order.
pub(crate) struct Owner {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.end(Ending::Connection(None));
    }
}
