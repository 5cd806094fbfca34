use std::time::Instant;

use super::reconnector::FAR;
use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Drives a reconnector whose attempts all fail at once; each attempt as (milliseconds since the start, address).
struct Driver {
    reconnector: Reconnector,
    start: Instant,
    now: Instant,
}

impl Driver {
    fn new(addresses: usize, policy: Option<Box<dyn ReconnectPolicy>>) -> Self {
        let start = Instant::now();
        Self { reconnector: Reconnector::new(addresses, policy), start, now: start }
    }

    fn attempt(&mut self) -> Result<(u128, usize), u32> {
        loop {
            match self.reconnector.next(self.now) {
                Next::Dial(address) => return Ok(((self.now - self.start).as_millis(), address)),
                Next::Wait { until, .. } => self.now = until,
                Next::GiveUp { attempts } => return Err(attempts),
            }
        }
    }

    fn attempts(&mut self, count: usize) -> Vec<(u128, usize)> {
        (0..count).map_while(|_| self.attempt().ok()).collect()
    }
}

fn delays(ms: &[u64]) -> Option<Box<dyn ReconnectPolicy>> {
    Some(Box::new(Delays::new(ms.iter().map(|&ms| MS(ms)))))
}

fn sequence(policy: &mut dyn ReconnectPolicy, count: usize) -> Vec<Option<u128>> {
    (0..count).map(|_| policy.next().map(|delay| delay.as_millis())).collect()
}

/// The policy class that the guide prints, in Rust.
struct GuidePolicy {
    delay: f64,
    resets: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl ReconnectPolicy for GuidePolicy {
    fn reset(&mut self) {
        self.delay = 0.0;
        self.resets.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    fn next(&mut self) -> Option<Duration> {
        let delay = self.delay;
        self.delay = if delay == 0.0 { 0.1 } else { f64::min(10.0, 2.0 * delay) };
        Some(Duration::from_secs_f64(delay))
    }
}

#[test]
fn backoff_sequences() {
    let whole = [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000];
    let second = MS(1000);
    let table: [(Backoff, &[u64], bool); 8] = [
        (Backoff::new(), &whole, false),
        (Backoff::new().max_attempts(4), &whole[..4], true),
        (Backoff::new().max_attempts(1), &[0], true),
        (Backoff::new().max_attempts(0), &[], true),
        (Backoff::new().initial(second).factor(3.0).max_delay(MS(5000)), &[0, 1000, 3000, 5000, 5000], false),
        (Backoff::new().initial(MS(20_000)), &[0, 10_000, 10_000], false),
        (Backoff::new().factor(1.0), &[0, 100, 100, 100], false),
        (Backoff::new().factor(f64::NAN), &[0, 100, 10_000, 10_000], false),
    ];
    for (mut backoff, expected, ends) in table {
        for series in 0..2 {
            let mut expected: Vec<_> = expected.iter().map(|&ms| Some(u128::from(ms))).collect();
            expected.extend(ends.then_some(None));
            assert_eq!(sequence(&mut backoff, expected.len()), expected, "series {series} of {backoff:?}");
            backoff.reset();
        }
    }
}

#[test]
fn odd_factors_never_panic() {
    for factor in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300, 0.0] {
        let mut backoff = Backoff::new().factor(factor).max_delay(Duration::MAX).jitter(factor, 1);
        assert!((0..100).all(|_| backoff.next().is_some()), "{factor}");
        let mut reconnector =
            Reconnector::new(1, Some(Box::new(Backoff::new().factor(factor).max_delay(Duration::MAX))));
        let mut now = Instant::now();
        for _ in 0..10 {
            if let Next::Wait { until, .. } = reconnector.next(now) {
                now = until;
            }
        }
    }
}

#[test]
fn jitter_shortens_within_its_bounds_and_follows_from_the_seed() {
    let jittered = |fraction, seed| {
        let mut backoff = Backoff::new().jitter(fraction, seed);
        let mut all = sequence(&mut backoff, 50);
        backoff.reset();
        all.extend(sequence(&mut backoff, 50));
        all.into_iter().flatten().collect::<Vec<_>>()
    };
    let plain = jittered(0.0, 7);
    let quarter = jittered(0.25, 7);
    assert_eq!(quarter, jittered(0.25, 7), "the same seed, the same delays");
    assert_ne!(quarter, jittered(0.25, 8));
    assert_ne!(quarter[1..50], quarter[51..], "each series has its own");
    for (full, short) in plain.iter().zip(&quarter) {
        assert!(short <= full && short + 1 >= full * 3 / 4, "{short} of {full}");
    }
    assert!(plain.iter().zip(&quarter).any(|(full, short)| short < full));
    assert!(plain.iter().zip(jittered(9.0, 7)).all(|(full, short)| short <= *full), "clamped to 1");
}

#[test]
fn walks() {
    type Row<'a> = (&'a str, usize, Option<Box<dyn ReconnectPolicy>>, &'a [(u128, usize)], Option<u32>);
    let table: [Row<'_>; 9] = [
        (
            "one address, default",
            1,
            Some(Box::new(Backoff::new())),
            &[(0, 0), (100, 0), (300, 0), (700, 0), (1500, 0)],
            None,
        ),
        (
            "two addresses",
            2,
            delays(&[0, 200, 300]),
            &[(0, 0), (0, 1), (200, 0), (400, 1), (700, 0), (1000, 1)],
            Some(6),
        ),
        (
            "the first attempt ignores the first delay",
            2,
            delays(&[500, 100]),
            &[(0, 0), (500, 1), (600, 0), (700, 1)],
            Some(4),
        ),
        (
            "rounds are counted",
            3,
            Some(Box::new(Backoff::new().max_attempts(2))),
            &[(0, 0), (0, 1), (0, 2), (100, 0), (200, 1), (300, 2)],
            Some(6),
        ),
        ("no rounds", 2, delays(&[]), &[(0, 0), (0, 1)], Some(2)),
        ("off, one address", 1, None, &[(0, 0)], Some(1)),
        ("off, three addresses", 3, None, &[(0, 0), (0, 1), (0, 2)], Some(3)),
        ("no address", 0, Some(Box::new(Backoff::new())), &[], Some(0)),
        ("no address, off", 0, None, &[], Some(0)),
    ];
    for (name, addresses, policy, expected, end) in table {
        let mut driver = Driver::new(addresses, policy);
        assert_eq!(driver.attempts(expected.len()), expected, "{name}");
        if let Some(attempts) = end {
            assert_eq!(driver.attempt(), Err(attempts), "{name}");
            assert_eq!(driver.attempt(), Err(attempts), "{name}: the answer stays");
        }
    }
}

#[test]
fn a_lost_connection_starts_afresh_and_the_first_delay_counts() {
    let mut driver = Driver::new(2, delays(&[50, 100]));
    assert_eq!(driver.attempts(3), [(0, 0), (50, 1), (150, 0)]);
    driver.reconnector.connected();
    assert_eq!(driver.reconnector.attempts(), 3);
    assert_eq!(driver.attempts(9), [(200, 0), (250, 1), (350, 0), (450, 1)], "first address, first delay");
    assert_eq!(driver.attempt(), Err(4), "attempts of this series only");
    driver.reconnector.connected();
    assert_eq!(driver.attempts(1), [(500, 0)], "given up, yet connected after all");
}

#[test]
fn a_live_server_anywhere_is_reached_at_once_after_a_loss() {
    let mut driver = Driver::new(4, Some(Box::new(Backoff::new())));
    assert_eq!(driver.attempts(5), [(0, 0), (0, 1), (0, 2), (0, 3), (100, 0)]);
    driver.reconnector.connected();
    assert_eq!(driver.attempts(5), [(100, 0), (100, 1), (100, 2), (100, 3), (200, 0)]);
}

#[test]
fn a_loss_with_nothing_to_try() {
    for policy in
        [None, delays(&[]), Some(Box::new(Backoff::new().max_attempts(0)) as Box<dyn ReconnectPolicy>)]
    {
        let mut driver = Driver::new(2, policy);
        assert_eq!(driver.attempts(2), [(0, 0), (0, 1)]);
        driver.reconnector.connected();
        assert_eq!(driver.attempt(), Err(0));
    }
}

#[test]
fn the_guides_policy() {
    let resets = std::sync::Arc::default();
    let policy = GuidePolicy { delay: 7.0, resets: std::sync::Arc::clone(&resets) };
    let mut driver = Driver::new(1, Some(Box::new(policy)));
    let expected = [0, 100, 300, 700, 1500, 3100, 6300, 12_700, 22_700, 32_700].map(|at| (at, 0));
    assert_eq!(driver.attempts(10), expected);
    driver.reconnector.connected();
    assert_eq!(driver.attempts(3), [(32_700, 0), (32_800, 0), (33_000, 0)]);
    assert_eq!(resets.load(std::sync::atomic::Ordering::Relaxed), 2, "once per series");
}

#[test]
fn waiting_is_the_same_answer_until_it_is_over() {
    let start = Instant::now();
    let mut reconnector = Reconnector::new(1, delays(&[0, 100]));
    assert_eq!(reconnector.next(start), Next::Dial(0));
    let wait = Next::Wait { until: start + MS(100), address: 0 };
    assert_eq!(reconnector.next(start), wait);
    assert_eq!(reconnector.next(start + MS(99)), wait);
    assert_eq!(reconnector.next(start + MS(100)), Next::Dial(0));
    assert_eq!(reconnector.next(start + MS(100)), Next::GiveUp { attempts: 2 });
}

#[test]
fn struck_addresses_are_left_out_until_a_connection_opens() {
    let mut driver = Driver::new(3, delays(&[0, 100, 100]));
    assert_eq!(driver.attempt(), Ok((0, 0)));
    driver.reconnector.strike();
    assert_eq!(driver.attempts(3), [(0, 1), (0, 2), (100, 1)]);
    driver.reconnector.strike();
    assert_eq!(driver.attempts(2), [(200, 2), (300, 2)]);
    driver.reconnector.connected();
    driver.reconnector.strike();
    assert_eq!(driver.attempts(3), [(300, 0), (300, 1), (300, 2)], "a connection opened: all count again");

    let mut alone = Driver::new(1, Some(Box::new(Backoff::new())));
    assert_eq!(alone.attempt(), Ok((0, 0)));
    alone.reconnector.strike();
    assert_eq!(alone.attempt(), Err(1), "a wrong password is not tried again");
}

#[test]
fn a_delay_beyond_the_clock_is_a_long_wait() {
    let start = Instant::now();
    let mut reconnector = Reconnector::new(1, Some(Box::new(Delays::new([Duration::ZERO, Duration::MAX]))));
    assert_eq!(reconnector.next(start), Next::Dial(0));
    assert_eq!(reconnector.next(start), Next::Wait { until: start + FAR, address: 0 });
}

// Where the walk begins, and in which order it goes -------------------------------------------------------------

#[test]
fn the_same_address_can_be_dialled_again() {
    let mut driver = Driver::new(3, Some(Box::new(Backoff::new())));
    assert_eq!(driver.attempt(), Ok((0, 0)));
    driver.reconnector.stay();
    assert_eq!(driver.attempt(), Ok((100, 0)));
    assert_eq!(driver.attempt(), Ok((200, 1)));
    driver.reconnector.stay();
    assert_eq!(driver.attempt(), Ok((400, 1)));
}

#[test]
fn a_lost_connection_can_go_on_with_the_next_address() {
    let mut driver = Driver::new(3, Some(Box::new(Backoff::new())));
    for last in [0, 1, 2, 0] {
        assert_eq!(driver.attempt().map(|(_, address)| address), Ok(last));
        driver.reconnector.connected();
        driver.reconnector.skip();
    }
    // All others are tried before the one that was left.
    let rest: Vec<_> = driver.attempts(3).into_iter().map(|(_, address)| address).collect();
    assert_eq!(rest, [1, 2, 0]);
}

#[test]
fn it_can_be_stopped() {
    let mut driver = Driver::new(2, Some(Box::new(Backoff::new())));
    driver.attempts(1);
    driver.reconnector.connected();
    driver.reconnector.stop();
    assert_eq!(driver.attempt(), Err(0));
}

#[test]
fn a_random_order_has_each_address_once_a_round() {
    let mut firsts = std::collections::HashSet::new();
    for seed in 0..50 {
        let mut driver = Driver::new(5, Some(Box::new(Backoff::new())));
        driver.reconnector.set_order(Order::Random(seed));
        let mut round: Vec<_> = driver.attempts(5).into_iter().map(|(_, address)| address).collect();
        firsts.insert(round[0]);
        round.sort_unstable();
        assert_eq!(round, [0, 1, 2, 3, 4]);
    }
    assert_eq!(firsts.len(), 5, "each address is first sometimes");
}

#[test]
fn the_primary_comes_first_whatever_the_order_of_the_others() {
    let mut seconds = std::collections::HashSet::new();
    for seed in 0..50 {
        let mut driver = Driver::new(4, Some(Box::new(Backoff::new())));
        driver.reconnector.set_order(Order::PrimaryThenRandom(seed));
        let round: Vec<_> = driver.attempts(4).into_iter().map(|(_, address)| address).collect();
        assert_eq!(round[0], 0);
        seconds.insert(round[1]);
    }
    assert_eq!(seconds.len(), 3);
}

#[test]
fn the_first_connection_has_a_limit_of_its_own() {
    let mut driver = Driver::new(2, Some(Box::new(Backoff::new())));
    driver.reconnector.limit_first(Some(3));
    assert_eq!(driver.attempts(100).len(), 6);
    assert_eq!(driver.attempt(), Err(6));

    let mut driver = Driver::new(2, Some(Box::new(Backoff::new())));
    driver.reconnector.limit_first(Some(3));
    driver.attempts(1);
    driver.reconnector.connected();
    assert_eq!(driver.attempts(100).len(), 100);
}

#[test]
fn addresses_can_change_at_any_time() {
    let mut driver = Driver::new(2, Some(Box::new(Backoff::new())));
    driver.reconnector.set_addresses(1);
    assert_eq!(driver.attempts(3), [(0, 0), (100, 0), (300, 0)]);
    driver.reconnector.set_addresses(3);
    let following: Vec<_> = driver.attempts(4).into_iter().map(|(_, address)| address).collect();
    assert_eq!(following, [0, 1, 2, 0]);
    driver.reconnector.strike();
    driver.reconnector.set_addresses(1);
    assert_eq!(driver.attempt().map(|(_, address)| address), Ok(0), "nothing is known against a new one");
    driver.reconnector.set_addresses(0);
    assert!(driver.attempt().is_err());
}
