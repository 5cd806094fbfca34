# ruff: noqa: D103
"""Our package with servers that users run: Artemis and RabbitMQ. Each test that passes is a row of docs/interop.md."""

from __future__ import annotations

import json
import os
import subprocess
import threading

import pytest
from proton import Message, symbol, ulong
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Backoff, Container, DurableSubscription, LinkOption, Selector
from proton.utils import BlockingConnection, SyncRequestResponse

COMMAND = os.environ.get("INTEROP_SERVERS")
pytestmark = [
    pytest.mark.ours,
    pytest.mark.skipif(not COMMAND, reason="INTEROP_SERVERS names no program that runs servers"),
]
SECONDS = 40


class Server:
    """One server, and what one can ask its program for."""

    def __init__(self, kind) -> None:
        self.kind = kind
        self.process = subprocess.Popen(
            [COMMAND, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.about = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        assert line, f"interop-servers {self.kind} has ended"
        return json.loads(line)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        return self.answer()

    @property
    def url(self):
        return self.about["url"]

    def connect(self, **options):
        """A connection that waits."""
        return BlockingConnection(options.pop("url", self.url), timeout=SECONDS, **options)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Named(LinkOption):
    """What the server has to be told of a node."""

    def __init__(self, node) -> None:
        self.node = node

    def apply(self, link):
        terminus = link.target if link.is_sender else link.source
        if self.node["capability"]:
            terminus.capabilities.put_object(symbol(self.node["capability"]))
        if self.node["durable"]:
            terminus.durability = terminus.DELIVERIES


@pytest.fixture(scope="session", params=["artemis", "rabbitmq4", "rabbitmq3"])
def server(request):
    found = Server(request.param)
    if "missing" in found.about:
        pytest.skip(f"{request.param} is not installed: run `make peers`")
    yield found
    found.close()


@pytest.fixture
def passes(server, request):
    """Writes the row of a test that has passed."""
    before = request.session.testsfailed
    features: list = []
    yield features.append
    if request.session.testsfailed == before and not getattr(request.node, "failed", False):
        for feature in features:
            server.ask(f"pass {feature}")


# RabbitMQ has no such thing: docs/interop.md says so of our client.
ONLY_ARTEMIS = pytest.mark.parametrize("server", ["artemis"], indirect=True)


class Hello(MessagingHandler):
    """Sends one message and receives it."""

    def __init__(self, url, node, **options) -> None:
        super().__init__()
        self.url, self.node, self.options = url, node, options
        self.bodies: list = []
        self.errors: list = []

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False, **self.options)
        event.container.create_receiver(connection, self.node["address"], options=Named(self.node))
        event.container.create_sender(connection, self.node["address"], options=Named(self.node))

    def on_sendable(self, event):
        event.sender.send(Message(body="Hello", durable=True))
        event.sender.close()

    def on_message(self, event):
        self.bodies.append(event.message.body)
        self.seen = (event.transport.encrypted, event.transport.sasl().mech)
        event.connection.close()

    def on_transport_error(self, event):
        self.errors.append(event.transport.condition.name)


def test_hello_world(server, passes):
    hello = Hello(server.url, server.ask("queue python.hello"))
    Container(hello).run()
    assert hello.bodies == ["Hello"]
    passes("hello world with callbacks")


def test_plain(server, passes):
    node = server.ask("queue python.plain")
    about = server.about
    options = {
        "user": about["user"],
        "password": about["password"],
        "allowed_mechs": "PLAIN",
        "allow_insecure_mechs": True,
    }
    hello = Hello(server.url, node, **options)
    Container(hello).run()
    assert (hello.bodies, hello.seen) == (["Hello"], (False, "PLAIN"))
    hello = Hello(server.url, node, **{**options, "password": "wrong"})
    Container(hello).run()
    assert (hello.bodies, hello.errors) == ([], ["amqp:unauthorized-access"])
    passes("SASL PLAIN, wrong password refused")


def test_tls(server, passes):
    hello = Hello(server.about["tls_url"], server.ask("queue python.tls"))
    container = Container(hello)
    container.ssl.client.set_trusted_ca_db(server.about["authority"])
    container.ssl.client.set_peer_authentication(container.ssl.client.VERIFY_PEER_NAME)
    container.run()
    assert hello.bodies == ["Hello"]
    assert hello.seen[0]
    passes("TLS")


class Many(MessagingHandler):
    """Sends so many messages, and receives them."""

    def __init__(self, url, node, count) -> None:
        super().__init__(prefetch=100)
        self.url, self.node, self.count = url, node, count
        self.sent = self.settled = 0
        self.received: list = []

    def on_start(self, event):
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.node["address"], options=Named(self.node))
        event.container.create_sender(connection, self.node["address"], options=Named(self.node))

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.count:
            event.sender.send(Message(id=ulong(self.sent), body="x" * 100))
            self.sent += 1

    def on_settled(self, event):
        self.settled += 1
        self.end(event)

    def on_message(self, event):
        self.received.append(event.message.id)
        self.end(event)

    def end(self, event):
        if self.settled == self.count and len(self.received) == self.count:
            event.connection.close()


def test_many_messages(server, passes):
    many = Many(server.url, server.ask("queue python.many"), 20_000)
    Container(many).run()
    assert many.received == list(range(20_000))
    passes("queue")


def test_large_message(server, passes):
    node = server.ask("queue python.large")
    connection = server.connect()
    body = bytes(range(256)) * 20_000
    connection.create_sender(node["address"], options=Named(node)).send(Message(body=body))
    receiver = connection.create_receiver(node["address"], options=Named(node))
    assert bytes(receiver.receive(timeout=SECONDS).body) == body
    receiver.accept()
    connection.close()
    passes("large message")


def test_outcomes(server, passes):
    node = server.ask("queue python.outcomes")
    connection = server.connect()
    connection.create_sender(node["address"], options=Named(node)).send(Message(body="again"))
    receiver = connection.create_receiver(node["address"], options=Named(node))
    assert receiver.receive().body == "again"
    receiver.release(delivered=False)
    assert receiver.receive().body == "again"
    receiver.reject()
    connection.close()
    passes("redelivery: release and reject")


@ONLY_ARTEMIS
def test_requests(server, passes):
    node = server.ask("queue python.requests")

    ready = threading.Event()

    def answer():
        connection = server.connect()
        requests = connection.create_receiver(node["address"], options=Named(node))
        ready.set()
        answers = connection.create_sender(None)
        for _number in range(3):
            request = requests.receive()
            answers.send(
                Message(address=request.reply_to, body=request.body.upper(), correlation_id=request.correlation_id)
            )
            requests.accept()
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    assert ready.wait(SECONDS)
    connection = server.connect()
    requests = SyncRequestResponse(connection, node["address"])
    assert [requests.call(Message(body=body)).body for body in ("a", "b", "c")] == ["A", "B", "C"]
    connection.close()
    thread.join()
    passes("request and answer, dynamic address")
    passes("anonymous relay")


@ONLY_ARTEMIS
def test_selector(server, passes):
    node = server.ask("queue python.selector")
    connection = server.connect()
    sender = connection.create_sender(node["address"], options=Named(node))
    for colour in ("red", "blue", "red"):
        sender.send(Message(body=colour, properties={"colour": colour}))
    receiver = connection.create_receiver(node["address"], options=[Named(node), Selector("colour = 'red'")])
    for _number in range(2):
        assert receiver.receive().body == "red"
        receiver.accept()
    receiver.close()
    receiver = connection.create_receiver(node["address"], name="rest", options=Named(node))
    assert receiver.receive().body == "blue"
    receiver.accept()
    connection.close()
    passes("selector")


@ONLY_ARTEMIS
def test_durable_subscription(server, passes):
    node = server.ask("topic python.news")

    class Subscriber(MessagingHandler):
        """Subscribes, and goes without ending that; or waits for a message."""

        def __init__(self, stay) -> None:
            super().__init__()
            self.stay = stay
            self.bodies: list = []

        def on_start(self, event):
            connection = event.container.connect(server.url, reconnect=False)
            event.container.create_receiver(
                connection, node["address"], name="mine", options=[Named(node), DurableSubscription()]
            )

        def on_link_opened(self, event):
            if not self.stay:
                event.link.detach()
                event.connection.close()

        def on_message(self, event):
            self.bodies.append(event.message.body)
            self.accept(event.delivery)
            event.receiver.close()
            event.connection.close()

    def run(stay):
        subscriber = Subscriber(stay)
        container = Container(subscriber)
        container.container_id = "python-subscriber"
        container.run()
        return subscriber.bodies

    assert run(False) == []
    connection = server.connect()
    connection.create_sender(node["address"], options=Named(node)).send(Message(body="news", durable=True))
    connection.close()
    assert run(True) == ["news"]
    passes("durable subscription")


class Transacted(MessagingHandler, TransactionHandler):
    """Sends three messages within a transaction."""

    def __init__(self, url, node, commit) -> None:
        super().__init__(auto_settle=False)
        self.url, self.node, self.commit = url, node, commit
        self.ended = ""

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        self.container = event.container
        self.sender = event.container.create_sender(connection, self.node["address"], options=Named(self.node))
        event.container.declare_transaction(connection, handler=self)

    def on_transaction_declared(self, event):
        for number in range(3):
            event.transaction.send(self.sender, Message(body=number, durable=True))
        if self.commit:
            event.transaction.commit()
        else:
            event.transaction.abort()

    def on_transaction_committed(self, event):
        self.ended = "committed"
        self.sender.connection.close()

    def on_transaction_aborted(self, event):
        self.ended = "rolled back"
        self.sender.connection.close()


@ONLY_ARTEMIS
def test_transactions(server, passes):
    node = server.ask("queue python.transactions")
    for commit, ended in ((False, "rolled back"), (True, "committed")):
        handler = Transacted(server.url, node, commit)
        Container(handler).run()
        assert handler.ended == ended
    connection = server.connect()
    receiver = connection.create_receiver(node["address"], options=Named(node))
    assert [receiver.receive().body for _number in range(3)] == [0, 1, 2]
    connection.close()
    passes("transaction: commit")
    passes("transaction: rollback")


class Steady(MessagingHandler):
    """Sends until it has seen the server go and come, sends again what has no outcome, and receives all."""

    def __init__(self, server, node, crash) -> None:
        super().__init__(prefetch=50)
        self.server, self.node, self.crash = server, node, crash
        self.next, self.last, self.opened = 0, None, 0
        self.pending: dict = {}
        self.accepted: set = set()
        self.received: set = set()

    def on_start(self, event):
        backoff = Backoff(initial=0.1, max_delay=0.5)
        self.connection = event.container.connect(self.server.url, reconnect=backoff)
        options = Named(self.node)
        event.container.create_receiver(self.connection, self.node["address"], options=options)
        self.sender = event.container.create_sender(self.connection, self.node["address"], options=options)

    def on_connection_opened(self, event):
        self.opened += 1
        if self.opened == 2:
            self.last = self.next + 500
        # What was under way is not known to have arrived: again.
        self.again, self.pending = sorted(self.pending.values()), {}

    def on_sendable(self, event):
        while (
            event.sender.credit
            and len(self.pending) < 50
            and (self.again or self.last is None or self.next < self.last)
        ):
            if self.again:
                number = self.again.pop(0)
            else:
                number, self.next = self.next, self.next + 1
            delivery = event.sender.send(Message(id=ulong(number), body=number, durable=True))
            self.pending[delivery.tag] = number

    def has_more(self):
        return self.again or self.last is None or self.next < self.last

    def on_accepted(self, event):
        self.accepted.add(self.pending.pop(event.delivery.tag))
        if len(self.accepted) == 500:
            self.crash()
        self.on_sendable(event)
        self.end(event)

    def on_message(self, event):
        self.received.add(event.message.id)
        self.end(event)

    def end(self, event):
        if self.last is not None and len(self.accepted) == self.last == len(self.received):
            event.connection.close()


def test_reconnect_under_load(server, passes):
    node = server.ask("queue recovery.python")
    crashed = []

    def crash():
        if not crashed:
            crashed.append(server.ask("kill"))
            thread.start()

    thread = threading.Thread(target=lambda: server.ask("start"))
    steady = Steady(server, node, crash)
    Container(steady).run()
    assert crashed
    thread.join()
    assert steady.opened >= 2
    assert steady.accepted == steady.received == set(range(steady.last))
    passes("reconnect with callbacks")
