//! The futures of the handles: each looks at the engine under the lock and leaves a waker behind.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deuteron_engine::EndpointState;

use super::shared::{Core, LinkFacts, Owner, SessionFacts, Shared, Status};
use super::waiters::Waiter;
use crate::link::LinkHandle;
use crate::{Error, Phase, Scope};

thread_local! {
    /// A callback of a handler runs on this thread.
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Marks the thread as running callbacks for as long as it lives.
pub(crate) struct CallbackScope(bool);

impl CallbackScope {
    pub(crate) fn enter() -> Self {
        Self(IN_CALLBACK.replace(true))
    }
}

impl Drop for CallbackScope {
    fn drop(&mut self) {
        IN_CALLBACK.set(self.0);
    }
}

/// A bound on a wait: when it ends and what its error says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    until: Option<Instant>,
    length: Duration,
    scope: Scope,
    phase: Phase,
}

impl Bound {
    pub(crate) fn new(length: Option<Duration>, scope: Scope, phase: Phase) -> Self {
        let until = length.and_then(|length| Instant::now().checked_add(length));
        Self { until, length: length.unwrap_or_default(), scope, phase }
    }

    fn error(&self, what: &str, core: &Core) -> Error {
        let error = late(self.scope, self.phase, self.length, what);
        match &core.status {
            Status::Connecting(Some(cause)) => error.with_source(cause.clone()),
            _ => error,
        }
    }
}

/// The error for a deadline that has passed.
pub(crate) fn late(scope: Scope, phase: Phase, length: Duration, what: &str) -> Error {
    Error::deadline_passed(scope, phase, format!("{what} within {length:?}"))
}

/// Looks with `check`, which leaves the waker where it will be woken if it returns `None`.
pub(crate) fn poll_core<R>(
    shared: &Shared,
    cx: &Context<'_>,
    bound: &Bound,
    what: impl FnOnce() -> String,
    check: impl FnOnce(&mut Core, &Waiter<'_>) -> Option<Result<R, Error>>,
) -> Poll<Result<R, Error>> {
    let waiter = Waiter::new(cx.waker());
    let mut core = shared.lock();
    let driver;
    let result = match check(&mut core, &waiter) {
        Some(result) => {
            driver = core.driver.take();
            Poll::Ready(result)
        }
        None if IN_CALLBACK.get() => {
            driver = None;
            Poll::Ready(Err(Error::usage("a wait inside a callback would never end")
                .with_advice("return from the callback, and go on in the one that tells the result")))
        }
        None => match bound.until {
            Some(until) => {
                let now = Instant::now();
                if until <= now {
                    driver = None;
                    Poll::Ready(Err(bound.error(&what(), &core)))
                } else {
                    driver = core.alarm(until, now, cx.waker());
                    Poll::Pending
                }
            }
            None => {
                driver = None;
                Poll::Pending
            }
        },
    };
    drop(core);
    if let Some(driver) = driver {
        driver.wake();
    }
    result
}

/// What a [`Closing`] waits for.
pub(crate) enum Goal {
    Connection,
    Session(Option<Arc<SessionFacts>>),
    Link(Arc<LinkFacts>),
}

/// The end of a connection, session or link that was asked for: a future that is ready when the
/// peer has confirmed it.
///
/// The request was made by the call that returned this; dropping it only stops waiting.
///
/// # Errors
/// The error that the peer named, or the deadline that passed (the end is then taken as done).
///
/// # Cancel safety
/// Cancel safe.
pub struct Closing {
    owner: Arc<Owner>,
    goal: Goal,
    bound: Bound,
}

impl Closing {
    pub(crate) fn new(owner: &Arc<Owner>, goal: Goal, length: Option<Duration>) -> Self {
        let (scope, phase) = match goal {
            Goal::Connection => (Scope::Connection, Phase::Close),
            Goal::Session(_) => (Scope::Session, Phase::End),
            Goal::Link(_) => (Scope::Link, Phase::Detach),
        };
        Self { owner: Arc::clone(owner), goal, bound: Bound::new(length, scope, phase) }
    }
}

impl Future for Closing {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let what = || "the peer did not confirm the end".to_owned();
        poll_core(&this.owner.shared, cx, &this.bound, what, |core, waiter| match &this.goal {
            Goal::Connection => connection_closed(core, waiter),
            Goal::Session(facts) => session_ended(core, facts.as_deref(), waiter),
            Goal::Link(facts) => link_closed(core, facts, waiter),
        })
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("bound", &self.bound).finish_non_exhaustive()
    }
}

pub(super) fn connection_closed(core: &mut Core, waiter: &Waiter<'_>) -> Option<Result<(), Error>> {
    if let Status::Over(error) = &core.status {
        return Some(error.clone().map_or(Ok(()), Err));
    }
    core.waiters.register(waiter);
    None
}

fn session_ended(
    core: &mut Core,
    facts: Option<&SessionFacts>,
    waiter: &Waiter<'_>,
) -> Option<Result<(), Error>> {
    let Some(facts) = facts else { return Some(Ok(())) };
    if let Some(error) = facts.ended.get() {
        return Some(error.clone().map_or(Ok(()), Err));
    }
    if core.over().is_some() {
        return Some(Ok(()));
    }
    match core.sessions.get_mut(&facts.id) {
        Some(session) => {
            session.waiters.register(waiter);
            None
        }
        None => Some(Ok(())),
    }
}

fn link_closed(core: &mut Core, facts: &LinkFacts, waiter: &Waiter<'_>) -> Option<Result<(), Error>> {
    if let Some(error) = facts.ended.get() {
        return Some(error.clone().map_or(Ok(()), Err));
    }
    if core.over().is_some() {
        return Some(Ok(()));
    }
    let Some(link) = core.engine.link(facts.id) else { return Some(Ok(())) };
    if link.local_state().is_over() && link.remote_state().is_over() {
        return Some(link.remote_error().map_or(Ok(()), |error| Err(Error::remote(Scope::Link, error))));
    }
    match core.links.get_mut(&facts.id) {
        Some(link) => {
            link.waiters.register(waiter);
            None
        }
        None => Some(Ok(())),
    }
}

/// Waits until a connection or link is open on both sides.
pub(crate) enum Opening<'a> {
    Connection(&'a Owner, Bound),
    Link(&'a LinkHandle, Bound),
}

impl<'a> Opening<'a> {
    pub(crate) fn connection(owner: &'a Owner, length: Option<Duration>) -> Self {
        Self::Connection(owner, Bound::new(length, Scope::Connection, Phase::Establish))
    }

    pub(crate) fn link(handle: &'a LinkHandle) -> Self {
        Self::Link(handle, Bound::new(handle.facts.deadlines.attach, Scope::Link, Phase::Attach))
    }
}

impl Future for Opening<'_> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Connection(owner, bound) => {
                let what = || "the connection was not established".to_owned();
                poll_core(&owner.shared, cx, bound, what, |core, waiter| match &core.status {
                    Status::Open => Some(Ok(())),
                    Status::Over(_) => core.over().map(Err),
                    Status::Connecting(_) => {
                        core.waiters.register(waiter);
                        None
                    }
                })
            }
            Self::Link(handle, bound) => {
                let what = || format!("the peer did not attach the link '{}'", handle.facts.name);
                poll_core(&handle.owner.shared, cx, bound, what, |core, waiter| {
                    link_open(core, &handle.facts, waiter)
                })
            }
        }
    }
}

/// Whether a link is open, or will never be.
pub(crate) fn link_open(
    core: &mut Core,
    facts: &LinkFacts,
    waiter: &Waiter<'_>,
) -> Option<Result<(), Error>> {
    if core.link_is_open(facts.id) {
        return Some(Ok(()));
    }
    if let Some(error) = link_failure(core, facts) {
        return Some(Err(error));
    }
    if let Some(link) = core.links.get_mut(&facts.id) {
        link.waiters.register(waiter);
    }
    None
}

/// Why a link cannot be used any more; `None` while it can, or may once it is attached again.
pub(crate) fn link_failure(core: &mut Core, facts: &LinkFacts) -> Option<Error> {
    let closed =
        || Error::usage(format!("the link '{}' is closed", facts.name)).with_advice("open a new one");
    if let Some(ended) = facts.ended.get() {
        return Some(ended.clone().unwrap_or_else(closed));
    }
    if let Some(error) = core.over() {
        return Some(error);
    }
    let Some(state) = core.links.get(&facts.id) else { return Some(closed()) };
    if let Some(error) = &state.failure {
        return Some(error.clone());
    }
    let link = core.engine.link(facts.id)?;
    match link.local_state() {
        EndpointState::Detached | EndpointState::Closed => Some(closed()),
        EndpointState::Uninit | EndpointState::Open => None,
    }
}
