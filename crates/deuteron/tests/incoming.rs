//! Contract 6.5: listening.

mod common;

use std::collections::HashMap;
use std::net::TcpStream;

use common::{Recorder, on_loopback, url};
use deuteron::{
    Ack, AmqpError, ConnectOptions, Connection, Container, Context, Delivery, Error, Link, ListenOptions,
    Message, MessagingHandler, Outcome, ReceiverOptions, Scope, Sender, Source, Target,
};

#[tokio::test]
async fn port_zero_is_a_real_port_and_all_spellings_of_every_interface_work() {
    for (text, host) in [
        ("amqp://127.0.0.1:0", "127.0.0.1"),
        ("amqp://0.0.0.0:0", "127.0.0.1"),
        ("amqp://[::1]:0", "[::1]"),
        ("amqp://[::]:0", "[::1]"),
        ("amqp://[::0]:0", "[::1]"),
    ] {
        let listener = Container::new().listen(text).await.unwrap();
        assert_ne!(listener.port(), 0);
        let connection = Connection::connect(format!("amqp://{host}:{}", listener.port())).await.unwrap();
        let accepted = listener.accept().await.unwrap();
        assert!(accepted.is_open() && connection.is_open(), "{text}");
        assert_eq!(accepted.remote_addr(), connection.local_addr());
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_at_the_call_that_names_it() {
    let listener = Container::new().listen(on_loopback()).await.unwrap();
    let error = Container::new().listen(url(&listener)).await.unwrap_err();
    assert_eq!(error.scope(), Scope::Listener);
    assert!(error.to_string().contains(&format!("127.0.0.1:{}", listener.port())), "{error}");
    let error = Container::new().listen("amqp://::1").await.unwrap_err();
    assert_eq!(error.scope(), Scope::Config, "{error}");
}

#[tokio::test]
async fn closing_a_listener_keeps_its_connections_and_frees_the_port() {
    let listener = Container::new().listen(on_loopback()).await.unwrap();
    let connection = Connection::connect(url(&listener)).await.unwrap();
    let accepted = listener.accept().await.unwrap();
    let address = url(&listener);
    listener.close();
    assert!(listener.accept().await.is_err());
    assert!(accepted.is_open());
    // The socket is closed by the accepting task, which runs when we wait.
    while TcpStream::connect(listener.local_addr()).is_ok() {
        tokio::task::yield_now().await;
    }
    let again = Container::new().listen(address).await.unwrap();
    assert_eq!(again.port(), listener.port());
    connection.close().await.unwrap();
}

/// Answers requests at addresses of its own making.
#[derive(Default)]
struct Service {
    senders: HashMap<String, Sender>,
    made: usize,
}

impl MessagingHandler for Service {
    fn on_link_opening(&mut self, _: &mut Context<'_>, link: &Link) {
        if let Link::Sender(sender) = link {
            let mut source = sender.remote_source().unwrap();
            if source.dynamic {
                self.made += 1;
                source.address = Some(format!("reply-{}", self.made));
                sender.set_source(source.clone());
                self.senders.insert(source.address.unwrap(), sender.clone());
            } else {
                sender.reject(AmqpError::new("amqp:not-found", "there is no such node"));
            }
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let request = delivery.message().unwrap();
        let properties = request.properties.as_ref().unwrap();
        let sender = &self.senders[properties.reply_to.as_deref().unwrap()];
        let mut reply = Message::new(request.body_text().unwrap().to_uppercase());
        reply.properties.get_or_insert_default().correlation_id = properties.message_id.clone();
        sender.send_now(&reply).unwrap();
        Ack::Accept
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_get_replies_at_dynamic_addresses() {
    let listener = Container::new().serve(on_loopback(), Service::default).await.unwrap();
    let clients: Vec<_> = (0..30)
        .map(|number| {
            let target = url(&listener);
            tokio::spawn(async move {
                let connection = Connection::connect(target).await?;
                let replies = connection.receiver(ReceiverOptions::dynamic()).await?;
                let address = replies.remote_address().unwrap();
                assert_eq!(address, "reply-1");
                let sender = connection.sender("service").await?;
                for count in 0..20 {
                    let mut request = Message::new(format!("request {number} {count}"));
                    request.properties.get_or_insert_default().reply_to = Some(address.clone());
                    assert_eq!(sender.send(&request).await?, Outcome::Accepted);
                    let reply = replies.recv().await?;
                    let text = format!("REQUEST {number} {count}");
                    assert_eq!(reply.message().unwrap().body_text(), Some(text.as_str()));
                    reply.accept()?;
                }
                connection.close().await
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_rejected_link_tells_why_and_leaves_the_connection_alone() {
    let listener = Container::new().serve(on_loopback(), Service::default).await.unwrap();
    let connection = Connection::connect(url(&listener)).await.unwrap();
    let error = connection.receiver("nowhere").await.unwrap_err();
    assert_eq!((error.scope(), error.condition()), (Scope::Link, Some("amqp:not-found")), "{error}");
    assert!(error.is_remote());
    assert_eq!(error.description(), "there is no such node");
    assert!(connection.sender("somewhere").await.is_ok());
    connection.close().await.unwrap();
}

struct Doorman;

impl MessagingHandler for Doorman {
    fn on_connection_opening(&mut self, _: &mut Context<'_>, connection: &Connection) {
        if connection.remote_container_id().as_deref() == Some("stranger") {
            connection.reject(AmqpError::new("amqp:not-allowed", "who are you?"));
        }
    }

    fn on_session_opening(&mut self, _: &mut Context<'_>, session: &deuteron::Session) {
        if session.connection().remote_container_id().as_deref() == Some("sessionless") {
            session.reject(AmqpError::new("amqp:not-implemented", "no sessions today"));
        }
    }
}

#[tokio::test]
async fn connections_and_sessions_can_be_rejected_with_an_error() {
    let listener = Container::new().serve(on_loopback(), || Doorman).await.unwrap();
    let error = Container::with_id("stranger").connect(url(&listener)).await.unwrap_err();
    assert_eq!((error.scope(), error.condition()), (Scope::Connection, Some("amqp:not-allowed")), "{error}");
    assert!(error.url().is_some(), "{error}");
    let connection = Container::with_id("sessionless").connect(url(&listener)).await.unwrap();
    let error = connection.sender("q").await.unwrap_err();
    assert_eq!((error.scope(), error.condition()), (Scope::Session, Some("amqp:not-implemented")), "{error}");
    connection.close().await.unwrap();
    assert!(Container::new().connect(url(&listener)).await.is_ok());
}

#[test]
fn callbacks_of_a_listener_come_in_order() {
    let recorder = Recorder::starting(|cx| {
        let listener = cx.listen(on_loopback()).unwrap();
        let address = url(&listener);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connection = Connection::connect(address).await?;
                let sender = connection.sender("q").await?;
                assert!(sender.send("hello").await?.is_accepted());
                sender.close().await?;
                sender.session().end().await?;
                connection.close().await?;
                listener.close();
                Ok::<_, Error>(())
            })
        });
    });
    let recorder = recorder.run();
    assert_eq!(
        recorder.log,
        [
            "connection_opening",
            "connection_opened",
            "session_opening",
            "session_opened",
            "link_opening",
            "link_opened",
            "message hello",
            "link_closing",
            "link_closed",
            "session_closing",
            "session_closed",
            "connection_closing",
            "connection_closed"
        ]
    );
}

#[tokio::test]
async fn defaults_mirror_the_peers_termini() {
    let listener = Container::new().listen(on_loopback()).await.unwrap();
    let target = url(&listener);
    tokio::spawn(async move {
        let connection = listener.accept().await.unwrap();
        connection.accept_link().await.unwrap().accept();
        connection.closed().await
    });
    let connection = Connection::connect(target).await.unwrap();
    let options =
        ReceiverOptions::new("q").selector("colour = 'green'").browse().source_capabilities(["queue"]);
    let receiver = connection.receiver(options).await.unwrap();
    let source: Source = receiver.remote_source().unwrap();
    assert_eq!(source, receiver.source().unwrap());
    assert_eq!(source.distribution_mode.unwrap().as_str(), "copy");
    assert_eq!(receiver.remote_target(), Some(Target::default()));
    connection.close().await.unwrap();
}

#[tokio::test]
async fn more_connections_than_allowed_are_refused_and_the_others_go_on() {
    let listener = Container::new().listen(on_loopback().max_connections(2)).await.unwrap();
    let options = || ConnectOptions::new(url(&listener)).reconnect(false);
    let one = Connection::connect(options()).await.unwrap();
    let two = Connection::connect(options()).await.unwrap();
    assert!(Connection::connect(options()).await.is_err());
    two.close().await.unwrap();
    while listener.connections() > 1 {
        tokio::task::yield_now().await;
    }
    let three = Connection::connect(options()).await.unwrap();
    assert!(one.is_open() && three.is_open());
}

#[tokio::test]
async fn what_open_says_can_be_set_and_read_on_both_sides() {
    let mut properties = deuteron::Map::new();
    properties.insert(deuteron::Symbol::from_static("product"), "tester");
    let listen = ListenOptions::new("amqp://127.0.0.1:0")
        .container_id("server")
        .offered_capabilities(["ANONYMOUS-RELAY"])
        .max_frame_size(1024)
        .channel_max(7);
    let listener = Container::new().listen(listen).await.unwrap();
    let options = ConnectOptions::new(url(&listener))
        .container_id("client")
        .virtual_host("vhost")
        .properties(properties.clone())
        .desired_capabilities(["ANONYMOUS-RELAY"])
        .heartbeat(std::time::Duration::from_secs(20));
    let connection = Connection::connect(options).await.unwrap();
    let accepted = listener.accept().await.unwrap();
    let open = accepted.remote_open().unwrap();
    assert_eq!(open.container_id, "client");
    assert_eq!(accepted.remote_hostname().as_deref(), Some("vhost"));
    assert_eq!(accepted.remote_properties(), Some(properties));
    assert_eq!(open.idle_time_out, Some(10_000));
    assert_eq!(accepted.remote_desired_capabilities()[0].as_str(), "ANONYMOUS-RELAY");
    let open = connection.remote_open().unwrap();
    assert_eq!((open.container_id.as_str(), open.max_frame_size, open.channel_max), ("server", 1024, 7));
    assert_eq!(connection.remote_offered_capabilities()[0].as_str(), "ANONYMOUS-RELAY");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some("ANONYMOUS"));
    connection.close().await.unwrap();
}
