# ruff: noqa: D102, D103, D107
"""The standard handlers: what they call, what they answer, and in which order."""

from __future__ import annotations

import pytest
from proton import Condition, Delivery, Message
from proton.handlers import (
    EndpointStateHandler,
    FlowController,
    Handshaker,
    IncomingMessageHandler,
    MessagingHandler,
    OutgoingMessageHandler,
    Reject,
    Release,
)
from support import Group, Journal, Server, meet


def test_the_children_of_a_messaging_handler():
    kinds = [type(handler) for handler in MessagingHandler().handlers]
    assert len(kinds) == 4
    assert kinds[1:] == [EndpointStateHandler, IncomingMessageHandler, OutgoingMessageHandler]
    for prefetch in (0, None):
        assert len(MessagingHandler(prefetch=prefetch).handlers) == 3
    incoming, outgoing = MessagingHandler(auto_accept=False, auto_settle=False).handlers[2:]
    assert incoming.auto_accept is False
    assert outgoing.auto_settle is False
    assert MessagingHandler().fatal_conditions == ["amqp:unauthorized-access"]


def test_what_a_messaging_handler_defines():
    defined = [
        "start",
        "reactor_init",
        "transport_error",
        "disconnected",
        "sendable",
        "accepted",
        "rejected",
        "message",
    ]
    defined += ["sendable", "accepted", "rejected", "released", "settled"]
    for kind in ("connection", "session", "link"):
        defined += [f"{kind}_error", f"{kind}_closed", f"{kind}_closing"]
        assert not hasattr(MessagingHandler, f"on_{kind}_opened")
        assert not hasattr(MessagingHandler, f"on_{kind}_opening")
    assert all(hasattr(MessagingHandler, f"on_{name}") for name in defined)
    assert not hasattr(MessagingHandler, "on_aborted")


class Sends(MessagingHandler):
    """Sends some messages, and notes what becomes of them."""

    def __init__(self, count=1, **options) -> None:
        super().__init__(**options)
        self.left = self.count = count
        self.told: list = []

    def begin(self, container):
        self.sender = container.create_sender(self.connection, "a")

    def on_sendable(self, event):
        while self.left and event.sender.credit:
            event.sender.send(Message(self.count - self.left))
            self.left -= 1

    def on_accepted(self, event):
        self.told.append("accepted")

    def on_rejected(self, event):
        self.told.append("rejected")

    def on_released(self, event):
        self.told.append(("released", event.delivery.remote_state))

    def on_settled(self, event):
        self.told.append("settled")
        if self.told.count("settled") == self.count:
            event.connection.close()


class Answers(Server):
    """Does something with each message."""

    def __init__(self, answer, **options) -> None:
        super().__init__(**options)
        self.answer = answer

    def on_message(self, event):
        super().on_message(event)
        self.answer(self, event)


def raising(error):
    """Something that raises."""

    def raises(server, event):
        raise error

    return raises


@pytest.mark.parametrize(
    ("answer", "auto", "expected"),
    [
        (lambda server, event: None, True, "accepted"),
        (raising(Reject()), True, "rejected"),
        (raising(Reject()), False, "rejected"),
        (raising(Release()), True, ("released", Delivery.MODIFIED)),
        (raising(Release()), False, ("released", Delivery.MODIFIED)),
        (lambda server, event: server.accept(event.delivery), False, "accepted"),
        (lambda server, event: server.reject(event.delivery), False, "rejected"),
        (lambda server, event: server.release(event.delivery), False, ("released", Delivery.MODIFIED)),
        (lambda server, event: server.release(event.delivery, delivered=False), False, ("released", Delivery.RELEASED)),
        (lambda server, event: server.settle(event.delivery, Delivery.ACCEPTED), False, "accepted"),
    ],
)
def test_what_a_receiver_says_is_told_to_the_sender(answer, auto, expected):
    client = Sends()
    meet(client, Answers(answer, auto_accept=auto))
    assert client.told == [expected, "settled"]


def test_a_settlement_without_an_outcome():
    client = Sends()
    meet(client, Answers(lambda server, event: server.settle(event.delivery), auto_accept=False))
    assert client.told == ["settled"]


def test_another_exception_leaves_the_loop():
    with pytest.raises(ZeroDivisionError):
        meet(Sends(), Answers(raising(ZeroDivisionError())))


def test_many_messages_arrive_in_order():
    client = Sends(count=100)
    both = meet(client)
    assert both.server.messages == list(range(100))
    assert client.told.count("accepted") == 100


def test_without_auto_settle_the_program_settles():
    unsettled = []

    class Keeps(Sends):
        def on_settled(self, event):
            unsettled.append(event.delivery.settled)
            event.delivery.settle()
            super().on_settled(event)

    meet(Keeps(auto_settle=False))
    assert unsettled == [True]


def test_messages_on_a_closed_link_are_released():
    class Closes(Server):
        def on_message(self, event):
            super().on_message(event)
            event.link.close()

    class Client(Sends):
        def on_link_closed(self, event):
            event.connection.close()

    client = Client(count=3)
    both = meet(client, Closes())
    assert both.server.messages == [0]


def test_closing_the_connection_does_not_stop_messages_that_have_come():
    class Closes(Server):
        def on_message(self, event):
            super().on_message(event)
            event.connection.close()

    class Burst(Sends):
        """Sends all at once, and lets the server close."""

        def on_settled(self, event):
            """Leaves it to the server."""

    both = meet(Burst(count=3), Closes())
    assert both.server.messages == [0, 1, 2]


def test_aborted_messages():
    told = []

    class Client(MessagingHandler):
        def begin(self, container):
            container.create_sender(self.connection, "a")
            self.begun = False

        def on_sendable(self, event):
            if not self.begun:
                self.begun = True
                delivery = event.sender.delivery("tag")
                event.sender.stream(b"some of it")
                event.container.schedule(0.05, self)
                self.delivery = delivery

        def on_timer_task(self, event):
            self.delivery.abort()
            self.connection.close()

    class Noting(Server):
        def on_aborted(self, event):
            told.append(("aborted", event.delivery.aborted))

    both = meet(Client(), Noting())
    assert told == [("aborted", True)]
    assert both.server.messages == []


def test_the_window_of_credit():
    credits = []

    class Noting(Server):
        def on_link_opened(self, event):
            credits.append(event.link.credit)

    for prefetch in (10, 3):
        meet(Sends(count=7), Noting(prefetch=prefetch))
    assert credits == [10, 3]


@pytest.mark.ours
def test_a_window_of_one_goes_on():
    client = Sends(count=5)
    both = meet(client, Server(prefetch=1))
    assert both.server.messages == list(range(5))


def test_a_flow_controller_of_ones_own():
    class Client(Sends):
        def on_sendable(self, event):
            self.credit = event.sender.credit
            super().on_sendable(event)

    received = []

    class Keeps:
        def on_message(self, event):
            received.append(event.message.body)

    client = Client()
    incoming = IncomingMessageHandler(auto_accept=True, delegate=(keeps := Keeps()))
    group = Group(FlowController(5), Handshaker(), incoming, keeps)
    meet(client, group)
    assert client.credit in (4, 5)
    assert received == [0]


def test_a_handshaker_mirrors_termini_and_closes():
    seen = []

    class Client(MessagingHandler):
        def begin(self, container):
            self.receiver = container.create_receiver(self.connection, "from", "to")

        def on_link_opened(self, event):
            seen.append((event.link.remote_source.address, event.link.remote_target.address))
            event.link.close()

        def on_link_closed(self, event):
            seen.append("link")
            event.session.close()

        def on_session_closed(self, event):
            seen.append("session")
            event.connection.close()

        def on_connection_closed(self, event):
            seen.append("connection")

    meet(Client(), Group(Handshaker()))
    assert seen == [("from", "to"), "link", "session", "connection"]


class Told(Server):
    """Notes the calls about endpoints, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list = []


def noting(name):
    """A method that notes its name, and does what the base class does."""

    def method(self, event):
        self.told.append(name)
        base = getattr(super(Told, self), f"on_{name}", None)
        if base is not None:
            base(event)

    return method


for _kind in ("connection", "session", "link"):
    for _what in ("opening", "opened", "closing", "closed", "error"):
        setattr(Told, f"on_{_kind}_{_what}", noting(f"{_kind}_{_what}"))


class ToldClient(Told):
    """A client with a link, that closes it all."""

    def __init__(self, closes="connection") -> None:
        super().__init__()
        self.closes = closes

    def begin(self, container):
        container.create_receiver(self.connection, "a")


def test_the_calls_on_both_sides_of_an_orderly_end():
    class Client(ToldClient):
        def on_link_opened(self, event):
            self.told.append("link_opened")
            event.link.close()

        def on_link_closed(self, event):
            self.told.append("link_closed")
            event.session.close()

        def on_session_closed(self, event):
            self.told.append("session_closed")
            event.connection.close()

    client, server = Client(), Told()
    meet(client, server)
    opened = ["connection_opened", "session_opened", "link_opened"]
    assert client.told == [*opened, "link_closed", "session_closed", "connection_closed"]
    opening = ["connection_opening", "session_opening", "link_opening"]
    assert server.told[:6] == [*opening, *opened]
    assert server.told[6:] == [
        *("link_closing", "link_closed", "session_closing", "session_closed"),
        *("connection_closing", "connection_closed"),
    ]


@pytest.mark.parametrize("kind", ["link", "session", "connection"])
def test_a_server_that_closes_with_an_error(kind):
    class Closes(Server):
        def on_link_opened(self, event):
            endpoint = getattr(event, kind)
            endpoint.condition = Condition("amqp:not-allowed", "because", {"why": 1})
            endpoint.close()

    class Client(ToldClient):
        def on_connection_closed(self, event):
            self.told.append("connection_closed")

    conditions = []

    def errors(self, event):
        conditions.append(getattr(event, kind).remote_condition)
        noting(f"{kind}_error")(self, event)

    setattr(Client, f"on_{kind}_error", errors)
    client = Client()
    meet(client, Closes())
    assert conditions == [Condition("amqp:not-allowed", "because", {"why": 1})]
    told = client.told[client.told.index("link_opened") + 1 :]
    assert told[0] == f"{kind}_error"
    assert told[-1] == "connection_closed"
    if kind != "connection":
        assert f"{kind}_closed" in told


@pytest.mark.parametrize("is_error", [False, True])
def test_a_peer_that_closes_is_no_error_with_a_delegate(is_error):
    class Closes(Server):
        def on_connection_opened(self, event):
            event.connection.close()

    told = []

    class Client(MessagingHandler):
        def on_connection_closing(self, event):
            told.append("closing")

        def on_connection_error(self, event):
            told.append("error")

        def on_connection_closed(self, event):
            told.append("closed")

    meet(Client(peer_close_is_error=is_error), Closes())
    assert told == ["closing", "closed"]


def test_a_detach_is_told_by_the_raw_event_alone():
    class Detaches(Server):
        def on_link_opened(self, event):
            event.link.detach()

    client = ToldClient()
    seen = []

    def detached(event):
        seen.append(list(client.told))
        event.connection.close()

    client.on_link_remote_detach = detached
    meet(client, Detaches())
    assert seen == [["connection_opened", "session_opened", "link_opened"]]
    assert "link_closing" not in client.told


def test_the_states_of_endpoints():
    seen = []

    class Client(MessagingHandler):
        def begin(self, container):
            seen.append(self.states())

        def states(self):
            kind = EndpointStateHandler
            return [
                getattr(kind, f"is_{name}")(self.connection)
                for name in ("local_open", "local_uninitialised", "local_closed", "remote_open", "remote_closed")
            ]

        def on_connection_opened(self, event):
            seen.append(self.states())
            event.connection.close()

        def on_connection_closed(self, event):
            seen.append(self.states())

    meet(Client())
    assert seen == [
        [True, False, False, False, False],
        [True, False, False, True, False],
        [False, False, True, False, True],
    ]


def test_the_order_of_all_events():
    def note(base):
        class Noting(base):
            def __init__(self) -> None:
                super().__init__()
                self.journal = Journal()

            def on_unhandled(self, name, event):
                self.journal.on_unhandled(name, event)

        return Noting()

    class Client(Sends):
        """A client that sends one message and then closes."""

    client, server = note(Client), note(Server)
    meet(client, server)
    names = [name for name in client.journal.names if name not in ("on_link_flow", "on_delivery")]
    assert names == [
        *("on_connection_init", "on_connection_local_open", "on_session_init", "on_session_local_open"),
        *("on_link_init", "on_link_local_open", "on_connection_bound", "on_connection_remote_open"),
        *("on_connection_opened", "on_session_remote_open", "on_session_opened", "on_link_remote_open"),
        *("on_link_opened", "on_connection_local_close", "on_transport_head_closed", "on_connection_remote_close"),
        *("on_transport_tail_closed", "on_transport_closed", "on_connection_unbound"),
    ]
    names = [name for name in server.journal.names if name not in ("on_link_flow", "on_delivery")]
    assert names == [
        *("on_connection_init", "on_connection_bound", "on_connection_remote_open"),
        *("on_session_init", "on_session_remote_open", "on_session_opening"),
        *("on_link_init", "on_link_remote_open"),
        *("on_connection_local_open", "on_connection_opened", "on_session_local_open", "on_session_opened"),
        *("on_link_local_open", "on_link_opened"),
        *("on_connection_remote_close", "on_transport_tail_closed", "on_connection_local_close"),
        *("on_transport_head_closed", "on_transport_closed", "on_connection_unbound"),
    ]


def test_handlers_without_a_delegate():
    for kind in (EndpointStateHandler, IncomingMessageHandler, OutgoingMessageHandler):
        assert kind().delegate is None


def test_delegates_are_not_kept_alive():
    class Some:
        pass

    some = Some()
    handler = EndpointStateHandler(delegate=some)
    assert handler.delegate is some or handler.delegate == some
