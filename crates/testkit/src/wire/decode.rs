use std::fmt;

use super::Plain;

/// Why bytes are not an AMQP value, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlainError {
    /// What was wrong.
    pub reason: String,
    /// Offset of the offending byte from the start of the bytes given.
    pub offset: usize,
}

impl fmt::Display for PlainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.offset)
    }
}

impl std::error::Error for PlainError {}

/// Decodes the value at the start of `bytes`; returns it and how many bytes it took.
///
/// # Errors
/// [`PlainError`] if the bytes end early or are not a valid encoding.
pub fn decode(bytes: &[u8]) -> Result<(Plain, usize), PlainError> {
    let mut cursor = Cursor { bytes, at: 0 };
    let value = cursor.value()?;
    Ok((value, cursor.at))
}

/// Decodes bytes that are exactly one value.
///
/// # Errors
/// As [`decode`], and if bytes are left over.
pub fn decode_one(bytes: &[u8]) -> Result<Plain, PlainError> {
    let (value, used) = decode(bytes)?;
    if used == bytes.len() {
        Ok(value)
    } else {
        Err(PlainError {
            reason: format!("{} bytes after the value {value}", bytes.len() - used),
            offset: used,
        })
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, PlainError> {
        Err(PlainError { reason: reason.into(), offset: self.at })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PlainError> {
        let rest = &self.bytes[self.at..];
        if rest.len() < count {
            return self.fail(format!("{count} bytes wanted, {} left", rest.len()));
        }
        self.at += count;
        Ok(&rest[..count])
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], PlainError> {
        Ok(self.take(N)?.try_into().expect("take returns as many bytes as asked"))
    }

    fn byte(&mut self) -> Result<u8, PlainError> {
        Ok(self.fixed::<1>()?[0])
    }

    fn length(&mut self, wide: bool) -> Result<usize, PlainError> {
        if wide { Ok(u32::from_be_bytes(self.fixed()?) as usize) } else { Ok(self.byte()?.into()) }
    }

    fn value(&mut self) -> Result<Plain, PlainError> {
        let code = self.byte()?;
        if code == 0x00 {
            let descriptor = self.value()?;
            let value = self.value()?;
            return Ok(Plain::Described(descriptor.into(), value.into()));
        }
        self.body(code)
    }

    fn body(&mut self, code: u8) -> Result<Plain, PlainError> {
        Ok(match code {
            0x40 => Plain::Null,
            0x41 => Plain::Bool(true),
            0x42 => Plain::Bool(false),
            0x43 => Plain::Uint(0),
            0x44 => Plain::Ulong(0),
            0x45 => Plain::List(Vec::new()),
            0x50 => Plain::Ubyte(self.byte()?),
            0x51 => Plain::Byte(self.byte()? as i8),
            0x52 => Plain::Uint(self.byte()?.into()),
            0x53 => Plain::Ulong(self.byte()?.into()),
            0x54 => Plain::Int((self.byte()? as i8).into()),
            0x55 => Plain::Long((self.byte()? as i8).into()),
            0x56 => match self.byte()? {
                0 => Plain::Bool(false),
                1 => Plain::Bool(true),
                other => return self.fail(format!("{other:#04x} is neither true nor false")),
            },
            0x60 => Plain::Ushort(u16::from_be_bytes(self.fixed()?)),
            0x61 => Plain::Short(i16::from_be_bytes(self.fixed()?)),
            0x70 => Plain::Uint(u32::from_be_bytes(self.fixed()?)),
            0x71 => Plain::Int(i32::from_be_bytes(self.fixed()?)),
            0x72 => Plain::Float(f32::from_be_bytes(self.fixed()?)),
            0x73 => self.char()?,
            0x74 => Plain::Decimal32(self.fixed()?),
            0x80 => Plain::Ulong(u64::from_be_bytes(self.fixed()?)),
            0x81 => Plain::Long(i64::from_be_bytes(self.fixed()?)),
            0x82 => Plain::Double(f64::from_be_bytes(self.fixed()?)),
            0x83 => Plain::Timestamp(i64::from_be_bytes(self.fixed()?)),
            0x84 => Plain::Decimal64(self.fixed()?),
            0x94 => Plain::Decimal128(self.fixed()?),
            0x98 => Plain::Uuid(self.fixed()?),
            0xa0 | 0xb0 => Plain::Binary(self.variable(code)?.to_vec()),
            0xa1 | 0xb1 => Plain::String(self.text(code)?),
            0xa3 | 0xb3 => self.symbol(code)?,
            0xc0 | 0xd0 | 0xc1 | 0xd1 | 0xe0 | 0xf0 => self.compound(code)?,
            other => return self.fail(format!("{other:#04x} is no type code")),
        })
    }

    fn char(&mut self) -> Result<Plain, PlainError> {
        let scalar = u32::from_be_bytes(self.fixed()?);
        match char::from_u32(scalar) {
            Some(c) => Ok(Plain::Char(c)),
            None => self.fail(format!("{scalar:#x} is no character")),
        }
    }

    fn variable(&mut self, code: u8) -> Result<&'a [u8], PlainError> {
        let length = self.length(code >= 0xb0)?;
        self.take(length)
    }

    fn text(&mut self, code: u8) -> Result<String, PlainError> {
        let bytes = self.variable(code)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => self.fail(format!("bad UTF-8: {error}")),
        }
    }

    fn symbol(&mut self, code: u8) -> Result<Plain, PlainError> {
        let text = self.text(code)?;
        if text.is_ascii() { Ok(Plain::Symbol(text)) } else { self.fail("a symbol is ASCII") }
    }

    fn compound(&mut self, code: u8) -> Result<Plain, PlainError> {
        let wide = matches!(code, 0xd0 | 0xd1 | 0xf0);
        let size = self.length(wide)?;
        let start = self.at;
        let count = self.length(wide)?;
        let value = match code {
            0xc0 | 0xd0 => Plain::List((0..count).map(|_| self.value()).collect::<Result<_, _>>()?),
            0xc1 | 0xd1 => {
                if count % 2 == 1 {
                    return self.fail(format!("a map of {count} values has a key without a value"));
                }
                let entries = (0..count / 2).map(|_| Ok((self.value()?, self.value()?)));
                Plain::Map(entries.collect::<Result<_, _>>()?)
            }
            _ => self.array(count)?,
        };
        if self.at - start == size {
            Ok(value)
        } else {
            self.fail(format!("the size says {size} bytes, the contents took {}", self.at - start))
        }
    }

    fn array(&mut self, count: usize) -> Result<Plain, PlainError> {
        let mut code = self.byte()?;
        let mut descriptor = None;
        if code == 0x00 {
            descriptor = Some(self.value()?);
            code = self.byte()?;
        }
        let mut values = Vec::new();
        for _ in 0..count {
            let value = self.body(code)?;
            values.push(match &descriptor {
                Some(descriptor) => Plain::Described(descriptor.clone().into(), value.into()),
                None => value,
            });
        }
        Ok(Plain::Array(values))
    }
}
