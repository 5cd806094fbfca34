"""Connects to the first of several servers that can be reached, and to another one when that is lost."""

from __future__ import annotations

import sys

from proton.handlers import MessagingHandler
from proton.reactor import Container


class ExampleHandler(MessagingHandler):
    """Tells of each connection that is open, and where it leads."""

    def on_start(self, event):
        """Begins to connect: each address in turn, and after the last one the first again."""
        event.container.connect(urls=sys.argv[1:])

    def on_connection_opened(self, event):
        """A server has opened it."""
        print("Connection to", event.connection.connected_address, "is open", flush=True)


Container(ExampleHandler()).run()
