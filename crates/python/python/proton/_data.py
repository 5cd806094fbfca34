"""AMQP values as a tree that is walked and grown with a cursor, and the types that they are made of."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from deuteron import _core

from ._data_scalars import Scalars
from ._data_values import to_binary, to_bool, to_char, to_decimal128, to_symbol, to_text, whole_number
from ._exceptions import DataException
from ._node import Node, encodable
from ._types import (
    UNDESCRIBED,
    AnnotationDict,
    Array,
    Described,
    PropertyDict,
    RestrictedKeyDict,
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

__all__ = [
    "UNDESCRIBED",
    "AnnotationDict",
    "Array",
    "Data",
    "Described",
    "PropertyDict",
    "RestrictedKeyDict",
    "SymbolList",
    "byte",
    "char",
    "decimal32",
    "decimal64",
    "decimal128",
    "float32",
    "int32",
    "short",
    "symbol",
    "timestamp",
    "ubyte",
    "uint",
    "ulong",
    "ushort",
]


class Data(Scalars):
    """Values in a tree. The cursor stands on a node, or before the first one of its level; ``put`` adds behind it."""

    NULL = 1
    BOOL = 2
    UBYTE = 3
    BYTE = 4
    USHORT = 5
    SHORT = 6
    UINT = 7
    INT = 8
    CHAR = 9
    ULONG = 10
    LONG = 11
    TIMESTAMP = 12
    FLOAT = 13
    DOUBLE = 14
    DECIMAL32 = 15
    DECIMAL64 = 16
    DECIMAL128 = 17
    UUID = 18
    BINARY = 19
    STRING = 20
    SYMBOL = 21
    DESCRIBED = 22
    ARRAY = 23
    LIST = 24
    MAP = 25

    type_names: ClassVar[dict] = {
        NULL: "null",
        BOOL: "bool",
        BYTE: "byte",
        UBYTE: "ubyte",
        SHORT: "short",
        USHORT: "ushort",
        INT: "int",
        UINT: "uint",
        CHAR: "char",
        LONG: "long",
        ULONG: "ulong",
        TIMESTAMP: "timestamp",
        FLOAT: "float",
        DOUBLE: "double",
        DECIMAL32: "decimal32",
        DECIMAL64: "decimal64",
        DECIMAL128: "decimal128",
        UUID: "uuid",
        BINARY: "binary",
        STRING: "string",
        SYMBOL: "symbol",
        DESCRIBED: "described",
        ARRAY: "array",
        LIST: "list",
        MAP: "map",
    }

    put_mappings: ClassVar[dict] = {}
    get_mappings: ClassVar[dict] = {}

    @classmethod
    def type_name(cls, amqptype: int) -> str:
        """The name of a type, by its number."""
        return cls.type_names[amqptype]

    def __init__(self, capacity: int = 16) -> None:
        self._root = Node(0)
        self.rewind()

    # The cursor.

    def rewind(self) -> None:
        """Goes before the first value of all."""
        self._base = self._parent = self._root
        self._current: Node | None = None

    def clear(self) -> None:
        """Drops all values."""
        self._root = Node(0)
        self.rewind()

    def next(self) -> int | None:
        """Goes to the next value of this level; gives its type, or None if there is none."""
        place = self._parent.place(self._current) + 1
        return self._go(place)

    def prev(self) -> int | None:
        """Goes to the value before on this level; gives its type, or None if there is none."""
        place = self._parent.place(self._current) - 1
        if place < 0:
            self._current = None
            return None
        return self._go(place)

    def _go(self, place: int) -> int | None:
        if place >= len(self._parent.children):
            return None
        self._current = self._parent.children[place]
        return self._current.type

    def enter(self) -> bool:
        """Goes into the current value, before its first part; false if there is no current value."""
        if self._current is None:
            return False
        self._parent, self._current = self._current, None
        return True

    def exit(self) -> bool:
        """Goes out of a value, onto it; false at the outermost level."""
        if self._parent is self._base or self._parent.parent is None:
            return False
        self._current, self._parent = self._parent, self._parent.parent
        return True

    def narrow(self) -> None:
        """Makes the current value the outermost level that the cursor can go to."""
        self._base = self._current or self._base

    def widen(self) -> None:
        """Takes back what ``narrow`` did."""
        self._base = self._root

    def lookup(self, name: str) -> bool:
        """Goes to the value of a key of the map that the cursor is in; false if there is no such key."""
        for place in range(0, len(self._parent.children) - 1, 2):
            if self._parent.children[place].value == name:
                self._current = self._parent.children[place + 1]
                return True
        return False

    def type(self) -> int | None:
        """The type of the current value."""
        return self._current.type if self._current is not None else None

    # All at once.

    def encoded_size(self) -> int:
        """How many bytes ``encode`` gives."""
        return len(self.encode())

    def encode(self) -> bytearray:
        """All values, encoded."""
        encoded = bytearray()
        for node in self._root.children:
            encoded += _core.encode(encodable(node))
        return encoded

    def decode(self, encoded: Any) -> int:
        """Adds the first value of some bytes at the end; gives how many bytes it was."""
        encoded = bytes(encoded)
        if not encoded:
            raise DataException("[-4]: not enough data to decode")
        try:
            value, size = _core.decode(encoded)
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            raise DataException(f"[-6]: {error}") from None
        self._base = self._parent = self._root
        self._current = self._root.children[-1] if self._root.children else None
        self.put_object(value)
        return size

    def copy(self, src: Data) -> None:
        """Becomes like another."""
        self.clear()
        for node in src._root.children:
            self.put_object(encodable(node))
        self.rewind()

    def format(self) -> str:
        """All values as text."""
        return ", ".join(repr(encodable(node)) for node in self._root.children)

    def dump(self) -> None:
        """Prints all values."""
        print(self.format())

    # Compounds.

    def _put(self, type: int, value: Any = None) -> None:
        node = Node(type, value, self._parent)
        self._parent.children.insert(self._parent.place(self._current) + 1, node)
        self._current = node

    def put_list(self) -> None:
        """Adds an empty list: ``enter`` it to fill it."""
        self._put(Data.LIST)

    def put_map(self) -> None:
        """Adds an empty map: ``enter`` it to fill it, with keys and values in turn."""
        self._put(Data.MAP)

    def put_array(self, described: bool, element_type: int) -> None:
        """Adds an empty array: ``enter`` it to fill it, with the descriptor first if it is described."""
        self._put(Data.ARRAY, (bool(described), element_type))

    def put_described(self) -> None:
        """Adds a described value: ``enter`` it to put the descriptor and the value."""
        self._put(Data.DESCRIBED)

    def get_list(self) -> int:
        """How many elements the current list has."""
        return self._count(Data.LIST)

    def get_map(self) -> int:
        """How many keys and values the current map has."""
        return self._count(Data.MAP)

    def get_array(self) -> tuple:
        """How many elements the current array has, whether it is described, and the type of its elements."""
        if self.type() != Data.ARRAY or self._current is None:
            return 0, False, None
        described, element_type = self._current.value
        return len(self._current.children) - described, described, element_type

    def is_described(self) -> bool:
        """Whether the current value is a described one."""
        return self.type() == Data.DESCRIBED

    def is_null(self) -> bool:
        """Whether the current value is null, or there is none."""
        return self.type() in (None, Data.NULL)

    def _count(self, type: int) -> int:
        if self._current is None or self._current.type != type:
            return 0
        return len(self._current.children)

    # Objects.

    def put_null(self) -> None:
        """Adds a null."""
        self._put(Data.NULL)

    def put_memoryview(self, mv: memoryview) -> None:
        """Adds the bytes that a memoryview is of."""
        self._put(Data.BINARY, mv.tobytes())

    def put_sequence(self, s: Any) -> None:
        """Adds a list of objects."""
        self.put_list()
        self._fill(s)

    def put_dict(self, d: Any) -> None:
        """Adds a map of objects."""
        self.put_map()
        self._fill(part for entry in d.items() for part in entry)

    def put_py_described(self, d: Described) -> None:
        """Adds a described value."""
        self.put_described()
        self._fill((d.descriptor, d.value))

    def put_py_array(self, a: Array) -> None:
        """Adds an array."""
        described = a.descriptor is not UNDESCRIBED
        self.put_array(described, a.type)
        self._fill((a.descriptor, *a.elements) if described else a.elements)

    def _fill(self, parts: Any) -> None:
        self.enter()
        for part in parts:
            self.put_object(part)
        self.exit()

    def put_object(self, obj: Any) -> None:
        """Adds an object, as what its class says."""
        self.put_mappings[obj.__class__](self, obj)

    def get_object(self) -> Any:
        """The current value as an object; None if there is none."""
        type = self.type()
        getter = self.get_mappings.get(type) if type is not None else None
        return getter(self) if getter else None

    def get_sequence(self) -> list:
        """The current list as objects."""
        return self._parts(Data.LIST)

    def get_dict(self) -> dict:
        """The current map as objects."""
        parts = iter(self._parts(Data.MAP))
        return dict(zip(parts, parts))

    def get_py_described(self) -> Any:
        """The current described value."""
        parts = self._parts(Data.DESCRIBED)
        return Described(*parts) if len(parts) == 2 else None

    def get_py_array(self) -> Any:
        """The current array."""
        _, described, element_type = self.get_array()
        parts = self._parts(Data.ARRAY)
        return Array(parts[0], element_type, *parts[1:]) if described else Array(UNDESCRIBED, element_type, *parts)

    def _parts(self, type: int) -> list:
        if self._current is None or self._current.type != type:
            return []
        return [encodable(child) for child in self._current.children]


_SCALARS: dict = {
    "bool": ("b", Data.BOOL, to_bool, False),
    "ubyte": ("ub", Data.UBYTE, whole_number("ubyte", 8, False), ubyte(0)),
    "byte": ("b", Data.BYTE, whole_number("byte", 8, True), byte(0)),
    "ushort": ("us", Data.USHORT, whole_number("ushort", 16, False), ushort(0)),
    "short": ("s", Data.SHORT, whole_number("short", 16, True), short(0)),
    "uint": ("ui", Data.UINT, whole_number("uint", 32, False), uint(0)),
    "int": ("i", Data.INT, whole_number("int", 32, True), int32(0)),
    "char": ("c", Data.CHAR, to_char, char("\0")),
    "ulong": ("ul", Data.ULONG, whole_number("ulong", 64, False), ulong(0)),
    "long": ("i64", Data.LONG, whole_number("long", 64, True), 0),
    "timestamp": ("t", Data.TIMESTAMP, whole_number("timestamp", 64, True), timestamp(0)),
    "float": ("f", Data.FLOAT, float32, float32(0)),
    "double": ("d", Data.DOUBLE, float, 0.0),
    "decimal32": ("d", Data.DECIMAL32, whole_number("decimal32", 32, False), decimal32(0)),
    "decimal64": ("d", Data.DECIMAL64, whole_number("decimal64", 64, False), decimal64(0)),
    "decimal128": ("d", Data.DECIMAL128, to_decimal128, decimal128(b"\0" * 16)),
    "uuid": ("u", Data.UUID, lambda value: uuid.UUID(bytes=value.bytes), None),
    "binary": ("b", Data.BINARY, to_binary, memoryview(b"")),
    "string": ("s", Data.STRING, to_text, ""),
    "symbol": ("s", Data.SYMBOL, to_symbol, symbol("")),
}


def _accessors(name: str, parameter: str, type: int, convert: Callable[[Any], Any], default: Any) -> None:
    """Gives ``Data`` the methods to put and to get one type."""

    def put(self: Data, value: Any) -> None:
        self._put(type, convert(value))

    def get(self: Data) -> Any:
        node = self._current
        if node is None or node.type != type:
            return default
        return memoryview(node.value) if type == Data.BINARY else node.value

    # Its parameter has a name of its own.
    put.__code__ = put.__code__.replace(co_varnames=("self", parameter))
    put.__annotations__ = {}
    put.__name__, get.__name__ = f"put_{name}", f"get_{name}"
    put.__doc__, get.__doc__ = f"Adds a {name}.", f"The current value, if it is a {name}."
    setattr(Data, put.__name__, put)
    setattr(Data, get.__name__, get)
    Data.get_mappings[type] = get


def _complete_data() -> None:
    for name, (parameter, type, convert, default) in _SCALARS.items():
        _accessors(name, parameter, type, convert, default)
    data: Any = Data
    data.get_mappings.update(
        {
            Data.NULL: lambda self: None,
            Data.DESCRIBED: data.get_py_described,
            Data.ARRAY: data.get_py_array,
            Data.LIST: data.get_sequence,
            Data.MAP: data.get_dict,
        }
    )
    data.put_mappings.update(
        {
            None.__class__: lambda self, _: self.put_null(),
            bool: data.put_bool,
            ubyte: data.put_ubyte,
            ushort: data.put_ushort,
            uint: data.put_uint,
            ulong: data.put_ulong,
            byte: data.put_byte,
            short: data.put_short,
            int32: data.put_int,
            int: data.put_long,
            float32: data.put_float,
            float: data.put_double,
            decimal32: data.put_decimal32,
            decimal64: data.put_decimal64,
            decimal128: data.put_decimal128,
            char: data.put_char,
            timestamp: data.put_timestamp,
            uuid.UUID: data.put_uuid,
            bytes: data.put_binary,
            bytearray: data.put_binary,
            memoryview: data.put_memoryview,
            str: data.put_string,
            symbol: data.put_symbol,
            list: data.put_sequence,
            tuple: data.put_sequence,
            SymbolList: data.put_sequence,
            dict: data.put_dict,
            AnnotationDict: data.put_dict,
            PropertyDict: data.put_dict,
            Described: data.put_py_described,
            Array: data.put_py_array,
        }
    )


_complete_data()
