//! 2.6.12 to 2.6.14: messages, whole, in parts, streamed, aborted.

use deuteron_engine::codec::{
    AttachTarget, Coordinator, Declared, DeliveryState, DeliveryTag, ReceiverSettleMode, Role,
    SenderSettleMode,
};
use deuteron_engine::{
    ConnectionConfig, DeliveryId, Event, Limits, LinkConfig, Payload, SendOptions, SessionConfig, UsageError,
};
use deuteron_testkit::wire::{AMQP, Frame, Plain, composite};
use deuteron_testkit::{Conversation, Pair, Side};

/// A pattern in which every misplaced byte shows.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}

// Whole messages ------------------------------------------------------------------------------------------------

#[test]
fn a_message_is_one_transfer_with_id_tag_and_format() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        c.peer
            .expect_transfer()
            .channel(0)
            .handle(0)
            .field("delivery-id", 0u32)
            .field_is("delivery-tag", "of 1 to 32 bytes", |tag| {
                tag.as_bytes().is_some_and(|bytes| (1..=32).contains(&bytes.len()))
            })
            .field("message-format", 0u32)
            .flag("settled", false)
            .flag("more", false)
            .flag("resume", false)
            .flag("aborted", false)
            .absent("state")
            .payload("hello");
        c.send(link, b"hello");
        c.run();
        assert_eq!(c.engine.link(link).map(|link| (link.credit(), link.unsettled())), Some((9, 1)));
    });
}

#[test]
fn options_of_a_send_are_in_its_transfer() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        c.peer
            .expect_transfer()
            .field("delivery-tag", b"my-tag")
            .field("message-format", 0x8001_0203u32)
            .flag("settled", true)
            .field("rcv-settle-mode", 1u8)
            .flag("batchable", true);
        let options = SendOptions {
            tag: DeliveryTag::new(b"my-tag"),
            settled: Some(true),
            message_format: 0x8001_0203,
            rcv_settle_mode: Some(ReceiverSettleMode::Second),
            batchable: true,
            state: None,
        };
        let id = c.send_with(link, b"x", options);
        c.run();
        assert!(c.engine.delivery(id).is_none(), "sent settled, it is over");
        assert_eq!(c.engine.link(link).map(|link| link.unsettled()), Some(0));
    });
}

#[test]
fn a_state_goes_with_the_transfer() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        let state = composite("transactional-state").set("txn-id", b"t1");
        c.peer.expect_transfer().field("state", state).payload("x");
        let declared =
            deuteron_engine::codec::TransactionalState { txn_id: (&b"t1"[..]).into(), outcome: None };
        let state = Some(DeliveryState::Transactional(Box::new(declared)));
        c.send_with(link, b"x", SendOptions { state, ..SendOptions::default() });
        c.run();
    });
}

#[test]
fn the_links_sender_settle_mode_decides() {
    for (mode, asked, settled) in [
        (SenderSettleMode::Settled, Some(false), true),
        (SenderSettleMode::Unsettled, Some(true), false),
        (SenderSettleMode::Mixed, None, false),
        (SenderSettleMode::Mixed, Some(true), true),
    ] {
        Conversation::each_client(|c| {
            let link = c.sender_with(5, LinkConfig { snd_settle_mode: mode, ..LinkConfig::sender("s", "q") });
            c.peer.expect_transfer().flag("settled", settled);
            let id = c.send_with(link, b"x", SendOptions { settled: asked, ..SendOptions::default() });
            c.run();
            assert_eq!(c.engine.delivery(id).is_none(), settled);
        });
    }
}

#[test]
fn tags_of_unsettled_deliveries_differ() {
    Conversation::each_client(|c| {
        let link = c.sender(300);
        (0..300).for_each(|_| {
            c.peer.expect_transfer();
            c.send(link, b"x");
        });
        c.run();
        let tags: Vec<_> =
            c.peer.frames("transfer").iter().map(|frame| frame.get("delivery-tag").clone()).collect();
        for (index, tag) in tags.iter().enumerate() {
            assert!(!tags[..index].contains(tag), "{tag} was used twice");
        }
    });
}

#[test]
fn delivery_ids_are_counted_over_all_links_of_a_session() {
    Conversation::each_client(|c| {
        let first = c.sender(5);
        c.peer.expect_attach().handle(1).respond();
        c.peer.send_credit(1, 5);
        let session = c.engine.link(first).and_then(|link| link.session()).expect("attached");
        let second = c.engine.attach(session, LinkConfig::sender("t", "q")).expect("another name");
        c.run();
        for (n, (link, handle)) in [(first, 0), (second, 1), (first, 0), (second, 1)].into_iter().enumerate()
        {
            c.peer.expect_transfer().handle(handle).field("delivery-id", n as u32);
            c.send(link, b"x");
        }
        c.run();
    });
}

#[test]
fn a_message_that_arrives_can_be_read() {
    Conversation::each_client(|c| {
        let link = c.receiver(5);
        let transfer = composite("transfer")
            .set("handle", 0u32)
            .set("delivery-id", 8u32)
            .set("delivery-tag", b"tag")
            .set("message-format", 5u32);
        c.peer.send_frame(Frame::new(0, transfer).with_payload("hello"));
        let id = c.run_delivered()[0];
        let mut delivery = c.engine.delivery(id).expect("delivered");
        assert_eq!((delivery.link(), delivery.tag().as_slice()), (Some(link), &b"tag"[..]));
        assert_eq!((delivery.message_format(), delivery.pending()), (5, 5));
        assert!(delivery.is_complete() && !delivery.is_aborted() && !delivery.remotely_settled());
        assert_eq!(delivery.take(), "hello");
        assert_eq!((delivery.pending(), delivery.take()), (0, bytes_of("")));
        assert_eq!(c.engine.link(link).map(|link| link.credit()), Some(4));
    });
}

fn bytes_of(text: &'static str) -> bytes::Bytes {
    bytes::Bytes::from_static(text.as_bytes())
}

#[test]
fn a_message_sent_settled_needs_no_answer() {
    Conversation::each_client(|c| {
        c.receiver(5);
        let transfer =
            composite("transfer").set("handle", 0u32).set("delivery-id", 0u32).set("delivery-tag", b"t");
        c.peer.send(0, transfer.set("settled", true));
        let id = c.run_delivered()[0];
        let mut delivery = c.engine.delivery(id).expect("delivered");
        assert!(delivery.remotely_settled());
        delivery.disposition(Some(DeliveryState::Accepted), true);
        assert!(c.run().is_empty(), "and no disposition");
        assert!(c.engine.delivery(id).is_none());
    });
}

#[test]
fn an_empty_message_is_a_message() {
    Pair::each(|pair| {
        let (sender, _) = pair.sender();
        pair.send(Side::Client, sender, b"");
        pair.drive();
        assert_eq!(pair.inbox[1], [bytes_of("")]);
    });
}

// Messages of several frames ------------------------------------------------------------------------------------

fn with_small_frames(c: &mut Conversation) -> deuteron_engine::LinkId {
    c.peer.expect_header(AMQP).respond();
    c.peer.expect_open().respond_with(|open| open.set("max-frame-size", 512u32));
    c.peer.expect_begin().respond();
    c.peer.expect_attach().respond();
    c.peer.send_credit(0, 10_000);
    c.engine.open();
    let session = c.engine.begin(SessionConfig::default());
    let link = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
    c.run();
    link
}

#[test]
fn a_large_message_is_split_at_the_peers_frame_size() {
    Conversation::each_client(|c| {
        let link = with_small_frames(c);
        let message = pattern(1700);
        c.send(link, &message);
        c.peer.expect_transfer().field("delivery-id", 0u32).present("delivery-tag").flag("more", true);
        for _ in 0..2 {
            c.peer.expect_transfer().absent("delivery-tag").flag("more", true);
        }
        c.peer.expect_transfer().absent("delivery-tag").flag("more", false);
        c.run();
        let frames = c.peer.frames("transfer");
        assert!(frames.iter().all(|frame| frame.bytes().len() <= 512));
        assert_eq!(frames[0].bytes().len(), 512, "frames are filled");
        let joined: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.clone()).collect();
        assert_eq!(joined, message);
    });
}

#[test]
fn every_size_around_the_frame_size_is_split_right() {
    let mut c = Conversation::client(usize::MAX);
    let link = with_small_frames(&mut c);
    c.peer.tolerate("transfer");
    let sizes = (380..530).chain(900..1010);
    for size in sizes {
        let before = c.peer.frames("transfer").len();
        c.send_with(link, &pattern(size), SendOptions { settled: Some(true), ..SendOptions::default() });
        c.run();
        let frames = c.peer.frames("transfer").split_off(before);
        assert!(frames.iter().all(|frame| frame.bytes().len() <= 512), "{size}");
        let joined: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.clone()).collect();
        assert_eq!(joined, pattern(size), "{size}");
        let more: Vec<_> = frames.iter().map(|frame| frame.get("more").as_bool().unwrap_or(false)).collect();
        let (last, rest) = more.split_last().expect("at least one frame");
        assert!(!last && rest.iter().all(|more| *more), "{size}: {more:?}");
    }
}

#[test]
fn parts_of_a_message_are_joined() {
    Conversation::each_client(|c| {
        let link = c.receiver(5);
        let part = composite("transfer").set("handle", 0u32);
        let first = part.clone().set("delivery-id", 0u32).set("delivery-tag", b"t").set("more", true);
        c.peer.send_frame(Frame::new(0, first).with_payload("one "));
        // A part may repeat the delivery-id.
        let second = part.clone().set("delivery-id", 0u32).set("more", true);
        c.peer.send_frame(Frame::new(0, second).with_payload("two "));
        assert_eq!(c.run(), [], "no event before it is whole");
        assert_eq!(c.engine.link(link).map(|link| link.credit()), Some(5));
        c.peer.send_frame(Frame::new(0, part).with_payload("three"));
        let id = c.run_delivered()[0];
        assert_eq!(c.engine.delivery(id).expect("delivered").take(), "one two three");
        assert_eq!(c.engine.link(link).map(|link| link.credit()), Some(4), "a message costs one credit");
    });
}

#[test]
fn parts_can_be_read_as_they_come() {
    Conversation::each_client(|c| {
        c.receiver_with(5, LinkConfig { partial_events: true, ..LinkConfig::receiver("r", "q") });
        let part = composite("transfer").set("handle", 0u32);
        let first = part.clone().set("delivery-id", 0u32).set("delivery-tag", b"t").set("more", true);
        c.peer.send_frame(Frame::new(0, first).with_payload("one "));
        let [Event::DeliveryPartial(id)] = c.run()[..] else { panic!("a part is an event") };
        let mut delivery = c.engine.delivery(id).expect("begun");
        assert!(!delivery.is_complete());
        assert_eq!((delivery.read(), delivery.read()), (Some(bytes_of("one ")), None));
        c.peer.send_frame(Frame::new(0, part).with_payload("two"));
        assert_eq!(c.run(), [Event::Delivered(id)]);
        assert_eq!(c.engine.delivery(id).expect("whole").read(), Some(bytes_of("two")));
    });
}

#[test]
fn messages_of_two_links_may_be_interleaved() {
    Conversation::each_client(|c| {
        let first = c.receiver(5);
        c.peer.expect_attach().handle(1).respond();
        c.peer.expect_flow().handle(1);
        let session = c.engine.link(first).and_then(|link| link.session()).expect("attached");
        let second = c.engine.attach(session, LinkConfig::receiver("q", "q")).expect("another name");
        c.engine.link(second).expect("just made").add_credit(5);
        c.run();
        for (handle, text) in [(0u32, "a"), (1, "b")] {
            let first = composite("transfer").set("handle", handle).set("delivery-id", handle);
            let first = first.set("delivery-tag", text.as_bytes()).set("more", true);
            c.peer.send_frame(Frame::new(0, first).with_payload(text));
        }
        for (handle, text) in [(1u32, "B"), (0, "A")] {
            c.peer.send_frame(Frame::new(0, composite("transfer").set("handle", handle)).with_payload(text));
        }
        let ids = c.run_delivered();
        let texts: Vec<_> = ids.iter().map(|id| c.engine.delivery(*id).expect("delivered").take()).collect();
        assert_eq!(texts, ["bB", "aA"], "in the order in which they became whole");
    });
}

#[test]
fn a_message_settled_by_its_last_part_is_settled() {
    Conversation::each_client(|c| {
        c.receiver(5);
        let part = composite("transfer").set("handle", 0u32);
        let first = part.clone().set("delivery-id", 0u32).set("delivery-tag", b"t").set("more", true);
        c.peer.send(0, first);
        c.peer.send(0, part.set("settled", true));
        let id = c.run_delivered()[0];
        assert!(c.engine.delivery(id).expect("delivered").remotely_settled());
    });
}

#[test]
fn megabytes_arrive_as_they_were_sent() {
    let config = || ConnectionConfig { max_frame_size: 16_384, ..ConnectionConfig::default() };
    let mut pair = Pair::new(config(), config());
    let (sender, _) = pair.sender();
    let message = bytes::Bytes::from(pattern(5_000_000));
    pair.client
        .link(sender)
        .expect("attached")
        .send(Payload::Bytes(message.clone()), SendOptions::default())
        .expect("open");
    pair.send(Side::Client, sender, b"after");
    pair.drive();
    assert!(pair.inbox[1][0] == message, "five million bytes differ");
    assert_eq!(pair.inbox[1][1], "after");
}

#[test]
fn output_above_the_limit_waits_in_the_link() {
    let limits = Limits { output: 10_000, ..Limits::default() };
    let config = ConnectionConfig { limits, ..ConnectionConfig::default() };
    Pair::each_of(
        || Pair::new(config.clone(), ConnectionConfig::default()),
        |pair| {
            pair.server_answers.credit = 1000;
            let (sender, _) = pair.sender();
            for _ in 0..100 {
                pair.send(Side::Client, sender, &[1; 1000]);
            }
            assert!(pair.client.pending_output() < 12_000, "{}", pair.client.pending_output());
            assert!(pair.client.link(sender).expect("attached").queued() > 80);
            pair.drive();
            assert_eq!(pair.inbox[1].len(), 100);
        },
    );
}

// Streams -------------------------------------------------------------------------------------------------------

fn start(c: &mut Conversation, link: deuteron_engine::LinkId) -> DeliveryId {
    c.engine.link(link).expect("attached").start(SendOptions::default()).expect("no other stream is open")
}

#[test]
fn a_streamed_message_leaves_in_parts() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        let id = start(c, link);
        c.run();
        c.peer
            .expect_transfer()
            .field("delivery-id", 0u32)
            .present("delivery-tag")
            .flag("more", true)
            .payload("one");
        c.engine.delivery(id).expect("started").stream(bytes_of("one")).expect("streaming");
        c.run();
        let credit = c.engine.link(link).map(|link| link.credit());
        assert_eq!(credit, Some(9), "what has begun to leave costs one credit, not two");
        c.peer.expect_transfer().absent("delivery-tag").flag("more", true).payload("two");
        c.engine.delivery(id).expect("started").stream(bytes_of("two")).expect("streaming");
        c.run();
        c.peer.expect_transfer().flag("more", false).payload("");
        c.engine.delivery(id).expect("started").finish().expect("streaming");
        c.run();
        let mut delivery = c.engine.delivery(id).expect("unsettled");
        assert_eq!(delivery.stream(bytes_of("late")), Err(UsageError::NotStreaming));
        assert_eq!(delivery.abort(), Err(UsageError::NotStreaming));
        assert_eq!(c.engine.link(link).map(|link| link.credit()), Some(9));
    });
}

#[test]
fn nothing_else_is_sent_on_the_link_while_a_stream_is_open() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        let id = start(c, link);
        let mut sender = c.engine.link(link).expect("attached");
        assert_eq!(sender.send(Payload::Slice(b"x"), SendOptions::default()), Err(UsageError::StreamOpen));
        assert_eq!(sender.start(SendOptions::default()), Err(UsageError::StreamOpen));
        c.engine.delivery(id).expect("started").finish().expect("streaming");
        c.peer.expect_transfer().flag("more", false);
        c.peer.expect_transfer().payload("x");
        c.send(link, b"x");
        c.run();
    });
}

#[test]
fn a_stream_waits_for_credit_and_window() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        let id = start(c, link);
        c.engine.delivery(id).expect("started").stream(bytes_of("one")).expect("streaming");
        c.engine.delivery(id).expect("started").stream(bytes_of("two")).expect("streaming");
        c.run();
        c.peer.send_credit(0, 1);
        c.peer.expect_transfer().payload("one").flag("more", true);
        c.peer.expect_transfer().payload("two").flag("more", true);
        c.run();
        c.peer.expect_transfer().payload("three").flag("more", true);
        c.peer.expect_transfer().flag("more", false);
        c.engine.delivery(id).expect("started").stream(bytes_of("three")).expect("streaming");
        c.engine.delivery(id).expect("started").finish().expect("streaming");
        c.run();
    });
}

#[test]
fn streams_arrive_whole() {
    Pair::each(|pair| {
        let (sender, _) = pair.sender();
        let id = pair.client.link(sender).expect("attached").start(SendOptions::default()).expect("no other");
        for n in 0..20u8 {
            pair.client.delivery(id).expect("started").stream(vec![n; 10_000].into()).expect("streaming");
            pair.drive();
        }
        assert!(pair.inbox[1].is_empty());
        pair.client.delivery(id).expect("started").finish().expect("streaming");
        pair.drive();
        let expected: Vec<u8> = (0..20u8).flat_map(|n| vec![n; 10_000]).collect();
        assert!(pair.inbox[1] == [expected]);
    });
}

// Aborts --------------------------------------------------------------------------------------------------------

#[test]
fn an_aborted_stream_says_so_and_is_over() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        let id = start(c, link);
        c.engine.delivery(id).expect("started").stream(bytes_of("half")).expect("streaming");
        c.peer.expect_transfer().payload("half").flag("more", true);
        c.peer.expect_transfer().handle(0).flag("aborted", true).payload("");
        c.engine.delivery(id).expect("started").abort().expect("not finished");
        c.run();
        assert!(c.engine.delivery(id).is_none(), "2.6.14: an aborted delivery is settled");
        c.peer.expect_transfer().field("delivery-id", 1u32).payload("next");
        c.send(link, b"next");
        c.run();
        assert_eq!(
            c.engine.link(link).map(|link| link.credit()),
            Some(8),
            "an aborted message has cost its credit"
        );
    });
}

#[test]
fn a_stream_aborted_before_it_was_sent_leaves_no_trace() {
    Conversation::each_client(|c| {
        let link = c.sender(0);
        let id = start(c, link);
        c.engine.delivery(id).expect("started").stream(bytes_of("half")).expect("streaming");
        c.engine.delivery(id).expect("started").abort().expect("not finished");
        c.peer.send_credit(0, 1);
        c.peer.expect_transfer().field("delivery-id", 0u32).payload("next");
        c.send(link, b"next");
        c.run();
    });
}

#[test]
fn an_abort_waits_for_the_window_like_any_frame() {
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
        c.peer.send(0, flow(0).set("handle", 0u32).set("delivery-count", 0u32).set("link-credit", 5u32));
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let link = c.engine.attach(session, LinkConfig::sender("s", "q")).expect("a fresh session");
        let id = start(c, link);
        c.engine.delivery(id).expect("started").stream(bytes_of("half")).expect("streaming");
        c.peer.expect_transfer().flag("more", true);
        c.run();
        let mut delivery = c.engine.delivery(id).expect("started");
        delivery.abort().expect("not finished");
        assert_eq!(delivery.abort(), Err(UsageError::NotStreaming));
        c.send(link, b"next");
        c.run();
        c.peer.send(0, flow(1));
        c.peer.expect_transfer().flag("aborted", true).payload("");
        c.run();
        assert!(c.engine.delivery(id).is_none());
        c.peer.send(0, flow(2));
        c.peer.expect_transfer().payload("next");
        c.run();
    });
}

#[test]
fn an_abort_after_the_detach_is_not_sent() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        let id = start(c, link);
        c.engine.delivery(id).expect("started").stream(bytes_of("half")).expect("streaming");
        c.peer.expect_transfer().flag("more", true);
        c.peer.expect_detach();
        c.engine.link(link).expect("attached").detach(None);
        c.engine.delivery(id).expect("started").abort().expect("not finished");
        c.run();
    });
}

#[test]
fn a_queued_message_can_be_taken_back() {
    Conversation::each_client(|c| {
        let link = c.sender(1);
        let first = c.send(link, b"first");
        let second = c.send(link, b"second");
        c.peer.expect_transfer().payload("first");
        c.run();
        assert!(!c.engine.delivery(first).expect("unsettled").cancel(), "it is on its way");
        assert!(c.engine.delivery(second).expect("queued").cancel());
        assert!(c.engine.delivery(second).is_none());
        assert_eq!(c.engine.link(link).map(|link| link.queued()), Some(0));
        c.peer.send_link_flow(0, 0, 5, false);
        c.run();
    });
}

#[test]
fn the_peers_abort_is_an_event_and_settles() {
    Conversation::each_client(|c| {
        let link = c.receiver(5);
        let part = composite("transfer").set("handle", 0u32);
        let first = part.clone().set("delivery-id", 0u32).set("delivery-tag", b"t").set("more", true);
        c.peer.send_frame(Frame::new(0, first).with_payload("half"));
        c.peer.send_frame(Frame::new(0, part.set("aborted", true)).with_payload("ignored"));
        let [Event::DeliveryAborted(id)] = c.run()[..] else { panic!("an abort is an event") };
        let mut delivery = c.engine.delivery(id).expect("kept until it is settled here");
        assert!(delivery.is_aborted() && delivery.remotely_settled());
        assert_eq!(delivery.pending(), 0);
        delivery.settle();
        assert!(c.run().is_empty(), "and no disposition");
        assert_eq!(c.engine.link(link).map(|link| (link.credit(), link.unsettled())), Some((4, 0)));
        c.peer.send_transfer(0, 1, b"next");
        assert_eq!(c.run_delivered().len(), 1);
    });
}

#[test]
fn aborts_cross_from_engine_to_engine() {
    Pair::each(|pair| {
        let (sender, theirs) = pair.sender();
        let id = pair.client.link(sender).expect("attached").start(SendOptions::default()).expect("no other");
        pair.client.delivery(id).expect("started").stream(bytes_of("half")).expect("streaming");
        pair.drive();
        pair.events(Side::Server);
        pair.client.delivery(id).expect("started").abort().expect("not finished");
        pair.send(Side::Client, sender, b"next");
        pair.drive();
        assert!(matches!(
            pair.events(Side::Server)[..],
            [Event::DeliveryAborted(_), Event::Delivered(_), ..]
        ));
        assert_eq!(pair.inbox[1], ["next"]);
        assert_eq!(pair.server.link(theirs).map(|link| link.credit()), Some(98));
    });
}

#[test]
fn a_single_aborted_transfer_is_an_aborted_delivery() {
    Conversation::each_client(|c| {
        let link = c.receiver(5);
        let transfer =
            composite("transfer").set("handle", 0u32).set("delivery-id", 0u32).set("delivery-tag", b"t");
        c.peer.send(0, transfer.set("aborted", true));
        assert!(matches!(c.run()[..], [Event::DeliveryAborted(_)]));
        assert_eq!(c.engine.link(link).map(|link| link.credit()), Some(4));
    });
}

// Transactions use nothing else than this -----------------------------------------------------------------------

#[test]
fn a_coordinator_is_a_link_like_any_other() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        let capabilities = Plain::Array(vec![Plain::symbol("amqp:local-transactions")]);
        c.peer
            .expect_attach()
            .field("target", composite("coordinator").set("capabilities", capabilities))
            .respond();
        c.peer.send_credit(0, 10);
        c.peer.expect_transfer().dispose(composite("declared").set("txn-id", b"tx"), true);
        c.engine.open();
        let session = c.engine.begin(SessionConfig::default());
        let coordinator = Coordinator { capabilities: vec!["amqp:local-transactions".into()] };
        let config = LinkConfig {
            source: Some(Default::default()),
            target: Some(AttachTarget::Coordinator(coordinator)),
            ..LinkConfig::new("c", Role::Sender)
        };
        let link = c.engine.attach(session, config).expect("a fresh session");
        let id = c.send(link, b"\x00\x53\x77\x00\x53\x31\x45");
        assert!(c.run().contains(&Event::DeliveryUpdated(id)));
        let state = c.engine.delivery(id).expect("kept until it is settled here").remote_state().cloned();
        let declared = Declared { txn_id: (&b"tx"[..]).into() };
        assert_eq!(state, Some(DeliveryState::Declared(Box::new(declared))));
    });
}
