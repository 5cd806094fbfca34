# ruff: noqa: D102, D103, D107
"""The loop of a container: when it goes on, when it ends, and what comes out of it."""

from __future__ import annotations

import os
import time

import proton
import pytest
from proton import Event
from proton.handlers import IOHandler, MessagingHandler
from proton.reactor import Container, Handler
from support import Both, Closing, Journal, Server, meet


def test_the_defaults_of_a_container():
    container, other = Container(), Container()
    assert len(container.container_id) == 36
    assert container.container_id != other.container_id
    assert container.allow_insecure_mechs is True
    assert container.allowed_mechs is None
    assert container.sasl_enabled is True
    assert container.user is None
    assert container.password is None
    assert container.errors == []
    assert container.trigger is None
    assert container.quiesced
    if proton.SSL.present():
        assert isinstance(container.ssl.client, proton.SSLDomain)
        assert isinstance(container.ssl.server, proton.SSLDomain)


def test_keyword_arguments_that_mean_nothing_are_ignored():
    assert Container(container_id="me", something="else").container_id == "me"


def test_a_container_with_nothing_to_wait_for_ends_by_itself():
    journal = Journal()
    Container(journal).run()
    assert journal.names == ["on_reactor_init", "on_reactor_final"]


def test_a_container_runs_once():
    container = Container(Journal())
    container.run()
    assert container.handler is None
    assert container.global_handler is None


def test_the_timeout_while_it_runs():
    seen = []

    class Program(MessagingHandler):
        def on_start(self, event):
            seen.append(event.container.timeout)

    container = Container(Program())
    assert container.timeout == 0
    container.run()
    assert seen == [pytest.approx(3.14159265359)]


def test_a_loop_by_hand():
    journal = Journal()
    container = Container(journal)
    task = None

    class Starter:
        def on_reactor_init(self, event):
            nonlocal task
            task = event.container.schedule(3600, self)

    container.handler.add(Starter())
    container.timeout = 0
    container.start()
    assert not container.quiesced
    assert container.process() is True
    assert container.process() is True
    task.cancel()
    while container.process():
        pass
    assert journal.names == ["on_reactor_init"]
    container.process()
    assert journal.names == ["on_reactor_init", "on_reactor_final"]


def test_do_work_sets_the_timeout():
    container = Container()
    container.start()
    container.do_work(0.25)
    assert container.timeout == 0.25
    container.do_work()
    assert container.timeout == 0.25


def test_quiesced_is_sent_once_until_something_happens():
    seen = []

    class Program:
        def on_reactor_init(self, event):
            event.container.schedule(3600, self)

        def on_reactor_quiesced(self, event):
            seen.append(event.container.quiesced)

    container = Container(Program(), global_handler=Handler())
    container.start()
    assert container.process() is True
    assert container.process() is True
    assert seen == [True]


def test_stop_drops_what_is_open():
    class Program(Journal):
        def on_connection_opened(self, event):
            event.container.stop()

    class Client(MessagingHandler):
        def __init__(self) -> None:
            super().__init__()
            self.closed = []

        def on_connection_opened(self, event):
            event.container.stop()

        def on_connection_closed(self, event):
            self.closed.append("closed")

        def on_disconnected(self, event):
            self.closed.append("disconnected")

        def on_connection_final(self, event):
            self.closed.append("final")

    client, journal = Client(), Journal()
    both = Both(lambda container, port: container.connect(f"127.0.0.1:{port}", handler=client))
    both.container.handler.add(journal)
    both.run()
    assert client.closed == []
    assert journal.names[-1] == "on_reactor_final"


def test_stop_raises_the_last_of_the_errors(capsys):
    container = Container()
    container.start()
    for text in ("first", "second", "third"):
        try:
            raise ValueError(text)
        except ValueError as error:
            container.errors.append((ValueError, error, error.__traceback__))
    with pytest.raises(ValueError, match="third"):
        container.stop()
    printed = capsys.readouterr()
    assert "first" in printed.out + printed.err
    assert "second" in printed.out + printed.err


def test_wakeup_does_nothing_and_there_is_no_touch():
    container = Container()
    container.wakeup()
    assert not hasattr(container, "touch")


def test_yield_lets_process_return_after_the_event():
    seen = []

    class Program:
        def on_reactor_init(self, event):
            event.container.push_event(event.container, Event.REACTOR_QUIESCED)
            event.container.yield_()
            seen.append("init")

        def on_reactor_quiesced(self, event):
            seen.append("next")

    container = Container(Program(), global_handler=Handler())
    container.start()
    assert container.process() is True
    assert seen == ["init"]
    container.process()
    assert seen == ["init", "next"]


def test_an_exception_in_a_callback_leaves_the_loop_as_it_is():
    class Program(MessagingHandler):
        def on_start(self, event):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        Container(Program()).run()


def test_an_exception_in_a_callback_of_a_connection_leaves_the_loop():
    class Client(MessagingHandler):
        def on_connection_opened(self, event):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        meet(Client())


def test_an_event_that_raised_is_dispatched_again():
    seen = []

    class Program:
        def on_reactor_init(self, event):
            seen.append(event.type)
            if len(seen) == 1:
                raise ValueError("once")

    container = Container(Program())
    container.start()
    with pytest.raises(ValueError, match="once"):
        container.process()
    while container.process():
        pass
    assert seen == [Event.REACTOR_INIT, Event.REACTOR_INIT]


def test_an_event_goes_to_the_handlers_and_then_to_the_global_handler():
    order = []

    class Noter:
        def __init__(self, name) -> None:
            self.name = name

        def on_reactor_init(self, event):
            order.append(self.name)

    Container(Noter("first"), Noter("second"), global_handler=Noter("global")).run()
    assert order == ["first", "second", "global"]


def test_a_global_handler_of_ones_own_can_pass_everything_on():
    seen = []

    class Wrapped:
        def __init__(self) -> None:
            self.base = IOHandler()

        def on_unhandled(self, name, event):
            seen.append(name)
            event.dispatch(self.base)

    client = Closing()
    both = Both(lambda container, port: container.connect(f"127.0.0.1:{port}", handler=client))
    both.container = Container(both, global_handler=Wrapped())
    both.run()
    assert {"on_reactor_init", "on_reactor_quiesced", "on_connection_local_open", "on_transport"} <= set(seen)


def test_events_without_a_handler_of_their_own_go_to_those_of_the_container():
    class Program(Server):
        def on_start(self, event):
            self.connection = None

    journal = Journal()
    both = Both(lambda container, port: container.connect(f"127.0.0.1:{port}"))
    both.container.handler.add(journal)
    both.container.handler.add(Closing())
    both.run()
    assert "on_connection_local_open" in journal.names
    assert "on_connection_remote_close" in journal.names


def test_the_handler_of_a_connection_takes_the_place_of_the_containers():
    journal, client = Journal(), Closing()
    both = Both(lambda container, port: container.connect(f"127.0.0.1:{port}", handler=client))
    both.container.handler.add(journal)
    both.run()
    assert journal.names == ["on_reactor_init", "on_reactor_final"]


def test_now_is_the_time_at_which_the_loop_woke():
    container = Container()
    before = container.now
    assert abs(before - time.time()) < 60
    assert container.now == before
    assert container.mark() >= before
    assert container.now >= before


def test_an_interrupted_wait_goes_on():
    # A signal whose handler raises nothing does not end the loop.
    import signal

    seen = []

    class Program:
        def on_reactor_init(self, event):
            event.container.schedule(0.2, self)
            os.kill(os.getpid(), signal.SIGUSR1)

        def on_timer_task(self, event):
            seen.append("timer")

    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append("signal"))
    try:
        Container(Program()).run()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["signal", "timer"]
