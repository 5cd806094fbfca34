//! Listeners.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::drive::accept::ListenerShared;
use crate::{Connection, Error};

/// A local address on which connections are accepted.
///
/// Cheap to clone, `Send` and `Sync`. It goes on until [`close`](Self::close), the end of the
/// container's loop, or, if [`Container::listen`](crate::Container::listen) made it, until the last
/// handle is dropped. Connections that it accepted outlive it.
#[derive(Clone)]
pub struct Listener {
    pub(crate) shared: Arc<ListenerShared>,
    /// Only listeners of `accept` have one.
    _guard: Option<Arc<ListenerGuard>>,
}

/// Closes the listener when its last handle goes.
struct ListenerGuard(Arc<ListenerShared>);

impl Drop for ListenerGuard {
    fn drop(&mut self) {
        self.0.close();
        self.0.abandon();
    }
}

impl Listener {
    /// A handle of a listener that lives without handles.
    pub(crate) fn new(shared: Arc<ListenerShared>) -> Self {
        Self { shared, _guard: None }
    }

    /// The first handle of a listener that ends with its handles.
    pub(crate) fn guarded(shared: Arc<ListenerShared>) -> Self {
        Self { _guard: Some(Arc::new(ListenerGuard(Arc::clone(&shared)))), shared }
    }

    /// The real address: with port 0 in the URL, the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.shared.local_addr.port()
    }

    /// The next connection that is open, for listeners of
    /// [`Container::listen`](crate::Container::listen). Without a deadline.
    ///
    /// # Errors
    /// When the listener is closed. Clients that fail before they are open are not reported here.
    ///
    /// # Cancel safety
    /// Cancel safe: no connection is lost.
    pub async fn accept(&self) -> Result<Connection, Error> {
        poll_fn(|cx| self.shared.poll_accept(cx)).await
    }

    /// Stops accepting. Connections accepted before go on.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Connections that it has accepted and that are not over, in all phases.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.count()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local_addr", &self.shared.local_addr).finish_non_exhaustive()
    }
}
