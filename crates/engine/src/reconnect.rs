//! When to dial which address: reconnect and failover as a state machine without clocks or sockets.
//!
//! [`Reconnector`] walks the addresses by the delays that a [`ReconnectPolicy`] gives: *for each delay, for each
//! address, wait that delay, then try*. The very first attempt of all does not wait, and so uses up the first
//! delay; after the loss of a connection that had opened the walk starts afresh at the first address, and the
//! first delay, normally zero, then counts (guide chapter 6, "Configuring reconnect" and "failover"). As the
//! first delay is zero, a live server anywhere in the list is reached without waiting.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// The longest wait that is used when `now + delay` cannot be represented.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The delays between attempts. [`Backoff`] is the default; [`Delays`] is a fixed list.
///
/// A delay is taken once for each round through the addresses, and is waited before every attempt of the round.
pub trait ReconnectPolicy: Send {
    /// Starts afresh: called once before each series of attempts, that is before the first attempt of all and
    /// again after each connection that opened and was lost.
    fn reset(&mut self);

    /// The delay before each attempt of the next round, or `None` to give up.
    ///
    /// The first value of a series is the delay of its first round. Before the first attempt of all no delay is
    /// waited, and that attempt is made even if the answer is `None`.
    fn next(&mut self) -> Option<Duration>;
}

impl<P: ReconnectPolicy + ?Sized> ReconnectPolicy for Box<P> {
    fn reset(&mut self) {
        (**self).reset();
    }

    fn next(&mut self) -> Option<Duration> {
        (**self).next()
    }
}

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

/// The `draw`th number, from 0 up to but not including 1, of the sequence that `seed` starts (the SplitMix64 generator).
fn unit(seed: u64, draw: u64) -> f64 {
    let mut z = seed.wrapping_add(draw.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    // 53 bits fill an f64's mantissa exactly.
    (z >> 11) as f64 / (1_u64 << 53) as f64
}

/// A fixed list of delays; when it is used up, the reconnector gives up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delays {
    all: Vec<Duration>,
    left: VecDeque<Duration>,
}

impl Delays {
    /// The delays of the first, second ... round through the addresses.
    pub fn new(delays: impl IntoIterator<Item = Duration>) -> Self {
        let all: Vec<_> = delays.into_iter().collect();
        Self { left: all.iter().copied().collect(), all }
    }
}

impl ReconnectPolicy for Delays {
    fn reset(&mut self) {
        self.left = self.all.iter().copied().collect();
    }

    fn next(&mut self) -> Option<Duration> {
        self.left.pop_front()
    }
}

/// What to do now, as [`Reconnector::next`] says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Dial the address with this index now.
    Dial(usize),
    /// Wait, then call [`Reconnector::next`] again, which will say `Dial(address)`.
    Wait {
        /// When to call again. Calling earlier does no harm: the answer is the same.
        until: Instant,
        /// The address that is going to be dialled.
        address: usize,
    },
    /// There is nothing left to try. The answer stays the same until [`Reconnector::connected`].
    GiveUp {
        /// How many times an address was dialled since the start or the last connection that opened.
        attempts: u32,
    },
}

/// Where the walk through the addresses is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Walk {
    /// No attempt yet, ever.
    Fresh,
    /// A connection opened; the next failure is its loss.
    Connected,
    /// An address is due at an instant.
    Waiting { until: Instant, address: usize },
    /// An address was dialled; if `next` is called, that attempt failed.
    Dialled { address: usize },
    /// There is nothing left to try.
    Over,
}

/// Says which address to dial and when.
///
/// The loop of a driver: [`next`](Self::next); dial what it says; if a connection opens, [`connected`](Self::connected);
/// when the attempt fails or the connection is lost, `next` again. If a failure is one that cannot heal, such as a
/// wrong password, [`strike`](Self::strike) before `next`.
///
/// Without a policy (`reconnect` off) each address is tried once, at once, and a lost connection is not dialled again.
pub struct Reconnector {
    policy: Option<Box<dyn ReconnectPolicy>>,
    struck: Vec<bool>,
    walk: Walk,
    delay: Duration,
    attempts: u32,
}

impl Reconnector {
    /// A reconnector for so many addresses, indexed from 0; with none it gives up at once.
    #[must_use]
    pub fn new(addresses: usize, policy: Option<Box<dyn ReconnectPolicy>>) -> Self {
        Self { policy, struck: vec![false; addresses], walk: Walk::Fresh, delay: Duration::ZERO, attempts: 0 }
    }

    /// What to do now. Calling it after `Dial` means that the attempt failed, after
    /// [`connected`](Self::connected) that the connection was lost.
    pub fn next(&mut self, now: Instant) -> Next {
        match self.walk {
            Walk::Fresh => self.begin_walk(true, now),
            Walk::Connected => self.begin_walk(false, now),
            Walk::Waiting { until, address } if now < until => Next::Wait { until, address },
            Walk::Waiting { address, .. } => self.dial(address),
            Walk::Dialled { address } => match self.unstruck_from(address + 1) {
                Some(following) => self.wait(following, now),
                None => self.begin_round(now),
            },
            Walk::Over => self.give_up(),
        }
    }

    /// Notes that the connection has opened: the peer's `open` has come. The next call of [`next`](Self::next) starts
    /// afresh with the first address and the first delay.
    pub fn connected(&mut self) {
        self.walk = Walk::Connected;
    }

    /// Strikes the address that was dialled last off the list, until a connection opens: what went wrong there cannot
    /// heal by trying again (a wrong password, a bad certificate). When none is left, the reconnector gives up.
    pub fn strike(&mut self) {
        if let Walk::Dialled { address } = self.walk
            && let Some(struck) = self.struck.get_mut(address)
        {
            *struck = true;
        }
    }

    /// How many times an address was dialled since the start or the last connection that opened and was lost.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn begin_walk(&mut self, first_of_all: bool, now: Instant) -> Next {
        self.attempts = 0;
        self.struck.fill(false);
        let delay = match &mut self.policy {
            Some(policy) => {
                policy.reset();
                policy.next()
            }
            None => None,
        };
        match (delay, self.unstruck_from(0)) {
            (_, None) => self.give_up(),
            (delay, Some(address)) if first_of_all => {
                self.delay = delay.unwrap_or(Duration::ZERO);
                self.dial(address)
            }
            (Some(delay), Some(address)) => {
                self.delay = delay;
                self.wait(address, now)
            }
            (None, Some(_)) => self.give_up(),
        }
    }

    fn begin_round(&mut self, now: Instant) -> Next {
        let Some(address) = self.unstruck_from(0) else { return self.give_up() };
        match self.policy.as_mut().and_then(|policy| policy.next()) {
            Some(delay) => {
                self.delay = delay;
                self.wait(address, now)
            }
            None => self.give_up(),
        }
    }

    fn unstruck_from(&self, start: usize) -> Option<usize> {
        (start..self.struck.len()).find(|&address| self.struck.get(address) == Some(&false))
    }

    fn wait(&mut self, address: usize, now: Instant) -> Next {
        if self.delay.is_zero() {
            return self.dial(address);
        }
        let until = now.checked_add(self.delay).or_else(|| now.checked_add(FAR)).unwrap_or(now);
        self.walk = Walk::Waiting { until, address };
        Next::Wait { until, address }
    }

    fn dial(&mut self, address: usize) -> Next {
        self.attempts = self.attempts.saturating_add(1);
        self.walk = Walk::Dialled { address };
        Next::Dial(address)
    }

    fn give_up(&mut self) -> Next {
        self.walk = Walk::Over;
        Next::GiveUp { attempts: self.attempts }
    }
}

impl fmt::Debug for Reconnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnector")
            .field("reconnect", &self.policy.is_some())
            .field("struck", &self.struck)
            .field("walk", &self.walk)
            .field("delay", &self.delay)
            .field("attempts", &self.attempts)
            .finish()
    }
}

#[cfg(test)]
mod tests;
