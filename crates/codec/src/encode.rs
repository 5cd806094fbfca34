//! [`Encode`]: a type that can be written.

use bytes::{Bytes, BytesMut};

use crate::value::{Decimal32, Decimal64, Decimal128, Symbol, Timestamp, Uuid};
use crate::write::{Writer, length32};

/// A type that can be written to the wire. Writing never fails.
pub trait Encode {
    /// Appends the value in its shortest encoding.
    fn encode(&self, writer: &mut Writer<'_>);
}

/// The encoding of one value, in a buffer of its own.
///
/// ```
/// assert_eq!(deuteron_codec::to_bytes(&7_u32)[..], [0x52, 0x07]);
/// ```
#[must_use]
pub fn to_bytes<T: Encode + ?Sized>(value: &T) -> Bytes {
    let mut out = BytesMut::new();
    value.encode(&mut Writer::new(&mut out));
    out.freeze()
}

macro_rules! encode_primitives {
    ($($type:ty: $write:ident,)*) => {
        $(impl Encode for $type {
            #[inline]
            fn encode(&self, writer: &mut Writer<'_>) {
                writer.$write(*self);
            }
        })*
    };
}

encode_primitives! {
    bool: bool,
    u8: ubyte,
    u16: ushort,
    u32: uint,
    u64: ulong,
    i8: byte,
    i16: short,
    i32: int,
    i64: long,
    f32: float,
    f64: double,
    Decimal32: decimal32,
    Decimal64: decimal64,
    Decimal128: decimal128,
    char: char,
    Timestamp: timestamp,
    Uuid: uuid,
}

impl Encode for str {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.string(self);
    }
}

impl Encode for String {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.string(self);
    }
}

impl Encode for Symbol {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.symbol(self.as_str());
    }
}

impl Encode for [u8] {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.binary(self);
    }
}

impl Encode for Bytes {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.binary(self);
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        (**self).encode(writer);
    }
}

impl<T: Encode> Encode for Box<T> {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        (**self).encode(writer);
    }
}

/// `None` is null.
impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Some(value) => value.encode(writer),
            None => writer.null(),
        }
    }
}

/// A list.
impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.list(length32(self.len()), |writer| {
            for element in self {
                element.encode(writer);
            }
        });
    }
}
