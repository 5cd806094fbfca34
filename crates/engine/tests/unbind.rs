//! Endpoints outlive the wire: what `unbind` keeps, what it drops, and what the next `bind` does.

use deuteron_engine::codec::{DeliveryState, Error, Symbol};
use deuteron_engine::{
    Cause, EndpointState, Event, LinkConfig, Payload, Recovery, SendOptions, SessionConfig,
};
use deuteron_testkit::wire::{Plain, composite};
use deuteron_testkit::{Conversation, Pair, Side};

fn replaying() -> LinkConfig {
    LinkConfig { recovery: Recovery::Replay, ..LinkConfig::sender("s", "queue") }
}

// What comes back -----------------------------------------------------------------------------------------------

#[test]
fn a_new_wire_gets_all_that_is_open_again() {
    Conversation::each_client(|c| {
        let sender = c.sender(5);
        let session = c.engine.link(sender).and_then(|link| link.session()).expect("attached");
        c.peer.expect_attach().name("r").respond();
        c.peer.expect_flow().handle(1).credit(20);
        let config = LinkConfig { credit_window: 20, ..LinkConfig::receiver("r", "queue") };
        let receiver = c.engine.attach(session, config).expect("another name");
        c.run();
        c.rebind();
        assert_eq!(c.events(), [Event::Unbound]);
        assert_eq!(c.engine.remote_state(), EndpointState::Uninit);
        for link in [sender, receiver] {
            let link = c.engine.link(link).expect("ids stay");
            assert_eq!(
                (link.local_state(), link.remote_state()),
                (EndpointState::Open, EndpointState::Uninit)
            );
            assert_eq!(link.credit(), 0, "credit goes with the wire");
        }
        c.peer.accepts_session();
        let target = composite("target").set("address", "queue");
        c.peer.expect_attach().name("s").role_sender().handle(0).field("target", target).respond();
        let source = composite("source").set("address", "queue");
        c.peer.expect_attach().name("r").role_receiver().handle(1).field("source", source).respond();
        c.peer.expect_flow().handle(1).credit(20).field("delivery-count", 0u32);
        let events = c.run();
        assert_eq!(
            events,
            [
                Event::ConnectionOpened,
                Event::SessionBegun(session),
                Event::LinkAttached(sender),
                Event::LinkAttached(receiver)
            ]
        );
    });
}

#[test]
fn what_was_closed_or_detached_does_not_come_back() {
    Conversation::each_client(|c| {
        let closed = c.sender(0);
        let session = c.engine.link(closed).and_then(|link| link.session()).expect("attached");
        c.peer.expect_attach().name("d").respond();
        let detached = c.engine.attach(session, LinkConfig::sender("d", "q")).expect("another name");
        c.peer.expect_begin().channel(1).respond();
        let ended = c.engine.begin(SessionConfig::default());
        c.run();
        c.peer.tolerate("detach").tolerate("end");
        c.engine.link(closed).expect("attached").close(None);
        c.engine.link(detached).expect("attached").detach(None);
        c.engine.session(ended).expect("begun").end(None);
        c.run();
        c.rebind();
        c.peer.accepts_session();
        c.run();
        // A detached link comes back when it is asked for.
        c.peer.expect_attach().name("d").handle(0).respond();
        c.engine.link(detached).expect("its terminus lives on").attach();
        c.run();
    });
}

#[test]
fn what_the_peer_began_and_nobody_answered_is_gone() {
    Conversation::each_server(|c| {
        c.peer.opens().send_begin(0).send_attach_sender("x", 0);
        c.engine.open();
        c.run();
        assert_eq!((c.engine.sessions().len(), c.engine.links().len()), (1, 1));
        c.rebind();
        assert_eq!((c.engine.sessions().len(), c.engine.links().len()), (0, 0));
    });
}

#[test]
fn commands_without_a_wire_take_effect_on_the_next() {
    Conversation::each_client(|c| {
        c.engine.unbind(None, c.now);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        c.send(link, b"early");
        c.rebind();
        c.peer.accepts_sender(5);
        c.peer.expect_transfer().payload("early");
        c.run();
    });
}

#[test]
fn what_was_closed_without_a_wire_is_not_opened() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        let session = c.engine.link(link).and_then(|link| link.session()).expect("attached");
        c.engine.unbind(None, c.now);
        c.engine.link(link).expect("kept").close(None);
        c.engine.session(session).expect("kept").end(None);
        let other = c.engine.begin(SessionConfig::default());
        c.engine.link(link).expect("kept until freed").free();
        c.engine.session(session).expect("kept until freed").free();
        c.rebind();
        c.peer.accepts_session();
        assert!(c.run().contains(&Event::SessionBegun(other)));
        assert_eq!((c.engine.sessions().len(), c.engine.links().len()), (1, 0));
    });
}

#[test]
fn a_connection_closed_without_a_wire_opens_and_closes_on_the_next() {
    Conversation::each_client(|c| {
        c.sender(0);
        c.engine.unbind(None, c.now);
        c.engine.close(None);
        assert_eq!(c.engine.local_state(), EndpointState::Closed);
        c.rebind();
        c.peer.accepts_open();
        c.peer.expect_close().respond();
        c.peer.expect_eof();
        c.run();
    });
}

#[test]
fn numbers_start_again_on_each_wire() {
    Conversation::each_client(|c| {
        let link = c.sender(5);
        c.peer.expect_transfer().field("delivery-id", 0u32);
        c.peer.expect_transfer().field("delivery-id", 1u32);
        c.send(link, b"a");
        c.send(link, b"b");
        c.run();
        c.rebind();
        c.peer.accepts_sender(5);
        c.run();
        c.peer.expect_transfer().field("delivery-id", 0u32).payload("c");
        c.send(link, b"c");
        c.run();
        assert_eq!(c.engine.link(link).map(|link| link.credit()), Some(4));
    });
}

#[test]
fn input_without_a_wire_is_thrown_away() {
    let mut c = Conversation::client(usize::MAX);
    c.engine.unbind(Some(Error::new(Symbol::from_static("x:gone"), "cable")), c.now);
    c.engine.unbind(None, c.now);
    let mut input = bytes::BytesMut::from(&b"AMQP\0\x01\0\0"[..]);
    c.engine.handle_input(&mut input, c.now);
    c.engine.handle_eof(c.now);
    c.engine.handle_timeout(c.now);
    assert!(input.is_empty() && c.engine.poll_timeout().is_none());
    let failure = c.engine.transport_failure().expect("the reason is kept");
    assert_eq!((failure.cause, failure.error.condition.as_str()), (Cause::Lost, "x:gone"));
    assert_eq!(c.run(), [Event::Unbound], "once");
}

#[test]
fn a_failure_is_forgotten_by_the_next_wire() {
    Pair::each(|pair| {
        pair.open();
        pair.cut();
        pair.drive();
        assert_eq!(pair.client.transport_failure().map(|failure| failure.cause), Some(Cause::Lost));
        pair.rebind();
        assert!(pair.client.transport_failure().is_none());
        pair.drive();
        assert_eq!(pair.client.remote_state(), EndpointState::Open);
    });
}

// Sends that were under way -------------------------------------------------------------------------------------

#[test]
fn unsettled_sends_are_reported_lost() {
    Conversation::each_client(|c| {
        let link = c.sender(2);
        let sent = [c.send(link, b"a"), c.send(link, b"b")];
        let queued = c.send(link, b"c");
        c.peer.expect_transfer().dispose(composite("accepted"), true);
        c.peer.expect_transfer();
        assert_eq!(c.run(), [Event::DeliveryUpdated(sent[0])]);
        c.rebind();
        assert_eq!(c.events(), [Event::DeliveryLost(sent[1]), Event::Unbound]);
        assert!(c.engine.delivery(sent[1]).expect("kept until it is settled here").was_sent());
        assert!(!c.engine.delivery(queued).expect("queued").was_sent());
        c.engine.delivery(sent[1]).expect("kept").settle();
        assert!(c.engine.delivery(sent[1]).is_none());
        c.peer.accepts_sender(5);
        c.peer.expect_transfer().payload("c").field("delivery-id", 0u32);
        c.run();
    });
}

#[test]
fn unsettled_sends_are_replayed_with_their_tags_and_before_the_others() {
    Conversation::each_client(|c| {
        let link = c.sender_with(2, replaying());
        let sent = [c.send(link, b"a"), c.send(link, b"b")];
        let queued = c.send(link, b"c");
        c.peer.expect_transfer();
        c.peer.expect_transfer();
        c.run();
        let tags: Vec<Plain> =
            c.peer.frames("transfer").iter().map(|frame| frame.get("delivery-tag").clone()).collect();
        c.rebind();
        assert_eq!(c.events(), [Event::Unbound]);
        c.peer.accepts_sender(5);
        for (n, payload) in ["a", "b"].into_iter().enumerate() {
            c.peer
                .expect_transfer()
                .payload(payload)
                .field("delivery-tag", tags[n].clone())
                .flag("resume", false);
        }
        c.peer.expect_transfer().payload("c");
        c.run();
        c.peer.send_outcome_of(0, 2, "accepted", true);
        let updated: Vec<_> = sent.into_iter().chain([queued]).map(Event::DeliveryUpdated).collect();
        assert_eq!(c.run(), updated);
    });
}

#[test]
fn a_replay_survives_several_wires() {
    Conversation::each_client(|c| {
        let link = c.sender_with(5, replaying());
        let id = c.send(link, b"a");
        c.peer.expect_transfer().payload("a");
        c.run();
        for _ in 0..3 {
            c.rebind();
            c.peer.accepts_sender(5);
            c.peer.expect_transfer().payload("a").field("delivery-id", 0u32);
            c.run();
        }
        c.rebind();
        c.peer.accepts_sender(5);
        c.peer.expect_transfer().payload("a").respond();
        assert!(c.run().contains(&Event::DeliveryUpdated(id)));
    });
}

#[test]
fn an_outcome_that_came_in_time_counts() {
    for recovery in [Recovery::Report, Recovery::Replay] {
        Conversation::each_client(|c| {
            let link = c.sender_with(5, LinkConfig { recovery, ..LinkConfig::sender("s", "q") });
            c.peer.expect_transfer().dispose(composite("accepted"), false);
            let id = c.send(link, b"a");
            assert_eq!(c.run(), [Event::DeliveryUpdated(id)]);
            c.rebind();
            assert_eq!(c.events(), [Event::DeliveryUpdated(id), Event::Unbound], "settled, not lost");
            let mut delivery = c.engine.delivery(id).expect("kept until it is settled here");
            assert_eq!(delivery.remote_state(), Some(&DeliveryState::Accepted));
            assert!(delivery.remotely_settled());
            delivery.settle();
            c.peer.accepts_sender(5);
            c.run();
            assert_eq!(c.engine.unsettled(), 0);
        });
    }
}

#[test]
fn a_large_message_cut_in_the_middle_is_replayed_from_its_start() {
    Conversation::each_client(|c| {
        c.peer.expect_header(deuteron_testkit::wire::AMQP).respond();
        c.peer.expect_open().respond_with(|open| open.set("max-frame-size", 512u32));
        c.peer.expect_begin().respond_with(|begin| begin.set("incoming-window", 2u32));
        c.peer.expect_attach().respond();
        let flow = composite("flow")
            .set("next-incoming-id", 0u32)
            .set("incoming-window", 2u32)
            .set("next-outgoing-id", 0u32)
            .set("outgoing-window", 2u32)
            .set("handle", 0u32)
            .set("delivery-count", 0u32)
            .set("link-credit", 5u32);
        c.peer.send(0, flow);
        c.peer.expect_transfer().flag("more", true);
        c.peer.expect_transfer().flag("more", true);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, replaying()).expect("a fresh session");
        let message: Vec<u8> = (0..1500u32).map(|n| (n % 251) as u8).collect();
        c.send(link, &message);
        c.run();
        c.rebind();
        assert_eq!(c.events().pop(), Some(Event::Unbound));
        c.peer.accepts_sender(5);
        c.peer.expect_transfer().present("delivery-tag").payload(message);
        c.run();
    });
}

#[test]
fn a_stream_that_is_not_finished_is_lost_or_replayed() {
    for recovery in [Recovery::Report, Recovery::Replay] {
        Conversation::each_client(|c| {
            let link = c.sender_with(5, LinkConfig { recovery, ..LinkConfig::sender("s", "q") });
            let id = c.engine.link(link).expect("attached").start(SendOptions::default()).expect("no other");
            c.engine.delivery(id).expect("started").stream((&b"half"[..]).into()).expect("streaming");
            c.peer.expect_transfer().payload("half").flag("more", true);
            c.run();
            c.rebind();
            let lost = c.events().contains(&Event::DeliveryLost(id));
            assert_eq!(lost, recovery == Recovery::Report);
            c.peer.accepts_sender(5);
            if lost {
                c.run();
                c.peer.expect_transfer().payload("next").field("delivery-id", 0u32);
                c.send(link, b"next");
                c.run();
            } else {
                c.peer.expect_transfer().payload("half").flag("more", true);
                c.peer.expect_transfer().payload("rest").flag("more", true);
                c.peer.expect_transfer().flag("more", false);
                c.settle();
                let mut delivery = c.engine.delivery(id).expect("still streaming");
                delivery.stream((&b"rest"[..]).into()).expect("streaming");
                delivery.finish().expect("streaming");
                c.run();
            }
        });
    }
}

#[test]
fn a_forgotten_send_is_lost_in_silence() {
    Conversation::each_client(|c| {
        let link = c.sender(5);
        let id = c.send(link, b"a");
        c.engine.delivery(id).expect("just sent").forget();
        c.peer.expect_transfer();
        c.run();
        c.rebind();
        assert_eq!(c.events(), [Event::Unbound]);
        assert_eq!(c.engine.unsettled(), 0);
    });
}

#[test]
fn sends_of_a_link_that_closes_are_lost() {
    for recovery in [Recovery::Report, Recovery::Replay] {
        Pair::each(|pair| {
            pair.server_answers.settle_with = None;
            pair.server_answers.credit = 1;
            let (link, _) = pair.link(LinkConfig { recovery, ..LinkConfig::sender("s", "queue") });
            let sent = pair.send(Side::Client, link, b"a");
            let queued = pair.send(Side::Client, link, b"b");
            pair.drive();
            pair.events(Side::Client);
            pair.client.link(link).expect("attached").close(None);
            pair.drive();
            let events = pair.events(Side::Client);
            for id in [sent, queued] {
                assert_eq!(
                    events.iter().filter(|event| **event == Event::DeliveryLost(id)).count(),
                    1,
                    "{events:?}"
                );
                let mut delivery = pair.client.delivery(id).expect("kept until it is settled here");
                assert_eq!(delivery.was_sent(), id == sent);
                delivery.settle();
            }
            assert_eq!(pair.client.unsettled(), 0);
        });
    }
}

#[test]
fn sends_of_a_link_that_the_peer_closes_are_lost_once_we_close_too() {
    Pair::each(|pair| {
        pair.server_answers.settle_with = None;
        let (link, theirs) = pair.link(replaying());
        let id = pair.send(Side::Client, link, b"a");
        pair.drive();
        pair.server.link(theirs).expect("attached").close(None);
        pair.drive();
        pair.client.link(link).expect("attached").close(None);
        pair.drive();
        let events = pair.events(Side::Client);
        assert_eq!(events.iter().filter(|event| **event == Event::DeliveryLost(id)).count(), 1, "{events:?}");
    });
}

#[test]
fn a_send_that_crosses_the_peers_detach_is_lost_and_not_forgotten() {
    Pair::each(|pair| {
        pair.server_answers.settle_with = None;
        let (link, theirs) = pair.link(LinkConfig::sender("s", "q"));
        // Neither has seen what the other writes.
        pair.server.link(theirs).expect("attached").close(None);
        let id = pair.send(Side::Client, link, b"a");
        pair.drive();
        pair.client.link(link).expect("attached").close(None);
        pair.drive();
        let events = pair.events(Side::Client);
        assert_eq!(events.iter().filter(|event| **event == Event::DeliveryLost(id)).count(), 1, "{events:?}");
    });
}

// Messages that had arrived -------------------------------------------------------------------------------------

#[test]
fn a_message_that_arrived_can_still_be_read() {
    Conversation::each_client(|c| {
        let link = c.receiver(5);
        c.peer.send_transfer(0, 0, b"here");
        let id = c.run_delivered()[0];
        c.rebind();
        let mut delivery = c.engine.delivery(id).expect("kept until it is settled here");
        assert!(!delivery.is_live(), "settling it would not reach the peer");
        assert_eq!(delivery.take(), "here");
        delivery.disposition(Some(DeliveryState::Accepted), true);
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.run();
        assert_eq!(c.engine.link(link).map(|link| (link.unsettled(), link.queued())), Some((0, 0)));
    });
}

#[test]
fn a_message_that_had_not_arrived_whole_is_dropped() {
    Conversation::each_client(|c| {
        let link = c.receiver(5);
        let transfer =
            composite("transfer").set("handle", 0u32).set("delivery-id", 0u32).set("delivery-tag", b"t");
        c.peer.send(0, transfer.set("more", true));
        c.run();
        c.rebind();
        assert_eq!(c.engine.unsettled(), 0);
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.peer.expect_flow().credit(3);
        c.engine.link(link).expect("attached").add_credit(3);
        c.run();
        c.peer.send_transfer(0, 0, b"whole");
        let id = c.run_delivered()[0];
        assert_eq!(c.engine.delivery(id).expect("delivered").take(), "whole");
    });
}

#[test]
fn unread_messages_count_against_the_credit_window_of_the_next_wire() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.peer.expect_flow().credit(4);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let config = LinkConfig { credit_window: 4, ..LinkConfig::receiver("r", "q") };
        c.engine.attach(session, config).expect("a fresh session");
        c.run();
        c.peer.send_transfer(0, 0, b"x");
        let before = c.run_delivered()[0];
        c.rebind();
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.peer.expect_flow().credit(3);
        c.run();
        c.peer.send_transfer(0, 0, b"y");
        let after = c.run_delivered()[0];
        c.engine.delivery(before).expect("kept until it is settled here").take();
        c.run();
        c.peer.expect_flow().credit(4).field("delivery-count", 1u32);
        c.engine.delivery(after).expect("delivered").take();
        c.run();
    });
}

// Engine to engine ----------------------------------------------------------------------------------------------

#[test]
fn nothing_sent_with_replay_is_lost_by_a_cut_at_any_byte() {
    for from in [Side::Client, Side::Server] {
        let mut cut = 0;
        loop {
            let mut pair = Pair::plain();
            let (link, _) = pair.link(replaying());
            let before = pair.carried(from);
            pair.cut_after(from, cut);
            let ids: Vec<_> = (0..4u8).map(|n| pair.send(Side::Client, link, &[n])).collect();
            pair.drive();
            let was_cut = pair.is_cut();
            let first: Vec<_> = pair.inbox[1].clone();
            if was_cut {
                pair.rebind();
                pair.drive();
            }
            let all: Vec<u8> = pair.inbox[1].iter().map(|payload| payload[0]).collect();
            for n in 0..4 {
                assert!(all.contains(&n), "{n} is lost by a cut after {cut} bytes: {first:?} then {all:?}");
            }
            for id in ids {
                assert!(pair.client.delivery(id).expect("kept").remotely_settled(), "cut after {cut} bytes");
            }
            if !was_cut {
                assert!(cut > 20 && pair.carried(from) > before);
                break;
            }
            cut += 1;
        }
    }
}

#[test]
fn a_send_after_the_cut_goes_out_on_the_next_wire() {
    Pair::each(|pair| {
        let (link, _) = pair.sender();
        pair.cut();
        pair.drive();
        let mut sender = pair.client.link(link).expect("ids stay");
        sender.send(Payload::Slice(b"later"), SendOptions::default()).expect("it waits");
        pair.rebind();
        pair.drive();
        assert_eq!(pair.inbox[1], ["later"]);
    });
}
