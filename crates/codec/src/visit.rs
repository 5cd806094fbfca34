//! From the wire to any target in one pass.

use crate::Decode;
use crate::codes;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::read::Reader;
use crate::skip::Descriptor;
use crate::value::{Decimal32, Decimal64, Decimal128, Primitive, Symbol, Timestamp, Uuid, Value};

/// A primitive value that holds no others; text and bytes are borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants are the primitive types of the specification, 1.6.1 to 1.6.21")]
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    Ubyte(u8),
    Ushort(u16),
    Uint(u32),
    Ulong(u64),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Decimal32(Decimal32),
    Decimal64(Decimal64),
    Decimal128(Decimal128),
    Char(char),
    Timestamp(Timestamp),
    Uuid(Uuid),
    Binary(&'a [u8]),
    String(&'a str),
    Symbol(&'a str),
}

/// Takes values of any type as they are read, and builds something from them.
///
/// [`Value`], the text of traces, and the objects of other languages are visitors.
pub trait Visitor<'a>: Sized {
    /// What is built from one value.
    type Output;
    /// What can go wrong, apart from malformed input.
    type Error: From<DecodeError>;

    /// A value that holds no others.
    ///
    /// # Errors
    /// The visitor's own.
    fn primitive(&mut self, value: Scalar<'a>) -> Result<Self::Output, Self::Error>;

    /// A list: take its elements with [`Elements::next`].
    ///
    /// # Errors
    /// The visitor's own, and those of the elements.
    fn list(&mut self, elements: &mut Elements<'_, 'a>) -> Result<Self::Output, Self::Error>;

    /// A map: keys and values take turns.
    ///
    /// # Errors
    /// The visitor's own, and those of the elements.
    fn map(&mut self, elements: &mut Elements<'_, 'a>) -> Result<Self::Output, Self::Error>;

    /// An array. `descriptors` holds what describes each element, outermost first; it is empty for most arrays.
    ///
    /// # Errors
    /// The visitor's own, and those of the elements.
    fn array(
        &mut self,
        element_type: Primitive,
        descriptors: Vec<Value>,
        elements: &mut Elements<'_, 'a>,
    ) -> Result<Self::Output, Self::Error>;

    /// A described value begins; its descriptor is visited next. Does nothing unless the visitor wants to know.
    ///
    /// # Errors
    /// The visitor's own.
    fn describe(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The descriptor has been visited; the value is visited next. Does nothing unless the visitor wants to know.
    ///
    /// # Errors
    /// The visitor's own.
    fn descriptor(&mut self, _descriptor: &Self::Output) -> Result<(), Self::Error> {
        Ok(())
    }

    /// A described value, after its two parts.
    ///
    /// # Errors
    /// The visitor's own.
    fn described(
        &mut self,
        descriptor: Self::Output,
        value: Self::Output,
    ) -> Result<Self::Output, Self::Error>;
}

/// The elements of a list, map or array that is being visited.
#[derive(Debug)]
pub struct Elements<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: u32,
    /// The constructor that the elements of an array share.
    constructor: Option<u8>,
}

impl<'a> Elements<'_, 'a> {
    /// How many elements are left; a map's keys and values each count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.left as usize
    }

    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Visits the next element; `None` after the last.
    ///
    /// # Errors
    /// If the element is malformed, or the visitor fails.
    #[inline]
    pub fn next<V: Visitor<'a>>(&mut self, visitor: &mut V) -> Result<Option<V::Output>, V::Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        match self.constructor {
            None => visit(self.reader, visitor).map(Some),
            Some(code) => {
                let at = self.reader.offset();
                visit_code(self.reader, code, at, visitor).map(Some)
            }
        }
    }

    /// Passes over elements that the visitor did not want.
    fn finish(self) -> Result<(), DecodeError> {
        for _ in 0..self.left {
            match self.constructor {
                None => self.reader.skip().map(|_| ())?,
                Some(code) => self.reader.skip_code(code, self.reader.offset())?,
            }
        }
        Ok(())
    }
}

/// Visits one value.
///
/// # Errors
/// If it is malformed or exceeds a limit, or the visitor fails.
#[inline]
pub fn visit<'a, V: Visitor<'a>>(reader: &mut Reader<'a>, visitor: &mut V) -> Result<V::Output, V::Error> {
    let at = reader.offset();
    let code = reader.byte()?;
    visit_code(reader, code, at, visitor)
}

/// Visits a value whose constructor has been read.
fn visit_code<'a, V: Visitor<'a>>(
    reader: &mut Reader<'a>,
    code: u8,
    at: usize,
    visitor: &mut V,
) -> Result<V::Output, V::Error> {
    match code {
        codes::DESCRIBED => {
            reader.descend()?;
            visitor.describe()?;
            let descriptor = visit(reader, visitor)?;
            visitor.descriptor(&descriptor)?;
            let value = visit(reader, visitor)?;
            reader.ascend();
            visitor.described(descriptor, value)
        }
        codes::LIST0 | codes::LIST8 | codes::LIST32 => {
            let list = reader.enter_list(code, at)?;
            let mut elements = Elements { left: list.count(), reader, constructor: None };
            let output = visitor.list(&mut elements)?;
            elements.finish()?;
            reader.end(list)?;
            Ok(output)
        }
        codes::MAP8 | codes::MAP32 => {
            let map = reader.enter_map(code, at)?;
            let mut elements = Elements { left: map.count(), reader, constructor: None };
            let output = visitor.map(&mut elements)?;
            elements.finish()?;
            reader.end(map)?;
            Ok(output)
        }
        codes::ARRAY8 | codes::ARRAY32 => visit_array(reader, code, at, visitor),
        code => {
            let scalar = reader.scalar(code, at)?;
            visitor.primitive(scalar)
        }
    }
}

fn visit_array<'a, V: Visitor<'a>>(
    reader: &mut Reader<'a>,
    code: u8,
    at: usize,
    visitor: &mut V,
) -> Result<V::Output, V::Error> {
    let array = reader.enter_array(code, at)?;
    let mut descriptors = Vec::new();
    let (constructor, element_type) = loop {
        let at = reader.offset();
        let code = reader.byte()?;
        if code == codes::DESCRIBED {
            descriptors.push(Value::decode(reader)?);
            continue;
        }
        match Primitive::of_code(code) {
            Some(primitive) => break (code, primitive),
            None => return Err(DecodeError::new(DecodeErrorKind::UnknownConstructor(code), at).into()),
        }
    };
    if constructor >> 4 == 4 {
        reader.charge_weightless(array.count())?;
    }
    let mut elements = Elements { left: array.count(), reader, constructor: Some(constructor) };
    let output = visitor.array(element_type, descriptors, &mut elements)?;
    elements.finish()?;
    reader.end(array)?;
    Ok(output)
}

impl<'a> Reader<'a> {
    /// Reads a value of any type that holds no others.
    ///
    /// # Errors
    /// If a value that holds others stands here, or it is malformed.
    #[inline]
    pub fn read_scalar(&mut self) -> Result<Scalar<'a>, DecodeError> {
        let at = self.offset();
        let code = self.byte()?;
        self.scalar(code, at)
    }

    /// Reads a scalar whose constructor has been read.
    #[inline]
    fn scalar(&mut self, code: u8, at: usize) -> Result<Scalar<'a>, DecodeError> {
        Ok(match code {
            codes::NULL => Scalar::Null,
            codes::TRUE => Scalar::Bool(true),
            codes::FALSE => Scalar::Bool(false),
            codes::BOOLEAN => Scalar::Bool(self.raw_bool()?),
            codes::UBYTE => Scalar::Ubyte(self.byte()?),
            codes::USHORT => Scalar::Ushort(u16::from_be_bytes(self.bytes()?)),
            codes::UINT0 => Scalar::Uint(0),
            codes::SMALLUINT => Scalar::Uint(u32::from(self.byte()?)),
            codes::UINT => Scalar::Uint(u32::from_be_bytes(self.bytes()?)),
            codes::ULONG0 => Scalar::Ulong(0),
            codes::SMALLULONG => Scalar::Ulong(u64::from(self.byte()?)),
            codes::ULONG => Scalar::Ulong(u64::from_be_bytes(self.bytes()?)),
            codes::BYTE => Scalar::Byte(self.byte()?.cast_signed()),
            codes::SHORT => Scalar::Short(i16::from_be_bytes(self.bytes()?)),
            codes::SMALLINT => Scalar::Int(i32::from(self.byte()?.cast_signed())),
            codes::INT => Scalar::Int(i32::from_be_bytes(self.bytes()?)),
            codes::SMALLLONG => Scalar::Long(i64::from(self.byte()?.cast_signed())),
            codes::LONG => Scalar::Long(i64::from_be_bytes(self.bytes()?)),
            codes::FLOAT => Scalar::Float(f32::from_be_bytes(self.bytes()?)),
            codes::DOUBLE => Scalar::Double(f64::from_be_bytes(self.bytes()?)),
            codes::DECIMAL32 => Scalar::Decimal32(Decimal32(self.bytes()?)),
            codes::DECIMAL64 => Scalar::Decimal64(Decimal64(self.bytes()?)),
            codes::DECIMAL128 => Scalar::Decimal128(Decimal128(self.bytes()?)),
            codes::CHAR => Scalar::Char(self.raw_char()?),
            codes::TIMESTAMP => Scalar::Timestamp(Timestamp(i64::from_be_bytes(self.bytes()?))),
            codes::UUID => Scalar::Uuid(Uuid(self.bytes()?)),
            codes::VBIN8 => Scalar::Binary(self.raw_bytes8()?),
            codes::VBIN32 => Scalar::Binary(self.raw_bytes32()?),
            codes::STR8 => {
                let bytes = self.raw_bytes8()?;
                Scalar::String(self.utf8(bytes)?)
            }
            codes::STR32 => {
                let bytes = self.raw_bytes32()?;
                Scalar::String(self.utf8(bytes)?)
            }
            codes::SYM8 => {
                let bytes = self.raw_bytes8()?;
                Scalar::Symbol(self.ascii(bytes)?)
            }
            codes::SYM32 => {
                let bytes = self.raw_bytes32()?;
                Scalar::Symbol(self.ascii(bytes)?)
            }
            code => return Err(DecodeError::new(DecodeErrorKind::UnknownConstructor(code), at)),
        })
    }
}

impl From<Descriptor<'_>> for Value {
    fn from(descriptor: Descriptor<'_>) -> Self {
        match descriptor {
            Descriptor::Code(code) => Self::Ulong(code),
            Descriptor::Symbol(symbol) => Self::Symbol(Symbol::from(symbol)),
        }
    }
}
