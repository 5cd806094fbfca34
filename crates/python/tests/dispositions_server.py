"""Answers each message with another disposition. Arguments: the port. Only our package has such classes."""

from __future__ import annotations

import sys

from proton import (
    Condition,
    CustomDisposition,
    DeclaredDisposition,
    ModifiedDisposition,
    ReceivedDisposition,
    RejectedDisposition,
    TransactionalDisposition,
    symbol,
)
from proton.handlers import MessagingHandler
from proton.reactor import Container

ANSWERS = [
    ReceivedDisposition(5, 7),
    RejectedDisposition(Condition("a:b", "text", {symbol("k"): "v"})),
    RejectedDisposition(),
    ModifiedDisposition(),
    ModifiedDisposition(False, True, {"k": "v"}),
    TransactionalDisposition(b"id", ModifiedDisposition(True, True)),
    TransactionalDisposition(b"id"),
    DeclaredDisposition(b"id"),
    CustomDisposition(0x24),
    CustomDisposition(0x1234, ["a", 1]),
]


class Server(MessagingHandler):
    """One connection, until it closes."""

    def __init__(self, url: str) -> None:
        super().__init__(auto_accept=False)
        self.url = url
        self.answers = iter(ANSWERS)

    def on_start(self, event) -> None:
        """Listens."""
        self.acceptor = event.container.listen(self.url)
        print("listening", flush=True)

    def on_message(self, event) -> None:
        """Answers."""
        self.settle(event.delivery, next(self.answers))

    def on_connection_closed(self, event) -> None:
        """Ends."""
        self.acceptor.close()


Container(Server(sys.argv[1])).run()
