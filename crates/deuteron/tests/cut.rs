//! A wire that is cut again and again while messages cross: with replay nothing is lost, and every
//! outcome is either known or an error.

mod common;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::on_loopback;
use deuteron::{
    Ack, ConnectOptions, Connection, Container, Context, Delays, Delivery, Fate, MessagingHandler, Recovery,
    SenderOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Counts how often each message came.
#[derive(Clone, Default)]
struct Counts(Arc<std::sync::Mutex<HashMap<String, usize>>>);

impl MessagingHandler for Counts {
    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let text = delivery.message().unwrap().body_text().unwrap().to_owned();
        *self.0.lock().unwrap().entry(text).or_default() += 1;
        Ack::Accept
    }
}

/// Passes bytes on, and cuts each connection after so many in both directions together.
async fn cutting_proxy(
    to: SocketAddr,
    cuts: impl Iterator<Item = usize> + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        let mut cuts = cuts;
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(to).await.unwrap();
            let limit = cuts.next();
            if limit.is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            tokio::spawn(pass(client, server, limit.unwrap_or(usize::MAX)));
        }
    });
    (address, count)
}

async fn pass(client: TcpStream, server: TcpStream, limit: usize) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut client_in, mut client_out) = client.into_split();
    let (mut server_in, mut server_out) = server.into_split();
    let left = AtomicUsize::new(limit);
    let there = copy(&mut client_in, &mut server_out, &left);
    let back = copy(&mut server_in, &mut client_out, &left);
    tokio::select! { () = there => {}, () = back => {} }
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    left: &AtomicUsize,
) {
    let mut buffer = [0; 1000];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let allowed = left.load(Ordering::SeqCst).min(count);
        if to.write_all(&buffer[..allowed]).await.is_err() || allowed < count {
            return;
        }
        left.fetch_sub(allowed, Ordering::SeqCst);
    }
}

/// The places of the cuts: from the first byte on, closer together at the beginning.
fn cuts() -> impl Iterator<Item = usize> + Send + 'static {
    (0..60).map(|step| 1 + step * 23 + step * step * 7)
}

fn through(proxy: SocketAddr) -> ConnectOptions {
    let at_once = std::iter::repeat_n(std::time::Duration::ZERO, 1000);
    ConnectOptions::new(format!("amqp://{proxy}")).reconnect_policy(Delays::new(at_once))
}

#[tokio::test]
async fn with_replay_every_message_arrives_and_every_outcome_is_known() {
    let counts = Counts::default();
    let seen = counts.clone();
    let listener = Container::new().serve(on_loopback(), move || counts.clone()).await.unwrap();
    let (proxy, cut) = cutting_proxy(listener.local_addr(), cuts()).await;
    let connection = Connection::connect(through(proxy)).await.unwrap();
    let sender = connection.sender("q").await.unwrap();
    let mut number = 0;
    let mut flying = Vec::new();
    while cut.load(Ordering::SeqCst) < 60 || number < 200 {
        flying.push(sender.transfer(format!("{number}")).await.unwrap());
        number += 1;
        if number % 50 == 0 {
            for delivery in flying.drain(..) {
                assert!(delivery.outcome().await.unwrap().is_accepted());
            }
        }
    }
    for delivery in flying {
        assert!(delivery.outcome().await.unwrap().is_accepted());
    }
    assert_eq!(sender.unsettled(), 0);
    connection.close().await.unwrap();
    let seen = seen.0.lock().unwrap();
    assert!((0..number).all(|number| seen.contains_key(&number.to_string())));
    assert_eq!(seen.len(), number);
}

#[tokio::test]
async fn with_report_nothing_comes_twice_and_what_is_not_known_is_said() {
    let counts = Counts::default();
    let seen = counts.clone();
    let listener = Container::new().serve(on_loopback(), move || counts.clone()).await.unwrap();
    let (proxy, cut) = cutting_proxy(listener.local_addr(), cuts()).await;
    let connection = Connection::connect(through(proxy)).await.unwrap();
    let sender = connection.sender(SenderOptions::new("q").recovery(Recovery::Report)).await.unwrap();
    let (mut accepted, mut unknown, mut not_sent) = (Vec::new(), Vec::new(), Vec::new());
    let mut number = 0;
    while cut.load(Ordering::SeqCst) < 60 || number < 200 {
        let text = number.to_string();
        number += 1;
        match sender.send(text.as_str()).await {
            Ok(outcome) => {
                assert!(outcome.is_accepted());
                accepted.push(text);
            }
            Err(error) if error.fate() == Some(Fate::Unknown) => unknown.push(text),
            Err(error) => {
                assert_eq!(error.fate(), Some(Fate::NotSent), "{error}");
                not_sent.push(text);
            }
        }
    }
    connection.close().await.unwrap();
    let seen = seen.0.lock().unwrap();
    assert!(seen.values().all(|count| *count == 1));
    assert!(accepted.iter().all(|text| seen.contains_key(text)));
    assert!(not_sent.iter().all(|text| !seen.contains_key(text)));
    assert_eq!(accepted.len() + unknown.len() + not_sent.len(), number);
}
