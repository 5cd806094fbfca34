//! AMQP values as tagged JSON, `["uint", "7"]`, and back: what `types.json` is written in.

use deuteron::codec::{
    Array, Decimal32, Decimal64, Decimal128, Described, Map, Primitive, Timestamp, Uuid, Value,
};
use serde_json::{Value as Json, json};

/// The value that a form describes.
///
/// # Panics
/// When the form is none: the forms are in a file of ours.
pub(crate) fn value_of(form: &Json) -> Value {
    let text = || form[1].as_str().unwrap_or_else(|| panic!("{form} has no text"));
    match form[0].as_str().unwrap_or_default() {
        "null" => Value::Null,
        "bool" => Value::Bool(form[1] == true),
        "ubyte" => Value::Ubyte(number(text())),
        "ushort" => Value::Ushort(number(text())),
        "uint" => Value::Uint(number(text())),
        "ulong" => Value::Ulong(number(text())),
        "byte" => Value::Byte(number(text())),
        "short" => Value::Short(number(text())),
        "int" => Value::Int(number(text())),
        "long" => Value::Long(number(text())),
        "timestamp" => Value::Timestamp(Timestamp(number(text()))),
        "float" => Value::Float(f32::from_be_bytes(fixed(text()))),
        "double" => Value::Double(f64::from_be_bytes(fixed(text()))),
        "decimal32" => Value::Decimal32(Decimal32(fixed(text()))),
        "decimal64" => Value::Decimal64(Decimal64(fixed(text()))),
        "decimal128" => Value::Decimal128(Decimal128(fixed(text()))),
        "char" => {
            Value::Char(u32::from_str_radix(text(), 16).ok().and_then(char::from_u32).expect("a character"))
        }
        "uuid" => Value::Uuid(Uuid(fixed(text()))),
        "binary" => Value::Binary(unhex(text()).into()),
        "string" => Value::String(text().to_owned()),
        "symbol" => Value::Symbol(text().into()),
        "list" => Value::List(items(&form[1]).map(value_of).collect()),
        "map" => Value::Map(map_of(form)),
        "array" => Value::Array(Box::new(array_of(form))),
        "described" => Described::new(value_of(&form[1]), value_of(&form[2])).into(),
        other => panic!("{other} is no AMQP type"),
    }
}

/// The map that a form describes.
pub(crate) fn map_of(form: &Json) -> Map {
    items(&form[1]).map(|pair| (value_of(&pair[0]), value_of(&pair[1]))).collect()
}

fn array_of(form: &Json) -> Array {
    let element_type = PRIMITIVES.iter().find(|primitive| name(**primitive) == form[2]).expect("a type name");
    let elements = items(&form[3]).map(value_of).collect();
    if form[1].is_null() {
        Array::new(*element_type, elements).expect("elements of one type")
    } else {
        Array::described(value_of(&form[1]), *element_type, elements).expect("elements of one type")
    }
}

/// The form of a value.
pub(crate) fn form_of(value: &Value) -> Json {
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
        Value::Timestamp(value) => json!(["timestamp", value.0.to_string()]),
        Value::Float(value) => json!(["float", hex(&value.to_be_bytes())]),
        Value::Double(value) => json!(["double", hex(&value.to_be_bytes())]),
        Value::Decimal32(value) => json!(["decimal32", hex(&value.0)]),
        Value::Decimal64(value) => json!(["decimal64", hex(&value.0)]),
        Value::Decimal128(value) => json!(["decimal128", hex(&value.0)]),
        Value::Char(value) => json!(["char", format!("{:x}", u32::from(*value))]),
        Value::Uuid(value) => json!(["uuid", hex(&value.0)]),
        Value::Binary(value) => json!(["binary", hex(value)]),
        Value::String(value) => json!(["string", value]),
        Value::Symbol(value) => json!(["symbol", value.as_str()]),
        Value::List(list) => json!(["list", list.iter().map(form_of).collect::<Vec<_>>()]),
        Value::Map(map) => form_of_map(map),
        Value::Array(array) => json!([
            "array",
            array.descriptor().map(form_of),
            name(array.element_type()),
            array.elements().iter().map(form_of).collect::<Vec<_>>()
        ]),
        Value::Described(described) => {
            json!(["described", form_of(&described.descriptor), form_of(&described.value)])
        }
    }
}

/// The form of a map.
pub(crate) fn form_of_map(map: &Map) -> Json {
    json!(["map", map.iter().map(|(key, value)| json!([form_of(key), form_of(value)])).collect::<Vec<_>>()])
}

const PRIMITIVES: [Primitive; 24] = [
    Primitive::Null,
    Primitive::Boolean,
    Primitive::Ubyte,
    Primitive::Ushort,
    Primitive::Uint,
    Primitive::Ulong,
    Primitive::Byte,
    Primitive::Short,
    Primitive::Int,
    Primitive::Long,
    Primitive::Float,
    Primitive::Double,
    Primitive::Decimal32,
    Primitive::Decimal64,
    Primitive::Decimal128,
    Primitive::Char,
    Primitive::Timestamp,
    Primitive::Uuid,
    Primitive::Binary,
    Primitive::String,
    Primitive::Symbol,
    Primitive::List,
    Primitive::Map,
    Primitive::Array,
];

/// The name of a type in a form: the specification's, but for `bool`.
fn name(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Boolean => "bool",
        other => other.name(),
    }
}

/// The elements of a JSON array.
pub(crate) fn items(form: &Json) -> impl Iterator<Item = &Json> {
    form.as_array().unwrap_or_else(|| panic!("{form} is no array")).iter()
}

fn number<N: std::str::FromStr>(text: &str) -> N {
    text.parse().unwrap_or_else(|_| panic!("{text} is not a number of the type's range"))
}

fn fixed<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().unwrap_or_else(|_| panic!("{text} does not have {N} bytes"))
}

/// The bytes of hexadecimal text.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(digits).collect()
}

/// Bytes as hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
