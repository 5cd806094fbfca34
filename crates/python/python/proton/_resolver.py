"""Names of hosts looked up beside the loop, so that a slow name server holds up nobody else."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
from collections.abc import Callable
from typing import Any

from ._selectable import Selectable

_MAX_THREADS = 8

Found = Callable[[list, Any], None]


class _Workers:
    """Threads that call getaddrinfo. They are few, made when needed, and never hold up the end of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: Any = queue.SimpleQueue()
        self._idle = 0
        self._count = 0

    def ask(self, host: str, port: int, answer: Callable[[Any, OSError | None], None]) -> None:
        with self._lock:
            self._asked.put((host, port, answer))
            if self._idle > 0:
                self._idle -= 1
            elif self._count < _MAX_THREADS:
                self._count += 1
                threading.Thread(target=self._work, name="proton-resolver", daemon=True).start()

    def _work(self) -> None:
        while True:
            host, port, answer = self._asked.get()
            try:
                answer(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), None)
            except OSError as error:
                answer([], error)
            except UnicodeError:  # A label that no host name can have.
                answer([], socket.gaierror(socket.EAI_NONAME, "not a valid host name"))
            with self._lock:
                if self._asked.empty():
                    self._idle += 1


_workers = _Workers()


def _after_fork() -> None:
    global _workers
    _workers = _Workers()


os.register_at_fork(after_in_child=_after_fork)


class Resolver:
    """The look-ups of one container. It has a selectable in the loop as long as an answer is awaited."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._answers: Any = queue.SimpleQueue()
        self._awaited = 0
        self._selectable: Selectable | None = None
        self._wake: Any = None
        self._woken: Any = None

    def look_up(self, host: str, port: int, found: Found) -> None:
        """Calls ``found(addresses, error)`` on the loop's thread: at once for an address."""
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            self._ask(host, port, found)
        else:
            found(addresses, None)

    def _ask(self, host: str, port: int, found: Found) -> None:
        if self._selectable is None:
            self._woken, self._wake = socket.socketpair()
            self._woken.setblocking(False)
            self._wake.setblocking(False)
            self._selectable = self._reactor.selectable(self, self._woken)
            self._selectable.reading = True
            self._selectable.update()
        self._awaited += 1
        answers, wake = self._answers, self._wake

        def answer(addresses: Any, error: OSError | None) -> None:
            answers.put((found, in_order(addresses), error))
            with contextlib.suppress(OSError):  # Full: the loop is awake anyway. Closed: nobody waits any more.
                wake.send(b"x")

        _workers.ask(host, port, answer)

    def on_selectable_readable(self, event: Any) -> None:
        """Passes on the answers that are there."""
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        while not self._answers.empty():
            found, addresses, error = self._answers.get()
            self._awaited -= 1
            found(addresses, error)
        if self._awaited == 0 and self._selectable is not None:
            selectable, self._selectable = self._selectable, None
            self._wake.close()
            selectable.terminate()
            selectable.update()


def in_order(addresses: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The families in turn, beginning with that of the first address: one that is out of order does not hold up all."""
    first = [info for info in addresses if info[0] == addresses[0][0]]
    other = [info for info in addresses if info[0] != addresses[0][0]]
    mixed = []
    for index in range(max(len(first), len(other))):
        mixed += first[index : index + 1] + other[index : index + 1]
    return mixed
