//! Nothing stays behind that nobody will ever ask for, and no bound is too long.

use std::time::Duration;

use deuteron_engine::codec::{DeliveryState, ReceiverSettleMode};
use deuteron_engine::{ConnectionConfig, LinkConfig, SendOptions};
use deuteron_testkit::{Pair, Side};

fn second() -> LinkConfig {
    LinkConfig { rcv_settle_mode: ReceiverSettleMode::Second, ..LinkConfig::sender("s", "queue") }
}

/// A message that the server has accepted and waits to see settled.
fn accepted(pair: &mut Pair, payload: &[u8]) -> deuteron_engine::DeliveryId {
    pair.server_answers.settle_with = None;
    let (sender, _) = pair.link(second());
    let id = pair.send(Side::Client, sender, payload);
    pair.drive();
    let theirs = pair.delivered(Side::Server)[0];
    pair.server.delivery(theirs).expect("delivered").update(DeliveryState::Accepted);
    id
}

#[test]
fn a_message_forgotten_after_its_outcome_is_settled() {
    Pair::each(|pair| {
        let id = accepted(pair, b"x");
        pair.drive();
        pair.client.delivery(id).expect("unsettled").forget();
        pair.drive();
        let updated = pair.events(Side::Server);
        assert_eq!(pair.client.unsettled(), 0, "nobody else will settle it");
        assert_eq!(updated.len(), 1, "the receiver is told: {updated:?}");
    });
}

#[test]
fn an_outcome_that_waits_for_the_peer_goes_with_the_wire() {
    Pair::each(|pair| {
        accepted(pair, b"x");
        let old = pair.rebind();
        assert_eq!(old.unsettled(), 0);
    });
}

#[test]
fn deadlines_without_end_are_none() {
    let config = ConnectionConfig {
        idle_timeout: Some(Duration::MAX),
        handshake_timeout: Some(Duration::MAX),
        begin_timeout: Some(Duration::MAX),
        attach_timeout: Some(Duration::MAX),
        detach_timeout: Some(Duration::MAX),
        close_timeout: Some(Duration::MAX),
        ..ConnectionConfig::default()
    };
    Pair::each_of(
        || Pair::new(config.clone(), config.clone()),
        |pair| {
            let link = LinkConfig {
                settle_timeout: Some(Duration::MAX),
                drain_timeout: Some(Duration::MAX),
                ..LinkConfig::sender("s", "queue")
            };
            let (sender, _) = pair.link(link);
            pair.send_with(Side::Client, sender, b"x", SendOptions::default());
            pair.drive();
            pair.client.link(sender).expect("attached").close(None);
            pair.client.close(None);
            pair.pass(Duration::from_secs(3600));
            assert!(pair.client.output_done());
        },
    );
}
