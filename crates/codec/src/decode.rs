//! [`Decode`]: a type that can be read.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::read::Reader;
use crate::value::{Decimal32, Decimal64, Decimal128, Symbol, Timestamp, Uuid};

/// A type that can be read from the wire.
pub trait Decode<'a>: Sized {
    /// Reads one value.
    ///
    /// # Errors
    /// If another type stands here, it is malformed, a limit is exceeded, or the input ends. The reader's position is
    /// then unspecified.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

macro_rules! decode_primitives {
    ($($type:ty: $read:ident,)*) => {
        $(impl<'a> Decode<'a> for $type {
            #[inline]
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                reader.$read()
            }
        })*
    };
}

decode_primitives! {
    bool: read_bool,
    u8: read_ubyte,
    u16: read_ushort,
    u32: read_uint,
    u64: read_ulong,
    i8: read_byte,
    i16: read_short,
    i32: read_int,
    i64: read_long,
    f32: read_float,
    f64: read_double,
    Decimal32: read_decimal32,
    Decimal64: read_decimal64,
    Decimal128: read_decimal128,
    char: read_char,
    Timestamp: read_timestamp,
    Uuid: read_uuid,
    &'a [u8]: read_binary,
    &'a str: read_string,
}

impl<'a> Decode<'a> for String {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.read_string().map(Self::from)
    }
}

impl<'a> Decode<'a> for Symbol {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.read_symbol().map(Self::from)
    }
}

/// Copies, so that the buffer that was read is not held.
impl<'a> Decode<'a> for Bytes {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.read_binary().map(Self::copy_from_slice)
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Box<T> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        T::decode(reader).map(Self::new)
    }
}

/// Null is `None`.
impl<'a, T: Decode<'a>> Decode<'a> for Option<T> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if reader.take_null() { Ok(None) } else { T::decode(reader).map(Some) }
    }
}

/// A list whose elements have one type.
impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let list = reader.begin_list()?;
        // The reader has checked that the count fits into the bytes that are there.
        let mut elements = Self::with_capacity(list.count() as usize);
        for _ in 0..list.count() {
            elements.push(T::decode(reader)?);
        }
        reader.end(list)?;
        Ok(elements)
    }
}
