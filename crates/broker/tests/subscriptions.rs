//! Topics, subscriptions and filters over loopback, with clients of ours.

mod common;

use common::{PATIENCE, broker, connect_as, next_text, until};
use deuteron::codec::{DeleteOnNoLinksOrMessages, Described};
use deuteron::{
    Connection, Map, Message, ReceiverOptions, SenderOptions, Source, Symbol, TerminusDurability,
    TerminusExpiryPolicy, Value,
};
use deuteron_broker::{Broker, BrokerConfig};

fn topic() -> ReceiverOptions {
    ReceiverOptions::new("news").source_capabilities(["topic"])
}

async fn publish(connection: &Connection, texts: &[&str]) {
    let options = SenderOptions::new("news").target_capabilities(["topic"]);
    let sender = connection.sender(options).await.unwrap();
    for text in texts {
        let message = Message::new(*text).with_property("length", text.len() as i32);
        assert!(sender.send(message).await.unwrap().is_accepted());
    }
    sender.close().await.unwrap();
}

#[tokio::test]
async fn every_subscriber_of_a_topic_gets_every_message() {
    let broker = broker(|_| {}).await;
    let connection = connect_as(&broker, "c").await;
    let one = connection.receiver(topic()).await.unwrap();
    let two = connection.receiver(topic()).await.unwrap();
    assert_eq!(one.remote_source().unwrap().capabilities, [Symbol::from("topic")]);
    publish(&connection, &["a", "b"]).await;
    for receiver in [&one, &two] {
        assert_eq!((next_text(receiver).await, next_text(receiver).await), ("a".into(), "b".into()));
    }
    assert_eq!((broker.stats().topics, broker.stats().subscriptions, broker.stats().queues), (1, 2, 0));
    one.close().await.unwrap();
    two.close().await.unwrap();
    until("the topic goes", || broker.stats().topics == 0).await;
}

#[tokio::test]
async fn a_prefix_names_a_topic_too() {
    let broker = broker(|_| {}).await;
    let connection = connect_as(&broker, "c").await;
    let receiver = connection.receiver("topic://news").await.unwrap();
    publish(&connection, &["a"]).await;
    let relay = connection.sender(SenderOptions::anonymous()).await.unwrap();
    assert!(relay.send(Message::new("b").with_to("topic://news")).await.unwrap().is_accepted());
    assert_eq!((next_text(&receiver).await, next_text(&receiver).await), ("a".into(), "b".into()));
}

#[tokio::test]
async fn a_durable_subscription_survives_detach_and_a_new_connection_and_ends_on_close() {
    let broker = broker(|_| {}).await;
    let publisher = connect_as(&broker, "publisher").await;
    let connection = connect_as(&broker, "subscriber").await;
    let receiver = connection.receiver(topic().durable("mine")).await.unwrap();
    let granted = receiver.remote_source().unwrap();
    assert_eq!(
        (granted.durable, granted.expiry_policy),
        (TerminusDurability::UnsettledState, TerminusExpiryPolicy::Never)
    );
    publish(&publisher, &["a"]).await;
    assert_eq!(next_text(&receiver).await, "a");
    receiver.detach().await.unwrap();
    publish(&publisher, &["b"]).await;
    let receiver = connection.receiver(topic().durable("mine")).await.unwrap();
    assert_eq!(next_text(&receiver).await, "b");
    connection.close().await.unwrap();
    publish(&publisher, &["c"]).await;
    assert_eq!(broker.messages("news"), Some(1));
    let connection = connect_as(&broker, "subscriber").await;
    let receiver = connection.receiver(topic().durable("mine")).await.unwrap();
    assert_eq!(next_text(&receiver).await, "c");
    receiver.close().await.unwrap();
    until("the subscription ends", || broker.stats().subscriptions == 0).await;
}

#[tokio::test]
async fn who_subscribes_by_name_means_a_topic() {
    let broker = broker(|_| {}).await;
    let connection = connect_as(&broker, "c").await;
    let receiver = connection.receiver(ReceiverOptions::new("news").durable("mine")).await.unwrap();
    assert_eq!(broker.stats().topics, 1);
    // The address is a topic now, also for those who do not say so.
    let sender = connection.sender("news").await.unwrap();
    assert!(sender.send("a").await.unwrap().is_accepted());
    assert_eq!(next_text(&receiver).await, "a");
}

#[tokio::test]
async fn a_second_link_of_the_same_name_steals_the_subscription() {
    let broker = broker(|_| {}).await;
    let first = connect_as(&broker, "c").await;
    let second = connect_as(&broker, "c").await;
    let loser = first.receiver(topic().durable("mine")).await.unwrap();
    let winner = second.receiver(topic().durable("mine")).await.unwrap();
    let error = loser.recv_timeout(PATIENCE).await.unwrap_err();
    assert_eq!(error.condition(), Some("amqp:link:stolen"));
    publish(&first, &["a"]).await;
    assert_eq!(next_text(&winner).await, "a");
}

#[tokio::test]
async fn shared_subscribers_share_the_messages() {
    let broker = broker(|_| {}).await;
    let (one, two) = (connect_as(&broker, "one").await, connect_as(&broker, "two").await);
    let options = || topic().shared_globally("team").credit_window(1);
    let first = one.receiver(options()).await.unwrap();
    let second = two.receiver(options()).await.unwrap();
    let granted = first.remote_source().unwrap();
    assert!(["shared", "global"].iter().all(|name| granted.capabilities.contains(&Symbol::from(*name))));
    assert_eq!(broker.stats().subscriptions, 1);
    publish(&one, &["a", "b"]).await;
    let mut came = [next_text(&first).await, next_text(&second).await];
    came.sort();
    assert_eq!(came, ["a", "b"]);
    // Without `global`, containers do not share.
    let three = connect_as(&broker, "three").await;
    let own = three.receiver(topic().shared("team")).await.unwrap();
    assert_eq!(broker.stats().subscriptions, 2);
    publish(&one, &["c"]).await;
    assert_eq!(next_text(&own).await, "c");
}

#[tokio::test]
async fn a_subscription_is_asked_for_by_its_name_alone() {
    let broker = broker(|_| {}).await;
    let connection = connect_as(&broker, "c").await;
    let query = || ReceiverOptions::subscription("mine");
    let error = connection.receiver(query()).await.unwrap_err();
    assert_eq!(error.condition(), Some("amqp:not-found"));
    let receiver = connection.receiver(topic().durable("mine")).await.unwrap();
    receiver.detach().await.unwrap();
    let found = connection.receiver(query()).await.unwrap();
    assert_eq!(found.remote_source().unwrap().address.as_deref(), Some("news"));
    found.detach().await.unwrap();
    connection.unsubscribe("mine").await.unwrap();
    until("the subscription ends", || broker.stats().subscriptions == 0).await;
    assert_eq!(connection.unsubscribe("mine").await.unwrap_err().condition(), Some("amqp:not-found"));
}

#[tokio::test]
async fn selectors_choose_from_topics_and_queues() {
    let broker = broker(|_| {}).await;
    let connection = connect_as(&broker, "c").await;
    let receiver = connection.receiver(topic().selector("length > 1")).await.unwrap();
    assert!(receiver.remote_source().unwrap().filter.unwrap().get("selector").is_some());
    publish(&connection, &["a", "bb", "c", "dd"]).await;
    assert_eq!((next_text(&receiver).await, next_text(&receiver).await), ("bb".into(), "dd".into()));
    let sender = connection.sender("q").await.unwrap();
    for (text, colour) in [("a", "red"), ("b", "green"), ("c", "red")] {
        assert!(sender.send(Message::new(text).with_property("colour", colour)).await.unwrap().is_accepted());
    }
    let red = connection.receiver(ReceiverOptions::new("q").selector("colour LIKE 'r%'")).await.unwrap();
    assert_eq!((next_text(&red).await, next_text(&red).await), ("a".into(), "c".into()));
    let browser =
        connection.receiver(ReceiverOptions::new("q").selector("colour = 'green'").browse()).await.unwrap();
    assert_eq!(next_text(&browser).await, "b");
    assert_eq!(broker.messages("q"), Some(1));
}

#[tokio::test]
async fn a_wrong_selector_is_refused_with_its_fault() {
    let broker = broker(|_| {}).await;
    let connection = connect_as(&broker, "c").await;
    let error = connection.receiver(topic().selector("colour = = 'red'")).await.unwrap_err();
    assert_eq!(error.condition(), Some("amqp:invalid-field"));
    assert!(error.to_string().contains("at character 10"), "{error}");
    let number = Described {
        descriptor: Value::from(Symbol::from("apache.org:selector-filter:string")),
        value: Value::from(1),
    };
    let options = topic().filter("selector", Value::Described(Box::new(number)));
    assert_eq!(connection.receiver(options).await.unwrap_err().condition(), Some("amqp:invalid-field"));
    assert_eq!(broker.stats().topics, 0);
}

#[tokio::test]
async fn no_local_leaves_out_what_the_connection_has_sent() {
    let broker = broker(|_| {}).await;
    let (one, two) = (connect_as(&broker, "one").await, connect_as(&broker, "two").await);
    let receiver = one.receiver(topic().no_local()).await.unwrap();
    assert!(receiver.remote_source().unwrap().filter.unwrap().get("no-local").is_some());
    publish(&one, &["own"]).await;
    publish(&two, &["other"]).await;
    assert_eq!(next_text(&receiver).await, "other");
}

#[tokio::test]
async fn a_subscription_waits_for_its_reader_for_as_long_as_was_asked_for() {
    let broker = broker(|_| {}).await;
    let connection = connect_as(&broker, "c").await;
    let source = || Source {
        address: Some("news".into()),
        timeout: 600,
        capabilities: vec![Symbol::from("topic")],
        ..Source::default()
    };
    let options = || ReceiverOptions::new("news").name("s").source(source());
    let receiver = connection.receiver(options()).await.unwrap();
    assert_eq!(receiver.remote_source().unwrap().timeout, 600);
    receiver.detach().await.unwrap();
    publish(&connection, &["meanwhile"]).await;
    let receiver = connection.receiver(options()).await.unwrap();
    assert_eq!(next_text(&receiver).await, "meanwhile");
    receiver.close().await.unwrap();
    assert_eq!(broker.stats().subscriptions, 0);
    let source = Source {
        address: Some("q".into()),
        timeout: 600,
        capabilities: vec![Symbol::from("queue")],
        ..Source::default()
    };
    let queue = connection.receiver(ReceiverOptions::new("q").source(source)).await.unwrap();
    assert_eq!(queue.remote_source().unwrap().timeout, 0, "a queue needs none");
}

#[tokio::test]
async fn no_local_leaves_messages_in_a_queue_for_others() {
    let broker = broker(|_| {}).await;
    let (one, two) = (connect_as(&broker, "one").await, connect_as(&broker, "two").await);
    let receiver = one.receiver(ReceiverOptions::new("q").no_local()).await.unwrap();
    assert!(receiver.remote_source().unwrap().filter.unwrap().get("no-local").is_some());
    for (connection, text) in [(&one, "own"), (&two, "other"), (&one, "own again")] {
        assert!(connection.sender("q").await.unwrap().send(text).await.unwrap().is_accepted());
    }
    assert_eq!(next_text(&receiver).await, "other");
    let browser = one.receiver(ReceiverOptions::new("q").browse().no_local()).await.unwrap();
    browser.drain().await.unwrap();
    assert!(browser.try_recv().unwrap().is_none(), "copies of its own it does not get either");
    let others = two.receiver("q").await.unwrap();
    assert_eq!([next_text(&others).await, next_text(&others).await], ["own", "own again"]);
}

#[tokio::test]
async fn a_dynamic_node_lives_as_long_as_was_asked_for() {
    let broker = broker(|_| {}).await;
    let connection = connect_as(&broker, "c").await;
    let policy =
        Described { descriptor: Value::from(DeleteOnNoLinksOrMessages::CODE), value: Value::List(vec![]) };
    let mut properties = Map::new();
    properties.insert(Symbol::from("lifetime-policy"), Value::Described(Box::new(policy)));
    let source =
        Source { dynamic: true, dynamic_node_properties: Some(properties.clone()), ..Source::default() };
    let receiver =
        connection.receiver(ReceiverOptions::new("").source(source).manual_credit()).await.unwrap();
    let granted = receiver.remote_source().unwrap();
    assert_eq!(granted.dynamic_node_properties, Some(properties));
    let address = granted.address.unwrap();
    let sender = connection.sender(&address).await.unwrap();
    assert!(sender.send("x").await.unwrap().is_accepted());
    sender.close().await.unwrap();
    receiver.close().await.unwrap();
    assert_eq!(broker.messages(&address), Some(1));
    let receiver = connection.receiver(&address).await.unwrap();
    assert_eq!(next_text(&receiver).await, "x");
    receiver.close().await.unwrap();
    until("the node goes", || broker.messages(&address).is_none()).await;
}

#[tokio::test]
async fn configured_addresses_are_there_and_others_can_be_refused() {
    let config = BrokerConfig {
        queues: vec!["jobs".into()],
        topics: vec!["news".into()],
        on_demand: false,
        ..BrokerConfig::listening(["amqp://127.0.0.1:0"])
    };
    let broker = Broker::start(config).await.unwrap();
    let connection = connect_as(&broker, "c").await;
    let receiver = connection.receiver("news").await.unwrap();
    publish(&connection, &["a"]).await;
    assert_eq!(next_text(&receiver).await, "a");
    let sender = connection.sender("jobs").await.unwrap();
    assert!(sender.send("x").await.unwrap().is_accepted());
    assert_eq!(connection.sender("else").await.unwrap_err().condition(), Some("amqp:not-found"));
    let other_kind = SenderOptions::new("jobs").target_capabilities(["topic"]);
    assert_eq!(connection.sender(other_kind).await.unwrap_err().condition(), Some("amqp:not-allowed"));
    drop(connection.receiver(ReceiverOptions::dynamic()).await.unwrap());
}
