//! Signs of life while the program is busy: a thread that needs nothing of Python writes an empty frame where one is due
//! and the container's loop has not come by (2.4.5).
//!
//! It is there only as long as some peer asks for heartbeats. Between frames it writes on a second descriptor of the
//! connection's socket, and never while the loop does: what the loop has looked at and not yet taken is `lent`.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::Buf;
use deuteron_engine::EMPTY_FRAME;
use pyo3::prelude::*;

use crate::names::lock;
use crate::wire::Wire;

/// What it takes to write heartbeats on a wire.
pub(crate) struct Heartbeat {
    stream: TcpStream,
    /// How long the loop may be silent. None while no empty frame may be sent.
    interval: Option<Duration>,
    written: Instant,
}

impl Heartbeat {
    /// Uses a second descriptor of a socket. It is open as long as this is there.
    pub(crate) fn on(socket: &Bound<'_, PyAny>) -> PyResult<Self> {
        let descriptor: RawFd = socket.call_method0("dup")?.call_method0("detach")?.extract()?;
        // SAFETY: `detach` has just given the descriptor, which is open, away: nobody else has it.
        #[expect(unsafe_code, reason = "there is no other way to own a descriptor that Python has made")]
        let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Self { stream: TcpStream::from(owned), interval: None, written: Instant::now() })
    }

    /// `interval`: after how long a silence the loop would act. It is the first to do so; half of what the peer bears is left
    /// then, and a quarter of that is taken for this.
    pub(crate) fn expect(&mut self, interval: Option<Duration>) {
        self.interval = interval.map(|interval| interval + interval / 4);
    }

    /// The loop has written something.
    pub(crate) fn wrote(&mut self) {
        self.written = Instant::now();
    }

    fn due(&self) -> Option<Instant> {
        self.written.checked_add(self.interval?)
    }
}

impl Wire {
    /// Writes an empty frame if it is time, or what waits to be written. Gives the time to look again, None for never.
    fn beat(&mut self, now: Instant) -> Option<Instant> {
        let heartbeat = self.heartbeat.as_ref()?;
        let due = heartbeat.due()?;
        if now < due {
            return Some(due);
        }
        let again = now + (due - heartbeat.written) / 8;
        if self.lent {
            return Some(again);
        }
        if self.output.is_empty() && self.outgoing().is_empty() && self.sent.is_between() {
            self.output.extend_from_slice(&EMPTY_FRAME);
            self.sent.pass(&EMPTY_FRAME);
            self.beats += 1;
            // What is wrong with TLS is for the loop to find.
            self.seal().ok()?;
        }
        match self.write_out() {
            Ok(0) => Some(again),
            Ok(_) => {
                let heartbeat = self.heartbeat.as_mut()?;
                heartbeat.written = now;
                heartbeat.due()
            }
            Err(_) => {
                // As above: the loop will read or write, and find out.
                self.heartbeat = None;
                None
            }
        }
    }

    /// Writes as much of the output as the socket takes.
    fn write_out(&mut self) -> std::io::Result<usize> {
        let mut total = 0;
        let Some(Heartbeat { stream, .. }) = &mut self.heartbeat else { return Ok(0) };
        let output = match &mut self.tls {
            Some(tls) => &mut tls.sealed,
            None => &mut self.output,
        };
        while !output.is_empty() {
            match stream.write(output) {
                Ok(0) => break,
                Ok(written) => {
                    output.advance(written);
                    total += written;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }
}

/// The wires that want heartbeats, and whether there is a thread for them.
#[derive(Default)]
struct Beating {
    wires: Vec<Weak<Mutex<Wire>>>,
    running: bool,
    held: bool,
}

#[derive(Default)]
struct Heart {
    beating: Mutex<Beating>,
    changed: Condvar,
}

/// Only touched by threads that hold the interpreter, and a process is forked by one of these: it is never locked in a
/// child. The one in it may be.
static HEART: Mutex<Option<Arc<Heart>>> = Mutex::new(None);

/// How often this process' ancestors were forked while they had the package loaded.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A number that is another one after each fork.
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

fn heart() -> Arc<Heart> {
    lock(&HEART).get_or_insert_default().clone()
}

/// Sees to the heartbeats of a wire until it has none, or is gone.
pub(crate) fn keep(wire: &Arc<Mutex<Wire>>) {
    let heart = heart();
    let mut beating = lock(&heart.beating);
    beating.wires.push(Arc::downgrade(wire));
    if !beating.running {
        let own = heart.clone();
        let thread = std::thread::Builder::new().name("proton-heartbeat".to_owned()).stack_size(256 << 10);
        // Without a thread the loop does what it can.
        beating.running = thread.spawn(move || own.run()).is_ok();
    }
    drop(beating);
    heart.changed.notify_all();
}

impl Heart {
    fn run(&self) {
        let mut beating = lock(&self.beating);
        loop {
            let mut next: Option<Instant> = None;
            if !beating.held {
                let now = Instant::now();
                beating.wires.retain(|wire| {
                    let Some(at) = look(wire, now) else { return false };
                    next = Some(next.map_or(at, |next| next.min(at)));
                    true
                });
                if beating.wires.is_empty() {
                    beating.running = false;
                    return;
                }
            }
            beating = match next {
                Some(at) => {
                    let wait = at.saturating_duration_since(Instant::now());
                    match self.changed.wait_timeout(beating, wait) {
                        Ok((beating, _)) => beating,
                        Err(poisoned) => poisoned.into_inner().0,
                    }
                }
                None => self.changed.wait(beating).unwrap_or_else(std::sync::PoisonError::into_inner),
            };
        }
    }
}

/// How soon to look again at a wire that the loop is busy with.
const SOON: Duration = Duration::from_millis(5);
/// How soon to look again at a wire on which nothing may be sent for now.
const LATER: Duration = Duration::from_millis(250);

/// When to look at a wire again; None if it needs that no more.
fn look(wire: &Weak<Mutex<Wire>>, now: Instant) -> Option<Instant> {
    let wire = wire.upgrade()?;
    // Who holds it may wait for the interpreter: not to be waited for.
    let Ok(mut wire) = wire.try_lock() else { return Some(now + SOON) };
    let at = wire.beat(now);
    wire.heartbeat.as_ref()?;
    Some(at.unwrap_or(now + LATER))
}

/// Lets no heartbeat be under way: to be called before a fork.
#[pyfunction]
pub(crate) fn hold_heartbeats() {
    if let Some(heart) = &*lock(&HEART) {
        lock(&heart.beating).held = true;
    }
}

/// Goes on after a fork, in the parent.
#[pyfunction]
pub(crate) fn resume_heartbeats() {
    if let Some(heart) = &*lock(&HEART) {
        lock(&heart.beating).held = false;
        heart.changed.notify_all();
    }
}

/// Begins anew after a fork, in the child, which has no thread and whose wires are the parent's.
#[pyfunction]
pub(crate) fn forget_heartbeats() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    // Its lock may be that of a thread that is not here: it is left as it is.
    std::mem::forget(lock(&HEART).take());
}
