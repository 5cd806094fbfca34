//! Containers: an identity, and the connections and listeners made under it.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use deuteron_engine::{ConnectionConfig, ConnectionRole};
use tokio::runtime::Handle as Runtime;

use crate::drive::accept::{self, Destination, ListenerShared};
use crate::drive::attempts::Attempts;
use crate::drive::event_loop::{EventLoop, Inbox};
use crate::drive::shared::{Core, Ending, Owner, Shared};
use crate::drive::shutdown::{Leftovers, ShuttingDown};
use crate::drive::task::Task;
use crate::drive::waits::Opening;
use crate::drive::{Driver, Surroundings, trace};
use crate::timer::Agenda;
use crate::{
    AmqpError, ConnectOptions, Connection, Error, Injector, ListenOptions, Listener, MessagingHandler, Scope,
    TlsConfig,
};

/// The program as AMQP sees it: a container id, and the connections and listeners under it.
///
/// Cheap to clone, `Send` and `Sync`; clones are the same container. Two ways to use one:
///
/// - [`run`](Self::run) with a [`MessagingHandler`]: one loop on the calling thread, callbacks for
///   everything;
/// - inside a tokio runtime: [`connect`](Self::connect), [`listen`](Self::listen) and
///   [`serve`](Self::serve), whose connections are tasks of the runtime.
#[derive(Clone)]
pub struct Container {
    shared: Arc<ContainerShared>,
}

pub(crate) struct ContainerShared {
    id: String,
    link_prefix: String,
    tls: Option<TlsConfig>,
    pub(crate) agenda: Arc<Agenda>,
    pub(crate) inbox: Inbox,
    stopping: AtomicBool,
    /// What peers are told when it stops.
    reason: Mutex<Option<AmqpError>>,
    connections: Mutex<Vec<Weak<Shared>>>,
    listeners: Mutex<Vec<Weak<ListenerShared>>>,
}

impl Default for Container {
    fn default() -> Self {
        Self::new()
    }
}

impl Container {
    /// A container with a random id.
    #[must_use]
    pub fn new() -> Self {
        Self::with_id(random_id())
    }

    /// A container with an id of your own: durable subscriptions are found again by it.
    #[must_use]
    pub fn with_id(id: impl Into<String>) -> Self {
        Self::build(id.into(), None)
    }

    /// The same id, with `tls` for all `amqps` connections whose options have none of their own.
    #[must_use]
    pub fn with_tls(self, tls: TlsConfig) -> Self {
        Self::build(self.shared.id.clone(), Some(tls))
    }

    fn build(id: String, tls: Option<TlsConfig>) -> Self {
        let shared = ContainerShared {
            id,
            link_prefix: random_id(),
            tls,
            agenda: Agenda::new(),
            inbox: Inbox::default(),
            stopping: AtomicBool::new(false),
            reason: Mutex::default(),
            connections: Mutex::default(),
            listeners: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn from_shared(shared: Arc<ContainerShared>) -> Self {
        Self { shared }
    }

    /// The container id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Runs `handler` on this thread until there is nothing left that could happen: no connection,
    /// no listener, no timer and no [`Injector`]; or until [`stop`](Self::stop).
    ///
    /// Pass `&mut handler` to look at it afterwards.
    ///
    /// # Errors
    /// Inside a tokio runtime, which it would block: use [`run_async`](Self::run_async) there. If
    /// another loop of this container runs. If the system refuses a runtime.
    pub fn run(&self, handler: impl MessagingHandler) -> Result<(), Error> {
        if Runtime::try_current().is_ok() {
            return Err(Error::usage("Container::run would block the tokio runtime that it was called in")
                .with_advice("use run_async, or call it on a thread of its own"));
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                Error::new(Scope::Container, format!("cannot make a runtime: {error}")).with_source(error)
            })?;
        let ended = runtime.block_on(self.run_async(handler));
        // A name server that does not answer keeps nobody waiting.
        runtime.shutdown_background();
        ended
    }

    /// As [`run`](Self::run), as a future, inside a tokio runtime.
    ///
    /// # Errors
    /// If another loop of this container runs.
    ///
    /// # Cancel safety
    /// Dropping the future drops all connections of the loop without closing them.
    pub async fn run_async(&self, handler: impl MessagingHandler) -> Result<(), Error> {
        if !self.shared.inbox.start() {
            return Err(Error::usage("this container runs already").with_advice("make another container"));
        }
        let _running = Running(&self.shared);
        let surroundings = Surroundings {
            container: Arc::clone(&self.shared),
            agenda: Arc::clone(&self.shared.agenda),
            in_loop: true,
        };
        let mut event_loop = EventLoop::new(Arc::new(surroundings), handler);
        poll_fn(|cx| event_loop.poll(cx)).await;
        Ok(())
    }

    /// Connects, and waits until both sides are open; see [`Connection::connect`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the connection.
    pub async fn connect(&self, options: impl Into<ConnectOptions>) -> Result<Connection, Error> {
        let connection = self.start(options)?;
        let shared = &connection.owner.shared;
        Opening::connection(&connection.owner, shared.establish).await?;
        Ok(connection)
    }

    /// Starts a connection as a task of the current runtime, and returns at once.
    /// [`Connection::opened`] waits until it is open.
    ///
    /// # Errors
    /// For options that cannot be used, and outside of a tokio runtime.
    pub fn start(&self, options: impl Into<ConnectOptions>) -> Result<Connection, Error> {
        self.shared.start_connection(options.into(), false)
    }

    /// Listens inside a tokio runtime; [`Listener::accept`] takes the connections.
    ///
    /// # Errors
    /// If the address cannot be used: the error names it.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped before it is ready, nothing listens.
    pub async fn listen(&self, options: impl Into<ListenOptions>) -> Result<Listener, Error> {
        accept::listen_async(&self.shared, options.into(), Destination::Queue).await
    }

    /// Listens inside a tokio runtime, with one handler for each connection, made by `handler`. Each
    /// connection is a task of its own; `on_start` is called when it begins.
    ///
    /// # Errors
    /// If the address cannot be used: the error names it.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped before it is ready, nothing listens.
    pub async fn serve<H>(
        &self,
        options: impl Into<ListenOptions>,
        handler: impl Fn() -> H + Send + Sync + 'static,
    ) -> Result<Listener, Error>
    where
        H: MessagingHandler + Send + 'static,
    {
        let destination = Destination::Tasks(Box::new(move || Box::new(handler())));
        accept::listen_async(&self.shared, options.into(), destination).await
    }

    /// For handing events to the loop of [`run`](Self::run) from other threads.
    #[must_use]
    pub fn injector(&self) -> Injector {
        Injector::new(Arc::clone(&self.shared.agenda))
    }

    /// Closes all listeners and connections in order, each within its deadline
    /// [`close`](crate::Deadlines::close); then [`run`](Self::run) ends. May be called from any
    /// thread. The container makes no connections afterwards.
    pub fn stop(&self) {
        self.shared.stop(None);
    }

    /// As [`stop`](Self::stop), and gives the peers a reason (2.7.9). With the condition `amqp:connection:forced` clients
    /// that reconnect come back, once somebody listens there again: a server that will be back stops this way.
    ///
    /// ```
    /// use deuteron::{AmqpError, Container, condition};
    ///
    /// let container = Container::new();
    /// container.stop_with(AmqpError::new(condition::CONNECTION_FORCED, "the server is restarted"));
    /// ```
    pub fn stop_with(&self, error: AmqpError) {
        self.shared.stop(Some(error));
    }

    /// Stops when nothing is under way any more: listeners close at once, each connection is
    /// [shut down](Connection::shut_down), all within the same time, and then the container [stops](Self::stop). What
    /// was left on all of them is told.
    ///
    /// # Cancel safety
    /// What has begun goes on when the future is dropped, but the container does not stop then.
    pub async fn shut_down(&self, within: Duration) -> Leftovers {
        let listeners = lock(&self.shared.listeners).clone();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.close();
        }
        let connections = lock(&self.shared.connections).clone();
        let connections = connections.iter().filter_map(Weak::upgrade);
        let ending: Vec<_> = connections
            .filter(|shared| shared.lock().over().is_none())
            .map(|shared| ShuttingDown::begin(shared, None, within))
            .collect();
        let mut left = Leftovers::default();
        for connection in ending {
            left.add(connection.await);
        }
        self.stop();
        left
    }
}

impl ContainerShared {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn tls(&self) -> Option<&TlsConfig> {
        self.tls.as_ref()
    }

    /// A name that no other link has.
    pub(crate) fn link_name(&self) -> String {
        static LINKS: AtomicU64 = AtomicU64::new(1);
        format!("{}-{}", self.link_prefix, LINKS.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn has_listeners(&self) -> bool {
        lock(&self.listeners)
            .iter()
            .any(|listener| listener.upgrade().is_some_and(|listener| !listener.is_closed()))
    }

    fn check_running(&self) -> Result<(), Error> {
        if self.is_stopping() {
            return Err(Error::usage("the container was stopped").with_advice("make another one"));
        }
        Ok(())
    }

    /// Makes a connection and has it driven: by the loop, or by a task of its own.
    pub(crate) fn start_connection(
        self: &Arc<Self>,
        options: ConnectOptions,
        in_loop: bool,
    ) -> Result<Connection, Error> {
        self.check_running()?;
        let handler = options.handler.lock().ok().and_then(|mut handler| handler.take());
        let runtime = Runtime::try_current().map_err(|_| {
            Error::usage("there is no tokio runtime to run the connection in")
                .with_advice("call it inside a runtime, or connect in a callback of Container::run")
        })?;
        let config = client_config(self, &options);
        let (deadlines, count) = (options.deadlines, options.urls.len());
        let comeback = options.comeback();
        let attempts = Attempts::outgoing(options)?;
        let handled = in_loop || handler.is_some();
        let mut core = Core::new(config, Instant::now());
        core.engine.open();
        let shared = Shared::new(core, Arc::clone(self), deadlines, comeback, true, handled, count);
        let connection = self.adopt(&shared);
        let surroundings = self.surroundings(in_loop, handler.is_some());
        let owner = handled.then(|| Arc::clone(&connection.owner));
        let driver = Driver::new(shared, owner, surroundings, attempts);
        let task = Task::new(driver, handler);
        if in_loop {
            self.inbox.push(task);
        } else {
            drop(runtime.spawn(task));
        }
        Ok(connection)
    }

    /// `own`: timers and injected events are those of one connection.
    pub(crate) fn surroundings(self: &Arc<Self>, in_loop: bool, own: bool) -> Arc<Surroundings> {
        let agenda = if own { Agenda::new() } else { Arc::clone(&self.agenda) };
        Arc::new(Surroundings { container: Arc::clone(self), agenda, in_loop })
    }

    /// Remembers a connection, for `stop`.
    pub(crate) fn adopt(&self, shared: &Arc<Shared>) -> Connection {
        let mut connections = lock(&self.connections);
        // Doubling keeps the sweep cheap on average.
        if connections.len() == connections.capacity() {
            connections.retain(|connection| connection.strong_count() > 0);
        }
        connections.push(Arc::downgrade(shared));
        drop(connections);
        if self.is_stopping() {
            // `stop` may have looked before this one was there.
            shared.end(self.farewell());
        }
        Connection::from_owner(Arc::new(Owner { shared: Arc::clone(shared) }))
    }

    /// How a connection ends that the container closes.
    fn farewell(&self) -> Ending {
        Ending::Connection(lock(&self.reason).clone())
    }

    pub(crate) fn start_listener(self: &Arc<Self>, options: ListenOptions) -> Result<Listener, Error> {
        let destination = if self.inbox.is_running() { Destination::Loop } else { Destination::Queue };
        accept::listen(self, options, destination)
    }

    pub(crate) fn adopt_listener(&self, listener: &Arc<ListenerShared>) -> Result<(), Error> {
        self.check_running()?;
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(listener));
        drop(listeners);
        if self.is_stopping() {
            // `stop` may have looked before this one was there.
            listener.close();
        }
        Ok(())
    }

    pub(crate) fn stop(&self, reason: Option<AmqpError>) {
        if let Some(reason) = reason {
            *lock(&self.reason) = Some(reason);
        }
        self.stopping.store(true, Ordering::Release);
        let listeners: Vec<_> = lock(&self.listeners).iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.close();
        }
        let connections: Vec<_> = lock(&self.connections).iter().filter_map(Weak::upgrade).collect();
        for connection in connections {
            connection.end(self.farewell());
        }
        self.inbox.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The loop has ended, however that came about.
struct Running<'a>(&'a ContainerShared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.inbox.end();
    }
}

fn client_config(container: &ContainerShared, options: &ConnectOptions) -> ConnectionConfig {
    let deadlines = options.deadlines;
    let default = ConnectionConfig::default();
    ConnectionConfig {
        role: ConnectionRole::Client,
        container_id: options.container_id.clone().unwrap_or_else(|| container.id.clone()),
        max_frame_size: options.max_frame_size.unwrap_or(default.max_frame_size),
        channel_max: options.channel_max.unwrap_or(default.channel_max),
        idle_timeout: options.heartbeat,
        offered_capabilities: options.offered_capabilities.clone(),
        desired_capabilities: options.desired_capabilities.clone(),
        properties: options.properties.clone(),
        remedies: options.remedies.clone(),
        begin_timeout: deadlines.begin,
        attach_timeout: deadlines.attach,
        detach_timeout: deadlines.detach,
        close_timeout: deadlines.close,
        trace: if options.trace { Some(trace::to_standard_error()) } else { trace::from_environment() },
        ..default
    }
}

/// A random UUID (version 4) as text.
pub(crate) fn random_id() -> String {
    let mut bytes: [u8; 16] = accept::random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex[range].concat();
    format!("{}-{}-{}-{}-{}", part(0..4), part(4..6), part(6..8), part(8..10), part(10..16))
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("id", &self.shared.id).finish_non_exhaustive()
    }
}
