//! 2.7.4: properties of flows, which name the transaction that messages are acquired in (4.4.3).

use deuteron_codec::{Map, Symbol, Value};
use deuteron_engine::{Event, LinkId};
use deuteron_testkit::Conversation;
use deuteron_testkit::wire::{Composite, Plain, composite};

fn transaction(name: &'static [u8]) -> Plain {
    Plain::Map(vec![(Plain::Symbol("txn-id".into()), Plain::Binary(name.to_vec()))])
}

fn properties(name: &'static [u8]) -> Map {
    let mut map = Map::new();
    map.insert(Symbol::from_static("txn-id"), Value::Binary(name.into()));
    map
}

fn flow(count: u32) -> Composite {
    composite("flow")
        .set("next-incoming-id", count)
        .set("incoming-window", 2048u32)
        .set("next-outgoing-id", 0u32)
        .set("outgoing-window", 2048u32)
        .set("handle", 0u32)
        .set("delivery-count", count)
        .set("link-credit", 10u32)
}

fn came(c: &mut Conversation, link: LinkId) -> Option<Map> {
    c.engine.link(link).expect("attached").remote_flow_properties().cloned()
}

#[test]
fn a_sender_reads_the_properties_of_the_last_flow() {
    Conversation::each_client(|c| {
        let link = c.sender(10);
        assert_eq!(came(c, link), None);
        c.peer.send(0, flow(0).set("properties", transaction(b"one")));
        assert!(c.run().contains(&Event::LinkFlow(link)));
        assert_eq!(came(c, link), Some(properties(b"one")));
        c.peer.send(0, flow(0).set("properties", transaction(b"two")));
        c.run();
        assert_eq!(came(c, link), Some(properties(b"two")));
        c.peer.send(0, flow(0));
        c.run();
        assert_eq!(came(c, link), None, "a flow without properties ends those of the one before");
    });
}

#[test]
fn a_receiver_puts_properties_into_all_its_flows() {
    Conversation::each_client(|c| {
        let link = c.receiver(3);
        c.peer.expect_flow().handle(0).credit(3).field("properties", transaction(b"one"));
        c.engine.link(link).expect("attached").set_flow_properties(Some(properties(b"one")));
        c.run();
        c.peer.expect_flow().handle(0).credit(5).field("properties", transaction(b"one"));
        c.engine.link(link).expect("attached").add_credit(2);
        c.run();
        c.peer.expect_flow().handle(0).credit(5).absent("properties");
        c.engine.link(link).expect("attached").set_flow_properties(None);
        c.run();
    });
}
