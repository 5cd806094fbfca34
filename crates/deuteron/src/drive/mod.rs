//! What runs a connection: one [`Driver`] each, polled by a container's loop or as a task of its own.
//!
//! | file | what it does |
//! |---|---|
//! | shared | what handles and driver share, and the rules of its lock |
//! | waiters, waits | who waits for what; the futures of the handles |
//! | links | opening sessions and links |
//! | attempts | where transports come from |
//! | attempt | dial, bind, lose, retry, give up |
//! | servers, primary | the servers that can be dialled; back to the first of them |
//! | turn | read, handle, dispatch, transmit, write, sleep |
//! | wire | the socket with its buffers |
//! | shutdown | the orderly end |
//! | settle | outcomes of messages that came |
//! | transactions | what each transaction waits for |
//! | route | the engine's events: to inboxes and wakers, or to the batch for the handler |
//! | dispatch | the batch: callbacks for messages and outcomes |
//! | endpoints | the batch: what opens, fails and closes |
//! | interrupted | what the peer ended and comes back; the table of failures |
//! | event_loop, task | many connections with one handler; one connection with its own |
//! | accept | listeners |
//! | keepalive | heartbeats while user code keeps a loop busy |

pub(crate) mod accept;
pub(crate) mod attempt;
pub(crate) mod attempts;
pub(crate) mod dial;
mod dispatch;
mod endpoints;
pub(crate) mod event_loop;
mod failure;
mod interrupted;
pub(crate) mod keepalive;
pub(crate) mod links;
mod primary;
mod route;
pub(crate) mod servers;
pub(crate) mod settle;
pub(crate) mod shared;
pub(crate) mod shutdown;
pub(crate) mod task;
#[cfg(test)]
mod tests;
pub(crate) mod trace;
pub(crate) mod transactions;
mod turn;
pub(crate) mod waiters;
pub(crate) mod waits;
pub(crate) mod wire;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use deuteron_engine::DeliveryId;
use tokio::time::Sleep;

use crate::container::ContainerShared;
use crate::timer::Agenda;
use crate::{Ack, Connection, Context, Error, MessagingHandler};
use attempt::Phase;
use attempts::Attempts;
use route::Notice;
use shared::{Owner, Shared};
use wire::Wire;

/// The handler of a driver's events, if it has one.
pub(crate) type Handler<'h> = Option<&'h mut dyn MessagingHandler>;

/// What callbacks get their [`Context`] from.
pub(crate) struct Surroundings {
    pub(crate) container: Arc<ContainerShared>,
    pub(crate) agenda: Arc<Agenda>,
    pub(crate) in_loop: bool,
}

impl Surroundings {
    pub(crate) fn context(&self) -> Context<'_> {
        Context { container: &self.container, agenda: &self.agenda, in_loop: self.in_loop }
    }
}

/// A wire that the keep-alive thread may use while the driver runs callbacks.
pub(crate) type SharedWire = Arc<Mutex<Wire>>;

pub(crate) fn lock_wire(wire: &SharedWire) -> MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a deadline of the engine's has passed.
///
/// When callbacks were slow, what the peer has sent meanwhile may not have been noticed yet: only
/// the runtime can tell, and it gets the chance by a short sleep before the peer is found late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overdue {
    No,
    /// It has, as was seen at this time; the runtime is asked what came.
    Suspected(Instant),
    /// It has, and nothing came.
    Confirmed,
}

/// Runs one connection over all its wires.
pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    /// With a handler: keeps the connection open although its handles go.
    pub(crate) owner: Option<Arc<Owner>>,
    pub(crate) surroundings: Arc<Surroundings>,
    pub(crate) attempts: Attempts,
    pub(crate) phase: Phase,
    batch: Vec<Notice>,
    acks: Vec<(DeliveryId, Ack)>,
    woken: Vec<Waker>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// When `sleep` fires.
    armed: Option<Instant>,
    /// A deadline has passed, and the socket was looked at since.
    overdue: Overdue,
    /// Why the wire is to be given up, found by the turn.
    failure: Option<Error>,
    /// `on_connection_opening` or `on_connection_opened` was called.
    announced: bool,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        owner: Option<Arc<Owner>>,
        surroundings: Arc<Surroundings>,
        attempts: Attempts,
    ) -> Self {
        Self {
            shared,
            owner,
            surroundings,
            attempts,
            phase: Phase::Start,
            batch: Vec::new(),
            acks: Vec::new(),
            woken: Vec::new(),
            sleep: None,
            armed: None,
            overdue: Overdue::No,
            failure: None,
            announced: false,
        }
    }

    /// Calls the handler about the connection.
    fn tell(
        &self,
        handler: &mut Handler<'_>,
        call: impl FnOnce(&mut dyn MessagingHandler, &mut Context<'_>, &Connection),
    ) {
        if let (Some(handler), Some(owner)) = (handler.as_deref_mut(), &self.owner) {
            let _callback = waits::CallbackScope::enter();
            let connection = Connection::from_owner(Arc::clone(owner));
            call(handler, &mut self.surroundings.context(), &connection);
        }
    }

    fn wake_all(&mut self) {
        self.shared.lock().wake_all(&mut self.woken);
        self.wake();
    }

    fn wake(&mut self) {
        for waker in self.woken.drain(..) {
            waker.wake();
        }
    }
}
