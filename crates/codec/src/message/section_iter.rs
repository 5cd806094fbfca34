//! The sections of an encoded message, one after the other, without decoding them.

use crate::error::{DecodeError, DecodeErrorKind};
use crate::{Limits, Reader, section};

/// One section of an encoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its numeric descriptor, one of those in [`section`](mod@crate::section).
    pub code: u64,
    /// Its encoded value, without the descriptor.
    pub value: &'a [u8],
    /// Where it starts in the message, descriptor included.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// Walks over the sections of an encoded message, by their lengths.
#[derive(Clone, Debug)]
pub struct Sections<'a> {
    reader: Reader<'a>,
}

impl<'a> Sections<'a> {
    /// The sections of this message. Their order is not checked.
    #[must_use]
    pub fn new(payload: &'a [u8], limits: Limits) -> Self {
        Self { reader: Reader::with_limits(payload, limits) }
    }

    /// The next section; `None` after the last.
    ///
    /// # Errors
    /// If no section stands here, or it is cut off. Do not go on then.
    #[inline]
    pub fn next_section(&mut self) -> Result<Option<Section<'a>>, DecodeError> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let start = self.reader.offset();
        let code = self.reader.read_known_descriptor("a section of a message")?;
        if !(section::HEADER..=section::FOOTER).contains(&code) {
            return Err(unknown(code, start));
        }
        let value = self.reader.skip()?;
        Ok(Some(Section { code, value, start, end: self.reader.offset() }))
    }
}

#[cold]
fn unknown(code: u64, start: usize) -> DecodeError {
    let expected = "a section of a message";
    DecodeError::new(DecodeErrorKind::UnexpectedDescriptor { expected, found: format!("0x{code:x}") }, start)
}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<Section<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let section = self.next_section();
        if section.is_err() {
            // There is no telling where the next section would start.
            self.reader = Reader::new(&[]);
        }
        section.transpose()
    }
}

/// The name of a section, for errors.
pub(super) fn name(code: u64) -> &'static str {
    match code {
        section::HEADER => "header",
        section::DELIVERY_ANNOTATIONS => "delivery-annotations",
        section::MESSAGE_ANNOTATIONS => "message-annotations",
        section::PROPERTIES => "properties",
        section::APPLICATION_PROPERTIES => "application-properties",
        section::DATA => "data",
        section::AMQP_SEQUENCE => "amqp-sequence",
        section::AMQP_VALUE => "amqp-value",
        section::FOOTER => "footer",
        _ => "unknown",
    }
}
