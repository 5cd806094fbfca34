"""What the tests share. They run with our package and with Qpid Proton's, but for those marked ``ours``."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import proton
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from certificates import Authority  # noqa: E402

SUBJECT = "/C=NL/ST=Utrecht/L=Zeist/O=Example/OU=Tests/CN=alice"

OURS = "deuteron" in sys.modules or hasattr(proton, "_core")


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


SECONDS = int(os.environ.get("DEUTERON_TEST_SECONDS", "60"))
"""How long a test may take."""


@pytest.fixture(autouse=True)
def ends():
    """Lets a test that would last for ever fail instead."""

    def late(_number, _frame):
        raise AssertionError(f"not at its end after {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line("markers", "ours: what Qpid Proton does otherwise; left out there")


def pytest_collection_modifyitems(config: pytest.Config, items: list) -> None:
    """Leaves out what Qpid Proton does otherwise where it runs."""
    if OURS:
        return
    left_out = [item for item in items if item.get_closest_marker("ours")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("ours")]


@pytest.fixture(scope="session")
def ca(tmp_path_factory):
    """An authority that signs the certificates of the tests."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """An authority that signs nothing that others trust."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="session")
def server_files(ca):
    """Certificate and key of a server."""
    return ca.sign("server", "/CN=server.example", "DNS:server.example,DNS:*.wild.example,IP:127.0.0.1")


@pytest.fixture(scope="session")
def client_files(ca):
    """Certificate and key of a client."""
    return ca.sign("client", SUBJECT)
