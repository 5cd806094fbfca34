//! Links that are attached again and go on with what was unsettled: the rules of 2.6.13, one by one.

use deuteron_engine::codec::DeliveryState;
use deuteron_engine::{
    ConnectionConfig, ConnectionRole, DeliveryId, EndpointState, Event, Guarantee, LinkConfig, LinkId,
    Payload, Recovery, SendOptions, SessionConfig,
};
use deuteron_testkit::wire::{Composite, Frame, Plain, composite};
use deuteron_testkit::{Answers, Conversation, Pair, Side};

fn sending() -> LinkConfig {
    LinkConfig::sender("s", "queue").resuming(60)
}

fn receiving() -> LinkConfig {
    LinkConfig::receiver("r", "queue").resuming(60)
}

fn tag(number: u8) -> Plain {
    Plain::binary([number])
}

/// What the peer says is unsettled: tags and states.
fn map<const N: usize>(entries: [(u8, Option<&str>); N]) -> Plain {
    let state = |state: Option<&str>| state.map_or(Plain::Null, |name| composite(name).into_plain());
    Plain::Map(entries.map(|(number, name)| (tag(number), state(name))).into())
}

/// A sender with three messages under way, which have the tags 1 to 3, on its next wire.
fn cut_off(c: &mut Conversation, config: LinkConfig) -> (LinkId, [DeliveryId; 3]) {
    let link = c.sender_with(5, config);
    for _ in 0..3 {
        c.peer.expect_transfer().flag("resume", false);
    }
    let sent = [b"a", b"b", b"c"].map(|payload| c.send(link, payload));
    c.run();
    c.rebind();
    assert_eq!(c.events(), [Event::Unbound]);
    (link, sent)
}

/// The peer attaches with this map; ours is checked.
fn attaches(c: &mut Conversation, ours: Plain, theirs: Option<Plain>) {
    attaches_with(c, ours, move |attach| match &theirs {
        Some(theirs) => attach.set("unsettled", theirs.clone()),
        None => attach,
    });
    c.peer.send_credit(0, 10);
}

fn attaches_with(
    c: &mut Conversation,
    ours: Plain,
    change: impl Fn(Composite) -> Composite + Send + 'static,
) {
    c.peer.accepts_session();
    c.peer.expect_attach().field("unsettled", ours).flag("incomplete-unsettled", false).respond_with(change);
}

#[track_caller]
fn remote(c: &mut Conversation, id: DeliveryId) -> Option<DeliveryState> {
    c.engine.delivery(id).expect("it is there until it is settled here").remote_state().cloned()
}

#[test]
fn the_first_attach_has_no_map_and_later_ones_have_one() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().absent("unsettled").respond();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        c.engine.attach(session, sending()).expect("the session is fresh");
        c.run();
        c.rebind();
        attaches(c, map([]), Some(map([])));
        c.run();
    });
}

#[test]
fn a_sender_does_with_each_delivery_what_the_peer_knows_of_it() {
    Conversation::each_client(|c| {
        let (link, [a, b, d]) = cut_off(c, sending());
        let new = c.send(link, b"new");
        let ours = map([(1, None), (2, None), (3, None)]);
        attaches(c, ours, Some(map([(1, Some("accepted")), (2, None)])));
        // Decided: only the end of it is said. Not decided: gone on with. Never had: sent again.
        let finished =
            c.peer.expect_transfer().flag("resume", true).field("delivery-tag", tag(1)).payload([]);
        finished.state("accepted");
        let resumed =
            c.peer.expect_transfer().flag("resume", true).field("delivery-tag", tag(2)).payload("b");
        resumed.state("received");
        c.peer.expect_transfer().flag("resume", false).field("delivery-tag", tag(3)).payload("c");
        c.peer.expect_transfer().flag("resume", false).field("delivery-tag", tag(4)).payload("new");
        assert!(c.run().contains(&Event::DeliveryUpdated(a)), "its outcome is known");
        assert_eq!(remote(c, a), Some(DeliveryState::Accepted));
        c.engine.delivery(a).expect("it is there").settle();
        c.run();
        c.peer.send_outcome_of(1, 3, "accepted", true);
        assert_eq!(c.run(), [b, d, new].map(Event::DeliveryUpdated));
    });
}

#[test]
fn an_outcome_that_is_settled_before_there_is_credit_ends_with_one_settled_transfer() {
    Conversation::each_client(|c| {
        let (_, [a, ..]) = cut_off(c, sending());
        let ours = map([(1, None), (2, None), (3, None)]);
        attaches_with(c, ours, |attach| {
            attach.set("unsettled", map([(1, Some("rejected")), (2, None), (3, None)]))
        });
        assert!(c.run().contains(&Event::DeliveryUpdated(a)));
        assert_eq!(remote(c, a), Some(DeliveryState::Rejected(None)));
        c.engine.delivery(a).expect("it is there").settle();
        c.peer.send_credit(0, 1);
        let transfer = c.peer.expect_transfer().flag("resume", true).flag("settled", true).payload([]);
        transfer.state("rejected");
        c.run();
        assert!(c.engine.delivery(a).is_none());
    });
}

#[test]
fn what_nobody_waits_for_any_more_is_resumed_all_the_same() {
    Conversation::each_client(|c| {
        let link = c.sender_with(5, sending());
        c.peer.expect_transfer();
        let id = c.send(link, b"a");
        c.run();
        c.rebind();
        c.engine.delivery(id).expect("it is under way").forget();
        attaches(c, map([(1, None)]), Some(map([(1, Some("accepted"))])));
        c.peer.expect_transfer().flag("resume", true).flag("settled", true).payload([]);
        c.run();
        assert_eq!(c.engine.unsettled(), 0);
    });
}

#[test]
fn a_peer_that_has_kept_nothing_makes_them_unknown() {
    Conversation::each_client(|c| {
        let (link, sent) = cut_off(c, sending());
        attaches(c, map([(1, None), (2, None), (3, None)]), None);
        let lost: Vec<_> = c.run().into_iter().filter(|e| matches!(e, Event::DeliveryLost(_))).collect();
        assert_eq!(lost, sent.map(Event::DeliveryLost), "told as unknown, and not sent again");
        assert!(c.engine.delivery(sent[0]).expect("it is there").was_sent());
        c.peer.expect_transfer().payload("new").flag("resume", false);
        c.send(link, b"new");
        c.run();
    });
}

#[test]
fn a_peer_that_settles_first_may_have_taken_what_it_does_not_name() {
    Conversation::each_client(|c| {
        let (_, [a, b, d]) = cut_off(c, sending());
        let ours = map([(1, None), (2, None), (3, None)]);
        attaches_with(c, ours, |attach| {
            attach.set("rcv-settle-mode", Plain::Ubyte(0)).set("unsettled", map([(2, None)]))
        });
        c.peer.send_credit(0, 10);
        c.peer.expect_transfer().flag("resume", true).payload("b");
        let events = c.run();
        assert!(events.contains(&Event::DeliveryLost(a)) && events.contains(&Event::DeliveryLost(d)));
        assert!(!events.contains(&Event::DeliveryLost(b)));
    });
}

#[test]
fn closing_a_link_ends_what_it_would_have_resumed() {
    Conversation::each_client(|c| {
        let (link, sent) = cut_off(c, sending());
        c.engine.unbind(None, c.now);
        c.engine.link(link).expect("links stay").close(None);
        assert_eq!(c.engine.poll_event(), Some(Event::Unbound));
        let told: Vec<_> = std::iter::from_fn(|| c.engine.poll_event()).collect();
        assert_eq!(told, sent.map(Event::DeliveryLost));
    });
}

#[test]
fn a_detached_link_is_resumed_on_the_same_wire() {
    Conversation::each_client(|c| {
        let link = c.sender_with(5, sending());
        c.peer.expect_transfer();
        let id = c.send(link, b"a");
        c.run();
        c.peer.expect_detach().flag("closed", false).respond();
        c.engine.link(link).expect("links stay").detach(None);
        assert_eq!(c.run(), [Event::LinkDetached(link)], "nothing is lost");
        let attach = c.peer.expect_attach().field("unsettled", map([(1, None)]));
        attach.respond_with(|attach| attach.set("unsettled", map([(1, None)])));
        c.peer.send_credit(0, 5);
        c.peer.expect_transfer().flag("resume", true).payload("a").respond();
        c.engine.link(link).expect("links stay").attach();
        assert!(c.run().contains(&Event::DeliveryUpdated(id)));
    });
}

// Receivers ------------------------------------------------------------------------------------------------------

fn transfer(number: u32, state: Option<&str>, settled: bool, resume: bool) -> Composite {
    let transfer = composite("transfer")
        .set("handle", 0u32)
        .set("delivery-id", number)
        .set("delivery-tag", tag(number as u8 + 1))
        .set("message-format", 0u32)
        .set("settled", settled)
        .set("resume", resume);
    match state {
        Some(state) => transfer.set("state", composite(state)),
        None => transfer,
    }
}

/// A receiver that has three messages, the first of them accepted, on its next wire.
fn receiver_cut_off(c: &mut Conversation) -> (LinkId, [DeliveryId; 3]) {
    let link = c.receiver_with(10, receiving());
    for number in 0..3 {
        c.peer.send_frame(Frame::new(0, transfer(number, None, false, false)).with_payload("m"));
    }
    let came: [DeliveryId; 3] = c.run_delivered().try_into().expect("three came");
    c.peer.expect_disposition().range(0, 0).state("accepted").flag("settled", false);
    c.engine.delivery(came[0]).expect("it is here").disposition(Some(DeliveryState::Accepted), true);
    c.run();
    c.engine.unbind(None, c.now);
    (link, came)
}

/// The peer, a sender, attaches with this map.
fn sender_attaches(c: &mut Conversation, link: LinkId, ours: Plain, theirs: Plain) {
    c.rebind();
    attaches_with(c, ours, move |attach| attach.set("unsettled", theirs.clone()));
    c.peer.expect_flow().credit(10);
    c.engine.link(link).expect("links stay").add_credit(10);
}

#[test]
fn a_receiver_tells_its_decisions_and_takes_what_the_sender_has_settled() {
    Conversation::each_client(|c| {
        let (link, [a, b, d]) = receiver_cut_off(c);
        // Decided while there is no wire.
        c.engine.delivery(b).expect("it is here").disposition(Some(DeliveryState::Released), true);
        let ours = map([(1, Some("accepted")), (2, Some("released")), (3, None)]);
        sender_attaches(c, link, ours, map([(2, None), (3, None)]));
        let events = c.run();
        assert!(c.engine.delivery(a).is_none(), "the sender has settled it");
        assert!(c.engine.delivery(d).is_some_and(|d| d.is_suspended()), "the sender may go on with it");
        assert!(!events.iter().any(|event| matches!(event, Event::Delivered(_))), "{events:?}");
        // The sender ends the second, and goes on with the third, of which all is here already.
        let ended = transfer(0, Some("released"), true, true).set("delivery-tag", tag(2));
        c.peer.send_frame(Frame::new(0, ended));
        let resumed = transfer(1, None, false, true).set("delivery-tag", tag(3));
        c.peer.send_frame(Frame::new(0, resumed).with_payload("m"));
        c.peer.expect_flow().credit(10).field("delivery-count", 2u32);
        assert_eq!(c.run(), [], "a message is handed over once");
        assert!(c.engine.delivery(b).is_none());
        c.peer.expect_disposition().range(1, 1).state("accepted").flag("settled", false).respond();
        c.engine.delivery(d).expect("it is live again").disposition(Some(DeliveryState::Accepted), true);
        c.run();
        assert_eq!(c.engine.unsettled(), 0);
    });
}

#[test]
fn a_decision_that_the_sender_has_not_heard_is_told_again() {
    Conversation::each_client(|c| {
        let (link, [a, ..]) = receiver_cut_off(c);
        let all = || map([(1, None), (2, None), (3, None)]);
        sender_attaches(c, link, map([(1, Some("accepted")), (2, None), (3, None)]), all());
        c.run();
        let resumed = Frame::new(0, transfer(0, None, false, true)).with_payload("m");
        c.peer.send_frame(resumed);
        c.peer.expect_disposition().range(0, 0).state("accepted").flag("settled", false).respond();
        // Nothing was handed over for it, so its credit is given again.
        c.peer.expect_flow().credit(10).field("delivery-count", 1u32);
        c.run();
        assert!(c.engine.delivery(a).is_none());
    });
}

#[test]
fn a_resumed_delivery_that_is_not_known_is_ignored() {
    Conversation::each_client(|c| {
        let (link, _) = receiver_cut_off(c);
        let ours = map([(1, Some("accepted")), (2, None), (3, None)]);
        sender_attaches(c, link, ours, map([(9, None)]));
        c.run();
        let before = c.engine.unsettled();
        let unknown = transfer(0, None, false, true).set("delivery-tag", tag(9));
        c.peer.send_frame(Frame::new(0, unknown).with_payload("m"));
        assert_eq!(c.run(), [], "the receiver ignores it (2.7.5)");
        assert_eq!(c.engine.unsettled(), before);
    });
}

#[test]
fn a_sender_that_starts_afresh_will_hear_no_more_of_them() {
    Conversation::each_client(|c| {
        let (link, [a, b, d]) = receiver_cut_off(c);
        c.rebind();
        attaches_with(c, map([(1, Some("accepted")), (2, None), (3, None)]), |attach| attach);
        c.peer.expect_flow().credit(10);
        c.engine.link(link).expect("links stay").add_credit(10);
        let events = c.run();
        assert!(c.engine.delivery(a).is_none());
        assert!(events.contains(&Event::DeliveryLost(b)) && events.contains(&Event::DeliveryLost(d)));
    });
}

// What is told ---------------------------------------------------------------------------------------------------

#[test]
fn the_guarantee_follows_from_what_the_peer_says() {
    let target = |policy: &str, seconds: u32| {
        composite("target")
            .set("address", "queue")
            .set("expiry-policy", Plain::symbol(policy))
            .set("timeout", seconds)
    };
    let cases: [(Recovery, u8, Composite, Guarantee); 7] = [
        (Recovery::Resume, 1, target("link-detach", 60), Guarantee::ExactlyOnce),
        (Recovery::Resume, 1, target("never", 0), Guarantee::ExactlyOnce),
        (Recovery::Resume, 1, target("session-end", 0), Guarantee::AtMostOnce),
        (Recovery::Resume, 1, target("connection-close", 0), Guarantee::AtMostOnce),
        (Recovery::Resume, 0, target("never", 0), Guarantee::AtMostOnce),
        (Recovery::Replay, 1, target("never", 0), Guarantee::AtLeastOnce),
        (Recovery::Report, 1, target("never", 0), Guarantee::AtMostOnce),
    ];
    for (recovery, mode, target, expected) in cases {
        let c = &mut Conversation::client(usize::MAX);
        c.peer.accepts_session();
        let told = format!("{recovery:?}, {mode}, {target:?}");
        let answer = move |attach: Composite| {
            attach.set("rcv-settle-mode", Plain::Ubyte(mode)).set("target", target.clone())
        };
        c.peer.expect_attach().respond_with(answer);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let config = LinkConfig { recovery, ..sending() };
        let link = c.engine.attach(session, config).expect("the session is fresh");
        assert_eq!(c.engine.link(link).expect("it is new").guarantee(), None, "nobody has answered yet");
        c.run();
        assert_eq!(c.engine.link(link).expect("links stay").guarantee(), Some(expected), "{told}");
    }
}

// Maps that do not fit -------------------------------------------------------------------------------------------

/// What each side has: a server that keeps messages, all its frames small, and the client's sends.
fn many_under_way(count: usize) -> (Pair, LinkId, Vec<DeliveryId>) {
    let config = |role| ConnectionConfig {
        role,
        container_id: "me".into(),
        max_frame_size: 512,
        ..ConnectionConfig::default()
    };
    let mut pair = Pair::new(config(ConnectionRole::Client), config(ConnectionRole::Server));
    pair.server_answers = Answers { accept: true, ..Answers::none() };
    pair.bind();
    pair.open();
    let session = pair.session();
    let (link, theirs) = pair.attach(session, sending());
    pair.server.link(theirs).expect("it is attached").add_credit(1000);
    if let Some(config) = pair.server.link(theirs).expect("it is attached").config_mut() {
        config.recovery = Recovery::Resume;
    }
    pair.drive();
    let send = |pair: &mut Pair, number: usize| {
        let mut link = pair.client.link(link).expect("links stay");
        link.send(Payload::Slice(&number.to_be_bytes()), SendOptions::default()).expect("it is a sender")
    };
    let sent = (0..count).map(|number| send(&mut pair, number)).collect();
    pair.drive();
    (pair, link, sent)
}

#[test]
fn maps_that_do_not_fit_a_frame_are_exchanged_in_parts() {
    const COUNT: usize = 300;
    let (mut pair, link, sent) = many_under_way(COUNT);
    let came = pair.delivered(Side::Server);
    assert_eq!(came.len(), COUNT);
    // The server decides on all of them; of that nothing reaches the client.
    for id in came {
        let mut delivery = pair.server.delivery(id).expect("it is here");
        delivery.take();
        delivery.disposition(Some(DeliveryState::Accepted), true);
    }
    pair.cut();
    pair.drive();
    let theirs = pair.server.links()[0];
    let mut old = pair.rebind();
    let mut suspended = old.link(theirs).expect("links stay").take_suspended();
    assert_eq!(suspended.as_ref().map(|suspended| suspended.len()), Some(COUNT));
    pair.client
        .link(link)
        .expect("links stay")
        .send(Payload::Slice(b"new"), SendOptions::default())
        .expect("open");
    let (mut outcomes, mut delivered, mut attachments) = (0, 0, 0);
    pair.server_answers = Answers::none();
    for _ in 0..1000 {
        pair.drive();
        let mut moved = false;
        for event in pair.events(Side::Server) {
            moved = true;
            match event {
                Event::ConnectionOpened => pair.server.open(),
                Event::SessionBegun(id) => pair.server.session(id).expect("it is new").begin(),
                Event::LinkAttached(id) => {
                    attachments += 1;
                    let mut link = pair.server.link(id).expect("it is there");
                    if let Some(suspended) = suspended.take() {
                        link.restore(suspended);
                    }
                    link.attach();
                    link.set_credit_window(100);
                }
                Event::LinkDetached(id) => pair.server.link(id).expect("it is there").detach(None),
                Event::Delivered(id) => {
                    delivered += 1;
                    let mut delivery = pair.server.delivery(id).expect("it is here");
                    assert_eq!(delivery.take(), &b"new"[..], "nothing is delivered twice");
                    delivery.disposition(Some(DeliveryState::Accepted), true);
                }
                _ => {}
            }
        }
        for event in pair.events(Side::Client) {
            moved = true;
            match event {
                Event::DeliveryUpdated(id) => {
                    outcomes += 1;
                    pair.client.delivery(id).expect("it is there").settle();
                }
                Event::DeliveryLost(id) => panic!("{id:?} is lost"),
                Event::LinkDetached(_) => panic!("the engine does that by itself"),
                _ => {}
            }
        }
        if !moved {
            break;
        }
    }
    assert_eq!((outcomes, delivered), (COUNT + 1, 1));
    assert!(attachments > 2, "only {attachments} attachments");
    assert!(sent.into_iter().all(|id| pair.client.delivery(id).is_none()));
    assert_eq!((pair.client.unsettled(), pair.server.unsettled()), (0, 0));
    assert_eq!(pair.client.link(link).expect("links stay").local_state(), EndpointState::Open);
}

#[test]
fn a_new_delivery_after_an_incomplete_map_closes_the_link() {
    Conversation::each_client(|c| {
        let (link, _) = receiver_cut_off(c);
        c.rebind();
        attaches_with(c, map([(1, Some("accepted")), (2, None), (3, None)]), |attach| {
            attach.set("unsettled", map([(2, None)])).set("incomplete-unsettled", true)
        });
        c.peer.expect_flow().credit(10);
        c.engine.link(link).expect("links stay").add_credit(10);
        c.run();
        assert_eq!(c.engine.unsettled(), 3, "what is absent may be settled or not");
        c.peer.send_frame(Frame::new(0, transfer(0, None, false, false)).with_payload("m"));
        c.peer.expect_detach().flag("closed", true).error("amqp:not-allowed").respond();
        c.run();
    });
}
