//! Timers and events from other threads, for one event loop.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use crate::Context;

/// A timer of [`Context::schedule`](crate::Context::schedule), for
/// [`Context::cancel`](crate::Context::cancel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(u64);

type Task = Box<dyn FnOnce(&mut Context<'_>) + Send>;

/// What [`Injector`]s hand to the loop.
pub(crate) enum Injected {
    Event(Box<dyn Any + Send>),
    Task(Task),
}

/// Timers and injected events of one loop: a container's, or that of one served connection.
pub(crate) struct Agenda {
    state: Mutex<AgendaState>,
    injectors: AtomicUsize,
}

#[derive(Default)]
struct AgendaState {
    // (deadline, id), earliest first; ids rise, so timers of one instant fire in order.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    tokens: HashMap<u64, u64>,
    next_id: u64,
    injected: VecDeque<Injected>,
    waker: Option<Waker>,
}

impl Agenda {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(AgendaState::default()), injectors: AtomicUsize::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, AgendaState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn schedule(&self, at: Instant, token: u64) -> TimerId {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.due.push(Reverse((at, id)));
        state.tokens.insert(id, token);
        let waker = state.waker.clone();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        TimerId(id)
    }

    /// True if the timer had not fired.
    pub(crate) fn cancel(&self, timer: TimerId) -> bool {
        self.lock().tokens.remove(&timer.0).is_some()
    }

    pub(crate) fn inject(&self, injected: Injected) {
        let mut state = self.lock();
        state.injected.push_back(injected);
        let waker = state.waker.clone();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn register(&self, waker: &Waker) {
        let mut state = self.lock();
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
    }

    pub(crate) fn next_injected(&self) -> Option<Injected> {
        self.lock().injected.pop_front()
    }

    pub(crate) fn next_due(&self, now: Instant) -> Option<(TimerId, u64)> {
        let mut state = self.lock();
        while let Some(&Reverse((at, id))) = state.due.peek() {
            if at > now {
                return None;
            }
            state.due.pop();
            if let Some(token) = state.tokens.remove(&id) {
                return Some((TimerId(id), token));
            }
        }
        None
    }

    /// The earliest timer that was not cancelled.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let mut state = self.lock();
        while let Some(&Reverse((at, id))) = state.due.peek() {
            if state.tokens.contains_key(&id) {
                return Some(at);
            }
            state.due.pop();
        }
        None
    }

    /// True if neither timers nor injectors nor injected events keep the loop running.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.tokens.is_empty() && state.injected.is_empty() && self.injectors.load(Ordering::Acquire) == 0
    }
}

/// Hands events to a loop from any thread; never blocks. Got from
/// [`Container::injector`](crate::Container::injector) or
/// [`Context::injector`](crate::Context::injector).
///
/// While one exists [`Container::run`](crate::Container::run) does not end by itself; drop it, or
/// stop the container. What was injected before that is still delivered.
pub struct Injector {
    agenda: Arc<Agenda>,
}

impl Injector {
    pub(crate) fn new(agenda: Arc<Agenda>) -> Self {
        agenda.injectors.fetch_add(1, Ordering::AcqRel);
        Self { agenda }
    }

    /// Has `event` handed to [`on_injected`](crate::MessagingHandler::on_injected), in order.
    pub fn inject(&self, event: impl Any + Send) {
        self.agenda.inject(Injected::Event(Box::new(event)));
    }

    /// Runs `task` on the loop's thread, in order with what is injected.
    pub fn run(&self, task: impl FnOnce(&mut Context<'_>) + Send + 'static) {
        self.agenda.inject(Injected::Task(Box::new(task)));
    }
}

impl Clone for Injector {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.agenda))
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        self.agenda.injectors.fetch_sub(1, Ordering::AcqRel);
        let waker = self.agenda.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injector").finish_non_exhaustive()
    }
}
