"""States of deliveries as objects (3.4, 4.5), to be given to ``delivery.local`` or ``delivery.update()``."""

from __future__ import annotations

from typing import Any

from deuteron import _core

from ._condition import Condition
from ._data import Described, symbol, uint, ulong
from ._delivery import Disposition, DispositionType
from ._types import AnnotationDict, PropertyDict

_ERROR = ulong(0x1D)


class GivenDisposition(Disposition):
    """A state that a program makes, with its fields."""

    def _fields(self) -> Any:
        return []

    def _as_described(self) -> Described:
        return Described(ulong(self.type), self._fields())

    @property
    def _described(self) -> bytes:
        return bytes(_core.encode(self._as_described()))

    def __repr__(self) -> str:
        return f"<proton.{type(self).__name__} {self._fields()!r}>"


class ReceivedDisposition(GivenDisposition):
    """How far a message has got: a section of it, and the bytes of that."""

    type = DispositionType.RECEIVED

    def __init__(self, section_number: int | None = None, section_offset: int | None = None) -> None:
        self.section_number = section_number or 0
        self.section_offset = section_offset or 0

    def _fields(self) -> Any:
        return [uint(self.section_number), ulong(self.section_offset)]


class RejectedDisposition(GivenDisposition):
    """The message is invalid or cannot be dealt with, for the reason in ``condition``."""

    type = DispositionType.REJECTED

    def __init__(self, condition: Condition | None = None) -> None:
        self.condition = condition

    def _fields(self) -> Any:
        why = self.condition
        if why is None:
            return []
        info = PropertyDict(why.info, raise_on_error=False) if why.info else None
        return [Described(_ERROR, [symbol(why.name), why.description, info])]


class ModifiedDisposition(GivenDisposition):
    """The message goes back, changed: ``annotations`` are added to it.

    ``failed`` counts it as an attempt at delivery, ``undeliverable`` keeps it from coming here again.
    """

    type = DispositionType.MODIFIED

    def __init__(
        self, failed: bool | None = True, undeliverable: bool | None = None, annotations: dict[Any, Any] | None = None
    ) -> None:
        self.failed = bool(failed)
        self.undeliverable = bool(undeliverable)
        self.annotations = AnnotationDict(annotations) if annotations else None

    def _fields(self) -> Any:
        return [self.failed, self.undeliverable, self.annotations]


def _identifier(transaction: bytes | str) -> bytes:
    return transaction.encode() if isinstance(transaction, str) else bytes(transaction)


class TransactionalDisposition(GivenDisposition):
    """A state within the transaction ``id``: an ``outcome``, which is a disposition or its number, or none as yet."""

    type = DispositionType.TRANSACTIONAL_STATE

    def __init__(self, id: bytes | str, outcome: GivenDisposition | int | None = None) -> None:
        self.id = _identifier(id)
        self.outcome = outcome

    def _fields(self) -> Any:
        outcome = self.outcome
        if outcome is None:
            return [self.id]
        if not isinstance(outcome, GivenDisposition):
            return [self.id, Described(ulong(outcome), [])]
        return [self.id, outcome._as_described()]

    @property
    def data(self) -> Any:
        """The fields of the state."""
        return self._fields()


class DeclaredDisposition(GivenDisposition):
    """The coordinator's answer to a declare: the transaction ``id`` has begun."""

    type = DispositionType.DECLARED

    def __init__(self, id: bytes | str) -> None:
        self.id = _identifier(id)

    def _fields(self) -> Any:
        return [self.id]

    @property
    def data(self) -> Any:
        """The fields of the state."""
        return self._fields()


class CustomDisposition(GivenDisposition):
    """A state of any type, with ``data`` as its fields: a list."""

    def __init__(self, type: int, data: Any = None) -> None:
        self.type = type
        self.data = data

    def _fields(self) -> Any:
        return [] if self.data is None else self.data
