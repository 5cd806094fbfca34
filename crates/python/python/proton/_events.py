"""Event types, and what an event tells beside what the native half knows."""

from __future__ import annotations

from typing import Any

from deuteron import _core

EventBase = _core.EventBase
Event = _core.Event
Collector = _core.Collector


class EventType:
    """A kind of event: a name, a number, and the name of the method that handlers have for it.

    Types of the engine are numbered as in Proton; those made without a number from 10000 on.
    """

    TYPES: dict = {}
    _next_number = 10000

    def __init__(self, name: str | None = None, number: int | None = None, method: str | None = None) -> None:
        if name is None and number is None:
            raise TypeError("an event type needs a name or a number")
        if number is None:
            number = EventType._next_number
            EventType._next_number += 1
        self.name = name if name is not None else str(number)
        self.number = number
        self.method = method if method is not None else "on_" + self.name
        self.TYPES[number] = self

    def __repr__(self) -> str:
        return f"EventType(name={self.name}, number={self.number})"

    def __str__(self) -> str:
        return self.name


_OF_ENGINE = {
    "TIMER_TASK": 4,
    "CONNECTION_INIT": 5,
    "CONNECTION_BOUND": 6,
    "CONNECTION_UNBOUND": 7,
    "CONNECTION_LOCAL_OPEN": 8,
    "CONNECTION_REMOTE_OPEN": 9,
    "CONNECTION_LOCAL_CLOSE": 10,
    "CONNECTION_REMOTE_CLOSE": 11,
    "CONNECTION_FINAL": 12,
    "SESSION_INIT": 13,
    "SESSION_LOCAL_OPEN": 14,
    "SESSION_REMOTE_OPEN": 15,
    "SESSION_LOCAL_CLOSE": 16,
    "SESSION_REMOTE_CLOSE": 17,
    "SESSION_FINAL": 18,
    "LINK_INIT": 19,
    "LINK_LOCAL_OPEN": 20,
    "LINK_REMOTE_OPEN": 21,
    "LINK_LOCAL_CLOSE": 22,
    "LINK_REMOTE_CLOSE": 23,
    "LINK_LOCAL_DETACH": 24,
    "LINK_REMOTE_DETACH": 25,
    "LINK_FLOW": 26,
    "LINK_FINAL": 27,
    "DELIVERY": 28,
    "TRANSPORT": 29,
    "TRANSPORT_ERROR": 31,
    "TRANSPORT_HEAD_CLOSED": 32,
    "TRANSPORT_TAIL_CLOSED": 33,
    "TRANSPORT_CLOSED": 34,
}

_OF_CONTAINER = (
    "reactor_init",
    "reactor_quiesced",
    "reactor_final",
    "selectable_init",
    "selectable_updated",
    "selectable_readable",
    "selectable_writable",
    "selectable_expired",
    "selectable_error",
    "selectable_final",
)


def _clazz(event: Any) -> str:
    """The name of the kind of object that the event is about."""
    return _CLAZZ.get(type(event.context).__name__, "pn_void")


_CLAZZ = {
    "Connection": "pn_connection",
    "Session": "pn_session",
    "Sender": "pn_link",
    "Receiver": "pn_link",
    "Delivery": "pn_delivery",
    "Transport": "pn_transport",
}


def _other_attribute(event: Any, name: str) -> Any:
    """The context if its class has that name in lower case, else the context's attribute, else None."""
    if name.startswith("__"):
        raise AttributeError(name)
    context = event.context
    if any(base.__name__.lower() == name for base in type(context).__mro__):
        return context
    return getattr(context, name, None)


def _representation(event: Any) -> str:
    return f"{event.type}({event.context!r})"


def _complete_event() -> None:
    """Gives the native class the types as attributes, and what is written in Python."""
    by_number = {}
    for constant, number in _OF_ENGINE.items():
        by_number[number] = EventType("PN_" + constant, number, "on_" + constant.lower())
        setattr(Event, constant, by_number[number])
    for name in _OF_CONTAINER:
        setattr(Event, name.upper(), EventType(name))
    native: Any = Event
    native.clazz = property(_clazz)
    native.__getattr__ = _other_attribute
    native.__repr__ = _representation
    _core.register("event_types", by_number)


_complete_event()
