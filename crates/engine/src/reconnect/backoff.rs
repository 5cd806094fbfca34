//! Delays that grow.

use std::time::Duration;

use super::{ReconnectPolicy, unit};

/// Delays that grow exponentially: 0, 0.1, 0.2, 0.4 ... 6.4, 10, 10 seconds by default, for ever.
///
/// ```
/// use deuteron_engine::reconnect::{Backoff, ReconnectPolicy};
/// use std::time::Duration;
/// let mut backoff = Backoff::new().max_attempts(3);
/// assert_eq!(backoff.next(), Some(Duration::ZERO));
/// assert_eq!(backoff.next(), Some(Duration::from_millis(100)));
/// assert_eq!(backoff.next(), Some(Duration::from_millis(200)));
/// assert_eq!(backoff.next(), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    initial: Duration,
    factor: f64,
    max_delay: Duration,
    max_attempts: Option<u32>,
    jitter: f64,
    seed: u64,
    progress: Progress,
}

/// Where in its sequence a `Backoff` is.
#[derive(Clone, Debug, Default, PartialEq)]
struct Progress {
    rounds: u32,
    delay: Duration,
    draws: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            factor: 2.0,
            max_delay: Duration::from_secs(10),
            max_attempts: None,
            jitter: 0.0,
            seed: 0,
            progress: Progress::default(),
        }
    }
}

impl Backoff {
    /// The default: 0, 0.1, 0.2, 0.4 ... 6.4, 10, 10 seconds, for ever.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the delay of the second round; that of the first is always zero. Default 0.1 s. With zero here every
    /// delay is zero, and a dead server is dialled in a tight loop.
    #[must_use]
    pub fn initial(mut self, delay: Duration) -> Self {
        self.initial = delay;
        self
    }

    /// Sets what each delay is multiplied by to get the next. Default 2. If the product is not a valid delay (a
    /// negative factor, or not a number), the delay is the greatest one.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Sets the greatest delay, which also caps the initial one. Default 10 s.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Limits how many rounds through the addresses there are, the first, with its delay of zero, included. Default:
    /// no limit. With 0, a lost connection is not dialled again, and the first connection is tried like with 1.
    #[must_use]
    pub fn max_attempts(mut self, rounds: u32) -> Self {
        self.max_attempts = Some(rounds);
        self
    }

    /// Takes a random part off each delay, so that many clients do not come back in the same instant: a delay is then
    /// between `(1 - fraction) * delay` and `delay`. Default 0: none. A fraction below 0 or above 1 counts as 0 or 1.
    /// The random numbers follow from `seed`; each client should have its own.
    #[must_use]
    pub fn jitter(mut self, fraction: f64, seed: u64) -> Self {
        self.jitter = fraction;
        self.seed = seed;
        self
    }

    fn shortened(&mut self, delay: Duration) -> Duration {
        let jitter = self.jitter.clamp(0.0, 1.0);
        if jitter.is_nan() || jitter == 0.0 {
            return delay;
        }
        self.progress.draws = self.progress.draws.wrapping_add(1);
        let share = 1.0 - jitter * unit(self.seed, self.progress.draws);
        delay.mul_f64(share.clamp(0.0, 1.0)).min(delay)
    }
}

impl ReconnectPolicy for Backoff {
    // The count of random draws stays, lest every series has the same jitter.
    fn reset(&mut self) {
        self.progress.rounds = 0;
        self.progress.delay = Duration::ZERO;
    }

    fn next(&mut self) -> Option<Duration> {
        let round = self.progress.rounds;
        if self.max_attempts.is_some_and(|limit| round >= limit) {
            return None;
        }
        self.progress.rounds = round.saturating_add(1);
        self.progress.delay = match round {
            0 => Duration::ZERO,
            1 => self.initial.min(self.max_delay),
            _ => Duration::try_from_secs_f64(self.progress.delay.as_secs_f64() * self.factor)
                .map_or(self.max_delay, |delay| delay.min(self.max_delay)),
        };
        Some(self.shortened(self.progress.delay))
    }
}
