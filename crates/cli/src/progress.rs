//! The progress bar: at a terminal only.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::latency::{Latencies, readable};

/// What is done sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the clock is looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// A bar over `count` messages on standard error; an invisible one if that is no terminal.
pub(crate) fn bar(count: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(15)
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(count), target);
    style(&bar, "{elapsed_precise} [{wide_bar}] {human_pos}/{human_len} messages, {rate}/s{msg}");
    bar
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        let rate = |state: &ProgressState, out: &mut dyn Write| {
            // A bar that cannot be written is not worth an error.
            let _ = write!(out, "{:.0}", state.per_sec());
        };
        bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
    }
}

/// A bar that comes when the work turns out to be long.
pub(crate) struct Progress {
    /// `None` where nobody watches.
    watched: Option<Watched>,
    done: u64,
}

struct Watched {
    count: Option<u64>,
    start: Instant,
    glanced: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Over `count` messages, or without an end; `wanted` says whether it may be shown at all.
    pub(crate) fn new(count: Option<u64>, wanted: bool) -> Self {
        let now = Instant::now();
        let watched = (wanted && std::io::stderr().is_terminal()).then_some(Watched {
            count,
            start: now,
            glanced: now,
            bar: None,
        });
        Self { watched, done: 0 }
    }

    /// One more message is done.
    pub(crate) fn advance(&mut self, latencies: Option<&Latencies>) {
        self.set(self.done + 1, latencies);
    }

    /// So many messages are done.
    pub(crate) fn set(&mut self, done: u64, latencies: Option<&Latencies>) {
        self.done = done;
        if let Some(watched) = &mut self.watched {
            watched.glance(done, latencies);
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.watched.take().and_then(|watched| watched.bar) {
            bar.finish_and_clear();
        }
    }
}

impl Watched {
    fn glance(&mut self, done: u64, latencies: Option<&Latencies>) {
        let now = Instant::now();
        if now.duration_since(self.start) < PATIENCE || now.duration_since(self.glanced) < GLANCE {
            return;
        }
        self.glanced = now;
        let (count, start) = (self.count, self.start);
        let bar = self.bar.get_or_insert_with(|| {
            let bar = bar(count.unwrap_or(0)).with_elapsed(now.duration_since(start));
            if count.is_none() {
                bar.unset_length();
                style(&bar, "{elapsed_precise} {human_pos} messages, {rate}/s{msg}");
            }
            bar
        });
        if let Some(latencies) = latencies.filter(|latencies| !latencies.is_empty()) {
            let (p50, p99) = (readable(latencies.at(0.5)), readable(latencies.at(0.99)));
            bar.set_message(format!(", p50 {p50}, p99 {p99}"));
        }
        bar.set_position(done);
    }
}
