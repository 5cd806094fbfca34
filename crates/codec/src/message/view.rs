//! Reading a message in place.

use super::section_iter::name;
use super::{Message, PropertiesView, Section, Sections, ValueRef};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::{Decode, Header, Limits, Map, Properties, Reader, Value, codes, section};

/// An encoded message, read in place and on demand.
///
/// [`new`](Self::new) notes where sections start, by their lengths, and looks at nothing else; each getter decodes what
/// it is asked for.
///
/// ```
/// use deuteron_codec::{Message, MessageView};
///
/// let payload = Message::new(b"bytes").with_subject("greeting").with_property("colour", "red").to_bytes();
///
/// let view = MessageView::new(&payload)?;
/// assert_eq!(view.properties()?.subject, Some("greeting"));
/// assert_eq!(view.application_property("colour")?.and_then(|value| value.as_str()), Some("red"));
/// assert_eq!(view.data(), Some(&b"bytes"[..]));
/// # Ok::<(), deuteron_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MessageView<'a> {
    payload: &'a [u8],
    limits: Limits,
    /// Where the value of each section starts, by descriptor; of body sections, the first. 0 if the section is absent.
    values: [u32; 9],
    /// Where the first body section starts, descriptor included.
    body_start: u32,
    /// Where the last body section ends.
    body_end: u32,
    /// The descriptor of the body sections; 0 if there is no body.
    body_code: u8,
    /// Whether there is just one body section.
    single: bool,
}

/// The body of a [`MessageView`].
#[derive(Clone, Debug)]
pub enum BodyView<'a> {
    /// No body, or null.
    Empty,
    /// 3.2.8 One value.
    Value(ValueRef<'a>),
    /// 3.2.6 Bytes, section by section.
    Data(DataSections<'a>),
    /// 3.2.7 Values, section by section.
    Sequence(SequenceSections<'a>),
}

impl<'a> MessageView<'a> {
    /// Finds the sections of a message.
    ///
    /// # Errors
    /// If the bytes are not sections of a message in their order (3.2), with at most one of each except for data and
    /// sequences, or one is cut off. What the sections hold is not looked at, apart from the lengths of data.
    #[inline]
    pub fn new(payload: &'a [u8]) -> Result<Self, DecodeError> {
        Self::with_limits(payload, Limits::default())
    }

    /// Finds the sections of a message, within limits that hold for its getters as well.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_limits(payload: &'a [u8], limits: Limits) -> Result<Self, DecodeError> {
        if u32::try_from(payload.len()).is_err() {
            return Err(too_large(payload.len()));
        }
        let mut view = MessageView {
            payload,
            limits,
            values: [0; 9],
            body_start: 0,
            body_end: 0,
            body_code: 0,
            single: false,
        };
        let mut sections = Sections::new(payload, limits);
        let mut last = 0;
        while let Some(Section { code, value, start, end }) = sections.next_section()? {
            let is_body = matches!(code, section::DATA | section::AMQP_SEQUENCE | section::AMQP_VALUE);
            let repeated = code == last && matches!(code, section::DATA | section::AMQP_SEQUENCE);
            let second_body = is_body && code > last && last >= section::DATA;
            if (code <= last && !repeated) || second_body {
                return Err(misplaced(code, start));
            }
            if is_body {
                check_body(code, value, end)?;
                view.single = !repeated;
                view.body_end = end as u32;
            }
            if !repeated {
                if is_body {
                    view.body_code = code as u8;
                    view.body_start = start as u32;
                }
                if let Some(place) = view.values.get_mut((code - section::HEADER) as usize) {
                    *place = (end - value.len()) as u32;
                }
            }
            last = code;
        }
        Ok(view)
    }

    /// The whole encoded message.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// 3.2.1 The header.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn header(&self) -> Result<Option<Header>, DecodeError> {
        self.section(section::HEADER, |reader| Header::decode_list(reader))
    }

    /// 3.2.2 The delivery annotations, copied.
    ///
    /// # Errors
    /// If they are malformed.
    pub fn delivery_annotations(&self) -> Result<Option<Map>, DecodeError> {
        self.map(section::DELIVERY_ANNOTATIONS)
    }

    /// 3.2.3 The message annotations, copied.
    ///
    /// # Errors
    /// If they are malformed.
    pub fn message_annotations(&self) -> Result<Option<Map>, DecodeError> {
        self.map(section::MESSAGE_ANNOTATIONS)
    }

    /// 3.2.4 The properties, borrowed; all absent if the message has none.
    ///
    /// # Errors
    /// If they are malformed.
    pub fn properties(&self) -> Result<PropertiesView<'a>, DecodeError> {
        let properties = self.section(section::PROPERTIES, PropertiesView::decode_list)?;
        Ok(properties.unwrap_or_default())
    }

    pub(super) fn decode_properties(&self) -> Result<Option<Properties>, DecodeError> {
        self.section(section::PROPERTIES, |reader| Properties::decode_list(reader))
    }

    /// 3.2.5 The application properties, copied.
    ///
    /// # Errors
    /// If they are malformed.
    pub fn application_properties(&self) -> Result<Option<Map>, DecodeError> {
        self.map(section::APPLICATION_PROPERTIES)
    }

    /// 3.2.5 One application property, found without decoding the others.
    ///
    /// # Errors
    /// If the properties before it are malformed.
    pub fn application_property(&self, key: &str) -> Result<Option<ValueRef<'a>>, DecodeError> {
        self.find(section::APPLICATION_PROPERTIES, key)
    }

    /// 3.2.3 One message annotation, found without decoding the others.
    ///
    /// # Errors
    /// If the annotations before it are malformed.
    pub fn message_annotation(&self, key: &str) -> Result<Option<ValueRef<'a>>, DecodeError> {
        self.find(section::MESSAGE_ANNOTATIONS, key)
    }

    /// 3.2.9 The footer, copied.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn footer(&self) -> Result<Option<Map>, DecodeError> {
        self.map(section::FOOTER)
    }

    /// 3.2.6 - 3.2.8 The body.
    #[must_use]
    pub fn body(&self) -> BodyView<'a> {
        let sections = || {
            let body = self.payload.get(self.body_start as usize..self.body_end as usize);
            Sections::new(body.unwrap_or_default(), self.limits)
        };
        match u64::from(self.body_code) {
            section::DATA => BodyView::Data(DataSections { sections: sections() }),
            section::AMQP_SEQUENCE => BodyView::Sequence(SequenceSections {
                sections: sections(),
                limits: self.limits,
                offset: self.body_start as usize,
            }),
            section::AMQP_VALUE => {
                let start = self.start(section::AMQP_VALUE);
                let value = self.payload.get(start..self.body_end as usize).unwrap_or_default();
                match value {
                    [codes::NULL] => BodyView::Empty,
                    value => BodyView::Value(ValueRef::new(value, self.limits, start)),
                }
            }
            _ => BodyView::Empty,
        }
    }

    /// The bytes of the body, if it is one data section.
    #[inline]
    #[must_use]
    pub fn data(&self) -> Option<&'a [u8]> {
        if self.single && u64::from(self.body_code) == section::DATA {
            self.reader(section::DATA)?.read_binary().ok()
        } else {
            None
        }
    }

    /// The text of the body, if it is a string, a symbol, or one data section that is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match self.body() {
            BodyView::Value(value) => value.as_str(),
            BodyView::Data(_) => self.data().and_then(|data| std::str::from_utf8(data).ok()),
            BodyView::Empty | BodyView::Sequence(_) => None,
        }
    }

    /// The whole message, copied.
    ///
    /// # Errors
    /// If a section is malformed.
    pub fn to_owned(&self) -> Result<Message, DecodeError> {
        Message::from_view(self, bytes::Bytes::copy_from_slice)
    }

    /// Where the value of a section starts; 0 if it is absent, since a descriptor comes before each value.
    #[inline]
    fn start(&self, code: u64) -> usize {
        self.values.get((code - section::HEADER) as usize).map_or(0, |start| *start as usize)
    }

    /// A reader at the value of a section, which ends by itself.
    #[inline]
    fn reader(&self, code: u64) -> Option<Reader<'a>> {
        match self.start(code) {
            0 => None,
            start => Some(Reader::with_limits(self.payload.get(start..)?, self.limits)),
        }
    }

    #[inline]
    fn section<T>(
        &self,
        code: u64,
        decode: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.reader(code) {
            Some(mut reader) => {
                decode(&mut reader).map(Some).map_err(|error| error.shifted(self.start(code)))
            }
            None => Ok(None),
        }
    }

    fn map(&self, code: u64) -> Result<Option<Map>, DecodeError> {
        self.section(code, |reader| Map::decode(reader).map_err(|error| error.within(name(code), "")))
    }

    fn find(&self, code: u64, key: &str) -> Result<Option<ValueRef<'a>>, DecodeError> {
        let found = self.section(code, |reader| {
            let map = reader.begin_map()?;
            for _ in 0..map.count() / 2 {
                let matches = match reader.peek_code() {
                    Some(codes::STR8 | codes::STR32) => reader.read_string()? == key,
                    Some(codes::SYM8 | codes::SYM32) => reader.read_symbol()? == key,
                    _ => reader.skip().map(|_| false)?,
                };
                let start = reader.offset();
                let value = reader.skip()?;
                if matches {
                    return Ok(Some((value, start)));
                }
            }
            Ok(None)
        })?;
        Ok(found.flatten().map(|(value, start)| ValueRef::new(value, self.limits, self.start(code) + start)))
    }
}

/// Data must be binary, so that its iterator cannot fail; sequences must be lists.
#[inline]
fn check_body(code: u64, value: &[u8], end: usize) -> Result<(), DecodeError> {
    let (expected, name) = match (code, value) {
        (section::DATA, [codes::VBIN8 | codes::VBIN32, ..]) => return Ok(()),
        (section::AMQP_SEQUENCE, [codes::LIST0 | codes::LIST8 | codes::LIST32, ..]) => return Ok(()),
        (section::AMQP_VALUE, _) => return Ok(()),
        (section::DATA, _) => ("binary", "data"),
        _ => ("list", "amqp-sequence"),
    };
    let found = value.first().copied().unwrap_or_default();
    let kind = DecodeErrorKind::UnexpectedType { expected, found };
    Err(DecodeError::new(kind, end - value.len()).within(name, ""))
}

#[cold]
fn too_large(found: usize) -> DecodeError {
    DecodeError::new(DecodeErrorKind::SizeLimit { limit: u32::MAX as usize, found }, 0)
}

#[cold]
fn misplaced(code: u64, start: usize) -> DecodeError {
    DecodeError::new(DecodeErrorKind::UnexpectedSection(name(code)), start)
}

/// 3.2.6 The bytes of a message's data sections.
#[derive(Clone, Debug)]
pub struct DataSections<'a> {
    sections: Sections<'a>,
}

impl<'a> Iterator for DataSections<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // MessageView::new has checked that each section is a binary that is all there.
        let section = self.sections.next_section().ok().flatten()?;
        Reader::new(section.value).read_binary().ok()
    }
}

/// 3.2.7 The values of a message's sequence sections, copied.
#[derive(Clone, Debug)]
pub struct SequenceSections<'a> {
    sections: Sections<'a>,
    limits: Limits,
    /// Where the sections start in the message.
    offset: usize,
}

impl Iterator for SequenceSections<'_> {
    type Item = Result<Vec<Value>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let section = self.sections.next_section().ok().flatten()?;
        let start = self.offset + section.end - section.value.len();
        let values = Vec::decode(&mut Reader::with_limits(section.value, self.limits));
        Some(values.map_err(|error| error.shifted(start).within("amqp-sequence", "")))
    }
}
