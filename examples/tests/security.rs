//! The programs for TLS and SASL.

mod support;

use support::{Certificates, program};

const ANY_PORT: &str = "amqp://127.0.0.1:0";

#[test]
fn tls_trusts_the_authority_that_it_is_given() {
    let certificates = Certificates::new();
    let [authority, certificate, key] =
        ["ca.pem", "localhost.pem", "localhost.key"].map(|name| certificates.file(name));
    for client in [env!("CARGO_BIN_EXE_tls"), env!("CARGO_BIN_EXE_tls_async")] {
        let mut server = program!("tls_listen", "amqps://localhost:0", certificate, key);
        let url = format!("amqps://localhost:{}", port(&server.line_after("listening on ")));
        let lines = support::Program::start(client, &[&url, &authority]).succeed();
        assert!(lines[0].starts_with(&format!("connected to {url}")), "{lines:?}");
        assert_eq!(server.succeed()[1..], ["opened by somebody"]);
    }
}

#[test]
fn tls_refuses_a_server_that_nobody_known_has_signed() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let [certificate, key] = ["localhost.pem", "localhost.key"].map(|name| certificates.file(name));
    let mut server = program!("tls_listen", "amqps://localhost:0", certificate, key);
    let url = format!("amqps://localhost:{}", port(&server.line_after("listening on ")));
    for client in [env!("CARGO_BIN_EXE_tls"), env!("CARGO_BIN_EXE_tls_async")] {
        let finished = support::Program::start(client, &[&url, &others.file("ca.pem")]).fail();
        assert!(
            finished.errors.contains("TLS") && finished.errors.contains("certificate"),
            "{}",
            finished.errors
        );
        server.line_after("not opened: ");
    }
}

#[test]
fn tls_shows_a_client_certificate_and_that_is_who_the_client_is() {
    let certificates = Certificates::new();
    let [authority, certificate, key] =
        ["ca.pem", "localhost.pem", "localhost.key"].map(|name| certificates.file(name));
    let [own, own_key] = ["alice.pem", "alice.key"].map(|name| certificates.file(name));
    let mut server = program!("tls_listen", "amqps://localhost:0", certificate, key, authority);
    let url = format!("amqps://localhost:{}", port(&server.line_after("listening on ")));
    let without = program!("tls_async", url, authority).fail();
    assert!(!without.errors.is_empty());
    server.line_after("not opened: ");
    let lines = program!("tls_async", url, authority, own, own_key).succeed();
    assert_eq!(lines, [format!("connected to {url} with EXTERNAL")]);
    let lines = server.succeed();
    assert!(
        lines.last().is_some_and(|line| line.starts_with("opened by ") && line.contains("alice")),
        "{lines:?}"
    );
}

#[test]
fn sasl_password_is_taken_from_who_knows_it() {
    for client in [env!("CARGO_BIN_EXE_sasl_password"), env!("CARGO_BIN_EXE_sasl_password_async")] {
        let mut server = program!("sasl_listen", ANY_PORT);
        let url = server.url();
        let user = "alice".to_owned();
        let wrong = support::Program::start(client, &[&url, &user, &"looking-glass".into()]).fail();
        assert!(wrong.lines.iter().any(|line| line.starts_with("refused: authentication: ")), "{wrong:?}");
        assert!(!format!("{wrong:?}").contains("looking-glass"), "{wrong:?}");
        server.line_after("not opened: ");
        let lines = support::Program::start(client, &[&url, &user, &"wonderland".into()]).succeed();
        assert_eq!(lines, ["authenticated by SCRAM-SHA-512"]);
        assert_eq!(server.succeed().last().unwrap(), "opened by alice");
    }
}

/// The port of an address as it is printed.
fn port(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}
