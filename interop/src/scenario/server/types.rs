//! Every type and every section, through the server and back.

use super::{PATIENCE, connect, receiver, sender};
use crate::server::Server;
use crate::{Row, Typed, form_of_message};
use deuteron::Outcome;
use serde_json::Value as Json;

/// Sends every message of `types.json` and gets it back. What the server changes, because that is its business, is told by
/// `business`, which puts the form of a message that came back as it was sent, and by `note`, which says so in the table.
/// It is not sent the messages that it refuses, which the note tells too.
pub async fn every_type(
    server: &impl Server,
    refused: &[&str],
    business: impl Fn(&Typed, &mut Json),
    note: &str,
) {
    let connection = connect(server).await;
    let node = server.queue("types").await;
    let (sender, receiver) = (sender(&connection, &node).await, receiver(&connection, &node).await);
    let mut changed = Vec::new();
    // A message that lives for a millisecond is not there any more when it could be read: a test of its own is about that.
    let lives = |typed: &Typed| typed.form["header"]["ttl"].as_u64().is_none_or(|ttl| ttl > 1000);
    for typed in
        Typed::all().into_iter().filter(lives).filter(|typed| !refused.contains(&typed.name.as_str()))
    {
        let outcome = sender.send(&typed.message).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", typed.name));
        assert_eq!(outcome, Outcome::Accepted, "{}", typed.name);
        let delivery = receiver.recv_timeout(PATIENCE).await;
        let delivery = delivery.unwrap_or_else(|error| panic!("{}: {error}", typed.name));
        let message = delivery.message().unwrap_or_else(|error| panic!("{}: {error}", typed.name));
        let mut form = form_of_message(&message);
        business(&typed, &mut form);
        if form != typed.form {
            changed.push(format!("{}:\n  sent {}\n  came {form}", typed.name, typed.form));
        }
        delivery.accept().expect("it is not settled yet");
    }
    connection.close().await.expect("it closes");
    assert!(changed.is_empty(), "{}", changed.join("\n"));
    let row = Row::our_client(server.title(), "every type and section");
    if note.is_empty() { row.pass() } else { row.pass_except(note) }
}
