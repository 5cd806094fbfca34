//! `send`, `receive` and `browse`: what messages can have, and in which forms they are shown.

mod common;

use common::{Broker, Directory, Run, deuteron, good, good_with_input, json_lines, run};
use serde_json::{Value, json};

/// Sends one message with these arguments; how `receive --json` shows it.
#[track_caller]
fn sent(broker: &Broker, args: &[&str]) -> Value {
    let url = broker.url("properties");
    good(&[&["send", &url], args].concat());
    let lines = json_lines(&good(&["receive", &url, "--json", "--count", "1"]));
    lines.into_iter().next().expect("one message")
}

#[test]
fn each_property_arrives() {
    let broker = Broker::start(&[]);
    for (args, place, value) in [
        (&["--id", "5"][..], "/properties/message_id", json!("5")),
        (&["--id", ":ulong=5"], "/properties/message_id", json!({"$ulong": 5})),
        (&["--user-id", "alice"], "/properties/user_id", json!("alice")),
        (&["--to", "there"], "/properties/to", json!("there")),
        (&["--subject", "s"], "/properties/subject", json!("s")),
        (&["--reply-to", "r"], "/properties/reply_to", json!("r")),
        (&["--correlation-id", ":binary=aGk="], "/properties/correlation_id", json!({"$binary": "aGk="})),
        (&["--content-type", "text/plain"], "/properties/content_type", json!("text/plain")),
        (&["--content-encoding", "gzip"], "/properties/content_encoding", json!("gzip")),
        (
            &["--expires", "2999-01-31T12:00:00Z"],
            "/properties/absolute_expiry_time",
            json!("2999-01-31T12:00:00.000Z"),
        ),
        (&["--created", "1000"], "/properties/creation_time", json!("1970-01-01T00:00:01.000Z")),
        (&["--group-id", "g"], "/properties/group_id", json!("g")),
        (&["--group-sequence", "7"], "/properties/group_sequence", json!(7)),
        (&["--reply-to-group-id", "rg"], "/properties/reply_to_group_id", json!("rg")),
        (&["--durable"], "/header/durable", json!(true)),
        (&["--priority", "9"], "/header/priority", json!(9)),
        (&["-p", "a=b"], "/application_properties/a", json!("b")),
        (&["--property", "n:int=5"], "/application_properties/n", json!({"$int": 5})),
        (&["--annotation", "x-opt-a:symbol=s"], "/message_annotations/x-opt-a", json!({"$symbol": "s"})),
        (&["--footer", "x-opt-f:boolean=true"], "/footer/x-opt-f", json!(true)),
        (&["--sequence"], "/application_properties/sequence", json!({"$ulong": 1})),
    ] {
        let message = sent(&broker, args);
        assert_eq!(message.pointer(place), Some(&value), "{args:?}: {message}");
        assert_eq!(message["body"], json!("Hello World!"));
    }
}

#[test]
fn ttl_and_delivery_annotations_leave_with_the_message() {
    // A broker may count the time down, and delivery annotations are for the next hop only.
    let broker = Broker::start(&[]);
    let frames =
        common::trace(&["send", &broker.url("q"), "--ttl", "90s", "--delivery-annotation", "x-opt-d=hop"]);
    let transfer = frames.lines().find(|line| line.contains("@transfer")).expect("a transfer");
    assert!(transfer.contains("x-opt-d") && transfer.contains("hop"), "{transfer}");
    let ttl = json_lines(&good(&["browse", &broker.url("q"), "--json"]))[0]["header"]["ttl"].as_u64();
    assert!(ttl.is_some_and(|ttl| (1..=90_000).contains(&ttl)), "{ttl:?}");
}

#[test]
fn the_body_comes_from_anywhere() {
    let broker = Broker::start(&[]);
    let directory = Directory::new("bodies");
    let file = directory.file("body", b"from a file\n\xff");
    assert_eq!(sent(&broker, &["text"])["body"], json!("text"));
    assert_eq!(sent(&broker, &["--size", "3"])["text"], json!("xxx"));
    assert_eq!(sent(&broker, &["--file", &file])["data"], json!("ZnJvbSBhIGZpbGUK/w=="));
    assert_eq!(sent(&broker, &["--body-type", "binary", "text"])["text"], json!("text"));
    assert_eq!(sent(&broker, &["--body-type", "value", "{\"$int\":5}"])["body"], json!({"$int": 5}));
    assert_eq!(sent(&broker, &["--body-type", "json", "{\"k\":[1,null]}"])["body"], json!({"k": [1, null]}));
    assert_eq!(sent(&broker, &["--body-type", "sequence", "[1,\"x\"]"])["sequence"], json!([[1, "x"]]));
    assert_eq!(sent(&broker, &["--body-type", "text", "--size", "2"])["body"], json!("xx"));
    let url = broker.url("input");
    good_with_input(&["send", &url, "-"], b"all\nof it\n");
    good_with_input(&["send", &url, "--lines"], "one\n\nthree \u{e9}".as_bytes());
    good_with_input(&["send", &url, "--lines", "--count", "1", "--body-type", "binary"], b"\xfe\nleft out\n");
    let lines = json_lines(&good(&["receive", &url, "--until-empty", "--json"]));
    let expected = [
        json!({"text": "all\nof it\n"}),
        json!({"body": "one"}),
        json!({"body": ""}),
        json!({"body": "three \u{e9}"}),
        json!({"data": "/g=="}),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn json_comes_back_unchanged() {
    let broker = Broker::start(&[]);
    let (first, second) = (broker.url("first"), broker.url("second"));
    let mut messages = [
        json!({}),
        json!({"body": "text"}),
        json!({"text": "data that is text"}),
        json!({"data": "/w=="}),
        json!({"data": ["/w==", ""]}),
        json!({"sequence": [[1, null], []]}),
        json!({"header": {}, "properties": {}, "application_properties": {}, "footer": {}}),
        json!({
            "header": {"durable": true, "priority": 9},
            "message_annotations": {"x-opt-a": {"$ulong": 1}},
            "properties": {
                "message_id": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}, "user_id": {"$binary": "/w=="},
                "to": "t", "subject": "s", "reply_to": "r", "correlation_id": {"$ulong": "18446744073709551615"},
                "content_type": "c/t", "content_encoding": "e", "absolute_expiry_time": "2999-01-01T00:00:00.001Z",
                "creation_time": "1999-12-31T23:59:59.999Z", "group_id": "g", "group_sequence": 4_294_967_295_u32,
                "reply_to_group_id": "rg",
            },
            "application_properties": {
                "null": null, "true": true, "ubyte": {"$ubyte": 255}, "ushort": {"$ushort": 65535},
                "uint": {"$uint": 4_294_967_295_u32}, "ulong": {"$ulong": "18446744073709551615"},
                "byte": {"$byte": -128}, "short": {"$short": -32768}, "int": {"$int": -2_147_483_648}, "long": -5,
                "longest": {"$long": "-9223372036854775808"}, "float": {"$float": 1.5}, "nan": {"$float": "0x7fc00000"},
                "double": 0.1, "whole": 5.0, "infinity": {"$double": "inf"}, "decimal32": {"$decimal32": "22500001"},
                "decimal64": {"$decimal64": "2234000000000001"},
                "decimal128": {"$decimal128": "22080000000000000000000000000001"}, "char": {"$char": "\u{1f600}"},
                "timestamp": {"$timestamp": "1970-01-01T00:00:00.000Z"},
                "uuid": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}, "binary": {"$binary": "AP8="},
                "string": "\u{0}\n\"", "symbol": {"$symbol": "s"},
            },
            "body": {
                "list": [[], [1]], "map": {"$map": [[1, 2], [{"$symbol": "s"}, null]]},
                "array": {"$array": {"type": "int", "values": [1, -1]}},
                "described": {"$described": [{"$symbol": "d"}, {"$array": {"type": "symbol", "values": []}}]},
                "arrays": {"$array": {"type": "array", "values": [{"type": "ulong", "values": ["18446744073709551615"]}]}},
            },
            "footer": {"x-opt-f": "f"},
        }),
    ];
    // The one with a high priority may go first anyway.
    messages.rotate_right(1);
    let input: String = messages.iter().map(|message| format!("{message}\n")).collect();
    good_with_input(&["send", &first, "--json"], input.as_bytes());
    let out = good(&["receive", &first, "--json", "--count", &messages.len().to_string()]);
    assert_eq!(json_lines(&out), messages);
    good_with_input(&["send", &second, "--json"], out.as_bytes());
    assert_eq!(good(&["receive", &second, "--json", "--until-empty"]), out);
}

#[test]
fn arguments_go_over_what_json_says() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let line = br#"{"header":{"priority":7},"properties":{"subject":"old","to":"t"},"application_properties":{"a":1}}"#;
    let over = ["send", &url, "--json", "--subject", "new", "-p", "b=2", "--priority", "4", "--sequence"];
    good_with_input(&over, line);
    let message = &json_lines(&good(&["receive", &url, "--json", "--count", "1"]))[0];
    assert_eq!(message["properties"], json!({"subject": "new", "to": "t"}));
    assert_eq!(message["application_properties"], json!({"a": 1, "b": "2", "sequence": {"$ulong": 1}}));
    assert_eq!(message["header"], json!({}));
}

#[test]
fn messages_are_shown_as_wanted() {
    let broker = Broker::start(&[]);
    let url = broker.url("shown");
    let directory = Directory::new("shown");
    good(&[
        "send",
        &url,
        "text",
        "--subject",
        "s",
        "-p",
        "n:int=5",
        "--annotation",
        "x-opt-a=1",
        "--priority",
        "5",
    ]);
    good_with_input(&["send", &url, "--body-type", "binary", "-"], b"\xff\xff");
    good(&["send", &url, "--body-type", "value", "[1]"]);
    assert_eq!(good(&["browse", &url]), "text\n(2 bytes)\n[1]\n");
    assert_eq!(good(&["browse", &url, "--quiet"]), "");
    let raw = deuteron(&["browse", &url, "--raw"]).output().expect("it runs").stdout;
    assert_eq!(raw, b"text\xff\xff[1]");
    let full = good(&["browse", &url, "--full", "--count", "1"]);
    for line in [
        "message 1",
        "  header: priority=5",
        "  subject: s",
        "  annotation: x-opt-a = \"1\"",
        "  property: n = {\"$int\":5}",
        "  body (value): text",
    ] {
        assert!(full.lines().any(|shown| shown.starts_with(line)), "{line}:\n{full}");
    }
    let target = directory.0.join("made");
    good(&["receive", &url, "--count", "3", "--output-dir", target.to_str().expect("it is UTF-8")]);
    for (name, content) in [("message-1", &b"text"[..]), ("message-2", b"\xff\xff"), ("message-3", b"[1]")] {
        assert_eq!(std::fs::read(target.join(name)).expect("it was written"), content);
    }
    assert_eq!(good(&["browse", &url]), "");
}

#[test]
fn what_is_wrong_with_a_message_is_said_before_connecting() {
    for (args, part) in [
        (&["--id", ":int=5"][..], "--id: "),
        (&["--id", ":ulong=x"], "--id: 'x' is no ulong"),
        (&["-p", "novalue"], "--property: 'novalue' has no '='"),
        (&["-p", "a:float32=1"], "'float32' is no type"),
        (&["--annotation", "\u{e9}=1"], "is no symbol"),
        (&["--content-type", "\u{e9}"], "--content-type: "),
        (&["--expires", "soon"], "--expires: 'soon' is no point in time"),
        (&["--ttl", "5y"], "'y' is no unit of time"),
        (&["--priority", "256"], "256"),
        (&["--body-type", "value", "{"], "the body: '{' is not JSON"),
        (&["--file", "/nowhere/at/all"], "cannot read /nowhere/at/all"),
        (&["--size", "99999999999G"], "--size"),
        (&["text", "--size", "5"], "cannot be used with"),
        (&["--lines", "--json"], "cannot be used with"),
        (&["--queue", "--topic"], "cannot be used with"),
        (&["--rate", "0"], "is no rate"),
        (&["--count", "few"], "--count"),
    ] {
        // Nobody listens there.
        let run = run(&[&["send", "amqp://127.0.0.1:1/q"], args].concat()).expect(2);
        assert!(run.err.contains(part), "{args:?}: {}", run.err);
    }
}

#[test]
fn a_wrong_line_ends_it_after_those_before() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let input = b"{\"body\":1}\n\n{\"body\":2}\n{\"body\":{\"$int\":\"x\"}}\n{\"body\":3}\n";
    let run = Run::with_input(&mut deuteron(&["send", &url, "--json", "--summary", "text"]), input).expect(2);
    assert!(run.err.contains("standard input, line 4: body: $int: 'x' is no int"), "{}", run.err);
    assert!(run.err.contains("2 of 2 messages accepted"), "{}", run.err);
    let run = Run::with_input(&mut deuteron(&["send", &url, "--lines"]), b"3\n\xff\n").expect(2);
    assert!(run.err.contains("line 2: it is not UTF-8"), "{}", run.err);
    assert_eq!(good(&["receive", &url, "--until-empty"]), "1\n2\n3\n");
}
