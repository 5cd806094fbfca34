//! Endpoints that come back by themselves on a live wire: why they were interrupted, and when they are tried again.

use std::time::{Duration, Instant};

use deuteron_codec::Error;

use crate::reconnect::{Backoff, ReconnectPolicy};
use crate::remedy::Symptom;

/// A link or session that was up for this long starts its delays afresh when it is interrupted. One that goes down as
/// soon as it is up does not: its delays grow.
const STEADY: Duration = Duration::from_secs(1);

/// Why a link or session is down at the moment, and what comes next.
#[derive(Clone, PartialEq, Debug)]
pub struct Interruption {
    /// What is known of the cause.
    pub symptom: Symptom,
    /// The error that the peer named, if it named one.
    pub error: Option<Error>,
    /// Which try to come back is next, counted from 1 since it was last up.
    pub attempt: u32,
    /// How long after the interruption that try begins.
    pub delay: Duration,
}

/// How an endpoint comes back. It exists from the first interruption on.
#[derive(Debug)]
pub(crate) struct Comeback {
    delays: Backoff,
    attempts: u32,
    up_since: Option<Instant>,
    /// Its delay is running: it is not to be opened before.
    pub(crate) waiting: bool,
    /// We have ended the session ourselves, and the peer has not answered that.
    pub(crate) ending: bool,
    pub(crate) token: u32,
    pub(crate) last: Option<Interruption>,
}

impl Comeback {
    pub(crate) fn new(delays: &Backoff) -> Self {
        Self {
            delays: delays.clone(),
            attempts: 0,
            up_since: None,
            waiting: false,
            ending: false,
            token: 0,
            last: None,
        }
    }

    /// It went down. False if it has been tried often enough.
    pub(crate) fn interrupt(&mut self, symptom: Symptom, error: Option<Error>, now: Instant) -> bool {
        let steady = self.up_since.take().is_some_and(|up| now.saturating_duration_since(up) >= STEADY);
        if steady {
            self.delays.reset();
            self.attempts = 0;
        }
        let Some(delay) = self.delays.next() else { return false };
        self.attempts = self.attempts.saturating_add(1);
        self.token += 1;
        // What is free again by its end must not open it before it is scheduled.
        self.waiting = true;
        self.last = Some(Interruption { symptom, error, attempt: self.attempts, delay });
        true
    }

    /// The delay begins, with the token by which its end is known; `None` if there is none.
    pub(crate) fn begin_delay(&mut self) -> Option<(Duration, u32)> {
        let delay = self.last.as_ref().map(|last| last.delay).filter(|delay| !delay.is_zero());
        self.waiting = delay.is_some();
        Some((delay?, self.token))
    }

    /// Whether the delay with this token is the present one; then it is over.
    pub(crate) fn is_over(&mut self, token: u32) -> bool {
        self.token == token && std::mem::take(&mut self.waiting)
    }

    /// It is up.
    pub(crate) fn succeed(&mut self, now: Instant) {
        self.up_since = Some(now);
        self.waiting = false;
        self.last = None;
    }
}
