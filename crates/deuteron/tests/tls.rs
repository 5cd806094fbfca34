//! AMQP over TLS, from certificate to message.
#![cfg(feature = "tls")]

use deuteron::{
    ConnectOptions, Connection, Container, Link, ListenOptions, Listener, Scope, TlsConfig, TlsServerConfig,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for this host and person, and its key.
    fn certificate(&self, host: &str, person: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, person);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn server(&self) -> TlsServerConfig {
        let (chain, key) = self.certificate("127.0.0.1", "server");
        TlsServerConfig::pem(chain, key)
    }

    fn client(&self) -> TlsConfig {
        TlsConfig::new().ca_pem(self.0.pem())
    }
}

fn url(listener: &Listener) -> String {
    format!("amqps://127.0.0.1:{}", listener.port())
}

fn listening(tls: TlsServerConfig) -> ListenOptions {
    ListenOptions::new("amqps://127.0.0.1:0").tls(tls)
}

#[tokio::test]
async fn a_large_message_crosses() {
    let authority = Authority::new();
    let listener = Container::new().listen(listening(authority.server())).await.unwrap();
    let options = ConnectOptions::new(url(&listener)).tls(authority.client());
    let server = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap();
        let Link::Receiver(receiver) = connection.accept_link().await.unwrap() else {
            panic!("expected a receiver")
        };
        receiver.accept();
        let delivery = receiver.recv().await.unwrap();
        let message = delivery.message().unwrap();
        delivery.accept().unwrap();
        connection.closed().await.unwrap();
        message
    });
    let connection = Connection::connect(options).await.unwrap();
    let text = "all of it ".repeat(100_000);
    let outcome = connection.sender("q").await.unwrap().send(text.as_str()).await.unwrap();
    assert!(outcome.is_accepted());
    connection.close().await.unwrap();
    assert_eq!(server.await.unwrap().body_text(), Some(text.as_str()));
}

#[tokio::test]
async fn a_client_certificate_authenticates_by_external() {
    let authority = Authority::new();
    let tls = authority.server().client_ca_pem(authority.0.pem());
    let listener = Container::new().listen(listening(tls).sasl(["EXTERNAL"], None)).await.unwrap();
    let (chain, key) = authority.certificate("127.0.0.1", "alice");
    let tls = authority.client().client_certificate_pem(chain, key);
    let options = ConnectOptions::new(url(&listener)).tls(tls);
    let (client, server) = tokio::join!(Connection::connect(options), listener.accept());
    assert_eq!(server.unwrap().authenticated_identity().as_deref(), Some("CN=alice"));
    client.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_missing_client_certificate_is_the_error_and_ends_the_attempts() {
    let authority = Authority::new();
    let tls = authority.server().client_ca_pem(authority.0.pem());
    let listener = Container::new().listen(listening(tls)).await.unwrap();
    let options = ConnectOptions::new(url(&listener)).tls(authority.client());
    let error = Connection::connect(options).await.unwrap_err();
    assert_eq!(error.scope(), Scope::Tls, "{error}");
    assert!(error.to_string().contains("requires a client certificate"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_the_error_and_ends_the_attempts() {
    let listener = Container::new().listen(listening(Authority::new().server())).await.unwrap();
    let options = ConnectOptions::new(url(&listener)).tls(Authority::new().client());
    let error = Connection::connect(options).await.unwrap_err();
    assert_eq!(error.scope(), Scope::Tls, "{error}");
    assert!(error.to_string().contains("not signed by an authority that is trusted here"), "{error}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let tls = TlsServerConfig::files("/nowhere/server.pem", "/nowhere/server.key");
    let error = Container::new().listen(listening(tls)).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/server.pem"), "{error}");
    let options = ConnectOptions::new("amqps://127.0.0.1:1").tls(TlsConfig::new().ca_file("/nowhere/ca.pem"));
    let error = Connection::connect(options).await.unwrap_err();
    assert_eq!(error.scope(), Scope::Config, "{error}");
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}
