"""Qpid Proton as the other side of a test: a small server, and clients.

Usage: ``proton_peer.py ROLE [URL ADDRESS [COUNT [SIZE]]] [options]``. Roles and options are those of ``rhea_peer.js``;
README.md beside this file lists them. What happens is printed as one JSON object a line, flushed before anything is
acknowledged. The program ends when its standard input does, so it cannot outlive the test that started it.
"""

import argparse
import collections
import hashlib
import json
import os
import sys
import threading

from proton import Delivery, Message, SSLDomain
from proton.reactor import AtLeastOnce, AtMostOnce, Container
from proton_common import Peer, numbered, received, say
from proton_server import Server, prepare_passwords
from proton_types import message_from

TYPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "types.json")


def typed_messages(only, reader):
    """A message for each entry of ``types.json`` that Proton can make and the reader can read, or for the one named."""
    with open(TYPES, encoding="utf-8") as source:
        table = json.load(source)
    entries = [dict(entry, body={"value": entry["value"]}) for entry in table["values"]] + table["messages"]
    for entry in entries:
        cannot = entry.get("cannot", {})
        excluded = {"proton", "proton-send", reader, f"{reader}-receive"} & cannot.keys()
        if (entry["name"] != only) if only else excluded:
            continue
        message = message_from(entry)
        if not entry.get("properties"):
            message.id = entry["name"]
        say("made", name=entry["name"], sha256=hashlib.sha256(message.encode()).hexdigest())
        yield message


class Client(Peer):
    """What the client roles share: the connection and its end."""

    def __init__(self, options, **arguments):
        super().__init__(options, **arguments)
        self.connection = None

    def on_start(self, event):
        """Connects to the first address that answers."""
        options = self.options
        arguments = {"sasl_enabled": options.sasl, "allow_insecure_mechs": True, "heartbeat": options.heartbeat}
        if options.user:
            arguments.update(user=options.user, password=options.password)
        if options.mechanisms:
            arguments["allowed_mechs"] = options.mechanisms
        if options.max_frame_size:
            arguments["max_frame_size"] = options.max_frame_size
        if options.ca:
            domain = SSLDomain(SSLDomain.MODE_CLIENT)
            domain.set_trusted_ca_db(options.ca)
            domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
            if options.cert:
                domain.set_credentials(options.cert, options.key, None)
            arguments["ssl_domain"] = domain
        reconnect = None if options.reconnect else False
        self.connection = event.container.connect(urls=options.url.split(","), reconnect=reconnect, **arguments)
        self.begin(event.container)

    def done(self, **fields):
        """Announces the end and closes."""
        say("done", **fields)
        self.connection.close()


class Send(Client):
    """Sends messages and waits for their outcomes; what a lost connection left open is sent again."""

    def __init__(self, options, messages):
        super().__init__(options)
        self.messages = list(messages)
        self.waiting = collections.deque(range(len(self.messages)))
        self.inflight = {}
        self.states = collections.Counter()

    def begin(self, container):
        """Opens the sender."""
        options = self.options
        settled = AtMostOnce() if options.presettled else AtLeastOnce()
        container.create_sender(self.connection, options.address, options=settled)

    def on_sendable(self, event):
        """Sends as far as credit goes."""
        while self.waiting and event.sender.credit > 0:
            number = self.waiting.popleft()
            delivery = event.sender.send(self.messages[number])
            if self.options.presettled:
                self.outcome("presettled")
            else:
                self.inflight[delivery.tag] = number

    def outcome(self, state):
        """Counts an outcome."""
        self.states[state] += 1
        count = sum(self.states.values())
        if count % self.options.progress == 0:
            say("progress", count=count)
        if count == len(self.messages):
            self.done(count=count, **self.states)

    def on_delivery(self, event):
        """An outcome arrived."""
        delivery = event.delivery
        names = {
            Delivery.ACCEPTED: "accepted",
            Delivery.REJECTED: "rejected",
            Delivery.RELEASED: "released",
            Delivery.MODIFIED: "modified",
        }
        state = names.get(delivery.remote_state)
        if delivery.link.is_sender and state and self.inflight.pop(delivery.tag, None) is not None:
            if state == "rejected" and delivery.remote.condition:
                say(
                    "rejected",
                    condition=delivery.remote.condition.name,
                    description=delivery.remote.condition.description,
                )
            delivery.settle()
            self.outcome(state)

    def on_disconnected(self, event):
        """Their fate is unknown: once more."""
        super().on_disconnected(event)
        self.waiting.extend(self.inflight.values())
        self.inflight.clear()


class Receive(Client):
    """Receives a number of different messages."""

    def __init__(self, options):
        super().__init__(options, prefetch=options.credit)
        self.seen = set()

    def begin(self, container):
        """Opens the receiver."""
        container.create_receiver(self.connection, self.options.address)

    def on_message(self, event):
        """Announces a message, then accepts it."""
        message = event.message
        received(message, self.options.address, self.options.types)
        states = {"accept": Delivery.ACCEPTED, "reject": Delivery.REJECTED, "release": Delivery.RELEASED}
        self.settle(event.delivery, states[self.options.outcome])
        self.seen.add(str(message.id) if message.id is not None else str(len(self.seen)))
        if len(self.seen) == self.options.count:
            self.done(count=len(self.seen))


class Request(Client):
    """Sends requests, one after the other, with a dynamic address for the answers."""

    def __init__(self, options):
        super().__init__(options, prefetch=10)
        self.requests = list(numbered(options.count, options.size))
        self.answers = None
        self.number = 0

    def begin(self, container):
        """Opens the two links."""
        self.sender = container.create_sender(self.connection, self.options.address)
        self.answers = container.create_receiver(self.connection, dynamic=True)

    def on_link_opened(self, event):
        """The address for the answers is known."""
        if event.receiver == self.answers:
            say("reply_to", address=self.answers.remote_source.address)
            self.next()

    def next(self):
        """Sends a request."""
        request = self.requests[self.number]
        request.reply_to = self.answers.remote_source.address
        request.correlation_id = f"c-{self.number}"
        self.sender.send(request)

    def on_message(self, event):
        """Takes an answer."""
        message = event.message
        self.accept(event.delivery)
        received(message, self.options.address, False)
        if message.correlation_id != f"c-{self.number}":
            self.failed("wrong_answer", correlation_id=str(message.correlation_id))
        self.number += 1
        if self.number == len(self.requests):
            self.done(count=self.number)
        else:
            self.next()


class Respond(Client):
    """Answers requests through the anonymous relay, until it is stopped."""

    def begin(self, container):
        """Opens the two links."""
        container.create_receiver(self.connection, self.options.address)
        self.sender = container.create_sender(self.connection, None)

    def on_link_opened(self, event):
        """Ready for requests."""
        say("attached", role="receiver" if event.receiver else "sender")

    def on_message(self, event):
        """Answers a request with its own body."""
        request = event.message
        received(request, self.options.address, False)
        answer = Message(
            address=request.reply_to, correlation_id=request.correlation_id, body=request.body, inferred=True
        )
        self.sender.send(answer)
        self.accept(event.delivery)


def end_with_input():
    """Ends the process when whoever started it is gone."""
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(3)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "role", choices=["listen", "send", "receive", "request", "respond", "types-send", "types-receive"]
    )
    parser.add_argument("url", nargs="?")
    parser.add_argument("address", nargs="?")
    parser.add_argument("count", nargs="?", type=int, default=1)
    parser.add_argument("size", nargs="?", type=int, default=100)
    parser.add_argument("--host", default="127.0.0.1")
    for name in ("--port", "--max-frame-size", "--progress", "--credit"):
        parser.add_argument(name, type=int, default={"--progress": 100, "--credit": 100}.get(name, 0))
    for name in ("--cert", "--key", "--ca", "--mechanisms", "--user", "--password", "--directory", "--only"):
        parser.add_argument(name)
    parser.add_argument("--for", dest="reader")
    parser.add_argument("--no-sasl", dest="sasl", action="store_false")
    for name in ("--types", "--presettled", "--reconnect"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--outcome", default="accept", choices=["accept", "reject", "release"])
    parser.add_argument("--heartbeat", type=float)
    parser.add_argument("--fill", action="append", metavar="ADDRESS,COUNT,SIZE")
    return parser.parse_args()


def main():
    """Runs one role."""
    options = arguments()
    threading.Thread(target=end_with_input, daemon=True).start()
    if options.role == "types-receive":
        options.types = True
    if options.role == "listen" and options.password:
        prepare_passwords(options)
    handler = {
        "listen": lambda: Server(options),
        "send": lambda: Send(options, numbered(options.count, options.size)),
        "receive": lambda: Receive(options),
        "request": lambda: Request(options),
        "respond": lambda: Respond(options),
        "types-send": lambda: Send(options, typed_messages(options.only, options.reader)),
        "types-receive": lambda: Receive(options),
    }[options.role]()
    Container(handler, container_id=f"proton-{options.role}-{os.getpid()}").run()
    sys.stdout.flush()
    os._exit(handler.status)


if __name__ == "__main__":
    main()
