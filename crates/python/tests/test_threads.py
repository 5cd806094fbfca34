# ruff: noqa: D103
"""Threads, forks and interrupts: what is not allowed is told, and what is allowed goes on."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import proton
import pytest
from proton import Message, ProtonException
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector
from proton.utils import BlockingConnection
from support import Server, port_of

PATHS = [str(Path(proton.__file__).parents[1]), str(Path(__file__).parent)]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}


class Served:
    """A server in a thread of its own, with the container as programs use it: only `end()` comes from elsewhere."""

    def __init__(self) -> None:
        self.server = Server()
        self.injector = EventInjector()
        self.ready = threading.Event()
        self.container = Container(self)
        self.container.selectable(self.injector)
        self.thread = threading.Thread(target=self.container.run, daemon=True)

    def __enter__(self):
        """Listens."""
        self.thread.start()
        assert self.ready.wait(30)
        return self

    def __exit__(self, *_error):
        """Ends it."""
        self.injector.trigger(ApplicationEvent("end"))
        self.injector.close()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def on_reactor_init(self, event):
        self.acceptor = event.container.acceptor("127.0.0.1", 0, self.server)
        self.port = port_of(self.acceptor)
        self.ready.set()

    def on_end(self, _event):
        self.acceptor.close()
        for connection in self.server.connections:
            connection.close()


class Client(MessagingHandler):
    """Runs in a thread, and gives its objects to whoever wants to misuse them."""

    def __init__(self, port) -> None:
        super().__init__()
        self.port = port
        self.ready = threading.Event()
        self.credit = threading.Event()
        self.accepted = threading.Event()
        self.container = Container(self)
        self.injector = EventInjector()
        self.container.selectable(self.injector)
        self.failure = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        """The thread."""
        try:
            self.container.run()
        except BaseException as error:
            self.failure = error

    def on_start(self, event):
        self.connection = event.container.connect(f"127.0.0.1:{self.port}", reconnect=False)
        self.sender = event.container.create_sender(self.connection, "a")
        self.receiver = event.container.create_receiver(self.connection, "b")

    def on_sendable(self, event):
        if not self.credit.is_set():
            self.delivery = event.sender.send(Message(body="first"))
            self.credit.set()

    def on_accepted(self, _event):
        self.accepted.set()

    def on_send(self, _event):
        self.delivery = self.sender.send(Message(body="second"))

    def on_end(self, _event):
        self.connection.close()

    def end(self):
        """Ends it as one may."""
        self.injector.trigger(ApplicationEvent("end"))
        self.injector.close()
        self.thread.join(30)
        assert not self.thread.is_alive()
        assert self.failure is None


MISUSES = {
    "send": lambda client: client.sender.send(Message(body="no")),
    "message.send": lambda client: Message(body="no").send(client.sender),
    "stream": lambda client: client.sender.stream(b"no"),
    "delivery": lambda client: client.sender.delivery("no"),
    "advance": lambda client: client.sender.advance(),
    "offered": lambda client: client.sender.offered(1),
    "drained": lambda client: client.sender.drained(),
    "flow": lambda client: client.receiver.flow(1),
    "drain": lambda client: client.receiver.drain(1),
    "recv": lambda client: client.receiver.recv(10),
    "update": lambda client: client.delivery.update(client.delivery.ACCEPTED),
    "settle": lambda client: client.delivery.settle(),
    "abort": lambda client: client.delivery.abort(),
    "link.open": lambda client: client.sender.open(),
    "link.close": lambda client: client.sender.close(),
    "link.detach": lambda client: client.sender.detach(),
    "session": lambda client: client.connection.session(),
    "session.open": lambda client: client.sender.session.open(),
    "session.close": lambda client: client.sender.session.close(),
    "session.sender": lambda client: client.sender.session.sender("x"),
    "connection.open": lambda client: client.connection.open(),
    "connection.close": lambda client: client.connection.close(),
    "connect": lambda client: client.container.connect("127.0.0.1:1"),
    "create_sender": lambda client: client.container.create_sender(client.connection, "x"),
    "create_receiver": lambda client: client.container.create_receiver(client.connection, "x"),
    "listen": lambda client: client.container.listen("127.0.0.1:0"),
    "schedule": lambda client: client.container.schedule(0, client),
    "selectable": lambda client: client.container.selectable(client.injector),
    "process": lambda client: client.container.process(),
    "run": lambda client: client.container.run(),
}


@pytest.mark.ours
def test_what_another_thread_may_not_do_is_an_error_and_changes_nothing():
    with Served() as served:
        client = Client(served.port)
        client.thread.start()
        assert client.accepted.wait(30)
        for name, misuse in MISUSES.items():
            with pytest.raises(ProtonException, match="another thread runs this container.*EventInjector"):
                print(name, misuse(client))
        client.accepted.clear()
        client.injector.trigger(ApplicationEvent("send"))
        assert client.accepted.wait(30)
        client.end()
    assert served.server.messages == ["first", "second"]


@pytest.mark.ours
def test_other_threads_may_read_and_stop():
    with Served() as served:
        client = Client(served.port)
        client.thread.start()
        assert client.accepted.wait(30)
        assert client.sender.name and client.connection.state and client.sender.credit >= 0
        client.container.stop()
        client.injector.close()
        client.thread.join(30)
        assert not client.thread.is_alive()
        # What is left of it holds the connection open.
        del client
        gc.collect()


def test_threads_may_use_a_blocking_connection_in_turn():
    with Served() as served:
        connection = BlockingConnection(f"127.0.0.1:{served.port}")
        sender = connection.create_sender("a")
        errors = []

        def use(number):
            try:
                sender.send(Message(body=number))
            except Exception as error:
                errors.append(error)

        for number in range(5):
            thread = threading.Thread(target=use, args=(number,))
            thread.start()
            thread.join(30)
        connection.close()
    assert errors == []
    assert served.server.messages == [0, 1, 2, 3, 4]


@pytest.mark.ours
def test_two_threads_at_once_in_a_blocking_connection_are_told():
    with Served() as served:
        connection = BlockingConnection(f"127.0.0.1:{served.port}")
        sender, receiver = connection.create_sender("a"), connection.create_receiver("b")
        waiting, received = threading.Event(), []

        class Noticing(MessagingHandler):
            def on_timer_task(self, _event):
                waiting.set()

        connection.container.schedule(0, Noticing())

        def receive():
            try:
                receiver.receive(timeout=None)
            except Exception as error:
                received.append(error)

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        assert waiting.wait(30)
        with pytest.raises(ProtonException, match="another thread runs this container"):
            sender.send(Message(body="no"))
        with pytest.raises(ProtonException, match="another thread runs this container"):
            connection.close()
    # The server has closed the connection: the waiting thread hears of that.
    thread.join(30)
    assert not thread.is_alive()
    assert len(received) == 1


def in_child(work) -> str:
    """What `work` returns in a child of this process, which then ends at once."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = str(work())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.ours
def test_a_child_is_told_that_the_connection_is_its_parents():
    with Served() as served:
        connection = BlockingConnection(f"127.0.0.1:{served.port}", heartbeat=0.5)
        sender, receiver = connection.create_sender("a"), connection.create_receiver("b")
        for use in (
            lambda: sender.send(Message(body="no")),
            lambda: receiver.receive(timeout=1),
            connection.close,
            sender.close,
            lambda: connection.create_sender("c"),
            connection.container.process,
        ):
            told = in_child(use)
            assert told.startswith("ProtonException: ") and "forked from" in told
        sender.send(Message(body="yes"))
        connection.close()
    assert served.server.messages == ["yes"]


def test_a_child_may_connect_for_itself():
    def send():
        connection = BlockingConnection(f"127.0.0.1:{served.port}", heartbeat=1)
        connection.create_sender("a").send(Message(body="child"))
        connection.close()
        return "sent"

    with Served() as served:
        mine = BlockingConnection(f"127.0.0.1:{served.port}", heartbeat=1)
        assert in_child(send) == "sent"
        mine.create_sender("a").send(Message(body="parent"))
        mine.close()
    assert served.server.messages == ["child", "parent"]


def test_a_container_that_has_not_run_may_run_in_a_child():
    class Sending(MessagingHandler):
        def on_start(self, event):
            self.connection = event.container.connect(f"127.0.0.1:{served.port}")
            event.container.create_sender(self.connection, "a")

        def on_sendable(self, event):
            event.sender.send(Message(body=len(served.server.messages)))
            event.sender.close()

        def on_settled(self, event):
            event.connection.close()

    with Served() as served:
        container = Container(Sending())
        assert in_child(container.run) == "None"
        container.run()
    assert len(served.server.messages) == 2


@pytest.mark.ours
def test_an_event_for_the_parents_loop_cannot_be_lost_in_a_child():
    with Served() as served:
        told = in_child(lambda: served.injector.trigger(ApplicationEvent("end")))
        assert told.startswith("ProtonException: ") and "forked from" in told


PROGRAMS = {
    "idle": """
        container = Container(Handler())
        container.run()
        """,
    "callback": """
        class Sleeping(Handler):
            def on_start(self, event):
                super().on_start(event)
                time.sleep(1000)

        Container(Sleeping()).run()
        """,
    "waiting for the next attempt": """
        class Connecting(MessagingHandler):
            def on_start(self, event):
                event.container.connect("127.0.0.1:1", reconnect=[0, 1000])

            def on_transport_error(self, event):
                event.container.schedule(0, self)

            def on_timer_task(self, event):
                print("ready", flush=True)

        Container(Connecting()).run()
        """,
    "messages": """
        class Flood(Handler):
            sent = 0

            def on_start(self, event):
                acceptor = super().on_start(event)
                event.container.create_sender(f"127.0.0.1:{port_of(acceptor)}/a")

            def on_sendable(self, event):
                while event.sender.credit:
                    event.sender.send(Message(body="x"))

        Container(Flood(quiet=1000)).run()
        """,
    "blocking": """
        class Silent(Handler):
            pass

        def serve():
            Container(Silent(quiet=-1)).run()

        threading.Thread(target=serve, daemon=True).start()
        port = ports.get()
        connection = BlockingConnection(f"127.0.0.1:{port}")
        receiver = connection.create_receiver("a")
        print("ready", flush=True)
        receiver.receive(timeout=None)
        """,
}

BEGIN = """
import os, queue, sys, threading, time
from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.utils import BlockingConnection
from support import Server, port_of

ports = queue.Queue()

class Handler(Server):
    def __init__(self, quiet=0):
        super().__init__()
        self.quiet = quiet

    def on_start(self, event):
        acceptor = event.container.listen("127.0.0.1:0")
        ports.put(port_of(acceptor))
        if not self.quiet:
            print("ready", flush=True)
        return acceptor

    def on_message(self, _event):
        self.quiet -= 1
        if self.quiet == 0:
            print("ready", flush=True)

try:
"""

END = """
except KeyboardInterrupt:
    print("interrupted", flush=True)

class Once(MessagingHandler):
    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        event.container.create_sender(f"127.0.0.1:{port_of(self.acceptor)}/a")

    def on_sendable(self, event):
        event.sender.send(Message(body="after"))
        event.sender.close()

    def on_message(self, event):
        print(event.message.body, flush=True)

    def on_settled(self, event):
        self.acceptor.close()
        event.connection.close()

Container(Once()).run()
print("done", flush=True)
"""


@pytest.mark.ours
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_interrupt_ends_the_loop_and_the_process_can_go_on(program):
    source = BEGIN + textwrap.indent(textwrap.dedent(PROGRAMS[program]), "    ") + END
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, env=ENVIRONMENT, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        assert "ready" in next(lines)
        process.send_signal(signal.SIGINT)
        rest = [line.strip() for line in lines if line.strip() != "ready"]
        assert rest == ["interrupted", "after", "done"]
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


CALLBACKS = [
    "on_start",
    "on_connection_bound",
    "on_connection_opening",
    "on_connection_opened",
    "on_session_opening",
    "on_link_opening",
    "on_link_opened",
    "on_sendable",
    "on_message",
    "on_accepted",
    "on_settled",
    "on_link_closing",
    "on_connection_closing",
    "on_transport_closed",
]


class Program(MessagingHandler):
    """Sends itself a message; fails in one callback."""

    def __init__(self, failing=None) -> None:
        super().__init__()
        self.bodies: list = []
        if failing is not None:

            def fail(event):
                raise KeyError(failing)

            setattr(self, failing, fail)

    def on_start(self, event):
        self.begin(event)

    def begin(self, event):
        """Listens, and sends to it."""
        self.acceptor = event.container.listen("127.0.0.1:0")
        event.container.create_sender(f"127.0.0.1:{port_of(self.acceptor)}/a")

    def on_sendable(self, event):
        event.sender.send(Message(body="x"))
        event.sender.close()

    def on_message(self, event):
        self.bodies.append(event.message.body)

    def on_settled(self, event):
        self.acceptor.close()
        event.connection.close()


@pytest.mark.parametrize("failing", CALLBACKS)
def test_an_exception_in_a_callback_comes_out_of_run_and_the_process_can_go_on(failing):
    with pytest.raises(KeyError, match=failing) as caught:
        Container(Program(failing)).run()
    assert caught.traceback[-1].name == "fail"
    program = Program()
    Container(program).run()
    assert program.bodies == ["x"]
