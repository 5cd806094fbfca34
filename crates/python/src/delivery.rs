//! Deliveries: messages on their way, and what becomes of them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use deuteron_codec::{DeliveryState, DeliveryTag};
use deuteron_engine::{Connection, DeliveryId, LinkMut, SendOptions, UsageError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::calls::CallOut;
use crate::event::no_attribute;
use crate::link::LinkCore;
use crate::names::{self, Made, Slot, lock};
use crate::progress::Progress;
use crate::state::{self, RemoteParts, remote_parts};

/// A message on its way. Attributes that a program sets on it stay for as long as the delivery does.
#[pyclass(dict, weakref, module = "proton._delivery", frozen)]
pub(crate) struct Delivery {
    made: Made,
    link: Py<PyAny>,
    engine: Arc<Mutex<Connection>>,
    outgoing: bool,
    tag: Vec<u8>,
    progress: Mutex<Progress>,
    pub(crate) handler: Slot,
}

impl Delivery {
    pub(crate) fn new(
        link: &Bound<'_, PyAny>,
        engine: Arc<Mutex<Connection>>,
        outgoing: bool,
        tag: Vec<u8>,
        id: Option<DeliveryId>,
    ) -> Self {
        Self {
            made: Made::YES,
            link: link.clone().unbind(),
            engine,
            outgoing,
            tag,
            progress: Mutex::new(Progress { id, ..Progress::default() }),
            handler: Slot::default(),
        }
    }

    pub(crate) fn link<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.link.bind(py).clone()
    }

    pub(crate) fn is_of(&self, link: &Bound<'_, LinkCore>) -> bool {
        self.link.is(link)
    }

    pub(crate) fn core<'py>(&'py self, py: Python<'py>) -> PyResult<&'py Bound<'py, LinkCore>> {
        Ok(self.link.bind(py).cast::<LinkCore>()?)
    }

    pub(crate) fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    pub(crate) fn id(&self) -> Option<DeliveryId> {
        self.progress().id
    }

    /// The engine has news of the peer's state.
    pub(crate) fn refresh(&self, engine: &mut Connection) {
        let mut progress = self.progress();
        let Some(id) = progress.id else { return };
        let Some(delivery) = engine.delivery(id) else { return };
        progress.remote = delivery.remote_state().cloned();
        progress.peer_settled = delivery.remotely_settled();
        progress.updated = true;
    }

    /// What the transfer says of the state: that of `update`, if it was called before the message left.
    fn first_state(&self, py: Python<'_>) -> PyResult<Option<DeliveryState>> {
        let (code, due) = {
            let mut progress = self.progress();
            (progress.local_state, std::mem::take(&mut progress.due))
        };
        if due { self.to_state(py, code) } else { Ok(None) }
    }

    /// Hands a message that was written to the engine, or the rest of it. An error is what the peer would not take.
    pub(crate) fn send(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(id) = self.id() {
            self.give_part(id);
            if let Some(mut delivery) = lock(&self.engine).delivery(id) {
                // It may have been lost with its wire.
                let _ = delivery.finish();
            }
            return Ok(());
        }
        let options = self.options(py)?;
        let bytes = std::mem::take(&mut self.progress().bytes);
        let payload = deuteron_engine::Payload::Bytes(Bytes::from(bytes));
        self.begin(py, options, |mut link, options| link.send(payload, options))?;
        Ok(())
    }

    /// Hands what there is of a message to the engine. The id that the engine gives to one that has just begun.
    pub(crate) fn send_part(&self, py: Python<'_>) -> PyResult<Option<DeliveryId>> {
        let begun = {
            let mut progress = self.progress();
            progress.part_due = false;
            if progress.advanced || progress.aborted || progress.bytes.is_empty() {
                return Ok(None);
            }
            progress.id
        };
        if let Some(id) = begun {
            self.give_part(id);
            return Ok(None);
        }
        let options = self.options(py)?;
        let id = self.begin(py, options, |mut link, options| link.start(options))?;
        if let Some(id) = id {
            self.give_part(id);
        }
        Ok(id)
    }

    /// Whether any of it has gone out.
    pub(crate) fn was_sent(&self) -> bool {
        let Some(id) = self.id() else { return false };
        lock(&self.engine).delivery(id).is_some_and(|delivery| delivery.was_sent())
    }

    pub(crate) fn is_outgoing(&self) -> bool {
        self.outgoing
    }

    /// Whether we have settled it.
    pub(crate) fn is_settled(&self) -> bool {
        self.progress().locally_settled
    }

    fn give_part(&self, id: DeliveryId) {
        let bytes = std::mem::take(&mut self.progress().bytes);
        if let Some(mut delivery) = lock(&self.engine).delivery(id) {
            // As above.
            let _ = delivery.stream(Bytes::from(bytes));
        }
    }

    fn options(&self, py: Python<'_>) -> PyResult<SendOptions> {
        let state = self.first_state(py)?;
        let settled = self.progress().locally_settled.then_some(true);
        Ok(SendOptions { tag: DeliveryTag::new(&self.tag), settled, state, ..SendOptions::default() })
    }

    /// Makes it known to the engine, if the link still is.
    fn begin(
        &self,
        py: Python<'_>,
        options: SendOptions,
        command: impl FnOnce(LinkMut<'_>, SendOptions) -> Result<DeliveryId, UsageError>,
    ) -> PyResult<Option<DeliveryId>> {
        let settled = options.settled.is_some();
        let link = self.core(py)?.get().id();
        let mut engine = lock(&self.engine);
        let Some(link) = engine.link(link) else { return Ok(None) };
        match command(link, options) {
            Ok(id) => {
                if settled && let Some(mut delivery) = engine.delivery(id) {
                    delivery.settle();
                }
                self.progress().id = Some(id);
                Ok(Some(id))
            }
            Err(why) => {
                drop(engine);
                Err(names::error(py, "LinkException", why.to_string()))
            }
        }
    }

    /// Whether the engine has been told of it.
    pub(crate) fn is_known(&self) -> bool {
        self.progress().id.is_some()
    }

    /// Tells the peer what `update` said.
    pub(crate) fn tell(&self, py: Python<'_>) -> PyResult<()> {
        let (id, code, due) = {
            let mut progress = self.progress();
            (progress.id, progress.local_state, std::mem::take(&mut progress.due))
        };
        let (Some(id), true) = (id, due) else { return Ok(()) };
        if let Some(state) = self.to_state(py, code)?
            && let Some(mut delivery) = lock(&self.engine).delivery(id)
        {
            delivery.update(state);
        }
        Ok(())
    }

    /// The state that the peer has given, as a number; 0 for none.
    pub(crate) fn peer_state(&self) -> u64 {
        self.progress().remote.as_ref().map_or(0, state::code)
    }

    pub(crate) fn settle_as(&self, py: Python<'_>, state: Option<u64>) -> PyResult<()> {
        if let Some(code) = state {
            let mut progress = self.progress();
            progress.local_state = code;
            progress.given = None;
            progress.due = true;
        }
        self.settle_now(py)
    }

    fn settle_now(&self, py: Python<'_>) -> PyResult<()> {
        let (id, code, due) = {
            let mut progress = self.progress();
            if std::mem::replace(&mut progress.locally_settled, true) {
                return Ok(());
            }
            let due = progress.due && progress.id.is_some();
            progress.due &= !due;
            (progress.id, progress.local_state, due)
        };
        let link = self.core(py)?;
        if let Some(id) = id {
            let state = if due { self.to_state(py, code)? } else { None };
            if let Some(mut delivery) = lock(&self.engine).delivery(id) {
                delivery.disposition(state, true);
            }
            link.get().connection().get().forget_delivery(id);
        }
        link.get().settled_one();
        link.get().connection().get().modified(py);
        Ok(())
    }
}

#[pymethods]
impl Delivery {
    #[classattr]
    const RECEIVED: u64 = state::RECEIVED;
    #[classattr]
    const ACCEPTED: u64 = state::ACCEPTED;
    #[classattr]
    const REJECTED: u64 = state::REJECTED;
    #[classattr]
    const RELEASED: u64 = state::RELEASED;
    #[classattr]
    const MODIFIED: u64 = state::MODIFIED;

    /// The tag that names the delivery on its link.
    #[getter]
    fn tag(&self) -> PyResult<String> {
        Ok(String::from_utf8(self.tag.clone())?)
    }

    #[getter]
    fn _tag(&self) -> Vec<u8> {
        self.tag.clone()
    }

    /// The handler of its events where neither the link nor what is around it has one.
    #[getter(handler)]
    fn py_handler<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.handler.get(py).ok_or_else(|| no_attribute("handler"))
    }

    #[setter]
    fn set_handler(&self, handler: Option<Bound<'_, PyAny>>) {
        self.handler.set(handler);
    }

    /// The link that the delivery belongs to.
    #[getter(link)]
    fn py_link<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.link(py)
    }

    /// The session that the delivery belongs to.
    #[getter]
    fn session<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.core(py)?.get().session(py))
    }

    /// The connection that the delivery belongs to.
    #[getter]
    fn connection(&self, py: Python<'_>) -> PyResult<Py<crate::connection::ConnectionCore>> {
        Ok(self.core(py)?.get().connection().clone_ref(py))
    }

    /// The transport that the delivery's connection is bound to, if any.
    #[getter]
    fn transport<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.core(py)?.get().connection().get().transport(py))
    }

    /// Whether a message is written into this delivery now: the current one of a sender that has credit.
    #[getter]
    fn writable(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let this = slf.get();
        Ok(this.outgoing
            && this.core(slf.py())?.get().is_current(slf)
            && this.core(slf.py())?.get().credit_now() > 0)
    }

    /// Whether a message can be read from this delivery now: the current one of a receiver.
    #[getter]
    fn readable(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let this = slf.get();
        Ok(!this.outgoing && this.core(slf.py())?.get().is_current(slf))
    }

    /// Whether the peer has given it a state, or settled it.
    #[getter]
    fn updated(&self) -> bool {
        self.progress().updated
    }

    /// Whether the message is not here whole.
    #[getter]
    fn partial(&self) -> bool {
        let progress = self.progress();
        !progress.complete && !progress.aborted
    }

    /// Whether the sender has given the message up.
    #[getter]
    fn aborted(&self) -> bool {
        self.progress().aborted
    }

    /// The bytes of the message that wait to be read, or to be sent.
    #[getter]
    fn pending(&self) -> usize {
        let (id, waiting) = {
            let progress = self.progress();
            (progress.id, progress.bytes.len() + progress.payload.len())
        };
        let more = id.and_then(|id| lock(&self.engine).delivery(id).map(|delivery| delivery.pending()));
        waiting + more.unwrap_or(0)
    }

    /// Whether the peer has settled the delivery.
    #[getter]
    fn settled(&self) -> bool {
        self.progress().peer_settled
    }

    /// The state that we have given, as a number; 0 for none.
    #[getter]
    fn _local_state(&self) -> u64 {
        self.progress().local_state
    }

    /// The state that the peer has given, as a number; 0 for none.
    #[getter]
    fn _remote_state(&self) -> u64 {
        self.peer_state()
    }

    /// The state that we have given: ACCEPTED and so on; 0 for none.
    #[getter]
    fn local_state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        state::kind_of_state(py, self._local_state())
    }

    /// The state that the peer has given: ACCEPTED and so on; 0 for none.
    #[getter]
    fn remote_state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        state::kind_of_state(py, self._remote_state())
    }

    /// What is said along with our state.
    #[getter]
    fn local(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        if let Some(local) = &slf.get().progress().local {
            return Ok(local.clone_ref(py));
        }
        let local = names::get(py, "LocalDisposition")?.call_out((slf,))?.unbind();
        slf.get().progress().local = Some(local.clone_ref(py));
        Ok(local)
    }

    #[setter]
    fn set_local(&self, disposition: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.put_local(disposition)
    }

    /// What the peer said along with its state.
    #[getter]
    fn remote(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Ok(names::get(slf.py(), "RemoteDisposition")?.call_out((slf,))?.unbind())
    }

    fn _remote_parts(&self) -> RemoteParts {
        remote_parts(self.progress().remote.as_ref())
    }

    /// Gives the delivery a state: a number, or a disposition; by default what is on `local`.
    #[pyo3(signature = (state=None))]
    fn update(slf: &Bound<'_, Self>, state: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let this = slf.get();
        this.core(slf.py())?.get().check(slf.py())?;
        if this.progress().locally_settled {
            return Ok(());
        }
        let number = this.chosen(state)?;
        Self::set_state(slf, number)
    }

    /// The next younger delivery of the link that is not settled by us.
    #[getter]
    fn unsettled_next<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, Self>>> {
        let this = slf.get();
        let number = this.progress().number;
        let others = LinkCore::unsettled_now(this.link(slf.py()).cast::<LinkCore>()?);
        Ok(others.into_iter().find(|other| other.get().progress().number > number))
    }

    /// Settles the delivery: whatever it has come to, nothing more will be said about it.
    pub(crate) fn settle(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let link = slf.get().core(py)?;
        link.get().check(py)?;
        // As in Proton: who settles is done with it.
        if !slf.get().progress().locally_settled && link.get().is_current(slf) {
            LinkCore::advance(link)?;
        }
        slf.get().settle_now(py)
    }

    /// Gives up a message that is not written whole, and settles.
    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        this.core(slf.py())?.get().check(slf.py())?;
        let id = {
            let mut progress = this.progress();
            if progress.locally_settled {
                return Ok(());
            }
            progress.aborted = true;
            progress.bytes.clear();
            progress.id
        };
        let link = this.core(slf.py())?.get();
        link.give_up(slf);
        if this.outgoing {
            link.connection().get().send_part_later(slf);
        }
        if let Some(id) = id
            && let Some(mut delivery) = lock(&this.engine).delivery(id)
        {
            // One that is wholly on the wire is settled, no more.
            let _ = delivery.abort();
        }
        this.settle_now(slf.py())
    }

    fn __getattr__(&self, name: &str) -> PyResult<Py<PyAny>> {
        Err(no_attribute(name))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_done() {
            return Ok(());
        }
        visit.call(&self.link)?;
        self.handler.visit(&visit)?;
        match self.progress.try_lock() {
            Ok(progress) => visit.call(&progress.local),
            Err(_) => Ok(()),
        }
    }
}
