"""Receives from a topic by a subscription that outlives the program: what is published meanwhile is kept for it."""

from __future__ import annotations

import argparse

from proton.handlers import MessagingHandler
from proton.reactor import Container, DurableSubscription


class Subscribe(MessagingHandler):
    """The container's id and the link's name together name the subscription."""

    def __init__(self, url: str, topic: str, name: str, count: int, ends: bool) -> None:
        super().__init__(prefetch=0)
        self.url = url
        self.topic = topic
        self.name = name
        self.left = count
        self.ends = ends

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url)
        self.receiver = event.container.create_receiver(
            connection, self.topic, name=self.name, options=DurableSubscription()
        )

    def on_link_opened(self, event):
        """The subscription is there."""
        print("subscribed", flush=True)
        if self.left == 0:
            self.leave(event)
        else:
            event.receiver.flow(self.left)

    def on_message(self, event):
        """Prints a message."""
        print(event.message.body, flush=True)
        self.left -= 1
        if self.left == 0:
            self.leave(event)

    def leave(self, event):
        """Leaves the subscription as it is, or ends it: a receiver that is closed has no subscription any more."""
        if self.ends:
            event.receiver.close()
        else:
            event.receiver.detach()
        event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("topic")
    parser.add_argument("name", help="the name of the subscription")
    parser.add_argument("--count", type=int, default=0, help="how many messages to receive")
    parser.add_argument("--end", action="store_true", help="end the subscription")
    parser.add_argument("--id", default="durable-example", help="who we are")
    arguments = parser.parse_args()
    program = Subscribe(arguments.url, arguments.topic, arguments.name, arguments.count, arguments.end)
    Container(program, container_id=arguments.id).run()
