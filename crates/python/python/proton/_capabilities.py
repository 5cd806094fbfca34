"""Encoded values of what peers say of themselves, and the symbols among them."""

from __future__ import annotations

from typing import Any

from deuteron import _core

from ._types import SymbolList


def symbols(value: Any) -> bytes | None:
    """Capabilities as the native half takes them."""
    if not value:
        return None
    return bytes(_core.encode([value] if isinstance(value, str) else list(value)))


def decoded(encoded: bytes | None) -> Any:
    """The value; None if there is none."""
    return _core.decode(encoded)[0] if encoded else None


def symbol_list(encoded: bytes | None) -> SymbolList | None:
    """The symbols; None if there are none."""
    return SymbolList(decoded(encoded)) if encoded else None
