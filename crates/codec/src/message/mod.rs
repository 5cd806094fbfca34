//! Messages (3.2): owned, or read in place.

mod body;
mod builder;
mod properties;
mod section_iter;
mod value_ref;
mod view;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

pub use body::Body;
pub use properties::{MessageIdRef, PropertiesView};
pub use section_iter::{Section, Sections};
pub use value_ref::ValueRef;
pub use view::{BodyView, DataSections, MessageView, SequenceSections};

use crate::error::DecodeError;
use crate::{Encode, Header, Limits, Map, MessageId, Properties, Symbol, Timestamp, Value, Writer, section};

/// A message, with everything in memory of its own.
///
/// ```
/// use deuteron_codec::{Message, Value};
///
/// let message = Message::new("hello").with_subject("greeting").with_property("colour", "red");
/// let bytes = message.to_bytes();
///
/// let received = Message::decode(&bytes)?;
/// assert_eq!(received.body_text(), Some("hello"));
/// assert_eq!(received.subject(), Some("greeting"));
/// assert_eq!(received.property("colour"), Some(&Value::from("red")));
/// # Ok::<(), deuteron_codec::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// 3.2.1 How the message is to be transported.
    pub header: Option<Header>,
    /// 3.2.2 For the next hop only.
    pub delivery_annotations: Option<Map>,
    /// 3.2.3 For all who handle the message.
    pub message_annotations: Option<Map>,
    /// 3.2.4 What the sender says about the message.
    pub properties: Option<Properties>,
    /// 3.2.5 What the application says about the message.
    pub application_properties: Option<Map>,
    /// 3.2.6 - 3.2.8 The message itself.
    pub body: Body,
    /// 3.2.9 What can only be said once the body is known: checksums, signatures.
    pub footer: Option<Map>,
}

impl Message {
    /// A message with this body and nothing else.
    #[must_use]
    pub fn new(body: impl Into<Body>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// Appends the encoded message, in one pass.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        if let Some(header) = &self.header {
            header.encode(&mut writer);
        }
        write_map(&mut writer, section::DELIVERY_ANNOTATIONS, self.delivery_annotations.as_ref());
        write_map(&mut writer, section::MESSAGE_ANNOTATIONS, self.message_annotations.as_ref());
        if let Some(properties) = &self.properties {
            properties.encode(&mut writer);
        }
        write_map(&mut writer, section::APPLICATION_PROPERTIES, self.application_properties.as_ref());
        self.body.encode(&mut writer);
        write_map(&mut writer, section::FOOTER, self.footer.as_ref());
    }

    /// The encoded message, in a buffer of its own.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64 + self.body.size_hint());
        self.encode(&mut out);
        out.freeze()
    }

    /// Reads a message, and copies what it holds.
    ///
    /// # Errors
    /// If the bytes are not a message: see [`MessageView::new`].
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        Self::from_view(&MessageView::new(payload)?, Bytes::copy_from_slice)
    }

    /// Reads a message whose data sections share the memory of `payload`.
    ///
    /// # Errors
    /// If the bytes are not a message: see [`MessageView::new`].
    pub fn decode_bytes(payload: Bytes) -> Result<Self, DecodeError> {
        Self::decode_bytes_with_limits(payload, Limits::default())
    }

    /// Reads a message whose data sections share the memory of `payload`, within these limits.
    ///
    /// # Errors
    /// If the bytes are not a message, or exceed a limit.
    #[allow(clippy::needless_pass_by_value, reason = "the payload is shared with the message, not borrowed")]
    pub fn decode_bytes_with_limits(payload: Bytes, limits: Limits) -> Result<Self, DecodeError> {
        Self::from_view(&MessageView::with_limits(&payload, limits)?, |data| payload.slice_ref(data))
    }

    fn from_view(view: &MessageView<'_>, own: impl Fn(&[u8]) -> Bytes) -> Result<Self, DecodeError> {
        Ok(Self {
            header: view.header()?,
            delivery_annotations: view.delivery_annotations()?,
            message_annotations: view.message_annotations()?,
            properties: view.decode_properties()?,
            application_properties: view.application_properties()?,
            body: match view.body() {
                BodyView::Empty => Body::Empty,
                BodyView::Value(value) => Body::from(value.to_value()?),
                BodyView::Data(sections) => Body::Data(sections.map(own).collect()),
                BodyView::Sequence(sections) => Body::Sequence(sections.collect::<Result<_, _>>()?),
            },
            footer: view.footer()?,
        })
    }

    /// What identifies the message.
    #[must_use]
    pub fn id(&self) -> Option<&MessageId> {
        self.properties.as_ref()?.message_id.as_ref()
    }

    /// Who made the message.
    #[must_use]
    pub fn user_id(&self) -> Option<&Bytes> {
        self.properties.as_ref()?.user_id.as_ref()
    }

    /// The address that the message is for.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        self.properties.as_ref()?.to.as_deref()
    }

    /// What the message is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.properties.as_ref()?.subject.as_deref()
    }

    /// The address for answers.
    #[must_use]
    pub fn reply_to(&self) -> Option<&str> {
        self.properties.as_ref()?.reply_to.as_deref()
    }

    /// What the message belongs to: the request that it answers, for example.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&MessageId> {
        self.properties.as_ref()?.correlation_id.as_ref()
    }

    /// The MIME type of the data.
    #[must_use]
    pub fn content_type(&self) -> Option<&Symbol> {
        self.properties.as_ref()?.content_type.as_ref()
    }

    /// How the data is encoded beyond that.
    #[must_use]
    pub fn content_encoding(&self) -> Option<&Symbol> {
        self.properties.as_ref()?.content_encoding.as_ref()
    }

    /// When the message ceases to be of use.
    #[must_use]
    pub fn absolute_expiry_time(&self) -> Option<Timestamp> {
        self.properties.as_ref()?.absolute_expiry_time
    }

    /// When the message was made.
    #[must_use]
    pub fn creation_time(&self) -> Option<Timestamp> {
        self.properties.as_ref()?.creation_time
    }

    /// The group that the message belongs to.
    #[must_use]
    pub fn group_id(&self) -> Option<&str> {
        self.properties.as_ref()?.group_id.as_deref()
    }

    /// The message's place in its group.
    #[must_use]
    pub fn group_sequence(&self) -> Option<u32> {
        self.properties.as_ref()?.group_sequence
    }

    /// The group for answers.
    #[must_use]
    pub fn reply_to_group_id(&self) -> Option<&str> {
        self.properties.as_ref()?.reply_to_group_id.as_deref()
    }

    /// Whether the message must survive a restart of those who hold it.
    #[must_use]
    pub fn durable(&self) -> bool {
        self.header.unwrap_or_default().durable
    }

    /// Higher numbers may be delivered first. 4 unless the sender says otherwise.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.header.unwrap_or_default().priority
    }

    /// For how long the message is of use; `None` for as long as it takes.
    #[must_use]
    pub fn ttl(&self) -> Option<Duration> {
        self.header?.ttl.map(|millis| Duration::from_millis(millis.into()))
    }

    /// Whether nobody has acquired the message before.
    #[must_use]
    pub fn first_acquirer(&self) -> bool {
        self.header.unwrap_or_default().first_acquirer
    }

    /// How many attempts to deliver the message have failed.
    #[must_use]
    pub fn delivery_count(&self) -> u32 {
        self.header.unwrap_or_default().delivery_count
    }

    /// An application property.
    #[must_use]
    pub fn property(&self, key: &str) -> Option<&Value> {
        self.application_properties.as_ref()?.get(key)
    }

    /// A message annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&Value> {
        self.message_annotations.as_ref()?.get(key)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body's text: see [`Body::as_text`].
    #[must_use]
    pub fn body_text(&self) -> Option<&str> {
        self.body.as_text()
    }

    /// The body's bytes: see [`Body::to_bytes`].
    #[must_use]
    pub fn body_bytes(&self) -> Option<Bytes> {
        self.body.to_bytes()
    }
}

fn write_map(writer: &mut Writer<'_>, code: u64, map: Option<&Map>) {
    if let Some(map) = map {
        writer.descriptor(code);
        map.encode(writer);
    }
}
