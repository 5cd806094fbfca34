# ruff: noqa: D102, D103, D107
"""Events that other threads put into the loop."""

from __future__ import annotations

import threading

from proton import EventType
from proton.reactor import ApplicationEvent, Container, EventInjector


class Program:
    """Has an injector, and keeps what comes through it."""

    def __init__(self, last="last") -> None:
        self.injector = EventInjector()
        self.seen: list = []
        self.last = last
        self.threads: set = set()
        self.started = threading.Event()

    def on_reactor_init(self, event):
        self.container = event.container
        event.container.selectable(self.injector)
        self.started.set()

    def on_message_from_afar(self, event):
        self.threads.add(threading.current_thread())
        self.seen.append(event.subject)
        if event.subject == self.last:
            self.injector.close()


def test_events_of_another_thread_are_dispatched_on_the_loops():
    program = Program()

    def far():
        program.started.wait()
        for subject in (1, 2, 3, "last"):
            program.injector.trigger(ApplicationEvent("message_from_afar", subject=subject))

    thread = threading.Thread(target=far)
    thread.start()
    Container(program).run()
    thread.join()
    assert program.seen == [1, 2, 3, "last"]
    assert program.threads == {threading.current_thread()}


def test_events_of_many_threads_all_arrive():
    program = Program(last=None)
    left = 400

    def counting(event):
        nonlocal left
        left -= 1
        if left == 0:
            program.injector.close()

    program.on_message_from_afar = counting

    def far(number):
        program.started.wait()
        for index in range(100):
            program.injector.trigger(ApplicationEvent("message_from_afar", subject=(number, index)))

    threads = [threading.Thread(target=far, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    Container(program).run()
    for thread in threads:
        thread.join()
    assert left == 0


def test_an_injector_keeps_the_loop_running_until_it_is_closed():
    program = Program()
    closed = []

    def far():
        program.started.wait()
        closed.append(True)
        program.injector.close()

    thread = threading.Thread(target=far)
    thread.start()
    Container(program).run()
    thread.join()
    assert closed == [True]


def test_close_lets_what_is_queued_be_dispatched():
    program = Program(last=None)
    program.injector.trigger(ApplicationEvent("message_from_afar", subject="early"))
    program.injector.trigger(ApplicationEvent("message_from_afar", subject="earlier than the end"))
    program.injector.close()
    Container(program).run()
    assert program.seen == ["early", "earlier than the end"]


def test_an_injector_has_a_descriptor():
    assert EventInjector().fileno() >= 0


def test_an_event_of_a_type_of_ones_own():
    program = Program()
    kind = EventType("message_from_afar")
    program.injector.trigger(ApplicationEvent(kind, subject="last"))
    Container(program).run()
    assert program.seen == ["last"]


def test_events_without_a_method_go_to_on_unhandled():
    seen = []

    class Other(Program):
        def on_unhandled(self, name, event):
            if name == "on_no_such_method":
                seen.append(event.subject)
                self.injector.close()

    program = Other()
    program.injector.trigger(ApplicationEvent("no_such_method", subject="x"))
    Container(program).run()
    assert seen == ["x"]


def test_a_callback_may_trigger_too():
    program = Program()

    class Starts:
        def on_reactor_init(self, event):
            program.injector.trigger(ApplicationEvent("message_from_afar", subject="first"))
            program.injector.trigger(ApplicationEvent("message_from_afar", subject="last"))

    Container(program, Starts()).run()
    assert program.seen == ["first", "last"]
