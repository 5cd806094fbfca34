//! The sections of a message (3.2).

use bytes::Bytes;

use crate::codes;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::{Decode, Encode, Reader, Symbol, Timestamp, Uuid, Writer};

/// The numeric descriptors of the sections (3.2).
pub mod section {
    /// 3.2.1 Header.
    pub const HEADER: u64 = 0x70;
    /// 3.2.2 Delivery annotations.
    pub const DELIVERY_ANNOTATIONS: u64 = 0x71;
    /// 3.2.3 Message annotations.
    pub const MESSAGE_ANNOTATIONS: u64 = 0x72;
    /// 3.2.4 Properties.
    pub const PROPERTIES: u64 = 0x73;
    /// 3.2.5 Application properties.
    pub const APPLICATION_PROPERTIES: u64 = 0x74;
    /// 3.2.6 Data.
    pub const DATA: u64 = 0x75;
    /// 3.2.7 A sequence of values.
    pub const AMQP_SEQUENCE: u64 = 0x76;
    /// 3.2.8 One value.
    pub const AMQP_VALUE: u64 = 0x77;
    /// 3.2.9 Footer.
    pub const FOOTER: u64 = 0x78;
}

composite! {
    /// 3.2.1 How a message is to be transported. Intermediaries may change it.
    #[derive(Copy)]
    pub struct Header = 0x70 "amqp:header:list" {
        /// Whether the message must survive a restart of those who hold it.
        durable: bool as "boolean" [default false],
        /// Higher numbers may be delivered first. Default 4.
        priority: u8 as "ubyte" [default 4],
        /// For how many milliseconds the message is of use.
        ttl: Option<u32> as "milliseconds" [optional],
        /// Whether nobody has acquired the message before.
        first_acquirer: bool as "boolean" [default false],
        /// How many attempts to deliver the message have failed.
        delivery_count: u32 as "uint" [default 0],
    }
}

composite! {
    /// 3.2.4 What the sender says about a message. Intermediaries leave it as it is.
    pub struct Properties = 0x73 "amqp:properties:list" {
        /// Identifies the message.
        message_id: Option<MessageId> as "*" [optional],
        /// Who made the message.
        user_id: Option<Bytes> as "binary" [optional],
        /// The address that the message is for.
        to: Option<String> as "*" [optional],
        /// What the message is about.
        subject: Option<String> as "string" [optional],
        /// The address for answers.
        reply_to: Option<String> as "*" [optional],
        /// The message that this one answers, for example.
        correlation_id: Option<MessageId> as "*" [optional],
        /// The MIME type of the data sections.
        content_type: Option<Symbol> as "symbol" [optional],
        /// How the data sections are encoded beyond that.
        content_encoding: Option<Symbol> as "symbol" [optional],
        /// When the message ceases to be of use.
        absolute_expiry_time: Option<Timestamp> as "timestamp" [optional],
        /// When the message was made.
        creation_time: Option<Timestamp> as "timestamp" [optional],
        /// The group that the message belongs to.
        group_id: Option<String> as "string" [optional],
        /// The message's place in its group.
        group_sequence: Option<u32> as "sequence-no" [optional],
        /// The group for answers.
        reply_to_group_id: Option<String> as "string" [optional],
    }
}

/// 3.2.11 - 3.2.14 What identifies a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MessageId {
    /// A number.
    Ulong(u64),
    /// A UUID.
    Uuid(Uuid),
    /// Bytes.
    Binary(Bytes),
    /// Text.
    String(String),
}

impl<'a> Decode<'a> for MessageId {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match reader.peek_code() {
            Some(codes::STR8 | codes::STR32) => reader.read_string().map(|id| Self::String(id.into())),
            Some(codes::ULONG | codes::SMALLULONG | codes::ULONG0) => reader.read_ulong().map(Self::Ulong),
            Some(codes::UUID) => reader.read_uuid().map(Self::Uuid),
            Some(codes::VBIN8 | codes::VBIN32) => {
                reader.read_binary().map(|id| Self::Binary(Bytes::copy_from_slice(id)))
            }
            Some(found) => {
                let expected = "a message id (ulong, uuid, binary or string)";
                Err(reader.error(DecodeErrorKind::UnexpectedType { expected, found }))
            }
            None => reader.read_ulong().map(Self::Ulong),
        }
    }
}

impl Encode for MessageId {
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Ulong(id) => writer.ulong(*id),
            Self::Uuid(id) => writer.uuid(*id),
            Self::Binary(id) => writer.binary(id),
            Self::String(id) => writer.string(id),
        }
    }
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ulong(id) => write!(f, "{id}"),
            Self::Uuid(id) => write!(f, "{id}"),
            Self::Binary(id) => write!(f, "b\"{}\"", id.escape_ascii()),
            Self::String(id) => f.write_str(id),
        }
    }
}

macro_rules! message_id_from {
    ($($type:ty => $variant:ident,)*) => {
        $(impl From<$type> for MessageId {
            fn from(id: $type) -> Self {
                Self::$variant(id.into())
            }
        })*
    };
}

message_id_from! {
    u64 => Ulong,
    Uuid => Uuid,
    Bytes => Binary,
    Vec<u8> => Binary,
    String => String,
    &str => String,
}
