"""Events of programs' own, and the way to send them to a container from other threads."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from typing import Any

from ._events import EventBase, EventType


class ApplicationEvent(EventBase):
    """An event of a program's own, dispatched as ``on_<typename>``."""

    TYPES: dict[str, EventType] = {}

    def __init__(
        self,
        typename: str | EventType,
        connection: Any | None = None,
        session: Any | None = None,
        link: Any | None = None,
        delivery: Any | None = None,
        subject: Any | None = None,
    ) -> None:
        if isinstance(typename, EventType):
            event_type = typename
        else:
            known = self.TYPES.get(typename)
            event_type = self.TYPES[typename] = EventType(typename) if known is None else known
        self.type = event_type
        if delivery is not None and link is None:
            link = delivery.link
        if link is not None and session is None:
            session = link.session
        if session is not None and connection is None:
            connection = session.connection
        self.connection = connection
        self.session = session
        self.link = link
        self.delivery = delivery
        self.subject = subject

    @property
    def context(self) -> ApplicationEvent:
        """The event itself."""
        return self

    @property
    def handler(self) -> Any | None:
        """None: the event goes to the container's handlers."""
        return None

    def __repr__(self) -> str:
        about = (self.connection, self.session, self.link, self.delivery, self.subject)
        return f"{self.type}({', '.join(str(item) for item in about if item is not None)})"


class EventInjector:
    """Puts events into a container's loop from other threads; give it to ``container.selectable()`` first."""

    def __init__(self) -> None:
        self.queue: Any = queue.SimpleQueue()
        self.pipe = os.pipe()
        for descriptor in self.pipe:
            os.set_blocking(descriptor, False)
        self._lock = threading.RLock()
        self._open = True
        self._closing = False
        self._reactor: Any = None

    def trigger(self, event: Any) -> None:
        """Queues an event for the loop. Never blocks; may be called from any thread.

        ``ProtonException`` in a process that was forked from the one that runs the loop.
        """
        if self._reactor is not None:
            self._reactor._collector._check_process()
        if not self._closing:
            self.queue.put(event)
            self._wake()

    def close(self) -> None:
        """Lets the loop go on without this, once it has dispatched what was triggered before."""
        self._closing = True
        self.queue.put(None)
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._open:
                with contextlib.suppress(BlockingIOError):  # Then it has more than enough to wake up for.
                    os.write(self.pipe[1], b"!")

    def fileno(self) -> int:
        """The descriptor that the loop waits for."""
        return self.pipe[0]

    def on_selectable_init(self, event: Any) -> None:
        """The loop begins to wait for events."""
        self._reactor = event.container
        selectable = event.context
        selectable.reading = True
        selectable.update()

    def on_selectable_readable(self, event: Any) -> None:
        """Passes on what is queued."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.pipe[0], 65536)
        reactor = event.container
        while not self.queue.empty():
            triggered = self.queue.get()
            if triggered is None:
                event.context.terminate()
                event.context.update()
                return
            triggered.container = triggered.reactor = reactor
            reactor.push_event(triggered, triggered.type)

    def close_descriptors(self) -> None:
        """Closes the pipe, when the loop has let go of it."""
        with self._lock:
            if self._open:
                self._open = False
                self._reactor = None
                os.close(self.pipe[0])
                os.close(self.pipe[1])

    def __del__(self) -> None:
        self.close_descriptors()
