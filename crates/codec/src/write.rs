//! Writing values in their shortest encodings (1.6).

use bytes::{BufMut, BytesMut};

use crate::codes;
use crate::value::{Decimal32, Decimal64, Decimal128, Timestamp, Uuid};

/// Writes AMQP values to the end of a buffer, each in its shortest encoding. Never fails.
///
/// Sizes of compound values are patched in afterwards, so that everything is written in one pass.
///
/// ```
/// use bytes::BytesMut;
/// use deuteron_codec::Writer;
///
/// let mut out = BytesMut::new();
/// Writer::new(&mut out).list(2, |w| {
///     w.uint(7);
///     w.string("hi");
/// });
/// assert_eq!(&out[..], &[0xc0, 0x07, 0x02, 0x52, 0x07, 0xa1, 0x02, b'h', b'i']);
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
}

impl<'a> Writer<'a> {
    /// Appends to this buffer.
    #[inline]
    #[must_use]
    pub fn new(out: &'a mut BytesMut) -> Self {
        Self { out }
    }

    /// Appends bytes as they are: values that are already encoded.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// How many bytes the buffer holds.
    #[inline]
    #[must_use]
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// Writes null.
    #[inline]
    pub fn null(&mut self) {
        self.out.put_u8(codes::NULL);
    }

    /// Writes a boolean.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.out.put_u8(if value { codes::TRUE } else { codes::FALSE });
    }

    /// Writes a ubyte.
    #[inline]
    pub fn ubyte(&mut self, value: u8) {
        self.raw(&[codes::UBYTE, value]);
    }

    /// Writes a ushort.
    #[inline]
    pub fn ushort(&mut self, value: u16) {
        self.fixed(codes::USHORT, value.to_be_bytes());
    }

    /// Writes a uint.
    #[inline]
    pub fn uint(&mut self, value: u32) {
        match value {
            0 => self.out.put_u8(codes::UINT0),
            1..=0xff => self.raw(&[codes::SMALLUINT, value as u8]),
            _ => {
                let [a, b, c, d] = value.to_be_bytes();
                self.raw(&[codes::UINT, a, b, c, d]);
            }
        }
    }

    /// Writes a ulong.
    #[inline]
    pub fn ulong(&mut self, value: u64) {
        match value {
            0 => self.out.put_u8(codes::ULONG0),
            1..=0xff => self.raw(&[codes::SMALLULONG, value as u8]),
            _ => self.fixed(codes::ULONG, value.to_be_bytes()),
        }
    }

    /// Writes a byte.
    #[inline]
    pub fn byte(&mut self, value: i8) {
        self.raw(&[codes::BYTE, value.cast_unsigned()]);
    }

    /// Writes a short.
    #[inline]
    pub fn short(&mut self, value: i16) {
        self.fixed(codes::SHORT, value.to_be_bytes());
    }

    /// Writes an int.
    #[inline]
    pub fn int(&mut self, value: i32) {
        match i8::try_from(value) {
            Ok(small) => self.raw(&[codes::SMALLINT, small.cast_unsigned()]),
            Err(_) => self.fixed(codes::INT, value.to_be_bytes()),
        }
    }

    /// Writes a long.
    #[inline]
    pub fn long(&mut self, value: i64) {
        match i8::try_from(value) {
            Ok(small) => self.raw(&[codes::SMALLLONG, small.cast_unsigned()]),
            Err(_) => self.fixed(codes::LONG, value.to_be_bytes()),
        }
    }

    /// Writes a float.
    pub fn float(&mut self, value: f32) {
        self.fixed(codes::FLOAT, value.to_be_bytes());
    }

    /// Writes a double.
    pub fn double(&mut self, value: f64) {
        self.fixed(codes::DOUBLE, value.to_be_bytes());
    }

    /// Writes a decimal32.
    pub fn decimal32(&mut self, value: Decimal32) {
        self.fixed(codes::DECIMAL32, value.0);
    }

    /// Writes a decimal64.
    pub fn decimal64(&mut self, value: Decimal64) {
        self.fixed(codes::DECIMAL64, value.0);
    }

    /// Writes a decimal128.
    pub fn decimal128(&mut self, value: Decimal128) {
        self.fixed(codes::DECIMAL128, value.0);
    }

    /// Writes a char.
    pub fn char(&mut self, value: char) {
        self.fixed(codes::CHAR, u32::from(value).to_be_bytes());
    }

    /// Writes a timestamp.
    #[inline]
    pub fn timestamp(&mut self, value: Timestamp) {
        self.fixed(codes::TIMESTAMP, value.0.to_be_bytes());
    }

    /// Writes a UUID.
    #[inline]
    pub fn uuid(&mut self, value: Uuid) {
        self.fixed(codes::UUID, value.0);
    }

    /// Writes a binary.
    #[inline]
    pub fn binary(&mut self, value: &[u8]) {
        self.variable(codes::VBIN8, codes::VBIN32, value);
    }

    /// Writes a string.
    #[inline]
    pub fn string(&mut self, value: &str) {
        self.variable(codes::STR8, codes::STR32, value.as_bytes());
    }

    /// Writes a symbol, which should be ASCII.
    #[inline]
    pub fn symbol(&mut self, value: &str) {
        self.variable(codes::SYM8, codes::SYM32, value.as_bytes());
    }

    /// Writes a list; `elements` writes its `count` values.
    #[inline]
    pub fn list(&mut self, count: u32, elements: impl FnOnce(&mut Self)) {
        if count == 0 {
            self.out.put_u8(codes::LIST0);
        } else {
            self.compound(codes::LIST8, codes::LIST32, count, elements);
        }
    }

    /// Writes a map; `elements` writes keys and values in turn, `count` in all.
    #[inline]
    pub fn map(&mut self, count: u32, elements: impl FnOnce(&mut Self)) {
        self.compound(codes::MAP8, codes::MAP32, count, elements);
    }

    /// Writes an array; `elements` writes the constructor, then `count` values without constructors.
    #[inline]
    pub fn array(&mut self, count: u32, elements: impl FnOnce(&mut Self)) {
        self.compound(codes::ARRAY8, codes::ARRAY32, count, elements);
    }

    /// Writes the start of a described value: the zero byte and a numeric descriptor. Write the value next.
    #[inline]
    pub fn descriptor(&mut self, code: u64) {
        match u8::try_from(code) {
            Ok(small) => self.raw(&[codes::DESCRIBED, codes::SMALLULONG, small]),
            Err(_) => {
                self.out.put_u8(codes::DESCRIBED);
                self.ulong(code);
            }
        }
    }

    /// Writes the zero byte of a described value. Write the descriptor and the value next.
    #[inline]
    pub fn described(&mut self) {
        self.out.put_u8(codes::DESCRIBED);
    }

    /// Writes a composite: descriptor and list.
    #[inline]
    pub(crate) fn composite(&mut self, code: u64, count: u32, fields: impl FnOnce(&mut Self)) {
        self.descriptor(code);
        self.list(count, fields);
    }

    #[inline]
    pub(crate) fn fixed<const N: usize>(&mut self, code: u8, bytes: [u8; N]) {
        self.out.reserve(N + 1);
        self.out.put_u8(code);
        self.out.put_slice(&bytes);
    }

    #[inline]
    fn variable(&mut self, short: u8, long: u8, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 5);
        match u8::try_from(bytes.len()) {
            Ok(length) => self.raw(&[short, length]),
            Err(_) => {
                self.out.put_u8(long);
                self.out.put_u32(length32(bytes.len()));
            }
        }
        self.out.put_slice(bytes);
    }

    /// Starts with one-byte size and count; the rare large value is shifted by six bytes in the end.
    #[inline]
    fn compound(&mut self, short: u8, long: u8, count: u32, elements: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        match u8::try_from(count) {
            Ok(small) => {
                self.raw(&[short, 0, small]);
                elements(self);
                let size = self.out.len() - start - 2;
                match u8::try_from(size) {
                    Ok(size) => self.patch(start + 1, &[size]),
                    Err(_) => self.widen(start, long, count),
                }
            }
            Err(_) => {
                self.raw(&[long, 0, 0, 0, 0]);
                self.out.put_u32(count);
                elements(self);
                let size = length32(self.out.len() - start - 5);
                self.patch(start + 1, &size.to_be_bytes());
            }
        }
    }

    /// Writes size, count and elements of an array's compound element, whose constructor has 32-bit sizes.
    pub(crate) fn wide_body(&mut self, count: u32, elements: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        self.raw(&[0; 4]);
        self.out.put_u32(count);
        elements(self);
        let size = length32(self.out.len() - start - 4);
        self.patch(start, &size.to_be_bytes());
    }

    #[inline]
    fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.out.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    #[cold]
    fn widen(&mut self, start: usize, long: u8, count: u32) {
        let elements = start + 3..self.out.len();
        let size = length32(elements.len() + 4);
        self.out.put_bytes(0, 6);
        self.out.copy_within(elements, start + 9);
        let [a, b, c, d] = size.to_be_bytes();
        let [e, f, g, h] = count.to_be_bytes();
        self.patch(start, &[long, a, b, c, d, e, f, g, h]);
    }
}

/// AMQP's lengths have 32 bits. Nobody holds a larger value in memory just to send it: what is over is a bug upstream
/// that the peer will report as a framing error, and no reason to make every write fallible.
#[inline]
pub(crate) fn length32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
