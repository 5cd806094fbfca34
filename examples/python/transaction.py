"""Sends messages in one transaction: either all of them arrive, or none."""

from __future__ import annotations

import argparse

from proton import Message
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container


class Send(MessagingHandler, TransactionHandler):
    """Sends when the transaction has begun, and ends it when all is sent."""

    def __init__(self, url: str, address: str, bodies: list, rolls_back: bool) -> None:
        super().__init__()
        self.url = url
        self.address = address
        self.bodies = bodies
        self.rolls_back = rolls_back
        self.transaction = None
        self.sent = False

    def on_start(self, event):
        """Connects and begins."""
        self.connection = event.container.connect(self.url)
        self.sender = event.container.create_sender(self.connection, self.address)
        event.container.declare_transaction(self.connection, handler=self)

    def on_transaction_declared(self, event):
        """The transaction has begun."""
        self.transaction = event.transaction
        self.send()

    def on_sendable(self, event):
        """There is credit."""
        self.send()

    def send(self):
        """Sends all, as soon as there are a transaction and credit."""
        if self.sent or self.transaction is None or self.sender.credit < len(self.bodies):
            return
        self.sent = True
        for body in self.bodies:
            self.transaction.send(self.sender, Message(body))
        if self.rolls_back:
            self.transaction.abort()
        else:
            self.transaction.commit()

    def on_transaction_committed(self, event):
        """All have arrived."""
        print("committed")
        self.connection.close()

    def on_transaction_aborted(self, event):
        """None has arrived."""
        print("rolled back")
        self.connection.close()

    def on_transaction_commit_failed(self, event):
        """The broker could not do it: none has arrived."""
        print("commit failed")
        self.connection.close()

    def on_transaction_declare_failed(self, event):
        """The broker has no transactions for us."""
        print("no transaction")
        self.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("address", help="the queue or topic")
    parser.add_argument("body", nargs="+", help="the text of a message")
    parser.add_argument("--roll-back", action="store_true", help="undo it in the end")
    arguments = parser.parse_args()
    Container(Send(arguments.url, arguments.address, arguments.body, arguments.roll_back)).run()
