//! Passing over values, and reading descriptors.

use crate::codes;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::read::Reader;

/// What describes a value: a number or a symbol (1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptor<'a> {
    /// A ulong: the domain in the upper 32 bits, the id in the lower.
    Code(u64),
    /// A symbol.
    Symbol(&'a str),
}

impl<'a> Reader<'a> {
    /// Passes over one value of any type, by its length, and returns its bytes.
    ///
    /// Elements of compound values are not looked at.
    ///
    /// # Errors
    /// If the input ends, or holds an unknown constructor.
    #[inline]
    pub fn skip(&mut self) -> Result<&'a [u8], DecodeError> {
        let whole = self.remaining();
        // A described value is two values, either of which may be described: counted, not recursed.
        let mut values = 1_usize;
        while values > 0 {
            let at = self.offset();
            let code = self.byte()?;
            if code == codes::DESCRIBED {
                values += 1;
                continue;
            }
            values -= 1;
            self.skip_code(code, at)?;
        }
        Ok(whole.get(..whole.len() - self.remaining().len()).unwrap_or(whole))
    }

    /// Passes over a value whose constructor has been read, and is not that of a described value.
    #[inline]
    pub(crate) fn skip_code(&mut self, code: u8, at: usize) -> Result<(), DecodeError> {
        // The upper half of a constructor says how long the value is (1.2).
        let length = match code >> 4 {
            0x4 => 0,
            0x5 => 1,
            0x6 => 2,
            0x7 => 4,
            0x8 => 8,
            0x9 => 16,
            0xa | 0xc | 0xe => usize::from(self.byte()?),
            0xb | 0xd | 0xf => u32::from_be_bytes(self.bytes()?) as usize,
            _ => return Err(DecodeError::new(DecodeErrorKind::UnknownConstructor(code), at)),
        };
        self.take(length).map(|_| ())
    }

    /// Reads the start of a described value: the zero byte and the descriptor. The value itself follows.
    ///
    /// # Errors
    /// If no described value stands here, or its descriptor is neither ulong nor symbol.
    #[inline]
    pub fn read_descriptor(&mut self) -> Result<Descriptor<'a>, DecodeError> {
        match self.remaining() {
            [codes::DESCRIBED, codes::SMALLULONG, code, ..] => {
                let code = u64::from(*code);
                let _ = self.bytes::<3>()?;
                Ok(Descriptor::Code(code))
            }
            _ => self.read_rare_descriptor(),
        }
    }

    #[cold]
    fn read_rare_descriptor(&mut self) -> Result<Descriptor<'a>, DecodeError> {
        let at = self.offset();
        let found = self.byte()?;
        if found != codes::DESCRIBED {
            let expected = "a described value";
            return Err(DecodeError::new(DecodeErrorKind::UnexpectedType { expected, found }, at));
        }
        match self.peek_code() {
            Some(codes::SYM8 | codes::SYM32) => Ok(Descriptor::Symbol(self.read_symbol()?)),
            Some(codes::SMALLULONG | codes::ULONG0 | codes::ULONG) => {
                Ok(Descriptor::Code(self.read_ulong()?))
            }
            Some(found) => {
                let expected = "a descriptor (ulong or symbol)";
                Err(self.error(DecodeErrorKind::UnexpectedType { expected, found }))
            }
            None => self.byte().map(|_| Descriptor::Code(0)),
        }
    }

    /// The descriptor of the value that stands here, as the code that the specification gives it; `None` for
    /// descriptors that the specification does not know. Reads nothing.
    ///
    /// # Errors
    /// As [`read_descriptor`](Self::read_descriptor).
    #[inline]
    pub fn peek_descriptor(&self) -> Result<Option<u64>, DecodeError> {
        Ok(match self.clone().read_descriptor()? {
            Descriptor::Code(code) => Some(code),
            Descriptor::Symbol(symbol) => crate::composite::code_of(symbol),
        })
    }

    /// Reads the start of a described value whose descriptor the specification knows.
    #[inline]
    pub(crate) fn read_known_descriptor(&mut self, expected: &'static str) -> Result<u64, DecodeError> {
        let at = self.offset();
        match self.read_descriptor()? {
            Descriptor::Code(code) => Ok(code),
            Descriptor::Symbol(symbol) => crate::composite::code_of(symbol)
                .ok_or_else(|| unexpected_descriptor(expected, Descriptor::Symbol(symbol), at)),
        }
    }
}

#[cold]
pub(crate) fn unexpected_descriptor(expected: &'static str, found: Descriptor<'_>, at: usize) -> DecodeError {
    let found = match found {
        Descriptor::Code(code) => format!("0x{code:016x}"),
        Descriptor::Symbol(symbol) => format!("{symbol:?}"),
    };
    DecodeError::new(DecodeErrorKind::UnexpectedDescriptor { expected, found }, at)
}
