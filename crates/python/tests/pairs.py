"""Two connections of one process whose transports are given each other's bytes: no sockets, no time."""

from __future__ import annotations

from proton import Collector, Connection, Transport


class Side:
    """A connection with its transport and its events."""

    def __init__(self, mode: int, container: str) -> None:
        self.connection = Connection()
        self.connection.container = container
        self.collector = Collector()
        self.connection.collect(self.collector)
        self.transport = Transport(mode)
        self.ended = False

    def bind(self) -> None:
        """Gives the connection its transport."""
        self.transport.bind(self.connection)

    def events(self) -> list:
        """The names of the events since the last call."""
        names = []
        while True:
            event = self.collector.peek()
            if event is None:
                return names
            names.append(event.type.name[len("PN_") :].lower())
            self.collector.pop()


class Pair:
    """A client and a server."""

    def __init__(self, bind: bool = True) -> None:
        self.client = Side(Transport.CLIENT, "client")
        self.server = Side(Transport.SERVER, "server")
        if bind:
            self.bind()

    def bind(self) -> None:
        """Gives both connections their transports."""
        self.client.bind()
        self.server.bind()

    def pump(self) -> Pair:
        """Carries bytes both ways until there are none."""
        while self._move(self.client, self.server) + self._move(self.server, self.client):
            pass
        return self

    def _move(self, source: Side, sink: Side) -> int:
        pending = source.transport.pending()
        capacity = sink.transport.capacity()
        if pending > 0 and capacity != 0:
            piece = bytes(source.transport.peek(pending if capacity < 0 else min(pending, capacity)))
            if capacity > 0:
                sink.transport.push(piece)
            source.transport.pop(len(piece))
            return len(piece)
        if pending < 0 and not sink.ended:
            sink.ended = True
            sink.transport.close_tail()
            return 1
        return 0

    def events(self) -> tuple:
        """The names of the events of both since the last call, after all bytes were carried."""
        self.pump()
        return self.client.events(), self.server.events()

    def opened(self) -> Pair:
        """Both connections open, and one session on each."""
        self.client.connection.open()
        self.pump()
        self.server.connection.open()
        self.client.session = self.client.connection.session()
        self.client.session.open()
        self.pump()
        self.server.session = self.server.connection.session_head(0)
        self.server.session.open()
        self.events()
        return self

    def linked(self, credit: int = 0) -> tuple:
        """A sender of the client, and the receiver of the server."""
        sender = self.client.session.sender("link")
        sender.target.address = "queue"
        sender.open()
        self.pump()
        receiver = self.server.connection.link_head(0)
        receiver.target.copy(receiver.remote_target)
        receiver.open()
        if credit:
            receiver.flow(credit)
        self.events()
        return sender, receiver
