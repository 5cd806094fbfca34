use std::fmt;

use super::{Composite, decode, encode};

/// Frame type of AMQP frames (2.3.1).
pub const AMQP: u8 = 0;
/// Frame type of SASL frames (5.3.1).
pub const SASL: u8 = 1;
/// Protocol id of the TLS layer (5.2.1).
pub const TLS: u8 = 2;

/// The eight bytes of a protocol header for version 1.0.0 (2.2): id 0 is AMQP, 2 TLS, 3 SASL.
pub fn header(protocol: u8) -> [u8; 8] {
    [b'A', b'M', b'Q', b'P', protocol, 1, 0, 0]
}

/// One frame (2.3): a performative, or nothing in an empty frame, and what follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// [`AMQP`] or [`SASL`].
    pub frame_type: u8,
    /// The channel; 0 in SASL frames.
    pub channel: u16,
    /// The performative; `None` in an empty frame (a heartbeat).
    pub performative: Option<Composite>,
    /// The bytes after the performative.
    pub payload: Vec<u8>,
}

impl Frame {
    /// An AMQP frame, or a SASL frame if the performative is one of SASL's.
    pub fn new(channel: u16, performative: Composite) -> Self {
        let frame_type = if performative.name().starts_with("sasl-") { SASL } else { AMQP };
        Self { frame_type, channel, performative: Some(performative), payload: Vec::new() }
    }

    /// An empty frame: a heartbeat (2.4.5).
    pub fn empty() -> Self {
        Self { frame_type: AMQP, channel: 0, performative: None, payload: Vec::new() }
    }

    /// The same frame with a payload.
    #[must_use]
    pub fn with_payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Name of the performative; `"empty frame"` for an empty frame.
    pub fn name(&self) -> &'static str {
        self.performative.as_ref().map_or("empty frame", Composite::name)
    }

    /// The value of one field of the performative.
    ///
    /// # Panics
    /// If the frame is empty or its performative has no such field.
    pub fn get(&self, field: &str) -> &super::Plain {
        self.performative
            .as_ref()
            .unwrap_or_else(|| panic!("an empty frame has no field {field:?}"))
            .get(field)
    }

    /// The frame as on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0, 0, 0, 0, 2, self.frame_type];
        out.extend(self.channel.to_be_bytes());
        if let Some(performative) = &self.performative {
            encode(&performative.clone().into_plain(), &mut out);
        }
        out.extend(&self.payload);
        let size = u32::try_from(out.len()).expect("a test's frame fits four bytes of size");
        out[..4].copy_from_slice(&size.to_be_bytes());
        out
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let doff = usize::from(bytes[4]) * 4;
        if !(8..=bytes.len()).contains(&doff) {
            return Err(format!("doff {} does not fit a frame of {} bytes", bytes[4], bytes.len()));
        }
        let frame_type = bytes[5];
        let channel = u16::from_be_bytes([bytes[6], bytes[7]]);
        let body = &bytes[doff..];
        if body.is_empty() {
            return Ok(Self { frame_type, channel, performative: None, payload: Vec::new() });
        }
        let (value, used) = decode(body).map_err(|error| format!("bad performative: {error}"))?;
        let performative = Composite::from_plain(&value)
            .ok_or_else(|| format!("{value} is no performative of the specification"))?;
        Ok(Self { frame_type, channel, performative: Some(performative), payload: body[used..].to_vec() })
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.performative {
            None => write!(f, "empty frame on channel {}", self.channel),
            Some(performative) => {
                write!(f, "{performative} on channel {}", self.channel)?;
                if !self.payload.is_empty() {
                    let shown = &self.payload[..self.payload.len().min(40)];
                    write!(f, " with {} bytes b\"{}\"", self.payload.len(), shown.escape_ascii())?;
                }
                Ok(())
            }
        }
    }
}

/// What the other side sent: a protocol header or a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// Eight bytes that begin with `AMQP`.
    Header([u8; 8]),
    /// A frame.
    Frame(Frame),
}

impl fmt::Display for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(bytes) => write!(f, "header \"{}\"", bytes.escape_ascii()),
            Self::Frame(frame) => frame.fmt(f),
        }
    }
}

/// Cuts a byte stream into headers and frames.
///
/// A header can be told from a frame at any point: read as a frame size, `AMQP` is 1,095,586,128 bytes, which no
/// test sends.
#[derive(Debug, Default)]
pub struct Splitter {
    pending: Vec<u8>,
}

impl Splitter {
    /// Adds bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
    }

    /// Bytes of a header or frame that is not complete yet.
    pub fn rest(&self) -> &[u8] {
        &self.pending
    }

    /// The next whole header or frame, if there is one.
    ///
    /// # Errors
    /// A text, if the bytes are no frame.
    pub fn cut(&mut self) -> Result<Option<Incoming>, String> {
        if self.pending.len() < 8 {
            return Ok(None);
        }
        if self.pending.starts_with(b"AMQP") {
            let bytes: Vec<u8> = self.pending.drain(..8).collect();
            return Ok(Some(Incoming::Header(bytes.try_into().expect("eight bytes were drained"))));
        }
        let size = u32::from_be_bytes(self.pending[..4].try_into().expect("four bytes")) as usize;
        if size < 8 {
            return Err(format!("a frame of {size} bytes has no room for its header"));
        }
        if self.pending.len() < size {
            return Ok(None);
        }
        let frame: Vec<u8> = self.pending.drain(..size).collect();
        Frame::parse(&frame).map(|frame| Some(Incoming::Frame(frame)))
    }
}
