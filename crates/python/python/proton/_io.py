"""Sockets, and waiting for any number of them at once, with epoll or poll."""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import math
import select
import socket
import time
from typing import Any

_IN = select.POLLIN
_OUT = select.POLLOUT
_FAILED = select.POLLERR | select.POLLHUP | getattr(select, "POLLNVAL", 0)
_LONGEST_WAIT = 86400.0


class _Poll:
    """``select.poll`` with the interface of ``select.epoll``, for systems that lack the latter."""

    def __init__(self) -> None:
        poll = select.poll()
        self.register, self.modify, self.unregister = poll.register, poll.modify, poll.unregister
        self._poll = poll

    def poll(self, seconds: float) -> list[tuple[int, int]]:
        return self._poll.poll(seconds * 1000)


class IO:
    """The socket operations that a container needs."""

    @staticmethod
    def _setupsocket(s: socket.socket) -> None:
        s.setblocking(False)
        if s.family in (socket.AF_INET, socket.AF_INET6):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def close(s: Any) -> None:
        """Closes a socket."""
        s.close()

    @staticmethod
    def listen(host: str | None, port: int) -> socket.socket:
        """A listening socket. Of the addresses of a name, an IPv4 one is preferred; an IPv6 one takes no IPv4 clients.

        ``OSError``, with the address in its text, if it is in use or not of this machine.
        """
        where = f"[{host}]:{port}" if host and ":" in host else f"{host or '0.0.0.0'}:{port}"
        found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _name, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        s = socket.socket(family, kind, protocol)
        try:
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind(address)
            s.listen(socket.SOMAXCONN)
        except OSError as error:
            s.close()
            raise OSError(error.errno, f"cannot listen on {where}: {error.strerror}") from error
        return s

    @staticmethod
    def accept(s: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        """The next connection of a listening socket, and where it comes from."""
        accepted, address = s.accept()
        IO._setupsocket(accepted)
        return accepted, address[:2]

    @staticmethod
    def connect(addr: tuple[Any, ...]) -> socket.socket:
        """A socket that is connecting to one entry of what ``getaddrinfo`` returns."""
        family, kind, protocol, _name, address = addr
        s = socket.socket(family, kind, protocol)
        try:
            IO._setupsocket(s)
            s.connect(address)
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                s.close()
                raise
        return s

    @staticmethod
    def select(*args: Any, **kwargs: Any) -> Any:
        """``select.select``, for old programs; the loop does not use it."""
        return select.select(*args, **kwargs)

    @staticmethod
    def sleep(t: float) -> None:
        """Sleeps some seconds."""
        time.sleep(t)

    class Selector:
        """Waits for the descriptors and the deadlines of selectables."""

        def __init__(self) -> None:
            # Made when it is needed: a program may make a container, and fork before it runs it.
            self._made: Any = None
            self._by_descriptor: dict[int, Any] = {}
            self._registered: dict[Any, tuple[int, int]] = {}
            self._due: dict[Any, float] = {}
            self._deadlines: list = []
            self._order = itertools.count()

        @property
        def _poll(self) -> Any:
            if self._made is None:
                self._made = select.epoll() if hasattr(select, "epoll") else _Poll()
            return self._made

        def add(self, selectable: Any) -> None:
            """Begins to wait for a selectable."""
            self.update(selectable)

        def remove(self, selectable: Any) -> None:
            """Waits for a selectable no longer."""
            self._due.pop(selectable, None)
            known = self._registered.pop(selectable, None)
            if known is None:
                return
            if self._by_descriptor.get(known[0]) is selectable:
                del self._by_descriptor[known[0]]
                self._forget(known[0])

        def _forget(self, descriptor: int) -> None:
            # It may have been closed before, and gone with that.
            with contextlib.suppress(OSError, KeyError, ValueError):
                self._poll.unregister(descriptor)

        def update(self, selectable: Any) -> None:
            """Takes over what a selectable waits for now."""
            mask = (_IN if selectable.reading else 0) | (_OUT if selectable.writing else 0)
            known = self._registered.get(selectable)
            if known is None or known[1] != mask:
                self._register(selectable, known, mask)
            deadline = selectable.deadline
            if deadline is None:
                self._due.pop(selectable, None)
            elif deadline < self._due.get(selectable, math.inf):
                self._note(deadline, selectable)

        def _note(self, deadline: float, selectable: Any) -> None:
            self._due[selectable] = deadline
            heapq.heappush(self._deadlines, (deadline, next(self._order), selectable))

        def _register(self, selectable: Any, known: tuple[int, int] | None, mask: int) -> None:
            if known is not None:
                descriptor = known[0]
                if not mask:
                    self._forget(descriptor)
                elif not known[1]:
                    self._poll.register(descriptor, mask)
                else:
                    self._poll.modify(descriptor, mask)
            else:
                descriptor = selectable.fileno()
                if descriptor is None or descriptor < 0:
                    return
                if mask:
                    self._poll.register(descriptor, mask)
                self._by_descriptor[descriptor] = selectable
            self._registered[selectable] = (descriptor, mask)

        def select(self, timeout: float | None) -> tuple[list, list, list]:
            """Waits at most so many seconds (None: any time); returns what is readable, writable, and expired."""
            wait = _LONGEST_WAIT if timeout is None else timeout
            due = self._next_deadline()
            if due is not None:
                wait = min(wait, due - time.time())
            readable, writable = [], []
            for descriptor, what in self._poll.poll(max(wait, 0.0)):
                selectable = self._by_descriptor.get(descriptor)
                if selectable is None:
                    continue
                mask = self._registered[selectable][1]
                if what & (_IN | _FAILED) and mask & _IN:
                    readable.append(selectable)
                if what & (_OUT | _FAILED) and mask & _OUT:
                    writable.append(selectable)
            return readable, writable, self._expired()

        def _next_deadline(self) -> float | None:
            while self._deadlines:
                deadline, _order, selectable = self._deadlines[0]
                noted = self._due.get(selectable) == deadline
                actual = selectable.deadline
                if noted and actual is not None and actual <= deadline:
                    return deadline
                heapq.heappop(self._deadlines)
                if noted and actual is not None:
                    # A deadline that is put off again and again is noted once, not each time.
                    self._note(actual, selectable)
                elif noted:
                    del self._due[selectable]
            return None

        def _expired(self) -> list:
            expired: list = []
            now = time.time()
            while True:
                deadline = self._next_deadline()
                if deadline is None or deadline > now:
                    return expired
                selectable = heapq.heappop(self._deadlines)[2]
                del self._due[selectable]
                expired.append(selectable)
