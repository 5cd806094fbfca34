//! A peer's client with our listener.

use super::{PASSWORD, USER, every_type, named, several, sized};
use crate::{Certificates, Kind, OurServer, Peer, Row, SIZES, Typed, digest, form_of_message, pattern};
use deuteron::sasl::{Password, Users};
use deuteron::{ListenOptions, Outcome, TlsServerConfig};
use std::sync::Arc;

/// The peer sends messages of every size, and receives them.
async fn all_sizes(kind: Kind, server: &OurServer, url: &str, options: &[&str]) {
    for size in SIZES {
        let count = several(size);
        let (queue, text, times) = (format!("q{size}"), size.to_string(), count.to_string());
        let arguments = [&["send", url, &queue, &times, &text], options].concat();
        Peer::start(kind, arguments).succeed().await;
        for number in 0..count {
            let (address, message) = server.received();
            assert_eq!(address, queue);
            assert_eq!(message.id().map(ToString::to_string), Some(number.to_string()));
            assert!(
                message.body_bytes().is_some_and(|body| body == pattern(size)),
                "{size} bytes came changed"
            );
        }
        let arguments = [&["receive", url, &queue, &times], options].concat();
        let events = Peer::start(kind, arguments).succeed().await;
        let digests: Vec<_> = named(&events, "received").map(|event| event.text("sha256")).collect();
        assert_eq!(digests, vec![digest(&pattern(size)); count], "{size} bytes");
        for _ in 0..count {
            assert_eq!(server.settled(), Outcome::Accepted);
        }
    }
}

/// Plain TCP, SASL ANONYMOUS.
pub async fn their_client_sends_and_receives(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let server = OurServer::start("amqp://127.0.0.1:0", []);
    all_sizes(kind, &server, &format!("amqp://127.0.0.1:{}", server.port()), &[]).await;
    Row::our_listener(kind.title(), "send and receive, 0 B to 100 MiB").pass();
    Row::our_listener(kind.title(), "SASL ANONYMOUS").pass();
}

/// TLS; the peer checks our name.
pub async fn their_client_uses_tls(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let certificates = Certificates::new();
    let (certificate, key) = certificates.server();
    let options = ListenOptions::new("amqps://127.0.0.1:0").tls(TlsServerConfig::files(certificate, key));
    let server = OurServer::start(options, []);
    let url = format!("amqps://localhost:{}", server.port());
    all_sizes(kind, &server, &url, &["--ca", &certificates.authority()]).await;
    Row::our_listener(kind.title(), "TLS").pass();
}

/// No SASL layer at all.
pub async fn their_client_leaves_sasl_out(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let server = OurServer::start(ListenOptions::new("amqp://127.0.0.1:0").no_sasl(), []);
    let url = format!("amqp://127.0.0.1:{}", server.port());
    Peer::start(kind, ["send", &url, "q", "1", "100", "--no-sasl"]).succeed().await;
    assert_eq!(server.opened().1, None);
    Row::our_listener(kind.title(), "no SASL layer").pass();
}

/// A user and a password, by one mechanism; a wrong password is refused.
pub async fn their_client_logs_in(kind: Kind, mechanism: &str) {
    if !kind.is_installed() {
        return;
    }
    let mut users = Users::new();
    users.add(USER, &Password::new(PASSWORD), b"any sixteen bytes").expect("the account is sound");
    let options = ListenOptions::new("amqp://127.0.0.1:0")
        .sasl([mechanism], Some(Arc::new(users)))
        .require_sasl(true)
        .allow_insecure_mechanisms(true);
    let server = OurServer::start(options, []);
    let url = format!("amqp://127.0.0.1:{}", server.port());
    Peer::start(
        kind,
        ["send", &url, "q", "1", "100", "--mechanisms", mechanism, "--user", USER, "--password", PASSWORD],
    )
    .succeed()
    .await;
    assert_eq!(server.opened(), (Some(USER.to_owned()), Some(mechanism.to_owned())));
    assert_eq!(server.received().0, "q");

    let mut intruder = Peer::start(
        kind,
        [
            "send",
            &url,
            "q",
            "1",
            "100",
            "--mechanisms",
            mechanism,
            "--user",
            USER,
            "--password",
            "another one",
        ],
    );
    intruder.wait("transport_error").await;
    assert!(named(intruder.seen(), "opened").next().is_none(), "{:?}", intruder.seen());
    let feature = format!("SASL {mechanism}, wrong password refused");
    Row::our_listener(kind.title(), &feature).pass();
}

/// What we make of a message arrives as we said it.
pub async fn their_client_hears_outcomes(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let server = OurServer::start("amqp://127.0.0.1:0", []);
    let url = format!("amqp://127.0.0.1:{}", server.port());
    for (address, state) in [
        ("accept-me", "accepted"),
        ("reject-me", "rejected"),
        ("release-me", "released"),
        ("modify-me", "modified"),
    ] {
        let events = Peer::start(kind, ["send", &url, address, "3", "10"]).succeed().await;
        assert_eq!(
            named(&events, "done").map(|event| event.number(state)).sum::<u64>(),
            3,
            "{address}: {events:?}"
        );
        for event in named(&events, "rejected") {
            assert_eq!(event.text("condition"), "example:rejected");
            assert_eq!(event.text("description"), "this address rejects");
        }
    }
    Row::our_listener(kind.title(), "outcomes of what is sent").pass();
}

/// What the peer makes of our messages arrives as it said it.
pub async fn their_client_gives_outcomes(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    for (outcome, expected) in
        [("accept", Outcome::Accepted), ("reject", Outcome::Rejected(None)), ("release", Outcome::Released)]
    {
        let server = OurServer::start("amqp://127.0.0.1:0", [("q".to_owned(), sized("0", 10))]);
        let url = format!("amqp://127.0.0.1:{}", server.port());
        Peer::start(kind, ["receive", &url, "q", "1", "--outcome", outcome]).succeed().await;
        assert_eq!(server.settled(), expected);
    }
    Row::our_listener(kind.title(), "outcomes of what is received").pass();
}

/// The peer's requests are answered at an address that we made up.
pub async fn their_client_requests(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let server = OurServer::start("amqp://127.0.0.1:0", []);
    let url = format!("amqp://127.0.0.1:{}", server.port());
    let events = Peer::start(kind, ["request", &url, "echo", "3", "1000"]).succeed().await;
    assert_eq!(
        named(&events, "reply_to").map(|event| event.text("address")).collect::<Vec<_>>(),
        ["answers-1"]
    );
    assert_eq!(named(&events, "received").count(), 3);
    Row::our_listener(kind.title(), "request and answer, dynamic address").pass();
}

/// Every type and every section: we read what the peer wrote, and the peer reads what we write.
pub async fn their_client_types(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let all = Typed::all();
    let stock = all.iter().filter(|typed| typed.not_read_by(kind).is_none());
    let server = OurServer::start(
        "amqp://127.0.0.1:0",
        stock.clone().map(|t| ("stock".to_owned(), t.message.clone())),
    );
    let url = format!("amqp://127.0.0.1:{}", server.port());
    Peer::start(kind, ["types-send", &url, "t"]).succeed().await;
    for typed in all.iter().filter(|typed| typed.not_made_by(kind).is_none()) {
        let (_, message) = server.received();
        typed.require(&form_of_message(&message), kind, "we read");
    }
    let count = stock.clone().count().to_string();
    let events = Peer::start(kind, ["types-receive", &url, "stock", &count]).succeed().await;
    for (event, typed) in named(&events, "received").zip(stock) {
        typed.require(event.field("form"), kind, "the peer read");
    }
    assert_eq!(named(&events, "received").count().to_string(), count);
    every_type(Row::our_listener(kind.title(), "every type and section"), kind, |typed| {
        typed.not_made_by(kind)
    });
}
