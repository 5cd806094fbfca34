//! Selectors by example: what they select, and what is said of those that are none.

use bytes::Bytes;
use deuteron::codec::{Decimal32, Timestamp, Uuid};
use deuteron::{Message, MessageId, Value};
use proptest::prelude::*;

use super::*;

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A message with something of everything.
fn message() -> Message {
    Message::new("body")
        .with_durable(true)
        .with_priority(7)
        .with_delivery_count(2)
        .with_id("id-1")
        .with_user_id(b"me".to_vec())
        .with_to("here")
        .with_subject("news")
        .with_reply_to("there")
        .with_correlation_id(MessageId::Ulong(17))
        .with_content_type("text/plain")
        .with_creation_time(Timestamp(1_000))
        .with_absolute_expiry_time(Timestamp(2_000))
        .with_group_id("g")
        .with_group_sequence(3_u32)
        .with_annotation("x-opt-a", 1)
        .with_property("colour", "red")
        .with_property("my-prop", "dashed")
        .with_property("weight", 2500)
        .with_property("price", 1.5)
        .with_property("small", 1.5_f32)
        .with_property("big", u64::MAX)
        .with_property("least", i64::MIN)
        .with_property("yes", true)
        .with_property("no", false)
        .with_property("nothing", Value::Null)
        .with_property("letter", 'x')
        .with_property("bytes", Bytes::from_static(b"x"))
        .with_property("decimal", Value::Decimal32(Decimal32([0; 4])))
        .with_property("uuid", Uuid([0x11; 16]))
        .with_property("quote", "it's")
        .with_property("größe", 5)
        .with_property("header.other", "a property")
        .with_property("properties", "of that name")
        .with_property("nan", f64::NAN)
}

fn truth(text: &str) -> Option<bool> {
    let payload = message().to_bytes();
    let view = MessageView::new(&payload).expect("it is a message");
    evaluate::condition(&selector(text).condition, &Fields::new(&view, 0))
}

#[test]
fn conditions_that_hold() {
    let all = [
        "",
        "  \t\n ",
        "TRUE",
        "true",
        "(TRUE)",
        "((((TRUE))))",
        "yes",
        "NOT no",
        "NOT NOT yes",
        "yes AND NOT no",
        // comparison
        "colour = 'red'",
        "colour='red'",
        "'red' = colour",
        "colour <> 'blue'",
        "colour != 'blue'",
        "\"my-prop\" = 'dashed'",
        "\"colour\" = 'red'",
        "quote = 'it''s'",
        "letter = 'x'",
        "größe = 5",
        "uuid = '11111111-1111-1111-1111-111111111111'",
        "weight = 2500",
        "weight > 2499",
        "weight >= 2500",
        "weight < 2501",
        "weight <= 2500",
        "weight <> 1",
        "weight = 2500.0",
        "price = 1.5",
        "price = 15E-1",
        "price > 1",
        "small = price",
        "small = 1.5f",
        "price = 1.5d",
        "yes = TRUE",
        "yes <> FALSE",
        "no = false",
        "(weight > 1) = yes",
        "big = 18446744073709551615",
        "big > 0",
        "least = -9223372036854775808",
        "least < 0",
        "big > least",
        "nan <> nan",
        "nan <> 1",
        // numbers
        "weight = 2500L",
        "weight = 0x9C4",
        "weight = 0X9c4l",
        "weight = 04704",
        "weight = 2.5E3",
        "weight = 2500.",
        "price > .5",
        "weight = 25e+2",
        "weight = 250000e-2F",
        // arithmetic
        "weight + 1 = 2501",
        "weight - 1 - 1 = 2498",
        "weight * 2 = 5000",
        "weight / 2 / 2 = 625",
        "2 + 3 * 4 = 14",
        "(2 + 3) * 4 = 20",
        "-weight = -2500",
        "- - weight = 2500",
        "+weight = 2500",
        "weight = --2500",
        "7 / 2 = 3",
        "7 / 2.0 = 3.5",
        "price * 2 = 3",
        "-weight + weight = 0",
        "1 - -1 = 2",
        "price / 0 > 1000",
        "10 - 2 * 3 - 1 = 3",
        // BETWEEN, IN, LIKE, IS NULL
        "weight BETWEEN 2500 AND 2500",
        "weight between 1 and 2500 and yes",
        "weight NOT BETWEEN 1 AND 2499",
        "weight NOT BETWEEN 2501 AND 1",
        "price BETWEEN 1 AND 2",
        "weight + 1 BETWEEN 2501 AND 2600",
        "colour IN ('blue', 'red')",
        "colour in('red')",
        "colour NOT IN ('blue')",
        "weight IN (1, 2500)",
        "least IN (-9223372036854775808)",
        "weight IN (2500.0)",
        "weight NOT IN ('red')",
        "colour LIKE 'r%'",
        "colour LIKE '_e_'",
        "colour NOT LIKE 'b%'",
        "\"my-prop\" LIKE 'd!%a%' ESCAPE '!' OR yes",
        "quote LIKE 'it''_'",
        "weight NOT LIKE '2%'",
        "colour LIKE 'red' ESCAPE '\\'",
        "unknown IS NULL",
        "nothing IS NULL",
        "colour IS NOT NULL",
        "bytes IS NOT NULL",
        "decimal is not null",
        "unknown + 1 IS NULL",
        "colour * 2 IS NULL",
        // three values
        "unknown = 1 OR yes",
        "yes OR unknown",
        "NOT (unknown = 1 AND no)",
        "(no AND unknown) = no",
        // header and properties
        "JMSDeliveryMode = 'PERSISTENT'",
        "JMSPriority = 7",
        "JMSPriority > 4",
        "JMSMessageID = 'id-1'",
        "JMSTimestamp = 1000",
        "JMSCorrelationID = 'ID:AMQP_ULONG:17'",
        "JMSType = 'news'",
        "JMSExpiration = 2000",
        "JMSDestination = 'here'",
        "JMSReplyTo = 'there'",
        "JMSRedelivered",
        "JMSRedelivered = TRUE",
        "JMSXDeliveryCount = 3",
        "JMSXGroupID = 'g'",
        "JMSXGroupSeq = 3",
        "JMSXUserID = 'me'",
        "AMQPriority = 7",
        "AMQDurable = 'DURABLE'",
        "AMQUserID = 'id-1'",
        "AMQAddress = 'here'",
        "AMQSize > 100",
        "amqp.priority = 7",
        "header.priority = 7",
        "header.durable",
        "NOT header.first_acquirer",
        "header.delivery_count = 2",
        "header.ttl IS NULL",
        "properties.subject = 'news'",
        "amqp.subject = 'news'",
        "amqp.correlation_id = 17",
        "\"properties.correlation-id\" = 17",
        "properties.group_sequence = 3",
        "properties.content_type LIKE 'text/%'",
        "properties.creation_time BETWEEN 1 AND 1000",
        "properties.reply_to_group_id IS NULL",
        "amqp.absolute_expiry_time = 2000",
        "amqp.content_encoding IS NULL",
        "application_properties.colour = 'red'",
        "\"message_annotations.x-opt-a\" = 1",
        "header.other = 'a property'",
        "properties = 'of that name'",
        "header.colour IS NULL",
    ];
    for text in all {
        assert_eq!(truth(text), Some(true), "{text}");
    }
}

#[test]
fn conditions_that_do_not_hold() {
    let all = [
        "FALSE",
        "no",
        "NOT yes",
        "colour = 'blue'",
        "colour = 'RED'",
        "weight > 2500",
        "yes AND no",
        "no OR no",
        // names are told apart by case, and types that differ are not compared
        "colour = 5",
        "colour <> 5",
        "weight = '2500'",
        "weight <> '2500'",
        "yes = 'true'",
        "yes <> 1",
        "colour > 1",
        "yes > no",
        "bytes = 'x'",
        "bytes <> 'x'",
        "bytes = bytes",
        "decimal = 0",
        "colour BETWEEN 1 AND 2",
        "colour NOT BETWEEN 1 AND 2",
        "weight LIKE '2%'",
        "weight IN ('2500')",
        "nan = nan",
        "nan < 1",
        "nan > 1",
        "weight BETWEEN 2501 AND 2499",
        "weight BETWEEN unknown AND 1",
        "colour IN ('Red', 'blue')",
        "colour NOT IN ('red')",
        "colour IS NULL",
        "nothing IS NOT NULL",
        "Colour IS NOT NULL",
        "no AND unknown = 1",
        "unknown = 1 AND no",
        "JMSRedelivered = FALSE",
        "JMSDeliveryMode = 'NON_PERSISTENT'",
    ];
    for text in all {
        assert_eq!(truth(text), Some(false), "{text}");
    }
}

#[test]
fn conditions_that_are_unknown() {
    let all = [
        "unknown",
        "nothing",
        "colour",
        "weight",
        "NOT unknown",
        "NOT NOT unknown",
        "NOT weight",
        "unknown = unknown",
        "unknown <> 1",
        "nothing = 'a'",
        "unknown > 1",
        "NOT (unknown > 1)",
        "unknown = 1 AND yes",
        "unknown = 1 OR no",
        "unknown LIKE '%'",
        "unknown NOT LIKE '%'",
        "unknown IN ('a')",
        "unknown NOT IN ('a')",
        "unknown BETWEEN 1 AND 2",
        "weight BETWEEN unknown AND 3000",
        "weight NOT BETWEEN unknown AND 3000",
        "unknown + 1 = 2",
        "colour + 1 = 2",
        "-colour = 1",
        "+colour = 1",
        "weight / 0 = 1",
        "yes * 2 = 2",
        "99999999999999999 * 99999999999999999 * 99999999999999999 = 1",
    ];
    for text in all {
        assert_eq!(truth(text), None, "{text}");
        assert!(!selector(text).matches(&message().to_bytes(), 0), "{text}");
    }
}

#[test]
fn a_message_without_sections_has_defaults() {
    let payload = Message::new("body").to_bytes();
    let all = [
        "JMSPriority = 4",
        "JMSDeliveryMode = 'NON_PERSISTENT'",
        "JMSExpiration = 0",
        "NOT JMSRedelivered",
        "JMSXDeliveryCount = 1",
        "JMSMessageID IS NULL",
        "JMSType IS NULL",
        "AMQDurable = 'NON_DURABLE'",
    ];
    for text in all {
        assert!(selector(text).matches(&payload, 0), "{text}");
    }
    assert!(selector("JMSRedelivered AND JMSXDeliveryCount = 3").matches(&payload, 2));
}

#[test]
fn ids_are_text_to_jms() {
    let ids = [
        (MessageId::Uuid(Uuid([0xab; 16])), "ID:AMQP_UUID:abababab-abab-abab-abab-abababababab"),
        (MessageId::Binary(Bytes::from_static(&[1, 0xff])), "ID:AMQP_BINARY:01FF"),
        (MessageId::String("ID:x".into()), "ID:x"),
    ];
    for (id, text) in ids {
        let payload = Message::new("x").with_id(id).to_bytes();
        assert!(selector(&format!("JMSMessageID = '{text}'")).matches(&payload, 0), "{text}");
    }
}

#[test]
fn what_is_no_message_is_not_selected() {
    assert!(!selector("TRUE").matches(b"not a message", 0));
    // Properties that cannot be read are not there.
    let broken = [0x00, 0x53, 0x73, 0xc0, 0x03, 0x01, 0xff, 0xff, 0x00, 0x53, 0x77, 0x40];
    assert!(selector("JMSType IS NULL").matches(&broken, 0));
}

#[test]
fn errors_say_what_where_and_what_was_expected() {
    let all = [
        ("colour =", 9, "expected a name, a value or '(', found the end"),
        ("colour = = 1", 10, "expected a name, a value or '(', found '='"),
        ("= 1", 1, "expected a name, a value or '(', found '='"),
        ("5", 1, "the selector needs a condition, this is a number"),
        ("'a'", 1, "the selector needs a condition, this is a string"),
        ("weight + 1", 1, "the selector needs a condition, this is a number"),
        ("a AND 5", 7, "AND needs a condition, this is a number"),
        ("'a' OR b", 1, "OR needs a condition, this is a string"),
        ("NOT 5", 5, "NOT needs a condition, this is a number"),
        ("a = 1 AND", 10, "expected a name, a value or '(', found the end"),
        ("a = 1 b = 2", 7, "expected AND, OR, an operator or the end, found 'b'"),
        ("(a = 1", 1, "this ( is never closed"),
        ("(a = 1 b", 8, "expected ')', AND, OR or an operator, found 'b'"),
        ("a = 1)", 6, "this ) closes nothing"),
        ("()", 2, "expected a name, a value or '(', found ')'"),
        ("a = 'x", 5, "this string has no end; a ' is missing"),
        ("\"a = 1", 1, "this name has no end; a \" is missing"),
        ("\"\" = 1", 1, "a name in double quotes is empty"),
        ("ä = #", 5, "'#' is not part of any selector"),
        ("a == 1", 3, "'==' is no operator; use '='"),
        ("a && b", 3, "'&&' is no operator; use AND"),
        ("a || b", 3, "'||' is no operator; use OR"),
        ("!a", 1, "'!' is no operator; use NOT, or '<>' for unequal"),
        ("a < 'x'", 5, "an order needs a number, this is a string"),
        ("TRUE > a", 1, "an order needs a number, this is a condition"),
        ("'a' = 1", 7, "a number is never equal to a string"),
        ("a = 1 = 2", 7, "a comparison cannot be compared; use AND, or parentheses"),
        ("a + 'x' = 1", 5, "arithmetic needs a number, this is a string"),
        ("-'x' = 1", 2, "a sign needs a number, this is a string"),
        ("a IS 5", 6, "expected NULL or NOT NULL, found '5'"),
        ("a IS NOT 5", 10, "expected NULL, found '5'"),
        ("a = NULL", 5, "NULL is no value; use IS NULL"),
        ("a = NOT b", 5, "NOT needs parentheses here"),
        ("a NOT 5", 7, "expected BETWEEN, IN or LIKE after NOT, found '5'"),
        ("a BETWEEN 1", 12, "expected AND and the upper bound of BETWEEN, found the end"),
        ("a BETWEEN 1 OR 2", 13, "expected AND and the upper bound of BETWEEN, found 'OR'"),
        ("a BETWEEN 'x' AND 2", 11, "BETWEEN needs a number, this is a string"),
        ("a IN 'x'", 6, "expected ( and the values of IN, found ''x''"),
        ("a IN ()", 7, "expected a string in single quotes, or a number, found ')'"),
        ("a IN ('x' 'y')", 11, "expected ',' or ')', found ''y''"),
        ("a IN ('x', b)", 12, "expected a string in single quotes, or a number, found 'b'"),
        ("a IN (-'x')", 8, "expected a number, found ''x''"),
        ("a LIKE b", 8, "expected a pattern in single quotes after LIKE, found 'b'"),
        ("a LIKE 'x' ESCAPE", 18, "expected one character in single quotes after ESCAPE, found the end"),
        ("a LIKE 'x' ESCAPE '!!'", 19, "ESCAPE takes one character, '!!' is not one"),
        ("a LIKE 'x!' ESCAPE '!'", 8, "the pattern ends with its escape '!'"),
        ("5 LIKE 'x'", 1, "LIKE needs a string, this is a number"),
        ("a = 5x", 5, "'5x' is no number"),
        ("a = 1.2.3", 5, "'1.2.3' is no number"),
        ("a = 0x", 5, "'0x' is no number"),
        ("a = 1e", 5, "'1e' is no number"),
        ("a = 089", 5, "'089' is no number; those that start with 0 are octal, as in Java"),
        ("a = 1e999", 5, "the number '1e999' is too large"),
        (
            "a = 18446744073709551616",
            5,
            "the number '18446744073709551616' is too large; the largest is 18446744073709551615",
        ),
    ];
    for (text, position, expected) in all {
        let error = Selector::parse(text).expect_err(text);
        assert_eq!((error.position, error.text.as_str()), (position, expected), "{text}");
    }
    let error = Selector::parse("a ==").expect_err("it is wrong");
    assert_eq!(error.to_string(), "at character 3: '==' is no operator; use '='");
}

#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    let error = |text: &str| Selector::parse(text).expect_err("it is too much").text;
    assert!(error(&" ".repeat(MAX_LENGTH + 1)).contains("it may have 16384"));
    let nested = |depth| format!("{}TRUE{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Selector::parse(&nested(MAX_DEPTH)).is_ok());
    assert!(error(&nested(MAX_DEPTH + 1)).contains("within each other"));
    assert!(error(&"(".repeat(MAX_LENGTH)).contains("within each other"));
}

#[test]
fn long_chains_are_no_deep_trees() {
    let chains = [
        format!("{}TRUE", "NOT ".repeat(4000)),
        format!("{}1 = 1", "-".repeat(16_000)),
        format!("{}1 = 8001", "1+".repeat(8000)),
        format!("{}TRUE", "TRUE AND ".repeat(1800)),
        format!("{}TRUE", "FALSE OR ".repeat(1800)),
        format!("TRUE{}", " AND 1<2".repeat(2000)),
    ];
    for text in chains {
        assert_eq!(truth(&text), Some(true), "{}", &text[..10]);
    }
    assert_eq!(truth(&format!("1 IN (1{})", ",2".repeat(8000))), Some(true));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        drop(Selector::parse(&text));
    }

    #[test]
    fn no_tokens_make_the_parser_or_the_evaluation_panic(tokens in prop::collection::vec(prop_oneof![
        Just("AND"), Just("OR"), Just("NOT"), Just("("), Just(")"), Just("="), Just("<"), Just(">"), Just("<>"),
        Just("colour"), Just("weight"), Just("'red'"), Just("5"), Just("1e5"), Just(".5"), Just("0x1"), Just("-"),
        Just("+"), Just("*"), Just("/"), Just("IN"), Just("LIKE"), Just("ESCAPE"), Just("'!'"), Just("BETWEEN"),
        Just("IS"), Just("NULL"), Just(","), Just("TRUE"), Just("\"q\""), Just("'"), Just("ß"), Just("%"),
    ], 0..25)) {
        let text = tokens.join(" ");
        match Selector::parse(&text) {
            Ok(selector) => {
                let _ = selector.matches(&message().to_bytes(), 0);
            }
            Err(error) => prop_assert!(error.position <= text.chars().count() + 1),
        }
    }

    #[test]
    fn no_bytes_make_the_evaluation_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), place in any::<usize>()) {
        let text = "colour = 'x' OR JMSType LIKE '%' OR JMSPriority > 5 OR header.ttl > 1 OR \"message_annotations.a\" = 1";
        let selector = selector(text);
        let _ = selector.matches(&bytes, 0);
        let mut payload = message().to_bytes().to_vec();
        let place = place % payload.len();
        payload.splice(place..(place + bytes.len()).min(message().to_bytes().len()), bytes);
        let _ = selector.matches(&payload, 0);
    }
}
