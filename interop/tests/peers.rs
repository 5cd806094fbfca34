//! The peers among themselves: what a test of ours relies on is true of them.

use deuteron_interop::{Certificates, Kind, Peer, digest, pattern};

async fn send_and_receive(server: Kind, client: Kind) {
    if !(server.is_installed() && client.is_installed()) {
        return;
    }
    let (server, port) = Peer::listen(server, [""; 0]).await;
    let url = format!("amqp://127.0.0.1:{port}");
    let sender = Peer::start(client, ["send", &url, "q", "3", "100000"]);
    let events = sender.succeed().await;
    assert_eq!(
        events.iter().find(|event| event.name() == "done").map(|event| event.number("accepted")),
        Some(3)
    );
    let receiver = Peer::start(client, ["receive", &url, "q", "3"]);
    let events = receiver.succeed().await;
    let digests: Vec<_> =
        events.iter().filter(|event| event.name() == "received").map(|e| e.text("sha256")).collect();
    assert_eq!(digests, [digest(&pattern(100_000)).as_str(); 3]);
    server.kill().await;
}

#[tokio::test]
async fn proton_talks_to_itself() {
    send_and_receive(Kind::Proton, Kind::Proton).await;
}

#[tokio::test]
async fn rhea_talks_to_proton() {
    send_and_receive(Kind::Proton, Kind::Rhea).await;
}

#[tokio::test]
async fn proton_talks_to_rhea() {
    send_and_receive(Kind::Rhea, Kind::Proton).await;
}

#[tokio::test]
async fn proton_takes_our_certificates() {
    if !Kind::Proton.is_installed() {
        return;
    }
    let certificates = Certificates::new();
    let (certificate, key) = certificates.server();
    let (_server, port) = Peer::listen(Kind::Proton, ["--cert", &certificate, "--key", &key]).await;
    let url = format!("amqps://localhost:{port}");
    Peer::start(Kind::Proton, ["send", &url, "q", "1", "1", "--ca", &certificates.authority()])
        .succeed()
        .await;
}
