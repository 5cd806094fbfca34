"""Sends one message to an address, receives it from there, prints it and ends."""

from __future__ import annotations

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class HelloWorld(MessagingHandler):
    """Has a sender and a receiver on one connection."""

    def __init__(self, url: str, address: str) -> None:
        super().__init__()
        self.url = url
        self.address = address

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.address)
        event.container.create_sender(connection, self.address)

    def on_sendable(self, event):
        """Sends the message and ends the sender."""
        event.sender.send(Message("Hello World!"))
        event.sender.close()

    def on_message(self, event):
        """Prints what has come."""
        print(event.message.body)
        event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("address", help="the queue")
    arguments = parser.parse_args()
    Container(HelloWorld(arguments.url, arguments.address)).run()
