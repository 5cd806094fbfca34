"""Connects, and again when the connection is lost, with delays of its own making."""

from __future__ import annotations

import sys

from proton.handlers import MessagingHandler
from proton.reactor import Container


class ExampleReconnect:
    """A tenth of a second, then twice as long each time, at most ten seconds."""

    def __init__(self):
        self.delay = 0

    def reset(self):
        """A new series of attempts begins."""
        self.delay = 0

    def next(self):
        """The delay before the next attempt, in seconds."""
        delay = self.delay
        self.delay = 0.1 if delay == 0 else min(10, 2 * delay)
        return delay


class ExampleHandler(MessagingHandler):
    """Tells of each connection that is open."""

    def on_start(self, event):
        """Begins to connect."""
        event.container.connect(sys.argv[1], reconnect=ExampleReconnect())

    def on_connection_opened(self, event):
        """The server has opened it, for the first time or again."""
        print("Connection", event.connection, "is open", flush=True)


Container(ExampleHandler()).run()
