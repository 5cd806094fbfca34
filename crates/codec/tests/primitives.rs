//! Every primitive type in every encoding, against bytes written by hand from part 1.6 of the specification.

use bytes::Bytes;
use deuteron_codec::{
    Array, Decimal32, Decimal64, Decimal128, Decode, DecodeErrorKind, Described, Map, Primitive, Reader,
    Symbol, Timestamp, Uuid, Value, to_bytes,
};

fn decode(bytes: &[u8]) -> Value {
    let mut reader = Reader::new(bytes);
    let value = Value::decode(&mut reader).unwrap_or_else(|error| panic!("{bytes:02x?}: {error}"));
    assert!(reader.is_empty(), "{bytes:02x?}: bytes are left");
    assert_eq!(reader.offset(), bytes.len());
    let mut skipper = Reader::new(bytes);
    assert_eq!(skipper.skip().unwrap(), bytes, "skip takes what decode takes");
    value
}

/// The first encoding is the one that we write; all are read.
fn check(value: impl Into<Value>, encodings: &[&[u8]]) {
    let value = value.into();
    assert_eq!(to_bytes(&value)[..], *encodings[0], "encoding of {value}");
    for encoding in encodings {
        assert_eq!(decode(encoding), value, "{encoding:02x?}");
        for end in 0..encoding.len() {
            let mut reader = Reader::new(&encoding[..end]);
            let error = Value::decode(&mut reader).expect_err("cut off");
            assert!(error.is_truncated(), "{:02x?}: {error}", &encoding[..end]);
            assert!(Reader::new(&encoding[..end]).skip().is_err());
        }
    }
}

fn decode_error(bytes: &[u8]) -> DecodeErrorKind {
    Value::decode(&mut Reader::new(bytes)).expect_err("malformed").kind().clone()
}

#[test]
fn null() {
    check(Value::Null, &[&[0x40]]);
}

#[test]
fn boolean() {
    check(true, &[&[0x41], &[0x56, 1]]);
    check(false, &[&[0x42], &[0x56, 0]]);
    assert_eq!(decode_error(&[0x56, 2]), DecodeErrorKind::InvalidBool(2));
}

#[test]
fn unsigned_integers() {
    check(7_u8, &[&[0x50, 7]]);
    check(0x0102_u16, &[&[0x60, 1, 2]]);
    check(0_u32, &[&[0x43], &[0x52, 0], &[0x70, 0, 0, 0, 0]]);
    check(255_u32, &[&[0x52, 255], &[0x70, 0, 0, 0, 255]]);
    check(256_u32, &[&[0x70, 0, 0, 1, 0]]);
    check(0_u64, &[&[0x44], &[0x53, 0], &[0x80, 0, 0, 0, 0, 0, 0, 0, 0]]);
    check(255_u64, &[&[0x53, 255], &[0x80, 0, 0, 0, 0, 0, 0, 0, 255]]);
    check(u64::MAX, &[&[0x80, 255, 255, 255, 255, 255, 255, 255, 255]]);
}

#[test]
fn signed_integers() {
    check(-1_i8, &[&[0x51, 255]]);
    check(-2_i16, &[&[0x61, 255, 254]]);
    check(-128_i32, &[&[0x54, 0x80], &[0x71, 255, 255, 255, 0x80]]);
    check(128_i32, &[&[0x71, 0, 0, 0, 128]]);
    check(127_i64, &[&[0x55, 127], &[0x81, 0, 0, 0, 0, 0, 0, 0, 127]]);
    check(-129_i64, &[&[0x81, 255, 255, 255, 255, 255, 255, 255, 0x7f]]);
}

#[test]
fn floats_keep_their_bits() {
    check(1.5_f32, &[&[0x72, 0x3f, 0xc0, 0, 0]]);
    check(-2.0_f64, &[&[0x82, 0xc0, 0, 0, 0, 0, 0, 0, 0]]);
    check(f32::from_bits(0x7fc0_0001), &[&[0x72, 0x7f, 0xc0, 0, 1]]);
    assert_ne!(Value::Double(0.0), Value::Double(-0.0));
}

#[test]
fn decimals() {
    check(Decimal32([1, 2, 3, 4]), &[&[0x74, 1, 2, 3, 4]]);
    check(Decimal64([1, 2, 3, 4, 5, 6, 7, 8]), &[&[0x84, 1, 2, 3, 4, 5, 6, 7, 8]]);
    let mut bytes = [0x94; 17];
    bytes[1..].copy_from_slice(&[9; 16]);
    check(Decimal128([9; 16]), &[&bytes]);
}

#[test]
fn char_is_a_scalar_value() {
    check('€', &[&[0x73, 0, 0, 0x20, 0xac]]);
    assert_eq!(decode_error(&[0x73, 0, 0, 0xd8, 0]), DecodeErrorKind::InvalidChar(0xd800));
    assert_eq!(decode_error(&[0x73, 0, 0x11, 0, 0]), DecodeErrorKind::InvalidChar(0x11_0000));
}

#[test]
fn timestamp_and_uuid() {
    check(Timestamp(-1), &[&[0x83, 255, 255, 255, 255, 255, 255, 255, 255]]);
    let mut bytes = [0x98; 17];
    bytes[1..].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    check(Uuid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]), &[&bytes]);
    assert_eq!(decode(&bytes).to_string(), "UUID(01020304-0506-0708-090a-0b0c0d0e0f10)");
}

#[test]
fn binary_string_symbol() {
    check(&b"ab"[..], &[&[0xa0, 2, b'a', b'b'], &[0xb0, 0, 0, 0, 2, b'a', b'b']]);
    check("é", &[&[0xa1, 2, 0xc3, 0xa9], &[0xb1, 0, 0, 0, 2, 0xc3, 0xa9]]);
    check(Symbol::from("x"), &[&[0xa3, 1, b'x'], &[0xb3, 0, 0, 0, 1, b'x']]);
    check("", &[&[0xa1, 0], &[0xb1, 0, 0, 0, 0]]);
    assert_eq!(decode_error(&[0xa1, 1, 0xff]), DecodeErrorKind::InvalidUtf8);
    assert_eq!(decode_error(&[0xb1, 0, 0, 0, 2, 0xc3, b'x']), DecodeErrorKind::InvalidUtf8);
    assert_eq!(decode_error(&[0xa3, 2, 0xc3, 0xa9]), DecodeErrorKind::InvalidAscii);
}

#[test]
fn lengths_of_255_and_256_bytes() {
    for (length, header) in [(255, &[0xa0, 255][..]), (256, &[0xb0, 0, 0, 1, 0])] {
        let content = vec![7; length];
        check(Bytes::from(content.clone()), &[&[header, &content[..]].concat()]);
    }
}

#[test]
fn lists() {
    check(Vec::<Value>::new(), &[&[0x45], &[0xc0, 1, 0], &[0xd0, 0, 0, 0, 4, 0, 0, 0, 0]]);
    let list = vec![Value::Uint(1), Value::Null];
    check(list, &[&[0xc0, 4, 2, 0x52, 1, 0x40], &[0xd0, 0, 0, 0, 7, 0, 0, 0, 2, 0x52, 1, 0x40]]);
    check(vec![Value::List(vec![true.into()])], &[&[0xc0, 5, 1, 0xc0, 2, 1, 0x41]]);
}

#[test]
fn compound_values_grow_wide_when_they_must() {
    // 254 bytes of elements still fit beside the count, 255 do not.
    for (elements, wide) in [(254, false), (255, true)] {
        let value = Value::List(vec![Value::Binary(vec![1; elements - 2].into())]);
        let bytes = to_bytes(&value);
        assert_eq!(bytes[0], if wide { 0xd0 } else { 0xc0 });
        assert_eq!(decode(&bytes), value);
    }
    // Many elements without much size, and large values inside large values.
    for count in [255, 256, 300] {
        let value = Value::List(vec![Value::Null; count]);
        assert_eq!(decode(&to_bytes(&value)), value);
    }
    let inner = Value::List(vec![Value::Binary(vec![1; 300].into()), Value::from("after")]);
    let value =
        Value::List(vec![inner.clone(), Value::Map(Map::from([("inner", inner)])), Value::from(1_u8)]);
    assert_eq!(decode(&to_bytes(&value)), value);
}

#[test]
fn maps_keep_order_and_repeated_keys() {
    check(Map::new(), &[&[0xc1, 1, 0], &[0xd1, 0, 0, 0, 4, 0, 0, 0, 0]]);
    let mut map = Map::new();
    map.insert("b", 1_u32);
    map.insert(Symbol::from("a"), Value::Null);
    check(map, &[&[0xc1, 10, 4, 0xa1, 1, b'b', 0x52, 1, 0xa3, 1, b'a', 0x40]]);

    let repeated = decode(&[0xc1, 9, 4, 0xa1, 1, b'k', 0x41, 0xa1, 1, b'k', 0x42]);
    let map = repeated.as_map().unwrap();
    assert_eq!(map.len(), 2);
    assert_eq!(map.get("k"), Some(&Value::Bool(true)));
    assert_eq!(map.iter().next_back(), Some((&Value::from("k"), &Value::Bool(false))));
    assert_eq!(to_bytes(&repeated)[..], [0xc1, 9, 4, 0xa1, 1, b'k', 0x41, 0xa1, 1, b'k', 0x42]);

    assert_eq!(decode_error(&[0xc1, 4, 1, 0xa1, 1, b'k']), DecodeErrorKind::OddMap(1));
}

#[test]
fn described_values() {
    let described = Described::new(Symbol::from("d"), 5_u32);
    check(described, &[&[0x00, 0xa3, 1, b'd', 0x52, 5]]);
    // A described descriptor, and a described value that is described again.
    let nested = Described::new(Described::new(1_u64, 2_u64), Described::new(3_u64, Value::Null));
    check(nested, &[&[0x00, 0x00, 0x53, 1, 0x53, 2, 0x00, 0x53, 3, 0x40]]);
}

#[test]
fn arrays_of_every_width() {
    let array = |element_type, elements| Array::new(element_type, elements).unwrap();
    check(
        array(Primitive::Uint, vec![1_u32.into(), 255_u32.into()]),
        &[
            &[0xe0, 4, 2, 0x52, 1, 255],
            &[0xf0, 0, 0, 0, 7, 0, 0, 0, 2, 0x52, 1, 255],
            &[0xe0, 10, 2, 0x70, 0, 0, 0, 1, 0, 0, 0, 255],
        ],
    );
    check(
        array(Primitive::Long, vec![Value::Long(-200)]),
        &[&[0xe0, 10, 1, 0x81, 255, 255, 255, 255, 255, 255, 255, 0x38]],
    );
    check(array(Primitive::Boolean, vec![true.into(), false.into()]), &[&[0xe0, 4, 2, 0x56, 1, 0]]);
    check(Array::symbols(["a", "bc"]), &[&[0xe0, 7, 2, 0xa3, 1, b'a', 2, b'b', b'c']]);
    // Elements without width.
    check(array(Primitive::Null, vec![Value::Null; 3]), &[&[0xe0, 2, 3, 0x40]]);
    assert_eq!(
        decode(&[0xe0, 2, 2, 0x41]),
        Value::from(array(Primitive::Boolean, vec![true.into(), true.into()])),
    );
    assert_eq!(
        decode(&[0xe0, 2, 1, 0x45]),
        Value::from(array(Primitive::List, vec![Value::List(Vec::new())]))
    );
    assert_eq!(decode(&[0xe0, 2, 2, 0x43]), Value::from(array(Primitive::Uint, vec![Value::Uint(0); 2])));
}

#[test]
fn arrays_without_elements_keep_their_type() {
    for (element_type, code) in
        [(Primitive::Symbol, 0xa3), (Primitive::Timestamp, 0x83), (Primitive::Map, 0xd1)]
    {
        let array = Array::new(element_type, Vec::new()).unwrap();
        check(array, &[&[0xe0, 2, 0, code], &[0xf0, 0, 0, 0, 5, 0, 0, 0, 0, code]]);
    }
}

#[test]
fn arrays_of_compound_values() {
    let array = |element_type, elements| Array::new(element_type, elements).unwrap();
    let inner = array(Primitive::Ubyte, vec![1_u8.into(), 2_u8.into()]);
    let empty = array(Primitive::String, Vec::new());
    let outer = array(Primitive::Array, vec![inner.into(), empty.into()]);
    let value = Value::from(outer);
    assert_eq!(decode(&to_bytes(&value)), value);
    // The same with one-byte sizes, as others write it.
    assert_eq!(decode(&[0xe0, 10, 2, 0xe0, 4, 2, 0x50, 1, 2, 2, 0, 0xa1]), value);

    let lists = array(Primitive::List, vec![vec![Value::Null].into(), Value::List(Vec::new())]);
    assert_eq!(decode(&[0xe0, 7, 2, 0xc0, 2, 1, 0x40, 1, 0]), Value::from(lists.clone()));
    let maps = array(Primitive::Map, vec![Map::from([("k", 1_u8)]).into(), Map::new().into()]);
    for value in [Value::from(lists), Value::from(maps)] {
        assert_eq!(decode(&to_bytes(&value)), value);
    }
}

#[test]
fn arrays_of_described_values() {
    let array =
        Array::described(Symbol::from("d"), Primitive::Uint, vec![1_u32.into(), 2_u32.into()]).unwrap();
    check(array.clone(), &[&[0xe0, 8, 2, 0x00, 0xa3, 1, b'd', 0x52, 1, 2]]);
    assert_eq!(array.descriptor(), Some(&Value::from(Symbol::from("d"))));
    // Described twice: the constructor of the elements is itself a described constructor.
    let bytes = [0xe0, 8, 1, 0x00, 0x53, 1, 0x00, 0x53, 2, 0x40];
    let twice = decode(&bytes);
    assert_eq!(twice.as_array().unwrap().descriptors(), [Value::Ulong(1), Value::Ulong(2)]);
    assert_eq!(to_bytes(&twice)[..], bytes);
}

#[test]
fn an_array_has_one_type() {
    let error = Array::new(Primitive::Int, vec![1_i32.into(), 1_i64.into()]).unwrap_err();
    assert_eq!(error.to_string(), "element 1 of the array is not of type int, as the others");
    let described = Value::from(Described::new(1_u64, 1_i32));
    assert!(Array::new(Primitive::Int, vec![described]).is_err());
}

#[test]
fn constructors_that_do_not_exist() {
    for code in [0x01, 0x3f, 0x46, 0x4f, 0x57, 0x62, 0x75, 0x85, 0x95, 0xa2, 0xb2, 0xc2, 0xd2, 0xe1, 0xff] {
        assert_eq!(decode_error(&[code, 0, 0, 0, 0]), DecodeErrorKind::UnknownConstructor(code));
    }
    assert_eq!(decode_error(&[0xe0, 2, 0, 0x99]), DecodeErrorKind::UnknownConstructor(0x99));
}

#[test]
fn sizes_that_lie() {
    // The count does not fit into the size, and the size not to the elements.
    assert_eq!(decode_error(&[0xc0, 2, 9, 0x40]), DecodeErrorKind::InvalidSize { size: 2, count: 9 });
    assert_eq!(decode_error(&[0xc0, 0, 0]), DecodeErrorKind::InvalidSize { size: 0, count: 0 });
    assert_eq!(
        decode_error(&[0xd0, 0, 0, 0, 3, 0, 0, 0, 0]),
        DecodeErrorKind::InvalidSize { size: 3, count: 0 }
    );
    assert_eq!(decode_error(&[0xc0, 3, 1, 0x40, 0x40]), DecodeErrorKind::TrailingBytes(1));
    assert_eq!(decode_error(&[0xe0, 3, 1, 0x40, 0x40]), DecodeErrorKind::TrailingBytes(1));
    // An element that would reach beyond its list is cut off there, though the input goes on.
    let error = Value::decode(&mut Reader::new(&[0xc0, 3, 1, 0x70, 0, 0, 0, 0])).unwrap_err();
    assert_eq!(*error.kind(), DecodeErrorKind::Truncated { missing: 3 });
    assert_eq!(error.offset(), 5);
}

#[test]
fn typed_reads_name_what_they_found() {
    let error = Reader::new(&[0xa1, 0]).read_uint().unwrap_err();
    assert_eq!(error.to_string(), "at byte 0: expected uint, found string (0xa1)");
    assert_eq!(Vec::<u32>::decode(&mut Reader::new(&[0xc0, 4, 2, 0x52, 1, 0x43])).unwrap(), [1, 0]);
    assert_eq!(Option::<u32>::decode(&mut Reader::new(&[0x40])).unwrap(), None);
}
