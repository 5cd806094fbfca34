//! The last line of a command, on standard error.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::args::{RunArgs, SummaryForm};
use crate::latency::{Latencies, readable};

/// Fewer messages than this have no rate worth showing.
const FEW: u64 = 10;

/// What a command has done.
#[derive(Debug)]
pub(crate) struct Summary {
    text: String,
    fields: Map<String, Value>,
}

impl Summary {
    /// A summary that begins with this text.
    pub(crate) fn new(command: &str, text: String) -> Self {
        let mut fields = Map::new();
        fields.insert("command".into(), json!(command));
        Self { text, fields }
    }

    /// Adds a field of the JSON form.
    pub(crate) fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Adds how long it took for so many messages. A rate of a few would say nothing; JSON has it all the same.
    pub(crate) fn time(mut self, time: Duration, messages: u64) -> Self {
        let seconds = time.as_secs_f64();
        let rate = messages as f64 / seconds.max(1e-9);
        self.text += &format!(", in {}", readable(time));
        if messages >= FEW {
            self.text += &format!(", {rate:.0} messages/s");
        }
        self.field("seconds", (seconds * 1e6).round() / 1e6).field("rate", (rate * 10.0).round() / 10.0)
    }

    /// Adds latencies, if there are any.
    pub(crate) fn latencies(mut self, latencies: &Latencies) -> Self {
        if latencies.is_empty() {
            return self;
        }
        self.text += &format!("; latency {}", latencies.text());
        self.field("latency_us", latencies.json())
    }

    /// Leaves the text out if nothing was done: the error that follows says enough. JSON stays.
    pub(crate) fn unless_idle(mut self, idle: bool) -> Self {
        if idle {
            self.text.clear();
        }
        self
    }

    /// Prints it in the form that is wanted; JSON is the default if the messages are JSON too.
    pub(crate) fn print(&self, args: &RunArgs, json: bool) {
        let default = if json { SummaryForm::Json } else { SummaryForm::Text };
        match args.summary.unwrap_or(default) {
            SummaryForm::Text if self.text.is_empty() => {}
            SummaryForm::Text => eprintln!("deuteron: {}", self.text),
            SummaryForm::Json => eprintln!("{}", Value::from(self.fields.clone())),
            SummaryForm::None => {}
        }
    }
}

/// A number of things: `1 message`, `2 messages`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
