use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::AsyncReadExt;

use super::*;
use crate::io::Stream;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn port_of(bound: &Bound) -> u16 {
    bound.local_addrs()[0].port()
}

/// Whether this machine has IPv6 at all; containers often have not.
fn has_ipv6() -> bool {
    std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[tokio::test]
async fn port_zero_gives_a_real_port_and_connections_arrive() {
    let mut bound = listen(&url("amqp://127.0.0.1:0"), None).unwrap();
    let address = bound.local_addrs()[0];
    assert_ne!(address.port(), 0);
    let (client, incoming) = tokio::join!(TcpStream::connect(address), bound.accept());
    let client = client.unwrap();
    assert_eq!(incoming.remote(), client.local_addr().unwrap());
    let (stream, peer) = incoming.establish(None).await.unwrap();
    assert!(matches!(stream, Stream::Tcp(tcp) if tcp.nodelay().unwrap()));
    assert_eq!((peer.local, peer.encrypted()), (address, false));
}

#[tokio::test]
async fn address_in_use_is_named() {
    let bound = listen(&url("amqp://127.0.0.1:0"), None).unwrap();
    let taken = format!("127.0.0.1:{}", port_of(&bound));
    let error = listen(&url(&format!("amqp://{taken}")), None).unwrap_err();
    assert!(
        error.to_string().contains(&format!("cannot listen on {taken}: the address is in use")),
        "{error}"
    );
}

#[tokio::test]
async fn address_of_another_machine() {
    let error = listen(&url("amqp://192.0.2.1:0"), None).unwrap_err();
    assert!(error.to_string().contains("this machine does not have the address"), "{error}");
}

#[tokio::test]
async fn name_that_cannot_be_resolved() {
    let error = listen(&url("amqp://host.invalid"), None).unwrap_err();
    assert!(error.to_string().contains("cannot listen on host.invalid:5672"), "{error}");
}

#[tokio::test]
async fn names_bind_all_their_addresses_on_one_port() {
    let mut bound = listen(&url("amqp://localhost:0"), None).unwrap();
    let addresses = bound.local_addrs();
    assert!(addresses.iter().all(|address| address.port() == port_of(&bound)), "{addresses:?}");
    for address in addresses {
        let (client, incoming) = tokio::join!(TcpStream::connect(address), bound.accept());
        assert_eq!(client.unwrap().local_addr().unwrap(), incoming.remote());
    }
}

#[tokio::test]
async fn all_interfaces_of_each_family_with_the_same_port() {
    let mut v4 = listen(&url("amqp://0.0.0.0:0"), None).unwrap();
    let port = port_of(&v4);
    let (client, _) = tokio::join!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)), v4.accept());
    client.unwrap();
    if !has_ipv6() {
        return;
    }
    for host in ["[::]", "[::0]"] {
        let mut v6 = listen(&url(&format!("amqp://{host}:0")), None).unwrap();
        let port = port_of(&v6);
        let (client, _) = tokio::join!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)), v6.accept());
        client.unwrap();
    }
}

#[tokio::test]
async fn ipv6_leaves_ipv4_alone() {
    if !has_ipv6() {
        return;
    }
    // More than one try, as somebody else may have the port of the other family.
    let both = (0..50).any(|_| {
        let v6 = listen(&url("amqp://[::]:0"), None).unwrap();
        listen(&url(&format!("amqp://0.0.0.0:{}", port_of(&v6))), None).is_ok()
    });
    assert!(both);
}

#[tokio::test]
async fn closing_the_listener_keeps_what_it_accepted() {
    let mut bound = listen(&url("amqp://127.0.0.1:0"), None).unwrap();
    let address = bound.local_addrs()[0];
    let (client, incoming) = tokio::join!(TcpStream::connect(address), bound.accept());
    drop(bound);
    let (mut stream, _) = incoming.establish(None).await.unwrap();
    client.unwrap().try_write(b"x").unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
}

#[test]
fn pauses_grow_to_a_second_and_start_afresh() {
    let mut pause = Pause::default();
    // EMFILE, "too many open files", has no kind of its own.
    let exhausted = io::Error::from_raw_os_error(24);
    let pauses: Vec<_> = (0..10).map(|_| pause.after(&exhausted).unwrap().as_millis()).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    assert_eq!(pause.after(&io::ErrorKind::ConnectionAborted.into()), None);
    pause.reset();
    assert_eq!(pause.after(&exhausted), Some(Pause::FIRST));
}

/// Runs itself again in a process that may open few files, as the limit is for a process and not for a test.
#[cfg(unix)]
#[test]
fn accepting_survives_running_out_of_files() {
    const LIMITED: &str = "DEUTERON_TEST_WITH_FEW_FILES";
    if std::env::var_os(LIMITED).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        return runtime.unwrap().block_on(run_out_of_files());
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let child = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 50 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(LIMITED, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

#[cfg(unix)]
async fn run_out_of_files() {
    let mut bound = listen(&url("amqp://127.0.0.1:0"), None).unwrap();
    let client = std::net::TcpStream::connect(bound.local_addrs()[0]).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
        assert!(files.len() < 50, "there is no limit");
    }
    let mut accepting = std::pin::pin!(bound.accept());
    tokio::time::timeout(Duration::from_secs(3600), &mut accepting).await.unwrap_err();
    drop(files);
    assert_eq!(accepting.await.remote(), client.local_addr().unwrap());
}

#[tokio::test]
async fn amqps_needs_a_certificate() {
    let error = listen(&url("amqps://127.0.0.1:0"), None).unwrap_err();
    assert!(error.to_string().contains("amqps needs a certificate"), "{error}");
    let missing = TlsServerConfig::files("/nowhere/server.pem", "/nowhere/server.key");
    let error = listen(&url("amqps://127.0.0.1:0"), Some(&missing)).unwrap_err();
    let expected = if cfg!(feature = "tls") { "/nowhere/server.pem" } else { "feature \"tls\"" };
    assert!(error.to_string().contains(expected), "{error}");
}

#[cfg(feature = "tls")]
mod over_tls {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::tls::test_certificates::Authority;

    fn server() -> Bound {
        let pem = Authority::new("ca").server(&["localhost"]);
        let tls = TlsServerConfig::pem(pem.certificate, pem.key);
        listen(&url("amqps://127.0.0.1:0"), Some(&tls)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_holds_up_nobody_and_is_given_up() {
        let mut bound = server();
        let address = bound.local_addrs()[0];
        let _silent = TcpStream::connect(address).await.unwrap();
        let waiting = bound.accept().await;
        let second = TcpStream::connect(address).await.unwrap();
        assert_eq!(bound.accept().await.remote(), second.local_addr().unwrap());
        let error = waiting.establish(Some(Duration::from_secs(10))).await.unwrap_err();
        assert_eq!(error.expired(), Some(Duration::from_secs(10)));
        assert!(error.to_string().contains("no TLS handshake within 10s"), "{error}");
    }

    #[tokio::test]
    async fn a_client_without_tls() {
        let mut bound = server();
        let mut client = TcpStream::connect(bound.local_addrs()[0]).await.unwrap();
        let from = client.local_addr().unwrap();
        let talk = async move {
            client.write_all(b"AMQP\x00\x01\x00\x00").await.unwrap();
            let mut alert = Vec::new();
            client.read_to_end(&mut alert).await.unwrap();
            alert
        };
        let (alert, accepted) = tokio::join!(talk, async { bound.accept().await.establish(None).await });
        // RFC 8446 section 5.1: content type 21 is an alert.
        assert_eq!(alert.first(), Some(&21));
        let error = accepted.unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("connection from {from}: the TLS handshake failed")),
            "{error}"
        );
        assert!(error.to_string().contains("does not speak TLS"), "{error}");
    }
}
