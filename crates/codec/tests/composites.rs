//! The rules of composite and restricted types (1.4), on real ones.

use bytes::{Bytes, BytesMut};
use deuteron_codec::{
    Attach, AttachTarget, Begin, Close, Coordinator, Declare, Declared, Decode, DecodeError, DecodeErrorKind,
    DeliveryState, DeliveryTag, Described, Detach, Discharge, Disposition, Encode, End, Error, Flow,
    FrameHeader, Map, Modified, Open, Performative, ProtocolHeader, Reader, Received, ReceiverSettleMode,
    Role, SaslChallenge, SaslCode, SaslFrame, SaslInit, SaslMechanisms, SaslOutcome, SaslResponse,
    SenderSettleMode, Source, Symbol, Target, TerminusDurability, TerminusExpiryPolicy, TransactionalState,
    Transfer, Value, condition, frame, to_bytes,
};

fn decode<'a, T: Decode<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader)?;
    assert!(reader.is_empty(), "bytes are left");
    Ok(value)
}

/// Round trip, alone and as performative; cut off anywhere it is an error.
fn check<T>(value: T)
where
    T: for<'a> Decode<'a> + Encode + PartialEq + std::fmt::Debug + Clone + Into<Performative>,
{
    let bytes = to_bytes(&value);
    assert_eq!(decode::<T>(&bytes).unwrap(), value);
    assert_eq!(decode::<Performative>(&bytes).unwrap(), value.clone().into());
    assert_eq!(to_bytes(&value.into()), bytes);
    for end in 0..bytes.len() {
        assert!(decode::<T>(&bytes[..end]).is_err(), "cut off after {end} bytes");
    }
}

fn symbols(texts: &[&str]) -> Vec<Symbol> {
    texts.iter().map(|text| Symbol::from(*text)).collect()
}

fn properties() -> Option<Map> {
    Some([(Symbol::from("product"), Value::from("x"))].into_iter().collect())
}

#[test]
fn full_performatives() {
    check(Open {
        container_id: "north".into(),
        hostname: Some("example.org".into()),
        max_frame_size: 65536,
        channel_max: 9,
        idle_time_out: Some(30_000),
        outgoing_locales: symbols(&["en-US"]),
        incoming_locales: symbols(&["de", "en"]),
        offered_capabilities: symbols(&["ANONYMOUS-RELAY"]),
        desired_capabilities: symbols(&["a", "b", "c"]),
        properties: properties(),
    });
    check(Begin {
        remote_channel: Some(3),
        next_outgoing_id: u32::MAX,
        incoming_window: 100,
        outgoing_window: 200,
        handle_max: 7,
        offered_capabilities: symbols(&["x"]),
        desired_capabilities: symbols(&["y"]),
        properties: properties(),
    });
    check(Flow {
        next_incoming_id: Some(1),
        incoming_window: 2048,
        next_outgoing_id: 5,
        outgoing_window: 2048,
        handle: Some(0),
        delivery_count: Some(7),
        link_credit: Some(100),
        available: Some(0),
        drain: true,
        echo: true,
        properties: properties(),
    });
    check(Detach { handle: 1, closed: true, error: Some(Error::new(condition::STOLEN, "elsewhere")) });
    check(End { error: Some(Error::new(condition::ERRANT_LINK, "")) });
    check(Close { error: Some(Error { condition: "x:y".into(), description: None, info: properties() }) });
}

#[test]
fn attaches() {
    let source = Source {
        address: Some("queue".into()),
        durable: TerminusDurability::UnsettledState,
        expiry_policy: TerminusExpiryPolicy::Never,
        timeout: 60,
        dynamic: true,
        dynamic_node_properties: properties(),
        distribution_mode: Some("copy".into()),
        filter: Some(
            [(Symbol::from("selector"), Described::new(0x4_6877_u64, "a = 1"))].into_iter().collect(),
        ),
        default_outcome: Some(DeliveryState::Released),
        outcomes: symbols(&["amqp:accepted:list"]),
        capabilities: symbols(&["queue"]),
    };
    let target = Target {
        address: Some("queue".into()),
        durable: TerminusDurability::Configuration,
        expiry_policy: TerminusExpiryPolicy::LinkDetach,
        timeout: 1,
        dynamic: false,
        dynamic_node_properties: None,
        capabilities: symbols(&["topic"]),
    };
    let attach = Attach {
        name: "link".into(),
        handle: 300,
        role: Role::Receiver,
        snd_settle_mode: SenderSettleMode::Settled,
        rcv_settle_mode: ReceiverSettleMode::Second,
        source: Some(Box::new(source)),
        target: Some(Box::new(target.into())),
        unsettled: Some([(Bytes::from("tag"), Value::Null)].into_iter().collect()),
        incomplete_unsettled: true,
        initial_delivery_count: Some(0),
        max_message_size: Some(1 << 40),
        offered_capabilities: symbols(&["x"]),
        desired_capabilities: symbols(&["y"]),
        properties: properties(),
    };
    check(attach.clone());
    let coordinator = Coordinator { capabilities: symbols(&["amqp:local-transactions"]) };
    check(Attach { target: Some(Box::new(AttachTarget::Coordinator(coordinator))), ..attach });
    check(Attach { name: "refused".into(), ..Attach::default() });
}

#[test]
fn transfers_and_dispositions_with_every_state() {
    let states = [
        DeliveryState::Accepted,
        DeliveryState::Released,
        DeliveryState::Rejected(None),
        Error::new(condition::NOT_FOUND, "gone").into(),
        Received { section_number: 1, section_offset: 1 << 33 }.into(),
        Modified { delivery_failed: true, undeliverable_here: true, message_annotations: properties() }
            .into(),
        Modified::default().into(),
        Declared { txn_id: "t1".into() }.into(),
        TransactionalState { txn_id: "t1".into(), outcome: Some(DeliveryState::Accepted) }.into(),
        TransactionalState { txn_id: "t1".into(), outcome: None }.into(),
        DeliveryState::Custom(Box::new(Described::new(Symbol::from("my:state"), vec![Value::from(1_u8)]))),
        DeliveryState::Custom(Box::new(Described::new(0x1234_5678_u64, Value::Null))),
    ];
    for state in states {
        let terminal = matches!(state.name(), "accepted" | "released" | "rejected" | "modified" | "declared");
        assert_eq!(state.is_terminal(), terminal, "{state:?}");
        check(Disposition {
            role: Role::Receiver,
            first: 1,
            last: Some(9),
            settled: true,
            state: Some(state.clone()),
            batchable: true,
        });
        check(Transfer {
            handle: 1,
            delivery_id: Some(1000),
            delivery_tag: DeliveryTag::new(&[7; 32]),
            message_format: Some(0),
            settled: Some(false),
            more: true,
            rcv_settle_mode: Some(ReceiverSettleMode::First),
            state: Some(state),
            resume: true,
            aborted: true,
            batchable: true,
        });
    }
    check(Transfer::default());
    check(Disposition::default());
}

#[test]
fn what_says_nothing_is_not_written() {
    let open = Open { container_id: "c".into(), ..Open::default() };
    assert_eq!(to_bytes(&open)[..], [0x00, 0x53, 0x10, 0xc0, 4, 1, 0xa1, 1, b'c']);
    // A default in the middle is null.
    let open = Open { channel_max: 1, ..open };
    let expected = [0x00, 0x53, 0x10, 0xc0, 9, 4, 0xa1, 1, b'c', 0x40, 0x40, 0x60, 0, 1];
    assert_eq!(to_bytes(&open)[..], expected);
    assert_eq!(to_bytes(&End::default())[..], [0x00, 0x53, 0x17, 0x45]);
    assert_eq!(to_bytes(&DeliveryState::Accepted)[..], [0x00, 0x53, 0x24, 0x45]);
    // What the sender says about settlement is written even if it is no.
    let transfer = Transfer { settled: Some(false), ..Transfer::default() };
    assert_eq!(to_bytes(&transfer)[..], [0x00, 0x53, 0x14, 0xc0, 6, 5, 0x43, 0x40, 0x40, 0x40, 0x42]);
}

#[test]
fn a_transfer_written_by_hand() {
    let bytes = [
        0x00, 0x53, 0x14, 0xc0, 0x0c, 0x06, 0x43, 0x52, 0x01, 0xa0, 0x02, b'a', b'b', 0x43, 0x41, 0x56, 0x01,
        b'p', b'a', b'y',
    ];
    let mut reader = Reader::new(&bytes);
    let transfer = Transfer::decode(&mut reader).unwrap();
    assert_eq!(transfer.handle, 0);
    assert_eq!(transfer.delivery_id, Some(1));
    assert_eq!(transfer.delivery_tag.unwrap().as_slice(), b"ab");
    assert_eq!(transfer.message_format, Some(0));
    assert_eq!(transfer.settled, Some(true));
    assert!(transfer.more);
    assert_eq!(reader.remaining(), b"pay");
}

#[test]
fn every_spelling_of_a_descriptor() {
    let spellings: [&[u8]; 4] = [
        &[0x00, 0x53, 0x17],
        &[0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x17],
        b"\x00\xa3\x0damqp:end:list",
        b"\x00\xb3\x00\x00\x00\x0damqp:end:list",
    ];
    for spelling in spellings {
        for list in [&[0x45][..], &[0xc0, 1, 0], &[0xd0, 0, 0, 0, 4, 0, 0, 0, 0], &[0xc0, 2, 1, 0x40]] {
            let bytes = [spelling, list].concat();
            assert_eq!(decode::<End>(&bytes).unwrap(), End::default());
            assert_eq!(decode::<Performative>(&bytes).unwrap().name(), "end");
        }
    }
    let accepted = b"\x00\xa3\x12amqp:accepted:list\x45";
    assert_eq!(decode::<DeliveryState>(accepted).unwrap(), DeliveryState::Accepted);
    for list in [&[0xc0, 1, 0][..], &[0xd0, 0, 0, 0, 4, 0, 0, 0, 0]] {
        let bytes = [&[0x00, 0x53, 0x26], list].concat();
        assert_eq!(decode::<DeliveryState>(&bytes).unwrap(), DeliveryState::Released);
    }
}

#[test]
fn multiple_fields() {
    let capabilities = |value: &[u8]| {
        let bytes = [&[0x00, 0x53, 0x30, 0xc0, u8::try_from(value.len()).unwrap() + 1, 1], value].concat();
        decode::<Coordinator>(&bytes).map(|coordinator| coordinator.capabilities)
    };
    assert_eq!(capabilities(&[0x40]).unwrap(), symbols(&[]));
    assert_eq!(capabilities(&[0xa3, 1, b'x']).unwrap(), symbols(&["x"]));
    assert_eq!(capabilities(&[0xe0, 4, 1, 0xa3, 1, b'x']).unwrap(), symbols(&["x"]));
    assert_eq!(capabilities(&[0xe0, 2, 0, 0xa3]).unwrap(), symbols(&[]));
    let wide = [0xf0, 0, 0, 0, 10, 0, 0, 0, 1, 0xb3, 0, 0, 0, 1, b'x'];
    assert_eq!(capabilities(&wide).unwrap(), symbols(&["x"]));
    let error = capabilities(&[0xe0, 4, 1, 0xa1, 1, b'x']).unwrap_err();
    assert_eq!(
        error.to_string(),
        "field capabilities of amqp:coordinator:list at byte 9: expected symbol, found string (0xa1)",
    );
    let long = Symbol::from("y".repeat(300));
    let coordinator = Coordinator { capabilities: vec![long, Symbol::from("z")] };
    assert_eq!(decode::<Coordinator>(&to_bytes(&coordinator)).unwrap(), coordinator);
}

#[test]
fn errors_name_type_field_and_offset() {
    // handle is a string.
    let error = decode::<Transfer>(&[0x00, 0x53, 0x14, 0xc0, 3, 1, 0xa1, 0]).unwrap_err();
    assert_eq!((error.type_name(), error.field(), error.offset()), ("amqp:transfer:list", "handle", 6));
    assert_eq!(*error.kind(), DecodeErrorKind::UnexpectedType { expected: "uint", found: 0xa1 });
    assert_eq!(
        error.to_string(),
        "field handle of amqp:transfer:list at byte 6: expected uint, found string (0xa1)",
    );
    // The innermost place is named: the address of the source of an attach.
    let attach = Attach { name: "l".into(), source: Some(Box::new(Source::new("q"))), ..Attach::default() };
    let mut bytes = to_bytes(&attach).to_vec();
    let address = bytes.iter().position(|byte| *byte == b'q').unwrap() - 2;
    bytes[address] = 0xa0;
    let error = decode::<Attach>(&bytes).unwrap_err();
    assert_eq!((error.type_name(), error.field()), ("amqp:source:list", "address"));
    assert_eq!(error.offset(), address);
}

#[test]
fn missing_null_and_superfluous_fields() {
    let kind = |bytes: &[u8]| decode::<Detach>(bytes).unwrap_err();
    for bytes in [&[0x00, 0x53, 0x16, 0x45][..], &[0x00, 0x53, 0x16, 0xc0, 2, 1, 0x40]] {
        let error = kind(bytes);
        assert_eq!(*error.kind(), DecodeErrorKind::MissingField);
        assert_eq!((error.type_name(), error.field()), ("amqp:detach:list", "handle"));
    }
    let error = kind(&[0x00, 0x53, 0x16, 0xc0, 5, 4, 0x43, 0x40, 0x40, 0x40]);
    assert_eq!(*error.kind(), DecodeErrorKind::TooManyFields { limit: 3, found: 4 });
    assert_eq!(error.type_name(), "amqp:detach:list");
    let detach = decode::<Detach>(&[0x00, 0x53, 0x16, 0xc0, 4, 3, 0x43, 0x40, 0x40]).unwrap();
    assert_eq!(detach, Detach { handle: 0, closed: false, error: None });
}

#[test]
fn wrong_descriptors() {
    let error = decode::<End>(&[0x00, 0x53, 0x18, 0x45]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "at byte 0: expected amqp:end:list, found a value described by 0x0000000000000018",
    );
    assert!(decode::<Performative>(&[0x00, 0x53, 0x40, 0x45]).is_err());
    assert!(decode::<Performative>(b"\x00\xa3\x03foo\x45").is_err());
    assert!(decode::<SaslFrame>(&[0x00, 0x53, 0x10, 0x45]).is_err());
    assert!(decode::<AttachTarget>(&[0x00, 0x53, 0x28, 0x45]).is_err());
    assert!(decode::<End>(&[0x45]).is_err());
    assert!(decode::<End>(&[0x00, 0x52, 0x17, 0x45]).is_err());
}

#[test]
fn choices_that_do_not_exist() {
    let error = decode::<SenderSettleMode>(&[0x50, 3]).unwrap_err();
    assert_eq!(error.to_string(), "at byte 2: 3 of sender-settle-mode is not among the choices of the type");
    assert!(decode::<TerminusExpiryPolicy>(b"\xa3\x04ever").is_err());
    assert!(decode::<TerminusDurability>(&[0x52, 9]).is_err());
    assert_eq!(decode::<SaslCode>(&[0x50, 4]).unwrap(), SaslCode::SysTemp);
    assert_eq!(TerminusExpiryPolicy::ConnectionClose.to_string(), "connection-close");
    assert_eq!(Role::Sender.opposite(), Role::Receiver);
}

#[test]
fn delivery_tags() {
    assert_eq!(decode::<DeliveryTag>(&[0xa0, 1, 9]).unwrap().as_slice(), [9]);
    let long = [&[0xa0, 33][..], &[1; 33]].concat();
    assert_eq!(*decode::<DeliveryTag>(&long).unwrap_err().kind(), DecodeErrorKind::TagTooLong(33));
    for (number, bytes) in [(0, &[0][..]), (1, &[1]), (255, &[255]), (256, &[1, 0]), (u64::MAX, &[255; 8])] {
        assert_eq!(DeliveryTag::from(number).as_slice(), bytes);
    }
    assert_eq!(DeliveryTag::from(0x61_u64), DeliveryTag::new(b"a").unwrap());
    assert_eq!(format!("{:?}", DeliveryTag::new(b"a\x00").unwrap()), r#"b"a\x00""#);
}

#[test]
fn sasl_frames_round_trip_and_hide_secrets() {
    let secret = Bytes::from("\0user\0hunter2");
    let frames = [
        SaslFrame::Mechanisms(SaslMechanisms { sasl_server_mechanisms: symbols(&["PLAIN", "EXTERNAL"]) }),
        SaslFrame::Mechanisms(SaslMechanisms { sasl_server_mechanisms: Vec::new() }),
        SaslFrame::Init(SaslInit {
            mechanism: "PLAIN".into(),
            initial_response: Some(secret.clone()),
            hostname: Some("h".into()),
        }),
        SaslFrame::Challenge(SaslChallenge { challenge: secret.clone() }),
        SaslFrame::Response(SaslResponse { response: secret.clone() }),
        SaslFrame::Outcome(SaslOutcome { code: SaslCode::Auth, additional_data: Some(secret) }),
    ];
    for frame in frames {
        let bytes = to_bytes(&frame);
        assert_eq!(decode::<SaslFrame>(&bytes).unwrap(), frame);
        assert!(!format!("{frame:?}").contains("hunter2"), "{frame:?}");
        let line = deuteron_codec::trace::trace_frame(deuteron_codec::trace::Direction::Out, 0, &bytes);
        assert!(!line.contains("hunter2"), "{line}");
    }
    assert!(decode::<SaslMechanisms>(&[0x00, 0x53, 0x40, 0x45]).is_err());
    let one = decode::<SaslMechanisms>(b"\x00\x53\x40\xc0\x08\x01\xa3\x05PLAIN").unwrap();
    assert_eq!(one.sasl_server_mechanisms, symbols(&["PLAIN"]));
}

#[test]
fn transactions() {
    let declare = Declare { global_id: Some(Value::from("g")) };
    assert_eq!(decode::<Declare>(&to_bytes(&declare)).unwrap(), declare);
    assert_eq!(to_bytes(&Declare::default())[..], [0x00, 0x53, 0x31, 0x45]);
    let discharge = Discharge { txn_id: "t".into(), fail: true };
    assert_eq!(decode::<Discharge>(&to_bytes(&discharge)).unwrap(), discharge);
    // Artemis fails on a commit whose fail flag is absent, so it is there even when it is false.
    let commit = Discharge { txn_id: "t".into(), fail: false };
    assert_eq!(to_bytes(&commit).last(), Some(&0x42));
    assert_eq!(decode::<Discharge>(&to_bytes(&commit)).unwrap(), commit);
    assert_eq!(decode::<Discharge>(b"\x00\x53\x32\xc0\x04\x01\xa0\x01t").unwrap(), commit, "absent is false");
}

#[test]
fn protocol_headers() {
    let header = ProtocolHeader::parse(*b"AMQP\x03\x01\x00\x00").unwrap();
    assert_eq!(header, frame::SASL_HEADER);
    assert_eq!(header.bytes(), *b"AMQP\x03\x01\x00\x00");
    let error = ProtocolHeader::parse(*b"HTTP/1.1").unwrap_err();
    assert!(error.to_string().ends_with("is not an AMQP protocol header"), "{error}");
}

#[test]
fn frame_headers() {
    let bytes = [0, 0, 1, 0, 2, 1, 0, 5];
    let header = FrameHeader::parse(&bytes).unwrap().unwrap();
    assert_eq!(header, FrameHeader { size: 256, doff: 2, frame_type: 1, channel: 5 });
    assert_eq!(header.body_offset(), 8);
    for end in 0..8 {
        assert_eq!(FrameHeader::parse(&bytes[..end]).unwrap(), None);
    }
    for (size, doff) in [(7, 2), (0, 0), (8, 1), (11, 3)] {
        let error = FrameHeader::parse(&[0, 0, 0, size, doff, 0, 0, 0]).unwrap_err();
        assert_eq!(*error.kind(), DecodeErrorKind::InvalidFrame { size: size.into(), doff });
    }
    assert!(FrameHeader::parse(&[0, 0, 0, 12, 3, 0, 0, 0]).unwrap().is_some());

    let mut out = BytesMut::from(&b"before"[..]);
    let start = frame::begin_frame(&mut out, frame::FRAME_AMQP, 0x0102);
    out.extend_from_slice(b"body");
    frame::end_frame_with(&mut out, start, 1000);
    assert_eq!(&out[..], b"before\x00\x00\x03\xf4\x02\x00\x01\x02body");
    frame::end_frame(&mut out, start);
    assert_eq!(&out[..], b"before\x00\x00\x00\x0c\x02\x00\x01\x02body");
}
