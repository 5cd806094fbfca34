use std::fmt;

use super::Plain;

/// A composite type of the specification: a described list whose fields have names.
///
/// ```
/// use deuteron_testkit::wire::composite;
/// let open = composite("open").set("container-id", "peer").set("max-frame-size", 512u32);
/// assert_eq!(open.to_string(), r#"open [container-id="peer", max-frame-size=512u]"#);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    code: u64,
    fields: Vec<Plain>,
}

/// An empty composite of the given name, as the specification spells it (`"open"`, `"sasl-init"`, `"accepted"`).
///
/// # Panics
/// If there is no such type.
pub fn composite(name: &str) -> Composite {
    let found = TABLE.iter().find(|(_, known, _)| *known == name);
    let (code, ..) = found.unwrap_or_else(|| panic!("the specification has no composite type {name:?}"));
    Composite { code: *code, fields: Vec::new() }
}

impl Composite {
    /// Sets one field, by the name in the specification.
    ///
    /// # Panics
    /// If the type has no such field.
    #[must_use]
    pub fn set(mut self, field: &str, value: impl Into<Plain>) -> Self {
        let index = self.index(field);
        if self.fields.len() <= index {
            self.fields.resize(index + 1, Plain::Null);
        }
        self.fields[index] = value.into();
        self
    }

    /// Clears one field.
    ///
    /// # Panics
    /// If the type has no such field.
    #[must_use]
    pub fn clear(self, field: &str) -> Self {
        self.set(field, Plain::Null)
    }

    /// Appends a value after the last field present, whatever that is. For broken frames.
    #[must_use]
    pub fn push(mut self, value: impl Into<Plain>) -> Self {
        self.fields.push(value.into());
        self
    }

    /// The value of one field; null if it is absent.
    ///
    /// # Panics
    /// If the type has no such field.
    pub fn get(&self, field: &str) -> &Plain {
        self.fields.get(self.index(field)).unwrap_or(&Plain::Null)
    }

    /// The name in the specification.
    pub fn name(&self) -> &'static str {
        self.row().1
    }

    /// The low half of the descriptor code.
    pub fn code(&self) -> u64 {
        self.code
    }

    /// The fields present, in order.
    pub fn values(&self) -> &[Plain] {
        &self.fields
    }

    /// The described list, without trailing nulls.
    pub fn into_plain(mut self) -> Plain {
        while self.fields.last().is_some_and(Plain::is_null) {
            self.fields.pop();
        }
        Plain::Described(Plain::Ulong(self.code).into(), Plain::List(self.fields).into())
    }

    /// Reads a described list whose descriptor is a code or a symbol of the specification.
    pub fn from_plain(value: &Plain) -> Option<Self> {
        let Plain::Described(descriptor, value) = value else { return None };
        let Plain::List(fields) = &**value else { return None };
        let row = TABLE.iter().find(|(code, name, _)| match &**descriptor {
            Plain::Ulong(number) => number == code,
            Plain::Symbol(symbol) => *symbol == format!("amqp:{name}:list"),
            _ => false,
        });
        row.map(|(code, ..)| Self { code: *code, fields: fields.clone() })
    }

    fn row(&self) -> &'static (u64, &'static str, &'static [&'static str]) {
        TABLE
            .iter()
            .find(|(code, ..)| *code == self.code)
            .expect("a composite is made from a row of the table")
    }

    fn index(&self, field: &str) -> usize {
        let (_, name, fields) = self.row();
        let found = fields.iter().position(|known| *known == field);
        found.unwrap_or_else(|| panic!("{name} has no field {field:?}; it has {fields:?}"))
    }
}

impl fmt::Display for Composite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name, names) = self.row();
        write!(f, "{name} [")?;
        let mut comma = "";
        for (index, value) in self.fields.iter().enumerate().filter(|(_, value)| !value.is_null()) {
            match names.get(index) {
                Some(field) => write!(f, "{comma}{field}={value}")?,
                None => write!(f, "{comma}(field {index})={value}")?,
            }
            comma = ", ";
        }
        f.write_str("]")
    }
}

type Row = (u64, &'static str, &'static [&'static str]);

/// Every composite type that goes over the wire: code, name, fields in order.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    (0x10, "open", &["container-id", "hostname", "max-frame-size", "channel-max", "idle-time-out",
        "outgoing-locales", "incoming-locales", "offered-capabilities", "desired-capabilities", "properties"]),
    (0x11, "begin", &["remote-channel", "next-outgoing-id", "incoming-window", "outgoing-window", "handle-max",
        "offered-capabilities", "desired-capabilities", "properties"]),
    (0x12, "attach", &["name", "handle", "role", "snd-settle-mode", "rcv-settle-mode", "source", "target",
        "unsettled", "incomplete-unsettled", "initial-delivery-count", "max-message-size",
        "offered-capabilities", "desired-capabilities", "properties"]),
    (0x13, "flow", &["next-incoming-id", "incoming-window", "next-outgoing-id", "outgoing-window", "handle",
        "delivery-count", "link-credit", "available", "drain", "echo", "properties"]),
    (0x14, "transfer", &["handle", "delivery-id", "delivery-tag", "message-format", "settled", "more",
        "rcv-settle-mode", "state", "resume", "aborted", "batchable"]),
    (0x15, "disposition", &["role", "first", "last", "settled", "state", "batchable"]),
    (0x16, "detach", &["handle", "closed", "error"]),
    (0x17, "end", &["error"]),
    (0x18, "close", &["error"]),
    (0x1d, "error", &["condition", "description", "info"]),
    (0x23, "received", &["section-number", "section-offset"]),
    (0x24, "accepted", &[]),
    (0x25, "rejected", &["error"]),
    (0x26, "released", &[]),
    (0x27, "modified", &["delivery-failed", "undeliverable-here", "message-annotations"]),
    (0x28, "source", &["address", "durable", "expiry-policy", "timeout", "dynamic", "dynamic-node-properties",
        "distribution-mode", "filter", "default-outcome", "outcomes", "capabilities"]),
    (0x29, "target", &["address", "durable", "expiry-policy", "timeout", "dynamic", "dynamic-node-properties",
        "capabilities"]),
    (0x2b, "delete-on-close", &[]),
    (0x2c, "delete-on-no-links", &[]),
    (0x2d, "delete-on-no-messages", &[]),
    (0x2e, "delete-on-no-links-or-messages", &[]),
    (0x30, "coordinator", &["capabilities"]),
    (0x31, "declare", &["global-id"]),
    (0x32, "discharge", &["txn-id", "fail"]),
    (0x33, "declared", &["txn-id"]),
    (0x34, "transactional-state", &["txn-id", "outcome"]),
    (0x40, "sasl-mechanisms", &["sasl-server-mechanisms"]),
    (0x41, "sasl-init", &["mechanism", "initial-response", "hostname"]),
    (0x42, "sasl-challenge", &["challenge"]),
    (0x43, "sasl-response", &["response"]),
    (0x44, "sasl-outcome", &["code", "additional-data"]),
    (0x70, "header", &["durable", "priority", "ttl", "first-acquirer", "delivery-count"]),
    (0x73, "properties", &["message-id", "user-id", "to", "subject", "reply-to", "correlation-id", "content-type",
        "content-encoding", "absolute-expiry-time", "creation-time", "group-id", "group-sequence",
        "reply-to-group-id"]),
];
