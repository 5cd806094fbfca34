//! What a peer can make us hold is bounded. Frame size, channels and handles are in `errors.rs`, output in
//! `transfer.rs`, the window in `flow.rs`.

use bytes::BytesMut;
use deuteron_engine::{
    Connection, ConnectionConfig, ConnectionRole, Event, Limits, LinkConfig, Security, SessionConfig,
};
use deuteron_testkit::wire::{Frame, Plain, composite, header};
use deuteron_testkit::{CHUNKS, Conversation};

fn limited(limits: Limits, role: ConnectionRole, chunk: usize) -> Conversation {
    let config = ConnectionConfig { limits, role, container_id: "me".into(), ..ConnectionConfig::default() };
    Conversation::new(config, chunk)
}

#[test]
fn sessions() {
    for chunk in CHUNKS {
        let limits = Limits { sessions: 3, ..Limits::default() };
        let mut c = limited(limits, ConnectionRole::Server, chunk);
        c.peer.opens();
        c.engine.open();
        (0..3).for_each(|channel| {
            c.peer.send_begin(channel);
        });
        c.run();
        assert_eq!(c.engine.sessions().len(), 3);
        c.peer.send_begin(3);
        c.peer.expect_close().error("amqp:resource-limit-exceeded").describing("3 sessions");
        c.run();
    }
}

#[test]
fn links() {
    for chunk in CHUNKS {
        let limits = Limits { links: 2, ..Limits::default() };
        let mut c = limited(limits, ConnectionRole::Server, chunk);
        c.peer.opens().send_begin(0).send_attach_sender("a", 0).send_attach_sender("b", 1);
        c.engine.open();
        c.run();
        assert_eq!(c.engine.links().len(), 2);
        c.peer.send_attach_sender("c", 2);
        c.peer.expect_close().error("amqp:resource-limit-exceeded").describing("2 links");
        c.run();
    }
}

#[test]
fn the_size_of_a_message_on_a_link_that_sets_none() {
    for chunk in CHUNKS {
        let limits = Limits { message_size: 1000, ..Limits::default() };
        let mut c = limited(limits, ConnectionRole::Client, chunk);
        c.receiver(5);
        for part in 0..3 {
            let transfer = composite("transfer").set("handle", 0u32).set("more", true);
            let first = transfer.clone().set("delivery-id", 0u32).set("delivery-tag", b"t");
            let transfer = if part == 0 { first } else { transfer };
            c.peer.send_frame(Frame::new(0, transfer).with_payload(vec![0; 400]));
        }
        c.peer.expect_detach().error("amqp:link:message-size-exceeded").describing("1000");
        c.run();
    }
}

#[test]
fn unsettled_deliveries() {
    for chunk in CHUNKS {
        let limits = Limits { unsettled: 3, ..Limits::default() };
        let mut c = limited(limits, ConnectionRole::Client, chunk);
        c.receiver(10);
        (0..3).for_each(|id| {
            c.peer.send_transfer(0, id, b"x");
        });
        let ids = c.run_delivered();
        c.peer.expect_disposition();
        c.engine.delivery(ids[0]).expect("delivered").settle();
        c.run();
        c.peer.send_transfer(0, 3, b"x");
        assert_eq!(c.run_delivered().len(), 1);
        c.peer.send_transfer(0, 4, b"x");
        c.peer.expect_end().error("amqp:resource-limit-exceeded").describing("3 unsettled");
        c.run();
    }
}

#[test]
fn numbers_thrown_away_after_a_detach_cannot_run_away() {
    for chunk in CHUNKS {
        let mut c = Conversation::client(chunk);
        let link = c.receiver(5);
        c.peer.send_transfer(0, 0, b"held");
        c.run();
        c.peer.expect_detach();
        c.engine.link(link).expect("attached").close(None);
        c.run();
        // The peer has not seen the detach yet. It may use the next number and no other.
        c.peer.send_transfer(0, 0x4000_0000, b"late");
        c.peer.expect_end().error("amqp:invalid-field");
        c.run();
    }
}

#[test]
fn the_depth_of_a_value() {
    let mut value = Plain::Null;
    (0..200).for_each(|_| value = Plain::List(vec![value.clone()]));
    let mut c = Conversation::client(usize::MAX);
    c.peer.accepts_open();
    c.peer.send(
        0,
        composite("open").set("container-id", "x").set("properties", Plain::fields([("deep", value)])),
    );
    c.peer.expect_close().error("amqp:decode-error");
    c.engine.open();
    c.run();
}

#[test]
fn counts_that_the_frame_cannot_hold() {
    for body in [
        &b"\x00\x53\x18\xd0\x00\x00\x00\x04\xff\xff\xff\xff"[..],
        b"\x00\x53\x12\xd0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x53\x10\xc0\x10\x01\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40",
    ] {
        let mut c = Conversation::client(usize::MAX);
        c.peer.accepts_open();
        let mut bytes = vec![0, 0, 0, body.len() as u8 + 8, 2, 0, 0, 0];
        bytes.extend(body);
        c.peer.send_bytes(&bytes);
        c.peer.expect_close().error("amqp:decode-error");
        c.engine.open();
        c.run();
    }
}

#[test]
fn a_frame_that_is_announced_takes_no_more_memory_than_is_allowed() {
    let config = ConnectionConfig { max_frame_size: 4096, ..ConnectionConfig::default() };
    let mut engine = Connection::new(config);
    let now = Conversation::client(1).now;
    engine.bind(Security::default(), now);
    let mut input = BytesMut::from(&header(0)[..]);
    input.extend_from_slice(b"\0\0\x10\0\x02\0\0\0");
    engine.handle_input(&mut input, now);
    assert!(input.capacity() <= 2 * 4096, "{}", input.capacity());
    assert!(engine.transport_failure().is_none());
}

#[test]
fn ended_sessions_and_closed_links_do_not_count_for_ever() {
    let limits = Limits { sessions: 2, links: 2, ..Limits::default() };
    let mut c = limited(limits, ConnectionRole::Client, usize::MAX);
    c.peer.accepts_open();
    c.engine.open();
    c.run();
    for round in 0..10 {
        c.peer.expect_begin().respond();
        c.peer.expect_attach().respond();
        c.peer.expect_detach().respond();
        c.peer.expect_end().respond();
        let session = c.engine.begin(SessionConfig::default());
        let link =
            c.engine.attach(session, LinkConfig::sender(format!("s{round}"), "q")).expect("a fresh session");
        c.settle();
        c.engine.link(link).expect("attached").free();
        c.settle();
        c.engine.session(session).expect("begun").free();
        let events = c.run();
        assert!(!events.contains(&Event::TransportError));
    }
    assert!(c.engine.sessions().is_empty() && c.engine.links().is_empty());
}
