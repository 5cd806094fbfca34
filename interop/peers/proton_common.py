"""What the roles of ``proton_peer.py`` share."""

import hashlib
import json

from proton import Message
from proton.handlers import MessagingHandler
from proton_types import form_of_message


def say(event, **fields):
    """Prints one event."""
    print(json.dumps({"event": event, **fields}), flush=True)


def pattern(size):
    """The bytes of a body: its length is prime to every frame size, so that lost or swapped pieces show."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def body_bytes(message):
    """What is digested of a message."""
    body = message.body
    if isinstance(body, (bytes, memoryview)):
        return bytes(body)
    return b"" if body is None else str(body).encode()


def received(message, address, types):
    """Announces a message."""
    data = body_bytes(message)
    fields = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if types:
        fields["form"] = form_of_message(message)
    identity = None if message.id is None else str(message.id)
    say("received", address=address, id=identity, delivery_count=message.delivery_count, **fields)


def condition_of(endpoint):
    """The error the other side gave, as fields of an event."""
    condition = endpoint.remote_condition
    return {"condition": condition.name, "description": condition.description} if condition else {}


def numbered(count, size):
    """Plain test messages; their ids are their numbers."""
    for number in range(count):
        yield Message(id=str(number), body=pattern(size), inferred=True)


class Peer(MessagingHandler):
    """What server and clients share: announcements and errors."""

    def __init__(self, options, **arguments):
        super().__init__(auto_accept=False, auto_settle=True, **arguments)
        self.options = options
        self.status = 0

    def on_connection_opened(self, event):
        """Says with whom, and as whom."""
        transport = event.transport
        mechanism = transport.sasl().mech if self.options.sasl else None
        connection = event.connection
        say(
            "opened",
            container=connection.remote_container,
            hostname=connection.remote_hostname,
            user=transport.user,
            mechanism=mechanism,
        )

    def on_connection_closed(self, _event):
        """Says that the other side closed."""
        say("closed")

    def on_connection_error(self, event):
        """Says why the other side closed."""
        self.failed("connection_error", **condition_of(event.connection))

    def on_session_error(self, event):
        """Says why a session ended."""
        self.failed("session_error", **condition_of(event.session))

    def on_link_error(self, event):
        """Says why a link ended."""
        self.failed("link_error", **condition_of(event.link))

    def on_transport_error(self, event):
        """Says why the wire broke."""
        condition = event.transport.condition
        self.failed("transport_error", condition=condition.name, description=condition.description)

    def failed(self, event, **fields):
        """An error: it decides the exit status of a client that does not reconnect."""
        say(event, **fields)
        self.status = 1

    def on_disconnected(self, _event):
        """Says that the wire is gone."""
        say("disconnected")

    def on_unhandled(self, *_):
        """Nothing else is of interest."""
