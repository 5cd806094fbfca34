//! Deuteron and Azure's go-amqp: its client with our listener and our broker. It has no server.

use deuteron_interop::Kind::GoAmqp as PEER;
use deuteron_interop::{Row, scenario};

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
