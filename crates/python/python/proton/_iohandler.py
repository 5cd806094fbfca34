"""The handler behind all others, which moves bytes between transports and sockets."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
from typing import Any

from ._condition import Condition
from ._endpoints import Endpoint
from ._handler import Handler
from ._io import IO
from ._resolver import in_order
from ._selectable import Selectable
from ._transport import Transport
from ._url import Url

_log = logging.getLogger("proton")

CONNECT_SECONDS = 30.0
"""How long the addresses of a host may take to connect, all together."""

_LEAST_SECONDS = 3.0
_IO_FAILED = "proton.pythonio"
TLS_FAILED = "amqp:connection:framing-error"


class IOHandler(Handler):
    """Connects, reads, writes, and waits. A container has one as its ``global_handler`` if no other is given."""

    def __init__(self) -> None:
        self._selector = IO.Selector()

    def on_selectable_init(self, event: Any) -> None:
        """Begins to wait for a selectable."""
        self._selector.add(event.context)

    def on_selectable_updated(self, event: Any) -> None:
        """Waits for something else of a selectable."""
        self._selector.update(event.context)

    def on_selectable_final(self, event: Any) -> None:
        """Waits for a selectable no longer, and closes it."""
        self._selector.remove(event.context)
        event.context.release()

    def on_reactor_quiesced(self, event: Any) -> None:
        """Nothing is left to do: waits for something to happen."""
        reactor = event.container
        if not reactor.quiesced:
            return
        readable, writable, expired = self._selector.select(reactor.timeout)
        reactor.mark()
        for selectable in readable:
            if selectable._transport is None:
                selectable.readable()
            else:
                self._read(selectable)
        for selectable in writable:
            if selectable._transport is None:
                selectable.writable()
            else:
                self._refresh(selectable)
        for selectable in expired:
            if selectable._transport is None:
                selectable.expired()
            else:
                self._refresh(selectable)
                selectable.update()

    def on_selectable_readable(self, event: Any) -> None:
        """Reads what has come for a transport."""
        if event.context._transport is not None:
            self._read(event.context)

    def on_selectable_writable(self, event: Any) -> None:
        """Writes what a transport has to send."""
        if event.context._transport is not None:
            self._refresh(event.context)

    def on_selectable_error(self, event: Any) -> None:
        """The socket of a transport has failed."""
        selectable = event.context
        if selectable._transport is not None:
            _end(selectable._transport)
            self._refresh(selectable)

    def on_selectable_expired(self, event: Any) -> None:
        """A transport has something to do at this time."""
        if event.context._transport is not None:
            self._refresh(event.context)
            event.context.update()

    def on_connection_local_open(self, event: Any) -> None:
        """Gives a connection that has none a transport."""
        connection = event.connection
        if connection.state & Endpoint.REMOTE_UNINIT and connection.transport is None:
            transport = Transport()
            transport.bind_nothrow(connection)

    def on_connection_local_close(self, event: Any) -> None:
        """Gives up an attempt to connect that nobody wants any more."""
        transport = event.transport
        if transport is None or not getattr(transport, "_socket_wanted", False) or transport._selectable is not None:
            return
        connecting, transport._connecting = transport._connecting, None
        if connecting is not None:
            connecting.terminate()
            connecting.update()
        transport.close_tail()
        transport.close_head()

    def on_connection_bound(self, event: Any) -> None:
        """Connects, unless the connection came from a listener."""
        connection, reactor = event.connection, event.container
        transport = event.transport
        if transport is None or connection is None or getattr(connection, "_acceptor", None) is not None:
            return
        if getattr(transport, "_socket_wanted", False):
            return
        transport._socket_wanted = True
        transport._selectable = None
        transport._connecting = None
        url = getattr(connection, "url", None) or Url(connection.hostname or "localhost")
        host = url.host or "localhost"

        def found(addresses: list, error: OSError | None) -> None:
            if error is not None:
                fail(transport, f"Cannot resolve host {host}: {error.strerror or error}")
            elif not transport.closed and transport.connection is not None:
                _Attempt(reactor, transport, in_order(addresses), self).next()

        reactor._resolver.look_up(host, int(url.port), found)

    @staticmethod
    def update(transport: Any, selectable: Any, now: float) -> bool:
        """Sets what to wait for on a transport's socket; says whether that is something else than before."""
        reading, writing = transport.capacity() > 0, transport.pending() > 0
        deadline, before = transport.tick(now), selectable._deadline
        changed = (
            selectable.reading != reading
            or selectable.writing != writing
            or bool(deadline and (not before or deadline < before))
        )
        selectable.reading, selectable.writing, selectable._deadline = reading, writing, deadline
        return changed

    def _read(self, selectable: Any) -> None:
        if self._take_in(selectable):
            self._refresh(selectable)

    def _take_in(self, selectable: Any) -> bool:
        """Reads what is there; whether there was something, be it the end."""
        transport = selectable._transport
        size = transport.capacity()
        if size > 0:
            try:
                received = selectable._delegate.recv(size)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                _log.info("reading failed: %s", error)
                _end(transport)
            else:
                if received:
                    transport._set_now(selectable._reactor.now)
                    transport.push(received)
                else:
                    _end(transport)
        return True

    def _write(self, transport: Any, sock: Any) -> bool:
        """Writes what there is to send; whether everything is written."""
        pending = transport.pending()
        while pending > 0:
            try:
                sent = sock.send(transport.peek(pending))
            except (BlockingIOError, InterruptedError):
                transport.pop(0)
                return False
            except OSError as error:
                _log.info("writing failed: %s", error)
                transport.close_head()
                return True
            transport.pop(sent)
            pending = transport.pending()
        return True

    def _refresh(self, selectable: Any) -> None:
        """Writes what can be written, and says what to wait for next."""
        transport, reactor = selectable._transport, selectable._reactor
        if selectable._deadline and selectable._deadline <= reactor.now:
            # The program may have been busy for long: a peer that has spoken meanwhile is not silent.
            self._take_in(selectable)
        self._write(transport, selectable._delegate)
        if self.update(transport, selectable, reactor.now):
            if reactor._own_io is self:
                self._selector.update(selectable)
            else:
                selectable.update()
        if transport.pending() < 0 and not selectable.__dict__.get("_shut"):
            selectable._shut = True
            with contextlib.suppress(OSError):  # The peer was first.
                selectable._delegate.shutdown(socket.SHUT_WR)

    def on_transport(self, event: Any) -> None:
        """A transport has something to send, or to wait for."""
        selectable = getattr(event.transport, "_selectable", None)
        if selectable is not None and not selectable._terminal:
            self._refresh(selectable)

    def on_transport_tail_closed(self, event: Any) -> None:
        """Ends a transport whose peer was forced to close: that is not answered, and counts as a loss."""
        connection = event.connection
        if connection is None or not connection.state & connection.LOCAL_ACTIVE:
            return
        condition = connection.remote_condition
        if condition is not None and condition.name == "amqp:connection:forced":
            event.transport.close_head()

    def on_transport_closed(self, event: Any) -> None:
        """Ends the socket of a transport."""
        transport = event.transport
        selectable = getattr(transport, "_selectable", None)
        if selectable is not None and not selectable._terminal:
            transport._selectable = None
            selectable._transport = None
            selectable.terminate()
            selectable.update()
        transport.unbind()


def _end(transport: Any) -> None:
    """Ends a transport whose socket is no more."""
    if transport.frames_input:
        transport.close_head()
        transport.close_tail()
    else:
        transport.close_tail()
        transport.close_head()


def attach(reactor: Any, transport: Any, sock: socket.socket) -> None:
    """Lets a transport use a connected socket."""
    selectable = reactor.selectable(handler=None, delegate=sock)
    selectable._transport = transport
    transport._selectable = selectable
    transport._use_socket(sock)
    IOHandler.update(transport, selectable, reactor.now)
    selectable.update()


def fail(transport: Any, description: str, condition: str = _IO_FAILED) -> None:
    """Ends a transport that has no connection."""
    if transport.closed:
        return
    transport.condition = Condition(condition, description)
    transport.close_tail()
    transport.close_head()


class _Attempt:
    """The addresses of a host, tried one after the other until one connects."""

    def __init__(self, reactor: Any, transport: Any, addresses: list[tuple[Any, ...]], handler: IOHandler) -> None:
        self.reactor = reactor
        self.transport = transport
        self.addresses = addresses
        self.handler = handler
        self.deadline = reactor.now + CONNECT_SECONDS
        self.refused = 0
        self.last = ""

    def next(self) -> None:
        """Tries the next address, or fails."""
        while self.addresses:
            address = self.addresses.pop(0)
            try:
                sock = IO.connect(address)
            except OSError as error:
                self.failed(error.errno)
                continue
            self._wait(sock)
            return
        if self.refused and not self.last:
            self.last = "Connection refused to all addresses"
        fail(self.transport, self.last or "Host has no addresses")

    def failed(self, code: int | None) -> None:
        """Notes why an address did not do."""
        if code == errno.ECONNREFUSED:
            self.refused += 1
        else:
            self.last = f"Connection error: {code} ({os.strerror(code or 0)})"

    def _wait(self, sock: socket.socket) -> None:
        selectable = ConnectSelectable(sock, self.reactor, self.addresses, self.transport, self.handler)
        selectable.attempt = self
        left = max(self.deadline - self.reactor.now, _LEAST_SECONDS)
        selectable.deadline = self.reactor.now + max(left / (len(self.addresses) + 1), _LEAST_SECONDS)
        self.transport._connecting = selectable
        self.reactor._add(selectable)


class ConnectSelectable(Selectable):
    """A socket that is connecting."""

    def __init__(self, sock: socket.socket, reactor: Any, addrs: list, transport: Any, iohandler: IOHandler) -> None:
        super().__init__(sock, reactor)
        self.writing = True
        self.attempt: Any = None
        self._addrs = addrs
        self._connecting = transport
        self._iohandler = iohandler
        self._kept = False

    def readable(self) -> None:
        """Not asked for."""

    def writable(self) -> None:
        """The attempt has ended, one way or the other."""
        code = self._delegate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._end(code)

    def expired(self) -> None:
        """The attempt has taken too long."""
        if not self._terminal:
            self._end(errno.ETIMEDOUT)

    def _end(self, code: int) -> None:
        if self._terminal:
            return
        transport = self._connecting
        wanted = not transport.closed and transport.connection is not None
        self._kept = wanted and code == 0
        transport._connecting = None
        self.terminate()
        self.update()
        if self._kept:
            attach(self._reactor, transport, self._delegate)
        elif wanted:
            self.attempt.failed(code)
            self.attempt.next()

    def release(self) -> None:
        """Closes the socket, unless it goes on as that of a connection."""
        if self._kept:
            self._delegate = None
        super().release()


class PythonIO:
    """The I/O of a container under its old name: passes everything to an :class:`IOHandler`."""

    def __init__(self) -> None:
        self.delegate = IOHandler()

    def on_unhandled(self, method: str, event: Any) -> None:
        """Passes an event on."""
        event.dispatch(self.delegate)

    def on_selectable_init(self, event: Any) -> None:
        """Begins to wait for a selectable."""
        self.delegate.on_selectable_init(event)

    def on_selectable_updated(self, event: Any) -> None:
        """Waits for something else of a selectable."""
        self.delegate.on_selectable_updated(event)

    def on_selectable_final(self, event: Any) -> None:
        """Waits for a selectable no longer, and closes it."""
        self.delegate.on_selectable_final(event)

    def on_reactor_quiesced(self, event: Any) -> None:
        """Waits for something to happen."""
        self.delegate.on_reactor_quiesced(event)
