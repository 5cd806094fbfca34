"""Programs that end while the package is at work. The first argument names one, the second is the port of a server.

With ``server`` as the only argument it is that server: it prints ``port N``, wants frequent signs of life, takes all
that comes, and sends to each receiver as much as it may.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector
from proton.utils import BlockingConnection

OPTIONS = {"heartbeat": 0.05, "reconnect": False}
IN_FLIGHT = 200
KEPT: list = []
"""What only the end of the interpreter takes away."""


class Server(MessagingHandler):
    """Takes and sends without end."""

    def __init__(self) -> None:
        super().__init__(prefetch=100)

    def on_start(self, event):
        """Listens."""
        acceptor = event.container.listen("127.0.0.1:0")
        print("port", acceptor._selectable._delegate.getsockname()[1], flush=True)

    def on_connection_bound(self, event):
        """Asks for a sign of life each 50 ms, but does not insist."""
        event.transport.idle_timeout = 0.1

    def on_connection_opened(self, event):
        """The peer has been told by now."""
        event.container.schedule(0, Patient(event.transport))

    def on_link_opening(self, event):
        """Says yes."""
        event.link.source.copy(event.link.remote_source)
        event.link.target.copy(event.link.remote_target)

    def on_sendable(self, event):
        """Sends."""
        while event.sender.credit:
            event.sender.send(Message(body="to you"))

    def on_transport_error(self, event):
        """Clients go without a word: that is what this is about."""


class Patient(MessagingHandler):
    """Lets a client be silent."""

    def __init__(self, transport) -> None:
        super().__init__()
        self.transport = transport

    def on_timer_task(self, _event):
        """No longer gives up who is silent."""
        self.transport.idle_timeout = 0


class Client(MessagingHandler):
    """Sends and receives, and calls ``then`` with an event when both have begun."""

    def __init__(self, port, then) -> None:
        super().__init__(prefetch=50)
        self.port, self.then = port, then
        self.sent = self.received = 0

    def on_start(self, event):
        """Connects."""
        connection = event.container.connect(f"127.0.0.1:{self.port}", **OPTIONS)
        event.container.create_sender(connection, "q")
        event.container.create_receiver(connection, "q")

    def on_sendable(self, event):
        """Sends, and waits for no outcome."""
        while event.sender.credit and self.sent < IN_FLIGHT:
            event.sender.send(Message(body=b"x" * 1000, properties={"number": self.sent}))
            self.sent += 1

    def on_message(self, event):
        """After some messages it is time."""
        self.received += 1
        if self.received == 10:
            self.then(event)


def blocking(port):
    """A connection of the blocking API, in use."""
    connection = BlockingConnection(f"127.0.0.1:{port}", **OPTIONS)
    sender, receiver = connection.create_sender("q"), connection.create_receiver("q", credit=10)
    sender.send(Message(body="from me"))
    assert receiver.receive(timeout=30).body == "to you"
    return connection, sender, receiver


def in_flight(port):
    """The loop is left, and with it all that was under way."""
    container = Container(Client(port, lambda event: event.container.stop()))
    KEPT.append(container)
    container.run()


def blocking_open(port):
    """Nobody closes the connection."""
    KEPT.append(blocking(port))


def sys_exit(port):
    """From within a callback."""
    Container(Client(port, lambda event: sys.exit(3))).run()


def exception(port):
    """From within a callback, caught by nobody."""

    def boom(event):
        raise ValueError("boom")

    Container(Client(port, boom)).run()


def thread(port):
    """A thread ends by ``sys.exit`` in a callback, and the main thread before it or after it."""
    threading.Thread(target=sys_exit, args=(port,)).start()


def daemon(port):
    """Threads go on with containers and connections of their own while the interpreter ends."""
    busy = threading.Semaphore(0)

    def loop():
        Container(Client(port, lambda event: busy.release())).run()

    def sends():
        connection, sender, receiver = blocking(port)
        for number in itertools.count():
            sender.send(Message(body={"number": number}, properties={"text": "x" * 100}))
            receiver.receive(timeout=30)
            receiver.accept()
            if number == 5:
                busy.release()

    def codes():
        message = Message(body=[1, "two", b"three"], properties={"a": 1})
        for number in itertools.count():
            Message().decode(message.encode())
            if number == 5:
                busy.release()

    threads = [threading.Thread(target=target, daemon=True) for target in (loop, sends, codes)]
    for one in threads:
        one.start()
    for _ in threads:
        assert busy.acquire(timeout=60)


def at_exit(port):
    """Handlers of ``atexit`` use a connection that is open and make one of their own."""
    connection, sender, _ = blocking(port)

    def last():
        sender.send(Message(body="the last"))
        connection.close()
        blocking(port)[0].close()
        print("the last was sent")

    atexit.register(last)


def os_exit(port):
    """At once, from within a callback."""
    Container(Client(port, lambda event: os._exit(4))).run()


class Last:
    """Uses the package when the interpreter takes it away."""

    def __init__(self, used) -> None:
        self.used = used

    def __del__(self) -> None:
        """Sends one more, which may fail."""
        connection, sender, _ = self.used
        sender.link.send(Message(body="one more"))
        connection.container.process()


def finalizer(port):
    """An object that is a global, and in a cycle, sends as it goes."""
    last = Last(blocking(port))
    last.itself = last
    KEPT.append(last)


def injector(port):
    """A thread injects events until the end."""
    events, begun = EventInjector(), threading.Event()
    container = Container(Client(port, lambda event: event.container.selectable(events)))

    def inject():
        while True:
            events.trigger(ApplicationEvent("tick"))
            begun.set()

    threading.Thread(target=container.run, daemon=True).start()
    threading.Thread(target=inject, daemon=True).start()
    assert begun.wait(60)


PROGRAMS = {
    program.__name__: program
    for program in (
        in_flight,
        blocking_open,
        sys_exit,
        exception,
        thread,
        daemon,
        at_exit,
        os_exit,
        finalizer,
        injector,
    )
}

if __name__ == "__main__":
    if sys.argv[1] == "server":
        Container(Server()).run()
    else:
        PROGRAMS[sys.argv[1]](int(sys.argv[2]))
