"""The base class of handlers, and how one method of a handler is called."""

from __future__ import annotations

from typing import Any

from deuteron import _core


class _LazyList:
    """An attribute that becomes an empty list of the object when it is first read."""

    def __get__(self, obj: Any, _class: Any = None) -> Any:
        if obj is None:
            return self
        made: list = []
        obj.__dict__["handlers"] = made
        return made


class Handler:
    """Something that events are dispatched to, with further handlers in ``handlers`` that get each event after it."""

    handlers = _LazyList()

    def add(self, handler: Any, on_error: Any | None = None) -> None:
        """Adds a handler that gets each event after this one. ``on_error`` is there for old programs and unused."""
        self.handlers.append(handler)

    def on_unhandled(self, method: str, *args: Any) -> None:
        """Called for events that this handler has no method for. Does nothing."""


def call(handler: Any, method: str, event: Any) -> None:
    """Calls one method of a handler, or its ``on_unhandled`` if it has no such method; not those of its children."""
    callback = getattr(handler, method, None)
    if callback is not None:
        callback(event)
        return
    callback = getattr(handler, "on_unhandled", None)
    if callback is not None:
        callback(method, event)


_core.register("Handler.on_unhandled", Handler.on_unhandled)
