//! 2.6.7: drain, from both sides.

use std::time::Duration;

use deuteron_engine::{Deadline, Event, LinkConfig, SessionConfig};
use deuteron_testkit::wire::{Composite, composite};
use deuteron_testkit::{Conversation, Pair, Side};

/// The flow of a sender: what it has counted, and the credit that it sees.
fn sender_flow(count: u32, credit: u32) -> Composite {
    composite("flow")
        .set("next-incoming-id", 0u32)
        .set("incoming-window", 2048u32)
        .set("next-outgoing-id", count)
        .set("outgoing-window", 2048u32)
        .set("handle", 0u32)
        .set("delivery-count", count)
        .set("link-credit", credit)
        .set("drain", true)
}

// As the receiver -----------------------------------------------------------------------------------------------

#[test]
fn a_drain_is_a_flow_and_ends_with_the_senders_flow() {
    Conversation::each_client(|c| {
        let link = c.receiver(10);
        c.peer.expect_flow().handle(0).credit(10).field("delivery-count", 0u32).flag("drain", true);
        c.engine.link(link).expect("attached").drain();
        c.run();
        assert!(c.engine.link(link).expect("attached").is_draining());
        c.peer.send_transfer(0, 0, b"x");
        assert!(matches!(c.run()[..], [Event::Delivered(_)]));
        // One message, and the other nine credits are given back.
        c.peer.send(0, sender_flow(10, 0));
        assert_eq!(c.run(), [Event::LinkDrained(link)]);
        let mut receiver = c.engine.link(link).expect("attached");
        assert_eq!((receiver.credit(), receiver.is_draining()), (0, false));
        c.peer.expect_flow().field("delivery-count", 10u32).credit(3).flag("drain", false);
        receiver.add_credit(3);
        c.run();
    });
}

#[test]
fn messages_that_use_up_the_credit_end_a_drain() {
    Conversation::each_client(|c| {
        let link = c.receiver(2);
        c.peer.expect_flow().flag("drain", true);
        c.engine.link(link).expect("attached").drain();
        c.run();
        c.peer.send_transfer(0, 0, b"x").send_transfer(0, 1, b"x");
        let events = c.run();
        assert!(
            matches!(events[..], [Event::Delivered(_), Event::Delivered(_), Event::LinkDrained(_)]),
            "{events:?}"
        );
        // A sender that says so as well does no harm.
        c.peer.send(0, sender_flow(2, 0));
        assert_eq!(c.run(), [Event::LinkFlow(link)]);
    });
}

#[test]
fn a_drain_without_credit_is_over_at_once() {
    Conversation::each_client(|c| {
        let link = c.receiver(0);
        c.engine.link(link).expect("attached").drain();
        assert_eq!(c.run(), [Event::LinkDrained(link)]);
    });
}

#[test]
fn a_drain_rests_the_credit_window() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.peer.expect_flow().credit(4);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let config = LinkConfig { credit_window: 4, ..LinkConfig::receiver("r", "q") };
        let link = c.engine.attach(session, config).expect("a fresh session");
        c.run();
        c.peer.expect_flow().credit(4).flag("drain", true);
        c.engine.link(link).expect("attached").drain();
        c.run();
        (0..3).for_each(|id| {
            c.peer.send_transfer(0, id, b"x");
        });
        for id in c.run_delivered() {
            c.engine.delivery(id).expect("delivered").take();
        }
        c.peer.send(0, sender_flow(4, 0));
        assert_eq!(c.run(), [Event::LinkDrained(link)], "and no flow that gives credit");
        c.peer.expect_flow().credit(4).field("delivery-count", 4u32).flag("drain", false);
        c.engine.link(link).expect("attached").set_credit_window(4);
        c.run();
    });
}

#[test]
fn a_drain_that_is_not_answered_is_an_event() {
    Conversation::each_client(|c| {
        let config =
            LinkConfig { drain_timeout: Some(Duration::from_secs(3)), ..LinkConfig::receiver("r", "q") };
        let link = c.receiver_with(5, config);
        c.peer.expect_flow().flag("drain", true);
        c.engine.link(link).expect("attached").drain();
        c.run();
        assert_eq!(c.pass(Duration::from_millis(2999)), []);
        assert_eq!(c.pass(Duration::from_millis(1)), [Event::DeadlineExpired(Deadline::Drain(link))]);
        c.peer.send(0, sender_flow(5, 0));
        assert_eq!(c.run(), [Event::LinkDrained(link)], "late is better than never");
    });
}

#[test]
fn a_drain_ends_with_the_wire() {
    Conversation::each_client(|c| {
        let link = c.receiver(5);
        c.peer.expect_flow().flag("drain", true);
        c.engine.link(link).expect("attached").drain();
        c.run();
        c.rebind();
        assert_eq!(c.events(), [Event::LinkDrained(link), Event::Unbound]);
        assert!(!c.engine.link(link).expect("kept").is_draining());
    });
}

// As the sender -------------------------------------------------------------------------------------------------

#[test]
fn a_sender_without_messages_gives_the_credit_back() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        c.peer.send_link_flow(0, 0, 10, true);
        c.peer.expect_flow().handle(0).field("delivery-count", 10u32).credit(0).flag("drain", true);
        c.run();
        let sender = c.engine.link(link).expect("attached");
        assert_eq!((sender.credit(), sender.drain_requested()), (0, false));
        c.peer.send_link_flow(0, 10, 1, false);
        c.peer.expect_transfer().payload("x");
        c.send(link, b"x");
        c.run();
    });
}

#[test]
fn a_sender_sends_what_it_has_before_it_gives_the_rest_back() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        c.send(link, b"a");
        c.send(link, b"b");
        c.peer.send_link_flow(0, 0, 10, true);
        c.peer.expect_transfer().payload("a");
        c.peer.expect_transfer().payload("b");
        c.peer.expect_flow().field("delivery-count", 10u32).credit(0).flag("drain", true);
        c.run();
    });
}

#[test]
fn a_sender_with_more_than_the_credit_answers_too() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        (0..3).for_each(|_| {
            c.send(link, b"x");
        });
        c.peer.send_link_flow(0, 0, 2, true);
        c.peer.expect_transfer();
        c.peer.expect_transfer();
        c.peer.expect_flow().field("delivery-count", 2u32).credit(0);
        c.run();
        assert!(!c.engine.link(link).expect("attached").drain_requested(), "its credit is used up");
    });
}

#[test]
fn a_sender_in_the_middle_of_a_stream_answers_when_it_is_done() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        let id = c.engine.link(link).expect("attached").start(Default::default()).expect("no other");
        c.engine.delivery(id).expect("started").stream((&b"half"[..]).into()).expect("streaming");
        c.peer.expect_transfer();
        c.run();
        c.peer.tolerate("flow");
        c.peer.send_link_flow(0, 0, 10, true);
        c.run();
        assert!(c.engine.link(link).expect("attached").drain_requested());
        c.peer.expect_transfer().flag("more", false);
        c.engine.delivery(id).expect("started").finish().expect("streaming");
        c.run();
        let flow = c.peer.last("flow");
        assert_eq!(
            (flow.get("delivery-count").as_u32(), flow.get("link-credit").as_u32()),
            (Some(10), Some(0))
        );
    });
}

#[test]
fn a_sender_held_back_by_the_window_answers_when_it_is_done() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.peer.expect_begin().respond_with(|begin| begin.set("incoming-window", 1u32));
        c.peer.expect_attach().respond();
        let flow = |seen: u32| {
            composite("flow")
                .set("next-incoming-id", seen)
                .set("incoming-window", 1u32)
                .set("next-outgoing-id", 0u32)
                .set("outgoing-window", 1u32)
        };
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        c.run();
        c.send(link, b"a");
        c.send(link, b"b");
        c.peer.tolerate("flow");
        let drain = flow(0).set("handle", 0u32).set("delivery-count", 0u32).set("link-credit", 10u32);
        c.peer.send(0, drain.set("drain", true));
        c.peer.expect_transfer().payload("a");
        c.run();
        c.peer.send(0, flow(1));
        c.peer.expect_transfer().payload("b");
        c.run();
        let flow = c.peer.last("flow");
        assert_eq!(
            (flow.get("delivery-count").as_u32(), flow.get("link-credit").as_u32()),
            (Some(10), Some(0))
        );
    });
}

#[test]
fn an_application_may_answer_the_drain_itself() {
    Conversation::each_client(|c| {
        let config = LinkConfig { auto_drained: false, ..LinkConfig::sender("s", "q") };
        let link = c.sender_with(0, config);
        c.peer.tolerate("flow");
        c.peer.send_link_flow(0, 0, 10, true);
        assert_eq!(c.run(), [Event::LinkFlow(link)]);
        assert!(c.engine.link(link).expect("attached").drain_requested());
        assert_eq!(c.engine.link(link).expect("attached").credit(), 10);
        c.peer.expect_transfer().payload("the last one");
        c.send(link, b"the last one");
        c.run();
        c.engine.link(link).expect("attached").drained();
        c.run();
        let flow = c.peer.last("flow");
        assert_eq!(flow.get("delivery-count").as_u32(), Some(10));
        assert_eq!(flow.get("link-credit").as_u32(), Some(0));
        assert!(!c.engine.link(link).expect("attached").drain_requested());
    });
}

#[test]
fn a_drain_that_is_called_off_gives_nothing_back() {
    Conversation::each_client(|c| {
        let link = c.sender_with(0, LinkConfig { auto_drained: false, ..LinkConfig::sender("s", "q") });
        c.peer.tolerate("flow");
        c.peer.send_link_flow(0, 0, 10, true).send_link_flow(0, 0, 10, false);
        c.run();
        c.engine.link(link).expect("attached").drained();
        c.run();
        assert_eq!(c.engine.link(link).expect("attached").credit(), 10);
    });
}

// Engine to engine ----------------------------------------------------------------------------------------------

#[test]
fn drain_returns_all_credit() {
    Pair::each(|pair| {
        let (receiver, sender) = pair.receiver();
        pair.client.link(receiver).expect("attached").add_credit(10);
        pair.drive();
        pair.send(Side::Server, sender, b"x");
        pair.drive();
        pair.events(Side::Client);
        pair.client.link(receiver).expect("attached").drain();
        pair.drive();
        assert_eq!(pair.events(Side::Client), [Event::LinkDrained(receiver)]);
        assert_eq!(pair.client.link(receiver).map(|link| link.credit()), Some(0));
        assert_eq!(pair.server.link(sender).map(|link| link.credit()), Some(0));
        pair.send(Side::Server, sender, b"later");
        pair.drive();
        assert!(pair.delivered(Side::Client).is_empty(), "no credit, no message");
        pair.client.link(receiver).expect("attached").add_credit(1);
        pair.drive();
        assert_eq!(pair.delivered(Side::Client).len(), 1);
    });
}

#[test]
fn a_drain_crosses_messages_under_way() {
    Pair::each(|pair| {
        let (receiver, sender) = pair.receiver();
        pair.latency = Duration::from_millis(50);
        pair.client.link(receiver).expect("attached").add_credit(10);
        pair.drive();
        pair.events(Side::Client);
        pair.send(Side::Server, sender, b"crosses the drain");
        pair.client.link(receiver).expect("attached").drain();
        pair.drive();
        let events = pair.events(Side::Client);
        assert!(matches!(events[..], [Event::Delivered(_), .., Event::LinkDrained(_)]), "{events:?}");
        assert_eq!(pair.client.link(receiver).map(|link| link.credit()), Some(0));
        assert_eq!(pair.server.link(sender).map(|link| link.credit()), Some(0));
    });
}

#[test]
fn one_message_at_a_time_by_credit_and_drain() {
    Pair::each(|pair| {
        let (receiver, sender) = pair.receiver();
        for round in 0..20 {
            if round % 3 == 0 {
                pair.send(Side::Server, sender, &[round]);
            }
            pair.client.link(receiver).expect("attached").add_credit(1);
            pair.client.link(receiver).expect("attached").drain();
            pair.drive();
            let events = pair.events(Side::Client);
            let whole = events.iter().filter(|event| matches!(event, Event::Delivered(_))).count();
            assert_eq!(whole, usize::from(round % 3 == 0), "{round}: {events:?}");
            assert_eq!(events.iter().filter(|event| **event == Event::LinkDrained(receiver)).count(), 1);
        }
    });
}
