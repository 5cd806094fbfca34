//! Messages and values from JSON, in the form that `json_write` writes.

use deuteron::codec::{Array, Described, Header, Primitive, Properties};
use deuteron::{Body, Map, Message, MessageId, Value};
use serde_json::Value as Json;

use super::{json_write, scalar};

type Object = serde_json::Map<String, Json>;

/// Reads a message from one line.
pub(crate) fn message(text: &str) -> Result<Message, String> {
    let json: Json = serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))?;
    let Json::Object(object) = json else {
        return Err("a message is a JSON object, as in {\"body\":\"Hello\"}".into());
    };
    let mut message = Message::default();
    let mut body = None;
    for (name, json) in object {
        let section = match name.replace('-', "_").as_str() {
            "header" => header(json).map(|header| message.header = Some(header)),
            "delivery_annotations" => symbols(json).map(|map| message.delivery_annotations = Some(map)),
            "message_annotations" => symbols(json).map(|map| message.message_annotations = Some(map)),
            "properties" => properties(json).map(|properties| message.properties = Some(properties)),
            "application_properties" => strings(json).map(|map| message.application_properties = Some(map)),
            "footer" => symbols(json).map(|map| message.footer = Some(map)),
            kind @ ("body" | "text" | "data" | "sequence") => match body.replace(kind.to_owned()) {
                None => self::body(kind, json).map(|body| message.body = body),
                Some(other) => Err(format!("there is a body already, in {other}")),
            },
            _ => Err("no section of a message has this name".into()),
        };
        section.map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(message)
}

fn body(kind: &str, json: Json) -> Result<Body, String> {
    match kind {
        "body" => value(json).map(Body::from),
        "text" => Ok(Body::Data(vec![text(json)?.into()])),
        "data" => match json {
            Json::Array(sections) => {
                let sections = sections.into_iter().map(|section| scalar::base64(&text(section)?));
                Ok(Body::Data(sections.collect::<Result<_, _>>()?))
            }
            section => Ok(Body::Data(vec![scalar::base64(&text(section)?)?])),
        },
        _ => Ok(Body::Sequence(items(json)?.into_iter().map(values).collect::<Result<_, _>>()?)),
    }
}

fn header(json: Json) -> Result<Header, String> {
    let mut header = Header::default();
    fields(json, |name, json| {
        match name {
            "durable" => header.durable = boolean(&json)?,
            "priority" => header.priority = integer(&json)?,
            "ttl" => header.ttl = Some(integer(&json)?),
            "first_acquirer" => header.first_acquirer = boolean(&json)?,
            "delivery_count" => header.delivery_count = integer(&json)?,
            _ => return Err("the header has no such field".into()),
        }
        Ok(())
    })?;
    Ok(header)
}

fn properties(json: Json) -> Result<Properties, String> {
    let mut properties = Properties::default();
    fields(json, |name, json| {
        match name {
            "message_id" => properties.message_id = Some(id(json)?),
            "user_id" => {
                properties.user_id = Some(match value(json)? {
                    Value::String(text) => text.into_bytes().into(),
                    Value::Binary(bytes) => bytes,
                    other => return Err(format!("{} is neither text nor binary", json_write::text(&other))),
                });
            }
            "to" => properties.to = Some(text(json)?),
            "subject" => properties.subject = Some(text(json)?),
            "reply_to" => properties.reply_to = Some(text(json)?),
            "correlation_id" => properties.correlation_id = Some(id(json)?),
            "content_type" => properties.content_type = Some(scalar::symbol(&text(json)?)?),
            "content_encoding" => properties.content_encoding = Some(scalar::symbol(&text(json)?)?),
            "absolute_expiry_time" => properties.absolute_expiry_time = Some(timestamp(json)?),
            "creation_time" => properties.creation_time = Some(timestamp(json)?),
            "group_id" => properties.group_id = Some(text(json)?),
            "group_sequence" => properties.group_sequence = Some(integer(&json)?),
            "reply_to_group_id" => properties.reply_to_group_id = Some(text(json)?),
            _ => return Err("there is no such property; your own go into application_properties".into()),
        }
        Ok(())
    })?;
    Ok(properties)
}

/// Calls `set` for each field of an object.
fn fields(json: Json, mut set: impl FnMut(&str, Json) -> Result<(), String>) -> Result<(), String> {
    for (name, json) in object(json)? {
        set(&name.replace('-', "_"), json).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn id(json: Json) -> Result<MessageId, String> {
    scalar::id_from_value(value(json)?)
}

fn timestamp(json: Json) -> Result<deuteron::codec::Timestamp, String> {
    match content(Primitive::Timestamp, json)? {
        Value::Timestamp(timestamp) => Ok(timestamp),
        other => Err(format!("{} is no timestamp", json_write::text(&other))),
    }
}

fn strings(json: Json) -> Result<Map, String> {
    map(json, Value::String)
}

fn symbols(json: Json) -> Result<Map, String> {
    if let Json::Object(object) = &json
        && let Some(name) = object.keys().find(|name| !name.is_ascii())
    {
        return Err(format!("'{name}' is no symbol: they are ASCII"));
    }
    map(json, |key| Value::Symbol(key.into()))
}

/// A map whose plain keys become what `key` makes of them.
fn map(json: Json, key: impl Fn(String) -> Value) -> Result<Map, String> {
    let object = object(json)?;
    match tag(&object) {
        Some(_) => match value(Json::Object(object))? {
            Value::Map(map) => Ok(map),
            other => Err(format!("{} is no map", json_write::text(&other))),
        },
        None => {
            let mut map = Map::with_capacity(object.len());
            for (name, json) in object {
                let read = value(json).map_err(|error| format!("{name}: {error}"))?;
                map.push(key(name), read);
            }
            Ok(map)
        }
    }
}

/// Reads a value of any type from text.
pub(crate) fn value_text(text: &str) -> Result<Value, String> {
    value(parse(text)?)
}

fn parse(text: &str) -> Result<Json, String> {
    serde_json::from_str(text).map_err(|error| {
        let quotes =
            if text.starts_with(char::is_alphabetic) { "; a string has quotes, \"like this\"" } else { "" };
        format!("'{text}' is not JSON: {error}{quotes}")
    })
}

/// The values of a JSON list.
pub(crate) fn values_text(text: &str) -> Result<Vec<Value>, String> {
    values(parse(text)?)
}

fn value(json: Json) -> Result<Value, String> {
    match json {
        Json::Null => Ok(Value::Null),
        Json::Bool(value) => Ok(Value::Bool(value)),
        Json::Number(number) => match (number.as_i64(), number.is_f64(), number.as_f64()) {
            (Some(value), ..) => Ok(Value::Long(value)),
            (None, true, Some(value)) => Ok(Value::Double(value)),
            _ => Err(format!("{number} does not fit a long; {{\"$ulong\":\"{number}\"}} may")),
        },
        Json::String(text) => Ok(Value::String(text)),
        Json::Array(_) => values(json).map(Value::List),
        Json::Object(object) => match tag(&object) {
            None => strings(Json::Object(object)).map(Value::Map),
            Some(kind) => {
                let kind = kind.to_owned();
                let json = object.into_iter().next().map(|(_, json)| json).unwrap_or_default();
                typed(&kind, json).map_err(|error| format!("${kind}: {error}"))
            }
        },
    }
}

/// The type of an object with the one key `$TYPE`.
fn tag(object: &Object) -> Option<&str> {
    let mut keys = object.keys();
    match (keys.next(), keys.next()) {
        (Some(key), None) => key.strip_prefix('$'),
        _ => None,
    }
}

fn typed(kind: &str, json: Json) -> Result<Value, String> {
    if kind == "described" {
        let [descriptor, described] = pair(json)?;
        return Ok(Value::Described(Box::new(Described { descriptor, value: described })));
    }
    match scalar::primitive(kind) {
        Some(kind) => content(kind, json),
        None => Err("there is no such type".into()),
    }
}

/// Reads a value whose type is known from where it stands.
fn content(kind: Primitive, json: Json) -> Result<Value, String> {
    match (kind, json) {
        (Primitive::Null, Json::Null) => Ok(Value::Null),
        (Primitive::List, json) => values(json).map(Value::List),
        (Primitive::Map, json @ Json::Object(_)) => strings(json).map(Value::Map),
        (Primitive::Map, json) => {
            let mut map = Map::new();
            for entry in items(json)? {
                let [key, value] = pair(entry)?;
                map.push(key, value);
            }
            Ok(Value::Map(map))
        }
        (Primitive::Array, json) => array(json).map(|array| Value::Array(Box::new(array))),
        (Primitive::Boolean, Json::Bool(value)) => Ok(Value::Bool(value)),
        (kind, Json::String(text)) => scalar::parse(kind, &text),
        (kind, Json::Number(number)) => scalar::parse(kind, &number.to_string()),
        (kind, other) => Err(format!("{other} is no {}", kind.name())),
    }
}

fn array(json: Json) -> Result<Array, String> {
    let mut object = object(json)?;
    let kind = object.remove("type").ok_or("an array has a type")?;
    let kind = text(kind)?;
    let kind = scalar::primitive(&kind).ok_or_else(|| format!("there is no type '{kind}'"))?;
    let elements = items(object.remove("values").ok_or("an array has values")?)?;
    let elements = elements.into_iter().map(|json| content(kind, json)).collect::<Result<Vec<_>, _>>()?;
    let descriptors = object.remove("descriptors").map_or_else(|| Ok(Vec::new()), values)?;
    if let Some(name) = object.keys().next() {
        return Err(format!("{name}: an array has only type, values and descriptors"));
    }
    Array::with_descriptors(descriptors, kind, elements).map_err(|error| error.to_string())
}

fn values(json: Json) -> Result<Vec<Value>, String> {
    items(json)?.into_iter().map(value).collect()
}

fn pair(json: Json) -> Result<[Value; 2], String> {
    values(json)?.try_into().map_err(|_| "there have to be two values in a list".into())
}

fn items(json: Json) -> Result<Vec<Json>, String> {
    match json {
        Json::Array(items) => Ok(items),
        other => Err(format!("{other} is no list")),
    }
}

fn object(json: Json) -> Result<Object, String> {
    match json {
        Json::Object(object) => Ok(object),
        other => Err(format!("{other} is no object")),
    }
}

fn text(json: Json) -> Result<String, String> {
    match json {
        Json::String(text) => Ok(text),
        other => Err(format!("{other} is no string")),
    }
}

fn boolean(json: &Json) -> Result<bool, String> {
    json.as_bool().ok_or_else(|| format!("{json} is neither true nor false"))
}

fn integer<T: TryFrom<u64>>(json: &Json) -> Result<T, String> {
    let number = json.as_u64().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("{json} is no number that fits here"))
}
