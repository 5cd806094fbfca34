# ruff: noqa: D103
"""What is other than in Proton 0.40 on purpose: a test for each row of docs/differences-from-proton.md.

These are about our package alone; all other tests here run on the reference too.
"""

from __future__ import annotations

import errno
import json
import select
import signal
import socket
import threading
import time

import pytest
from proton import Condition, ConnectionException, Message
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Backoff, Container, EventInjector
from proton.utils import BlockingConnection

pytestmark = pytest.mark.ours

SOON = 30.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program(MessagingHandler):
    """A client that keeps what it is told, and ends when it knows enough."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list = []
        self.errors: list = []
        self.failed: list = []
        self.acceptor = None
        self.guard = None

    def listen(self, event, where="127.0.0.1:0"):
        """Listens in the same container."""
        self.acceptor = event.container.listen(where)
        return self.acceptor.port

    def on_start(self, event):
        """Sets the guard, then calls ``begin``."""
        self.guard = event.container.schedule(SOON, self)
        self.begin(event)

    def on_timer_task(self, event):
        """The guard has come: the test has failed."""
        event.container.stop()
        raise AssertionError("the program did not end by itself")

    def end(self, *connections):
        """Lets the loop run out."""
        self.guard.cancel()
        for connection in connections:
            connection.close()
        if self.acceptor is not None:
            self.acceptor.close()

    def on_connection_opened(self, event):
        """Notes connections of this side."""
        if getattr(event.connection, "_acceptor", None) is None:
            self.opened.append(event.connection.connected_address)
            self.on_client_opened(event)

    def on_client_opened(self, event):
        """A connection of this side is open."""
        self.end(event.connection)

    def on_transport_error(self, event):
        """Notes an attempt that has failed."""
        self.errors.append((event.connection and event.connection.connected_address, event.transport.condition))

    def on_reconnect_failed(self, event):
        """Notes the end of all attempts."""
        self.failed.append(event.condition)
        self.end()


def run(program: Program) -> Program:
    """Runs a program until it ends."""
    Container(program).run()
    return program


def test_listen_on_all_ipv6_interfaces():
    class Here(Program):
        def begin(self, event):
            port = self.listen(event, "[::0]:0")
            event.container.connect(f"[::1]:{port}")

    assert len(run(Here()).opened) == 1


def test_the_port_of_a_listener_can_be_read_and_an_address_in_use_is_named():
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen(1)
    port = taken.getsockname()[1]
    with taken, pytest.raises(OSError, match=f"127.0.0.1:{port}") as raised:
        Container().listen(f"127.0.0.1:{port}")
    assert raised.value.errno == errno.EADDRINUSE


def test_url_and_urls_exclude_each_other():
    with pytest.raises(ValueError, match="url and urls"):
        Container().connect("a", urls=["b"])


def test_a_bad_port_is_an_error_of_the_call():
    with pytest.raises(ValueError, match="nosuchport"):
        Container().connect("amqp://host:nosuchport")


@pytest.mark.parametrize("wrong", [True, 5])
def test_a_schedule_that_is_none_is_an_error_of_the_call(wrong):
    with pytest.raises(TypeError, match="reconnect"):
        Container().connect("host", reconnect=wrong)


def test_an_empty_schedule_is_an_error_of_the_call():
    with pytest.raises(ValueError, match="no delay"):
        Container().connect("host", reconnect=[])


def test_a_name_that_cannot_be_resolved_is_retried_and_then_reported():
    class Here(Program):
        def begin(self, event):
            event.container.connect("no.such.host.invalid", reconnect=[0, 0.01])

    program = run(Here())
    assert len(program.errors) == 2
    assert program.failed == [program.errors[-1][1]]
    assert program.failed[0].name == "proton.pythonio"
    assert "no.such.host.invalid" in program.failed[0].description


def test_names_are_resolved_beside_the_loop(monkeypatch):
    answer = threading.Event()
    real = socket.getaddrinfo

    def slow(host, *args, **kwargs):
        if host == "slow.example" and not kwargs.get("flags"):
            assert answer.wait(SOON)
            return real("127.0.0.1", *args, **kwargs)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    class Here(Program):
        def begin(self, event):
            port = self.listen(event)
            self.slow = event.container.connect(f"slow.example:{port}")
            self.fast = event.container.connect(f"127.0.0.1:{port}")

        def on_client_opened(self, event):
            if event.connection == self.fast:
                answer.set()
            else:
                self.end(self.slow, self.fast)

    assert [address.split(":")[1] for address in run(Here()).opened] == ["//127.0.0.1", "//slow.example"]


def test_every_address_of_a_name_is_tried_whatever_the_error(monkeypatch):
    port = []
    real = socket.getaddrinfo

    def several(host, *args, **kwargs):
        if host == "several.example" and not kwargs.get("flags"):
            # The first cannot be connected to at all: not even the attempt can begin.
            return real("255.255.255.255", *args, **kwargs) + real("127.0.0.1", *args, **kwargs)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", several)

    class Here(Program):
        def begin(self, event):
            port.append(self.listen(event))
            event.container.connect(f"several.example:{port[0]}", reconnect=False)

    program = run(Here())
    assert len(program.opened) == 1
    assert not program.errors


def test_without_reconnect_each_url_is_tried_once():
    class Here(Program):
        def begin(self, event):
            good = f"127.0.0.1:{self.listen(event)}"
            event.container.connect(urls=[f"127.0.0.1:{free_port()}", good], reconnect=False)

    program = run(Here())
    assert len(program.errors) == 1
    assert len(program.opened) == 1


def test_giving_up_is_an_event_without_reconnect():
    class Here(Program):
        def begin(self, event):
            event.container.connect(urls=[f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"], reconnect=False)

    program = run(Here())
    assert len(program.errors) == 2
    assert program.failed == [program.errors[-1][1]]


def test_giving_up_goes_to_the_handler_of_the_connection():
    class OfConnection(MessagingHandler):
        failed = None

        def on_reconnect_failed(self, event):
            self.failed = (event.connection, event.condition.name)

    class Here(Program):
        def begin(self, event):
            self.guard.cancel()
            self.connection = event.container.connect(f"127.0.0.1:{free_port()}", handler=own, reconnect=[0])

    own = OfConnection()
    program = run(Here())
    assert own.failed == (program.connection, "proton.pythonio")
    assert program.failed == []


def test_a_program_that_knows_nothing_of_giving_up_runs_as_before():
    class Old(MessagingHandler):
        def on_start(self, event):
            event.container.connect(f"127.0.0.1:{free_port()}", reconnect=[0, 0])

    Container(Old()).run()


def test_a_backoff_starts_afresh():
    backoff = Backoff(initial=1, factor=3, max_delay=5, max_tries=4)
    assert list(backoff) == [0, 1, 3, 5]
    assert list(backoff) == [0, 1, 3, 5]


def test_a_backoff_starts_afresh_after_each_success():
    class Here(Program):
        def begin(self, event):
            self.lost = 0
            port = self.listen(event)
            event.container.connect(f"127.0.0.1:{port}", reconnect=Backoff(max_tries=2))

        def on_client_opened(self, event):
            if len(self.opened) == 5:
                self.end(event.connection)
            else:
                # As if the network had gone: more often than the schedule has delays.
                event.transport.close_tail()
                event.transport.close_head()

    program = run(Here())
    assert len(program.opened) == 5
    assert program.failed == []


def test_a_connection_that_is_closed_waits_for_no_next_attempt():
    class Here(Program):
        def begin(self, event):
            self.connection = event.container.connect(f"127.0.0.1:{free_port()}", reconnect=[0, 3600])

        def on_disconnected(self, event):
            if self.errors:
                event.container.schedule(0, Close(self))

    class Close:
        def __init__(self, program):
            self.program = program

        def on_timer_task(self, event):
            self.program.end(self.program.connection)

    assert len(run(Here()).errors) == 1


def test_a_bad_certificate_is_not_tried_again():
    from proton._connector import Connector, is_of_certificate

    bad = Condition("amqp:connection:framing-error", "SSL Failure: invalid peer certificate: UnknownIssuer")
    assert is_of_certificate(bad)
    assert not is_of_certificate(Condition("amqp:connection:framing-error", "SSL Failure: connection reset"))
    assert not is_of_certificate(None)
    connector = Connector(None)
    connector.urls, connector.schedule = ["a", "b"], [0, 1]
    connector._refused = ["a"]
    assert list(connector._pairs()) == [(0, "b"), (1, "b")]
    connector._refused = ["a", "b"]
    assert list(connector._pairs()) == []


def test_a_function_may_make_delivery_tags():
    numbers = iter(range(10))

    class Here(Program):
        def begin(self, event):
            port = self.listen(event)
            self.connection = event.container.connect(f"127.0.0.1:{port}")
            self.sender = event.container.create_sender(self.connection, "q", tags=lambda: f"tag-{next(numbers)}")
            self.sent = []

        def on_client_opened(self, event):
            pass

        def on_sendable(self, event):
            if not self.sent:
                self.sent = [self.sender.send(Message(body=1)).tag, self.sender.send(Message(body=2)).tag]
                self.end(self.connection)

    assert run(Here()).sent == ["tag-0", "tag-1"]


def test_an_event_triggered_after_close_is_not_delivered():
    class Here(MessagingHandler):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_start(self, event):
            injector = EventInjector()
            event.container.selectable(injector)
            injector.trigger(ApplicationEvent("hello", subject=1))
            injector.close()
            injector.trigger(ApplicationEvent("hello", subject=2))

        def on_hello(self, event):
            self.seen.append((event.subject, event.container is container))

    program = Here()
    container = Container(program)
    container.run()
    assert program.seen == [(1, True)]


def test_trigger_never_blocks():
    injector = EventInjector()
    for number in range(200_000):  # More than any pipe holds.
        injector.trigger(ApplicationEvent("hello", subject=number))

    class Here(MessagingHandler):
        count = 0

        def on_start(self, event):
            event.container.selectable(injector)
            injector.close()

        def on_hello(self, event):
            self.count += 1

    program = Here()
    Container(program).run()
    assert program.count == 200_000


def test_descriptors_beyond_those_of_select():
    """Sockets with numbers that ``select()`` cannot take."""
    import os
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1400:
        pytest.skip("this system allows too few descriptors")
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:

        class Here(Program):
            def begin(self, event):
                event.container.connect(f"127.0.0.1:{self.listen(event)}")

            def on_client_opened(self, event):
                self.descriptor = event.transport._selectable.fileno()
                self.end(event.connection)

        program = run(Here())
        assert program.descriptor > 1024
        with pytest.raises(ValueError):
            select.select([program.descriptor], [], [], 0)
    finally:
        for descriptor in held:
            os.close(descriptor)


def test_blocking_connections_go_through_their_urls():
    ready, stop = threading.Event(), threading.Event()

    class Server(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.injector = EventInjector()
            event.container.selectable(self.injector)
            ready.set()

        def on_finish(self, event):
            self.acceptor.close()
            self.injector.close()
            stop.set()

    server = Server()
    thread = threading.Thread(target=Container(server).run, daemon=True)
    thread.start()
    assert ready.wait(SOON)
    good = f"amqp://127.0.0.1:{server.acceptor.port}"
    connection = BlockingConnection(urls=[f"127.0.0.1:{free_port()}", good], timeout=SOON)
    assert connection.url == good
    connection.close()
    server.injector.trigger(ApplicationEvent("finish"))
    thread.join(SOON)
    assert stop.is_set()
    assert not thread.is_alive()


def test_blocking_connections_to_unknown_hosts_fail_as_connections():
    with pytest.raises(ConnectionException, match="no.such.host.invalid"):
        BlockingConnection("no.such.host.invalid", timeout=SOON)


def test_errors_do_not_show_passwords():
    with pytest.raises(ConnectionException) as raised:
        BlockingConnection(f"amqp://me:se%40cret@127.0.0.1:{free_port()}", timeout=SOON)
    assert "cret" not in str(raised.value)
    assert "me:***@127.0.0.1" in str(raised.value)


def config(tmp_path, monkeypatch, content):
    """Lets ``connect()`` find a file with this content."""
    path = tmp_path / "connect.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(path))


def test_the_file_may_forbid_passwords_in_the_clear(tmp_path, monkeypatch):
    config(tmp_path, monkeypatch, {"scheme": "amqp", "sasl": {"allow_insecure": False}})
    assert Container().connect()._overrides.allow_insecure_mechs is False


@pytest.mark.parametrize("key", ["enable", "enabled"])
def test_both_spellings_turn_sasl_off(tmp_path, monkeypatch, key):
    config(tmp_path, monkeypatch, {"scheme": "amqp", "sasl": {key: False}})
    assert Container().connect()._overrides.sasl_enabled is False


def test_a_certificate_without_its_key_is_an_error(tmp_path, monkeypatch):
    config(tmp_path, monkeypatch, {"scheme": "amqps", "tls": {"cert": "client.pem"}})
    with pytest.raises(ValueError, match="tls.key"):
        Container().connect()


def test_comments_in_the_file_are_no_part_of_strings(tmp_path, monkeypatch):
    text = '{"scheme": "amqp", // a comment\n "user": "a//b", /* and\n another */ "password": "/*c*/"}'
    config(tmp_path, monkeypatch, text)
    connector = Container().connect()._overrides
    assert (connector.user, connector.password) == ("a//b", "/*c*/")


def test_an_exception_leaves_the_container_able_to_go_on():
    class Here(MessagingHandler):
        raised = 0

        def on_start(self, event):
            if not self.raised:
                self.raised += 1
                raise ZeroDivisionError("once")

    program = Here()
    container = Container(program)
    with pytest.raises(ZeroDivisionError) as raised:
        container.run()
    assert [frame.name for frame in raised.traceback][-1] == "on_start"
    while container.process():
        pass
    assert program.raised == 1


def test_an_interrupt_ends_the_loop_at_once():
    class Here(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")

    main = threading.get_ident()
    threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Container(Here()).run()
    assert time.monotonic() - began < SOON
