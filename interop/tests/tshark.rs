//! Our traffic with each peer, read by Wireshark.
//!
//! Its dissector takes each transfer's payload for a whole message, and knows no described values, empty strings or map keys of
//! eight bytes in one: so each message here is one frame, and the messages of `types.json` and of transactions, which are described
//! values, are left to the other tests.

use deuteron::{Connection, Message, Outcome};
use deuteron_broker::{Broker, BrokerConfig};
use deuteron_interop::server::{Artemis, RabbitMq, Server, Version, start};
use deuteron_interop::{Capture, Frames, Kind, Peer, Row, pattern};
use std::sync::Arc;

/// The performatives: open to close, 2.7.
const PERFORMATIVES: [u8; 8] = [16, 17, 18, 19, 20, 21, 22, 24];

async fn our_client(url: &str) {
    let connection = Connection::connect(url).await.expect("it connects");
    let sender = connection.sender("ours").await.expect("the sender opens");
    let receiver = connection.receiver("ours").await.expect("the receiver opens");
    for size in [0, 100, 10_000] {
        let outcome = sender.send(Message::new(pattern(size))).await.expect("the message is sent");
        assert_eq!(outcome, Outcome::Accepted);
        receiver.recv().await.expect("it comes back").accept().expect("it is not settled yet");
    }
    let refused = connection.sender("reject-me").await.expect("the sender opens");
    let outcome = refused.send(Message::new("something")).await.expect("it has an outcome");
    assert_ne!(outcome, Outcome::Released);
    sender.close().await.expect("it closes");
    receiver.close().await.expect("it closes");
    connection.close().await.expect("it closes");
}

/// All kinds of traffic with a peer: its clients with our broker, our client with its server, where it has one.
async fn talk(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let broker =
        Broker::start_on_thread(BrokerConfig::listening(["amqp://127.0.0.1:0"])).expect("it listens");
    let url = broker.url();
    let mut ports: Vec<u16> =
        vec![url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")];
    let server = if kind == Kind::GoAmqp { None } else { Some(Peer::listen(kind, [""; 0]).await) };
    ports.extend(server.as_ref().map(|(_, port)| *port));
    let Some(capture) = Capture::start(&ports) else { return };

    Peer::start(kind, ["send", url, "q", "3", "10000"]).succeed().await;
    Peer::start(kind, ["receive", url, "q", "1", "--credit", "1", "--outcome", "release"]).succeed().await;
    Peer::start(kind, ["receive", url, "q", "3"]).succeed().await;
    Peer::start(kind, ["send", url, "q", "3", "100", "--presettled"]).succeed().await;
    if kind == Kind::GoAmqp {
        Peer::start(kind, ["drain", url, "q", "10"]).succeed().await;
    }
    our_client(url).await;
    if let Some((_, port)) = &server {
        our_client(&format!("amqp://127.0.0.1:{port}")).await;
    }

    sound(capture, kind.title()).await;
    Row::our_broker(kind.title(), "no malformed frame, says tshark").pass();
    if server.is_some() {
        Row::our_client(kind.title(), "no malformed frame, says tshark").pass();
    }
}

/// Our client with a server that users run: what is sent, taken, given back and refused.
async fn talk_to(server: Option<Arc<impl Server>>) {
    let Some(server) = server else { return };
    let url = server.url();
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let node = server.queue("tshark").await;
    let Some(capture) = Capture::start(&[port]) else { return };
    let connection = Connection::connect(&*url).await.expect("it connects");
    let sender = connection.sender(node.sender()).await.expect("the sender opens");
    let receiver = connection.receiver(node.receiver()).await.expect("the receiver opens");
    for size in [0, 100, 10_000] {
        let outcome = sender.send(Message::new(pattern(size))).await.expect("the message is sent");
        assert_eq!(outcome, Outcome::Accepted);
        let delivery = receiver.recv().await.expect("it comes back");
        if size == 100 {
            delivery.reject(None).expect("it is not settled yet");
        } else {
            delivery.accept().expect("it is not settled yet");
        }
    }
    sender.close().await.expect("it closes");
    receiver.close().await.expect("it closes");
    connection.close().await.expect("it closes");
    sound(capture, server.title()).await;
    Row::our_client(server.title(), "no malformed frame, says tshark").pass();
}

/// There is nothing wrong with the frames of a capture, and all kinds of frames are in it.
async fn sound(capture: Capture, title: &str) {
    let finished = tokio::task::spawn_blocking(move || capture.finish()).await;
    let Frames { faults, counts } = finished.expect("the capture is read");
    println!("{title}: {counts:?}");
    assert_eq!(faults, "", "tshark finds fault with traffic of {title} and us");
    for performative in PERFORMATIVES {
        let count = counts.get(&format!("amqp {performative}")).copied().unwrap_or_default();
        assert!(count >= 2, "the capture has {count} frames of performative {performative}: {counts:?}");
    }
}

#[tokio::test]
async fn artemis() {
    talk_to(start(Artemis::launch).await).await;
}

#[tokio::test]
async fn rabbitmq_4() {
    talk_to(start(|| RabbitMq::launch(Version::V4)).await).await;
}

#[tokio::test]
async fn rabbitmq_3() {
    talk_to(start(|| RabbitMq::launch(Version::V3)).await).await;
}

#[tokio::test]
async fn proton() {
    talk(Kind::Proton).await;
}

#[tokio::test]
async fn rhea() {
    talk(Kind::Rhea).await;
}

#[tokio::test]
async fn go_amqp() {
    talk(Kind::GoAmqp).await;
}

#[tokio::test]
async fn fe2o3() {
    talk(Kind::Fe2o3).await;
}
