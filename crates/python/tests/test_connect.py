# ruff: noqa: D102, D103, D107
"""The arguments of ``Container.connect()``, and what the peer sees of them."""

from __future__ import annotations

import errno
import socket

import pytest
from proton import Array, Connection, Data, Url, symbol
from proton.handlers import MessagingHandler
from proton.reactor import Container
from support import Both, Closing, Server, free_port, meet
from wire import AMQP, SASL, Listening, RawServer


def heard(*offered, url="{}", defaults=None, **options):
    """What a server hears from a client up to the Open."""
    listening = Listening(*offered)

    class Client(MessagingHandler):
        def on_start(self, event):
            for name, value in (defaults or {}).items():
                setattr(event.container, name, value)
            event.container.connect(url.format(f"127.0.0.1:{server.port}"), reconnect=False, **options)

    with RawServer(listening) as server:
        Container(Client(), container_id="me").run()
    return listening


class Opened(Server):
    """Notes what a client says in its Open."""

    def on_connection_opening(self, event):
        super().on_connection_opening(event)
        connection = event.connection
        self.container_id = connection.remote_container
        self.hostname = connection.remote_hostname
        self.offered = connection.remote_offered_capabilities
        self.desired = connection.remote_desired_capabilities
        self.properties = connection.remote_properties
        self.idle = event.transport.remote_idle_timeout
        self.frame_size = event.transport.remote_max_frame_size


def test_connect_returns_an_open_connection_and_does_nothing_yet():
    container = Container(container_id="me")
    connection = container.connect("amqp://example.com")
    assert isinstance(connection, Connection)
    assert connection.state & connection.LOCAL_ACTIVE
    assert connection.container == "me"
    assert connection.url is None
    assert connection.connected_address is None
    assert connection.hostname is None
    assert connection.transport is None
    assert container.connect("amqp://example.com", virtual_host="there").hostname == "there"
    assert container.connect("amqp://example.com", container_id="other").container == "other"


def test_the_address_is_there_when_it_connects():
    seen = []

    class Client(Closing):
        def on_connection_bound(self, event):
            seen.append((event.connection.connected_address, event.connection.hostname))

    client = Client()
    both = meet(client)
    assert len(seen) == 1
    assert seen[0][0].startswith("amqp://127.0.0.1:")
    assert seen[0][1] == "127.0.0.1"
    assert both.server.connections


@pytest.mark.parametrize("arguments", [{"address": "127.0.0.1"}, {"address": "amqp://127.0.0.1"}])
def test_an_address_alone_is_not_enough(arguments):
    with pytest.raises(ValueError, match="One of url or urls required"):
        Container().connect(**arguments)


def test_a_url_object():
    seen = []

    def begin(container, port):
        connection = container.connect(Url(f"amqp://127.0.0.1:{port}"), handler=Closing())
        seen.append(connection)

    both = Both(begin).run()
    assert len(both.server.connections) == 1


def test_the_first_of_urls():
    def begin(container, port):
        container.connect(urls=[f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}"], handler=Closing())

    assert len(Both(begin).run().server.connections) == 1


def test_arguments_that_mean_nothing_are_ignored():
    Container().connect("amqp://example.com", no_such_argument=1)


def test_what_is_in_the_open():
    server = Opened()
    meet(
        Closing(),
        server,
        container_id="client",
        virtual_host="somewhere",
        heartbeat=60,
        max_frame_size=4096,
        offered_capabilities=["one", symbol("two")],
        desired_capabilities="three",
        properties={"text": "a", symbol("sym"): 1, "list": ["b"]},
    )
    assert server.container_id == "client"
    assert server.hostname == "somewhere"
    assert list(server.offered) == [symbol("one"), symbol("two")]
    assert list(server.desired) == [symbol("three")]
    assert server.properties == {symbol("text"): "a", symbol("sym"): 1, symbol("list"): ["b"]}
    assert all(isinstance(key, symbol) for key in server.properties)
    assert server.idle == 30.0
    assert server.frame_size == 4096


def test_what_is_in_the_open_without_arguments():
    server = Opened()
    client = Closing()
    meet(client, server)
    assert server.hostname == "127.0.0.1"
    assert len(server.container_id) == 36
    assert not server.offered
    assert not server.desired
    assert not server.properties
    assert server.idle == 0.0


def test_empty_capabilities_are_not_sent():
    opened = heard(offered_capabilities=[], desired_capabilities=[]).opened
    assert opened[7] is None
    assert opened[8] is None


def test_capabilities_are_sent_as_arrays_of_symbols():
    opened = heard(offered_capabilities="one", desired_capabilities=["one", "two"]).opened
    for index, names in ((7, ["one"]), (8, ["one", "two"])):
        assert isinstance(opened[index], Array)
        assert opened[index].type == Data.SYMBOL
        assert list(opened[index].elements) == names


def test_capabilities_that_are_no_text_are_refused():
    with pytest.raises(TypeError):
        Container().connect("amqp://example.com", offered_capabilities=["good", 1])
    with pytest.raises(TypeError):
        Container().connect("amqp://example.com", desired_capabilities=[None])


def test_properties_with_other_keys_are_kept():
    connection = Container().connect("amqp://example.com", properties={"a": 1, 5: 2})
    assert connection.properties == {symbol("a"): 1, 5: 2}


def test_without_a_virtual_host_the_host_of_the_url_is_named():
    assert heard().opened[1] == "127.0.0.1"


def test_an_empty_virtual_host_names_none():
    assert heard(virtual_host="").opened[1] is None


def test_the_virtual_host_wins_over_the_host():
    listening = heard(virtual_host="virtual")
    assert listening.opened[1] == "virtual"
    assert listening.opened[0] == "me"


def test_no_sasl_layer():
    assert heard(sasl_enabled=False).header == AMQP
    assert heard(defaults={"sasl_enabled": False}).header == AMQP
    assert heard(defaults={"sasl_enabled": False}, sasl_enabled=True).header == SASL
    assert heard().header == SASL


def test_without_credentials_it_is_anonymous():
    assert heard("PLAIN", "ANONYMOUS").mechanism == "ANONYMOUS"


def test_a_password_goes_in_the_clear():
    listening = heard("PLAIN", user="me", password="secret")
    assert (listening.mechanism, listening.response) == ("PLAIN", b"\0me\0secret")


def test_credentials_of_the_container():
    listening = heard("PLAIN", defaults={"user": "me", "password": "secret"})
    assert listening.response == b"\0me\0secret"


def test_credentials_of_the_call_win_over_the_containers():
    listening = heard("PLAIN", defaults={"user": "me", "password": "secret"}, user="you", password="other")
    assert listening.response == b"\0you\0other"


def test_credentials_of_the_url_win_each_on_its_own():
    listening = heard("PLAIN", url="amqp://you:other@{}", user="me", password="secret")
    assert listening.response == b"\0you\0other"
    listening = heard("PLAIN", url="amqp://you@{}", user="me", password="secret")
    assert listening.response == b"\0you\0secret"


def test_credentials_of_the_url_are_unquoted():
    assert heard("PLAIN", url="amqp://a%40b:c%2Fd@{}").response == b"\0a@b\0c/d"


@pytest.mark.parametrize("allowed", ["ANONYMOUS", ["ANONYMOUS"], ["EXTERNAL", "ANONYMOUS"], "EXTERNAL ANONYMOUS"])
def test_only_the_mechanisms_that_are_allowed(allowed):
    listening = heard("PLAIN", "ANONYMOUS", user="me", password="secret", allowed_mechs=allowed)
    assert listening.mechanism == "ANONYMOUS"


def test_credentials_that_the_server_does_not_want_are_left_out():
    assert heard("ANONYMOUS", user="me", password="secret").mechanism == "ANONYMOUS"


def test_the_mechanisms_that_a_container_allows():
    listening = heard("PLAIN", "ANONYMOUS", defaults={"allowed_mechs": "ANONYMOUS"}, user="me", password="secret")
    assert listening.mechanism == "ANONYMOUS"


def test_passwords_in_the_clear_can_be_forbidden():
    listening = heard("PLAIN", "EXTERNAL", user="me", password="secret", allow_insecure_mechs=False)
    assert listening.mechanism != "PLAIN"
    listening = heard("PLAIN", defaults={"allow_insecure_mechs": False}, user="me", password="secret")
    assert listening.mechanism is None


def test_any_scheme_but_amqps_is_without_tls():
    assert heard(url="http://{}").header == SASL


def test_a_domain_is_for_amqps_only():
    from proton import SSLDomain

    assert heard(ssl_domain=SSLDomain(SSLDomain.MODE_CLIENT)).header == SASL


def test_amqps_begins_with_tls():
    assert heard(url="amqps://{}").header[:1] == b"\x16"


class Failing(MessagingHandler):
    """Notes the errors of attempts to connect, and ends after the first."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list = []

    def on_transport_error(self, event):
        condition = event.transport.condition
        self.errors.append((condition.name, condition.description))
        event.connection.close()


def test_a_refused_connection_is_a_transport_error():
    client = Failing()

    class Program:
        def on_reactor_init(self, event):
            event.container.connect(f"127.0.0.1:{free_port()}", handler=client)

    Container(Program()).run()
    assert client.errors == [("proton.pythonio", "Connection refused to all addresses")]


@pytest.mark.ours
def test_an_error_of_the_socket_at_once_is_a_transport_error_too():
    client = Failing()

    class Program:
        def on_reactor_init(self, event):
            # There are no TCP connections to the broadcast address.
            event.container.connect("255.255.255.255:5672", handler=client)

    Container(Program()).run()
    assert client.errors[0][0] == "proton.pythonio"
    expected = (errno.ENETUNREACH, errno.EACCES, errno.EINVAL, errno.EHOSTUNREACH)
    assert any(str(number) in client.errors[0][1] for number in expected)


def test_links_share_one_session():
    sessions = []

    class Client(MessagingHandler):
        def begin(self, container):
            one = container.create_sender(self.connection, "one")
            two = container.create_receiver(self.connection, "two")
            sessions.append(one.session == two.session)
            sessions.append(container.create_sender(self.connection.session(), "three").session == one.session)

        def on_link_opened(self, event):
            event.connection.close()

    meet(Client())
    assert sessions == [True, False]


def test_close_before_the_loop_runs_still_opens_and_closes_in_order():
    seen = []

    class Noting(Server):
        def on_connection_opening(self, event):
            super().on_connection_opening(event)
            seen.append("opening")

        def on_connection_closing(self, event):
            seen.append("closing")

    class Client(MessagingHandler):
        def begin(self, container):
            self.connection.close()

        def on_connection_closed(self, event):
            seen.append("closed")

    meet(Client(), Noting())
    assert seen == ["opening", "closing", "closed"]


def test_sockets_send_at_once():
    # Without Nagle's algorithm, as is seen on the sockets that the container has open.
    seen = []

    class Client(Closing):
        def on_connection_opened(self, event):
            selectable = event.transport._selectable
            seen.append(selectable._delegate.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
            seen.append(selectable._delegate.getblocking())
            super().on_connection_opened(event)

    meet(Client())
    assert seen == [True, False]
