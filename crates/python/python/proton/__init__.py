"""AMQP 1.0: the engine of Apache Qpid Proton's Python package, on Deuteron's core.

Programs usually begin with :class:`proton.reactor.Container` and :class:`proton.handlers.MessagingHandler`, or with
:class:`proton.utils.BlockingConnection`; the classes here are what these hand out, and a connection without sockets.
"""

from __future__ import annotations

import logging
import os

from . import _exceptions
from ._condition import Condition
from ._data import (
    UNDESCRIBED,
    AnnotationDict,
    Array,
    Data,
    Described,
    PropertyDict,
    SymbolList,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)
from ._delivery import Delivery, Disposition, DispositionType
from ._dispositions import (
    CustomDisposition,
    DeclaredDisposition,
    ModifiedDisposition,
    ReceivedDisposition,
    RejectedDisposition,
    TransactionalDisposition,
)
from ._endpoints import Connection, Endpoint, Link, Receiver, Sender, Session
from ._events import Collector, Event, EventType
from ._exceptions import (
    ConnectionException,
    DataException,
    Interrupt,
    LinkException,
    MessageException,
    ProtonException,
    SessionException,
    SSLException,
    SSLUnavailable,
    Timeout,
    TransportException,
)
from ._handler import Handler
from ._message import Message
from ._terminus import Terminus
from ._transport import SASL, SSL, SSLDomain, SSLSessionDetails, Transport
from ._url import Url

API_LANGUAGE = "C"
IMPLEMENTATION_LANGUAGE = "C"
PN_VERSION_MAJOR = VERSION_MAJOR = 0
PN_VERSION_MINOR = VERSION_MINOR = 40
PN_VERSION_POINT = VERSION_POINT = 0
VERSION = (VERSION_MAJOR, VERSION_MINOR, VERSION_POINT)

__all__ = [
    "API_LANGUAGE",
    "IMPLEMENTATION_LANGUAGE",
    "SASL",
    "SSL",
    "UNDESCRIBED",
    "VERSION_MAJOR",
    "VERSION_MINOR",
    "AnnotationDict",
    "Array",
    "Collector",
    "Condition",
    "Connection",
    "ConnectionException",
    "CustomDisposition",
    "Data",
    "DataException",
    "DeclaredDisposition",
    "Delivery",
    "Described",
    "Disposition",
    "DispositionType",
    "Endpoint",
    "Event",
    "EventType",
    "Handler",
    "Interrupt",
    "Link",
    "LinkException",
    "Message",
    "MessageException",
    "ModifiedDisposition",
    "PropertyDict",
    "ProtonException",
    "ReceivedDisposition",
    "Receiver",
    "RejectedDisposition",
    "SSLDomain",
    "SSLException",
    "SSLSessionDetails",
    "SSLUnavailable",
    "Sender",
    "Session",
    "SessionException",
    "SymbolList",
    "Terminus",
    "Timeout",
    "TransactionalDisposition",
    "Transport",
    "TransportException",
    "Url",
    "byte",
    "char",
    "decimal32",
    "decimal64",
    "decimal128",
    "float32",
    "int32",
    "short",
    "symbol",
    "timestamp",
    "ubyte",
    "uint",
    "ulong",
    "ushort",
]

log = logging.getLogger("proton")
handler = logging.NullHandler()
logconfigfile = os.environ.get("PNPY_LOGGER_CONFIG")
if logconfigfile:
    from logging.config import fileConfig

    fileConfig(logconfigfile, disable_existing_loggers=False)
else:
    log.addHandler(handler)


def _register_exceptions() -> None:
    from deuteron import _core

    for name in dir(_exceptions):
        if isinstance(getattr(_exceptions, name), type):
            _core.register(name, getattr(_exceptions, name))


_register_exceptions()
