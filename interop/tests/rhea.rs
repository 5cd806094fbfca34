//! Deuteron and Rhea: our client with its server, its client with our listener and our broker.

use deuteron_interop::Kind::Rhea as PEER;

deuteron_interop::with_peer! {
    PEER;
    our_client_sends_and_receives;
    our_client_uses_tls;
    our_client_shows_a_certificate;
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
    their_clients_meet_at_our_broker;
    their_client_logs_in_at_our_broker;
    their_clients_ask_and_answer_at_our_broker;
    our_broker_delivers_again_to_theirs;
    types_pass_our_broker;
    exclusions_are_true;
    types_pass_from_peer_to_peer;
}
