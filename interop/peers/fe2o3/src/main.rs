//! fe2o3-amqp as the other side of a test: a small server, and clients.
//!
//! `fe2o3_peer ROLE [URL ADDRESS [COUNT [SIZE]]] [options]`. Roles and options are those of `proton_peer.py`; README.md in the
//! folder above lists them. What happens is printed as one JSON object a line, before anything is acknowledged. The program
//! ends when its standard input does.

mod client;
mod forms;
mod messages;
mod server;
mod tls;

use fe2o3_amqp::types::messaging::{Body, Message};
use serde_amqp::Value;
use serde_json::{Value as Json, json};
use sha2::Digest;
use std::collections::HashMap;
use std::io::{Read, Write};

/// Any error, as text for an event.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
/// A message whose body may be anything.
pub type AnyMessage = Message<Body<Value>>;

/// The command line.
#[derive(Debug, Clone, Default)]
pub struct Options {
    positional: Vec<String>,
    named: HashMap<String, String>,
    pub fill: Vec<String>,
}

const FLAGS: [&str; 6] = ["no-sasl", "types", "presettled", "reconnect", "browse", "target"];

impl Options {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                None => options.positional.push(argument),
                Some(name) if FLAGS.contains(&name) => {
                    options.named.insert(name.to_owned(), String::new());
                }
                Some("fill") => options.fill.extend(arguments.next()),
                Some(name) => {
                    options.named.insert(name.to_owned(), arguments.next().unwrap_or_default());
                }
            }
        }
        options
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(String::as_str)
    }

    pub fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    pub fn number(&self, name: &str, default: usize) -> usize {
        self.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    fn at(&self, place: usize) -> &str {
        self.positional.get(place).map_or("", String::as_str)
    }

    pub fn role(&self) -> &str {
        self.at(0)
    }

    pub fn url(&self) -> &str {
        self.at(1)
    }

    pub fn address(&self) -> &str {
        self.at(2)
    }

    pub fn count(&self) -> usize {
        self.at(3).parse().unwrap_or(1)
    }

    pub fn size(&self) -> usize {
        self.at(4).parse().unwrap_or(100)
    }
}

/// Prints one event.
pub fn say(event: &str, mut fields: Json) {
    fields["event"] = json!(event);
    let mut output = std::io::stdout().lock();
    writeln!(output, "{fields}").and_then(|()| output.flush()).expect("whoever started this reads it");
}

/// The SHA-256 of some bytes, in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    forms::hex(&sha2::Sha256::digest(bytes))
}

/// Announces a message.
pub fn received(message: &AnyMessage, address: &str, types: bool) {
    let data = messages::body_bytes(message);
    let mut fields = json!({
        "address": address, "id": messages::identity(message), "size": data.len(), "sha256": digest(&data),
        "delivery_count": message.header.as_ref().map_or(0, |header| header.delivery_count),
    });
    if types {
        fields["form"] = messages::form_of_message(message);
    }
    say("received", fields);
}

#[tokio::main]
async fn main() {
    let options = Options::parse(std::env::args().skip(1));
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(3);
    });
    let result =
        if options.role() == "listen" { server::listen(options).await } else { client::run(options).await };
    if let Err(failure) = result {
        client::fail(&failure);
        std::process::exit(1);
    }
    std::process::exit(0);
}
