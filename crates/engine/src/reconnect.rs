//! When to dial which address: reconnect and failover as a state machine without clocks or sockets.
//!
//! [`Reconnector`] walks the addresses by the delays that a [`ReconnectPolicy`] gives: *for each delay, for each
//! address, wait that delay, then try*. The very first attempt of all does not wait, and so uses up the first
//! delay; after the loss of a connection that had opened the walk starts afresh at the first address, and the
//! first delay, normally zero, then counts (guide chapter 6, "Configuring reconnect" and "failover"). As the
//! first delay is zero, a live server anywhere in the list is reached without waiting.

use std::collections::VecDeque;
use std::time::Duration;

mod backoff;
mod reconnector;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use reconnector::{Next, Order, Reconnector};

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

/// The `draw`th number, from 0 up to but not including 1, of the sequence that `seed` starts (the SplitMix64 generator).
fn unit(seed: u64, draw: u64) -> f64 {
    let mut z = seed.wrapping_add(draw.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    // 53 bits fill an f64's mantissa exactly.
    (z >> 11) as f64 / (1_u64 << 53) as f64
}
