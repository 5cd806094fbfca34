//! What the tests do, for any peer. Each function does nothing, and says so, when its peer is not installed.

mod broker;
mod client;
mod listener;
mod recovery;
pub mod server;

pub use broker::*;
pub use client::*;
pub use listener::*;
pub use recovery::*;

use crate::{Event, Row, Typed, pattern};
use deuteron::Message;

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

/// Writes the row of the typed round trip, with the messages that the peer's library has no way to express.
pub(crate) fn every_type(row: Row, can: impl Fn(&Typed) -> bool) {
    let left_out: Vec<_> =
        Typed::all().into_iter().filter(|typed| !can(typed)).map(|typed| typed.name).collect();
    if left_out.is_empty() {
        row.pass();
    } else {
        row.pass_except(&format!("its library cannot express: {}", left_out.join(", ")));
    }
}
