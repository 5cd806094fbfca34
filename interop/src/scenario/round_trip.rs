//! Every type and every section, from each to each through our broker.

use super::broker::plain;
use super::{every_type, named};
use crate::{Event, Kind, Peer, Row, Typed, digest, form_of_message};
use deuteron::codec::Source;
use deuteron::{Connection, Outcome, ReceiverOptions};
use serde_json::Value as Json;
use std::time::{SystemTime, UNIX_EPOCH};

/// Every type and every section passes the broker: what the peer made we receive to the byte, and it reads what we made.
pub async fn types_pass_our_broker(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let broker = plain();
    let url = broker.url();
    let all = Typed::all();
    let theirs: Vec<_> = all.iter().filter(|typed| typed.not_made_by(kind).is_none()).collect();
    let made = Peer::start(kind, ["types-send", url, "theirs"]).succeed().await;
    let connection = Connection::connect(url).await.expect("it connects");
    same_bytes(&connection, "theirs", kind, &made, &theirs).await;

    let ours: Vec<_> = all.iter().filter(|typed| typed.not_read_by(kind).is_none()).collect();
    let sender = connection.sender("ours").await.expect("the sender opens");
    for typed in &ours {
        let outcome = sender.send(&typed.message).await.expect("the message is sent");
        assert_eq!(outcome, Outcome::Accepted, "{}", typed.name);
    }
    read(kind, url, "ours", kind, &ours).await;
    connection.close().await.expect("it closes");
    let row = Row::our_broker(kind.title(), "every type and section");
    every_type(row, kind, |typed| typed.not_read_by(kind).or_else(|| typed.not_made_by(kind)));
}

/// Every type and every section goes from each peer to each, and the broker changes no byte.
pub async fn types_pass_from_peer_to_peer(maker: Kind) {
    if !maker.is_installed() {
        return;
    }
    let broker = plain();
    let url = broker.url();
    let all = Typed::all();
    let connection = Connection::connect(url).await.expect("it connects");
    for reader in Kind::ALL.into_iter().filter(|reader| reader.is_installed()) {
        let both = |typed: &&Typed| typed.not_made_by(maker).is_none() && typed.not_read_by(reader).is_none();
        let expected: Vec<_> = all.iter().filter(both).collect();
        let queue = format!("to {reader}");
        let made = Peer::start(maker, ["types-send", url, &queue, "--for", reader.name()]).succeed().await;
        same_bytes(&connection, &queue, maker, &made, &expected).await;
        read(reader, url, &queue, maker, &expected).await;
    }
    connection.close().await.expect("it closes");
    Row::our_broker(maker.title(), "every type and section, to each other peer").pass();
}

/// Those that the broker delivers, in its order: higher priorities first, and none whose time is over.
fn due<'a>(sent: &[&'a Typed]) -> Vec<&'a Typed> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_millis();
    let is_over = |typed: &&Typed| {
        let properties = typed.message.properties.as_ref();
        let end = properties.and_then(|properties| properties.absolute_expiry_time);
        end.is_some_and(|end| i128::from(end.0) <= now as i128)
    };
    let mut due: Vec<_> = sent.iter().copied().filter(|typed| !is_over(typed)).collect();
    due.sort_by_key(|typed| 9 - typed.form["header"]["priority"].as_u64().unwrap_or(4).min(9));
    due
}

/// Looks at what a peer made: the very bytes it says it made, and the messages they should be. They stay in the queue.
async fn same_bytes(connection: &Connection, queue: &str, maker: Kind, made: &[Event], expected: &[&Typed]) {
    let source = Source {
        address: Some(queue.to_owned()),
        distribution_mode: Some("copy".into()),
        ..Source::default()
    };
    let receiver = connection.receiver(ReceiverOptions::new(queue).source(source)).await;
    let receiver = receiver.expect("the receiver opens");
    assert_eq!(named(made, "made").count(), expected.len(), "{maker} made what it should");
    for typed in due(expected) {
        let delivery = receiver.recv().await.expect("the message comes");
        let event = named(made, "made").find(|event| event.text("name") == typed.name).expect("it was made");
        // Who writes maps in another order each time cannot say what it wrote; and what has waited says so in its ttl.
        let waits = typed.form["header"]["ttl"].is_number();
        if !waits && (maker.keeps_order() || event.field("sha256").is_string()) {
            let bytes = digest(delivery.payload());
            assert_eq!(bytes, event.text("sha256"), "{}: bytes of {maker} changed", typed.name);
        }
        let mut form = form_of_message(&delivery.message().expect("a message"));
        forget_the_wait(typed, &mut form);
        typed.require(&form, maker, "we read");
        delivery.release().expect("it is not settled yet");
    }
    receiver.close().await.expect("it closes");
}

/// Has a peer read messages that another one made.
async fn read(reader: Kind, url: &str, queue: &str, maker: Kind, expected: &[&Typed]) {
    let expected = &due(expected);
    let count = expected.len().to_string();
    let events = Peer::start(reader, ["types-receive", url, queue, &count]).succeed().await;
    assert_eq!(named(&events, "received").count(), expected.len(), "from {maker} to {reader}");
    let loose = if maker.keeps_order() { reader } else { maker };
    for (event, typed) in named(&events, "received").zip(expected) {
        let mut form = event.field("form").clone();
        // Counting deliveries is the broker's business.
        if typed.form["header"]["delivery_count"].is_null() && form["header"]["delivery_count"].is_number() {
            form["header"].as_object_mut().expect("it is an object").remove("delivery_count");
        }
        forget_the_wait(typed, &mut form);
        typed.require(&form, loose, &format!("{reader} read what {maker} made"));
    }
}

/// The time that a message has waited is off its ttl (3.2.1): puts it back.
fn forget_the_wait(typed: &Typed, form: &mut Json) {
    let (sent, came) = (typed.form["header"]["ttl"].as_u64(), form["header"]["ttl"].as_u64());
    if let (Some(sent), Some(came)) = (sent, came)
        && (1..=sent).contains(&came)
    {
        form["header"]["ttl"] = sent.into();
    }
}
