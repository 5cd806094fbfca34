"""Connections, sessions and links, as programs use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deuteron import _core

from ._capabilities import decoded, symbol_list, symbols
from ._condition import Condition, from_parts, to_parts
from ._exceptions import LinkException
from ._handler import Handler
from ._terminus import Terminus, local_terminus, remote_terminus
from ._types import PropertyDict, SymbolList


class Endpoint:
    """What connections, sessions and links have in common: two sides, and a state of each."""

    LOCAL_UNINIT = 1
    LOCAL_ACTIVE = 2
    LOCAL_CLOSED = 4
    REMOTE_UNINIT = 8
    REMOTE_ACTIVE = 16
    REMOTE_CLOSED = 32

    condition: Condition | None = None

    @property
    def remote_condition(self) -> Condition | Any:
        """Why the peer closed it, if it said so."""
        return from_parts(self._remote_condition())  # type: ignore[attr-defined]

    @property
    def handler(self) -> Handler | None:
        """The handler that takes its events instead of those around it."""
        return self._handler

    @handler.setter
    def handler(self, handler: Any) -> None:
        if handler is not None and not isinstance(handler, Handler):
            wrapper = Handler()
            wrapper.add(handler)
            handler = wrapper
        self._handler = handler

    def __getattr__(self, name: str) -> Any:
        """There is no such attribute."""
        raise AttributeError(f"{name} not in _attrs")


class Connection(Endpoint, _core.ConnectionCore):
    """A connection (2.4): what runs over a transport, and outlives it."""

    container: Any = None
    url: Any
    _reactor: Any
    _session_policy: Any
    user: str | None = None
    authorization: str | None = None
    properties: Any = None

    def __init__(self) -> None:
        self._hostname: str | None = None
        self._password: str | None = None
        self.offered_capabilities_list: Any = None
        self.desired_capabilities_list: Any = None

    @staticmethod
    def wrap(impl: Any) -> Any:
        """The object itself: there is one for each connection."""
        return impl

    @property
    def connection(self) -> Connection:
        """The connection itself."""
        return self

    @property
    def hostname(self) -> str | None:
        """The virtual host that Open asks for."""
        return self._hostname

    @hostname.setter
    def hostname(self, name: str | None) -> None:
        self._hostname = name
        self._set_hostname(name)

    @property
    def password(self) -> None:
        """Always None: a password can only be set."""
        return None

    @password.setter
    def password(self, password: str | None) -> None:
        self._password = password

    @property
    def _credentials(self) -> Any:
        return self.user, self._password, self.authorization

    @property
    def offered_capabilities(self) -> SymbolList | None:
        """What we can do, told in Open."""
        return self.offered_capabilities_list

    @offered_capabilities.setter
    def offered_capabilities(self, capabilities: Any) -> None:
        self.offered_capabilities_list = SymbolList(capabilities) if capabilities is not None else None

    @property
    def desired_capabilities(self) -> SymbolList | None:
        """What we would like the peer to do, told in Open."""
        return self.desired_capabilities_list

    @desired_capabilities.setter
    def desired_capabilities(self, capabilities: Any) -> None:
        self.desired_capabilities_list = SymbolList(capabilities) if capabilities is not None else None

    @property
    def remote_container(self) -> str | None:
        """The peer's container id."""
        parts = self._remote_open()
        return parts[0] if parts else None

    @property
    def remote_hostname(self) -> str | None:
        """The virtual host that the peer asks for."""
        parts = self._remote_open()
        return parts[1] if parts else None

    @property
    def remote_offered_capabilities(self) -> SymbolList | None:
        """What the peer can do."""
        parts = self._remote_open()
        return symbol_list(parts[2]) if parts else None

    @property
    def remote_desired_capabilities(self) -> SymbolList | None:
        """What the peer would like us to do."""
        parts = self._remote_open()
        return symbol_list(parts[3]) if parts else None

    @property
    def remote_properties(self) -> PropertyDict | None:
        """The properties in the peer's Open."""
        parts = self._remote_open()
        return PropertyDict(decoded(parts[4]), raise_on_error=False) if parts and parts[4] else None

    @property
    def connected_address(self) -> str | None:
        """The address that it was connected to."""
        url = self.__dict__.get("url")
        return str(url) if url is not None else None

    @property
    def error(self) -> Condition | None:
        """Always None: see ``condition`` and ``remote_condition``."""
        return None

    def open(self) -> None:
        """Opens our side."""
        self._open_as(True)

    def _open_as(self, told: bool) -> None:
        properties = self.properties
        if type(properties) is dict:
            properties = PropertyDict(properties, raise_on_error=False)
        self._open(
            told,
            str(self.container or ""),
            self._hostname,
            symbols(self.offered_capabilities_list),
            symbols(self.desired_capabilities_list),
            bytes(_core.encode(properties)) if properties else None,
        )

    def close(self) -> None:
        """Closes our side, with ``condition`` if that is set."""
        if self.state & Endpoint.LOCAL_UNINIT:
            # A Close needs an Open before it, of which nobody hears.
            self._open_as(False)
        self._close(to_parts(self.condition))

    def collect(self, collector: Any) -> None:
        """Puts the connection's events into a collector from now on."""
        self._collect(collector)

    def session(self) -> Session:
        """A new session."""
        return self._session()

    def session_head(self, mask: int) -> Session | None:
        """The oldest session whose state fits."""
        sessions = self._sessions(mask)
        return sessions[0] if sessions else None

    def link_head(self, mask: int) -> Link | None:
        """The oldest link whose state fits."""
        links = self._links(mask)
        return links[0] if links else None

    def sessions(self, mask: int) -> Iterator[Session]:
        """The sessions whose state fits, the oldest first."""
        return iter(self._sessions(mask))

    def links(self, mask: int) -> Iterator[Link]:
        """The links whose state fits, the oldest first."""
        return iter(self._links(mask))

    def free(self) -> None:
        """Lets go of the connection with all that belongs to it."""
        self._free()

    def __repr__(self) -> str:
        return f"<proton._endpoints.Connection {id(self):#x}>"


class Session(Endpoint, _core.SessionCore):
    """A session (2.5): links share its windows, and the order of its frames."""

    def __init__(self, *_args: Any) -> None:
        self._outgoing_window = 2147483647
        self._capacity = 0

    @staticmethod
    def wrap(impl: Any) -> Any:
        """The object itself: there is one for each session."""
        return impl

    @property
    def transport(self) -> Any:
        """The transport that the session's connection is bound to, if any."""
        return self.connection.transport

    @property
    def incoming_capacity(self) -> int:
        """Bytes that may wait to be read; 0 for no limit."""
        return self._capacity

    @incoming_capacity.setter
    def incoming_capacity(self, capacity: int) -> None:
        self._capacity = capacity
        self._incoming_capacity = capacity

    @property
    def outgoing_window(self) -> int:
        """Transfers that may be under way."""
        return self._outgoing_window

    @outgoing_window.setter
    def outgoing_window(self, window: int) -> None:
        self._outgoing_window = window
        self._set_outgoing_window(window)

    @property
    def incoming_bytes(self) -> int:
        """Bytes that wait to be read."""
        return sum(d.pending for d in self._waiting() if d.readable)

    @property
    def outgoing_bytes(self) -> int:
        """Bytes that wait to be sent."""
        return sum(d.pending for d in self._waiting() if not d.readable)

    def _waiting(self) -> Iterator[Any]:
        for link in self.connection._links(0):
            if link.session is self and link.current is not None:
                yield link.current

    def open(self) -> None:
        """Begins our side."""
        self._hold_back(self.transport)
        self._open()

    def _hold_back(self, transport: Any) -> None:
        """Takes the transport's bound on what is buffered, unless the session has one of its own."""
        bound = 0 if transport is None else transport.max_buffered_delivery_bytes
        if not self._capacity:
            self._incoming_capacity = bound

    def close(self) -> None:
        """Ends our side, with ``condition`` if that is set."""
        self._close(to_parts(self.condition))

    def next(self, mask: int) -> Session | None:
        """The next younger session of the connection whose state fits."""
        return _after(self, self.connection._sessions(0), mask, self.connection._sessions(mask))

    def sender(self, name: str) -> Sender:
        """A new link for sending."""
        return self._link(name, True)

    def receiver(self, name: str) -> Receiver:
        """A new link for receiving."""
        return self._link(name, False)

    def free(self) -> None:
        """Lets go of the session."""
        self._free()

    def __repr__(self) -> str:
        return f"<proton._endpoints.Session {id(self):#x}>"


def _after(this: Any, everything: list, mask: int, fitting: list) -> Any:
    """The first of the fitting ones behind this one."""
    if this not in everything:
        return None
    rest = everything[everything.index(this) + 1 :]
    return next((one for one in rest if one in fitting), None)


class Link(Endpoint, _core.LinkCore):
    """A link (2.6): messages go over it in one direction."""

    SND_UNSETTLED = 0
    SND_SETTLED = 1
    SND_MIXED = 2
    RCV_FIRST = 0
    RCV_SECOND = 1

    snd_settle_mode = SND_MIXED
    rcv_settle_mode = RCV_FIRST
    max_message_size = 0

    def __init__(self, *_args: Any) -> None:
        self._source = Terminus(Terminus.SOURCE)
        self._target = Terminus(Terminus.TARGET)
        self._properties: Any = None

    @staticmethod
    def wrap(impl: Any) -> Any:
        """The object itself: there is one for each link."""
        return impl

    @property
    def source(self) -> Terminus:
        """Where the messages come from, as we want it."""
        return self._source

    @property
    def target(self) -> Terminus:
        """Where the messages go, as we want it."""
        return self._target

    def _attach(self, part: int, default: Any = None) -> Any:
        parts = self._remote_attach()
        return parts[part] if parts else default

    @property
    def remote_source(self) -> Terminus:
        """Where the messages come from, as the peer has it."""
        return remote_terminus(self._attach(0))

    @property
    def remote_target(self) -> Terminus:
        """Where the messages go, as the peer has it."""
        return remote_terminus(self._attach(1))

    @property
    def remote_snd_settle_mode(self) -> int:
        """The sender's settle mode, as the peer has it."""
        return self._attach(2, Link.SND_MIXED)

    @property
    def remote_rcv_settle_mode(self) -> int:
        """The receiver's settle mode, as the peer has it."""
        return self._attach(3, Link.RCV_FIRST)

    @property
    def remote_max_message_size(self) -> int:
        """The longest message that the peer takes; 0 for any."""
        return self._attach(4, 0)

    @property
    def properties(self) -> Any:
        """Properties that Attach tells."""
        return self._properties

    @properties.setter
    def properties(self, properties: Any) -> None:
        self._properties = PropertyDict(properties, raise_on_error=False) if type(properties) is dict else properties

    @property
    def remote_properties(self) -> PropertyDict | None:
        """The properties in the peer's Attach."""
        encoded = self._attach(5)
        return PropertyDict(decoded(encoded), raise_on_error=False) if encoded else None

    @property
    def drain_mode(self) -> bool:
        """Whether the receiver has asked for its credit to be used up."""
        return self._drain_mode

    @drain_mode.setter
    def drain_mode(self, drain: bool) -> None:
        if drain and self.is_receiver:
            self._drain(0)

    def open(self) -> None:
        """Attaches our side."""
        self._open_as(True)

    def _open_as(self, told: bool) -> None:
        self._open(
            told,
            local_terminus(self._source),
            local_terminus(self._target),
            (self.snd_settle_mode, self.rcv_settle_mode),
            self.max_message_size,
            bytes(_core.encode(self._properties)) if self._properties else None,
        )

    def close(self) -> None:
        """Closes our side, with ``condition`` if that is set."""
        if self.state & Endpoint.LOCAL_UNINIT:
            # A Detach needs an Attach before it, of which nobody hears.
            self._open_as(False)
        self._close(to_parts(self.condition))

    def detach(self) -> None:
        """Detaches our side; the termini live on."""
        self._detach(to_parts(self.condition))

    @property
    def unsettled_deliveries(self) -> Iterator[Any]:
        """The deliveries that we have not settled, the oldest first; those that were lost with their wire left out."""
        return iter(self._unsettled_deliveries())

    @property
    def unsettled_head(self) -> Any | None:
        """The oldest delivery that we have not settled."""
        return next(self.unsettled_deliveries, None)

    def next(self, mask: int) -> Link | None:
        """The next younger link of the connection whose state fits."""
        return _after(self, self.connection._links(0), mask, self.connection._links(mask))

    def delivery(self, tag: Any) -> Any:
        """A new delivery, for writing a message into."""
        return self._delivery(tag.encode("utf-8") if isinstance(tag, str) else bytes(tag))

    def drained(self) -> int:
        """A sender gives back credit; a receiver learns how much was given back since it last asked."""
        return self._drained()

    def free(self) -> None:
        """Lets go of the link."""
        self._free()

    def __repr__(self) -> str:
        return f"<proton._endpoints.{type(self).__name__} {id(self):#x} name={self.name!r}>"


class Sender(Link):
    """A link for sending."""

    def offered(self, n: int) -> None:
        """Tells the receiver how many messages there are to be had."""
        self._offered(n)

    def stream(self, data: bytes) -> int:
        """Adds bytes to the message that is written; LinkException if there is no current delivery."""
        written = self._stream(bytes(data))
        if written is None:
            raise LinkException("[-1]: no current delivery")
        return written

    send = _core.LinkCore._send
    delivery_tag = _core.LinkCore._delivery_tag


class Receiver(Link):
    """A link for receiving."""

    def flow(self, n: int) -> None:
        """Allows the sender so many messages more."""
        self._flow(n)

    def drain(self, n: int) -> None:
        """Allows the sender so many messages more, now or not at all."""
        self._drain(n)

    def draining(self) -> bool:
        """Whether a drain is not answered yet."""
        return self._draining()

    def recv(self, limit: int) -> bytearray | None:
        """At most so many bytes of the current message; None at its end."""
        return self._read(limit)


for _class in (Session, Sender, Receiver):
    _core.register(_class.__name__, _class)
_core.register("LinkException", LinkException)
