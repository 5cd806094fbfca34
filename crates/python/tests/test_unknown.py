# ruff: noqa: D102, D103, D107
"""Messages of which nobody can say what became of them."""

from __future__ import annotations

import pytest
from proton import Message
from proton.handlers import MessagingHandler
from support import Both, Server
from test_reconnect import QUICK, drop

pytestmark = pytest.mark.ours


class Sends(MessagingHandler):
    """Sends a message on each connection, and notes what it is told of them."""

    def __init__(self) -> None:
        super().__init__()
        self.unknown: list = []
        self.told: list = []
        self.sent = 0

    def on_sendable(self, event):
        if self.sent < 2:
            self.sent += 1
            event.sender.send(Message(id=self.sent))

    def on_delivery_unknown(self, event):
        self.told.append("unknown")
        self.unknown.append((event.delivery.tag, event.link.name, event.connection is event.link.connection))
        assert event.container is not None

    def on_accepted(self, event):
        self.told.append("accepted")
        event.connection.close()


class LosesTheFirst(Server):
    """Ends the network connection on the first message, and accepts the others."""

    def __init__(self) -> None:
        super().__init__(auto_accept=False)
        self.got: list = []

    def on_message(self, event):
        self.got.append(event.message.id)
        if len(self.got) == 1:
            drop(event)
        else:
            self.accept(event.delivery)


def test_a_message_that_was_cut_off_is_told_as_unknown_and_not_sent_again():
    class Client(Sends):
        def on_sendable(self, event):
            if self.sent < len(self.unknown) + 1:
                super().on_sendable(event)

    client, server = Client(), LosesTheFirst()

    def begin(container, port):
        connection = container.connect(f"127.0.0.1:{port}", handler=client, reconnect=QUICK)
        container.create_sender(connection, "q", name="orders")

    Both(begin, server, connections=2).run()
    assert client.unknown == [("1", "orders", True)]
    assert client.told == ["unknown", "accepted"]
    assert server.got == [1, 2]


def test_a_message_that_is_settled_by_its_sender_is_not_told_of():
    class Client(Sends):
        def on_sendable(self, event):
            if self.sent < 2:
                self.sent += 1
                event.sender.send(Message(id=self.sent)).settle()

        def on_transport_closed(self, event):
            event.connection.close()

    client, server = Client(), LosesTheFirst()

    def begin(container, port):
        connection = container.connect(f"127.0.0.1:{port}", handler=client, reconnect=False)
        container.create_sender(connection, "q")

    Both(begin, server).run()
    assert client.unknown == []


def test_a_handler_of_the_link_is_told_first():
    class OfLink(MessagingHandler):
        def __init__(self) -> None:
            super().__init__()
            self.unknown = 0

        def on_sendable(self, event):
            event.sender.send(Message())

        def on_delivery_unknown(self, event):
            self.unknown += 1

    client, of_link = Sends(), OfLink()

    def begin(container, port):
        connection = container.connect(f"127.0.0.1:{port}", handler=client, reconnect=False)
        container.create_sender(connection, "q", handler=of_link)

    Both(begin, LosesTheFirst()).run()
    assert of_link.unknown > 0
    assert client.unknown == []
