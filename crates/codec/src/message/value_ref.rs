//! A value that stays encoded until somebody asks.

use crate::error::DecodeError;
use crate::visit::{Scalar, Visitor};
use crate::{Decode, Limits, Reader, Value};

/// One encoded value of any type.
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'a> {
    bytes: &'a [u8],
    limits: Limits,
    /// Where the value starts in the whole input, for errors.
    offset: usize,
}

impl<'a> ValueRef<'a> {
    /// `bytes` holds exactly one value.
    pub(crate) const fn new(bytes: &'a [u8], limits: Limits, offset: usize) -> Self {
        Self { bytes, limits, offset }
    }

    /// The value's encoding.
    #[must_use]
    pub const fn encoded(&self) -> &'a [u8] {
        self.bytes
    }

    /// A reader at the start of the value.
    #[must_use]
    pub fn reader(&self) -> Reader<'a> {
        Reader::with_limits(self.bytes, self.limits)
    }

    /// Reads the value as a type.
    ///
    /// # Errors
    /// If it is of another type, or malformed.
    pub fn decode<T: Decode<'a>>(&self) -> Result<T, DecodeError> {
        T::decode(&mut self.reader()).map_err(|error| error.shifted(self.offset))
    }

    /// The value, copied.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn to_value(&self) -> Result<Value, DecodeError> {
        self.decode()
    }

    /// Hands the value to a visitor.
    ///
    /// # Errors
    /// If the value is malformed, or the visitor fails.
    pub fn visit<V: Visitor<'a>>(&self, visitor: &mut V) -> Result<V::Output, V::Error> {
        crate::visit::visit(&mut self.reader(), visitor)
    }

    /// The text of a string or symbol.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        match self.as_scalar()? {
            Scalar::String(text) | Scalar::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of a binary.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        self.reader().read_binary().ok()
    }

    /// A value that holds no others.
    #[must_use]
    pub fn as_scalar(&self) -> Option<Scalar<'a>> {
        self.reader().read_scalar().ok()
    }
}
