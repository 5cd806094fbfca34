//! Events, the queue they wait in, and how they are handed to handlers.

use pyo3::exceptions::PyAttributeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::connection::ConnectionCore;
use crate::delivery::Delivery;
use crate::dispatch::dispatch;
use crate::link::LinkCore;
use crate::names::{Made, Slot};
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
    event_type: Slot,
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
        Self { event_type: Slot::with(r#type.map(Bound::unbind)) }
    }

    /// What kind of event it is.
    #[getter]
    fn r#type<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.event_type.get(py)
    }

    #[setter]
    fn set_type(&self, event_type: Option<Bound<'_, PyAny>>) {
        self.event_type.set(event_type);
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
        self.event_type.visit(&visit)
    }
}

/// Something that the engine says, about the object in `context`.
#[pyclass(extends = EventBase, subclass, module = "proton", frozen)]
pub(crate) struct Event {
    made: Made,
    kind: u16,
    context: Py<PyAny>,
    container: Option<Py<PyAny>>,
    /// The message that a handler has found in the delivery.
    message: Slot,
}

impl Event {
    pub(crate) fn create(
        py: Python<'_>,
        event_type: Py<PyAny>,
        kind: u16,
        context: Py<PyAny>,
        container: Option<Py<PyAny>>,
    ) -> PyResult<Py<Self>> {
        let base = EventBase { event_type: Slot::with(Some(event_type)) };
        let event = Self { made: Made::YES, kind, context, container, message: Slot::default() };
        Py::new(py, PyClassInitializer::from(base).add_subclass(event))
    }

    pub(crate) fn carry(&self, message: Bound<'_, PyAny>) {
        self.message.set(Some(message));
    }

    pub(crate) fn delivery_of<'a, 'py>(&'a self, py: Python<'py>) -> Option<&'a Bound<'py, Delivery>> {
        self.context.bind(py).cast::<Delivery>().ok()
    }

    pub(crate) fn link_of<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
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

    /// The handler that the event is for, if it is not that of the container.
    pub(crate) fn handler_of<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let context = self.context.bind(py);
        let delivery = context.cast::<Delivery>().ok();
        if let Some(link) = self.link_of(py)
            && let Ok(link) = link.cast::<LinkCore>()
        {
            let of_link = link.get().handler.get(py);
            return Ok(match of_link.or_else(|| link.get().handler_around(py)) {
                None => delivery.and_then(|delivery| delivery.get().handler.get(py)),
                found => found,
            });
        }
        if let Ok(session) = context.cast::<SessionCore>() {
            let of_session = session.get().handler.get(py);
            return Ok(of_session.or_else(|| session.get().connection(py).get().handler.get(py)));
        }
        if let Some(connection) = self.connection_of(py)
            && let Ok(connection) = connection.cast::<ConnectionCore>()
            && let Some(handler) = connection.get().handler.get(py)
        {
            return Ok(Some(handler));
        }
        Ok(context.getattr_opt(pyo3::intern!(py, "handler"))?.filter(|handler| !handler.is_none()))
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

    /// The message that has arrived, once a handler has read it from the delivery.
    #[getter]
    fn message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.message.get(py).ok_or_else(|| no_attribute("message"))
    }

    #[setter]
    fn set_message(&self, message: Bound<'_, PyAny>) {
        self.carry(message);
    }

    /// The handler that the event is for: the link's, else the session's, else the connection's, else its context's.
    #[getter]
    fn handler<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.handler_of(py)
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
        visit.call(&self.container)?;
        self.message.visit(&visit)
    }
}

/// The error of an attribute that an object does not have.
pub(crate) fn no_attribute(name: &str) -> PyErr {
    PyErr::new::<PyAttributeError, _>(format!("{name} not in _attrs"))
}
