//! Dialling on loopback. Names are resolved by a list that the test gives, so that no name server is needed.

use std::future::{pending, ready};
use std::net::Ipv4Addr;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

/// A port that nobody listens on, and the socket that keeps everybody else from it.
fn dead() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Dials a name with these addresses.
async fn dial_to(
    text: &str,
    options: &DialOptions,
    addresses: &[SocketAddr],
) -> Result<(Stream, PeerInfo), DialError> {
    let addresses = addresses.to_vec();
    dial_through(&url(text), options, |_, _| ready(Ok(addresses)), connect).await
}

/// A connector for tests of what happens before it is needed.
async fn unused(_: SocketAddr) -> io::Result<TcpStream> {
    panic!("nothing should be connected to")
}

#[tokio::test]
async fn plain_tcp() {
    let (listener, address) = listener().await;
    let url = url(&format!("amqp://{address}"));
    let options = DialOptions::default();
    let (dialled, accepted) = tokio::join!(dial(&url, &options), listener.accept());
    let (mut stream, peer) = dialled.unwrap();
    let (mut accepted, from) = accepted.unwrap();
    assert_eq!((peer.remote, peer.local), (address, from));
    assert!(!peer.encrypted() && peer.external_identity.is_none());
    assert!(matches!(&stream, Stream::Tcp(tcp) if tcp.nodelay().unwrap()));
    assert!(tokio::io::AsyncWrite::is_write_vectored(&stream));
    stream.write_all(b"AMQP").await.unwrap();
    let mut received = [0; 4];
    accepted.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"AMQP");
    drop(accepted);
    assert_eq!(stream.read(&mut received).await.unwrap(), 0);
}

#[tokio::test]
async fn dead_addresses_are_passed_over() {
    let (_listener, address) = listener().await;
    let ((_one, one), (_other, other)) = (dead(), dead());
    let (_, peer) = dial_to("amqp://broker", &DialOptions::default(), &[one, other, address]).await.unwrap();
    assert_eq!(peer.remote, address);
}

#[tokio::test]
async fn all_addresses_are_in_the_error() {
    let ((_one, one), (_other, other)) = (dead(), dead());
    let error = dial_to("amqp://broker", &DialOptions::default(), &[one, other]).await.unwrap_err();
    assert_eq!(error.phase(), DialPhase::Connect);
    assert!(error.is_retryable());
    let tried: Vec<_> = error.attempts.iter().map(|attempt| attempt.address).collect();
    assert_eq!(tried, [one, other]);
    let text = error.to_string();
    for part in
        ["TCP connect to broker:5672", &one.to_string(), &other.to_string(), "refused", "nothing listens"]
    {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn port_zero_is_refused_before_anything_is_sent() {
    let error = dial_through(&url("amqp://h:0"), &DialOptions::default(), |_, _| pending(), unused)
        .await
        .unwrap_err();
    assert_eq!(error.phase(), DialPhase::Settings);
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("port 0"), "{error}");
}

#[tokio::test]
async fn names_that_cannot_be_resolved_are_retryable() {
    let fails = |_, _| ready(Err(io::Error::other("no such host")));
    let error =
        dial_through(&url("amqp://nowhere"), &DialOptions::default(), fails, unused).await.unwrap_err();
    assert_eq!(error.phase(), DialPhase::Resolve);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("name look-up to nowhere:5672 failed: no such host"), "{error}");
    let error = dial_to("amqp://nowhere", &DialOptions::default(), &[]).await.unwrap_err();
    assert!(error.to_string().contains("no address"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn each_phase_has_its_limit_and_the_error_names_it() {
    let second = Duration::from_secs(1);
    let options = DialOptions { resolve_limit: Some(second), ..DialOptions::default() };
    let error = dial_through(&url("amqp://h"), &options, |_, _| pending(), unused).await.unwrap_err();
    assert_eq!(error.phase(), DialPhase::Resolve);
    assert_eq!(error.expired(), Some(Expired { total: false, limit: second }));
    assert!(error.to_string().contains("no answer within the limit of 1s for the name look-up"), "{error}");

    let options = DialOptions { connect_limit: Some(second), ..DialOptions::default() };
    let addresses = vec![SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], 1))];
    let error = dial_through(&url("amqp://h"), &options, |_, _| ready(Ok(addresses.clone())), |_| pending())
        .await
        .unwrap_err();
    assert_eq!(error.phase(), DialPhase::Connect);
    assert_eq!(error.attempts.len(), 2);
    let text = error.to_string();
    assert!(text.contains("limit of 1s for the TCP connect"), "{text}");
    assert!(text.contains("192.0.2.1:1: no answer; 192.0.2.2:1: no answer"), "{text}");

    let options = DialOptions { total_limit: Some(second * 5), connect_limit: Some(second * 9), ..options };
    let error = dial_through(&url("amqp://h"), &options, |_, _| ready(Ok(addresses)), |_| pending())
        .await
        .unwrap_err();
    assert_eq!(error.expired(), Some(Expired { total: true, limit: second * 5 }));
    assert!(error.is_retryable());
    assert!(error.to_string().contains("limit of 5s for the whole attempt to connect"), "{error}");
}

#[tokio::test]
async fn zone_ids_reach_the_resolver_of_the_system() {
    // Interface 1 is the loopback one; that it has no such address is found out only when connecting.
    let error = dial(&url("amqp://[fe80::1%1]:9"), &DialOptions::default()).await.unwrap_err();
    assert_ne!(error.phase(), DialPhase::Settings);
    let error = dial(&url("amqp://[fe80::1%nosuchinterface]:9"), &DialOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("[fe80::1%nosuchinterface]:9"), "{error}");
}

#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn amqps_without_the_feature_says_so() {
    let error = dial(&url("amqps://127.0.0.1"), &DialOptions::default()).await.unwrap_err();
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("feature \"tls\""), "{error}");
}

#[cfg(feature = "tls")]
mod over_tls {
    use super::*;
    use crate::io::{Bound, listen};
    use crate::tls::test_certificates::{Authority, Pem};
    use crate::tls::{TlsServerConfig, failure};

    struct Server {
        bound: Bound,
        address: SocketAddr,
    }

    /// A server on loopback with this certificate.
    fn server(pem: &Pem) -> Server {
        serving(TlsServerConfig::pem(&pem.certificate, &pem.key))
    }

    fn serving(tls: TlsServerConfig) -> Server {
        let bound = listen(&url("amqps://127.0.0.1:0"), Some(&tls)).unwrap();
        let address = bound.local_addrs()[0];
        Server { bound, address }
    }

    fn trusting(authority: &Authority) -> TlsConfig {
        TlsConfig::new().ca_pem(authority.pem())
    }

    fn with(tls: TlsConfig) -> DialOptions {
        DialOptions { tls: Some(tls), ..DialOptions::default() }
    }

    /// One connection, seen from both sides; the server sends and the client reads one byte.
    async fn meet(
        server: &mut Server,
        host: &str,
        options: &DialOptions,
    ) -> (Result<(Stream, PeerInfo), DialError>, Result<PeerInfo, String>) {
        let addresses = [server.address];
        let text = format!("amqps://{host}:{}", server.address.port());
        let client = dial_to(&text, options, &addresses);
        let accepting = async {
            let (mut stream, peer) =
                server.bound.accept().await.establish(None).await.map_err(|error| error.to_string())?;
            stream.write_all(b"x").await.map_err(|error| error.to_string())?;
            stream.flush().await.map_err(|error| error.to_string())?;
            Ok(peer)
        };
        tokio::join!(client, accepting)
    }

    /// The client's error, and that it does not heal.
    async fn refused(server: &mut Server, host: &str, options: &DialOptions) -> String {
        let error = meet(server, host, options).await.0.unwrap_err();
        assert_eq!(error.phase(), DialPhase::Tls, "{error}");
        assert!(!error.is_retryable(), "{error}");
        assert!(error.to_string().contains(&format!("TLS handshake to {host}:")), "{error}");
        error.to_string()
    }

    #[tokio::test]
    async fn by_name_and_by_address() {
        let authority = Authority::new("ca");
        let mut server = server(&authority.server(&["localhost", "127.0.0.1"]));
        for host in ["localhost", "127.0.0.1"] {
            let (client, accepted) = meet(&mut server, host, &with(trusting(&authority))).await;
            let (mut stream, peer) = client.unwrap();
            let accepted = accepted.unwrap();
            assert!(peer.encrypted() && accepted.encrypted());
            assert_eq!(peer.tls, accepted.tls);
            assert_eq!(peer.tls.unwrap().version, "TLSv1_3");
            assert_eq!(accepted.external_identity, None);
            assert!(tokio::io::AsyncWrite::is_write_vectored(&stream));
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            // The server was dropped without TLS's closing alert: an end of file all the same.
            assert_eq!(stream.read(&mut byte).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn certificate_for_another_name() {
        let authority = Authority::new("ca");
        let mut server = server(&authority.server(&["other.example"]));
        let text = refused(&mut server, "localhost", &with(trusting(&authority))).await;
        assert!(text.contains("is not for localhost") && text.contains("other.example"), "{text}");
        let skipping = trusting(&authority).danger_skip_name_check();
        meet(&mut server, "localhost", &with(skipping)).await.0.unwrap();
        let named = trusting(&authority).server_name("other.example");
        meet(&mut server, "localhost", &with(named)).await.0.unwrap();
        let options = DialOptions { server_name: Some("other.example".into()), ..with(trusting(&authority)) };
        meet(&mut server, "localhost", &options).await.0.unwrap();
    }

    #[tokio::test]
    async fn certificate_of_an_unknown_authority() {
        let mut server = server(&Authority::new("ca").server(&["localhost"]));
        let stranger = Authority::new("stranger");
        for tls in [trusting(&stranger), trusting(&stranger).danger_skip_name_check()] {
            let text = refused(&mut server, "localhost", &with(tls)).await;
            assert!(text.contains("not signed by an authority that is trusted here"), "{text}");
        }
        let tls = trusting(&stranger).danger_accept_any_certificate();
        meet(&mut server, "localhost", &with(tls)).await.0.unwrap();
    }

    #[tokio::test]
    async fn expired_certificate() {
        let authority = Authority::new("ca");
        let mut server = server(&authority.expired("localhost"));
        for tls in [trusting(&authority), trusting(&authority).danger_skip_name_check()] {
            let text = refused(&mut server, "localhost", &with(tls)).await;
            assert!(text.contains("has expired"), "{text}");
        }
    }

    #[tokio::test]
    async fn client_certificate_is_the_external_identity() {
        let authority = Authority::new("ca");
        let Pem { certificate, key } = authority.server(&["localhost"]);
        let mut server = serving(TlsServerConfig::pem(certificate, key).client_ca_pem(authority.pem()));
        let alice = authority.client("alice");
        let tls = trusting(&authority).client_certificate_pem(alice.certificate, alice.key);
        let (client, accepted) = meet(&mut server, "localhost", &with(tls)).await;
        let name = Some("CN=alice,O=Example".to_owned());
        assert_eq!(client.unwrap().1.external_identity, name);
        assert_eq!(accepted.unwrap().external_identity, name);
    }

    #[tokio::test]
    async fn required_client_certificate_missing_or_strange() {
        let authority = Authority::new("ca");
        let Pem { certificate, key } = authority.server(&["localhost"]);
        let mut server = serving(TlsServerConfig::pem(certificate, key).client_ca_pem(authority.pem()));
        let mallory = Authority::new("stranger").client("mallory");
        let strange = trusting(&authority).client_certificate_pem(mallory.certificate, mallory.key);
        for (tls, servers_view, clients_view) in [
            (
                trusting(&authority),
                "the client showed no certificate",
                "requires a client certificate and got none",
            ),
            (strange, "not signed by an authority that is trusted here", "refused our certificate"),
        ] {
            let (addresses, options) = ([server.address], with(tls));
            let client = async {
                let (mut stream, _) = dial_to("amqps://localhost", &options, &addresses).await.unwrap();
                // With TLS 1.3 the client is told by its first read, whatever it wrote before.
                stream.write_all(b"AMQP\x03\x01\x00\x00").await.unwrap();
                stream.flush().await.unwrap();
                stream.read(&mut [0]).await.unwrap_err()
            };
            let incoming = async { server.bound.accept().await.establish(None).await };
            let (error, accepted) = tokio::join!(client, incoming);
            let text = accepted.unwrap_err().to_string();
            assert!(text.contains(servers_view), "{text}");
            let failure = failure(&error).unwrap();
            assert!(failure.problem.contains(clients_view), "{failure:?}");
            assert!(!failure.heals);
        }
    }

    #[tokio::test]
    async fn optional_client_certificate() {
        let authority = Authority::new("ca");
        let Pem { certificate, key } = authority.server(&["localhost"]);
        let settings = TlsServerConfig::pem(certificate, key).client_ca_pem(authority.pem());
        let mut server = serving(settings.client_certificate_optional());
        let (_, accepted) = meet(&mut server, "localhost", &with(trusting(&authority))).await;
        assert_eq!(accepted.unwrap().external_identity, None);
        let alice = authority.client("alice");
        let tls = trusting(&authority).client_certificate_pem(alice.certificate, alice.key);
        let (_, accepted) = meet(&mut server, "localhost", &with(tls)).await;
        assert_eq!(accepted.unwrap().external_identity.as_deref(), Some("CN=alice,O=Example"));
    }

    #[tokio::test]
    async fn configurations_of_rustls_are_taken_as_they_are() {
        let authority = Authority::new("ca");
        let pem = authority.server(&["localhost"]);
        let theirs = TlsServerConfig::pem(pem.certificate, pem.key).build().unwrap();
        let mut server = serving(TlsServerConfig::from_rustls(theirs));
        let ours = trusting(&authority).build().unwrap().rustls;
        let (client, _) = meet(&mut server, "localhost", &with(TlsConfig::from_rustls(ours))).await;
        assert!(client.unwrap().1.encrypted());
    }

    #[tokio::test]
    async fn a_server_without_tls() {
        let (listener, address) = listener().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 8];
            stream.read_exact(&mut hello).await.unwrap();
            stream.write_all(b"AMQP\x00\x01\x00\x00").await.unwrap();
            stream
        };
        let text = format!("amqps://{address}");
        let options = with(TlsConfig::new().danger_accept_any_certificate());
        let addresses = [address];
        let (dialled, _stream) = tokio::join!(dial_to(&text, &options, &addresses), server);
        let error = dialled.unwrap_err();
        assert_eq!(error.phase(), DialPhase::Tls);
        assert!(error.to_string().contains("the peer does not speak TLS on this port"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_hangs_up_on_tls() {
        let (listener, address) = listener().await;
        let server = async { drop(listener.accept().await.unwrap()) };
        let options = with(TlsConfig::new().danger_accept_any_certificate());
        let text = format!("amqps://{address}");
        let addresses = [address];
        let (dialled, ()) = tokio::join!(dial_to(&text, &options, &addresses), server);
        let error = dialled.unwrap_err();
        assert!(error.is_retryable());
        assert!(error.to_string().contains("closed the connection during the handshake"), "{error}");
    }

    #[tokio::test]
    async fn addresses_whose_handshake_fails_are_passed_over() {
        let authority = Authority::new("ca");
        let mut bad = server(&Authority::new("stranger").server(&["localhost"]));
        let mut good = server(&authority.server(&["localhost"]));
        let (_dead, dead) = dead();
        let addresses = [dead, bad.address, good.address];
        let options = with(trusting(&authority));
        let (dialled, refused, accepted) = tokio::join!(
            dial_to("amqps://localhost", &options, &addresses),
            async { bad.bound.accept().await.establish(None).await },
            async { good.bound.accept().await.establish(None).await },
        );
        assert_eq!(dialled.unwrap().1.remote, good.address);
        refused.unwrap_err();
        accepted.unwrap();
    }

    #[tokio::test]
    async fn a_bad_certificate_is_the_error_that_counts() {
        let authority = Authority::new("ca");
        let mut bad = server(&Authority::new("stranger").server(&["localhost"]));
        let options = with(trusting(&authority));
        let (_dead, dead) = dead();
        let addresses = [bad.address, dead];
        let (dialled, _) = tokio::join!(dial_to("amqps://localhost", &options, &addresses), async {
            bad.bound.accept().await.establish(None).await
        });
        let error = dialled.unwrap_err();
        assert_eq!(error.phase(), DialPhase::Tls);
        assert!(!error.is_retryable());
        assert_eq!(error.attempts.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_up() {
        let (_listener, address) = listener().await;
        let settings = TlsConfig::new().danger_accept_any_certificate();
        settings.check().unwrap();
        let options = DialOptions { tls_limit: Some(Duration::from_secs(7)), ..with(settings) };
        let error = dial_to("amqps://localhost", &options, &[address]).await.unwrap_err();
        assert_eq!(error.phase(), DialPhase::Tls);
        assert!(error.is_retryable());
        assert!(
            error.to_string().contains("no answer within the limit of 7s for the TLS handshake"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn settings_that_cannot_be_used() {
        let options = with(TlsConfig::new().ca_file("/nowhere/ca.pem"));
        let error = dial_through(&url("amqps://h"), &options, |_, _| pending(), unused).await.unwrap_err();
        assert_eq!(error.phase(), DialPhase::Settings);
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
        let options = DialOptions { server_name: Some("-".into()), ..DialOptions::default() };
        let error = dial_through(&url("amqps://h"), &options, |_, _| pending(), unused).await.unwrap_err();
        assert!(error.to_string().contains("\"-\" is not a name"), "{error}");
    }
}
