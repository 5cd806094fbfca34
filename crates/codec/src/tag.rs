//! Delivery tags, kept inline (2.8.7).

use std::fmt;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::{Decode, Encode, Reader, Writer};

/// 2.8.7 What names a delivery for its link's sender: up to 32 bytes, kept inline.
///
/// ```
/// use deuteron_codec::DeliveryTag;
///
/// assert_eq!(DeliveryTag::new(b"order 7").unwrap().as_slice(), b"order 7");
/// assert_eq!(DeliveryTag::from(0x0102_u64).as_slice(), [1, 2]);
/// assert!(DeliveryTag::new(&[0; 33]).is_none());
/// ```
#[derive(Clone, Copy)]
pub struct DeliveryTag {
    length: u8,
    bytes: [u8; 32],
}

impl DeliveryTag {
    /// A tag with these bytes; `None` if there are more than 32.
    #[inline]
    #[must_use]
    pub fn new(tag: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        bytes.get_mut(..tag.len())?.copy_from_slice(tag);
        Some(Self { length: tag.len() as u8, bytes })
    }

    /// The tag's bytes.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }
}

/// The number in big-endian order without leading zero bytes, one byte at least: for tags that count up.
impl From<u64> for DeliveryTag {
    #[inline]
    fn from(number: u64) -> Self {
        let skipped = (number | 1).leading_zeros() / 8;
        let mut bytes = [0; 32];
        if let Some(head) = bytes.first_chunk_mut::<8>() {
            *head = (number << (8 * skipped)).to_be_bytes();
        }
        Self { length: (8 - skipped) as u8, bytes }
    }
}

/// The empty tag.
impl Default for DeliveryTag {
    fn default() -> Self {
        Self { length: 0, bytes: [0; 32] }
    }
}

impl PartialEq for DeliveryTag {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for DeliveryTag {}

impl std::hash::Hash for DeliveryTag {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl AsRef<[u8]> for DeliveryTag {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for DeliveryTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.as_slice().escape_ascii())
    }
}

impl<'a> Decode<'a> for DeliveryTag {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let tag = reader.read_binary()?;
        Self::new(tag).ok_or_else(|| reader.error(DecodeErrorKind::TagTooLong(tag.len())))
    }
}

impl Encode for DeliveryTag {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.binary(self.as_slice());
    }
}
