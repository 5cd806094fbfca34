//! A proxy between a client and a server, on loopback, in which things go wrong where they are told to.

mod connection;
mod fault;
mod units;

pub use fault::{Action, Fault, KINDS, Place, Which};

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Side;

/// What becomes of those who connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// They are connected to the server.
    #[default]
    Open,
    /// They are accepted, and nothing more happens: a black hole.
    BlackHole,
    /// Nobody listens on the port.
    Refuse,
}

/// What a [`Proxy`] has seen so far, over all its connections.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Connections that were taken.
    pub connections: u64,
    /// Those that are open.
    pub open: u64,
    /// Bytes that were passed on from the client, and from the server.
    pub bytes: [u64; 2],
    /// Frames and protocol headers that were passed on whole, from the client and from the server.
    pub frames: [u64; 2],
    /// The faults that have struck, and on which connection.
    pub struck: Vec<(Fault, u64)>,
}

/// Passes bytes on between whoever connects to it and a server, with faults at bytes, frames or kinds of frames: the same
/// faults on the same traffic strike at the same place. Over TLS there are bytes only.
///
/// ```no_run
/// use deuteron_testkit::{Door, Proxy};
/// use std::time::Duration;
/// let server = "127.0.0.1:5672".parse().expect("an address");
/// let proxy = Proxy::to(server).expect("a loopback port is free");
/// proxy.add("cut after transfer 3 from client".parse().expect("a fault"));
/// // ... a program connects to proxy.address() and sends ...
/// proxy.wait("the cut", Duration::from_secs(10), |seen| !seen.struck.is_empty()).expect("it strikes");
/// proxy.set_door(Door::Refuse);
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    news: Condvar,
    /// Told whenever something is changed from outside.
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    door: Door,
    counts: Counts,
    /// What is done to all connections up to this one.
    at_once: Option<(Action, u64)>,
    stops: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is counted, and wakes who waits for that.
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock().counts);
        self.news.notify_all();
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changes.send_replace(());
    }
}

impl Proxy {
    /// A proxy on a free loopback port, for a server at this address.
    ///
    /// # Errors
    /// If no port or thread can be had.
    pub fn to(upstream: SocketAddr) -> io::Result<Self> {
        Self::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), upstream)
    }

    /// A proxy that listens at an address of this machine.
    ///
    /// # Errors
    /// If the address or a thread cannot be had.
    pub fn listen(address: SocketAddr, upstream: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::default(),
            news: Condvar::new(),
            changes: watch::channel(()).0,
        });
        let served = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("fault proxy".into()).spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    serve(listener, address, served).await;
                }
            });
        })?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a fault, which strikes once: on connections that come, and on those that are open if its place is to come.
    pub fn add(&self, fault: Fault) {
        self.shared.change(|state| state.faults.push(fault));
    }

    /// Forgets the faults that have not struck yet.
    pub fn clear(&self) {
        self.shared.change(|state| state.faults.clear());
    }

    /// Does something to all connections that are open now. [`Action::Delay`], [`Action::Throttle`], [`Action::Corrupt`] and
    /// [`Action::HalfOpen`] need a place, so they are for [`add`](Self::add).
    pub fn strike(&self, action: Action) {
        self.shared.change(|state| state.at_once = Some((action, state.counts.connections)));
    }

    /// What becomes of those who connect from now on. [`Door::Refuse`] followed by [`Door::Open`] is a restart.
    pub fn set_door(&self, door: Door) {
        self.shared.change(|state| state.door = door);
    }

    /// What it has seen so far.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts.clone()
    }

    /// Waits until it has seen something. Blocks.
    ///
    /// # Errors
    /// What was waited for and what was seen instead, if that does not happen within `patience`.
    pub fn wait(
        &self,
        what: &str,
        patience: Duration,
        holds: impl Fn(&Counts) -> bool,
    ) -> Result<Counts, String> {
        let end = Instant::now() + patience;
        let mut state = self.shared.lock();
        loop {
            if holds(&state.counts) {
                return Ok(state.counts.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("{what} did not happen within {patience:?}: {:?}", state.counts));
            }
            state = self.shared.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.change(|state| state.stops = true);
        if let Some(thread) = self.thread.take() {
            // It ends by itself; that it panicked would have been printed.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut listener = Some(listener);
    let mut changes = shared.changes.subscribe();
    loop {
        let (door, stops) = {
            let state = shared.lock();
            (state.door, state.stops)
        };
        if stops {
            return;
        }
        if door == Door::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        let Some(open) = &listener else {
            // Somebody else may have the port at the moment.
            let pause =
                if door == Door::Refuse { Duration::from_secs(3600) } else { Duration::from_millis(5) };
            tokio::select! { _ = changes.changed() => {} () = tokio::time::sleep(pause) => {} }
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    let mut number = 0;
                    shared.count(|counts| {
                        counts.connections += 1;
                        counts.open += 1;
                        number = counts.connections;
                    });
                    tokio::spawn(connection::run(client, number, Arc::clone(&shared)));
                }
            }
            _ = changes.changed() => {}
        }
    }
}

/// Which of two a side is.
fn index(side: Side) -> usize {
    side as usize
}
