//! Logging in, and TLS.

use super::{pass, put, receiver, sender, take};
use crate::Certificates;
use crate::server::{PASSWORD, Server, USER};
use deuteron::{ConnectOptions, Connection, Error, TlsConfig};

/// Sends and receives one message, so that it is known that the login is good for something.
async fn use_it(server: &impl Server, connection: Connection, name: &str) {
    let node = server.queue(name).await;
    put(&sender(&connection, &node).await, ["text"]).await;
    assert_eq!(take(&receiver(&connection, &node).await, 1).await, ["text"]);
    connection.close().await.expect("it closes");
}

/// Nobody in particular.
pub async fn anonymous(server: &impl Server) {
    let options = ConnectOptions::new(server.url()).allowed_mechanisms(["ANONYMOUS"]);
    let connection = Connection::connect(options).await.expect("it connects");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some("ANONYMOUS"));
    use_it(server, connection, "security.anonymous").await;
    pass(server, "SASL ANONYMOUS");
}

/// A user and a password by one mechanism; a wrong password is refused, and not tried again.
pub async fn password(server: &impl Server, mechanism: &str) {
    let options = ConnectOptions::new(server.url())
        .user(USER)
        .password(PASSWORD)
        .allowed_mechanisms([mechanism])
        .allow_insecure_mechanisms(mechanism == "PLAIN");
    let connection = Connection::connect(options.clone()).await.expect("it logs in");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some(mechanism));
    use_it(server, connection, &format!("security.{mechanism}")).await;
    let error =
        Connection::connect(options.password("another one")).await.expect_err("the password is wrong");
    is_a_refusal(&error);
    pass(server, &format!("SASL {mechanism}, wrong password refused"));
}

/// The error says what the matter is, without the password, and that trying again is no use.
fn is_a_refusal(error: &Error) {
    assert!(!error.is_retryable(), "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("refused the credentials"), "{text}");
    assert!(!text.contains("another one") && !text.contains(PASSWORD), "{text}");
}

/// Of several mechanisms the strongest is taken.
pub async fn strongest_mechanism(server: &impl Server, strongest: &str) {
    let options = ConnectOptions::new(server.url()).user(USER).password(PASSWORD);
    let connection = Connection::connect(options).await.expect("it logs in");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some(strongest));
    connection.close().await.expect("it closes");
    pass(server, "strongest mechanism taken");
}

/// A certificate that our authority signed for the name that we call; a password is safe then. Nothing else will do.
pub async fn tls(server: &impl Server) {
    let tls = TlsConfig::new().ca_file(server.certificates().authority());
    let options = ConnectOptions::new(server.tls_url()).tls(tls).user(USER).password(PASSWORD);
    let connection =
        Connection::connect(options.clone().allowed_mechanisms(["PLAIN"])).await.expect("it logs in");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some("PLAIN"));
    use_it(server, connection, "security.tls").await;
    pass(server, "TLS");
    let error = Connection::connect(options.clone().password("another one")).await.expect_err("it is wrong");
    is_a_refusal(&error);
    pass(server, "TLS and a user, wrong password refused");

    let strangers = Certificates::new();
    let stranger = options.clone().tls(TlsConfig::new().ca_file(strangers.authority()));
    let error = Connection::connect(stranger).await.expect_err("another authority signed the certificate");
    assert!(!error.is_retryable() && !error.is_remote(), "{error}");
    let nobody = Connection::connect(options.tls(TlsConfig::new())).await;
    let error = nobody.expect_err("the system does not know the authority");
    assert!(!error.is_retryable() && !error.is_remote(), "{error}");
    pass(server, "TLS, stranger's certificate refused");
}

/// A client certificate is the login; without it the server does not let us in.
pub async fn client_certificate(server: &impl Server) {
    let tls = TlsConfig::new().ca_file(server.certificates().authority());
    let (chain, key) = server.certificates().client();
    let options =
        ConnectOptions::new(server.certificate_url()).tls(tls.clone().client_certificate_files(chain, key));
    let connection = Connection::connect(options.clone()).await.expect("it logs in");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some("EXTERNAL"));
    use_it(server, connection, "security.certificate").await;
    let error =
        Connection::connect(options.tls(tls).reconnect(false)).await.expect_err("a certificate is asked for");
    assert!(error.to_string().contains("certificate") || !error.is_retryable(), "{error}");
    pass(server, "client certificate, SASL EXTERNAL");
}
