"""Connects once: nothing is tried again."""

from __future__ import annotations

import sys

from proton.handlers import MessagingHandler
from proton.reactor import Container


class ExampleHandler(MessagingHandler):
    """Tells of the connection, and of its loss."""

    def on_start(self, event):
        """Begins to connect."""
        event.container.connect(sys.argv[1], reconnect=False)

    def on_connection_opened(self, event):
        """The server has opened it."""
        print("Connection", event.connection, "is open", flush=True)

    def on_transport_closed(self, event):
        """It is lost, or could not be made: the program ends, as there is nothing left to wait for."""
        print("Connection", event.connection, "is lost", flush=True)


Container(ExampleHandler()).run()
