"""The types of AMQP that Python has no class of its own for (part 1 of the specification)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from deuteron import _core

from ._common import Constant

UNDESCRIBED = Constant("UNDESCRIBED")


class _Unsigned(int):
    """Numbers that are never negative."""

    def __init__(self, number: Any = 0) -> None:
        if self < 0:
            raise AssertionError(f"initializing {type(self).__name__} with negative value")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self)})"


class _Number(int):
    """Numbers that show what they are."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self)})"


class ulong(_Unsigned):
    """An unsigned number of 64 bits."""

    def __init__(self, u64: Any) -> None:
        super().__init__(u64)


class uint(_Unsigned):
    """An unsigned number of 32 bits."""

    def __init__(self, u32: Any) -> None:
        super().__init__(u32)


class ushort(_Unsigned):
    """An unsigned number of 16 bits."""

    def __init__(self, i: Any) -> None:
        super().__init__(i)


class ubyte(_Unsigned):
    """An unsigned number of 8 bits."""

    def __init__(self, i: Any) -> None:
        super().__init__(i)


class timestamp(_Number):
    """Milliseconds since 1970."""


class byte(_Number):
    """A signed number of 8 bits."""


class short(_Number):
    """A signed number of 16 bits."""


class int32(_Number):
    """A signed number of 32 bits; a plain int is one of 64."""


class decimal32(_Number):
    """A decimal number of 32 bits, as its bits."""


class decimal64(_Number):
    """A decimal number of 64 bits, as its bits."""


class float32(float):
    """A floating-point number of 32 bits; a plain float is one of 64."""

    def __repr__(self) -> str:
        return f"float32({float(self)!r})"


class decimal128(bytes):
    """A decimal number of 128 bits, as its bytes."""

    def __repr__(self) -> str:
        return f"decimal128({bytes(self)!r})"


class symbol(str):
    """A name of a domain that both sides know, in ASCII."""

    def __repr__(self) -> str:
        return f"symbol({str(self)!r})"


class char(str):
    """One character."""

    def __repr__(self) -> str:
        return f"char({str(self)!r})"


class Described:
    """A value with a descriptor that says what it is."""

    def __init__(self, descriptor: Any, value: Any) -> None:
        self.descriptor = descriptor
        self.value = value

    def __repr__(self) -> str:
        return f"Described({self.descriptor!r}, {self.value!r})"

    def __eq__(self, other: Any) -> bool:
        """Both have the same descriptor and value."""
        if isinstance(other, Described):
            return bool(self.descriptor == other.descriptor and self.value == other.value)
        return False

    __hash__ = None  # type: ignore[assignment]


class Array:
    """Values of one type, with one descriptor for all or UNDESCRIBED."""

    def __init__(self, descriptor: Any, type: int, *elements: Any) -> None:
        self.descriptor = descriptor
        self.type = type
        self.elements = elements

    def __iter__(self) -> Iterator[Any]:
        """The elements."""
        return iter(self.elements)

    def __repr__(self) -> str:
        elements = "".join(f", {element!r}" for element in self.elements)
        return f"Array({self.descriptor!r}, {self.type!r}{elements})"

    def __eq__(self, other: Any) -> bool:
        """Both have the same descriptor, type and elements."""
        if isinstance(other, Array):
            return (self.descriptor, self.type, self.elements) == (other.descriptor, other.type, other.elements)
        return False

    __hash__ = None  # type: ignore[assignment]


class RestrictedKeyDict(dict):
    """A dict whose keys are symbols: strings become some; other keys are errors, or stay if errors are not wanted."""

    def __init__(self, validation_fn: Any, e: Any = None, raise_on_error: bool = True, **kwargs: Any) -> None:
        super().__init__()
        self.validation_fn = validation_fn
        self.raise_on_error = raise_on_error
        self.update(e, **kwargs)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Sets one entry."""
        super().__setitem__(self.validation_fn(key, self.raise_on_error), value)

    def update(self, e: Any = None, **kwargs: Any) -> None:  # type: ignore[override]
        """Adds entries: of a dict, of pairs, of keywords."""
        entries: Iterable[Any] = () if e is None else e.items() if hasattr(e, "keys") else e
        for key, value in entries:
            self[key] = value
        for key, value in kwargs.items():
            self[key] = value


def _symbol_key(key: Any, raise_on_error: bool) -> Any:
    if isinstance(key, symbol):
        return key
    if isinstance(key, str):
        return symbol(key)
    if raise_on_error:
        raise KeyError(f"invalid non-symbol key: {type(key)}: {key}")
    return key


def _annotation_key(key: Any, raise_on_error: bool) -> Any:
    """The key as a symbol, unless it is a ulong."""
    return key if isinstance(key, ulong) else _symbol_key(key, raise_on_error)


class PropertyDict(RestrictedKeyDict):
    """A map with symbols as keys, as the properties of connections and links are."""

    def __init__(self, e: Any = None, raise_on_error: bool = True, **kwargs: Any) -> None:
        super().__init__(_symbol_key, e, raise_on_error, **kwargs)

    def __repr__(self) -> str:
        return f"PropertyDict({super().__repr__()})"


class AnnotationDict(RestrictedKeyDict):
    """A map with symbols or ulongs as keys, as annotations are (3.2.10)."""

    # Those of maps that have come from a peer, which are made without a call of __init__.
    validation_fn: Any = staticmethod(_annotation_key)
    raise_on_error = False

    def __init__(self, e: Any = None, raise_on_error: bool = True, **kwargs: Any) -> None:
        super().__init__(_annotation_key, e, raise_on_error, **kwargs)

    def __repr__(self) -> str:
        return f"AnnotationDict({super().__repr__()})"


class SymbolList(list):
    """A list of symbols, which strings become."""

    def __init__(self, t: Any = None, raise_on_error: bool = True) -> None:
        super().__init__()
        self.raise_on_error = raise_on_error
        if isinstance(t, str):
            self.append(t)
        else:
            self.extend(t)

    def _symbol(self, value: Any) -> Any:
        if isinstance(value, symbol):
            return value
        if isinstance(value, str):
            return symbol(value)
        if self.raise_on_error:
            raise TypeError(f"Non-symbol type {type(value)}: {value}")
        return value

    def append(self, v: Any) -> None:
        """Adds one at the end."""
        super().append(self._symbol(v))

    def extend(self, t: Any) -> None:
        """Adds several at the end."""
        super().extend(self._symbol(value) for value in t or ())

    def insert(self, i: Any, v: Any) -> None:
        """Adds one at a place."""
        super().insert(i, self._symbol(v))

    def __add__(self, t: Any) -> SymbolList:  # type: ignore[override]
        """Both lists in one."""
        return SymbolList([*self, *t], raise_on_error=self.raise_on_error)

    def __iadd__(self, t: Any) -> SymbolList:  # type: ignore[override, misc]
        """Adds several at the end."""
        self.extend(t)
        return self

    def __setitem__(self, i: Any, t: Any) -> None:
        """Replaces one, or several at once."""
        super().__setitem__(i, [self._symbol(v) for v in t] if isinstance(i, slice) else self._symbol(t))

    def to_array(self) -> Array:
        """The symbols as an array, as capabilities are on the wire."""
        return Array(UNDESCRIBED, 21, *self)

    def __repr__(self) -> str:
        return f"SymbolList({super().__repr__()})"


for _class in (
    ulong, uint, ushort, ubyte, byte, short, int32, float32, decimal32, decimal64, decimal128, char, timestamp, symbol,
    Described, Array, AnnotationDict, PropertyDict, SymbolList,
):  # fmt: skip
    _core.register(_class.__name__, _class)
_core.register("UNDESCRIBED", UNDESCRIBED)
