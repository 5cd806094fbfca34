//! Messages and values as JSON. Nothing is lost: `json_read` makes the same of it again.
//!
//! What JSON has by itself is written so: null, booleans, strings, longs (to 2^53), doubles, lists, and maps whose keys
//! are strings. Everything else is an object with one key, `$` and the name of its type: `{"$int":5}`.

use std::collections::HashSet;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deuteron::codec::{Header, Primitive, Properties};
use deuteron::{Body, Map, Message, MessageId, Value};

use super::time;

/// Integers up to this are exact in every JSON reader, those with doubles only included.
const EXACT: u64 = 1 << 53;

/// What the keys of a map are, where its place says so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Strings,
    /// Annotations (specification 3.2.10).
    Symbols,
}

/// A value as text, for what is said to people.
pub(crate) fn text(value: &Value) -> String {
    let mut out = Vec::new();
    self::value(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes the message as one line, without its end.
pub(crate) fn message(out: &mut Vec<u8>, message: &Message) {
    let mut object = Object::begin(out);
    if let Some(header) = &message.header {
        write_header(object.key("header"), header);
    }
    for (name, annotations) in [
        ("delivery_annotations", &message.delivery_annotations),
        ("message_annotations", &message.message_annotations),
    ] {
        if let Some(annotations) = annotations {
            map(object.key(name), annotations, Keys::Symbols);
        }
    }
    if let Some(properties) = &message.properties {
        write_properties(object.key("properties"), properties);
    }
    if let Some(properties) = &message.application_properties {
        map(object.key("application_properties"), properties, Keys::Strings);
    }
    write_body(&mut object, &message.body);
    if let Some(footer) = &message.footer {
        map(object.key("footer"), footer, Keys::Symbols);
    }
    object.end();
}

fn write_body(object: &mut Object<'_>, body: &Body) {
    match body {
        Body::Empty => {}
        Body::Value(body) => value(object.key("body"), body),
        Body::Data(sections) => match sections.as_slice() {
            [section] => match std::str::from_utf8(section) {
                Ok(text) => string(object.key("text"), text),
                Err(_) => base64(object.key("data"), section),
            },
            sections => list(object.key("data"), sections, |out, section| base64(out, section)),
        },
        Body::Sequence(sections) => {
            list(object.key("sequence"), sections, |out, values| list(out, values, value));
        }
    }
}

/// Fields that have their default are left out, as on the wire.
fn write_header(out: &mut Vec<u8>, header: &Header) {
    let mut object = Object::begin(out);
    if header.durable {
        raw(object.key("durable"), true);
    }
    if header.priority != Header::default().priority {
        raw(object.key("priority"), header.priority);
    }
    if let Some(ttl) = header.ttl {
        raw(object.key("ttl"), ttl);
    }
    if header.first_acquirer {
        raw(object.key("first_acquirer"), true);
    }
    if header.delivery_count != 0 {
        raw(object.key("delivery_count"), header.delivery_count);
    }
    object.end();
}

fn write_properties(out: &mut Vec<u8>, properties: &Properties) {
    let mut object = Object::begin(out);
    let text = |object: &mut Object<'_>, name: &str, field: Option<&str>| {
        if let Some(field) = field {
            string(object.key(name), field);
        }
    };
    write_id(&mut object, "message_id", properties.message_id.as_ref());
    match properties.user_id.as_deref().map(|id| (id, std::str::from_utf8(id))) {
        Some((_, Ok(user))) => text(&mut object, "user_id", Some(user)),
        Some((user, Err(_))) => tagged(object.key("user_id"), Primitive::Binary, |out| base64(out, user)),
        None => {}
    }
    text(&mut object, "to", properties.to.as_deref());
    text(&mut object, "subject", properties.subject.as_deref());
    text(&mut object, "reply_to", properties.reply_to.as_deref());
    write_id(&mut object, "correlation_id", properties.correlation_id.as_ref());
    text(&mut object, "content_type", properties.content_type.as_ref().map(|name| name.as_str()));
    text(&mut object, "content_encoding", properties.content_encoding.as_ref().map(|name| name.as_str()));
    for (name, time) in [
        ("absolute_expiry_time", properties.absolute_expiry_time),
        ("creation_time", properties.creation_time),
    ] {
        if let Some(time) = time {
            content(object.key(name), &Value::Timestamp(time));
        }
    }
    text(&mut object, "group_id", properties.group_id.as_deref());
    if let Some(number) = properties.group_sequence {
        raw(object.key("group_sequence"), number);
    }
    text(&mut object, "reply_to_group_id", properties.reply_to_group_id.as_deref());
    object.end();
}

fn write_id(object: &mut Object<'_>, name: &str, id: Option<&MessageId>) {
    let id = match id {
        None => return,
        Some(MessageId::String(id)) => return string(object.key(name), id),
        Some(MessageId::Ulong(id)) => Value::Ulong(*id),
        Some(MessageId::Uuid(id)) => Value::Uuid(*id),
        Some(MessageId::Binary(id)) => Value::Binary(id.clone()),
    };
    value(object.key(name), &id);
}

/// Writes a value of any type.
pub(crate) fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) | Value::List(_) => content(out, value),
        Value::Long(number) if number.unsigned_abs() <= EXACT => content(out, value),
        Value::Double(number) if number.is_finite() => content(out, value),
        Value::Map(entries) => map(out, entries, Keys::Strings),
        Value::Described(described) => {
            let mut object = Object::begin(out);
            list(object.key("$described"), &[&described.descriptor, &described.value], |out, part| {
                self::value(out, part);
            });
            object.end();
        }
        other => match Primitive::of(other) {
            Some(kind) => tagged(out, kind, |out| content(out, other)),
            // Described values were above; nothing else has no type.
            None => content(out, other),
        },
    }
}

/// Writes a value whose type is known from where it stands.
fn content(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null | Value::Described(_) => out.extend_from_slice(b"null"),
        Value::Bool(value) => raw(out, value),
        Value::Ubyte(value) => raw(out, value),
        Value::Ushort(value) => raw(out, value),
        Value::Uint(value) => raw(out, value),
        Value::Ulong(value) if *value <= EXACT => raw(out, value),
        Value::Ulong(value) => quoted(out, value),
        Value::Byte(value) => raw(out, value),
        Value::Short(value) => raw(out, value),
        Value::Int(value) => raw(out, value),
        Value::Long(value) if value.unsigned_abs() <= EXACT => raw(out, value),
        Value::Long(value) => quoted(out, value),
        Value::Float(value) if value.is_finite() => raw(out, format_args!("{value:?}")),
        Value::Float(value) if value.is_nan() => quoted(out, format_args!("{:#010x}", value.to_bits())),
        Value::Float(value) => quoted(out, value),
        Value::Double(value) if value.is_finite() => raw(out, format_args!("{value:?}")),
        Value::Double(value) if value.is_nan() => quoted(out, format_args!("{:#018x}", value.to_bits())),
        Value::Double(value) => quoted(out, value),
        Value::Decimal32(value) => hex(out, &value.0),
        Value::Decimal64(value) => hex(out, &value.0),
        Value::Decimal128(value) => hex(out, &value.0),
        Value::Char(value) => string(out, value.encode_utf8(&mut [0; 4])),
        Value::Timestamp(value) => match time::format(*value) {
            Some(text) => quoted(out, text),
            None => raw(out, value.0),
        },
        Value::Uuid(value) => quoted(out, value),
        Value::Binary(value) => base64(out, value),
        Value::String(value) => string(out, value),
        Value::Symbol(value) => string(out, value.as_str()),
        Value::List(values) => list(out, values, self::value),
        Value::Map(entries) => pairs(out, entries),
        Value::Array(array) => {
            let mut object = Object::begin(out);
            quoted(object.key("type"), array.element_type().name());
            if !array.descriptors().is_empty() {
                list(object.key("descriptors"), array.descriptors(), self::value);
            }
            list(object.key("values"), array.elements(), content);
            object.end();
        }
    }
}

fn map(out: &mut Vec<u8>, entries: &Map, keys: Keys) {
    fn key(key: &Value, keys: Keys) -> Option<&str> {
        match (key, keys) {
            (Value::String(key), Keys::Strings) => Some(key),
            (Value::Symbol(key), Keys::Symbols) => Some(key.as_str()),
            _ => None,
        }
    }
    let names: Option<HashSet<_>> =
        entries.iter().map(|(name, _)| key(name, keys).filter(|name| !name.starts_with('$'))).collect();
    if names.is_none_or(|names| names.len() != entries.len()) {
        return tagged(out, Primitive::Map, |out| pairs(out, entries));
    }
    let mut object = Object::begin(out);
    for (name, entry) in entries.iter() {
        value(object.key(key(name, keys).unwrap_or_default()), entry);
    }
    object.end();
}

fn pairs(out: &mut Vec<u8>, entries: &Map) {
    out.push(b'[');
    for (index, (key, entry)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        list(out, &[key, entry], |out, part| value(out, part));
    }
    out.push(b']');
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn tagged(out: &mut Vec<u8>, kind: Primitive, write: impl FnOnce(&mut Vec<u8>)) {
    raw(out, format_args!("{{\"${}\":", kind.name()));
    write(out);
    out.push(b'}');
}

/// Writing to a vector cannot fail, here and below.
fn raw(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

/// For what needs no escapes.
fn quoted(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "\"{value}\"");
}

/// A string, with escapes where they are needed.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    drop(serde_json::to_writer(out, text));
}

fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    quoted(out, STANDARD.encode(bytes));
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    bytes.iter().for_each(|byte| raw(out, format_args!("{byte:02x}")));
    out.push(b'"');
}

/// An object that is being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Writes a key; its value has to follow.
    fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        string(self.out, name);
        self.out.push(b':');
        self.out
    }

    fn end(self) {
        self.out.push(b'}');
    }
}
