"""What the tests of containers share: servers in the same container, and handlers that note what they hear."""

from __future__ import annotations

import socket

from proton.handlers import MessagingHandler
from proton.reactor import Container

NOISE = ("on_reactor_quiesced", "on_transport")
"""Events whose number depends on how the bytes come in."""


def port_of(acceptor) -> int:
    """The port that an acceptor listens on, in Proton too."""
    return acceptor._selectable._delegate.getsockname()[1]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Journal:
    """Notes the names of all events that it gets, but for the noise of the I/O."""

    def __init__(self) -> None:
        self.names: list = []

    def on_unhandled(self, name, event):
        """Any event."""
        if name not in NOISE and "selectable" not in name:
            self.names.append(name)

    def count(self, name) -> int:
        """How often an event came."""
        return self.names.count(name)


class Server(MessagingHandler):
    """Takes every link as it is asked for, and keeps what it gets."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.messages: list = []
        self.connections: list = []
        self.acceptor = None

    def on_connection_opening(self, event):
        """A client has come."""
        self.connections.append(event.connection)

    def on_link_opening(self, event):
        """Says yes; a dynamic source gets an address."""
        event.link.source.copy(event.link.remote_source)
        event.link.target.copy(event.link.remote_target)
        if event.link.remote_source.dynamic:
            event.link.source.address = f"dynamic-{len(self.connections)}"

    def on_message(self, event):
        """Keeps a message."""
        self.messages.append(event.message.body)


class _UntilLast:
    """Ends listening when as many connections have come as were expected."""

    def __init__(self, left) -> None:
        self.left = left
        self.acceptor = None

    def on_connection_bound(self, event):
        self.left -= 1
        if self.left == 0:
            self.acceptor.close()


class Both:
    """One container with a server and with a client, whose ``begin(container, port)`` is called at the start."""

    def __init__(self, begin, server=None, connections=1) -> None:
        self.begin = begin
        self.server = Server() if server is None else server
        self.until_last = _UntilLast(connections)
        self.container = Container(self)

    def on_reactor_init(self, event):
        """Listens, and lets the client begin."""
        group = Group(self.until_last, self.server)
        acceptor = event.container.acceptor("127.0.0.1", 0, group)
        self.until_last.acceptor = acceptor
        self.server.acceptor = acceptor
        self.begin(event.container, port_of(acceptor))

    def run(self):
        """Runs until all is closed."""
        self.container.run()
        return self


class Group:
    """A handler that does nothing but to hand events on to others."""

    def __init__(self, *handlers) -> None:
        self.handlers = list(handlers)


def meet(client, server=None, connections=1, **options):
    """A client, which is a handler, connects to a server in the same container. Returns when all is closed."""

    def begin(container, port):
        client.connection = container.connect(f"127.0.0.1:{port}", handler=client, **options)
        if hasattr(client, "begin"):
            client.begin(container)

    return Both(begin, server, connections).run()


class Closing(MessagingHandler):
    """A client that closes the connection as soon as it is open."""

    def on_connection_opened(self, event):
        """Closes it."""
        event.connection.close()
