//! Bad input to a listener: it goes on serving, and what it holds stays bounded.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::{on_loopback, url};
use deuteron::{Ack, Connection, Container, Context, Delivery, ListenOptions, Listener, MessagingHandler};

struct Takes;

impl MessagingHandler for Takes {
    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> Ack {
        Ack::Accept
    }
}

async fn listening(options: ListenOptions) -> Listener {
    Container::new().serve(options, || Takes).await.unwrap()
}

/// A message goes through.
async fn serves(listener: &Listener) {
    let connection = Connection::connect(url(listener)).await.unwrap();
    let sender = connection.sender("q").await.unwrap();
    assert!(sender.send("still there?").await.unwrap().is_accepted());
    connection.close().await.unwrap();
}

/// Writes bytes and reads until the listener has closed. Returns what it said.
async fn says(address: SocketAddr, bytes: Vec<u8>, end: bool) -> Vec<u8> {
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // The listener may close while we write.
        drop(stream.write_all(&bytes));
        if end {
            drop(stream.shutdown(std::net::Shutdown::Write));
        }
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        answer
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

const HEADER: &[u8] = b"AMQP\x00\x01\x00\x00";

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (8 + body.len() as u32).to_be_bytes().to_vec();
    frame.extend([2, 0, 0, 0]);
    frame.extend(body);
    frame
}

#[tokio::test]
async fn garbage_of_all_kinds() {
    let listener = listening(on_loopback()).await;
    let address = listener.local_addr();
    let open = framed(b"\x00\x53\x10\xc0\x04\x01\xa1\x01x");
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("text", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20)),
        ("the header for TLS", b"AMQP\x02\x01\x00\x00".to_vec()),
        ("another version", b"AMQP\x00\x00\x09\x01".to_vec()),
        ("zeros", vec![0; 100_000]),
        ("a frame too short", [HEADER, &[0, 0, 0, 4, 2, 0, 0, 0]].concat()),
        ("a frame too large", [HEADER, &[0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0]].concat()),
        (
            "a frame larger than agreed",
            [HEADER, &open, &[0, 2, 0, 0, 2, 0, 0, 0], &vec![0; 200_000]].concat(),
        ),
        ("an unknown performative", [HEADER, &framed(b"\x00\x53\xee\x45")].concat()),
        ("not a performative", [HEADER, &framed(b"\x71\x00\x00\x00\x00")].concat()),
        ("a list with a wrong length", [HEADER, &framed(b"\x00\x53\x10\xc0\xff\x01\xa1\x01x")].concat()),
        ("a begin before open", [HEADER, &framed(b"\x00\x53\x11\xc0\x05\x04\x40\x43\x43\x43")].concat()),
        ("two opens", [HEADER, &open, &open].concat()),
        (
            "deep nesting",
            [HEADER, &framed(&[&b"\x00\x53\x10"[..], &b"\xc0\xff\x01".repeat(2000)].concat())].concat(),
        ),
        (
            "an attach without a session",
            [HEADER, &open, &framed(b"\x00\x53\x12\xc0\x05\x03\xa1\x01x\x43\x41")].concat(),
        ),
    ];
    for (what, bytes) in bad {
        let answer = says(address, bytes, false).await;
        assert!(answer.is_empty() || answer.starts_with(b"AMQP"), "{what}: {answer:?}");
        serves(&listener).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_at_every_byte() {
    let listener = listening(on_loopback()).await;
    let mut whole = HEADER.to_vec();
    whole.extend(framed(b"\x00\x53\x10\xc0\x04\x01\xa1\x01x"));
    whole.extend(framed(b"\x00\x53\x11\xc0\x05\x04\x40\x43\x52\x01\x52\x01"));
    for length in 0..whole.len() {
        says(listener.local_addr(), whole[..length].to_vec(), true).await;
    }
    serves(&listener).await;
    while listener.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Memory that the process has in use, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn a_thousand_connects_that_say_nothing() {
    let limit = 200;
    let options = on_loopback().max_pending(limit).handshake_deadline(Some(Duration::from_secs(3600)));
    let listener = listening(options).await;
    serves(&listener).await;
    let before = resident();
    let address = listener.local_addr();
    let silent: Vec<_> = tokio::task::spawn_blocking(move || {
        (0..1000).map(|_| TcpStream::connect(address).unwrap()).collect()
    })
    .await
    .unwrap();
    serves(&listener).await;
    // Those that had waited longest were dropped; the last ones still wait.
    while listener.connections() > limit {
        tokio::task::yield_now().await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    let first = silent.into_iter().next().unwrap();
    let read = tokio::task::spawn_blocking(move || {
        first.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        (&first).read(&mut [0; 16])
    });
    assert!(matches!(read.await.unwrap(), Ok(0) | Err(_)));
    serves(&listener).await;
}

#[tokio::test]
async fn silence_ends_with_the_handshake_deadline() {
    let listener = listening(on_loopback().handshake_deadline(Some(Duration::from_millis(100)))).await;
    says(listener.local_addr(), Vec::new(), false).await;
    says(listener.local_addr(), HEADER.to_vec(), false).await;
    says(listener.local_addr(), b"AMQP\x03\x01\x00\x00".to_vec(), false).await;
    while listener.connections() > 0 {
        tokio::task::yield_now().await;
    }
    serves(&listener).await;
}
