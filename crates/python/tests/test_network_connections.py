# ruff: noqa: D103
"""The programs of the guide's chapter on network connections: each does what the text beside it says."""

from __future__ import annotations

import contextlib
import signal
import socket
from pathlib import Path

import pytest
from support import free_port
from test_examples import COMMAND, EXAMPLES, brokers, line_with, rest, running, start

CHAPTER = "network_connections/"

pytestmark = pytest.mark.skipif(COMMAND is None, reason="there is no deuteron command")


@contextlib.contextmanager
def broker_at(port):
    """A broker at a certain port, which ends without a word."""
    with running([COMMAND, "broker", "--listen", f"amqp://127.0.0.1:{port}"]) as process:
        line_with(process, "listening at ")
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def has_ipv6():
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


FORMS = ["amqp://127.0.0.1:{}", "amqp://localhost:{}", "127.0.0.1:{}", "amqp://u:p@127.0.0.1:{}/q"]


@pytest.mark.parametrize("form", FORMS)
def test_urls(form):
    with brokers() as url, start(CHAPTER + "connect", form.format(url.rpartition(":")[2])) as program:
        assert line_with(program, "Connection ").endswith("is open")


def test_urls_of_ipv6():
    assert has_ipv6()
    with brokers(listen="amqp://[::1]:0") as url, start(CHAPTER + "connect", url) as program:
        assert "[::1]" in url
        assert line_with(program, "Connection ").endswith("is open")


def test_a_connection_that_cannot_be_made_is_tried_again_and_so_is_one_that_is_lost():
    port = free_port()
    with start(CHAPTER + "connect", f"amqp://127.0.0.1:{port}") as program:
        for _round in range(3):
            with broker_at(port):
                assert line_with(program, "Connection ").endswith("is open")
        program.send_signal(signal.SIGINT)
        assert program.wait() != 0


def test_without_reconnect_nothing_is_tried_again():
    port = free_port()
    with start(CHAPTER + "connect_once", f"amqp://127.0.0.1:{port}") as program:
        assert [line for line in rest(program) if line.endswith("is open")] == []
    with broker_at(port) as broker, start(CHAPTER + "connect_once", f"amqp://127.0.0.1:{port}") as program:
        assert line_with(program, "Connection ").endswith("is open")
        broker.kill()
        lines = rest(program)
        assert lines[-1].startswith("Connection ") and lines[-1].endswith("is lost")


def test_delays_of_ones_own():
    port = free_port()
    with start(CHAPTER + "own_delays", f"amqp://127.0.0.1:{port}") as program:
        for _round in range(3):
            with broker_at(port):
                assert line_with(program, "Connection ").endswith("is open")


def test_the_next_server_is_tried_when_one_is_lost():
    one, two, nobody = free_port(), free_port(), free_port()
    urls = [f"amqp://127.0.0.1:{port}" for port in (nobody, one, two)]
    with start(CHAPTER + "failover", *urls) as program:
        for port in (two, one, two, one):
            with broker_at(port):
                assert line_with(program, "Connection to ") == f"amqp://127.0.0.1:{port} is open"


OF_IPV6 = [pytest.param(address, marks=pytest.mark.ours) for address in ("[::0]", "[::]", "[::1]")]


@pytest.mark.parametrize("at", ["0.0.0.0", "127.0.0.1", *OF_IPV6])
def test_servers(at):
    port = free_port()
    to = "[::1]" if ":" in at else "127.0.0.1"
    with start(CHAPTER + "listen", f"{at}:{port}") as server:
        line_with(server, "listening")
        with contextlib.ExitStack() as clients:
            for _client in range(3):
                client = clients.enter_context(start(CHAPTER + "connect", f"amqp://{to}:{port}"))
                assert line_with(client, "Connection ").endswith("is open")
                line_with(server, "New incoming connection ")


def test_every_program_has_a_test():
    text = Path(__file__).read_text()
    missing = [path.stem for path in (EXAMPLES / CHAPTER).glob("*.py") if f'CHAPTER + "{path.stem}"' not in text]
    assert missing == []
