//! Connections, and what their engine says turned into events.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use deuteron_engine::{Connection, ConnectionConfig, DeliveryId, Event, LinkId, SessionConfig, SessionId};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::delivery::Delivery;
use crate::event::{Collector, Kind};
use crate::link::{LinkCore, LinkKey};
use crate::names::{self, lock};
use crate::session::{SessionCore, SessionKey};
use crate::state::{
    ConditionParts, condition_parts, decode_map, decode_symbols, encode_map, encode_symbols, endpoint_state,
    fits, to_error,
};
use crate::transport::TransportCore;

/// What Python's `Connection` is built on.
#[pyclass(subclass, dict, weakref, module = "proton", frozen)]
pub(crate) struct ConnectionCore {
    engine: Arc<Mutex<Connection>>,
    objects: Mutex<Objects>,
}

/// The Python objects of a connection: one for each session, link and delivery that lives.
#[derive(Default)]
struct Objects {
    collector: Option<Py<Collector>>,
    transport: Option<Py<PyAny>>,
    sessions: Registry<SessionId>,
    links: Registry<LinkId>,
    deliveries: HashMap<DeliveryId, Py<Delivery>>,
    /// Messages that were written and are not with the engine yet.
    outbox: Vec<Py<Delivery>>,
    /// Deliveries whose new state the peer is told at the end of the turn.
    untold: Vec<Py<Delivery>>,
}

/// Objects by their ids, in the order in which they were made.
struct Registry<Id> {
    numbers: HashMap<Id, u64>,
    objects: BTreeMap<u64, Py<PyAny>>,
    next: u64,
}

impl<Id> Default for Registry<Id> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), objects: BTreeMap::new(), next: 0 }
    }
}

impl<Id: Hash + Eq> Registry<Id> {
    fn add(&mut self, id: Id, object: Py<PyAny>) {
        self.numbers.insert(id, self.next);
        self.objects.insert(self.next, object);
        self.next += 1;
    }

    fn get<'py>(&self, py: Python<'py>, id: &Id) -> Option<Bound<'py, PyAny>> {
        Some(self.objects.get(self.numbers.get(id)?)?.bind(py).clone())
    }

    fn remove(&mut self, id: &Id) -> Option<Py<PyAny>> {
        self.objects.remove(&self.numbers.remove(id)?)
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

    fn objects(&self) -> MutexGuard<'_, Objects> {
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

    /// There may be something to write: the transport's next event says so.
    pub(crate) fn modified(&self, py: Python<'_>) {
        let Some(transport) = self.transport(py) else { return };
        if let Ok(core) = transport.cast::<TransportCore>()
            && core.get().note_modified()
        {
            self.raise(py, Kind::Transport, &transport);
        }
    }

    /// To be called after each command: its events, and the notice that there is something to write.
    pub(crate) fn after(&self, py: Python<'_>) -> PyResult<()> {
        self.pump(py)?;
        self.modified(py);
        Ok(())
    }

    pub(crate) fn send_later(&self, delivery: &Bound<'_, Delivery>) {
        self.objects().outbox.push(delivery.clone().unbind());
    }

    pub(crate) fn tell_later(&self, delivery: &Bound<'_, Delivery>) {
        self.objects().untold.push(delivery.clone().unbind());
    }

    /// Hands to the engine what was put off until the end of the turn: messages, and states of deliveries.
    pub(crate) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let (outbox, untold) = {
            let mut objects = self.objects();
            (std::mem::take(&mut objects.outbox), std::mem::take(&mut objects.untold))
        };
        for delivery in outbox {
            let link = delivery.get().link(py);
            let link = link.cast::<LinkCore>()?;
            link.get().sent_one();
            if delivery.get().progress().aborted {
                continue;
            }
            delivery.get().send(py, false)?;
            self.raise(py, Kind::LinkFlow, link.as_any());
            let progress = delivery.get().progress();
            if let (Some(id), false) = (progress.id, progress.settled) {
                drop(progress);
                self.objects().deliveries.insert(id, delivery);
            }
        }
        for delivery in untold {
            delivery.get().tell(py)?;
        }
        Ok(())
    }

    pub(crate) fn forget_delivery(&self, _py: Python<'_>, id: DeliveryId) {
        let gone = self.objects().deliveries.remove(&id);
        drop(gone);
    }

    pub(crate) fn forget_link(&self, _py: Python<'_>, id: LinkId) {
        let gone = self.objects().links.remove(&id);
        drop(gone);
    }

    pub(crate) fn forget_session(&self, _py: Python<'_>, id: SessionId) {
        let gone = self.objects().sessions.remove(&id);
        drop(gone);
    }

    pub(crate) fn add_link<'py>(
        &self,
        session: &Bound<'py, SessionCore>,
        id: LinkId,
        sender: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = session.py();
        let class = names::get(py, if sender { "Sender" } else { "Receiver" })?;
        let link = class.call1((session, Py::new(py, LinkKey(id, sender))?))?;
        self.objects().links.add(id, link.clone().unbind());
        Ok(link)
    }

    /// The engine's events as the collector's.
    pub(crate) fn pump(&self, py: Python<'_>) -> PyResult<()> {
        loop {
            let event = lock(&self.engine).poll_event();
            let Some(event) = event else { return Ok(()) };
            self.on_event(py, event)?;
        }
    }

    fn on_event(&self, py: Python<'_>, event: Event) -> PyResult<()> {
        match event {
            Event::Delivered(id) | Event::DeliveryPartial(id) => {
                self.on_arrival(py, id, matches!(event, Event::Delivered(_)))
            }
            Event::DeliveryUpdated(id) => {
                let delivery = self.objects().deliveries.get(&id).map(|delivery| delivery.clone_ref(py));
                if let Some(delivery) = delivery {
                    delivery.get().refresh(&mut lock(&self.engine));
                    self.raise(py, Kind::Delivery, delivery.bind(py).as_any());
                }
                Ok(())
            }
            Event::DeliveryAborted(id) => {
                let delivery = self.objects().deliveries.get(&id).map(|delivery| delivery.clone_ref(py));
                if let Some(delivery) = delivery {
                    delivery.get().progress().aborted = true;
                    self.raise(py, Kind::Delivery, delivery.bind(py).as_any());
                }
                Ok(())
            }
            Event::DeliveryLost(id) => {
                self.forget_delivery(py, id);
                if let Some(mut delivery) = lock(&self.engine).delivery(id) {
                    delivery.forget();
                }
                Ok(())
            }
            Event::LinkFlow(id) => self.on_link(py, id, Kind::LinkFlow),
            Event::LinkDrained(id) => {
                if let Some(link) = self.objects().links.get(py, &id) {
                    link.cast::<LinkCore>()?.get().credit_drained();
                }
                self.on_link(py, id, Kind::LinkFlow)
            }
            Event::LinkAttached(id) => self.on_attach(py, id),
            Event::LinkDetached(id) => self.on_link(py, id, Kind::LinkRemoteDetach),
            Event::LinkClosed(id) => self.on_link(py, id, Kind::LinkRemoteClose),
            Event::SessionBegun(id) => {
                self.session_object(py, id)?;
                self.on_session(py, id, Kind::SessionRemoteOpen);
                Ok(())
            }
            Event::SessionEnded(id) => {
                self.on_session(py, id, Kind::SessionRemoteClose);
                Ok(())
            }
            Event::ConnectionOpened | Event::ConnectionClosed | Event::TransportError => {
                self.on_transport(py, event)
            }
            _ => Ok(()),
        }
    }

    fn on_transport(&self, py: Python<'_>, event: Event) -> PyResult<()> {
        let Some(transport) = self.transport(py) else { return Ok(()) };
        let core = transport.cast::<TransportCore>()?.get();
        match event {
            Event::ConnectionOpened => core.tell_connection(py, Kind::ConnectionRemoteOpen),
            Event::ConnectionClosed => {
                core.tell_connection(py, Kind::ConnectionRemoteClose);
                TransportCore::end_tail(transport.cast::<TransportCore>()?);
            }
            _ => {
                let failure =
                    lock(&self.engine).transport_failure().map(|failure| condition_parts(&failure.error));
                TransportCore::failed(transport.cast::<TransportCore>()?, failure);
            }
        }
        Ok(())
    }

    fn on_link(&self, py: Python<'_>, id: LinkId, kind: Kind) -> PyResult<()> {
        let link = self.objects().links.get(py, &id);
        if let Some(link) = link {
            self.raise(py, kind, &link);
        }
        Ok(())
    }

    fn on_attach(&self, py: Python<'_>, id: LinkId) -> PyResult<()> {
        let known = self.objects().links.get(py, &id);
        if known.is_none() {
            let (session, sender) = {
                let mut engine = lock(&self.engine);
                let Some(mut link) = engine.link(id) else { return Ok(()) };
                if let Some(config) = link.config_mut() {
                    config.partial_events = true;
                    config.auto_drained = false;
                    config.drain_timeout = None;
                    // What the peer asks for is a program's to answer.
                    (config.source, config.target) = (None, None);
                }
                (link.session(), link.role() == deuteron_codec::Role::Sender)
            };
            let Some(session) = session else { return Ok(()) };
            let session = self.session_object(py, session)?;
            let link = self.add_link(session.cast::<SessionCore>()?, id, sender)?;
            self.raise(py, Kind::LinkInit, &link);
        }
        self.on_link(py, id, Kind::LinkRemoteOpen)
    }

    fn on_session(&self, py: Python<'_>, id: SessionId, kind: Kind) {
        let session = self.objects().sessions.get(py, &id);
        if let Some(session) = session {
            self.raise(py, kind, &session);
        }
    }

    /// The object of a session; a new one, if the peer has begun it.
    fn session_object<'py>(&self, py: Python<'py>, id: SessionId) -> PyResult<Bound<'py, PyAny>> {
        if let Some(session) = self.objects().sessions.get(py, &id) {
            return Ok(session);
        }
        let transport = self.transport(py);
        let connection = match &transport {
            Some(transport) => transport.cast::<TransportCore>()?.get().bound_to(py),
            None => None,
        };
        let connection =
            connection.ok_or_else(|| names::error(py, "SessionException", "the connection is not bound"))?;
        self.add_session(&connection, id)
    }

    fn add_session<'py>(&self, connection: &Bound<'py, Self>, id: SessionId) -> PyResult<Bound<'py, PyAny>> {
        let py = connection.py();
        let session = names::get(py, "Session")?.call1((connection, Py::new(py, SessionKey(id))?))?;
        self.objects().sessions.add(id, session.clone().unbind());
        self.raise(py, Kind::SessionInit, &session);
        Ok(session)
    }

    fn on_arrival(&self, py: Python<'_>, id: DeliveryId, complete: bool) -> PyResult<()> {
        let known = self.objects().deliveries.get(&id).map(|delivery| delivery.clone_ref(py));
        let delivery = match known {
            Some(delivery) => delivery.into_bound(py),
            None => {
                let found = {
                    let mut engine = lock(&self.engine);
                    let delivery = engine.delivery(id);
                    delivery.and_then(|delivery| {
                        Some((delivery.link()?, delivery.tag(), delivery.remotely_settled()))
                    })
                };
                let Some((link_id, tag, settled)) = found else { return Ok(()) };
                let Some(link) = self.objects().links.get(py, &link_id) else { return Ok(()) };
                let tag = tag.as_slice().to_vec();
                let delivery =
                    Bound::new(py, Delivery::new(&link, self.engine.clone(), false, tag, Some(id)))?;
                delivery.get().progress().peer_settled = settled;
                link.cast::<LinkCore>()?.get().arrived(&delivery);
                self.objects().deliveries.insert(id, delivery.clone().unbind());
                delivery
            }
        };
        delivery.get().progress().complete = complete;
        self.raise(py, Kind::Delivery, delivery.as_any());
        Ok(())
    }

    /// The wire is gone: so is all credit, and what was under way on it.
    pub(crate) fn unbound(&self, py: Python<'_>) -> PyResult<()> {
        let links: Vec<_> = self.objects().links.objects.values().map(|link| link.clone_ref(py)).collect();
        for link in links {
            link.bind(py).cast::<LinkCore>()?.get().unbound();
        }
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
        Self { engine: Arc::new(Mutex::new(Connection::new(config))), objects: Mutex::default() }
    }

    /// The bits of both sides' states.
    #[getter]
    pub(crate) fn state(&self) -> u32 {
        self.with(|engine| endpoint_state(engine.local_state(), engine.remote_state()))
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

    /// Opens our side, with all that the Open says.
    fn _open(
        slf: &Bound<'_, Self>,
        container_id: String,
        hostname: Option<String>,
        offered: Option<Vec<u8>>,
        desired: Option<Vec<u8>>,
        properties: Option<Vec<u8>>,
    ) -> PyResult<()> {
        let this = slf.get();
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
        if fresh {
            this.raise(slf.py(), Kind::ConnectionLocalOpen, slf.as_any());
        }
        this.after(slf.py())
    }

    fn _set_hostname(&self, hostname: Option<String>) {
        self.with(|engine| engine.config_mut().hostname = hostname);
    }

    fn _close(slf: &Bound<'_, Self>, condition: Option<ConditionParts>) -> PyResult<()> {
        let this = slf.get();
        if this.state() & 4 != 0 {
            return Ok(());
        }
        this.flush(slf.py())?;
        let condition = condition.map(to_error).transpose()?;
        this.with(|engine| engine.close(condition));
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
        let Ok(objects) = self.objects.try_lock() else { return Ok(()) };
        visit.call(&objects.collector)?;
        visit.call(&objects.transport)?;
        for object in objects.sessions.objects.values().chain(objects.links.objects.values()) {
            visit.call(object)?;
        }
        for delivery in objects.deliveries.values().chain(&objects.outbox).chain(&objects.untold) {
            visit.call(delivery)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let objects = std::mem::take(&mut *self.objects());
        drop(objects);
    }
}
