//! Protocol headers and frame headers (2.2, 2.3).

use bytes::{BufMut, BytesMut};

use crate::error::{DecodeError, DecodeErrorKind};
use crate::write::length32;

/// 2.3.1 The type of a frame that holds a performative.
pub const FRAME_AMQP: u8 = 0;
/// 2.3.1, 5.3.1 The type of a frame of the SASL layer.
pub const FRAME_SASL: u8 = 1;
/// The bytes of a frame header (2.3.1).
pub const FRAME_HEADER_SIZE: usize = 8;
/// 2.8.19 The smallest maximum frame size that a peer may ask for, in bytes.
pub const MIN_MAX_FRAME_SIZE: u32 = 512;

/// 2.2 The eight bytes with which each layer of a connection starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProtocolHeader {
    /// The layer: 0 for AMQP, 2 for TLS, 3 for SASL.
    pub id: u8,
    /// Major version of the protocol.
    pub major: u8,
    /// Minor version of the protocol.
    pub minor: u8,
    /// Revision of the protocol.
    pub revision: u8,
}

/// The header of the AMQP layer (2.2).
pub const AMQP_HEADER: ProtocolHeader = ProtocolHeader { id: 0, major: 1, minor: 0, revision: 0 };
/// The header of the TLS layer (5.2.1).
pub const TLS_HEADER: ProtocolHeader = ProtocolHeader { id: 2, major: 1, minor: 0, revision: 0 };
/// The header of the SASL layer (5.3.1).
pub const SASL_HEADER: ProtocolHeader = ProtocolHeader { id: 3, major: 1, minor: 0, revision: 0 };

impl ProtocolHeader {
    /// Reads a header. Versions are not judged.
    ///
    /// # Errors
    /// If the bytes do not begin with `AMQP`.
    pub fn parse(bytes: [u8; 8]) -> Result<Self, DecodeError> {
        match bytes {
            [b'A', b'M', b'Q', b'P', id, major, minor, revision] => Ok(Self { id, major, minor, revision }),
            _ => Err(DecodeError::new(DecodeErrorKind::InvalidProtocolHeader(bytes), 0)),
        }
    }

    /// The header's bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 8] {
        [b'A', b'M', b'Q', b'P', self.id, self.major, self.minor, self.revision]
    }

    /// The layer's name: `AMQP`, `TLS`, `SASL`, or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.id {
            0 => "AMQP",
            2 => "TLS",
            3 => "SASL",
            _ => "unknown",
        }
    }
}

/// 2.3.1 The first eight bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The size of the whole frame in bytes, header included.
    pub size: u32,
    /// Where the body starts, in words of four bytes.
    pub doff: u8,
    /// [`FRAME_AMQP`] or [`FRAME_SASL`].
    pub frame_type: u8,
    /// The channel; without meaning in SASL frames.
    pub channel: u16,
}

impl FrameHeader {
    /// Reads the header of the frame that starts here; `None` if fewer than eight bytes are there.
    ///
    /// # Errors
    /// If the body would start before the end of the header, or after the end of the frame.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let [a, b, c, d, doff, frame_type, e, f, ..] = *bytes else { return Ok(None) };
        let size = u32::from_be_bytes([a, b, c, d]);
        if doff < 2 || u32::from(doff) * 4 > size {
            return Err(DecodeError::new(DecodeErrorKind::InvalidFrame { size, doff }, 0));
        }
        Ok(Some(Self { size, doff, frame_type, channel: u16::from_be_bytes([e, f]) }))
    }

    /// Where the body starts in the frame, in bytes.
    #[inline]
    #[must_use]
    pub const fn body_offset(self) -> usize {
        self.doff as usize * 4
    }
}

/// Writes a frame header whose size is not known yet, and returns where the frame starts, for [`end_frame`].
///
/// ```
/// use bytes::BytesMut;
/// use deuteron_codec::{Close, Encode, Writer, frame};
///
/// let mut out = BytesMut::new();
/// let start = frame::begin_frame(&mut out, frame::FRAME_AMQP, 0);
/// Close::default().encode(&mut Writer::new(&mut out));
/// frame::end_frame(&mut out, start);
/// assert_eq!(&out[..], &[0, 0, 0, 12, 2, 0, 0, 0, 0x00, 0x53, 0x18, 0x45]);
/// ```
#[inline]
pub fn begin_frame(out: &mut BytesMut, frame_type: u8, channel: u16) -> usize {
    let start = out.len();
    let [high, low] = channel.to_be_bytes();
    out.put_slice(&[0, 0, 0, 0, 2, frame_type, high, low]);
    start
}

/// Ends a frame that [`begin_frame`] began: writes its size.
#[inline]
pub fn end_frame(out: &mut BytesMut, start: usize) {
    let size = out.len() - start;
    set_frame_size(out, start, size);
}

/// Ends a frame whose last bytes are not in the buffer, because they are sent from elsewhere: writes its whole size.
#[inline]
pub fn end_frame_with(out: &mut BytesMut, start: usize, bytes_elsewhere: usize) {
    let size = out.len() - start + bytes_elsewhere;
    set_frame_size(out, start, size);
}

#[inline]
fn set_frame_size(out: &mut BytesMut, start: usize, size: usize) {
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length32(size).to_be_bytes());
    }
}
