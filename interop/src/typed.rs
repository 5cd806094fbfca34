//! The messages of `types.json`: every AMQP type and every section of a message.

use crate::forms::{form_of, form_of_map, hex, items, map_of, unhex, value_of};
use crate::peer::Kind;
use deuteron::Message;
use deuteron::codec::{Body, Header, MessageId, Properties, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// One message of the table.
#[derive(Clone, Debug)]
pub struct Typed {
    /// What it is about; also its message id, unless it has properties of its own.
    pub name: String,
    /// The message.
    pub message: Message,
    /// What a peer prints that received it unchanged.
    pub form: Json,
    cannot: BTreeMap<String, String>,
}

impl Typed {
    /// The whole table.
    ///
    /// # Panics
    /// When the file cannot be read or is not what it should be.
    pub fn all() -> Vec<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/types.json");
        let text = std::fs::read_to_string(path).expect("the table of types is there");
        let table: Json = serde_json::from_str(&text).expect("the table of types is JSON");
        let reasons = &table["reasons"];
        let values = items(&table["values"])
            .map(|entry| Self::new(entry, json!({ "body": { "value": entry["value"] } }), reasons));
        let messages = items(&table["messages"]).map(|entry| {
            let mut form = entry.clone();
            let fields = form.as_object_mut().expect("an entry is an object");
            fields.remove("name");
            fields.remove("cannot");
            Self::new(entry, form, reasons)
        });
        values.chain(messages).collect()
    }

    fn new(entry: &Json, mut form: Json, reasons: &Json) -> Self {
        let name = entry["name"].as_str().expect("an entry has a name").to_owned();
        if form["properties"].is_null() {
            form["properties"] = json!({ "message_id": ["string", name] });
        }
        let cannot = entry["cannot"].as_object().into_iter().flatten();
        let reason = |key: &Json| reasons[key.as_str().unwrap_or_default()].as_str().map(str::to_owned);
        let cannot =
            cannot.map(|(who, key)| (who.clone(), reason(key).expect("a reason of the table"))).collect();
        Self { name, message: message_of(&form), form, cannot }
    }

    /// Why a peer cannot read it, if it cannot.
    pub fn not_read_by(&self, kind: Kind) -> Option<&str> {
        self.reason(kind, "receive")
    }

    /// Why a peer cannot make it by itself, if it cannot.
    pub fn not_made_by(&self, kind: Kind) -> Option<&str> {
        self.reason(kind, "send")
    }

    /// Why a peer's server cannot take it and pass it on, if it cannot. (Rhea's passes the bytes on that it read.)
    pub fn not_passed_by(&self, kind: Kind) -> Option<&str> {
        self.not_read_by(kind).or_else(|| self.not_made_by(kind).filter(|_| kind != Kind::Rhea))
    }

    fn reason(&self, kind: Kind, part: &str) -> Option<&str> {
        let part = format!("{kind}-{part}");
        self.cannot.get(kind.name()).or_else(|| self.cannot.get(&part)).map(String::as_str)
    }

    /// Requires that `form`, which a peer took part in, is this message.
    ///
    /// # Panics
    /// When it is not; `what` says who saw it.
    pub fn require(&self, form: &Json, kind: Kind, what: &str) {
        let in_order = kind.keeps_order();
        assert!(self.is(form, in_order), "{}: {what}: {form}, not {}", self.name, self.form);
    }

    /// Whether `form` is this message. With `in_order`, maps must have their pairs in the same order.
    pub fn is(&self, form: &Json, in_order: bool) -> bool {
        if in_order { *form == self.form } else { sorted(form) == sorted(&self.form) }
    }
}

/// A form with the pairs of its maps in the order of their text.
fn sorted(form: &Json) -> Json {
    match form {
        Json::Array(elements) => {
            let mut elements: Vec<_> = elements.iter().map(sorted).collect();
            if let [Json::String(kind), Json::Array(pairs)] = elements.as_mut_slice()
                && kind == "map"
            {
                pairs.sort_by_key(ToString::to_string);
            }
            Json::Array(elements)
        }
        Json::Object(fields) => {
            Json::Object(fields.iter().map(|(name, form)| (name.clone(), sorted(form))).collect())
        }
        other => other.clone(),
    }
}

/// The message that a form describes.
fn message_of(form: &Json) -> Message {
    let map = |name: &str| (!form[name].is_null()).then(|| map_of(&form[name]));
    Message {
        header: (!form["header"].is_null()).then(|| header_of(&form["header"])),
        delivery_annotations: map("delivery_annotations"),
        message_annotations: map("message_annotations"),
        properties: (!form["properties"].is_null()).then(|| properties_of(&form["properties"])),
        application_properties: map("application_properties"),
        body: body_of(&form["body"]),
        footer: map("footer"),
    }
}

fn header_of(form: &Json) -> Header {
    let number = |name: &str| form[name].as_u64().and_then(|number| u32::try_from(number).ok());
    Header {
        durable: form["durable"] == true,
        priority: number("priority").map_or(4, |priority| u8::try_from(priority).expect("a priority")),
        ttl: number("ttl"),
        first_acquirer: form["first_acquirer"] == true,
        delivery_count: number("delivery_count").unwrap_or(0),
    }
}

fn properties_of(form: &Json) -> Properties {
    let value = |name: &str| (!form[name].is_null()).then(|| value_of(&form[name]));
    let text = |name: &str| match value(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let symbol = |name: &str| match value(name) {
        Some(Value::Symbol(symbol)) => Some(symbol),
        _ => None,
    };
    let time = |name: &str| match value(name) {
        Some(Value::Timestamp(time)) => Some(time),
        _ => None,
    };
    Properties {
        message_id: value("message_id").map(id_of),
        user_id: value("user_id").and_then(|id| id.as_bytes().cloned()),
        to: text("to"),
        subject: text("subject"),
        reply_to: text("reply_to"),
        correlation_id: value("correlation_id").map(id_of),
        content_type: symbol("content_type"),
        content_encoding: symbol("content_encoding"),
        absolute_expiry_time: time("absolute_expiry_time"),
        creation_time: time("creation_time"),
        group_id: text("group_id"),
        group_sequence: match value("group_sequence") {
            Some(Value::Uint(number)) => Some(number),
            _ => None,
        },
        reply_to_group_id: text("reply_to_group_id"),
    }
}

fn id_of(value: Value) -> MessageId {
    match value {
        Value::Ulong(id) => MessageId::Ulong(id),
        Value::Uuid(id) => MessageId::Uuid(id),
        Value::Binary(id) => MessageId::Binary(id),
        Value::String(id) => MessageId::String(id),
        other => panic!("{other:?} is no message id"),
    }
}

fn body_of(form: &Json) -> Body {
    if !form["data"].is_null() {
        let data = items(&form["data"]).map(|data| unhex(data.as_str().unwrap_or_default()).into());
        return Body::Data(data.collect());
    }
    if !form["sequence"].is_null() {
        return Body::Sequence(
            items(&form["sequence"]).map(|list| items(list).map(value_of).collect()).collect(),
        );
    }
    Body::Value(value_of(&form["value"]))
}

/// The form of a message; fields that are absent or have their default are left out, as the peers do.
pub fn form_of_message(message: &Message) -> Json {
    let mut form = json!({ "body": form_of_body(&message.body) });
    if let Some(header) = message.header.as_ref().map(form_of_header).filter(|form| form != &json!({})) {
        form["header"] = header;
    }
    if let Some(properties) =
        message.properties.as_ref().map(form_of_properties).filter(|form| form != &json!({}))
    {
        form["properties"] = properties;
    }
    let maps = [
        ("delivery_annotations", &message.delivery_annotations),
        ("message_annotations", &message.message_annotations),
        ("application_properties", &message.application_properties),
        ("footer", &message.footer),
    ];
    for (name, map) in maps {
        if let Some(map) = map {
            form[name] = form_of_map(map);
        }
    }
    form
}

fn form_of_header(header: &Header) -> Json {
    let mut form = json!({});
    if header.durable {
        form["durable"] = json!(true);
    }
    if header.priority != 4 {
        form["priority"] = json!(header.priority);
    }
    if let Some(ttl) = header.ttl {
        form["ttl"] = json!(ttl);
    }
    if header.first_acquirer {
        form["first_acquirer"] = json!(true);
    }
    if header.delivery_count != 0 {
        form["delivery_count"] = json!(header.delivery_count);
    }
    form
}

fn form_of_properties(properties: &Properties) -> Json {
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let fields: [(&str, Option<Value>); 13] = [
        ("message_id", properties.message_id.clone().map(Value::from)),
        ("user_id", properties.user_id.clone().map(Value::Binary)),
        ("to", text(&properties.to)),
        ("subject", text(&properties.subject)),
        ("reply_to", text(&properties.reply_to)),
        ("correlation_id", properties.correlation_id.clone().map(Value::from)),
        ("content_type", properties.content_type.clone().map(Value::Symbol)),
        ("content_encoding", properties.content_encoding.clone().map(Value::Symbol)),
        ("absolute_expiry_time", properties.absolute_expiry_time.map(Value::Timestamp)),
        ("creation_time", properties.creation_time.map(Value::Timestamp)),
        ("group_id", text(&properties.group_id)),
        ("group_sequence", properties.group_sequence.map(Value::Uint)),
        ("reply_to_group_id", text(&properties.reply_to_group_id)),
    ];
    let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), form_of(&value?))));
    Json::Object(present.collect())
}

fn form_of_body(body: &Body) -> Json {
    match body {
        // A message must have a body (3.2): none is written as the value null, and reads as none.
        Body::Empty => json!({ "value": ["null"] }),
        Body::Value(value) => json!({ "value": form_of(value) }),
        Body::Data(data) => json!({ "data": data.iter().map(|data| hex(data)).collect::<Vec<_>>() }),
        Body::Sequence(lists) => json!({
            "sequence": lists.iter().map(|list| list.iter().map(form_of).collect::<Vec<_>>()).collect::<Vec<_>>()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_messages_describe_each_other() {
        for typed in Typed::all() {
            assert_eq!(form_of_message(&typed.message), typed.form, "{}", typed.name);
        }
    }
}
