//! Names in selectors, and where a message has what they stand for.

use std::borrow::Cow;
use std::cell::OnceCell;

use deuteron::codec::{Header, MessageIdRef, MessageView, PropertiesView, Timestamp};

use super::value::Value;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    /// 3.2.5 An application property.
    Property(Box<str>),
    /// 3.2.3 A message annotation.
    Annotation(Box<str>),
    // 3.2.1
    Durable,
    Priority,
    Ttl,
    FirstAcquirer,
    DeliveryCount,
    // 3.2.4
    MessageId,
    UserId,
    To,
    Subject,
    ReplyTo,
    CorrelationId,
    ContentType,
    ContentEncoding,
    AbsoluteExpiryTime,
    CreationTime,
    GroupId,
    GroupSequence,
    ReplyToGroupId,
    // As JMS has them, where that is different.
    DeliveryMode,
    MessageIdText,
    CorrelationIdText,
    Expiration,
    Redelivered,
    DeliveryNumber,
    // As Artemis has them, where that is different.
    DurableText,
    Size,
}

/// Names by which AMQP calls the fields of the header and the properties, with underscores for
/// dashes.
const AMQP: [(&str, Field); 18] = [
    ("durable", Field::Durable),
    ("priority", Field::Priority),
    ("ttl", Field::Ttl),
    ("first_acquirer", Field::FirstAcquirer),
    ("delivery_count", Field::DeliveryCount),
    ("message_id", Field::MessageId),
    ("user_id", Field::UserId),
    ("to", Field::To),
    ("subject", Field::Subject),
    ("reply_to", Field::ReplyTo),
    ("correlation_id", Field::CorrelationId),
    ("content_type", Field::ContentType),
    ("content_encoding", Field::ContentEncoding),
    ("absolute_expiry_time", Field::AbsoluteExpiryTime),
    ("creation_time", Field::CreationTime),
    ("group_id", Field::GroupId),
    ("group_sequence", Field::GroupSequence),
    ("reply_to_group_id", Field::ReplyToGroupId),
];

/// How many of them are in the header.
const HEADER_FIELDS: usize = 5;

/// Names that JMS gives them, and Artemis.
const JMS: [(&str, Field); 22] = [
    ("JMSDeliveryMode", Field::DeliveryMode),
    ("JMSPriority", Field::Priority),
    ("JMSMessageID", Field::MessageIdText),
    ("JMSTimestamp", Field::CreationTime),
    ("JMSCorrelationID", Field::CorrelationIdText),
    ("JMSType", Field::Subject),
    ("JMSExpiration", Field::Expiration),
    ("JMSDestination", Field::To),
    ("JMSReplyTo", Field::ReplyTo),
    ("JMSRedelivered", Field::Redelivered),
    ("JMSXDeliveryCount", Field::DeliveryNumber),
    ("JMSXGroupID", Field::GroupId),
    ("JMSXGroupSeq", Field::GroupSequence),
    ("JMSXUserID", Field::UserId),
    ("AMQUserID", Field::MessageIdText),
    ("AMQPriority", Field::Priority),
    ("AMQTimestamp", Field::CreationTime),
    ("AMQExpiration", Field::Expiration),
    ("AMQDurable", Field::DurableText),
    ("AMQAddress", Field::To),
    ("AMQGroupID", Field::GroupId),
    ("AMQSize", Field::Size),
];

impl Field {
    /// What is called so. Names that mean nothing else are those of application properties.
    pub(super) fn named(name: &str) -> Self {
        let field = || {
            if let Some((_, field)) = JMS.iter().find(|(known, _)| *known == name) {
                return Some(field.clone());
            }
            let (section, field) = name.split_once('.')?;
            let fields = match section {
                "amqp" => &AMQP[..],
                "header" => &AMQP[..HEADER_FIELDS],
                "properties" => &AMQP[HEADER_FIELDS..],
                "application_properties" | "application-properties" if !field.is_empty() => {
                    return Some(Self::Property(field.into()));
                }
                "message_annotations" | "message-annotations" if !field.is_empty() => {
                    return Some(Self::Annotation(field.into()));
                }
                _ => return None,
            };
            let field = field.replace('-', "_");
            fields.iter().find(|(known, _)| *known == field).map(|(_, field)| field.clone())
        };
        field().unwrap_or_else(|| Self::Property(name.into()))
    }
}

/// A message's fields, decoded once they are asked for.
pub(super) struct Fields<'a> {
    view: &'a MessageView<'a>,
    /// Failed attempts to deliver it that its header does not tell of.
    failures: u32,
    header: OnceCell<Header>,
    properties: OnceCell<PropertiesView<'a>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(view: &'a MessageView<'a>, failures: u32) -> Self {
        Self { view, failures, header: OnceCell::new(), properties: OnceCell::new() }
    }

    /// A header that is absent has its defaults; one that is malformed is treated as absent.
    fn header(&self) -> &Header {
        self.header.get_or_init(|| self.view.header().ok().flatten().unwrap_or_default())
    }

    fn properties(&self) -> &PropertiesView<'a> {
        self.properties.get_or_init(|| self.view.properties().unwrap_or_default())
    }

    fn delivery_count(&self) -> u32 {
        self.header().delivery_count.saturating_add(self.failures)
    }

    pub(super) fn value<'v>(&'v self, field: &'v Field) -> Value<'v> {
        match field {
            Field::Property(name) => found(self.view.application_property(name).ok().flatten()),
            Field::Annotation(name) => found(self.view.message_annotation(name).ok().flatten()),
            Field::MessageId
            | Field::UserId
            | Field::To
            | Field::Subject
            | Field::ReplyTo
            | Field::CorrelationId
            | Field::ContentType
            | Field::ContentEncoding
            | Field::AbsoluteExpiryTime
            | Field::CreationTime
            | Field::GroupId
            | Field::GroupSequence
            | Field::ReplyToGroupId => self.property(field),
            Field::Durable => Value::Boolean(self.header().durable),
            Field::Priority => Value::Exact(self.header().priority.into()),
            Field::Ttl => exact(self.header().ttl),
            Field::FirstAcquirer => Value::Boolean(self.header().first_acquirer),
            Field::DeliveryCount => Value::Exact(self.delivery_count().into()),
            Field::DeliveryMode if self.header().durable => Value::text("PERSISTENT"),
            Field::DeliveryMode => Value::text("NON_PERSISTENT"),
            Field::DurableText if self.header().durable => Value::text("DURABLE"),
            Field::DurableText => Value::text("NON_DURABLE"),
            Field::MessageIdText => id_text(self.properties().message_id),
            Field::CorrelationIdText => id_text(self.properties().correlation_id),
            // 0 is never.
            Field::Expiration => {
                Value::Exact(self.properties().absolute_expiry_time.map_or(0, |time| time.0.into()))
            }
            Field::Redelivered => Value::Boolean(self.delivery_count() > 0),
            Field::DeliveryNumber => Value::Exact(i128::from(self.delivery_count()) + 1),
            Field::Size => Value::Exact(self.view.payload().len() as i128),
        }
    }

    /// A field of the properties section (3.2.4).
    fn property(&self, field: &Field) -> Value<'a> {
        let properties = self.properties();
        match field {
            Field::MessageId => id(properties.message_id),
            Field::UserId => text(properties.user_id.and_then(|id| std::str::from_utf8(id).ok())),
            Field::To => text(properties.to),
            Field::Subject => text(properties.subject),
            Field::ReplyTo => text(properties.reply_to),
            Field::CorrelationId => id(properties.correlation_id),
            Field::ContentType => text(properties.content_type),
            Field::ContentEncoding => text(properties.content_encoding),
            Field::AbsoluteExpiryTime => time(properties.absolute_expiry_time),
            Field::CreationTime => time(properties.creation_time),
            Field::GroupId => text(properties.group_id),
            Field::GroupSequence => exact(properties.group_sequence),
            Field::ReplyToGroupId => text(properties.reply_to_group_id),
            _ => Value::Null,
        }
    }
}

fn found(value: Option<deuteron::codec::ValueRef<'_>>) -> Value<'_> {
    value.map_or(Value::Null, |value| Value::of_scalar(value.as_scalar()))
}

fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Null, Value::text)
}

fn exact<'a>(number: Option<u32>) -> Value<'a> {
    number.map_or(Value::Null, |number| Value::Exact(number.into()))
}

fn time<'a>(time: Option<Timestamp>) -> Value<'a> {
    time.map_or(Value::Null, |time| Value::Exact(time.0.into()))
}

/// As AMQP has it.
fn id(id: Option<MessageIdRef<'_>>) -> Value<'_> {
    match id {
        None => Value::Null,
        Some(MessageIdRef::Ulong(id)) => Value::Exact(id.into()),
        Some(MessageIdRef::Uuid(id)) => Value::Text(Cow::Owned(id.to_string())),
        Some(MessageIdRef::Binary(_)) => Value::Opaque,
        Some(MessageIdRef::String(id)) => Value::text(id),
    }
}

/// As JMS has it: always text. Types other than strings show by the prefix that JMS clients put
/// before them.
fn id_text(id: Option<MessageIdRef<'_>>) -> Value<'_> {
    match id {
        None => Value::Null,
        Some(MessageIdRef::Ulong(id)) => Value::Text(Cow::Owned(format!("ID:AMQP_ULONG:{id}"))),
        Some(MessageIdRef::Uuid(id)) => Value::Text(Cow::Owned(format!("ID:AMQP_UUID:{id}"))),
        Some(MessageIdRef::Binary(id)) => {
            let digits: String = id.iter().map(|byte| format!("{byte:02X}")).collect();
            Value::Text(Cow::Owned(format!("ID:AMQP_BINARY:{digits}")))
        }
        Some(MessageIdRef::String(id)) => Value::text(id),
    }
}
