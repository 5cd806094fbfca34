//! Values from and to the types of Rust.

use std::time::SystemTime;

use bytes::Bytes;

use crate::visit::Scalar;
use crate::{
    Array, Decimal32, Decimal64, Decimal128, Described, Error, Map, MessageId, Symbol, Timestamp, Uuid, Value,
};

macro_rules! value_from {
    ($($type:ty => |$value:ident| $build:expr,)*) => {
        $(impl From<$type> for Value {
            #[inline]
            fn from($value: $type) -> Self {
                $build
            }
        })*
    };
}

value_from! {
    bool => |v| Self::Bool(v),
    u8 => |v| Self::Ubyte(v),
    u16 => |v| Self::Ushort(v),
    u32 => |v| Self::Uint(v),
    u64 => |v| Self::Ulong(v),
    i8 => |v| Self::Byte(v),
    i16 => |v| Self::Short(v),
    i32 => |v| Self::Int(v),
    i64 => |v| Self::Long(v),
    f32 => |v| Self::Float(v),
    f64 => |v| Self::Double(v),
    Decimal32 => |v| Self::Decimal32(v),
    Decimal64 => |v| Self::Decimal64(v),
    Decimal128 => |v| Self::Decimal128(v),
    char => |v| Self::Char(v),
    Timestamp => |v| Self::Timestamp(v),
    SystemTime => |v| Self::Timestamp(v.into()),
    Uuid => |v| Self::Uuid(v),
    Bytes => |v| Self::Binary(v),
    Vec<u8> => |v| Self::Binary(v.into()),
    &[u8] => |v| Self::Binary(Bytes::copy_from_slice(v)),
    String => |v| Self::String(v),
    &String => |v| Self::String(v.clone()),
    &str => |v| Self::String(v.to_owned()),
    Symbol => |v| Self::Symbol(v),
    &Symbol => |v| Self::Symbol(v.clone()),
    Vec<Self> => |v| Self::List(v),
    Map => |v| Self::Map(v),
    Array => |v| Self::Array(Box::new(v)),
    Described => |v| Self::Described(Box::new(v)),
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

/// `None` is null.
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<MessageId> for Value {
    fn from(id: MessageId) -> Self {
        match id {
            MessageId::Ulong(id) => Self::Ulong(id),
            MessageId::Uuid(id) => Self::Uuid(id),
            MessageId::Binary(id) => Self::Binary(id),
            MessageId::String(id) => Self::String(id),
        }
    }
}

/// The described list that stands for the error on the wire.
impl From<Error> for Value {
    fn from(error: Error) -> Self {
        let fields = vec![Self::Symbol(error.condition), error.description.into(), error.info.into()];
        Described::new(Error::CODE, fields).into()
    }
}

impl From<Scalar<'_>> for Value {
    #[inline]
    fn from(scalar: Scalar<'_>) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(value) => Self::Bool(value),
            Scalar::Ubyte(value) => Self::Ubyte(value),
            Scalar::Ushort(value) => Self::Ushort(value),
            Scalar::Uint(value) => Self::Uint(value),
            Scalar::Ulong(value) => Self::Ulong(value),
            Scalar::Byte(value) => Self::Byte(value),
            Scalar::Short(value) => Self::Short(value),
            Scalar::Int(value) => Self::Int(value),
            Scalar::Long(value) => Self::Long(value),
            Scalar::Float(value) => Self::Float(value),
            Scalar::Double(value) => Self::Double(value),
            Scalar::Decimal32(value) => Self::Decimal32(value),
            Scalar::Decimal64(value) => Self::Decimal64(value),
            Scalar::Decimal128(value) => Self::Decimal128(value),
            Scalar::Char(value) => Self::Char(value),
            Scalar::Timestamp(value) => Self::Timestamp(value),
            Scalar::Uuid(value) => Self::Uuid(value),
            Scalar::Binary(value) => Self::Binary(Bytes::copy_from_slice(value)),
            Scalar::String(value) => Self::String(value.to_owned()),
            Scalar::Symbol(value) => Self::Symbol(value.into()),
        }
    }
}

impl Value {
    /// The value as it would be read, if it holds no others.
    #[must_use]
    pub fn as_scalar(&self) -> Option<Scalar<'_>> {
        Some(match self {
            Self::Null => Scalar::Null,
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Ubyte(value) => Scalar::Ubyte(*value),
            Self::Ushort(value) => Scalar::Ushort(*value),
            Self::Uint(value) => Scalar::Uint(*value),
            Self::Ulong(value) => Scalar::Ulong(*value),
            Self::Byte(value) => Scalar::Byte(*value),
            Self::Short(value) => Scalar::Short(*value),
            Self::Int(value) => Scalar::Int(*value),
            Self::Long(value) => Scalar::Long(*value),
            Self::Float(value) => Scalar::Float(*value),
            Self::Double(value) => Scalar::Double(*value),
            Self::Decimal32(value) => Scalar::Decimal32(*value),
            Self::Decimal64(value) => Scalar::Decimal64(*value),
            Self::Decimal128(value) => Scalar::Decimal128(*value),
            Self::Char(value) => Scalar::Char(*value),
            Self::Timestamp(value) => Scalar::Timestamp(*value),
            Self::Uuid(value) => Scalar::Uuid(*value),
            Self::Binary(value) => Scalar::Binary(value),
            Self::String(value) => Scalar::String(value),
            Self::Symbol(value) => Scalar::Symbol(value.as_str()),
            Self::List(_) | Self::Map(_) | Self::Array(_) | Self::Described(_) => return None,
        })
    }

    /// Whether this is null.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string or symbol.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Symbol(symbol) => Some(symbol.as_str()),
            _ => None,
        }
    }

    /// The symbol.
    #[must_use]
    pub const fn as_symbol(&self) -> Option<&Symbol> {
        match self {
            Self::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// The bytes of a binary.
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The boolean.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if this is an integer of any width and not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Ulong(value) => Some(*value),
            other => other.as_i64().and_then(|value| u64::try_from(value).ok()),
        }
    }

    /// The number, if this is an integer of any width that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        Some(match self {
            Self::Ubyte(value) => i64::from(*value),
            Self::Ushort(value) => i64::from(*value),
            Self::Uint(value) => i64::from(*value),
            Self::Ulong(value) => return i64::try_from(*value).ok(),
            Self::Byte(value) => i64::from(*value),
            Self::Short(value) => i64::from(*value),
            Self::Int(value) => i64::from(*value),
            Self::Long(value) => *value,
            _ => return None,
        })
    }

    /// The number, if this is a float or double.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(f64::from(*value)),
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The map.
    #[must_use]
    pub const fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The array.
    #[must_use]
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The described value.
    #[must_use]
    pub fn as_described(&self) -> Option<&Described> {
        match self {
            Self::Described(described) => Some(described),
            _ => None,
        }
    }
}
