//! What a server cannot do, and how it says so. Each function sees the refusal, and only then fills the row.

use super::{connect, pass, put, receiver, restart, sender, take};
use crate::Row;
use crate::server::{PASSWORD, Server, USER};
use deuteron::{
    ConnectOptions, Connection, Error, Message, ReceiverOptions, ReceiverSettleMode, SenderOptions, TlsConfig,
};
use std::sync::Arc;

fn refused(server: &impl Server, feature: &str, reason: &str) {
    Row::our_client(server.title(), feature).not_supported(reason);
}

/// The error says what the server's refusal is known to say.
fn assert_says(error: &Error, words: &str) {
    assert!(error.to_string().contains(words), "{error}");
}

/// SCRAM is not among the mechanisms.
pub async fn no_scram(server: &impl Server) {
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let options = ConnectOptions::new(server.url())
            .user(USER)
            .password(PASSWORD)
            .allowed_mechanisms([mechanism])
            .reconnect(false);
        let error = Connection::connect(options).await.expect_err("it is not offered");
        assert_says(&error, "none of the SASL mechanisms");
        refused(server, &format!("SASL {mechanism}, wrong password refused"), "the server does not offer it");
    }
}

/// A client certificate is a login, beside others at the same port.
pub async fn optional_certificate(server: &impl Server) {
    let (chain, key) = server.certificates().client();
    let tls =
        TlsConfig::new().ca_file(server.certificates().authority()).client_certificate_files(chain, key);
    let options = ConnectOptions::new(server.certificate_url()).tls(tls).allowed_mechanisms(["EXTERNAL"]);
    let connection = Connection::connect(options).await.expect("it logs in");
    assert_eq!(connection.sasl_mechanism().as_deref(), Some("EXTERNAL"));
    let node = server.queue("security.certificate").await;
    put(&sender(&connection, &node).await, ["x"]).await;
    assert_eq!(take(&receiver(&connection, &node).await, 1).await, ["x"]);
    connection.close().await.expect("it closes");
    pass(server, "client certificate, SASL EXTERNAL");
}

/// A selector is not applied, although the attach that answers has it in its filter.
pub async fn no_selector(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("refusals.selector").await;
    let sender = sender(&connection, &node).await;
    for (feature, selector) in [("selector", "colour = 'green'"), ("wrong selector refused", "colour = = 1")]
    {
        let receiver = connection.receiver(node.receiver().selector(selector)).await.expect("it opens");
        put(&sender, [Message::new("red").with_property("colour", "red")]).await;
        assert_eq!(take(&receiver, 1).await, ["red"]);
        receiver.close().await.expect("it closes");
        refused(server, feature, "it applies no selectors to queues, though its attach echoes the filter");
    }
    connection.close().await.expect("it closes");
}

/// A receiver that asks for copies gets the messages themselves.
pub async fn no_browse(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("refusals.browse").await;
    put(&sender(&connection, &node).await, ["x"]).await;
    let browser = connection.receiver(node.receiver().browse()).await.expect("it opens");
    assert_eq!(take(&browser, 1).await, ["x"]);
    browser.close().await.expect("it closes");
    put(&sender(&connection, &node).await, ["next"]).await;
    assert_eq!(take(&receiver(&connection, &node).await, 1).await, ["next"], "the first one is gone");
    connection.close().await.expect("it closes");
    refused(server, "browse", "it moves messages whatever is asked for, though its attach echoes `copy`");
}

/// There are no dynamic nodes. The error names the link; the connection goes on.
pub async fn no_dynamic_address(server: &impl Server, words: &str) {
    let connection = connect(server).await;
    let error = connection.receiver(ReceiverOptions::dynamic()).await.expect_err("it is refused");
    assert_says(&error, words);
    put(&sender(&connection, &server.queue("refusals.dynamic").await).await, ["x"]).await;
    connection.close().await.expect("it closes");
    refused(
        server,
        "request and answer, dynamic address",
        "dynamic sources are refused, by the end of the session",
    );
}

/// There is no anonymous relay.
pub async fn no_relay(server: &impl Server, words: &str) {
    let connection = connect(server).await;
    let error = connection.sender(SenderOptions::anonymous()).await.expect_err("it is refused");
    assert_says(&error, words);
    connection.close().await.expect("it closes");
    refused(server, "anonymous relay", "a target without an address is refused, by the end of the session");
}

/// A receiver that settles second is refused.
pub async fn no_second(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("refusals.second").await;
    let options = node.receiver().rcv_settle_mode(ReceiverSettleMode::Second);
    let error = connection.receiver(options).await.expect_err("it is refused");
    assert_says(&error, "rcv-settle-mode second not supported");
    connection.close().await.expect("it closes");
    refused(
        server,
        "unsettled, settled and mixed modes",
        "receiver settle mode second is refused; the others work",
    );
}

/// There are no transactions.
pub async fn no_transactions(server: &impl Server) {
    let connection = connect(server).await;
    let error = connection.begin_transaction().await.expect_err("it is refused");
    assert!(error.is_remote(), "{error}");
    put(&sender(&connection, &server.queue("refusals.transaction").await).await, ["x"]).await;
    connection.close().await.expect("it closes");
    for feature in ["transaction: commit", "transaction: rollback", "transaction: consume"] {
        refused(server, feature, "a link to the coordinator is refused, by the end of the session");
    }
}

/// What is published cannot be received from where it is published.
pub async fn no_topics(server: &impl Server, words: &str) {
    let connection = connect(server).await;
    let node = server.topic("refusals.topic").await;
    let error = connection.receiver(node.receiver()).await.expect_err("it is refused");
    assert_says(&error, words);
    connection.close().await.expect("it closes");
    for feature in [
        "topic",
        "durable subscription",
        "shared subscription",
        "shared subscription, several containers",
        "no-local",
    ] {
        refused(server, feature, "an exchange is no source; bind a queue to it, and receive from that");
    }
}

/// Topics there are, but subscriptions end with their link, are not shared, and filter nothing.
pub async fn plain_subscriptions_only(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.topic("refusals.subscription").await;
    let publisher = sender(&connection, &node).await;
    let options = || node.receiver().durable("kept");
    let durable = connection.receiver(options()).await.expect("it opens");
    durable.detach().await.expect("it detaches");
    let _ = publisher.send(Message::new("missed")).await;
    let durable = connection.receiver(options()).await.expect("it opens again");
    put(&publisher, ["later"]).await;
    assert_eq!(take(&durable, 1).await, ["later"]);
    refused(server, "durable subscription", "what is published while nobody is attached is lost");
    let other = connect(server).await;
    let mut all = Vec::new();
    for connection in [&connection, &other] {
        let options = node.receiver().shared_globally("team").no_local();
        all.push(connection.receiver(options).await.expect("it opens"));
    }
    put(&publisher, ["to each"]).await;
    for receiver in &all {
        assert_eq!(take(receiver, 1).await, ["to each"]);
    }
    for feature in ["shared subscription", "shared subscription, several containers", "no-local"] {
        refused(
            server,
            feature,
            "every receiver gets everything, though its attach echoes what was asked for",
        );
    }
    for connection in [connection, other] {
        connection.close().await.expect("it closes");
    }
}

/// What is in a queue made by its address does not survive a crash of the server, unless the links ask for a durable one.
pub async fn nothing_survives(server: &Arc<impl Server>) {
    let connection = connect(&**server).await;
    let node = server.queue("refusals.crash").await;
    put(&sender(&connection, &node).await, [Message::new("kept?").with_durable(true)]).await;
    connection.close().await.expect("it closes");
    restart(server).await;
    let connection = connect(&**server).await;
    put(&sender(&connection, &node).await, ["new"]).await;
    assert_eq!(take(&receiver(&connection, &node).await, 1).await, ["new"]);
    connection.close().await.expect("it closes");
}

/// Priorities make no difference, or not all.
pub async fn few_priorities(server: &impl Server, came: [&str; 3], reason: &str) {
    let connection = connect(server).await;
    let node = server.queue("refusals.priority").await;
    let messages = [("low", 0), ("middle", 5), ("high", 9)];
    put(
        &sender(&connection, &node).await,
        messages.map(|(text, priority)| Message::new(text).with_priority(priority)),
    )
    .await;
    assert_eq!(take(&receiver(&connection, &node).await, 3).await, came);
    connection.close().await.expect("it closes");
    refused(server, "priority", reason);
}

/// A drain ends the session: a fault of the server's.
pub async fn no_drain(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("refusals.drain").await;
    let receiver = connection.receiver(node.receiver().manual_credit()).await.expect("it opens");
    receiver.add_credit(3);
    put(&sender(&connection, &node).await, ["x"]).await;
    assert_eq!(take(&receiver, 1).await, ["x"]);
    let error = receiver.drain().await.expect_err("the server fails");
    assert_says(&error, "amqp:internal-error");
    connection.close().await.expect("it closes");
    refused(
        server,
        "credit and drain",
        "a drain makes it fail (amqp:internal-error, function_clause in rabbit_classic_queue)",
    );
}

/// The outcome modified ends the session if it says that the delivery failed and nothing else.
pub async fn no_delivery_failed(server: &impl Server) {
    let connection = connect(server).await;
    let node = server.queue("refusals.modified").await;
    put(&sender(&connection, &node).await, ["x"]).await;
    let receiver = receiver(&connection, &node).await;
    let delivery = super::next(&receiver).await;
    delivery.modify(true, false, None).expect("it is not settled yet");
    let error = receiver.recv_timeout(super::PATIENCE).await.expect_err("the server ends the session");
    assert_says(&error, "Unrecognised state");
    connection.close().await.expect("it closes");
    refused(
        server,
        "redelivery: modify with delivery-failed",
        "it ends the session (\"Unrecognised state\")",
    );
}
