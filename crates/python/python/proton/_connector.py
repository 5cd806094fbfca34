"""How a connection is made, and made again: urls, delays, and when to give up."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ._application import ApplicationEvent
from ._condition import Condition
from ._exceptions import SSLException, SSLUnavailable
from ._handler import Handler
from ._iohandler import TLS_FAILED, fail
from ._transport import SSL, Transport
from ._url import Url

_log = logging.getLogger("proton")

OPEN_SECONDS = 30.0
"""How long it may take from the connection of the socket until the peer has opened the connection."""


def delay_iter(
    initial: float = 0.1, factor: float = 2.0, max_delay: float = 10.0, max_tries: int | None = None
) -> Iterator[float]:
    """Delays in seconds: 0, ``initial``, then ``factor`` times the one before, up to ``max_delay``."""
    return _delays(initial, factor, max_delay, max_tries)


def _delays(initial: float, factor: float, max_delay: float, max_tries: int | None) -> Iterator[float]:
    delay, tries = 0.0, 0
    while max_tries is None or tries < max_tries:
        yield delay
        tries += 1
        delay = initial if tries == 1 else min(delay * factor, max_delay)


class Backoff:
    """A schedule of delays that grow: keyword arguments ``initial``, ``factor``, ``max_delay``, ``max_tries``.

    The first delay is 0. ``max_tries`` counts it too. Each reconnect begins the schedule afresh.
    """

    def __init__(self, **kwargs: Any) -> None:
        delay_iter(**kwargs)
        self.kwargs = kwargs

    def __iter__(self) -> Iterator[float]:
        return delay_iter(**self.kwargs)


class _OfPolicy:
    """The delays of an object with ``reset()`` and ``next()``."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy

    def __iter__(self) -> _OfPolicy:
        self.policy.reset()
        return self

    def __next__(self) -> float:
        delay = self.policy.next()
        if delay is None:
            raise StopIteration
        return delay


def schedule_of(reconnect: Any) -> Iterable[float] | None:
    """The delays that an argument ``reconnect`` stands for; None for no reconnect. TypeError if it is none of them."""
    if reconnect is None:
        return Backoff()
    if reconnect is False:
        return None
    if hasattr(reconnect, "reset") and hasattr(reconnect, "next"):
        return _OfPolicy(reconnect)
    if not hasattr(reconnect, "__iter__"):
        raise TypeError(f"reconnect: None, False, a Backoff or an iterable of delays is expected, not {reconnect!r}")
    if isinstance(reconnect, (list, tuple)) and not reconnect:
        raise ValueError("reconnect: there is no delay in the sequence; False turns reconnection off")
    return reconnect


class ReconnectFailed(ApplicationEvent):
    """``on_reconnect_failed``: no further attempt will be made to connect. ``condition`` is that of the last one."""

    connection: Any
    container: Any
    reactor: Any

    def __init__(self, connection: Any, condition: Condition | None) -> None:
        super().__init__("reconnect_failed", connection=connection, subject=condition)
        self.condition = condition

    @property
    def handler(self) -> Any | None:
        """The connection's handler."""
        return self.connection.handler


class Connector(Handler):
    """Connects one connection of a container, whenever it has no transport and is not closed."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.urls: list[Url] = []
        self.schedule: Iterable[float] | None = None
        self.heartbeat: float | None = None
        self.ssl_domain: Any | None = None
        self.ssl_sni: str | None = None
        self.virtual_host: str | None = None
        self.user: str | None = None
        self.password: str | None = None
        self.sasl_enabled = True
        self.allow_insecure_mechs = True
        self.allowed_mechs: str | list[str] | None = None
        self.max_frame_size: int | None = None
        self._walk: Iterator[tuple[float, Url]] | None = None
        self._refused: list[Url] = []
        self._url: Url | None = None
        self._timer: Any | None = None
        self._limit: Any | None = None

    def _pairs(self) -> Iterator[tuple[float, Url]]:
        """What to try next, after which delay. Urls whose certificates are bad are tried no more."""
        for delay in [0.0] if self.schedule is None else self.schedule:
            urls = [url for url in self.urls if url not in self._refused]
            if not urls:
                return
            for url in urls:
                yield delay, url

    def on_connection_local_open(self, event: Any) -> None:
        """The first attempt: without delay."""
        if event.connection.transport is None:
            self._walk = self._pairs()
            pair = next(self._walk, None)
            if pair is None:
                self._give_up(None)
            else:
                self._connect(pair[1])

    def on_connection_remote_open(self, event: Any) -> None:
        """The connection is there: when it is lost, the delays begin afresh."""
        self._end_limit()
        self._refused = []
        self._walk = None

    def on_transport_closed(self, event: Any) -> None:
        """The connection is lost, or was not made: goes on to the next url."""
        connection, transport = self.connection, event.transport
        self._end_limit()
        if transport is None or transport.connection is None or not connection.state & connection.LOCAL_ACTIVE:
            return
        condition = transport.condition
        transport.unbind()
        if is_of_certificate(condition) and self._url is not None:
            self._refused.append(self._url)
        if self._walk is None:
            # An open connection was lost. Without a schedule it stays lost.
            self._walk = iter(()) if self.schedule is None else self._pairs()
        pair = next(self._walk, None)
        if pair is None:
            self._give_up(condition)
        elif pair[0] <= 0:
            self._connect(pair[1])
        else:
            self._url = pair[1]
            self._timer = connection._reactor.schedule(pair[0], self)

    def on_timer_task(self, event: Any) -> None:
        """A delay is over, or an attempt takes too long."""
        if event.context is self._timer:
            self._timer = None
            if self.connection.state & self.connection.LOCAL_ACTIVE and self._url is not None:
                self._connect(self._url)
        elif event.context is self._limit:
            self._limit = None
            transport = self.connection.transport
            if transport is not None:
                fail(transport, f"Connection error: no connection was opened within {OPEN_SECONDS:g} seconds")

    def on_connection_local_close(self, event: Any) -> None:
        """The program wants the connection no more: there is no next attempt to wait for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self, condition: Condition | None) -> None:
        event = ReconnectFailed(self.connection, condition)
        event.container = event.reactor = self.connection._reactor
        self.connection._reactor.push_event(event, event.type)

    def _end_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _connect(self, url: Url) -> None:
        connection = self.connection
        reactor = connection._reactor
        self._url = url
        connection.url = url
        if self.virtual_host is None:
            connection.hostname = url.host
        connection.user = url.username or self.user
        password = url.password or self.password
        if password is not None:
            connection.password = password
        transport = Transport()
        unusable = self._set_up(transport, url)
        transport.bind(connection)
        if unusable is not None:
            fail(transport, unusable, TLS_FAILED)
            return
        self._limit = reactor.schedule(OPEN_SECONDS, self)

    def _set_up(self, transport: Any, url: Url) -> str | None:
        """Puts SASL and TLS on a transport; gives what is wrong with the latter."""
        if self.sasl_enabled:
            sasl = transport.sasl()
            sasl.allow_insecure_mechs = self.allow_insecure_mechs
            if self.allowed_mechs:
                allowed = self.allowed_mechs
                sasl.allowed_mechs(allowed if isinstance(allowed, str) else " ".join(allowed))
        if self.heartbeat:
            transport.idle_timeout = self.heartbeat
        if self.max_frame_size:
            transport.max_frame_size = self.max_frame_size
        if url.scheme == "amqps":
            if self.ssl_domain is None:
                raise SSLUnavailable("amqps: TLS is not available")
            try:
                ssl = SSL(transport, self.ssl_domain)
            except SSLException as error:
                return f"SSL Failure: {str(error).partition('. ')[2]}"
            ssl.peer_hostname = self.ssl_sni or self.virtual_host or url.host
        return None


def without_password(address: Any) -> str:
    """A url as text that can be shown and logged."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", str(address))


def is_of_certificate(condition: Condition | None) -> bool:
    """Whether an attempt failed for a certificate, which trying again does not mend."""
    if condition is None:
        return False
    description = condition.description or ""
    return description.startswith("SSL Failure") and "certificate" in description.lower()
