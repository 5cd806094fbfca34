"""TLS as programs meet it: containers, blocking connections, connect.json, and the other package as the peer."""

from __future__ import annotations

import json
import os
import ssl as python_ssl
import subprocess
import threading
from pathlib import Path

import pytest
from certificates import client_domain, server_domain, verifying
from conftest import free_port
from proton import SSL, Connection, ConnectionException, Message, SSLDomain, Transport
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.utils import BlockingConnection

HERE = Path(__file__).parent


class Server(MessagingHandler):
    """Takes messages until a client has closed its connection."""

    def __init__(self, domain, scheme="amqp", connections=1):
        super().__init__()
        self.port = free_port()
        self.domain, self.scheme, self.connections = domain, scheme, connections
        self.got, self.users, self.ready = [], [], threading.Event()

    def on_start(self, event):
        """Listens."""
        self.acceptor = event.container.listen(f"{self.scheme}://127.0.0.1:{self.port}", ssl_domain=self.domain)
        self.ready.set()

    def on_link_opening(self, event):
        """Gives each link the target that it asks for."""
        event.link.target.copy(event.link.remote_target)

    def on_message(self, event):
        """Notes what comes, and from whom."""
        self.got.append((event.message.body, event.transport.encrypted))
        self.users.append(event.transport.user)

    def on_transport_closed(self, event):
        """Ends when all clients have gone."""
        self.connections -= 1
        if not self.connections:
            self.acceptor.close()


class Running:
    """A server on a thread of its own."""

    def __init__(self, server, container=None):
        self.server = server
        self.thread = threading.Thread(target=(container or Container(server)).run, daemon=True)

    def __enter__(self):
        """Starts it."""
        self.thread.start()
        assert self.server.ready.wait(10)
        return self.server

    def __exit__(self, *error):
        """Waits until it has ended by itself."""
        self.thread.join(10)
        assert error[0] is not None or not self.thread.is_alive()


class Sends(MessagingHandler):
    """Sends one message on a connection that ``connect(container)`` makes."""

    def __init__(self, connect):
        super().__init__()
        self.connect, self.sent, self.error = connect, False, None

    def on_start(self, event):
        """Connects."""
        self.connection = self.connect(event.container)
        event.container.create_sender(self.connection, "q")

    def on_sendable(self, event):
        """Sends."""
        if not self.sent:
            self.sent = True
            event.sender.send(Message(body="secret"))

    def on_accepted(self, event):
        """Ends."""
        self.connection.close()

    def on_transport_error(self, event):
        """Notes what went wrong."""
        self.error = event.transport.condition


def test_blocking_connections(ca, server_files):
    with Running(Server(server_domain(server_files))) as server:
        url = f"amqps://127.0.0.1:{server.port}"
        connection = BlockingConnection(url, timeout=10, ssl_domain=client_domain(ca), sni="server.example")
        assert connection.conn.transport.encrypted
        connection.create_sender("q").send(Message(body="secret"))
        connection.close()
    assert server.got == [("secret", True)]


def test_a_blocking_connection_does_not_take_a_stranger_for_its_server(stranger, server_files):
    with Running(Server(server_domain(server_files))) as server:
        url = f"amqps://127.0.0.1:{server.port}"
        with pytest.raises(ConnectionException):
            BlockingConnection(url, timeout=10, ssl_domain=client_domain(stranger), sni="server.example")


def test_domains_of_the_container(ca, server_files):
    server = Server(None, "amqps")
    serving = Container(server)
    serving.ssl.server.set_credentials(*server_files, None)
    with Running(server, serving):
        program = Sends(lambda container: container.connect(f"amqps://127.0.0.1:{server.port}", sni="server.example"))
        container = Container(program)
        container.ssl.set_trusted_ca_db(ca.file)
        container.run()
    assert program.error is None
    assert server.got == [("secret", True)]


def test_a_domain_says_nothing_without_amqps(ca):
    with Running(Server(None)) as server:
        url = f"amqp://127.0.0.1:{server.port}"
        Container(Sends(lambda container: container.connect(url, ssl_domain=client_domain(ca)))).run()
    assert server.got == [("secret", False)]


@pytest.mark.parametrize("verify", [True, False])
def test_the_file_of_connections(ca, stranger, server_files, client_files, tmp_path, monkeypatch, verify):
    with Running(Server(verifying(ca, server_files))) as server:
        # The certificate is for 127.0.0.1 and server.example; Proton compares names only.
        tls = {"ca": (ca if verify else stranger).file, "cert": client_files[0], "key": client_files[1]}
        content = {"host": "127.0.0.1", "port": server.port, "tls": dict(tls, verify=verify)}
        (tmp_path / "connect.json").write_text(json.dumps(content))
        monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(tmp_path / "connect.json"))
        program = Sends(lambda container: container.connect(sni="server.example"))
        Container(program).run()
    assert program.error is None
    assert server.got == [("secret", True)]
    assert server.users[0].startswith("CN=alice,") or server.users == ["anonymous"]


def test_both_kinds_of_clients_at_one_port(ca, server_files):
    domain = server_domain(server_files)
    domain.allow_unsecured_client()
    with Running(Server(domain, connections=2)) as server:
        at = f"127.0.0.1:{server.port}"
        Container(Sends(lambda container: container.connect(f"amqp://{at}"))).run()
        tls = {"ssl_domain": client_domain(ca), "sni": "server.example"}
        Container(Sends(lambda container: container.connect(f"amqps://{at}", **tls))).run()
    assert server.got == [("secret", False), ("secret", True)]


def test_large_messages(ca, server_files):
    with Running(Server(server_domain(server_files))) as server:
        connection = BlockingConnection(
            f"amqps://127.0.0.1:{server.port}", timeout=30, ssl_domain=client_domain(ca), sni="server.example"
        )
        sender = connection.create_sender("q")
        for size in (0, 1, 16 << 10, 1 << 20):
            sender.send(Message(body="x" * size))
        connection.close()
    assert [len(body) for body, _ in server.got] == [0, 1, 16 << 10, 1 << 20]


class Foreign:
    """A client of TLS that is none of ours, at a server's transport."""

    def __init__(self, ca, server_files, ciphers=None):
        self.transport, self.connection = Transport(Transport.SERVER), Connection()
        self.ssl = SSL(self.transport, server_domain(server_files))
        self.transport.bind(self.connection)
        self.incoming, self.outgoing = python_ssl.MemoryBIO(), python_ssl.MemoryBIO()
        context = python_ssl.create_default_context(cafile=ca.file)
        if ciphers is not None:
            context.maximum_version = python_ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
        self.client = context.wrap_bio(self.incoming, self.outgoing, server_hostname="server.example")
        for _ in range(5):
            try:
                self.client.do_handshake()
                break
            except python_ssl.SSLWantReadError:
                self.exchange()
        self.exchange()

    def exchange(self):
        """Moves what there is to move."""
        sent = self.outgoing.read()
        if sent:
            self.transport.push(sent)
        pending = self.transport.pending()
        while pending > 0:
            self.incoming.write(bytes(self.transport.peek(pending)))
            self.transport.pop(pending)
            pending = self.transport.pending()


SUITES = [None, "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"]


@pytest.mark.parametrize("ciphers", SUITES)
def test_versions_and_cipher_suites_have_the_names_of_openssl(ca, server_files, ciphers):
    foreign = Foreign(ca, server_files, ciphers)
    name, _, _ = foreign.client.cipher()
    assert foreign.ssl.cipher_name() == name
    assert foreign.ssl.protocol_name() == foreign.client.version()
    assert ciphers in (None, name)


@pytest.mark.parametrize(("hostname", "sent"), [("server.example", "server.example"), (None, None)])
def test_the_server_is_asked_for_by_name(ca, server_files, hostname, sent):
    context = python_ssl.SSLContext(python_ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server_files)
    asked = []
    context.sni_callback = lambda connection, name, context: asked.append(name)
    incoming, outgoing = python_ssl.MemoryBIO(), python_ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    transport, connection = Transport(), Connection()
    SSL(transport, client_domain(ca, SSLDomain.VERIFY_PEER)).peer_hostname = hostname
    transport.bind(connection)
    connection.open()
    incoming.write(bytes(transport.peek(transport.pending())))
    with pytest.raises(python_ssl.SSLWantReadError):
        server.do_handshake()
    assert asked == [sent]


def test_the_end_of_tls_is_the_end_of_the_connection(ca, server_files):
    foreign = Foreign(ca, server_files)
    foreign.client.write(b"AMQP\0\1\0\0")
    foreign.exchange()
    assert foreign.transport.encrypted and foreign.transport.capacity() > 0
    with pytest.raises(python_ssl.SSLError):
        foreign.client.unwrap()
    # With more after it, which does not count, in more than one piece.
    foreign.transport.push(foreign.outgoing.read() + b"\x17\x03\x03\x40\x00" + bytes(5000))
    assert foreign.transport.capacity() == -1
    assert foreign.transport.condition.name == "amqp:connection:framing-error"
    assert foreign.transport.condition.description == "connection aborted"


def test_records_that_were_changed_on_the_way(ca, server_files):
    foreign = Foreign(ca, server_files)
    foreign.client.write(b"AMQP\0\1\0\0")
    record = bytearray(foreign.outgoing.read())
    record[-1] ^= 1
    foreign.transport.push(bytes(record))
    assert foreign.transport.condition.name == "amqp:connection:framing-error"
    assert foreign.transport.condition.description.startswith("SSL Failure: ")
    assert foreign.transport.capacity() == -1


def test_a_client_is_known_by_its_certificate_without_sasl(ca, server_files, client_files):
    client = client_domain(ca)
    client.set_credentials(*client_files, None)
    with Running(Server(verifying(ca, server_files))) as server:
        options = {"ssl_domain": client, "sni": "server.example", "sasl_enabled": False}
        url = f"amqps://127.0.0.1:{server.port}"
        Container(Sends(lambda container: container.connect(url, **options))).run()
    assert server.users == ["CN=alice,OU=Tests,O=Example,L=Zeist,ST=Utrecht,C=NL"]


class WithoutAuthorities(MessagingHandler):
    """Listens with TLS, and connects to itself as a client that has not been told whom to trust."""

    def __init__(self, files):
        super().__init__()
        self.files, self.error = files, None

    def on_start(self, event):
        """Listens and connects."""
        url = f"amqps://127.0.0.1:{free_port()}"
        self.acceptor = event.container.listen(url, ssl_domain=server_domain(self.files))
        self.connection = event.container.connect(url, sni="server.example", reconnect=False)

    def on_transport_error(self, event):
        """Notes the client's error."""
        if event.connection == self.connection:
            self.error = event.transport.condition
            self.acceptor.close()


def test_a_system_without_authorities_is_an_error_of_the_transport(server_files, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authorities.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    program = WithoutAuthorities(server_files)
    Container(program).run()
    assert program.error.name == "amqp:connection:framing-error"
    assert program.error.description.startswith("SSL Failure: ")


@pytest.mark.ours
def test_a_system_without_authorities_is_told_how_to_get_them(server_files, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authorities.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    program = WithoutAuthorities(server_files)
    Container(program).run()
    assert program.error.description.startswith("SSL Failure: CA certificates of the operating system")
    assert "package ca-certificates" in program.error.description


def test_tls_without_a_domain_of_the_program():
    for transport in (Transport(), Transport(Transport.CLIENT)):
        assert transport.ssl().peer_hostname == ""
        assert transport.ssl() is SSL(transport, None)


@pytest.mark.ours
def test_addresses_are_compared_with_the_certificate(ca, stranger, server_files):
    with Running(Server(server_domain(server_files))) as server:
        url, client = f"amqps://127.0.0.1:{server.port}", client_domain(ca)
        Container(Sends(lambda container: container.connect(url, ssl_domain=client))).run()
    assert server.got == [("secret", True)]


@pytest.mark.ours
def test_sasl_in_the_clear_is_refused_at_once(server_files):
    transport = Transport(Transport.SERVER)
    SSL(transport, server_domain(server_files))
    transport.bind(Connection())
    transport.push(b"AMQP\3\1\0\0")
    assert transport.condition.name == "amqp:connection:policy-error"
    assert transport.pending() == -1


@pytest.mark.ours
def test_a_failed_handshake_says_what_to_do_and_encrypts_nothing(stranger, server_files):
    with Running(Server(server_domain(server_files))) as server:
        url, client = f"amqps://127.0.0.1:{server.port}", client_domain(stranger)
        program = Sends(lambda container: container.connect(url, ssl_domain=client, reconnect=False))
        Container(program).run()
    assert "not signed by an authority that is trusted here" in program.error.description
    assert not program.connection.transport or not program.connection.transport.encrypted


def test_each_connection_that_is_made_again_has_tls(ca, server_files):
    class Drops(Server):
        """Drops the first client before its message has been taken."""

        def on_link_opened(self, event):
            if self.connections == 2:
                event.transport.close_tail()
                event.transport.close_head()

    class SendsAgain(Sends):
        """Sends its message once on each connection."""

        def on_link_opened(self, event):
            self.sent = False

    with Running(Drops(server_domain(server_files), connections=2)) as server:
        options = {"ssl_domain": client_domain(ca), "sni": "server.example", "reconnect": [0, 0.1, 0.1, 0.1]}
        Container(SendsAgain(lambda container: container.connect(f"amqps://127.0.0.1:{server.port}", **options))).run()
    assert server.got[-1] == ("secret", True)


@pytest.mark.ours
def test_a_server_whose_certificate_is_bad_is_tried_once(stranger, server_files):
    class GivesUp(Sends):
        """Notes how often it fails, and that it is over."""

        errors, ended = 0, None

        def on_transport_error(self, event):
            self.errors += 1

        def on_reconnect_failed(self, event):
            self.ended = event.condition

    with Running(Server(server_domain(server_files))) as server:
        url, client = f"amqps://127.0.0.1:{server.port}", client_domain(stranger)
        program = GivesUp(lambda container: container.connect(url, ssl_domain=client))
        Container(program).run()
    assert program.errors == 1
    assert program.ended.description.startswith("SSL Failure: ")


OTHER = os.environ.get("PROTON_PYTHON", "")
"""An interpreter with the other package: these tests run the peer with it."""

PEER = """
import sys
sys.path.insert(0, sys.argv[1])
import test_tls_programs as programs
programs.peer(*sys.argv[2:])
"""


def peer(role, port, ca, certificate, key):
    """One side of a connection, in a process of its own: a client sends a message, a server takes one."""
    domain = SSLDomain(SSLDomain.MODE_CLIENT if role == "client" else SSLDomain.MODE_SERVER)
    domain.set_credentials(certificate, key, None)
    domain.set_trusted_ca_db(ca)
    if role == "client":
        options = {"ssl_domain": domain, "sni": "server.example", "allowed_mechs": "EXTERNAL", "reconnect": False}
        program = Sends(lambda container: container.connect(f"amqps://127.0.0.1:{port}", **options))
        Container(program).run()
        print(program.error)
        return
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER, ca)
    server = Server(domain)
    server.port = int(port)
    on_start = server.on_start

    def listening(event):
        on_start(event)
        print("listening", flush=True)

    server.on_start = listening
    Container(server).run()
    print(server.got, server.users)


def other(*arguments):
    """The peer, run by the other package."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONPATH"] = os.environ.get("PROTON_PYTHONPATH", "")
    command = [OTHER, "-c", PEER, str(HERE), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.ours
@pytest.mark.skipif(not OTHER, reason="PROTON_PYTHON names no interpreter with the other package")
def test_our_server_and_a_client_of_the_other_package(ca, server_files, client_files):
    with Running(Server(verifying(ca, server_files))) as server:
        client = other("client", server.port, ca.file, *client_files)
        assert client.communicate(timeout=30)[0].strip() == "None"
    assert server.got == [("secret", True)]
    assert server.users == ["CN=alice,OU=Tests,O=Example,L=Zeist,ST=Utrecht,C=NL"]


@pytest.mark.ours
@pytest.mark.skipif(not OTHER, reason="PROTON_PYTHON names no interpreter with the other package")
def test_our_client_and_a_server_of_the_other_package(ca, server_files, client_files, capsys):
    port = free_port()
    server = other("server", port, ca.file, *server_files)
    assert server.stdout.readline() == "listening\n"
    peer("client", port, ca.file, *client_files)
    assert capsys.readouterr().out.strip() == "None"
    said = server.communicate(timeout=30)[0]
    assert "[('secret', True)] ['CN=alice,OU=Tests,O=Example,L=Zeist,ST=Utrecht,C=NL']" in said
