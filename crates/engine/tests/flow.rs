//! 2.5.6 and 2.6.7: windows of sessions, credit of links.

use deuteron_engine::{Event, LinkConfig, LinkId, SessionConfig};
use deuteron_testkit::wire::{Composite, Frame, composite};
use deuteron_testkit::{Conversation, Pair, ScriptedPeer, Side};

fn credit(c: &mut Conversation, link: LinkId) -> i64 {
    c.engine.link(link).expect("attached").credit()
}

/// A flow with the session's fields as a peer that has received `seen` frames would set them.
fn session_flow(seen: u32, window: u32) -> Composite {
    composite("flow")
        .set("next-incoming-id", seen)
        .set("incoming-window", window)
        .set("next-outgoing-id", 0u32)
        .set("outgoing-window", 2048u32)
}

fn link_flow(seen: u32, window: u32, count: u32, credit: u32) -> Composite {
    session_flow(seen, window).set("handle", 0u32).set("delivery-count", count).set("link-credit", credit)
}

// Links, as the sender ------------------------------------------------------------------------------------------

#[test]
fn a_sender_sends_no_more_than_its_credit() {
    Conversation::each_client(|c| {
        let link = c.sender(2);
        for payload in ["a", "b", "c"] {
            c.send(link, payload.as_bytes());
        }
        c.peer.expect_transfer().payload("a");
        c.peer.expect_transfer().payload("b");
        c.run();
        assert_eq!(credit(c, link), -1, "one more is queued than the peer takes");
        assert_eq!(c.engine.link(link).map(|link| link.queued()), Some(1));
        c.peer.send(0, link_flow(2, 2048, 2, 1));
        c.peer.expect_transfer().payload("c");
        assert!(c.run().contains(&Event::LinkFlow(link)));
        assert_eq!(credit(c, link), 0);
    });
}

#[test]
fn credit_counts_from_the_receivers_delivery_count() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        (0..3).for_each(|_| {
            c.peer.expect_transfer();
            c.send(link, b"x");
        });
        c.run();
        // The peer wrote this when it had seen only one of the three: of the 5, two are used up already.
        c.peer.send(0, link_flow(1, 2048, 1, 5));
        c.run();
        assert_eq!(credit(c, link), 3);
        // Less than what is under way: nothing is left.
        c.peer.send(0, link_flow(1, 2048, 1, 1));
        c.run();
        assert_eq!(credit(c, link), 0);
    });
}

#[test]
fn a_receiver_that_does_not_know_our_count_counts_from_the_start() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        c.peer.send(0, session_flow(0, 2048).set("handle", 0u32).set("link-credit", 4u32));
        c.run();
        assert_eq!(credit(c, link), 4);
    });
}

#[test]
fn credit_can_be_taken_back() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        c.peer.send(0, link_flow(0, 2048, 0, 0));
        c.run();
        c.send(link, b"x");
        c.run();
        assert_eq!(credit(c, link), -1);
    });
}

#[test]
fn the_largest_credit_and_the_largest_window_are_no_obstacle() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.peer.expect_begin().respond_with(|begin| begin.set("incoming-window", u32::MAX));
        c.peer.expect_attach().respond();
        c.peer.send(0, link_flow(0, u32::MAX, 0, u32::MAX));
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        c.run();
        assert_eq!(credit(c, link), i64::from(u32::MAX));
        for n in 1..4 {
            c.peer.expect_transfer();
            c.send(link, b"x");
            c.run();
            c.peer.send(0, link_flow(n, u32::MAX, n, u32::MAX));
            c.run();
        }
    });
}

#[test]
fn a_sender_tells_how_much_it_has() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        c.peer
            .expect_flow()
            .handle(0)
            .field("available", 42u32)
            .field("link-credit", 0u32)
            .field("delivery-count", 0u32);
        c.engine.link(link).expect("attached").offered(42);
        c.run();
    });
}

// Links, as the receiver ----------------------------------------------------------------------------------------

#[test]
fn credit_is_given_with_the_state_of_link_and_session() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.peer.expect_begin().respond_with(|begin| begin.set("next-outgoing-id", 100u32));
        c.peer.expect_attach().respond_with(|attach| attach.set("initial-delivery-count", 50u32));
        c.peer
            .expect_flow()
            .field("next-incoming-id", 100u32)
            .field("incoming-window", 2048u32)
            .field("next-outgoing-id", 0u32)
            .handle(0)
            .field("delivery-count", 50u32)
            .credit(7)
            .flag("drain", false)
            .flag("echo", false);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::receiver("r", "q")).expect("a fresh session");
        c.engine.link(link).expect("just made").add_credit(7);
        c.run();
        assert_eq!(credit(c, link), 7);
    });
}

#[test]
fn credit_by_hand_adds_up() {
    Conversation::each_client(|c| {
        let link = c.receiver(2);
        c.peer.send_transfer(0, 0, b"x");
        assert_eq!(c.run_delivered().len(), 1);
        assert_eq!(credit(c, link), 1);
        c.peer.expect_flow().field("delivery-count", 1u32).credit(6);
        c.engine.link(link).expect("attached").add_credit(5);
        c.run();
    });
}

#[test]
fn a_credit_window_is_filled_up_when_half_of_it_is_used() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.peer.expect_flow().credit(10);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let config = LinkConfig { credit_window: 10, ..LinkConfig::receiver("r", "q") };
        let link = c.engine.attach(session, config).expect("a fresh session");
        c.run();
        for id in 0..4 {
            c.peer.send_transfer(0, id, b"x");
        }
        take_all(c);
        assert_eq!(credit(c, link), 6, "not yet half");
        c.peer.send_transfer(0, 4, b"x");
        c.peer.expect_flow().field("delivery-count", 5u32).credit(10);
        take_all(c);
    });
}

/// Takes what has arrived, and runs.
fn take_all(c: &mut Conversation) {
    c.settle();
    for event in c.events() {
        if let Event::Delivered(id) = event {
            c.engine.delivery(id).expect("delivered").take();
        }
    }
    c.run();
}

#[test]
fn messages_not_taken_count_against_the_credit_window() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.peer.expect_flow().credit(4);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let config = LinkConfig { credit_window: 4, ..LinkConfig::receiver("r", "q") };
        let link = c.engine.attach(session, config).expect("a fresh session");
        c.run();
        (0..4).for_each(|id| {
            c.peer.send_transfer(0, id, b"x");
        });
        let waiting = c.run_delivered();
        assert_eq!(credit(c, link), 0, "nobody has taken anything");
        c.peer.expect_flow().field("delivery-count", 4u32).credit(2);
        c.engine.delivery(waiting[0]).expect("delivered").take();
        c.engine.delivery(waiting[1]).expect("delivered").take();
        c.run();
    });
}

#[test]
fn a_receiver_hears_how_much_the_peer_has() {
    Conversation::each_client(|c| {
        let link = c.receiver(1);
        let flow =
            session_flow(0, 2048).set("handle", 0u32).set("delivery-count", 0u32).set("available", 33u32);
        c.peer.send(0, flow);
        assert_eq!(c.run(), [Event::LinkFlow(link)]);
        assert_eq!(c.engine.link(link).map(|link| link.available()), Some(33));
    });
}

#[test]
fn echo_is_answered_on_links_and_sessions() {
    Conversation::each_client(|c| {
        c.receiver(3);
        c.peer
            .send(0, session_flow(0, 2048).set("handle", 0u32).set("delivery-count", 0u32).set("echo", true));
        c.peer.expect_flow().handle(0).credit(3).flag("echo", false);
        c.run();
        c.peer.send(0, session_flow(0, 2048).set("echo", true));
        c.peer.expect_flow().absent("handle").flag("echo", false);
        c.run();
    });
    Conversation::each_client(|c| {
        c.sender(3);
        c.peer.send(0, link_flow(0, 2048, 0, 3).set("echo", true));
        c.peer.expect_flow().handle(0).credit(3).field("delivery-count", 0u32);
        c.run();
    });
}

// Sessions ------------------------------------------------------------------------------------------------------

fn with_window(c: &mut Conversation, window: u32, links: usize) -> Vec<LinkId> {
    c.peer.accepts_open();
    c.peer.expect_begin().respond_with(move |begin| begin.set("incoming-window", window));
    c.engine.open();
    let session = c.engine.begin(SessionConfig::default());
    let mut ids = Vec::new();
    for n in 0..links {
        c.peer.expect_attach().respond();
        let flow = session_flow(0, window).set("delivery-count", 0u32).set("link-credit", 100u32);
        c.peer.send(0, flow.set("handle", n as u32));
        ids.push(
            c.engine.attach(session, LinkConfig::sender(format!("s{n}"), "q")).expect("a fresh session"),
        );
    }
    c.run();
    ids
}

#[test]
fn a_session_sends_no_more_frames_than_the_peers_window() {
    Conversation::each_client(|c| {
        let link = with_window(c, 2, 1)[0];
        (0..5).for_each(|_| {
            c.send(link, b"x");
        });
        c.peer.expect_transfer().field("delivery-id", 0u32);
        c.peer.expect_transfer().field("delivery-id", 1u32);
        c.run();
        c.peer.send(0, session_flow(2, 1));
        c.peer.expect_transfer().field("delivery-id", 2u32);
        c.run();
        // Written before the peer saw the third: one of the three is used up.
        c.peer.send(0, session_flow(2, 3));
        c.peer.expect_transfer().field("delivery-id", 3u32);
        c.peer.expect_transfer().field("delivery-id", 4u32);
        c.run();
    });
}

#[test]
fn the_window_counts_frames_and_credit_counts_messages() {
    Conversation::each_client(|c| {
        c.peer.expect_header(deuteron_testkit::wire::AMQP).respond();
        c.peer.expect_open().respond_with(|open| open.set("max-frame-size", 512u32));
        c.peer.expect_begin().respond_with(|begin| begin.set("incoming-window", 2u32));
        c.peer.expect_attach().respond();
        c.peer.send(0, link_flow(0, 2, 0, 1));
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        c.run();
        // About three frames of 512 bytes each.
        c.send(link, &[7; 1200]);
        c.send(link, b"second");
        c.peer.expect_transfer().flag("more", true);
        c.peer.expect_transfer().flag("more", true);
        c.run();
        c.peer.send(0, session_flow(2, 10));
        c.peer.expect_transfer().flag("more", false);
        c.run();
        assert_eq!(credit(c, link), -1, "the window is open, but there is no credit for the second");
        c.peer.send(0, link_flow(3, 10, 1, 1));
        c.peer.expect_transfer().payload("second");
        c.run();
    });
}

#[test]
fn links_held_back_by_the_window_take_turns() {
    Conversation::each_client(|c| {
        let links = with_window(c, 1, 2);
        for link in &links {
            (0..3).for_each(|_| {
                c.send(*link, b"x");
            });
        }
        c.peer.expect_transfer().handle(0);
        c.run();
        let mut order = Vec::new();
        for seen in 1..6 {
            c.peer.send(0, session_flow(seen, 1));
            c.peer.expect_transfer();
            c.run();
            order.push(c.peer.last("transfer").get("handle").as_u32());
        }
        let of_the_second = order.iter().take(4).filter(|handle| **handle == Some(1)).count();
        assert!(of_the_second >= 2, "the second link waits for the first to be done: {order:?}");
    });
}

#[test]
fn our_window_opens_again_when_half_of_it_is_used() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.peer.expect_flow().credit(100).field("incoming-window", 4u32);
        c.engine.open();
        let session = c.engine.begin(SessionConfig { incoming_window: 4, ..SessionConfig::default() });
        let link = c.engine.attach(session, LinkConfig::receiver("r", "q")).expect("a fresh session");
        c.engine.link(link).expect("just made").add_credit(100);
        c.run();
        c.peer.send_transfer(0, 0, b"x");
        c.run();
        c.peer.send_transfer(0, 1, b"x");
        c.peer.expect_flow().absent("handle").field("incoming-window", 4u32).field("next-incoming-id", 2u32);
        c.run();
    });
}

#[test]
fn our_window_stays_shut_while_too_much_lies_here() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.peer.expect_flow().credit(100);
        c.engine.open();
        let config =
            SessionConfig { incoming_window: 4, incoming_capacity: 1000, ..SessionConfig::default() };
        let session = c.engine.begin(config);
        let link = c.engine.attach(session, LinkConfig::receiver("r", "q")).expect("a fresh session");
        c.engine.link(link).expect("just made").add_credit(100);
        c.run();
        c.peer.tolerate("flow");
        let mut waiting = Vec::new();
        for id in 0..4 {
            c.peer.send_transfer(0, id, &[0; 400]);
            waiting.extend(c.run_delivered());
        }
        assert!(
            end_of_window(&c.peer) <= 4 + 3,
            "more than 1000 bytes lie here, the window must not be widened"
        );
        for id in waiting {
            c.engine.delivery(id).expect("delivered").take();
        }
        c.run();
        assert_eq!(end_of_window(&c.peer), 8, "all was taken");
    });
}

/// The number of the first frame that the last flow does not allow.
fn end_of_window(peer: &ScriptedPeer) -> u32 {
    let flow = peer.last("flow");
    let next = flow.get("next-incoming-id").as_u32().expect("the peer has begun");
    next + flow.get("incoming-window").as_u32().expect("mandatory")
}

/// A receiver whose session has room for 4000 bytes, in frames of 1000.
fn with_strict_capacity(c: &mut Conversation, capacity: usize) -> LinkId {
    c.peer.accepts_session();
    c.peer.expect_attach().respond();
    c.peer.expect_flow().credit(9).field("incoming-window", (capacity / 1000).max(1) as u32);
    c.engine.config_mut().max_frame_size = 1000;
    c.engine.open();
    let config =
        SessionConfig { incoming_capacity: capacity, strict_capacity: true, ..SessionConfig::default() };
    let session = c.engine.begin(config);
    let config = LinkConfig { partial_events: true, ..LinkConfig::receiver("r", "q") };
    let link = c.engine.attach(session, config).expect("a fresh session");
    c.engine.link(link).expect("just made").add_credit(9);
    c.run();
    c.peer.tolerate("flow");
    link
}

fn part(more: bool) -> Composite {
    let part = composite("transfer").set("handle", 0u32).set("delivery-id", 0u32);
    part.set("delivery-tag", b"t").set("more", more)
}

#[test]
fn parts_count_against_a_strict_capacity_until_they_are_read() {
    Conversation::each_client(|c| {
        with_strict_capacity(c, 4000);
        let mut came = None;
        for _ in 0..4 {
            c.peer.send_frame(Frame::new(0, part(true)).with_payload([0; 900]));
            for event in c.run() {
                let Event::DeliveryPartial(id) = event else { panic!("{event:?}") };
                came = Some(id);
            }
        }
        assert_eq!(end_of_window(&c.peer), 4, "all of the capacity is used");
        let id = came.expect("the peer has sent");
        for read in 1..=2 {
            assert_eq!(c.engine.delivery(id).expect("under way").read().map(|part| part.len()), Some(900));
            c.run();
            assert_eq!(end_of_window(&c.peer), 4 + read, "so many may come for those that were read");
        }
        c.peer.send(0, part(false).set("aborted", true));
        assert_eq!(c.run(), [Event::DeliveryAborted(id)]);
        assert_eq!(end_of_window(&c.peer), 5 + 4, "what was given up takes no room");
    });
}

#[test]
fn frames_longer_than_a_strict_capacity_come_one_by_one() {
    Conversation::each_client(|c| {
        with_strict_capacity(c, 10);
        for number in 0..3 {
            c.peer.send_frame(Frame::new(0, part(number < 2)).with_payload([0; 900]));
            let events = c.run();
            let (Event::DeliveryPartial(id) | Event::Delivered(id)) = events[0] else { panic!("{events:?}") };
            assert_eq!(end_of_window(&c.peer), 1 + number);
            assert_eq!(c.engine.delivery(id).expect("under way").take().len(), 900);
            c.run();
            assert_eq!(end_of_window(&c.peer), 2 + number);
        }
    });
}

#[test]
fn numbers_wrap_in_both_directions() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.peer
            .expect_begin()
            .field("next-outgoing-id", u32::MAX)
            .respond_with(|begin| begin.set("next-outgoing-id", u32::MAX - 1).set("incoming-window", 2u32));
        c.peer.expect_attach().role_sender().respond();
        c.peer.expect_attach().role_receiver().respond_with(|a| a.set("initial-delivery-count", u32::MAX));
        c.peer.send(0, link_flow(u32::MAX, 2, 0, 100));
        c.peer
            .expect_flow()
            .handle(1)
            .field("delivery-count", u32::MAX)
            .field("next-incoming-id", u32::MAX - 1);
        c.engine.open();
        let session =
            c.engine.begin(SessionConfig { next_outgoing_id: u32::MAX, ..SessionConfig::default() });
        let sender = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        let receiver = c.engine.attach(session, LinkConfig::receiver("r", "q")).expect("a fresh session");
        c.engine.link(receiver).expect("just made").add_credit(10);
        c.run();
        let sent: Vec<_> = (0..3).map(|_| c.send(sender, b"x")).collect();
        c.peer.expect_transfer().field("delivery-id", u32::MAX);
        c.peer.expect_transfer().field("delivery-id", 0u32);
        c.run();
        c.peer.send(0, session_flow(1, 1));
        c.peer.expect_transfer().field("delivery-id", 1u32);
        c.run();
        c.peer.send_outcome_of(u32::MAX, 1, "accepted", true);
        let settled: Vec<_> = sent.iter().map(|id| Event::DeliveryUpdated(*id)).collect();
        assert_eq!(c.run(), settled);

        c.peer.send_transfer(1, u32::MAX, b"a").send_transfer(1, 0, b"b").send_transfer(1, 1, b"c");
        let came = c.run_delivered();
        assert_eq!(came.len(), 3);
        c.peer.expect_disposition().range(u32::MAX, 1);
        for id in came {
            c.engine.delivery(id).expect("delivered").settle();
        }
        c.run();
        assert_eq!(credit(c, receiver), 7);
    });
}

#[test]
fn two_engines_keep_each_other_going_through_small_windows() {
    Pair::each(|pair| {
        pair.server_answers.credit = 3;
        pair.open();
        let session = pair.client.begin(SessionConfig { incoming_window: 2, ..SessionConfig::default() });
        let (sender, _) = pair.attach(session, LinkConfig::sender("s", "q"));
        for n in 0..100u8 {
            pair.send(Side::Client, sender, &[n]);
        }
        pair.drive();
        let got: Vec<u8> = pair.inbox[1].iter().map(|payload| payload[0]).collect();
        assert_eq!(got, (0..100).collect::<Vec<u8>>());
    });
}
