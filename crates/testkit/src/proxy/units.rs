//! Where frames begin and end in a stream of bytes.

use super::fault::{Fault, Place, Which};
use crate::Side;
use crate::wire::decode;
use std::collections::HashMap;

/// A frame longer than that is not kept together: the rest of the stream is passed on as it comes.
const LONGEST: usize = 16 << 20;

/// One direction of a connection, cut into frames and protocol headers.
#[derive(Debug, Default)]
pub(super) struct Units {
    rest: Vec<u8>,
    /// TLS, or no AMQP at all: there are bytes only.
    opaque: bool,
    /// How many bytes were taken before `rest`.
    pub(super) offset: u64,
    pub(super) count: u64,
    pub(super) kinds: HashMap<String, u64>,
}

/// Something that is passed on as a whole if nothing goes wrong.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) bytes: Vec<u8>,
    pub(super) offset: u64,
    /// Its number of all and of its kind; `None` for bytes that are no frame.
    numbered: Option<(u64, String, u64)>,
}

impl Units {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next that is whole.
    pub(super) fn next(&mut self) -> Option<Unit> {
        let length = if self.opaque { self.rest.len() } else { self.length()? };
        if length == 0 {
            return None;
        }
        if length > LONGEST || (!self.opaque && length < 8) {
            self.opaque = true;
            return self.next();
        }
        if self.rest.len() < length {
            return None;
        }
        let bytes: Vec<u8> = self.rest.drain(..length).collect();
        let offset = self.offset;
        self.offset += length as u64;
        let numbered = (!self.opaque).then(|| {
            let kind = kind(&bytes);
            self.count += 1;
            let of_kind = self.kinds.entry(kind.clone()).or_default();
            *of_kind += 1;
            (self.count, kind, *of_kind)
        });
        Some(Unit { bytes, offset, numbered })
    }

    fn length(&self) -> Option<usize> {
        let first = self.rest.get(..4)?;
        if first == b"AMQP" {
            return Some(8);
        }
        // A TLS record of a handshake begins with 22, which as the size of a frame would be 369 megabytes.
        Some(u32::from_be_bytes(first.try_into().ok()?) as usize)
    }

    /// What is left when the stream has ended.
    pub(super) fn end(&mut self) -> Option<Unit> {
        self.opaque = true;
        self.next()
    }
}

impl Unit {
    /// How many of its bytes are passed on before the fault strikes, if it does in this unit.
    pub(super) fn strikes(&self, fault: &Fault, from: Side) -> Option<usize> {
        if fault.from != from {
            return None;
        }
        let is = |which: &Which| {
            self.numbered.as_ref().is_some_and(|(number, kind, of_kind)| match &which.kind {
                None => which.number == *number,
                Some(wanted) => wanted == kind && which.number == *of_kind,
            })
        };
        match &fault.place {
            Place::Byte(at) => {
                let at = at.checked_sub(self.offset)? as usize;
                (at < self.bytes.len()).then_some(at)
            }
            Place::Before(which) => is(which).then_some(0),
            Place::Within(which) => is(which).then_some(self.bytes.len() / 2),
            Place::After(which) => is(which).then_some(self.bytes.len()),
        }
    }
}

/// The name of a frame's performative.
fn kind(bytes: &[u8]) -> String {
    if bytes.starts_with(b"AMQP") {
        return "header".to_owned();
    }
    let start = bytes.get(4).map_or(8, |doff| usize::from(*doff) * 4);
    let body = bytes.get(start..).unwrap_or_default();
    if body.is_empty() {
        return "empty".to_owned();
    }
    let decoded = decode(body).ok().and_then(|(value, _)| value.as_composite());
    decoded.map_or_else(|| "unknown".to_owned(), |performative| performative.name().to_owned())
}
