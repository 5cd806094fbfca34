"""Receives from a topic by a subscription that several programs share: each message goes to one of them."""

from __future__ import annotations

import argparse

from proton import Data
from proton.handlers import MessagingHandler
from proton.reactor import Container, ReceiverOption


class Shared(ReceiverOption):
    """Asks for a subscription that is shared with receivers of the same name, whatever container they are in."""

    def apply(self, receiver):
        """Sets the capabilities of the source."""
        capabilities = receiver.source.capabilities
        capabilities.put_array(False, Data.SYMBOL)
        capabilities.enter()
        capabilities.put_symbol("shared")
        capabilities.put_symbol("global")
        capabilities.exit()


class Subscribe(MessagingHandler):
    """Asks for as many messages as it wants: what is asked for is not given to others."""

    def __init__(self, url: str, topic: str, name: str, count: int) -> None:
        super().__init__(prefetch=0)
        self.url = url
        self.topic = topic
        self.name = name
        self.left = count

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.topic, name=self.name, options=Shared())

    def on_link_opened(self, event):
        """The subscription is there."""
        event.receiver.flow(self.left)
        print("subscribed", flush=True)

    def on_message(self, event):
        """Prints a message."""
        print(event.message.body, flush=True)
        self.left -= 1
        if self.left == 0:
            event.receiver.close()
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("topic")
    parser.add_argument("name", help="the name of the subscription")
    parser.add_argument("--count", type=int, default=10, help="how many messages to receive")
    arguments = parser.parse_args()
    Container(Subscribe(arguments.url, arguments.topic, arguments.name, arguments.count)).run()
