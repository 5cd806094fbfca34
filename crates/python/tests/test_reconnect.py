# ruff: noqa: D102, D103, D107
"""What happens when a connection cannot be made, or is lost."""

from __future__ import annotations

import itertools
import socket

import pytest
from proton import Condition, Message
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container
from support import Both, Journal, Server, free_port, meet
from wire import AMQP, OPEN, SASL, RawServer, close, mechanisms, outcome

QUICK = [0, 0.01, 0.02]


def drop(event):
    """Ends the network connection, without a word to the peer."""
    event.transport._selectable._delegate.shutdown(socket.SHUT_RDWR)


class Client(MessagingHandler):
    """Loses each connection when it is open, but for the last, which it closes."""

    user = ""

    def __init__(self, times=2) -> None:
        super().__init__()
        self.times = times
        self.told: list = []

    def on_connection_opened(self, event):
        self.told.append("opened")
        self.lose_or_close(event)

    def lose_or_close(self, event):
        if self.told.count("opened") < self.times:
            drop(event)
        else:
            event.connection.close()

    def on_disconnected(self, event):
        self.told.append("disconnected")

    def on_transport_error(self, event):
        self.told.append("error")

    def on_connection_closed(self, event):
        self.told.append("closed")


class Attempts(MessagingHandler):
    """Notes each attempt, and closes after so many."""

    user = "me:wrong@"

    def __init__(self, last=None) -> None:
        super().__init__()
        self.last = last
        self.addresses: list = []
        self.told: list = []
        self.connection = None

    def on_connection_bound(self, event):
        self.connection = event.connection
        self.addresses.append(event.connection.connected_address)

    def on_transport_error(self, event):
        self.told.append("error")
        if self.last is not None and len(self.addresses) == self.last:
            event.connection.close()

    def on_disconnected(self, event):
        self.told.append("disconnected")

    def on_connection_closed(self, event):
        self.told.append("closed")


def attempts(urls, reconnect, last=None):
    """The addresses that are tried, none of which answers."""
    client = Attempts(last)

    class Program:
        def on_reactor_init(self, event):
            event.container.connect(urls=urls, reconnect=reconnect, handler=client)

    Container(Program()).run()
    return client


def test_the_delays_of_a_backoff():
    delays = list(itertools.islice(Backoff(), 11))
    assert delays == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10])
    delays = list(Backoff(initial=1, factor=3, max_delay=20, max_tries=6))
    assert delays == [0, 1, 3, 9, 20, 20]
    assert list(Backoff(max_tries=1)) == [0]
    assert list(itertools.islice(Backoff(initial=30, max_delay=5), 3)) == [0, 30, 5]
    with pytest.raises(TypeError):
        Backoff(jitter=1)


@pytest.mark.parametrize("schedule", [None, QUICK, Backoff(initial=0.01)])
def test_a_lost_connection_is_made_again(schedule):
    client = Client()
    both = meet(client, connections=2, reconnect=schedule)
    assert client.told.count("opened") == 2
    assert client.told[-1] == "closed"
    assert len(both.server.connections) == 2


class Lost(Client):
    """Waits for the server to drop the connection, or to close it."""

    def lose_or_close(self, event):
        """Leaves it to the server."""

    def on_transport_error(self, event):
        super().on_transport_error(event)
        self.condition = event.transport.condition


def begins(client):
    """The server's side of SASL and Open."""
    if client.read(8) == SASL:
        client.send(SASL + mechanisms(["ANONYMOUS"]))
        client.read_frame()
        client.send(outcome(0))
        client.read(8)
    client.send(AMQP + OPEN)
    client.read_frame()


def closes(client):
    """Opens and closes."""
    begins(client)
    client.send(close())
    client.wait_for_end()


def served(client, *conversations, **options):
    """Runs a client against a server that speaks with it so many times."""

    class Program:
        def on_reactor_init(self, event):
            event.container.connect(f"{client.user}127.0.0.1:{server.port}", **options)

    # The error of a transport that has no connection any more goes to the handler of the container.
    with RawServer(*conversations) as server:
        Container(Program(), client).run()
    return client


def test_what_is_told_of_a_loss():
    client = served(Lost(), begins, closes)
    assert client.told == ["opened", "disconnected", "disconnected", "error", "opened", "closed"]


def test_the_condition_of_a_loss():
    client = served(Lost(), begins, closes)
    assert client.condition.name == "amqp:connection:framing-error"
    assert "connection aborted" in client.condition.description


def test_the_first_attempt_is_made_again_too():
    urls = [f"127.0.0.1:{free_port()}"]
    client = attempts(urls, QUICK, last=3)
    assert len(client.addresses) == 3
    assert "closed" not in client.told


def test_the_walk_goes_through_the_urls_for_each_delay():
    urls = [f"127.0.0.1:{free_port()}", f"localhost:{free_port()}"]
    client = attempts(urls, QUICK)
    hosts = ["127.0.0.1" if "127.0.0.1" in address else "localhost" for address in client.addresses]
    assert hosts == ["127.0.0.1", "localhost"] * 3


def test_at_the_end_of_the_schedule_the_connection_stays_as_it_is():
    client = attempts([f"127.0.0.1:{free_port()}"], [0, 0])
    assert len(client.addresses) == 2
    assert client.connection.state & client.connection.LOCAL_ACTIVE
    assert client.connection.transport is None
    assert "closed" not in client.told


def test_another_url_is_used_when_the_first_does_not_answer():
    def begin(container, port):
        client.connection = container.connect(urls=[f"127.0.0.1:{free_port()}", f"127.0.0.1:{port}"], handler=client)

    client = Client(times=1)
    both = Both(begin).run()
    assert client.told.count("opened") == 1
    assert len(both.server.connections) == 1


def test_after_a_success_the_walk_begins_at_the_first_url():
    bound = []

    class Noting(Client):
        def on_connection_bound(self, event):
            bound.append(event.connection.connected_address.rpartition(":")[2])

    def begin(container, port):
        ports.extend((str(free_port()), str(port)))
        container.connect(urls=[f"127.0.0.1:{number}" for number in ports], handler=client, reconnect=[0, 0.01])

    ports: list = []
    client = Noting()
    Both(begin, connections=2).run()
    assert bound == ports * 2


def test_without_reconnect_a_loss_is_the_end():
    client = served(Lost(), begins, reconnect=False)
    assert client.told == ["opened", "disconnected", "disconnected", "error"]


def test_without_reconnect_there_is_one_attempt():
    assert len(attempts([f"127.0.0.1:{free_port()}"], False).addresses) == 1


class Policy:
    """An object with ``reset()`` and ``next()``."""

    def __init__(self) -> None:
        self.calls: list = []

    def reset(self):
        self.calls.append("reset")

    def next(self):
        self.calls.append("next")
        return 0.001


def test_a_policy_of_ones_own():
    policy = Policy()
    client = attempts([f"127.0.0.1:{free_port()}"], policy, last=3)
    assert len(client.addresses) == 3
    assert policy.calls[0] == "reset"
    assert policy.calls.count("reset") == 1
    assert policy.calls.count("next") >= 2


def test_a_policy_is_reset_after_each_success():
    policy = Policy()
    meet(Client(), connections=2, reconnect=policy)
    assert policy.calls.count("reset") >= 2


@pytest.mark.parametrize("where", ["on_transport_error", "on_disconnected"])
def test_closing_in_a_callback_ends_the_attempts(where):
    class Closes(Attempts):
        pass

    setattr(Closes, where, lambda self, event: event.connection.close())
    client = Closes()

    class Program:
        def on_reactor_init(self, event):
            event.container.connect(f"127.0.0.1:{free_port()}", reconnect=[0] * 5, handler=client)

    Container(Program()).run()
    assert len(client.addresses) == 1


@pytest.mark.parametrize("condition", [None, Condition("amqp:internal-error", "broken")])
def test_a_connection_that_the_peer_closes_is_not_made_again(condition):
    class Closes(Server):
        def on_connection_opened(self, event):
            event.connection.condition = condition
            event.connection.close()

    client = Client()
    both = meet(client, Closes())
    assert client.told == ["opened", "closed"]
    assert len(both.server.connections) == 1


@pytest.mark.ours
def test_a_connection_that_was_forced_to_close_is_made_again():
    answers = []

    def forced(client):
        begins(client)
        client.send(close("amqp:connection:forced"))
        client.sock.shutdown(socket.SHUT_WR)
        answers.append(client.sock.recv(100))

    class Noting(Lost):
        def on_connection_error(self, event):
            self.told.append("connection error")

    client = served(Noting(), forced, closes)
    assert client.told.count("opened") == 2
    assert "connection error" not in client.told
    assert client.told.count("closed") == 1
    assert b"\x00\x53\x18" not in answers[0]


class Linked(Client):
    """Has links, and loses the connection when they are open."""

    def begin(self, container):
        self.sender = container.create_sender(self.connection, "out", name="one")
        self.receiver = container.create_receiver(self.connection, "in", name="two")
        container.create_receiver(self.connection, dynamic=True, name="three")
        self.same: list = []
        self.dynamic: list = []

    def on_connection_opened(self, event):
        self.told.append("opened")
        self.same.append(event.connection == self.connection)

    def on_session_opened(self, event):
        self.told.append("session")

    def on_link_opened(self, event):
        self.told.append(event.link.name)
        if event.link.name == "three":
            self.dynamic.append(event.link.remote_source.address)
            self.lose_or_close(event)


def test_the_same_objects_and_links_come_back():
    links: list = []

    class Noting(Server):
        def on_link_opening(self, event):
            super().on_link_opening(event)
            link = event.link
            links.append((link.name, link.is_receiver, link.target.address, link.remote_source.dynamic))

    client = Linked()
    meet(client, Noting(), connections=2)
    assert links[:3] == [("one", True, "out", False), ("two", False, None, False), ("three", False, None, True)]
    assert links[3:] == links[:3]
    assert client.same == [True, True]
    assert client.dynamic == ["dynamic-1", "dynamic-2"]
    assert [word for word in client.told if word not in ("disconnected", "error")] == [
        *("opened", "session", "one", "two", "three"),
        *("opened", "session", "one", "two", "three", "closed"),
    ]


def test_credit_is_given_again():
    class Sends(Server):
        def on_sendable(self, event):
            if not hasattr(event.link, "sent"):
                event.link.sent = True
                event.sender.send(Message(f"message {len(self.connections)}"))

    class Receives(Client):
        def begin(self, container):
            self.receiver = container.create_receiver(self.connection, "in")
            self.bodies: list = []

        def on_connection_opened(self, event):
            self.told.append("opened")

        def on_message(self, event):
            self.bodies.append(event.message.body)
            self.lose_or_close(event)

    client = Receives()
    meet(client, Sends(), connections=2)
    assert client.bodies == ["message 1", "message 2"]


def test_what_was_not_settled_is_not_sent_again():
    class Sends(Client):
        def begin(self, container):
            container.create_sender(self.connection, "out")
            self.count = 0

        def on_connection_opened(self, event):
            self.told.append("opened")

        def on_sendable(self, event):
            opened = self.told.count("opened")
            if self.count < opened:
                self.count += 1
                event.sender.send(Message(f"message {opened}"))
                if opened == 1:
                    drop(event)

        def on_settled(self, event):
            self.told.append("settled")
            event.connection.close()

    client, server = Sends(), Server()
    meet(client, server, connections=2)
    assert server.messages == ["message 2"]
    assert client.told.count("settled") == 1


def test_the_order_of_events_of_a_loss():
    class Noting(Lost):
        def __init__(self) -> None:
            super().__init__()
            self.journal = Journal()

        def on_unhandled(self, name, event):
            self.journal.on_unhandled(name, event)

        def on_transport_error(self, event):
            self.journal.names.append("on_transport_error")

        def on_disconnected(self, event):
            self.journal.names.append("(disconnected)")

        def on_connection_opened(self, event):
            self.journal.names.append("(opened)")

    names = served(Noting(), begins, closes).journal.names
    lost = names[names.index("(opened)") + 1 : names.index("on_connection_bound", names.index("(opened)"))]
    assert lost == [
        *("on_transport_head_closed", "on_transport_tail_closed", "(disconnected)"),
        *("on_transport_closed", "(disconnected)", "on_transport_error", "on_connection_unbound"),
    ]
    assert "on_connection_reconnected" not in names


def test_the_order_of_events_of_a_refusal():
    journal = Journal()

    class Noting(MessagingHandler):
        def on_unhandled(self, name, event):
            journal.on_unhandled(name, event)

        def on_disconnected(self, event):
            journal.names.append("(disconnected)")

        def on_transport_error(self, event):
            journal.names.append("on_transport_error")

    class Program:
        def on_reactor_init(self, event):
            event.container.connect(f"127.0.0.1:{free_port()}", handler=client, reconnect=False)

    client = Noting()
    Container(Program()).run()
    assert [name for name in journal.names if name != "on_reconnect_failed"] == [
        "on_connection_init",
        "on_connection_local_open",
        "on_connection_bound",
        "on_transport_tail_closed",
        "(disconnected)",
        "on_transport_error",
        "on_transport_head_closed",
        "on_transport_closed",
        "(disconnected)",
        "on_connection_unbound",
    ]


def unauthorized(client):
    """Refuses whoever comes."""
    client.read(8)
    client.send(SASL + mechanisms(["PLAIN"]))
    client.read_frame()
    client.send(outcome(1))
    client.wait_for_end()


class Refused(MessagingHandler):
    """Notes all events of a connection."""

    user = "me:wrong@"

    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal()
        self.told: list = []

    def on_unhandled(self, name, event):
        self.journal.on_unhandled(name, event)

    def on_transport_error(self, event):
        self.journal.names.append("on_transport_error")
        self.condition = event.transport.condition
        super().on_transport_error(event)

    def on_disconnected(self, event):
        self.told.append("disconnected")

    def on_connection_closed(self, event):
        self.told.append("closed")


def test_a_wrong_password_is_not_tried_again():
    client = Refused()
    served(client, unauthorized)
    assert client.condition.name == "amqp:unauthorized-access"
    assert client.condition.description.startswith("Authentication failed [mech=PLAIN]")
    assert client.told == []
    assert [name for name in client.journal.names if "reactor" not in name] == [
        "on_connection_init",
        "on_connection_local_open",
        "on_connection_bound",
        "on_transport_error",
        "on_transport_tail_closed",
        "on_transport_head_closed",
        "on_transport_closed",
        "on_connection_local_close",
        "on_connection_unbound",
    ]


def test_what_is_fatal_can_be_changed():
    client = Refused()
    assert client.fatal_conditions == ["amqp:unauthorized-access"]
    client.fatal_conditions = []
    served(client, unauthorized, unauthorized, reconnect=[0, 0])
    assert client.journal.names.count("on_connection_bound") == 2


def test_any_condition_can_be_made_fatal():
    bound = []

    class Client(MessagingHandler):
        def on_connection_bound(self, event):
            bound.append(event.connection)

    client = Client()
    client.fatal_conditions.append("proton.pythonio")

    class Program:
        def on_reactor_init(self, event):
            event.container.connect(f"127.0.0.1:{free_port()}", handler=client)

    Container(Program()).run()
    assert len(bound) == 1


def test_an_override_that_does_not_call_the_base_goes_on_trying():
    client = Attempts(last=2)
    served(client, unauthorized, unauthorized, reconnect=[0, 0, 0])
    assert len(client.addresses) == 2


def test_before_the_header_the_loss_has_a_text_of_its_own():
    conditions = []

    class Noting(MessagingHandler):
        def on_transport_error(self, event):
            conditions.append(event.transport.condition)

    class Program:
        def on_reactor_init(self, event):
            event.container.connect(f"127.0.0.1:{server.port}", handler=Noting(), reconnect=False, sasl_enabled=False)

    with RawServer(lambda client: client.read(8)) as server:
        Container(Program()).run()
    assert conditions[0].name == "amqp:connection:framing-error"
    assert "no protocol header found (connection aborted)" in conditions[0].description


def test_a_peer_that_speaks_something_else():
    conditions = []

    class Noting(MessagingHandler):
        def on_transport_error(self, event):
            conditions.append(event.transport.condition)
            event.connection.close()

    class Program:
        def on_reactor_init(self, event):
            event.container.connect(f"127.0.0.1:{server.port}", handler=Noting())

    def speaks(client):
        client.read(8)
        client.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        client.wait_for_end()

    with RawServer(speaks) as server:
        Container(Program()).run()
    assert conditions[0].name == "amqp:connection:framing-error"
