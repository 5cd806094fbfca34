"""The ends of links (3.5): sources, targets and coordinators."""

from __future__ import annotations

from typing import Any

from ._data import Data

_EXPIRY = ("link-detach", "session-end", "connection-close", "never")


class Terminus:
    """An end of a link: an address, how long it lasts, and what else is asked of it."""

    UNSPECIFIED = 0
    SOURCE = 1
    TARGET = 2
    COORDINATOR = 3

    NONDURABLE = 0
    CONFIGURATION = 1
    DELIVERIES = 2

    DIST_MODE_UNSPECIFIED = 0
    DIST_MODE_COPY = 1
    DIST_MODE_MOVE = 2

    EXPIRE_WITH_LINK = 0
    EXPIRE_WITH_SESSION = 1
    EXPIRE_WITH_CONNECTION = 2
    EXPIRE_NEVER = 3

    type = UNSPECIFIED
    address: str | None = None
    durability = NONDURABLE
    expiry_policy = EXPIRE_WITH_SESSION
    timeout = 0
    dynamic = False
    distribution_mode = DIST_MODE_UNSPECIFIED

    def __init__(self, type: int = UNSPECIFIED) -> None:
        self.type = type
        self._properties = Data()
        self._capabilities = Data()
        self._outcomes = Data()
        self._filter = Data()

    @property
    def properties(self) -> Data:
        """Properties of a dynamic node."""
        return self._properties

    @property
    def capabilities(self) -> Data:
        """What the node is to be able to do."""
        return self._capabilities

    @property
    def outcomes(self) -> Data:
        """The outcomes that there may be."""
        return self._outcomes

    @property
    def filter(self) -> Data:
        """Which messages are wanted."""
        return self._filter

    def copy(self, src: Terminus) -> None:
        """Becomes like another."""
        for name in ("type", "address", "durability", "expiry_policy", "timeout", "dynamic", "distribution_mode"):
            setattr(self, name, getattr(src, name))
        for name in ("properties", "capabilities", "outcomes", "filter"):
            getattr(self, name).copy(getattr(src, name))


def local_terminus(terminus: Terminus) -> Any:
    """A terminus as the native half takes it."""
    encoded = (terminus.properties, terminus.capabilities, terminus.outcomes, terminus.filter)
    address = terminus.address
    return (
        terminus.type,
        str(address) if address is not None else None,
        terminus.durability,
        _EXPIRY[terminus.expiry_policy],
        int(terminus.timeout),
        bool(terminus.dynamic),
        terminus.distribution_mode,
        *(bytes(data.encode()) or None for data in encoded),
    )


def remote_terminus(parts: Any) -> Terminus:
    """A terminus of what the native half gives."""
    terminus = Terminus()
    if parts is None:
        return terminus
    terminus.type, terminus.address, terminus.durability = parts[:3]
    terminus.expiry_policy = _EXPIRY.index(parts[3])
    terminus.timeout, terminus.dynamic, terminus.distribution_mode = parts[4:7]
    datas = (terminus.properties, terminus.capabilities, terminus.outcomes, terminus.filter)
    for data, encoded in zip(datas, parts[7:]):
        if encoded:
            data.decode(encoded)
    return terminus
