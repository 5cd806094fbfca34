//! What a peer can make us do is limited.

use deuteron_codec::{
    Array, Decode, DecodeErrorKind, DeliveryState, Limits, Message, Open, Primitive, Reader, Value, to_bytes,
};

fn nested_lists(depth: usize) -> Vec<u8> {
    let mut bytes = vec![0x45];
    for _ in 1..depth {
        let length = u32::try_from(bytes.len() + 4).unwrap();
        bytes = [&[0xd0][..], &length.to_be_bytes(), &[0, 0, 0, 1], &bytes].concat();
    }
    bytes
}

fn error_of(bytes: &[u8], limits: Limits) -> DecodeErrorKind {
    Value::decode(&mut Reader::with_limits(bytes, limits)).expect_err("over the limit").kind().clone()
}

#[test]
fn depth_of_lists() {
    assert!(Value::decode(&mut Reader::new(&nested_lists(32))).is_ok());
    assert_eq!(error_of(&nested_lists(33), Limits::default()), DecodeErrorKind::DepthLimit(32));
    let limits = Limits { depth: 2, ..Limits::default() };
    assert!(Value::decode(&mut Reader::with_limits(&nested_lists(2), limits)).is_ok());
    assert_eq!(error_of(&nested_lists(3), limits), DecodeErrorKind::DepthLimit(2));
}

#[test]
fn depth_has_a_limit_of_its_own() {
    let limits = Limits { depth: u16::MAX, ..Limits::default() };
    assert!(Value::decode(&mut Reader::with_limits(&nested_lists(256), limits)).is_ok());
    assert_eq!(error_of(&nested_lists(10_000), limits), DecodeErrorKind::DepthLimit(256));
}

#[test]
fn depth_of_described_values() {
    assert_eq!(error_of(&[0; 1_000_000], Limits::default()), DecodeErrorKind::DepthLimit(32));
    // Skipping counts instead of recursing.
    assert!(Reader::new(&[0; 1_000_000]).skip().unwrap_err().is_truncated());
}

#[test]
fn depth_of_descriptors_in_an_array() {
    let mut bytes = vec![0xf0, 0, 0x10, 0, 0, 0, 0, 0, 1];
    bytes.resize(0x10_0005, 0);
    assert_eq!(error_of(&bytes, Limits::default()), DecodeErrorKind::DepthLimit(32));
}

#[test]
fn depth_of_transactional_states() {
    let mut state = DeliveryState::Accepted;
    for _ in 0..40 {
        let transactional = deuteron_codec::TransactionalState { txn_id: "t".into(), outcome: Some(state) };
        state = transactional.into();
    }
    let bytes = to_bytes(&state);
    let error = DeliveryState::decode(&mut Reader::new(&bytes)).unwrap_err();
    assert_eq!(*error.kind(), DecodeErrorKind::DepthLimit(32));
}

#[test]
fn count_of_elements() {
    let limits = Limits { count: 3, ..Limits::default() };
    let list = |count| to_bytes(&Value::List(vec![Value::Null; count]));
    assert!(Value::decode(&mut Reader::with_limits(&list(3), limits)).is_ok());
    assert_eq!(error_of(&list(4), limits), DecodeErrorKind::CountLimit { limit: 3, found: 4 });
    let array = Array::new(Primitive::Ubyte, vec![Value::Ubyte(1); 4]).unwrap();
    assert_eq!(error_of(&to_bytes(&array), limits), DecodeErrorKind::CountLimit { limit: 3, found: 4 });
    let map: deuteron_codec::Map = [("a", 1_u8), ("b", 2)].into();
    assert_eq!(error_of(&to_bytes(&map), limits), DecodeErrorKind::CountLimit { limit: 3, found: 4 });
}

#[test]
fn elements_without_width_share_one_allowance() {
    // Ten arrays of 200000 nulls each, in a little over a hundred bytes.
    let array = [0xf0, 0, 0, 0, 5, 0, 3, 0x0d, 0x40, 0x40];
    let list = [&[0xc0, 101, 10][..], &array.repeat(10)].concat();
    assert!(Value::decode(&mut Reader::new(&array)).is_ok());
    assert_eq!(
        error_of(&list, Limits::default()),
        DecodeErrorKind::CountLimit { limit: 262_144, found: 200_000 },
    );
}

#[test]
fn size_of_values() {
    let limits = Limits { size: 10, ..Limits::default() };
    let expected = DecodeErrorKind::SizeLimit { limit: 10, found: 11 };
    assert!(Value::decode(&mut Reader::with_limits(&to_bytes(&[1; 10][..]), limits)).is_ok());
    assert_eq!(error_of(&to_bytes(&[1; 11][..]), limits), expected);
    assert_eq!(error_of(&to_bytes("hello world"), limits), expected);
    assert_eq!(error_of(&to_bytes(&vec![true; 10]), limits), expected);
    let open = Open { container_id: "x".repeat(11), ..Open::default() };
    let bytes = to_bytes(&open);
    let error = Open::decode(&mut Reader::with_limits(&bytes, limits)).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::SizeLimit { limit: 10, .. }), "{error}");
}

#[test]
fn limits_hold_for_messages() {
    let message = Message::new(Value::List(vec![Value::Null; 5]));
    let limits = Limits { count: 4, ..Limits::default() };
    let error = Message::decode_bytes_with_limits(message.to_bytes(), limits).unwrap_err();
    assert_eq!(*error.kind(), DecodeErrorKind::CountLimit { limit: 4, found: 5 });
}

#[test]
fn a_huge_count_allocates_nothing() {
    // Counts of four billion in a few bytes: refused before memory is asked for.
    for code in [0xd0, 0xd1, 0xf0] {
        let bytes = [code, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xfe, 0x40];
        assert!(Value::decode(&mut Reader::new(&bytes)).is_err());
    }
    assert!(Reader::new(&[0xb0, 0xff, 0xff, 0xff, 0xff]).read_binary().unwrap_err().is_truncated());
}
