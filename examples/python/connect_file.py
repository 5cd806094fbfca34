"""Connects as ``connect.json`` says, which is looked for in this directory, and then in those of the user and system.

The environment variable MESSAGING_CONNECT_FILE names another file.
"""

from __future__ import annotations

from proton.handlers import MessagingHandler
from proton.reactor import Container


class Connect(MessagingHandler):
    """Says where it got, and ends."""

    def on_start(self, event):
        """Connects."""
        event.container.connect()

    def on_connection_opened(self, event):
        """It is there."""
        print(f"connected to {event.connection.hostname}")
        event.connection.close()


if __name__ == "__main__":
    Container(Connect()).run()
