//! Heartbeats while user code keeps a loop or a runtime busy (spec 2.4.5).
//!
//! One thread for the whole program looks after the connections whose peers want to hear from us. It
//! writes a heartbeat only where the driver is late with it, and it only ever writes: what comes in
//! waits for the driver.

use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, TryLockError, Weak};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::SharedWire;
use super::shared::Shared;
use super::wire::Wire;

/// The thread looks this often within a peer's idle timeout. Heartbeats are due at half of it.
const LOOKS: u32 = 8;

#[derive(Default)]
struct Watch {
    watched: Mutex<Vec<Watched>>,
    added: Condvar,
}

struct Watched {
    shared: Weak<Shared>,
    wire: Weak<Mutex<Wire>>,
    interval: Duration,
}

/// Looks after a connection until its wire goes, if its peer has asked for signs of life.
pub(super) fn watch(shared: &Arc<Shared>, wire: &SharedWire) {
    let idle = shared.lock().engine.remote_open().and_then(|open| open.idle_time_out).filter(|ms| *ms > 0);
    let Some(idle) = idle else { return };
    let interval = Duration::from_millis(u64::from(idle)) / LOOKS;
    let watched = Watched {
        shared: Arc::downgrade(shared),
        wire: Arc::downgrade(wire),
        interval: interval.clamp(Duration::from_millis(5), Duration::from_secs(5)),
    };
    if let Some(watch) = thread_of_all() {
        watch.watched.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
        watch.added.notify_one();
    }
}

/// The thread, started when it is first needed. `None` if the system gives no thread: then heartbeats
/// come from the drivers alone.
fn thread_of_all() -> Option<&'static Arc<Watch>> {
    static WATCH: OnceLock<Option<Arc<Watch>>> = OnceLock::new();
    let start = || {
        let watch = Arc::new(Watch::default());
        let own = Arc::clone(&watch);
        let started = thread::Builder::new().name("deuteron-heartbeat".into()).spawn(move || run(&own));
        match started {
            Ok(_) => Some(watch),
            Err(error) => {
                tracing::warn!(%error, "no thread for heartbeats: callbacks must be short");
                None
            }
        }
    };
    WATCH.get_or_init(start).as_ref()
}

fn run(watch: &Watch) {
    let mut watched = watch.watched.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        watched.retain(|one| one.wire.strong_count() > 0);
        let Some(pause) = watched.iter().map(|one| one.interval).min() else {
            watched = watch.added.wait(watched).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        watched = watch.added.wait_timeout(watched, pause).unwrap_or_else(PoisonError::into_inner).0;
        for one in &*watched {
            if let (Some(shared), Some(wire)) = (one.shared.upgrade(), one.wire.upgrade()) {
                look(&shared, &wire);
            }
        }
    }
}

fn look(shared: &Shared, wire: &SharedWire) {
    let mut wire = match wire.try_lock() {
        Ok(wire) => wire,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // The driver is at work.
        Err(TryLockError::WouldBlock) => return,
    };
    // Where something waits to be written already, the driver waits for the socket.
    if !wire.out.is_empty() || wire.stalled.is_some() {
        return;
    }
    let now = Instant::now();
    let mut core = shared.lock();
    core.engine.keep_alive(now);
    if !core.engine.poll_transmit(now, &mut wire.out) {
        return;
    }
    drop(core);
    if !wire.write(&mut Context::from_waker(Waker::noop()), now) {
        // It is for the driver to wait until the rest can be written.
        shared.command(|_| ());
    }
}
