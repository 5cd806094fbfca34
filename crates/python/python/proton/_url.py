"""URLs of peers, as lax as programs are used to."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit


class Url:
    """A URL in parts: scheme, username, password, host, port and path. What is missing is None, or a default."""

    AMQP = "amqp"
    AMQPS = "amqps"

    class Port(int):
        """A port number that equals its service name as well."""

        name: str

        def __new__(cls, value: Any) -> Any:
            """A port, of its number or its name."""
            port = super().__new__(cls, cls._port_int(value))
            port.name = str(value)
            return port

        def __eq__(self, x: Any) -> bool:
            """The same number, or the same name."""
            return str(self) == x or int(self) == x

        def __ne__(self, x: Any) -> bool:
            """Neither the same number nor the same name."""
            return not self == x

        def __hash__(self) -> int:
            return hash(int(self))

        def __str__(self) -> str:
            return str(self.name)

        @staticmethod
        def _port_int(value: Any) -> int:
            try:
                return int(value)
            except ValueError:
                pass
            try:
                return socket.getservbyname(value)
            except OSError:
                known = {"amqps": 5671, "amqp": 5672}
                if value in known:
                    return known[value]
                raise ValueError(f"Not a valid port number or service name: '{value}'") from None

    def __init__(self, url: Any = None, defaults: bool = True, **kwargs: Any) -> None:
        self.scheme: str | None = None
        self._username: str | None = None
        self._password: str | None = None
        self._host: str | None = None
        self._port: Any = None
        self._path: str | None = None
        self._query = self._fragment = ""
        if isinstance(url, Url):
            for name in ("scheme", "_username", "_password", "_host", "_port", "_path", "_query", "_fragment"):
                setattr(self, name, getattr(url, name))
        elif url:
            self._parse(url)
        for name, value in kwargs.items():
            if name not in ("scheme", "username", "password", "host", "port", "path"):
                raise AttributeError(f"Url has no attribute '{name}'")
            setattr(self, name, value)
        if defaults:
            self.defaults()

    def _parse(self, url: str) -> None:
        if not url.startswith("//") and "://" not in url:
            url = "//" + url
        parts = urlsplit(url)
        self.scheme = parts.scheme or None
        location = parts.netloc
        if "@" in location:
            user, location = location.rsplit("@", 1)
            name, colon, password = user.partition(":")
            self._username = unquote(name)
            self._password = unquote(password) if colon else None
        if location.startswith("["):
            host, _, rest = location[1:].partition("]")
            self._host, self._port = host, rest[1:] if rest.startswith(":") else None
        elif location.count(":") > 1:
            self._host = self._port = None
        else:
            host, colon, port = location.partition(":")
            self._host = host.lower() or None
            self._port = port if colon and port else None
        self._path = parts.path if parts.path else None
        self._query, self._fragment = parts.query, parts.fragment

    @property
    def username(self) -> str | None:
        """The user's name, unquoted."""
        return self._username

    @username.setter
    def username(self, name: str | None) -> None:
        self._username = name

    @property
    def password(self) -> str | None:
        """The password, unquoted."""
        return self._password

    @password.setter
    def password(self, password: str | None) -> None:
        self._password = password

    @property
    def host(self) -> str | None:
        """The host's name or address, without brackets."""
        return self._host

    @host.setter
    def host(self, host: str | None) -> None:
        self._host = host

    @property
    def port(self) -> Any:
        """The port; ValueError if it is no number and no service."""
        return Url.Port(self._port) if self._port is not None else None

    @port.setter
    def port(self, port: Any) -> None:
        self._port = port

    @property
    def path(self) -> str | None:
        """The path without its first slash: the address."""
        return self._path[1:] if self._path and self._path[0] == "/" else self._path

    @path.setter
    def path(self, path: str | None) -> None:
        if path is not None and path[0] != "/":
            path = "/" + path
        self._path = path

    def defaults(self) -> Url:
        """Fills in what is missing: amqp, 0.0.0.0, and the scheme's port."""
        self.scheme = self.scheme or Url.AMQP
        self._host = self._host or "0.0.0.0"
        self._port = self._port or Url.Port(self.scheme)
        return self

    def __str__(self) -> str:
        location = ""
        if self._username is not None:
            location = quote(self._username, safe="")
            if self._password is not None:
                location += ":" + quote(self._password, safe="")
            location += "@"
        if self._host is not None:
            location += f"[{self._host}]" if ":" in self._host else self._host
        if self._port is not None:
            location += f":{self._port}"
        return urlunsplit((self.scheme or "", location, self._path or "", self._query, self._fragment))

    def __repr__(self) -> str:
        return f"Url('{self}')"

    def __eq__(self, x: Any) -> bool:
        """The same text."""
        return str(self) == str(x)

    def __ne__(self, x: Any) -> bool:
        """Another text."""
        return not self == x

    __hash__ = None  # type: ignore[assignment]
