//! Links: senders and receivers.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use deuteron_codec::ReceiverSettleMode;
use deuteron_engine::{Connection, EndpointState, LinkId};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyString};

use crate::calls::CallOut;
use crate::connection::{ConnectionCore, Ending, over};
use crate::delivery::Delivery;
use crate::event::{Kind, no_attribute};
use crate::message::Message;
use crate::names::{self, Made, Slot, lock};
use crate::session::SessionCore;
use crate::state::{ConditionParts, condition_parts, decode_map, encode_map, endpoint_state, to_error};
use crate::terminus::{TerminusParts, snd_settle_mode, source_parts, target_parts, to_source, to_target};
use crate::traffic::Traffic;

/// What Python's `Link` is built on.
#[pyclass(subclass, dict, weakref, module = "proton", frozen)]
pub(crate) struct LinkCore {
    made: Made,
    session: Py<PyAny>,
    pub(crate) connection: Py<ConnectionCore>,
    pub(crate) engine: Arc<Mutex<Connection>>,
    pub(crate) id: LinkId,
    pub(crate) sender: bool,
    name: String,
    traffic: Mutex<Traffic>,
    pub(crate) handler: Slot,
    pub(crate) tags: Slot,
}

/// What the peer's Attach says: termini, settle modes, maximum size, properties, and the capabilities.
type AttachParts = (Option<TerminusParts>, Option<TerminusParts>, u8, u8, u64, Option<Vec<u8>>);

/// A link's key in Python: what the class is called with.
#[pyclass(frozen, module = "proton")]
pub(crate) struct LinkKey(pub(crate) LinkId, pub(crate) bool);

impl LinkCore {
    pub(crate) fn is_sender(&self) -> bool {
        self.sender
    }

    pub(crate) fn id(&self) -> LinkId {
        self.id
    }

    pub(crate) fn connection(&self) -> &Py<ConnectionCore> {
        &self.connection
    }

    pub(crate) fn session<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.session.bind(py).clone()
    }

    /// The handler of the session, or else of the connection.
    pub(crate) fn handler_around<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let session = self.session.bind(py).cast::<SessionCore>().ok()?;
        session.get().handler.get(py).or_else(|| self.connection.get().handler.get(py))
    }

    pub(crate) fn traffic(&self) -> MutexGuard<'_, Traffic> {
        lock(&self.traffic)
    }

    /// An error if this thread may not use the link now.
    pub(crate) fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.connection.get().check(py)
    }

    fn raise(slf: &Bound<'_, Self>, kind: Kind) {
        slf.get().connection.get().raise(slf.py(), kind, slf.as_any());
    }

    fn over(slf: &Bound<'_, Self>, condition: Option<ConditionParts>, closed: bool) -> PyResult<()> {
        let this = slf.get();
        let connection = this.connection.get();
        let error = condition.map(to_error).transpose()?;
        connection.end_later(Ending::Link { id: this.id, closed, error });
        Self::raise(slf, if closed { Kind::LinkLocalClose } else { Kind::LinkLocalDetach });
        connection.after(slf.py())
    }

    /// The bytes of the current delivery, which is done with; None if it is not here whole.
    pub(crate) fn take<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<(Bound<'py, Delivery>, Bytes)>> {
        let (py, this) = (slf.py(), slf.get());
        let current = this.traffic().waiting.front().map(|first| first.clone_ref(py));
        let Some(current) = current else { return Ok(None) };
        let payload = {
            let mut progress = current.get().progress();
            if !progress.complete {
                return Ok(None);
            }
            progress.advanced = true;
            let payload = std::mem::take(&mut progress.payload);
            match progress.id {
                Some(id) if payload.is_empty() => {
                    lock(&this.engine).delivery(id).map(|mut delivery| delivery.take()).unwrap_or_default()
                }
                _ => payload,
            }
        };
        this.traffic().waiting.pop_front();
        Ok(Some((current.into_bound(py), payload)))
    }
}

impl Drop for LinkCore {
    fn drop(&mut self) {
        lock(&self.connection.get().gone).link(self.id);
    }
}

#[pymethods]
impl LinkCore {
    #[new]
    fn new(session: &Bound<'_, SessionCore>, key: &Bound<'_, LinkKey>) -> Self {
        let py = session.py();
        let connection = session.get().connection(py);
        let engine = connection.get().engine();
        let name = lock(&engine).link(key.get().0).map_or_else(String::new, |link| link.name().to_owned());
        Self {
            made: Made::YES,
            session: session.as_any().clone().unbind(),
            connection: connection.unbind(),
            engine,
            id: key.get().0,
            sender: key.get().1,
            name,
            traffic: Mutex::default(),
            handler: Slot::default(),
            tags: Slot::default(),
        }
    }

    #[getter]
    fn _handler<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.handler.get(py)
    }

    #[setter(_handler)]
    fn set_handler(&self, handler: Option<Bound<'_, PyAny>>) {
        self.handler.set(handler);
    }

    /// The name that both sides know the link by.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Whether messages go out on the link.
    #[getter(is_sender)]
    fn py_is_sender(&self) -> bool {
        self.sender
    }

    /// Whether messages come in on the link.
    #[getter(is_receiver)]
    fn py_is_receiver(&self) -> bool {
        !self.sender
    }

    /// The session that the link belongs to.
    #[getter(session)]
    fn py_session<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.session(py)
    }

    /// The connection that the link belongs to.
    #[getter(connection)]
    fn py_connection(&self, py: Python<'_>) -> Py<ConnectionCore> {
        self.connection.clone_ref(py)
    }

    /// The transport that the link's connection is bound to, if any.
    #[getter]
    fn transport<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.connection.get().transport(py)
    }

    /// The bits of both sides' states.
    #[getter]
    pub(crate) fn state(&self) -> u32 {
        let is_mine =
            |ending: &Ending| matches!(ending, Ending::Link { id, closed: true, .. } if *id == self.id);
        let ended = self.connection.get().is_ending(is_mine);
        lock(&self.engine)
            .link(self.id)
            .map_or(0o44, |link| endpoint_state(over(ended, link.local_state()), link.remote_state()))
    }

    /// How many messages may be sent, or may still come.
    #[getter]
    fn credit(&self) -> i64 {
        self.credit_now()
    }

    /// How many messages wait: to be sent, or to be read.
    #[getter]
    pub(crate) fn queued(&self) -> usize {
        if self.sender { self.outgoing_now() } else { self.traffic().waiting.len() }
    }

    /// How many deliveries of the link are not settled by us.
    #[getter]
    fn unsettled(&self) -> u32 {
        self.traffic().unsettled
    }

    /// The deliveries of the link that are not settled by us, the oldest first.
    fn _unsettled_deliveries<'py>(slf: &Bound<'py, Self>) -> Vec<Bound<'py, Delivery>> {
        Self::unsettled_now(slf)
    }

    /// How many messages the sender says it has.
    #[getter]
    fn available(&self) -> u32 {
        lock(&self.engine).link(self.id).map_or(0, |link| link.available())
    }

    /// The delivery that is written or read now.
    #[getter]
    fn current(&self, py: Python<'_>) -> Option<Py<Delivery>> {
        self.traffic().waiting.front().map(|first| first.clone_ref(py))
    }

    /// Whether the receiver has asked for its credit to be used up.
    #[getter]
    fn _drain_mode(&self) -> bool {
        let mut engine = lock(&self.engine);
        engine.link(self.id).is_some_and(|link| link.drain_requested() || link.is_draining())
    }

    /// A delivery to write a message into.
    fn _delivery<'py>(slf: &Bound<'py, Self>, tag: Vec<u8>) -> PyResult<Bound<'py, Delivery>> {
        slf.get().check(slf.py())?;
        let delivery = Self::create(slf, tag)?;
        slf.get().traffic().waiting.push_back(delivery.clone().unbind());
        Ok(delivery)
    }

    /// Goes on to the next delivery: what was written is whole, what was read is done with. False if there is none.
    pub(crate) fn advance(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let this = slf.get();
        this.check(slf.py())?;
        let first = this.traffic().waiting.pop_front();
        let Some(first) = first else { return Ok(false) };
        let delivery = first.bind(slf.py());
        if this.sender {
            Self::finish(slf, delivery);
        } else {
            delivery.get().progress().advanced = true;
            if let Some(id) = delivery.get().id()
                && let Some(mut delivery) = lock(&this.engine).delivery(id)
            {
                let _unread = delivery.take();
            }
        }
        Ok(true)
    }

    /// Adds bytes to the current delivery; None if there is no current delivery.
    fn _stream(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<Option<usize>> {
        self.check(py)?;
        Ok(self.write(py, bytes).then_some(bytes.len()))
    }

    /// At most `limit` bytes of the current delivery: None at its end, an empty array if more is to come. False if there is none.
    fn _read<'py>(&self, py: Python<'py>, limit: usize) -> Result<Option<Bound<'py, PyByteArray>>, PyErr> {
        self.check(py)?;
        let current = self.traffic().waiting.front().map(|first| first.clone_ref(py));
        let Some(current) = current else {
            return Err(names::error(py, "LinkException", "[-5]: no current delivery"));
        };
        let mut progress = current.get().progress();
        if progress.aborted {
            return Err(names::error(py, "LinkException", "[-11]: the sender has given the message up"));
        }
        progress.fetch(&mut lock(&self.engine), limit);
        if progress.payload.is_empty() {
            return Ok(if progress.complete { None } else { Some(PyByteArray::new(py, &[])) });
        }
        let count = limit.min(progress.payload.len());
        Ok(Some(PyByteArray::new(py, &progress.payload.split_to(count))))
    }

    /// The tag of the next delivery: of `tag_generator`, or else numbers.
    fn _delivery_tag<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match slf.get().tags.get(py) {
            Some(tags) => names::next(&tags),
            None => Ok(PyString::new(py, &slf.get().next_number().to_string()).into_any()),
        }
    }

    /// The iterator that makes the tags, if the program has given one.
    #[getter]
    fn tag_generator<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.tags.get(py).ok_or_else(|| no_attribute("tag_generator"))
    }

    #[setter]
    fn set_tag_generator(&self, tags: Option<Bound<'_, PyAny>>) {
        self.tags.set(tags);
    }

    /// Sends a message, or adds bytes to the one that is written.
    #[pyo3(signature = (obj, tag=None))]
    fn _send<'py>(
        slf: &Bound<'py, Self>,
        obj: &Bound<'py, PyAny>,
        tag: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().check(py)?;
        if let Ok(message) = obj.cast_exact::<Message>() {
            return Message::send(message, slf.as_any(), tag);
        }
        match obj.getattr_opt(pyo3::intern!(py, "send"))? {
            Some(send) => {
                let keywords = PyDict::new(py);
                keywords.set_item("tag", tag)?;
                send.call((slf,), Some(&keywords))
            }
            None => slf.call_method_out(pyo3::intern!(py, "stream"), (obj,)),
        }
    }

    /// Gives the peer credit for so many more messages.
    fn _flow(slf: &Bound<'_, Self>, count: u32) -> PyResult<()> {
        slf.get().check(slf.py())?;
        Self::give_credit(slf, count);
        Ok(())
    }

    fn _drain(slf: &Bound<'_, Self>, count: u32) -> PyResult<()> {
        let this = slf.get();
        this.check(slf.py())?;
        if count > 0 {
            Self::give_credit(slf, count);
        }
        this.traffic().drain_asked = true;
        if let Some(mut link) = lock(&this.engine).link(this.id) {
            link.drain();
        }
        this.connection.get().after(slf.py())
    }

    /// Whether credit is still to be used up by the peer.
    fn _draining(&self) -> bool {
        let waiting = self.traffic().waiting.len() as i64;
        self.credit_now() > waiting && lock(&self.engine).link(self.id).is_some_and(|link| link.is_draining())
    }

    /// A sender: gives back the credit that it has no messages for. A receiver: how much was given back since the last call.
    fn _drained(slf: &Bound<'_, Self>) -> PyResult<i64> {
        let this = slf.get();
        if !this.sender {
            return Ok(this.take_drained());
        }
        this.check(slf.py())?;
        if lock(&this.engine).link(this.id).is_some_and(|link| link.drain_requested()) {
            this.connection.get().flush(slf.py())?;
        }
        let returned = match lock(&this.engine).link(this.id) {
            Some(mut link) if link.drain_requested() => {
                let credit = link.credit().max(0);
                link.drained();
                credit
            }
            _ => 0,
        };
        if returned > 0 {
            this.connection.get().after(slf.py())?;
        }
        Ok(returned)
    }

    fn _offered(slf: &Bound<'_, Self>, count: u32) -> PyResult<()> {
        slf.get().check(slf.py())?;
        if let Some(mut link) = lock(&slf.get().engine).link(slf.get().id) {
            link.offered(count);
        }
        Ok(())
    }

    /// Opens our side, with all that the Attach says; the program may not be told.
    fn _open(
        slf: &Bound<'_, Self>,
        told: bool,
        source: TerminusParts,
        target: TerminusParts,
        modes: (u8, u8),
        max_message_size: u64,
        properties: Option<Vec<u8>>,
    ) -> PyResult<()> {
        let this = slf.get();
        this.check(slf.py())?;
        let (source, target) = (to_source(source)?, to_target(target)?);
        let properties = decode_map(properties)?;
        let mut fresh = false;
        if let Some(mut link) = lock(&this.engine).link(this.id) {
            fresh = link.local_state() == EndpointState::Uninit;
            if let Some(config) = link.config_mut() {
                config.source = source;
                config.target = target;
                config.snd_settle_mode = snd_settle_mode(modes.0);
                config.rcv_settle_mode =
                    if modes.1 == 1 { ReceiverSettleMode::Second } else { ReceiverSettleMode::First };
                config.max_message_size = max_message_size;
                config.properties = properties;
            }
            link.attach();
        }
        this.traffic().pre_settled = modes.0 == 1;
        let connection = this.connection.get();
        if fresh && told {
            Self::raise(slf, Kind::LinkLocalOpen);
            connection.modified(slf.py());
        }
        connection.pump(slf.py())
    }

    fn _close(slf: &Bound<'_, Self>, condition: Option<ConditionParts>) -> PyResult<()> {
        slf.get().check(slf.py())?;
        if slf.get().state() & 4 != 0 {
            return Ok(());
        }
        Self::over(slf, condition, true)
    }

    fn _detach(slf: &Bound<'_, Self>, condition: Option<ConditionParts>) -> PyResult<()> {
        slf.get().check(slf.py())?;
        if std::mem::replace(&mut slf.get().traffic().local_detached, true) {
            return Ok(());
        }
        Self::over(slf, condition, false)
    }

    fn _remote_condition(&self) -> Option<ConditionParts> {
        lock(&self.engine).link(self.id)?.remote_error().map(condition_parts)
    }

    /// What the peer's Attach says; None before it is here.
    fn _remote_attach(&self) -> Option<AttachParts> {
        let mut engine = lock(&self.engine);
        let link = engine.link(self.id)?;
        let attach = link.remote_attach()?;
        Some((
            attach.source.as_deref().map(source_parts),
            attach.target.as_deref().map(target_parts),
            attach.snd_settle_mode as u8,
            attach.rcv_settle_mode as u8,
            attach.max_message_size.unwrap_or(0),
            encode_map(attach.properties.as_ref()),
        ))
    }

    fn _free(&self) {
        let waiting = std::mem::take(&mut self.traffic().waiting);
        drop(waiting);
        if let Some(mut link) = lock(&self.engine).link(self.id) {
            link.free();
        }
        self.connection.get().forget_link(self.id);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_done() {
            return Ok(());
        }
        visit.call(&self.session)?;
        visit.call(&self.connection)?;
        self.handler.visit(&visit)?;
        self.tags.visit(&visit)?;
        let Ok(traffic) = self.traffic.try_lock() else { return Ok(()) };
        for delivery in &traffic.waiting {
            visit.call(delivery)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let waiting = std::mem::take(&mut self.traffic().waiting);
        drop(waiting);
        self.handler.set(None);
        self.tags.set(None);
    }
}
