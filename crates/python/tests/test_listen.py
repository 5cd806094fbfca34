# ruff: noqa: D102, D103, D107
"""Listening: acceptors, and the connections that come in."""

from __future__ import annotations

import errno
import socket

import pytest
from proton import Message
from proton.handlers import Handshaker, MessagingHandler
from proton.reactor import Container
from support import Both, Closing, Group, Journal, Server, free_port, meet, port_of
from wire import AMQP, OPEN, fields


def test_listen_binds_at_once():
    container = Container()
    port = free_port()
    acceptor = container.listen(f"127.0.0.1:{port}")
    with pytest.raises(OSError) as caught:
        Container().listen(f"127.0.0.1:{port}")
    assert caught.value.errno == errno.EADDRINUSE
    acceptor.close()


def test_a_bad_port_is_an_error_of_the_call():
    with pytest.raises(ValueError):
        Container().listen("127.0.0.1:no-such-service-name")


def test_port_0_is_any():
    acceptor = Container().listen("127.0.0.1:0")
    assert port_of(acceptor) > 0
    acceptor.close()


def test_a_missing_host_is_every_interface():
    acceptor = Container().listen(f"amqp://:{free_port()}")
    assert acceptor._selectable._delegate.getsockname()[0] == "0.0.0.0"
    acceptor.close()


def test_a_listener_keeps_the_loop_running_until_it_is_closed():
    class Program(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            event.container.schedule(0.01, self)

        def on_timer_task(self, event):
            self.fired = True
            self.acceptor.close()

    program = Program()
    Container(program).run()
    assert program.fired


def test_closing_a_listener_keeps_its_connections():
    class Client(MessagingHandler):
        def begin(self, container):
            container.create_sender(self.connection, "a")

        def on_sendable(self, event):
            event.sender.send(Message("after"))
            event.sender.close()
            event.connection.close()

    class Closes(Server):
        def on_connection_opened(self, event):
            self.acceptor.close()

    both = meet(Client(), Closes(), connections=99)
    assert both.server.messages == ["after"]


def test_accepted_connections_go_to_the_handlers_of_the_container():
    class Program(Server):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            event.container.connect(f"127.0.0.1:{port_of(self.acceptor)}", handler=Closing())

        def on_connection_opening(self, event):
            super().on_connection_opening(event)
            self.acceptor.close()

    program = Program()
    Container(program).run()
    assert len(program.connections) == 1


def test_accepted_connections_go_to_the_handler_of_the_acceptor():
    journal, of_container = Journal(), Journal()

    class Program:
        def on_reactor_init(self, event):
            acceptor = event.container.acceptor("127.0.0.1", 0, Group(journal, Handshaker(), self))
            self.acceptor = acceptor
            event.container.connect(f"127.0.0.1:{port_of(acceptor)}", handler=Closing())

        def on_connection_bound(self, event):
            self.acceptor.close()

    Container(Program(), of_container).run()
    assert "on_connection_remote_open" in journal.names
    assert of_container.names == ["on_reactor_init", "on_reactor_final"]


def test_what_is_known_of_an_accepted_connection():
    seen = []

    class Noting(Server):
        def on_connection_opening(self, event):
            super().on_connection_opening(event)
            connection = event.connection
            host, _, port = str(connection.url).rpartition(":")
            seen.append((host.rpartition("/")[2], int(port) > 0, connection.container or ""))

    both = meet(Closing(), Noting())
    assert both.server.connections
    assert seen == [("127.0.0.1", True, "")]


def test_a_server_may_name_itself():
    class Named(Server):
        def on_connection_opening(self, event):
            super().on_connection_opening(event)
            event.connection.container = "server"

    class Client(Closing):
        def on_connection_opened(self, event):
            self.peer = event.connection.remote_container
            super().on_connection_opened(event)

    client, unnamed = Client(), Client()
    meet(client, Named())
    assert client.peer == "server"
    meet(unnamed, Server())
    assert not unnamed.peer


@pytest.mark.parametrize("sasl", [True, False])
def test_clients_with_sasl_and_without_are_accepted(sasl):
    assert len(meet(Closing(), sasl_enabled=sasl).server.connections) == 1


def test_a_client_that_speaks_by_hand():
    class Program(Server):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.client = socket.create_connection(("127.0.0.1", port_of(self.acceptor)))
            self.client.sendall(AMQP + OPEN)
            self.opened = []

        def on_connection_opened(self, event):
            self.opened.append(event.connection.remote_container)
            self.acceptor.close()
            event.connection.close()
            event.container.schedule(0, self)

        def on_timer_task(self, event):
            self.client.shutdown(socket.SHUT_WR)

        def on_transport_error(self, event):
            """The client has not closed the connection."""

    program = Program()
    Container(program).run()
    said = b""
    while more := program.client.recv(65536):
        said += more
    program.client.close()
    assert program.opened == ["raw"]
    assert said[:8] == AMQP
    assert not fields(said[16:])[0]


def test_many_clients():
    clients = [Closing() for _ in range(20)]

    def begin(container, port):
        for client in clients:
            container.connect(f"127.0.0.1:{port}", handler=client)

    assert len(Both(begin, connections=20).run().server.connections) == 20


def test_garbage_from_a_client_is_a_transport_error_of_the_server():
    class Program(Server):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.client = socket.create_connection(("127.0.0.1", port_of(self.acceptor)))
            self.client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.errors = []

        def on_transport_error(self, event):
            self.errors.append(event.transport.condition.name)
            self.acceptor.close()
            self.client.close()

    program = Program()
    Container(program).run()
    assert program.errors == ["amqp:connection:framing-error"]
    assert program.connections == []
