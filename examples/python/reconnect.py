"""Receives from the first of several servers that can be reached, and goes on with another when that one is lost."""

from __future__ import annotations

import argparse

from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container


class Reconnect(MessagingHandler):
    """Tells of each connection that is made and lost."""

    def __init__(self, urls: list, address: str, count: int) -> None:
        super().__init__()
        self.urls = urls
        self.address = address
        self.left = count

    def on_start(self, event):
        """Begins to connect; delays between attempts grow from a tenth of a second to five seconds."""
        connection = event.container.connect(urls=self.urls, reconnect=Backoff(initial=0.1, max_delay=5))
        event.container.create_receiver(connection, self.address)

    def on_connection_opened(self, event):
        """A server is there."""
        print(f"connected to {event.connection.connected_address}", flush=True)

    def on_link_opened(self, event):
        """The receiver is there, again or for the first time: it is made anew by itself."""
        print("receiving", flush=True)

    def on_disconnected(self, event):
        """A server is lost, or could not be reached."""
        print("disconnected", flush=True)

    def on_message(self, event):
        """Prints a message."""
        print(event.message.body, flush=True)
        self.left -= 1
        if self.left == 0:
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="the queue or topic")
    parser.add_argument("url", nargs="+", help="a server, like amqp://127.0.0.1")
    parser.add_argument("--count", type=int, default=0, help="end after so many messages")
    arguments = parser.parse_args()
    Container(Reconnect(arguments.url, arguments.address, arguments.count)).run()
