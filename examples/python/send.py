"""Sends messages to an address, and ends when all are settled."""

from __future__ import annotations

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Send(MessagingHandler):
    """Sends as fast as there is credit."""

    def __init__(self, url: str, address: str, bodies: list) -> None:
        super().__init__()
        self.url = url
        self.address = address
        self.waiting = list(bodies)
        self.unsettled = len(bodies)

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url)
        event.container.create_sender(connection, self.address)

    def on_sendable(self, event):
        """Sends what the credit allows."""
        while self.waiting and event.sender.credit > 0:
            event.sender.send(Message(self.waiting.pop(0)))

    def on_rejected(self, event):
        """The broker does not want a message."""
        print("rejected")

    def on_released(self, event):
        """The broker has given a message back."""
        print("released")

    def on_settled(self, event):
        """One more is settled."""
        self.unsettled -= 1
        if self.unsettled == 0:
            print("all settled")
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("address", help="the queue or topic")
    parser.add_argument("body", nargs="+", help="the text of a message")
    arguments = parser.parse_args()
    Container(Send(arguments.url, arguments.address, arguments.body)).run()
