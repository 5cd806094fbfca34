"""Receives messages from an address and prints them."""

from __future__ import annotations

import argparse

from proton.handlers import MessagingHandler
from proton.reactor import Container, Selector


class Receive(MessagingHandler):
    """Ends after so many messages, or goes on for ever. A selector says which ones it wants."""

    def __init__(self, url: str, address: str, count: int = 0, selector: str | None = None) -> None:
        super().__init__()
        self.url = url
        self.address = address
        self.left = count
        self.options = None if selector is None else Selector(selector)

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.address, options=self.options)

    def on_message(self, event):
        """Prints a message. It is accepted when this returns."""
        print(event.message.body, flush=True)
        self.left -= 1
        if self.left == 0:
            event.receiver.close()
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("address", help="the queue or topic")
    parser.add_argument("--count", type=int, default=0, help="end after so many messages")
    parser.add_argument("--selector", help="only messages that this is true of, like \"colour = 'red'\"")
    arguments = parser.parse_args()
    Container(Receive(arguments.url, arguments.address, arguments.count, arguments.selector)).run()
