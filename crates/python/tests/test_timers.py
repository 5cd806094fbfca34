# ruff: noqa: D102, D103, D107
"""Tasks that the loop calls at their time."""

from __future__ import annotations

import time

from proton import Event
from proton.reactor import Container


class Alarm:
    """A handler of one task."""

    def __init__(self, log, name="alarm") -> None:
        self.log = log
        self.name = name

    def on_timer_task(self, event):
        self.log.append(self.name)


class Start:
    """Calls a function at the start."""

    def __init__(self, begin) -> None:
        self.begin = begin

    def on_reactor_init(self, event):
        self.begin(event.container)


def test_a_task_fires_once_on_its_handler():
    seen = []
    task = None

    class Handler:
        def on_timer_task(self, event):
            seen.append((event.type is Event.TIMER_TASK, event.context is task, event.container is container))

    def begin(container):
        nonlocal task
        task = container.schedule(0.01, Handler())

    container = Container(Start(begin))
    container.run()
    assert seen == [(True, True, True)]


def test_a_task_counts_from_now_of_the_loop():
    seen = []

    class Handler:
        def on_timer_task(self, event):
            seen.append(event.container.now >= at + 0.05)

    def begin(container):
        nonlocal at
        at = container.now
        container.schedule(0.05, Handler())

    at = 0.0
    Container(Start(begin)).run()
    assert seen == [True]


def test_tasks_fire_in_the_order_of_their_deadlines():
    log: list = []

    def begin(container):
        for delay, name in ((0.06, "last"), (0.0, "first"), (0.03, "middle")):
            container.schedule(delay, Alarm(log, name))

    Container(Start(begin)).run()
    assert log == ["first", "middle", "last"]


def test_a_task_can_schedule_the_next():
    log: list = []

    class Repeated:
        def on_timer_task(self, event):
            log.append(len(log))
            if len(log) < 5:
                event.container.schedule(0, self)

    Container(Start(lambda container: container.schedule(0, Repeated()))).run()
    assert log == [0, 1, 2, 3, 4]


def test_a_cancelled_task_does_not_keep_the_loop_alive():
    log: list = []

    def begin(container):
        container.schedule(3600, Alarm(log)).cancel()

    Container(Start(begin)).run()
    assert log == []


def test_a_task_cancels_another():
    log: list = []

    class Cancels:
        def __init__(self, other) -> None:
            self.other = other

        def on_timer_task(self, event):
            self.other.cancel()

    def begin(container):
        other = container.schedule(3600, Alarm(log))
        container.schedule(0.01, Cancels(other))
        container.schedule(0.02, Alarm(log, "later"))

    Container(Start(begin)).run()
    assert log == ["later"]


def test_what_a_task_knows():
    def begin(container):
        task = container.schedule(3600, handler)
        assert task.container is container
        assert task.handler is handler
        task.cancel()
        done.append(True)

    done: list = []
    handler = Alarm([])
    Container(Start(begin)).run()
    assert done == [True]


def test_a_task_without_a_handler_goes_to_the_container():
    log: list = []
    Container(Start(lambda container: container.schedule(0, None)), Alarm(log)).run()
    assert log == ["alarm"]


def test_tasks_may_be_scheduled_before_the_start():
    log: list = []
    container = Container()
    container.schedule(0, Alarm(log))
    container.run()
    assert log == ["alarm"]


def test_a_sleep_in_a_callback_delays_tasks_but_loses_none():
    log: list = []

    class Sleeps:
        def on_timer_task(self, event):
            time.sleep(0.05)
            log.append("slept")

    def begin(container):
        container.schedule(0, Sleeps())
        container.schedule(0.01, Alarm(log, "one"))
        container.schedule(0.02, Alarm(log, "two"))

    Container(Start(begin)).run()
    assert log == ["slept", "one", "two"]
