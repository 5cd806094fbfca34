"""What a container's loop waits for: a descriptor to become readable or writable, or a moment to come."""

from __future__ import annotations

from typing import Any

from ._events import Event


class Selectable:
    """A descriptor, taken from ``fileno()`` of a delegate, and what to wait for on it."""

    def __init__(self, delegate: Any | None, reactor: Any) -> None:
        self._delegate: Any = delegate
        self._reactor = reactor
        self._transport: Any | None = None
        self._deadline = 0.0
        self._terminal = False
        self._terminated = False
        self._released = False
        self.reading = False
        self.writing = False
        self.handler: Any | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__dict__.get("_delegate") is None:
            raise AttributeError(name)
        return getattr(self._delegate, name)

    def fileno(self) -> int:
        """The descriptor, or -1 if there is none."""
        return -1 if self._delegate is None else self._delegate.fileno()

    def close(self) -> None:
        """Closes the delegate."""
        delegate, self._delegate = self._delegate, None
        if delegate is not None:
            close = getattr(delegate, "close_descriptors", None) or getattr(delegate, "close", None)
            if close is not None:
                close()

    @property
    def deadline(self) -> float | None:
        """When ``expired()`` is due, in seconds on the clock of ``container.now``; None for never."""
        return self._deadline if self._deadline else None

    @deadline.setter
    def deadline(self, seconds: float | None) -> None:
        self._deadline = seconds or 0.0

    def push_event(self, context: Any, etype: Any) -> None:
        """Queues an event."""
        self._reactor.push_event(context, etype)

    def update(self) -> None:
        """Tells the loop that what is waited for has changed, or that this has ended."""
        if self._terminated:
            return
        if self._terminal:
            self._terminated = True
            self.push_event(self, Event.SELECTABLE_FINAL)
        else:
            self.push_event(self, Event.SELECTABLE_UPDATED)

    def readable(self) -> None:
        """The descriptor can be read."""
        self.push_event(self, Event.SELECTABLE_READABLE)

    def writable(self) -> None:
        """The descriptor can be written."""
        self.push_event(self, Event.SELECTABLE_WRITABLE)

    def expired(self) -> None:
        """The deadline has come."""
        self.push_event(self, Event.SELECTABLE_EXPIRED)

    @property
    def is_terminal(self) -> bool:
        """Whether this has ended."""
        return self._terminal

    def terminate(self) -> None:
        """Ends this, at the next ``update()``."""
        self._terminal = True

    def release(self) -> None:
        """Closes the descriptor after the end; a second call does nothing."""
        if not self._released:
            self._released = True
            self.close()
