"""Answers requests: what comes to its queue goes back in capitals, to the address that the request names."""

from __future__ import annotations

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Server(MessagingHandler):
    """Has one sender without an address, which sends each message to the address in it."""

    def __init__(self, url: str, queue: str, count: int) -> None:
        super().__init__()
        self.url = url
        self.queue = queue
        self.left = count

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url)
        self.receiver = event.container.create_receiver(connection, self.queue)
        self.sender = event.container.create_sender(connection, None)

    def on_link_opened(self, event):
        """Tells that requests are taken."""
        if event.receiver is not None:
            print("ready", flush=True)

    def on_message(self, event):
        """Answers."""
        request = event.message
        answer = Message(request.body.upper(), address=request.reply_to, correlation_id=request.correlation_id)
        self.sender.send(answer)

    def on_settled(self, event):
        """An answer has arrived."""
        self.left -= 1
        if self.left == 0:
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("queue", help="where requests come from")
    parser.add_argument("--count", type=int, default=0, help="end after so many requests")
    arguments = parser.parse_args()
    Container(Server(arguments.url, arguments.queue, arguments.count)).run()
