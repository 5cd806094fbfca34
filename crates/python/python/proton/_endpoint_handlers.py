"""The handler that tells when connections, sessions and links have opened and closed, whichever side did it."""

from __future__ import annotations

import logging
from typing import Any

from ._endpoints import Endpoint
from ._message_handlers import Delegating

_log = logging.getLogger("proton")


class EndpointStateHandler(Delegating):
    """Calls ``on_X_opening``, ``_opened``, ``_closing``, ``_closed`` and ``_error`` of connections, sessions, links.

    What the peer opens is opened here after ``on_X_opening``, and what it closes is closed here after ``on_X_closing``
    or ``on_X_error``. With ``peer_close_is_error`` a peer that closes first is an error, where there is no delegate.
    """

    def __init__(self, peer_close_is_error: bool = False, delegate: Any | None = None) -> None:
        super().__init__(delegate)
        self.peer_close_is_error = peer_close_is_error

    @classmethod
    def is_local_open(cls, endpoint: Any) -> bool:
        """Whether this side has opened the endpoint, and not closed it."""
        return bool(endpoint.state & Endpoint.LOCAL_ACTIVE)

    @classmethod
    def is_local_uninitialised(cls, endpoint: Any) -> bool:
        """Whether this side has never opened the endpoint."""
        return bool(endpoint.state & Endpoint.LOCAL_UNINIT)

    @classmethod
    def is_local_closed(cls, endpoint: Any) -> bool:
        """Whether this side has closed the endpoint."""
        return bool(endpoint.state & Endpoint.LOCAL_CLOSED)

    @classmethod
    def is_remote_open(cls, endpoint: Any) -> bool:
        """Whether the peer has opened the endpoint, and not closed it."""
        return bool(endpoint.state & Endpoint.REMOTE_ACTIVE)

    @classmethod
    def is_remote_closed(cls, endpoint: Any) -> bool:
        """Whether the peer has closed the endpoint."""
        return bool(endpoint.state & Endpoint.REMOTE_CLOSED)

    @classmethod
    def print_error(cls, endpoint: Any, endpoint_type: str) -> None:
        """Logs the condition that the peer closed the endpoint with."""
        condition = endpoint.remote_condition
        if condition:
            _log.error("%s", condition.description or condition.name)
        elif cls.is_local_open(endpoint) and cls.is_remote_closed(endpoint):
            _log.error("%s closed by peer", endpoint_type)

    def _on_local_open(self, event: Any, endpoint: Any, kind: str) -> None:
        if self.is_remote_open(endpoint):
            getattr(self, f"on_{kind}_opened")(event)

    def _on_remote_open(self, event: Any, endpoint: Any, kind: str) -> None:
        if self.is_local_open(endpoint):
            getattr(self, f"on_{kind}_opened")(event)
        elif self.is_local_uninitialised(endpoint):
            getattr(self, f"on_{kind}_opening")(event)
            endpoint.open()

    def _on_local_close(self, event: Any, endpoint: Any, kind: str) -> None:
        if self.is_remote_closed(endpoint):
            getattr(self, f"on_{kind}_closed")(event)

    def _on_remote_close(self, event: Any, endpoint: Any, kind: str) -> None:
        if endpoint.remote_condition:
            getattr(self, f"on_{kind}_error")(event)
        elif self.is_local_closed(endpoint):
            getattr(self, f"on_{kind}_closed")(event)
        else:
            getattr(self, f"on_{kind}_closing")(event)
        endpoint.close()

    def on_connection_local_open(self, event: Any) -> None:
        """This side has opened the connection."""
        self._on_local_open(event, event.connection, "connection")

    def on_connection_remote_open(self, event: Any) -> None:
        """The peer has opened the connection."""
        self._on_remote_open(event, event.connection, "connection")

    def on_connection_local_close(self, event: Any) -> None:
        """This side has closed the connection."""
        self._on_local_close(event, event.connection, "connection")

    def on_connection_remote_close(self, event: Any) -> None:
        """The peer has closed the connection. When it was forced to, that counts as a loss: a reconnect will follow."""
        condition = event.connection.remote_condition
        if condition and condition.name == "amqp:connection:forced":
            return
        self._on_remote_close(event, event.connection, "connection")

    def on_session_local_open(self, event: Any) -> None:
        """This side has opened the session."""
        self._on_local_open(event, event.session, "session")

    def on_session_remote_open(self, event: Any) -> None:
        """The peer has opened the session."""
        self._on_remote_open(event, event.session, "session")

    def on_session_local_close(self, event: Any) -> None:
        """This side has closed the session."""
        self._on_local_close(event, event.session, "session")

    def on_session_remote_close(self, event: Any) -> None:
        """The peer has closed the session."""
        self._on_remote_close(event, event.session, "session")

    def on_link_local_open(self, event: Any) -> None:
        """This side has opened the link."""
        self._on_local_open(event, event.link, "link")

    def on_link_remote_open(self, event: Any) -> None:
        """The peer has opened the link."""
        self._on_remote_open(event, event.link, "link")

    def on_link_local_close(self, event: Any) -> None:
        """This side has closed the link."""
        self._on_local_close(event, event.link, "link")

    def on_link_remote_close(self, event: Any) -> None:
        """The peer has closed the link."""
        self._on_remote_close(event, event.link, "link")

    def on_connection_opened(self, event: Any) -> None:
        """Both sides have opened the connection."""
        self._tell("on_connection_opened", event)

    def on_session_opened(self, event: Any) -> None:
        """Both sides have opened the session."""
        self._tell("on_session_opened", event)

    def on_link_opened(self, event: Any) -> None:
        """Both sides have opened the link."""
        self._tell("on_link_opened", event)

    def on_connection_opening(self, event: Any) -> None:
        """The peer has opened a connection that this side is to open next."""
        self._tell("on_connection_opening", event)

    def on_session_opening(self, event: Any) -> None:
        """The peer has opened a session that this side is to open next."""
        self._tell("on_session_opening", event)

    def on_link_opening(self, event: Any) -> None:
        """The peer has opened a link that this side is to open next."""
        self._tell("on_link_opening", event)

    def on_connection_error(self, event: Any) -> None:
        """The peer has closed the connection with an error."""
        if self.delegate is not None:
            self._tell("on_connection_error", event)
        else:
            self.print_error(event.connection, "connection")

    def on_session_error(self, event: Any) -> None:
        """The peer has closed the session with an error."""
        self._on_part_error(event, event.session, "session")

    def on_link_error(self, event: Any) -> None:
        """The peer has closed the link with an error."""
        self._on_part_error(event, event.link, "link")

    def _on_part_error(self, event: Any, endpoint: Any, kind: str) -> None:
        if self.delegate is not None:
            self._tell(f"on_{kind}_error", event)
        else:
            self.print_error(endpoint, kind)
            event.connection.close()

    def on_connection_closed(self, event: Any) -> None:
        """Both sides have closed the connection."""
        self._tell("on_connection_closed", event)

    def on_session_closed(self, event: Any) -> None:
        """Both sides have closed the session."""
        self._tell("on_session_closed", event)

    def on_link_closed(self, event: Any) -> None:
        """Both sides have closed the link."""
        self._tell("on_link_closed", event)

    def on_connection_closing(self, event: Any) -> None:
        """The peer has closed the connection, which this side is to close next."""
        self._on_closing(event, "connection")

    def on_session_closing(self, event: Any) -> None:
        """The peer has closed the session, which this side is to close next."""
        self._on_closing(event, "session")

    def on_link_closing(self, event: Any) -> None:
        """The peer has closed the link, which this side is to close next."""
        self._on_closing(event, "link")

    def _on_closing(self, event: Any, kind: str) -> None:
        if self.delegate is not None:
            self._tell(f"on_{kind}_closing", event)
        elif self.peer_close_is_error:
            getattr(self, f"on_{kind}_error")(event)

    def on_transport_tail_closed(self, event: Any) -> None:
        """Nothing more comes from the peer."""
        self.on_transport_closed(event)

    def on_transport_closed(self, event: Any) -> None:
        """Tells ``on_disconnected`` of a connection that this side has not closed."""
        connection = event.connection
        if connection is not None and self.is_local_open(connection):
            self._tell("on_disconnected", event)
