"""TLS: domains, handshakes, what is known of the peer. All of it is shared behaviour, unless it is marked."""

from __future__ import annotations

import hashlib
import ssl as python_ssl

import pytest
from certificates import client_domain, server_domain, verifying
from proton import (
    SSL,
    Collector,
    Connection,
    Endpoint,
    Message,
    SSLDomain,
    SSLException,
    SSLSessionDetails,
    Transport,
)
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Pair:
    """A client and a server without sockets."""

    def __init__(self, client, server, hostname=None, details=None):
        self.transports = Transport(Transport.CLIENT), Transport(Transport.SERVER)
        self.client, self.server = (
            None if domain is None else SSL(transport, domain, session)
            for transport, domain, session in zip(self.transports, (client, server), (details, None))
        )
        if hostname is not None:
            self.client.peer_hostname = hostname
        self.connections = Connection(), Connection()
        self.collectors = Collector(), Collector()
        for transport, connection, collector in zip(self.transports, self.connections, self.collectors):
            connection.collect(collector)
            transport.bind(connection)
        self.connections[0].open()

    def pump(self):
        moved = True
        while moved:
            moved = False
            for source, sink in (self.transports, self.transports[::-1]):
                pending = source.pending()
                while pending > 0 and sink.capacity() > 0:
                    piece = bytes(source.peek(min(pending, sink.capacity())))
                    sink.push(piece)
                    source.pop(len(piece))
                    pending = source.pending()
                    moved = True
                if pending < 0 and sink.capacity() >= 0:
                    sink.close_tail()
        return self

    @property
    def conditions(self):
        return [transport.condition for transport in self.transports]

    @property
    def is_open(self):
        return bool(self.connections[1].state & Endpoint.REMOTE_ACTIVE)


def failed(pair):
    """The condition of the client, whose handshake has failed."""
    assert not pair.is_open
    condition = pair.conditions[0]
    assert condition.name == "amqp:connection:framing-error"
    assert condition.description.startswith("SSL Failure: ")
    return condition


def test_tls_is_there():
    assert SSL.present()


def test_a_handshake_and_what_is_known_afterwards(ca, server_files):
    pair = Pair(client_domain(ca), server_domain(server_files), "server.example")
    assert pair.client.protocol_name() is None and pair.client.cipher_name() is None
    assert not pair.transports[0].encrypted
    assert pair.pump().is_open
    for side, transport in zip((pair.client, pair.server), pair.transports):
        assert side.protocol_name() in ("TLSv1.2", "TLSv1.3")
        assert side.cipher_name().startswith(("TLS_", "ECDHE-"))
        assert side.resume_status() == SSL.RESUME_NEW
        assert transport.encrypted
    assert pair.conditions == [None, None]
    assert pair.client.remote_subject == "CN=server.example"
    assert pair.server.remote_subject is None


def test_a_fresh_object():
    transport = Transport()
    ssl = SSL(transport, SSLDomain(SSLDomain.MODE_CLIENT))
    assert ssl.peer_hostname == ""
    assert ssl.resume_status() == SSL.RESUME_NEW
    assert ssl.remote_subject is None
    ssl.peer_hostname = "a.example"
    assert ssl.peer_hostname == "a.example"
    ssl.peer_hostname = None
    assert ssl.peer_hostname == ""


def test_one_object_for_each_transport():
    transport, domain = Transport(), SSLDomain(SSLDomain.MODE_CLIENT)
    ssl = SSL(transport, domain)
    assert SSL(transport, domain) is ssl
    assert transport.ssl(domain) is ssl
    with pytest.raises(SSLException, match="Cannot re-configure existing SSL object!"):
        SSL(transport, SSLDomain(SSLDomain.MODE_CLIENT))
    with pytest.raises(SSLException, match="Cannot re-configure existing SSL object!"):
        SSL(transport, domain, SSLSessionDetails("x"))


def test_everything_is_encrypted(ca, server_files):
    pair = Pair(client_domain(ca), server_domain(server_files), "server.example")
    pair.connections[0].container = "a-name-that-stands-out"
    seen = []
    source, sink = pair.transports
    while source.pending() > 0 or sink.pending() > 0:
        for one, other in ((source, sink), (sink, source)):
            if one.pending() > 0:
                piece = bytes(one.peek(one.pending()))
                seen.append(piece)
                other.push(piece)
                one.pop(len(piece))
    assert pair.is_open
    assert b"stands-out" not in b"".join(seen)
    assert seen[0][:1] == b"\x16"


@pytest.mark.parametrize("name", ["server.example", "SERVER.example", "any.wild.example"])
def test_names_that_fit(ca, server_files, name):
    assert Pair(client_domain(ca), server_domain(server_files), name).pump().is_open


@pytest.mark.parametrize("name", ["other.example", "a.b.wild.example", "wild.example"])
def test_names_that_do_not_fit(ca, server_files, name):
    assert "certificate" in failed(Pair(client_domain(ca), server_domain(server_files), name).pump()).description


def test_without_a_name_there_is_nothing_to_compare_with(ca, server_files):
    failed(Pair(client_domain(ca), server_domain(server_files)).pump())


def test_the_name_may_be_left_unchecked(ca, server_files):
    domain = client_domain(ca, SSLDomain.VERIFY_PEER)
    assert Pair(domain, server_domain(server_files), "other.example").pump().is_open
    assert Pair(domain, server_domain(server_files)).pump().is_open


def test_the_common_name_counts_where_there_are_no_others(ca):
    files = ca.sign("old", "/CN=old.example")
    assert Pair(client_domain(ca), server_domain(files), "old.example").pump().is_open
    failed(Pair(client_domain(ca), server_domain(files), "new.example").pump())


@pytest.mark.ours
def test_the_common_name_does_not_count_beside_others(ca):
    files = ca.sign("both", "/CN=old.example", "DNS:new.example")
    failed(Pair(client_domain(ca), server_domain(files), "old.example").pump())


def test_a_certificate_of_a_strange_authority(stranger, server_files):
    failed(Pair(client_domain(stranger), server_domain(server_files), "server.example").pump())
    domain = client_domain(stranger, SSLDomain.VERIFY_PEER)
    failed(Pair(domain, server_domain(server_files), "server.example").pump())


def test_anybody_may_be_taken_for_the_server(stranger, server_files):
    domain = client_domain(stranger, SSLDomain.ANONYMOUS_PEER)
    assert Pair(domain, server_domain(server_files)).pump().is_open


def test_a_certificate_that_signed_itself(ca):
    server = SSLDomain(SSLDomain.MODE_SERVER)
    server.set_credentials(ca.file, ca.file.replace(".pem", ".key"), None)
    assert Pair(client_domain(ca), server, "ca.example").pump().is_open
    failed(Pair(client_domain(ca), server, "other").pump())


def test_the_system_knows_no_authority_of_ours(server_files):
    failed(Pair(SSLDomain(SSLDomain.MODE_CLIENT), server_domain(server_files), "server.example").pump())


def test_a_client_shows_its_certificate(ca, server_files, client_files):
    client = client_domain(ca)
    client.set_credentials(*client_files, None)
    pair = Pair(client, verifying(ca, server_files), "server.example").pump()
    assert pair.is_open
    server = pair.server
    assert server.remote_subject == "CN=alice,OU=Tests,O=Example,L=Zeist,ST=Utrecht,C=NL"
    assert server.get_cert_common_name() == "alice"
    assert server.get_cert_organization() == "Example"
    assert server.get_cert_organization_unit() == "Tests"
    assert server.get_cert_locality_or_city() == "Zeist"
    assert server.get_cert_state_or_province() == "Utrecht"
    assert server.get_cert_country() == "NL"
    assert server._get_cert_subject_unknown_subfield() is None
    with open(client_files[0]) as file:
        der = python_ssl.PEM_cert_to_DER_cert(file.read())
    assert server.get_cert_fingerprint_sha1() == hashlib.sha1(der).hexdigest()
    assert server.get_cert_fingerprint_sha256() == hashlib.sha256(der).hexdigest()
    assert server.get_cert_fingerprint_sha512() == hashlib.sha512(der).hexdigest()
    assert server.get_cert_fingerprint_md5() == hashlib.md5(der).hexdigest()
    assert server._get_cert_fingerprint_unknown_hash_alg() is None
    assert server.get_cert_fingerprint(40, SSL.SHA1) is None


def test_a_client_without_a_certificate_is_refused(ca, server_files):
    pair = Pair(client_domain(ca), verifying(ca, server_files), "server.example").pump()
    assert pair.conditions[1].name == "amqp:connection:framing-error"
    assert not pair.is_open


def test_a_client_with_a_certificate_of_a_stranger_is_refused(ca, stranger, server_files):
    client = client_domain(ca)
    client.set_credentials(*stranger.sign("mallory", "/CN=alice"), None)
    pair = Pair(client, verifying(ca, server_files), "server.example").pump()
    assert pair.conditions[1].name == "amqp:connection:framing-error"
    assert not pair.is_open


def test_keys_may_be_encrypted(ca):
    files = ca.sign("secret", "/CN=server.example", password="open sesame")
    domain = SSLDomain(SSLDomain.MODE_SERVER)
    domain.set_credentials(*files, "open sesame")
    assert Pair(client_domain(ca), domain, "server.example").pump().is_open
    with pytest.raises(SSLException) as raised:
        SSLDomain(SSLDomain.MODE_SERVER).set_credentials(*files, "open barley")
    assert "barley" not in str(raised.value)


def refusals(ca, server_files, tmp_path):
    missing, text = str(tmp_path / "missing.pem"), tmp_path / "text.pem"
    text.write_text("no certificate")
    client, server = SSLDomain(SSLDomain.MODE_CLIENT), SSLDomain(SSLDomain.MODE_SERVER)
    certificate, key = server_files
    other = ca.file.replace(".pem", ".key")
    return {
        "missing certificate": lambda: client.set_credentials(missing, key, None),
        "missing key": lambda: client.set_credentials(certificate, missing, None),
        "no certificate": lambda: client.set_credentials(str(text), key, None),
        "key of another": lambda: client.set_credentials(certificate, other, None),
        "missing authorities": lambda: client.set_trusted_ca_db(missing),
        "verification without authorities": lambda: server_domain(server_files).set_peer_authentication(
            SSLDomain.VERIFY_PEER
        ),
        "verification without certificate": lambda: server.set_peer_authentication(SSLDomain.VERIFY_PEER, ca.file),
        "unknown mode": lambda: client.set_peer_authentication(99),
        "client without TLS on a client": lambda: client.allow_unsecured_client(),
    }


REFUSED = [
    "missing certificate",
    "missing key",
    "no certificate",
    "key of another",
    "missing authorities",
    "verification without authorities",
    "verification without certificate",
    "unknown mode",
    "client without TLS on a client",
]


@pytest.mark.parametrize("which", REFUSED)
def test_settings_that_cannot_be(ca, server_files, tmp_path, which):
    with pytest.raises(SSLException, match="SSL failure"):
        refusals(ca, server_files, tmp_path)[which]()


@pytest.mark.ours
def test_errors_say_which_file_and_what_is_wrong_with_it(tmp_path):
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    with pytest.raises(SSLException, match="missing.pem"):
        domain.set_trusted_ca_db(str(tmp_path / "missing.pem"))
    with pytest.raises(SSLException, match="mode"):
        SSLDomain(3)


@pytest.mark.ours
def test_a_server_needs_a_certificate():
    with pytest.raises(SSLException, match="set_credentials"):
        Container().listen("amqps://127.0.0.1:0")


def test_settings_give_zero(ca, server_files):
    client = SSLDomain(SSLDomain.MODE_CLIENT)
    assert client.set_trusted_ca_db(ca.file) == 0
    assert client.set_trusted_ca_db(str(ca.folder)) == 0
    assert client.set_peer_authentication(SSLDomain.ANONYMOUS_PEER) == 0
    server = SSLDomain(SSLDomain.MODE_SERVER)
    assert server.set_credentials(*server_files, None) == 0
    assert server.allow_unsecured_client() == 0


def test_a_server_may_take_clients_without_tls(ca, server_files):
    domain = server_domain(server_files)
    domain.allow_unsecured_client()
    pair = Pair(None, domain).pump()
    assert pair.is_open
    assert not pair.transports[1].encrypted
    assert Pair(client_domain(ca), domain, "server.example").pump().is_open


def test_a_server_refuses_clients_without_tls(server_files):
    pair = Pair(None, server_domain(server_files)).pump()
    assert not pair.is_open
    assert pair.conditions[1].name == "amqp:connection:policy-error"
    assert pair.conditions[1].description == "Client connection unencrypted - forbidden"


def test_a_server_may_require_tls():
    pair = Pair(None, None)
    pair.transports[1].require_encryption(True)
    pair.pump()
    assert not pair.is_open
    assert pair.conditions[1].name == "amqp:connection:policy-error"


@pytest.mark.ours
def test_sessions_are_resumed_by_their_name(ca, server_files):
    client, server = client_domain(ca), server_domain(server_files)
    details = SSLSessionDetails("my session")
    assert details.get_session_id() == "my session"
    first = Pair(client, server, "server.example", details).pump()
    first.connections[0].close()
    first.pump()
    second = Pair(client, server, "server.example", details).pump()
    assert second.is_open
    assert second.client.resume_status() == SSL.RESUME_REUSED
    third = Pair(client, server, "server.example", SSLSessionDetails("another")).pump()
    assert third.client.resume_status() == SSL.RESUME_NEW


class OneMessage(MessagingHandler):
    """A server, and a client that sends it one message, over sockets."""

    def __init__(self, scheme, server, client, **options):
        super().__init__()
        self.scheme, self.server, self.client, self.options = scheme, server, client, options
        self.got = self.error = self.user = None

    def on_start(self, event):
        from conftest import free_port

        port = free_port()
        self.acceptor = event.container.listen(f"127.0.0.1:{port}", ssl_domain=self.server)
        self.connection = event.container.connect(
            f"{self.scheme}://127.0.0.1:{port}", ssl_domain=self.client, reconnect=False, **self.options
        )
        event.container.create_sender(self.connection, "q")

    def on_sendable(self, event):
        if event.sender.queued == 0 and not self.got:
            event.sender.send(Message(body="secret"))
            self.on_sendable = lambda event: None

    def on_message(self, event):
        self.got = event.message.body
        self.user = event.transport.user
        self.encrypted = event.transport.encrypted
        self.connection.close()
        self.acceptor.close()

    def on_transport_error(self, event):
        self.error = event.transport.condition
        self.acceptor.close()


def test_over_sockets(ca, server_files):
    program = OneMessage("amqps", server_domain(server_files), client_domain(ca), sni="server.example")
    Container(program).run()
    assert program.error is None
    assert (program.got, program.encrypted) == ("secret", True)


def test_the_host_is_compared_with_the_certificate(ca, stranger):
    files = stranger.sign("elsewhere", "/CN=elsewhere", "DNS:elsewhere.example")
    program = OneMessage("amqps", server_domain(files), client_domain(stranger))
    Container(program).run()
    assert program.got is None
    assert program.error.name == "amqp:connection:framing-error"


def test_external_is_the_subject_of_the_certificate(ca, server_files, client_files):
    client = client_domain(ca)
    client.set_credentials(*client_files, None)
    program = OneMessage("amqps", verifying(ca, server_files), client, sni="server.example", allowed_mechs="EXTERNAL")
    Container(program).run()
    assert program.error is None
    assert program.user == "CN=alice,OU=Tests,O=Example,L=Zeist,ST=Utrecht,C=NL"
