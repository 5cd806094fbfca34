# ruff: noqa: D103
"""Each program in examples/python, against a broker or against its counterpart."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from proton import SASL
from support import free_port
from test_sasl_server import DATABASE

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "python"
SECONDS = 25


def broker_command():
    """The ``deuteron`` command: in DEUTERON_BROKER or DEUTERON, else one that was built here, else on the path."""
    named = os.environ.get("DEUTERON_BROKER") or os.environ.get("DEUTERON")
    if named:
        return named
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [target / profile / "deuteron" for profile in ("debug", "release")]
    return next((str(path) for path in built if path.exists()), shutil.which("deuteron"))


COMMAND = broker_command()
pytestmark = pytest.mark.skipif(
    COMMAND is None, reason="there is no deuteron command: build it, or set DEUTERON_BROKER"
)


@contextlib.contextmanager
def running(arguments, **environment):
    """A program with its output as lines."""
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate()


def line_with(process, text):
    """The rest of the next line that begins with a text."""
    for line in process.stdout:
        if line.startswith(text):
            return line[len(text) :].strip()
    raise AssertionError(f"the program ended without the line {text!r}")


def start(name, *arguments, **environment):
    """An example."""
    return running([sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)], **environment)


def run(name, *arguments, **environment):
    """The lines that an example prints until it ends."""
    with start(name, *arguments, **environment) as process:
        return rest(process)


def rest(process):
    """The lines that a program still prints."""
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    return output.splitlines()


@contextlib.contextmanager
def brokers(*options, listen="amqp://127.0.0.1:0"):
    """A broker, as the url that it listens at."""
    with running([COMMAND, "broker", "--listen", listen, *map(str, options)]) as process:
        yield line_with(process, "listening at ")


@pytest.fixture(scope="module")
def url():
    """A broker for all tests that use queues of their own."""
    with brokers() as listening:
        yield listening


def test_hello_world(url):
    assert run("hello_world", url, "hello") == ["Hello World!"]


def test_blocking(url):
    assert run("blocking", url, "blocking") == ["Hello World!"]


def test_send_and_receive(url):
    assert run("send", url, "simple", "one", "two", "three") == ["all settled"]
    assert run("receive", url, "simple", "--count", 3) == ["one", "two", "three"]


def test_browse(url):
    run("send", url, "shelf", "one", "two")
    assert run("browse", url, "shelf") == ["one", "two"]
    assert run("browse", url, "shelf") == ["one", "two"]
    assert run("browse", url, "empty-shelf") == []


def test_a_selector(url):
    run("send_properties", url, "colours", "colour", "red=one", "blue=two", "red=three")
    assert run("receive", url, "colours", "--count", 2, "--selector", "colour = 'red'") == ["one", "three"]
    assert run("receive", url, "colours", "--count", 1) == ["two"]


def test_requests(url):
    with start("server", url, "requests", "--count", 2) as server:
        line_with(server, "ready")
        assert run("client", url, "requests", "one", "two") == ["one => ONE", "two => TWO"]
        rest(server)


def test_a_durable_subscription(url):
    assert run("durable_subscribe", url, "topic://news", "mine") == ["subscribed"]
    run("send", url, "topic://news", "one", "two")
    assert run("durable_subscribe", url, "topic://news", "mine", "--count", 1) == ["subscribed", "one"]
    assert run("durable_subscribe", url, "topic://news", "mine", "--count", 1, "--end") == ["subscribed", "two"]


def test_a_shared_subscription(url):
    arguments = ("shared_subscribe", url, "topic://shared", "team", "--count", 2)
    with start(*arguments) as one, start(*arguments) as two:
        line_with(one, "subscribed")
        line_with(two, "subscribed")
        run("send", url, "topic://shared", "a", "b", "c", "d")
        assert sorted(rest(one) + rest(two)) == ["a", "b", "c", "d"]


def test_a_transaction(url):
    assert run("transaction", url, "bank", "one", "two", "--roll-back") == ["rolled back"]
    assert run("browse", url, "bank") == []
    assert run("transaction", url, "bank", "one", "two") == ["committed"]
    assert run("browse", url, "bank") == ["one", "two"]


def test_direct_receive(url):
    here = f"amqp://127.0.0.1:{free_port()}"
    with start("direct_receive", here, "--count", 2) as receiver:
        line_with(receiver, "listening on ")
        assert run("send", here, "any", "one", "two") == ["all settled"]
        assert rest(receiver) == ["one", "two", "a client has gone"]


def test_direct_send(url):
    here = f"amqp://127.0.0.1:{free_port()}"
    with start("direct_send", here, "one", "two") as sender:
        line_with(sender, "listening on ")
        assert run("receive", here, "any", "--count", 2) == ["one", "two"]
        assert rest(sender) == ["all settled"]


def test_reconnect():
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(running([COMMAND, "broker", "--listen", "amqp://127.0.0.1:0"]))
        one, two = line_with(first, "listening at "), stack.enter_context(brokers())
        receiver = stack.enter_context(start("reconnect", "q", one, two, "--count", 2))
        assert line_with(receiver, "connected to ") == one
        line_with(receiver, "receiving")
        run("send", one, "q", "from the first")
        line_with(receiver, "from the first")
        first.kill()
        assert line_with(receiver, "connected to ") == two
        line_with(receiver, "receiving")
        run("send", two, "q", "from the second")
        assert rest(receiver) == ["from the second"]


def test_connect_file(url, tmp_path):
    path = tmp_path / "connect.json"
    path.write_text(json.dumps({"scheme": "amqp", "host": "127.0.0.1", "port": int(url.rpartition(":")[2])}))
    lines = run("connect_file", MESSAGING_CONNECT_FILE=str(path))
    assert lines == ["connected to 127.0.0.1"]


def test_sasl():
    with brokers("--user", "me:secret", "--allow-insecure") as url:
        lines = run("sasl", url, "me", "--mechanisms", "PLAIN", MESSAGING_PASSWORD="secret")
        assert lines == ["connected with PLAIN"]
        lines = run("sasl", url, "me", "--mechanisms", "PLAIN", MESSAGING_PASSWORD="wrong")
        assert lines[0].startswith("not connected: Authentication failed [mech=PLAIN]")
        if SASL.extended():
            lines = run("sasl", url, "me", "--mechanisms", "SCRAM-SHA-256", MESSAGING_PASSWORD="secret")
            assert lines == ["connected with SCRAM-SHA-256"]


def test_listen_sasl(tmp_path):
    (tmp_path / "users").write_bytes(DATABASE)
    (tmp_path / "proton-server.conf").write_text(f"sasldb_path: {tmp_path}/users\nmech_list: SCRAM-SHA-256 ANONYMOUS\n")
    port = free_port()
    with start("listen_sasl", f"amqp://127.0.0.1:{port}", tmp_path, "--count", 1) as server:
        line_with(server, "listening on ")
        lines = run("sasl", f"amqp://127.0.0.1:{port}", "user@proton", MESSAGING_PASSWORD="wrong")
        assert lines[0].startswith("not connected: Authentication failed [mech=SCRAM-SHA-256]")
        assert "Failed to authenticate client [mech=SCRAM-SHA-256]" in line_with(server, "refused: ")
        assert run("send", f"amqp://user%40proton:password@127.0.0.1:{port}", "any", "one") == ["all settled"]
        lines = rest(server)
        assert lines[-2:] == ["user@proton has come in with SCRAM-SHA-256", "user@proton: one"]


def test_tls(ca, stranger):
    certificate, key = ca.sign("examples-server", "/CN=localhost", "DNS:localhost")[:2]
    own, own_key = ca.sign("examples-client", "/CN=alice")[:2]
    files = ("--tls-cert", certificate, "--tls-key", key)
    with brokers(*files, listen="amqps://localhost:0") as url:
        url = f"amqps://localhost:{url.rpartition(':')[2]}"
        assert run("tls", url, ca.file) == ["connected with ANONYMOUS, encrypted: True"]
        assert run("tls", url, stranger.file)[0].startswith("not connected: ")
    with brokers(*files, "--tls-client-ca", ca.file, listen="amqps://localhost:0") as url:
        url = f"amqps://localhost:{url.rpartition(':')[2]}"
        lines = run("tls", url, ca.file, "--certificate", own, "--key", own_key)
        assert lines == ["connected with EXTERNAL, encrypted: True"]


def test_every_program_has_a_test():
    text = Path(__file__).read_text()
    missing = [path.stem for path in EXAMPLES.glob("*.py") if f'"{path.stem}"' not in text]
    assert missing == []
