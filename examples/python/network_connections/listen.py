"""Listens for connections: at 0.0.0.0 those of IPv4 on all interfaces, at [::] those of IPv6."""

from __future__ import annotations

import sys

from proton.handlers import MessagingHandler
from proton.reactor import Container


class ExampleHandler(MessagingHandler):
    """Tells of each connection that comes in."""

    def on_start(self, event):
        """Begins to listen."""
        event.container.listen(sys.argv[1])
        print("listening", flush=True)

    def on_connection_opened(self, event):
        """A client has come, and is let in."""
        print("New incoming connection", event.connection.remote_container, flush=True)


Container(ExampleHandler()).run()
