# ruff: noqa: D103
"""Programs on our package with programs on Qpid Proton's, both ways round: they say what they say among their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import proton
import pytest
from support import free_port

HERE = Path(__file__).parent
OTHER = os.environ.get("PROTON_PYTHON")
OURS = {"PYTHONPATH": os.pathsep.join([str(Path(proton.__file__).parents[1]), str(HERE)])}
THEIRS = {"PYTHONPATH": str(HERE)}
PACKAGES = {"ours": (sys.executable, OURS), "theirs": (OTHER, THEIRS)}
SECONDS = 50

pytestmark = [
    pytest.mark.ours,
    pytest.mark.skipif(not OTHER, reason="PROTON_PYTHON names no Python with Qpid Proton's package"),
]


@contextlib.contextmanager
def running(package, program, *arguments):
    """A program of this folder."""
    python, paths = PACKAGES[package]
    process = subprocess.Popen(
        [python, str(HERE / program), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **paths},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(server, client, url, server_files=(), client_files=()):
    """What a server and a client of these packages print."""
    with running(server, "across_server.py", url, *server_files) as serving:
        assert serving.stdout.readline() == "listening\n"
        with running(client, "across_client.py", url, *client_files) as asking:
            lines = asking.communicate(timeout=SECONDS)[0].splitlines()
        return lines, serving.communicate(timeout=SECONDS)[0].splitlines()


def test_packages_are_those_that_they_are_taken_for():
    for package, (python, paths) in PACKAGES.items():
        code = "import sys, proton; print('deuteron' in sys.modules)"
        found = subprocess.run([python, "-c", code], env={**os.environ, **paths}, stdout=subprocess.PIPE, text=True)
        assert found.stdout.strip() == str(package == "ours")


@pytest.fixture(scope="module")
def plain():
    """What is said among Qpid Proton's alone."""
    return said("theirs", "theirs", f"amqp://127.0.0.1:{free_port()}")


def test_what_is_said_is_what_is_meant(plain):
    lines, _served = plain
    assert lines[-1].startswith("end ")
    assert len([line for line in lines if line.startswith("echo True")]) >= 20
    assert "large 3000000" in lines


WAYS = [("ours", "ours"), ("ours", "theirs"), ("theirs", "ours")]


@pytest.mark.parametrize(("server", "client"), WAYS)
def test_plain(server, client, plain):
    assert said(server, client, f"amqp://127.0.0.1:{free_port()}") == plain


def said_over_tls(server, client, ca):
    theirs, own = ca.sign("across-server", "/CN=localhost", "DNS:localhost"), ca.sign("across-client", "/CN=alice")
    return said(server, client, f"amqps://localhost:{free_port()}", (*theirs, ca.file), (*own, ca.file))


@pytest.fixture(scope="module")
def encrypted(ca):
    """What is said over TLS among Qpid Proton's alone."""
    return said_over_tls("theirs", "theirs", ca)


def test_what_is_said_over_tls(encrypted, plain):
    lines, served = encrypted
    assert lines == plain[0]
    assert {tuple(line.split()[:3]) for line in served} == {("client", "CN=alice", "True")}


@pytest.mark.parametrize(("server", "client"), WAYS)
def test_tls_with_certificates_on_both_sides(server, client, ca, encrypted):
    assert said_over_tls(server, client, ca) == encrypted


def told_to(client):
    """What a client of a package is told of its messages by a server that answers with dispositions."""
    url = f"amqp://127.0.0.1:{free_port()}"
    with running("ours", "dispositions_server.py", url) as serving:
        assert serving.stdout.readline() == "listening\n"
        with running(client, "dispositions_client.py", url, str(len(TOLD))) as asking:
            lines = asking.communicate(timeout=SECONDS)[0].splitlines()
        assert serving.communicate(timeout=SECONDS)[0] == ""
    return lines


TOLD = [
    "35 (5, 7) (False, False) None None None",
    "37 (0, 0) (False, False) None ('a:b', 'text', {'k': 'v'}) None",
    "37 (0, 0) (False, False) None None None",
    "39 (0, 0) (True, False) None None None",
    "39 (0, 0) (False, True) {'k': 'v'} None None",
    "52 (0, 0) (False, False) None None [b'id', ('described', 39, [True, True])]",
    "52 (0, 0) (False, False) None None [b'id']",
    "51 (0, 0) (False, False) None None [b'id']",
    "36 (0, 0) (False, False) None None None",
    "4660 (0, 0) (False, False) None None ['a', 1]",
]


@pytest.mark.parametrize("client", ["ours", "theirs"])
def test_dispositions_are_told_to_clients_of_both(client):
    assert told_to(client) == TOLD
