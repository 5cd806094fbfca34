//! Whose a container's connections are: those of the thread that runs its loop, in the process in which it ran first.
//!
//! Nothing is corrupted by other threads, as every object has its locks; but what they do would come in the middle of
//! something else. They are told so, as are the children of a fork, which would write on their parent's sockets.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pyo3::prelude::*;

use crate::heartbeat::forks;
use crate::names;

/// Nobody, or no process.
const NONE: u64 = 0;

#[derive(Default)]
pub(crate) struct Owner {
    /// The thread that runs the loop at the moment.
    thread: AtomicU64,
    /// How often that thread has entered.
    depth: AtomicU32,
    /// The process that has run it: one more than its number of forks.
    process: AtomicU64,
}

/// The number of this thread.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(NONE + 1);
    thread_local! {
        static THIS: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    THIS.with(|number| *number)
}

fn this_process() -> u64 {
    u64::from(forks()) + 1
}

impl Owner {
    /// An error if another thread runs the loop, or another process has run it.
    pub(crate) fn check(&self, py: Python<'_>) -> PyResult<()> {
        let thread = self.thread.load(Ordering::Relaxed);
        if thread != NONE && thread != this_thread() {
            return Err(names::error(py, "ProtonException", OTHER_THREAD));
        }
        self.check_process(py)
    }

    /// An error if another process has run the loop.
    pub(crate) fn check_process(&self, py: Python<'_>) -> PyResult<()> {
        let process = self.process.load(Ordering::Relaxed);
        if process != NONE && process != this_process() {
            return Err(names::error(py, "ProtonException", OTHER_PROCESS));
        }
        Ok(())
    }

    /// This thread runs the loop from now on, until it has left as often as it has entered.
    pub(crate) fn enter(&self, py: Python<'_>) -> PyResult<()> {
        self.check(py)?;
        self.thread.store(this_thread(), Ordering::Relaxed);
        self.process.store(this_process(), Ordering::Relaxed);
        self.depth.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn leave(&self) {
        if self.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.thread.store(NONE, Ordering::Relaxed);
        }
    }
}

const OTHER_THREAD: &str = "another thread runs this container: only the callbacks in it may use its connections. From other \
                            threads, call trigger() of a proton.reactor.EventInjector";
const OTHER_PROCESS: &str = "this container and its connections belong to the process that this one was forked from: make new \
                             ones after the fork";
