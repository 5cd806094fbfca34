"""Signs of life while the program is busy: in a callback, and between the calls of the blocking API."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import proton
import pytest
from proton import Message, SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.utils import BlockingConnection

HERE = Path(__file__).parent


class Peer:
    """A program of this folder that runs beside the test, and what it prints."""

    def __init__(self, program, *arguments) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(proton.__file__).parents[1]), str(HERE)])}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / program), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            bufsize=0,
            env=environment,
        )
        self.port = int(self.line().split()[1])

    def __enter__(self):
        """The peer."""
        return self

    def __exit__(self, *_error) -> None:
        """Ends it."""
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        """The next line, waited for without the interpreter's lock."""
        return self.process.stdout.readline().decode().strip()

    def line_with_the_lock(self) -> str:
        """The next line, waited for while no other thread of Python can run."""
        read, byte, line = ctypes.PyDLL(None).read, ctypes.create_string_buffer(1), b""
        while not line.endswith(b"\n"):
            assert read(self.process.stdout.fileno(), byte, 1) == 1
            line += byte.raw
        return line.decode().strip()

    def say(self, text) -> None:
        """Gives it a line."""
        self.process.stdin.write(text.encode() + b"\n")


class Busy(MessagingHandler):
    """Does nothing in a callback but to wait for what the peer prints."""

    def __init__(self, wait) -> None:
        super().__init__()
        self.wait = wait
        self.heard = ""

    def on_connection_opened(self, event):
        """Waits here."""
        self.heard = self.wait()
        event.connection.close()


def spin(peer):
    """Waits for a line by computing."""
    os.set_blocking(peer.process.stdout.fileno(), False)
    line = b""
    while not line.endswith(b"\n"):
        line += peer.process.stdout.read() or b""
    os.set_blocking(peer.process.stdout.fileno(), True)
    return line.decode().strip()


@pytest.mark.ours
@pytest.mark.parametrize("wait", [Peer.line, Peer.line_with_the_lock, spin])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_heartbeats_go_out_while_a_callback_is_busy(wait, tls, server_files, ca):
    domain = None
    if tls:
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_trusted_ca_db(ca.file)
        domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
    with Peer("strict_peer.py", *(server_files if tls else ())) as peer:
        busy = Busy(lambda: wait(peer))
        container = Container()
        url = f"{'amqps' if tls else 'amqp'}://127.0.0.1:{peer.port}"
        container.connect(url, handler=busy, ssl_domain=domain, sasl_enabled=False, reconnect=False)
        container.run()
        assert busy.heard == "beats"
        assert peer.line() == "frames 0x10 0x18"


@pytest.mark.ours
def test_heartbeats_go_out_between_calls_of_the_blocking_api():
    with Peer("strict_peer.py") as peer:
        connection = BlockingConnection(f"127.0.0.1:{peer.port}", sasl_enabled=False)
        assert peer.line() == "beats"
        connection.close()
        assert peer.line() == "frames 0x10 0x18"


@pytest.mark.ours
def test_heartbeats_go_on_in_the_parent_of_a_fork():
    with Peer("strict_peer.py") as peer:
        connection = BlockingConnection(f"127.0.0.1:{peer.port}", sasl_enabled=False)
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        assert peer.line() == "beats"
        connection.close()
        assert peer.line() == "frames 0x10 0x18"


@pytest.mark.ours
def test_a_trace_shows_the_heartbeats_of_a_busy_program():
    lines = []
    with Peer("strict_peer.py") as peer:

        class Traced(Busy):
            def on_connection_bound(self, event):
                event.transport.tracer = lambda _transport, line: lines.append(line)
                event.transport.trace(event.transport.TRACE_FRM)

        container = Container()
        busy = Traced(peer.line)
        container.connect(f"127.0.0.1:{peer.port}", handler=busy, sasl_enabled=False, reconnect=False)
        container.run()
        assert busy.heard == "beats"
    assert len([line for line in lines if "->" in line and "mpty" in line]) >= 5


class Sender(MessagingHandler):
    """Sends much at once, and is then busy until the server has seen all of it."""

    def __init__(self, peer, bodies) -> None:
        super().__init__()
        self.peer, self.bodies = peer, bodies
        self.settled, self.busy = 0, False

    def on_sendable(self, event):
        """Sends everything, once."""
        while self.bodies and event.sender.credit:
            event.sender.send(Message(body=self.bodies.pop(0)))
        if not self.bodies and not self.busy:
            self.busy = True
            event.container.schedule(0, self)

    def on_timer_task(self, _event):
        """By now the socket has taken what it can hold. The server begins to read; the loop is not there to help."""
        self.peer.say("read")
        self.line = self.peer.line()

    def on_settled(self, event):
        """Closes after the last."""
        self.settled += 1
        if self.settled == 3:
            event.connection.close()


@pytest.mark.ours
def test_what_the_socket_did_not_take_is_not_mixed_up_with_heartbeats():
    with Peer("slow_server.py") as peer:
        sender = Sender(peer, [bytes([number]) * (4 << 20) for number in range(3)])
        container = Container()
        container.create_sender(f"127.0.0.1:{peer.port}/large", handler=sender)
        container.run()
        assert sender.line == "quiet for long"
        assert peer.line() == "received 3 whole"
        assert sender.settled == 3


def test_a_peer_that_spoke_while_a_callback_was_busy_is_not_given_up():
    heard = []

    class Waiting(MessagingHandler):
        def on_connection_opened(self, event):
            # Longer than the peer may be silent: it is not, but nobody looks meanwhile.
            time.sleep(0.9)
            event.container.schedule(0.05, self)

        def on_timer_task(self, event):
            connection.close()

        def on_transport_error(self, event):
            heard.append(str(event.transport.condition))

    with Peer("slow_server.py") as peer:
        peer.say("read")
        container = Container()
        options = {"handler": Waiting(), "heartbeat": 0.5, "reconnect": False}
        connection = container.connect(f"127.0.0.1:{peer.port}", **options)
        container.run()
    assert heard == []
