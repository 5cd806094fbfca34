"""A client for test_across.py, run as a program: it prints what each of its requests comes to.

Arguments: the address of the server, and files for TLS if there shall be TLS: certificate, key, authority.
"""

from __future__ import annotations

import datetime
import sys
import uuid

from proton import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
    Link,
    LinkException,
    Message,
    SSLDomain,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)
from proton.handlers import MessagingHandler
from proton.reactor import AtLeastOnce, AtMostOnce, Container
from proton.utils import BlockingConnection, SendException, SyncRequestResponse

BODIES = [
    None,
    True,
    ubyte(200),
    ushort(60000),
    uint(4_000_000_000),
    ulong(2**64 - 1),
    byte(-100),
    short(-30000),
    int32(-(2**31)),
    -(2**63),
    float32(0.5),
    0.1,
    decimal32(7),
    decimal64(8),
    decimal128(b"0123456789abcdef"),
    char("€"),
    timestamp(1_700_000_000_000),
    uuid.UUID(int=2**127 + 1),
    b"bytes\x00",
    "text € \U0001f600",
    symbol("symbol"),
    [1, "two", [3.0, None]],
    {"a": 1, symbol("b"): {"c": [True]}, 7: "number"},
    Described(symbol("described"), ["value"]),
    Array(UNDESCRIBED, Data.INT, 1, 2, 3),
    "x" * 100_000,
]


def say(*words) -> None:
    """Prints a line."""
    print(*words, flush=True)


def of(condition) -> str:
    """An error. (Ours has symbols for keys in the map, as the specification asks.)"""
    info = condition.info
    return f"{condition.name} {condition.description} {info and [(''.join(key), info[key]) for key in info]}"


def shown(value) -> str:
    """A value with its type, cut where it is long."""
    return f"{type(value).__name__} {bytes(value) if isinstance(value, memoryview) else value!r}"[:120]


def blocking(url, **options) -> None:
    """What the blocking API can ask for."""
    connection = BlockingConnection(url, timeout=30, heartbeat=5, **options)
    requests = SyncRequestResponse(connection, "requests")
    for body in BODIES:
        request = Message(body=body, subject="echo", properties={"n": 1, "s": "x"}, durable=True, priority=7, ttl=9.0)
        request.annotations = {symbol("x-opt-a"): "b"}
        answer = requests.call(request)
        same = repr(answer.body) == repr(body) or shown(answer.body)
        say("echo", same, answer.properties, answer.annotations, answer.durable, answer.priority, answer.ttl)
    say("large", requests.call(Message(body=bytes(3_000_000), subject="count")).body)
    sender = connection.create_sender("a")
    for subject in ("accept", "reject", "release", "modify"):
        try:
            delivery = sender.send(Message(body=subject, subject=subject))
        except SendException as error:
            say(subject, "error", int(error.state))
        else:
            say(subject, int(delivery.remote_state), delivery.remote.failed, delivery.remote.undeliverable)
    for make in (connection.create_sender, connection.create_receiver):
        try:
            make("no")
        except LinkException:
            say("refused")
    settled = connection.create_sender("a", name="settled", options=AtMostOnce())
    settled.send(Message(subject="accept"))
    say("settled", settled.link.snd_settle_mode == Link.SND_SETTLED)
    least = connection.create_sender("a", name="least", options=AtLeastOnce())
    say("at least once", int(least.send(Message(subject="accept")).remote_state))
    say("idle", connection.conn.transport.remote_idle_timeout)
    connection.close()


class Failing(MessagingHandler):
    """Asks for an error, and says what comes of it."""

    def __init__(self, url, subject, options) -> None:
        super().__init__()
        self.url, self.subject, self.options = url, subject, options

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url, reconnect=False, **self.options)
        event.container.create_sender(connection, "a")

    def on_sendable(self, event):
        """Asks, once."""
        if self.subject:
            event.sender.send(Message(subject=self.subject))
            self.subject = None

    def told(self, kind, endpoint, event):
        """Says what the error is."""
        condition = endpoint.remote_condition
        say(kind, of(condition))
        event.connection.close()

    def on_link_error(self, event):
        """One of the link."""
        self.told("link", event.link, event)

    def on_session_error(self, event):
        """One of the session."""
        self.told("session", event.session, event)

    def on_connection_error(self, event):
        """One of the connection."""
        self.told("connection", event.connection, event)

    def on_rejected(self, event):
        """One of a message."""
        say("rejected", of(event.delivery.remote.condition))
        event.connection.close()

    def on_accepted(self, event):
        """The last one."""
        if event.link.state & event.link.REMOTE_ACTIVE and self.ends:
            event.connection.close()

    ends = False


class Last(Failing):
    """Tells the server to stop."""

    ends = True


class Draining(MessagingHandler):
    """Takes credit back."""

    def __init__(self, url, options) -> None:
        super().__init__(prefetch=0)
        self.url, self.options = url, options

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.url, reconnect=False, **self.options)
        event.container.create_receiver(connection, "b")

    def on_link_opened(self, event):
        """Gives credit and asks for it back."""
        event.receiver.flow(5)
        event.receiver.drain(2)
        event.container.schedule(0.01, self)
        self.receiver = event.receiver

    def on_timer_task(self, event):
        """Until it is back."""
        if self.receiver.draining():
            event.container.schedule(0.01, self)
        else:
            say("drained", self.receiver.drained(), self.receiver.credit)
            self.receiver.connection.close()


def main() -> None:
    """Asks for everything."""
    url, files = sys.argv[1], sys.argv[2:]
    options: dict = {}
    if files:
        certificate, key, authority = files
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_credentials(certificate, key, None)
        domain.set_trusted_ca_db(authority)
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
        options["ssl_domain"] = domain
    blocking(url, **options)
    for subject in ("end_link", "end_session", "end_connection", "reject"):
        Container(Failing(url, subject, options)).run()
    Container(Draining(url, options)).run()
    Container(Last(url, "stop", options)).run()
    say("end", datetime.date(2000, 1, 1))


main()
