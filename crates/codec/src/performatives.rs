//! The nine performatives (2.7), as tables.

use crate::error::DecodeError;
use crate::skip::{Descriptor, unexpected_descriptor};
use crate::{
    AttachTarget, Decode, DeliveryState, DeliveryTag, Encode, Error, Map, Reader, ReceiverSettleMode, Role,
    SenderSettleMode, Source, Symbol, Writer,
};

composite! {
    /// 2.7.1 Negotiates a connection.
    pub struct Open = 0x10 "amqp:open:list" {
        /// Names the container that opens the connection.
        container_id: String as "string" [mandatory],
        /// The host that the opener wants to reach.
        hostname: Option<String> as "string" [optional],
        /// The largest frame that the opener takes, in bytes.
        max_frame_size: u32 as "uint" [default 4294967295],
        /// The highest channel number that the opener takes.
        channel_max: u16 as "ushort" [default 65535],
        /// After how many milliseconds of silence the opener gives up.
        idle_time_out: Option<u32> as "milliseconds" [optional],
        /// Locales that the opener can send texts in.
        outgoing_locales: Vec<Symbol> as "ietf-language-tag" [multiple],
        /// Locales that the opener wants texts in, best first.
        incoming_locales: Vec<Symbol> as "ietf-language-tag" [multiple],
        /// Extensions that the opener can do.
        offered_capabilities: Vec<Symbol> as "symbol" [multiple],
        /// Extensions that the opener would like to use.
        desired_capabilities: Vec<Symbol> as "symbol" [multiple],
        /// More about the connection.
        properties: Option<Map> as "fields" [optional],
    }
}

composite! {
    /// 2.7.2 Begins a session on a channel.
    pub struct Begin = 0x11 "amqp:begin:list" {
        /// The channel on which the peer began the session that this answers.
        remote_channel: Option<u16> as "ushort" [optional],
        /// The transfer-id of the next transfer.
        next_outgoing_id: u32 as "transfer-number" [mandatory],
        /// How many transfers may come in.
        incoming_window: u32 as "uint" [mandatory],
        /// How many transfers may go out.
        outgoing_window: u32 as "uint" [mandatory],
        /// The highest handle that may be used on the session.
        handle_max: u32 as "handle" [default 4294967295],
        /// Extensions that can be used.
        offered_capabilities: Vec<Symbol> as "symbol" [multiple],
        /// Extensions that are wanted.
        desired_capabilities: Vec<Symbol> as "symbol" [multiple],
        /// More about the session.
        properties: Option<Map> as "fields" [optional],
    }
}

composite! {
    /// 2.7.3 Attaches a link to a session.
    pub struct Attach = 0x12 "amqp:attach:list" {
        /// Names the link.
        name: String as "string" [mandatory],
        /// The number that stands for the link on this session.
        handle: u32 as "handle" [mandatory],
        /// Which end of the link attaches.
        role: Role as "role" [mandatory],
        /// Whether the sender settles what it sends.
        snd_settle_mode: SenderSettleMode as "sender-settle-mode" [default SenderSettleMode::Mixed],
        /// When the receiver settles.
        rcv_settle_mode: ReceiverSettleMode as "receiver-settle-mode" [default ReceiverSettleMode::First],
        /// Where messages come from. Absent in an answer that refuses the link.
        source: Option<Box<Source>> as "*" [optional],
        /// Where messages go to. Absent in an answer that refuses the link.
        target: Option<Box<AttachTarget>> as "*" [optional],
        /// Deliveries that are unsettled at this end: delivery-tags with their states.
        unsettled: Option<Map> as "map" [optional],
        /// Whether `unsettled` holds only a part of them.
        incomplete_unsettled: bool as "boolean" [default false],
        /// The sender's delivery-count at the start; senders must give it.
        initial_delivery_count: Option<u32> as "sequence-no" [optional],
        /// The largest message that this end takes, in bytes; 0 or absent for no limit.
        max_message_size: Option<u64> as "ulong" [optional],
        /// Extensions that can be used.
        offered_capabilities: Vec<Symbol> as "symbol" [multiple],
        /// Extensions that are wanted.
        desired_capabilities: Vec<Symbol> as "symbol" [multiple],
        /// More about the link.
        properties: Option<Map> as "fields" [optional],
    }
}

composite! {
    /// 2.7.4 Updates the flow state of a session, and of a link if it names one.
    pub struct Flow = 0x13 "amqp:flow:list" {
        /// The transfer-id that is expected next; absent until the peer's begin was seen.
        next_incoming_id: Option<u32> as "transfer-number" [optional],
        /// How many transfers may come in.
        incoming_window: u32 as "uint" [mandatory],
        /// The transfer-id of the next transfer.
        next_outgoing_id: u32 as "transfer-number" [mandatory],
        /// How many transfers may go out.
        outgoing_window: u32 as "uint" [mandatory],
        /// The link that this is about, if any.
        handle: Option<u32> as "handle" [optional],
        /// The link's delivery-count.
        delivery_count: Option<u32> as "sequence-no" [optional],
        /// How many messages the receiver will take beyond `delivery_count`.
        link_credit: Option<u32> as "uint" [optional],
        /// How many messages the sender has waiting.
        available: Option<u32> as "uint" [optional],
        /// Whether credit that cannot be used at once is to be used up.
        drain: bool as "boolean" [default false],
        /// Whether the peer is asked to answer with a flow of its own.
        echo: bool as "boolean" [default false],
        /// More about the state of the link.
        properties: Option<Map> as "fields" [optional],
    }
}

composite! {
    /// 2.7.5 Transfers a message, or a part of one. The payload follows it in the frame.
    pub struct Transfer = 0x14 "amqp:transfer:list" {
        /// The link that the message is sent on.
        handle: u32 as "handle" [mandatory],
        /// Numbers the delivery on this session; mandatory in the first transfer of a delivery.
        delivery_id: Option<u32> as "delivery-number" [optional],
        /// Names the delivery; mandatory in the first transfer of a delivery.
        delivery_tag: Option<DeliveryTag> as "delivery-tag" [optional],
        /// The format of the message, 0 for AMQP's; mandatory in the first transfer of a delivery.
        message_format: Option<u32> as "message-format" [optional],
        /// Whether the sender has settled the delivery; absent for no, or as an earlier transfer said.
        settled: Option<bool> as "boolean" [optional],
        /// Whether more transfers follow for this delivery.
        more: bool as "boolean" [default false],
        /// When the receiver is to settle this delivery, if not as the link says.
        rcv_settle_mode: Option<ReceiverSettleMode> as "receiver-settle-mode" [optional],
        /// The state of the delivery at the sender.
        state: Option<DeliveryState> as "*" [optional],
        /// Whether this goes on with a delivery that an earlier attachment of the link began.
        resume: bool as "boolean" [default false],
        /// Whether the sender gave the delivery up; the receiver drops what it has of it.
        aborted: bool as "boolean" [default false],
        /// Whether the receiver may wait with its answer to join it with others.
        batchable: bool as "boolean" [default false],
    }
}

composite! {
    /// 2.7.6 Tells the state of deliveries to the other end of their link.
    pub struct Disposition = 0x15 "amqp:disposition:list" {
        /// Which end of the link tells.
        role: Role as "role" [mandatory],
        /// The first delivery.
        first: u32 as "delivery-number" [mandatory],
        /// The last delivery; absent if it is the first.
        last: Option<u32> as "delivery-number" [optional],
        /// Whether the deliveries are settled.
        settled: bool as "boolean" [default false],
        /// Their state.
        state: Option<DeliveryState> as "*" [optional],
        /// Whether the other end may wait with its answer to join it with others.
        batchable: bool as "boolean" [default false],
    }
}

composite! {
    /// 2.7.7 Detaches a link from its session.
    pub struct Detach = 0x16 "amqp:detach:list" {
        /// The link.
        handle: u32 as "handle" [mandatory],
        /// Whether the link is closed for good.
        closed: bool as "boolean" [default false],
        /// Why, if something is wrong.
        error: Option<Error> as "error" [optional],
    }
}

composite! {
    /// 2.7.8 Ends a session.
    pub struct End = 0x17 "amqp:end:list" {
        /// Why, if something is wrong.
        error: Option<Error> as "error" [optional],
    }
}

composite! {
    /// 2.7.9 Closes a connection.
    pub struct Close = 0x18 "amqp:close:list" {
        /// Why, if something is wrong.
        error: Option<Error> as "error" [optional],
    }
}

/// 2.7 The performative of an AMQP frame. The frequent ones are inline, the others boxed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a transfer on the stack is what makes it free")]
pub enum Performative {
    /// 2.7.1 Negotiates a connection.
    Open(Box<Open>),
    /// 2.7.2 Begins a session.
    Begin(Box<Begin>),
    /// 2.7.3 Attaches a link.
    Attach(Box<Attach>),
    /// 2.7.4 Updates flow state.
    Flow(Flow),
    /// 2.7.5 Transfers a message.
    Transfer(Transfer),
    /// 2.7.6 Tells the state of deliveries.
    Disposition(Disposition),
    /// 2.7.7 Detaches a link.
    Detach(Box<Detach>),
    /// 2.7.8 Ends a session.
    End(Box<End>),
    /// 2.7.9 Closes a connection.
    Close(Box<Close>),
}

impl Performative {
    /// The performative's name, like `open`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Begin(_) => "begin",
            Self::Attach(_) => "attach",
            Self::Flow(_) => "flow",
            Self::Transfer(_) => "transfer",
            Self::Disposition(_) => "disposition",
            Self::Detach(_) => "detach",
            Self::End(_) => "end",
            Self::Close(_) => "close",
        }
    }
}

impl<'a> Decode<'a> for Performative {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        match reader.read_known_descriptor("a performative")? {
            Transfer::CODE => Transfer::decode_list(reader).map(Self::Transfer),
            Disposition::CODE => Disposition::decode_list(reader).map(Self::Disposition),
            Flow::CODE => Flow::decode_list(reader).map(Self::Flow),
            code => Self::decode_rare(reader, code, at),
        }
    }
}

impl Performative {
    #[cold]
    fn decode_rare(reader: &mut Reader<'_>, code: u64, at: usize) -> Result<Self, DecodeError> {
        Ok(match code {
            Open::CODE => Self::Open(Box::new(Open::decode_list(reader)?)),
            Begin::CODE => Self::Begin(Box::new(Begin::decode_list(reader)?)),
            Attach::CODE => Self::Attach(Box::new(Attach::decode_list(reader)?)),
            Detach::CODE => Self::Detach(Box::new(Detach::decode_list(reader)?)),
            End::CODE => Self::End(Box::new(End::decode_list(reader)?)),
            Close::CODE => Self::Close(Box::new(Close::decode_list(reader)?)),
            code => return Err(unexpected_descriptor("a performative", Descriptor::Code(code), at)),
        })
    }
}

impl Encode for Performative {
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Open(open) => open.encode(writer),
            Self::Begin(begin) => begin.encode(writer),
            Self::Attach(attach) => attach.encode(writer),
            Self::Flow(flow) => flow.encode(writer),
            Self::Transfer(transfer) => transfer.encode(writer),
            Self::Disposition(disposition) => disposition.encode(writer),
            Self::Detach(detach) => detach.encode(writer),
            Self::End(end) => end.encode(writer),
            Self::Close(close) => close.encode(writer),
        }
    }
}

macro_rules! from_performatives {
    ($($name:ident: $wrap:expr,)*) => {
        $(impl From<$name> for Performative {
            #[inline]
            fn from(performative: $name) -> Self {
                Self::$name($wrap(performative))
            }
        })*
    };
}

from_performatives! {
    Open: Box::new,
    Begin: Box::new,
    Attach: Box::new,
    Flow: std::convert::identity,
    Transfer: std::convert::identity,
    Disposition: std::convert::identity,
    Detach: Box::new,
    End: Box::new,
    Close: Box::new,
}
