//! The other way to write a program: callbacks, on one thread.

use super::{PATIENCE, pass};
use crate::server::{Node, Server};
use deuteron::{Ack, Container, Context, Delivery, Error, Message, MessagingHandler, Sender};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Sends numbered messages that the server keeps on disk, receives them, and closes the connection when all are there.
struct Numbers {
    url: String,
    node: Node,
    count: usize,
    sent: usize,
    accepted: usize,
    received: BTreeSet<usize>,
    /// Told when a part of the messages is there.
    started: Option<oneshot::Sender<()>>,
}

impl Numbers {
    fn new(server: &impl Server, node: Node, count: usize) -> Self {
        let (sent, accepted, received) = (0, 0, BTreeSet::new());
        Self { url: server.url(), node, count, sent, accepted, received, started: None }
    }

    /// Runs it on a thread of its own, until the connection is closed.
    async fn run(self) -> Result<(), Error> {
        let (ended, end) = oneshot::channel();
        std::thread::spawn(move || ended.send(Container::new().run(self)));
        let end = tokio::time::timeout(PATIENCE * 2, end).await.expect("it ends");
        end.expect("nothing in it is wrong")
    }

    fn close_if_done(&self, delivery: &Delivery) {
        if self.accepted == self.count && self.received.len() == self.count {
            delivery.connection().close();
        }
    }
}

impl MessagingHandler for Numbers {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str()).expect("the URL is good");
        connection.open_receiver(self.node.receiver()).expect("the connection is new");
        connection.open_sender(self.node.sender()).expect("the connection is new");
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        while self.sent < self.count && sender.credit() > 0 {
            let message = Message::new(self.sent.to_string()).with_durable(true);
            sender.send_now(&message).expect("there is credit");
            self.sent += 1;
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.accepted += 1;
        self.close_if_done(delivery);
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        self.received.insert(super::text(delivery).parse().expect("it is a number"));
        if self.received.len() > self.count / 10
            && let Some(started) = self.started.take()
        {
            started.send(()).expect("the test waits for it");
        }
        self.close_if_done(delivery);
        Ack::Accept
    }
}

/// One message, sent and received.
pub async fn hello_world(server: &impl Server) {
    let node = server.queue("callbacks.hello").await;
    Numbers::new(server, node, 1).run().await.expect("it ends well");
    pass(server, "hello world with callbacks");
}

/// The server crashes in the middle and comes back: nothing is lost.
pub async fn callbacks_reconnect(server: &Arc<impl Server>) {
    let node = server.queue("recovery.callbacks").await;
    let mut program = Numbers::new(&**server, node, 3000);
    let (started, wait) = oneshot::channel();
    program.started = Some(started);
    let running = tokio::spawn(program.run());
    wait.await.expect("it starts");
    super::restart(server).await;
    running.await.expect("nothing in it is wrong").expect("it ends well");
    pass(&**server, "reconnect with callbacks");
}
