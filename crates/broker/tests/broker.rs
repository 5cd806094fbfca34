//! The broker over loopback, with clients of ours.

mod common;

use common::{PATIENCE, broker, connect, next, next_text, until};
use deuteron::codec::Described;
use deuteron::{
    ConnectOptions, Connection, Error, Message, Outcome, ReceiverOptions, SendOptions, SenderOptions,
    SessionOptions, Source, Symbol, TerminusExpiryPolicy, TlsConfig, TlsServerConfig, Value,
};
use deuteron_broker::{Broker, BrokerConfig};

#[tokio::test]
async fn messages_wait_in_their_queue_and_come_in_order() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    for number in 0..500 {
        assert_eq!(sender.send(number.to_string()).await.unwrap(), Outcome::Accepted);
    }
    assert_eq!(broker.messages("q"), Some(500));
    let other = connect(&broker).await;
    let receiver = other.receiver("q").await.unwrap();
    for number in 0..500 {
        assert_eq!(next_text(&receiver).await, number.to_string());
    }
    until("the queue is empty", || broker.messages("q") == Some(0)).await;
    let stats = broker.stats();
    assert_eq!((stats.received, stats.sent, stats.connections), (500, 500, 2));
    until("all are accepted", || broker.stats().accepted == 500).await;
    drop((connection, other));
    broker.stop(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn consumers_compete_and_each_message_goes_to_one() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let options = || ReceiverOptions::new("q").manual_credit();
    let one = connection.receiver(options()).await.unwrap();
    let two = connection.receiver(options()).await.unwrap();
    one.add_credit(2);
    two.add_credit(4);
    let sender = connection.sender("q").await.unwrap();
    for number in 0..6 {
        drop(sender.transfer(number.to_string()).await.unwrap());
    }
    let mut all = Vec::new();
    for _ in 0..2 {
        all.push(next_text(&one).await);
    }
    for _ in 0..4 {
        all.push(next_text(&two).await);
    }
    all.sort();
    assert_eq!(all, ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_lost_consumer_s_messages_are_delivered_again_with_a_higher_count() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    for number in 0..3 {
        assert!(sender.send(number.to_string()).await.unwrap().is_accepted());
    }
    let lost = connect(&broker).await;
    let receiver = lost.receiver("q").await.unwrap();
    let held = [next(&receiver).await, next(&receiver).await];
    // Its runtime is gone, and its socket with it, before anything is settled.
    lost.close().await.unwrap();
    drop(held);
    let receiver = connection.receiver("q").await.unwrap();
    for number in 0..3 {
        let delivery = next(&receiver).await;
        let message = delivery.message().unwrap();
        assert_eq!(message.body_text(), Some(number.to_string().as_str()));
        assert_eq!(message.header.unwrap_or_default().delivery_count, 1, "all were under way");
        delivery.accept().unwrap();
    }
}

#[tokio::test]
async fn every_outcome_does_what_it_should() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    let receiver = connection.receiver("q").await.unwrap();
    for text in ["rejected", "released", "modified"] {
        assert!(sender.send(text).await.unwrap().is_accepted());
    }
    next(&receiver).await.reject(None).unwrap();
    next(&receiver).await.release().unwrap();
    next(&receiver).await.modify(true, false, None).unwrap();
    let mut again = Vec::new();
    for _ in 0..2 {
        let delivery = next(&receiver).await;
        let message = delivery.message().unwrap();
        let count = message.header.unwrap_or_default().delivery_count;
        again.push((message.body_text().unwrap_or_default().to_owned(), count));
        delivery.accept().unwrap();
    }
    again.sort();
    assert_eq!(again, [("modified".into(), 1), ("released".into(), 0)]);
    until("the queue is empty", || broker.messages("q") == Some(0)).await;
    let stats = broker.stats();
    assert_eq!((stats.rejected, stats.returned, stats.bytes), (1, 2, 0));
}

#[tokio::test]
async fn undeliverable_here_goes_to_another_consumer() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    let first = connection.receiver("q").await.unwrap();
    assert!(sender.send("x").await.unwrap().is_accepted());
    next(&first).await.modify(false, true, None).unwrap();
    until("the message is back", || broker.stats().returned == 1).await;
    assert!(first.try_recv().unwrap().is_none());
    let second = connection.receiver("q").await.unwrap();
    assert_eq!(next_text(&second).await, "x");
}

#[tokio::test]
async fn a_request_is_answered_over_a_temporary_queue_by_the_anonymous_relay() {
    let broker = broker(|_| {}).await;
    let client = connect(&broker).await;
    assert!(client.remote_offered_capabilities().contains(&Symbol::from("ANONYMOUS-RELAY")));
    let answers = client.receiver(ReceiverOptions::dynamic()).await.unwrap();
    let address = answers.remote_address().expect("the broker names the queue");
    let requests = client.sender("requests").await.unwrap();

    let server = connect(&broker).await;
    let incoming = server.receiver("requests").await.unwrap();
    let relay = server.sender(SenderOptions::anonymous()).await.unwrap();

    let request = Message::new("hello").with_reply_to(address.as_str());
    assert!(requests.send(request).await.unwrap().is_accepted());
    let delivery = next(&incoming).await;
    let request = delivery.message().unwrap();
    delivery.accept().unwrap();
    let answer = Message::new("HELLO").with_to(request.reply_to().unwrap());
    assert!(relay.send(answer).await.unwrap().is_accepted());
    assert_eq!(next_text(&answers).await, "HELLO");

    client.close().await.unwrap();
    until("the temporary queue is gone", || broker.messages(&address).is_none()).await;
    let late = Message::new("late").with_to(address);
    let Outcome::Rejected(Some(error)) = relay.send(late).await.unwrap() else {
        panic!("it must be rejected")
    };
    assert_eq!(error.condition.as_str(), "amqp:not-found");
    let Outcome::Rejected(Some(error)) = relay.send("for nobody").await.unwrap() else {
        panic!("it must be rejected")
    };
    assert_eq!(error.condition.as_str(), "amqp:invalid-field");
    assert!(relay.send(Message::new("made").with_to("on demand")).await.unwrap().is_accepted());
    assert_eq!(broker.messages("on demand"), Some(1));
}

#[tokio::test]
async fn settle_modes_are_honoured() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender(SenderOptions::new("q").presettled()).await.unwrap();
    assert_eq!(sender.send("x").await.unwrap(), Outcome::Settled);
    let options = ReceiverOptions::new("q").snd_settle_mode(deuteron::SenderSettleMode::Settled);
    let receiver = connection.receiver(options).await.unwrap();
    let delivery = next(&receiver).await;
    assert!(delivery.is_remotely_settled());
    until("it is gone", || broker.messages("q") == Some(0)).await;

    let options = ReceiverOptions::new("second").rcv_settle_mode(deuteron::ReceiverSettleMode::Second);
    let receiver = connection.receiver(options).await.unwrap();
    let sender = connection.sender("second").await.unwrap();
    assert!(sender.send("y").await.unwrap().is_accepted());
    let delivery = next(&receiver).await;
    assert!(!delivery.is_remotely_settled());
    delivery.accept().unwrap();
    until("the broker has settled", || delivery.is_remotely_settled()).await;
    until("it is gone", || broker.messages("second") == Some(0)).await;
}

#[tokio::test]
async fn a_full_queue_holds_producers_up_and_loses_nothing() {
    let broker = broker(|config| config.max_queue_messages = 100).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    let task = tokio::spawn(async move {
        for number in 0..1000 {
            drop(sender.transfer(number.to_string()).await?);
        }
        Ok::<_, Error>(sender)
    });
    until("the queue is full", || broker.messages("q") == Some(100)).await;
    let other = connect(&broker).await;
    let receiver = other.receiver("q").await.unwrap();
    for number in 0..1000 {
        assert_eq!(next_text(&receiver).await, number.to_string());
        assert!(broker.messages("q") <= Some(110), "{:?}", broker.messages("q"));
    }
    drop(task.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_drain_ends_whether_or_not_there_are_messages() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    let receiver = connection.receiver(ReceiverOptions::new("q").manual_credit()).await.unwrap();
    receiver.add_credit(10);
    receiver.drain().await.unwrap();
    assert!(receiver.try_recv().unwrap().is_none());
    for number in 0..3 {
        assert!(sender.send(number.to_string()).await.unwrap().is_accepted());
    }
    receiver.add_credit(10);
    receiver.drain().await.unwrap();
    for number in 0..3 {
        let delivery = receiver.try_recv().unwrap().expect("it came before the drain ended");
        assert_eq!(delivery.message().unwrap().body_text(), Some(number.to_string().as_str()));
        delivery.accept().unwrap();
    }
    assert_eq!(receiver.credit(), 0);
}

#[tokio::test]
async fn browsers_see_all_and_take_nothing() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    for text in ["a", "b"] {
        assert!(sender.send(text).await.unwrap().is_accepted());
    }
    let browser = connection.receiver(ReceiverOptions::new("q").browse()).await.unwrap();
    assert_eq!((next_text(&browser).await, next_text(&browser).await), ("a".into(), "b".into()));
    assert_eq!(broker.messages("q"), Some(2));
}

#[tokio::test]
async fn what_cannot_be_honoured_is_told_in_the_attach() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let unknown =
        Described { descriptor: Value::from(Symbol::from("nobody:knows")), value: Value::from("x") };
    let options = ReceiverOptions::new("q")
        .filter("f", Value::Described(Box::new(unknown)))
        .durable("d")
        .source_capabilities(["queue", "topic"]);
    let receiver = connection.receiver(options).await.unwrap();
    let source = receiver.remote_source().expect("there is a source");
    assert_eq!(source.filter, None);
    assert_eq!(source.durable, deuteron::TerminusDurability::None);
    assert_eq!(source.expiry_policy, TerminusExpiryPolicy::LinkDetach);
    assert_eq!(source.capabilities, [Symbol::from("queue")]);
    let error = connection.receiver(ReceiverOptions::new("").source(Source::default())).await.unwrap_err();
    assert_eq!(error.condition(), Some("amqp:invalid-field"));
}

#[tokio::test]
async fn users_authenticate_and_others_stay_out() {
    let broker = broker(|config| config.add_user("alice", "wonderland").unwrap()).await;
    let options =
        |password: &str| ConnectOptions::new(broker.url()).user("alice").password(password).reconnect(false);
    let connection = Connection::connect(options("wonderland")).await.unwrap();
    assert_eq!(connection.sasl_mechanism().as_deref(), Some("SCRAM-SHA-512"));
    assert!(Connection::connect(options("looking glass")).await.is_err());
    let anonymous = ConnectOptions::new(broker.url()).reconnect(false);
    assert!(Connection::connect(anonymous).await.is_err());
    let without_sasl = ConnectOptions::new(broker.url()).sasl(false).reconnect(false);
    assert!(Connection::connect(without_sasl).await.is_err());
    assert_eq!(broker.stats().connections, 1);
}

#[tokio::test]
async fn several_urls_are_listened_at_and_tls_allows_plain() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    let broker = broker(|config| {
        config.listen = vec!["amqp://127.0.0.1:0".into(), "amqps://127.0.0.1:0".into()];
        config.tls = Some(TlsServerConfig::pem(&chain, key));
        config.add_user("alice", "wonderland").unwrap();
    })
    .await;
    let options = |url: &str| {
        let options = ConnectOptions::new(url).user("alice").password("wonderland");
        options.allowed_mechanisms(["PLAIN"]).reconnect(false)
    };
    let [plain, secure] = broker.urls() else { panic!("{:?}", broker.urls()) };
    assert!(secure.starts_with("amqps://127.0.0.1:"));
    let secured = options(secure).tls(TlsConfig::new().ca_pem(&chain)).sni("localhost");
    let connection = Connection::connect(secured).await.unwrap();
    assert_eq!(connection.sasl_mechanism().as_deref(), Some("PLAIN"));
    let error = Connection::connect(options(plain)).await.unwrap_err();
    assert_eq!(error.scope(), deuteron::Scope::Sasl, "in the clear it is not offered: {error}");
}

#[tokio::test]
async fn message_formats_pass_through() {
    let broker = broker(|_| {}).await;
    let connection = connect(&broker).await;
    let sender = connection.sender("q").await.unwrap();
    let options = SendOptions { message_format: 0x8001_3000, ..SendOptions::default() };
    let bytes = deuteron::Encoded(b"no sections at all".to_vec().into());
    assert!(sender.transfer_with(bytes, options).await.unwrap().outcome().await.unwrap().is_accepted());
    let receiver = connection.receiver("q").await.unwrap();
    next(&receiver).await.modify(true, false, None).unwrap();
    let delivery = next(&receiver).await;
    assert_eq!(
        (delivery.message_format(), &delivery.payload()[..]),
        (0x8001_3000, &b"no sections at all"[..])
    );
}

#[tokio::test]
async fn stopping_tells_the_clients_and_frees_the_port() {
    let broker = broker(|_| {}).await;
    let url = broker.url().to_owned();
    let connection = Connection::connect(ConnectOptions::new(url.as_str()).reconnect(false)).await.unwrap();
    broker.stop(PATIENCE).await.unwrap();
    let error = connection.closed().await.unwrap_err();
    assert_eq!(error.condition(), Some("amqp:connection:forced"), "{error}");
    let again = Broker::start(BrokerConfig::listening([url.as_str()])).await.unwrap();
    assert_eq!(again.url(), url);
}

#[tokio::test]
async fn clients_come_back_after_a_broker_that_was_stopped_in_order() {
    let first = broker(|_| {}).await;
    let url = first.url().to_owned();
    let connection = Connection::connect(url.as_str()).await.unwrap();
    let sender = connection.sender("q").await.unwrap();
    assert!(sender.send("before").await.unwrap().is_accepted());
    first.stop(PATIENCE).await.unwrap();
    let again = Broker::start(BrokerConfig::listening([url.as_str()])).await.unwrap();
    assert!(sender.send("after").await.unwrap().is_accepted());
    assert_eq!(again.messages("q"), Some(1));
    connection.close().await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let broker = broker(|_| {}).await;
    let error = Broker::start(BrokerConfig::listening([broker.url()])).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    let error = Broker::start(BrokerConfig::listening(["nonsense://"])).await.unwrap_err();
    assert!(error.to_string().contains("amqp://host:port"), "{error}");
}

#[test]
fn a_killed_broker_drops_its_sockets_and_can_come_back_on_the_same_port() {
    // The client goes on while the test waits for the broker.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = Broker::start_on_thread(BrokerConfig::listening(["amqp://127.0.0.1:0"])).unwrap();
    let url = broker.url().to_owned();
    let connection = runtime.block_on(Connection::connect(url.as_str())).unwrap();
    let sender = runtime.block_on(connection.sender("q")).unwrap();
    assert!(runtime.block_on(sender.send("one")).unwrap().is_accepted());
    assert_eq!(broker.messages("q"), Some(1));
    broker.kill();
    let broker = Broker::start_on_thread(BrokerConfig::listening([url.as_str()])).unwrap();
    assert!(runtime.block_on(sender.send("two")).unwrap().is_accepted());
    assert_eq!(broker.messages("q"), Some(1));
    broker.stop(PATIENCE).unwrap();
}

/// Does not read until it is told to.
struct Slow {
    url: String,
    start: std::sync::mpsc::Receiver<()>,
    texts: Vec<String>,
    expected: usize,
}

impl deuteron::MessagingHandler for Slow {
    fn on_start(&mut self, cx: &mut deuteron::Context<'_>) {
        let options = ReceiverOptions::new("q").snd_settle_mode(deuteron::SenderSettleMode::Settled);
        let connection = cx.connect(self.url.as_str()).unwrap();
        connection.open_receiver(options.credit_window(1_000_000)).unwrap();
    }

    fn on_message(&mut self, _: &mut deuteron::Context<'_>, delivery: &deuteron::Delivery) -> deuteron::Ack {
        if self.texts.is_empty() {
            self.start.recv_timeout(PATIENCE).expect("it is told to start");
        }
        let subject = delivery.message().unwrap().subject().map(str::to_owned);
        self.texts.push(subject.expect("it has a subject"));
        if self.texts.len() == self.expected {
            drop(delivery.connection().close());
        }
        deuteron::Ack::Accept
    }
}

#[test]
fn settled_messages_for_a_slow_consumer_stay_in_the_queue() {
    const COUNT: usize = 4000;
    let broker = Broker::start_on_thread(BrokerConfig::listening(["amqp://127.0.0.1:0"])).unwrap();
    let (start, started) = std::sync::mpsc::channel();
    let mut slow = Slow { url: broker.url().to_owned(), start: started, texts: Vec::new(), expected: COUNT };
    let consuming = std::thread::spawn(move || {
        deuteron::Container::new().run(&mut slow).unwrap();
        slow.texts
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = Connection::connect(broker.url()).await.unwrap();
        let sender = connection.sender("q").await.unwrap();
        for number in 0..COUNT {
            let message = Message::new(vec![0; 20_000]).with_subject(number.to_string());
            drop(sender.transfer(message).await.unwrap());
        }
        until("all messages have come", || broker.stats().received == COUNT as u64).await;
        connection.close().await.unwrap();
    });
    // Sockets and output hold a part of the 80 MB, and 512 messages may wait on the link.
    assert!(broker.stats().messages > 1000, "{:?}", broker.stats());
    start.send(()).unwrap();
    let texts = consuming.join().unwrap();
    assert!(texts.iter().enumerate().all(|(number, text)| *text == number.to_string()), "in order");
    assert_eq!((texts.len(), broker.stats().messages), (COUNT, 0));
}

#[tokio::test]
async fn there_are_so_many_sessions_and_no_more() {
    let broker = broker(|config| config.max_sessions = 2).await;
    let connection = connect(&broker).await;
    // The connection's own is the first.
    let one = connection.sender("one").await.unwrap();
    let second = connection.open_session(SessionOptions::default()).unwrap();
    second.sender("two").await.unwrap();
    // The broker has said how many there may be, and the client goes by that: it waits until there are fewer.
    let third = connection.open_session(SessionOptions::default()).unwrap();
    let mut waiting = std::pin::pin!(third.sender("three"));
    tokio::select! {
        biased;
        opened = &mut waiting => panic!("a third session was begun: {opened:?}"),
        outcome = one.send("what was asked before this was answered before it") => {
            assert!(outcome.unwrap().is_accepted());
        }
    }
    second.end().await.unwrap();
    waiting.await.unwrap();
}

#[tokio::test]
async fn there_are_so_many_connections_and_links_and_no_more() {
    let broker = broker(|config| (config.max_connections, config.max_links) = (1, 2)).await;
    let connection = connect(&broker).await;
    let refused = Connection::connect(ConnectOptions::new(broker.url()).reconnect(false)).await;
    assert_eq!(refused.unwrap_err().condition(), Some("amqp:resource-limit-exceeded"));
    let one = connection.sender("one").await.unwrap();
    let _two = connection.receiver("two").await.unwrap();
    let refused = connection.sender("three").await.unwrap_err();
    assert_eq!(refused.condition(), Some("amqp:resource-limit-exceeded"));
    one.close().await.unwrap();
    connection.sender("three").await.unwrap();
    connection.close().await.unwrap();
    until("the connection is gone", || broker.stats().connections == 0).await;
    connect(&broker).await;
}
