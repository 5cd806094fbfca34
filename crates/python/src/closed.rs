//! Links and sessions that are closed on both sides: a connection lets go of them, so that one which lives for long does not
//! grow with each. What a program still refers to stays as it was; the engine forgets the rest.

use deuteron_engine::{Connection, EndpointState, LinkId, SessionId};
use pyo3::prelude::*;

use crate::connection::ConnectionCore;
use crate::link::LinkCore;
use crate::names::lock;

/// Links and sessions of which something is over: the end of our side or of the peer's, or the object in Python.
#[derive(Default)]
pub(crate) struct Closed {
    links: Vec<LinkId>,
    sessions: Vec<SessionId>,
}

impl Closed {
    pub(crate) fn link(&mut self, id: LinkId) {
        self.links.push(id);
    }

    pub(crate) fn session(&mut self, id: SessionId) {
        self.sessions.push(id);
    }

    /// Leaves those of which the other side is not over.
    fn retain_closed(&mut self, engine: &mut Connection) {
        let both = |local, remote| local == EndpointState::Closed && remote == EndpointState::Closed;
        self.links
            .retain(|id| engine.link(*id).is_some_and(|link| both(link.local_state(), link.remote_state())));
        self.sessions.retain(|id| {
            engine.session(*id).is_some_and(|session| both(session.local_state(), session.remote_state()))
        });
    }

    fn is_empty(&self) -> bool {
        self.links.is_empty() && self.sessions.is_empty()
    }
}

impl ConnectionCore {
    pub(crate) fn forget_link(&self, id: LinkId) {
        let gone = self.objects().links.remove(&id);
        drop(gone);
    }

    pub(crate) fn forget_session(&self, id: SessionId) {
        let gone = self.objects().sessions.remove(&id);
        drop(gone);
    }

    /// Lets go of what has been closed on both sides since the last call.
    pub(crate) fn let_go_of_closed(&self, py: Python<'_>) -> PyResult<()> {
        self.forget_gone();
        let mut closed = std::mem::take(&mut self.objects().closed);
        if closed.is_empty() {
            return Ok(());
        }
        self.with(|engine| closed.retain_closed(engine));
        let mut links = Vec::new();
        for id in closed.links {
            links.extend(self.objects().links.remove(&id));
        }
        for id in closed.sessions {
            let session = self.objects().sessions.remove(&id);
            if let Some(session) = session {
                links.extend(self.links_within(py, &session)?);
            }
        }
        for link in &links {
            let core = link.bind(py).cast::<LinkCore>()?;
            if core.get().has_unsettled() {
                self.forget_deliveries_of(core);
            }
        }
        Ok(())
    }

    /// Takes the links of a session out of those that are known.
    fn links_within(&self, py: Python<'_>, session: &Py<PyAny>) -> PyResult<Vec<Py<PyAny>>> {
        let mut found = Vec::new();
        let links = self.objects().links.all(py);
        for link in links {
            let core = link.bind(py).cast::<LinkCore>()?;
            if core.get().session(py).is(session) {
                found.extend(self.objects().links.remove(&core.get().id()));
            }
        }
        Ok(found)
    }

    /// The engine forgets links and sessions whose objects are no more.
    fn forget_gone(&self) {
        let mut gone = std::mem::take(&mut *lock(&self.gone));
        if gone.is_empty() {
            return;
        }
        self.with(|engine| {
            gone.retain_closed(engine);
            for id in gone.links {
                if let Some(mut link) = engine.link(id) {
                    link.free();
                }
            }
            for id in gone.sessions {
                if let Some(mut session) = engine.session(id) {
                    session.free();
                }
            }
        });
    }
}
