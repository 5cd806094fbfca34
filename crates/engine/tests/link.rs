//! 2.6.1 to 2.6.6: attach, detach, close, names, termini.

use deuteron_engine::codec::{
    AttachTarget, Error, ReceiverSettleMode, Role, SenderSettleMode, Source, Symbol, Target,
    TerminusDurability, TerminusExpiryPolicy,
};
use deuteron_engine::{EndpointState, Event, LinkConfig, Payload, SendOptions, SessionConfig, UsageError};
use deuteron_testkit::wire::{AMQP, Plain, composite, symbols};
use deuteron_testkit::{Answers, Conversation, Pair, Side};

#[test]
fn attach_of_a_sender_carries_the_configuration() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer
            .expect_attach()
            .name("orders")
            .handle(0)
            .role_sender()
            .field("snd-settle-mode", 0u8)
            .field("rcv-settle-mode", 1u8)
            .field("source", composite("source").set("address", "here"))
            .field(
                "target",
                composite("target")
                    .set("address", "there")
                    .set("durable", 2u32)
                    .set("expiry-policy", Plain::symbol("never"))
                    .set("timeout", 30u32)
                    .set("capabilities", symbols(["queue"])),
            )
            .field("initial-delivery-count", 0u32)
            .field("max-message-size", 1000u64)
            .field("offered-capabilities", symbols(["o"]))
            .field("desired-capabilities", symbols(["d"]))
            .field("properties", Plain::fields([("p", true.into())]))
            .respond();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let target = Target {
            address: Some("there".into()),
            durable: TerminusDurability::UnsettledState,
            expiry_policy: TerminusExpiryPolicy::Never,
            timeout: 30,
            capabilities: vec!["queue".into()],
            ..Target::default()
        };
        let config = LinkConfig {
            source: Some(Source { address: Some("here".into()), ..Source::default() }),
            target: Some(AttachTarget::Target(target)),
            snd_settle_mode: SenderSettleMode::Unsettled,
            rcv_settle_mode: ReceiverSettleMode::Second,
            max_message_size: 1000,
            offered_capabilities: vec!["o".into()],
            desired_capabilities: vec!["d".into()],
            properties: Some([(Symbol::from_static("p"), true)].into_iter().collect()),
            ..LinkConfig::new("orders", Role::Sender)
        };
        let link = c.engine.attach(session, config).expect("a fresh session");
        assert!(c.run().contains(&Event::LinkAttached(link)));
    });
}

#[test]
fn attach_of_a_receiver_has_no_initial_delivery_count() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer
            .expect_attach()
            .name("r")
            .role_receiver()
            .absent("initial-delivery-count")
            .absent("max-message-size")
            .field("source", composite("source").set("address", "q"))
            .respond();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        c.engine.attach(session, LinkConfig::receiver("r", "q")).expect("a fresh session");
        c.run();
    });
}

#[test]
fn the_peers_attach_can_be_read() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().respond_with(|attach| {
            let source = composite("source").set("address", "generated-1").set("dynamic", true);
            attach.set("source", source).set("max-message-size", 77u64)
        });
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let config = LinkConfig {
            source: Some(Source { dynamic: true, ..Source::default() }),
            ..LinkConfig::new("r", Role::Receiver)
        };
        let link = c.engine.attach(session, config).expect("a fresh session");
        c.run();
        let link = c.engine.link(link).expect("attached");
        let address = link.remote_attach().and_then(|attach| attach.source.as_ref()?.address.as_deref());
        assert_eq!((address, link.peer_max_message_size()), (Some("generated-1"), 77));
    });
}

#[test]
fn a_link_of_the_peer_is_answered_with_its_mirror_image() {
    Conversation::each_server(|c| {
        c.peer.opens().send_begin(0);
        c.peer.send_attach_sender("up", 3).send_attach_receiver("down", 4);
        c.peer.expect_begin();
        c.peer
            .expect_attach()
            .name("up")
            .role_receiver()
            .handle(0)
            .field("source", composite("source").set("address", "peer"))
            .field("target", composite("target").set("address", "queue"));
        c.peer.expect_attach().name("down").role_sender().handle(1).field("initial-delivery-count", 0u32);
        c.engine.open();
        c.settle();
        for session in c.engine.sessions() {
            c.engine.session(session).expect("listed").begin();
        }
        for link in c.engine.links() {
            let mut link = c.engine.link(link).expect("listed");
            assert_eq!(
                (link.local_state(), link.remote_state()),
                (EndpointState::Uninit, EndpointState::Open)
            );
            link.attach();
        }
        c.run();
    });
}

#[test]
fn a_refused_link_gets_an_attach_without_terminus_and_a_detach() {
    Conversation::each_server(|c| {
        c.peer.opens().send_begin(0).send_attach_sender("up", 0);
        c.peer.expect_begin();
        c.peer.expect_attach().name("up").absent("target").present("source");
        c.peer.expect_detach().handle(0).flag("closed", true).error("amqp:not-found");
        c.peer.send_detach(0);
        c.engine.open();
        c.settle();
        let session = c.engine.sessions()[0];
        c.engine.session(session).expect("begun").begin();
        let link = c.engine.links()[0];
        let error = Error::new(Symbol::from_static("amqp:not-found"), "no such queue");
        c.engine.link(link).expect("attached").reject(error);
        assert!(c.run().contains(&Event::LinkClosed(link)));
    });
}

#[test]
fn a_refusal_reaches_the_other_side() {
    Pair::each(|pair| {
        pair.server_answers.accept = false;
        pair.client.open();
        pair.bind();
        pair.drive();
        pair.server.open();
        let session = pair.session();
        let ours =
            pair.client.attach(session, LinkConfig::receiver("r", "nowhere")).expect("a fresh session");
        pair.drive();
        let theirs = pair.server.sessions()[0];
        pair.server.session(theirs).expect("begun").begin();
        let theirs = pair.server.links()[0];
        let error = Error::new(Symbol::from_static("amqp:not-found"), "no such queue");
        pair.server.link(theirs).expect("attached").reject(error.clone());
        pair.drive();
        let events = pair.events(Side::Client);
        assert!(events.ends_with(&[Event::LinkAttached(ours), Event::LinkClosed(ours)]), "{events:?}");
        let link = pair.client.link(ours).expect("kept until freed");
        assert_eq!(link.remote_attach().map(|attach| attach.source.is_none()), Some(true));
        assert_eq!(link.remote_error(), Some(&error));
    });
}

#[test]
fn detach_keeps_the_link_and_close_ends_it() {
    Pair::each(|pair| {
        let (ours, theirs) = pair.sender();
        pair.events(Side::Server);
        pair.client.link(ours).expect("attached").detach(None);
        pair.drive();
        assert_eq!(pair.events(Side::Server), [Event::LinkDetached(theirs)]);
        let link = pair.client.link(ours).expect("detached");
        assert_eq!(
            (link.local_state(), link.remote_state()),
            (EndpointState::Detached, EndpointState::Detached)
        );

        // 2.6.3: attached again under its name, it is the same link.
        pair.client.link(ours).expect("detached").attach();
        pair.drive();
        let link = pair.client.link(ours).expect("attached again");
        assert_eq!((link.local_state(), link.remote_state()), (EndpointState::Open, EndpointState::Open));
        pair.send(Side::Client, ours, b"after");
        pair.drive();
        assert_eq!(pair.inbox[1], [&b"after"[..]]);

        pair.client.link(ours).expect("attached").close(None);
        pair.drive();
        let link = pair.client.link(ours).expect("closed");
        assert_eq!((link.local_state(), link.remote_state()), (EndpointState::Closed, EndpointState::Closed));
    });
}

#[test]
fn a_link_attached_again_waits_for_the_answer_to_its_detach() {
    Conversation::each_client(|c| {
        let link = c.sender(5);
        c.peer.expect_detach().handle(0).flag("closed", false);
        let mut sender = c.engine.link(link).expect("attached");
        sender.detach(None);
        sender.attach();
        c.send(link, b"x");
        c.run();
        c.peer.send(0, composite("detach").set("handle", 0u32));
        c.peer.expect_attach().name("s").handle(0).respond();
        c.peer.send_credit(0, 1);
        c.peer.expect_transfer().payload("x");
        assert_eq!(c.run(), [Event::LinkDetached(link), Event::LinkAttached(link), Event::LinkFlow(link)]);
    });
    Conversation::each_client(|c| {
        let link = c.sender(5);
        c.peer.expect_detach();
        let mut sender = c.engine.link(link).expect("attached");
        sender.detach(None);
        sender.attach();
        c.run();
        // The answer never comes: the next wire is the answer.
        c.rebind();
        c.peer.accepts_sender(0);
        assert!(c.run().contains(&Event::LinkAttached(link)));
    });
}

#[test]
fn a_closing_detach_is_answered_with_one() {
    Conversation::each_client(|c| {
        c.peer.accepts_sender(0);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        c.run();
        let error = composite("error").set("condition", Plain::symbol("amqp:link:detach-forced"));
        c.peer.send(0, composite("detach").set("handle", 0u32).set("closed", true).set("error", error));
        assert_eq!(c.run(), [Event::LinkClosed(link)]);
        let condition = c.engine.link(link).and_then(|link| link.remote_error().map(|e| e.condition.clone()));
        assert_eq!(condition, Some(Symbol::from_static("amqp:link:detach-forced")));
        c.peer.expect_detach().handle(0).flag("closed", true);
        c.engine.link(link).expect("kept until freed").close(None);
        assert_eq!(c.run(), []);
    });
}

#[test]
fn a_flow_that_crosses_our_detach_is_no_event() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        c.peer.expect_detach();
        c.engine.link(link).expect("attached").close(None);
        c.run();
        c.peer.send_credit(0, 10).send_detach(0);
        assert_eq!(c.run(), [Event::LinkClosed(link)]);
    });
}

#[test]
fn an_attach_longer_than_512_bytes_waits_for_the_peers_open() {
    Conversation::each_client(|c| {
        c.peer.expect_header(AMQP).respond();
        c.peer.expect_open();
        c.peer.expect_begin();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let address = "a".repeat(600);
        c.engine.attach(session, LinkConfig::sender("s", address.as_str())).expect("a fresh session");
        c.run();
        c.peer.send_open();
        c.peer.expect_attach().field("target", composite("target").set("address", address));
        c.run();
    });
}

#[test]
fn errors_of_detach_reach_the_other_side() {
    Pair::each(|pair| {
        let (ours, theirs) = pair.receiver();
        let error = Error::new(Symbol::from_static("x:y"), "z");
        pair.client.link(ours).expect("attached").close(Some(error.clone()));
        pair.drive();
        assert_eq!(pair.server.link(theirs).and_then(|link| link.remote_error().cloned()), Some(error));
    });
}

#[test]
fn handles_are_used_again() {
    Pair::each(|pair| {
        pair.open();
        let session = pair.session();
        for round in 0..5 {
            let (ours, theirs) = pair.attach(session, LinkConfig::sender(format!("s{round}"), "q"));
            pair.send(Side::Client, ours, b"x");
            pair.client.link(ours).expect("attached").close(None);
            pair.drive();
            pair.client.link(ours).expect("closed").free();
            pair.server.link(theirs).expect("closed").free();
        }
        assert_eq!(pair.inbox[1].len(), 5);
        assert!(pair.client.links().is_empty() && pair.server.links().is_empty());
        assert!(pair.server.transport_failure().is_none());
    });
}

#[test]
fn one_name_may_be_used_once_in_each_direction() {
    Pair::each(|pair| {
        pair.open();
        let session = pair.session();
        let (sender, _) = pair.attach(session, LinkConfig::sender("n", "q"));
        let again = pair.client.attach(session, LinkConfig::sender("n", "other"));
        assert_eq!(again, Err(UsageError::NameInUse));
        pair.client
            .attach(session, LinkConfig::receiver("n", "q"))
            .expect("the other direction is another link");
        pair.drive();
        assert_eq!(pair.server.links().len(), 2);
        pair.client.link(sender).expect("attached").close(None);
        pair.drive();
        pair.client.attach(session, LinkConfig::sender("n", "q")).expect("the name is free");
        pair.drive();
        assert!(pair.client.transport_failure().is_none());
    });
}

#[test]
fn a_second_attach_of_the_peer_under_one_name_steals_the_link() {
    Conversation::each_server(|c| {
        c.peer.opens().send_begin(0).send_attach_sender("n", 0);
        c.peer.expect_begin();
        c.peer.expect_attach().name("n");
        c.engine.open();
        c.settle();
        c.engine.sessions().into_iter().for_each(|id| c.engine.session(id).expect("listed").begin());
        c.engine.links().into_iter().for_each(|id| c.engine.link(id).expect("listed").attach());
        c.run();
        let first = c.engine.links()[0];
        c.peer.send_attach_sender("n", 1);
        c.peer.expect_detach().handle(0).flag("closed", true).error("amqp:link:stolen");
        c.run();
        assert_eq!(c.engine.link(first).map(|link| link.local_state()), Some(EndpointState::Closed));
        assert_eq!(c.engine.links().len(), 2);
    });
}

#[test]
fn links_above_the_peers_handle_max_wait() {
    Conversation::each_client(|c| {
        c.peer.accepts_open();
        c.peer.expect_begin().respond_with(|begin| begin.set("handle-max", 0u32));
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        c.run();
        c.peer.expect_attach().name("a").handle(0).respond();
        let first = c.engine.attach(session, LinkConfig::sender("a", "q")).expect("a fresh session");
        let second = c.engine.attach(session, LinkConfig::sender("b", "q")).expect("another name");
        c.run();
        assert_eq!(c.engine.link(second).map(|link| link.remote_state()), Some(EndpointState::Uninit));
        c.peer.expect_detach().handle(0).respond();
        c.peer.expect_attach().name("b").handle(0).respond();
        c.engine.link(first).expect("attached").close(None);
        assert!(c.run().contains(&Event::LinkAttached(second)));
    });
}

#[test]
fn a_link_freed_while_attaching_is_closed_and_never_heard_of_again() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        c.run();
        let link = c.engine.attach(session, LinkConfig::receiver("r", "q")).expect("a fresh session");
        c.engine.link(link).expect("just made").free();
        assert!(c.engine.link(link).is_none(), "its id is void");
        c.peer.expect_attach().handle(0).respond();
        c.peer.expect_detach().handle(0).flag("closed", true).respond();
        assert_eq!(c.run(), []);
        c.peer.expect_attach().handle(0).respond();
        let again = c.engine.attach(session, LinkConfig::receiver("r", "q")).expect("the name is free");
        assert_eq!(c.run(), [Event::LinkAttached(again)]);
    });
}

#[test]
fn misuse_is_told_to_the_caller() {
    Pair::each(|pair| {
        let (ours, _) = pair.receiver();
        let send = |pair: &mut Pair, id| {
            let mut link = pair.client.link(id).expect("attached");
            link.send(Payload::Slice(b"x"), SendOptions::default())
        };
        assert_eq!(send(pair, ours), Err(UsageError::WrongRole));
        let session = pair.client.link(ours).and_then(|link| link.session()).expect("attached");
        let (sender, _) = pair.attach(session, LinkConfig::sender("s", "q"));
        pair.client.link(sender).expect("attached").close(None);
        assert_eq!(send(pair, sender), Err(UsageError::Closed));
        pair.client.session(session).expect("begun").end(None);
        assert_eq!(pair.client.attach(session, LinkConfig::sender("t", "q")), Err(UsageError::Closed));
        pair.drive();
        pair.client.session(session).expect("ended").free();
        assert_eq!(pair.client.attach(session, LinkConfig::sender("t", "q")), Err(UsageError::Gone));
        assert!(pair.client.transport_failure().is_none(), "the connection is unharmed");
    });
}

#[test]
fn both_sides_may_detach_at_once() {
    Pair::each(|pair| {
        let (ours, theirs) = pair.sender();
        pair.server_answers = Answers::none();
        pair.client.link(ours).expect("attached").close(None);
        pair.server.link(theirs).expect("attached").close(None);
        pair.drive();
        assert!(pair.events(Side::Client).ends_with(&[Event::LinkClosed(ours)]));
        assert!(pair.events(Side::Server).ends_with(&[Event::LinkClosed(theirs)]));
        assert!(pair.client.transport_failure().is_none() && pair.server.transport_failure().is_none());
    });
}
