//! Listeners: accept, bound what is accepted, and hand connections on.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use deuteron_engine::{ConnectionConfig, ConnectionRole, SaslConfig};

use super::attempt::Dialling;
use super::attempts::{Attempts, Incoming};
use super::shared::{Core, Owner, Shared};
use super::task::Task;
use super::waiters::{Waiter, WakerSet};
use super::{Driver, dial, trace};
use crate::container::ContainerShared;
use crate::io;
use crate::{Connection, Error, ListenOptions, Listener, MessagingHandler, Scope};

/// Open connections that nobody has taken with `accept` yet.
const BACKLOG: usize = 1024;

type MakeHandler = Box<dyn Fn() -> Box<dyn MessagingHandler + Send> + Send + Sync>;

/// Who gets the connections of a listener.
pub(crate) enum Destination {
    /// The handler of the container's loop.
    Loop,
    /// Handlers of their own, each in a task.
    Tasks(MakeHandler),
    /// Whoever calls `accept`.
    Queue,
}

pub(crate) struct ListenerShared {
    pub(crate) local_addr: SocketAddr,
    container: Arc<ContainerShared>,
    options: ListenOptions,
    destination: Destination,
    closed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    count: usize,
    next: u64,
    /// Not open yet, oldest first.
    pending: VecDeque<(u64, Weak<Shared>)>,
    accepted: VecDeque<Connection>,
    waiters: WakerSet,
    acceptor: Option<Waker>,
}

/// The place of one connection among those of its listener.
pub(crate) struct Permit {
    listener: Arc<ListenerShared>,
    number: u64,
    /// For `accept`: kept until the connection is open.
    owner: Mutex<Option<Arc<Owner>>>,
}

impl Permit {
    pub(super) fn opened(&self) {
        let owner = self.owner.lock().ok().and_then(|mut owner| owner.take());
        let mut woken = Vec::new();
        let mut refused = None;
        {
            let mut state = self.listener.lock();
            state.pending.retain(|(number, _)| *number != self.number);
            if let Some(owner) = owner {
                if state.accepted.len() < BACKLOG && !self.listener.is_closed() {
                    state.accepted.push_back(Connection::from_owner(owner));
                    state.waiters.take_into(&mut woken);
                } else {
                    refused = Some(owner);
                }
            }
        }
        // Dropping it closes the connection, which takes its lock.
        drop(refused);
        woken.into_iter().for_each(Waker::wake);
    }

    /// The connection failed before it was open.
    pub(super) fn report(&self, error: Error) {
        self.listener.report(error);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.listener.lock();
        state.count -= 1;
        state.pending.retain(|(number, _)| *number != self.number);
    }
}

impl ListenerShared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let mut woken = Vec::new();
        {
            let mut state = self.lock();
            woken.extend(state.acceptor.take());
            state.waiters.take_into(&mut woken);
        }
        woken.into_iter().for_each(Waker::wake);
        self.container.inbox.wake();
    }

    /// Nobody will take the connections that wait for `accept`: they are closed in order.
    pub(crate) fn abandon(&self) {
        let left = std::mem::take(&mut self.lock().accepted);
        // Dropping them takes their locks.
        drop(left);
    }

    pub(crate) fn poll_accept(&self, cx: &Context<'_>) -> Poll<Result<Connection, Error>> {
        let waiter = Waiter::new(cx.waker());
        let mut state = self.lock();
        if let Some(connection) = state.accepted.pop_front() {
            return Poll::Ready(Ok(connection));
        }
        if self.is_closed() {
            return Poll::Ready(Err(Error::new(Scope::Listener, "the listener is closed")));
        }
        state.waiters.register(&waiter);
        Poll::Pending
    }

    fn report(self: &Arc<Self>, error: Error) {
        match self.destination {
            Destination::Loop => self.container.inbox.report(Listener::new(Arc::clone(self)), error),
            Destination::Tasks(_) | Destination::Queue => tracing::debug!(%error, "listener"),
        }
    }

    /// Counts a connection in; if too many are not open yet, the oldest of them goes.
    fn admit(self: &Arc<Self>, shared: &Arc<Shared>, owner: Option<Arc<Owner>>) -> Permit {
        let mut state = self.lock();
        state.count += 1;
        let number = state.next;
        state.next += 1;
        state.pending.push_back((number, Arc::downgrade(shared)));
        let evicted =
            if state.pending.len() > self.options.max_pending { state.pending.pop_front() } else { None };
        drop(state);
        if let Some(evicted) = evicted.and_then(|(_, shared)| shared.upgrade()) {
            let error = Error::new(Scope::Listener, "dropped: too many connections are waiting to be opened");
            evicted.command(|core| core.abort = Some(error));
        }
        Permit { listener: Arc::clone(self), number, owner: Mutex::new(owner) }
    }

    /// Makes a connection of what was accepted and has it driven.
    fn begin(self: &Arc<Self>, dialling: Dialling, remote: SocketAddr) {
        let in_loop = matches!(self.destination, Destination::Loop);
        let handler = match &self.destination {
            Destination::Tasks(make) => Some(make()),
            Destination::Loop | Destination::Queue => None,
        };
        let handled = in_loop || handler.is_some();
        let mut core = Core::new(server_config(&self.container, &self.options, remote), Instant::now());
        core.remote_addr = Some(remote);
        let shared =
            Shared::new(core, Arc::clone(&self.container), self.options.deadlines, None, false, handled, 1);
        let owner = self.container.adopt(&shared).owner;
        let permit = self.admit(&shared, (!handled).then(|| Arc::clone(&owner)));
        let incoming =
            Incoming { dialling: Some(dialling), handshake: self.options.handshake, permit, end: None };
        let surroundings = self.container.surroundings(in_loop, !in_loop);
        let driver = Driver::new(
            shared,
            handled.then_some(owner),
            surroundings,
            Attempts::Incoming(Box::new(incoming)),
        );
        let task = Task::new(driver, handler);
        if in_loop {
            self.container.inbox.push(task);
        } else {
            drop(tokio::spawn(task));
        }
    }
}

/// Binds the address and starts accepting.
pub(crate) fn listen(
    container: &Arc<ContainerShared>,
    options: ListenOptions,
    destination: Destination,
) -> Result<Listener, Error> {
    let socket = bind(&options)?;
    start(container, options, destination, socket)
}

/// As [`listen`], without blocking the task while a name is looked up.
pub(crate) async fn listen_async(
    container: &Arc<ContainerShared>,
    options: ListenOptions,
    destination: Destination,
) -> Result<Listener, Error> {
    let url = options.url.clone()?;
    if url.ip().is_some() || tokio::runtime::Handle::try_current().is_err() {
        return listen(container, options, destination);
    }
    let (socket, options) = tokio::task::spawn_blocking(move || (bind(&options), options))
        .await
        .map_err(|error| Error::new(Scope::Listener, format!("cannot listen at {url}: {error}")))?;
    start(container, options, destination, socket?)
}

fn bind(options: &ListenOptions) -> Result<io::Bound, Error> {
    let url = options.url.clone()?;
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(Error::usage("there is no tokio runtime to accept connections in")
            .with_advice("call it inside a runtime, or listen in a callback of Container::run"));
    }
    dial::bind(&url, options)
}

fn start(
    container: &Arc<ContainerShared>,
    options: ListenOptions,
    destination: Destination,
    socket: io::Bound,
) -> Result<Listener, Error> {
    let url = options.url.clone()?;
    let Some(local_addr) = socket.local_addrs().first().copied() else {
        return Err(Error::new(Scope::Listener, format!("{url} has no address to listen on")));
    };
    let shared = Arc::new(ListenerShared {
        local_addr,
        container: Arc::clone(container),
        options,
        destination,
        closed: AtomicBool::new(false),
        state: Mutex::default(),
    });
    container.adopt_listener(&shared)?;
    drop(tokio::spawn(accept_while_open(socket, Arc::clone(&shared))));
    tracing::debug!(%local_addr, "listening");
    // A listener of `accept` ends with its last handle; the others belong to the container.
    Ok(match shared.destination {
        Destination::Queue => Listener::guarded(shared),
        Destination::Loop | Destination::Tasks(_) => Listener::new(shared),
    })
}

async fn accept_while_open(mut socket: io::Bound, listener: Arc<ListenerShared>) {
    loop {
        let mut accepting = pin!(socket.accept());
        let accepted = poll_fn(|cx| {
            listener.lock().acceptor = Some(cx.waker().clone());
            if listener.is_closed() {
                return Poll::Ready(None);
            }
            accepting.as_mut().poll(cx).map(Some)
        })
        .await;
        let Some(incoming) = accepted else { return };
        let limit = listener.options.max_connections;
        if listener.count() < limit {
            let remote = incoming.remote();
            listener.begin(dial::accept(incoming, listener.options.handshake), remote);
        } else {
            let text = format!("refused a connection of {}: {limit} are open already", incoming.remote());
            listener.report(Error::new(Scope::Listener, text));
        }
    }
}

fn server_config(
    container: &ContainerShared,
    options: &ListenOptions,
    remote: SocketAddr,
) -> ConnectionConfig {
    let deadlines = options.deadlines;
    let default = ConnectionConfig::default();
    ConnectionConfig {
        role: ConnectionRole::Server,
        container_id: options.container_id.clone().unwrap_or_else(|| container.id().to_owned()),
        max_frame_size: options.max_frame_size.unwrap_or(default.max_frame_size),
        channel_max: options.channel_max.unwrap_or(default.channel_max),
        idle_timeout: options.heartbeat,
        offered_capabilities: options.offered_capabilities.clone(),
        desired_capabilities: options.desired_capabilities.clone(),
        properties: options.properties.clone(),
        sasl: options.sasl.clone().map_or(SaslConfig::Disabled, SaslConfig::Server),
        limits: options.limits.unwrap_or(default.limits),
        begin_timeout: deadlines.begin,
        attach_timeout: deadlines.attach,
        detach_timeout: deadlines.detach,
        close_timeout: deadlines.close,
        trace: if options.trace { Some(trace::numbered(remote)) } else { trace::from_environment() },
        ..default
    }
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        // Without them SCRAM switches itself off; ids are then as good as the clock.
        tracing::error!(%error, "the system gives no random numbers");
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        for (byte, source) in bytes.iter_mut().zip(clock.as_nanos().to_le_bytes()) {
            *byte = source;
        }
    }
    bytes
}
