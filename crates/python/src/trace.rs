//! What a transport says of its frames and bytes, for a tracer in Python.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use deuteron_engine::Trace;
use pyo3::prelude::*;

use crate::calls::CallOut;
use crate::names::lock;
use crate::transport::TransportCore;

/// How much of a line of bytes is shown.
const WIDTH: usize = 16;

/// What there is to say waits until no lock is held: a tracer may use the transport.
pub(crate) struct Tracing {
    pub(crate) write: Py<PyAny>,
    frames: bool,
    raw: bool,
    lines: Arc<Mutex<Vec<Line>>>,
    /// Bytes of SASL, which may hold a password, are on their way: what was sent, what was received.
    secret: [bool; 2],
}

/// Level and text.
type Line = (&'static str, String);

#[derive(Clone, Copy)]
pub(crate) enum Way {
    Out,
    In,
}

impl Tracing {
    pub(crate) fn new(write: Py<PyAny>, frames: bool, raw: bool) -> Self {
        Self { write, frames, raw, lines: Arc::default(), secret: [false; 2] }
    }

    /// What the engine calls with each frame.
    pub(crate) fn of_frames(&self) -> Option<Trace> {
        let lines = self.lines.clone();
        self.frames.then(|| Trace(Arc::new(move |line: &str| lock(&lines).push(("FRAME", line.to_owned())))))
    }

    /// Notes bytes. `headers` are the protocols whose headers end among them.
    pub(crate) fn bytes(&mut self, way: Way, bytes: &[u8], headers: &[u8]) {
        if !self.raw || bytes.is_empty() {
            return;
        }
        let arrow = match way {
            Way::Out => "->",
            Way::In => "<-",
        };
        let secret = &mut self.secret[way as usize];
        let begins_anew = headers.first() == Some(&AMQP) && bytes.starts_with(b"AMQP\0");
        let hidden = (*secret && !begins_anew) || headers.contains(&SASL);
        *secret = headers.last().map_or(*secret, |last| *last == SASL);
        let mut lines = lock(&self.lines);
        if hidden {
            lines.push(("RAW", format!("{arrow}{} bytes with SASL", bytes.len())));
        } else {
            lines.extend(dump(arrow, bytes).map(|line| ("RAW", line)));
        }
    }
}

/// The numbers of protocols in their headers.
const AMQP: u8 = 0;
const SASL: u8 = 3;

fn dump<'b>(arrow: &'b str, bytes: &'b [u8]) -> impl Iterator<Item = String> + 'b {
    bytes.chunks(WIDTH).enumerate().map(move |(index, row)| {
        let mut line = format!("{arrow}{:04x}/{:04x}: ", index * WIDTH, bytes.len());
        for byte in row {
            let _ = write!(line, "{byte:02x} ");
        }
        line.extend(std::iter::repeat_n(' ', 3 * (WIDTH - row.len())));
        let shown =
            |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        line.extend(row.iter().map(shown));
        line
    })
}

impl TransportCore {
    /// Says what has been noted. A tracer that fails does not break the connection.
    pub(crate) fn tell_tracer(&self, py: Python<'_>) {
        let (write, lines) = {
            let wire = self.wire();
            let Some(tracing) = &wire.settings.trace else { return };
            let lines = std::mem::take(&mut *lock(&tracing.lines));
            if lines.is_empty() {
                return;
            }
            (tracing.write.clone_ref(py), lines)
        };
        for (level, text) in lines {
            let _ = write.bind(py).call_out((level, text));
        }
    }
}
