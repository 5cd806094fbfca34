//! Values as text, for people.

use std::fmt::{self, Write};

use crate::error::DecodeError;
use crate::value::{Array, Map, Primitive, Value};
use crate::visit::{Elements, Scalar, Visitor};

/// Writes values from the wire as text; long ones are cut.
pub(crate) struct TextVisitor<'t> {
    pub(crate) text: &'t mut String,
    /// How many bytes of one string or binary are shown.
    pub(crate) longest: usize,
}

impl TextVisitor<'_> {
    fn elements<'a>(&mut self, elements: &mut Elements<'_, 'a>) -> Result<(), DecodeError> {
        let mut first = true;
        while !elements.is_empty() {
            if !std::mem::take(&mut first) {
                self.text.push_str(", ");
            }
            elements.next(self)?;
        }
        Ok(())
    }
}

impl<'a> Visitor<'a> for TextVisitor<'_> {
    type Output = ();
    type Error = DecodeError;

    fn primitive(&mut self, value: Scalar<'a>) -> Result<(), DecodeError> {
        // Writing to a String cannot fail.
        let _ = match value {
            Scalar::Binary(bytes) => write_binary(self.text, bytes, self.longest),
            Scalar::String(text) => write_string(self.text, text, self.longest),
            other => write!(self.text, "{other}"),
        };
        Ok(())
    }

    fn list(&mut self, elements: &mut Elements<'_, 'a>) -> Result<(), DecodeError> {
        self.text.push('[');
        self.elements(elements)?;
        self.text.push(']');
        Ok(())
    }

    fn map(&mut self, elements: &mut Elements<'_, 'a>) -> Result<(), DecodeError> {
        self.text.push('{');
        let mut first = true;
        while !elements.is_empty() {
            if !std::mem::take(&mut first) {
                self.text.push_str(", ");
            }
            elements.next(self)?;
            self.text.push('=');
            elements.next(self)?;
        }
        self.text.push('}');
        Ok(())
    }

    fn array(
        &mut self,
        element_type: Primitive,
        descriptors: Vec<Value>,
        elements: &mut Elements<'_, 'a>,
    ) -> Result<(), DecodeError> {
        for descriptor in &descriptors {
            let _ = write!(self.text, "@{descriptor} ");
        }
        let _ = write!(self.text, "@{}[", element_type.name());
        self.elements(elements)?;
        self.text.push(']');
        Ok(())
    }

    fn describe(&mut self) -> Result<(), DecodeError> {
        self.text.push('@');
        Ok(())
    }

    fn descriptor(&mut self, _: &()) -> Result<(), DecodeError> {
        self.text.push(' ');
        Ok(())
    }

    fn described(&mut self, (): (), (): ()) -> Result<(), DecodeError> {
        Ok(())
    }
}

fn write_binary(out: &mut impl Write, bytes: &[u8], longest: usize) -> fmt::Result {
    let shown = bytes.get(..longest).unwrap_or(bytes);
    write!(out, "b\"{}\"", shown.escape_ascii())?;
    if shown.len() < bytes.len() { write!(out, "... ({} bytes)", bytes.len()) } else { Ok(()) }
}

fn write_string(out: &mut impl Write, text: &str, longest: usize) -> fmt::Result {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    write!(out, "{:?}", text.get(..end).unwrap_or(text))?;
    if end < text.len() { write!(out, "... ({} bytes)", text.len()) } else { Ok(()) }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Null => f.write_str("null"),
            Scalar::Bool(value) => write!(f, "{value}"),
            Scalar::Ubyte(value) => write!(f, "{value}"),
            Scalar::Ushort(value) => write!(f, "{value}"),
            Scalar::Uint(value) => write!(f, "{value}"),
            Scalar::Ulong(value) => write!(f, "{value}"),
            Scalar::Byte(value) => write!(f, "{value}"),
            Scalar::Short(value) => write!(f, "{value}"),
            Scalar::Int(value) => write!(f, "{value}"),
            Scalar::Long(value) => write!(f, "{value}"),
            Scalar::Float(value) => write!(f, "{value}"),
            Scalar::Double(value) => write!(f, "{value}"),
            Scalar::Decimal32(value) => write!(f, "D32(0x{:08x})", u32::from_be_bytes(value.0)),
            Scalar::Decimal64(value) => write!(f, "D64(0x{:016x})", u64::from_be_bytes(value.0)),
            Scalar::Decimal128(value) => write!(f, "D128(0x{:032x})", u128::from_be_bytes(value.0)),
            Scalar::Char(value) => write!(f, "{value:?}"),
            Scalar::Timestamp(value) => write!(f, "{value}"),
            Scalar::Uuid(value) => write!(f, "UUID({value})"),
            Scalar::Binary(value) => write_binary(f, value, usize::MAX),
            Scalar::String(value) => write!(f, "{value:?}"),
            Scalar::Symbol(value) => write!(f, ":{value}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_scalar() {
            Some(scalar) => scalar.fmt(f),
            None => match self {
                Self::List(list) => {
                    f.write_str("[")?;
                    separated(f, list)?;
                    f.write_str("]")
                }
                Self::Map(map) => map.fmt(f),
                Self::Array(array) => array.fmt(f),
                Self::Described(described) => write!(f, "@{} {}", described.descriptor, described.value),
                _ => Ok(()),
            },
        }
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (key, value)) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{key}={value}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for descriptor in self.descriptors() {
            write!(f, "@{descriptor} ")?;
        }
        write!(f, "@{}[", self.element_type().name())?;
        separated(f, self.elements())?;
        f.write_str("]")
    }
}

fn separated(f: &mut fmt::Formatter<'_>, values: &[Value]) -> fmt::Result {
    for (i, value) in values.iter().enumerate() {
        let separator = if i == 0 { "" } else { ", " };
        write!(f, "{separator}{value}")?;
    }
    Ok(())
}
