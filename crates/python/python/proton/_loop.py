"""The event loop: it takes events off a queue, dispatches them, and lets its global handler wait for more."""

from __future__ import annotations

import heapq
import itertools
import logging
import time
import traceback
from typing import Any

from ._events import Collector, Event, EventBase
from ._handler import Handler
from ._iohandler import IOHandler
from ._resolver import Resolver
from ._selectable import Selectable
from ._url import Url

_log = logging.getLogger("proton")

_DEFAULT_TIMEOUT = 3.14159265359

_FOR_IO = frozenset(
    (
        Event.REACTOR_QUIESCED,
        Event.SELECTABLE_INIT,
        Event.SELECTABLE_UPDATED,
        Event.SELECTABLE_READABLE,
        Event.SELECTABLE_WRITABLE,
        Event.SELECTABLE_ERROR,
        Event.SELECTABLE_EXPIRED,
        Event.SELECTABLE_FINAL,
        Event.CONNECTION_LOCAL_OPEN,
        Event.CONNECTION_LOCAL_CLOSE,
        Event.CONNECTION_REMOTE_OPEN,
        Event.CONNECTION_BOUND,
        Event.TRANSPORT,
        Event.TRANSPORT_TAIL_CLOSED,
        Event.TRANSPORT_CLOSED,
    )
)


class Task:
    """A handler to be called at some time, unless it is cancelled before."""

    def __init__(self, reactor: Any, deadline: float, handler: Any) -> None:
        self._reactor = reactor
        self._deadline = deadline
        self._handler = handler
        self._done = False
        self._order = next(reactor._orders)

    def __lt__(self, rhs: Any) -> bool:
        return (self._deadline, self._order) < (rhs._deadline, rhs._order)

    def cancel(self) -> None:
        """Lets it not happen."""
        if not self._done:
            self._done = True
            self._reactor._timers -= 1

    @property
    def handler(self) -> Any:
        """What is called, with ``on_timer_task``."""
        return self._handler

    @property
    def container(self) -> Any:
        """The container whose loop it is in."""
        return self._reactor


class TimerSelectable(Selectable):
    """Lets the loop wake up for the tasks."""

    def __init__(self, reactor: Any) -> None:
        super().__init__(None, reactor)

    def readable(self) -> None:
        """Does not happen."""

    def writable(self) -> None:
        """Does not happen."""

    def expired(self) -> None:
        """A task is due."""
        self._reactor.timer_tick()
        self.deadline = self._reactor.timer_deadline
        self.update()


class GlobalOverrides(Handler):
    """The handler behind all others: a container's connectors, then the one that does the I/O."""

    def __init__(self, base: Any) -> None:
        self.base = base
        if base is not None:
            self.add(base)

    def _override(self, event: Any, method: str) -> None:
        connector = getattr(event.connection, "_overrides", None)
        if connector is not None:
            getattr(connector, method)(event)

    def on_connection_local_open(self, event: Any) -> None:
        """A connector binds a transport."""
        self._override(event, "on_connection_local_open")

    def on_connection_local_close(self, event: Any) -> None:
        """A connector has nothing to do any more."""
        self._override(event, "on_connection_local_close")

    def on_connection_remote_open(self, event: Any) -> None:
        """A connector has done its work for now."""
        self._override(event, "on_connection_remote_open")

    def on_transport_closed(self, event: Any) -> None:
        """A connector sees to the next attempt."""
        self._override(event, "on_transport_closed")


class Reactor:
    """The loop under a :class:`proton.reactor.Container`."""

    def __init__(self, *handlers: Any, **kwargs: Any) -> None:
        self._timeout: float | None = 0
        self._now = time.time()
        self._collector = Collector()
        self._collector._container = self
        self._yield = False
        self._stop = False
        self._final = False
        self._selectables: set = set()
        self._selectable: TimerSelectable | None = None
        self._timers = 0
        self._timerheap: list = []
        self._orders = itertools.count()
        self._resolver = Resolver(self)
        self._own_io: Any | None = None
        self.errors: list = []
        self.trigger: Any | None = None
        self._handler: Any = Handler()
        for handler in handlers:
            self._handler.add(handler)
        own = None
        if "global_handler" not in kwargs:
            own = IOHandler()
        self.global_handler = GlobalOverrides(kwargs.get("global_handler", own))
        self._own_io = own

    def on_error(self, info: Any) -> None:
        """Keeps an error (as of ``sys.exc_info()``), for ``stop()`` to raise, and ends the loop."""
        self.errors.append(info)
        self.yield_()

    def _make_handler(self, handler: Any) -> Any:
        if handler is None or isinstance(handler, Handler):
            return handler
        wrapper = Handler()
        wrapper.add(handler)
        return wrapper

    @property
    def global_handler(self) -> Any:
        """The handler that gets each event after all others."""
        return self._global_handler

    @global_handler.setter
    def global_handler(self, handler: Any) -> None:
        self._own_io = None
        self._global_handler = handler
        self._collector._interrupt()

    @property
    def handler(self) -> Any:
        """The handler of events that no link, session or connection has one for."""
        return self._handler

    @handler.setter
    def handler(self, handler: Any) -> None:
        self._handler = self._make_handler(handler)
        self._collector._interrupt()

    @property
    def timeout(self) -> float | None:
        """How long the loop waits for something to happen, in seconds."""
        return self._timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def yield_(self) -> None:
        """Lets ``process()`` return after the event that is being dispatched."""
        self._yield = True
        self._collector._interrupt()

    def mark(self) -> float:
        """Reads the clock, and returns ``now``."""
        self._now = time.time()
        return self._now

    @property
    def now(self) -> float:
        """The time at which the loop last woke up, in seconds since the epoch."""
        return self._now

    def run(self) -> None:
        """Runs the loop until there is nothing left to wait for, or it is stopped. A container runs once."""
        self._collector._enter()
        try:
            self.timeout = _DEFAULT_TIMEOUT
            self.start()
            while self.process():
                pass
            self.stop()
            self.process()
        finally:
            self._collector._leave()
        self._global_handler = None
        self._handler = None

    def wakeup(self) -> None:
        """Does nothing; see :class:`proton.reactor.EventInjector` for a way to wake the loop up."""

    def start(self) -> None:
        """Queues the first event."""
        self.push_event(self, Event.REACTOR_INIT)
        self._selectable = TimerSelectable(self)
        self._selectable.deadline = self.timer_deadline
        self._add(self._selectable)

    @property
    def quiesced(self) -> bool:
        """Whether there is nothing to do but to wait."""
        event = self._collector.peek()
        if event is None:
            return True
        return event.type is Event.REACTOR_QUIESCED and not self._collector.more()

    def _check_errors(self) -> None:
        """Raises the last of the errors that were kept, after printing the others."""
        if not self.errors:
            return
        for exception, value, trace in self.errors[:-1]:
            traceback.print_exception(exception, value, trace)
        _exception, value, trace = self.errors[-1]
        self.errors = []
        raise value.with_traceback(trace)

    def process(self) -> bool:
        """Dispatches what is queued. False if the loop has ended; else call it again.

        ``ProtonException`` if another thread is in the loop, or if this process was forked from one that has been.
        """
        self._collector._enter()
        try:
            return self._turn()
        finally:
            self._collector._leave()

    def _turn(self) -> bool:
        self.mark()
        collector = self._collector
        waited = False
        while True:
            if self._yield:
                self._yield = False
                return True
            if self._own_io is not None:
                collector._dispatch_traffic(self._handler)
            event = collector.peek()
            if event is not None:
                waited = self._dispatch(event)
                collector.pop()
            elif not self._stop and (self._timers > 0 or len(self._selectables) > 1):
                if not waited:
                    self.push_event(self, Event.REACTOR_QUIESCED)
                return True
            elif self._selectable is not None:
                self._selectable.terminate()
                self._selectable.update()
                self._selectable = None
            else:
                if not self._final:
                    self._final = True
                    self.push_event(self, Event.REACTOR_FINAL)
                return False

    def _dispatch(self, event: Any) -> bool:
        """Dispatches one event; whether it was the one on which the loop waits."""
        context = event.context
        if isinstance(context, EventBase):
            event = context
        event_type = event.type
        handler = event.handler
        if handler is None:
            handler = self._handler
        if handler is not None:
            event.dispatch(handler)
        if (self._own_io is None or event_type in _FOR_IO) and self._global_handler is not None:
            event.dispatch(self._global_handler)
        if event_type is Event.SELECTABLE_FINAL:
            self._selectables.discard(context)
        return event_type is Event.REACTOR_QUIESCED

    def stop(self) -> None:
        """Ends the loop when its queue is empty. Connections are dropped as they are."""
        self._stop = True
        self._check_errors()

    def stop_events(self) -> None:
        """Drops all events, those to come too."""
        self._collector.release()

    def schedule(self, delay: float, handler: Any) -> Task:
        """Calls ``handler.on_timer_task(event)`` after ``delay`` seconds, counted from ``now``."""
        self._collector._check()
        task = Task(self, self._now + delay, handler)
        heapq.heappush(self._timerheap, task)
        self._timers += 1
        if self._selectable is not None:
            deadline = self.timer_deadline
            if deadline != self._selectable.deadline:
                self._selectable.deadline = deadline
                self._selectable.update()
        return task

    def timer_tick(self) -> None:
        """Queues the tasks that are due."""
        while self._timers > 0:
            deadline = self.timer_deadline
            if deadline is None or deadline > self._now:
                return
            task = heapq.heappop(self._timerheap)
            task._done = True
            self._timers -= 1
            self.push_event(task, Event.TIMER_TASK)

    @property
    def timer_deadline(self) -> float | None:
        """When the next task is due, None if there is none."""
        while self._timerheap and self._timerheap[0]._done:
            heapq.heappop(self._timerheap)
        return self._timerheap[0]._deadline if self._timerheap else None

    def acceptor(self, host: str | None, port: Any, handler: Any | None = None) -> Any:
        """Listens; connections that come in have the handler given, else the container's."""
        from ._acceptor import Acceptor

        self._collector._check()
        return Acceptor(self, host, port, self._make_handler(handler))

    def connection(self, handler: Any | None = None) -> Any:
        """A connection whose events come into this loop. It is not open yet."""
        from ._endpoints import Connection

        self._collector._check()
        connection = Connection()
        if handler is not None:
            connection.handler = self._make_handler(handler)
        connection._reactor = self
        connection.url = None
        connection.collect(self._collector)
        return connection

    def connection_to_host(self, host: str, port: Any, handler: Any | None = None) -> Any:
        """A connection that connects to an address when it is opened, once and without SASL or TLS."""
        connection = self.connection(handler)
        self.set_connection_host(connection, host, port)
        return connection

    def set_connection_host(self, connection: Any, host: str, port: Any) -> None:
        """Sets where a connection connects to when it is opened."""
        url = Url(host=host, port=port, defaults=False)
        url.defaults()
        connection.url = url

    def get_connection_address(self, connection: Any) -> str | None:
        """Where a connection connects to or comes from."""
        url = getattr(connection, "url", None)
        return None if url is None else str(url)

    def selectable(self, handler: Any | None = None, delegate: Any | None = None) -> Selectable:
        """A selectable of a delegate (an object with ``fileno()``, the handler if none is given) in this loop."""
        self._collector._check()
        selectable = Selectable(handler if delegate is None else delegate, self)
        selectable.handler = handler
        self._add(selectable)
        return selectable

    def _add(self, selectable: Selectable) -> None:
        self._selectables.add(selectable)
        self.push_event(selectable, Event.SELECTABLE_INIT)

    def update(self, selectable: Selectable) -> None:
        """Tells the loop that a selectable waits for something else."""
        selectable.update()

    def push_event(self, obj: Any, etype: Any) -> None:
        """Queues an event about an object."""
        self._collector.put(obj, etype)
