//! The loop of [`Container::run`](crate::Container::run): all connections in one task, one handler.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use tokio::time::Sleep;

use super::task::Task;
use super::waits::CallbackScope;
use super::{Handler, Surroundings};
use crate::container::ContainerShared;
use crate::timer::Injected;
use crate::{Error, Listener, MessagingHandler};

/// Connections polled in one go before the runtime gets its turn.
const POLLS: usize = 64;

/// What other threads hand to the loop.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
}

#[derive(Default)]
struct InboxState {
    tasks: Vec<Task>,
    reports: VecDeque<(Listener, Error)>,
    waker: Option<Waker>,
    running: bool,
}

impl Inbox {
    fn change<R>(&self, change: impl FnOnce(&mut InboxState) -> R) -> R {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn push(&self, task: Task) {
        self.change(|state| state.tasks.push(task));
        self.wake();
    }

    pub(crate) fn report(&self, listener: Listener, error: Error) {
        self.change(|state| state.reports.push_back((listener, error)));
        self.wake();
    }

    pub(crate) fn wake(&self) {
        let waker = self.change(|state| state.waker.clone());
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// False if a loop runs already.
    pub(crate) fn start(&self) -> bool {
        self.change(|state| !std::mem::replace(&mut state.running, true))
    }

    pub(crate) fn is_running(&self) -> bool {
        self.change(|state| state.running)
    }

    pub(crate) fn end(&self) {
        let left = self.change(|state| {
            state.running = false;
            state.waker = None;
            std::mem::take(&mut state.tasks)
        });
        drop(left);
    }
}

/// The connections that have something to do.
#[derive(Default)]
struct ReadySet {
    queue: Mutex<VecDeque<usize>>,
    task: Mutex<Option<Waker>>,
}

/// Wakes one connection of the loop.
struct SlotWaker {
    slot: usize,
    queued: AtomicBool,
    ready: Arc<ReadySet>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.slot);
        let task = self.ready.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

struct Slot {
    task: Task,
    wake: Arc<SlotWaker>,
    waker: Waker,
}

/// The loop as a future; it borrows the handler only while it is polled.
pub(crate) struct EventLoop<H> {
    surroundings: Arc<Surroundings>,
    handler: H,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    ready: Arc<ReadySet>,
    started: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<H: MessagingHandler> EventLoop<H> {
    pub(crate) fn new(surroundings: Arc<Surroundings>, handler: H) -> Self {
        Self {
            surroundings,
            handler,
            slots: Vec::new(),
            free: Vec::new(),
            ready: Arc::default(),
            started: false,
            sleep: None,
        }
    }

    fn container(&self) -> &ContainerShared {
        &self.surroundings.container
    }

    /// Polls the loop. Ready when nothing is left that could happen.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.surroundings.agenda.register(cx.waker());
        self.container().inbox.change(|state| state.waker = Some(cx.waker().clone()));
        *self.ready.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if !std::mem::replace(&mut self.started, true) {
            let _callback = CallbackScope::enter();
            let surroundings = Arc::clone(&self.surroundings);
            self.handler.on_start(&mut surroundings.context());
        }
        run_agenda(&Arc::clone(&self.surroundings), &mut self.handler);
        self.take_inbox();
        if !self.poll_connections() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.is_over() {
            return Poll::Ready(());
        }
        self.sleep(cx)
    }

    fn take_inbox(&mut self) {
        let surroundings = Arc::clone(&self.surroundings);
        let (tasks, reports) = surroundings
            .container
            .inbox
            .change(|state| (std::mem::take(&mut state.tasks), std::mem::take(&mut state.reports)));
        for task in tasks {
            self.add(task);
        }
        for (listener, error) in reports {
            let _callback = CallbackScope::enter();
            self.handler.on_listener_error(&mut surroundings.context(), &listener, &error);
        }
    }

    fn add(&mut self, task: Task) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let wake =
            Arc::new(SlotWaker { slot, queued: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
        let waker = Waker::from(Arc::clone(&wake));
        waker.wake_by_ref();
        self.slots[slot] = Some(Slot { task, wake, waker });
    }

    /// Polls those that were woken. True if no more are waiting.
    fn poll_connections(&mut self) -> bool {
        for _ in 0..POLLS {
            let next = self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(index) = next else { return true };
            let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else { continue };
            slot.wake.queued.store(false, Ordering::Release);
            let waker = slot.waker.clone();
            let mut cx = Context::from_waker(&waker);
            let mut handler: Handler<'_> = Some(&mut self.handler);
            if slot.task.poll(&mut cx, &mut handler).is_ready() {
                self.slots[index] = None;
                self.free.push(index);
            }
        }
        self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn is_over(&self) -> bool {
        let container = self.container();
        let waiting = container.inbox.change(|state| !state.tasks.is_empty() || !state.reports.is_empty());
        if waiting || self.slots.len() != self.free.len() {
            return false;
        }
        container.is_stopping() || (!container.has_listeners() && self.surroundings.agenda.is_idle())
    }

    fn sleep(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(at) = self.surroundings.agenda.deadline() {
            if at <= Instant::now() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let sleep = match &mut self.sleep {
                Some(sleep) => {
                    if sleep.deadline() != at.into() {
                        sleep.as_mut().reset(at.into());
                    }
                    sleep
                }
                None => self.sleep.insert(Box::pin(tokio::time::sleep_until(at.into()))),
            };
            if sleep.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

/// Calls the handler for what was injected and for the timers that are due.
pub(super) fn run_agenda(surroundings: &Surroundings, handler: &mut dyn MessagingHandler) {
    let _callback = CallbackScope::enter();
    let agenda = &surroundings.agenda;
    while let Some(injected) = agenda.next_injected() {
        let mut cx = surroundings.context();
        match injected {
            Injected::Event(event) => handler.on_injected(&mut cx, event),
            Injected::Task(task) => task(&mut cx),
        }
    }
    let now = Instant::now();
    while let Some((timer, token)) = agenda.next_due(now) {
        handler.on_timer(&mut surroundings.context(), timer, token);
    }
}
