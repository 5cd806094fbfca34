//! Connections, and what their engine says turned into events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use deuteron_codec::Error;
use deuteron_engine::{
    Connection, ConnectionConfig, DeliveryId, EndpointState, LinkId, SessionConfig, SessionId,
};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::calls::CallOut;
use crate::closed::Closed;
use crate::collector::Collector;
use crate::delivery::Delivery;
use crate::event::Kind;
use crate::link::{LinkCore, LinkKey};
use crate::names::{self, Made, Slot, lock};
use crate::registry::Registry;
use crate::session::SessionCore;
use crate::state::{
    ConditionParts, condition_parts, decode_map, decode_symbols, encode_map, encode_symbols, endpoint_state,
    fits, to_error,
};

/// What Python's `Connection` is built on.
#[pyclass(subclass, dict, weakref, module = "proton", frozen)]
pub(crate) struct ConnectionCore {
    pub(crate) made: Made,
    pub(crate) engine: Arc<Mutex<Connection>>,
    pub(crate) objects: Mutex<Objects>,
    pub(crate) handler: Slot,
    /// Links and sessions whose objects are no more. Nothing else is done while it is locked: objects may end anywhere.
    pub(crate) gone: Mutex<Closed>,
}

/// The Python objects of a connection: one for each session, link and delivery that lives.
#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) collector: Option<Py<Collector>>,
    pub(crate) transport: Option<Py<PyAny>>,
    pub(crate) sessions: Registry<SessionId>,
    pub(crate) links: Registry<LinkId>,
    pub(crate) deliveries: HashMap<DeliveryId, Py<Delivery>>,
    /// What the engine is told at the end of the turn, in the order in which the program did it.
    late: Vec<Late>,
    /// Ends that the peer is told of then.
    pub(crate) endings: Vec<Ending>,
    /// What has ended on one side at least.
    pub(crate) closed: Closed,
}

/// The end of our side of something.
pub(crate) enum Ending {
    Link { id: LinkId, closed: bool, error: Option<Error> },
    Session(SessionId, Option<Error>),
    Connection(Option<Error>),
}

impl Ending {
    fn happen(self, engine: &mut Connection) {
        match self {
            Self::Link { id, closed, error } => match engine.link(id) {
                Some(mut link) if closed => link.close(error),
                Some(mut link) => link.detach(error),
                None => {}
            },
            Self::Session(id, error) => {
                if let Some(mut session) = engine.session(id) {
                    session.end(error);
                }
            }
            Self::Connection(error) => engine.close(error),
        }
    }
}

/// The state of our side, which may be over although the engine does not know yet.
pub(crate) fn over(ended: bool, state: EndpointState) -> EndpointState {
    if ended { EndpointState::Closed } else { state }
}

/// Something that is put off until the end of the turn.
enum Late {
    /// Some of a message that is still being written.
    Part(Py<Delivery>),
    /// A message that was written and is not with the engine yet, or not wholly.
    Send(Py<Delivery>),
    /// A delivery with a new state.
    Tell(Py<Delivery>),
}

impl Late {
    fn delivery(&self) -> &Py<Delivery> {
        let (Self::Part(delivery) | Self::Send(delivery) | Self::Tell(delivery)) = self;
        delivery
    }
}

/// What the peer's Open says: container, hostname, and encoded: offered and desired capabilities, properties.
type OpenParts = (String, Option<String>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

impl ConnectionCore {
    pub(crate) fn engine(&self) -> Arc<Mutex<Connection>> {
        self.engine.clone()
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Connection) -> R) -> R {
        work(&mut lock(&self.engine))
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        lock(&self.objects)
    }

    pub(crate) fn transport<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.objects().transport.as_ref().map(|transport| transport.bind(py).clone())
    }

    pub(crate) fn set_transport(&self, transport: Option<Py<PyAny>>) {
        let old = std::mem::replace(&mut self.objects().transport, transport);
        drop(old);
    }

    fn collector<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Collector>> {
        self.objects().collector.as_ref().map(|collector| collector.bind(py).clone())
    }

    pub(crate) fn raise(&self, py: Python<'_>, kind: Kind, context: &Bound<'_, PyAny>) {
        if let Some(collector) = self.collector(py) {
            collector.get().raise(kind, context);
        }
    }

    /// An error if this thread may not use the connection now: to be called before anything is changed.
    pub(crate) fn check(&self, py: Python<'_>) -> PyResult<()> {
        match &self.objects().collector {
            Some(collector) => collector.get().owner.check(py),
            None => Ok(()),
        }
    }

    /// There may be something to write: an event about the transport says so, unless the last one does.
    pub(crate) fn modified(&self, py: Python<'_>) {
        let objects = self.objects();
        if let (Some(collector), Some(transport)) = (&objects.collector, &objects.transport) {
            collector.get().raise_transport(transport.bind(py));
        }
    }

    /// To be called after each command: its events, and the notice that there is something to write.
    pub(crate) fn after(&self, py: Python<'_>) -> PyResult<()> {
        self.pump(py)?;
        self.modified(py);
        Ok(())
    }

    pub(crate) fn send_later(&self, delivery: &Bound<'_, Delivery>) {
        self.objects().late.push(Late::Send(delivery.clone().unbind()));
    }

    pub(crate) fn send_part_later(&self, delivery: &Bound<'_, Delivery>) {
        self.objects().late.push(Late::Part(delivery.clone().unbind()));
    }

    pub(crate) fn tell_later(&self, delivery: &Bound<'_, Delivery>) {
        self.objects().late.push(Late::Tell(delivery.clone().unbind()));
    }

    /// Hands to the engine what was put off until the end of the turn: messages, and states of deliveries.
    pub(crate) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let late = std::mem::take(&mut self.objects().late);
        for item in late {
            match item {
                Late::Part(delivery) => self.send_part_now(py, delivery)?,
                Late::Send(delivery) => self.send_now(py, delivery)?,
                Late::Tell(delivery) => delivery.get().tell(py)?,
            }
        }
        let endings = {
            let mut objects = self.objects();
            let endings = std::mem::take(&mut objects.endings);
            for ending in &endings {
                match ending {
                    Ending::Link { id, .. } => objects.closed.link(*id),
                    Ending::Session(id, _) => objects.closed.session(*id),
                    Ending::Connection(_) => {}
                }
            }
            endings
        };
        self.with(|engine| {
            for ending in endings {
                ending.happen(engine);
            }
        });
        self.let_go_of_closed(py)
    }

    fn send_now(&self, py: Python<'_>, delivery: Py<Delivery>) -> PyResult<()> {
        let link = delivery.get().link(py);
        let link = link.cast::<LinkCore>()?;
        let begun = delivery.get().id().is_some();
        if !begun {
            link.get().sent_one();
        }
        if delivery.get().progress().aborted {
            return Ok(());
        }
        delivery.get().send(py)?;
        // One that has to wait for credit is told by the flow that brings it.
        if self.with(|engine| engine.link(link.get().id()).is_none_or(|link| link.queued() == 0)) {
            self.raise(py, Kind::LinkFlow, link.as_any());
        }
        let progress = delivery.get().progress();
        if let (Some(id), false, false) = (progress.id, progress.locally_settled, begun) {
            drop(progress);
            self.objects().deliveries.insert(id, delivery);
        }
        Ok(())
    }

    fn send_part_now(&self, py: Python<'_>, delivery: Py<Delivery>) -> PyResult<()> {
        let begun = delivery.get().send_part(py)?;
        if delivery.get().was_sent() || delivery.get().progress().aborted {
            // There is room for more.
            self.raise(py, Kind::LinkFlow, &delivery.get().link(py));
        }
        let Some(id) = begun else { return Ok(()) };
        if !delivery.get().progress().locally_settled {
            self.objects().deliveries.insert(id, delivery);
        }
        Ok(())
    }

    /// An end that is told at the end of the turn, behind all that was sent and decided before.
    pub(crate) fn end_later(&self, ending: Ending) {
        self.objects().endings.push(ending);
    }

    /// Whether an end waits to be told.
    pub(crate) fn is_ending(&self, which: impl Fn(&Ending) -> bool) -> bool {
        self.objects().endings.iter().any(which)
    }

    pub(crate) fn forget_delivery(&self, id: DeliveryId) {
        let gone = self.objects().deliveries.remove(&id);
        drop(gone);
    }

    pub(crate) fn forget_deliveries_of(&self, link: &Bound<'_, LinkCore>) {
        let mut gone = Vec::new();
        self.objects().deliveries.retain(|_, delivery| {
            let stays = !delivery.get().is_of(link);
            if !stays {
                gone.push(delivery.clone_ref(link.py()));
            }
            stays
        });
        drop(gone);
    }

    /// Those of a link that the engine knows of, or will at the end of the turn.
    pub(crate) fn deliveries_of<'py>(&self, link: &Bound<'py, LinkCore>) -> Vec<Bound<'py, Delivery>> {
        let objects = self.objects();
        let all = objects.deliveries.values().chain(objects.late.iter().map(Late::delivery));
        let of_link = all.filter(|delivery| delivery.get().is_of(link));
        of_link.map(|delivery| delivery.bind(link.py()).clone()).collect()
    }

    pub(crate) fn add_link<'py>(
        &self,
        session: &Bound<'py, SessionCore>,
        id: LinkId,
        sender: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = session.py();
        let class = names::get(py, if sender { "Sender" } else { "Receiver" })?;
        let link = class.call_out((session, Py::new(py, LinkKey(id, sender))?))?;
        self.objects().links.add(id, link.clone().unbind());
        Ok(link)
    }

    /// The wire goes: so does all credit, and what was under way on it.
    pub(crate) fn unbound(&self, py: Python<'_>, now: Instant) -> PyResult<()> {
        let links = self.objects().links.all(py);
        for link in links {
            link.bind(py).cast::<LinkCore>()?.get().unbound();
        }
        self.with(|engine| engine.unbind(None, now));
        self.pump(py)
    }
}

#[pymethods]
impl ConnectionCore {
    #[new]
    fn new() -> Self {
        let config = ConnectionConfig {
            handshake_timeout: None,
            begin_timeout: None,
            attach_timeout: None,
            detach_timeout: None,
            close_timeout: None,
            idle_timeout: None::<Duration>,
            ..ConnectionConfig::default()
        };
        Self {
            made: Made::YES,
            engine: Arc::new(Mutex::new(Connection::new(config))),
            objects: Mutex::default(),
            handler: Slot::default(),
            gone: Mutex::default(),
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

    /// Puts all that was said about deliveries before what is sent next: a discharge shall not overtake it.
    fn _tell_now(&self, py: Python<'_>) -> PyResult<()> {
        self.check(py)?;
        self.flush(py)?;
        self.with(Connection::flush_dispositions);
        Ok(())
    }

    /// The bits of both sides' states.
    #[getter]
    pub(crate) fn state(&self) -> u32 {
        let ended = self.objects().endings.iter().any(|ending| matches!(ending, Ending::Connection(_)));
        self.with(|engine| endpoint_state(over(ended, engine.local_state()), engine.remote_state()))
    }

    /// The transport that the connection is bound to, if any.
    #[getter(transport)]
    fn py_transport<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.transport(py)
    }

    /// Puts the connection's events into a collector from now on; None for none.
    fn _collect(slf: &Bound<'_, Self>, collector: Option<Bound<'_, Collector>>) {
        let fresh = collector.is_some();
        let old = std::mem::replace(&mut slf.get().objects().collector, collector.map(Bound::unbind));
        drop(old);
        if fresh {
            slf.get().raise(slf.py(), Kind::ConnectionInit, slf.as_any());
        }
    }

    /// Opens our side, with all that the Open says; the program may not be told.
    fn _open(
        slf: &Bound<'_, Self>,
        told: bool,
        container_id: String,
        hostname: Option<String>,
        offered: Option<Vec<u8>>,
        desired: Option<Vec<u8>>,
        properties: Option<Vec<u8>>,
    ) -> PyResult<()> {
        let this = slf.get();
        this.check(slf.py())?;
        let (offered, desired) = (decode_symbols(offered)?, decode_symbols(desired)?);
        let properties = decode_map(properties)?;
        let fresh = this.with(|engine| {
            let fresh = !engine.local_state().is_open();
            let config = engine.config_mut();
            config.container_id = container_id;
            config.hostname = hostname;
            config.offered_capabilities = offered;
            config.desired_capabilities = desired;
            config.properties = properties;
            engine.open();
            fresh
        });
        if fresh && told {
            this.raise(slf.py(), Kind::ConnectionLocalOpen, slf.as_any());
            this.modified(slf.py());
        }
        this.pump(slf.py())
    }

    fn _set_hostname(&self, hostname: Option<String>) {
        self.with(|engine| engine.config_mut().hostname = hostname);
    }

    fn _close(slf: &Bound<'_, Self>, condition: Option<ConditionParts>) -> PyResult<()> {
        let this = slf.get();
        this.check(slf.py())?;
        if this.state() & 4 != 0 {
            return Ok(());
        }
        this.end_later(Ending::Connection(condition.map(to_error).transpose()?));
        this.raise(slf.py(), Kind::ConnectionLocalClose, slf.as_any());
        this.after(slf.py())
    }

    fn _remote_condition(&self) -> Option<ConditionParts> {
        self.with(|engine| engine.remote_error().map(condition_parts))
    }

    /// What the peer's Open says; None before it is here.
    fn _remote_open(&self) -> Option<OpenParts> {
        self.with(|engine| {
            let open = engine.remote_open()?;
            Some((
                open.container_id.clone(),
                open.hostname.clone(),
                encode_symbols(&open.offered_capabilities),
                encode_symbols(&open.desired_capabilities),
                encode_map(open.properties.as_ref()),
            ))
        })
    }

    /// A new session.
    fn _session<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().check(slf.py())?;
        let config = SessionConfig { incoming_capacity: usize::MAX, ..SessionConfig::default() };
        let id = slf.get().with(|engine| engine.create_session(config));
        slf.get().add_session(slf, id)
    }

    /// The sessions in the given state, the oldest first.
    fn _sessions<'py>(&self, py: Python<'py>, mask: u32) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let all: Vec<_> =
            self.objects().sessions.objects.values().map(|object| object.bind(py).clone()).collect();
        let mut fitting = Vec::new();
        for object in all {
            if fits(object.cast::<SessionCore>()?.get().state(), mask) {
                fitting.push(object);
            }
        }
        Ok(fitting)
    }

    /// The links in the given state, the oldest first.
    fn _links<'py>(&self, py: Python<'py>, mask: u32) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let all: Vec<_> =
            self.objects().links.objects.values().map(|object| object.bind(py).clone()).collect();
        let mut fitting = Vec::new();
        for object in all {
            if fits(object.cast::<LinkCore>()?.get().state(), mask) {
                fitting.push(object);
            }
        }
        Ok(fitting)
    }

    /// Lets go of all that belongs to the connection.
    fn _free(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let objects = std::mem::take(&mut *slf.get().objects());
        if let Some(collector) = &objects.collector {
            let collector = collector.get();
            for link in objects.links.objects.values() {
                collector.raise(Kind::LinkFinal, link.bind(py));
            }
            for session in objects.sessions.objects.values() {
                collector.raise(Kind::SessionFinal, session.bind(py));
            }
            collector.raise(Kind::ConnectionFinal, slf.as_any());
        }
        drop(objects);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_done() {
            return Ok(());
        }
        self.handler.visit(&visit)?;
        let Ok(objects) = self.objects.try_lock() else { return Ok(()) };
        visit.call(&objects.collector)?;
        visit.call(&objects.transport)?;
        for object in objects.sessions.objects.values().chain(objects.links.objects.values()) {
            visit.call(object)?;
        }
        for delivery in objects.deliveries.values().chain(objects.late.iter().map(Late::delivery)) {
            visit.call(delivery)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let objects = std::mem::take(&mut *self.objects());
        drop(objects);
    }
}
