//! Values of any type (1.6).

mod array;
mod convert;
mod map;
mod number;
mod primitive;
mod symbol;
mod text;

use bytes::Bytes;

pub use array::{Array, MixedArray};
pub use map::{Fields, Map};
pub use number::{Decimal32, Decimal64, Decimal128, Timestamp, Uuid};
pub use primitive::Primitive;
pub use symbol::Symbol;
pub(crate) use text::TextVisitor;

use crate::error::DecodeError;
use crate::visit::{Elements, Visitor};
use crate::{Decode, Encode, Reader, Writer};

/// A value of any AMQP type.
///
/// Equality looks at types as well: `Uint(1)` is not `Ulong(1)`. Floats are compared by their bits, so that a value is
/// always equal to itself.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// 1.6.1 Nothing.
    #[default]
    Null,
    /// 1.6.2 boolean
    Bool(bool),
    /// 1.6.3 ubyte
    Ubyte(u8),
    /// 1.6.4 ushort
    Ushort(u16),
    /// 1.6.5 uint
    Uint(u32),
    /// 1.6.6 ulong
    Ulong(u64),
    /// 1.6.7 byte
    Byte(i8),
    /// 1.6.8 short
    Short(i16),
    /// 1.6.9 int
    Int(i32),
    /// 1.6.10 long
    Long(i64),
    /// 1.6.11 float
    Float(f32),
    /// 1.6.12 double
    Double(f64),
    /// 1.6.13 decimal32
    Decimal32(Decimal32),
    /// 1.6.14 decimal64
    Decimal64(Decimal64),
    /// 1.6.15 decimal128
    Decimal128(Decimal128),
    /// 1.6.16 char
    Char(char),
    /// 1.6.17 timestamp
    Timestamp(Timestamp),
    /// 1.6.18 uuid
    Uuid(Uuid),
    /// 1.6.19 binary
    Binary(Bytes),
    /// 1.6.20 string
    String(String),
    /// 1.6.21 symbol
    Symbol(Symbol),
    /// 1.6.22 list
    List(Vec<Self>),
    /// 1.6.23 map
    Map(Map),
    /// 1.6.24 array
    Array(Box<Array>),
    /// 1.2 A value with a descriptor that says what it means.
    Described(Box<Described>),
}

/// 1.2 A value with a descriptor that says what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// What describes it; a ulong or a symbol, usually.
    pub descriptor: Value,
    /// What is described.
    pub value: Value,
}

impl Described {
    /// A described value.
    #[must_use]
    pub fn new(descriptor: impl Into<Value>, value: impl Into<Value>) -> Self {
        Self { descriptor: descriptor.into(), value: value.into() }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Ubyte(a), Self::Ubyte(b)) => a == b,
            (Self::Ushort(a), Self::Ushort(b)) => a == b,
            (Self::Uint(a), Self::Uint(b)) => a == b,
            (Self::Ulong(a), Self::Ulong(b)) => a == b,
            (Self::Byte(a), Self::Byte(b)) => a == b,
            (Self::Short(a), Self::Short(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Long(a), Self::Long(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Decimal32(a), Self::Decimal32(b)) => a == b,
            (Self::Decimal64(a), Self::Decimal64(b)) => a == b,
            (Self::Decimal128(a), Self::Decimal128(b)) => a == b,
            (Self::Char(a), Self::Char(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Uuid(a), Self::Uuid(b)) => a == b,
            (Self::Binary(a), Self::Binary(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Symbol(a), Self::Symbol(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Described(a), Self::Described(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl<'a> Decode<'a> for Value {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        crate::visit::visit(reader, &mut ValueVisitor)
    }
}

impl<'a> Decode<'a> for Described {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        match Value::decode(reader)? {
            Value::Described(described) => Ok(*described),
            other => {
                let found = to_code(&other);
                let expected = "a described value";
                Err(DecodeError::new(crate::DecodeErrorKind::UnexpectedType { expected, found }, at))
            }
        }
    }
}

fn to_code(value: &Value) -> u8 {
    crate::to_bytes(value).first().copied().unwrap_or_default()
}

impl Encode for Value {
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Null => writer.null(),
            Self::Bool(value) => writer.bool(*value),
            Self::Ubyte(value) => writer.ubyte(*value),
            Self::Ushort(value) => writer.ushort(*value),
            Self::Uint(value) => writer.uint(*value),
            Self::Ulong(value) => writer.ulong(*value),
            Self::Byte(value) => writer.byte(*value),
            Self::Short(value) => writer.short(*value),
            Self::Int(value) => writer.int(*value),
            Self::Long(value) => writer.long(*value),
            Self::Float(value) => writer.float(*value),
            Self::Double(value) => writer.double(*value),
            Self::Decimal32(value) => writer.decimal32(*value),
            Self::Decimal64(value) => writer.decimal64(*value),
            Self::Decimal128(value) => writer.decimal128(*value),
            Self::Char(value) => writer.char(*value),
            Self::Timestamp(value) => writer.timestamp(*value),
            Self::Uuid(value) => writer.uuid(*value),
            Self::Binary(value) => writer.binary(value),
            Self::String(value) => writer.string(value),
            Self::Symbol(value) => writer.symbol(value.as_str()),
            Self::List(value) => value.encode(writer),
            Self::Map(value) => value.encode(writer),
            Self::Array(value) => value.encode(writer),
            Self::Described(value) => value.encode(writer),
        }
    }
}

impl Encode for Described {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.described();
        self.descriptor.encode(writer);
        self.value.encode(writer);
    }
}

/// Builds [`Value`]s from the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValueVisitor;

impl<'a> Visitor<'a> for ValueVisitor {
    type Output = Value;
    type Error = DecodeError;

    fn primitive(&mut self, value: crate::visit::Scalar<'a>) -> Result<Value, DecodeError> {
        Ok(Value::from(value))
    }

    fn list(&mut self, elements: &mut Elements<'_, 'a>) -> Result<Value, DecodeError> {
        let mut list = Vec::with_capacity(elements.len());
        while let Some(value) = elements.next(self)? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn map(&mut self, elements: &mut Elements<'_, 'a>) -> Result<Value, DecodeError> {
        let mut map = Map::with_capacity(elements.len() / 2);
        while let Some(key) = elements.next(self)? {
            let value = elements.next(self)?.unwrap_or_default();
            map.push(key, value);
        }
        Ok(Value::Map(map))
    }

    fn array(
        &mut self,
        element_type: Primitive,
        descriptors: Vec<Value>,
        elements: &mut Elements<'_, 'a>,
    ) -> Result<Value, DecodeError> {
        // Not the whole capacity at once: elements of an array may take no bytes, so the count proves nothing.
        let mut values = Vec::with_capacity(elements.len().min(1024));
        while let Some(value) = elements.next(self)? {
            values.push(value);
        }
        Ok(Value::Array(Box::new(Array::decoded(element_type, descriptors, values))))
    }

    fn described(&mut self, descriptor: Value, value: Value) -> Result<Value, DecodeError> {
        Ok(Value::Described(Box::new(Described { descriptor, value })))
    }
}
