//! Strategies that make values of the codec's types.
#![allow(dead_code, reason = "each test file uses some of them")]

use bytes::Bytes;
use deuteron_codec::{
    Array, Body, Decimal32, Decimal64, Decimal128, Declared, DeliveryState, DeliveryTag, Described,
    Disposition, Encode, Error, Flow, Header, Map, Message, MessageId, Modified, Primitive, Properties,
    Received, ReceiverSettleMode, Role, Symbol, Timestamp, TransactionalState, Transfer, Uuid, Value,
    to_bytes,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn symbol() -> impl Strategy<Value = Symbol> + Clone {
    "[ -~]{0,20}".prop_map(Symbol::from)
}

pub(crate) fn binary() -> impl Strategy<Value = Bytes> + Clone {
    prop_oneof![9 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 250..300)].prop_map(Bytes::from)
}

/// A value of one type that holds no others.
fn scalar_of(primitive: Primitive) -> BoxedStrategy<Value> {
    match primitive {
        Primitive::Null => Just(Value::Null).boxed(),
        Primitive::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Primitive::Ubyte => any::<u8>().prop_map(Value::from).boxed(),
        Primitive::Ushort => any::<u16>().prop_map(Value::from).boxed(),
        Primitive::Uint => prop_oneof![any::<u32>(), 0..300_u32].prop_map(Value::from).boxed(),
        Primitive::Ulong => prop_oneof![any::<u64>(), 0..300_u64].prop_map(Value::from).boxed(),
        Primitive::Byte => any::<i8>().prop_map(Value::from).boxed(),
        Primitive::Short => any::<i16>().prop_map(Value::from).boxed(),
        Primitive::Int => prop_oneof![any::<i32>(), -200..200_i32].prop_map(Value::from).boxed(),
        Primitive::Long => prop_oneof![any::<i64>(), -200..200_i64].prop_map(Value::from).boxed(),
        Primitive::Float => any::<u32>().prop_map(|bits| Value::Float(f32::from_bits(bits))).boxed(),
        Primitive::Double => any::<u64>().prop_map(|bits| Value::Double(f64::from_bits(bits))).boxed(),
        Primitive::Decimal32 => any::<[u8; 4]>().prop_map(|bytes| Decimal32(bytes).into()).boxed(),
        Primitive::Decimal64 => any::<[u8; 8]>().prop_map(|bytes| Decimal64(bytes).into()).boxed(),
        Primitive::Decimal128 => any::<[u8; 16]>().prop_map(|bytes| Decimal128(bytes).into()).boxed(),
        Primitive::Char => any::<char>().prop_map(Value::from).boxed(),
        Primitive::Timestamp => any::<i64>().prop_map(|millis| Timestamp(millis).into()).boxed(),
        Primitive::Uuid => any::<[u8; 16]>().prop_map(|bytes| Uuid(bytes).into()).boxed(),
        Primitive::Binary => binary().prop_map(Value::from).boxed(),
        Primitive::String => ".{0,20}".prop_map(Value::from).boxed(),
        Primitive::Symbol => symbol().prop_map(Value::from).boxed(),
        Primitive::List | Primitive::Map | Primitive::Array => panic!("{primitive:?} is no scalar"),
    }
}

fn scalar_type() -> impl Strategy<Value = Primitive> {
    use Primitive::*;
    proptest::sample::select(vec![
        Null, Boolean, Ubyte, Ushort, Uint, Ulong, Byte, Short, Int, Long, Float, Double, Decimal32,
        Decimal64, Decimal128, Char, Timestamp, Uuid, Binary, String, Symbol,
    ])
}

pub(crate) fn scalar() -> impl Strategy<Value = Value> {
    scalar_type().prop_flat_map(scalar_of)
}

fn scalar_array() -> impl Strategy<Value = Array> {
    let descriptors = prop_oneof![4 => vec(scalar(), 0..2), 1 => vec(scalar(), 2..4)];
    (scalar_type(), descriptors).prop_flat_map(|(primitive, descriptors)| {
        vec(scalar_of(primitive), 0..5).prop_map(move |elements| {
            Array::with_descriptors(descriptors.clone(), primitive, elements).unwrap()
        })
    })
}

fn map_of(value: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Map> {
    vec((value.clone(), value), 0..4).prop_map(|entries| {
        let mut map = Map::new();
        for (key, value) in entries {
            map.push(key, value);
        }
        map
    })
}

/// Keeps the elements that have the type of the first one.
fn compound_array(primitive: Primitive, elements: Vec<Value>) -> Value {
    let elements = elements.into_iter().filter(|element| Primitive::of(element) == Some(primitive)).collect();
    Array::new(primitive, elements).unwrap().into()
}

pub(crate) fn value() -> impl Strategy<Value = Value> + Clone {
    let leaf = prop_oneof![4 => scalar(), 1 => scalar_array().prop_map(Value::from)];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let compound = proptest::sample::select(vec![Primitive::List, Primitive::Map, Primitive::Array]);
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::List),
            map_of(inner.clone()).prop_map(Value::Map),
            (inner.clone(), inner.clone())
                .prop_map(|(descriptor, value)| Described::new(descriptor, value).into()),
            (compound, vec(inner, 0..6))
                .prop_map(|(primitive, elements)| compound_array(primitive, elements)),
        ]
    })
}

fn fields() -> impl Strategy<Value = Map> + Clone {
    vec((symbol(), "[a-z]{0,9}"), 0..4).prop_map(Map::from_iter)
}

fn error() -> impl Strategy<Value = Error> {
    (symbol(), option::of(".{0,30}"), option::of(fields())).prop_map(|(condition, description, info)| Error {
        condition,
        description,
        info,
    })
}

pub(crate) fn outcome() -> impl Strategy<Value = DeliveryState> {
    prop_oneof![
        Just(DeliveryState::Accepted),
        Just(DeliveryState::Released),
        option::of(error()).prop_map(|error| DeliveryState::Rejected(error.map(Box::new))),
        (any::<bool>(), any::<bool>(), option::of(fields())).prop_map(|(failed, here, annotations)| {
            Modified { delivery_failed: failed, undeliverable_here: here, message_annotations: annotations }
                .into()
        }),
        binary().prop_map(|txn_id| Declared { txn_id }.into()),
    ]
}

pub(crate) fn delivery_state() -> impl Strategy<Value = DeliveryState> {
    prop_oneof![
        4 => outcome(),
        1 => any::<(u32, u64)>().prop_map(|(section_number, section_offset)| {
            Received { section_number, section_offset }.into()
        }),
        1 => (binary(), option::of(outcome())).prop_map(|(txn_id, outcome)| {
            TransactionalState { txn_id, outcome }.into()
        }),
        1 => value().prop_map(|value| DeliveryState::Custom(Box::new(Described::new(Symbol::from("a:b"), value)))),
    ]
}

pub(crate) fn transfer() -> impl Strategy<Value = Transfer> {
    let tag = vec(any::<u8>(), 0..=32).prop_map(|tag| DeliveryTag::new(&tag).unwrap());
    let mode = prop_oneof![Just(ReceiverSettleMode::First), Just(ReceiverSettleMode::Second)];
    (
        (any::<u32>(), any::<Option<u32>>(), option::of(tag), any::<Option<u32>>(), any::<Option<bool>>()),
        (any::<bool>(), option::of(mode), option::of(delivery_state()), any::<[bool; 3]>()),
    )
        .prop_map(
            |((handle, delivery_id, delivery_tag, message_format, settled), (more, mode, state, flags))| {
                let [resume, aborted, batchable] = flags;
                let rcv_settle_mode = mode;
                Transfer {
                    handle,
                    delivery_id,
                    delivery_tag,
                    message_format,
                    settled,
                    more,
                    rcv_settle_mode,
                    state,
                    resume,
                    aborted,
                    batchable,
                }
            },
        )
}

pub(crate) fn flow() -> impl Strategy<Value = Flow> {
    (any::<[u32; 3]>(), any::<[Option<u32>; 5]>(), any::<[bool; 2]>(), option::of(fields())).prop_map(
        |([incoming_window, next_outgoing_id, outgoing_window], optional, [drain, echo], properties)| {
            let [next_incoming_id, handle, delivery_count, link_credit, available] = optional;
            Flow {
                next_incoming_id,
                incoming_window,
                next_outgoing_id,
                outgoing_window,
                handle,
                delivery_count,
                link_credit,
                available,
                drain,
                echo,
                properties,
            }
        },
    )
}

pub(crate) fn disposition() -> impl Strategy<Value = Disposition> {
    (any::<bool>(), any::<u32>(), any::<Option<u32>>(), any::<[bool; 2]>(), option::of(delivery_state()))
        .prop_map(|(receiver, first, last, [settled, batchable], state)| {
            let role = if receiver { Role::Receiver } else { Role::Sender };
            Disposition { role, first, last, settled, state, batchable }
        })
}

fn message_id() -> impl Strategy<Value = MessageId> {
    prop_oneof![
        any::<u64>().prop_map(MessageId::Ulong),
        any::<[u8; 16]>().prop_map(|bytes| MessageId::Uuid(Uuid(bytes))),
        binary().prop_map(MessageId::Binary),
        ".{0,20}".prop_map(MessageId::String),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    (any::<[bool; 2]>(), any::<u8>(), any::<Option<u32>>(), any::<u32>()).prop_map(
        |([durable, first_acquirer], priority, ttl, delivery_count)| Header {
            durable,
            priority,
            ttl,
            first_acquirer,
            delivery_count,
        },
    )
}

fn properties() -> impl Strategy<Value = Properties> {
    let text = || option::of(".{0,20}");
    let time = || any::<Option<i64>>().prop_map(|millis| millis.map(Timestamp));
    (
        (option::of(message_id()), option::of(binary()), text(), text(), text(), option::of(message_id())),
        (option::of(symbol()), option::of(symbol()), time(), time(), text(), any::<Option<u32>>(), text()),
    )
        .prop_map(|(first, second)| Properties {
            message_id: first.0,
            user_id: first.1,
            to: first.2,
            subject: first.3,
            reply_to: first.4,
            correlation_id: first.5,
            content_type: second.0,
            content_encoding: second.1,
            absolute_expiry_time: second.2,
            creation_time: second.3,
            group_id: second.4,
            group_sequence: second.5,
            reply_to_group_id: second.6,
        })
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        value().prop_map(Body::from),
        vec(binary(), 1..4).prop_map(Body::Data),
        vec(vec(value(), 0..3), 1..3).prop_map(Body::Sequence),
    ]
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let annotations = || option::of(map_of(value()));
    (
        option::of(header()),
        annotations(),
        annotations(),
        option::of(properties()),
        option::of(vec((".{0,9}", scalar()), 0..4).prop_map(Map::from_iter)),
        body(),
        annotations(),
    )
        .prop_map(|parts| Message {
            header: parts.0,
            delivery_annotations: parts.1,
            message_annotations: parts.2,
            properties: parts.3,
            application_properties: parts.4,
            body: parts.5,
            footer: parts.6,
        })
}

/// An encoded value with some bytes overwritten: nearly right is what finds mistakes.
pub(crate) fn damaged<T: Encode>(original: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<u8>> {
    (original, vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)).prop_map(|(original, damages)| {
        let mut bytes = to_bytes(&original).to_vec();
        for (index, byte) in damages {
            let length = bytes.len();
            bytes[index.index(length)] = byte;
        }
        bytes
    })
}
