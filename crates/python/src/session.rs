//! Sessions.

use std::sync::{Arc, Mutex};

use deuteron_codec::Role;
use deuteron_engine::{Connection, LinkConfig, SessionId};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::connection::{ConnectionCore, Ending, over};
use crate::event::Kind;
use crate::names::{Made, Slot, error, lock};
use crate::state::{ConditionParts, condition_parts, endpoint_state, to_error};

/// What Python's `Session` is built on.
#[pyclass(subclass, dict, weakref, module = "proton", frozen)]
pub(crate) struct SessionCore {
    made: Made,
    connection: Py<ConnectionCore>,
    engine: Arc<Mutex<Connection>>,
    id: SessionId,
    pub(crate) handler: Slot,
}

impl SessionCore {
    pub(crate) fn connection<'py>(&self, py: Python<'py>) -> Bound<'py, ConnectionCore> {
        self.connection.bind(py).clone()
    }
}

impl Drop for SessionCore {
    fn drop(&mut self) {
        lock(&self.connection.get().gone).session(self.id);
    }
}

/// What links leave to programs here, and take from peers.
pub(crate) fn link_as_in_proton(config: &mut LinkConfig) {
    config.partial_events = true;
    config.auto_drained = false;
    // RabbitMQ 3.10 needs it; the session's window is a bound.
    config.overdraft = u32::MAX;
    config.drain_timeout = None;
}

/// A session's key in Python: what the class is called with.
#[pyclass(frozen, module = "proton")]
pub(crate) struct SessionKey(pub(crate) SessionId);

#[pymethods]
impl SessionCore {
    #[new]
    fn new(connection: &Bound<'_, ConnectionCore>, key: &Bound<'_, SessionKey>) -> Self {
        Self {
            made: Made::YES,
            engine: connection.get().engine(),
            connection: connection.clone().unbind(),
            id: key.get().0,
            handler: Slot::default(),
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

    /// The connection that the session belongs to.
    #[getter(connection)]
    fn py_connection<'py>(&self, py: Python<'py>) -> Bound<'py, ConnectionCore> {
        self.connection(py)
    }

    /// The bits of both sides' states.
    #[getter]
    pub(crate) fn state(&self) -> u32 {
        let is_mine = |ending: &Ending| matches!(ending, Ending::Session(id, _) if *id == self.id);
        let ended = self.connection.get().is_ending(is_mine);
        lock(&self.engine).session(self.id).map_or(0o44, |session| {
            endpoint_state(over(ended, session.local_state()), session.remote_state())
        })
    }

    fn _open(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        this.connection.get().check(slf.py())?;
        let fresh = this.state() & 1 != 0;
        if let Some(mut session) = lock(&this.engine).session(this.id) {
            session.begin();
        }
        let connection = this.connection.get();
        if fresh {
            connection.raise(slf.py(), Kind::SessionLocalOpen, slf.as_any());
            connection.modified(slf.py());
        }
        connection.pump(slf.py())
    }

    fn _close(slf: &Bound<'_, Self>, condition: Option<ConditionParts>) -> PyResult<()> {
        let this = slf.get();
        this.connection.get().check(slf.py())?;
        if this.state() & 4 != 0 {
            return Ok(());
        }
        if this.state() & 1 != 0
            && let Some(mut session) = lock(&this.engine).session(this.id)
        {
            // An End needs a Begin before it, of which nobody hears.
            session.begin();
        }
        let connection = this.connection.get();
        connection.end_later(Ending::Session(this.id, condition.map(to_error).transpose()?));
        connection.raise(slf.py(), Kind::SessionLocalClose, slf.as_any());
        connection.after(slf.py())
    }

    fn _remote_condition(&self) -> Option<ConditionParts> {
        lock(&self.engine).session(self.id)?.remote_error().map(condition_parts)
    }

    /// Bytes that may wait to be read, all links of the session together: 0 for no limit.
    #[getter]
    fn _incoming_capacity(&self) -> usize {
        let mut engine = lock(&self.engine);
        let Some(mut session) = engine.session(self.id) else { return 0 };
        session.config_mut().map_or(0, |config| config.incoming_capacity)
    }

    #[setter(_incoming_capacity)]
    fn set_incoming_capacity(&self, bytes: usize) {
        if let Some(config) =
            lock(&self.engine).session(self.id).as_mut().and_then(|session| session.config_mut())
        {
            config.strict_capacity = bytes > 0;
            config.incoming_capacity = if bytes > 0 { bytes } else { usize::MAX };
        }
    }

    fn _set_outgoing_window(&self, window: u32) {
        if let Some(config) =
            lock(&self.engine).session(self.id).as_mut().and_then(|session| session.config_mut())
        {
            config.outgoing_window = window;
        }
    }

    /// A new link of this session.
    fn _link<'py>(slf: &Bound<'py, Self>, name: String, sender: bool) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        this.connection.get().check(slf.py())?;
        let role = if sender { Role::Sender } else { Role::Receiver };
        let mut config = LinkConfig::new(name.clone(), role);
        link_as_in_proton(&mut config);
        // A link of the same name may be about to end.
        this.connection.get().flush(slf.py())?;
        let made = lock(&this.engine).create_link(this.id, config);
        let id = made.map_err(|why| error(slf.py(), "LinkException", format!("link {name:?}: {why}")))?;
        let link = this.connection.get().add_link(slf, id, sender)?;
        this.connection.get().raise(slf.py(), Kind::LinkInit, &link);
        Ok(link)
    }

    fn _free(&self) {
        if let Some(mut session) = lock(&self.engine).session(self.id) {
            session.free();
        }
        self.connection.get().forget_session(self.id);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_done() {
            return Ok(());
        }
        visit.call(&self.connection)?;
        self.handler.visit(&visit)
    }

    fn __clear__(&self) {
        self.handler.set(None);
    }
}
