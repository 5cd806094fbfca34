# ruff: noqa: D102, D103, D107
"""Descriptors of a program's own in the loop, and loops of a program's own around the container."""

from __future__ import annotations

import select
import socket
import time

import pytest
from proton.handlers import IOHandler
from proton.reactor import Container
from support import Both, Closing


class Reading:
    """Reads a socket until a line has come."""

    _transport = None  # Proton's IOHandler wants to know that this is no connection.

    def __init__(self, sock, log) -> None:
        self.sock = sock
        self.log = log

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()

    def on_selectable_init(self, event):
        self.log.append("init")
        event.selectable.reading = True
        event.selectable.update()

    def on_selectable_updated(self, event):
        self.log.append("updated")

    def on_selectable_readable(self, event):
        self.log.append(self.sock.recv(100))
        event.selectable.terminate()
        event.selectable.update()

    def on_selectable_final(self, event):
        self.log.append("final")


def test_a_descriptor_in_the_loop():
    log: list = []
    here, there = socket.socketpair()

    class Program:
        def on_reactor_init(self, event):
            event.container.selectable(Reading(here, log))
            there.send(b"line")

    with there, here:
        Container(Program()).run()
    assert log == ["init", "updated", b"line", "final"]


def test_a_descriptor_that_can_be_written():
    log: list = []
    here, there = socket.socketpair()

    class Writing(Reading):
        def on_selectable_init(self, event):
            event.selectable.writing = True
            event.selectable.update()

        def on_selectable_writable(self, event):
            log.append("writable")
            event.selectable.terminate()
            event.selectable.update()

    class Program:
        def on_reactor_init(self, event):
            event.container.selectable(Writing(here, log))

    with there, here:
        Container(Program()).run()
    assert log[-2:] == ["writable", "final"]


@pytest.mark.ours
def test_the_deadline_of_a_selectable():
    log: list = []
    here, there = socket.socketpair()

    class Waiting(Reading):
        def on_selectable_init(self, event):
            assert event.selectable.deadline is None
            event.selectable.deadline = time.time() + 0.01
            event.selectable.update()

        def on_selectable_expired(self, event):
            log.append("expired")
            event.selectable.deadline = None
            event.selectable.terminate()
            event.selectable.update()

    class Program:
        def on_reactor_init(self, event):
            event.container.selectable(Waiting(here, log))

    with there, here:
        Container(Program()).run()
    assert "expired" in log
    assert log[-1] == "final"


def test_what_a_selectable_knows():
    here, there = socket.socketpair()
    with there, here:
        selectable = Container().selectable(Reading(here, []))
        assert selectable.fileno() == here.fileno()
        assert selectable.reading is False
        assert selectable.writing is False
        assert selectable.is_terminal is False
        selectable.terminate()
        assert selectable.is_terminal is True
        selectable.release()


class OwnLoop:
    """Waits with poll() of its own for what the container has to do."""

    def __init__(self) -> None:
        self.base = IOHandler()
        self.known: dict = {}
        self.quiesced = 0
        self.names: set = set()

    def on_reactor_init(self, event):
        self.names.add("init")

    def on_reactor_quiesced(self, event):
        self.quiesced += 1

    def on_unhandled(self, name, event):
        event.dispatch(self.base)

    def on_selectable_init(self, event):
        self.known[event.context] = None
        event.dispatch(self.base)

    def on_selectable_updated(self, event):
        self.known[event.context] = None
        event.dispatch(self.base)

    def on_selectable_final(self, event):
        self.known.pop(event.context, None)
        event.dispatch(self.base)

    def run(self, container):
        container.start()
        while container.process():
            if container.quiesced:
                self.wait(container)
        container.stop()
        container.process()

    def wait(self, container):
        poll = select.poll()
        by_number = {}
        deadlines = []
        for selectable in self.known:
            if selectable.deadline:
                deadlines.append(selectable.deadline)
            if selectable.fileno() is None or selectable.fileno() < 0:
                continue
            wanted = (select.POLLIN if selectable.reading else 0) | (select.POLLOUT if selectable.writing else 0)
            if wanted:
                by_number[selectable.fileno()] = selectable
                poll.register(selectable.fileno(), wanted)
        now = container.mark()
        nearest = max(0.0, min(deadlines) - now) if deadlines else 1.0
        for number, what in poll.poll(int(nearest * 1000) + 1):
            if what & (select.POLLIN | select.POLLHUP | select.POLLERR) and by_number[number].reading:
                by_number[number].readable()
            if what & select.POLLOUT:
                by_number[number].writable()
        now = container.mark()
        for selectable in list(self.known):
            if selectable.deadline and selectable.deadline <= now:
                selectable.expired()


def test_a_loop_of_ones_own_drives_a_container():
    log: list = []

    class Client(Closing):
        def on_connection_closed(self, event):
            log.append("closed")

        def on_timer_task(self, event):
            log.append("timer")

    def begin(container, port):
        client = Client()
        container.schedule(0.01, client)
        container.connect(f"127.0.0.1:{port}", handler=client)

    loop = OwnLoop()
    both = Both(begin)
    container = Container(both, global_handler=loop)
    loop.run(container)
    assert sorted(log) == ["closed", "timer"]
    assert loop.quiesced > 0


def test_the_sockets_of_connections_and_listeners_are_selectables():
    seen: set = set()

    class Noting(OwnLoop):
        def on_selectable_updated(self, event):
            super().on_selectable_updated(event)
            seen.add(event.selectable)

    def begin(container, port):
        container.connect(f"127.0.0.1:{port}", handler=Closing())

    loop = Noting()
    both = Both(begin)
    loop.run(Container(both, global_handler=loop))
    assert len(seen) >= 3


@pytest.mark.ours
def test_a_handler_of_a_descriptor_needs_no_more_than_its_methods():
    log: list = []
    here, there = socket.socketpair()

    class Plain:
        def fileno(self):
            return here.fileno()

        def on_selectable_init(self, event):
            log.append(event.container is container)
            event.selectable.reading = True
            event.selectable.update()

        def on_selectable_readable(self, event):
            log.append(here.recv(100))
            event.selectable.terminate()
            event.selectable.update()

    class Program:
        def on_reactor_init(self, event):
            event.container.selectable(Plain())
            there.send(b"line")

    with there, here:
        container = Container(Program())
        container.run()
    assert log == [True, b"line"]
