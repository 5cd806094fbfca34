//! The queue that events wait in.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::dispatch::dispatch_traffic;
use crate::event::{Event, Kind};
use crate::names::{self, Made, lock};
use crate::owner::Owner;

/// An event that nobody has looked at yet: an object for it is made when somebody does.
struct Queued {
    kind: u16,
    event_type: Option<Py<PyAny>>,
    context: Py<PyAny>,
    event: Option<Py<PyAny>>,
}

impl Queued {
    fn event_type(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.event_type {
            Some(event_type) => Ok(event_type.clone_ref(py)),
            None => names::event_type(py, self.kind),
        }
    }

    fn create(&self, py: Python<'_>, container: Option<Py<PyAny>>) -> PyResult<Py<Event>> {
        Event::create(py, self.event_type(py)?, self.kind, self.context.clone_ref(py), container)
    }
}

/// The queue of the events of the connections that are collected into it.
#[pyclass(subclass, dict, weakref, module = "proton", frozen)]
pub(crate) struct Collector {
    made: Made,
    queue: Mutex<VecDeque<Queued>>,
    /// Whose loop it is that takes the events out.
    container: Mutex<Option<Py<PyAny>>>,
    /// The loop shall look at its settings again.
    interrupted: AtomicBool,
    pub(crate) owner: Owner,
}

impl Collector {
    /// Adds an event, unless the last one says the same.
    pub(crate) fn raise(&self, kind: Kind, context: &Bound<'_, PyAny>) {
        let mut queue = lock(&self.queue);
        let kind = kind as u16;
        if queue
            .back()
            .is_some_and(|last| last.kind == kind && last.event.is_none() && last.context.is(context))
        {
            return;
        }
        queue.push_back(Queued { kind, event_type: None, context: context.clone().unbind(), event: None });
    }

    /// Adds the event that there may be something to write, unless the last one says so: even if it is being handled, as what
    /// writes is the last of those that handle it.
    pub(crate) fn raise_transport(&self, transport: &Bound<'_, PyAny>) {
        let mut queue = lock(&self.queue);
        let kind = Kind::Transport as u16;
        if !queue.back().is_some_and(|last| last.kind == kind && last.context.is(transport)) {
            queue.push_back(Queued {
                kind,
                event_type: None,
                context: transport.clone().unbind(),
                event: None,
            });
        }
    }

    fn container(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        lock(&self.container).as_ref().map(|container| container.clone_ref(py))
    }

    /// The first event, which stays, if it is one of messages or credit that the engine has raised and nobody has seen.
    pub(crate) fn first_of_traffic<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<(Kind, Bound<'py, Event>)>> {
        if self.interrupted.swap(false, Ordering::Relaxed) {
            return Ok(None);
        }
        let mut queue = lock(&self.queue);
        let Some(first) = queue.front_mut() else { return Ok(None) };
        let kind = match first.kind {
            kind if kind == Kind::Delivery as u16 => Kind::Delivery,
            kind if kind == Kind::LinkFlow as u16 => Kind::LinkFlow,
            _ => return Ok(None),
        };
        if first.event_type.is_some() || first.event.is_some() {
            return Ok(None);
        }
        let event = first.create(py, self.container(py))?;
        first.event = Some(event.clone_ref(py).into_any());
        Ok(Some((kind, event.into_bound(py))))
    }

    /// Takes an event off the queue, if it is still the first.
    pub(crate) fn pop_exactly(&self, event: &Bound<'_, Event>) {
        let mut queue = lock(&self.queue);
        let is_first =
            queue.front().is_some_and(|first| first.event.as_ref().is_some_and(|first| first.is(event)));
        let popped = if is_first { queue.pop_front() } else { None };
        drop(queue);
        drop(popped);
    }
}

#[pymethods]
impl Collector {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            made: Made::YES,
            queue: Mutex::default(),
            container: Mutex::default(),
            interrupted: AtomicBool::new(false),
            owner: Owner::default(),
        }
    }

    /// Puts an event of the given type about an object at the end of the queue.
    #[pyo3(signature = (obj, etype))]
    fn put(&self, obj: Bound<'_, PyAny>, etype: Bound<'_, PyAny>) -> PyResult<()> {
        let kind = etype.getattr("number")?.extract::<u16>().unwrap_or(u16::MAX);
        let entry = Queued { kind, event_type: Some(etype.unbind()), context: obj.unbind(), event: None };
        lock(&self.queue).push_back(entry);
        Ok(())
    }

    /// The first event, which stays; None if there is none.
    fn peek(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut queue = lock(&self.queue);
        let Some(first) = queue.front_mut() else { return Ok(None) };
        if first.event.is_none() {
            first.event = Some(first.create(py, self.container(py))?.into_any());
        }
        Ok(first.event.as_ref().map(|event| event.clone_ref(py)))
    }

    /// Takes the first event off the queue.
    fn pop(&self) {
        let first = lock(&self.queue).pop_front();
        drop(first);
    }

    /// Dispatches the events of messages and credit at the front of the queue, to the handlers of their links, sessions and
    /// connections or else to `handler`. Ends before an event of another kind, and when it is interrupted.
    fn _dispatch_traffic(slf: &Bound<'_, Self>, handler: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        dispatch_traffic(slf, handler.as_ref())
    }

    /// This thread runs the loop from now on. An error if another one does, or another process has.
    fn _enter(&self, py: Python<'_>) -> PyResult<()> {
        self.owner.enter(py)
    }

    /// The end of what `_enter` began.
    fn _leave(&self) {
        self.owner.leave();
    }

    /// An error if this thread may not use what belongs to the loop.
    fn _check(&self, py: Python<'_>) -> PyResult<()> {
        self.owner.check(py)
    }

    /// An error if the loop is that of the process from which this one was forked.
    fn _check_process(&self, py: Python<'_>) -> PyResult<()> {
        self.owner.check_process(py)
    }

    /// Lets `_dispatch_traffic` end before the next event.
    fn _interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    #[getter]
    fn _container(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.container(py)
    }

    #[setter(_container)]
    fn set_container(&self, container: Option<Bound<'_, PyAny>>) {
        let old = std::mem::replace(&mut *lock(&self.container), container.map(Bound::unbind));
        drop(old);
    }

    /// Whether there is an event behind the first.
    fn more(&self) -> bool {
        lock(&self.queue).len() > 1
    }

    /// Drops all events.
    fn release(&self) {
        let dropped = std::mem::take(&mut *lock(&self.queue));
        drop(dropped);
    }

    fn __len__(&self) -> usize {
        lock(&self.queue).len()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_done() {
            return Ok(());
        }
        if let Ok(container) = self.container.try_lock() {
            visit.call(&*container)?;
        }
        let Ok(queue) = self.queue.try_lock() else { return Ok(()) };
        for queued in queue.iter() {
            visit.call(&queued.context)?;
            visit.call(&queued.event)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        self.release();
        self.set_container(None);
    }
}
