//! Values of a named type from text: `-p size:int=5`.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use deuteron::codec::{Decimal32, Decimal64, Decimal128, Primitive, Uuid};
use deuteron::{MessageId, Symbol, Value};

use super::{json_read, json_write, time};

/// The names of the types that [`parse`] knows.
pub(crate) const TYPES: &str = "null, boolean, ubyte, ushort, uint, ulong, byte, short, int, long, float, double, \
    decimal32, decimal64, decimal128, char, timestamp, uuid, binary, string, symbol, json";

/// The primitive type of a name in the specification, or `bool`.
pub(crate) fn primitive(name: &str) -> Option<Primitive> {
    use Primitive as P;
    let all = [
        P::Null,
        P::Boolean,
        P::Ubyte,
        P::Ushort,
        P::Uint,
        P::Ulong,
        P::Byte,
        P::Short,
        P::Int,
        P::Long,
        P::Float,
        P::Double,
        P::Decimal32,
        P::Decimal64,
        P::Decimal128,
        P::Char,
        P::Timestamp,
        P::Uuid,
        P::Binary,
        P::String,
        P::Symbol,
        P::List,
        P::Map,
        P::Array,
    ];
    let name = if name == "bool" { "boolean" } else { name };
    all.into_iter().find(|primitive| primitive.name() == name)
}

/// A value of a type from its text.
pub(crate) fn parse(kind: Primitive, text: &str) -> Result<Value, String> {
    let not = |what: &str| format!("'{text}' is no {what}");
    Ok(match kind {
        Primitive::Null if text.is_empty() || text == "null" => Value::Null,
        Primitive::Boolean => Value::Bool(number(text, kind)?),
        Primitive::Ubyte => Value::Ubyte(number(text, kind)?),
        Primitive::Ushort => Value::Ushort(number(text, kind)?),
        Primitive::Uint => Value::Uint(number(text, kind)?),
        Primitive::Ulong => Value::Ulong(number(text, kind)?),
        Primitive::Byte => Value::Byte(number(text, kind)?),
        Primitive::Short => Value::Short(number(text, kind)?),
        Primitive::Int => Value::Int(number(text, kind)?),
        Primitive::Long => Value::Long(number(text, kind)?),
        Primitive::Float => Value::Float(match text.strip_prefix("0x") {
            Some(bits) => f32::from_bits(u32::from_str_radix(bits, 16).map_err(|_| not("float"))?),
            None => number(text, kind)?,
        }),
        Primitive::Double => Value::Double(match text.strip_prefix("0x") {
            Some(bits) => f64::from_bits(u64::from_str_radix(bits, 16).map_err(|_| not("double"))?),
            None => number(text, kind)?,
        }),
        Primitive::Decimal32 => Value::Decimal32(Decimal32(hex(text, kind)?)),
        Primitive::Decimal64 => Value::Decimal64(Decimal64(hex(text, kind)?)),
        Primitive::Decimal128 => Value::Decimal128(Decimal128(hex(text, kind)?)),
        Primitive::Char => Value::Char(text.parse().map_err(|_| format!("'{text}' is not one character"))?),
        Primitive::Timestamp => Value::Timestamp(time::parse(text)?),
        Primitive::Uuid => Value::Uuid(uuid(text)?),
        Primitive::Binary => Value::Binary(base64(text)?),
        Primitive::String => Value::String(text.to_owned()),
        Primitive::Symbol => Value::Symbol(symbol(text)?),
        Primitive::Null | Primitive::List | Primitive::Map | Primitive::Array => {
            return Err(not(kind.name()));
        }
    })
}

fn number<T: FromStr>(text: &str, kind: Primitive) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is no {}", kind.name()))
}

/// Bytes in base64.
pub(crate) fn base64(text: &str) -> Result<Bytes, String> {
    STANDARD.decode(text).map(Bytes::from).map_err(|error| format!("'{text}' is not base64: {error}"))
}

/// A symbol: ASCII only (specification 1.6.21).
pub(crate) fn symbol(text: &str) -> Result<Symbol, String> {
    if text.is_ascii() {
        Ok(Symbol::from(text))
    } else {
        Err(format!("'{text}' is no symbol: they are ASCII"))
    }
}

fn uuid(text: &str) -> Result<Uuid, String> {
    let grouped = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
    let digits: String = if grouped { text.replace('-', "") } else { text.to_owned() };
    hex(&digits, Primitive::Uuid)
        .map(Uuid)
        .map_err(|_| format!("'{text}' is no uuid; it has the form 01234567-89ab-cdef-0123-456789abcdef"))
}

/// Exactly `N` bytes in hexadecimal.
fn hex<const N: usize>(text: &str, kind: Primitive) -> Result<[u8; N], String> {
    let wrong = || format!("'{text}' is no {}: it has {} hexadecimal digits", kind.name(), 2 * N);
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

/// A `NAME[:TYPE]=VALUE`. A name with a colon in it needs a type: `a:b:string=c`.
pub(crate) fn named(text: &str) -> Result<(String, Value), String> {
    let Some((left, value)) = text.split_once('=') else {
        return Err(format!("'{text}' has no '='; the form is NAME=VALUE or NAME:TYPE=VALUE"));
    };
    let (name, value) = match left.rsplit_once(':') {
        None => (left, Value::String(value.to_owned())),
        Some((name, kind)) => (name, typed(kind, value).map_err(|error| format!("{name}: {error}"))?),
    };
    if name.is_empty() {
        return Err(format!("'{text}' has no name; the form is NAME=VALUE or NAME:TYPE=VALUE"));
    }
    Ok((name.to_owned(), value))
}

fn typed(kind: &str, text: &str) -> Result<Value, String> {
    if kind == "json" {
        return json_read::value_text(text);
    }
    match primitive(kind) {
        Some(Primitive::List | Primitive::Map | Primitive::Array) | None => {
            Err(format!("'{kind}' is no type of a property; {TYPES} are"))
        }
        Some(kind) => parse(kind, text),
    }
}

/// A message id as `[:TYPE=]VALUE`.
pub(crate) fn message_id(text: &str) -> Result<MessageId, String> {
    let value = match text.strip_prefix(':').and_then(|rest| rest.split_once('=')) {
        Some((kind, value)) => typed(kind, value)?,
        None => Value::String(text.to_owned()),
    };
    id_from_value(value)
}

/// The id that a value is.
pub(crate) fn id_from_value(value: Value) -> Result<MessageId, String> {
    match value {
        Value::String(id) => Ok(MessageId::String(id)),
        Value::Ulong(id) => Ok(MessageId::Ulong(id)),
        Value::Uuid(id) => Ok(MessageId::Uuid(id)),
        Value::Binary(id) => Ok(MessageId::Binary(id)),
        other => Err(format!(
            "{} is no message id: they are string, ulong, uuid or binary",
            json_write::text(&other)
        )),
    }
}
