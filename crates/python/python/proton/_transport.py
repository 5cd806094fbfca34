"""Transports, and the layers of security on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from deuteron import _core

from ._condition import Condition, from_parts, to_parts
from ._exceptions import SessionException, TransportException
from ._sasl import SASL
from ._ssl import SSL, SSLDomain, SSLSessionDetails

__all__ = ["SASL", "SSL", "SSLDomain", "SSLSessionDetails", "Transport"]

_TRUE = ("true", "1", "yes", "on")


_SUBSYSTEMS = {"FRAME": "AMQP", "RAW": "IO", "TRACE": "*ALL*"}


def _traced_by_environment() -> int:
    """What ``PN_TRACE_FRM``, ``PN_TRACE_RAW`` and ``PN_LOG`` ask for."""
    levels = os.environ.get("PN_LOG", "").upper().replace("+", "").split()
    flags = Transport.TRACE_OFF
    for flag, name, level in ((Transport.TRACE_FRM, "FRM", "FRAME"), (Transport.TRACE_RAW, "RAW", "RAW")):
        if os.environ.get(f"PN_TRACE_{name}", "").lower() in _TRUE or level in levels or "ALL" in levels:
            flags |= flag
    return flags


class Transport(_core.TransportCore):
    """The bytes of a connection, without sockets: what is pushed comes from the peer, what is popped goes to it."""

    TRACE_OFF = 0
    TRACE_RAW = 1
    TRACE_FRM = 2
    TRACE_DRV = 4
    CLIENT = 1
    SERVER = 2

    def __new__(cls, mode: int | None = None, *_args: Any) -> Any:
        """A transport of a client, or of a server."""
        if mode not in (None, Transport.CLIENT, Transport.SERVER):
            raise TransportException(f"Cannot initialise Transport from mode: {mode}")
        return super().__new__(cls, mode == Transport.SERVER)

    def __init__(self, mode: int | None = None) -> None:
        self._tracer: Callable[[Any, str], None] | None = None
        self._sasl: SASL | None = None
        self._ssl: SSL | None = None
        self._max_buffered = 0
        flags = _traced_by_environment()
        if flags:
            self.trace(flags)

    @staticmethod
    def wrap(impl: Any) -> Any:
        """The object itself: there is one for each transport."""
        return impl

    def __getattr__(self, name: str) -> Any:
        """There is no such attribute."""
        raise AttributeError(f"{name} not in _attrs")

    def bind(self, connection: Any) -> None:
        """Binds to a connection; TransportException if one of the two is bound already."""
        if not self._bind(connection):
            raise TransportException("[-5]: transport or connection is bound already")
        self._hold_back(connection)

    def bind_nothrow(self, connection: Any) -> None:
        """Binds to a connection, if neither is bound."""
        if self._bind(connection):
            self._hold_back(connection)

    @property
    def max_buffered_delivery_bytes(self) -> int:
        """Bytes of messages that may wait to be read in each session of the connection: then the peer is held back.

        0, the default, is for no bound. A session with an ``incoming_capacity`` of its own goes by that. One frame may
        always come, so less than ``max_frame_size`` bounds to that. On a session that is open already it holds once the
        peer has used up what it was allowed before: set it before that.
        """
        return self._max_buffered

    @max_buffered_delivery_bytes.setter
    def max_buffered_delivery_bytes(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"max_buffered_delivery_bytes is a number of bytes, and 0 for no bound: {size}")
        self._max_buffered = size
        connection = self.connection
        if connection is not None:
            self._hold_back(connection)

    def _hold_back(self, connection: Any) -> None:
        for session in connection.sessions(0):
            session._hold_back(self)

    def push(self, binary: Any) -> None:
        """Takes bytes that came from the peer; OverflowError if there is no room for all."""
        binary = bytes(binary)
        room = self.capacity()
        if len(binary) > max(room, 0):
            raise OverflowError(
                f"unable to process all bytes: {len(binary)} came, and there is room for {max(room, 0)}"
            )
        self._push(binary)

    def trace(self, n: int) -> None:
        """Says what is to be traced: TRACE_FRM for frames, TRACE_RAW for bytes. Set it before the first byte."""
        frames, raw = bool(n & Transport.TRACE_FRM), bool(n & Transport.TRACE_RAW)
        self._trace(self._write_trace if frames or raw else None, frames, raw)

    def _write_trace(self, level: str, line: str) -> None:
        header = level == "FRAME" and line.startswith("  ")
        if header and line.endswith(" 1.0.0"):
            line = line[: -len(" 1.0.0")]
        tracer = self._tracer
        if tracer is not None:
            tracer(self, f"{level}: {line}")
            return
        subsystem = "SASL" if header and line.endswith(" SASL") else _SUBSYSTEMS[level]
        sys.stderr.write(f"[{id(self):#x}]:{subsystem:>5}:{level:>5}:{line}\n")

    @property
    def tracer(self) -> Callable[[Any, str], None] | None:
        """Called with the transport and a line, for each that is traced; None for standard error."""
        return self._tracer

    @tracer.setter
    def tracer(self, tracer: Callable[[Any, str], None] | None) -> None:
        self._tracer = tracer

    def log(self, message: str) -> None:
        """Writes a line into the trace."""
        self._write_trace("TRACE", message)

    @property
    def condition(self) -> Condition | Any:
        """What the transport failed of, if it did."""
        return from_parts(self._condition)

    @condition.setter
    def condition(self, condition: Condition | None) -> None:
        self._condition = to_parts(condition)

    @property
    def max_frame_size(self) -> int:
        """The longest frame that we take, in bytes; 0 for any."""
        return self._max_frame_size

    @max_frame_size.setter
    def max_frame_size(self, size: int) -> None:
        self._max_frame_size = size

    @property
    def remote_max_frame_size(self) -> int:
        """The longest frame that the peer takes, in bytes."""
        return self._remote_limits()[0]

    @property
    def channel_max(self) -> int:
        """The highest channel that we take."""
        return self._channel_max

    @channel_max.setter
    def channel_max(self, channel: int) -> None:
        if self._is_started():
            raise SessionException("[-5]: Cannot change channel_max after connecting")
        self._channel_max = channel

    @property
    def remote_channel_max(self) -> int:
        """The highest channel that the peer takes."""
        return self._remote_limits()[1]

    @property
    def idle_timeout(self) -> float:
        """Seconds of silence after which the peer is given up; 0 for never."""
        return self._idle_timeout / 1000.0

    @idle_timeout.setter
    def idle_timeout(self, seconds: float) -> None:
        self._idle_timeout = int(seconds * 1000)

    @property
    def remote_idle_timeout(self) -> float:
        """The longest silence in seconds that the peer allows us; 0 for any."""
        return self._remote_limits()[2] / 1000.0

    @property
    def frames_input(self) -> int:
        """How many frames have come."""
        return self._frames()[0]

    @property
    def frames_output(self) -> int:
        """How many frames have gone out."""
        return self._frames()[1]

    @property
    def authenticated(self) -> bool:
        """Whether SASL has ended well."""
        return self._sasl_result()[2] == SASL.OK

    @property
    def encrypted(self) -> bool:
        """Whether what goes over it is encrypted."""
        return self._tls_result()[0]

    @property
    def user(self) -> str | None:
        """A client's own user, once it has SASL. On a server who the client is: as SASL says, else by its certificate.

        ``anonymous`` where nobody has said who they are.
        """
        if not self._is_server():
            return "anonymous" if self._sasl is None else self._sasl.user
        mechanism, identity, outcome = self._sasl_result()
        if mechanism is not None and outcome != SASL.OK:
            return None
        return identity or self._verified_subject() or "anonymous"

    def _server_sasl(self) -> tuple[list | None, Any]:
        """The mechanisms and users of a server; called when its exchange is about to begin."""
        return (self._sasl or SASL(self))._configuration()

    def sasl(self) -> SASL:
        """The SASL layer, which is there from now on."""
        if self._sasl is None:
            self._sasl = SASL(self)
        return self._sasl

    def ssl(self, domain: Any = None, session_details: Any = None) -> SSL:
        """The TLS layer, which is there from now on."""
        return SSL(self, domain, session_details)

    def __repr__(self) -> str:
        return f"<proton._transport.Transport {id(self):#x}>"


os.register_at_fork(
    before=_core.hold_heartbeats,
    after_in_parent=_core.resume_heartbeats,
    after_in_child=_core.forget_heartbeats,
)
