//! Sending and receiving: every outcome in both directions and both fronts, settlement, large messages.

use deuteron::{
    Ack, AmqpError, Connection, Container, Delivery, DeliveryState, Map, Message, MessagingHandler, Outcome,
    ReceiverOptions, ReceiverSettleMode, SenderOptions, Value,
};
use deuteron_testkit::wire::{Frame, Plain, composite};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

const OUTCOMES: [&str; 4] = ["accept", "reject", "release", "modify"];

fn refusal() -> AmqpError {
    AmqpError::new("app:no", "not this one")
}

/// What a message asks for in its body.
fn asked_for(delivery: &Delivery) -> Ack {
    match delivery.message().unwrap().body_text().unwrap() {
        "reject" => Ack::Reject(Some(refusal())),
        "release" => Ack::Release,
        "modify" => Ack::Modify {
            delivery_failed: true,
            undeliverable_here: true,
            annotations: Some([("x-why", "because")].into_iter().collect()),
        },
        _ => Ack::Accept,
    }
}

fn asked_for_later(delivery: &Delivery) -> Result<(), deuteron::Error> {
    match delivery.message().unwrap().body_text().unwrap() {
        "reject" => delivery.reject(Some(refusal())),
        "release" => delivery.release(),
        "modify" => delivery.modify(true, true, Some([("x-why", "because")].into_iter().collect())),
        _ => delivery.accept(),
    }
}

fn outcome(of: &str) -> Outcome {
    match of {
        "accept" => Outcome::Accepted,
        "reject" => Outcome::Rejected(Some(refusal())),
        "release" => Outcome::Released,
        _ => {
            let annotations = Map::from_iter([(Value::Symbol("x-why".into()), "because")]);
            Outcome::Modified {
                delivery_failed: true,
                undeliverable_here: true,
                annotations: Some(annotations),
            }
        }
    }
}

/// The outcomes that a sending program is told: the callback, what the delivery says then, and that settling follows.
fn told(program: &Program) -> Vec<(String, Outcome)> {
    let mut told = Vec::new();
    while told.len() < OUTCOMES.len() {
        let seen = program.next();
        let name = seen.name();
        if let Seen::Accepted(delivery)
        | Seen::Rejected(delivery)
        | Seen::Released(delivery)
        | Seen::Modified(delivery) = seen
        {
            let settled = program.next();
            assert!(matches!(&settled, Seen::Settled(settled) if *settled == delivery), "{settled:?}");
            told.push((name, delivery.known_outcome().unwrap()));
        }
    }
    told
}

fn all_outcomes() -> Vec<(String, Outcome)> {
    let names = ["accepted", "rejected", "released", "modified"].map(str::to_owned);
    names.into_iter().zip(OUTCOMES.map(outcome)).collect()
}

#[test]
fn every_outcome_is_told_to_a_handler_that_sends() {
    let server = Program::reacting(|_, seen| match seen {
        Seen::Message(delivery) => asked_for(delivery),
        _ => Ack::Accept,
    });
    let listener = server.listen(loopback());
    let program = Program::new();
    let sender = program.connect(url(&listener)).open_sender("q").unwrap();
    for body in OUTCOMES {
        sender.send_now(body).unwrap();
    }
    assert_eq!(told(&program), all_outcomes());
    assert_eq!(sender.unsettled(), 0);
}

struct AsAsked;

impl MessagingHandler for AsAsked {
    fn on_message(&mut self, _: &mut deuteron::Context<'_>, delivery: &Delivery) -> Ack {
        asked_for(delivery)
    }
}

#[tokio::test]
async fn every_outcome_is_told_to_a_task_that_sends() {
    let listener = Container::new().serve(loopback(), || AsAsked).await.unwrap();
    let connection = within(Connection::connect(url(&listener))).await.unwrap();
    let sender = within(connection.sender("q")).await.unwrap();
    for body in OUTCOMES {
        assert_eq!(within(sender.send(body)).await.unwrap(), outcome(body), "{body}");
    }
    assert_eq!(sender.unsettled(), 0);
    within(connection.close()).await.unwrap();
}

#[tokio::test]
async fn every_outcome_that_a_receiving_task_gives_reaches_the_sender() {
    let listener = Container::new().listen(loopback()).await.unwrap();
    let connection = within(Connection::connect(url(&listener))).await.unwrap();
    let server = within(listener.accept()).await.unwrap();
    let receiver = connection.open_receiver("q").unwrap();
    let sender = accept_sender(&server).await;
    let mut sent = Vec::new();
    for body in OUTCOMES {
        sent.push(within(sender.transfer(body)).await.unwrap());
    }
    for _ in OUTCOMES {
        asked_for_later(&within(receiver.recv()).await.unwrap()).unwrap();
    }
    for (delivery, body) in sent.iter().zip(OUTCOMES) {
        assert_eq!(within(delivery.outcome()).await.unwrap(), outcome(body), "{body}");
    }
    within(connection.close()).await.unwrap();
}

#[test]
fn every_outcome_that_is_given_later_reaches_the_sender() {
    let (keep, kept) = std::sync::mpsc::channel();
    let server = Program::reacting(move |_, seen| {
        if let Seen::Message(delivery) = seen {
            keep.send(delivery.clone()).unwrap();
        }
        Ack::Later
    });
    let listener = server.listen(loopback());
    let program = Program::new();
    let sender = program.connect(url(&listener)).open_sender("q").unwrap();
    for body in OUTCOMES {
        sender.send_now(body).unwrap();
    }
    // On another thread than the loop's.
    for _ in OUTCOMES {
        asked_for_later(&kept.recv_timeout(PATIENCE).unwrap()).unwrap();
    }
    assert_eq!(told(&program), all_outcomes());
}

fn body(text: &str) -> Vec<u8> {
    Message::new(text).to_bytes().to_vec()
}

#[test]
fn outcomes_are_dispositions_that_settle() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_receiver(10).tolerate("flow");
    for (number, text) in (0..).zip(OUTCOMES) {
        peer.send_transfer(0, number, &body(text));
    }
    for state in ["accepted", "rejected", "released", "modified"] {
        peer.expect_disposition().role_receiver().state(state).flag("settled", true);
    }
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::reacting(|_, seen| match seen {
        Seen::Message(delivery) => asked_for(delivery),
        _ => Ack::Accept,
    });
    let connection = program.connect(to(address));
    connection.open_receiver(ReceiverOptions::new("q").credit_window(10)).unwrap();
    for _ in OUTCOMES {
        program.message();
    }
    program.run(move |_| drop(connection.close()));
    program.closed();
    let peers = script.join();
    let states: Vec<_> =
        peers[0].frames("disposition").iter().map(|frame| frame.get("state").to_string()).collect();
    assert_eq!(states[1], "rejected [error=error [condition=:app:no, description=\"not this one\"]]");
    assert_eq!(
        states[3],
        "modified [delivery-failed=true, undeliverable-here=true, message-annotations={:x-why=\"because\"}]"
    );
}

#[test]
fn a_receiver_that_settles_second_settles_when_the_sender_has() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_receiver(10).tolerate("flow");
    peer.send_transfer(0, 0, HELLO);
    peer.expect_disposition().role_receiver().state("accepted").flag("settled", false).respond();
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let options = ReceiverOptions::new("q").credit_window(10).rcv_settle_mode(ReceiverSettleMode::Second);
    let receiver = connection.open_receiver(options).unwrap();
    let delivery = program.message();
    let settled = program.until(|seen| match seen {
        Seen::Settled(delivery) => Some(delivery.clone()),
        _ => None,
    });
    assert_eq!(settled, delivery);
    assert_eq!(receiver.unsettled(), 0);
    drop(connection.close());
    script.join();
}

#[test]
fn a_sender_settles_after_a_receiver_that_settles_second() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(10);
    peer.expect_transfer().dispose(composite("accepted"), false);
    peer.expect_disposition().role_sender().flag("settled", true).range(0, 0);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let options = SenderOptions::new("q").rcv_settle_mode(ReceiverSettleMode::Second);
    let sender = connection.open_sender(options).unwrap();
    sender.send_now("twice").unwrap();
    program.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
    program.until(|seen| matches!(seen, Seen::Settled(_)).then_some(()));
    wait_until(|| sender.unsettled() == 0);
    program.run(move |_| drop(connection.close()));
    script.join();
}

#[test]
fn a_presettled_message_is_sent_settled_and_no_outcome_is_told() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(10);
    peer.expect_transfer().flag("settled", true);
    peer.expect_transfer().flag("settled", true);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender(SenderOptions::new("q").presettled()).unwrap();
    program.until(|seen| matches!(seen, Seen::Sendable(_)).then_some(()));
    let delivery = sender.send_now("one").unwrap();
    sender.send_now("two").unwrap();
    assert!(delivery.is_settled() && delivery.is_remotely_settled());
    wait_until(|| sender.queued() == 0);
    drop(connection.close());
    script.join();
    let names = program.names_until("connection_closed");
    assert!(!names.iter().any(|name| ["accepted", "settled"].contains(&name.as_str())), "{names:?}");
}

#[test]
fn a_presettled_message_that_comes_needs_no_answer() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_receiver(10).tolerate("flow");
    let transfer = composite("transfer")
        .set("handle", 0_u32)
        .set("delivery-id", 0_u32)
        .set("delivery-tag", b"t")
        .set("settled", true);
    peer.send_frame(Frame::new(0, transfer).with_payload(HELLO)).accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    connection.open_receiver(ReceiverOptions::new("q").credit_window(10)).unwrap();
    let delivery = program.message();
    assert_eq!((delivery.tag().as_slice(), delivery.is_remotely_settled()), (b"t".as_slice(), true));
    drop(connection.close());
    script.join();
}

#[test]
fn a_message_that_is_given_up_halfway_is_not_delivered() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_receiver(10).tolerate("flow").tolerate("disposition");
    let begun = composite("transfer")
        .set("handle", 0_u32)
        .set("delivery-id", 0_u32)
        .set("delivery-tag", b"half")
        .set("more", true);
    peer.send_frame(Frame::new(0, begun).with_payload(&HELLO[..4]));
    let given_up = composite("transfer").set("handle", 0_u32).set("aborted", true);
    peer.send_frame(Frame::new(0, given_up));
    peer.send_transfer(0, 1, HELLO).accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    connection.open_receiver(ReceiverOptions::new("q").credit_window(10)).unwrap();
    let aborted = program.until(|seen| match seen {
        Seen::Aborted(delivery) => Some(delivery.tag()),
        Seen::Message(delivery) => panic!("{delivery:?} was delivered"),
        _ => None,
    });
    assert_eq!(aborted.as_slice(), b"half");
    assert_eq!(program.message().payload(), HELLO);
    drop(connection.close());
    script.join();
}

#[test]
fn bytes_that_are_no_message_are_delivered_and_can_be_rejected() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_receiver(10).tolerate("flow");
    peer.send_transfer(0, 0, b"\x00\x53\x77\xa1\xff");
    peer.expect_disposition().state("rejected");
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::reacting(|_, seen| match seen {
        Seen::Message(delivery) => {
            assert!(delivery.message().is_err());
            Ack::Reject(None)
        }
        _ => Ack::Accept,
    });
    let connection = program.connect(to(address));
    connection.open_receiver(ReceiverOptions::new("q").credit_window(10)).unwrap();
    program.message();
    program.run(move |_| drop(connection.close()));
    script.join();
}

#[test]
fn tags_and_states_of_ones_own_are_sent() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(10);
    let state = composite("received").set("section-number", 1_u32).set("section-offset", 2_u64);
    peer.expect_transfer().field("delivery-tag", b"mine").field("state", state).respond();
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender("q").unwrap();
    let received = deuteron::codec::Received { section_number: 1, section_offset: 2 };
    let options = deuteron::SendOptions {
        tag: deuteron::DeliveryTag::new(b"mine"),
        state: Some(DeliveryState::Received(received)),
        ..Default::default()
    };
    let delivery = sender.send_now_with("tagged", options).unwrap();
    assert_eq!(delivery.tag().as_slice(), b"mine");
    program.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
    drop(connection.close());
    script.join();
}

#[test]
fn a_message_with_every_section_crosses() {
    let message = Message::new(Value::List(vec![Value::from(1_u32), Value::from("two"), Value::Null]))
        .with_durable(true)
        .with_priority(9)
        .with_ttl(std::time::Duration::from_secs(60))
        .with_id(deuteron::MessageId::Uuid(deuteron::codec::Uuid([7; 16])))
        .with_subject("s")
        .with_reply_to("r")
        .with_property("colour", "green")
        .with_annotation("x-opt-a", 5_u32)
        .with_delivery_annotation("x-opt-d", true)
        .with_footer("x-opt-f", "end");
    let server = Program::new();
    let listener = server.listen(loopback());
    let program = Program::new();
    program.connect(url(&listener)).open_sender("q").unwrap().send_now(&message).unwrap();
    assert_eq!(server.message().message().unwrap(), message);
}

/// A megabyte, each part of it different.
fn large() -> Vec<u8> {
    (0..1_u32 << 18).flat_map(u32::to_be_bytes).collect()
}

#[test]
fn a_megabyte_crosses_between_handlers_in_frames_of_any_size() {
    for max_frame_size in [512, 4096, 1 << 20] {
        let server = Program::new();
        let listener = server.listen(loopback().max_frame_size(max_frame_size));
        let program = Program::new();
        program.connect(url(&listener)).open_sender("q").unwrap().send_now(Message::new(large())).unwrap();
        let received = server.message().message().unwrap();
        assert_eq!(received.body_bytes().unwrap(), large(), "frames of {max_frame_size} bytes");
        program.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
    }
}

#[tokio::test]
async fn a_megabyte_crosses_between_tasks_and_comes_back() {
    let listener = Container::new().listen(loopback()).await.unwrap();
    let connection = within(Connection::connect(url(&listener))).await.unwrap();
    let server = within(listener.accept()).await.unwrap();
    let echo = tokio::spawn(async move {
        let receiver = accept_receiver(&server).await;
        let sender = accept_sender(&server).await;
        let delivery = within(receiver.recv()).await.unwrap();
        delivery.accept().unwrap();
        let back = deuteron::Encoded(delivery.payload().clone());
        assert!(within(sender.send(back)).await.unwrap().is_accepted());
    });
    let sender = connection.open_sender("there").unwrap();
    let receiver = connection.open_receiver("back").unwrap();
    assert!(within(sender.send(Message::new(large()))).await.unwrap().is_accepted());
    let delivery = within(receiver.recv()).await.unwrap();
    delivery.accept().unwrap();
    assert_eq!(delivery.message().unwrap().body_bytes().unwrap(), large());
    within(echo).await.unwrap();
    within(connection.close()).await.unwrap();
}

#[test]
fn a_message_that_is_larger_than_the_link_allows_is_refused_with_the_specs_condition() {
    let server = Program::reacting(|_, seen| {
        assert!(!matches!(seen, Seen::Message(_)));
        Ack::Accept
    });
    let listener =
        server.listen(loopback().limits(deuteron::Limits { message_size: 1000, ..Default::default() }));
    let program = Program::new();
    let sender = program.connect(url(&listener)).open_sender("q").unwrap();
    program.until(|seen| matches!(seen, Seen::Sendable(_)).then_some(()));
    drop(sender.send_now(Message::new(vec![0; 2000])));
    let error = program.link_error();
    assert_eq!(error.condition(), Some("amqp:link:message-size-exceeded"), "{error}");
}

#[test]
fn what_is_sent_before_the_connection_is_open_is_sent_when_it_is() {
    let reserved = Reserved::new();
    let program = Program::new();
    let sender = program.connect(reserved.url()).open_sender("q").unwrap();
    for number in 0..100 {
        sender.send_now(number.to_string()).unwrap();
    }
    program.disconnected();
    let server = Program::new();
    reserved.lend(|| server.listen(reserved.url()));
    for number in 0..100 {
        assert_eq!(server.message().message().unwrap().body_text(), Some(number.to_string().as_str()));
    }
}

#[test]
fn a_state_of_another_specification_is_handed_on_as_it_is() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(10);
    let strange = Plain::Described(Plain::symbol("x:strange:list").into(), Plain::List(vec![]).into());
    peer.expect_transfer().respond_with(move |reply| reply.set("state", strange.clone()));
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    connection.open_sender("q").unwrap().send_now("one").unwrap();
    let outcome = program.until(|seen| match seen {
        Seen::Settled(delivery) => delivery.known_outcome(),
        _ => None,
    });
    assert!(
        matches!(&outcome, Outcome::Other(state) if matches!(**state, DeliveryState::Custom(_))),
        "{outcome:?}"
    );
    drop(connection.close());
    script.join();
}
