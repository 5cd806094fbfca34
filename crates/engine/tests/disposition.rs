//! 2.6.12, 2.7.6 and 3.4: delivery states, outcomes, settlement.

use deuteron_engine::codec::{
    DeliveryState, Error, Map, Modified, Received, ReceiverSettleMode, Symbol, TransactionalState,
};
use deuteron_engine::{DeliveryId, Event, LinkConfig, SessionConfig};
use deuteron_testkit::wire::{Composite, Frame, Plain, composite};
use deuteron_testkit::{Conversation, Pair, Side};

/// Every outcome, in the codec's form and as it must be on the wire.
fn outcomes() -> Vec<(DeliveryState, Composite)> {
    let error = Error::new(Symbol::from_static("x:bad"), "no good");
    let plain_error =
        composite("error").set("condition", Plain::symbol("x:bad")).set("description", "no good");
    let annotations: Map = [(Symbol::from_static("x-opt-why"), "late")].into_iter().collect();
    let modified =
        Modified { delivery_failed: true, undeliverable_here: true, message_annotations: Some(annotations) };
    let plain_modified = composite("modified")
        .set("delivery-failed", true)
        .set("undeliverable-here", true)
        .set("message-annotations", Plain::fields([("x-opt-why", "late".into())]));
    let transactional =
        TransactionalState { txn_id: (&b"t"[..]).into(), outcome: Some(DeliveryState::Accepted) };
    let plain_transactional =
        composite("transactional-state").set("txn-id", b"t").set("outcome", composite("accepted"));
    vec![
        (DeliveryState::Accepted, composite("accepted")),
        (DeliveryState::Rejected(None), composite("rejected")),
        (DeliveryState::Rejected(Some(Box::new(error))), composite("rejected").set("error", plain_error)),
        (DeliveryState::Released, composite("released")),
        (DeliveryState::Modified(Box::new(modified)), plain_modified),
        (DeliveryState::Transactional(Box::new(transactional)), plain_transactional),
    ]
}

// As the receiver -----------------------------------------------------------------------------------------------

#[test]
fn every_outcome_is_told_to_the_sender() {
    for (state, plain) in outcomes() {
        Conversation::each_client(|c| {
            let link = c.receiver(5);
            c.peer.send_transfer(0, 0, b"x");
            let id = c.run_delivered()[0];
            c.peer
                .expect_disposition()
                .channel(0)
                .field("role", true)
                .range(0, 0)
                .flag("settled", true)
                .field("state", plain.clone());
            c.engine.delivery(id).expect("delivered").disposition(Some(state.clone()), true);
            c.run();
            assert!(c.engine.delivery(id).is_none());
            assert_eq!(c.engine.link(link).map(|link| link.unsettled()), Some(0));
        });
    }
}

#[test]
fn what_is_sent_next_does_not_overtake_outcomes_that_are_flushed() {
    Conversation::each_client(|c| {
        let receiver = c.receiver(5);
        c.peer.expect_attach().role_sender().handle(1).respond();
        c.peer.send_credit(1, 1);
        let session = c.engine.link(receiver).and_then(|link| link.session()).expect("it is attached");
        let sender = c.engine.attach(session, LinkConfig::sender("s", "queue")).expect("the session is open");
        c.run();
        c.peer.send_transfer(0, 0, b"x");
        let id = c.run_delivered()[0];
        c.peer.expect_disposition().range(0, 0).state("accepted");
        c.peer.expect_transfer();
        c.engine.delivery(id).expect("delivered").disposition(Some(DeliveryState::Accepted), true);
        c.engine.flush_dispositions();
        c.send(sender, b"discharge");
        c.run();
    });
}

#[test]
fn an_outcome_may_come_before_the_settlement() {
    Conversation::each_client(|c| {
        c.receiver(5);
        c.peer.send_transfer(0, 0, b"x");
        let id = c.run_delivered()[0];
        c.peer.expect_disposition().range(0, 0).flag("settled", false).state("accepted");
        c.engine.delivery(id).expect("delivered").update(DeliveryState::Accepted);
        c.run();
        c.peer.expect_disposition().range(0, 0).flag("settled", true).state("accepted");
        c.engine.delivery(id).expect("not settled").settle();
        c.run();
        assert!(c.engine.delivery(id).is_none());
    });
}

#[test]
fn settling_without_a_state_says_none() {
    Conversation::each_client(|c| {
        c.receiver(5);
        c.peer.send_transfer(0, 0, b"x");
        let id = c.run_delivered()[0];
        c.peer.expect_disposition().range(0, 0).flag("settled", true).absent("state");
        c.engine.delivery(id).expect("delivered").settle();
        c.run();
    });
}

#[test]
fn in_mode_second_the_receiver_settles_after_the_sender() {
    Conversation::each_client(|c| {
        let config =
            LinkConfig { rcv_settle_mode: ReceiverSettleMode::Second, ..LinkConfig::receiver("r", "q") };
        c.receiver_with(5, config);
        c.peer.send_transfer(0, 0, b"x");
        let id = c.run_delivered()[0];
        c.peer.expect_disposition().flag("settled", false).state("accepted");
        c.engine.delivery(id).expect("delivered").update(DeliveryState::Accepted);
        c.run();
        // The sender's disposition settles; role is that of the one who sends it.
        let disposition = composite("disposition").set("role", false).set("first", 0u32).set("settled", true);
        c.peer.send(0, disposition.set("state", composite("accepted")));
        assert_eq!(c.run(), [Event::DeliveryUpdated(id)]);
        let mut delivery = c.engine.delivery(id).expect("kept until it is settled here");
        assert!(delivery.remotely_settled() && !delivery.locally_settled());
        delivery.settle();
        assert!(c.run().is_empty(), "2.6.12: what the peer has settled needs no disposition");
        assert!(c.engine.delivery(id).is_none());
    });
}

fn arrived(c: &mut Conversation, count: u32) -> Vec<DeliveryId> {
    c.receiver(count);
    (0..count).for_each(|id| {
        c.peer.send_transfer(0, id, b"x");
    });
    c.run_delivered()
}

#[test]
fn neighbours_with_one_outcome_are_one_disposition() {
    Conversation::each_client(|c| {
        let ids = arrived(c, 10);
        c.peer.expect_disposition().range(0, 9).flag("settled", true).state("accepted");
        for id in ids {
            c.engine.delivery(id).expect("delivered").disposition(Some(DeliveryState::Accepted), true);
        }
        c.run();
    });
}

#[test]
fn another_outcome_breaks_the_range() {
    Conversation::each_client(|c| {
        let ids = arrived(c, 6);
        c.peer.expect_disposition().range(0, 1).state("accepted");
        c.peer.expect_disposition().range(2, 2).state("released");
        c.peer.expect_disposition().range(3, 5).state("accepted");
        for (n, id) in ids.into_iter().enumerate() {
            let state = if n == 2 { DeliveryState::Released } else { DeliveryState::Accepted };
            c.engine.delivery(id).expect("delivered").disposition(Some(state), true);
        }
        c.run();
    });
}

#[test]
fn a_gap_breaks_the_range() {
    Conversation::each_client(|c| {
        let ids = arrived(c, 5);
        c.peer.expect_disposition().range(0, 1);
        c.peer.expect_disposition().range(3, 4);
        for n in [0, 1, 3, 4] {
            c.engine.delivery(ids[n]).expect("delivered").settle();
        }
        c.run();
        assert!(c.engine.delivery(ids[2]).is_some());
        c.peer.expect_disposition().range(2, 2);
        c.engine.delivery(ids[2]).expect("not settled").settle();
        c.run();
    });
}

#[test]
fn any_order_settles_each_delivery_once() {
    Conversation::each_client(|c| {
        let ids = arrived(c, 8);
        c.peer.tolerate("disposition");
        for n in [7, 6, 0, 3, 2, 5, 4, 1] {
            c.engine.delivery(ids[n]).expect("delivered").disposition(Some(DeliveryState::Accepted), true);
        }
        c.run();
        let mut settled = Vec::new();
        for frame in c.peer.frames("disposition") {
            let first = frame.get("first").as_u32().expect("mandatory");
            settled.extend(first..=frame.get("last").as_u32().unwrap_or(first));
        }
        settled.sort_unstable();
        assert_eq!(settled, (0..8).collect::<Vec<u32>>());
    });
}

#[test]
fn dispositions_leave_before_detach_end_and_close() {
    type Finish = fn(&mut Conversation, deuteron_engine::LinkId);
    let finishes: [(&'static str, Finish); 3] = [
        ("detach", |c, link| c.engine.link(link).expect("attached").close(None)),
        ("end", |c, link| {
            let session = c.engine.link(link).and_then(|link| link.session()).expect("attached");
            c.engine.session(session).expect("begun").end(None);
        }),
        ("close", |c, _| c.engine.close(None)),
    ];
    for (name, finish) in finishes {
        Conversation::each_client(|c| {
            let link = c.receiver(5);
            c.peer.send_transfer(0, 0, b"x");
            let id = c.run_delivered()[0];
            c.peer.expect_disposition().range(0, 0).state("accepted");
            c.peer.expect(name);
            c.engine.delivery(id).expect("delivered").disposition(Some(DeliveryState::Accepted), true);
            finish(c, link);
            c.run();
        });
    }
}

#[test]
fn a_link_closed_with_its_answers_loses_no_outcome() {
    Pair::each(|pair| {
        pair.server_answers.settle_with = None;
        let (link, theirs) = pair.link(LinkConfig::sender("s", "q"));
        let sent: Vec<_> = (0..6).map(|_| pair.send(Side::Client, link, b"m")).collect();
        pair.drive();
        let came: Vec<_> = pair
            .events(Side::Server)
            .into_iter()
            .filter_map(|event| if let Event::Delivered(id) = event { Some(id) } else { None })
            .collect();
        assert_eq!(came.len(), sent.len());
        pair.events(Side::Client);
        // Outcomes that make no range, and the end of their link, all in one turn.
        for (index, id) in came.into_iter().enumerate() {
            let state = if index % 2 == 0 { DeliveryState::Accepted } else { DeliveryState::Rejected(None) };
            pair.server.delivery(id).expect("delivered").disposition(Some(state), true);
        }
        pair.server.link(theirs).expect("attached").close(None);
        pair.drive();
        pair.client.link(link).expect("attached").close(None);
        pair.drive();
        let events = pair.events(Side::Client);
        let place = |wanted: Event| events.iter().position(|event| *event == wanted);
        let end = place(Event::LinkClosed(link)).expect("the peer has closed");
        for id in sent {
            assert!(place(Event::DeliveryUpdated(id)).is_some_and(|at| at < end), "{events:?}");
            assert_eq!(place(Event::DeliveryLost(id)), None, "{events:?}");
        }
    });
}

#[test]
fn settling_before_the_message_is_whole_throws_the_rest_away() {
    Conversation::each_client(|c| {
        let link = c.receiver_with(5, LinkConfig { partial_events: true, ..LinkConfig::receiver("r", "q") });
        let part = composite("transfer").set("handle", 0u32);
        let first = part.clone().set("delivery-id", 0u32).set("delivery-tag", b"t").set("more", true);
        c.peer.send_frame(Frame::new(0, first).with_payload("half"));
        let [Event::DeliveryPartial(id)] = c.run()[..] else { panic!("a part is an event") };
        c.peer.expect_disposition().range(0, 0).flag("settled", true).state("rejected");
        c.engine.delivery(id).expect("begun").disposition(Some(DeliveryState::Rejected(None)), true);
        c.run();
        c.peer.send_frame(Frame::new(0, part.clone().set("more", true)).with_payload("more"));
        c.peer.send_frame(Frame::new(0, part).with_payload("end"));
        let events = c.run();
        assert!(!events.contains(&Event::Delivered(id)), "{events:?}");
        c.peer.send_transfer(0, 1, b"next");
        assert_eq!(c.run_delivered().len(), 1);
        assert_eq!(c.engine.link(link).map(|link| (link.credit(), link.unsettled())), Some((3, 1)));
    });
}

// As the sender -------------------------------------------------------------------------------------------------

#[test]
fn every_outcome_of_the_receiver_is_reported() {
    for (state, plain) in outcomes() {
        Conversation::each_client(|c| {
            let link = c.sender(5);
            c.peer.expect_transfer().dispose(plain.clone(), true);
            let id = c.send(link, b"x");
            assert_eq!(c.run(), [Event::DeliveryUpdated(id)]);
            let mut delivery = c.engine.delivery(id).expect("kept until it is settled here");
            assert_eq!(delivery.remote_state(), Some(&state));
            assert!(delivery.remotely_settled() && !delivery.locally_settled());
            delivery.settle();
            assert!(c.run().is_empty(), "the peer has settled it: there is nothing to say");
            assert!(c.engine.delivery(id).is_none());
        });
    }
}

#[test]
fn a_received_state_is_no_outcome() {
    Conversation::each_client(|c| {
        let link = c.sender(5);
        let received = composite("received").set("section-number", 1u32).set("section-offset", 7u64);
        c.peer.expect_transfer().dispose(received, false);
        let id = c.send(link, b"x");
        assert_eq!(c.run(), [Event::DeliveryUpdated(id)]);
        let delivery = c.engine.delivery(id).expect("unsettled");
        let state = delivery.remote_state().expect("a state came");
        assert_eq!(*state, DeliveryState::Received(Received { section_number: 1, section_offset: 7 }));
        assert!(!state.is_terminal() && !delivery.remotely_settled());
    });
}

#[test]
fn a_state_of_an_unknown_kind_is_kept_as_it_is() {
    Conversation::each_client(|c| {
        let link = c.sender(5);
        let custom =
            Plain::Described(Plain::symbol("com.example:odd").into(), Plain::List(vec![1u8.into()]).into());
        c.peer.expect_transfer().reply(move |transfer| {
            let disposition = composite("disposition").set("role", true).set("state", custom.clone());
            Frame::new(0, disposition.set("first", transfer.get("delivery-id").clone()).set("settled", true))
        });
        let id = c.send(link, b"x");
        c.run();
        let state = c.engine.delivery(id).expect("kept").remote_state().cloned();
        assert!(matches!(state, Some(DeliveryState::Custom(_))), "{state:?}");
    });
}

#[test]
fn an_outcome_without_settlement_waits_for_the_sender() {
    Conversation::each_client(|c| {
        let link = c.sender(5);
        c.peer.expect_transfer().dispose(composite("accepted"), false);
        let id = c.send(link, b"x");
        assert_eq!(c.run(), [Event::DeliveryUpdated(id)]);
        c.peer.expect_disposition().field("role", false).range(0, 0).flag("settled", true);
        c.engine.delivery(id).expect("unsettled").settle();
        c.run();
        assert_eq!(c.engine.link(link).map(|link| link.unsettled()), Some(0));
    });
}

fn sent(c: &mut Conversation, count: u32) -> Vec<DeliveryId> {
    let link = c.sender(count);
    let ids = (0..count)
        .map(|_| {
            c.peer.expect_transfer();
            c.send(link, b"x")
        })
        .collect();
    c.run();
    ids
}

fn updated(ids: &[DeliveryId]) -> Vec<Event> {
    ids.iter().map(|id| Event::DeliveryUpdated(*id)).collect()
}

#[test]
fn a_ranged_disposition_is_for_each_of_its_deliveries() {
    Conversation::each_client(|c| {
        let ids = sent(c, 6);
        c.peer.send_outcome_of(1, 3, "accepted", true);
        assert_eq!(c.run(), updated(&ids[1..4]));
        c.peer.send_outcome_of(4, 4, "released", true);
        assert_eq!(c.run(), updated(&ids[4..5]));
        c.peer.send_outcome_of(0, 5, "accepted", true);
        assert_eq!(c.run(), updated(&[ids[0], ids[5]]), "the others are settled already");
        assert_eq!(c.engine.delivery(ids[4]).expect("kept").remote_state(), Some(&DeliveryState::Released));
    });
}

#[test]
fn a_disposition_for_what_is_not_there_means_nothing() {
    Conversation::each_client(|c| {
        let ids = sent(c, 2);
        c.peer.send_outcome_of(2, 900, "accepted", true);
        c.peer.send_outcome_of(5, 3, "accepted", true);
        c.peer.send_outcome_of(u32::MAX, u32::MAX, "accepted", true);
        assert_eq!(c.run(), []);
        c.peer.send_outcome_of(0, u32::MAX / 2, "accepted", true);
        assert_eq!(c.run(), updated(&ids));
    });
}

#[test]
fn a_disposition_of_the_other_role_is_for_the_other_direction() {
    Conversation::each_client(|c| {
        sent(c, 1);
        let disposition = composite("disposition").set("role", false).set("first", 0u32).set("settled", true);
        c.peer.send(0, disposition);
        assert_eq!(c.run(), []);
    });
}

#[test]
fn a_forgotten_send_is_settled_by_itself() {
    Conversation::each_client(|c| {
        let link = c.sender(5);
        c.peer.expect_transfer().dispose(composite("accepted"), true);
        let id = c.send(link, b"x");
        c.engine.delivery(id).expect("just sent").forget();
        assert_eq!(c.run(), [], "nobody waits for it");
        assert!(c.engine.delivery(id).is_none());
        // With an outcome that is not settled, it is for us to settle.
        c.peer.expect_transfer().dispose(composite("accepted"), false);
        c.peer.expect_disposition().field("role", false).range(1, 1).flag("settled", true);
        let id = c.send(link, b"x");
        c.engine.delivery(id).expect("just sent").forget();
        assert_eq!(c.run(), []);
        assert_eq!(c.engine.link(link).map(|link| link.unsettled()), Some(0));
    });
}

#[test]
fn settling_a_send_before_the_peer_does_needs_no_answer() {
    Conversation::each_client(|c| {
        let ids = sent(c, 1);
        c.peer.expect_disposition().field("role", false).range(0, 0).flag("settled", true);
        c.engine.delivery(ids[0]).expect("unsettled").settle();
        c.run();
        c.peer.send_outcome_of(0, 0, "accepted", true);
        assert_eq!(c.run(), [], "too late: its number is gone");
    });
}

#[test]
fn a_send_settled_before_it_leaves_is_sent_settled() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        let id = c.send(link, b"x");
        c.engine.delivery(id).expect("queued").settle();
        c.peer.send_credit(0, 1);
        c.peer.expect_transfer().flag("settled", true);
        c.run();
        assert!(c.engine.delivery(id).is_none());
    });
}

#[test]
fn a_peer_may_settle_before_the_message_is_whole() {
    Conversation::each_client(|c| {
        let link = c.sender(5);
        let id = c.engine.link(link).expect("attached").start(Default::default()).expect("no other");
        c.engine.delivery(id).expect("started").stream((&b"half"[..]).into()).expect("streaming");
        c.peer.expect_transfer().flag("more", true).dispose(composite("rejected"), true);
        assert_eq!(c.run(), [Event::DeliveryUpdated(id)]);
        assert!(c.engine.delivery(id).expect("unfinished").remotely_settled());
        c.peer.expect_transfer().flag("more", false);
        c.engine.delivery(id).expect("unfinished").finish().expect("streaming");
        c.run();
        c.engine.delivery(id).expect("kept until it is settled here").settle();
        assert_eq!(c.run(), []);
        assert_eq!(c.engine.link(link).map(|link| link.unsettled()), Some(0));
    });
}

// Engine to engine ----------------------------------------------------------------------------------------------

#[test]
fn outcomes_cross_from_engine_to_engine() {
    for (state, _) in outcomes() {
        Pair::each(|pair| {
            let (sender, theirs) = pair.sender();
            pair.server_answers.settle_with = Some(state.clone());
            let id = pair.send(Side::Client, sender, b"x");
            pair.drive();
            assert!(pair.events(Side::Client).contains(&Event::DeliveryUpdated(id)));
            let mut delivery = pair.client.delivery(id).expect("kept until it is settled here");
            assert_eq!(delivery.remote_state(), Some(&state));
            delivery.settle();
            pair.drive();
            assert_eq!((pair.client.unsettled(), pair.server.unsettled()), (0, 0));
            assert_eq!(pair.server.link(theirs).map(|link| link.unsettled()), Some(0));
        });
    }
}

#[test]
fn exactly_once_takes_three_steps() {
    Pair::each(|pair| {
        pair.server_answers.settle_with = None;
        let config =
            LinkConfig { rcv_settle_mode: ReceiverSettleMode::Second, ..LinkConfig::sender("s", "queue") };
        let (sender, _) = pair.link(config);
        let id = pair.send(Side::Client, sender, b"x");
        pair.drive();
        let theirs = pair.delivered(Side::Server)[0];
        pair.server.delivery(theirs).expect("delivered").update(DeliveryState::Accepted);
        pair.drive();
        assert!(pair.events(Side::Client).contains(&Event::DeliveryUpdated(id)));
        let mut delivery = pair.client.delivery(id).expect("unsettled");
        assert!(!delivery.remotely_settled());
        delivery.settle();
        pair.drive();
        assert_eq!(pair.events(Side::Server), [Event::DeliveryUpdated(theirs)]);
        let mut delivery = pair.server.delivery(theirs).expect("kept until it is settled here");
        assert!(delivery.remotely_settled());
        delivery.settle();
        pair.drive();
        assert_eq!((pair.client.unsettled(), pair.server.unsettled()), (0, 0));
    });
}

#[test]
fn settled_deliveries_leave_nothing_behind() {
    Pair::each(|pair| {
        let (sender, theirs) = pair.sender();
        pair.client_answers.settle_sends = true;
        for _ in 0..500 {
            pair.send(Side::Client, sender, b"x");
        }
        pair.drive();
        assert_eq!(pair.inbox[1].len(), 500);
        assert_eq!((pair.client.unsettled(), pair.server.unsettled()), (0, 0));
        assert_eq!(pair.client.link(sender).map(|link| (link.unsettled(), link.queued())), Some((0, 0)));
        assert_eq!(pair.server.link(theirs).map(|link| (link.unsettled(), link.queued())), Some((0, 0)));
    });
}

#[test]
fn a_session_of_its_own_has_its_own_numbers() {
    Pair::each(|pair| {
        let (first, _) = pair.sender();
        let session = pair.client.begin(SessionConfig::default());
        let (second, _) = pair.attach(session, LinkConfig::sender("t", "q"));
        let a = pair.send(Side::Client, first, b"a");
        let b = pair.send(Side::Client, second, b"b");
        pair.drive();
        let events = pair.events(Side::Client);
        assert!(events.contains(&Event::DeliveryUpdated(a)) && events.contains(&Event::DeliveryUpdated(b)));
    });
}
