"""Handlers of deliveries: messages that arrive, and what becomes of those that were sent."""

from __future__ import annotations

import weakref
from typing import Any

from deuteron import _core

from . import _message
from ._delivery import Delivery
from ._exceptions import ProtonException
from ._handler import Handler, call


class Reject(ProtonException):
    """Raised in ``on_message`` to reject the message."""


class Release(ProtonException):
    """Raised in ``on_message`` to give the message back, as one that was delivered."""


class Delegating(Handler):
    """A handler that hands what it finds out on to another one, which it does not keep alive."""

    def __init__(self, delegate: Any | None = None) -> None:
        self._delegate = None if delegate is None else weakref.ref(delegate)

    @property
    def delegate(self) -> Any | None:
        """The handler whose methods are called, if any."""
        return None if self._delegate is None else self._delegate()

    def _tell(self, method: str, event: Any) -> None:
        delegate = self.delegate
        if delegate is not None:
            call(delegate, method, event)


class OutgoingMessageHandler(_core.OutgoingCore, Handler):
    """Calls ``on_sendable``, and ``on_accepted``, ``on_rejected``, ``on_released``, ``on_settled`` for what was sent.

    With ``auto_settle`` a delivery that the peer has settled is settled here too.
    """

    def on_sendable(self, event: Any) -> None:
        """The sender has credit: messages can be sent at once."""
        self._tell("on_sendable", event)

    def on_delivery_updated(self, event: Any) -> None:
        """The peer has given a message a state, or settled it: called before the callback that is for that."""
        self._tell_known("on_delivery_updated", event)

    def on_accepted(self, event: Any) -> None:
        """The peer has accepted a message."""
        self._tell("on_accepted", event)

    def on_rejected(self, event: Any) -> None:
        """The peer has rejected a message."""
        self._tell("on_rejected", event)

    def on_released(self, event: Any) -> None:
        """The peer has given a message back, as it was or modified."""
        self._tell("on_released", event)

    def on_settled(self, event: Any) -> None:
        """The peer has settled a message."""
        self._tell("on_settled", event)


class Acking:
    """The methods that acknowledge a message."""

    def accept(self, delivery: Any) -> None:
        """Accepts and settles."""
        self.settle(delivery, Delivery.ACCEPTED)

    def reject(self, delivery: Any) -> None:
        """Rejects and settles: the message is invalid or cannot be dealt with."""
        self.settle(delivery, Delivery.REJECTED)

    def release(
        self, delivery: Any, delivered: bool = True, failed: bool | None = None, undeliverable: bool | None = None
    ) -> None:
        """Gives the message back for redelivery. ``delivered`` counts it as an attempt at delivery.

        ``failed`` and ``undeliverable`` say what became of that attempt, else what was set on ``delivery.local`` does.
        """
        if delivered:
            if failed is not None:
                delivery.local.failed = failed
            if undeliverable is not None:
                delivery.local.undeliverable = undeliverable
        self.settle(delivery, Delivery.MODIFIED if delivered else Delivery.RELEASED)

    def settle(self, delivery: Any, state: Any | None = None) -> None:
        """Settles, with an outcome if one is given."""
        if state:
            delivery.update(state)
        delivery.settle()


def recv_msg(delivery: Any) -> Any:
    """The message of a delivery that has arrived whole; the link goes on to the next."""
    message = _message.Message()
    link = delivery.link
    message.decode(link.recv(delivery.pending))
    link.advance()
    return message


class IncomingMessageHandler(_core.IncomingCore, Acking, Handler):
    """Calls ``on_message`` for each message that has arrived, with it in ``event.message``.

    With ``auto_accept`` the message is accepted and settled after that. :class:`Reject` and :class:`Release` raised by
    ``on_message`` reject it and give it back.
    """

    def on_message(self, event: Any) -> None:
        """A message has arrived."""
        self._tell("on_message", event)

    def on_settled(self, event: Any) -> None:
        """The peer has settled a message that was received."""
        self._tell("on_settled", event)

    def on_aborted(self, event: Any) -> None:
        """The peer has broken off a message that had arrived in part."""
        self._tell("on_aborted", event)


for _name, _object in (
    ("Reject", Reject),
    ("Release", Release),
    ("IncomingMessageHandler", IncomingMessageHandler),
    ("OutgoingMessageHandler", OutgoingMessageHandler),
):
    _core.register(_name, _object)
