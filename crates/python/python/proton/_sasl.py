"""SASL: who the two sides of a transport are to each other."""

from __future__ import annotations

from typing import Any

__all__ = ["SASL"]


class SASL:
    """Who the two sides of a transport are to each other (part 5).

    The users and mechanisms of a server are in a file, ``proton-server.conf`` unless ``config_name()`` says otherwise,
    in a directory that ``config_path()`` names, or ``PN_SASL_CONFIG_PATH`` in the environment.
    """

    OK = 0
    AUTH = 1
    SYS = 2
    PERM = 3
    TEMP = 4

    _config_name: str | None = None
    _config_path: str | None = None
    _done: int | None = None
    _done_after_end = False

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        transport._use_sasl()

    def __eq__(self, other: Any) -> bool:
        """The same layer, however often it was asked for."""
        return isinstance(other, SASL) and self._transport is other._transport

    def __hash__(self) -> int:
        return hash(self._transport)

    @staticmethod
    def extended() -> bool:
        """Whether there are mechanisms beyond ANONYMOUS, PLAIN and EXTERNAL: SCRAM is here."""
        return True

    @property
    def mech(self) -> str | None:
        """The mechanism that the client chose."""
        return self._transport._sasl_result()[0]

    @property
    def outcome(self) -> int | None:
        """How it ended; None before it has."""
        outcome = self._transport._sasl_result()[2]
        if self._done is not None and (outcome is not None) == self._done_after_end:
            return self._done if self._done >= 0 else None
        return outcome

    @property
    def user(self) -> str | None:
        """The user that a client has been given; on a server who has come in, which may be ``anonymous``."""
        if not self._transport._is_server():
            connection = self._transport.connection
            return connection.user if connection is not None else None
        _, identity, outcome = self._transport._sasl_result()
        return (identity or "anonymous") if outcome == SASL.OK else None

    @property
    def authorization(self) -> str | None:
        """Who a client asks to act as; on a server who the client acts as."""
        if self._transport._is_server():
            return self.user
        connection = self._transport.connection
        return connection.authorization if connection is not None else None

    @property
    def allow_insecure_mechs(self) -> bool:
        """Whether passwords may be sent in the clear."""
        return self._transport._allow_insecure

    @allow_insecure_mechs.setter
    def allow_insecure_mechs(self, insecure: bool) -> None:
        self._transport._allow_insecure = bool(insecure)

    def allowed_mechs(self, mechs: Any) -> None:
        """The only mechanisms to use: a list, or names with spaces between them."""
        self._transport._allow_mechanisms(mechs.split() if isinstance(mechs, str) else list(mechs))

    def done(self, outcome: int) -> None:
        """Notes an outcome. The peer is not told: the mechanism decides, and then its outcome counts."""
        if not isinstance(outcome, int):
            raise TypeError("an integer is required")
        self._done = outcome
        self._done_after_end = self._transport._sasl_result()[2] is not None

    def config_name(self, name: str) -> None:
        """The name of a server's configuration: that of the file without ``.conf``."""
        self._config_name = _text(name, "name")

    def config_path(self, path: str) -> None:
        """The directory where the configuration is; several with colons between them."""
        self._config_path = _text(path, "path")

    def _configuration(self) -> tuple[list | None, Any]:
        # What a server needs, and a client does not.
        from . import _sasl_config

        return _sasl_config.read(self._config_name, self._config_path)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the {what} of a SASL configuration is a str, not {type(value).__name__}")
    return value
