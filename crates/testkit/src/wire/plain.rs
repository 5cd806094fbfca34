use std::fmt;

use super::Composite;

/// Any AMQP value (section 1.6), as a plain tree.
///
/// The type of a number matters: a `uint` field compares equal to `Plain::Uint` and to nothing else.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// 1.6.1
    Null,
    /// 1.6.2
    Bool(bool),
    /// 1.6.3
    Ubyte(u8),
    /// 1.6.4
    Ushort(u16),
    /// 1.6.5
    Uint(u32),
    /// 1.6.6
    Ulong(u64),
    /// 1.6.7
    Byte(i8),
    /// 1.6.8
    Short(i16),
    /// 1.6.9
    Int(i32),
    /// 1.6.10
    Long(i64),
    /// 1.6.11
    Float(f32),
    /// 1.6.12
    Double(f64),
    /// 1.6.13, the bytes as on the wire
    Decimal32([u8; 4]),
    /// 1.6.14, the bytes as on the wire
    Decimal64([u8; 8]),
    /// 1.6.15, the bytes as on the wire
    Decimal128([u8; 16]),
    /// 1.6.16
    Char(char),
    /// 1.6.17, milliseconds since the Unix epoch
    Timestamp(i64),
    /// 1.6.18
    Uuid([u8; 16]),
    /// 1.6.19
    Binary(Vec<u8>),
    /// 1.6.20
    String(String),
    /// 1.6.21
    Symbol(String),
    /// 1.6.22
    List(Vec<Self>),
    /// 1.6.23, in the order of the wire
    Map(Vec<(Self, Self)>),
    /// 1.6.24; all elements are of one type
    Array(Vec<Self>),
    /// 1.5, descriptor and value
    Described(Box<Self>, Box<Self>),
}

impl Plain {
    /// A symbol.
    pub fn symbol(text: impl Into<String>) -> Self {
        Self::Symbol(text.into())
    }

    /// A binary value.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Binary(bytes.into())
    }

    /// A map from symbols to values, the shape of every `fields` value (2.8.13).
    pub fn fields<'a>(entries: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (Self::symbol(key), value)).collect())
    }

    /// Whether this is the null value.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The value of an unsigned number of any width.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Ubyte(n) => Some(n.into()),
            Self::Ushort(n) => Some(n.into()),
            Self::Uint(n) => Some(n.into()),
            Self::Ulong(n) => Some(n),
            _ => None,
        }
    }

    /// The value of a `uint`.
    pub fn as_u32(&self) -> Option<u32> {
        if let Self::Uint(n) = *self { Some(n) } else { None }
    }

    /// The value of a `ushort`.
    pub fn as_u16(&self) -> Option<u16> {
        if let Self::Ushort(n) = *self { Some(n) } else { None }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(b) = *self { Some(b) } else { None }
    }

    /// The text of a string or a symbol.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::String(text) | Self::Symbol(text) = self { Some(text) } else { None }
    }

    /// The bytes of a binary value.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Binary(bytes) = self { Some(bytes) } else { None }
    }

    /// The value as a composite type of the specification: a list described by a known code or name.
    pub fn as_composite(&self) -> Option<Composite> {
        Composite::from_plain(self)
    }

    /// The value under a symbol or string key of a map.
    pub fn entry(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name.as_text() == Some(key)).map(|(_, value)| value)
    }
}

/// An array of symbols; what most capability fields hold.
pub fn symbols<'a>(names: impl IntoIterator<Item = &'a str>) -> Plain {
    Plain::Array(names.into_iter().map(Plain::symbol).collect())
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Plain {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool, u8 => Ubyte, u16 => Ushort, u32 => Uint, u64 => Ulong, i8 => Byte, i16 => Short, i32 => Int,
    i64 => Long, f32 => Float, f64 => Double, char => Char, &str => String, String => String, &[u8] => Binary,
    Vec<u8> => Binary, Vec<Self> => List,
}

impl<const N: usize> From<&[u8; N]> for Plain {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Binary(bytes.to_vec())
    }
}

impl From<Composite> for Plain {
    fn from(composite: Composite) -> Self {
        composite.into_plain()
    }
}

impl<T: Into<Self>> From<Option<T>> for Plain {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(composite) = self.as_composite() {
            return composite.fmt(f);
        }
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Ubyte(n) => write!(f, "{n}ub"),
            Self::Ushort(n) => write!(f, "{n}us"),
            Self::Uint(n) => write!(f, "{n}u"),
            Self::Ulong(n) => write!(f, "{n}ul"),
            Self::Byte(n) => write!(f, "{n}b"),
            Self::Short(n) => write!(f, "{n}s"),
            Self::Int(n) => write!(f, "{n}i"),
            Self::Long(n) => write!(f, "{n}l"),
            Self::Float(n) => write!(f, "{n}f"),
            Self::Double(n) => write!(f, "{n}d"),
            Self::Decimal32(bytes) => write!(f, "decimal32 {}", hex(bytes)),
            Self::Decimal64(bytes) => write!(f, "decimal64 {}", hex(bytes)),
            Self::Decimal128(bytes) => write!(f, "decimal128 {}", hex(bytes)),
            Self::Char(c) => write!(f, "{c:?}"),
            Self::Timestamp(ms) => write!(f, "{ms}ms"),
            Self::Uuid(bytes) => write!(f, "uuid {}", hex(bytes)),
            Self::Binary(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            Self::String(text) => write!(f, "{text:?}"),
            Self::Symbol(text) => write!(f, ":{text}"),
            Self::List(values) => sequence(f, "[", values, "]"),
            Self::Array(values) => sequence(f, "@[", values, "]"),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{key}={value}")?;
                }
                f.write_str("}")
            }
            Self::Described(descriptor, value) => write!(f, "@{descriptor} {value}"),
        }
    }
}

fn sequence(f: &mut fmt::Formatter<'_>, open: &str, values: &[Plain], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (index, value) in values.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{value}")?;
    }
    f.write_str(close)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
