"""Connects, and stays connected: a connection that is lost, or cannot be made, is tried again by itself."""

from __future__ import annotations

import sys

from proton.handlers import MessagingHandler
from proton.reactor import Container


class ExampleHandler(MessagingHandler):
    """Tells of each connection that is open."""

    def on_start(self, event):
        """Begins to connect."""
        event.container.connect(sys.argv[1])

    def on_connection_opened(self, event):
        """The server has opened it, for the first time or again."""
        print("Connection", event.connection, "is open", flush=True)


Container(ExampleHandler()).run()
