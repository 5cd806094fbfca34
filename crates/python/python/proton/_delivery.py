"""Deliveries, and what becomes of them (3.4)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from deuteron import _core

from ._condition import Condition, from_parts, to_parts

Delivery = _core.Delivery


class DispositionType(IntEnum):
    """The outcomes and states of a delivery, by their descriptors."""

    RECEIVED = 0x23
    ACCEPTED = 0x24
    REJECTED = 0x25
    RELEASED = 0x26
    MODIFIED = 0x27
    DECLARED = 0x33
    TRANSACTIONAL_STATE = 0x34


_OUTCOMES = {int(member): member for member in DispositionType if member <= DispositionType.MODIFIED}


def _disposition_type(code: int) -> int:
    """The type with this code. Those of transactions stay numbers, as programs for 0.40 see them."""
    return _OUTCOMES.get(code, code)


class Disposition:
    """A delivery's state with what is said along with it."""

    RECEIVED = DispositionType.RECEIVED
    ACCEPTED = DispositionType.ACCEPTED
    REJECTED = DispositionType.REJECTED
    RELEASED = DispositionType.RELEASED
    MODIFIED = DispositionType.MODIFIED

    type: Any = 0
    section_number: Any = 0
    section_offset: Any = 0
    failed: Any = False
    undeliverable: Any = False
    annotations: Any = None
    data: Any = None
    condition: Any = None


class LocalDisposition(Disposition):
    """What we say along with the state that ``update`` gives."""

    def __init__(self, delivery: Any) -> None:
        self._delivery = delivery

    @property
    def type(self) -> int:
        """The state that was given, as a number."""
        return self._delivery._local_state

    @property
    def _annotations(self) -> bytes | None:
        return bytes(_core.encode(self.annotations)) if self.annotations else None

    @property
    def _data(self) -> bytes | None:
        return bytes(_core.encode(self.data)) if self.data is not None else None

    @property
    def _condition(self) -> Any:
        return to_parts(self.condition)


class RemoteDisposition(Disposition):
    """What the peer said along with its state."""

    def __init__(self, delivery: Any) -> None:
        parts = delivery._remote_parts()
        self._type, self._number, self._offset, self._failed, self._undeliverable = parts[:5]
        self._annotations, self._data, self._condition = parts[5:]

    @property
    def type(self) -> int:
        """The state, as a number."""
        return self._type

    @property
    def section_number(self) -> int:
        """Of a state ``received``: the section that the peer has got to."""
        return self._number

    @property
    def section_offset(self) -> int:
        """Of a state ``received``: how far into that section."""
        return self._offset

    @property
    def failed(self) -> bool:
        """Of a state ``modified``: whether the attempt counts as a failed one."""
        return self._failed

    @property
    def undeliverable(self) -> bool:
        """Of a state ``modified``: whether it shall not come to that place again."""
        return self._undeliverable

    @property
    def annotations(self) -> Any:
        """Of a state ``modified``: annotations to be added to the message."""
        return _core.decode(self._annotations)[0] if self._annotations else None

    @property
    def data(self) -> Any:
        """Of other states: their fields."""
        return _core.decode(self._data)[0] if self._data else None

    @property
    def condition(self) -> Condition | None:
        """Of a state ``rejected``: why."""
        return from_parts(self._condition)


def _complete_delivery() -> None:
    for member in _OUTCOMES.values():
        setattr(Delivery, member.name, member)
    _core.register("disposition_type", _disposition_type)
    _core.register("LocalDisposition", LocalDisposition)
    _core.register("RemoteDisposition", RemoteDisposition)


_complete_delivery()
