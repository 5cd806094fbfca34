//! What a peer can do wrong, and which error it gets (2.3, 2.4, 2.5, 2.6, 2.8.15 to 2.8.18).

use deuteron_engine::{
    Cause, ConnectionConfig, EndpointState, Event, LinkConfig, LinkId, Payload, SendOptions, SessionConfig,
    SessionId, UsageError,
};
use deuteron_testkit::wire::{AMQP, Composite, Frame, Plain, composite};
use deuteron_testkit::{CHUNKS, Conversation, ScriptedPeer};

// The connection ------------------------------------------------------------------------------------------------

/// After a session was begun, the peer does something that costs it the connection.
#[track_caller]
fn connection_fails(condition: &'static str, mentions: &'static str, wrong: impl Fn(&mut ScriptedPeer)) {
    for chunk in CHUNKS {
        let config =
            ConnectionConfig { max_frame_size: 1024, channel_max: 9, handle_max: 5, ..Default::default() };
        let mut c = Conversation::new(config, chunk);
        c.peer.accepts_session();
        wrong(&mut c.peer);
        c.peer.expect_close().error(condition).describing(mentions);
        c.peer.expect_eof();
        c.engine.open();
        c.engine.begin(SessionConfig::default());
        let events = c.run();
        assert!(events.contains(&Event::TransportError), "{events:?}");
        assert!(events.ends_with(&[Event::HeadClosed, Event::TransportClosed]), "{events:?}");
        let failure = c.engine.transport_failure().expect("the wire failed");
        assert_eq!((failure.cause, failure.error.condition.as_str()), (Cause::PeerViolation, condition));
        assert_eq!(c.engine.local_state(), EndpointState::Open, "what we declared stands");
    }
}

#[test]
fn a_frame_shorter_than_its_header() {
    connection_fails("amqp:connection:framing-error", "", |peer| {
        peer.send_bytes(b"\0\0\0\x07\x02\0\0\0");
    });
    connection_fails("amqp:connection:framing-error", "", |peer| {
        peer.send_bytes(b"\0\0\0\0\x02\0\0\0");
    });
}

#[test]
fn a_data_offset_inside_the_frame_header() {
    for doff in [0, 1] {
        connection_fails("amqp:connection:framing-error", "", move |peer| {
            peer.send_bytes(&[0, 0, 0, 12, doff, 0, 0, 0, 0, 0x53, 0x18, 0x45]);
        });
    }
}

#[test]
fn a_data_offset_beyond_the_frame() {
    connection_fails("amqp:connection:framing-error", "", |peer| {
        peer.send_bytes(b"\0\0\0\x0c\x04\0\0\0\0\x53\x18\x45");
    });
}

#[test]
fn a_frame_longer_than_we_allow() {
    connection_fails("amqp:connection:framing-error", "1024", |peer| {
        peer.send_bytes(b"\0\0\x04\x01\x02\0\0\0");
    });
    connection_fails("amqp:connection:framing-error", "1024", |peer| {
        peer.send_bytes(b"\xff\xff\xff\xff\x02\0\0\0");
    });
}

#[test]
fn a_frame_as_long_as_we_allow_is_taken() {
    let mut c =
        Conversation::new(ConnectionConfig { max_frame_size: 1024, ..Default::default() }, usize::MAX);
    c.peer.accepts_open();
    let close = |padding: &str| {
        let error = composite("error").set("condition", Plain::symbol("x")).set("description", padding);
        Frame::new(0, composite("close").set("error", error))
    };
    let room = 1024 - close(&"x".repeat(300)).bytes().len();
    let frame = close(&"x".repeat(300 + room));
    assert_eq!(frame.bytes().len(), 1024);
    c.peer.send_frame(frame);
    c.engine.open();
    assert_eq!(c.run(), [Event::ConnectionOpened, Event::ConnectionClosed]);
}

#[test]
fn an_unknown_frame_type() {
    connection_fails("amqp:connection:framing-error", "type 2", |peer| {
        peer.send_bytes(b"\0\0\0\x0c\x02\x02\0\0\0\x53\x18\x45");
    });
}

#[test]
fn a_sasl_frame_after_sasl() {
    connection_fails("amqp:connection:framing-error", "type 1", |peer| {
        peer.send_outcome(0);
    });
}

#[test]
fn bytes_that_are_no_performative() {
    let bodies: &[&[u8]] = &[
        b"\x00\x53\x99\x45",                      // unknown code
        b"\x41",                                  // not described
        b"\x00\x53\x18\xc0\xff\x01\x40",          // a list longer than the frame
        b"\x00\x53\x18\xc0\x02\x05\x40",          // more fields than bytes
        b"\x00\x53\x18\x41",                      // no list
        b"\x00\x53",                              // cut in the descriptor
        b"\x00\x53\x11\xc0\x05\x04\x40\x43\x43a", // not a uint
        b"\x00\x53\x18\xc0\x03\x02\x40\x40",      // more fields than close has
    ];
    for body in bodies {
        connection_fails("amqp:decode-error", "", |peer| {
            let mut bytes = vec![0, 0, 0, body.len() as u8 + 8, 2, 0, 0, 0];
            bytes.extend(*body);
            peer.send_bytes(&bytes);
        });
    }
}

#[test]
fn a_missing_mandatory_field_is_named() {
    let begin = composite("begin")
        .set("next-outgoing-id", 0u32)
        .set("incoming-window", 1u32)
        .set("outgoing-window", 1u32);
    let attach = composite("attach").set("name", "l").set("handle", 0u32).set("role", true);
    let flow = composite("flow")
        .set("incoming-window", 1u32)
        .set("next-outgoing-id", 0u32)
        .set("outgoing-window", 1u32);
    let disposition = composite("disposition").set("role", true).set("first", 0u32);
    let whole: &[(Composite, &[(&str, &'static str)])] = &[
        (
            begin,
            &[("next-outgoing-id", "next"), ("incoming-window", "incoming"), ("outgoing-window", "outgoing")],
        ),
        (attach, &[("name", "name"), ("handle", "handle"), ("role", "role")]),
        (
            flow,
            &[("incoming-window", "incoming"), ("next-outgoing-id", "next"), ("outgoing-window", "outgoing")],
        ),
        (composite("transfer").set("delivery-id", 0u32), &[("handle", "handle")]),
        (disposition, &[("role", "role"), ("first", "first")]),
        (composite("detach").set("closed", true), &[("handle", "handle")]),
        (composite("end").set("error", composite("error")), &[("error", "condition")]),
    ];
    for (frame, fields) in whole {
        for (field, mention) in *fields {
            let broken = if *field == "error" { frame.clone() } else { frame.clone().clear(field) };
            connection_fails("amqp:decode-error", mention, |peer| {
                peer.send(0, broken.clone());
            });
        }
    }
}

#[test]
fn an_open_without_a_container_id_is_named() {
    let mut c = Conversation::client(usize::MAX);
    c.peer.expect_header(AMQP).respond();
    c.peer.expect_open();
    c.peer.send(0, composite("open").set("hostname", "h"));
    c.peer.expect_close().error("amqp:decode-error").describing("container");
    c.peer.expect_eof();
    c.engine.open();
    c.run();
}

#[test]
fn anything_before_open() {
    let early = [
        composite("begin")
            .set("next-outgoing-id", 0u32)
            .set("incoming-window", 1u32)
            .set("outgoing-window", 1u32),
        composite("transfer").set("handle", 0u32),
        composite("end"),
    ];
    for frame in early {
        let name = frame.name();
        Conversation::each_client(|c| {
            c.peer.expect_header(AMQP).respond();
            c.peer.expect_open();
            c.peer.send(0, frame.clone());
            c.peer.expect_close().error("amqp:not-allowed").describing(name);
            c.peer.expect_eof();
            c.engine.open();
            let events = c.run();
            assert!(!events.contains(&Event::ConnectionOpened));
        });
    }
}

#[test]
fn a_server_that_has_not_opened_opens_before_it_closes_with_an_error() {
    Conversation::each_server(|c| {
        c.peer.send_header(AMQP).send_end(0);
        c.peer.expect_header(AMQP);
        c.peer.expect_open();
        c.peer.expect_close().error("amqp:not-allowed");
        c.peer.expect_eof();
        c.run();
    });
}

#[test]
fn a_second_open() {
    connection_fails("amqp:not-allowed", "second open", |peer| {
        peer.send_open();
    });
}

#[test]
fn a_max_frame_size_below_512() {
    Conversation::each_client(|c| {
        c.peer.expect_header(AMQP).respond();
        c.peer.expect_open().respond_with(|open| open.set("max-frame-size", 511u32));
        c.peer.expect_close().error("amqp:invalid-field").describing("511");
        c.peer.expect_eof();
        c.engine.open();
        c.run();
    });
}

#[test]
fn begin_on_a_channel_in_use() {
    connection_fails("amqp:not-allowed", "channel 0", |peer| {
        peer.send_begin(0);
    });
}

#[test]
fn begin_above_channel_max() {
    connection_fails("amqp:connection:framing-error", "channel 10", |peer| {
        peer.send_begin(9).send_begin(10);
    });
}

#[test]
fn begin_that_answers_what_was_not_asked() {
    for channel in [0u16, 7] {
        connection_fails("amqp:not-allowed", "", move |peer| {
            let begin = composite("begin")
                .set("remote-channel", channel)
                .set("next-outgoing-id", 0u32)
                .set("incoming-window", 1u32)
                .set("outgoing-window", 1u32);
            peer.send(5, begin);
        });
    }
}

#[test]
fn frames_on_a_channel_without_a_session() {
    let flow = composite("flow")
        .set("incoming-window", 1u32)
        .set("next-outgoing-id", 0u32)
        .set("outgoing-window", 1u32);
    let frames = [
        composite("end"),
        composite("detach").set("handle", 0u32),
        composite("attach").set("name", "l").set("handle", 0u32).set("role", true),
        composite("transfer").set("handle", 0u32),
        composite("disposition").set("role", true).set("first", 0u32),
        flow,
    ];
    for frame in frames {
        let name = frame.name();
        connection_fails("amqp:not-allowed", "channel 3", |peer| {
            peer.send(3, frame.clone());
        });
        connection_fails("amqp:not-allowed", name, |peer| {
            peer.send(9000, frame.clone());
        });
    }
}

#[test]
fn a_handle_above_handle_max() {
    // 2.7.2: a handle above handle-max is a framing error of the connection.
    connection_fails("amqp:connection:framing-error", "handle 6", |peer| {
        peer.send_attach_receiver("l", 6);
    });
}

#[test]
fn a_delivery_tag_longer_than_32_bytes() {
    connection_fails("amqp:decode-error", "tag", |peer| {
        let transfer = composite("transfer").set("handle", 0u32).set("delivery-id", 0u32);
        peer.send(0, transfer.set("delivery-tag", Plain::binary([7; 33])));
    });
}

// The session ---------------------------------------------------------------------------------------------------

/// With a receiver (handle 0, three credits) and a sender (handle 1) attached, the peer does something that costs
/// it the session, and nothing more.
#[track_caller]
fn session_fails(condition: &'static str, mentions: &'static str, wrong: impl Fn(&mut ScriptedPeer)) {
    for chunk in CHUNKS {
        let (mut c, session, _) = with_links(chunk);
        wrong(&mut c.peer);
        c.peer.expect_end().error(condition).describing(mentions);
        c.run();
        assert_eq!(c.engine.session(session).map(|s| s.local_state()), Some(EndpointState::Closed));
        // 2.5.5: until the peer's end, what it sent before it saw ours is thrown away.
        c.peer.send_transfer(0, 7, b"late").send_detach(0).send_end(0);
        let events = c.run();
        assert!(events.contains(&Event::SessionEnded(session)), "{events:?}");
        c.peer.expect_begin().channel(0).respond();
        c.engine.begin(SessionConfig::default());
        c.run();
        assert!(c.engine.transport_failure().is_none());
    }
}

fn with_links(chunk: usize) -> (Conversation, SessionId, LinkId) {
    let mut c = Conversation::client(chunk);
    c.peer.accepts_receiver(3);
    c.peer.expect_attach().role_sender().handle(1).respond();
    c.engine.open();
    let session = c.engine.begin(SessionConfig { incoming_window: 4, ..SessionConfig::default() });
    let receiver = c.engine.attach(session, LinkConfig::receiver("r", "q")).expect("a fresh session");
    c.engine.link(receiver).expect("just made").add_credit(3);
    c.settle();
    c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
    c.run();
    (c, session, receiver)
}

#[test]
fn attach_to_a_handle_in_use() {
    session_fails("amqp:session:handle-in-use", "handle 0", |peer| {
        peer.send_attach_sender("another", 0);
    });
}

#[test]
fn frames_for_an_unattached_handle() {
    session_fails("amqp:session:unattached-handle", "handle 4", |peer| {
        peer.send_transfer(4, 0, b"x");
    });
    session_fails("amqp:session:unattached-handle", "handle 4", |peer| {
        peer.send_credit(4, 1);
    });
    session_fails("amqp:session:unattached-handle", "handle 4", |peer| {
        peer.send_detach(4);
    });
}

#[test]
fn a_transfer_beyond_the_incoming_window() {
    session_fails("amqp:session:window-violation", "window", |peer| {
        // Five frames where four were allowed; flows that open the window again are only sent at the end of a turn.
        let part = |first: bool| {
            let transfer = composite("transfer").set("handle", 0u32).set("more", true);
            let transfer = if first {
                transfer.set("delivery-id", 0u32).set("delivery-tag", b"t").set("message-format", 0u32)
            } else {
                transfer
            };
            Frame::new(0, transfer).with_payload("p").bytes()
        };
        peer.tolerate("flow");
        let burst: Vec<u8> = (0..9).flat_map(|n| part(n == 0)).collect();
        peer.send_bytes(&burst);
    });
}

#[test]
fn the_first_transfer_without_delivery_id_or_tag() {
    session_fails("amqp:invalid-field", "delivery-id", |peer| {
        peer.send(0, composite("transfer").set("handle", 0u32).set("delivery-tag", b"t"));
    });
    session_fails("amqp:invalid-field", "delivery-tag", |peer| {
        peer.send(0, composite("transfer").set("handle", 0u32).set("delivery-id", 0u32));
    });
}

#[test]
fn a_delivery_id_out_of_sequence() {
    session_fails("amqp:invalid-field", "delivery-id 2", |peer| {
        peer.send_transfer(0, 0, b"a").send_transfer(0, 2, b"b");
    });
}

#[test]
fn another_delivery_before_the_last_is_whole() {
    session_fails("amqp:not-allowed", "complete", |peer| {
        let first =
            composite("transfer").set("handle", 0u32).set("delivery-id", 0u32).set("delivery-tag", b"t");
        peer.send(0, first.set("more", true)).send_transfer(0, 1, b"b");
    });
}

#[test]
fn a_transfer_to_a_link_on_which_we_send() {
    session_fails("amqp:not-allowed", "sender", |peer| {
        peer.send_transfer(1, 0, b"x");
    });
}

// The link ------------------------------------------------------------------------------------------------------

/// The peer does something that costs it the receiver of [`with_links`], and nothing more.
#[track_caller]
fn link_fails(condition: &'static str, mentions: &'static str, wrong: impl Fn(&mut ScriptedPeer)) {
    for chunk in CHUNKS {
        let (mut c, session, receiver) = with_links(chunk);
        c.peer.tolerate("flow");
        wrong(&mut c.peer);
        c.peer.expect_detach().handle(0).flag("closed", true).error(condition).describing(mentions);
        c.run();
        assert_eq!(c.engine.link(receiver).map(|link| link.local_state()), Some(EndpointState::Closed));
        c.peer.send_detach(0);
        assert!(c.run().contains(&Event::LinkClosed(receiver)));
        assert_eq!(c.engine.session(session).map(|s| s.remote_state()), Some(EndpointState::Open));
        c.peer.expect_attach().handle(0).respond();
        c.engine.attach(session, LinkConfig::receiver("r", "q")).expect("the name is free again");
        c.run();
    }
}

#[test]
fn a_transfer_beyond_the_credit() {
    link_fails("amqp:link:transfer-limit-exceeded", "credit", |peer| {
        (0..4).for_each(|id| {
            peer.send_transfer(0, id, b"x");
        });
    });
}

#[test]
fn a_transfer_beyond_the_credit_leaves_the_numbers_of_the_session_right() {
    Conversation::each_client(|c| {
        c.peer.accepts_receiver(1);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let first = c.engine.attach(session, LinkConfig::receiver("a", "q")).expect("a fresh session");
        c.engine.link(first).expect("just made").add_credit(1);
        c.run();
        c.peer.expect_attach().handle(1).respond();
        c.peer.expect_flow().handle(1).credit(5);
        let second = c.engine.attach(session, LinkConfig::receiver("b", "q")).expect("another name");
        c.engine.link(second).expect("just made").add_credit(5);
        c.run();
        c.peer.send_transfer(0, 0, b"1").send_transfer(0, 1, b"too many");
        c.peer.expect_detach().handle(0).error("amqp:link:transfer-limit-exceeded");
        // What was too many is thrown away, but it takes a number.
        c.peer.send_transfer(1, 2, b"other link");
        let events = c.run();
        let whole = events.iter().filter(|event| matches!(event, Event::Delivered(_))).count();
        assert_eq!(whole, 2, "{events:?}");
        assert_eq!(c.engine.link(second).map(|link| link.credit()), Some(4));
    });
}

/// Where credit is topped up to a window, a peer that counts it from where it is itself may send what was under way once more.
#[test]
fn a_window_is_overdrawn_by_as_much_and_no_more() {
    Conversation::each_client(|c| {
        c.peer.accepts_receiver(0);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let config = LinkConfig { credit_window: 4, ..LinkConfig::receiver("a", "q") };
        let link = c.engine.attach(session, config).expect("a fresh session");
        c.peer.expect_flow().credit(4);
        c.run();
        // Nobody reads: there is no flow that would make up for it.
        (0..8).for_each(|id| {
            c.peer.send_transfer(0, id, b"x");
        });
        let events = c.run();
        assert_eq!(
            events.iter().filter(|event| matches!(event, Event::Delivered(_))).count(),
            8,
            "{events:?}"
        );
        assert_eq!(c.engine.link(link).map(|link| link.credit()), Some(0));
        c.peer.send_transfer(0, 8, b"too many");
        c.peer.expect_detach().handle(0).error("amqp:link:transfer-limit-exceeded");
        c.run();
    });
}

#[test]
fn an_overdraft_is_how_much_more_than_its_credit_a_peer_may_send() {
    Conversation::each_client(|c| {
        c.peer.accepts_receiver(1);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let config = LinkConfig { overdraft: 2, ..LinkConfig::receiver("a", "q") };
        let link = c.engine.attach(session, config).expect("a fresh session");
        c.engine.link(link).expect("just made").add_credit(1);
        c.run();
        (0..3).for_each(|id| {
            c.peer.send_transfer(0, id, b"x");
        });
        let events = c.run();
        let delivered = events.iter().filter(|event| matches!(event, Event::Delivered(_))).count();
        assert_eq!(delivered, 3, "{events:?}");
        c.peer.send_transfer(0, 3, b"too many");
        c.peer.expect_detach().handle(0).error("amqp:link:transfer-limit-exceeded");
        c.run();
    });
}

#[test]
fn one_transfer_more_after_the_link_was_closed_for_want_of_credit() {
    Conversation::each_client(|c| {
        c.peer.accepts_receiver(1);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::receiver("a", "q")).expect("a fresh session");
        c.engine.link(link).expect("just made").add_credit(1);
        c.run();
        c.peer.send_transfer(0, 0, b"with credit").send_transfer(0, 1, b"without");
        c.peer.expect_detach().handle(0).error("amqp:link:transfer-limit-exceeded");
        c.run();
        c.peer.send_transfer(0, 2, b"and again");
        c.peer.expect_end().error("amqp:session:errant-link");
        c.run();
    });
}

#[test]
fn a_message_larger_than_the_link_takes_though_its_parts_were_read_as_they_came() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().field("max-message-size", 100u64).respond();
        c.peer.expect_flow().credit(10);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let receiver = LinkConfig::receiver("r", "q");
        let config =
            LinkConfig { max_message_size: 100, partial_events: true, credit_window: 10, ..receiver };
        c.engine.attach(session, config).expect("a fresh session");
        c.run();
        let first = composite("transfer").set("handle", 0u32).set("more", true);
        let first = first.set("delivery-id", 0u32).set("delivery-tag", b"t");
        c.peer.send_frame(Frame::new(0, first).with_payload(vec![2; 60]));
        let events = c.run();
        let [Event::DeliveryPartial(id)] = events[..] else { panic!("{events:?}") };
        assert_eq!(
            c.engine.delivery(id).and_then(|mut delivery| delivery.read()).map(|part| part.len()),
            Some(60)
        );
        let second = composite("transfer").set("handle", 0u32).set("more", true);
        c.peer.send_frame(Frame::new(0, second).with_payload(vec![2; 60]));
        c.peer.expect_detach().error("amqp:link:message-size-exceeded").describing("100");
        c.run();
    });
}

#[test]
fn a_message_larger_than_the_peer_takes_is_refused_where_it_is_sent() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().respond_with(|attach| attach.set("max-message-size", 100u64));
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        c.run();
        let mut link = c.engine.link(link).expect("just made");
        let sent = link.send(Payload::Slice(&[1; 101]), SendOptions::default());
        assert_eq!(sent, Err(UsageError::TooLarge(100)));
        assert!(link.send(Payload::Slice(&[1; 100]), SendOptions::default()).is_ok());
    });
}

#[test]
fn a_transfer_on_a_link_that_was_not_answered_yet() {
    Conversation::each_server(|c| {
        c.peer.opens().send_begin(0).send_attach_sender("eager", 0);
        c.peer.expect_begin();
        c.engine.open();
        c.settle();
        c.engine.sessions().into_iter().for_each(|id| c.engine.session(id).expect("listed").begin());
        c.run();
        let link = c.engine.links()[0];
        c.peer.send_transfer(0, 0, b"too early");
        c.peer.expect_attach().name("eager").absent("target");
        c.peer.expect_detach().flag("closed", true).error("amqp:link:transfer-limit-exceeded");
        c.run();
        c.engine.link(link).expect("kept until freed").attach();
        c.peer.send_detach(0);
        assert_eq!(c.run(), [Event::LinkClosed(link)], "and nothing more is written");
    });
}

#[test]
fn a_message_larger_than_the_link_takes() {
    for parts in [1, 5] {
        Conversation::each_client(|c| {
            c.peer.accepts_session();
            c.peer.expect_attach().field("max-message-size", 100u64).respond();
            c.peer.expect_flow().credit(10);
            c.engine.open();
            let session = c.engine.begin(SessionConfig::default());
            let config = LinkConfig { max_message_size: 100, ..LinkConfig::receiver("r", "q") };
            let link = c.engine.attach(session, config).expect("a fresh session");
            c.engine.link(link).expect("just made").add_credit(10);
            c.run();
            c.peer.send_transfer(0, 0, &[1; 100]);
            let events = c.run();
            assert!(matches!(events[..], [Event::Delivered(_)]), "{events:?}");
            for part in 0..parts {
                let transfer = composite("transfer").set("handle", 0u32).set("more", part + 1 < parts);
                let transfer = if part == 0 {
                    transfer.set("delivery-id", 1u32).set("delivery-tag", b"t")
                } else {
                    transfer
                };
                c.peer.send_frame(Frame::new(0, transfer).with_payload(vec![2; 101 / parts + 1]));
            }
            c.peer.expect_detach().error("amqp:link:message-size-exceeded").describing("100");
            let events = c.run();
            assert!(!events.iter().any(|event| matches!(event, Event::Delivered(_))), "{events:?}");
        });
    }
}
