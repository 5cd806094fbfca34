"""The blocking API: connections, senders and receivers whose methods wait until what they ask for has happened."""

from __future__ import annotations

import collections
import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from ._connector import without_password
from ._delivery import Delivery
from ._endpoints import Endpoint, Link
from ._exceptions import ConnectionException, LinkException, ProtonException, Timeout
from ._handler import Handler
from ._handlers import IncomingMessageHandler, MessagingHandler
from ._reactor import Container
from ._url import Url

_DEFAULT_SECONDS = 60


class SendException(ProtonException):
    """A message that was sent has not been accepted. ``state`` is what the peer said."""

    def __init__(self, state: int) -> None:
        super().__init__(str(int(state)))
        self.state = state


class LinkDetached(LinkException):
    """The peer has closed a link. ``link`` is the link, ``condition`` the name of the error or None."""

    def __init__(self, link: Link) -> None:
        self.link = link
        kind, where = ("sender", "to") if link.is_sender else ("receiver", "from")
        condition = link.remote_condition
        if condition:
            text = f"{kind} {link.name} {where} {_address(link)} closed due to: {condition}"
            self.condition: str | None = condition.name
        else:
            text = f"{kind} {link.name} {where} {_address(link)} closed by peer"
            self.condition = None
        super().__init__(text)


class ConnectionClosed(ConnectionException):
    """The peer has closed the connection. ``condition`` is the name of the error or None."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        condition = connection.remote_condition
        if condition:
            text = f"Connection {connection.hostname} closed due to: {condition}"
            self.condition = condition.name
        else:
            text = f"Connection {connection.hostname} closed by peer"
            self.condition = None
        super().__init__(text)


def _address(link: Any) -> Any:
    return link.target.address if link.is_sender else link.source.address


def _is_settled(delivery: Delivery) -> bool:
    return delivery.settled or delivery.link.snd_settle_mode == Link.SND_SETTLED


class BlockingLink:
    """What senders and receivers have in common. Unknown attributes are those of the link under it, ``link``."""

    def __init__(self, connection: BlockingConnection, link: Any) -> None:
        self.connection = connection
        self.link = link
        self.connection.wait(lambda: not self.link.state & Endpoint.REMOTE_UNINIT, msg=f"Opening link {link.name}")
        self._checkClosed()

    def _waitForClose(self, timeout: float = 1) -> None:
        """Waits a little for the close that should follow; LinkDetached if it comes."""
        with contextlib.suppress(Timeout):
            self.connection.wait(
                lambda: self.link.state & Endpoint.REMOTE_CLOSED,
                timeout=timeout,
                msg=f"Opening link {self.link.name}",
            )
        self._checkClosed()

    def _checkClosed(self) -> None:
        if self.link.state & Endpoint.REMOTE_CLOSED:
            self.link.close()
            if not self.connection.closing:
                raise LinkDetached(self.link)

    def close(self) -> None:
        """Closes the link and waits for the peer to do so."""
        self.link.close()
        self.connection.wait(lambda: not self.link.state & Endpoint.REMOTE_ACTIVE, msg=f"Closing link {self.link.name}")

    def __getattr__(self, name: str) -> Any:
        if name == "link" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.link, name)


class BlockingSender(BlockingLink):
    """A sender whose ``send`` waits until the message is settled."""

    def __init__(self, connection: BlockingConnection, sender: Any) -> None:
        super().__init__(connection, sender)
        asked, got = sender.target.address, sender.remote_target.address
        if asked and asked != got:
            self._waitForClose()
            self.link.close()
            raise LinkException(f"Failed to open sender {sender.name}, target does not match")

    def send(self, msg: Any, timeout: Any = False, error_states: Any = None) -> Delivery:
        """Sends a message and waits until it is settled.

        ``SendException`` if it was rejected or released, or has one of the ``error_states`` if these are given.
        """
        delivery = self.link.send(msg)
        self.connection.wait(lambda: _is_settled(delivery), msg=f"Sending on sender {self.link.name}", timeout=timeout)
        if delivery.link.snd_settle_mode != Link.SND_SETTLED:
            delivery.settle()
        bad = error_states if error_states is not None else (Delivery.REJECTED, Delivery.RELEASED)
        if delivery.remote_state in bad:
            raise SendException(delivery.remote_state)
        return delivery


class Fetcher(MessagingHandler):
    """Keeps the messages that have come for a receiver until they are asked for."""

    def __init__(self, connection: BlockingConnection, prefetch: int) -> None:
        super().__init__(prefetch=prefetch, auto_accept=False)
        self.connection = connection
        self.incoming: collections.deque = collections.deque()
        self.unsettled: collections.deque = collections.deque()

    def on_message(self, event: Any) -> None:
        """Keeps a message."""
        self.incoming.append((event.message, event.delivery))
        self.connection.container.yield_()

    def on_link_error(self, event: Any) -> None:
        """The peer has closed the receiver with an error."""
        if event.link.state & Endpoint.LOCAL_ACTIVE:
            event.link.close()
            if not self.connection.closing:
                raise LinkDetached(event.link)

    def on_connection_error(self, event: Any) -> None:
        """The peer has closed the connection with an error."""
        if not self.connection.closing:
            raise ConnectionClosed(event.connection)

    @property
    def has_message(self) -> int:
        """How many messages wait."""
        return len(self.incoming)

    def pop(self) -> Any:
        """The next message. It is to be settled after that, unless the sender has done so."""
        message, delivery = self.incoming.popleft()
        if not delivery.settled:
            self.unsettled.append(delivery)
        return message

    def settle(self, state: int | None = None) -> None:  # type: ignore[override]  # as Proton has it
        """Settles the oldest message that was taken. ``IndexError`` if there is none."""
        delivery = self.unsettled.popleft()
        if state:
            delivery.update(state)
        delivery.settle()


class BlockingReceiver(BlockingLink):
    """A receiver whose ``receive`` waits for a message."""

    def __init__(self, connection: BlockingConnection, receiver: Any, fetcher: Fetcher | None, credit: int = 1) -> None:
        super().__init__(connection, receiver)
        asked, got = receiver.source.address, receiver.remote_source.address
        if asked and asked != got:
            self._waitForClose()
            self.link.close()
            raise LinkException(f"Failed to open receiver {receiver.name}, source does not match")
        if credit:
            receiver.flow(credit)
        self.fetcher = fetcher
        self.container = connection.container

    def __del__(self) -> None:
        self.fetcher = None
        link = self.__dict__.get("link")
        if link is not None and link.handler is not None:
            link.handler = None

    def _fetched(self, what: str) -> Fetcher:
        if self.fetcher is None:
            raise Exception(f"Can't call {what} on this receiver as a handler was not provided")
        return self.fetcher

    def receive(self, timeout: Any = False) -> Any:
        """Waits for a message. Credit for one is given if there is none."""
        fetcher = self._fetched("receive")
        if not self.link.credit and not fetcher.has_message:
            self.link.flow(1)
        self.connection.wait(
            lambda: fetcher.has_message, msg=f"Receiving on receiver {self.link.name}", timeout=timeout
        )
        return fetcher.pop()

    def accept(self) -> None:
        """Accepts the oldest message that was received and not settled."""
        self.settle(Delivery.ACCEPTED)

    def reject(self) -> None:
        """Rejects the oldest message that was received and not settled."""
        self.settle(Delivery.REJECTED)

    def release(self, delivered: bool = True) -> None:
        """Gives the oldest message back that was received and not settled."""
        self.settle(Delivery.MODIFIED if delivered else Delivery.RELEASED)

    def settle(self, state: int | None = None) -> None:
        """Settles the oldest message that was received and not settled. ``IndexError`` if there is none."""
        self._fetched("accept/reject etc").settle(state)


class BlockingConnection(Handler):
    """A connection whose methods wait. Its loop runs only while one of them does.

    With ``urls`` each is tried once, until one can be connected to. ``timeout`` is that of all methods that are given
    none (60 s; a method's ``timeout=None``: any time).
    """

    def __init__(
        self,
        url: Any = None,
        timeout: float | None = None,
        container: Any = None,
        ssl_domain: Any = None,
        heartbeat: float | None = None,
        urls: Sequence[str | Url] | None = None,
        reconnect: Any = None,
        **kwargs: Any,
    ) -> None:
        self.disconnected: Any = False
        self.timeout = timeout or _DEFAULT_SECONDS
        self.container = container or Container()
        self.container.timeout = self.timeout
        self.container.start()
        self.conn: Any = None
        self.closing = False
        self._tries_left = len(urls) if urls else 1
        if urls is None and reconnect is None and url is not None:
            reconnect = False
        try:
            self.conn = self.container.connect(
                url=url,
                handler=self,
                ssl_domain=ssl_domain,
                reconnect=reconnect,
                heartbeat=heartbeat,
                urls=urls,
                **kwargs,
            )
            self.wait(lambda: not self.conn.state & Endpoint.REMOTE_UNINIT, msg="Opening connection")
        except BaseException:
            self._abandon()
            raise
        self._tries_left = 0

    def create_sender(
        self, address: str | None, handler: Any = None, name: str | None = None, options: Any = None
    ) -> BlockingSender:
        """A sender, when the peer has opened it. ``LinkDetached`` if the peer refuses."""
        sender = self.container.create_sender(self.conn, address, name=name, handler=handler, options=options)
        return BlockingSender(self, sender)

    def create_receiver(
        self,
        address: str | None = None,
        credit: int | None = None,
        dynamic: bool = False,
        handler: Any = None,
        name: str | None = None,
        options: Any = None,
    ) -> BlockingReceiver:
        """A receiver, when the peer has opened it. ``credit``: how many messages are fetched ahead."""
        fetcher = None
        if handler is None:
            fetcher = Fetcher(self, credit or 0)
        elif credit is None:
            credit = 1
        receiver = self.container.create_receiver(
            self.conn, address, name=name, dynamic=dynamic, handler=handler or fetcher, options=options
        )
        return BlockingReceiver(self, receiver, fetcher, credit=credit if fetcher is None and credit else 0)

    def close(self) -> None:
        """Closes the connection, waits for the peer to do so, and lets go of everything. A second call does nothing."""
        if self.closing or self.conn is None:
            return
        self.closing = True
        self.container.errors = []
        try:
            if self.conn.state & Endpoint.LOCAL_ACTIVE:
                self.conn.close()
            self.wait(lambda: not self.conn.state & Endpoint.REMOTE_ACTIVE, msg="Closing connection")
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Runs the loop down, so that the socket is closed, and lets go of the connection and the container."""
        self.closing = True
        connection, self.conn = self.conn, None
        container, self.container = self.container, None
        if connection is not None:
            connection.close()
            transport = connection.transport
            if transport is not None:
                transport.close_tail()
                transport.close_head()
            container.timeout = 0
            container.stop()
            while container.process():
                pass
            connection.handler = None
        container.handler = None
        container.global_handler = None

    @property
    def url(self) -> str | None:
        """Where the connection leads."""
        return self.conn.connected_address if self.conn is not None else None

    def _is_closed(self) -> int:
        return self.conn.state & (Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED)

    def run(self) -> None:
        """Runs the loop, for handlers, until the connection is closed."""
        while self.container.process():
            pass
        self.container.stop()
        self.container.process()

    def wait(self, condition: Callable[[], Any], timeout: Any = False, msg: str | None = None) -> None:
        """Runs the loop until ``condition()`` is true.

        ``Timeout`` after so many seconds (False: the connection's; None: any time); ``ConnectionException`` if the
        connection is lost meanwhile.
        """
        seconds = self.timeout if timeout is False else timeout
        container = self.container
        before = container.timeout
        deadline = None if seconds is None else time.monotonic() + seconds
        container._collector._enter()
        try:
            while not condition() and not self.disconnected:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left < 0:
                    text = f"Connection {without_password(self.url)} timed out"
                    raise Timeout(f"{text}: {msg}" if msg else text)
                container.timeout = left
                if not container.process() and not condition() and not self.disconnected:
                    self.disconnected = "unknown"
        finally:
            container.timeout = before
            container._collector._leave()
        if self.disconnected and not self._is_closed():
            where = without_password(self.url)
            raise ConnectionException(f"Connection {where} disconnected: {self.disconnected}")

    def on_link_remote_close(self, event: Any) -> None:
        """The peer has closed a link."""
        if event.link.state & Endpoint.LOCAL_ACTIVE:
            event.link.close()
            if not self.closing:
                raise LinkDetached(event.link)

    def on_connection_remote_close(self, event: Any) -> None:
        """The peer has closed the connection."""
        if event.connection.state & Endpoint.LOCAL_ACTIVE:
            event.connection.close()
            if not self.closing:
                raise ConnectionClosed(event.connection)

    def on_transport_tail_closed(self, event: Any) -> None:
        """Nothing more comes from the peer."""
        self.on_transport_closed(event)

    def on_transport_head_closed(self, event: Any) -> None:
        """Nothing more goes to the peer."""
        self.on_transport_closed(event)

    def on_transport_closed(self, event: Any) -> None:
        """The network connection is lost, or could not be made."""
        if self.closing:
            return
        if self._tries_left > 0:
            if event.type is event.TRANSPORT_CLOSED:
                self._tries_left -= 1
            if self._tries_left > 0:
                return
        if not self.disconnected:
            self.disconnected = event.transport.condition or "unknown"

    def on_reconnect_failed(self, event: Any) -> None:
        """No further attempt will be made."""
        if not self.closing and not self.disconnected:
            self.disconnected = event.condition or "unknown"


class _Count:
    """Numbers one after the other, for any number of threads."""

    def __init__(self, start: int = 0, step: int = 1) -> None:
        self._numbers = itertools.count(start, step)

    def next(self) -> int:
        """The next number."""
        return next(self._numbers)


AtomicCount = _Count


class SyncRequestResponse(IncomingMessageHandler):
    """Requests with responses: messages sent to ``address`` that are answered to a receiver of our own."""

    correlation_id = AtomicCount()

    def __init__(self, connection: BlockingConnection, address: str | None = None) -> None:
        super().__init__()
        self.connection = connection
        self.address = address
        self.sender = connection.create_sender(address)
        self.receiver = connection.create_receiver(None, dynamic=True, credit=1, handler=self)
        self.response: Any = None

    def call(self, request: Any) -> Any:
        """Sends a request and waits for the response to it."""
        if not self.address and not request.address:
            raise ValueError(f"Request message has no address: {request}")
        request.reply_to = self.reply_to
        request.correlation_id = correlation_id = str(self.correlation_id.next())
        self.sender.send(request)

        def answered() -> bool:
            return bool(self.response and self.response.correlation_id == correlation_id)

        self.connection.wait(answered, msg="Waiting for response")
        response, self.response = self.response, None
        self.receiver.flow(1)
        return response

    @property
    def reply_to(self) -> str:
        """The address that responses are sent to."""
        return self.receiver.remote_source.address

    def on_message(self, event: Any) -> None:
        """Keeps a response."""
        self.response = event.message
        self.connection.container.yield_()


__all__ = [
    "AtomicCount",
    "BlockingConnection",
    "BlockingLink",
    "BlockingReceiver",
    "BlockingSender",
    "ConnectionClosed",
    "Fetcher",
    "LinkDetached",
    "SendException",
    "SyncRequestResponse",
    "Url",
]
