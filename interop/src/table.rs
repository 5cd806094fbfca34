//! The interop table: what works with whom, told by the tests themselves.
//!
//! A test that has really passed writes its row, `Row::our_client("Proton", "TLS").pass()`. Each row is a file of its own under
//! `target/interop/`, so tests may run at once and in several processes. `make test` prints the table and compares it with
//! `docs/interop.md`; `make interop-table` writes it there.

use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Every feature that a row may be about, in the order of the table. A test about something else adds its line here.
pub const FEATURES: &[&str] = &[
    "send and receive, 0 B to 100 MiB",
    "hello world with callbacks",
    "large message",
    "100,000 messages",
    "no SASL layer",
    "SASL ANONYMOUS",
    "SASL PLAIN, wrong password refused",
    "SASL SCRAM-SHA-1, wrong password refused",
    "SASL SCRAM-SHA-256, wrong password refused",
    "SASL SCRAM-SHA-512, wrong password refused",
    "strongest mechanism taken",
    "TLS",
    "TLS, stranger's certificate refused",
    "TLS and a user, wrong password refused",
    "client certificate, SASL EXTERNAL",
    "queue",
    "topic",
    "queue bound to a topic",
    "stream, from an offset",
    "anonymous relay",
    "request and answer, dynamic address",
    "unsettled, settled and mixed modes",
    "outcomes of what is sent",
    "outcomes of what is received",
    "redelivery: release and reject",
    "redelivery: modify with delivery-failed",
    "dead letters",
    "credit and drain",
    "priority",
    "time to live",
    "selector",
    "wrong selector refused",
    "no-local",
    "browse",
    "durable subscription",
    "shared subscription",
    "shared subscription, several containers",
    "transaction: commit",
    "transaction: rollback",
    "transaction: consume",
    "heartbeats, both ways",
    "durable queue, after a crash",
    "reconnect, sender under load",
    "reconnect, receiver",
    "reconnect with callbacks",
    "failover under load",
    "failover to another kind of server, and back",
    "every type and section",
    "every type and section, to each other peer",
    "no malformed frame, says tshark",
];

/// Who plays which part.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Our client with the peer's server.
    OurClient,
    /// A program that uses our Python package, with the peer's server.
    OurPython,
    /// The peer's client with our listener, in a program of a test's own.
    OurListener,
    /// The peer's clients with our broker.
    OurBroker,
}

impl Direction {
    const ALL: [Self; 4] = [Self::OurClient, Self::OurPython, Self::OurListener, Self::OurBroker];

    fn name(self) -> &'static str {
        match self {
            Self::OurClient => "our client",
            Self::OurPython => "our python",
            Self::OurListener => "our listener",
            Self::OurBroker => "our broker",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::OurClient => "Our client with their server",
            Self::OurPython => "Our Python package with their server",
            Self::OurListener => "Their client with our listener",
            Self::OurBroker => "Their client with our broker",
        }
    }
}

/// A cell of the table that a test is about to fill: one feature, with one peer, in one direction.
#[derive(Clone, Debug)]
#[must_use = "a row is written by pass, pass_except or not_supported"]
pub struct Row {
    peer: String,
    feature: &'static str,
    direction: Direction,
}

impl Row {
    /// Our client with the server of `peer`, which is a name with a version, such as `Artemis 2.40.0`.
    ///
    /// # Panics
    /// When [`FEATURES`] does not have the feature.
    pub fn our_client(peer: &str, feature: &str) -> Self {
        Self::new(peer, feature, Direction::OurClient)
    }

    /// A program with our Python package, with the server of `peer`. Panics as [`Row::our_client`].
    pub fn our_python(peer: &str, feature: &str) -> Self {
        Self::new(peer, feature, Direction::OurPython)
    }

    /// The client of `peer` with our listener. Panics as [`Row::our_client`].
    pub fn our_listener(peer: &str, feature: &str) -> Self {
        Self::new(peer, feature, Direction::OurListener)
    }

    /// The client of `peer` with our broker. Panics as [`Row::our_client`].
    pub fn our_broker(peer: &str, feature: &str) -> Self {
        Self::new(peer, feature, Direction::OurBroker)
    }

    fn new(peer: &str, feature: &str, direction: Direction) -> Self {
        let feature = FEATURES.iter().find(|known| **known == feature);
        let feature = feature.expect("the feature is in FEATURES of interop/src/table.rs");
        Self { peer: peer.to_owned(), feature, direction }
    }

    /// It works: to be said by the last line of a test.
    pub fn pass(self) {
        self.write("pass", "");
    }

    /// It works but for something that the peer cannot do, and the note says what and why.
    pub fn pass_except(self, note: &str) {
        self.write("pass, but", note);
    }

    /// The peer cannot do it. To be said only when the test has seen it refuse, or with a reason that names the peer's own words.
    pub fn not_supported(self, reason: &str) {
        self.write("not supported", reason);
    }

    fn write(self, result: &str, note: &str) {
        let folder = folder();
        std::fs::create_dir_all(&folder).expect("the folder of the table can be made");
        let key = format!("{} {} {}", self.peer, self.direction.name(), self.feature);
        let file: String =
            key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
        let (direction, note) =
            (self.direction.name(), note.split_whitespace().collect::<Vec<_>>().join(" "));
        let row = json!({
            "peer": self.peer, "feature": self.feature, "direction": direction, "result": result, "note": note,
        });
        std::fs::write(folder.join(file), format!("{row}\n")).expect("a row of the table can be written");
    }
}

/// Where rows are kept: under the top of the repository, wherever cargo builds.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop")
}

/// A row as it is in its file.
struct Entry {
    peer: String,
    feature: String,
    direction: String,
    result: String,
    note: String,
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let row: Json = serde_json::from_str(text).ok()?;
        let field = |name: &str| row[name].as_str().map(str::to_owned);
        Some(Self {
            peer: field("peer")?,
            feature: field("feature")?,
            direction: field("direction")?,
            result: field("result")?,
            note: field("note")?,
        })
    }
}

/// All rows that tests have written since `target/interop/` was removed, as Markdown; empty if there are none.
pub fn markdown() -> String {
    let files = std::fs::read_dir(folder()).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    render(&texts.filter_map(|text| Entry::parse(&text)).collect::<Vec<_>>())
}

fn render(entries: &[Entry]) -> String {
    let mut page = String::new();
    for direction in Direction::ALL {
        let part: Vec<_> = entries.iter().filter(|entry| entry.direction == direction.name()).collect();
        if !part.is_empty() {
            let title = direction.title();
            // Writing to a string cannot fail.
            let _ = write!(page, "{}### {title}\n\n", if page.is_empty() { "" } else { "\n" });
            render_direction(&mut page, &part);
        }
    }
    page
}

/// One direction: a line per feature, a column per peer, and the notes that cells refer to.
fn render_direction(page: &mut String, entries: &[&Entry]) {
    let peers: BTreeSet<_> = entries.iter().map(|entry| entry.peer.as_str()).collect();
    let mut notes: Vec<String> = Vec::new();
    let mut lines =
        vec![std::iter::once("").chain(peers.iter().copied()).map(str::to_owned).collect::<Vec<_>>()];
    for feature in FEATURES {
        let of_feature: Vec<_> = entries.iter().filter(|entry| entry.feature == *feature).collect();
        if of_feature.is_empty() {
            continue;
        }
        let mut line = vec![(*feature).to_owned()];
        for peer in &peers {
            let entry = of_feature.iter().find(|entry| entry.peer == *peer);
            line.push(entry.map_or_else(|| "–".to_owned(), |entry| cell(entry, &mut notes)));
        }
        lines.push(line);
    }
    let widths: Vec<usize> = (0..=peers.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default())
        .collect();
    let rule: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
    lines.insert(1, rule);
    for line in lines {
        let cells: Vec<_> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    if !notes.is_empty() {
        page.push('\n');
    }
    for (number, note) in notes.iter().enumerate() {
        let _ = writeln!(page, "{}. {note}", number + 1);
    }
}

/// The text of a cell; what it notes is added unless it is there already.
fn cell(entry: &Entry, notes: &mut Vec<String>) -> String {
    if entry.note.is_empty() {
        return entry.result.clone();
    }
    let note = format!("{}: {}", entry.peer, entry.note);
    let number = notes.iter().position(|known| *known == note).unwrap_or_else(|| {
        notes.push(note);
        notes.len() - 1
    });
    format!("{} ({})", entry.result, number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(peer: &str, feature: &str, direction: &str, result: &str, note: &str) -> Entry {
        let [peer, feature, direction, result, note] =
            [peer, feature, direction, result, note].map(str::to_owned);
        Entry { peer, feature, direction, result, note }
    }

    #[test]
    fn rows_become_tables() {
        let entries = [
            entry("B 2", "queue", "our client", "pass", ""),
            entry("A", "topic", "our client", "not supported", "it has none"),
            entry("A", "queue", "our client", "pass", ""),
            entry("B 2", "queue", "our broker", "pass, but", "not on Sundays"),
        ];
        let expected = "\
### Our client with their server

|       | A                 | B 2  |
| ----- | ----------------- | ---- |
| queue | pass              | pass |
| topic | not supported (1) | –    |

1. A: it has none

### Their client with our broker

|       | B 2           |
| ----- | ------------- |
| queue | pass, but (1) |

1. B 2: not on Sundays
";
        assert_eq!(render(&entries), expected);
    }

    #[test]
    fn features_are_listed_once() {
        let names: BTreeSet<_> = FEATURES.iter().collect();
        assert_eq!(names.len(), FEATURES.len());
    }
}
