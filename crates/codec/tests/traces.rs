//! Frames as text.

use deuteron_codec::trace::{Direction, trace_frame, trace_frame_with};
use deuteron_codec::{
    Array, Attach, DeliveryState, DeliveryTag, Described, Disposition, Encode, Map, Open, Primitive, Role,
    SaslInit, Source, Symbol, Target, Transfer, Uuid, Value, condition, to_bytes,
};

fn line(frame: &impl Encode) -> String {
    trace_frame(Direction::Out, 3, &to_bytes(frame))
}

#[test]
fn performatives() {
    let open = Open {
        container_id: "north".into(),
        channel_max: 9,
        offered_capabilities: vec!["a".into(), "b".into()],
        properties: Some([(Symbol::from("product"), "x")].into_iter().collect()),
        ..Open::default()
    };
    assert_eq!(
        line(&open),
        "3 -> @open(16) [container-id=\"north\", channel-max=9, offered-capabilities=@symbol[:a, :b], \
         properties={:product=\"x\"}]",
    );
    let attach = Attach {
        name: "l".into(),
        role: Role::Receiver,
        source: Some(Box::new(Source::new("q"))),
        target: Some(Box::new(Target::default().into())),
        ..Attach::default()
    };
    assert_eq!(
        line(&attach),
        "3 -> @attach(18) [name=\"l\", handle=0, role=true, source=@source(40) [address=\"q\"], \
         target=@target(41) []]",
    );
    let error = deuteron_codec::Error::new(condition::NOT_FOUND, "gone");
    let disposition = Disposition { first: 1, state: Some(error.into()), ..Disposition::default() };
    assert_eq!(
        line(&disposition),
        "3 -> @disposition(21) [role=false, first=1, state=@rejected(37) [error=@error(29) \
         [condition=:amqp:not-found, description=\"gone\"]]]",
    );
}

#[test]
fn payloads_are_shown_abbreviated() {
    let transfer = Transfer {
        delivery_id: Some(1),
        delivery_tag: DeliveryTag::new(b"\x01a"),
        state: Some(DeliveryState::Accepted),
        ..Transfer::default()
    };
    let mut body = to_bytes(&transfer).to_vec();
    let start =
        "0 <- @transfer(20) [handle=0, delivery-id=1, delivery-tag=b\"\\x01a\", state=@accepted(36) []]";
    assert_eq!(trace_frame(Direction::In, 0, &body), start);
    assert_eq!(trace_frame_with(Direction::In, 0, &body, b"pay\n"), format!("{start} (4) \"pay\\n\""));
    body.extend([b'x'; 100]);
    assert_eq!(trace_frame(Direction::In, 0, &body), format!("{start} (100) \"{}\"...", "x".repeat(64)));
}

#[test]
fn secrets_are_masked() {
    let init = SaslInit {
        mechanism: "PLAIN".into(),
        initial_response: Some("\0me\0secret".into()),
        hostname: Some("h".into()),
    };
    assert_eq!(line(&init), "3 -> @sasl-init(65) [mechanism=:PLAIN, initial-response=***, hostname=\"h\"]");
    // Even if the peer would refuse the frame.
    let odd = Described::new(0x41_u64, vec![Value::Null, "secret".into(), 1_u32.into(), 2_u32.into()]);
    assert_eq!(line(&odd), "3 -> @sasl-init(65) [initial-response=***, hostname=1, ?=2]");
}

#[test]
fn empty_malformed_and_unknown_frames() {
    assert_eq!(trace_frame(Direction::In, 0, &[]), "0 <- (empty frame)");
    assert_eq!(
        trace_frame(Direction::In, 0, &[0x00, 0x53, 0x17, 0xc0, 9]),
        "0 <- @end(23) [ (malformed: at byte 5: the input ends 1 bytes too early)",
    );
    assert_eq!(trace_frame(Direction::In, 0, &[0x00, 0x53, 0x99, 0x45]), "0 <- @153 []");
}

#[test]
fn values_as_text_look_the_same_from_the_wire_and_in_memory() {
    let mut map = Map::new();
    map.insert("k", Uuid([0xab; 16]));
    map.insert(Symbol::from("list"), vec![Value::Null, 'x'.into(), 1.5_f64.into()]);
    let array = Array::described(7_u64, Primitive::Boolean, vec![true.into()]).unwrap();
    let value =
        Value::from(Described::new(Symbol::from("d"), vec![Value::Map(map), array.into(), b"\x00b".into()]));
    assert_eq!(
        value.to_string(),
        "@:d [{\"k\"=UUID(abababab-abab-abab-abab-abababababab), :list=[null, 'x', 1.5]}, @7 @boolean[true], \
         b\"\\x00b\"]",
    );
    assert_eq!(line(&value), format!("3 -> {value}"));
}
