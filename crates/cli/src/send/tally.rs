//! What became of the messages that were sent.

use std::time::Duration;

use deuteron::Outcome;

use super::flying::Landed;
use crate::failure::Failure;
use crate::latency::Latencies;
use crate::summary::counted;

/// Numbers of messages by outcome.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) bytes: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) released: u64,
    pub(crate) modified: u64,
    /// Sent settled, or settled without an outcome.
    pub(crate) settled: u64,
    /// In transactions that were committed, and in those that were not.
    pub(crate) committed: u64,
    pub(crate) rolled_back: u64,
    /// The last outcome that was none of the good ones.
    bad: Option<String>,
    /// From handing a message over to its outcome.
    pub(crate) latencies: Latencies,
    pub(crate) time: Duration,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sent: 0,
            bytes: 0,
            accepted: 0,
            rejected: 0,
            released: 0,
            modified: 0,
            settled: 0,
            committed: 0,
            rolled_back: 0,
            bad: None,
            latencies: Latencies::new(),
            time: Duration::ZERO,
        }
    }
}

impl Tally {
    /// Counts an outcome, and the time until it came if that was measured.
    pub(crate) fn land(&mut self, (outcome, time): &Landed) {
        if let Some(time) = time {
            self.latencies.add(*time);
        }
        self.count(outcome);
    }

    /// Counts an outcome.
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        if outcome.is_accepted() {
            self.accepted += 1;
            return;
        }
        match outcome {
            Outcome::Settled => {
                self.settled += 1;
                return;
            }
            Outcome::Rejected(_) => self.rejected += 1,
            Outcome::Released => self.released += 1,
            Outcome::Modified { .. } => self.modified += 1,
            _ => {}
        }
        self.bad = Some(describe(outcome));
    }

    /// How many got an outcome that is none of the good ones.
    pub(crate) fn refused(&self) -> u64 {
        self.sent.saturating_sub(self.accepted + self.settled)
    }

    /// Whether all outcomes so far are good ones.
    pub(crate) fn is_good(&self) -> bool {
        self.bad.is_none()
    }

    /// Adds what another sender has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.released += other.released;
        self.modified += other.modified;
        self.settled += other.settled;
        self.bad = self.bad.take().or_else(|| other.bad.clone());
        self.latencies.merge(&other.latencies);
    }

    /// An error if there was an outcome that is none of the good ones.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        match &self.bad {
            None => Ok(()),
            Some(outcome) => {
                let not = self.refused();
                let were = if not == 1 { "was" } else { "were" };
                let messages = format!("{} {were}", counted(not, "message"));
                Err(Failure::not_accepted(format!("{messages} not accepted; the last was {outcome}")))
            }
        }
    }
}

/// An outcome in words.
pub(crate) fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted => "accepted".into(),
        Outcome::Rejected(None) => "rejected".into(),
        Outcome::Rejected(Some(error)) => format!("rejected: {error}"),
        Outcome::Released => "released".into(),
        Outcome::Modified { delivery_failed, undeliverable_here, .. } => {
            let failed = if *delivery_failed { ", delivery failed" } else { "" };
            let here = if *undeliverable_here { ", undeliverable here" } else { "" };
            format!("modified{failed}{here}")
        }
        Outcome::Settled => "settled without an outcome".into(),
        Outcome::Lost => "lost with the connection; the peer may have it".into(),
        Outcome::NotSent => "not sent".into(),
        other => format!("{other:?}"),
    }
}
