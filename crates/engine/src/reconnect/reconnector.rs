//! Which address to dial, and when.

use std::fmt;
use std::time::{Duration, Instant};

use super::{ReconnectPolicy, unit};

/// The longest wait that is used when `now + delay` cannot be represented.
pub(super) const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

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

/// Where the walk through the addresses is. Places count along the order of the walk.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Walk {
    /// No attempt yet, ever.
    Fresh,
    /// A connection opened; the next failure is its loss.
    Connected,
    /// The address at a place is due at an instant.
    Waiting { until: Instant, place: usize },
    /// The address at a place was dialled; if `next` is called, that attempt failed.
    Dialled { place: usize },
    /// There is nothing left to try.
    Over,
}

/// In which order the addresses are tried.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they are listed.
    #[default]
    Listed,
    /// Shuffled for each walk, so that many clients spread over the addresses. The random numbers follow from the
    /// seed; each client should have its own.
    Random(u64),
    /// The first, and then the others shuffled.
    PrimaryThenRandom(u64),
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
    /// For each address whether it cannot heal.
    struck: Vec<bool>,
    /// The addresses in the order of this walk.
    walk_order: Vec<usize>,
    order: Order,
    draws: u64,
    walk: Walk,
    delay: Duration,
    attempts: u32,
    /// The address that was dialled last.
    last: usize,
    stays: bool,
    skips: bool,
    /// How many rounds the first walk may have.
    first_rounds: Option<u32>,
    rounds: u32,
}

impl Reconnector {
    /// A reconnector for so many addresses, indexed from 0; with none it gives up at once.
    #[must_use]
    pub fn new(addresses: usize, policy: Option<Box<dyn ReconnectPolicy>>) -> Self {
        Self {
            policy,
            struck: vec![false; addresses],
            walk_order: (0..addresses).collect(),
            order: Order::Listed,
            draws: 0,
            walk: Walk::Fresh,
            delay: Duration::ZERO,
            attempts: 0,
            last: 0,
            stays: false,
            skips: false,
            first_rounds: None,
            rounds: 0,
        }
    }

    /// Sets the order of the walks that begin from now on. Default: as listed.
    pub fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// Limits how many rounds through the addresses there are before the first connection of all has opened; the policy
    /// may give up earlier. Default: only the policy does. At least one attempt is made.
    pub fn limit_first(&mut self, rounds: Option<u32>) {
        self.first_rounds = rounds;
    }

    /// There are other addresses now: so many. The walk that is under way goes on with the first of them that is due next;
    /// nothing is known against any of them.
    pub fn set_addresses(&mut self, addresses: usize) {
        self.struck = vec![false; addresses];
        self.last = usize::MAX;
        self.arrange();
        match self.walk {
            Walk::Waiting { until, .. } => self.walk = Walk::Waiting { until, place: 0 },
            // The attempt under way is not one of these: when it fails, the first is next.
            Walk::Dialled { .. } => self.walk = Walk::Dialled { place: usize::MAX },
            Walk::Fresh | Walk::Connected | Walk::Over => {}
        }
    }

    /// What to do now. Calling it after `Dial` means that the attempt failed, after
    /// [`connected`](Self::connected) that the connection was lost.
    pub fn next(&mut self, now: Instant) -> Next {
        let stays = std::mem::take(&mut self.stays);
        match self.walk {
            Walk::Fresh => self.begin_walk(true, now),
            Walk::Connected => self.begin_walk(false, now),
            Walk::Waiting { until, place } if now < until => {
                Next::Wait { until, address: self.address(place) }
            }
            Walk::Waiting { place, .. } => self.dial(place),
            Walk::Dialled { place } if stays => self.begin_round(place, now),
            Walk::Dialled { place } => match self.unstruck_from(place.wrapping_add(1)) {
                Some(following) => self.wait(following, now),
                None => self.begin_round(0, now),
            },
            Walk::Over => self.give_up(),
        }
    }

    /// Notes that the connection has opened: the peer's `open` has come. The next call of [`next`](Self::next) starts
    /// afresh with the first address and the first delay.
    pub fn connected(&mut self) {
        self.walk = Walk::Connected;
        self.first_rounds = None;
    }

    /// Strikes the address that was dialled last off the list, until a connection opens: what went wrong there cannot
    /// heal by trying again (a wrong password, a bad certificate). When none is left, the reconnector gives up.
    pub fn strike(&mut self) {
        if matches!(self.walk, Walk::Dialled { .. })
            && let Some(struck) = self.struck.get_mut(self.last)
        {
            *struck = true;
        }
    }

    /// Nothing more is to be tried: [`next`](Self::next) gives up.
    pub fn stop(&mut self) {
        if self.walk == Walk::Connected {
            self.attempts = 0;
        }
        self.walk = Walk::Over;
    }

    /// After an attempt that failed: the same address is dialled again, after the delay of the next round.
    pub fn stay(&mut self) {
        self.stays = matches!(self.walk, Walk::Dialled { .. });
    }

    /// After a connection that was lost: the walk starts afresh at the address behind that one. After an attempt that
    /// failed the next one is dialled anyway.
    pub fn skip(&mut self) {
        self.skips = self.walk == Walk::Connected;
    }

    /// Whether the last thing heard is that a connection has opened.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.walk == Walk::Connected
    }

    /// How many times an address was dialled since the start or the last connection that opened and was lost.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn begin_walk(&mut self, first_of_all: bool, now: Instant) -> Next {
        self.attempts = 0;
        self.rounds = 1;
        self.struck.fill(false);
        self.arrange();
        let delay = match &mut self.policy {
            Some(policy) => {
                policy.reset();
                policy.next()
            }
            None => None,
        };
        match (delay, self.unstruck_from(0)) {
            (_, None) => self.give_up(),
            (delay, Some(place)) if first_of_all => {
                self.delay = delay.unwrap_or(Duration::ZERO);
                self.dial(place)
            }
            (Some(delay), Some(place)) => {
                self.delay = delay;
                self.wait(place, now)
            }
            (None, Some(_)) => self.give_up(),
        }
    }

    fn begin_round(&mut self, from: usize, now: Instant) -> Next {
        let place = self.unstruck_from(from).or_else(|| self.unstruck_from(0));
        let Some(place) = place else { return self.give_up() };
        if self.first_rounds.is_some_and(|limit| self.rounds >= limit) {
            return self.give_up();
        }
        self.rounds = self.rounds.saturating_add(1);
        match self.policy.as_mut().and_then(|policy| policy.next()) {
            Some(delay) => {
                self.delay = delay;
                self.wait(place, now)
            }
            None => self.give_up(),
        }
    }

    /// Sets the order for a walk.
    fn arrange(&mut self) {
        self.walk_order = (0..self.struck.len()).collect();
        let (seed, fixed) = match self.order {
            Order::Listed => (0, self.struck.len()),
            Order::Random(seed) => (seed, 0),
            Order::PrimaryThenRandom(seed) => (seed, 1),
        };
        for place in (fixed + 1..self.walk_order.len()).rev() {
            self.draws = self.draws.wrapping_add(1);
            let choices = place + 1 - fixed;
            let drawn = fixed + (unit(seed, self.draws) * choices as f64) as usize;
            self.walk_order.swap(place, drawn.min(place));
        }
        if std::mem::take(&mut self.skips)
            && let Some(place) = self.walk_order.iter().position(|address| *address == self.last)
        {
            let count = self.walk_order.len();
            self.walk_order.rotate_left((place + 1) % count);
        }
    }

    fn unstruck_from(&self, start: usize) -> Option<usize> {
        let struck = |place: &usize| self.struck.get(self.address(*place)).is_none_or(|struck| *struck);
        (start..self.walk_order.len()).find(|place| !struck(place))
    }

    fn address(&self, place: usize) -> usize {
        self.walk_order.get(place).copied().unwrap_or(usize::MAX)
    }

    fn wait(&mut self, place: usize, now: Instant) -> Next {
        if self.delay.is_zero() {
            return self.dial(place);
        }
        let until = now.checked_add(self.delay).or_else(|| now.checked_add(FAR)).unwrap_or(now);
        self.walk = Walk::Waiting { until, place };
        Next::Wait { until, address: self.address(place) }
    }

    fn dial(&mut self, place: usize) -> Next {
        self.attempts = self.attempts.saturating_add(1);
        self.last = self.address(place);
        self.walk = Walk::Dialled { place };
        Next::Dial(self.last)
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
            .field("order", &self.walk_order)
            .field("walk", &self.walk)
            .field("delay", &self.delay)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
