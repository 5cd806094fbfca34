"""A server's SASL configuration: a file as Cyrus SASL has it.

A line is ``key: value``; those that start with ``#`` do not count. These keys do, others are not looked at:

- ``mech_list``: the mechanisms to offer. Those that are not built in are left out, as Cyrus leaves out plugins that it
  does not find.
- ``users``: a text file with a line ``name:password`` or ``name:SCRAM-...`` for each user, as it is for
  ``deuteron broker --users``.
- ``sasldb_path``: a database of ``saslpasswd2`` (Berkeley DB), or such a text file.
- ``pwcheck_method``: only ``auxprop``. ``auxprop_plugin``: only ``sasldb``.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from deuteron import _core

from . import _sasldb

_log = logging.getLogger("proton")

NAME = "proton-server"
PATH = "/etc/sasl2:/usr/lib/sasl2"
DATABASE = "/etc/sasldb2"

_BUILT_IN = ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "EXTERNAL", "ANONYMOUS")
_WITH_USERS = _BUILT_IN[:4]

_known: dict[str, tuple[Any, Any]] = {}
"""Users by file, with the state of the file that they were read in: what SCRAM keeps takes a while to compute."""
_lock = threading.Lock()


def read(name: str | None, path: str | None) -> tuple[list | None, Any]:
    """The mechanisms that a server offers and its users, either None if the configuration does not say.

    ValueError if there is a configuration that cannot be used.
    """
    file = _find(name or NAME, path or os.environ.get("PN_SASL_CONFIG_PATH") or PATH)
    if file is None:
        return None, None
    try:
        settings = _settings(file)
        named = settings["mech_list"].replace(",", " ").upper().split() if "mech_list" in settings else None
        mechanisms = None if named is None else [mechanism for mechanism in named if mechanism in _BUILT_IN]
        if mechanisms is not None and not any(mechanism in _WITH_USERS for mechanism in mechanisms):
            return mechanisms, None
        users = _users(settings, os.path.dirname(file))
        if users is None and mechanisms is not None:
            raise ValueError("mech_list has mechanisms with passwords, and users: does not name a file with users")
        return mechanisms, users
    except (OSError, ValueError) as error:
        text = f"SASL configuration {file}: {error}"
        _log.error("%s", text)
        raise ValueError(text) from None


def _find(name: str, path: str) -> str | None:
    files = (os.path.join(directory, f"{name}.conf") for directory in path.split(":") if directory)
    return next((file for file in files if os.path.isfile(file)), None)


def _settings(file: str) -> dict[str, str]:
    settings = {}
    with open(file, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            key, colon, value = line.partition(":")
            if not colon or not key.strip():
                raise ValueError(f"line {number} is not of the form key: value")
            settings[key.strip().lower()] = value.strip()
    return settings


def _users(settings: dict[str, str], directory: str) -> Any | None:
    if "users" in settings:
        return _of_file(os.path.join(directory, settings["users"]))
    for key, only in (("pwcheck_method", "auxprop"), ("auxprop_plugin", "sasldb")):
        asked = settings.get(key, only).split()
        if only not in asked:
            raise ValueError(f"{key}: {' '.join(asked)} is not supported, only {only}; users: names a file with users")
    if "sasldb_path" in settings:
        return _of_file(settings["sasldb_path"])
    return _of_file(DATABASE) if os.path.exists(DATABASE) else None


def _of_file(path: str) -> Any:
    status = os.stat(path)
    state = (status.st_mtime_ns, status.st_size, status.st_ino)
    with _lock:
        known = _known.get(path)
        if known is None or known[0] != state:
            with open(path, "rb") as file:
                content = file.read()
            try:
                known = _known[path] = (state, _parsed(content))
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None
        return known[1]


def _parsed(content: bytes) -> Any:
    if _sasldb.is_database(content):
        return _core.Users("", _sasldb.users(content))
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError("it is neither text nor a Berkeley DB of saslpasswd2") from None
    hashed, passwords = [], []
    for number, line in enumerate(map(str.strip, lines), 1):
        kept = ""
        if ":SCRAM-" in line:
            kept = line
        elif line and not line.startswith("#"):
            name, colon, password = line.partition(":")
            if not colon or not name:
                raise ValueError(f"line {number}: a user is given as name:password")
            passwords.append((name, password))
        # Lines keep their numbers, for errors.
        hashed.append(kept)
    return _core.Users("\n".join(hashed), passwords)
