"""Messages: their fields, the bytes that they make, and what is made of bytes."""

from __future__ import annotations

import uuid

import pytest
from pairs import Pair
from proton import AnnotationDict, Message, MessageException, symbol, ulong
from proton.handlers import MessagingHandler

DEFAULTS = {
    "inferred": False,
    "durable": False,
    "priority": 4,
    "ttl": 0.0,
    "first_acquirer": False,
    "delivery_count": 0,
    "id": None,
    "user_id": b"",
    "address": None,
    "subject": None,
    "reply_to": None,
    "correlation_id": None,
    "content_type": symbol("None"),
    "content_encoding": symbol("None"),
    "expiry_time": 0.0,
    "creation_time": 0.0,
    "group_id": None,
    "group_sequence": 0,
    "reply_to_group_id": None,
    "instructions": None,
    "annotations": None,
    "properties": None,
    "body": None,
}

FULL = {
    "durable": True,
    "priority": 5,
    "ttl": 1.5,
    "first_acquirer": True,
    "delivery_count": 2,
    "id": 3,
    "user_id": b"u",
    "address": "a",
    "subject": "s",
    "reply_to": "r",
    "correlation_id": "c",
    "content_type": "ct",
    "content_encoding": "ce",
    "expiry_time": 2.5,
    "creation_time": 3.5,
    "group_id": "g",
    "group_sequence": 4,
    "reply_to_group_id": "rg",
    "instructions": {"i": 1},
    "annotations": {"n": 1},
    "properties": {"p": 1},
    "body": "b",
}


def decoded(text: str) -> Message:
    """The message of some bytes in hexadecimal."""
    message = Message()
    message.decode(bytes.fromhex(text))
    return message


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(name):
    assert getattr(Message(), name) == DEFAULTS[name]
    assert type(getattr(Message(), name)) is type(DEFAULTS[name])


@pytest.mark.parametrize("name", FULL)
def test_fields_come_back_as_they_were(name):
    message = Message()
    message.decode(bytes(Message(**FULL).encode()))
    assert getattr(message, name) == FULL[name]
    assert getattr(Message(**FULL), name) == FULL[name]


@pytest.mark.parametrize("name", DEFAULTS)
def test_clear_brings_the_defaults_back(name):
    message = Message(inferred=True, **FULL)
    message.clear()
    assert getattr(message, name) == DEFAULTS[name]


def test_keywords_are_attributes():
    with pytest.raises(AttributeError):
        Message(nothing=1)


def test_messages_are_themselves_alone():
    assert Message("a") != Message("a")
    assert Message("a").body == "a"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "0053704500537345"),
        ({"body": "b"}, "0053704500537345005377a10162"),
        ({"body": b"b"}, "0053704500537345005377a00162"),
        ({"body": b"b", "inferred": True}, "0053704500537345005375a00162"),
        ({"body": [1], "inferred": True}, "0053704500537345005376d000000006000000015501"),
        ({"body": [1]}, "0053704500537345005377d000000006000000015501"),
        ({"body": 1, "inferred": True}, "00537045005373450053775501"),
        ({"priority": 5}, "005370c0040240500500537345"),
        ({"durable": True}, "005370c002014100537345"),
        ({"ttl": 1.5}, "005370c00803404070000005dc00537345"),
        ({"subject": "s"}, "00537045005373c00704404040a10173"),
        ({"group_id": "g"}, "00537045005373c00f0c40404040404040404040a1016743"),
        ({"group_id": "g", "group_sequence": 3}, "00537045005373c0100c40404040404040404040a101675203"),
        ({"properties": {}}, "0053704500537345005374d10000000400000000"),
        ({"annotations": {"a": 1}}, "00537045005372d10000000900000002a30161550100537345"),
        ({"instructions": {"a": 1}}, "00537045005371d10000000900000002a30161550100537345"),
        ({"annotations": {1: 1}}, "00537045005372d100000008000000025501550100537345"),
        ({"id": 1.5}, "0053704500537345"),
    ],
    ids=repr,
)
def test_bytes_of_messages(fields, expected):
    encoded = Message(**fields).encode()
    assert type(encoded) is bytearray
    assert encoded.hex() == expected


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("ttl", -1, OverflowError),
        ("ttl", 1e10, OverflowError),
        ("ttl", "x", ValueError),
        ("id", -1, OverflowError),
        ("id", 2**64, OverflowError),
        ("correlation_id", -1, OverflowError),
        ("user_id", 5, TypeError),
        ("address", 5, TypeError),
        ("subject", 5, TypeError),
        ("reply_to", 5, TypeError),
        ("group_id", 5, TypeError),
        ("reply_to_group_id", 5, TypeError),
        ("content_type", 5, TypeError),
        ("priority", 300, OverflowError),
        ("priority", -1, OverflowError),
        ("delivery_count", -1, OverflowError),
        ("group_sequence", -1, OverflowError),
    ],
)
def test_values_that_a_field_does_not_take(name, value, error):
    message = Message()
    with pytest.raises(error):
        setattr(message, name, value)
    assert getattr(message, name) == DEFAULTS[name]


def test_times_are_whole_milliseconds():
    assert Message(ttl=1.0009).ttl == 1.0
    assert Message(ttl=2).ttl == 2.0
    assert Message(creation_time=-1).creation_time == -1.0
    assert Message(expiry_time=0.0015).expiry_time == 0.001


@pytest.mark.parametrize("value", [5, "x", uuid.UUID(int=4), b"y"])
def test_ids_of_each_kind(value):
    sent = Message(id=value, correlation_id=value)
    message = Message()
    message.decode(bytes(sent.encode()))
    expected = memoryview if type(value) is bytes else type(value)
    for each in (message.id, message.correlation_id, sent.id):
        assert type(each) is expected
        assert each == value


def test_an_unsigned_id_is_read_as_a_plain_number():
    assert type(Message(id=ulong(5)).id) in (int, ulong)
    message = Message()
    message.decode(bytes(Message(id=5).encode()))
    assert type(message.id) is int


@pytest.mark.parametrize("value", [1.5, [1], True.__class__])
def test_ids_of_other_kinds_are_none(value):
    assert Message(id=value).id is None


def test_a_user_id_may_be_text():
    assert Message(user_id="\u00e9").user_id == b"\xc3\xa9"


@pytest.mark.parametrize("key", [symbol("a"), 1, b"x"])
def test_properties_have_strings_as_keys(key):
    message = Message(properties={key: 1})
    with pytest.raises(MessageException):
        message.encode()


def test_subclasses_of_strings_are_keys_of_properties():
    message = Message(properties={type("Text", (str,), {})("a"): 1})
    assert message.encode().hex() == "0053704500537345005374d10000000900000002a101615501"


def test_properties_are_a_dictionary_of_what_can_be_encoded():
    with pytest.raises(AttributeError):
        Message(properties=5).encode()
    with pytest.raises(KeyError):
        Message(properties={"a": object()}).encode()
    with pytest.raises(KeyError):
        Message(object()).encode()


def test_annotations_need_not_be_a_dictionary():
    assert Message(annotations=[1]).encode().hex() == "00537045005372d00000000600000001550100537345"


def test_properties_and_annotations_are_read_as_dictionaries():
    message = Message()
    message.decode(bytes(Message(properties={"p": 1}, annotations={"n": 1}, instructions={"i": 1}).encode()))
    assert type(message.properties) is dict
    assert type(message.annotations).__name__ == "AnnotationDict"
    assert [type(key) for key in message.annotations] == [symbol]
    assert [type(key) for key in message.instructions] == [symbol]


def test_the_last_of_several_bodies_counts():
    message = decoded("005375a00161005375a00162")
    assert bytes(message.body) == b"b"
    assert message.inferred
    message = decoded("005376d000000006000000015501005376d000000006000000015502")
    assert message.body == [2]
    assert message.inferred


def test_a_value_is_not_inferred():
    message = decoded("0053775501")
    assert message.body == 1
    assert not message.inferred


@pytest.mark.parametrize("text", ["", "00", "00537755", "00539945", "6162", "005377a1055a"])
def test_what_is_no_message_is_an_empty_one(text):
    message = decoded(text)
    assert {name: getattr(message, name) for name in DEFAULTS} == DEFAULTS


def test_a_footer_is_passed_over():
    assert decoded("0053775501005378d10000000400000000").body == 1


def test_text_that_is_not_unicode():
    with pytest.raises(UnicodeDecodeError):
        assert decoded("005377a101ff").body is None


@pytest.mark.parametrize("section, field", [("71", "instructions"), ("72", "annotations"), ("74", "properties")])
@pytest.mark.parametrize("key, value", [("016b", "a102fffe"), ("01ff", "41")])
def test_annotations_and_properties_that_are_not_unicode(section, field, key, value):
    # Keys are strings in the properties, and symbols in the others.
    pair = ("a1" if section == "74" else "a3") + key + value
    with pytest.raises(UnicodeDecodeError):
        getattr(decoded(f"0053{section}c1{len(pair) // 2 + 1:02x}02{pair}005377a103616263"), field)


def test_representation():
    assert repr(Message("b", ttl=1, id=1, properties={"a": 1})) == (
        "Message(ttl=1.0, priority=4, id=1, properties={'a': 1}, body='b')"
    )
    assert repr(Message()) == "Message(priority=4)"


@pytest.mark.ours
def test_representation_of_all_fields():
    text = repr(Message(**FULL))
    for name in FULL:
        assert f"{name}=" in text


def test_text_that_is_not_unicode_in_a_handler():
    class Reader(MessagingHandler):
        def on_message(self, event):
            assert event.message.body is None

    pair = Pair().opened()
    sender, _receiver = pair.linked(1)
    sender.delivery("tag")
    sender.send(bytes.fromhex("005377a101ff"))
    sender.advance()
    pair.pump()
    event = pair.server.collector.peek()
    with pytest.raises(UnicodeDecodeError):
        event.dispatch(Reader())


@pytest.mark.parametrize("length", [0, 1, 255, 256, 2047, 2048, 2049, 100_000])
def test_binary_bodies_of_any_length(length):
    body = bytes(number % 251 for number in range(length))
    for inferred in (False, True):
        message = Message(body=body, inferred=inferred, properties={"a": "b"})
        copy = Message()
        copy.decode(message.encode())
        assert (bytes(copy.body), len(copy.body), copy.inferred) == (body, length, inferred)
        assert type(copy.body) is memoryview
        again = Message()
        again.decode(copy.encode())
        assert bytes(again.body) == body


def test_annotations_that_came_are_as_those_that_were_made():
    message = Message(annotations={"x-opt-a": 1, symbol("x-opt-b"): "c", ulong(5): "five"})
    copies = [Message(), Message()]
    for copy in copies:
        copy.decode(message.encode())
    first, second = (copy.annotations for copy in copies)
    assert first == second == message.annotations
    assert type(first) is AnnotationDict
    assert {type(key) for key in first} == {symbol, ulong}
    first["x-opt-d"] = 2
    assert [type(key) for key in first][-1] is symbol
    assert "x-opt-d" not in second
    copies[0].annotations = first
    third = Message()
    third.decode(copies[0].encode())
    assert third.annotations == first
