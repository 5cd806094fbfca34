//! Section 6.5, "Accepting incoming connections".

use std::collections::HashMap;
use std::net::{Ipv6Addr, TcpListener};

use deuteron::{
    Ack, Connection, Container, Context, Delivery, Link, Listener, Message, MessageId, MessagingHandler,
    Scope, Source,
};

use crate::support::*;

/// Listens on this host and connects to that one.
fn listens(host: &str, on: &str) {
    let server = Program::new();
    let listener = server.listen(format!("amqp://{host}:0"));
    assert_ne!(listener.port(), 0);
    let program = Program::new();
    program.connect(format!("amqp://{on}:{}", listener.port()));
    program.opened();
    let accepted = server.opened();
    assert!(!accepted.is_outgoing());
    assert_eq!(accepted.local_addr().unwrap().port(), listener.port());
}

/// As [`listens`]. On a machine without IPv6 the call is an error that names the address.
fn listens_by_ipv6(host: &str) {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        return listens(host, "[::1]");
    }
    let text = format!("amqp://{host}:0");
    let error = Program::new().run(move |cx| cx.listen(text)).unwrap_err();
    assert!(error.to_string().contains(host), "{error}");
}

#[test]
fn listens_on_a_local_ipv4_address() {
    listens("127.0.0.1", "127.0.0.1");
}

#[test]
fn listens_on_all_ipv4_interfaces() {
    listens("0.0.0.0", "127.0.0.1");
}

#[test]
fn listens_on_a_local_ipv6_address() {
    listens_by_ipv6("[::1]");
}

#[test]
fn listens_on_all_ipv6_interfaces_as_the_guide_writes_it() {
    listens_by_ipv6("[::0]");
}

#[test]
fn listens_on_all_ipv6_interfaces() {
    listens_by_ipv6("[::]");
}

#[test]
fn listens_on_a_name() {
    listens("localhost", "localhost");
}

#[test]
fn port_zero_is_a_free_port_that_can_be_read() {
    let server = Program::new();
    let listeners = [server.listen(loopback()), server.listen(loopback())];
    assert_ne!(listeners[0].port(), 0);
    assert_ne!(listeners[0].port(), listeners[1].port());
    for listener in &listeners {
        assert_eq!(listener.local_addr().port(), listener.port());
        let client = Program::new();
        client.connect(url(listener));
        assert_eq!(server.opened().local_addr(), Some(listener.local_addr()));
    }
}

#[test]
fn a_connection_arrives_as_on_connection_opened_after_on_connection_opening() {
    let server = Program::new();
    let listener = server.listen(loopback());
    let client = Program::new();
    let connection = client.connect(url(&listener));
    assert_eq!(server.names_until("connection_opened"), ["connection_opening", "connection_opened"]);
    drop(connection.close());
    assert_eq!(server.names_until("connection_closed"), ["connection_closing", "connection_closed"]);
}

#[test]
fn a_connection_may_be_refused_with_an_error() {
    let server = Program::reacting(|_, seen| {
        if let Seen::ConnectionOpening(connection) = seen {
            connection.reject(deuteron::AmqpError::new(deuteron::condition::NOT_ALLOWED, "not you"));
        }
        Ack::Accept
    });
    let listener = server.listen(loopback());
    let client = Program::new();
    let connection = client.connect(url(&listener));
    let error = client.until(|seen| match seen {
        Seen::ConnectionError(_, error) => Some(error.clone()),
        _ => None,
    });
    assert_eq!((error.condition(), error.description()), (Some("amqp:not-allowed"), "not you"));
    assert_eq!(client.closed(), connection);
}

/// A message from the client's end of a connection to the server's.
fn carries_a_message(client: &Program, connection: &Connection, server: &Program) {
    connection.open_sender("q").unwrap().send_now("still here").unwrap();
    assert_eq!(server.message().message().unwrap().body_text(), Some("still here"));
    client.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
}

#[test]
fn closing_the_listener_keeps_the_connections_that_it_accepted() {
    let server = Program::new();
    let listener = server.listen(loopback());
    let client = Program::new();
    let connection = client.connect(url(&listener));
    client.opened();
    server.opened();
    listener.close();
    assert!(listener.is_closed());
    carries_a_message(&client, &connection, &server);
    assert_eq!(listener.connections(), 1);
    // The port is free again.
    let again = server.run({
        let address = url(&listener);
        move |cx| cx.listen(address)
    });
    again.unwrap();
    drop(connection.close());
    server.closed();
    wait_until(|| listener.connections() == 0);
}

#[tokio::test]
async fn closing_an_awaited_listener_keeps_the_connections_that_it_accepted() {
    let listener = Container::new().listen(loopback()).await.unwrap();
    let client = within(Connection::connect(url(&listener))).await.unwrap();
    let server = within(listener.accept()).await.unwrap();
    listener.close();
    let error = within(listener.accept()).await.unwrap_err();
    assert_eq!(error.scope(), Scope::Listener, "{error}");
    let sender = client.open_sender("q").unwrap();
    let receiver = accept_receiver(&server).await;
    let delivery = sender.send_now("still here").unwrap();
    within(receiver.recv()).await.unwrap().accept().unwrap();
    assert!(within(delivery.outcome()).await.unwrap().is_accepted());
    within(client.close()).await.unwrap();
}

#[test]
fn a_listener_that_is_closed_takes_no_further_connections() {
    let server = Program::new();
    let listener = server.listen(loopback());
    listener.close();
    wait_until(|| TcpListener::bind(listener.local_addr()).is_ok());
}

#[test]
fn an_address_in_use_is_an_error_at_the_call_that_names_it() {
    let server = Program::new();
    let listener = server.listen(loopback());
    let address = url(&listener);
    let error = server.run(move |cx| cx.listen(address)).unwrap_err();
    assert_eq!(error.scope(), Scope::Listener, "{error}");
    assert!(error.to_string().contains(&listener.local_addr().to_string()), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
}

#[tokio::test]
async fn an_address_in_use_is_an_error_of_the_awaited_listen() {
    let listener = Container::new().listen(loopback()).await.unwrap();
    let error = Container::new().listen(url(&listener)).await.unwrap_err();
    assert!(error.to_string().contains(&listener.local_addr().to_string()), "{error}");
}

#[test]
fn a_url_that_cannot_be_listened_on_is_an_error_at_the_call() {
    let server = Program::new();
    for (url, part) in [("amqp://192.0.2.1:0", "192.0.2.1"), ("amqps://127.0.0.1:0", "certificate")] {
        let error = server.run(move |cx| cx.listen(url)).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// The server of the guide: it answers each request in capitals, at the address that the client wants.
#[derive(Default)]
struct Answering {
    replies: HashMap<String, deuteron::Sender>,
    made: usize,
}

impl MessagingHandler for Answering {
    fn on_link_opening(&mut self, _: &mut Context<'_>, link: &Link) {
        let source = link.remote_source().unwrap_or_default();
        if let (Link::Sender(sender), true) = (link, source.dynamic) {
            self.made += 1;
            let address = format!("reply-{}", self.made);
            link.set_source(Source { address: Some(address.clone()), ..source });
            self.replies.insert(address, sender.clone());
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let request = delivery.message().unwrap();
        let Some(sender) = request.reply_to().and_then(|address| self.replies.get(address)) else {
            return Ack::Reject(None);
        };
        let reply = Message::new(request.body_text().unwrap().to_uppercase());
        let reply = match request.id() {
            Some(id) => reply.with_correlation_id(id.clone()),
            None => reply,
        };
        sender.send_now(reply).unwrap();
        Ack::Accept
    }
}

/// A client of the guide: asks, and compares the answers.
async fn asks(server: String, client: u64) {
    let connection = within(Connection::connect(server)).await.unwrap();
    let replies = within(connection.receiver(deuteron::ReceiverOptions::dynamic())).await.unwrap();
    let address = replies.remote_address().expect("the server names the address");
    let requests = within(connection.sender("requests")).await.unwrap();
    for number in 0..5 {
        let id = MessageId::Ulong(client * 1000 + number);
        let request =
            Message::new(format!("request {client}/{number}")).with_id(id.clone()).with_reply_to(&*address);
        assert!(within(requests.send(request)).await.unwrap().is_accepted());
        let delivery = within(replies.recv()).await.unwrap();
        let reply = delivery.message().unwrap();
        delivery.accept().unwrap();
        assert_eq!(reply.body_text(), Some(format!("REQUEST {client}/{number}").as_str()));
        assert_eq!(reply.correlation_id(), Some(&id));
    }
    within(connection.close()).await.unwrap();
}

async fn a_hundred_ask(listener: &Listener) {
    let clients: Vec<_> = (0..100).map(|client| tokio::spawn(asks(url(listener), client))).collect();
    for client in clients {
        within(client).await.unwrap();
    }
    eventually(|| listener.connections() == 0).await;
}

#[test]
fn a_server_answers_a_hundred_clients_at_dynamic_addresses() {
    let container = Container::new();
    let injector = container.injector();
    let looped = container.clone();
    let server = std::thread::spawn(move || {
        let mut answering = Answering::default();
        looped.run(&mut answering).unwrap();
        answering.made
    });
    let slot = Slot::new();
    let answer = std::sync::Arc::clone(&slot);
    injector.run(move |cx| answer.put(cx.listen(loopback()).unwrap()));
    let listener = slot.take();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(a_hundred_ask(&listener));
    container.stop();
    assert_eq!(server.join().unwrap(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_handler_for_each_connection_answers_a_hundred_clients() {
    let listener = Container::new().serve(loopback(), Answering::default).await.unwrap();
    a_hundred_ask(&listener).await;
}
