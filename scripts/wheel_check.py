"""Installs a wheel into a new environment in an empty folder, says hello over TLS with SCRAM, and runs all tests there.

Arguments: the ``deuteron`` command, which serves, and the wheel. The interpreter is the one that runs this. Only pytest
comes from the network.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

SECONDS = 120
EXPECTED = ["TLSv1.3", "SCRAM-SHA-256", "alice", "Hello, world!"]

HELLO = """
import os, sys
import deuteron, proton
from proton import Message, SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Container

for package in (proton, deuteron):
    assert package.__file__.startswith(sys.prefix), package.__file__


class Hello(MessagingHandler):
    def on_start(self, event):
        event.container.ssl.client.set_trusted_ca_db(os.environ["CA"])
        event.container.ssl.client.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
        connection = event.container.connect(
            os.environ["URL"], user="alice", password="wonderland", allowed_mechs="SCRAM-SHA-256", reconnect=False
        )
        event.container.create_receiver(connection, "hello")
        event.container.create_sender(connection, "hello")

    def on_transport_error(self, event):
        raise SystemExit(f"not connected: {event.transport.condition}")

    def on_connection_opened(self, event):
        transport = event.transport
        print(transport.ssl().protocol_name())
        print(transport.sasl().mech)
        print(transport.sasl().user)

    def on_sendable(self, event):
        event.sender.send(Message(body="Hello, world!"))
        event.sender.close()

    def on_message(self, event):
        print(event.message.body)
        event.connection.close()


Container(Hello()).run()
"""


def openssl(folder: Path, *arguments: str) -> None:
    """Runs openssl in a folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate(folder: Path) -> None:
    """A certificate for localhost in ``server.pem``, which is its own authority, and its key."""
    (folder / "openssl.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")
    openssl(
        folder,
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.pem", "-days", "2"),
        *("-config", "openssl.cnf", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-addext", "basicConstraints=critical,CA:TRUE"),
    )


def install(folder: Path, wheel: str) -> str:
    """The interpreter of a new environment that has the wheel in it, and nothing else."""
    venv.create(folder / "environment", with_pip=True)
    python = str(folder / "environment" / "bin" / "python")
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", wheel],
        cwd=folder,
        check=True,
    )
    return python


def run_tests(folder: Path, python: str, command: str) -> str:
    """Runs the tests of the package, and gives the last line that pytest prints."""
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "pytest>=8"], check=True)
    tests = Path(__file__).resolve().parents[1] / "crates" / "python" / "tests"
    run = [python, "-m", "pytest", "-q", "-W", "ignore::DeprecationWarning", "-p", "no:cacheprovider", str(tests)]
    # What a server makes of us does not depend on the version of Python.
    run += ["--ignore", str(tests / "test_servers.py")]
    environment = {**os.environ, "DEUTERON": command, "DEUTERON_BROKER": command}
    done = subprocess.run(run, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stdout)
    return done.stdout.splitlines()[-1]


def main() -> None:
    """Installs, serves, and runs the program."""
    command, wheel = map(os.path.abspath, sys.argv[1:])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate(folder)
        python = install(folder, wheel)
        (folder / "empty").mkdir()
        (folder / "users").write_text("alice:wonderland\n")
        serving = [command, "broker", "--listen", "amqps://127.0.0.1:0", "--users", str(folder / "users")]
        serving += ["--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")]
        with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as broker:
            try:
                url = next(line.split()[-1] for line in broker.stdout if line.startswith("listening at "))
                port = url.rpartition(":")[2].rstrip("/")
                environment = {"URL": f"amqps://localhost:{port}", "CA": str(folder / "server.pem"), "PATH": os.defpath}
                run = [python, "-I", "-c", HELLO]
                output = subprocess.run(
                    run,
                    cwd=folder / "empty",
                    env=environment,
                    check=True,
                    text=True,
                    stdout=subprocess.PIPE,
                    timeout=SECONDS,
                )
            finally:
                broker.terminate()
        lines = output.stdout.splitlines()
        assert lines == EXPECTED, lines
        tested = run_tests(folder / "empty", python, command)
    print(f"{Path(wheel).name} in CPython {platform.python_version()}: {', '.join(lines)} {tested}")


if __name__ == "__main__":
    main()
