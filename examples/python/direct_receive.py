"""Listens, and prints the messages that clients send: a receiver that needs no broker."""

from __future__ import annotations

import argparse

from proton.handlers import MessagingHandler
from proton.reactor import Container


class DirectReceive(MessagingHandler):
    """Ends after so many messages."""

    def __init__(self, url: str, count: int) -> None:
        super().__init__()
        self.url = url
        self.left = count

    def on_start(self, event):
        """Listens."""
        self.acceptor = event.container.listen(self.url)
        print(f"listening on {self.url}", flush=True)

    def on_link_opening(self, event):
        """A client wants to send: to whatever address it names."""
        event.link.target.address = event.link.remote_target.address

    def on_message(self, event):
        """Prints a message."""
        print(event.message.body, flush=True)
        self.left -= 1
        if self.left == 0:
            self.acceptor.close()

    def on_connection_closing(self, event):
        """A client ends."""
        print("a client has gone", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to listen, like amqp://0.0.0.0:5672")
    parser.add_argument("--count", type=int, default=0, help="listen no more after so many messages")
    arguments = parser.parse_args()
    Container(DirectReceive(arguments.url, arguments.count)).run()
