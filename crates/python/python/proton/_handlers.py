"""The handlers that programs derive from, and all other standard ones under one roof."""

from __future__ import annotations

import logging
from typing import Any

from ._endpoint_handlers import EndpointStateHandler
from ._events import Event
from ._flow_handlers import CFlowController, CHandshaker, FlowController, Handshaker
from ._handler import Handler
from ._iohandler import ConnectSelectable, IOHandler, PythonIO
from ._message_handlers import (
    Acking,
    IncomingMessageHandler,
    OutgoingMessageHandler,
    Reject,
    Release,
    recv_msg,
)

__all__ = [
    "Acking",
    "CFlowController",
    "CHandshaker",
    "ConnectSelectable",
    "EndpointStateHandler",
    "FlowController",
    "Handshaker",
    "IOHandler",
    "IncomingMessageHandler",
    "MessagingHandler",
    "OutgoingMessageHandler",
    "PythonIO",
    "Reject",
    "Release",
    "TransactionHandler",
    "TransactionalClientHandler",
    "recv_msg",
]

_log = logging.getLogger("proton")


class MessagingHandler(Handler, Acking):
    """The base class of messaging programs: override the ``on_...`` methods that matter.

    ``prefetch`` is the credit that receivers are kept at (0: none is given), ``auto_accept`` accepts each message after
    ``on_message``, ``auto_settle`` settles what the peer has settled.
    ``peer_close_is_error`` is there for old programs.
    """

    def __init__(
        self, prefetch: int = 10, auto_accept: bool = True, auto_settle: bool = True, peer_close_is_error: bool = False
    ) -> None:
        self.handlers: list = []
        if prefetch:
            self.handlers.append(FlowController(prefetch))
        self.handlers.append(EndpointStateHandler(peer_close_is_error, self))
        self.handlers.append(IncomingMessageHandler(auto_accept, self))
        self.handlers.append(OutgoingMessageHandler(auto_settle, self))
        self.fatal_conditions = ["amqp:unauthorized-access"]

    def on_transport_error(self, event: Event) -> None:
        """The connection's transport has failed. Logs it, and closes the connection if retrying would not help."""
        condition = event.transport.condition
        if not condition:
            _log.error("unspecified transport error")
            return
        _log.error("%s: %s%s", condition.name, condition.description, f": {condition.info}" if condition.info else "")
        if condition.name in self.fatal_conditions and event.connection is not None:
            event.connection.close()

    def on_connection_error(self, event: Event) -> None:
        """The peer has closed the connection with an error. Logs it."""
        EndpointStateHandler.print_error(event.connection, "connection")

    def on_session_error(self, event: Event) -> None:
        """The peer has closed the session with an error. Logs it and closes the connection."""
        EndpointStateHandler.print_error(event.session, "session")
        event.connection.close()

    def on_link_error(self, event: Event) -> None:
        """The peer has closed the link with an error. Logs it and closes the connection."""
        EndpointStateHandler.print_error(event.link, "link")
        event.connection.close()

    def on_reactor_init(self, event: Event) -> None:
        """The loop starts. Calls ``on_start``."""
        self.on_start(event)

    def on_start(self, event: Event) -> None:
        """The loop starts: the place to connect and to listen."""

    def on_connection_closed(self, event: Event) -> None:
        """Both sides have closed the connection."""

    def on_session_closed(self, event: Event) -> None:
        """Both sides have closed the session."""

    def on_link_closed(self, event: Event) -> None:
        """Both sides have closed the link."""

    def on_connection_closing(self, event: Event) -> None:
        """The peer has closed the connection, which this side closes next."""

    def on_session_closing(self, event: Event) -> None:
        """The peer has closed the session, which this side closes next."""

    def on_link_closing(self, event: Event) -> None:
        """The peer has closed the link, which this side closes next."""

    def on_disconnected(self, event: Event) -> None:
        """The network connection is lost, or an attempt to make one has failed."""

    def on_sendable(self, event: Event) -> None:
        """A sender has credit: messages can be sent at once."""

    def on_delivery_updated(self, event: Event) -> None:
        """The peer has given a message that was sent a state, or settled it: called before the callback for that."""

    def on_accepted(self, event: Event) -> None:
        """The peer has accepted a message."""

    def on_rejected(self, event: Event) -> None:
        """The peer has rejected a message."""

    def on_released(self, event: Event) -> None:
        """The peer has given a message back. ``event.delivery`` tells whether as it was or modified."""

    def on_settled(self, event: Event) -> None:
        """The peer has settled a message."""

    def on_message(self, event: Event) -> None:
        """A message has arrived, in ``event.message``."""


class TransactionHandler:
    """The methods that tell what becomes of a transaction, which is in ``event.transaction``."""

    def on_transaction_declared(self, event: Event) -> None:
        """The transaction has begun."""

    def on_transaction_committed(self, event: Event) -> None:
        """The transaction is committed."""

    def on_transaction_aborted(self, event: Event) -> None:
        """The transaction is rolled back."""

    def on_transaction_declare_failed(self, event: Event) -> None:
        """The transaction could not begin."""

    def on_transaction_commit_failed(self, event: Event) -> None:
        """The transaction could not be committed."""


class TransactionalClientHandler(MessagingHandler, TransactionHandler):
    """A :class:`MessagingHandler` for programs that use transactions."""

    def __init__(
        self,
        prefetch: int = 10,
        auto_accept: bool = False,
        auto_settle: bool = True,
        peer_close_is_error: bool = False,
    ) -> None:
        super().__init__(prefetch, auto_accept, auto_settle, peer_close_is_error)

    def accept(self, delivery: Any, transaction: Any | None = None) -> None:
        """Accepts a message, within the transaction if one is given."""
        if transaction is not None:
            transaction.accept(delivery)
        else:
            super().accept(delivery)
