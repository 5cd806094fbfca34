//! Values and messages to JSON and back.

use bytes::Bytes;
use deuteron::codec::{Array, Decimal32, Decimal64, Decimal128, Described, Primitive, Timestamp, Uuid};
use deuteron::{Body, Map, Message, MessageId, Symbol, Value};

use proptest::prelude::*;

use super::{json_read, json_write, scalar, show};

#[path = "../../../codec/tests/strategies/mod.rs"]
mod strategies;

/// Values of every type, their limits included.
pub(super) fn values() -> Vec<Value> {
    let mut repeated = Map::new();
    repeated.push("a", 1_i64);
    repeated.push("a", 2_i64);
    let mut mixed = Map::new();
    mixed.push(7_u64, "seven");
    mixed.push(Symbol::from("s"), Value::Null);
    mixed.push(Value::List(vec![]), true);
    let dollar: Map = [("$int", 5_i64)].into_iter().collect();
    let plain: Map = [("b", Value::from("x")), ("a", Value::Map(dollar.clone()))].into_iter().collect();
    let described =
        |descriptor: Value, value: Value| Value::Described(Box::new(Described { descriptor, value }));
    let array = |kind, elements| Value::Array(Box::new(Array::new(kind, elements).expect("one type")));
    let mut values = vec![
        Value::Null,
        Value::Bool(true),
        Value::Bool(false),
        Value::Char('\u{10ffff}'),
        Value::Char('"'),
        Value::Decimal32(Decimal32([1, 2, 0xff, 0])),
        Value::Decimal64(Decimal64([9; 8])),
        Value::Decimal128(Decimal128([0xab; 16])),
        Value::Uuid(Uuid([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255])),
        Value::Binary(Bytes::from_static(b"\0\xff bytes")),
        Value::Binary(Bytes::new()),
        Value::from(""),
        Value::from("\u{0}\n\"\\ \u{1f600} $int"),
        Value::Symbol("a:symbol".into()),
        Value::List(vec![]),
        Value::List(vec![Value::Null, Value::List(vec![Value::from(1_i32)])]),
        Value::Map(Map::new()),
        Value::Map(plain),
        Value::Map(dollar),
        Value::Map(repeated),
        Value::Map(mixed.clone()),
        array(Primitive::Int, vec![]),
        array(Primitive::Null, vec![Value::Null, Value::Null]),
        array(Primitive::Int, vec![Value::Int(-1), Value::Int(i32::MAX)]),
        array(Primitive::Symbol, vec![Value::Symbol("x".into())]),
        array(Primitive::Map, vec![Value::Map(mixed), Value::Map(Map::new())]),
        array(Primitive::List, vec![Value::List(vec![Value::Ubyte(1)])]),
        array(Primitive::Array, vec![array(Primitive::Ulong, vec![Value::Ulong(u64::MAX)])]),
        Value::Array(Box::new(
            Array::described(Value::Ulong(7), Primitive::String, vec![Value::from("d")]).expect("one type"),
        )),
        Value::Array(Box::new(
            Array::with_descriptors(
                vec![Value::Symbol("outer".into()), described(Value::Ulong(1), Value::Null)],
                Primitive::List,
                vec![Value::List(vec![Value::Ubyte(1)]), Value::List(vec![])],
            )
            .expect("one type"),
        )),
        described(Value::Ulong(1), Value::from("x")),
        described(Value::Symbol("a:b".into()), described(Value::Ulong(u64::MAX), Value::List(vec![]))),
    ];
    values.extend([0, 1, u8::MAX].map(Value::Ubyte));
    values.extend([0, u16::MAX].map(Value::Ushort));
    values.extend([0, u32::MAX].map(Value::Uint));
    values.extend([0, 255, 1 << 53, (1 << 53) + 1, u64::MAX].map(Value::Ulong));
    values.extend([i8::MIN, i8::MAX].map(Value::Byte));
    values.extend([i16::MIN, i16::MAX].map(Value::Short));
    values.extend([i32::MIN, i32::MAX].map(Value::Int));
    values.extend([i64::MIN, -(1 << 53) - 1, -1, 0, 1 << 53, i64::MAX].map(Value::Long));
    values.extend(
        [0.0, -0.0, 1.1, f32::MIN_POSITIVE, f32::MAX, f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY]
            .map(Value::Float),
    );
    values.push(Value::Float(f32::from_bits(0x7f80_0001)));
    values.extend(
        [0.0, -0.0, 1.0, 1e16, 0.1, 5e-324, f64::MAX, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
            .map(Value::Double),
    );
    values.push(Value::Double(f64::from_bits(0x7ff0_0000_0000_0001)));
    values.extend(
        [0, -1, 1_763_889_416_123, i64::MIN, i64::MAX, 253_402_300_800_000]
            .map(|at| Value::Timestamp(Timestamp(at))),
    );
    values
}

#[test]
fn values_of_all_types_come_back() {
    for value in values() {
        let text = json_write::text(&value);
        assert_eq!(json_read::value_text(&text).as_ref(), Ok(&value), "{text}");
    }
}

proptest! {
    #[test]
    fn any_value_comes_back(value in strategies::value()) {
        let text = json_write::text(&value);
        prop_assert_eq!(json_read::value_text(&text), Ok(value), "{}", text);
    }

    #[test]
    fn any_message_comes_back(message in strategies::message()) {
        let mut out = Vec::new();
        json_write::message(&mut out, &message);
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        prop_assert_eq!(json_read::message(&text), Ok(message), "{}", text);
    }
}

#[test]
fn the_form_is_as_documented() {
    for (value, text) in [
        (Value::Long(5), "5"),
        (Value::Double(5.0), "5.0"),
        (Value::from("x"), "\"x\""),
        (Value::Int(5), "{\"$int\":5}"),
        (Value::Ulong(u64::MAX), "{\"$ulong\":\"18446744073709551615\"}"),
        (Value::Timestamp(Timestamp(0)), "{\"$timestamp\":\"1970-01-01T00:00:00.000Z\"}"),
        (Value::Binary(Bytes::from_static(b"hi")), "{\"$binary\":\"aGk=\"}"),
        (Value::Float(f32::NAN), "{\"$float\":\"0x7fc00000\"}"),
        (Value::List(vec![Value::Bool(true)]), "[true]"),
        (Value::Map([("k", 1_i64)].into_iter().collect()), "{\"k\":1}"),
        (Value::Map([(1_i64, 2_i64)].into_iter().collect()), "{\"$map\":[[1,2]]}"),
    ] {
        assert_eq!(json_write::text(&value), text);
    }
}

fn all_sections(body: Body) -> Message {
    let mut message = Message::default()
        .with_durable(true)
        .with_priority(9)
        .with_first_acquirer(true)
        .with_delivery_count(3)
        .with_id(MessageId::Uuid(Uuid([7; 16])))
        .with_user_id(Bytes::from_static(b"\xff\0"))
        .with_to("to")
        .with_subject("subject")
        .with_reply_to("reply")
        .with_correlation_id(u64::MAX)
        .with_content_type("text/plain")
        .with_content_encoding("gzip")
        .with_absolute_expiry_time(Timestamp(1))
        .with_creation_time(Timestamp(i64::MAX))
        .with_group_id("group")
        .with_group_sequence(u32::MAX)
        .with_reply_to_group_id("answers")
        .with_delivery_annotation("x-opt-d", 1_u64)
        .with_annotation("x-opt-a", Symbol::from("a"))
        .with_footer("x-opt-f", Value::Null)
        .with_body(body);
    message.header_mut().ttl = Some(1000);
    for (number, value) in values().into_iter().enumerate() {
        message = message.with_property(format!("p{number}"), value);
    }
    message
}

#[test]
fn messages_of_all_sections_come_back() {
    let bodies = [
        Body::Empty,
        Body::from("text"),
        Body::from(Value::List(values())),
        Body::from(&b"text"[..]),
        Body::from(&b"\xff\xfe"[..]),
        Body::Data(vec![]),
        Body::Data(vec![Bytes::from_static(b"a"), Bytes::new()]),
        Body::Sequence(vec![values(), vec![]]),
    ];
    let messages = bodies.into_iter().flat_map(|body| [Message::new(body.clone()), all_sections(body)]);
    let empty_sections = Message {
        header: Some(Default::default()),
        delivery_annotations: Some(Map::new()),
        message_annotations: Some([(Value::Ulong(1), Value::Null)].into_iter().collect()),
        properties: Some(Default::default()),
        application_properties: Some(Map::new()),
        footer: Some(Map::new()),
        body: Body::Empty,
    };
    for message in messages.chain([empty_sections]) {
        let mut out = Vec::new();
        json_write::message(&mut out, &message);
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        assert!(!text.contains('\n'), "{text}");
        assert_eq!(json_read::message(&text).as_ref(), Ok(&message), "{text}");
    }
}

#[test]
fn wrong_json_is_told_with_its_place() {
    for (text, part) in [
        ("{", "not JSON"),
        ("[]", "a message is a JSON object"),
        ("{\"boddy\":1}", "boddy: no section"),
        ("{\"body\":1,\"text\":\"x\"}", "there is a body already"),
        ("{\"body\":{\"$int\":3000000000}}", "body: $int: '3000000000' is no int"),
        ("{\"body\":{\"$thing\":1}}", "$thing: there is no such type"),
        ("{\"body\":18446744073709551615}", "does not fit a long"),
        ("{\"data\":\"?\"}", "not base64"),
        ("{\"header\":{\"ttl\":-1}}", "header: ttl: -1 is no number that fits"),
        ("{\"header\":{\"priority\":256}}", "header: priority: 256"),
        ("{\"properties\":{\"colour\":1}}", "properties: colour: there is no such property"),
        ("{\"properties\":{\"message_id\":true}}", "message_id: true is no message id"),
        ("{\"message_annotations\":{\"\u{e9}\":1}}", "is no symbol"),
        ("{\"body\":{\"$array\":{\"type\":\"int\",\"values\":[\"x\"]}}}", "'x' is no int"),
        ("{\"body\":{\"$map\":[[1]]}}", "two values"),
        ("{\"body\":{\"$described\":[1]}}", "two values"),
        ("{\"sequence\":{}}", "is no list"),
    ] {
        let error = json_read::message(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn hyphens_are_taken_for_underscores() {
    let message =
        json_read::message("{\"application-properties\":{\"a-b\":1},\"properties\":{\"reply-to\":\"r\"}}")
            .unwrap();
    assert_eq!((message.property("a-b"), message.reply_to()), (Some(&Value::Long(1)), Some("r")));
}

#[test]
fn typed_properties() {
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    for (text, name, value) in [
        ("a=b", "a", Value::from("b")),
        ("a=", "a", Value::from("")),
        ("a=b=c", "a", Value::from("b=c")),
        ("a:b:string=c", "a:b", Value::from("c")),
        ("n:null=", "n", Value::Null),
        ("n:boolean=true", "n", Value::Bool(true)),
        ("n:bool=false", "n", Value::Bool(false)),
        ("n:ubyte=255", "n", Value::Ubyte(255)),
        ("n:ushort=65535", "n", Value::Ushort(65535)),
        ("n:uint=5", "n", Value::Uint(5)),
        ("n:ulong=18446744073709551615", "n", Value::Ulong(u64::MAX)),
        ("n:byte=-128", "n", Value::Byte(-128)),
        ("n:short=-5", "n", Value::Short(-5)),
        ("n:int=5", "n", Value::Int(5)),
        ("n:long=-5", "n", Value::Long(-5)),
        ("n:float=1.5", "n", Value::Float(1.5)),
        ("n:double=-1e300", "n", Value::Double(-1e300)),
        ("n:double=inf", "n", Value::Double(f64::INFINITY)),
        ("n:decimal32=22500001", "n", Value::Decimal32(Decimal32([0x22, 0x50, 0, 1]))),
        ("n:char=\u{e9}", "n", Value::Char('\u{e9}')),
        ("n:timestamp=1000", "n", Value::Timestamp(Timestamp(1000))),
        ("n:timestamp=1970-01-01T00:00:01Z", "n", Value::Timestamp(Timestamp(1000))),
        ("n:binary=aGk=", "n", Value::Binary(Bytes::from_static(b"hi"))),
        ("n:symbol=s", "n", Value::Symbol("s".into())),
        ("n:json=[1]", "n", Value::List(vec![Value::Long(1)])),
    ] {
        assert_eq!(scalar::named(text), Ok((name.to_owned(), value)), "{text}");
    }
    assert!(
        matches!(scalar::named(&format!("u:uuid={uuid}")), Ok((_, Value::Uuid(id))) if id.to_string() == uuid)
    );
    for wrong in [
        "",
        "a",
        "=b",
        ":int=5",
        "a:b=c",
        "a:map=1",
        "n:int=five",
        "n:ubyte=256",
        "n:char=ab",
        "n:char=",
        "n:uuid=1",
        "n:decimal32=1",
        "n:symbol=\u{e9}",
        "n:binary=%",
        "n:boolean=yes",
        "n:timestamp=soon",
        "n:json={",
        "n:null=x",
        "n:uuid=0123456-789ab-cdef-0123-456789abcdef",
        "n:decimal32=+2500001",
    ] {
        assert!(scalar::named(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn message_ids_have_four_types() {
    assert_eq!(scalar::message_id("5"), Ok(MessageId::from("5")));
    assert_eq!(scalar::message_id(":ulong=5"), Ok(MessageId::from(5)));
    assert_eq!(scalar::message_id(":binary=aGk="), Ok(MessageId::Binary(Bytes::from_static(b"hi"))));
    assert_eq!(scalar::message_id(":string=:ulong=5"), Ok(MessageId::from(":ulong=5")));
    assert!(scalar::message_id(":int=5").is_err() && scalar::message_id(":ulong=x").is_err());
}

#[test]
fn bodies_to_read() {
    let shown = |body: Body| {
        let mut out = Vec::new();
        show::body(&mut out, &body);
        String::from_utf8(out).expect("it is text")
    };
    assert_eq!(shown(Body::from("text")), "text");
    assert_eq!(shown(Body::from(&b"bytes"[..])), "bytes");
    assert_eq!(shown(Body::from(&b"\xff\xff"[..])), "(2 bytes)");
    assert_eq!(shown(Body::from(Value::Binary(Bytes::from_static(b"\xff")))), "(1 bytes)");
    assert_eq!(shown(Body::from(5_i32)), "{\"$int\":5}");
    assert_eq!(shown(Body::Sequence(vec![vec![Value::Null], vec![Value::Long(1)]])), "[null,1]");
    assert_eq!(shown(Body::Empty), "");
}
