"""Sends messages that have a property, for receivers with a selector: each argument is ``value=body``."""

from __future__ import annotations

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class SendProperties(MessagingHandler):
    """Sends all at once; what there is no credit for waits in the sender."""

    def __init__(self, url: str, address: str, name: str, pairs: list) -> None:
        super().__init__()
        self.url = url
        self.address = address
        self.messages = [Message(body, properties={name: value}) for value, _, body in pairs]

    def on_start(self, event):
        """Connects and sends."""
        connection = event.container.connect(self.url)
        sender = event.container.create_sender(connection, self.address)
        for message in self.messages:
            sender.send(message)

    def on_settled(self, event):
        """One more is settled."""
        self.messages.pop()
        if not self.messages:
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("address", help="the queue or topic")
    parser.add_argument("name", help="the name of the property")
    parser.add_argument("pair", nargs="+", type=lambda text: text.partition("="), help="value=body")
    arguments = parser.parse_args()
    Container(SendProperties(arguments.url, arguments.address, arguments.name, arguments.pair)).run()
