"""Sends requests, one after the other, and prints the answers, which come to an address made for this client."""

from __future__ import annotations

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Client(MessagingHandler):
    """The next request follows the answer to the one before."""

    def __init__(self, url: str, queue: str, requests: list) -> None:
        super().__init__()
        self.url = url
        self.queue = queue
        self.requests = list(requests)

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url)
        self.sender = event.container.create_sender(connection, self.queue)
        self.receiver = event.container.create_receiver(connection, dynamic=True)

    def on_link_opened(self, event):
        """The address for answers is known."""
        if event.receiver == self.receiver:
            self.ask()

    def ask(self):
        """Sends the next request."""
        body = self.requests[0]
        self.sender.send(Message(body, reply_to=self.receiver.remote_source.address, correlation_id=body))

    def on_message(self, event):
        """Prints an answer."""
        print(f"{event.message.correlation_id} => {event.message.body}")
        self.requests.pop(0)
        if self.requests:
            self.ask()
        else:
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("queue", help="where requests go")
    parser.add_argument("request", nargs="+", help="the text of a request")
    arguments = parser.parse_args()
    Container(Client(arguments.url, arguments.queue, arguments.request)).run()
