//! What a sender takes.

use bytes::{Bytes, BytesMut};
use deuteron_codec::Message;

/// A message in a form that can be sent: a [`Message`] or a reference to one, a string (which
/// becomes a value body), or the bytes of a message that is encoded already.
pub trait Sendable {
    /// Writes the encoded message at the end of `out`.
    fn encode_into(&self, out: &mut BytesMut);

    /// The encoded message, if it is at hand and need not be written.
    fn encoded(&self) -> Option<&Bytes> {
        None
    }
}

impl Sendable for Message {
    fn encode_into(&self, out: &mut BytesMut) {
        self.encode(out);
    }
}

impl Sendable for &str {
    fn encode_into(&self, out: &mut BytesMut) {
        Message::new(*self).encode(out);
    }
}

impl Sendable for String {
    fn encode_into(&self, out: &mut BytesMut) {
        Message::new(self.as_str()).encode(out);
    }
}

impl<S: Sendable> Sendable for &S {
    fn encode_into(&self, out: &mut BytesMut) {
        (**self).encode_into(out);
    }

    fn encoded(&self) -> Option<&Bytes> {
        (**self).encoded()
    }
}

/// The bytes of a message that is encoded already, sections and all (spec 3.2). They are sent as
/// they are and not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded(
    /// The encoded sections.
    pub Bytes,
);

impl Sendable for Encoded {
    fn encode_into(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.0);
    }

    fn encoded(&self) -> Option<&Bytes> {
        Some(&self.0)
    }
}
