//! Names for messages, by which a server knows those that it has had before.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use deuteron_codec::{Map, Message, Value};

use crate::Sendable;

/// The application property by which Artemis finds duplicates.
const PROPERTY: &str = "_AMQ_DUPL_ID";

/// Names the messages of one sender.
#[derive(Debug)]
pub(crate) struct DuplicateIds {
    prefix: String,
    count: AtomicU64,
}

impl DuplicateIds {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix, count: AtomicU64::new(0) }
    }

    /// The encoded message with a name, unless it has one. Bytes that are no message stay as they are.
    pub(crate) fn mark(&self, message: &impl Sendable) -> Bytes {
        let bytes = message.encoded().cloned().unwrap_or_else(|| {
            let mut out = BytesMut::new();
            message.encode_into(&mut out);
            out.freeze()
        });
        let Ok(mut message) = Message::decode_bytes(bytes.clone()) else { return bytes };
        let properties = message.application_properties.get_or_insert_with(Map::default);
        if properties.get(PROPERTY).is_some() {
            return bytes;
        }
        let id = format!("{}-{}", self.prefix, self.count.fetch_add(1, Ordering::Relaxed));
        properties.insert(Value::from(PROPERTY), Value::from(id));
        message.to_bytes()
    }
}
