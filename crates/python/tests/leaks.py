"""What a program might do for ever, and what must then not grow: a cycle each, and the counting of what is left.

``python leaks.py NAME COUNT`` does one of them so often, four times, and prints, as JSON, what each after the first
has left at least: what leaks leaves something each time, and what is only kept for the next time does not.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import threading
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from proton import UNDESCRIBED, Array, Data, Described, Message, SSLDomain, symbol
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Backoff, Container, EventInjector
from proton.utils import BlockingConnection
from support import Both, Closing, Server, free_port, meet


class Failing(MessagingHandler):
    """Raises as soon as the connection is open."""

    def on_connection_opened(self, event):
        """Fails."""
        raise ValueError("boom")


class Links(MessagingHandler):
    """Opens links on one connection, one after another: a sender, a receiver, and a session for each."""

    def __init__(self, count) -> None:
        super().__init__()
        self.left = count

    def on_connection_opened(self, event):
        """The first."""
        self.next(event)

    def next(self, event):
        """One more, until it is enough."""
        if not self.left:
            event.connection.close()
            return
        self.left -= 1
        session = event.connection.session()
        session.open()
        event.container.create_sender(session, f"q{self.left}", handler=self)

    def on_link_opened(self, event):
        """Closes it, and its session."""
        event.link.close()
        event.link.session.close()

    def on_session_closed(self, event):
        """The next."""
        event.session.free()
        self.next(event)


class Unsettled(MessagingHandler):
    """Sends messages that the server never settles, and closes the link."""

    def __init__(self, count) -> None:
        super().__init__()
        self.left = count

    def on_connection_opened(self, event):
        """The first link."""
        event.container.create_sender(event.connection, "q", handler=self)

    def on_sendable(self, event):
        """One message, and the link goes."""
        if event.sender.state & event.sender.LOCAL_ACTIVE:
            event.sender.send(Message(body="never settled", properties={"n": self.left}))
            event.sender.close()

    def on_link_closed(self, event):
        """Another link, or the end."""
        self.left -= 1
        event.link.free()
        if self.left:
            event.container.create_sender(event.connection, "q", handler=self)
        else:
            event.connection.close()


class Messages(MessagingHandler):
    """Sends so many messages, and hears of each."""

    def __init__(self, count) -> None:
        super().__init__()
        self.sent, self.left = 0, count
        self.count = count

    def on_connection_opened(self, event):
        """A sender."""
        event.container.create_sender(event.connection, "q", handler=self)

    def on_sendable(self, event):
        """Sends."""
        while event.sender.credit and self.sent < self.count:
            self.sent += 1
            event.sender.send(Message(body={"number": self.sent}, properties={"a": "b"}, id=str(self.sent)))

    def on_accepted(self, event):
        """One less."""
        self.left -= 1
        if not self.left:
            event.connection.close()


class Taking(Server):
    """Keeps nothing."""

    def on_connection_opening(self, event):
        """Not even connections."""

    def on_message(self, event):
        """Looks at it."""
        assert event.message.body


class Cyclic(MessagingHandler):
    """Refers to its container, its connection and itself."""

    def __init__(self) -> None:
        super().__init__()
        self.itself = self
        self.container = Container(self)
        self.container.mine = self

    def on_start(self, event):
        """Ends at once."""
        self.timer = event.container.schedule(1000, self)
        self.timer.cancel()
        self.started = event


def containers(count):
    """Containers with cycles through handlers, and timers that are cancelled."""
    for _ in range(count):
        Cyclic().container.run()


def connections(count):
    """Connections that are opened and closed, with a container each."""
    for _ in range(count):
        meet(Closing(), Taking())


def messages(count):
    """Messages over one connection."""
    meet(Messages(count), Taking())


def links(count):
    """Links and sessions on one connection."""
    meet(Links(count), Taking())


def unsettled(count):
    """Deliveries that nobody settles, on links that go."""
    meet(Unsettled(count), Taking(auto_accept=False))


def exceptions(count):
    """Callbacks that raise out of the loop, which is then left."""
    for _ in range(count):
        try:
            meet(Failing(), Taking())
        except ValueError:
            continue
        raise AssertionError("it did not raise")


def refused(count):
    """Connections to a port that nobody listens on."""
    port = free_port()
    for _ in range(count):
        container = Container()
        container.connect(f"127.0.0.1:{port}", reconnect=False)
        container.run()


def answering(answer, count):
    """A port where so many are told this, and cut off; and the thread that does it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener:
            for _ in range(count):
                peer, _address = listener.accept()
                with peer:
                    peer.recv(10)
                    peer.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], thread


def tls_failures(count):
    """A server that speaks no TLS."""
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
    port, thread = answering(b"this is no TLS at all", count)
    for _ in range(count):
        container = Container()
        container.connect(f"amqps://127.0.0.1:{port}", ssl_domain=domain, reconnect=False)
        container.run()
    thread.join()


def sasl_failures(count):
    """Mechanisms that the server does not offer."""
    for _ in range(count):
        options = {"allowed_mechs": "PLAIN", "user": "u", "password": "p", "reconnect": False}
        meet(MessagingHandler(), Taking(), allow_insecure_mechs=True, **options)


class Again(MessagingHandler):
    """Is cut off, and comes back, so often."""

    def __init__(self, count) -> None:
        super().__init__()
        self.left = count

    def on_transport_closed(self, event):
        """Ends, in the end."""
        self.left -= 1
        if not self.left:
            event.container.stop()


def reconnects(count):
    """A connection that is cut off and made again."""
    port, thread = answering(b"", count)
    container = Container(Again(count))
    container.connect(f"127.0.0.1:{port}", reconnect=Backoff(initial=0, max_delay=0))
    container.run()
    thread.join()


def codec(count):
    """Messages and data, made, encoded, decoded and changed."""
    for number in range(count):
        message = Message(body=[number, "two", b"3", symbol("four")], properties={"n": number}, annotations={"x-a": 1})
        other = Message()
        other.decode(message.encode())
        assert other.body[0] == number and other.properties["n"] == number
        other.properties["itself"] = other
        other.clear()
        data = Data()
        data.put_object([Described(symbol("d"), number), Array(UNDESCRIBED, Data.LONG, 1, 2)])
        Data().decode(data.encode())


def cycles(count):
    """Objects of the package in cycles: only the collector can free them."""
    for _ in range(count):
        message = Message(body=[])
        message.body.append(message)
        message.properties = {"itself": message}
        handler = MessagingHandler()
        handler.handlers.append(handler)


def injectors(count):
    """Events that are injected from another thread."""
    for _ in range(count):
        injector = EventInjector()

        class Heard(MessagingHandler):
            """Closes the injector."""

            def on_ping(self, event, injector=injector):
                """It has come."""
                injector.close()

        container = Container(Heard())
        container.selectable(injector)
        thread = threading.Thread(target=injector.trigger, args=(ApplicationEvent("ping"),))
        thread.start()
        container.run()
        thread.join()


def blocking(count):
    """Connections of the blocking API, to a server in a thread."""
    ports: list = []
    ready = threading.Event()

    def begin(_container, port):
        ports.append(port)
        ready.set()

    thread = threading.Thread(target=Both(begin, Taking(), connections=count).run)
    thread.start()
    ready.wait()
    for _ in range(count):
        connection = BlockingConnection(f"127.0.0.1:{ports[0]}", timeout=30)
        connection.create_sender("q").send(Message(body="one"))
        connection.close()
    thread.join()


CYCLES = {
    cycle.__name__: cycle
    for cycle in (
        containers,
        connections,
        messages,
        links,
        unsettled,
        exceptions,
        refused,
        tls_failures,
        sasl_failures,
        reconnects,
        codec,
        cycles,
        injectors,
        blocking,
    )
}


def left() -> dict:
    """Objects, descriptors and memory of this process."""
    # Python's own cache of the URLs that were looked at.
    urllib.parse.clear_cache()
    for _ in range(3):
        gc.collect()
    status = Path("/proc/self/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
    threads = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))
    return {
        "objects": len(gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threads,
        "KiB": resident,
    }


def grown(cycle, count) -> dict:
    """What so many leave behind each time, at least, after as many that went before."""
    seen = []
    for _round in range(4):
        cycle(count)
        seen.append(left())
    steps = list(zip(seen, seen[1:]))
    return {what: min(after[what] - before[what] for before, after in steps) for what in seen[0]}


if __name__ == "__main__":
    socket.setdefaulttimeout(60)
    print(json.dumps(grown(CYCLES[sys.argv[1]], int(sys.argv[2]))))
