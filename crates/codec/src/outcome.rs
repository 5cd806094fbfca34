//! The states of a delivery (3.4).

use crate::codes;
use crate::error::DecodeError;
use crate::skip::Descriptor;
use crate::{
    Declared, Decode, Described, Encode, Error, Map, Reader, Symbol, TransactionalState, Value, Writer,
};

composite! {
    /// 3.4.1 The receiver has got this far with a message.
    #[derive(Copy)]
    pub struct Received = 0x23 "amqp:received:list" {
        /// The section that is being received, counted from 0.
        section_number: u32 as "uint" [mandatory],
        /// How many bytes of the section have been received.
        section_offset: u64 as "ulong" [mandatory],
    }
}

composite! {
    /// 3.4.2 The receiver has taken the message.
    #[derive(Copy)]
    pub struct Accepted = 0x24 "amqp:accepted:list" {}
}

composite! {
    /// 3.4.3 The message is invalid and cannot be processed.
    pub struct Rejected = 0x25 "amqp:rejected:list" {
        /// Why.
        error: Option<Box<Error>> as "error" [optional],
    }
}

composite! {
    /// 3.4.4 The message was not and will not be processed; the sender may deliver it to somebody else.
    #[derive(Copy)]
    pub struct Released = 0x26 "amqp:released:list" {}
}

composite! {
    /// 3.4.5 As released, with changes to the message.
    pub struct Modified = 0x27 "amqp:modified:list" {
        /// Whether this counts as a failed attempt to deliver.
        delivery_failed: bool as "boolean" [flag],
        /// Whether the message must not be delivered to this receiver again.
        undeliverable_here: bool as "boolean" [flag],
        /// Annotations to merge into those of the message.
        message_annotations: Option<Map> as "fields" [optional],
    }
}

/// 3.4 What a sender or receiver says about a delivery. The frequent states need no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// 3.4.1 The receiver has got this far. Not terminal.
    Received(Received),
    /// 3.4.2 The receiver has taken the message.
    Accepted,
    /// 3.4.3 The message is invalid.
    Rejected(Option<Box<Error>>),
    /// 3.4.4 The message was not processed.
    Released,
    /// 3.4.5 The message was not processed, and is changed.
    Modified(Box<Modified>),
    /// 4.5.5 A transaction was declared.
    Declared(Box<Declared>),
    /// 4.5.6 The delivery is a part of a transaction. Not terminal.
    Transactional(Box<TransactionalState>),
    /// A state that the specification does not know. Not terminal.
    Custom(Box<Described>),
}

impl DeliveryState {
    /// Whether this is an outcome, after which the state does not change any more (3.4).
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::Accepted | Self::Rejected(_) | Self::Released | Self::Modified(_) | Self::Declared(_)
        )
    }

    /// The state's name, like `accepted`; `custom` for those that the specification does not know.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Received(_) => "received",
            Self::Accepted => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Released => "released",
            Self::Modified(_) => "modified",
            Self::Declared(_) => "declared",
            Self::Transactional(_) => "transactional-state",
            Self::Custom(_) => "custom",
        }
    }

    /// Reads the list of a state with a known descriptor; `None` if the specification does not know it.
    fn decode_known(reader: &mut Reader<'_>, code: u64) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match code {
            Received::CODE => Self::Received(Received::decode_list(reader)?),
            Accepted::CODE => Accepted::decode_list(reader).map(|_| Self::Accepted)?,
            Rejected::CODE => Self::Rejected(Rejected::decode_list(reader)?.error),
            Released::CODE => Released::decode_list(reader).map(|_| Self::Released)?,
            Modified::CODE => Self::Modified(Box::new(Modified::decode_list(reader)?)),
            Declared::CODE => Self::Declared(Box::new(Declared::decode_list(reader)?)),
            TransactionalState::CODE => {
                Self::Transactional(Box::new(TransactionalState::decode_list(reader)?))
            }
            _ => return Ok(None),
        }))
    }

    fn decode_rare(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (descriptor, code) = match reader.read_descriptor()? {
            Descriptor::Code(code) => (Value::Ulong(code), Some(code)),
            Descriptor::Symbol(symbol) => {
                (Value::Symbol(Symbol::from(symbol)), crate::composite::code_of(symbol))
            }
        };
        // A transactional state holds a state: lists are counted, so the reader's depth ends this.
        if let Some(code) = code
            && let Some(state) = Self::decode_known(reader, code)?
        {
            return Ok(state);
        }
        let value = Value::decode(reader)?;
        Ok(Self::Custom(Box::new(Described { descriptor, value })))
    }
}

impl<'a> Decode<'a> for DeliveryState {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        const ACCEPTED: u8 = Accepted::CODE as u8;
        const RELEASED: u8 = Released::CODE as u8;
        // The usual spellings of the usual states, without going into their empty lists.
        if let [codes::DESCRIBED, codes::SMALLULONG, code @ (ACCEPTED | RELEASED), rest @ ..] =
            reader.remaining()
        {
            let length = match rest {
                [codes::LIST0, ..] => Some(4),
                [codes::LIST8, 1, 0, ..] => Some(6),
                _ => None,
            };
            if let Some(length) = length {
                reader.take(length)?;
                return Ok(if *code == ACCEPTED { Self::Accepted } else { Self::Released });
            }
        }
        Self::decode_rare(reader)
    }
}

impl Encode for DeliveryState {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Accepted => Accepted {}.encode(writer),
            Self::Released => Released {}.encode(writer),
            state => state.encode_rare(writer),
        }
    }
}

impl DeliveryState {
    fn encode_rare(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Received(received) => received.encode(writer),
            Self::Accepted => Accepted {}.encode(writer),
            Self::Rejected(error) => match error {
                None => writer.composite(Rejected::CODE, 0, |_| ()),
                Some(error) => writer.composite(Rejected::CODE, 1, |writer| error.encode(writer)),
            },
            Self::Released => Released {}.encode(writer),
            Self::Modified(modified) => modified.encode(writer),
            Self::Declared(declared) => declared.encode(writer),
            Self::Transactional(transactional) => transactional.encode(writer),
            Self::Custom(described) => described.encode(writer),
        }
    }
}

impl From<Received> for DeliveryState {
    fn from(received: Received) -> Self {
        Self::Received(received)
    }
}

impl From<Rejected> for DeliveryState {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected.error)
    }
}

/// Rejects with this error.
impl From<Error> for DeliveryState {
    fn from(error: Error) -> Self {
        Self::Rejected(Some(Box::new(error)))
    }
}

impl From<Modified> for DeliveryState {
    fn from(modified: Modified) -> Self {
        Self::Modified(Box::new(modified))
    }
}

impl From<Declared> for DeliveryState {
    fn from(declared: Declared) -> Self {
        Self::Declared(Box::new(declared))
    }
}

impl From<TransactionalState> for DeliveryState {
    fn from(transactional: TransactionalState) -> Self {
        Self::Transactional(Box::new(transactional))
    }
}
