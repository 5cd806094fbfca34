"""Listens, and sends messages to the first client that receives: a sender that needs no broker."""

from __future__ import annotations

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class DirectSend(MessagingHandler):
    """Ends when all messages are accepted."""

    def __init__(self, url: str, bodies: list) -> None:
        super().__init__()
        self.url = url
        self.waiting = list(bodies)
        self.unsettled = len(bodies)

    def on_start(self, event):
        """Listens."""
        self.acceptor = event.container.listen(self.url)
        print(f"listening on {self.url}", flush=True)

    def on_link_opening(self, event):
        """A client wants to receive: from whatever address it names."""
        event.link.source.address = event.link.remote_source.address

    def on_sendable(self, event):
        """Sends what the credit allows."""
        while self.waiting and event.sender.credit > 0:
            event.sender.send(Message(self.waiting.pop(0)))

    def on_settled(self, event):
        """One more is settled."""
        self.unsettled -= 1
        if self.unsettled == 0:
            print("all settled", flush=True)
            self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to listen, like amqp://0.0.0.0:5672")
    parser.add_argument("body", nargs="+", help="the text of a message")
    arguments = parser.parse_args()
    Container(DirectSend(arguments.url, arguments.body)).run()
