"""Prints the messages of a queue and leaves them there."""

from __future__ import annotations

import argparse

from proton.handlers import MessagingHandler
from proton.reactor import Container, Copy


class Browse(MessagingHandler):
    """Asks for copies, and drains its credit to learn when there are no more."""

    def __init__(self, url: str, queue: str) -> None:
        super().__init__(prefetch=0)
        self.url = url
        self.queue = queue

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.queue, options=Copy())

    def on_link_opened(self, event):
        """Asks for whatever is there."""
        event.receiver.drain(100)

    def on_message(self, event):
        """Prints a copy."""
        print(event.message.body)
        self.go_on(event.receiver)

    def on_link_flow(self, event):
        """The queue has said that it has no more."""
        self.go_on(event.receiver)

    def go_on(self, receiver):
        """Ends, if what was asked for is used up without a message."""
        if receiver.credit == 0 and not receiver.draining() and receiver.queued == 0:
            receiver.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("queue")
    arguments = parser.parse_args()
    Container(Browse(arguments.url, arguments.queue)).run()
