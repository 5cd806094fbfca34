//! Bodies of messages (3.2.6 - 3.2.8).

use bytes::{Bytes, BytesMut};

use crate::{Encode, Map, Value, Writer, section};

/// The body of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// Nothing. Written as the value null, since a message must have a body; a null is read as this.
    #[default]
    Empty,
    /// 3.2.8 One value.
    Value(Value),
    /// 3.2.6 Bytes, in one section or several; the boundaries mean nothing.
    Data(Vec<Bytes>),
    /// 3.2.7 Values, in one section or several.
    Sequence(Vec<Vec<Value>>),
}

impl Body {
    /// The text of a value that is a string or symbol, or of one data section that is UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Value(value) => value.as_str(),
            Self::Data(sections) => match sections.as_slice() {
                [] => Some(""),
                [section] => std::str::from_utf8(section).ok(),
                _ => None,
            },
            Self::Empty | Self::Sequence(_) => None,
        }
    }

    /// The bytes of all data sections, or of a value that is a binary. Only several sections are copied.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Bytes> {
        match self {
            Self::Value(value) => value.as_bytes().cloned(),
            Self::Data(sections) => Some(match sections.as_slice() {
                [section] => section.clone(),
                sections => {
                    let mut all = BytesMut::with_capacity(sections.iter().map(Bytes::len).sum());
                    for section in sections {
                        all.extend_from_slice(section);
                    }
                    all.freeze()
                }
            }),
            Self::Empty | Self::Sequence(_) => None,
        }
    }

    /// The value, if the body is one.
    #[must_use]
    pub fn as_value(&self) -> Option<&Value> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Whether there is no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// About how many bytes the encoded body takes.
    pub(super) fn size_hint(&self) -> usize {
        match self {
            Self::Value(Value::String(text)) => text.len(),
            Self::Value(Value::Binary(bytes)) => bytes.len(),
            Self::Data(sections) => sections.iter().map(|section| section.len() + 8).sum(),
            _ => 64,
        }
    }
}

impl Encode for Body {
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Empty => {
                writer.descriptor(section::AMQP_VALUE);
                writer.null();
            }
            Self::Value(value) => {
                writer.descriptor(section::AMQP_VALUE);
                value.encode(writer);
            }
            Self::Data(sections) => {
                let none = [Bytes::new()];
                for bytes in if sections.is_empty() { &none[..] } else { sections } {
                    writer.descriptor(section::DATA);
                    writer.binary(bytes);
                }
            }
            Self::Sequence(sections) => {
                let none = [Vec::new()];
                for values in if sections.is_empty() { &none[..] } else { sections } {
                    writer.descriptor(section::AMQP_SEQUENCE);
                    values.encode(writer);
                }
            }
        }
    }
}

/// Null is no body.
impl From<Value> for Body {
    fn from(value: Value) -> Self {
        if value.is_null() { Self::Empty } else { Self::Value(value) }
    }
}

macro_rules! body_from {
    (Value: $($value:ty,)*) => {
        $(impl From<$value> for Body {
            fn from(value: $value) -> Self {
                Self::Value(Value::from(value))
            }
        })*
    };
    (Data: $($data:ty => |$bytes:ident| $copy:expr,)*) => {
        $(impl From<$data> for Body {
            fn from($bytes: $data) -> Self {
                Self::Data(vec![$copy])
            }
        })*
    };
}

body_from! { Value: &str, String, &String, bool, i32, i64, u32, u64, f32, f64, Vec<Value>, Map, }

body_from! {
    Data:
    Bytes => |bytes| bytes,
    BytesMut => |bytes| bytes.freeze(),
    Vec<u8> => |bytes| bytes.into(),
    &[u8] => |bytes| Bytes::copy_from_slice(bytes),
}

impl<const N: usize> From<&[u8; N]> for Body {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::Empty
    }
}
