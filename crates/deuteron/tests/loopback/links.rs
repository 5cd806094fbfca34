//! Link options: what the other side is told of them, and what it makes of them.

use deuteron::codec::{Described, Map};
use deuteron::{
    Ack, Connection, ReceiverOptions, ReceiverSettleMode, SenderOptions, SenderSettleMode, Source, Symbol,
    Target, TerminusDurability, TerminusExpiryPolicy, Value,
};
use deuteron_testkit::wire::{Composite, Frame, Plain, composite};
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

/// Opens a link by a handler's program and returns the attach that the peer was sent.
fn attach(open: impl FnOnce(&Connection)) -> Frame {
    let mut peer = ScriptedPeer::new();
    peer.tolerate("flow").accepts_session();
    peer.expect_attach().respond();
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    open(&connection);
    program.link_opened();
    drop(connection.close());
    let mut peers = script.join();
    peers.remove(0).last("attach").clone()
}

fn receiver(options: impl Into<ReceiverOptions>) -> Frame {
    let options = options.into();
    attach(move |connection| drop(connection.open_receiver(options).unwrap()))
}

fn sender(options: impl Into<SenderOptions>) -> Frame {
    let options = options.into();
    attach(move |connection| drop(connection.open_sender(options).unwrap()))
}

fn terminus(attach: &Frame, which: &str) -> Composite {
    attach.get(which).as_composite().unwrap_or_else(|| panic!("no {which} in {attach}"))
}

fn selector_filter(name: &str, expression: &str) -> Plain {
    let described = Plain::Described(
        Plain::symbol("apache.org:selector-filter:string").into(),
        Plain::String(expression.to_owned()).into(),
    );
    Plain::fields([(name, described)])
}

#[test]
fn an_address_is_the_target_of_a_sender_and_the_source_of_a_receiver() {
    let frame = sender("q");
    assert_eq!(*frame.get("role"), Plain::Bool(false));
    assert_eq!(terminus(&frame, "target").get("address").as_text(), Some("q"));
    let frame = receiver("q");
    assert_eq!(*frame.get("role"), Plain::Bool(true));
    assert_eq!(terminus(&frame, "source").get("address").as_text(), Some("q"));
}

#[test]
fn the_name_of_a_link_is_what_is_set_or_else_unique() {
    assert_eq!(receiver(ReceiverOptions::new("q").name("mine")).get("name").as_text(), Some("mine"));
    assert_eq!(sender(SenderOptions::new("q").name("yours")).get("name").as_text(), Some("yours"));
    let names = [receiver("q"), receiver("q")].map(|frame| frame.get("name").as_text().unwrap().to_owned());
    assert_ne!(names[0], names[1]);
}

#[test]
fn every_field_of_a_source_crosses() {
    let source = Source {
        address: Some("topic".to_owned()),
        durable: TerminusDurability::Configuration,
        expiry_policy: TerminusExpiryPolicy::ConnectionClose,
        timeout: 60,
        dynamic: false,
        dynamic_node_properties: Some([("lifetime", Value::Null)].into_iter().collect()),
        distribution_mode: Some(Symbol::from_static("move")),
        filter: Some([("all", Value::from("*"))].into_iter().collect()),
        default_outcome: Some(deuteron::DeliveryState::Released),
        outcomes: vec!["amqp:accepted:list".into(), "amqp:released:list".into()],
        capabilities: vec!["topic".into()],
    };
    let frame = receiver(ReceiverOptions::new("").source(source));
    let source = terminus(&frame, "source");
    assert_eq!(
        source.to_string(),
        "source [address=\"topic\", durable=1u, expiry-policy=:connection-close, timeout=60u, \
         dynamic-node-properties={:lifetime=null}, distribution-mode=:move, filter={:all=\"*\"}, \
         default-outcome=released [], outcomes=@[:amqp:accepted:list, :amqp:released:list], \
         capabilities=@[:topic]]"
    );
}

#[test]
fn every_field_of_a_target_crosses() {
    let target = Target {
        address: None,
        durable: TerminusDurability::UnsettledState,
        expiry_policy: TerminusExpiryPolicy::Never,
        timeout: 7,
        dynamic: true,
        dynamic_node_properties: Some([("x", Value::from(true))].into_iter().collect()),
        capabilities: vec!["queue".into(), "temporary".into()],
    };
    let target = terminus(&sender(SenderOptions::new("").target(target)), "target");
    assert_eq!(
        target.to_string(),
        "target [durable=2u, expiry-policy=:never, timeout=7u, dynamic=true, \
         dynamic-node-properties={:x=true}, capabilities=@[:queue, :temporary]]"
    );
}

#[test]
fn a_selector_is_a_filter_of_the_source() {
    let frame = receiver(ReceiverOptions::new("q").selector("colour = 'green'"));
    let source = terminus(&frame, "source");
    assert_eq!(*source.get("filter"), selector_filter("selector", "colour = 'green'"));
    assert_eq!(source.get("address").as_text(), Some("q"));
}

#[test]
fn filters_of_any_kind_stand_beside_a_selector() {
    let filter = Described { descriptor: Value::from(5_u64), value: Value::from("x") };
    let options =
        ReceiverOptions::new("q").selector("a = 1").filter("other", Value::Described(Box::new(filter)));
    let source = terminus(&receiver(options), "source");
    let filters = source.get("filter");
    assert!(filters.entry("selector").is_some(), "{filters}");
    assert_eq!(filters.entry("other").unwrap().to_string(), "@5ul \"x\"");
}

#[test]
fn a_durable_subscription_never_expires_and_has_its_name() {
    let frame = receiver(ReceiverOptions::new("t").durable("sub-1"));
    let source = terminus(&frame, "source");
    assert_eq!(frame.get("name").as_text(), Some("sub-1"));
    assert_eq!(
        (source.get("durable"), source.get("expiry-policy").as_text()),
        (&Plain::Uint(2), Some("never"))
    );
}

#[test]
fn a_durable_subscription_is_detached_to_be_kept_and_closed_to_be_ended() {
    for keep in [true, false] {
        let mut peer = ScriptedPeer::new();
        peer.tolerate("flow").accepts_session();
        peer.expect_attach().respond();
        peer.expect_detach().flag("closed", !keep).respond();
        peer.accepts_close();
        let (address, script) = TcpScript::serve(peer);
        let program = Program::new();
        let connection = program.connect(to(address));
        let receiver = connection.open_receiver(ReceiverOptions::new("t").durable("sub-1")).unwrap();
        program.link_opened();
        drop(if keep { receiver.detach() } else { receiver.close() });
        program.until(|seen| matches!(seen, Seen::LinkClosed(_)).then_some(()));
        drop(connection.close());
        script.join();
    }
}

#[test]
fn a_shared_subscription_has_the_capability_and_its_name() {
    let frame = receiver(ReceiverOptions::new("t").shared("sub-2"));
    assert_eq!(frame.get("name").as_text(), Some("sub-2"));
    assert_eq!(terminus(&frame, "source").get("capabilities").to_string(), "@[:shared]");
    let frame = receiver(ReceiverOptions::new("t").shared_globally("sub-3"));
    assert_eq!(frame.get("name").as_text(), Some("sub-3"));
    let capabilities = terminus(&frame, "source").get("capabilities").to_string();
    assert!(capabilities.contains(":shared") && capabilities.contains(":global"), "{capabilities}");
}

#[test]
fn a_shared_subscription_may_be_durable_too() {
    let source = terminus(&receiver(ReceiverOptions::new("t").durable("sub").shared("sub")), "source");
    assert_eq!(
        (source.get("durable"), source.get("capabilities").to_string().as_str()),
        (&Plain::Uint(2), "@[:shared]")
    );
}

#[test]
fn queues_and_topics_are_asked_for_by_capability() {
    let frame = receiver(ReceiverOptions::new("t").source_capabilities(["topic"]));
    assert_eq!(terminus(&frame, "source").get("capabilities").to_string(), "@[:topic]");
    let frame = sender(SenderOptions::new("t").target_capabilities(["topic"]));
    assert_eq!(terminus(&frame, "target").get("capabilities").to_string(), "@[:topic]");
}

#[test]
fn browsing_is_distribution_mode_copy() {
    let frame = receiver(ReceiverOptions::new("q").browse());
    assert_eq!(terminus(&frame, "source").get("distribution-mode").as_text(), Some("copy"));
}

#[test]
fn a_sender_without_an_address_has_an_anonymous_target() {
    let frame = sender(SenderOptions::anonymous());
    assert!(terminus(&frame, "target").get("address").is_null());
}

#[test]
fn a_dynamic_node_is_asked_for_without_an_address_and_gets_the_peers() {
    let mut peer = ScriptedPeer::new();
    peer.tolerate("flow").accepts_session();
    let named = |reply: Composite| {
        let source = composite("source").set("address", "made-here").set("dynamic", true);
        reply.set("source", source)
    };
    peer.expect_attach().role_receiver().respond_with(named);
    let named = |reply: Composite| reply.set("target", composite("target").set("address", "made-there"));
    peer.expect_attach().role_sender().respond_with(named);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let receiver = connection.open_receiver(ReceiverOptions::dynamic()).unwrap();
    program.link_opened();
    let sender = connection.open_sender(SenderOptions::dynamic()).unwrap();
    program.link_opened();
    assert_eq!(receiver.remote_address().as_deref(), Some("made-here"));
    assert_eq!(sender.remote_address().as_deref(), Some("made-there"));
    assert_eq!((receiver.address(), sender.address()), (None, None));
    drop(connection.close());
    let peers = script.join();
    for (frame, which) in peers[0].frames("attach").into_iter().zip(["source", "target"]) {
        let terminus = terminus(frame, which);
        assert!(terminus.get("address").is_null(), "{terminus}");
        assert_eq!(*terminus.get("dynamic"), Plain::Bool(true));
    }
}

#[test]
fn settle_modes_properties_capabilities_and_the_message_size_are_in_attach() {
    let frame = receiver(
        ReceiverOptions::new("q")
            .snd_settle_mode(SenderSettleMode::Settled)
            .rcv_settle_mode(ReceiverSettleMode::Second)
            .max_message_size(1_000_000)
            .properties([("x-opt", 5_u32)].into_iter().collect::<Map>())
            .offered_capabilities(["A"])
            .desired_capabilities(["B", "C"]),
    );
    assert_eq!(*frame.get("snd-settle-mode"), Plain::Ubyte(1));
    assert_eq!(*frame.get("rcv-settle-mode"), Plain::Ubyte(1));
    assert_eq!(*frame.get("max-message-size"), Plain::Ulong(1_000_000));
    assert_eq!(frame.get("properties").to_string(), "{:x-opt=5u}");
    assert_eq!(frame.get("offered-capabilities").to_string(), "@[:A]");
    assert_eq!(frame.get("desired-capabilities").to_string(), "@[:B, :C]");
    let frame = sender(SenderOptions::new("q").presettled());
    assert_eq!(*frame.get("snd-settle-mode"), Plain::Ubyte(1));
    let frame = sender(SenderOptions::new("q").snd_settle_mode(SenderSettleMode::Unsettled));
    assert_eq!(*frame.get("snd-settle-mode"), Plain::Ubyte(0));
}

#[test]
fn a_credit_window_is_given_and_topped_up_as_messages_are_taken() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_receiver(4);
    for number in 0..4 {
        peer.send_transfer(0, number, HELLO);
    }
    peer.tolerate("disposition");
    peer.expect_flow().is("credit for more than four in all, and eight at most", |flow| {
        let given = flow.get("delivery-count").as_u32().zip(flow.get("link-credit").as_u32());
        given.is_some_and(|(count, credit)| (5..=8).contains(&(count + credit)))
    });
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address).reconnect(false));
    connection.open_receiver(ReceiverOptions::new("q").credit_window(4)).unwrap();
    for _ in 0..4 {
        program.message();
    }
    script.join();
    program.closed();
}

#[test]
fn with_manual_credit_none_is_given_but_what_the_program_gives() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_session();
    peer.expect_attach().role_receiver().respond();
    peer.expect_flow().credit(2);
    peer.send_transfer(0, 0, HELLO).send_transfer(0, 1, HELLO);
    peer.tolerate("disposition");
    peer.expect_flow().field("delivery-count", 2_u32).credit(3);
    peer.send_transfer(0, 2, HELLO).accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let receiver = connection.open_receiver(ReceiverOptions::new("q").manual_credit()).unwrap();
    program.link_opened();
    assert_eq!(receiver.credit(), 0);
    receiver.add_credit(2);
    program.message();
    program.message();
    // With both taken and acknowledged no credit comes by itself: the next flow is the program's.
    receiver.add_credit(3);
    program.message();
    assert_eq!(receiver.credit(), 2);
    drop(connection.close());
    script.join();
}

/// The answer to a drain: all credit is used up.
fn gives_credit_back(drain: &Frame) -> Frame {
    let count = drain.get("delivery-count").as_u32().unwrap() + drain.get("link-credit").as_u32().unwrap();
    let flow = composite("flow")
        .set("next-incoming-id", 0_u32)
        .set("incoming-window", 2048_u32)
        .set("next-outgoing-id", 1_u32)
        .set("outgoing-window", 2048_u32)
        .set("handle", 0_u32)
        .set("delivery-count", count)
        .set("link-credit", 0_u32)
        .set("drain", true);
    Frame::new(0, flow)
}

#[test]
fn a_drain_is_asked_for_and_its_end_is_told() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_receiver(10).send_transfer(0, 0, HELLO);
    peer.tolerate("disposition");
    peer.expect_flow().flag("drain", true).reply(gives_credit_back);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let receiver = connection.open_receiver(ReceiverOptions::new("q").credit_window(10)).unwrap();
    program.message();
    drop(receiver.drain());
    let drained = program.until(|seen| match seen {
        Seen::Drained(link) => Some(link.clone()),
        _ => None,
    });
    assert_eq!(*drained, *receiver);
    assert_eq!(receiver.credit(), 0);
    drop(connection.close());
    script.join();
}

#[test]
fn a_sender_that_is_drained_gives_its_credit_back() {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(5);
    peer.expect_transfer().respond();
    peer.send_link_flow(0, 1, 4, true);
    peer.expect_flow().field("delivery-count", 5_u32).credit(0).flag("drain", true);
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let program = Program::new();
    let connection = program.connect(to(address));
    let sender = connection.open_sender("q").unwrap();
    sender.send_now("one").unwrap();
    program.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
    wait_until(|| sender.credit() == 0);
    drop(connection.close());
    script.join();
}

/// What a server sees of a link of ours, in its callbacks.
#[test]
fn a_server_sees_source_target_and_settings_of_a_link_and_may_answer_with_its_own() {
    let server = Program::reacting(|_, seen| {
        if let Seen::LinkOpening(link) = seen {
            let source = link.remote_source().unwrap();
            assert_eq!(source.address.as_deref(), Some("t"));
            assert!(source.filter.as_ref().is_some_and(|filter| filter.get("selector").is_some()));
            assert_eq!(source.distribution_mode, Some("copy".into()));
            assert_eq!(link.remote_desired_capabilities(), [Symbol::from_static("B")]);
            assert_eq!(link.remote_properties().unwrap().get("x"), Some(&Value::from(1_u32)));
            // The filter is not understood: it is left out of the answer (3.5.3).
            link.set_source(Source { filter: None, ..source });
        }
        Ack::Accept
    });
    let listener = server.listen(loopback());
    let program = Program::new();
    let connection = program.connect(url(&listener));
    let options = ReceiverOptions::new("t")
        .selector("a = 1")
        .browse()
        .desired_capabilities(["B"])
        .properties([("x", 1_u32)].into_iter().collect());
    let receiver = connection.open_receiver(options).unwrap();
    program.link_opened();
    let theirs = receiver.remote_source().unwrap();
    assert_eq!((theirs.filter, theirs.address.as_deref()), (None, Some("t")));
    assert!(receiver.source().unwrap().filter.is_some());
}

#[test]
fn a_server_may_refuse_a_link_with_an_error() {
    let server = Program::reacting(|_, seen| {
        if let Seen::LinkOpening(link) = seen {
            link.reject(deuteron::AmqpError::new(deuteron::condition::NOT_FOUND, "no such queue"));
        }
        Ack::Accept
    });
    let listener = server.listen(loopback());
    let program = Program::new();
    let connection = program.connect(url(&listener));
    let opened: [fn(&Connection); 2] =
        [|connection| drop(connection.open_sender("q")), |connection| drop(connection.open_receiver("q"))];
    for open in opened {
        open(&connection);
        let names = program.names_until("link_closed");
        let about_links: Vec<_> = names.iter().filter(|name| name.starts_with("link")).collect();
        assert_eq!(about_links, ["link_error", "link_closed"]);
    }
    assert!(connection.is_open());
}
