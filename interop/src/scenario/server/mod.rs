//! What the tests do with a server that users run. Each function fills its rows of the interop table. A server that cannot do
//! something is not called with it, but has a test of its own that shows how it refuses.

mod callbacks;
mod delivery;
mod filters;
mod nodes;
mod rabbitmq;
mod recovery;
mod refusals;
mod security;
mod subscriptions;
mod transactions;
mod types;

pub use callbacks::*;
pub use delivery::*;
pub use filters::*;
pub use nodes::*;
pub use rabbitmq::*;
use recovery::restart;
pub use recovery::*;
pub use refusals::*;
pub use security::*;
pub use subscriptions::*;
pub use transactions::*;
pub use types::*;

use crate::Row;
use crate::server::{Node, Server};
use deuteron::{Connection, Delivery, Outcome, Receiver, Sendable, Sender};
use std::time::Duration;

/// How long a message may take: far beyond what any takes, and no part of any claim.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection without TLS, by ANONYMOUS.
pub(crate) async fn connect(server: &impl Server) -> Connection {
    Connection::connect(server.url()).await.expect("it connects")
}

/// Fills the row of a feature: the last line of a test.
fn pass(server: &impl Server, feature: &str) {
    Row::our_client(server.title(), feature).pass();
}

async fn sender(connection: &Connection, node: &Node) -> Sender {
    connection.sender(node.sender()).await.expect("the sender opens")
}

async fn receiver(connection: &Connection, node: &Node) -> Receiver {
    connection.receiver(node.receiver()).await.expect("the receiver opens")
}

/// Sends messages, one after the other, each of which the server must accept.
async fn put<M: Sendable>(sender: &Sender, messages: impl IntoIterator<Item = M>) {
    for message in messages {
        assert_eq!(sender.send(message).await.expect("the message is sent"), Outcome::Accepted);
    }
}

/// The next delivery.
async fn next(receiver: &Receiver) -> Delivery {
    receiver.recv_timeout(PATIENCE).await.expect("a message comes")
}

/// The text of a delivery's message.
fn text(delivery: &Delivery) -> String {
    delivery.message().expect("it is a message").body_text().expect("it is text").to_owned()
}

/// Takes that many messages, accepts them, and returns their texts.
async fn take(receiver: &Receiver, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let delivery = next(receiver).await;
        texts.push(text(&delivery));
        delivery.accept().expect("it is not settled yet");
    }
    texts
}

/// Whether the server has nothing more for a receiver, by asking it to hand out what it has. Where the server cannot be asked,
/// whether nothing comes for a while: that may miss a message, and takes none for another.
async fn is_exhausted(server: &impl Server, receiver: &Receiver) -> bool {
    if !server.drains() {
        receiver.add_credit(1);
        return receiver.recv_timeout(Duration::from_millis(300)).await.is_err();
    }
    receiver.drain().await.expect("the server answers the drain");
    receiver.try_recv().expect("the link is open").is_none()
}
