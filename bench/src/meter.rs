//! Time and processor time of a run, and the line that reports them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a run is to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) front: &'static str,
    pub(crate) role: &'static str,
    /// Where to listen on loopback, or to connect to, as a URL.
    pub(crate) url: String,
    pub(crate) count: usize,
    pub(crate) size: usize,
    pub(crate) settled: bool,
}

/// What a program holds many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Each with one link.
    Connections,
    /// On one connection.
    Links,
    /// On one link, sent and not settled.
    Messages,
}

impl Held {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "connections" => Some(Self::Connections),
            "links" => Some(Self::Links),
            "messages" => Some(Self::Messages),
            _ => None,
        }
    }
}

/// A run that has begun: made at its first message.
#[derive(Debug)]
pub(crate) struct Meter {
    begun: Instant,
    processor: Duration,
    epoch: f64,
}

impl Meter {
    pub(crate) fn start() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { begun: Instant::now(), processor: processor_time(), epoch }
    }

    /// Prints the figures; `more` is further fields of the JSON object, each with a comma before it.
    pub(crate) fn report(&self, plan: &Plan, more: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let processor = processor_time().saturating_sub(self.processor).as_secs_f64();
        let Plan { front, role, count, size, settled, .. } = plan;
        let mode = if *settled { "settled" } else { "unsettled" };
        let rate = *count as f64 / seconds;
        println!(
            "{{\"peer\":\"deuteron-{front}\",\"role\":\"{role}\",\"mode\":\"{mode}\",\"count\":{count},\"size\":{size},\
             \"secs\":{seconds:.6},\"msgs_per_s\":{rate:.1},\"cpu_u\":{processor:.6},\"cpu_s\":0.0,\"maxrss_kb\":{},\
             \"t_first\":{:.6}{more}}}",
            peak_memory(),
            self.epoch
        );
    }
}

/// The times of round trips.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The median and the 99th percentile in microseconds, without the first tenth, as further fields of a report.
    pub(crate) fn fields(&mut self) -> String {
        let warm = self.0.len() / 10;
        let kept = &mut self.0[warm..];
        kept.sort_unstable();
        let at =
            |part: f64| kept[((kept.len() as f64 * part) as usize).min(kept.len() - 1)].as_secs_f64() * 1e6;
        format!(",\"p50_us\":{:.2},\"p99_us\":{:.2}", at(0.5), at(0.99))
    }
}

/// Processor time of all threads so far, user and system, by the scheduler's own account in nanoseconds.
fn processor_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum::<u64>())
}

/// The most memory the process ever held, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
