//! Messages as the broker keeps them: the bytes that came, and what has happened to them since.

use bytes::{Bytes, BytesMut};
use deuteron::Map;
use deuteron::codec::{
    Decode, Encode, Header, Limits, Properties, Reader, Section, Sections, Writer, section,
};

use crate::router::{ConnectionId, ConsumerId};

/// What a message costs beside its bytes: its place in a queue, and its lease. An estimate, so that
/// a limit on bytes is a limit on empty messages too.
const OVERHEAD: u64 = 128;

/// A message in a queue or under way to a consumer.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Its place in the order of its queue.
    pub(crate) sequence: u64,
    /// Who has sent it.
    pub(crate) from: ConnectionId,
    pub(crate) payload: Bytes,
    pub(crate) format: u32,
    /// When it expires, in milliseconds of the router's clock.
    pub(crate) expires: Option<u64>,
    /// Present once a consumer has had it and it came back.
    pub(crate) past: Option<Box<Past>>,
}

/// What consumers have said of a message that came back.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Attempts that failed, over and above the delivery-count that it came with.
    pub(crate) failures: u32,
    /// Consumers that must not have it again.
    pub(crate) refused_by: Vec<ConsumerId>,
    /// To be merged into the message annotations.
    pub(crate) annotations: Map,
}

impl Stored {
    /// What it counts for in limits, in bytes.
    pub(crate) fn cost(&self) -> u64 {
        cost(self.payload.len())
    }

    pub(crate) fn past_mut(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
    }

    /// Attempts to deliver it that have failed here.
    pub(crate) fn failures(&self) -> u32 {
        self.past.as_ref().map_or(0, |past| past.failures)
    }

    /// Whether some consumer must not have it.
    pub(crate) fn is_restricted(&self) -> bool {
        self.past.as_ref().is_some_and(|past| !past.refused_by.is_empty())
    }

    pub(crate) fn is_for(&self, consumer: ConsumerId) -> bool {
        self.past.as_ref().is_none_or(|past| !past.refused_by.contains(&consumer))
    }

    /// The bytes to deliver on a clock that shows `now`: those that came, unless the message has a past that belongs into
    /// its header or annotations, or has waited, which its ttl is less for (3.2.1).
    pub(crate) fn delivered(&self, now: impl Fn() -> u64) -> Bytes {
        let left = self.expires.map(|time| time.saturating_sub(now()));
        let past = self.past.as_deref();
        if past.is_none() && left.is_none() {
            return self.payload.clone();
        }
        rewritten(&self.payload, past, left).unwrap_or_else(|| self.payload.clone())
    }
}

/// What a message says of its place and its end (3.2.1, 3.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) priority: u8,
    /// In milliseconds from its arrival. 0 is none, as in JMS.
    ttl: Option<u32>,
    /// In milliseconds since 1970.
    expiry: Option<i64>,
}

impl Life {
    /// Reads as little of the message as it can.
    pub(crate) fn of(payload: &[u8]) -> Self {
        let mut life = Self { priority: DEFAULT_PRIORITY, ttl: None, expiry: None };
        let mut sections = Sections::new(payload, Limits::default());
        while let Ok(Some(Section { code, value, start, end })) = sections.next_section() {
            match code {
                section::HEADER => {
                    if let Ok(header) = Header::decode(&mut Reader::new(&payload[start..end])) {
                        life.priority = header.priority;
                        life.ttl = header.ttl.filter(|ttl| *ttl > 0);
                    }
                }
                section::DELIVERY_ANNOTATIONS | section::MESSAGE_ANNOTATIONS => {}
                section::PROPERTIES => {
                    if fields(value) > EXPIRY_FIELD
                        && let Ok(properties) = Properties::decode(&mut Reader::new(&payload[start..end]))
                    {
                        life.expiry = properties.absolute_expiry_time.map(|time| time.0);
                    }
                    break;
                }
                _ => break,
            }
        }
        life
    }

    /// When it expires on a clock that shows `now`, whichever comes first. Not before: what has expired already is
    /// found out when it is to be delivered.
    pub(crate) fn expires(self, now: impl Fn() -> u64) -> Option<u64> {
        let ttl = self.ttl.map(|ttl| now() + u64::from(ttl));
        let expiry = self.expiry.map(|time| u64::try_from(time).unwrap_or(0));
        match (ttl, expiry) {
            (Some(ttl), Some(expiry)) => Some(ttl.min(expiry)),
            (ttl, expiry) => ttl.or(expiry),
        }
    }
}

/// Where absolute-expiry-time is in the list of properties.
const EXPIRY_FIELD: u32 = 8;

/// The priority of a message that does not say (3.2.1).
const DEFAULT_PRIORITY: u8 = 4;

/// How many fields an encoded list has.
fn fields(list: &[u8]) -> u32 {
    match list {
        [0xc0, _, count, ..] => u32::from(*count),
        [0xd0, _, _, _, _, a, b, c, d, ..] => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

/// What a message of `length` bytes counts for in limits.
pub(crate) fn cost(length: usize) -> u64 {
    length as u64 + OVERHEAD
}

/// The message with a new header (3.2.1) and new message annotations (3.2.3); all else is copied as
/// it is. `None` if nothing changes, or if these are not the sections of a message: what the broker
/// does not understand it does not touch.
fn rewritten(payload: &[u8], past: Option<&Past>, left: Option<u64>) -> Option<Bytes> {
    let head = Head::read(payload)?;
    let came = head.header.unwrap_or_default();
    let mut header = came;
    if let (Some(ttl @ 1..), Some(left)) = (header.ttl, left) {
        // 0 would mean that it lives for ever.
        header.ttl = Some(u32::try_from(left).unwrap_or(ttl).clamp(1, ttl));
    }
    if let Some(past) = past {
        header.delivery_count = header.delivery_count.saturating_add(past.failures);
        header.first_acquirer = false;
    }
    let none = Map::new();
    let added = past.map_or(&none, |past| &past.annotations);
    if header == came && added.is_empty() {
        return None;
    }
    let mut out = BytesMut::with_capacity(payload.len() + 64);
    let mut writer = Writer::new(&mut out);
    header.encode(&mut writer);
    writer.raw(head.delivery_annotations);
    if added.is_empty() {
        writer.raw(head.message_annotations);
    } else {
        let mut annotations = head.annotations()?;
        for (key, value) in added.iter() {
            annotations.insert(key.clone(), value.clone());
        }
        writer.descriptor(section::MESSAGE_ANNOTATIONS);
        annotations.encode(&mut writer);
    }
    writer.raw(head.rest);
    Some(out.freeze())
}

/// The sections that may change, and those between and after them.
struct Head<'a> {
    header: Option<Header>,
    delivery_annotations: &'a [u8],
    message_annotations: &'a [u8],
    /// The value within `message_annotations`.
    annotations: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Head<'a> {
    fn read(payload: &'a [u8]) -> Option<Self> {
        let mut head = Self {
            header: None,
            delivery_annotations: &[],
            message_annotations: &[],
            annotations: &[],
            rest: &[],
        };
        let mut sections = Sections::new(payload, Limits::default());
        let mut rest = 0;
        while let Some(Section { code, value, start, end }) = sections.next_section().ok()? {
            match code {
                section::HEADER => {
                    head.header = Some(Header::decode(&mut Reader::new(&payload[start..end])).ok()?);
                }
                section::DELIVERY_ANNOTATIONS => head.delivery_annotations = &payload[start..end],
                section::MESSAGE_ANNOTATIONS => {
                    head.message_annotations = &payload[start..end];
                    head.annotations = value;
                }
                _ => break,
            }
            rest = end;
        }
        head.rest = &payload[rest..];
        Some(head)
    }

    fn annotations(&self) -> Option<Map> {
        if self.annotations.is_empty() {
            return Some(Map::new());
        }
        Map::decode(&mut Reader::new(self.annotations)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use deuteron::codec::Timestamp;
    use deuteron::{Message, Value};

    fn stored(payload: Bytes, past: Past) -> Stored {
        Stored {
            sequence: 0,
            from: ConnectionId(0),
            payload,
            format: 0,
            expires: None,
            past: Some(Box::new(past)),
        }
    }

    #[test]
    fn the_first_delivery_is_what_came() {
        let payload = Message::new("x").with_first_acquirer(true).with_delivery_count(3).to_bytes();
        let message = Stored {
            sequence: 0,
            from: ConnectionId(0),
            payload: payload.clone(),
            format: 0,
            expires: None,
            past: None,
        };
        assert_eq!(message.delivered(|| 0), payload);
    }

    #[test]
    fn a_failed_attempt_is_counted_and_the_rest_stays_as_it_was() {
        let message = Message::new(b"body")
            .with_first_acquirer(true)
            .with_priority(7)
            .with_delivery_count(1)
            .with_delivery_annotation("d", 1)
            .with_annotation("m", 2)
            .with_subject("s")
            .with_property("p", 3)
            .with_footer("f", 4);
        let again = stored(message.to_bytes(), Past { failures: 2, ..Past::default() }).delivered(|| 0);
        let expected = message.with_first_acquirer(false).with_delivery_count(3);
        assert_eq!(Message::decode(&again).unwrap(), expected);
    }

    #[test]
    fn a_message_without_header_gets_one_for_its_delivery_count() {
        let message = Message::new(b"body");
        let again = stored(message.to_bytes(), Past { failures: 1, ..Past::default() }).delivered(|| 0);
        assert_eq!(Message::decode(&again).unwrap(), message.with_delivery_count(1));
    }

    #[test]
    fn a_released_message_without_header_is_not_copied() {
        let payload = Message::new(b"body").to_bytes();
        let again = stored(payload.clone(), Past::default()).delivered(|| 0);
        assert_eq!(again.as_ptr(), payload.as_ptr());
    }

    #[test]
    fn annotations_are_merged() {
        let message = Message::new("x").with_annotation("kept", 1).with_annotation("changed", 2);
        let mut annotations = Map::new();
        annotations.insert(deuteron::Symbol::from("changed"), 3);
        annotations.insert(deuteron::Symbol::from("added"), 4);
        let past = Past { annotations, ..Past::default() };
        let again = Message::decode(&stored(message.to_bytes(), past).delivered(|| 0)).unwrap();
        let merged = again.message_annotations.unwrap();
        assert_eq!(merged.get("kept"), Some(&Value::from(1)));
        assert_eq!(merged.get("changed"), Some(&Value::from(3)));
        assert_eq!(merged.get("added"), Some(&Value::from(4)));
        assert_eq!(merged.len(), 3);
    }

    #[test]
    fn a_message_says_when_it_ends() {
        let life = |message: Message| Life::of(&message.to_bytes());
        let plain = life(Message::new("x").with_subject("s").with_annotation("a", 1));
        assert_eq!((plain.priority, plain.expires(|| unreachable!("nobody asks"))), (4, None));
        let ttl = life(Message::new("x").with_priority(7).with_ttl(Duration::from_millis(5)));
        assert_eq!((ttl.priority, ttl.expires(|| 100)), (7, Some(105)));
        let expiry = || Message::new("x").with_absolute_expiry_time(Timestamp(103));
        assert_eq!(life(expiry()).expires(|| 100), Some(103));
        assert_eq!(life(expiry().with_ttl(Duration::from_millis(2))).expires(|| 100), Some(102));
        assert_eq!(life(Message::new("x").with_ttl(Duration::ZERO)).expires(|| 100), None);
        assert_eq!(Life::of(b"not a message").expires(|| 100), None);
    }

    #[test]
    fn what_has_waited_lives_shorter() {
        let message = Message::new("x").with_ttl(Duration::from_millis(500)).with_first_acquirer(true);
        let stored = Stored {
            sequence: 0,
            from: ConnectionId(0),
            payload: message.to_bytes(),
            format: 0,
            expires: Some(1500),
            past: None,
        };
        let ttl = |now| Message::decode(&stored.delivered(|| now)).unwrap().ttl();
        assert_eq!(stored.delivered(|| 1000).as_ptr(), stored.payload.as_ptr(), "it has not waited");
        assert_eq!(ttl(1100), Some(Duration::from_millis(400)));
        assert_eq!(ttl(1500), Some(Duration::from_millis(1)), "0 would mean for ever");
        let again = Message::decode(&stored.delivered(|| 1100)).unwrap();
        assert_eq!(again, message.with_ttl(Duration::from_millis(400)), "all else is as it was");
    }

    #[test]
    fn what_is_no_message_is_left_alone() {
        let payload = Bytes::from_static(b"not a message");
        let again = stored(payload.clone(), Past { failures: 1, ..Past::default() }).delivered(|| 0);
        assert_eq!(again, payload);
    }
}
