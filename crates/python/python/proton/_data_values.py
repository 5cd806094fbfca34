"""What a program gives for an AMQP value, as the class of the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._types import (
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    int32,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)


def whole_number(name: str, bits: int, signed: bool) -> Callable[[Any], Any]:
    """A conversion to the class of a number, which must be within its range."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    classes: dict = {"int": int32, "uint": uint, "ubyte": ubyte, "ushort": ushort, "ulong": ulong, "byte": byte}
    classes.update(short=short, long=int, timestamp=timestamp, decimal32=decimal32, decimal64=decimal64)
    made = classes[name]

    def convert(value: Any) -> Any:
        if not isinstance(value, int):
            raise TypeError(f"{name} takes an int, not {value.__class__.__name__}")
        if not low <= value <= high:
            raise OverflowError(f"{value} is not within the range of {name}")
        return made(value)

    return convert


def to_bool(value: Any) -> bool:
    """A truth value; OverflowError for other numbers than 0 and 1."""
    if isinstance(value, int) and value not in (0, 1):
        raise OverflowError(f"{value} is no bool")
    return bool(value)


def to_char(value: Any) -> char:
    """One character."""
    if len(value) != 1:
        raise TypeError(f"a char is one character, not {value!r}")
    return char(value)


def to_text(value: Any) -> str:
    """A text that can be written as UTF-8."""
    return str(value.encode("utf-8"), "utf-8")


def to_binary(value: Any) -> bytes:
    """Bytes, or a text as UTF-8."""
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)


def to_symbol(value: Any) -> symbol:
    """A symbol: ASCII only."""
    value.encode("ascii")
    return symbol(value)


def to_decimal128(value: Any) -> decimal128:
    """Sixteen bytes."""
    return decimal128(bytes(value)[:16].ljust(16, b"\0"))
