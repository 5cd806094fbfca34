//! The properties of a message, read in place.

use bytes::Bytes;

use crate::codes;
use crate::composite::optional;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::{Decode, MessageId, Properties, Reader, Symbol, Timestamp, Uuid};

/// [`MessageId`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageIdRef<'a> {
    /// A number.
    Ulong(u64),
    /// A UUID.
    Uuid(Uuid),
    /// Bytes.
    Binary(&'a [u8]),
    /// Text.
    String(&'a str),
}

impl<'a> Decode<'a> for MessageIdRef<'a> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match reader.peek_code() {
            Some(codes::STR8 | codes::STR32) => reader.read_string().map(Self::String),
            Some(codes::UUID) => reader.read_uuid().map(Self::Uuid),
            Some(codes::VBIN8 | codes::VBIN32) => reader.read_binary().map(Self::Binary),
            Some(codes::ULONG | codes::SMALLULONG | codes::ULONG0) | None => {
                reader.read_ulong().map(Self::Ulong)
            }
            Some(found) => {
                let expected = "a message id (ulong, uuid, binary or string)";
                Err(reader.error(DecodeErrorKind::UnexpectedType { expected, found }))
            }
        }
    }
}

impl From<MessageIdRef<'_>> for MessageId {
    fn from(id: MessageIdRef<'_>) -> Self {
        match id {
            MessageIdRef::Ulong(id) => Self::Ulong(id),
            MessageIdRef::Uuid(id) => Self::Uuid(id),
            MessageIdRef::Binary(id) => Self::Binary(Bytes::copy_from_slice(id)),
            MessageIdRef::String(id) => Self::String(id.to_owned()),
        }
    }
}

/// 3.2.4 [`Properties`], borrowed from the encoded message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is explained at the one of the same name in Properties")]
pub struct PropertiesView<'a> {
    pub message_id: Option<MessageIdRef<'a>>,
    pub user_id: Option<&'a [u8]>,
    pub to: Option<&'a str>,
    pub subject: Option<&'a str>,
    pub reply_to: Option<&'a str>,
    pub correlation_id: Option<MessageIdRef<'a>>,
    pub content_type: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
    pub absolute_expiry_time: Option<Timestamp>,
    pub creation_time: Option<Timestamp>,
    pub group_id: Option<&'a str>,
    pub group_sequence: Option<u32>,
    pub reply_to_group_id: Option<&'a str>,
}

/// A symbol, borrowed.
struct SymbolRef<'a>(&'a str);

impl<'a> Decode<'a> for SymbolRef<'a> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.read_symbol().map(Self)
    }
}

impl<'a> PropertiesView<'a> {
    /// Reads the list that follows the section's descriptor.
    pub(super) fn decode_list(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        const NAME: &str = Properties::NAME;
        let list = reader.begin_list().map_err(|error| error.within(NAME, ""))?;
        let mut left = list.count();
        if left as usize > Properties::FIELDS.len() {
            let error = crate::composite::too_many(reader, Properties::FIELDS.len(), left);
            return Err(error.within(NAME, ""));
        }
        let left = &mut left;
        let view = Self {
            message_id: optional(reader, left, NAME, "message-id")?,
            user_id: optional(reader, left, NAME, "user-id")?,
            to: optional(reader, left, NAME, "to")?,
            subject: optional(reader, left, NAME, "subject")?,
            reply_to: optional(reader, left, NAME, "reply-to")?,
            correlation_id: optional(reader, left, NAME, "correlation-id")?,
            content_type: optional::<SymbolRef<'_>>(reader, left, NAME, "content-type")?
                .map(|symbol| symbol.0),
            content_encoding: optional::<SymbolRef<'_>>(reader, left, NAME, "content-encoding")?
                .map(|symbol| symbol.0),
            absolute_expiry_time: optional(reader, left, NAME, "absolute-expiry-time")?,
            creation_time: optional(reader, left, NAME, "creation-time")?,
            group_id: optional(reader, left, NAME, "group-id")?,
            group_sequence: optional(reader, left, NAME, "group-sequence")?,
            reply_to_group_id: optional(reader, left, NAME, "reply-to-group-id")?,
        };
        reader.end(list).map_err(|error| error.within(NAME, ""))?;
        Ok(view)
    }
}

impl From<PropertiesView<'_>> for Properties {
    fn from(view: PropertiesView<'_>) -> Self {
        Self {
            message_id: view.message_id.map(Into::into),
            user_id: view.user_id.map(Bytes::copy_from_slice),
            to: view.to.map(Into::into),
            subject: view.subject.map(Into::into),
            reply_to: view.reply_to.map(Into::into),
            correlation_id: view.correlation_id.map(Into::into),
            content_type: view.content_type.map(Symbol::from),
            content_encoding: view.content_encoding.map(Symbol::from),
            absolute_expiry_time: view.absolute_expiry_time,
            creation_time: view.creation_time,
            group_id: view.group_id.map(Into::into),
            group_sequence: view.group_sequence,
            reply_to_group_id: view.reply_to_group_id.map(Into::into),
        }
    }
}
