"""What is measured of a Python package named `proton`: run with the interpreter of the package, once for each figure.

    recv PORT COUNT SIZE MODE    listens, and takes messages       send HOST:PORT COUNT SIZE MODE
    echo PORT                    answers each message              rtt HOST:PORT COUNT SIZE MODE
    blocking HOST:PORT COUNT SIZE MODE    as rtt, with the blocking API
    hold-recv PORT messages COUNT SIZE    keeps messages unsettled      hold-send HOST:PORT messages COUNT SIZE
    codec NAME KIND              encodes or decodes messages for about a second

MODE is `unsettled` or `settled`. Each prints a line of JSON; those that hold print READY.
"""

import json
import resource
import sys
import time
import uuid

import proton
from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import AtLeastOnce, AtMostOnce, Container
from proton.utils import BlockingConnection


def cpu():
    """Processor time of this process so far: of the program, of the kernel for it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime


class Meter:
    """Time and processor time from `start` to `report`."""

    def start(self):
        """Begins."""
        self.began, self.used = time.perf_counter(), cpu()

    def report(self, count, **more):
        """Prints them as JSON."""
        seconds = time.perf_counter() - self.began
        user, system = (now - then for now, then in zip(cpu(), self.used, strict=True))
        print(json.dumps({"msgs_per_s": count / seconds, "cpu_u": user, "cpu_s": system, **more}), flush=True)


class Listener(MessagingHandler):
    """Listens on a port, for one connection, and takes all its links."""

    def __init__(self, port, **options):
        super().__init__(**options)
        self.port, self.meter = port, Meter()

    def on_start(self, event):
        """Listens."""
        self.acceptor = event.container.listen(f"127.0.0.1:{self.port}")

    def on_connection_opening(self, event):
        """No others are expected."""
        self.acceptor.close()

    def on_link_opening(self, event):
        """Says yes."""
        event.link.source.copy(event.link.remote_source)
        event.link.target.copy(event.link.remote_target)


class Receive(Listener):
    """Counts messages, and looks at the body of each."""

    def __init__(self, port, count, size, _mode):
        super().__init__(port, prefetch=1000)
        self.count, self.size, self.seen = int(count), int(size), 0

    def on_message(self, event):
        """One more."""
        if len(event.message.body) != self.size:
            raise ValueError("not the message that was sent")
        self.seen += 1
        if self.seen == 1:
            self.meter.start()
        elif self.seen == self.count:
            self.meter.report(self.count)


class Send(MessagingHandler):
    """Sends as much as it may, each message a new one, and waits for the outcomes if there are any."""

    def __init__(self, address, count, size, mode):
        super().__init__()
        self.address, self.count, self.settled = address, int(count), mode == "settled"
        self.body, self.sent, self.accepted, self.meter = b"x" * int(size), 0, 0, Meter()

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.address, allowed_mechs="ANONYMOUS", reconnect=False)
        mode = AtMostOnce() if self.settled else AtLeastOnce()
        event.container.create_sender(connection, "q", options=mode)

    def on_sendable(self, event):
        """Sends."""
        if self.sent == 0:
            self.meter.start()
        sender = event.sender
        while sender.credit > 0 and self.sent < self.count:
            sender.send(Message(body=self.body))
            self.sent += 1
        if self.settled and self.sent == self.count:
            # It closes after the last of them.
            event.connection.close()

    def on_accepted(self, event):
        """One outcome more."""
        self.accepted += 1
        if self.accepted == self.count:
            event.connection.close()

    def on_connection_closed(self, event):
        """All is over."""
        self.meter.report(self.count)


class Echo(Listener):
    """Sends the body of each message back, on the link that the client receives from."""

    def __init__(self, port, *_more):
        super().__init__(port, prefetch=100)
        self.back = None

    def on_link_opened(self, event):
        """Notes the link for the answers."""
        if event.link.is_sender:
            self.back = event.link

    def on_message(self, event):
        """Answers."""
        self.back.send(Message(body=event.message.body))


def percentiles(times):
    """Of nanoseconds, the first tenth left out."""
    times = sorted(times[len(times) // 10 :])
    return {"p50_us": times[len(times) // 2] / 1e3, "p99_us": times[len(times) * 99 // 100] / 1e3}


class RoundTrip(MessagingHandler):
    """One message in flight at a time."""

    def __init__(self, address, count, size, mode):
        super().__init__(prefetch=100)
        self.address, self.count = address, int(count)
        self.options = AtMostOnce() if mode == "settled" else AtLeastOnce()
        self.body, self.times, self.meter, self.begun = b"x" * int(size), [], Meter(), False

    def on_start(self, event):
        """Connects."""
        self.connection = event.container.connect(self.address, allowed_mechs="ANONYMOUS", reconnect=False)
        event.container.create_receiver(self.connection, "answers", options=self.options)
        self.sender = event.container.create_sender(self.connection, "requests", options=self.options)

    def on_sendable(self, event):
        """The first."""
        if not self.begun:
            self.begun = True
            self.meter.start()
            self.ask()

    def ask(self):
        """Sends one."""
        self.asked = time.perf_counter_ns()
        self.sender.send(Message(body=self.body))

    def on_message(self, event):
        """The answer is here."""
        if event.message.body != self.body:
            raise ValueError("not the answer")
        self.times.append(time.perf_counter_ns() - self.asked)
        if len(self.times) < self.count:
            self.ask()
        else:
            self.meter.report(self.count, **percentiles(self.times))
            self.connection.close()


def blocking(address, count, size, _mode):
    """One message in flight at a time, accepted, with the blocking API."""
    connection = BlockingConnection(address, allowed_mechs="ANONYMOUS")
    receiver, sender = connection.create_receiver("answers", credit=10), connection.create_sender("requests")
    body, times, meter = b"x" * int(size), [], Meter()
    meter.start()
    for _ in range(int(count)):
        began = time.perf_counter_ns()
        sender.send(Message(body=body))
        # It may be a view of memory that is used again: its length is all that is sure.
        if len(receiver.receive().body) != len(body):
            raise ValueError("not the answer")
        receiver.accept()
        times.append(time.perf_counter_ns() - began)
    meter.report(int(count), **percentiles(times))
    connection.close()


class HoldReceived(Listener):
    """Accepts nothing."""

    def __init__(self, port, _what, count, _size):
        super().__init__(port, prefetch=0, auto_accept=False)
        self.count, self.held = int(count), []

    def on_link_opened(self, event):
        """Wants them all."""
        event.receiver.flow(self.count)

    def on_message(self, event):
        """Keeps one."""
        self.held.append(event.delivery)
        if len(self.held) == self.count:
            print("READY", flush=True)


class HoldSent(MessagingHandler):
    """Sends, and is told of no outcome."""

    def __init__(self, address, _what, count, size):
        super().__init__()
        self.address, self.count, self.body = address, int(count), b"x" * int(size)
        self.held = []

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(self.address, allowed_mechs="ANONYMOUS", reconnect=False)
        event.container.create_sender(connection, "q")

    def on_sendable(self, event):
        """Sends."""
        while event.sender.credit and len(self.held) < self.count:
            self.held.append(event.sender.send(Message(body=self.body)))
            if len(self.held) == self.count:
                event.container.schedule(0.5, self)

    def on_timer_task(self, event):
        """By now they have left."""
        print("READY", flush=True)


def text():
    """A small text."""
    return Message(body="order 12 was created", id="12")


def rich():
    """A map, with annotations, properties and most of what a header has."""
    return Message(
        body={"order": 12, "lines": [{"article": "pen", "count": 3}, {"article": "ink", "count": 1}], "paid": True},
        id=uuid.UUID(int=12),
        address="orders",
        subject="created",
        reply_to="answers",
        correlation_id="request-12",
        content_type="application/json",
        durable=True,
        priority=7,
        ttl=60,
        annotations={"x-opt-region": "north", "x-opt-try": 3},
        properties={"region": "eu-west-1", "attempt": 3, "urgent": True, "score": 3.25},
    )


def large():
    """10 KiB of bytes."""
    return Message(body=b"x" * 10240)


MESSAGES = {"text": text, "map": rich, "10 KiB": large}


def read(message):
    """Looks at all that the messages have."""
    parts = (message.body, message.properties, message.annotations)
    return parts, (message.id, message.address, message.subject, message.reply_to, message.correlation_id)


def work(name, kind):
    """What is timed: a function without arguments."""
    make = MESSAGES[name]
    wire, message, other = make().encode(), make(), Message()
    if kind == "encode":
        return message.encode
    if kind == "make and encode":
        return lambda: make().encode()
    if kind == "make":
        return make
    if kind == "decode":
        return lambda: other.decode(wire)

    def decode_and_read():
        other.decode(wire)
        return read(other)

    return decode_and_read


def codec(name, kind):
    """Nanoseconds of processor time for each."""
    once, count = work(name, kind), 100
    while True:
        began = time.process_time_ns()
        for _ in range(count):
            once()
        used = time.process_time_ns() - began
        if used > 200_000_000:
            print(json.dumps({"ns": used / count}))
            return
        count *= 2


def refuse_debug_build():
    """A build that is not optimized says nothing about speed."""
    core = sys.modules.get("deuteron._core")
    if core is not None and core.DEBUG:
        raise SystemExit("this is a debug build of the package: it is not measured")


HANDLERS = {
    "recv": Receive,
    "send": Send,
    "echo": Echo,
    "rtt": RoundTrip,
    "hold-recv": HoldReceived,
    "hold-send": HoldSent,
}

if __name__ == "__main__":
    refuse_debug_build()
    role, arguments = sys.argv[1], sys.argv[2:]
    if role in HANDLERS:
        Container(HANDLERS[role](*arguments)).run()
    elif role == "version":
        print(json.dumps({"version": [proton.VERSION_MAJOR, proton.VERSION_MINOR]}))
    else:
        {"codec": codec, "blocking": blocking}[role](*arguments)
