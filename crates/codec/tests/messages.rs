//! Messages: building, reading in place, and what is wrong with some (3.2).

use std::time::Duration;

use bytes::Bytes;
use deuteron_codec::{
    Body, BodyView, DecodeErrorKind, Header, Message, MessageId, MessageIdRef, MessageView, Symbol,
    Timestamp, Uuid, Value, to_bytes,
};

fn full() -> Message {
    Message::new("body")
        .with_durable(true)
        .with_priority(9)
        .with_ttl(Duration::from_secs(2))
        .with_first_acquirer(true)
        .with_delivery_count(3)
        .with_delivery_annotation("x-hop", 1_u32)
        .with_annotation("x-opt-key", "kept")
        .with_id("id")
        .with_user_id(&b"guest"[..])
        .with_to("queue")
        .with_subject("subject")
        .with_reply_to("answers")
        .with_correlation_id(7_u64)
        .with_content_type("text/plain")
        .with_content_encoding("gzip")
        .with_absolute_expiry_time(Timestamp(2))
        .with_creation_time(Timestamp(1))
        .with_group_id("group")
        .with_group_sequence(5_u32)
        .with_reply_to_group_id("answers-group")
        .with_property("colour", "red")
        .with_property("size", 7_i32)
        .with_footer("x-sum", &b"abc"[..])
}

#[test]
fn everything_that_is_set_arrives() {
    let message = Message::decode(&full().to_bytes()).unwrap();
    assert_eq!(message, full());
    assert!(message.durable() && message.first_acquirer());
    assert_eq!((message.priority(), message.delivery_count()), (9, 3));
    assert_eq!(message.ttl(), Some(Duration::from_secs(2)));
    assert_eq!(message.id(), Some(&MessageId::String("id".into())));
    assert_eq!(message.correlation_id(), Some(&MessageId::Ulong(7)));
    assert_eq!(message.user_id().unwrap(), "guest");
    assert_eq!(message.to(), Some("queue"));
    assert_eq!(message.subject(), Some("subject"));
    assert_eq!(message.reply_to(), Some("answers"));
    assert_eq!(message.content_type().unwrap().as_str(), "text/plain");
    assert_eq!(message.content_encoding().unwrap().as_str(), "gzip");
    assert_eq!(message.absolute_expiry_time(), Some(Timestamp(2)));
    assert_eq!(message.creation_time(), Some(Timestamp(1)));
    assert_eq!(message.group_id(), Some("group"));
    assert_eq!(message.group_sequence(), Some(5));
    assert_eq!(message.reply_to_group_id(), Some("answers-group"));
    assert_eq!(message.property("size"), Some(&Value::Int(7)));
    assert_eq!(message.annotation("x-opt-key"), Some(&Value::from("kept")));
    assert_eq!(message.body_text(), Some("body"));
}

#[test]
fn a_message_that_says_nothing_means_the_defaults() {
    let message = Message::new("x");
    assert_eq!((message.durable(), message.priority(), message.ttl()), (false, 4, None));
    assert_eq!(message.to_bytes()[..], *b"\x00\x53\x77\xa1\x01x");
    assert_eq!(message.id(), None);
    assert_eq!(message.property("colour"), None);
    let header = Message::new("x").with_priority(4).header.unwrap();
    assert_eq!(to_bytes(&header)[..], [0x00, 0x53, 0x70, 0x45]);
}

#[test]
fn bodies() {
    let read = |body: Body| Message::decode(&Message::new(body).to_bytes()).unwrap().body;
    assert_eq!(read(Body::from("text")), Body::Value("text".into()));
    assert_eq!(read(Body::from(Value::Null)), Body::Empty);
    assert_eq!(read(Body::Empty), Body::Empty);
    assert_eq!(read(Body::from(b"bytes")), Body::Data(vec![Bytes::from("bytes")]));
    assert_eq!(read(Body::Data(Vec::new())), Body::Data(vec![Bytes::new()]));
    assert_eq!(read(Body::Sequence(Vec::new())), Body::Sequence(vec![Vec::new()]));
    let data = Body::Data(vec!["ab".into(), "".into(), "c".into()]);
    assert_eq!(read(data.clone()), data);
    assert_eq!(data.to_bytes().unwrap(), "abc");
    assert_eq!(data.as_text(), None);
    let sequence = Body::Sequence(vec![vec![1_u8.into()], vec![], vec!["x".into(), Value::Null]]);
    assert_eq!(read(sequence.clone()), sequence);
    assert_eq!(Body::from(b"utf-8").as_text(), Some("utf-8"));
    assert_eq!(Body::from(b"\xff").as_text(), None);
    assert_eq!(Body::Value(Value::Binary("b".into())).to_bytes().unwrap(), "b");
    assert_eq!(Body::from(vec![1_u8, 2]).to_bytes().unwrap()[..], [1, 2]);
}

#[test]
fn data_is_not_copied_when_the_payload_is_shared() {
    let payload = Message::new(vec![1_u8; 1000]).with_subject("s").to_bytes();
    let message = Message::decode_bytes(payload.clone()).unwrap();
    let body = message.body_bytes().unwrap();
    assert!(payload.as_ptr_range().contains(&body.as_ptr()));
}

#[test]
fn a_view_borrows() {
    let payload = full().to_bytes();
    let view = MessageView::new(&payload).unwrap();
    let header =
        Header { durable: true, priority: 9, ttl: Some(2000), first_acquirer: true, delivery_count: 3 };
    assert_eq!(view.header().unwrap(), Some(header));
    let properties = view.properties().unwrap();
    assert_eq!(properties.message_id, Some(MessageIdRef::String("id")));
    assert_eq!(properties.correlation_id, Some(MessageIdRef::Ulong(7)));
    assert_eq!(properties.user_id, Some(&b"guest"[..]));
    assert_eq!(properties.content_type, Some("text/plain"));
    assert_eq!(properties.group_sequence, Some(5));
    assert_eq!(view.application_property("size").unwrap().unwrap().decode::<i32>().unwrap(), 7);
    assert!(view.application_property("weight").unwrap().is_none());
    assert_eq!(view.message_annotation("x-opt-key").unwrap().unwrap().as_str(), Some("kept"));
    assert_eq!(view.delivery_annotations().unwrap().unwrap().get("x-hop"), Some(&Value::Uint(1)));
    assert_eq!(view.footer().unwrap().unwrap().len(), 1);
    assert_eq!(view.text(), Some("body"));
    assert_eq!(view.data(), None);
    let BodyView::Value(value) = view.body() else { panic!("the body is a value") };
    assert_eq!(value.as_str(), Some("body"));
    assert_eq!(value.encoded(), b"\xa1\x04body");
    assert_eq!(view.to_owned().unwrap(), full());
}

#[test]
fn a_view_of_data_and_sequences() {
    let payload = Message::new(Body::Data(vec!["ab".into(), "c".into()])).to_bytes();
    let view = MessageView::new(&payload).unwrap();
    assert_eq!(view.data(), None, "there are two sections");
    let BodyView::Data(sections) = view.body() else { panic!("the body is data") };
    assert_eq!(sections.collect::<Vec<_>>(), [&b"ab"[..], b"c"]);

    let payload = Message::new(Body::Sequence(vec![vec![true.into()], vec![]])).to_bytes();
    let BodyView::Sequence(sections) = MessageView::new(&payload).unwrap().body() else {
        panic!("a sequence")
    };
    assert_eq!(sections.map(Result::unwrap).collect::<Vec<_>>(), [vec![Value::Bool(true)], vec![]]);

    let view = MessageView::new(&[]).unwrap();
    assert!(matches!(view.body(), BodyView::Empty));
    assert_eq!(view.properties().unwrap(), deuteron_codec::PropertiesView::default());
    assert_eq!(view.to_owned().unwrap(), Message::default());
}

#[test]
fn sections_with_symbolic_descriptors() {
    let payload = b"\x00\xa3\x10amqp:data:binary\xa0\x01x\x00\xa3\x0famqp:footer:map\xc1\x01\x00";
    let view = MessageView::new(payload).unwrap();
    assert_eq!(view.data(), Some(&b"x"[..]));
    assert!(view.footer().unwrap().unwrap().is_empty());
}

#[test]
fn sections_out_of_place() {
    const HEADER: &[u8] = &[0x00, 0x53, 0x70, 0x45];
    const PROPERTIES: &[u8] = &[0x00, 0x53, 0x73, 0x45];
    const DATA: &[u8] = &[0x00, 0x53, 0x75, 0xa0, 0];
    const SEQUENCE: &[u8] = &[0x00, 0x53, 0x76, 0x45];
    const VALUE: &[u8] = &[0x00, 0x53, 0x77, 0x41];
    const FOOTER: &[u8] = &[0x00, 0x53, 0x78, 0xc1, 1, 0];
    let check = |sections: &[&[u8]], expected: Option<&'static str>| {
        let found = MessageView::new(&sections.concat()).err().map(|error| error.kind().clone());
        assert_eq!(found, expected.map(DecodeErrorKind::UnexpectedSection));
    };
    check(&[HEADER, PROPERTIES, DATA, DATA, FOOTER], None);
    check(&[SEQUENCE, SEQUENCE], None);
    check(&[PROPERTIES, HEADER], Some("header"));
    check(&[HEADER, HEADER], Some("header"));
    check(&[VALUE, VALUE], Some("amqp-value"));
    check(&[DATA, VALUE], Some("amqp-value"));
    check(&[VALUE, DATA], Some("data"));
    check(&[DATA, SEQUENCE], Some("amqp-sequence"));
    check(&[FOOTER, DATA], Some("data"));
}

#[test]
fn errors_count_from_the_start_of_the_message() {
    // A subject that is a number: byte 9 of the list, after a header of 4 bytes.
    let payload = [0x00, 0x53, 0x70, 0x45, 0x00, 0x53, 0x73, 0xc0, 5, 4, 0x40, 0x40, 0x40, 0x43];
    let error = MessageView::new(&payload).unwrap().properties().unwrap_err();
    assert_eq!(
        error.to_string(),
        "field subject of amqp:properties:list at byte 13: expected string, found uint (0x43)",
    );
    assert_eq!(Message::decode(&payload).unwrap_err(), error);
    let error = MessageView::new(&[0x00, 0x53, 0x75, 0x41]).unwrap_err();
    assert_eq!(error.to_string(), "data at byte 3: expected binary, found boolean (0x41)");
    let error = MessageView::new(&[0x00, 0x53, 0x75, 0xa0, 9, 1]).unwrap_err();
    assert!(error.is_truncated());
    let error = MessageView::new(&[0x00, 0x53, 0x24, 0x45]).unwrap_err();
    assert!(error.to_string().contains("expected a section of a message"), "{error}");
}

#[test]
fn values_convert_from_the_types_of_rust() {
    let time = std::time::UNIX_EPOCH + Duration::from_millis(1500);
    assert_eq!(Value::from(time), Value::Timestamp(Timestamp(1500)));
    assert_eq!(Timestamp(1500).to_system_time(), Some(time));
    let before = std::time::UNIX_EPOCH - Duration::from_micros(1500);
    assert_eq!(Timestamp::from(before), Timestamp(-2));
    assert_eq!(Value::from(None::<u32>), Value::Null);
    assert_eq!(Value::from(Some("x")), Value::String("x".into()));
    assert_eq!(Value::Int(-1).as_i64(), Some(-1));
    assert_eq!(Value::Int(-1).as_u64(), None);
    assert_eq!(Value::Ulong(u64::MAX).as_u64(), Some(u64::MAX));
    assert_eq!(Value::Float(1.5).as_f64(), Some(1.5));
    assert_eq!(Value::from(Symbol::from("s")).as_str(), Some("s"));
    assert_eq!(MessageId::from(Uuid([0; 16])).to_string(), "00000000-0000-0000-0000-000000000000");
}
