//! A message from one side to the other, in both fronts and across them.

use std::time::Duration;

use deuteron::{
    Ack, Connection, Container, Context, Delivery, Error, Link, ListenOptions, Listener, MessagingHandler,
    Outcome, Receiver, Sender,
};

fn on_loopback() -> ListenOptions {
    ListenOptions::new("amqp://127.0.0.1:0")
}

fn url(listener: &Listener) -> String {
    format!("amqp://127.0.0.1:{}", listener.port())
}

/// Takes links as they come: the first receiver and the first sender.
async fn accept_receiver(connection: &Connection) -> Receiver {
    match connection.accept_link().await.unwrap() {
        Link::Receiver(receiver) => {
            receiver.accept();
            receiver
        }
        Link::Sender(_) => panic!("expected a receiver"),
    }
}

#[tokio::test]
async fn async_client_and_async_server_exchange_a_message() {
    let listener = Container::with_id("server").listen(on_loopback()).await.unwrap();
    let target = url(&listener);
    let server = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap();
        assert_eq!(connection.remote_container_id().as_deref(), Some("client"));
        let receiver = accept_receiver(&connection).await;
        let delivery = receiver.recv().await.unwrap();
        let message = delivery.message().unwrap();
        delivery.accept().unwrap();
        connection.closed().await.unwrap();
        message
    });
    let connection = Container::with_id("client").connect(target).await.unwrap();
    let sender = connection.sender("somewhere").await.unwrap();
    assert_eq!(sender.remote_address().as_deref(), Some("somewhere"));
    let outcome = sender.send("hello").await.unwrap();
    assert_eq!(outcome, Outcome::Accepted);
    connection.close().await.unwrap();
    assert_eq!(server.await.unwrap().body_text(), Some("hello"));
    assert!(connection.is_closed());
}

#[derive(Default)]
struct Whole {
    port: Option<u16>,
    listener: Option<Listener>,
    seen: Vec<String>,
    sent: usize,
    accepted: usize,
    settled: usize,
    limit: usize,
}

impl MessagingHandler for Whole {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let listener = cx.listen(on_loopback()).unwrap();
        self.port = Some(listener.port());
        cx.connect(url(&listener)).unwrap();
        self.listener = Some(listener);
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        if connection.is_outgoing() {
            self.seen.push("opened".into());
            connection.open_sender("q").unwrap();
        }
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        while self.sent < self.limit && sender.credit() > 0 {
            sender.send_now(format!("message {}", self.sent)).unwrap();
            self.sent += 1;
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let message = delivery.message().unwrap();
        self.seen.push(message.body_text().unwrap().to_owned());
        Ack::Accept
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.accepted += 1;
    }

    fn on_settled(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.settled += 1;
        if self.settled == self.limit {
            drop(delivery.connection().close());
        }
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, connection: &Connection) {
        if connection.is_outgoing() {
            self.seen.push("closed".into());
            self.listener.take().unwrap().close();
        }
    }
}

#[test]
fn one_handler_is_client_and_server_and_the_loop_ends_by_itself() {
    let mut whole = Whole { limit: 5000, ..Whole::default() };
    Container::new().run(&mut whole).unwrap();
    assert_eq!(whole.accepted, 5000);
    assert_eq!(whole.seen.len(), 5002);
    assert_eq!(whole.seen[0], "opened");
    assert_eq!(whole.seen[1], "message 0");
    assert_eq!(whole.seen[5000], "message 4999");
    assert_eq!(whole.seen[5001], "closed");
}

struct Echo;

impl MessagingHandler for Echo {
    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let message = delivery.message().unwrap();
        if message.body_text() == Some("bad") { Ack::Reject(None) } else { Ack::Accept }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_are_in_flight_at_once() -> Result<(), Error> {
    let listener = Container::new().serve(on_loopback(), || Echo).await?;
    let connection = Connection::connect(url(&listener)).await?;
    let sender = connection.sender("q").await?;
    let mut flying = Vec::new();
    for number in 0..5000 {
        flying.push(sender.transfer(if number % 1000 == 7 { "bad" } else { "good" }).await?);
    }
    let mut rejected = 0;
    for delivery in flying {
        if delivery.outcome().await? == Outcome::Rejected(None) {
            rejected += 1;
        }
    }
    assert_eq!(rejected, 5);
    assert_eq!(sender.unsettled(), 0);
    connection.close().await
}

#[test]
fn run_inside_a_runtime_is_an_error_that_says_what_to_do() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(async { Container::new().run(Echo) }).unwrap_err();
    assert!(error.to_string().contains("run_async"), "{error}");
}

#[tokio::test]
async fn recv_with_a_deadline_names_it() {
    struct Silent;
    impl MessagingHandler for Silent {}
    let listener = Container::new().serve(on_loopback(), || Silent).await.unwrap();
    let connection = Connection::connect(url(&listener)).await.unwrap();
    let receiver = connection.receiver("q").await.unwrap();
    let error = receiver.recv_timeout(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(error.deadline(), Some(deuteron::Phase::Receive), "{error}");
    connection.close().await.unwrap();
}
