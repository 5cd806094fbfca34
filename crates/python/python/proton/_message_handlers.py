"""Handlers of deliveries: messages that arrive, and what becomes of those that were sent."""

from __future__ import annotations

import weakref
from typing import Any

from . import _message
from ._delivery import Delivery
from ._endpoints import Endpoint
from ._exceptions import ProtonException
from ._handler import Handler, call

_LOCAL_CLOSED = Endpoint.LOCAL_CLOSED
_REMOTE_ACTIVE = Endpoint.REMOTE_ACTIVE
_BOTH_OPEN = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


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


class OutgoingMessageHandler(Delegating):
    """Calls ``on_sendable``, and ``on_accepted``, ``on_rejected``, ``on_released``, ``on_settled`` for what was sent.

    With ``auto_settle`` a delivery that the peer has settled is settled here too.
    """

    def __init__(self, auto_settle: bool = True, delegate: Any | None = None) -> None:
        super().__init__(delegate)
        self.auto_settle = auto_settle

    def on_link_flow(self, event: Any) -> None:
        """Tells that a sender has credit."""
        link = event.link
        if link.is_sender and link.credit > 0 and link.state & _BOTH_OPEN == _BOTH_OPEN:
            self.on_sendable(event)

    def on_delivery(self, event: Any) -> None:
        """Tells what the peer says about a message that was sent."""
        delivery = event.delivery
        if delivery.link.is_sender and delivery.updated:
            self._on_update(event, delivery)

    def _on_update(self, event: Any, delivery: Any) -> None:
        state = delivery.remote_state
        if state == Delivery.ACCEPTED:
            self.on_accepted(event)
        elif state == Delivery.REJECTED:
            self.on_rejected(event)
        elif state == Delivery.RELEASED or state == Delivery.MODIFIED:
            self.on_released(event)
        if delivery.settled:
            self.on_settled(event)
            if self.auto_settle:
                delivery.settle()

    def on_sendable(self, event: Any) -> None:
        """The sender has credit: messages can be sent at once."""
        self._tell("on_sendable", event)

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

    def release(self, delivery: Any, delivered: bool = True) -> None:
        """Gives the message back for redelivery. ``delivered`` counts it as an attempt at delivery."""
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


class IncomingMessageHandler(Delegating, Acking):
    """Calls ``on_message`` for each message that has arrived, with it in ``event.message``.

    With ``auto_accept`` the message is accepted and settled after that. :class:`Reject` and :class:`Release` raised by
    ``on_message`` reject it and give it back.
    """

    def __init__(self, auto_accept: bool = True, delegate: Any | None = None) -> None:
        super().__init__(delegate)
        self.auto_accept = auto_accept

    def on_delivery(self, event: Any) -> None:
        """Takes a message, or news about one, off a receiver."""
        delivery = event.delivery
        if not delivery.link.is_receiver:
            return
        if delivery.aborted:
            self.on_aborted(event)
            delivery.settle()
        elif delivery.readable and not delivery.partial:
            event.message = recv_msg(delivery)
            self._on_whole(event, delivery)
        elif delivery.updated and delivery.settled:
            self.on_settled(event)

    def _on_whole(self, event: Any, delivery: Any) -> None:
        if delivery.link.state & _LOCAL_CLOSED:
            if self.auto_accept:
                self.settle(delivery, Delivery.RELEASED)
            return
        try:
            self.on_message(event)
        except Reject:
            self.settle(delivery, Delivery.REJECTED)
        except Release:
            self.settle(delivery, Delivery.MODIFIED)
        else:
            if self.auto_accept:
                self.settle(delivery, Delivery.ACCEPTED)

    def on_message(self, event: Any) -> None:
        """A message has arrived."""
        self._tell("on_message", event)

    def on_settled(self, event: Any) -> None:
        """The peer has settled a message that was received."""
        self._tell("on_settled", event)

    def on_aborted(self, event: Any) -> None:
        """The peer has broken off a message that had arrived in part."""
        self._tell("on_aborted", event)
