//! What a server says to a client that speaks something else.

use bytes::{BufMut, BytesMut};
use deuteron_codec::{AMQP_HEADER, Close, Error, Open, condition, to_bytes};
use pyo3::prelude::*;

use crate::transport::TransportCore;
use crate::wire::Wire;

/// How much of what came is repeated.
const SHOWN: usize = 64;
/// The first byte of a TLS record that begins a handshake.
const HANDSHAKE: u8 = 0x16;

fn is_known(bytes: &[u8]) -> bool {
    const AMQP: &[u8] = b"AMQP";
    bytes.starts_with(&[HANDSHAKE]) || bytes.starts_with(AMQP) || AMQP.starts_with(bytes)
}

fn frame(out: &mut BytesMut, body: &[u8]) {
    out.put_u32(8 + body.len() as u32);
    out.put_slice(&[2, 0, 0, 0]);
    out.put_slice(body);
}

impl Wire {
    /// The answer, which is never encrypted: whoever wrote such a thing knows nothing of TLS.
    fn refuse(&mut self, error: &Error) {
        self.tls = None;
        self.output.put_slice(&AMQP_HEADER.bytes());
        frame(&mut self.output, &to_bytes(&Open::default()));
        frame(&mut self.output, &to_bytes(&Close { error: Some(error.clone()) }));
    }
}

impl TransportCore {
    /// Looks at the first bytes that come to a server. False if they are neither AMQP nor TLS: then all is over.
    pub(crate) fn detect(slf: &Bound<'_, Self>, bytes: &[u8]) -> bool {
        let this = slf.get();
        // Before there is a connection, nobody could hear of it.
        if !this.server || bytes.is_empty() || this.wire().connection.is_none() {
            return true;
        }
        if std::mem::replace(&mut this.wire().detected, true) || is_known(bytes) {
            return true;
        }
        let shown = bytes.get(..SHOWN).unwrap_or(bytes);
        let mut text = String::new();
        for byte in shown {
            match byte {
                b' '..=b'~' => text.push(char::from(*byte)),
                other => text.push_str(&format!("\\x{other:02x}")),
            }
        }
        let more = if shown.len() < bytes.len() { "..." } else { "" };
        let text = format!("Unknown protocol detected: '{text}'{more}");
        this.wire().refuse(&Error::new(condition::FRAMING_ERROR, text.clone()));
        Self::failed(slf, Some((condition::FRAMING_ERROR.as_str().to_owned(), Some(text), None)));
        false
    }
}
