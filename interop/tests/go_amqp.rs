//! Deuteron and Azure's go-amqp: its client with our listener and our broker. It has no server.

use deuteron_broker::{Broker, BrokerConfig};
use deuteron_interop::Kind::GoAmqp as PEER;
use deuteron_interop::{Peer, Row};

deuteron_interop::with_peer! {
    PEER;
    their_client_sends_and_receives;
    their_client_uses_tls;
    their_client_leaves_sasl_out;
    their_client_hears_outcomes;
    their_client_gives_outcomes;
    their_client_requests;
    their_client_types;
    their_client_logs_in_by_plain(their_client_logs_in, "PLAIN");
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
fn it_has_no_server() {
    Row::our_client(PEER.title(), "send and receive, 0 B to 100 MiB").not_supported(
        "it \"provides an AMQP 1.0 client implementation\", says its documentation, and no server",
    );
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
