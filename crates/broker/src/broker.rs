//! Starting and stopping.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use deuteron::{AmqpError, Container, Error, Scope, Url, condition};
use tokio::sync::Notify;

use crate::handler::BrokerHandler;
use crate::kept::Kept;
use crate::ports::{Incoming, Outgoing};
use crate::router::{Kind, Router};
use crate::{BrokerConfig, BrokerStats};

/// How often memory of messages that have expired is looked for, where nobody receives.
const SWEEP: Duration = Duration::from_secs(1);

/// What all connections of a broker share.
pub(crate) struct Shared {
    router: Mutex<Router<Outgoing, Incoming>>,
    /// Open connections.
    pub(crate) connections: AtomicUsize,
    pub(crate) next_connection: AtomicU64,
    /// Connections in any phase.
    pub(crate) handlers: AtomicUsize,
    pub(crate) next_coordinator: AtomicU64,
    pub(crate) transaction_timeout: Option<Duration>,
    pub(crate) max_connections: usize,
    pub(crate) max_links: usize,
    pub(crate) max_kept_time: Duration,
    kept: Mutex<Kept>,
    /// Told when the last connection is gone.
    pub(crate) idle: Notify,
}

impl Shared {
    /// The state. Links may be used while it is held, as nothing that holds a connection's lock asks
    /// for it.
    pub(crate) fn router(&self) -> MutexGuard<'_, Router<Outgoing, Incoming>> {
        self.router.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Links that outlive their connections. Nothing else is locked while it is held.
    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the links that nobody came back to in time.
    fn forget_expired(&self) {
        let expired = self.kept().expired(Instant::now());
        for left in expired {
            if let Some(reader) = &left.reader {
                self.router().forget_consumer(reader.id, left.ended);
            }
        }
    }
}

/// A broker in this process. What it holds is in memory only.
#[derive(Debug)]
pub struct Broker;

impl Broker {
    /// Starts a broker in the current tokio runtime: it listens when this returns.
    ///
    /// # Errors
    /// If there is no URL, one is malformed, or its address cannot be listened on. Outside of a tokio
    /// runtime; [`start_on_thread`](Self::start_on_thread) needs none.
    ///
    /// # Cancel safety
    /// Dropping the future stops what was started.
    pub async fn start(config: BrokerConfig) -> Result<BrokerHandle, Error> {
        let container = Container::with_id(config.container_id.as_str());
        // Random, so that nobody takes the temporary queue of an earlier broker for one of this one.
        let name = Container::new().id().to_owned();
        let shared = Arc::new(Shared {
            router: Mutex::new(router(&config, name)?),
            connections: AtomicUsize::new(0),
            next_connection: AtomicU64::new(0),
            handlers: AtomicUsize::new(0),
            next_coordinator: AtomicU64::new(0),
            transaction_timeout: config.transaction_timeout,
            max_connections: config.max_connections,
            max_links: config.max_links,
            max_kept_time: config.max_kept_time,
            kept: Mutex::new(Kept::new(config.max_kept_links, config.max_kept_bytes)),
            idle: Notify::new(),
        });
        tokio::spawn(sweep(Arc::downgrade(&shared)));
        let mut handle = BrokerHandle { shared, container, urls: Vec::new(), stops: true };
        for (url, options) in config.listeners()? {
            let shared = Arc::clone(&handle.shared);
            let listener =
                handle.container.serve(options, move || BrokerHandler::new(Arc::clone(&shared))).await?;
            let url = local_url(&url, listener.local_addr());
            tracing::info!(
                url,
                "listening; messages are kept in memory only and are gone when the broker stops"
            );
            handle.urls.push(url);
        }
        Ok(handle)
    }

    /// Starts a broker on threads of its own, for programs and tests without a tokio runtime. It
    /// listens when this returns.
    ///
    /// # Errors
    /// As for [`start`](Self::start), and if the system refuses a thread.
    pub fn start_on_thread(config: BrokerConfig) -> Result<crate::BrokerThread, Error> {
        crate::BrokerThread::start(config)
    }
}

/// Takes away now and then what has expired, as long as the broker is there.
async fn sweep(shared: Weak<Shared>) {
    let mut turns = tokio::time::interval(SWEEP);
    loop {
        turns.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        shared.forget_expired();
        shared.router().drop_all_expired();
    }
}

/// The state at the start: what was configured.
fn router(config: &BrokerConfig, name: String) -> Result<Router<Outgoing, Incoming>, Error> {
    let mut router = Router::new(config.limits(), name);
    let queues = config.queues.iter().map(|address| (address, Kind::Queue));
    let topics = config.topics.iter().map(|address| (address, Kind::Topic));
    for (address, kind) in queues.chain(topics) {
        router.configure(address, kind).map_err(|error| {
            let text = format!("the address '{address}' cannot be configured: {error}");
            Error::new(Scope::Config, text)
        })?;
    }
    if let Some(address) = &config.dead_letter {
        router.set_dead_letter(address);
    }
    if let Some(address) = &config.expiry {
        router.set_expiry(address);
    }
    if !config.on_demand {
        router.stop_making_on_demand();
    }
    Ok(router)
}

/// The URL to connect to, with the real port.
fn local_url(url: &Url, address: SocketAddr) -> String {
    format!("{}://{address}", url.scheme().as_str())
}

/// A running broker. Dropping it stops the broker in order, without waiting for the end.
pub struct BrokerHandle {
    shared: Arc<Shared>,
    container: Container,
    urls: Vec<String>,
    /// Stops in order when it is dropped.
    stops: bool,
}

impl BrokerHandle {
    /// Where it listens, in the order of [`BrokerConfig::listen`], with the real ports.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The first URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.urls.first().map_or("", String::as_str)
    }

    /// What it holds and has done.
    #[must_use]
    pub fn stats(&self) -> BrokerStats {
        self.shared.stats()
    }

    /// Messages that the queue of an address holds, or all subscriptions to a topic together, those under way to
    /// consumers included. `None` if there is no such node: they come on demand, and go when they are empty and unused.
    #[must_use]
    pub fn messages(&self, address: &str) -> Option<u64> {
        self.shared.router().messages_of(address)
    }

    /// Closes listeners and connections in order, and waits until all are gone, at most for
    /// `deadline`. Clients are told `amqp:connection:forced`: those that reconnect look for a broker there again.
    /// Messages that the broker holds are lost.
    ///
    /// # Errors
    /// If clients did not answer in time; the broker takes no more connections all the same.
    ///
    /// # Cancel safety
    /// The broker stops all the same.
    pub async fn stop(self, deadline: Duration) -> Result<(), Error> {
        self.container.stop_with(farewell());
        let gone = async {
            loop {
                let mut notified = pin!(self.shared.idle.notified());
                notified.as_mut().enable();
                if self.shared.handlers.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        within(deadline, gone).await.ok_or_else(|| {
            let left = self.shared.handlers.load(Ordering::Acquire);
            let text = format!("{left} connections were not closed by their clients within {deadline:?}");
            Error::new(Scope::Container, text)
        })
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Lets it go without farewells: its runtime is about to go.
    pub(crate) fn abandon(mut self) {
        self.stops = false;
    }
}

async fn within<F: Future>(deadline: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(deadline, future).await.ok()
}

impl Shared {
    pub(crate) fn stats(&self) -> BrokerStats {
        let router = self.router();
        let counters = router.counters;
        BrokerStats {
            connections: self.connections.load(Ordering::Acquire),
            queues: router.queues(),
            topics: router.topics(),
            subscriptions: router.subscriptions(),
            transactions: router.transactions(),
            messages: router.messages(),
            bytes: router.bytes(),
            received: counters.received,
            sent: counters.sent,
            accepted: counters.accepted,
            rejected: counters.rejected,
            returned: counters.returned,
            deleted: counters.deleted,
            expired: counters.expired,
        }
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        if self.stops {
            self.container.stop_with(farewell());
        }
    }
}

/// What clients are told when the broker stops.
fn farewell() -> AmqpError {
    AmqpError::new(condition::CONNECTION_FORCED, "the broker is stopping")
}

impl fmt::Debug for BrokerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerHandle").field("urls", &self.urls).finish_non_exhaustive()
    }
}
