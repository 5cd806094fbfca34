//! Reading values from a slice (1.6).

mod compound;

pub use compound::Compound;

use crate::codes;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::value::{Decimal32, Decimal64, Decimal128, Timestamp, Uuid};

/// How much a peer may make a [`Reader`] do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deep values may be nested: lists, maps, arrays and described values. Default 32, at most 256.
    pub depth: u16,
    /// How many elements one list, map or array may have. Elements that take no byte on the wire (an array of nulls,
    /// say) share one such allowance for the whole reader: four bytes could ask for millions of them. Default 262144.
    pub count: u32,
    /// How many bytes one binary, string, symbol, list, map or array may take. Default: no limit, because
    /// frames and messages are limited before they are decoded.
    pub size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 32, count: 262_144, size: usize::MAX }
    }
}

/// Reads AMQP values from a slice, one after the other, without copying.
///
/// After an error the position is unspecified: give the reader up.
///
/// ```
/// use deuteron_codec::Reader;
///
/// let mut reader = Reader::new(&[0x52, 0x07, 0xa1, 0x02, b'h', b'i']);
/// assert_eq!(reader.read_uint()?, 7);
/// assert_eq!(reader.read_string()?, "hi");
/// assert!(reader.is_empty());
/// # Ok::<(), deuteron_codec::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` ends in the whole input.
    end: usize,
    depth: u16,
    limits: Limits,
    /// Elements without width that may still be read.
    weightless: u32,
}

/// Reads a primitive of a fixed type: one match on the constructor.
macro_rules! read_primitive {
    ($(#[$meta:meta])* $name:ident -> $type:ty, $text:literal { $($code:path => |$reader:ident| $read:expr,)+ }) => {
        $(#[$meta])*
        ///
        /// # Errors
        /// If another type stands here, or the input ends.
        #[inline]
        pub fn $name(&mut self) -> Result<$type, DecodeError> {
            let at = self.offset();
            match self.byte()? {
                $($code => { let $reader = self; Ok($read) })+
                code => Err(unexpected($text, code, at)),
            }
        }
    };
}

#[cold]
fn unexpected(expected: &'static str, found: u8, offset: usize) -> DecodeError {
    DecodeError::new(DecodeErrorKind::UnexpectedType { expected, found }, offset)
}

impl<'a> Reader<'a> {
    /// Reads from the start of a slice, with the default [`Limits`].
    #[inline]
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self::with_limits(input, Limits::default())
    }

    /// Reads from the start of a slice.
    #[inline]
    #[must_use]
    pub fn with_limits(input: &'a [u8], limits: Limits) -> Self {
        Self { rest: input, end: input.len(), depth: 0, limits, weightless: limits.count }
    }

    /// How many bytes of the input have been read.
    #[inline]
    #[must_use]
    pub fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// What has not been read; inside a compound value, the rest of that value.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left to read.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The constructor byte of the next value, which stays unread; `None` at the end.
    #[inline]
    #[must_use]
    pub fn peek_code(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads a null, if one stands here, and says whether it did.
    #[inline]
    pub fn take_null(&mut self) -> bool {
        match self.rest {
            [codes::NULL, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        match self.rest {
            [first, rest @ ..] => {
                self.rest = rest;
                Ok(*first)
            }
            [] => Err(self.truncated(1)),
        }
    }

    #[inline]
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(self.truncated(N)),
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        if length > self.limits.size {
            return Err(self.too_long(length));
        }
        match self.rest.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.truncated(length)),
        }
    }

    #[cold]
    fn truncated(&self, needed: usize) -> DecodeError {
        let missing = needed - self.rest.len();
        DecodeError::new(DecodeErrorKind::Truncated { missing }, self.end)
    }

    #[cold]
    fn too_long(&self, found: usize) -> DecodeError {
        DecodeError::new(DecodeErrorKind::SizeLimit { limit: self.limits.size, found }, self.offset())
    }

    /// An error at the current position.
    #[cold]
    pub(crate) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.offset())
    }

    read_primitive! {
        /// Reads a boolean (1.6.2).
        read_bool -> bool, "boolean" {
            codes::TRUE => |_reader| true,
            codes::FALSE => |_reader| false,
            codes::BOOLEAN => |reader| reader.raw_bool()?,
        }
    }
    read_primitive! {
        /// Reads a ubyte (1.6.3).
        read_ubyte -> u8, "ubyte" { codes::UBYTE => |reader| reader.byte()?, }
    }
    read_primitive! {
        /// Reads a ushort (1.6.4).
        read_ushort -> u16, "ushort" { codes::USHORT => |reader| u16::from_be_bytes(reader.bytes()?), }
    }
    read_primitive! {
        /// Reads a uint in any of its encodings (1.6.5).
        read_uint -> u32, "uint" {
            codes::SMALLUINT => |reader| u32::from(reader.byte()?),
            codes::UINT0 => |_reader| 0,
            codes::UINT => |reader| u32::from_be_bytes(reader.bytes()?),
        }
    }
    read_primitive! {
        /// Reads a ulong in any of its encodings (1.6.6).
        read_ulong -> u64, "ulong" {
            codes::SMALLULONG => |reader| u64::from(reader.byte()?),
            codes::ULONG0 => |_reader| 0,
            codes::ULONG => |reader| u64::from_be_bytes(reader.bytes()?),
        }
    }
    read_primitive! {
        /// Reads a byte (1.6.7).
        read_byte -> i8, "byte" { codes::BYTE => |reader| reader.byte()?.cast_signed(), }
    }
    read_primitive! {
        /// Reads a short (1.6.8).
        read_short -> i16, "short" { codes::SHORT => |reader| i16::from_be_bytes(reader.bytes()?), }
    }
    read_primitive! {
        /// Reads an int in any of its encodings (1.6.9).
        read_int -> i32, "int" {
            codes::SMALLINT => |reader| i32::from(reader.byte()?.cast_signed()),
            codes::INT => |reader| i32::from_be_bytes(reader.bytes()?),
        }
    }
    read_primitive! {
        /// Reads a long in any of its encodings (1.6.10).
        read_long -> i64, "long" {
            codes::SMALLLONG => |reader| i64::from(reader.byte()?.cast_signed()),
            codes::LONG => |reader| i64::from_be_bytes(reader.bytes()?),
        }
    }
    read_primitive! {
        /// Reads a float (1.6.11).
        read_float -> f32, "float" { codes::FLOAT => |reader| f32::from_be_bytes(reader.bytes()?), }
    }
    read_primitive! {
        /// Reads a double (1.6.12).
        read_double -> f64, "double" { codes::DOUBLE => |reader| f64::from_be_bytes(reader.bytes()?), }
    }
    read_primitive! {
        /// Reads a decimal32 (1.6.13).
        read_decimal32 -> Decimal32, "decimal32" { codes::DECIMAL32 => |reader| Decimal32(reader.bytes()?), }
    }
    read_primitive! {
        /// Reads a decimal64 (1.6.14).
        read_decimal64 -> Decimal64, "decimal64" { codes::DECIMAL64 => |reader| Decimal64(reader.bytes()?), }
    }
    read_primitive! {
        /// Reads a decimal128 (1.6.15).
        read_decimal128 -> Decimal128, "decimal128" { codes::DECIMAL128 => |reader| Decimal128(reader.bytes()?), }
    }
    read_primitive! {
        /// Reads a char (1.6.16).
        read_char -> char, "char" { codes::CHAR => |reader| reader.raw_char()?, }
    }
    read_primitive! {
        /// Reads a timestamp (1.6.17).
        read_timestamp -> Timestamp, "timestamp" {
            codes::TIMESTAMP => |reader| Timestamp(i64::from_be_bytes(reader.bytes()?)),
        }
    }
    read_primitive! {
        /// Reads a UUID (1.6.18).
        read_uuid -> Uuid, "uuid" { codes::UUID => |reader| Uuid(reader.bytes()?), }
    }
    read_primitive! {
        /// Reads a binary (1.6.19).
        read_binary -> &'a [u8], "binary" {
            codes::VBIN8 => |reader| reader.raw_bytes8()?,
            codes::VBIN32 => |reader| reader.raw_bytes32()?,
        }
    }
    read_primitive! {
        /// Reads a string (1.6.20) and checks that it is UTF-8.
        read_string -> &'a str, "string" {
            codes::STR8 => |reader| { let bytes = reader.raw_bytes8()?; reader.utf8(bytes)? },
            codes::STR32 => |reader| { let bytes = reader.raw_bytes32()?; reader.utf8(bytes)? },
        }
    }
    read_primitive! {
        /// Reads a symbol (1.6.21) and checks that it is ASCII.
        read_symbol -> &'a str, "symbol" {
            codes::SYM8 => |reader| { let bytes = reader.raw_bytes8()?; reader.ascii(bytes)? },
            codes::SYM32 => |reader| { let bytes = reader.raw_bytes32()?; reader.ascii(bytes)? },
        }
    }

    pub(crate) fn raw_bool(&mut self) -> Result<bool, DecodeError> {
        let at = self.offset();
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            byte => Err(DecodeError::new(DecodeErrorKind::InvalidBool(byte), at)),
        }
    }

    pub(crate) fn raw_char(&mut self) -> Result<char, DecodeError> {
        let at = self.offset();
        let code = u32::from_be_bytes(self.bytes()?);
        char::from_u32(code).ok_or_else(|| DecodeError::new(DecodeErrorKind::InvalidChar(code), at))
    }

    #[inline]
    pub(crate) fn raw_bytes8(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    #[inline]
    pub(crate) fn raw_bytes32(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = u32::from_be_bytes(self.bytes()?);
        self.take(length as usize)
    }

    #[inline]
    pub(crate) fn utf8(&self, bytes: &'a [u8]) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(bytes).map_err(|_| self.malformed(DecodeErrorKind::InvalidUtf8, bytes))
    }

    #[inline]
    pub(crate) fn ascii(&self, bytes: &'a [u8]) -> Result<&'a str, DecodeError> {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Ok(text),
            _ => Err(self.malformed(DecodeErrorKind::InvalidAscii, bytes)),
        }
    }

    #[cold]
    fn malformed(&self, kind: DecodeErrorKind, just_read: &[u8]) -> DecodeError {
        DecodeError::new(kind, self.offset() - just_read.len())
    }
}
