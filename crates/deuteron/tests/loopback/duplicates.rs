//! Names for messages, by which a server finds those that it has had before.

use deuteron::{Connection, Encoded, Message, SenderOptions};
use deuteron_testkit::wire::composite;
use deuteron_testkit::{ScriptedPeer, TcpScript};

use crate::support::*;

fn name(payload: &[u8]) -> Option<String> {
    let message = Message::decode(payload).unwrap();
    let properties = message.application_properties?;
    properties.get("_AMQ_DUPL_ID")?.as_str().map(str::to_owned)
}

/// What a peer gets that takes so many messages.
async fn sent(count: u32, options: SenderOptions, send: impl AsyncFn(&deuteron::Sender)) -> Vec<Vec<u8>> {
    let mut peer = ScriptedPeer::new();
    peer.accepts_sender(count);
    (0..count).for_each(|_| peer.expect_transfer().dispose(composite("accepted"), true));
    peer.accepts_close();
    let (address, script) = TcpScript::serve(peer);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let sender = within(connection.sender(options)).await.unwrap();
    send(&sender).await;
    within(connection.close()).await.unwrap();
    let peers = script.join();
    peers[0].frames("transfer").iter().map(|frame| frame.payload.clone()).collect()
}

#[tokio::test]
async fn each_message_has_a_name_of_its_own() {
    let options = SenderOptions::new("q").duplicate_detection();
    let payloads = sent(4, options, async |sender| {
        assert!(within(sender.send("one")).await.unwrap().is_accepted());
        assert!(within(sender.send(Encoded(Message::new("two").to_bytes()))).await.unwrap().is_accepted());
        let own = Message::new("three").with_property("_AMQ_DUPL_ID", "mine");
        assert!(within(sender.send(own)).await.unwrap().is_accepted());
        assert!(
            within(sender.send(Message::new("four").with_property("colour", "green")))
                .await
                .unwrap()
                .is_accepted()
        );
    })
    .await;
    let names: Vec<_> = payloads.iter().map(|payload| name(payload).unwrap()).collect();
    assert!(names[0] != names[1] && names[1] != names[3] && names[0] != names[3], "{names:?}");
    assert_eq!(names[2], "mine");
    let last = Message::decode(&payloads[3]).unwrap();
    assert_eq!(
        last.application_properties.unwrap().get("colour").and_then(|value| value.as_str()),
        Some("green")
    );
}

#[tokio::test]
async fn without_being_asked_messages_are_sent_as_they_are() {
    let payloads = sent(1, SenderOptions::new("q"), async |sender| {
        assert!(within(sender.send("one")).await.unwrap().is_accepted());
    })
    .await;
    assert_eq!(payloads[0], Message::new("one").to_bytes());
}

#[tokio::test]
async fn a_message_that_is_sent_again_has_the_name_that_it_had() {
    let mut first = ScriptedPeer::new();
    first.accepts_sender(1);
    first.expect_transfer();
    first.drop_wire();
    let mut second = ScriptedPeer::new();
    second.accepts_sender(1);
    second.expect_transfer().dispose(composite("accepted"), true);
    second.accepts_close();
    let (address, script) = TcpScript::serve_each([first, second]);
    let connection = within(Connection::connect(to(address))).await.unwrap();
    let sender = within(connection.sender(SenderOptions::new("q").duplicate_detection())).await.unwrap();
    assert!(within(sender.send("one")).await.unwrap().is_accepted());
    within(connection.close()).await.unwrap();
    let names: Vec<_> = script.join().iter().map(|peer| name(&peer.last("transfer").payload)).collect();
    assert!(names[0].is_some() && names[0] == names[1], "{names:?}");
}
