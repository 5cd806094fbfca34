//! AMQP values as tagged JSON, `["uint", "7"]`, and back: what `types.json` is written in.

use serde_amqp::Value;
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use serde_amqp::primitives::{Array, Dec32, Dec64, Dec128, OrderedMap, Symbol, Timestamp, Uuid};
use serde_bytes::ByteBuf;
use serde_json::{Value as Json, json};

/// The elements of a JSON array.
pub fn items(form: &Json) -> impl Iterator<Item = &Json> {
    form.as_array().into_iter().flatten()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("digits")).collect()
}

fn fixed<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().expect("the bytes of the type")
}

fn number<N: std::str::FromStr>(text: &str) -> N {
    text.parse().ok().expect("a number of the type")
}

/// The value that a form describes; the reason, when the library has none.
pub fn value_of(form: &Json) -> Result<Value, String> {
    let text = form[1].as_str().unwrap_or_default();
    Ok(match form[0].as_str().unwrap_or_default() {
        "null" => Value::Null,
        "bool" => Value::Bool(form[1] == true),
        "ubyte" => Value::Ubyte(number(text)),
        "ushort" => Value::Ushort(number(text)),
        "uint" => Value::Uint(number(text)),
        "ulong" => Value::Ulong(number(text)),
        "byte" => Value::Byte(number(text)),
        "short" => Value::Short(number(text)),
        "int" => Value::Int(number(text)),
        "long" => Value::Long(number(text)),
        "timestamp" => Value::Timestamp(Timestamp::from_milliseconds(number(text))),
        "float" => f32::from_be_bytes(fixed(text)).into(),
        "double" => f64::from_be_bytes(fixed(text)).into(),
        "decimal32" => Value::Decimal32(Dec32::from(fixed::<4>(text))),
        "decimal64" => Value::Decimal64(Dec64::from(fixed::<8>(text))),
        "decimal128" => Value::Decimal128(Dec128::from(fixed::<16>(text))),
        "char" => {
            Value::Char(char::from_u32(u32::from_str_radix(text, 16).expect("digits")).expect("a character"))
        }
        "uuid" => Value::Uuid(Uuid::from(fixed::<16>(text))),
        "binary" => Value::Binary(ByteBuf::from(unhex(text))),
        "string" => Value::String(text.to_owned()),
        "symbol" => Value::Symbol(Symbol::from(text)),
        "list" => Value::List(values_of(&form[1])?),
        "map" => Value::Map(map_of(form)?),
        "array" => {
            let elements = items(&form[3]).map(|element| match &form[1] {
                Json::Null => value_of(element),
                descriptor => described(descriptor, element),
            });
            Value::Array(Array(elements.collect::<Result<_, _>>()?))
        }
        "described" => described(&form[1], &form[2])?,
        other => return Err(format!("there is no {other}")),
    })
}

fn described(descriptor: &Json, value: &Json) -> Result<Value, String> {
    let descriptor = match value_of(descriptor)? {
        Value::Symbol(name) => Descriptor::Name(name),
        Value::Ulong(code) => Descriptor::Code(code),
        other => return Err(format!("{other:?} is no descriptor")),
    };
    Ok(Value::Described(Box::new(Described { descriptor, value: value_of(value)? })))
}

pub fn values_of(forms: &Json) -> Result<Vec<Value>, String> {
    items(forms).map(value_of).collect()
}

pub fn map_of(form: &Json) -> Result<OrderedMap<Value, Value>, String> {
    let mut map = OrderedMap::new();
    for pair in items(&form[1]) {
        map.insert(value_of(&pair[0])?, value_of(&pair[1])?);
    }
    Ok(map)
}

/// The form of a value.
pub fn form_of(value: &Value) -> Json {
    match value {
        Value::Null => json!(["null"]),
        Value::Bool(value) => json!(["bool", value]),
        Value::Ubyte(value) => json!(["ubyte", value.to_string()]),
        Value::Ushort(value) => json!(["ushort", value.to_string()]),
        Value::Uint(value) => json!(["uint", value.to_string()]),
        Value::Ulong(value) => json!(["ulong", value.to_string()]),
        Value::Byte(value) => json!(["byte", value.to_string()]),
        Value::Short(value) => json!(["short", value.to_string()]),
        Value::Int(value) => json!(["int", value.to_string()]),
        Value::Long(value) => json!(["long", value.to_string()]),
        Value::Timestamp(value) => json!(["timestamp", value.milliseconds().to_string()]),
        Value::Float(value) => json!(["float", hex(&value.into_inner().to_be_bytes())]),
        Value::Double(value) => json!(["double", hex(&value.into_inner().to_be_bytes())]),
        Value::Decimal32(value) => json!(["decimal32", hex(value.as_inner())]),
        Value::Decimal64(value) => json!(["decimal64", hex(value.as_inner())]),
        Value::Decimal128(value) => json!(["decimal128", hex(value.as_inner())]),
        Value::Char(value) => json!(["char", format!("{:x}", u32::from(*value))]),
        Value::Uuid(value) => json!(["uuid", hex(value.as_inner())]),
        Value::Binary(value) => json!(["binary", hex(value)]),
        Value::String(value) => json!(["string", value]),
        Value::Symbol(value) => json!(["symbol", value.as_str()]),
        Value::List(list) => json!(["list", forms_of(list)]),
        Value::Map(map) => {
            json!(["map", map.iter().map(|(k, v)| json!([form_of(k), form_of(v)])).collect::<Vec<_>>()])
        }
        Value::Array(array) => form_of_array(&array.0),
        Value::Described(described) => {
            json!(["described", form_of_descriptor(&described.descriptor), form_of(&described.value)])
        }
    }
}

/// The form of an array. The library keeps the elements alone: of none, nothing is known.
fn form_of_array(elements: &[Value]) -> Json {
    let forms = forms_of(elements);
    let Some(first) = forms.first() else { return json!(["array", null, "unknown", []]) };
    if first[0] == "described" {
        let bare: Vec<_> = forms.iter().map(|form| form[2].clone()).collect();
        return json!(["array", first[1], first[2][0], bare]);
    }
    json!(["array", null, first[0], forms])
}

fn form_of_descriptor(descriptor: &Descriptor) -> Json {
    match descriptor {
        Descriptor::Name(name) => json!(["symbol", name.as_str()]),
        Descriptor::Code(code) => json!(["ulong", code.to_string()]),
    }
}

pub fn forms_of(values: &[Value]) -> Vec<Json> {
    values.iter().map(form_of).collect()
}
