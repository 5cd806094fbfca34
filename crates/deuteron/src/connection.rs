//! Connections.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deuteron_codec::{Error as AmqpError, Map, Open, Symbol};
use deuteron_engine::EndpointState;

use crate::drive::links;
use crate::drive::servers::KnownServer;
use crate::drive::shared::{Ending, Owner, Status};
use crate::drive::shutdown::ShuttingDown;
use crate::drive::waits::{Bound, Closing, Goal, Opening, poll_core};
use crate::link::LinkHandle;
use crate::{
    ConnectOptions, Container, Error, Link, Phase, Receiver, ReceiverOptions, Scope, Sender, SenderOptions,
    Server, Session, SessionOptions,
};

/// A connection: the same one across all reconnects.
///
/// Cheap to clone, `Send` and `Sync`. When the last handle of the connection, its sessions, links
/// and deliveries is dropped the connection is closed in order; connections of a handler's
/// container live on until they are closed.
#[derive(Clone)]
pub struct Connection {
    pub(crate) owner: Arc<Owner>,
}

impl Connection {
    pub(crate) fn from_owner(owner: Arc<Owner>) -> Self {
        Self { owner }
    }

    /// Connects, and waits until both sides are open. Takes a URL, a list of URLs to fail over
    /// between, or [`ConnectOptions`]. Uses a container of its own with a random id.
    ///
    /// Attempts are repeated as the reconnect policy says, for at most the deadline
    /// [`establish`](crate::Deadlines::establish) times the number of URLs; with `reconnect(false)`
    /// each URL is tried once.
    ///
    /// # Errors
    /// For bad options, when attempts run out, when the failure cannot heal (a wrong password, a
    /// bad certificate), or when the deadline passes; the last failure is the source. Also outside
    /// of a tokio runtime.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the connection.
    pub async fn connect(options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        Container::new().connect(options).await
    }

    /// Whether both sides are open at the moment.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.owner.shared.lock().status, Status::Open)
    }

    /// Whether it is over for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.owner.shared.lock().status, Status::Over(_))
    }

    /// The error that ended it, or that of the last attempt while it is being retried.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        match &self.owner.shared.lock().status {
            Status::Over(error) | Status::Connecting(error) => error.clone(),
            Status::Open => None,
        }
    }

    /// True if we connected, false if the peer did.
    #[must_use]
    pub fn is_outgoing(&self) -> bool {
        self.owner.shared.outgoing
    }

    /// The URL of the current or last attempt, password masked. `None` for incoming connections.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.owner.shared.lock().url.clone()
    }

    /// Other servers to connect to, from the next attempt on: the wire that is in use stays. What the peer said of others
    /// is forgotten.
    ///
    /// # Errors
    /// If the list is empty or has a URL that cannot be used; then nothing changes. If we did not connect.
    pub fn set_servers<S: Into<Server>>(&self, servers: impl IntoIterator<Item = S>) -> Result<(), Error> {
        if !self.is_outgoing() {
            return Err(Error::usage("the peer has made this connection: there is nothing to connect to"));
        }
        let servers = KnownServer::all(servers.into_iter().map(Into::into))?;
        self.owner.shared.lock().servers = Some(servers);
        Ok(())
    }

    /// The peer's network address, once connected.
    #[must_use]
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.owner.shared.lock().remote_addr
    }

    /// Our network address, once connected.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.owner.shared.lock().local_addr
    }

    /// The peer's container id, while it is open.
    #[must_use]
    pub fn remote_container_id(&self) -> Option<String> {
        self.open(|open| open.container_id.clone())
    }

    /// The virtual host that the peer asked for.
    #[must_use]
    pub fn remote_hostname(&self) -> Option<String> {
        self.open(|open| open.hostname.clone()).flatten()
    }

    /// The properties in the peer's Open.
    #[must_use]
    pub fn remote_properties(&self) -> Option<Map> {
        self.open(|open| open.properties.clone()).flatten()
    }

    /// The capabilities that the peer offers.
    #[must_use]
    pub fn remote_offered_capabilities(&self) -> Vec<Symbol> {
        self.open(|open| open.offered_capabilities.clone()).unwrap_or_default()
    }

    /// The capabilities that the peer would like us to have.
    #[must_use]
    pub fn remote_desired_capabilities(&self) -> Vec<Symbol> {
        self.open(|open| open.desired_capabilities.clone()).unwrap_or_default()
    }

    /// The whole of the peer's Open (spec 2.7.1).
    #[must_use]
    pub fn remote_open(&self) -> Option<Open> {
        self.open(Clone::clone)
    }

    fn open<R>(&self, read: impl FnOnce(&Open) -> R) -> Option<R> {
        self.owner.shared.lock().engine.remote_open().map(read)
    }

    /// Incoming: who the client is, as SASL has established it. `None` if it is anonymous.
    #[must_use]
    pub fn authenticated_identity(&self) -> Option<String> {
        self.owner.shared.lock().engine.authenticated_identity().map(str::to_owned)
    }

    /// The SASL mechanism that was used.
    #[must_use]
    pub fn sasl_mechanism(&self) -> Option<String> {
        self.owner.shared.lock().engine.sasl_mechanism().map(str::to_owned)
    }

    /// Opens a sender at once, without waiting for the peer, in the connection's own session.
    /// Messages sent before it is attached wait. The link stays until it is closed, whatever
    /// becomes of the handles.
    ///
    /// # Errors
    /// If the connection is closed, or a link of this name is open.
    pub fn open_sender(&self, options: impl Into<SenderOptions>) -> Result<Sender, Error> {
        links::open_sender(&self.owner, None, options.into(), false).map(Sender::from_handle)
    }

    /// Opens a receiver at once, without waiting for the peer, in the connection's own session. Its
    /// messages go to the handler, or to [`Receiver::recv`] if the connection has none. The link
    /// stays until it is closed, whatever becomes of the handles.
    ///
    /// # Errors
    /// If the connection is closed, or a link of this name is open.
    pub fn open_receiver(&self, options: impl Into<ReceiverOptions>) -> Result<Receiver, Error> {
        links::open_receiver(&self.owner, None, options.into(), false).map(Receiver::from_handle)
    }

    /// Opens a sender in the connection's own session and waits until the peer has attached it. The
    /// link is closed when the last handle is dropped.
    ///
    /// # Errors
    /// What the peer says if it refuses; the deadline [`attach`](crate::Deadlines::attach); or the
    /// end of the connection.
    ///
    /// # Cancel safety
    /// Dropping the future closes the link.
    pub async fn sender(&self, options: impl Into<SenderOptions>) -> Result<Sender, Error> {
        let handle = links::open_sender(&self.owner, None, options.into(), true)?.guarded();
        Opening::link(&handle).await?;
        Ok(Sender::from_handle(handle))
    }

    /// Opens a receiver in the connection's own session and waits until the peer has attached it.
    /// Its messages are taken with [`Receiver::recv`]. The link is closed when the last handle is
    /// dropped.
    ///
    /// # Errors
    /// As for [`sender`](Self::sender).
    ///
    /// # Cancel safety
    /// Dropping the future closes the link.
    pub async fn receiver(&self, options: impl Into<ReceiverOptions>) -> Result<Receiver, Error> {
        let handle = links::open_receiver(&self.owner, None, options.into(), true)?.guarded();
        Opening::link(&handle).await?;
        Ok(Receiver::from_handle(handle))
    }

    /// Ends the durable subscription of that name and this container id, with the messages that it holds. No receiver of
    /// it may be attached.
    ///
    /// # Errors
    /// What the peer says if it has no such subscription (`amqp:not-found`); the deadline
    /// [`attach`](crate::Deadlines::attach) or [`detach`](crate::Deadlines::detach); or the end of the connection.
    ///
    /// # Cancel safety
    /// Dropping the future ends the subscription all the same, if the peer has found it.
    pub async fn unsubscribe(&self, name: impl Into<String>) -> Result<(), Error> {
        self.receiver(ReceiverOptions::subscription(name)).await?.close().await
    }

    /// Begins a further session, without waiting for the peer.
    ///
    /// # Errors
    /// If the connection is closed.
    pub fn open_session(&self, options: SessionOptions) -> Result<Session, Error> {
        links::open_session(&self.owner, options).map(|id| Session::new(Arc::clone(&self.owner), id))
    }

    /// Waits until both sides are open: after a loss, until it is connected again.
    ///
    /// # Errors
    /// When it is over for good, or after the deadline [`establish`](crate::Deadlines::establish).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn opened(&self) -> Result<(), Error> {
        Opening::connection(&self.owner, self.owner.shared.deadlines.establish).await
    }

    /// Waits until it is over for good, however that comes about; without a deadline.
    ///
    /// # Errors
    /// The error that it ended with, if it was not closed in order.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn closed(&self) -> Result<(), Error> {
        Closing::new(&self.owner, Goal::Connection, None).await
    }

    /// The next link that the peer attaches, for programs without a handler. Answer it with
    /// [`LinkHandle::accept`] or [`LinkHandle::reject`], after setting its source or target if it
    /// asks for a dynamic one. Without a deadline.
    ///
    /// # Errors
    /// When the connection is over.
    ///
    /// # Cancel safety
    /// Cancel safe: no link is lost.
    pub async fn accept_link(&self) -> Result<Link, Error> {
        let bound = Bound::new(None, Scope::Link, Phase::Attach);
        let facts = poll_fn(|cx| {
            poll_core(&self.owner.shared, cx, &bound, String::new, |core, waiter| {
                while let Some(id) = core.incoming.pop_front() {
                    if let Some(link) = core.links.get(&id) {
                        return Some(Ok(Arc::clone(&link.facts)));
                    }
                }
                if let Some(error) = core.over() {
                    return Some(Err(error));
                }
                core.waiters.register(waiter);
                None
            })
        })
        .await?;
        Ok(Link::from_handle(LinkHandle::new(Arc::clone(&self.owner), facts)))
    }

    /// Ends the authentication of an incoming connection whose authenticator wanted to be asked later;
    /// see [`on_sasl_pending`](crate::MessagingHandler::on_sasl_pending).
    pub fn decide_sasl(&self, accept: bool) {
        self.owner.shared.command(|core| core.engine.sasl_decide(accept, Instant::now()));
    }

    /// Refuses an incoming connection, in
    /// [`on_connection_opening`](crate::MessagingHandler::on_connection_opening): the client is told
    /// the error.
    pub fn reject(&self, error: AmqpError) {
        self.owner.shared.command(|core| {
            core.engine.open();
            core.engine.close(Some(error));
        });
    }

    /// Closes the connection, at once or after the callback that is running, and gives up
    /// reconnecting. The result may be awaited: it is ready when the peer has closed too, or fails
    /// after the deadline [`close`](crate::Deadlines::close). Dropping it changes nothing.
    ///
    /// Messages that still wait for credit are not sent; outcomes that have not come stay unknown.
    pub fn close(&self) -> Closing {
        self.finish(None)
    }

    /// As [`close`](Self::close), and tells the peer an error.
    pub fn close_with(&self, error: AmqpError) -> Closing {
        self.finish(Some(error))
    }

    /// Ends the connection in order: the peer is asked for no more messages and to give its credit back; when what was
    /// sent is settled, and what came and was taken is settled too, or after `within`, it is closed. The result may be
    /// awaited, and tells what was left; dropping it changes nothing. A handler is called as ever meanwhile.
    ///
    /// ```no_run
    /// # async fn example(connection: deuteron::Connection) {
    /// let left = connection.shut_down(std::time::Duration::from_secs(10)).await;
    /// if !left.is_empty() { eprintln!("{} messages without a known end", left.unknown); }
    /// # }
    /// ```
    pub fn shut_down(&self, within: Duration) -> ShuttingDown {
        ShuttingDown::begin(Arc::clone(&self.owner.shared), Some(Arc::clone(&self.owner)), within)
    }

    fn finish(&self, error: Option<AmqpError>) -> Closing {
        let shared = &self.owner.shared;
        shared.end(Ending::Connection(error));
        Closing::new(&self.owner, Goal::Connection, shared.deadlines.close)
    }

    /// Whether we have closed our side.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.owner.shared.lock().engine.local_state() == EndpointState::Closed
    }

    pub(crate) fn close_if_outgoing(&self) {
        if self.owner.shared.outgoing {
            drop(self.close());
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.owner.shared.lock();
        f.debug_struct("Connection")
            .field("url", &core.url)
            .field("remote_addr", &core.remote_addr)
            .field("status", &core.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.owner.shared.lock();
        match (&core.url, core.remote_addr) {
            (Some(url), _) => f.write_str(url),
            (None, Some(address)) => write!(f, "{address}"),
            (None, None) => f.write_str("not connected"),
        }
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.owner, &other.owner)
    }
}

impl Eq for Connection {}

impl std::hash::Hash for Connection {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.owner).hash(state);
    }
}
