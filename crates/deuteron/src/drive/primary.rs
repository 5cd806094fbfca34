//! Back to the primary: while another server is in use, the first of the list is looked at now and then.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use deuteron_codec::{Error as AmqpError, condition};
use deuteron_engine::Remedy;
use tokio::time::sleep;

use super::servers::KnownServer;
use super::shared::{Shared, Status};
use crate::{ConnectOptions, Container};

/// How often it is looked whether nothing is unsettled.
const QUIET: Duration = Duration::from_millis(10);

/// Looks, on a task of its own, whether the primary can be connected to, for as long as this wire is in use.
pub(super) fn watch(shared: &Arc<Shared>, primary: &KnownServer, options: &ConnectOptions, every: Duration) {
    let mut probe = primary.options(options).reconnect(false);
    probe.urls = vec![(&primary.url).into()];
    probe.handler = crate::options::OwnHandler::default();
    let wire = shared.lock().wires;
    drop(tokio::spawn(look(Arc::downgrade(shared), probe, wire, every)));
}

async fn look(shared: Weak<Shared>, probe: ConnectOptions, wire: u64, every: Duration) {
    loop {
        sleep(every).await;
        if !in_use(&shared, wire) {
            return;
        }
        let Ok(connection) = Container::new().connect(probe.clone()).await else { continue };
        let _ = connection.close().await;
        break;
    }
    // In a moment in which nothing is unsettled no fate becomes unknown. A program that is never quiet has to bear it.
    let patience = Instant::now() + every;
    while Instant::now() < patience && in_use(&shared, wire) {
        if shared.upgrade().is_some_and(|shared| shared.lock().engine.unsettled() == 0) {
            break;
        }
        sleep(QUIET.min(every)).await;
    }
    let Some(shared) = shared.upgrade() else { return };
    shared.command(|core| {
        if core.wires == wire && matches!(core.status, Status::Open) {
            let why = AmqpError::new(condition::CONNECTION_FORCED, "the primary server is there again");
            core.engine.leave_wire(Remedy::NewConnection, why, Instant::now());
        }
    });
}

/// Whether the connection is open on the wire that it had then.
fn in_use(shared: &Weak<Shared>, wire: u64) -> bool {
    shared.upgrade().is_some_and(|shared| {
        let core = shared.lock();
        core.wires == wire && matches!(core.status, Status::Open)
    })
}
