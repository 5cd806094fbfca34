//! Events, the queue they wait in, and how they are handed to handlers.

use std::collections::VecDeque;
use std::sync::Mutex;

use pyo3::exceptions::PyAttributeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::connection::ConnectionCore;
use crate::delivery::Delivery;
use crate::link::LinkCore;
use crate::names::{self, Made, lock};
use crate::session::SessionCore;
use crate::transport::TransportCore;

/// The events of the engine, numbered as in Proton.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub(crate) enum Kind {
    ConnectionInit = 5,
    ConnectionBound = 6,
    ConnectionUnbound = 7,
    ConnectionLocalOpen = 8,
    ConnectionRemoteOpen = 9,
    ConnectionLocalClose = 10,
    ConnectionRemoteClose = 11,
    ConnectionFinal = 12,
    SessionInit = 13,
    SessionLocalOpen = 14,
    SessionRemoteOpen = 15,
    SessionLocalClose = 16,
    SessionRemoteClose = 17,
    SessionFinal = 18,
    LinkInit = 19,
    LinkLocalOpen = 20,
    LinkRemoteOpen = 21,
    LinkLocalClose = 22,
    LinkRemoteClose = 23,
    LinkLocalDetach = 24,
    LinkRemoteDetach = 25,
    LinkFlow = 26,
    LinkFinal = 27,
    Delivery = 28,
    Transport = 29,
    TransportError = 31,
    TransportHeadClosed = 32,
    TransportTailClosed = 33,
    TransportClosed = 34,
}

/// What has happened, and to what: the base of all events.
#[pyclass(subclass, dict, weakref, module = "proton", frozen)]
pub(crate) struct EventBase {
    event_type: Mutex<Option<Py<PyAny>>>,
}

#[pymethods]
impl EventBase {
    #[new]
    #[pyo3(signature = (r#type=None, *_args, **_kwargs))]
    fn new(
        r#type: Option<Bound<'_, PyAny>>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        Self { event_type: Mutex::new(r#type.map(Bound::unbind)) }
    }

    #[getter]
    fn r#type(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        lock(&self.event_type).as_ref().map(|event_type| event_type.clone_ref(py))
    }

    #[setter]
    fn set_type(&self, event_type: Option<Bound<'_, PyAny>>) {
        let old = std::mem::replace(&mut *lock(&self.event_type), event_type.map(Bound::unbind));
        drop(old);
    }

    /// Calls the method for this event of a handler and of the handlers in it.
    #[pyo3(signature = (handler, r#type=None))]
    fn dispatch(
        slf: &Bound<'_, Self>,
        handler: &Bound<'_, PyAny>,
        r#type: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let event_type = match r#type {
            Some(event_type) => event_type,
            None => slf.as_any().getattr(pyo3::intern!(py, "type"))?,
        };
        let method = event_type.getattr(pyo3::intern!(py, "method"))?;
        dispatch(handler, slf.as_any(), method.cast::<PyString>()?)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.event_type.try_lock() {
            Ok(event_type) => visit.call(&*event_type),
            Err(_) => Ok(()),
        }
    }
}

/// Calls `handler.<method>(event)`, or `on_unhandled`, then the same for each of `handler.handlers`: the parent first.
#[pyfunction]
pub(crate) fn dispatch(
    handler: &Bound<'_, PyAny>,
    event: &Bound<'_, PyAny>,
    method: &Bound<'_, PyString>,
) -> PyResult<()> {
    let py = handler.py();
    if let Some(callback) = handler.getattr_opt(method)? {
        callback.call1((event,))?;
    } else if let Some(callback) = handler.getattr_opt(pyo3::intern!(py, "on_unhandled"))? {
        callback.call1((method, event))?;
    }
    let Some(children) = handler.getattr_opt(pyo3::intern!(py, "handlers"))? else { return Ok(()) };
    // The list may change under the call: what is added during it is called too.
    let mut index = 0;
    while index < children.len()? {
        dispatch(&children.get_item(index)?, event, method)?;
        index += 1;
    }
    Ok(())
}

/// Something that the engine says, about the object in `context`.
#[pyclass(extends = EventBase, subclass, module = "proton", frozen)]
pub(crate) struct Event {
    made: Made,
    kind: u16,
    context: Py<PyAny>,
    container: Option<Py<PyAny>>,
}

impl Event {
    fn create(py: Python<'_>, queued: &Queued, container: Option<Py<PyAny>>) -> PyResult<Py<Self>> {
        let base = EventBase { event_type: Mutex::new(Some(queued.event_type(py)?)) };
        let event =
            Self { made: Made::YES, kind: queued.kind, context: queued.context.clone_ref(py), container };
        Py::new(py, PyClassInitializer::from(base).add_subclass(event))
    }

    fn link_of<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let context = self.context.bind(py);
        if let Ok(delivery) = context.cast::<Delivery>() {
            return Some(delivery.get().link(py));
        }
        context.cast::<LinkCore>().ok().map(|link| link.as_any().clone())
    }

    fn session_of<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        if let Some(link) = self.link_of(py) {
            return link.cast::<LinkCore>().ok().map(|link| link.get().session(py));
        }
        self.context.bind(py).cast::<SessionCore>().ok().map(|session| session.as_any().clone())
    }

    fn connection_of<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        if let Some(session) = self.session_of(py) {
            return session.cast::<SessionCore>().ok().map(|session| session.get().connection(py).into_any());
        }
        let context = self.context.bind(py);
        if let Ok(transport) = context.cast::<TransportCore>() {
            return transport.get().bound_to(py).map(Bound::into_any);
        }
        context.cast::<ConnectionCore>().ok().map(|connection| connection.as_any().clone())
    }
}

#[pymethods]
impl Event {
    /// The object that the event is about.
    #[getter]
    fn context<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.context.bind(py).clone()
    }

    /// The container whose loop the event came from, if any.
    #[getter]
    fn container(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.container.as_ref().map(|container| container.clone_ref(py))
    }

    /// The container under its old name.
    #[getter]
    fn reactor(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.container(py)
    }

    /// The number of the event's type.
    #[getter]
    fn _kind(&self) -> u16 {
        self.kind
    }

    /// The connection that the event belongs to, if any.
    #[getter]
    fn connection<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.connection_of(py)
    }

    /// The session that the event belongs to, if any.
    #[getter]
    fn session<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.session_of(py)
    }

    /// The link that the event belongs to, if any.
    #[getter]
    fn link<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.link_of(py)
    }

    /// The link if it is a sender.
    #[getter]
    fn sender<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.link_of(py).filter(|link| link.cast::<LinkCore>().is_ok_and(|link| link.get().is_sender()))
    }

    /// The link if it is a receiver.
    #[getter]
    fn receiver<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.link_of(py).filter(|link| link.cast::<LinkCore>().is_ok_and(|link| !link.get().is_sender()))
    }

    /// The delivery, if the event is about one.
    #[getter]
    fn delivery<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.context.bind(py).cast::<Delivery>().ok().map(|delivery| delivery.as_any().clone())
    }

    /// The transport that the event's connection is bound to, if any.
    #[getter]
    fn transport<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let context = self.context.bind(py);
        if context.cast::<TransportCore>().is_ok() {
            return Some(context.clone());
        }
        let connection = self.connection_of(py)?;
        connection.cast::<ConnectionCore>().ok()?.get().transport(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_done() {
            return Ok(());
        }
        visit.call(&self.context)?;
        visit.call(&self.container)
    }
}

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
            None => Ok(names::get(py, "event_types")?.get_item(self.kind)?.unbind()),
        }
    }
}

/// The queue of the events of the connections that are collected into it.
#[pyclass(subclass, dict, weakref, module = "proton", frozen)]
pub(crate) struct Collector {
    made: Made,
    queue: Mutex<VecDeque<Queued>>,
    /// Whose loop it is that takes the events out.
    container: Mutex<Option<Py<PyAny>>>,
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
}

#[pymethods]
impl Collector {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { made: Made::YES, queue: Mutex::default(), container: Mutex::default() }
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
            let container = lock(&self.container).as_ref().map(|container| container.clone_ref(py));
            first.event = Some(Event::create(py, first, container)?.into_any());
        }
        Ok(first.event.as_ref().map(|event| event.clone_ref(py)))
    }

    /// Takes the first event off the queue.
    fn pop(&self, py: Python<'_>) {
        let first = lock(&self.queue).pop_front();
        let Some(first) = first else { return };
        if let Ok(transport) = first.context.bind(py).cast::<TransportCore>() {
            transport.get().seen(first.kind);
        }
    }

    #[getter]
    fn _container(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        lock(&self.container).as_ref().map(|container| container.clone_ref(py))
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

/// The error of an attribute that an object does not have.
pub(crate) fn no_attribute(name: &str) -> PyErr {
    PyErr::new::<PyAttributeError, _>(format!("{name} not in _attrs"))
}
