//! Times, counted by size: percentiles within 2 % at a fixed cost.

use std::time::Duration;

/// Sizes between two powers of two that are told apart.
const STEPS: usize = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Enough for 64 bits of nanoseconds.
const BUCKETS: usize = (64 - STEP_BITS as usize + 1) * STEPS;

/// How many times of each size there were.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: 0 }
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(nanos)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(own, other)| *own += other);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The time that this part of all, 0 to 1, did not exceed.
    pub(crate) fn at(&self, part: f64) -> Duration {
        let wanted = ((self.count as f64 * part).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper(index).min(self.max));
            }
        }
        self.max()
    }

    /// The percentiles that are usual, as `p50 1.2 ms, p99 3.4 ms, ...`; those that a few times do not have are left out.
    pub(crate) fn text(&self) -> String {
        let shown = |part| readable(self.at(part));
        match self.count {
            0 | 1 => return readable(self.max()),
            2..10 => return format!("p50 {}, max {}", shown(0.5), readable(self.max())),
            _ => {}
        }
        let (p50, p99, p999) = (shown(0.5), shown(0.99), shown(0.999));
        format!("p50 {p50}, p99 {p99}, p99.9 {p999}, max {}", readable(self.max()))
    }

    /// The same as JSON, in microseconds.
    pub(crate) fn json(&self) -> serde_json::Value {
        let micros = |time: Duration| (time.as_secs_f64() * 1e7).round() / 10.0;
        serde_json::json!({
            "p50": micros(self.at(0.5)), "p99": micros(self.at(0.99)), "p99.9": micros(self.at(0.999)),
            "max": micros(self.max()),
        })
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < STEPS as u64 {
        return nanos as usize;
    }
    let shift = 63 - nanos.leading_zeros() - STEP_BITS;
    (shift as usize + 1) * STEPS + ((nanos >> shift) as usize - STEPS)
}

/// The largest size in a bucket.
fn upper(index: usize) -> u64 {
    let (power, step) = (index / STEPS, (index % STEPS) as u64);
    if power == 0 {
        return step;
    }
    let shift = power - 1;
    let next = u128::from(STEPS as u64 + step + 1) << shift;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

/// A time to read: three digits and a unit.
pub(crate) fn readable(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (number, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "us"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    match number {
        n if n < 10.0 => format!("{n:.2} {unit}"),
        n if n < 100.0 => format!("{n:.1} {unit}"),
        n => format!("{n:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_they_should() {
        for nanos in (0..10_000)
            .chain((0..64).flat_map(|bit| [1 << bit, (1 << bit) | ((1 << bit) / 3)]))
            .chain([u64::MAX])
        {
            let index = bucket_of(nanos);
            assert!(index < BUCKETS, "{nanos}");
            let (upper, below) = (upper(index), index.checked_sub(1).map(upper));
            assert!(nanos <= upper && below.is_none_or(|below| nanos > below), "{nanos}: {below:?} {upper}");
            assert!(upper - nanos <= nanos / 50 + 1, "{nanos}: {upper}");
        }
    }

    #[test]
    fn percentiles() {
        let mut latencies = Latencies::new();
        assert!(latencies.is_empty());
        (1..=1000).for_each(|micros| latencies.add(Duration::from_micros(micros)));
        let near = |time: Duration, micros: f64| (time.as_secs_f64() * 1e6 / micros - 1.0).abs() < 0.02;
        assert!(near(latencies.at(0.5), 500.0) && near(latencies.at(0.99), 990.0), "{}", latencies.text());
        assert_eq!(
            (latencies.at(1.0), latencies.max()),
            (Duration::from_millis(1), Duration::from_millis(1))
        );
        let mut other = Latencies::new();
        other.add(Duration::from_secs(2));
        latencies.merge(&other);
        assert_eq!(latencies.max(), Duration::from_secs(2));
        assert_eq!(
            latencies.text().rsplit_once(' ').map(|(start, _)| start.ends_with("max 2.00")),
            Some(true)
        );
    }

    #[test]
    fn times_to_read() {
        assert_eq!(readable(Duration::from_nanos(1234)), "1.23 us");
        assert_eq!(readable(Duration::from_micros(12_345)), "12.3 ms");
        assert_eq!(readable(Duration::from_secs(123)), "123 s");
    }
}
