"""Data: the tree of values, its cursor, and the bytes that it makes."""

from __future__ import annotations

import uuid

import pytest
from proton import (
    UNDESCRIBED,
    Array,
    Data,
    DataException,
    Described,
    Message,
    byte,
    char,
    decimal128,
    int32,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)


def encoded(value) -> str:
    """The bytes of a value in hexadecimal."""
    data = Data()
    data.put_object(value)
    return bytes(data.encode()).hex()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "40"),
        (True, "41"),
        (False, "42"),
        (0, "5500"),
        (127, "557f"),
        (-128, "5580"),
        (128, "810000000000000080"),
        (ulong(0), "44"),
        (ulong(1), "5301"),
        (ulong(256), "800000000000000100"),
        (uint(0), "43"),
        (uint(1), "5201"),
        (uint(256), "7000000100"),
        (int32(1), "5401"),
        (int32(256), "7100000100"),
        (ushort(1), "600001"),
        (ubyte(1), "5001"),
        (byte(-1), "51ff"),
        (1.5, "823ff8000000000000"),
        (char("a"), "7300000061"),
        (timestamp(1), "830000000000000001"),
        (uuid.UUID(int=1), "98" + "00" * 15 + "01"),
        (b"ab", "a0026162"),
        ("ab", "a1026162"),
        (symbol("ab"), "a3026162"),
        (b"x" * 256, "b000000100" + "78" * 256),
        ("x" * 256, "b100000100" + "78" * 256),
        (symbol("x" * 256), "b300000100" + "78" * 256),
        ([], "45"),
        ([1], "d000000006000000015501"),
        ({}, "d10000000400000000"),
        ({"a": 1}, "d10000000900000002a101615501"),
        (Described(symbol("d"), 1), "00a301645501"),
        (Array(UNDESCRIBED, Data.INT, int32(1)), "f0000000090000000171" + "00000001"),
        (decimal128(b"\x01"), "94" + "01" + "00" * 15),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_bytes_of_values(value, expected):
    assert encoded(value) == expected


@pytest.mark.parametrize(
    ("method", "value", "error"),
    [
        ("put_byte", 300, OverflowError),
        ("put_ubyte", 256, OverflowError),
        ("put_ubyte", -1, OverflowError),
        ("put_ushort", 65536, OverflowError),
        ("put_uint", -1, OverflowError),
        ("put_ulong", -1, OverflowError),
        ("put_int", 2**31, OverflowError),
        ("put_long", 2**63, OverflowError),
        ("put_int", "x", TypeError),
        ("put_char", "ab", TypeError),
        ("put_string", b"x", AttributeError),
        ("put_bool", 5, OverflowError),
        ("put_symbol", "\u00e9", UnicodeEncodeError),
    ],
)
def test_values_that_do_not_fit(method, value, error):
    with pytest.raises(error):
        getattr(Data(), method)(value)


def test_integers_beyond_64_bits_overflow():
    with pytest.raises(OverflowError):
        Data().put_object(2**64)


def test_text_may_be_put_as_binary():
    data = Data()
    data.put_binary("\u00e9")
    assert bytes(data.encode()) == b"\xa0\x02\xc3\xa9"


SCALARS = [
    ("bool", True, Data.BOOL),
    ("ubyte", 1, Data.UBYTE),
    ("byte", -1, Data.BYTE),
    ("ushort", 2, Data.USHORT),
    ("short", -2, Data.SHORT),
    ("uint", 3, Data.UINT),
    ("int", -3, Data.INT),
    ("char", "c", Data.CHAR),
    ("ulong", 4, Data.ULONG),
    ("long", -4, Data.LONG),
    ("timestamp", 5, Data.TIMESTAMP),
    ("float", 0.5, Data.FLOAT),
    ("double", 1.5, Data.DOUBLE),
    ("decimal32", 6, Data.DECIMAL32),
    ("decimal64", 7, Data.DECIMAL64),
    ("decimal128", b"0123456789abcdef", Data.DECIMAL128),
    ("uuid", uuid.UUID(int=9), Data.UUID),
    ("binary", b"bin", Data.BINARY),
    ("string", "text", Data.STRING),
    ("symbol", symbol("sym"), Data.SYMBOL),
]


@pytest.mark.parametrize(("name", "value", "kind"), SCALARS, ids=[each[0] for each in SCALARS])
def test_scalars_are_put_and_got(name, value, kind):
    data = Data()
    getattr(data, "put_" + name)(value)
    for source in (data, Data()):
        if source is not data:
            assert source.decode(bytes(data.encode())) == len(data.encode())
        source.rewind()
        assert source.next() == kind
        assert source.type() == kind
        assert getattr(source, "get_" + name)() == value


def test_null():
    data = Data()
    data.put_null()
    data.rewind()
    assert data.next() == Data.NULL
    assert data.is_null()


def test_the_cursor_walks_among_siblings():
    data = Data()
    for value in (1, 2, 3):
        data.put_int(value)
    data.rewind()
    seen = []
    while data.next() is not None:
        seen.append(data.get_int())
    assert seen == [1, 2, 3]
    assert data.prev() == Data.INT
    assert data.get_int() == 2
    data.rewind()
    assert data.prev() is None


def test_the_cursor_enters_and_leaves():
    data = Data()
    data.put_list()
    data.enter()
    data.put_int(1)
    data.put_map()
    data.enter()
    data.put_string("k")
    data.put_int(5)
    data.exit()
    data.put_int(2)
    data.exit()
    data.put_string("after")
    data.rewind()
    assert data.next() == Data.LIST
    assert data.get_list() == 3
    assert data.enter()
    assert data.next() == Data.INT
    assert data.next() == Data.MAP
    assert data.get_map() == 2
    assert data.enter()
    assert data.lookup("k")
    assert data.get_int() == 5
    assert data.exit()
    assert data.next() == Data.INT
    assert data.next() is None
    assert data.exit()
    assert data.next() == Data.STRING


def test_lookup_of_what_is_not_there():
    data = Data()
    data.put_dict({"a": 1, "b": 2})
    data.rewind()
    data.next()
    data.enter()
    assert not data.lookup("c")


def test_a_narrowed_cursor_stays_below_a_node():
    data = Data()
    data.put_list()
    data.enter()
    data.put_int(1)
    data.put_int(2)
    data.exit()
    data.rewind()
    data.next()
    data.enter()
    data.next()
    data.narrow()
    assert data.next() == Data.INT
    data.rewind()
    data.widen()
    data.rewind()
    assert data.next() == Data.LIST


def test_described_nodes():
    data = Data()
    data.put_described()
    data.enter()
    data.put_symbol(symbol("d"))
    data.put_string("v")
    data.exit()
    data.rewind()
    assert data.next() == Data.DESCRIBED
    assert data.is_described()
    assert data.get_py_described() == Described(symbol("d"), "v")


def test_arrays():
    data = Data()
    data.put_array(False, Data.INT)
    data.enter()
    data.put_int(1)
    data.put_int(2)
    data.exit()
    data.rewind()
    data.next()
    assert data.get_array() == (2, False, Data.INT)
    assert data.get_py_array() == Array(UNDESCRIBED, Data.INT, 1, 2)


def test_described_arrays():
    data = Data()
    data.put_array(True, Data.DOUBLE)
    data.enter()
    data.put_symbol(symbol("d"))
    data.put_double(1.5)
    data.exit()
    data.rewind()
    data.next()
    assert data.get_array() == (1, True, Data.DOUBLE)


def test_sequences_and_dictionaries():
    data = Data()
    data.put_sequence([1, "a"])
    data.put_dict({"k": [None]})
    data.rewind()
    data.next()
    assert data.get_sequence() == [1, "a"]
    data.next()
    assert data.get_dict() == {"k": [None]}
    assert data.get_object() == {"k": [None]}


def test_decoding_takes_one_value():
    data = Data()
    assert data.decode(b"\x41\x42") == 1
    data.rewind()
    assert data.next() == Data.BOOL
    assert data.next() is None


def test_bytes_that_are_no_value():
    with pytest.raises(DataException, match=r"\[-4\]: not enough data to decode"):
        Data().decode(b"")
    with pytest.raises(DataException, match=r"\[-6\]"):
        Data().decode(b"\x01")
    with pytest.raises(DataException):
        Data().decode(b"\xa1\x05ab")


def test_strings_must_be_unicode():
    data = Data()
    with pytest.raises(UnicodeDecodeError):
        data.decode(b"\xa1\x01\xff")
        data.rewind()
        data.next()
        data.get_object()


@pytest.mark.parametrize(
    ("name", "default"), [("int", 0), ("ulong", 0), ("bool", False), ("double", 0.0), ("list", 0), ("map", 0)]
)
def test_getting_another_type_gives_a_default(name, default):
    data = Data()
    data.put_string("x")
    data.rewind()
    data.next()
    assert getattr(data, "get_" + name)() == default


def test_nothing_is_none():
    assert Data().get_object() is None
    assert Data().encode() == b""
    assert type(Data().encode()) is bytearray


def test_clear_and_copy():
    data = Data()
    data.put_int(1)
    other = Data()
    other.copy(data)
    data.clear()
    assert bytes(data.encode()) == b""
    assert bytes(other.encode()) == b"\x54\x01"


def test_names_of_types():
    assert Data.type_name(Data.INT) == "int"
    assert Data.type_names[Data.SYMBOL] == "symbol"
    with pytest.raises(KeyError):
        Data.type_name(99)
    assert ulong in Data.put_mappings
    assert Data.ULONG in Data.get_mappings


@pytest.mark.parametrize(
    ("array", "elements"),
    [
        (Array(UNDESCRIBED, Data.INT, 1, -2), (int32(1), int32(-2))),
        (Array(UNDESCRIBED, Data.ULONG, 1), (ulong(1),)),
        (Array(UNDESCRIBED, Data.BOOL, 1, 0), (True, False)),
        (Array(UNDESCRIBED, Data.TIMESTAMP, 5), (timestamp(5),)),
        (Array(UNDESCRIBED, Data.LONG, int32(1)), (1,)),
        (Array(UNDESCRIBED, Data.SYMBOL, "a"), (symbol("a"),)),
        (Array(UNDESCRIBED, Data.STRING, b"a"), ("a",)),
    ],
)
def test_elements_of_arrays_become_of_its_type(array, elements):
    message = Message()
    message.decode(Message(body=array).encode())
    assert message.body.elements == elements
    assert [type(element) for element in message.body.elements] == [type(element) for element in elements]


@pytest.mark.ours
def test_elements_that_an_array_cannot_hold_are_an_error():
    for kind, element in ((Data.UBYTE, 300), (Data.UINT, -1), (Data.INT, 2**40)):
        with pytest.raises(OverflowError, match=f"{element} is out of the range"):
            Message(body=Array(UNDESCRIBED, kind, element)).encode()
    for kind, element in ((Data.INT, 1.5), (Data.STRING, 1), (Data.UUID, 1), (Data.STRING, b"\xff")):
        with pytest.raises(TypeError, match="is not of the array's type"):
            Message(body=Array(UNDESCRIBED, kind, element)).encode()
    message = Message()
    message.decode(Message(body=Array(UNDESCRIBED, Data.DOUBLE, 1)).encode())
    assert message.body.elements == (1.0,)
