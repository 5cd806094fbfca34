"""A server, run as a program, whose clients must give a sign of life each 0.4 s, and which reads only when told to.

It prints ``port N``, waits for a line, then reads; ``quiet for long`` when ten times the client's time is over and it
is still there, and ``received N whole`` when it closes.
"""

import sys

from proton.handlers import MessagingHandler
from proton.reactor import Container


class Server(MessagingHandler):
    """Takes what comes."""

    def __init__(self) -> None:
        super().__init__(prefetch=10)
        self.whole = 0
        self.acceptor = None

    def on_start(self, event):
        """Listens."""
        self.acceptor = event.container.listen("127.0.0.1:0")
        print("port", self.acceptor._selectable._delegate.getsockname()[1], flush=True)

    def on_connection_bound(self, event):
        """Asks for signs of life."""
        event.transport.idle_timeout = 0.4
        self.acceptor.close()

    def on_link_opened(self, event):
        """The client may send, and nothing is read for now."""
        event.container.schedule(0.1, self)

    def on_timer_task(self, event):
        """Waits for the word, once."""
        if not self.told:
            self.told = True
            sys.stdin.readline()
            event.container.schedule(4, self)
        else:
            print("quiet for long", flush=True)

    told = False

    def on_message(self, event):
        """Counts those that are whole and of one kind."""
        body = bytes(event.message.body)
        self.whole += len(body) == 4 << 20 and len(set(body)) == 1

    def on_connection_closing(self, event):
        """Says what has come."""
        print("received", self.whole, "whole", flush=True)

    def on_transport_error(self, event):
        """The client is gone."""
        print("error", event.transport.condition, flush=True)


Container(Server()).run()
