//! Deuteron and fe2o3-amqp: our client with its server, its client with our listener and our broker.

use deuteron::{Connection, Message, Outcome};
use deuteron_broker::{Broker, BrokerConfig};
use deuteron_interop::Kind::Fe2o3 as PEER;
use deuteron_interop::{Peer, Row};

deuteron_interop::with_peer! {
    PEER;
    our_client_sends_and_receives;
    our_client_uses_tls;
    our_client_leaves_sasl_out;
    our_client_hears_outcomes;
    our_client_requests;
    our_client_types;
    our_client_reconnects;
    our_client_fails_over;
    our_receiver_reconnects;
    their_client_sends_and_receives;
    their_client_uses_tls;
    their_client_leaves_sasl_out;
    their_client_hears_outcomes;
    their_client_gives_outcomes;
    their_client_requests;
    their_client_types;
    our_client_logs_in_by_plain(our_client_logs_in, "PLAIN");
    their_client_logs_in_by_plain(their_client_logs_in, "PLAIN");
    our_client_logs_in_by_scram_sha_1(our_client_logs_in, "SCRAM-SHA-1");
    their_client_logs_in_by_scram_sha_1(their_client_logs_in, "SCRAM-SHA-1");
    our_client_logs_in_by_scram_sha_256(our_client_logs_in, "SCRAM-SHA-256");
    their_client_logs_in_by_scram_sha_256(their_client_logs_in, "SCRAM-SHA-256");
    our_client_logs_in_by_scram_sha_512(our_client_logs_in, "SCRAM-SHA-512");
    their_client_logs_in_by_scram_sha_512(their_client_logs_in, "SCRAM-SHA-512");
    their_clients_meet_at_our_broker;
    their_client_logs_in_at_our_broker;
    their_clients_ask_and_answer_at_our_broker;
    our_broker_delivers_again_to_theirs;
    types_pass_our_broker;
    exclusions_are_true;
    types_pass_from_peer_to_peer;
    their_client_selects_and_browses;
}

#[test]
fn its_server_has_no_external() {
    Row::our_client(PEER.title(), "client certificate, SASL EXTERNAL")
        .not_supported("its `acceptor` module has ANONYMOUS, PLAIN and SCRAM, and no EXTERNAL");
    Row::our_client(PEER.title(), "strongest mechanism taken").not_supported(
        "its `ConnectionAcceptor` takes one mechanism, or the program writes a `SaslAcceptor` of its own",
    );
}

#[tokio::test]
async fn their_client_has_transactions() {
    if !PEER.is_installed() {
        return;
    }
    let broker =
        Broker::start_on_thread(BrokerConfig::listening(["amqp://127.0.0.1:0"])).expect("it listens");
    let events = Peer::start(PEER, ["transact", broker.url(), "q", "5", "100"]).succeed().await;
    let ids: Vec<_> =
        events.iter().filter(|event| event.name() == "received").map(|event| event.text("id")).collect();
    assert_eq!(ids, ["5", "6", "7", "8", "9"], "those of the committed transaction, and no others");
    let connection = Connection::connect(broker.url()).await.expect("it connects");
    let receiver = connection.receiver("q").await.expect("the receiver opens");
    let sender = connection.sender("q").await.expect("the sender opens");
    let outcome = sender.send(Message::new("last").with_id("last")).await.expect("the message is sent");
    assert_eq!(outcome, Outcome::Accepted);
    let delivery = receiver.recv().await.expect("it comes");
    let id = delivery.message().expect("a message").id().map(ToString::to_string);
    assert_eq!(id.as_deref(), Some("last"), "all others were taken");
    delivery.accept().expect("it is not settled yet");
    connection.close().await.expect("it closes");
    for feature in ["transaction: commit", "transaction: rollback", "transaction: consume"] {
        Row::our_broker(PEER.title(), feature).pass();
    }
}

#[tokio::test]
async fn our_client_has_transactions() {
    if !PEER.is_installed() {
        return;
    }
    let (mut server, port) = Peer::listen(PEER, [""; 0]).await;
    let connection = Connection::connect(format!("amqp://127.0.0.1:{port}")).await.expect("it connects");
    let sender = connection.sender("q").await.expect("the sender opens");
    let undone = connection.begin_transaction().await.expect("it is declared");
    let outcome = undone.send(&sender, Message::new("no").with_id("no")).await.expect("the message is sent");
    assert_eq!(outcome, Outcome::Accepted);
    undone.rollback().await.expect("it is rolled back");
    let done = connection.begin_transaction().await.expect("it is declared");
    let outcome = done.send(&sender, Message::new("yes").with_id("yes")).await.expect("the message is sent");
    assert_eq!(outcome, Outcome::Accepted);
    done.commit().await.expect("it is committed");
    assert_eq!(server.wait("received").await.text("id"), "yes", "the other one was rolled back");
    connection.close().await.expect("it closes");
    for feature in ["transaction: commit", "transaction: rollback"] {
        Row::our_client(PEER.title(), feature).pass();
    }
}
