use std::future::pending;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tokio::time::sleep;

use super::*;

fn v4(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5672))
}

fn v6(last: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 5672))
}

/// When each address was asked, in milliseconds from the start.
type Log = Arc<Mutex<Vec<(SocketAddr, u128)>>>;

/// A connector that notes when it is called, and does to each address what `behave` says: after that many
/// milliseconds it connects (`Ok`) or fails (`Err`).
fn connector(
    log: &Log,
    behave: impl Fn(SocketAddr) -> Option<(u64, bool)>,
) -> impl Fn(SocketAddr) -> Connecting<SocketAddr> {
    let (log, start) = (log.clone(), Instant::now());
    move |address| {
        log.lock().unwrap().push((address, start.elapsed().as_millis()));
        let behaviour = behave(address);
        Box::pin(async move {
            let Some((delay, connects)) = behaviour else { return pending().await };
            sleep(Duration::from_millis(delay)).await;
            if connects { Ok(address) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
        })
    }
}

#[test]
fn families_take_turns_beginning_with_the_first() {
    let order: Vec<_> = interleaved(vec![v6(1), v6(2), v6(3), v4(1), v6(1), v4(2)]).into();
    assert_eq!(order, [v6(1), v4(1), v6(2), v4(2), v6(3)]);
    let order: Vec<_> = interleaved(vec![v4(1), v4(2), v6(1)]).into();
    assert_eq!(order, [v4(1), v6(1), v4(2)]);
    assert!(interleaved(Vec::new()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn silent_addresses_are_joined_by_the_next_every_250_ms() {
    let log = Log::default();
    let behave = |address| (address == v4(3)).then_some((10, true));
    let mut race = Race::new(vec![v4(1), v4(2), v4(3), v4(4)], connector(&log, behave));
    assert_eq!(race.next().await, Some((v4(3), v4(3))));
    assert_eq!(*log.lock().unwrap(), [(v4(1), 0), (v4(2), 250), (v4(3), 500)]);
    assert_eq!(race.unanswered(), [v4(1), v4(2), v4(4)]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_starts_the_next_at_once() {
    let log = Log::default();
    let behave = |address| Some((20, address == v4(3)));
    let mut race = Race::new(vec![v4(1), v4(2), v4(3)], connector(&log, behave));
    assert_eq!(race.next().await, Some((v4(3), v4(3))));
    assert_eq!(*log.lock().unwrap(), [(v4(1), 0), (v4(2), 20), (v4(3), 40)]);
    let failed: Vec<_> = race.take_failed().into_iter().map(|(address, _)| address).collect();
    assert_eq!(failed, [v4(1), v4(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_address_still_wins_if_the_others_fail() {
    let log = Log::default();
    let behave = |address| if address == v4(1) { Some((5_000, true)) } else { Some((1, false)) };
    let mut race = Race::new(vec![v4(1), v4(2), v4(3)], connector(&log, behave));
    assert_eq!(race.next().await, Some((v4(1), v4(1))));
    assert_eq!(race.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn those_left_can_be_taken_after_the_first() {
    let log = Log::default();
    let mut race = Race::new(vec![v4(1), v4(2), v4(3)], connector(&log, |_| Some((1, true))));
    for last in 1..=3 {
        assert_eq!(race.next().await, Some((v4(last), v4(last))));
    }
    assert_eq!(race.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_wait_loses_no_attempt() {
    let log = Log::default();
    let mut race = Race::new(vec![v4(1), v4(2)], connector(&log, |_| Some((1_000, true))));
    for _ in 0..9 {
        assert!(tokio::time::timeout(Duration::from_millis(100), race.next()).await.is_err());
    }
    assert_eq!(race.next().await, Some((v4(1), v4(1))));
    assert_eq!(*log.lock().unwrap(), [(v4(1), 0), (v4(2), 250)]);
}

proptest! {
    #[test]
    fn every_address_is_asked_once_until_one_connects(behaviours in prop::collection::vec((0_u64..900, any::<bool>()), 0..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let log = Log::default();
            let addresses: Vec<_> = (0..behaviours.len()).map(|index| v4(u8::try_from(index).unwrap())).collect();
            let known = behaviours.clone();
            let behave = move |address: SocketAddr| match address {
                SocketAddr::V4(address) => known.get(usize::from(address.ip().octets()[3])).copied(),
                SocketAddr::V6(_) => None,
            };
            let mut race = Race::new(addresses, connector(&log, behave));
            let winner = race.next().await;
            assert_eq!(winner.is_some(), behaviours.iter().any(|(_, connects)| *connects));
            let mut asked: Vec<_> = log.lock().unwrap().iter().map(|(address, _)| *address).collect();
            let count = asked.len();
            asked.sort();
            asked.dedup();
            assert_eq!(asked.len(), count);
            if winner.is_none() {
                assert_eq!(race.take_failed().len(), behaviours.len());
            }
        });
    }
}
