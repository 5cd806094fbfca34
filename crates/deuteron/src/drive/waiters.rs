//! Who waits: wakers in place of channels.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::task::Waker;
use std::time::{Duration, Instant};

/// From so many on, wakers are looked up rather than compared one by one.
const FEW: usize = 32;

/// From so many on, some may be those of futures that were dropped while they waited.
const MANY: usize = 256;

/// A set of many is swept this often.
const SWEEP: Duration = Duration::from_secs(10);

/// A task that looks for something. Made before the lock is taken and dropped after it is free, when it wakes those
/// that made place for it.
pub(crate) struct Waiter<'a> {
    waker: &'a Waker,
    swept: Cell<Vec<Waker>>,
}

impl<'a> Waiter<'a> {
    pub(crate) fn new(waker: &'a Waker) -> Self {
        Self { waker, swept: Cell::default() }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.swept.take().into_iter().for_each(Waker::wake);
    }
}

/// The wakers of the tasks that wait for one thing; mostly none or one.
#[derive(Debug, Default)]
pub(crate) struct WakerSet {
    wakers: Vec<Waker>,
    /// Where there are many.
    crowd: Option<Box<Crowd>>,
}

#[derive(Debug, Default)]
struct Crowd {
    known: HashSet<(usize, usize)>,
    swept: Option<Instant>,
}

impl WakerSet {
    /// A future that is dropped leaves its waker behind. So that they do not pile up where nothing happens for days, all
    /// are woken now and then when they are many: those who still wait come back.
    pub(crate) fn register(&mut self, waiter: &Waiter<'_>) {
        if !self.insert(waiter.waker) || self.wakers.len() < MANY {
            return;
        }
        let Some(crowd) = &mut self.crowd else { return };
        let now = Instant::now();
        if crowd.swept.is_some_and(|at| now.saturating_duration_since(at) < SWEEP) {
            return;
        }
        crowd.swept = Some(now);
        crowd.known.clear();
        let mut swept = std::mem::take(&mut self.wakers);
        if let Some(own) = swept.pop() {
            self.insert(&own);
        }
        waiter.swept.set(swept);
    }

    /// False if it is there already.
    fn insert(&mut self, waker: &Waker) -> bool {
        match &mut self.crowd {
            Some(crowd) => {
                if !crowd.known.insert(identity(waker)) {
                    return false;
                }
            }
            None => {
                if self.wakers.iter().any(|known| known.will_wake(waker)) {
                    return false;
                }
                if self.wakers.len() >= FEW {
                    let known = self.wakers.iter().chain([waker]).map(identity).collect();
                    self.crowd = Some(Box::new(Crowd { known, swept: None }));
                }
            }
        }
        self.wakers.push(waker.clone());
        true
    }

    /// Moves all wakers to `woken`, to be woken when nothing is locked any more.
    #[inline]
    pub(crate) fn take_into(&mut self, woken: &mut Vec<Waker>) {
        woken.append(&mut self.wakers);
        if let Some(crowd) = &mut self.crowd {
            crowd.known.clear();
        }
    }
}

/// What [`Waker::will_wake`] compares.
fn identity(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}

/// Deadlines of futures, kept by the connection's driver, so that a future needs no timer of its own
/// and no runtime.
///
/// They are rounded up, by at most 1/32 of their length, which keeps the number of entries small
/// however many short-lived futures there are.
#[derive(Debug)]
pub(crate) struct Alarms {
    epoch: Instant,
    // By milliseconds since the epoch.
    buckets: BTreeMap<u64, WakerSet>,
}

/// Some thousand years: no deadline is taken to be further away.
const LONGEST: u64 = 1 << 47;

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(LONGEST).min(LONGEST)
}

impl Alarms {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { epoch, buckets: BTreeMap::new() }
    }

    /// Has `waker` woken at `deadline` or a little later. Returns when.
    pub(crate) fn register(&mut self, deadline: Instant, now: Instant, waker: &Waker) -> Instant {
        let length = milliseconds(deadline.saturating_duration_since(now));
        let grid = (length / 64).max(1).next_power_of_two();
        let at = milliseconds(deadline.saturating_duration_since(self.epoch)) + 1;
        let at = at.div_ceil(grid) * grid;
        self.buckets.entry(at).or_default().insert(waker);
        self.time(at)
    }

    fn time(&self, at: u64) -> Instant {
        // A clock that cannot show it does not reach it either: any later look will do.
        let length = Duration::from_millis(at);
        self.epoch.checked_add(length).unwrap_or(self.epoch + Duration::from_millis(LONGEST))
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.buckets.keys().next().map(|&at| self.time(at))
    }

    pub(crate) fn fire(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        let past = now.saturating_duration_since(self.epoch).as_millis() as u64;
        while let Some(entry) = self.buckets.first_entry() {
            if *entry.key() > past {
                return;
            }
            entry.remove().take_into(woken);
        }
    }

    pub(crate) fn fire_all(&mut self, woken: &mut Vec<Waker>) {
        for (_, mut set) in std::mem::take(&mut self.buckets) {
            set.take_into(woken);
        }
    }
}

/// A hash for the engine's ids: two small numbers that the peer does not choose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

pub(crate) type IdHash = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn wakers_of_futures_that_are_gone_do_not_pile_up() {
        let counts: Vec<_> = (0..MANY).map(|_| Arc::new(Count(AtomicUsize::new(0)))).collect();
        let mut set = WakerSet::default();
        for count in counts.iter().chain(&counts[..MANY - 1]) {
            let waker = Waker::from(Arc::clone(count));
            set.register(&Waiter::new(&waker));
            set.register(&Waiter::new(&waker));
        }
        let woken = counts.iter().map(|count| count.0.load(Ordering::SeqCst)).sum::<usize>();
        assert_eq!(woken, MANY - 1, "all but the last are woken, once");
        assert_eq!(set.wakers.len(), MANY, "and came back");
        let mut woken = Vec::new();
        set.take_into(&mut woken);
        assert_eq!(woken.len(), MANY);
        set.register(&Waiter::new(&woken[0]));
        assert_eq!(set.wakers.len(), 1);
    }

    #[test]
    fn alarms_fire_after_their_deadline_and_not_before() {
        let start = Instant::now();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut alarms = Alarms::new(start);
        let deadline = start + Duration::from_secs(64);
        let at = alarms.register(deadline, start, &waker);
        assert!(at >= deadline && at <= deadline + Duration::from_secs(2));
        assert_eq!(alarms.first(), Some(at));
        let mut woken = Vec::new();
        alarms.fire(deadline - Duration::from_millis(1), &mut woken);
        assert!(woken.is_empty());
        alarms.fire(at, &mut woken);
        assert_eq!(woken.len(), 1);
        assert_eq!(alarms.first(), None);
    }

    #[test]
    fn the_furthest_deadline_is_far_away() {
        let start = Instant::now();
        let waker = Waker::from(Arc::new(Count(AtomicUsize::new(0))));
        let mut seconds = u64::MAX;
        let furthest = loop {
            match start.checked_add(Duration::from_secs(seconds)) {
                Some(furthest) => break furthest,
                None => seconds -= seconds / 1000 + 1,
            }
        };
        let mut alarms = Alarms::new(start);
        let at = alarms.register(furthest, start, &waker);
        assert!(at > start + Duration::from_secs(1 << 32));
        let mut woken = Vec::new();
        alarms.fire(start + Duration::from_secs(1 << 32), &mut woken);
        assert!(woken.is_empty());
    }

    #[test]
    fn one_task_with_many_deadlines_takes_few_entries() {
        let start = Instant::now();
        let waker = Waker::from(Arc::new(Count(AtomicUsize::new(0))));
        let mut alarms = Alarms::new(start);
        for turn in 0..10_000 {
            let now = start + Duration::from_millis(turn);
            alarms.register(now + Duration::from_secs(60), now, &waker);
        }
        assert!(alarms.buckets.len() < 80, "{}", alarms.buckets.len());
        assert!(alarms.buckets.values().all(|set| set.wakers.len() == 1));
    }
}
