//! What the handlers do that are behind every program: once for each message, so it is done here.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use crate::calls::CallOut;
use crate::delivery::Delivery;
use crate::dispatch::call;
use crate::event::Event;
use crate::link::LinkCore;
use crate::message::Message;
use crate::names::{self, Known, Made, lock};
use crate::state;

const LOCAL_CLOSED: u32 = 4;
const BOTH_OPEN: u32 = 2 | 16;

fn link_of<'py>(event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let link = match event.cast::<Event>() {
        Ok(event) => event.get().link_of(event.py()),
        Err(_) => None,
    };
    link.map_or_else(|| event.getattr(pyo3::intern!(event.py(), "link")), Ok)
}

fn delivery_of<'py>(event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Delivery>> {
    let py = event.py();
    if let Ok(event) = event.cast::<Event>()
        && let Some(delivery) = event.get().delivery_of(py)
    {
        return Ok(delivery.clone());
    }
    Ok(event.getattr(pyo3::intern!(py, "delivery"))?.cast_into()?)
}

/// Keeps the credit of receivers up.
#[pyclass(subclass, dict, weakref, module = "proton._flow_handlers", frozen)]
pub(crate) struct FlowCore {
    window: AtomicI64,
    drained: AtomicI64,
}

#[pymethods]
impl FlowCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { window: AtomicI64::new(1024), drained: AtomicI64::new(0) }
    }

    #[pyo3(signature = (window=1024))]
    fn __init__(&self, window: i64) {
        self.window.store(window, Ordering::Relaxed);
    }

    /// Gives the first credit.
    fn on_link_local_open(&self, event: &Bound<'_, PyAny>) -> PyResult<()> {
        self.flow(event)
    }

    /// Gives credit again after a reconnect.
    fn on_link_remote_open(&self, event: &Bound<'_, PyAny>) -> PyResult<()> {
        self.flow(event)
    }

    /// Tops up.
    fn on_link_flow(&self, event: &Bound<'_, PyAny>) -> PyResult<()> {
        self.flow(event)
    }

    /// Tops up for the message that has come.
    fn on_delivery(&self, event: &Bound<'_, PyAny>) -> PyResult<()> {
        self.flow(event)
    }
}

impl FlowCore {
    fn flow(&self, event: &Bound<'_, PyAny>) -> PyResult<()> {
        let link = link_of(event)?;
        let link = link.cast::<LinkCore>()?;
        if link.get().is_sender() {
            return Ok(());
        }
        let drained = link.get().take_drained();
        if self.drained.fetch_add(drained, Ordering::Relaxed) + drained == 0 {
            let (window, credit) = (self.window.load(Ordering::Relaxed), link.get().credit_now());
            // The message that has come counts until it is taken, after which nothing would tell that credit is used up.
            let stuck = window == 1 && credit == 1 && link.get().queued() == 1;
            let missing = if stuck { 1 } else { window - credit };
            if let Ok(missing @ 1..) = u32::try_from(missing) {
                LinkCore::give_credit(link, missing);
            }
        }
        Ok(())
    }
}

/// The handler that hears what a handler of deliveries finds out. It is not kept alive.
#[derive(Default)]
struct Delegate(Mutex<Option<Py<PyWeakrefReference>>>);

impl Delegate {
    fn set(&self, delegate: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let reference = delegate.map(|delegate| PyWeakrefReference::new(delegate).map(Bound::unbind));
        let old = std::mem::replace(&mut *lock(&self.0), reference.transpose()?);
        drop(old);
        Ok(())
    }

    fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        lock(&self.0).as_ref().and_then(|reference| reference.bind(py).upgrade())
    }

    fn tell(&self, method: &Bound<'_, PyString>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.get(method.py()) {
            Some(delegate) => call(&delegate, method, event),
            None => Ok(()),
        }
    }

    /// The same, if it has such a method.
    fn tell_known(&self, method: &Bound<'_, PyString>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(delegate) = self.get(method.py()) else { return Ok(()) };
        match delegate.getattr_opt(method)? {
            Some(callback) => callback.call_out((event,)).map(drop),
            None => Ok(()),
        }
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.0.try_lock() {
            Ok(reference) => visit.call(&*reference),
            Err(_) => Ok(()),
        }
    }
}

/// Calls a method of the handler itself. If nobody has put another in its place, that is to tell the delegate.
fn tell(
    handler: &Bound<'_, PyAny>,
    delegate: &Delegate,
    class: &Known,
    method: &Bound<'_, PyString>,
    event: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if class.is_class_of(handler)? {
        return delegate.tell(method, event);
    }
    handler.call_method_out(method, (event,)).map(drop)
}

static INCOMING: Known = Known::new("IncomingMessageHandler");
static OUTGOING: Known = Known::new("OutgoingMessageHandler");

/// Takes messages off receivers.
#[pyclass(subclass, dict, weakref, module = "proton._message_handlers", frozen)]
pub(crate) struct IncomingCore {
    made: Made,
    auto_accept: AtomicBool,
    delegate: Delegate,
}

#[pymethods]
impl IncomingCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { made: Made::YES, auto_accept: AtomicBool::new(true), delegate: Delegate::default() }
    }

    #[pyo3(signature = (auto_accept=None, delegate=None))]
    fn __init__(
        &self,
        auto_accept: Option<&Bound<'_, PyAny>>,
        delegate: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if let Some(auto_accept) = auto_accept {
            self.set_auto_accept(auto_accept)?;
        }
        self.delegate.set(delegate)
    }

    /// Whether messages are accepted after `on_message`.
    #[getter]
    fn auto_accept(&self) -> bool {
        self.auto_accept.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_auto_accept(&self, auto_accept: &Bound<'_, PyAny>) -> PyResult<()> {
        self.auto_accept.store(auto_accept.is_truthy()?, Ordering::Relaxed);
        Ok(())
    }

    /// The handler whose methods are called, if any.
    #[getter]
    fn delegate<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.delegate.get(py)
    }

    /// Takes a message, or news about one, off a receiver.
    fn on_delivery(slf: &Bound<'_, Self>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let delivery = delivery_of(event)?;
        let link = delivery.get().link(py);
        let link = link.cast::<LinkCore>()?;
        if link.get().is_sender() {
            return Ok(());
        }
        let (aborted, complete, news) = {
            let progress = delivery.get().progress();
            (progress.aborted, progress.complete, progress.updated && progress.peer_settled)
        };
        if aborted {
            Self::tell(slf, pyo3::intern!(py, "on_aborted"), event)?;
            delivery.get().settle_as(py, None)
        } else if complete && link.get().is_current(&delivery) {
            let message = match LinkCore::take(link)? {
                Some((_, payload)) => Message::of_payload(payload),
                None => return Ok(()),
            };
            let message = Bound::new(py, message)?;
            match event.cast::<Event>() {
                Ok(event) => event.get().carry(message.into_any()),
                Err(_) => event.setattr(pyo3::intern!(py, "message"), message)?,
            }
            Self::on_whole(slf, event, &delivery, link)
        } else if news {
            Self::tell(slf, pyo3::intern!(py, "on_settled"), event)
        } else {
            Ok(())
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if self.made.is_done() { self.delegate.visit(&visit) } else { Ok(()) }
    }

    fn _tell(&self, method: &Bound<'_, PyString>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        self.delegate.tell(method, event)
    }
}

impl IncomingCore {
    fn tell(slf: &Bound<'_, Self>, method: &Bound<'_, PyString>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        tell(slf.as_any(), &slf.get().delegate, &INCOMING, method, event)
    }

    fn on_whole(
        slf: &Bound<'_, Self>,
        event: &Bound<'_, PyAny>,
        delivery: &Bound<'_, Delivery>,
        link: &Bound<'_, LinkCore>,
    ) -> PyResult<()> {
        let py = slf.py();
        if link.get().state() & LOCAL_CLOSED != 0 {
            let gives_back = slf.get().auto_accept();
            return if gives_back { Self::settle(slf, delivery, state::RELEASED) } else { Ok(()) };
        }
        match Self::tell(slf, pyo3::intern!(py, "on_message"), event) {
            Ok(()) if slf.get().auto_accept() => Self::settle(slf, delivery, state::ACCEPTED),
            Ok(()) => Ok(()),
            Err(error) if error.is_instance(py, &names::get(py, "Reject")?) => {
                Self::settle(slf, delivery, state::REJECTED)
            }
            Err(error) if error.is_instance(py, &names::get(py, "Release")?) => {
                Self::settle(slf, delivery, state::MODIFIED)
            }
            Err(error) => Err(error),
        }
    }

    /// Subclasses may have a `settle` of their own.
    fn settle(slf: &Bound<'_, Self>, delivery: &Bound<'_, Delivery>, outcome: u64) -> PyResult<()> {
        let py = slf.py();
        if INCOMING.is_class_of(slf.as_any())? {
            return Delivery::settle_with(delivery, outcome);
        }
        let outcome = state::kind_of_state(py, outcome)?;
        slf.call_method_out(pyo3::intern!(py, "settle"), (delivery, outcome)).map(drop)
    }
}

/// Tells of credit, and what becomes of messages that were sent.
#[pyclass(subclass, dict, weakref, module = "proton._message_handlers", frozen)]
pub(crate) struct OutgoingCore {
    made: Made,
    auto_settle: AtomicBool,
    delegate: Delegate,
}

#[pymethods]
impl OutgoingCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { made: Made::YES, auto_settle: AtomicBool::new(true), delegate: Delegate::default() }
    }

    #[pyo3(signature = (auto_settle=None, delegate=None))]
    fn __init__(
        &self,
        auto_settle: Option<&Bound<'_, PyAny>>,
        delegate: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if let Some(auto_settle) = auto_settle {
            self.set_auto_settle(auto_settle)?;
        }
        self.delegate.set(delegate)
    }

    /// Whether deliveries that the peer has settled are settled here.
    #[getter]
    fn auto_settle(&self) -> bool {
        self.auto_settle.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_auto_settle(&self, auto_settle: &Bound<'_, PyAny>) -> PyResult<()> {
        self.auto_settle.store(auto_settle.is_truthy()?, Ordering::Relaxed);
        Ok(())
    }

    /// The handler whose methods are called, if any.
    #[getter]
    fn delegate<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.delegate.get(py)
    }

    /// Tells that a sender has credit.
    fn on_link_flow(slf: &Bound<'_, Self>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        let link = link_of(event)?;
        let link = link.cast::<LinkCore>()?.get();
        if link.is_sender() && link.credit_now() > 0 && link.state() & BOTH_OPEN == BOTH_OPEN {
            return Self::tell(slf, pyo3::intern!(slf.py(), "on_sendable"), event);
        }
        Ok(())
    }

    /// Tells what the peer says about a message that was sent.
    fn on_delivery(slf: &Bound<'_, Self>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let delivery = delivery_of(event)?;
        let delivery = delivery.get();
        if !delivery.link(py).cast::<LinkCore>()?.get().is_sender() || !delivery.progress().updated {
            return Ok(());
        }
        Self::tell_of_update(slf, event)?;
        let method = match delivery.peer_state() {
            state::ACCEPTED => Some(pyo3::intern!(py, "on_accepted")),
            state::REJECTED => Some(pyo3::intern!(py, "on_rejected")),
            state::RELEASED | state::MODIFIED => Some(pyo3::intern!(py, "on_released")),
            _ => None,
        };
        if let Some(method) = method {
            Self::tell(slf, method, event)?;
        }
        let settled = delivery.progress().peer_settled;
        if settled {
            Self::tell(slf, pyo3::intern!(py, "on_settled"), event)?;
            if slf.get().auto_settle() {
                delivery.settle_as(py, None)?;
            }
        }
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if self.made.is_done() { self.delegate.visit(&visit) } else { Ok(()) }
    }

    fn _tell(&self, method: &Bound<'_, PyString>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        self.delegate.tell(method, event)
    }

    fn _tell_known(&self, method: &Bound<'_, PyString>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        self.delegate.tell_known(method, event)
    }
}

impl OutgoingCore {
    fn tell(slf: &Bound<'_, Self>, method: &Bound<'_, PyString>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        tell(slf.as_any(), &slf.get().delegate, &OUTGOING, method, event)
    }

    /// A delegate without such a method is not asked: its `on_unhandled` may be older than the callback.
    fn tell_of_update(slf: &Bound<'_, Self>, event: &Bound<'_, PyAny>) -> PyResult<()> {
        let method = pyo3::intern!(slf.py(), "on_delivery_updated");
        if !OUTGOING.is_class_of(slf.as_any())? {
            return slf.call_method_out(method, (event,)).map(drop);
        }
        slf.get()._tell_known(method, event)
    }
}
