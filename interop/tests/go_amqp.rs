//! Deuteron and Azure's go-amqp: its client with our listener and our broker. It has no server.

use deuteron_broker::{Broker, BrokerConfig};
use deuteron_interop::Kind::GoAmqp as PEER;
use deuteron_interop::{Peer, Row, scenario};

#[tokio::test]
async fn their_client_sends_and_receives() {
    scenario::their_client_sends_and_receives(PEER).await;
}

#[tokio::test]
async fn their_client_uses_tls() {
    scenario::their_client_uses_tls(PEER).await;
}

#[tokio::test]
async fn their_client_leaves_sasl_out() {
    scenario::their_client_leaves_sasl_out(PEER).await;
}

#[tokio::test]
async fn their_client_hears_outcomes() {
    scenario::their_client_hears_outcomes(PEER).await;
}

#[tokio::test]
async fn their_client_gives_outcomes() {
    scenario::their_client_gives_outcomes(PEER).await;
}

#[tokio::test]
async fn their_client_requests() {
    scenario::their_client_requests(PEER).await;
}

#[tokio::test]
async fn their_client_types() {
    scenario::their_client_types(PEER).await;
}

#[tokio::test]
async fn their_client_logs_in_by_plain() {
    scenario::their_client_logs_in(PEER, "PLAIN").await;
}

#[tokio::test]
async fn their_clients_meet_at_our_broker() {
    scenario::their_clients_meet_at_our_broker(PEER).await;
}

#[tokio::test]
async fn their_client_logs_in_at_our_broker() {
    scenario::their_client_logs_in_at_our_broker(PEER).await;
}

#[tokio::test]
async fn their_clients_ask_and_answer_at_our_broker() {
    scenario::their_clients_ask_and_answer_at_our_broker(PEER).await;
}

#[tokio::test]
async fn our_broker_delivers_again_to_theirs() {
    scenario::our_broker_delivers_again_to_theirs(PEER).await;
}

#[tokio::test]
async fn types_pass_our_broker() {
    scenario::types_pass_our_broker(PEER).await;
}

#[tokio::test]
async fn exclusions_are_true() {
    scenario::exclusions_are_true(PEER).await;
}

#[tokio::test]
async fn types_pass_from_peer_to_peer() {
    scenario::types_pass_from_peer_to_peer(PEER).await;
}

#[test]
fn it_has_no_server() {
    Row::our_client(PEER.title(), "send and receive, 0 B to 100 MiB").not_supported(
        "it \"provides an AMQP 1.0 client implementation\", says its documentation, and no server",
    );
}

#[tokio::test]
async fn their_client_selects_and_browses() {
    scenario::their_client_selects_and_browses(PEER).await;
}

#[tokio::test]
async fn their_client_drains() {
    if !PEER.is_installed() {
        return;
    }
    let broker =
        Broker::start_on_thread(BrokerConfig::listening(["amqp://127.0.0.1:0"])).expect("it listens");
    Peer::start(PEER, ["send", broker.url(), "q", "3", "100"]).succeed().await;
    let events = Peer::start(PEER, ["drain", broker.url(), "q", "10"]).succeed().await;
    let drained = events.iter().find(|event| event.name() == "drained").expect("it says so");
    assert_eq!(drained.number("count"), 3, "what there was came, and the rest of the credit is gone");
    Row::our_broker(PEER.title(), "credit and drain").pass();
}
