//! Sessions.

use std::fmt;
use std::sync::Arc;

use deuteron_codec::Error as AmqpError;
use deuteron_engine::{EndpointState, SessionId};

use crate::drive::links;
use crate::drive::shared::{Ending, Owner};
use crate::drive::waits::{Closing, Goal, Opening};
use crate::{Connection, Error, Receiver, ReceiverOptions, Sender, SenderOptions};

/// A session: an ordered flow of transfers with a window of its own (spec 2.5). Most programs need
/// none but the one that each connection makes by itself.
///
/// Cheap to clone, `Send` and `Sync`. It lives on across reconnects and ends with
/// [`end`](Self::end) or its connection.
#[derive(Clone)]
pub struct Session {
    owner: Arc<Owner>,
    id: SessionId,
}

impl Session {
    pub(crate) fn new(owner: Arc<Owner>, id: SessionId) -> Self {
        Self { owner, id }
    }

    /// Its connection.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::from_owner(Arc::clone(&self.owner))
    }

    /// Whether both sides have begun.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let mut core = self.owner.shared.lock();
        core.engine.session(self.id).is_some_and(|session| {
            session.local_state() == EndpointState::Open && session.remote_state() == EndpointState::Open
        })
    }

    /// Opens a sender at once, without waiting for the peer; see
    /// [`Connection::open_sender`](crate::Connection::open_sender).
    ///
    /// # Errors
    /// If the session or the connection is closed.
    pub fn open_sender(&self, options: impl Into<SenderOptions>) -> Result<Sender, Error> {
        links::open_sender(&self.owner, Some(self.id), options.into(), false).map(Sender::from_handle)
    }

    /// Opens a receiver at once, without waiting for the peer; see
    /// [`Connection::open_receiver`](crate::Connection::open_receiver).
    ///
    /// # Errors
    /// If the session or the connection is closed.
    pub fn open_receiver(&self, options: impl Into<ReceiverOptions>) -> Result<Receiver, Error> {
        links::open_receiver(&self.owner, Some(self.id), options.into(), false).map(Receiver::from_handle)
    }

    /// Opens a sender and waits for the peer; see [`Connection::sender`](crate::Connection::sender).
    ///
    /// # Errors
    /// As there.
    pub async fn sender(&self, options: impl Into<SenderOptions>) -> Result<Sender, Error> {
        let handle = links::open_sender(&self.owner, Some(self.id), options.into(), true)?.guarded();
        Opening::link(&handle).await?;
        Ok(Sender::from_handle(handle))
    }

    /// Opens a receiver and waits for the peer; see
    /// [`Connection::receiver`](crate::Connection::receiver).
    ///
    /// # Errors
    /// As there.
    pub async fn receiver(&self, options: impl Into<ReceiverOptions>) -> Result<Receiver, Error> {
        let handle = links::open_receiver(&self.owner, Some(self.id), options.into(), true)?.guarded();
        Opening::link(&handle).await?;
        Ok(Receiver::from_handle(handle))
    }

    /// Refuses a session that the peer began, in
    /// [`on_session_opening`](crate::MessagingHandler::on_session_opening): it is begun and ended
    /// with the error (the spec knows no other way to say why).
    pub fn reject(&self, error: AmqpError) {
        self.owner.shared.command(|core| {
            if let Some(mut session) = core.engine.session(self.id) {
                session.begin();
                session.end(Some(error));
            }
        });
    }

    /// Ends the session with all its links, at once or after the callback that is running. The
    /// result may be awaited: it is ready when the peer has ended too, or fails after the deadline
    /// [`detach`](crate::Deadlines::detach). Dropping it changes nothing.
    pub fn end(&self) -> Closing {
        self.finish(None)
    }

    /// As [`end`](Self::end), and tells the peer an error.
    pub fn end_with(&self, error: AmqpError) -> Closing {
        self.finish(Some(error))
    }

    fn finish(&self, error: Option<AmqpError>) -> Closing {
        let shared = &self.owner.shared;
        let facts = shared.lock().sessions.get(&self.id).map(|session| Arc::clone(&session.facts));
        shared.end(Ending::Session(self.id, error));
        Closing::new(&self.owner, Goal::Session(facts), shared.deadlines.detach)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.owner, &other.owner) && self.id == other.id
    }
}

impl Eq for Session {}
