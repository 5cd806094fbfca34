"""Listens, lets in who has a password, and prints each message with the user who sent it.

The configuration is a file as Cyrus SASL has it: a directory is given, with a file proton-server.conf in it. With
Deuteron two lines do, `users: FILE` and `mech_list: SCRAM-SHA-256`; Qpid Proton wants a database of `saslpasswd2`, as
`sasldb_path`.
"""

from __future__ import annotations

import argparse

from proton.handlers import MessagingHandler
from proton.reactor import Container


class Listen(MessagingHandler):
    """Ends after so many messages."""

    def __init__(self, url: str, configuration: str, count: int) -> None:
        super().__init__()
        self.url = url
        self.configuration = configuration
        self.left = count

    def on_start(self, event):
        """Listens."""
        self.acceptor = event.container.listen(self.url)
        print(f"listening on {self.url}", flush=True)

    def on_connection_bound(self, event):
        """A client has come, and has not said a word yet."""
        event.transport.require_auth(True)
        event.transport.sasl().config_path(self.configuration)

    def on_connection_opening(self, event):
        """It is one of the users."""
        print(f"{event.transport.user} has come in with {event.transport.sasl().mech}", flush=True)

    def on_link_opening(self, event):
        """Takes messages for whatever address the client names."""
        event.link.target.address = event.link.remote_target.address

    def on_message(self, event):
        """Prints a message."""
        print(f"{event.transport.user}: {event.message.body}", flush=True)
        self.left -= 1
        if self.left == 0:
            self.acceptor.close()

    def on_transport_error(self, event):
        """A client has not come in."""
        print(f"refused: {event.transport.condition.description}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to listen, like amqp://0.0.0.0:5672")
    parser.add_argument("configuration", help="the directory with proton-server.conf")
    parser.add_argument("--count", type=int, default=0, help="listen no more after so many messages")
    arguments = parser.parse_args()
    Container(Listen(arguments.url, arguments.configuration, arguments.count)).run()
