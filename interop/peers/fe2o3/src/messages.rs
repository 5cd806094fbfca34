//! Messages of `types.json`, and what is told of received ones.

use crate::forms::{form_of, forms_of, hex, items, map_of, unhex, value_of, values_of};
use crate::{AnyMessage, Failure, Options, digest, say};
use fe2o3_amqp::types::messaging::annotations::{Annotations, OwnedKey};
use fe2o3_amqp::types::messaging::message::__private::Serializable;
use fe2o3_amqp::types::messaging::{
    AmqpSequence, AmqpValue, ApplicationProperties, Batch, Body, Data, DeliveryAnnotations, Footer, Header,
    Message, MessageAnnotations, MessageId, Priority, Properties,
};
use fe2o3_amqp::types::primitives::{OrderedMap, SimpleValue};
use serde_amqp::Value;
use serde_bytes::ByteBuf;
use serde_json::{Value as Json, json};

/// The bytes of a body: their period is prime to every frame size, so that lost or swapped pieces show.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|place| u8::try_from(place % 251).expect("below 251")).collect()
}

/// A plain test message; its id is its number.
pub fn numbered(number: usize, size: usize) -> AnyMessage {
    let body = Body::Data(Batch::new(vec![Data(ByteBuf::from(pattern(size)))]));
    let mut message = empty(body);
    message.properties =
        Some(Properties { message_id: Some(number.to_string().into()), ..Properties::default() });
    message
}

pub fn empty(body: Body<Value>) -> AnyMessage {
    Message {
        header: None,
        delivery_annotations: None,
        message_annotations: None,
        properties: None,
        application_properties: None,
        body,
        footer: None,
    }
}

/// What is digested of a message.
pub fn body_bytes(message: &AnyMessage) -> Vec<u8> {
    match &message.body {
        Body::Data(data) => data.iter().flat_map(|data| data.0.iter().copied()).collect(),
        Body::Value(AmqpValue(Value::Binary(bytes))) => bytes.to_vec(),
        Body::Value(AmqpValue(Value::String(text))) => text.as_bytes().to_vec(),
        _ => Vec::new(),
    }
}

/// A message's id as text, or null.
pub fn identity(message: &AnyMessage) -> Json {
    match message.properties.as_ref().and_then(|properties| properties.message_id.as_ref()) {
        None => Json::Null,
        Some(MessageId::Ulong(id)) => json!(id.to_string()),
        Some(MessageId::Uuid(id)) => json!(hex(id.as_inner())),
        Some(MessageId::Binary(id)) => json!(hex(id)),
        Some(MessageId::String(id)) => json!(id),
    }
}

fn annotations(form: &Json) -> Result<Option<Annotations>, String> {
    if form.is_null() {
        return Ok(None);
    }
    let mut result = OrderedMap::new();
    for (key, value) in map_of(form)? {
        let key = match key {
            Value::Symbol(key) => OwnedKey::Symbol(key),
            Value::Ulong(key) => OwnedKey::Ulong(key),
            other => return Err(format!("{other:?} is no key of annotations")),
        };
        result.insert(key, value);
    }
    Ok(Some(result))
}

fn id_of(form: &Json) -> Result<Option<MessageId>, String> {
    Ok(match value_of(form).unwrap_or(Value::Null) {
        Value::Ulong(id) => Some(MessageId::Ulong(id)),
        Value::Uuid(id) => Some(MessageId::Uuid(id)),
        Value::Binary(id) => Some(MessageId::Binary(id)),
        Value::String(id) => Some(MessageId::String(id)),
        _ => None,
    })
}

fn properties(form: &Json) -> Result<Properties, String> {
    let value = |name: &str| value_of(&form[name]).ok();
    let text = |name: &str| form[name][1].as_str().map(str::to_owned);
    let symbol = |name: &str| text(name).map(Into::into);
    let time = |name: &str| match value(name) {
        Some(Value::Timestamp(time)) => Some(time),
        _ => None,
    };
    Ok(Properties {
        message_id: id_of(&form["message_id"])?,
        user_id: text("user_id").map(|digits| ByteBuf::from(unhex(&digits))),
        to: text("to"),
        subject: text("subject"),
        reply_to: text("reply_to"),
        correlation_id: id_of(&form["correlation_id"])?,
        content_type: symbol("content_type"),
        content_encoding: symbol("content_encoding"),
        absolute_expiry_time: time("absolute_expiry_time"),
        creation_time: time("creation_time"),
        group_id: text("group_id"),
        group_sequence: text("group_sequence").and_then(|text| text.parse().ok()),
        reply_to_group_id: text("reply_to_group_id"),
    })
}

fn header(form: &Json) -> Header {
    let number = |name: &str| form[name].as_u64().and_then(|number| u32::try_from(number).ok());
    Header {
        durable: form["durable"] == true,
        priority: Priority(number("priority").and_then(|number| u8::try_from(number).ok()).unwrap_or(4)),
        ttl: number("ttl"),
        first_acquirer: form["first_acquirer"] == true,
        delivery_count: number("delivery_count").unwrap_or(0),
    }
}

/// The message that an entry of `types.json` describes.
fn message_of(entry: &Json) -> Result<AnyMessage, String> {
    let body = &entry["body"];
    let mut message = empty(if !body["data"].is_null() {
        let sections =
            items(&body["data"]).map(|data| Data(ByteBuf::from(unhex(data.as_str().unwrap_or_default()))));
        Body::Data(Batch::new(sections.collect::<Vec<_>>()))
    } else if !body["sequence"].is_null() {
        let sections = items(&body["sequence"]).map(|list| values_of(list).map(AmqpSequence));
        Body::Sequence(Batch::new(sections.collect::<Result<Vec<_>, String>>()?))
    } else {
        Body::Value(AmqpValue(value_of(&body["value"])?))
    });
    message.header = (!entry["header"].is_null()).then(|| header(&entry["header"]));
    message.delivery_annotations = annotations(&entry["delivery_annotations"])?.map(DeliveryAnnotations);
    message.message_annotations = annotations(&entry["message_annotations"])?.map(MessageAnnotations);
    message.footer = annotations(&entry["footer"])?.map(Footer);
    message.properties = Some(if entry["properties"].is_null() {
        properties(&json!({ "message_id": ["string", entry["name"]] }))?
    } else {
        properties(&entry["properties"])?
    });
    if !entry["application_properties"].is_null() {
        let mut map = OrderedMap::new();
        for (key, value) in map_of(&entry["application_properties"])? {
            let Value::String(key) = key else { return Err("a key that is no string".to_owned()) };
            map.insert(
                key,
                SimpleValue::try_from(value).map_err(|value| format!("{value:?} is not simple"))?,
            );
        }
        message.application_properties = Some(ApplicationProperties(map));
    }
    Ok(message)
}

/// The messages of `types.json` that are asked for.
pub fn typed(options: &Options) -> Result<Vec<AnyMessage>, Failure> {
    let table: Json =
        serde_json::from_str(&std::fs::read_to_string(options.get("table").unwrap_or("types.json"))?)?;
    let values = items(&table["values"]).cloned().map(|mut entry| {
        entry["body"] = json!({ "value": entry["value"] });
        entry
    });
    let reader = options.get("for").unwrap_or_default();
    let excluding =
        ["fe2o3".to_owned(), "fe2o3-send".to_owned(), reader.to_owned(), format!("{reader}-receive")];
    let mut made = Vec::new();
    for entry in values.chain(items(&table["messages"]).cloned()) {
        let asked = match options.get("only") {
            Some(name) => entry["name"] == name,
            None => !excluding.iter().any(|who| !entry["cannot"][who].is_null()),
        };
        if asked {
            let message = message_of(&entry)?;
            let bytes = serde_amqp::to_vec(&Serializable(&message))?;
            say("made", json!({ "name": entry["name"], "sha256": digest(&bytes) }));
            made.push(message);
        }
    }
    Ok(made)
}

fn form_of_annotations(map: &Annotations) -> Json {
    let pairs = map.iter().map(|(key, value)| {
        let key = match key {
            OwnedKey::Symbol(key) => json!(["symbol", key.as_str()]),
            OwnedKey::Ulong(key) => json!(["ulong", key.to_string()]),
        };
        json!([key, form_of(value)])
    });
    json!(["map", pairs.collect::<Vec<_>>()])
}

fn form_of_header(header: &Header) -> Json {
    let mut form = json!({});
    if header.durable {
        form["durable"] = json!(true);
    }
    if header.priority.0 != 4 {
        form["priority"] = json!(header.priority.0);
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
    let id = |id: &Option<MessageId>| {
        id.clone().map(|id| match id {
            MessageId::Ulong(id) => Value::Ulong(id),
            MessageId::Uuid(id) => Value::Uuid(id),
            MessageId::Binary(id) => Value::Binary(id),
            MessageId::String(id) => Value::String(id),
        })
    };
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let fields = [
        ("message_id", id(&properties.message_id)),
        ("user_id", properties.user_id.clone().map(Value::Binary)),
        ("to", text(&properties.to)),
        ("subject", text(&properties.subject)),
        ("reply_to", text(&properties.reply_to)),
        ("correlation_id", id(&properties.correlation_id)),
        ("content_type", properties.content_type.clone().map(Value::Symbol)),
        ("content_encoding", properties.content_encoding.clone().map(Value::Symbol)),
        ("absolute_expiry_time", properties.absolute_expiry_time.clone().map(Value::Timestamp)),
        ("creation_time", properties.creation_time.clone().map(Value::Timestamp)),
        ("group_id", text(&properties.group_id)),
        ("group_sequence", properties.group_sequence.map(Value::Uint)),
        ("reply_to_group_id", text(&properties.reply_to_group_id)),
    ];
    let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), form_of(&value?))));
    Json::Object(present.collect())
}

/// The form of a received message; fields that are absent or have their default are left out.
pub fn form_of_message(message: &AnyMessage) -> Json {
    let mut form = json!({});
    if let Some(header) = message.header.as_ref().map(form_of_header).filter(|form| form != &json!({})) {
        form["header"] = header;
    }
    if let Some(fields) =
        message.properties.as_ref().map(form_of_properties).filter(|form| form != &json!({}))
    {
        form["properties"] = fields;
    }
    let maps = [
        ("delivery_annotations", message.delivery_annotations.as_ref().map(|map| &map.0)),
        ("message_annotations", message.message_annotations.as_ref().map(|map| &map.0)),
        ("footer", message.footer.as_ref().map(|map| &map.0)),
    ];
    for (name, map) in maps {
        if let Some(map) = map {
            form[name] = form_of_annotations(map);
        }
    }
    if let Some(map) = &message.application_properties {
        let pairs = map.0.iter().map(|(key, value)| json!([["string", key], form_of(&value.clone().into())]));
        form["application_properties"] = json!(["map", pairs.collect::<Vec<_>>()]);
    }
    form["body"] = match &message.body {
        Body::Data(data) => json!({ "data": data.iter().map(|data| hex(&data.0)).collect::<Vec<_>>() }),
        Body::Sequence(lists) => {
            json!({ "sequence": lists.iter().map(|list| forms_of(&list.0)).collect::<Vec<_>>() })
        }
        Body::Value(AmqpValue(value)) => json!({ "value": form_of(value) }),
        Body::Empty => json!({ "value": ["null"] }),
    };
    form
}
