//! AMQP 1.0 types, performatives and messages: bytes and tables, nothing else.
//!
//! This crate turns bytes into the types of the [AMQP 1.0 specification] and back. It does no input or output, has no
//! clock and keeps no state; the protocol itself is the business of `deuteron-engine`. Names are those of the
//! specification, and numbers in the documentation are its chapters.
//!
//! ```
//! use bytes::BytesMut;
//! use deuteron_codec::{
//!     Decode, DeliveryTag, Encode, FRAME_AMQP, FrameHeader, Message, MessageView, Performative, Reader, Transfer,
//!     Writer, begin_frame, end_frame,
//! };
//!
//! // A frame with a transfer, and a message behind it.
//! let transfer = Transfer {
//!     handle: 0,
//!     delivery_id: Some(7),
//!     delivery_tag: Some(DeliveryTag::from(7_u64)),
//!     ..Transfer::default()
//! };
//! let mut out = BytesMut::new();
//! let start = begin_frame(&mut out, FRAME_AMQP, 1);
//! transfer.encode(&mut Writer::new(&mut out));
//! Message::new("hello").with_subject("greeting").encode(&mut out);
//! end_frame(&mut out, start);
//!
//! // The peer reads it: the performative is owned, the message is read in place.
//! let header = FrameHeader::parse(&out)?.expect("eight bytes are there");
//! let mut reader = Reader::new(&out[header.body_offset()..]);
//! let Performative::Transfer(received) = Performative::decode(&mut reader)? else { panic!("no transfer") };
//! assert_eq!(received, transfer);
//! let message = MessageView::new(reader.remaining())?;
//! assert_eq!(message.properties()?.subject, Some("greeting"));
//! assert_eq!(message.text(), Some("hello"));
//! # Ok::<(), deuteron_codec::DecodeError>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | read and write single values | [`Reader`], [`Writer`], [`Decode`], [`Encode`] |
//! | hold a value of any type | [`Value`], [`Map`], [`Array`], [`Symbol`] |
//! | build something else from the wire | [`Visitor`] |
//! | read and write frames | [`FrameHeader`], [`begin_frame`], [`Performative`], [`SaslFrame`] |
//! | make messages, and take them apart | [`Message`], [`MessageView`] |
//! | see what is on the wire | [`trace`] |
//! | look something up in the specification | [`tables`], [`condition`] |
//!
//! Input from a peer never panics, never nests deeper and never allocates more than [`Limits`] allow, and what is wrong
//! with it is said by a [`DecodeError`]. Writing never fails. `Transfer`, `Flow` and `Disposition` are read without an
//! allocation in all usual cases.
//!
//! [AMQP 1.0 specification]: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-overview-v1.0-os.html

#[macro_use]
mod composite;

pub mod codes;
pub mod condition;
mod decode;
mod definitions;
mod encode;
mod error;
pub mod frame;
pub mod message;
mod outcome;
mod performatives;
mod read;
mod sasl;
mod sections;
mod skip;
pub mod tables;
mod tag;
pub mod terminus;
pub mod trace;
pub mod transactions;
pub mod value;
pub mod visit;
mod write;

pub use composite::{CompositeInfo, FieldInfo, RestrictedInfo};
pub use decode::Decode;
pub use definitions::{Error, ReceiverSettleMode, Role, SenderSettleMode};
pub use encode::{Encode, to_bytes};
pub use error::{DecodeError, DecodeErrorKind};
pub use frame::{
    AMQP_HEADER, FRAME_AMQP, FRAME_HEADER_SIZE, FRAME_SASL, FrameHeader, MIN_MAX_FRAME_SIZE, ProtocolHeader,
    SASL_HEADER, TLS_HEADER, begin_frame, end_frame,
};
pub use message::{
    Body, BodyView, DataSections, Message, MessageIdRef, MessageView, PropertiesView, Section, Sections,
    SequenceSections, ValueRef,
};
pub use outcome::{Accepted, DeliveryState, Modified, Received, Rejected, Released};
pub use performatives::{Attach, Begin, Close, Detach, Disposition, End, Flow, Open, Performative, Transfer};
pub use read::{Compound, Limits, Reader};
pub use sasl::{SaslChallenge, SaslCode, SaslFrame, SaslInit, SaslMechanisms, SaslOutcome, SaslResponse};
pub use sections::{Header, MessageId, Properties, section};
pub use skip::Descriptor;
pub use tag::DeliveryTag;
pub use terminus::{
    AttachTarget, DeleteOnClose, DeleteOnNoLinks, DeleteOnNoLinksOrMessages, DeleteOnNoMessages, Source,
    Target, TerminusDurability, TerminusExpiryPolicy,
};
pub use transactions::{Coordinator, Declare, Declared, Discharge, TransactionalState};
pub use value::{
    Array, Decimal32, Decimal64, Decimal128, Described, Fields, Map, MixedArray, Primitive, Symbol,
    Timestamp, Uuid, Value, ValueVisitor,
};
pub use visit::{Elements, Scalar, Visitor, visit};
pub use write::Writer;
