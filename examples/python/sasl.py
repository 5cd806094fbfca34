"""Connects with a user name and the password in the environment variable MESSAGING_PASSWORD."""

from __future__ import annotations

import argparse
import os

from proton.handlers import MessagingHandler
from proton.reactor import Container


class Connect(MessagingHandler):
    """Says who it is, and ends."""

    def __init__(self, url: str, user: str, mechanisms: str | None) -> None:
        super().__init__()
        self.url = url
        self.user = user
        self.mechanisms = mechanisms

    def on_start(self, event):
        """Connects."""
        event.container.connect(
            self.url, user=self.user, password=os.environ["MESSAGING_PASSWORD"], allowed_mechs=self.mechanisms
        )

    def on_connection_opened(self, event):
        """The server has let us in."""
        print(f"connected with {event.transport.sasl().mech}")
        event.connection.close()

    def on_transport_error(self, event):
        """The server has not. A connection that is closed is not tried again."""
        print(f"not connected: {event.transport.condition.description}")
        if event.connection is not None:
            event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("user")
    parser.add_argument("--mechanisms", help="only these, like PLAIN")
    arguments = parser.parse_args()
    Container(Connect(arguments.url, arguments.user, arguments.mechanisms)).run()
