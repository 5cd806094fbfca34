//! Priorities, expiry and dead letters: by example, and beside a model.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deuteron::codec::Timestamp;
use deuteron::{Message, Symbol};
use proptest::prelude::*;

use super::tests::{HERE, LIMITS, Link, TestRouter, router, text};
use super::*;

/// A router on a clock that the test turns.
fn clocked(limits: Limits) -> (TestRouter, Arc<AtomicU64>) {
    let mut router = router(limits);
    let time = Arc::new(AtomicU64::new(1_000_000));
    let clock = Arc::clone(&time);
    router.set_clock(Box::new(move || clock.load(Ordering::Relaxed)));
    (router, time)
}

fn send(router: &mut TestRouter, address: &str, message: &Message) {
    let (id, _) = router.open_producer(None, HERE, Link::default()).expect("it attaches");
    router.arrive(id, Some(address), message.to_bytes(), 0).expect("it is taken");
    router.close_producer(id, true);
}

fn receive(router: &mut TestRouter, address: &str, credit: u32, manner: Manner) -> (ConsumerId, Link) {
    let link = Link::with_credit(credit);
    let opened = router.open_consumer(Node::at(address), HERE, manner, Subscribing::default(), link.clone());
    let id = opened.expect("it attaches").0;
    router.consumer_ready(id);
    (id, link)
}

fn with_priority(text: &str, priority: u8) -> Message {
    Message::new(text).with_priority(priority)
}

fn lasting(text: &str, milliseconds: u64) -> Message {
    Message::new(text).with_ttl(Duration::from_millis(milliseconds))
}

fn failed() -> Verdict {
    Verdict::Returned { failed: true, undeliverable_here: false, annotations: None }
}

#[test]
fn higher_priorities_go_first_and_equal_ones_as_they_came() {
    let mut router = router(LIMITS);
    for (text, priority) in [("a", 4), ("b", 9), ("c", 0), ("d", 9), ("e", 200)] {
        send(&mut router, "q", &with_priority(text, priority));
    }
    send(&mut router, "q", &Message::new("f"));
    let (_, link) = receive(&mut router, "q", 2, Manner::default());
    assert_eq!(link.texts(), ["b", "d"]);
    router.settle(link.lease(0), failed());
    link.credit.set(10);
    let (_, browser) = receive(&mut router, "q", 10, Manner { browses: true, ..Manner::default() });
    assert_eq!(browser.texts(), ["b", "e", "a", "f", "c"]);
    let (_, other) = receive(&mut router, "q", 10, Manner::default());
    assert_eq!(other.texts(), ["b", "e", "a", "f", "c"]);
}

#[test]
fn what_comes_first_is_found_by_those_who_select_too() {
    let mut router = router(LIMITS);
    let selector = crate::selector::Selector::parse("JMSPriority > 4").expect("a good selector");
    let manner = Manner { selector: Some(Arc::new(selector)), ..Manner::default() };
    let (_, link) = receive(&mut router, "q", 10, manner);
    for (text, priority) in [("a", 5), ("b", 4), ("c", 9), ("d", 5)] {
        send(&mut router, "q", &with_priority(text, priority));
    }
    assert_eq!(link.texts(), ["a", "c", "d"]);
}

#[test]
fn what_has_expired_is_delivered_to_nobody_and_its_memory_comes_back() {
    let (mut router, time) = clocked(LIMITS);
    send(&mut router, "q", &lasting("short", 10));
    send(&mut router, "q", &lasting("long", 1000));
    send(&mut router, "q", &Message::new("for ever"));
    time.fetch_add(10, Ordering::Relaxed);
    let (_, browser) = receive(&mut router, "q", 10, Manner { browses: true, ..Manner::default() });
    assert_eq!(browser.texts(), ["long", "for ever"]);
    let (id, link) = receive(&mut router, "q", 10, Manner::default());
    assert_eq!(link.texts(), ["long", "for ever"]);
    // It comes back too late.
    time.fetch_add(1000, Ordering::Relaxed);
    router.settle(link.lease(0), failed());
    assert_eq!(link.texts().len(), 2);
    assert_eq!((router.counters.expired, router.messages_of("q")), (2, Some(1)));
    router.settle(link.lease(1), Verdict::Accepted);
    router.close_consumer(id, true);
    send(&mut router, "r", &lasting("nobody comes", 5));
    assert!(router.bytes() > 0);
    time.fetch_add(5, Ordering::Relaxed);
    router.drop_all_expired();
    assert_eq!((router.bytes(), router.messages_of("r")), (0, None));
}

#[test]
fn a_queue_made_for_a_message_whose_time_is_over_does_not_stay() {
    let (mut router, time) = clocked(LIMITS);
    let late = Message::new("late").with_absolute_expiry_time(Timestamp(1));
    send(&mut router, "q", &late);
    assert_eq!((router.queues(), router.counters.expired), (0, 1));
    send(&mut router, "r", &lasting("short", 5));
    time.fetch_add(5, Ordering::Relaxed);
    send(&mut router, "r", &late);
    assert_eq!((router.queues(), router.bytes()), (0, 0));
}

#[test]
fn room_that_expiry_makes_is_given_to_those_who_wait() {
    let (mut router, time) = clocked(Limits { queue_messages: 10, ..LIMITS });
    let link = Link::default();
    let (id, _) = router.open_producer(Some(Node::at("q")), HERE, link.clone()).expect("it attaches");
    router.producer_ready(id);
    while link.credit.get() > 0 {
        link.credit.set(link.credit.get() - 1);
        router.arrive(id, None, lasting("x", 5).to_bytes(), 0).expect("it is taken");
    }
    time.fetch_add(5, Ordering::Relaxed);
    router.drop_all_expired();
    assert!(link.credit.get() > 0);
}

#[test]
fn dead_letters_go_where_they_are_told_to() {
    let mut router = router(Limits { deliveries: 2, ..LIMITS });
    router.set_dead_letter("dead");
    send(&mut router, "q", &Message::new("bad").with_annotation(Symbol::from("a"), 1));
    send(&mut router, "q", &Message::new("stubborn"));
    let (id, link) = receive(&mut router, "q", 2, Manner::default());
    router.settle(link.lease(0), Verdict::Rejected);
    router.settle(link.lease(1), failed());
    link.credit.set(1);
    router.consumer_ready(id);
    assert_eq!(link.texts(), ["bad", "stubborn", "stubborn"]);
    router.close_consumer(id, false);
    assert_eq!(router.messages_of("q"), None, "the second attempt was the last");
    let (_, dead) = receive(&mut router, "dead", 10, Manner::default());
    assert_eq!(dead.texts(), ["bad", "stubborn"]);
    let last = Message::decode(&dead.sent.borrow()[1].1).unwrap();
    assert_eq!(last.delivery_count(), 2);
    // Dead letters that are rejected are gone.
    router.settle(dead.lease(0), Verdict::Rejected);
    router.settle(dead.lease(1), Verdict::Rejected);
    assert_eq!((router.messages(), router.bytes()), (0, 0));
}

#[test]
fn what_has_expired_goes_where_it_is_told_to_and_stays_there() {
    let (mut router, time) = clocked(LIMITS);
    router.set_expiry("late");
    send(&mut router, "q", &lasting("short", 10).with_priority(7));
    send(&mut router, "q", &lasting("long", 1000));
    time.fetch_add(10, Ordering::Relaxed);
    router.drop_all_expired();
    assert_eq!((router.messages_of("q"), router.messages_of("late")), (Some(1), Some(1)));
    time.fetch_add(10_000, Ordering::Relaxed);
    router.drop_all_expired();
    assert_eq!((router.messages_of("q"), router.messages_of("late")), (None, Some(2)));
    let (_, late) = receive(&mut router, "late", 10, Manner::default());
    assert_eq!(late.texts(), ["short", "long"]);
    for at in 0..2 {
        router.settle(late.lease(at), Verdict::Accepted);
    }
    assert_eq!((router.messages(), router.bytes(), router.counters.expired), (0, 0, 2));
}

#[test]
fn the_time_in_a_queue_is_taken_off_the_ttl() {
    let (mut router, time) = clocked(LIMITS);
    send(&mut router, "q", &lasting("x", 1000));
    time.fetch_add(300, Ordering::Relaxed);
    let (_, link) = receive(&mut router, "q", 1, Manner::default());
    let ttl = |link: &Link| Message::decode(&link.sent.borrow()[0].1).unwrap().ttl();
    assert_eq!(ttl(&link), Some(Duration::from_millis(700)));
    time.fetch_add(200, Ordering::Relaxed);
    router.settle(link.lease(0), failed());
    let (_, browser) = receive(&mut router, "q", 1, Manner { browses: true, ..Manner::default() });
    assert_eq!(ttl(&browser), Some(Duration::from_millis(500)));
}

#[derive(Clone, Debug)]
enum Action {
    Send { priority: u8, ttl: u64 },
    Wait(u64),
    Credit,
    Settle(usize, bool),
    Reattach,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0..4_u8, prop_oneof![2 => Just(0), 1 => 1..20_u64])
            .prop_map(|(priority, ttl)| Action::Send { priority, ttl }),
        3 => (1..6_u64).prop_map(Action::Wait),
        3 => Just(Action::Credit),
        5 => (0..1000_usize, any::<bool>()).prop_map(|(at, accepts)| Action::Settle(at, accepts)),
        1 => Just(Action::Reattach),
    ]
}

/// A message that the queue has, as the model sees it.
#[derive(Clone, Copy, Debug)]
struct Kept {
    number: u64,
    priority: u8,
    expires: u64,
}

proptest! {
    #[test]
    fn each_message_comes_once_in_order_of_priority_unless_it_expires(actions in prop::collection::vec(action(), 0..100)) {
        let (mut router, time) = clocked(LIMITS);
        let (mut kept, mut held): (Vec<Kept>, Vec<(LeaseId, Kept)>) = (Vec::new(), Vec::new());
        let (mut id, mut link) = receive(&mut router, "q", 0, Manner::default());
        let (mut seen, mut next) = (0, 0);
        for action in actions {
            let now = time.load(Ordering::Relaxed);
            match action {
                Action::Send { priority, ttl } => {
                    next += 1;
                    let message = with_priority(&next.to_string(), priority);
                    let message = if ttl > 0 { message.with_ttl(Duration::from_millis(ttl)) } else { message };
                    let expires = if ttl > 0 { now + ttl } else { u64::MAX };
                    kept.push(Kept { number: next, priority, expires });
                    send(&mut router, "q", &message);
                }
                Action::Wait(milliseconds) => {
                    time.fetch_add(milliseconds, Ordering::Relaxed);
                }
                Action::Credit => {
                    link.credit.set(link.credit.get() + 2);
                    router.consumer_ready(id);
                }
                Action::Settle(at, accepts) if !held.is_empty() => {
                    let (lease, message) = held.swap_remove(at % held.len());
                    if !accepts {
                        kept.push(message);
                    }
                    router.settle(lease, if accepts { Verdict::Accepted } else { failed() });
                }
                Action::Settle(..) => {}
                Action::Reattach => {
                    kept.extend(held.drain(..).map(|(_, message)| message));
                    router.close_consumer(id, false);
                    (id, link) = receive(&mut router, "q", 0, Manner::default());
                    seen = 0;
                }
            }
            let now = time.load(Ordering::Relaxed);
            let fresh: Vec<_> = link.sent.borrow()[seen..].to_vec();
            seen += fresh.len();
            for (lease, payload) in fresh {
                kept.retain(|message| message.expires > now);
                kept.sort_by_key(|message| (u8::MAX - message.priority, message.number));
                prop_assert!(!kept.is_empty(), "there is nothing more to come");
                let due = kept.remove(0);
                prop_assert_eq!(text(&payload), due.number.to_string());
                held.push((lease, due));
            }
        }
        router.close_consumer(id, false);
        router.drop_all_expired();
        let now = time.load(Ordering::Relaxed);
        kept.extend(held.drain(..).map(|(_, message)| message));
        let left = kept.iter().filter(|message| message.expires > now).count() as u64;
        prop_assert_eq!(router.messages(), left);
    }
}
