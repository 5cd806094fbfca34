"""Listening for connections."""

from __future__ import annotations

import logging
from typing import Any

from ._handler import Handler
from ._io import IO
from ._iohandler import attach
from ._transport import SSL, Transport
from ._url import Url

_log = logging.getLogger("proton")

_PAUSE_SECONDS = 1.0
_AT_ONCE = 64


class Acceptor(Handler):
    """A listener of a container. Closing it leaves the connections that it has accepted."""

    def __init__(self, reactor: Any, host: str | None, port: Any, handler: Any | None = None) -> None:
        self._ssl_domain: Any | None = None
        self._reactor = reactor
        self._handler = handler
        sock = IO.listen(host, int(port))
        self._address = sock.getsockname()[:2]
        self._selectable = reactor.selectable(handler=self, delegate=sock)
        self._selectable.reading = True
        self._selectable.update()

    @property
    def host(self) -> str:
        """The local address that is listened on."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The port that is listened on: the real one, if 0 was asked for."""
        return self._address[1]

    def set_ssl_domain(self, ssl_domain: Any | None) -> None:
        """Sets what connections accepted from now on use for TLS; None for no TLS."""
        self._ssl_domain = ssl_domain

    def close(self) -> None:
        """Stops listening."""
        if not self._selectable.is_terminal:
            # The port is free at once, not when the loop comes to it.
            self._selectable.reading = False
            self._selectable.terminate()
            self._selectable.update()

    def on_selectable_readable(self, event: Any) -> None:
        """Accepts what has come in."""
        selectable = event.context
        for _ in range(_AT_ONCE):
            if selectable.is_terminal:
                return
            try:
                sock, name = IO.accept(selectable._delegate)
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.error("cannot accept a connection on %s: %s", self._address, error)
                selectable.reading = False
                selectable.deadline = self._reactor.now + _PAUSE_SECONDS
                selectable.update()
                return
            self._accept(sock, name)

    def on_selectable_expired(self, event: Any) -> None:
        """Accepts again, after the system had no descriptor left for one more connection."""
        selectable = event.context
        selectable.deadline = None
        selectable.reading = True
        selectable.update()

    def _accept(self, sock: Any, name: Any) -> None:
        reactor = self._reactor
        connection = reactor.connection(self._handler or reactor.handler)
        connection._acceptor = self
        url = Url(scheme="amqp", host=name[0], port=name[1], defaults=False)
        connection.url = url
        transport = Transport(Transport.SERVER)
        if self._ssl_domain is not None:
            SSL(transport, self._ssl_domain)
        transport.bind(connection)
        attach(reactor, transport, sock)
