//! AMQP 1.0 types, performatives and messages: bytes and tables, nothing else.

#[macro_use]
mod composite;

mod codes;
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
