//! When to send the next message, and when to stop.

use std::time::{Duration, Instant};

/// Shorter waits are left out; what is late then is sent in a burst.
const SHORTEST: Duration = Duration::from_micros(500);

/// Holds messages back to a rate, and ends after a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    start: Instant,
    /// Seconds between two messages.
    interval: Option<f64>,
    end: Option<Instant>,
    passed: u64,
}

impl Pace {
    /// Starts now.
    pub(crate) fn start(rate: Option<f64>, duration: Option<Duration>) -> Self {
        let start = Instant::now();
        let end = duration.and_then(|duration| start.checked_add(duration));
        Self { start, interval: rate.map(|rate| 1.0 / rate), end, passed: 0 }
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// When the next message may go, if not at once; at the end of the time, should that come first.
    pub(crate) fn due(&mut self) -> Option<Instant> {
        let interval = self.interval?;
        let due = Duration::try_from_secs_f64(interval * self.passed as f64).unwrap_or(Duration::MAX);
        self.passed += 1;
        let due = self.start.checked_add(due).or(self.end).unwrap_or(self.start);
        let due = self.end.map_or(due, |end| end.min(due));
        (due.saturating_duration_since(Instant::now()) >= SHORTEST).then_some(due)
    }

    /// Waits until the time is over; for ever if it never is.
    pub(crate) async fn over(&self) {
        over(self.end).await;
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Waits until then; for ever without a time.
pub(crate) async fn over(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}
