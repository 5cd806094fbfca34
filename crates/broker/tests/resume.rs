//! Links that are resumed through this broker: connections are cut while messages cross, and each message is processed
//! once; what is not resumed is told.

mod common;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{PATIENCE, broker, connect, next, next_text, until};
use deuteron::{
    ConnectOptions, Connection, Delays, Guarantee, ReceiverOptions, SenderOptions, Source,
    TerminusExpiryPolicy,
};
use deuteron_broker::BrokerHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const KEEP: Duration = Duration::from_secs(60);

/// Passes bytes on to the broker. Each connection ends after as many bytes, both directions together, as the next of
/// `cuts` says; once there is none, it lasts.
struct Proxy {
    address: SocketAddr,
    wires: Arc<AtomicUsize>,
    /// Ends the present connection.
    cut: Arc<Notify>,
}

impl Proxy {
    /// With `half_open` the broker is not told of the ends.
    async fn to(broker: &BrokerHandle, cuts: Vec<usize>, half_open: bool) -> Self {
        let url: deuteron::Url = broker.url().parse().expect("a broker has a URL");
        let port = url.port();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (wires, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counted, cutting) = (Arc::clone(&wires), Arc::clone(&cut));
        let cuts = Mutex::new(cuts.into_iter());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.expect("the broker listens");
                counted.fetch_add(1, Ordering::SeqCst);
                let limit = cuts.lock().expect("no test panics with it").next().unwrap_or(usize::MAX);
                let cutting = Arc::clone(&cutting);
                tokio::spawn(async move {
                    let server = pass(client, server, limit, cutting).await;
                    if half_open {
                        std::future::pending::<()>().await;
                    }
                    drop(server);
                });
            }
        });
        Self { address, wires, cut }
    }

    fn wires(&self) -> usize {
        self.wires.load(Ordering::SeqCst)
    }

    async fn connect(&self) -> Connection {
        let options = ConnectOptions::new(format!("amqp://{}", self.address))
            .container_id("client")
            .reconnect_policy(Delays::new(std::iter::repeat_n(Duration::from_millis(1), 10_000)));
        Connection::connect(options).await.expect("a later wire lasts")
    }
}

/// Returns the broker's side, still open.
async fn pass(mut client: TcpStream, mut server: TcpStream, limit: usize, cut: Arc<Notify>) -> TcpStream {
    {
        let (mut client_in, mut client_out) = client.split();
        let (mut server_in, mut server_out) = server.split();
        let left = AtomicUsize::new(limit);
        let there = copy(&mut client_in, &mut server_out, &left);
        let back = copy(&mut server_in, &mut client_out, &left);
        tokio::select! { () = there => {}, () = back => {}, () = cut.notified() => {} }
    }
    server
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    left: &AtomicUsize,
) {
    let mut buffer = [0; 200];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let allowed = left.load(Ordering::SeqCst).min(count);
        if to.write_all(&buffer[..allowed]).await.is_err() || allowed < count {
            return;
        }
        left.fetch_sub(allowed, Ordering::SeqCst);
    }
}

fn sending() -> SenderOptions {
    SenderOptions::new("queue://q").name("s").resume(KEEP)
}

fn receiving() -> ReceiverOptions {
    ReceiverOptions::new("queue://q").name("r").resume(KEEP)
}

/// Sends and receives messages over wires that are cut; returns how many wires it took.
async fn exchange(cuts: Vec<usize>, half_open: bool) -> usize {
    const COUNT: usize = 40;
    let broker = broker(|_| {}).await;
    let proxy = Proxy::to(&broker, cuts.clone(), half_open).await;
    let connection = proxy.connect().await;
    let sender = connection.sender(sending()).await.expect("it comes up in the end");
    let receiver = connection.receiver(receiving()).await.expect("it comes up in the end");
    assert_eq!(sender.guarantee().or(Some(Guarantee::ExactlyOnce)), Some(Guarantee::ExactlyOnce));
    let mut sent = Vec::new();
    for number in 0..COUNT {
        sent.push(sender.transfer(number.to_string()).await.expect("there is credit in the end"));
    }
    let mut came: HashMap<String, usize> = HashMap::new();
    for _ in 0..COUNT {
        *came.entry(next_text(&receiver).await).or_default() += 1;
    }
    for (number, delivery) in sent.iter().enumerate() {
        let outcome = delivery.outcome().await;
        assert!(
            outcome.as_ref().is_ok_and(|outcome| outcome.is_accepted()),
            "{cuts:?}: {number}: {outcome:?}"
        );
    }
    until("the queue is empty", || broker.messages("q") == Some(0)).await;
    assert!(came.len() == COUNT && came.values().all(|count| *count == 1), "{cuts:?}: {came:?}");
    assert!(receiver.try_recv().expect("it is open").is_none(), "{cuts:?}: a message came twice");
    let stats = broker.stats();
    assert_eq!((stats.received, stats.accepted), (COUNT as u64, COUNT as u64), "{cuts:?}");
    drop(connection.close().await);
    proxy.wires()
}

#[tokio::test]
async fn wherever_the_wire_is_cut_each_message_is_processed_once() {
    let mut wires = 0;
    for first in (300..4500).step_by(53) {
        wires += exchange(vec![first, 900 + first % 1997], first % 2 == 0).await;
    }
    assert!(wires > 160, "only {wires} wires");
}

#[tokio::test]
async fn what_is_under_way_waits_for_its_link_and_goes_on_when_nobody_comes_back() {
    let broker = broker(|_| {}).await;
    let proxy = Proxy::to(&broker, Vec::new(), false).await;
    let connection = proxy.connect().await;
    let other = connect(&broker).await;
    let sender = other.sender("queue://q").await.expect("it is taken");
    assert!(sender.send("x").await.expect("it is sent").is_accepted());
    let options = ReceiverOptions::new("queue://q").name("r").resume(Duration::from_secs(1));
    let receiver = connection.receiver(options).await.expect("it is taken");
    assert_eq!(receiver.guarantee(), Some(Guarantee::ExactlyOnce));
    assert_eq!(receiver.remote_source().map(|source| source.timeout), Some(1), "as long as was asked for");
    let held = next(&receiver).await;
    let waiting = other.receiver("queue://q").await.expect("it is taken");
    // The client is gone, with its connection and all it knows.
    let abandoned = tokio::spawn(async move { connection.close().await });
    assert!(abandoned.await.is_ok());
    drop((held, receiver));
    let delivery = next(&waiting).await;
    let count = delivery.message().expect("it is a message").header.unwrap_or_default().delivery_count;
    assert_eq!(count, 1, "it was a failed attempt");
    delivery.accept().expect("it is live");
    until("the queue is empty", || broker.messages("q") == Some(0)).await;
}

#[tokio::test]
async fn a_message_that_is_decided_while_the_wire_is_gone_is_decided() {
    let broker = broker(|_| {}).await;
    let proxy = Proxy::to(&broker, Vec::new(), false).await;
    let connection = proxy.connect().await;
    let sender = connection.sender(sending()).await.expect("it is taken");
    let receiver = connection.receiver(receiving()).await.expect("it is taken");
    assert!(sender.send("x").await.expect("it is sent").is_accepted());
    let held = next(&receiver).await;
    proxy.cut.notify_waiters();
    until("the connection is lost", || !receiver.is_open() || proxy.wires() > 1).await;
    held.accept_confirmed().await.expect("the decision reaches the broker with the next wire");
    until("the queue is empty", || broker.messages("q") == Some(0)).await;
    assert_eq!(broker.stats().returned, 0, "it went to nobody else");
    assert!(receiver.try_recv().expect("it is open").is_none());
}

#[tokio::test]
async fn a_link_of_the_same_name_on_another_connection_takes_the_place_of_the_first() {
    let broker = broker(|_| {}).await;
    let options = || ConnectOptions::new(broker.url()).container_id("client").reconnect(false);
    let first = Connection::connect(options()).await.expect("the broker is there");
    let former = first.receiver(receiving().stay_detached()).await.expect("it is taken");
    let sender = first.sender("queue://q").await.expect("it is taken");
    assert!(sender.send("x").await.expect("it is sent").is_accepted());
    let _held = next(&former).await;
    let second = Connection::connect(options()).await.expect("the broker is there");
    let receiver = second.receiver(receiving()).await.expect("it is taken");
    until("the first link is closed", || former.error().is_some()).await;
    let error = former.error().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("amqp:link:stolen"), "{error}");
    // It knows nothing of what the first one had, so that goes back to the queue, and comes again.
    assert_eq!(next_text(&receiver).await, "x");
}

#[tokio::test]
async fn what_the_broker_does_not_keep_is_told() {
    let broker = broker(|config| config.max_kept_links = 1).await;
    let connection = connect(&broker).await;
    let kept = connection.sender(sending()).await.expect("it is taken");
    assert_eq!(kept.guarantee(), Some(Guarantee::ExactlyOnce));
    let more = connection.sender(sending().name("t")).await.expect("it is taken");
    assert_eq!(more.guarantee(), Some(Guarantee::AtMostOnce), "there is no room for it");
    assert_eq!(more.remote_target().map(|target| target.timeout), Some(0));
    let replaying = connection.sender("queue://q").await.expect("it is taken");
    assert_eq!(replaying.guarantee(), Some(Guarantee::AtLeastOnce));
    let settled = connection.sender(SenderOptions::new("queue://q").presettled()).await.expect("it is taken");
    assert_eq!(settled.guarantee(), Some(Guarantee::AtMostOnce));
    // As long as its connection, and no longer.
    let source = Source {
        address: Some("queue://q".into()),
        expiry_policy: TerminusExpiryPolicy::ConnectionClose,
        ..Source::default()
    };
    let shorter = connection.receiver(ReceiverOptions::new("q").source(source)).await.expect("it is taken");
    assert_eq!(shorter.guarantee(), Some(Guarantee::AtLeastOnce));
}

#[tokio::test]
async fn a_broker_that_has_forgotten_the_link_makes_what_was_under_way_unknown() {
    let first = broker(|config| config.max_kept_bytes = 0).await;
    let proxy = Proxy::to(&first, Vec::new(), false).await;
    let connection = proxy.connect().await;
    let receiver = connection.receiver(receiving()).await.expect("it is taken");
    let other = connect(&first).await;
    let sender = other.sender("queue://q").await.expect("it is taken");
    assert!(sender.send("x").await.expect("it is sent").is_accepted());
    let held = next(&receiver).await;
    proxy.cut.notify_waiters();
    // Nothing can be held for it: it goes back to the queue, and comes again.
    let again = receiver.recv_timeout(PATIENCE).await.expect("it comes again");
    assert_eq!(again.message().expect("it is a message").header.unwrap_or_default().delivery_count, 1);
    assert!(held.accept().is_err(), "of the first one nothing more is heard");
    again.accept_confirmed().await.expect("the broker settles it");
    until("the queue is empty", || first.messages("q") == Some(0)).await;
}
