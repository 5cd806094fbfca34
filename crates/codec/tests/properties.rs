//! What holds for all values, and for all bytes.

mod strategies;

use deuteron_codec::trace::{Direction, trace_frame};
use deuteron_codec::{
    BodyView, Decode, Encode, FrameHeader, Message, MessageView, Performative, Reader, SaslFrame, Value,
    to_bytes,
};
use proptest::prelude::*;
use strategies::{damaged, disposition, flow, message, transfer, value};

/// What was written is read again, whatever follows; skipping takes the same bytes; cut off it is an error.
fn round_trip<T>(value: &T)
where
    T: for<'a> Decode<'a> + Encode + PartialEq + std::fmt::Debug,
{
    let mut bytes = to_bytes(value).to_vec();
    let length = bytes.len();
    bytes.extend([0x40, 0xff, 0x00]);

    let mut reader = Reader::new(&bytes);
    assert_eq!(T::decode(&mut reader).as_ref(), Ok(value));
    assert_eq!(reader.offset(), length);
    let mut skipper = Reader::new(&bytes);
    assert_eq!(skipper.skip().unwrap(), &bytes[..length]);

    for end in 0..length {
        assert!(T::decode(&mut Reader::new(&bytes[..end])).is_err(), "cut off after {end} of {length} bytes");
        assert!(Reader::new(&bytes[..end]).skip().is_err(), "cut off after {end} of {length} bytes");
    }
}

/// Nothing panics, and what can be read can be skipped, written and read again.
fn survives(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    if let Ok(value) = Value::decode(&mut reader) {
        let mut skipper = Reader::new(bytes);
        skipper.skip().unwrap();
        assert_eq!(skipper.offset(), reader.offset());
        let _ = value.to_string();
        // Writing may nest no deeper than reading did.
        let written = to_bytes(&value);
        assert_eq!(Value::decode(&mut Reader::new(&written)).as_ref(), Ok(&value));
    }
    let mut reader = Reader::new(bytes);
    if let Ok(performative) = Performative::decode(&mut reader) {
        let written = to_bytes(&performative);
        assert_eq!(Performative::decode(&mut Reader::new(&written)).as_ref(), Ok(&performative));
        let mut skipper = Reader::new(bytes);
        skipper.skip().unwrap();
        assert_eq!(skipper.offset(), reader.offset());
    }
    let _ = SaslFrame::decode(&mut Reader::new(bytes));
    let _ = FrameHeader::parse(bytes);
    let _ = trace_frame(Direction::In, 0, bytes);
    if let Ok(view) = MessageView::new(bytes) {
        let _ =
            (view.header(), view.properties(), view.application_property("key"), view.data(), view.text());
        match view.body() {
            BodyView::Empty => {}
            BodyView::Value(value) => drop(value.to_value()),
            BodyView::Data(sections) => drop(sections.count()),
            BodyView::Sequence(sections) => drop(sections.count()),
        }
        if let Ok(message) = view.to_owned() {
            let written = message.to_bytes();
            assert_eq!(Message::decode(&written), Ok(message));
        }
    }
}

proptest! {
    #[test]
    fn values(value in value()) {
        round_trip(&value);
    }

    #[test]
    fn transfers(transfer in transfer()) {
        round_trip(&transfer);
        round_trip(&Performative::from(transfer));
    }

    #[test]
    fn flows(flow in flow()) {
        round_trip(&flow);
        round_trip(&Performative::from(flow));
    }

    #[test]
    fn dispositions(disposition in disposition()) {
        round_trip(&disposition);
        round_trip(&Performative::from(disposition));
    }

    #[test]
    fn messages(message in message()) {
        let bytes = message.to_bytes();
        prop_assert_eq!(&Message::decode(&bytes).unwrap(), &message);
        prop_assert_eq!(&Message::decode_bytes(bytes.clone()).unwrap(), &message);
        let view = MessageView::new(&bytes).unwrap();
        prop_assert_eq!(&view.to_owned().unwrap(), &message);
        let properties = view.properties().unwrap();
        prop_assert_eq!(properties.subject, message.subject());
        prop_assert_eq!(&deuteron_codec::Properties::from(properties), &message.properties.unwrap_or_default());
        if let Some(map) = &message.application_properties {
            for (key, value) in map.iter() {
                let found = view.application_property(key.as_str().unwrap()).unwrap().unwrap();
                prop_assert_eq!(&found.to_value().unwrap(), value);
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn damaged_values_are_survived(bytes in damaged(value())) {
        survives(&bytes);
    }

    #[test]
    fn damaged_transfers_are_survived(bytes in damaged(transfer())) {
        survives(&bytes);
    }

    #[test]
    fn damaged_messages_are_survived(message in message(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = message.to_bytes().to_vec();
        let length = bytes.len();
        bytes[at.index(length)] = byte;
        survives(&bytes);
        survives(&bytes[..cut.index(length)]);
    }
}
