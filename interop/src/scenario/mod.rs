//! What the tests do, for any peer. Each function does nothing, and says so, when its peer is not installed.

mod broker;
mod client;
mod exclusions;
mod listener;
mod recovery;
mod round_trip;
pub mod server;

pub use broker::*;
pub use client::*;
pub use exclusions::*;
pub use listener::*;
pub use recovery::*;
pub use round_trip::*;

use crate::{Event, Kind, Row, Typed, pattern};
use deuteron::Message;
use std::collections::BTreeMap;

/// The account that tests log in with. Proton's server wants the realm in the name.
pub(crate) const USER: &str = "alice@proton";
pub(crate) const PASSWORD: &str = "a secret & more";

/// A message with a body of that size; its id is its name.
pub(crate) fn sized(id: impl Into<String>, size: usize) -> Message {
    Message::new(pattern(size)).with_id(id.into())
}

/// The events of that name.
pub(crate) fn named<'a>(events: &'a [Event], name: &'a str) -> impl Iterator<Item = &'a Event> {
    events.iter().filter(move |event| event.name() == name)
}

/// How many messages of a size a test sends: of the large ones, one is enough.
pub(crate) fn several(size: usize) -> usize {
    if size > 1 << 20 { 1 } else { 3 }
}

/// Writes the row of the typed round trip, with what the peer's library has no way to express: `why_not` says it of a message.
pub(crate) fn every_type(row: Row, kind: Kind, why_not: impl Fn(&Typed) -> Option<&str>) {
    let all = Typed::all();
    let mut left_out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for typed in &all {
        if let Some(reason) = why_not(typed) {
            left_out.entry(reason).or_default().push(&typed.name);
        }
    }
    let mut notes: Vec<_> = left_out
        .iter()
        .map(|(reason, names)| match names.as_slice() {
            [one] => format!("{reason} ({one})"),
            [first, .., last] => format!("{reason} ({} messages: {first} … {last})", names.len()),
            [] => (*reason).to_owned(),
        })
        .collect();
    if !kind.keeps_order() {
        notes.push("the pairs of a map have no order".to_owned());
    }
    if notes.is_empty() {
        row.pass();
    } else {
        row.pass_except(&notes.join("; "));
    }
}
