"""Local transactions: messages sent and accepted all together, or not at all."""

from __future__ import annotations

import logging
from typing import Any

from ._data import Described, symbol
from ._delivery import Delivery
from ._endpoints import Terminus
from ._link_options import SenderOption
from ._message import Message
from ._message_handlers import OutgoingMessageHandler

_log = logging.getLogger("proton")

_DECLARE = symbol("amqp:declare:list")
_DISCHARGE = symbol("amqp:discharge:list")
_TRANSACTIONAL = 0x34


class Transaction:
    """A transaction of a connection, made by ``container.declare_transaction()``. ``id`` is None until it has begun."""

    def __init__(self, txn_ctrl: Any, handler: Any, settle_before_discharge: bool = False) -> None:
        self.txn_ctrl = txn_ctrl
        self.handler = handler
        self.id: bytes | None = None
        self._declare: Any | None = None
        self._discharge: Any | None = None
        self.failed = False
        self._pending: list = []
        self.settle_before_discharge = settle_before_discharge
        self.declare()

    def commit(self) -> None:
        """Makes all that was done in the transaction happen."""
        self.discharge(False)

    def abort(self) -> None:
        """Undoes all that was done in the transaction."""
        self.discharge(True)

    def declare(self) -> None:
        """Asks the peer to begin the transaction."""
        self._declare = self._send_ctrl(_DECLARE, [None])

    def discharge(self, failed: bool) -> None:
        """Asks the peer to end the transaction."""
        self.failed = failed
        self.txn_ctrl.connection._tell_now()
        self._discharge = self._send_ctrl(_DISCHARGE, [self.id, failed])

    def _send_ctrl(self, descriptor: Any, value: Any) -> Any:
        delivery = self.txn_ctrl.send(Message(body=Described(descriptor, value)))
        delivery.transaction = self
        return delivery

    def send(self, sender: Any, msg: Any, tag: str | None = None) -> Any:
        """Sends a message in the transaction."""
        delivery = sender.send(msg, tag=tag)
        delivery.local.data = [self.id]
        delivery.update(_TRANSACTIONAL)
        return delivery

    def accept(self, delivery: Any) -> None:
        """Accepts a message in the transaction."""
        self.update(delivery, Delivery.ACCEPTED)
        if self.settle_before_discharge:
            delivery.settle()
        else:
            self._pending.append(delivery)

    def update(self, delivery: Any, state: Any | None = None) -> None:
        """Gives a message an outcome in the transaction."""
        if state:
            # A described list without fields: the outcome's descriptor is its code.
            from ._data import ulong

            delivery.local.data = [self.id, Described(ulong(state), [])]
            delivery.update(_TRANSACTIONAL)

    def _release_pending(self) -> None:
        for delivery in self._pending:
            delivery.update(Delivery.RELEASED)
            delivery.settle()
        self._pending = []

    def _clear_pending(self) -> None:
        for delivery in self._pending:
            delivery.settle()
        self._pending = []

    def handle_outcome(self, event: Any) -> None:
        """Tells the handler what the peer has answered."""
        delivery = event.delivery
        if delivery == self._declare:
            self._on_declared(event, delivery)
        elif delivery == self._discharge:
            self._on_discharged(event, delivery)

    def _on_declared(self, event: Any, delivery: Any) -> None:
        data = delivery.remote.data
        if delivery.remote_state != Delivery.REJECTED and data:
            self.id = data[0]
            self.handler.on_transaction_declared(event)
            return
        if delivery.remote_state != Delivery.REJECTED:
            _log.warning("unexpected outcome of a declare: %s", delivery.remote_state)
        self.handler.on_transaction_declare_failed(event)

    def _on_discharged(self, event: Any, delivery: Any) -> None:
        if delivery.remote_state == Delivery.REJECTED:
            if not self.failed:
                self.handler.on_transaction_commit_failed(event)
                self._release_pending()
        elif self.failed:
            self.handler.on_transaction_aborted(event)
            self._release_pending()
        else:
            self.handler.on_transaction_committed(event)
        self._clear_pending()


class TransactionControl(OutgoingMessageHandler):
    """The handler of the link to the coordinator."""

    def __init__(self, handler: Any) -> None:
        super().__init__(auto_settle=True)
        self.handler = handler

    def on_settled(self, event: Any) -> None:
        """The coordinator has answered."""
        transaction = getattr(event.delivery, "transaction", None)
        if transaction is not None:
            event.transaction = transaction
            transaction.handle_outcome(event)

    def on_unhandled(self, method: str, event: Any) -> None:
        """Passes other events of the link on."""
        event.dispatch(self.handler)


class ToCoordinator(SenderOption):
    """Makes the target of a sender the coordinator of transactions."""

    def apply(self, sender: Any) -> None:
        """Sets type and capability of the target."""
        sender.target.type = Terminus.COORDINATOR
        sender.target.capabilities.put_object(symbol("amqp:local-transactions"))
