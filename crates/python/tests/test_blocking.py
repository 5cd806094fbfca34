# ruff: noqa: D102, D103, D107
"""Connections, senders and receivers whose methods wait."""

from __future__ import annotations

import threading

import pytest
from proton import Condition, ConnectionException, Delivery, LinkException, Message, ProtonException, Timeout
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, AtMostOnce, Container, EventInjector
from proton.utils import (
    BlockingConnection,
    ConnectionClosed,
    LinkDetached,
    SendException,
    SyncRequestResponse,
)
from support import Server, free_port, port_of


class Queues(Server):
    """A server of queues on a thread of its own. What it does on some addresses is in their names."""

    def __init__(self) -> None:
        super().__init__(auto_accept=False)
        self.queues: dict = {}
        self.consumers: dict = {}
        self.outcomes: dict = {}
        self.started = threading.Event()
        self.injector = EventInjector()
        self.count = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        event.container.selectable(self.injector)
        self.port = port_of(self.acceptor)
        self.container = event.container
        self.started.set()

    def on_finish(self, event):
        self.acceptor.close()
        self.injector.close()
        self.container.stop()

    def on_link_opening(self, event):
        link = event.link
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        if link.remote_source.dynamic:
            self.count += 1
            link.source.address = f"reply-{self.count}"
        if "elsewhere" in str(link.target.address) + str(link.source.address):
            link.source.address = link.target.address = "another"
        if link.is_sender:
            self.consumers[link.source.address] = link

    def on_link_opened(self, event):
        addresses = str(event.link.remote_target.address) + str(event.link.remote_source.address)
        if "refused" in addresses:
            event.link.condition = Condition("amqp:not-found", "no such node")
            event.link.close()
        elif "close-connection" in addresses:
            event.connection.condition = Condition("amqp:internal-error", "on purpose")
            event.connection.close()

    def on_sendable(self, event):
        self.serve(event.link.source.address)

    def serve(self, address):
        consumer = self.consumers.get(address)
        waiting = self.queues.get(address, [])
        while consumer is not None and waiting and consumer.credit > 0:
            consumer.send(waiting.pop(0))

    def on_message(self, event):
        address = event.link.target.address or event.message.address
        if address == "reject":
            self.reject(event.delivery)
        elif address == "release":
            self.release(event.delivery, delivered=False)
        elif address == "modify":
            self.release(event.delivery)
        elif address == "silence":
            pass
        elif address == "close":
            event.link.close()
        else:
            self.accept(event.delivery)
            message = event.message
            if address == "service":
                address = message.reply_to
                message = Message(body=message.body.upper(), correlation_id=message.correlation_id)
            self.queues.setdefault(address, []).append(message)
            self.serve(address)

    def on_delivery(self, event):
        if event.link.is_sender and event.delivery.updated and event.delivery.remote_state:
            self.outcomes[str(event.delivery.tag)] = event.delivery.remote_state


@pytest.fixture
def server():
    """The server, while it runs."""
    queues = Queues()
    thread = threading.Thread(target=Container(queues).run, daemon=True)
    thread.start()
    queues.started.wait()
    yield queues
    queues.injector.trigger(ApplicationEvent("finish"))
    thread.join(30)


@pytest.fixture
def connection(server):
    """A connection to the server."""
    connection = BlockingConnection(f"127.0.0.1:{server.port}", timeout=20)
    yield connection
    connection.close()


def test_there_and_back(connection):
    sender, receiver = connection.create_sender("q"), connection.create_receiver("q")
    delivery = sender.send(Message("hello"))
    assert delivery.remote_state == Delivery.ACCEPTED
    assert receiver.receive().body == "hello"
    receiver.accept()
    receiver.close()
    sender.close()


def test_the_url_and_the_default_timeout(server):
    connection = BlockingConnection(f"127.0.0.1:{server.port}")
    assert connection.timeout == 60
    assert connection.url.endswith(f"127.0.0.1:{server.port}")
    assert connection.disconnected is False
    container = connection.container
    assert isinstance(container, Container)
    connection.close()
    assert connection.conn is None
    assert connection.container is None
    connection.close()


def test_a_container_of_ones_own(server):
    container = Container(container_id="mine")
    connection = BlockingConnection(f"127.0.0.1:{server.port}", container=container)
    assert connection.container is container
    assert server.connections[0].remote_container == "mine"
    connection.close()


@pytest.mark.parametrize(
    ("address", "state"), [("reject", Delivery.REJECTED), ("release", Delivery.RELEASED), ("modify", None)]
)
def test_what_is_not_accepted(connection, address, state):
    sender = connection.create_sender(address)
    if state is None:
        assert sender.send(Message("x")).remote_state == Delivery.MODIFIED
        with pytest.raises(SendException):
            sender.send(Message("x"), error_states=[Delivery.MODIFIED])
        return
    with pytest.raises(SendException) as caught:
        sender.send(Message("x"))
    assert caught.value.state == state
    assert isinstance(caught.value, ProtonException)
    assert sender.send(Message("x"), error_states=[]).remote_state == state


def test_sending_at_most_once_does_not_wait(connection):
    sender = connection.create_sender("silence", options=AtMostOnce())
    assert sender.send(Message("x")).settled in (True, False)


def test_timeouts_say_what_was_waited_for(connection):
    receiver = connection.create_receiver("empty", name="r")
    with pytest.raises(Timeout, match="timed out: Receiving on receiver r"):
        receiver.receive(timeout=0.01)
    sender = connection.create_sender("silence", name="s")
    with pytest.raises(Timeout, match="timed out: Sending on sender s"):
        sender.send(Message("x"), timeout=0.01)
    with pytest.raises(Timeout, match="timed out: mine"):
        connection.wait(lambda: False, timeout=0.01, msg="mine")
    with pytest.raises(Timeout, match="Connection amqp://127.0.0.1:[0-9]+ timed out$"):
        connection.wait(lambda: False, timeout=0.01)


def test_a_timeout_of_none_waits(connection):
    seen = []

    class Timer:
        def on_timer_task(self, event):
            seen.append(True)

    connection.container.schedule(0.01, Timer())
    connection.wait(lambda: seen, timeout=None)
    assert seen == [True]


def test_outcomes_are_for_the_oldest(connection, server):
    sender = connection.create_sender("q")
    for body in range(4):
        sender.send(Message(body))
    receiver = connection.create_receiver("q", credit=4)
    assert [receiver.receive().body for _ in range(4)] == [0, 1, 2, 3]
    receiver.accept()
    receiver.reject()
    receiver.release()
    receiver.release(delivered=False)
    with pytest.raises(IndexError):
        receiver.accept()
    receiver.close()
    assert server.outcomes == {
        "1": Delivery.ACCEPTED,
        "2": Delivery.REJECTED,
        "3": Delivery.MODIFIED,
        "4": Delivery.RELEASED,
    }


def test_credit(connection):
    assert connection.create_receiver("q", credit=3).credit >= 3
    one = connection.create_receiver("p")
    assert one.credit == 0
    with pytest.raises(Timeout):
        one.receive(timeout=0.01)
    assert one.credit == 1


def test_a_dynamic_receiver(connection):
    receiver = connection.create_receiver(dynamic=True)
    assert receiver.remote_source.address.startswith("reply-")
    assert receiver.link.remote_source.address == receiver.remote_source.address


def test_a_handler_takes_the_place_of_receive(connection):
    got = []

    class Handler(MessagingHandler):
        def on_message(self, event):
            got.append(event.message.body)

    receiver = connection.create_receiver("q", handler=Handler(prefetch=0))
    assert receiver.credit == 1
    for call in (receiver.receive, receiver.accept, receiver.reject, receiver.release, receiver.settle):
        with pytest.raises(Exception, match="handler"):
            call()
    connection.create_sender("q").send(Message("x"))
    connection.wait(lambda: got)
    assert got == ["x"]


@pytest.mark.parametrize("kind", ["sender", "receiver"])
def test_a_link_that_is_refused(connection, kind):
    with pytest.raises(LinkDetached) as caught:
        link = getattr(connection, f"create_{kind}")("refused")
        connection.wait(lambda: link.link.state & link.link.REMOTE_CLOSED)
    assert isinstance(caught.value, LinkException)
    assert caught.value.condition == "amqp:not-found"
    assert caught.value.link is not None
    assert connection.create_sender("q") is not None


def test_a_link_to_another_place(connection):
    with pytest.raises(LinkException, match="target does not match"):
        connection.create_sender("elsewhere", name="s")
    with pytest.raises(LinkException, match="source does not match"):
        connection.create_receiver("elsewhere", name="r")


def test_a_link_that_is_closed_while_sending(connection):
    sender = connection.create_sender("close")
    with pytest.raises(LinkDetached) as caught:
        sender.send(Message("x"))
    assert caught.value.condition is None


def test_a_connection_that_is_closed_by_the_peer(server):
    connection = BlockingConnection(f"127.0.0.1:{server.port}", timeout=20)
    with pytest.raises(ConnectionClosed) as caught:
        connection.create_sender("close-connection")
        connection.wait(lambda: False)
    assert isinstance(caught.value, ConnectionException)
    assert caught.value.condition == "amqp:internal-error"
    connection.close()


def test_a_refused_connection():
    port = free_port()
    with pytest.raises(
        ConnectionException, match=f"Connection amqp://127.0.0.1:{port} disconnected: .*proton.pythonio"
    ):
        BlockingConnection(f"127.0.0.1:{port}")


def test_without_a_peer_that_opens_it_times_out():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(Timeout, match="Opening connection"):
            BlockingConnection(f"127.0.0.1:{port}", timeout=0.1)


def test_requests_and_responses(connection):
    client = SyncRequestResponse(connection, "service")
    assert client.reply_to.startswith("reply-")
    for body in ("one", "two"):
        request = Message(body)
        response = client.call(request)
        assert response.body == body.upper()
        assert response.correlation_id == request.correlation_id
        assert isinstance(request.correlation_id, str)


def test_requests_without_an_address(connection):
    client = SyncRequestResponse(connection)
    with pytest.raises(ValueError):
        client.call(Message("x"))
    assert client.call(Message("x", address="service")).body == "X"


def test_run_hands_over_to_the_loop(server):
    connection = BlockingConnection(f"127.0.0.1:{server.port}", timeout=20)
    seen = []

    class Timer:
        def on_timer_task(self, event):
            seen.append(True)
            connection.closing = True
            connection.conn.close()

    connection.container.schedule(0.01, Timer())
    connection.run()
    assert seen == [True]


def test_with_urls_the_first_that_answers(server):
    connection = BlockingConnection(urls=[f"127.0.0.1:{server.port}", f"127.0.0.1:{free_port()}"], timeout=20)
    assert connection.create_sender("q").send(Message("x"))
    connection.close()
