//! Our client with a peer's server.

use super::{PASSWORD, USER, every_type, sized};
use crate::{Certificates, Folder, Kind, Peer, Row, SIZES, Typed, digest, form_of_message, pattern};
use deuteron::{ConnectOptions, Connection, Message, Outcome, ReceiverOptions, TlsConfig};

/// Messages of every size, sent to the peer and received back from it.
async fn all_sizes(server: &mut Peer, connection: &Connection) {
    let sender = connection.sender("q").await.expect("the sender opens");
    let receiver = connection.receiver("q").await.expect("the receiver opens");
    for size in SIZES {
        let id = size.to_string();
        let outcome = sender.send(sized(&id, size)).await.expect("the message is sent");
        assert_eq!(outcome, Outcome::Accepted, "{size} bytes");
        let event = server.wait_until("the message", |e| e.name() == "received" && e.text("id") == id).await;
        assert_eq!(
            (event.number("size"), event.text("sha256")),
            (size as u64, digest(&pattern(size)).as_str())
        );
        let delivery = receiver.recv().await.expect("the message comes back");
        let message = delivery.message().expect("it is a message");
        assert!(
            message.body_bytes().is_some_and(|body| body == pattern(size)),
            "{size} bytes came back changed"
        );
        delivery.accept().expect("it is not settled yet");
        let event = server.wait("settled").await;
        assert_eq!((event.text("id"), event.text("state")), (id.as_str(), "accepted"));
    }
}

/// Plain TCP, SASL ANONYMOUS.
pub async fn our_client_sends_and_receives(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let (mut server, port) = Peer::listen(kind, ["--mechanisms", "ANONYMOUS"]).await;
    let connection = Connection::connect(format!("amqp://127.0.0.1:{port}")).await.expect("it connects");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some("ANONYMOUS"));
    all_sizes(&mut server, &connection).await;
    connection.close().await.expect("it closes");
    server.wait("closed").await;
    Row::our_client(kind.title(), "send and receive, 0 B to 100 MiB").pass();
    Row::our_client(kind.title(), "SASL ANONYMOUS").pass();
}

/// TLS, with the server's name checked.
pub async fn our_client_uses_tls(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let certificates = Certificates::new();
    let (certificate, key) = certificates.server();
    let (mut server, port) = Peer::listen(kind, ["--cert", &certificate, "--key", &key]).await;
    let url = format!("amqps://localhost:{port}");
    let tls = TlsConfig::new().ca_file(certificates.authority());
    let options = ConnectOptions::new(url.as_str()).tls(tls);
    let connection = Connection::connect(options.clone()).await.expect("it connects");
    all_sizes(&mut server, &connection).await;
    connection.close().await.expect("it closes");

    let strangers = Certificates::new();
    let options = options.tls(TlsConfig::new().ca_file(strangers.authority())).reconnect(false);
    let error = Connection::connect(options).await.expect_err("a stranger's certificate is refused");
    assert!(!error.is_retryable(), "{error}");
    for feature in ["TLS", "TLS, stranger's certificate refused"] {
        Row::our_client(kind.title(), feature).pass();
    }
}

/// A client certificate, which SASL EXTERNAL turns into a name.
pub async fn our_client_shows_a_certificate(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let certificates = Certificates::new();
    let authority = certificates.authority();
    let (certificate, key) = certificates.server();
    let (mut server, port) = Peer::listen(
        kind,
        ["--cert", &certificate, "--key", &key, "--ca", &authority, "--mechanisms", "EXTERNAL"],
    )
    .await;
    let (chain, key) = certificates.client();
    let tls = TlsConfig::new().ca_file(authority).client_certificate_files(chain, key);
    let options = ConnectOptions::new(format!("amqps://localhost:{port}")).tls(tls);
    let connection = Connection::connect(options).await.expect("it connects");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some("EXTERNAL"));
    server.wait("opened").await;
    connection.close().await.expect("it closes");
    Row::our_client(kind.title(), "client certificate, SASL EXTERNAL").pass();
}

/// A user and a password, by one mechanism; a wrong password is refused and not tried again.
pub async fn our_client_logs_in(kind: Kind, mechanism: &str) {
    if !kind.is_installed() {
        return;
    }
    let folder = Folder::new();
    let directory = folder.path().display().to_string();
    let server_options = [
        "--mechanisms",
        mechanism,
        "--user",
        USER,
        "--password",
        PASSWORD,
        "--directory",
        directory.as_str(),
    ];
    let (mut server, port) = Peer::listen(kind, server_options).await;
    let options = ConnectOptions::new(format!("amqp://127.0.0.1:{port}"))
        .user(USER)
        .password(PASSWORD)
        .allow_insecure_mechanisms(true);
    let connection = Connection::connect(options.clone()).await.expect("it logs in");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some(mechanism));
    let event = server.wait("opened").await;
    assert_eq!(event.text("user"), USER);
    let sender = connection.sender("q").await.expect("the sender opens");
    assert_eq!(sender.send(sized("0", 100)).await.expect("the message is sent"), Outcome::Accepted);
    connection.close().await.expect("it closes");

    let error =
        Connection::connect(options.password("another one")).await.expect_err("the password is wrong");
    assert!(!error.is_retryable(), "{error}");
    assert!(!format!("{error} {error:?}").contains("another one"), "{error:?}");
    let feature = format!("SASL {mechanism}, wrong password refused");
    Row::our_client(kind.title(), &feature).pass();
}

/// Of several mechanisms that both know, the strongest is taken.
pub async fn our_client_takes_the_strongest(kind: Kind, offered: &str, strongest: &str) {
    if !kind.is_installed() {
        return;
    }
    let folder = Folder::new();
    let directory = folder.path().display().to_string();
    let server_options =
        ["--mechanisms", offered, "--user", USER, "--password", PASSWORD, "--directory", directory.as_str()];
    let (_server, port) = Peer::listen(kind, server_options).await;
    let options = ConnectOptions::new(format!("amqp://127.0.0.1:{port}")).user(USER).password(PASSWORD);
    let connection = Connection::connect(options).await.expect("it logs in");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some(strongest));
    connection.close().await.expect("it closes");
    Row::our_client(kind.title(), "strongest mechanism taken").pass();
}

/// No SASL layer at all.
pub async fn our_client_leaves_sasl_out(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let (_server, port) = Peer::listen(kind, ["--no-sasl"]).await;
    let options = ConnectOptions::new(format!("amqp://127.0.0.1:{port}")).sasl(false);
    let connection = Connection::connect(options).await.expect("it connects");
    assert_eq!(connection.sasl_mechanism(), None);
    let sender = connection.sender("q").await.expect("the sender opens");
    assert_eq!(sender.send(sized("0", 100)).await.expect("the message is sent"), Outcome::Accepted);
    connection.close().await.expect("it closes");
    Row::our_client(kind.title(), "no SASL layer").pass();
}

/// What the peer makes of a message arrives as it was said.
pub async fn our_client_hears_outcomes(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let (_server, port) = Peer::listen(kind, [""; 0]).await;
    let connection = Connection::connect(format!("amqp://127.0.0.1:{port}")).await.expect("it connects");
    let mut outcomes = Vec::new();
    for address in ["accept-me", "reject-me", "release-me", "modify-me"] {
        let sender = connection.sender(address).await.expect("the sender opens");
        outcomes.push(sender.send("text").await.expect("the message is sent"));
    }
    assert_eq!(outcomes[0], Outcome::Accepted);
    let Outcome::Rejected(Some(error)) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
    assert_eq!(error.condition.as_str(), "example:rejected");
    assert_eq!(error.description.as_deref(), Some("this address rejects"));
    assert_eq!(outcomes[2], Outcome::Released);
    assert!(
        matches!(outcomes[3], Outcome::Modified { delivery_failed: true, undeliverable_here: true, .. }),
        "{:?}",
        outcomes[3]
    );
    connection.close().await.expect("it closes");
    Row::our_client(kind.title(), "outcomes of what is sent").pass();
}

/// A request whose answer goes to an address that the peer made up.
pub async fn our_client_requests(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let (_server, port) = Peer::listen(kind, [""; 0]).await;
    let connection = Connection::connect(format!("amqp://127.0.0.1:{port}")).await.expect("it connects");
    let answers = connection.receiver(ReceiverOptions::dynamic()).await.expect("the receiver opens");
    let address = answers.remote_address().expect("the peer named the node");
    let sender = connection.sender("echo").await.expect("the sender opens");
    for number in 0..3_u64 {
        let request =
            Message::new(format!("question {number}")).with_reply_to(&address).with_correlation_id(number);
        assert_eq!(sender.send(request).await.expect("the request is sent"), Outcome::Accepted);
        let delivery = answers.recv().await.expect("an answer comes");
        let answer = delivery.message().expect("it is a message");
        assert_eq!(answer.body_text(), Some(format!("question {number}").as_str()));
        assert_eq!(answer.correlation_id(), Some(&number.into()));
        delivery.accept().expect("it is not settled yet");
    }
    connection.close().await.expect("it closes");
    Row::our_client(kind.title(), "request and answer, dynamic address").pass();
}

/// Every type and every section: the peer reads what we wrote, and we read what it passes on.
pub async fn our_client_types(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let (mut server, port) = Peer::listen(kind, ["--types"]).await;
    let connection = Connection::connect(format!("amqp://127.0.0.1:{port}")).await.expect("it connects");
    let sender = connection.sender("t").await.expect("the sender opens");
    let receiver = connection.receiver("t").await.expect("the receiver opens");
    for typed in Typed::all().iter().filter(|typed| typed.not_passed_by(kind).is_none()) {
        let outcome = sender.send(&typed.message).await.expect("the message is sent");
        assert_eq!(outcome, Outcome::Accepted, "{}", typed.name);
        let event = server.wait("received").await;
        typed.require(event.field("form"), kind, "the peer read");
        let delivery = receiver.recv().await.expect("the message comes back");
        let message = delivery.message().unwrap_or_else(|error| panic!("{}: {error}", typed.name));
        typed.require(&form_of_message(&message), kind, "came back as");
        delivery.accept().expect("it is not settled yet");
    }
    connection.close().await.expect("it closes");
    every_type(Row::our_client(kind.title(), "every type and section"), kind, |typed| {
        typed.not_read_by(kind)
    });
}
