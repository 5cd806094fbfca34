"""The exceptions of the package."""

from __future__ import annotations


class ProtonException(Exception):
    """The root of the package's exceptions."""


class Timeout(ProtonException):
    """What was waited for did not come in time."""


class Interrupt(ProtonException):
    """A wait was interrupted."""


class MessageException(ProtonException):
    """A message cannot be written or read."""


class DataException(ProtonException):
    """A value cannot be written or read."""


class TransportException(ProtonException):
    """A transport cannot do what was asked for."""


class SSLException(TransportException):
    """TLS cannot be set up as was asked for."""


class SSLUnavailable(SSLException):
    """There is no TLS in this build."""


class ConnectionException(ProtonException):
    """A connection failed."""


class SessionException(ProtonException):
    """A session failed."""


class LinkException(ProtonException):
    """A link failed."""


EXCEPTIONS = {
    -6: Timeout,
    -7: Interrupt,
}
