//! When a server crashes and comes back, or another one takes over.

use super::{PATIENCE, connect, pass, put, receiver, sender, take};
use crate::Row;
use crate::server::{Node, Server};
use deuteron::{Connection, Delivery, Message, Outcome, Receiver, Sender};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Messages of one run. The server goes after a part of them.
const COUNT: usize = 3000;
const BEFORE: usize = 500;

/// Kills a server and starts it again, while the program goes on.
pub(super) async fn restart(server: &Arc<impl Server>) {
    kill(server).await;
    start(server).await;
}

/// Sends numbered messages, many at a time and as many as there are permits, that the server keeps on disk. Waits until each was
/// accepted somewhere.
fn send_all(sender: Sender, permits: Arc<Semaphore>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut open: VecDeque<Delivery> = VecDeque::new();
        for number in 0..COUNT {
            permits.acquire().await.expect("it is never closed").forget();
            let message = Message::new(number.to_string()).with_durable(true);
            open.push_back(sender.transfer(message).await.expect("it waits for a server"));
            while open.len() > 100
                && let Some(oldest) = open.pop_front()
            {
                assert_eq!(oldest.outcome().await.expect("it is sent again after a loss"), Outcome::Accepted);
            }
        }
        for delivery in open {
            assert_eq!(delivery.outcome().await.expect("it is sent again after a loss"), Outcome::Accepted);
        }
    })
}

/// Takes messages until `enough` different numbers are there.
async fn gather(receiver: &Receiver, numbers: &mut BTreeSet<usize>, enough: usize) {
    while numbers.len() < enough {
        let delivery = receiver.recv_timeout(PATIENCE).await.expect("a message comes");
        numbers.insert(super::text(&delivery).parse().expect("it is a number"));
        // Its wire may be gone: then it comes again.
        let _ = delivery.accept();
    }
}

/// The server crashes in the middle and comes back: nothing is lost.
pub async fn reconnect_under_load(server: &Arc<impl Server>) {
    let (sending, receiving) = (connect(&**server).await, connect(&**server).await);
    let node = server.queue("recovery.load").await;
    let (sender, receiver) = (sender(&sending, &node).await, receiver(&receiving, &node).await);
    let sent = send_all(sender, Arc::new(Semaphore::new(COUNT)));
    let mut numbers = BTreeSet::new();
    gather(&receiver, &mut numbers, BEFORE).await;
    let crash = tokio::spawn({
        let server = Arc::clone(server);
        async move { restart(&server).await }
    });
    gather(&receiver, &mut numbers, COUNT).await;
    sent.await.expect("every message was accepted");
    crash.await.expect("the server was started again");
    sending.close().await.expect("it closes");
    receiving.close().await.expect("it closes");
    pass(&**server, "reconnect, sender under load");
}

/// What a crash leaves in a durable queue: a durable message, and `left` of those that are not.
pub async fn durable_queue(server: &Arc<impl Server>, left: &[&str]) {
    let connection = connect(&**server).await;
    let node = server.queue("recovery.durable").await;
    let messages = [Message::new("durable").with_durable(true), Message::new("not durable")];
    put(&sender(&connection, &node).await, messages).await;
    connection.close().await.expect("it closes");
    restart(server).await;
    let connection = connect(&**server).await;
    put(&sender(&connection, &node).await, [Message::new("new")]).await;
    let expected = [&["durable"], left, &["new"]].concat();
    assert_eq!(take(&receiver(&connection, &node).await, expected.len()).await, expected);
    connection.close().await.expect("it closes");
    pass(&**server, "durable queue, after a crash");
}

/// A receiver that only waits goes on when its server is back.
pub async fn receiver_reconnects(server: &Arc<impl Server>) {
    let connection = connect(&**server).await;
    let node = server.queue("recovery.waiting").await;
    let waiting = receiver(&connection, &node).await;
    put(&sender(&connection, &node).await, ["before"]).await;
    assert_eq!(take(&waiting, 1).await, ["before"]);
    restart(server).await;
    let another = connect(&**server).await;
    put(&sender(&another, &node).await, ["after"]).await;
    let mut came = take(&waiting, 1).await;
    if came == ["before"] {
        // The server went before it had written down that it was accepted.
        came = take(&waiting, 1).await;
    }
    assert_eq!(came, ["after"]);
    another.close().await.expect("it closes");
    connection.close().await.expect("it closes");
    pass(&**server, "reconnect, receiver");
}

/// The first server crashes in the middle, the second takes over; then that one crashes and the first is back. Whatever was
/// accepted is at one of the two.
pub async fn failover(first: &Arc<impl Server>, second: &Arc<impl Server>) {
    let node = first.queue("recovery.failover").await;
    second.queue("recovery.failover").await;
    fail_over(first, second, &node).await;
    pass(&**first, "failover under load");
}

/// As [`failover`], from the first server to one of another kind and back. A link keeps its address: what is the address of a queue
/// at the second is the name of one at the first.
pub async fn failover_to_another_kind(first: &Arc<impl Server>, second: &Arc<impl Server>) {
    let theirs = second.queue("recovery.failover.other").await;
    let node = first.queue(&theirs.address).await;
    assert_eq!(node.address, theirs.address, "one address is good for both");
    fail_over(first, second, &node).await;
    for server in [first.title(), second.title()] {
        Row::our_client(server, "failover to another kind of server, and back").pass();
    }
}

async fn fail_over(first: &Arc<impl Server>, second: &Arc<impl Server>, node: &Node) {
    let connection = Connection::connect([first.url(), second.url()]).await.expect("it connects");
    // The permits see to it that there is something left to send when a server goes.
    let permits = Arc::new(Semaphore::new(1000));
    let sent = send_all(sender(&connection, node).await, Arc::clone(&permits));
    let mut numbers = BTreeSet::new();
    read_some(first, node, &mut numbers, BEFORE).await;
    kill(first).await;
    permits.add_permits(1000);
    read_some(second, node, &mut numbers, 2 * BEFORE).await;
    start(first).await;
    permits.add_permits(500);
    kill(second).await;
    permits.add_permits(500);
    sent.await.expect("every message was accepted");
    start(second).await;
    assert_eq!(connection.url().as_deref(), Some(first.url().as_str()), "it is back at the first");
    connection.close().await.expect("it closes");
    let rest = [connect(&**first).await, connect(&**second).await];
    let receivers = [receiver(&rest[0], node).await, receiver(&rest[1], node).await];
    while numbers.len() < COUNT {
        let delivery = tokio::select! {
            delivery = receivers[0].recv_timeout(PATIENCE) => delivery,
            delivery = receivers[1].recv_timeout(PATIENCE) => delivery,
        };
        let missing = COUNT - numbers.len();
        let delivery =
            delivery.unwrap_or_else(|error| panic!("{missing} of the messages are nowhere: {error}"));
        numbers.insert(super::text(&delivery).parse().expect("it is a number"));
        delivery.accept().expect("it is not settled yet");
    }
    for connection in rest {
        connection.close().await.expect("it closes");
    }
}

async fn read_some(server: &Arc<impl Server>, node: &Node, numbers: &mut BTreeSet<usize>, enough: usize) {
    let connection = connect(&**server).await;
    gather(&receiver(&connection, node).await, numbers, enough).await;
    connection.close().await.expect("it closes");
}

async fn kill(server: &Arc<impl Server>) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || server.kill()).await.expect("it is killed");
}

async fn start(server: &Arc<impl Server>) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || server.start()).await.expect("it starts again");
}
