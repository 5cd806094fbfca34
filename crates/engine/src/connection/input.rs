//! Bytes on their way in: headers, frames, and who is to look at them.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use deuteron_codec::frame::{FRAME_AMQP, FRAME_SASL, FrameHeader, ProtocolHeader};
use deuteron_codec::{Decode, DecodeError, Performative, Reader, SaslFrame, condition, trace};

use super::Connection;
use crate::wire::Phase;

/// SASL frames are at most 512 bytes long (5.3.1); lists of mechanisms longer than that have been seen, so we are lenient.
const MAX_SASL_FRAME: usize = 8192;

impl Connection {
    /// Bytes from the peer. Whole frames are consumed, an incomplete one is left. What is wrong with them becomes a Close
    /// for the peer and [`Event::TransportError`](crate::Event::TransportError) for us.
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Instant) {
        if let Some(wire) = self.wire.as_deref_mut()
            && !input.is_empty()
        {
            wire.last_input = now;
        }
        loop {
            let Some(wire) = self.wire.as_deref() else {
                input.clear();
                return;
            };
            let more = match wire.phase {
                Phase::Discarding => {
                    input.clear();
                    false
                }
                Phase::AnyHeader | Phase::SaslHeader | Phase::AmqpHeader => self.read_header(input, now),
                Phase::SaslFrames | Phase::Frames => self.read_frame(input, now),
            };
            if !more {
                return;
            }
        }
    }

    fn read_header(&mut self, input: &mut BytesMut, now: Instant) -> bool {
        let Some(header) = input.first_chunk::<8>().copied() else {
            // Garbage is told apart at its first bytes: whoever sent it may be waiting for us.
            let known = input.iter().zip(b"AMQP").all(|(byte, wanted)| byte == wanted);
            if !known {
                let mut header = [0; 8];
                header[..input.len()].copy_from_slice(input);
                input.clear();
                self.on_header(header, now);
            }
            return false;
        };
        input.advance(8);
        self.on_header(header, now);
        true
    }

    fn read_frame(&mut self, input: &mut BytesMut, now: Instant) -> bool {
        let Some(wire) = self.wire.as_deref() else { return false };
        let sasl = wire.phase == Phase::SaslFrames;
        let header = match FrameHeader::parse(input) {
            Ok(Some(header)) => header,
            Ok(None) => return false,
            Err(error) => {
                self.violation(condition::FRAMING_ERROR, error.to_string(), now);
                return true;
            }
        };
        let size = header.size as usize;
        let limit = if sasl { MAX_SASL_FRAME } else { self.config.max_frame_size.max(512) as usize };
        if size > limit {
            let what = format!("a frame of {size} bytes came where {limit} are allowed");
            self.violation(condition::FRAMING_ERROR, what, now);
            return true;
        }
        if input.len() < size {
            // Room for the rest of the frame at once, and no more than what is allowed.
            input.reserve(size - input.len());
            return false;
        }
        let expected = if sasl { FRAME_SASL } else { FRAME_AMQP };
        if header.frame_type != expected {
            let what = format!("a frame of type {} came where type {expected} was due", header.frame_type);
            self.violation(condition::FRAMING_ERROR, what, now);
            return true;
        }
        if let Some(trace) = &self.config.trace {
            (trace.0)(&trace_line(false, &input[..size]));
        }
        let body = usize::from(header.doff) * 4;
        if sasl {
            let frame = SaslFrame::decode(&mut Reader::new(&input[body..size]));
            input.advance(size);
            match frame {
                Ok(frame) => self.on_sasl(frame, now),
                Err(error) => self.undecodable(&error, now),
            }
        } else {
            self.read_amqp_frame(input, header.channel, body, size, now);
        }
        true
    }

    fn read_amqp_frame(
        &mut self,
        input: &mut BytesMut,
        channel: u16,
        body: usize,
        size: usize,
        now: Instant,
    ) {
        if body == size {
            // 2.4.5: an empty frame only shows that the peer is alive.
            input.advance(size);
            return;
        }
        let mut reader = Reader::new(&input[body..size]);
        let performative = Performative::decode(&mut reader);
        let payload = body + reader.offset();
        match performative {
            Ok(Performative::Transfer(transfer)) => {
                let mut frame = input.split_to(size).freeze();
                frame.advance(payload);
                self.on_transfer(channel, transfer, frame, now);
            }
            Ok(performative) => {
                input.advance(size);
                self.on_performative(channel, performative, now);
            }
            Err(error) => {
                input.advance(size);
                self.undecodable(&error, now);
            }
        }
    }

    fn on_performative(&mut self, channel: u16, performative: Performative, now: Instant) {
        if !self.is_expected(&performative, now) {
            return;
        }
        match performative {
            Performative::Open(open) => self.on_open(open, now),
            Performative::Begin(begin) => self.on_begin(channel, begin, now),
            Performative::Attach(attach) => self.on_attach(channel, attach, now),
            Performative::Flow(flow) => self.on_flow(channel, flow, now),
            Performative::Transfer(transfer) => self.on_transfer(channel, transfer, Bytes::new(), now),
            Performative::Disposition(disposition) => self.on_disposition(channel, disposition, now),
            Performative::Detach(detach) => self.on_detach(channel, *detach, now),
            Performative::End(end) => self.on_end(channel, *end, now),
            Performative::Close(close) => self.on_close(*close),
        }
    }

    /// Whether the frame fits what came before it (2.4.6).
    fn is_expected(&mut self, performative: &Performative, now: Instant) -> bool {
        let Some(wire) = self.wire.as_deref() else { return false };
        match performative {
            Performative::Open(_) if wire.open_received => {
                self.violation(condition::NOT_ALLOWED, "a second open", now);
                false
            }
            Performative::Open(_) | Performative::Close(_) => true,
            other if !wire.open_received => {
                let what = format!("{} before open", other.name());
                self.violation(condition::NOT_ALLOWED, what, now);
                false
            }
            _ => true,
        }
    }

    fn undecodable(&mut self, error: &DecodeError, now: Instant) {
        self.violation(condition::DECODE_ERROR, error.to_string(), now);
    }
}

/// One line for a whole frame.
pub(crate) fn trace_line(outgoing: bool, frame: &[u8]) -> String {
    let channel = frame.get(6..8).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let body = frame.get(4).map_or(8, |doff| usize::from(*doff) * 4);
    trace::trace_frame(direction(outgoing), channel, frame.get(body..).unwrap_or_default())
}

pub(crate) fn trace_header(outgoing: bool, header: ProtocolHeader) -> String {
    trace::trace_header(direction(outgoing), header)
}

fn direction(outgoing: bool) -> trace::Direction {
    if outgoing { trace::Direction::Out } else { trace::Direction::In }
}
