"""The database that ``saslpasswd2`` writes: a hash of Berkeley DB, with a password for each user and realm."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

_MAGIC = 0x061561
_HASH_PAGES = (2, 13)  # not sorted, as older libraries wrote them, and sorted
_HERE = 1  # an item that is within its page
_HEADER = 26
_PROPERTY = b"userPassword"


def is_database(content: bytes) -> bool:
    """Whether it is a hash of Berkeley DB."""
    return len(content) >= 72 and _order(content) is not None


def users(content: bytes) -> list[tuple[str, str]]:
    """The names and passwords: ``user@realm``, and ``user`` too where the realm is this host.

    ValueError if the database is damaged.
    """
    found = []
    try:
        for key, value in _pairs(content):
            user, realm, name = key.split(b"\0")
            if name != _PROPERTY:
                continue
            password = value.decode("utf-8")
            found.append((f"{user.decode()}@{realm.decode()}", password))
            if realm.decode() in (socket.gethostname(), socket.getfqdn(), ""):
                found.append((user.decode(), password))
    except (struct.error, IndexError, UnicodeDecodeError, ValueError):
        raise ValueError("the database cannot be read") from None
    return found


def _order(content: bytes) -> str | None:
    for order in "<>":
        if struct.unpack_from(f"{order}I", content, 12)[0] == _MAGIC:
            return order
    return None


def _pairs(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    order = _order(content)
    (size,) = struct.unpack_from(f"{order}I", content, 20)
    if size < 512 or size & (size - 1):
        raise ValueError(f"a page of {size} bytes")
    for start in range(size, len(content) - size + 1, size):
        page = content[start : start + size]
        if page[25] not in _HASH_PAGES:
            continue
        (entries,) = struct.unpack_from(f"{order}H", page, 20)
        offsets = struct.unpack_from(f"{order}{entries}H", page, _HEADER)
        items = [page[at:end] for at, end in zip(offsets, (size, *offsets))]
        if any(item[0] != _HERE for item in items):
            raise ValueError("an item that is not in one piece")
        yield from ((key[1:], value[1:]) for key, value in zip(items[::2], items[1::2]))
