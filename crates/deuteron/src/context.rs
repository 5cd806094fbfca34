//! What a callback may do with its container.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::container::ContainerShared;
use crate::timer::Agenda;
use crate::{ConnectOptions, Connection, Container, Error, Injector, ListenOptions, Listener, TimerId};

/// Handed to every callback: connect, listen, set timers, stop.
pub struct Context<'a> {
    pub(crate) container: &'a Arc<ContainerShared>,
    pub(crate) agenda: &'a Arc<Agenda>,
    /// The container's own loop runs the callback, rather than the task of a served connection.
    pub(crate) in_loop: bool,
}

impl Context<'_> {
    /// Starts a connection and returns at once; what becomes of it is told by callbacks:
    /// `on_connection_opened`, or `on_disconnected` and `on_gave_up`. Takes a URL, a list of URLs to
    /// fail over between, or [`ConnectOptions`].
    ///
    /// The container keeps the connection until it is closed. In a handler of
    /// [`Container::serve`] the new connection has no handler unless the options bring one.
    ///
    /// # Errors
    /// Only for options that cannot be used, a malformed URL for example.
    pub fn connect(&mut self, options: impl Into<ConnectOptions>) -> Result<Connection, Error> {
        self.container.start_connection(options.into(), self.in_loop)
    }

    /// Listens; connections are told by `on_connection_opening` and `on_connection_opened`. The
    /// container keeps the listener until it is closed.
    ///
    /// # Errors
    /// If the address cannot be used: the error names it.
    pub fn listen(&mut self, options: impl Into<ListenOptions>) -> Result<Listener, Error> {
        self.container.start_listener(options.into())
    }

    /// Has [`on_timer`](crate::MessagingHandler::on_timer) called once with `token` after `delay`.
    pub fn schedule(&mut self, delay: Duration, token: u64) -> TimerId {
        let now = Instant::now();
        // A delay that cannot be represented is as good as a century.
        let at = now.checked_add(delay).unwrap_or(now + Duration::from_secs(3_000_000_000));
        self.agenda.schedule(at, token)
    }

    /// Takes a timer back. True if it had not fired.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.agenda.cancel(timer)
    }

    /// For handing events to this loop from other threads.
    #[must_use]
    pub fn injector(&self) -> Injector {
        Injector::new(Arc::clone(self.agenda))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// The container's id.
    #[must_use]
    pub fn container_id(&self) -> &str {
        self.container.id()
    }

    /// The container.
    #[must_use]
    pub fn container(&self) -> Container {
        Container::from_shared(Arc::clone(self.container))
    }

    /// Closes all listeners and connections in order, and then ends
    /// [`Container::run`](crate::Container::run).
    pub fn stop(&mut self) {
        self.container.stop(None);
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("container_id", &self.container.id()).finish_non_exhaustive()
    }
}
