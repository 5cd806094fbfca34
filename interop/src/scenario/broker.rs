//! A peer's clients with our broker.

use super::{PASSWORD, USER, named, several, sized};
use crate::{Certificates, Kind, Peer, Row, SIZES, digest, pattern};
use deuteron::{Connection, Outcome, TlsServerConfig};
use deuteron_broker::{Broker, BrokerConfig, BrokerThread};

fn broker(config: BrokerConfig) -> BrokerThread {
    Broker::start_on_thread(config).expect("the broker listens")
}

pub(super) fn plain() -> BrokerThread {
    broker(BrokerConfig::listening(["amqp://127.0.0.1:0"]))
}

/// One client sends messages of every size, another receives them: of the same kind, and of different kinds.
pub async fn their_clients_meet_at_our_broker(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let broker = plain();
    let url = broker.url();
    let receivers = if kind.other().is_installed() { vec![kind, kind.other()] } else { vec![kind] };
    for receiver in receivers {
        for size in SIZES {
            let (text, count) = (size.to_string(), several(size));
            let events = Peer::start(kind, ["send", url, "q", &count.to_string(), &text]).succeed().await;
            assert_eq!(
                named(&events, "done").map(|event| event.number("accepted")).sum::<u64>(),
                count as u64
            );
            let events = Peer::start(receiver, ["receive", url, "q", &count.to_string()]).succeed().await;
            let digests: Vec<_> = named(&events, "received").map(|event| event.text("sha256")).collect();
            assert_eq!(
                digests,
                vec![digest(&pattern(size)); count],
                "{size} bytes from {kind} to {receiver}"
            );
        }
    }
    Row::our_broker(kind.title(), "send and receive, 0 B to 100 MiB").pass();
}

/// TLS, and a user who logs in by the best mechanism the peer knows.
pub async fn their_client_logs_in_at_our_broker(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let certificates = Certificates::new();
    let (certificate, key) = certificates.server();
    let mut config = BrokerConfig::listening(["amqps://127.0.0.1:0"]);
    config.tls = Some(TlsServerConfig::files(certificate, key));
    config.add_user(USER, PASSWORD).expect("the account is sound");
    let broker = broker(config);
    let url = broker.url().replace("127.0.0.1", "localhost");
    let authority = certificates.authority();
    let login = ["--ca", authority.as_str(), "--user", USER, "--password", PASSWORD];
    let send = [&["send", url.as_str(), "q", "3", "1000"], login.as_slice()].concat();
    Peer::start(kind, send).succeed().await;
    let receive = [&["receive", url.as_str(), "q", "3"], login.as_slice()].concat();
    Peer::start(kind, receive).succeed().await;

    let stranger = [
        "send",
        &url,
        "q",
        "1",
        "10",
        "--ca",
        authority.as_str(),
        "--user",
        USER,
        "--password",
        "another one",
    ];
    let mut stranger = Peer::start(kind, stranger);
    stranger.wait("transport_error").await;
    assert!(named(stranger.seen(), "opened").next().is_none(), "{:?}", stranger.seen());
    Row::our_broker(kind.title(), "TLS and a user, wrong password refused").pass();
}

/// A request from one client, answered by another through the anonymous relay to a dynamic address.
pub async fn their_clients_ask_and_answer_at_our_broker(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let broker = plain();
    let url = broker.url();
    let answerer = if kind.other().is_installed() { kind.other() } else { kind };
    let mut service = Peer::start(answerer, ["respond", url, "service"]);
    service.wait("attached").await;
    let events = Peer::start(kind, ["request", url, "service", "5", "1000"]).succeed().await;
    let digests: Vec<_> = named(&events, "received").map(|event| event.text("sha256")).collect();
    assert_eq!(digests, [digest(&pattern(1000)).as_str(); 5]);
    Row::our_broker(kind.title(), "anonymous relay").pass();
    Row::our_broker(kind.title(), "request and answer, dynamic address").pass();
}

/// What one client gives back another one gets.
pub async fn our_broker_delivers_again_to_theirs(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let broker = plain();
    let url = broker.url();
    Peer::start(kind, ["send", url, "q", "1", "10"]).succeed().await;
    Peer::start(kind, ["receive", url, "q", "1", "--outcome", "release", "--credit", "1"]).succeed().await;
    let events = Peer::start(kind, ["receive", url, "q", "1"]).succeed().await;
    assert_eq!(named(&events, "received").map(|event| event.text("id")).collect::<Vec<_>>(), ["0"]);

    Peer::start(kind, ["send", url, "q", "1", "10"]).succeed().await;
    Peer::start(kind, ["receive", url, "q", "1", "--outcome", "reject"]).succeed().await;
    let connection = Connection::connect(url).await.expect("it connects");
    let sender = connection.sender("q").await.expect("the sender opens");
    assert_eq!(sender.send(sized("1", 10)).await.expect("the message is sent"), Outcome::Accepted);
    let events = Peer::start(kind, ["receive", url, "q", "1"]).succeed().await;
    assert_eq!(
        named(&events, "received").map(|event| event.text("id")).collect::<Vec<_>>(),
        ["1"],
        "0 was rejected"
    );
    connection.close().await.expect("it closes");
    Row::our_broker(kind.title(), "redelivery: release and reject").pass();
}

/// A client browses, and takes what a selector lets by; a wrong selector is refused.
pub async fn their_client_selects_and_browses(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let broker = plain();
    let url = broker.url();
    let connection = Connection::connect(url).await.expect("it connects");
    let sender = connection.sender("q").await.expect("the sender opens");
    for (number, colour) in ["red", "blue", "red", "green"].into_iter().enumerate() {
        let message = sized(number.to_string(), 10).with_subject(colour);
        assert_eq!(sender.send(message).await.expect("the message is sent"), Outcome::Accepted);
    }
    let receive = async |count: &str, options: &[&str]| {
        let arguments = [&["receive", url, "q", count], options].concat();
        let events = Peer::start(kind, arguments).succeed().await;
        named(&events, "received").map(|event| event.text("id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(receive("4", &["--browse"]).await, ["0", "1", "2", "3"]);
    assert_eq!(receive("2", &["--selector", "JMSType = 'red'"]).await, ["0", "2"]);
    assert_eq!(receive("2", &[]).await, ["1", "3"], "the others are still there");
    let wrong = Peer::start(kind, ["receive", url, "q", "1", "--selector", "JMSType ="]);
    assert!(!wrong.end().await.1, "the wrong selector is refused");
    connection.close().await.expect("it closes");
    for feature in ["browse", "selector", "wrong selector refused"] {
        Row::our_broker(kind.title(), feature).pass();
    }
}
