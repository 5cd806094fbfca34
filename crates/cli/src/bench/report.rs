//! The result of a measurement.

use std::time::Duration;

use serde_json::{Value, json};

use super::load::{Received, Sent};
use super::place::Place;
use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::summary::counted;

pub(super) struct Report {
    place: String,
    senders: u32,
    receivers: u32,
    size: u64,
    settled: bool,
    round_trips: bool,
    sent: Sent,
    received: Received,
    time: Duration,
    peak_memory: Option<u64>,
}

impl Report {
    pub(super) fn new(
        args: &BenchArgs,
        place: &Place,
        sent: Sent,
        received: Received,
        time: Duration,
    ) -> Self {
        Self {
            place: place.name(),
            senders: args.senders,
            receivers: if args.direct { args.senders } else { args.receivers },
            size: args.size,
            settled: args.settled,
            round_trips: args.latency,
            sent,
            received,
            time,
            peak_memory: peak_memory(),
        }
    }

    /// Messages a second, from the first that was sent to the last that was received.
    fn rate(&self) -> f64 {
        let messages = if self.receivers == 0 { self.sent.tally.sent } else { self.received.count };
        messages as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// Several lines to read.
    pub(super) fn text(&self) -> String {
        let tally = &self.sent.tally;
        let mode = if self.settled { "settled" } else { "unsettled" };
        let trips = if self.round_trips { ", one at a time" } else { "" };
        let rate = self.rate();
        let mut lines = vec![
            format!(
                "{}, {}, {}, {mode}{trips}, {}",
                counted(self.senders.into(), "sender"),
                counted(self.receivers.into(), "receiver"),
                counted(self.size, "byte"),
                self.place
            ),
            format!("sent       {}, {} acknowledged", counted(tally.sent, "message"), tally.accepted),
            format!("received   {}", counted(self.received.count, "message")),
            format!(
                "rate       {rate:.0} messages/s, {:.1} MB/s, in {:.3} s",
                rate * self.size as f64 / 1e6,
                self.time.as_secs_f64()
            ),
        ];
        if !tally.latencies.is_empty() {
            lines.push(format!("to ack     {}", tally.latencies.text()));
        }
        if !self.received.latencies.is_empty() {
            lines.push(format!("to arrive  {}", self.received.latencies.text()));
        }
        if let Some(kib) = self.peak_memory {
            lines.push(format!("memory     {:.1} MiB at most, in this process", kib as f64 / 1024.0));
        }
        lines.join("\n")
    }

    /// The same as JSON; times in microseconds.
    pub(super) fn json(&self) -> Value {
        let tally = &self.sent.tally;
        let latencies = |latencies: &crate::latency::Latencies| {
            if latencies.is_empty() { Value::Null } else { latencies.json() }
        };
        json!({
            "command": "bench",
            "place": self.place,
            "senders": self.senders,
            "receivers": self.receivers,
            "size": self.size,
            "settled": self.settled,
            "latency_mode": self.round_trips,
            "sent": tally.sent,
            "accepted": tally.accepted,
            "received": self.received.count,
            "seconds": (self.time.as_secs_f64() * 1e6).round() / 1e6,
            "rate": (self.rate() * 10.0).round() / 10.0,
            "ack_us": latencies(&tally.latencies),
            "arrive_us": latencies(&self.received.latencies),
            "peak_memory_kib": self.peak_memory,
        })
    }

    /// An error if messages were not accepted.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        self.sent.tally.verdict()
    }
}

/// The most memory that this process ever held, in KiB, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
