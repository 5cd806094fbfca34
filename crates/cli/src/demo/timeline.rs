//! What happens, as it happens.

use std::fmt;
use std::time::Instant;

use indicatif::ProgressBar;

use crate::progress;

/// Prints events with the seconds since the start, and keeps the progress bar below them.
pub(crate) struct Timeline {
    start: Instant,
    bar: ProgressBar,
}

impl Timeline {
    pub(crate) fn new(count: u64) -> Self {
        Self { start: Instant::now(), bar: progress::bar(count) }
    }

    pub(crate) fn say(&self, event: fmt::Arguments<'_>) {
        let at = self.start.elapsed();
        self.bar.suspend(|| println!("{:7.3} s  {event}", at.as_secs_f64()));
    }

    /// How many messages are settled.
    pub(crate) fn progress(&self, settled: u64) {
        self.bar.set_position(settled);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
