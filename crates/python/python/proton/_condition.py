"""Errors as AMQP tells them (2.8.14)."""

from __future__ import annotations

from typing import Any

from deuteron import _core

from ._types import PropertyDict


class Condition:
    """Why something was closed or rejected: a name, a text for people, and more for programs."""

    def __init__(self, name: str, description: str | None = None, info: Any = None) -> None:
        self.name = name
        self.description = description
        self.info = info

    def __repr__(self) -> str:
        shown = ", ".join(repr(x) for x in (self.name, self.description, self.info) if x)
        return f"Condition({shown})"

    def __eq__(self, o: Any) -> bool:
        """Both say the same."""
        if not isinstance(o, Condition):
            return False
        return (self.name, self.description, self.info) == (o.name, o.description, o.info)

    __hash__ = None  # type: ignore[assignment]


def to_parts(condition: Any) -> Any:
    """A condition as the native half takes it."""
    if condition is None:
        return None
    info = condition.info
    encoded = None
    if info:
        encoded = bytes(_core.encode(PropertyDict(info, raise_on_error=False) if type(info) is dict else info))
    return str(condition.name), condition.description, encoded


def from_parts(parts: Any) -> Condition | None:
    """A condition of what the native half gives."""
    if parts is None:
        return None
    name, description, info = parts
    return Condition(name, description, _core.decode(info)[0] if info else None)
