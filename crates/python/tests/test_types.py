"""The types of AMQP in Python: how they are made, shown, compared and converted."""

from __future__ import annotations

import uuid

import pytest
from proton import (
    UNDESCRIBED,
    AnnotationDict,
    Array,
    Condition,
    Data,
    Delivery,
    Described,
    PropertyDict,
    SymbolList,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)

KEPT: list = []


def through(value):
    """What a value is after encoding and decoding. The data stays: views of Proton are into its memory."""
    data = Data()
    data.put_object(value)
    other = Data()
    KEPT.append(other)
    other.decode(bytes(data.encode()))
    other.rewind()
    other.next()
    return other.get_object()


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        1.5,
        "text",
        "\u00e9\u20ac",
        symbol("name"),
        ulong(2**64 - 1),
        uint(2**32 - 1),
        ushort(65535),
        ubyte(255),
        byte(-128),
        short(-32768),
        int32(-(2**31)),
        float32(0.5),
        decimal32(7),
        decimal64(8),
        decimal128(bytes(range(16))),
        char("\u20ac"),
        timestamp(-5),
        uuid.UUID(int=5),
        [1, "a", [None]],
        {"a": 1, symbol("b"): [2]},
        Described(symbol("d"), "v"),
        Array(UNDESCRIBED, Data.INT, int32(1), int32(2)),
        Array(symbol("d"), Data.STRING, "a", "b"),
    ],
    ids=repr,
)
def test_each_type_comes_back_as_itself(value):
    back = through(value)
    assert type(back) is type(value)
    assert back == value


def test_null_comes_back_as_none():
    assert through(None) is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_binary_comes_back_as_a_view(kind):
    back = through(kind(b"abc"))
    assert type(back) is memoryview
    assert back == b"abc"


@pytest.mark.parametrize("value", [[1, 2], (1, 2)])
def test_sequences_come_back_as_lists(value):
    assert through(value) == [1, 2]


def test_dictionaries_come_back_as_plain_ones():
    back = through(AnnotationDict({"a": 1}))
    assert type(back) is dict
    assert [type(key) for key in back] == [symbol]
    assert type(through(PropertyDict({"a": 1}))) is dict
    assert through(SymbolList(["a"])) == [symbol("a")]


@pytest.mark.parametrize(
    "value", [range(3), {1}, object(), type("Text", (str,), {})("a"), type("Number", (int,), {})(1)]
)
def test_other_classes_are_not_encoded(value):
    with pytest.raises(KeyError):
        Data().put_object(value)


@pytest.mark.parametrize("kind", [ulong, uint, ushort, ubyte])
def test_unsigned_types_are_not_negative(kind):
    with pytest.raises(AssertionError):
        kind(-1)


def test_representations():
    assert repr(ulong(5)) == "ulong(5)"
    assert repr(symbol("a")) == "symbol('a')"
    assert repr(timestamp(5)) == "timestamp(5)"
    assert repr(Described(symbol("d"), "v")) == "Described(symbol('d'), 'v')"
    assert repr(Array(UNDESCRIBED, Data.INT, int32(1))) == "Array(UNDESCRIBED, 8, int32(1))"
    assert repr(PropertyDict({"a": 1})) == "PropertyDict({symbol('a'): 1})"
    assert repr(AnnotationDict({"a": 1})) == "AnnotationDict({symbol('a'): 1})"
    assert repr(UNDESCRIBED) == "UNDESCRIBED"


def test_arrays_compare_all_they_have():
    array = Array(UNDESCRIBED, Data.INT, int32(1))
    assert array.elements == (1,)
    assert array.type == Data.INT
    assert array.descriptor is UNDESCRIBED
    assert array == Array(UNDESCRIBED, Data.INT, int32(1))
    assert array != Array(UNDESCRIBED, Data.INT, int32(2))
    assert array != Array(UNDESCRIBED, Data.LONG, int32(1))
    assert array != Array("d", Data.INT, int32(1))


def test_described_values_compare_both_parts():
    assert Described(1, 2) == Described(1, 2)
    assert Described(1, 2) != Described(1, 3)
    assert Described(1, 2) != Described(2, 2)


def test_an_array_described_by_null_is_described():
    back = through(Array(None, Data.INT, int32(1)))
    assert back.descriptor is None


def test_keys_of_properties_become_symbols():
    properties = PropertyDict({"a": 1}, b=2)
    properties["c"] = 3
    properties.update({"d": 4})
    assert [type(key) for key in properties] == [symbol] * 4
    for wrong in (1, ulong(1), b"x"):
        with pytest.raises(KeyError, match="invalid non-symbol key"):
            PropertyDict({wrong: 1})
        with pytest.raises(KeyError, match="invalid non-symbol key"):
            properties[wrong] = 1
        with pytest.raises(KeyError, match="invalid non-symbol key"):
            properties.update({wrong: 1})


def test_keys_of_annotations_may_be_ulong():
    annotations = AnnotationDict({"a": 1, ulong(5): 2})
    assert annotations[ulong(5)] == 2
    for wrong in (1, uint(1)):
        with pytest.raises(KeyError):
            annotations[wrong] = 1


def test_dictionaries_can_be_lenient():
    assert PropertyDict({1: 2}, raise_on_error=False) == {1: 2}
    lenient = AnnotationDict({1: 2}, raise_on_error=False)
    lenient[2.5] = 3
    assert lenient == {1: 2, 2.5: 3}


def test_lists_of_symbols():
    assert SymbolList("one") == ["one"]
    symbols = SymbolList(["a"])
    symbols.append("b")
    symbols.extend(["c"])
    symbols.insert(0, "z")
    assert [type(each) for each in symbols] == [symbol] * 4
    assert symbols == ["z", "a", "b", "c"]
    assert type(symbols + ["d"]) is SymbolList
    symbols += ["e"]
    assert type(symbols[-1]) is symbol
    symbols[0] = "y"
    assert type(symbols[0]) is symbol
    with pytest.raises(TypeError, match="[Nn]on-symbol type"):
        SymbolList([1])
    with pytest.raises(TypeError):
        symbols.append(1)
    assert SymbolList([1], raise_on_error=False) == [1]


def test_conditions_compare_by_value():
    assert Condition("a:b") == Condition("a:b")
    assert Condition("a:b", "text") != Condition("a:b")
    assert Condition("a:b", "text", {"k": 1}) == Condition("a:b", "text", {"k": 1})
    assert repr(Condition("a:b")) == "Condition('a:b')"
    assert repr(Condition("a:b", "text")) == "Condition('a:b', 'text')"
    assert Condition("a:b").description is None
    assert Condition("a:b").info is None


def test_states_of_deliveries_are_numbers_with_names():
    assert Delivery.ACCEPTED == 0x24
    assert Delivery.ACCEPTED.name == "ACCEPTED"
    assert repr(Delivery.ACCEPTED) == "<DispositionType.ACCEPTED: 36>"
    assert [int(state) for state in (Delivery.RECEIVED, Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED)] == [
        0x23,
        0x25,
        0x26,
        0x27,
    ]


@pytest.mark.ours
def test_views_own_their_bytes():
    data = Data()
    data.put_binary(b"abc")
    view = data.get_object()
    data.clear()
    del data
    assert view == b"abc"
