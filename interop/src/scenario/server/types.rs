//! Every type and every section, through the server and back.

use super::{PATIENCE, connect, put, receiver, sender, take};
use crate::server::Server;
use crate::{Row, Typed, form_of_message};
use deuteron::{Connection, Error, Outcome, Receiver, Sender};
use serde_json::Value as Json;
use std::collections::BTreeSet;

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

/// Makes a form that came back what was sent, as far as the spec leaves it to each hop: delivery annotations are for the next one
/// (3.2.2), and whether and how often others had the message is for the one that hands it out to say (3.2.1).
pub fn but_for_hops(typed: &Typed, form: &mut Json) {
    if form["delivery_annotations"].is_null() && !typed.form["delivery_annotations"].is_null() {
        form["delivery_annotations"] = typed.form["delivery_annotations"].clone();
    }
    but_for_header(typed, form, "first_acquirer");
    but_for_header(typed, form, "delivery_count");
}

/// Gives a form that came back the field of the header that was sent, or takes it away.
pub fn but_for_header(typed: &Typed, form: &mut Json, field: &str) {
    let sent = &typed.form["header"][field];
    if !form["header"].is_object() {
        form["header"] = serde_json::json!({});
    }
    let header = form["header"].as_object_mut().expect("it is an object");
    header.remove(field);
    if !sent.is_null() {
        header.insert(field.to_owned(), sent.clone());
    }
    if header.is_empty() {
        form.as_object_mut().expect("it is an object").remove("header");
    }
}

/// A message that lives for a millisecond is not there any more when it could be read: a test of its own is about that.
fn lives(typed: &Typed) -> bool {
    typed.form["header"]["ttl"].as_u64().is_none_or(|ttl| ttl > 1000)
}

/// Messages that a server does not give back as they were sent, and why.
#[derive(Clone, Copy, Debug)]
pub struct Lapse {
    /// What it does, as a note of the table.
    pub reason: &'static str,
    /// Words of its refusal, or of the form of what came instead.
    pub words: &'static str,
    /// The messages, by their names in `types.json`.
    pub names: &'static [&'static str],
}

/// Sends every message of `types.json` and gets it back, from a server that refuses some, by the end of the session or in another
/// way, and changes others. Those must be the ones of `refused` and of `changed`, no more and no less; all others come back as they
/// were sent.
pub async fn every_type_but(
    server: &impl Server,
    business: impl Fn(&Typed, &mut Json),
    refused: &[Lapse],
    changed: &[Lapse],
    note: &str,
) {
    let others = Links::open(server, "others").await;
    let mut links = Links::open(server, "0").await;
    let (mut lost, mut other) = (Vec::new(), Vec::new());
    for (number, typed) in Typed::all().into_iter().filter(lives).enumerate() {
        let came = links.round_trip(&typed, &others).await.map(|mut form| {
            business(&typed, &mut form);
            form
        });
        match came {
            Ok(form) if form == typed.form => {}
            Ok(form) => other.push((typed.name, format!("sent {}\n  came {form}", typed.form))),
            Err(error) => {
                lost.push((typed.name, error));
                // What it did with the message is not known: the next one has a queue of its own.
                drop(links.connection.close());
                links = Links::open(server, &(number + 1).to_string()).await;
            }
        }
    }
    links.connection.close().await.expect("it closes");
    others.connection.close().await.expect("it closes");
    let wrong = [unlike("refuses", &lost, refused), unlike("changes", &other, changed)].concat();
    assert!(wrong.is_empty(), "{wrong}");
    let notes = (!note.is_empty()).then(|| note.to_owned()).into_iter();
    let notes: Vec<_> = notes.chain(refused.iter().chain(changed).map(Lapse::note)).collect();
    Row::our_client(server.title(), "every type and section").pass_except(&notes.join("; "));
}

impl Lapse {
    fn note(&self) -> String {
        match self.names {
            [one] => format!("{} ({one})", self.reason),
            [first, .., last] => format!("{} ({} messages: {first} … {last})", self.reason, self.names.len()),
            [] => self.reason.to_owned(),
        }
    }
}

/// How what was seen differs from what is known; empty if it does not.
fn unlike(what: &str, seen: &[(String, String)], known: &[Lapse]) -> String {
    let expected = |name: &str| known.iter().find(|lapse| lapse.names.contains(&name));
    let mut text = String::new();
    for (name, how) in seen {
        if !expected(name).is_some_and(|lapse| how.contains(lapse.words)) {
            text += &format!("it {what} {name}: {how}\n");
        }
    }
    let names: BTreeSet<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    for name in known.iter().flat_map(|lapse| lapse.names).filter(|name| !names.contains(*name)) {
        text += &format!("it no longer {what} {name}\n");
    }
    text
}

/// So many messages on another connection have to go to the server and back before one that it does not answer counts as lost.
const OVERTAKING: usize = 100;

/// A queue, and links to and from it.
struct Links {
    connection: Connection,
    sender: Sender,
    receiver: Receiver,
}

impl Links {
    async fn open(server: &impl Server, name: &str) -> Self {
        let connection = connect(server).await;
        let node = server.queue(&format!("types.{name}")).await;
        let (sender, receiver) = (sender(&connection, &node).await, receiver(&connection, &node).await);
        Self { connection, sender, receiver }
    }

    /// Sends a message, and tells what comes back, or why nothing does.
    async fn round_trip(&self, typed: &Typed, others: &Self) -> Result<Json, String> {
        let outcome = self.answer(self.sender.send(&typed.message), others).await?;
        if outcome != Outcome::Accepted {
            return Err(format!("{outcome:?}"));
        }
        let delivery = self.answer(self.receiver.recv_timeout(PATIENCE), others).await?;
        let message = delivery.message().map_err(|error| error.to_string())?;
        delivery.accept().map_err(|error| error.to_string())?;
        Ok(form_of_message(&message))
    }

    /// What the server answers; an error if it does not answer while it passes on many messages that came later.
    async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
        others: &Self,
    ) -> Result<T, String> {
        let overtake = async {
            for _ in 0..OVERTAKING {
                put(&others.sender, ["other"]).await;
                take(&others.receiver, 1).await;
            }
        };
        let result = tokio::select! {
            biased;
            result = answer => result,
            () = overtake => return Err("no answer".to_owned()),
        };
        let cause = self.sender.error();
        result.map_err(|error| cause.unwrap_or(error).to_string())
    }
}
