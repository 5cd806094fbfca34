//! Building messages step by step.

use std::time::Duration;

use bytes::Bytes;

use super::{Body, Message};
use crate::{Header, Map, MessageId, Properties, Symbol, Timestamp, Value};

/// Setters for fields of [`Properties`].
macro_rules! with_properties {
    ($($(#[$meta:meta])* $name:ident: $field:ident($type:ty);)*) => {
        /// Building: each method returns the message, so that calls can be chained.
        impl Message {
            $(
                $(#[$meta])*
                #[must_use]
                pub fn $name(mut self, value: impl Into<$type>) -> Self {
                    self.properties_mut().$field = Some(value.into());
                    self
                }
            )*
        }
    };
}

with_properties! {
    /// Sets what identifies the message.
    with_id: message_id(MessageId);
    /// Sets who made the message. Brokers may insist on the user who is logged in.
    with_user_id: user_id(Bytes);
    /// Sets the address that the message is for.
    with_to: to(String);
    /// Sets what the message is about.
    with_subject: subject(String);
    /// Sets the address for answers.
    with_reply_to: reply_to(String);
    /// Sets what the message belongs to: the request that it answers, for example.
    with_correlation_id: correlation_id(MessageId);
    /// Sets the MIME type of the data.
    with_content_type: content_type(Symbol);
    /// Sets how the data is encoded beyond that.
    with_content_encoding: content_encoding(Symbol);
    /// Sets when the message ceases to be of use.
    with_absolute_expiry_time: absolute_expiry_time(Timestamp);
    /// Sets when the message was made.
    with_creation_time: creation_time(Timestamp);
    /// Sets the group that the message belongs to.
    with_group_id: group_id(String);
    /// Sets the message's place in its group.
    with_group_sequence: group_sequence(u32);
    /// Sets the group for answers.
    with_reply_to_group_id: reply_to_group_id(String);
}

impl Message {
    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets whether the message must survive a restart of those who hold it.
    #[must_use]
    pub fn with_durable(mut self, durable: bool) -> Self {
        self.header_mut().durable = durable;
        self
    }

    /// Sets the priority; higher numbers may be delivered first, 4 is usual.
    #[must_use]
    pub fn with_priority(mut self, priority: u8) -> Self {
        self.header_mut().priority = priority;
        self
    }

    /// Sets for how long the message is of use, in whole milliseconds; at most 49 days fit.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.header_mut().ttl = Some(u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sets whether nobody has acquired the message before.
    #[must_use]
    pub fn with_first_acquirer(mut self, first_acquirer: bool) -> Self {
        self.header_mut().first_acquirer = first_acquirer;
        self
    }

    /// Sets how many attempts to deliver the message have failed.
    #[must_use]
    pub fn with_delivery_count(mut self, delivery_count: u32) -> Self {
        self.header_mut().delivery_count = delivery_count;
        self
    }

    /// Sets an application property. Values should be of types that hold no others (3.2.5).
    #[must_use]
    pub fn with_property(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.application_properties.get_or_insert_with(Map::new).insert(key.into(), value);
        self
    }

    /// Sets a message annotation, for all who handle the message.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<Symbol>, value: impl Into<Value>) -> Self {
        self.message_annotations.get_or_insert_with(Map::new).insert(key.into(), value);
        self
    }

    /// Sets a delivery annotation, for the next hop only.
    #[must_use]
    pub fn with_delivery_annotation(mut self, key: impl Into<Symbol>, value: impl Into<Value>) -> Self {
        self.delivery_annotations.get_or_insert_with(Map::new).insert(key.into(), value);
        self
    }

    /// Sets an entry of the footer.
    #[must_use]
    pub fn with_footer(mut self, key: impl Into<Symbol>, value: impl Into<Value>) -> Self {
        self.footer.get_or_insert_with(Map::new).insert(key.into(), value);
        self
    }

    /// The header, made if there was none.
    pub fn header_mut(&mut self) -> &mut Header {
        self.header.get_or_insert_with(Header::default)
    }

    /// The properties, made if there were none.
    pub fn properties_mut(&mut self) -> &mut Properties {
        self.properties.get_or_insert_with(Properties::default)
    }
}
