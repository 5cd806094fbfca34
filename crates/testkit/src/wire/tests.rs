//! Against bytes written by hand from the specification, never against another codec.

use super::{
    AMQP, Composite, Frame, Incoming, Plain, Splitter, composite, decode, decode_one, encoded, symbols,
};

#[test]
fn values_are_the_bytes_of_the_specification() {
    let cases: &[(Plain, &[u8])] = &[
        (Plain::Null, b"\x40"),
        (true.into(), b"\x41"),
        (false.into(), b"\x42"),
        (7u8.into(), b"\x50\x07"),
        (0x1234u16.into(), b"\x60\x12\x34"),
        (0u32.into(), b"\x43"),
        (255u32.into(), b"\x52\xff"),
        (256u32.into(), b"\x70\0\0\x01\0"),
        (0u64.into(), b"\x44"),
        (1u64.into(), b"\x53\x01"),
        (1u64.swap_bytes().into(), b"\x80\x01\0\0\0\0\0\0\0"),
        ((-1i8).into(), b"\x51\xff"),
        ((-2i16).into(), b"\x61\xff\xfe"),
        ((-1i32).into(), b"\x54\xff"),
        (128i32.into(), b"\x71\0\0\0\x80"),
        ((-128i64).into(), b"\x55\x80"),
        (1.5f32.into(), b"\x72\x3f\xc0\0\0"),
        (1.5f64.into(), b"\x82\x3f\xf8\0\0\0\0\0\0"),
        ('A'.into(), b"\x73\0\0\0A"),
        (Plain::Timestamp(1), b"\x83\0\0\0\0\0\0\0\x01"),
        (Plain::Uuid([9; 16]), &[&[0x98][..], &[9; 16]].concat()),
        (b"ab".into(), b"\xa0\x02ab"),
        ("ab".into(), b"\xa1\x02ab"),
        (Plain::symbol("ab"), b"\xa3\x02ab"),
        (Plain::List(vec![]), b"\x45"),
        (Plain::List(vec![true.into(), Plain::Null]), b"\xc0\x03\x02\x41\x40"),
        (Plain::fields([("a", 1u8.into())]), b"\xc1\x06\x02\xa3\x01a\x50\x01"),
        (symbols(["a", "bc"]), b"\xe0\x0d\x02\xb3\0\0\0\x01a\0\0\0\x02bc"),
        (composite("accepted").into(), b"\0\x53\x24\x45"),
    ];
    for (value, bytes) in cases {
        assert_eq!(encoded(value), *bytes, "{value}");
        assert_eq!(decode_one(bytes), Ok(value.clone()), "{value}");
    }
}

#[test]
fn long_values_use_four_byte_lengths() {
    let long = Plain::binary(vec![1; 256]);
    assert_eq!(encoded(&long)[..5], [0xb0, 0, 0, 1, 0]);
    let list = Plain::List(vec![Plain::Null; 255]);
    assert_eq!(encoded(&list)[..9], [0xd0, 0, 0, 1, 3, 0, 0, 0, 255]);
    for value in [long, list] {
        assert_eq!(decode_one(&encoded(&value)), Ok(value));
    }
}

#[test]
fn cut_and_wrong_bytes_are_errors_with_a_place() {
    let bytes = encoded(&composite("open").set("container-id", "peer").into());
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err());
    }
    assert_eq!(decode(b"\x56\x02").map_err(|error| error.offset), Err(2));
    assert!(decode(b"\xc0\x03\x01\x41\x40").is_err(), "the size is wrong");
    assert!(decode(b"\xc1\x03\x01\x41").is_err(), "a key without a value");
    assert!(decode(b"\x3f").is_err(), "no such code");
}

#[test]
fn frames_are_cut_from_the_stream() {
    let frame = Frame::new(3, composite("end"));
    assert_eq!(frame.bytes(), b"\0\0\0\x0c\x02\0\0\x03\0\x53\x17\x45");
    let mut splitter = Splitter::default();
    splitter.push(b"AMQP\x00\x01\0\0\0\0\0\x08\x02\0\0\0");
    splitter.push(&frame.bytes());
    assert_eq!(splitter.cut(), Ok(Some(Incoming::Header(*b"AMQP\x00\x01\0\0"))));
    assert_eq!(splitter.cut(), Ok(Some(Incoming::Frame(Frame::empty()))));
    assert_eq!(splitter.cut(), Ok(Some(Incoming::Frame(frame))));
    assert_eq!(splitter.cut(), Ok(None));
    assert_eq!(Frame::empty().frame_type, AMQP);
    splitter.push(b"\0\0\0\x07\x02\0\0\0");
    assert!(splitter.cut().is_err());
}

#[test]
fn composites_are_found_by_code_and_by_name() {
    let by_name = Plain::Described(Plain::symbol("amqp:end:list").into(), Plain::List(vec![]).into());
    assert_eq!(Composite::from_plain(&by_name), Some(composite("end")));
    let unknown = Plain::Described(Plain::Ulong(0x99).into(), Plain::List(vec![]).into());
    assert_eq!(Composite::from_plain(&unknown), None);
}
