"""Handlers that keep credit up, and that answer what the peer opens and closes."""

from __future__ import annotations

from typing import Any

from ._handler import Handler


class FlowController(Handler):
    """Keeps the credit of receivers at ``window`` messages, until the peer has drained some of it."""

    def __init__(self, window: int = 1024) -> None:
        self._window = window
        self._drained = 0

    def on_link_local_open(self, event: Any) -> None:
        """Gives the first credit."""
        self._flow(event.link)

    def on_link_remote_open(self, event: Any) -> None:
        """Gives credit again after a reconnect."""
        self._flow(event.link)

    def on_link_flow(self, event: Any) -> None:
        """Tops up."""
        link = event.link
        if link.is_receiver:
            self._flow(link)

    def on_delivery(self, event: Any) -> None:
        """Tops up for the message that has come."""
        link = event.link
        if link.is_receiver:
            self._flow(link)

    def _flow(self, link: Any) -> None:
        if not link.is_receiver:
            return
        self._drained += link.drained()
        if self._drained == 0:
            missing = self._window - link.credit
            if missing > 0:
                link.flow(missing)


class Handshaker(Handler):
    """Opens and closes on this side whatever the peer opens and closes."""

    @staticmethod
    def on_connection_remote_open(event: Any) -> None:
        """Opens the connection, if it was never opened here."""
        _mirror_open(event.connection)

    @staticmethod
    def on_session_remote_open(event: Any) -> None:
        """Opens the session, if it was never opened here."""
        _mirror_open(event.session)

    @staticmethod
    def on_link_remote_open(event: Any) -> None:
        """Opens the link with the peer's source and target, if it was never opened here."""
        link = event.link
        if link.state & link.LOCAL_UNINIT:
            link.source.copy(link.remote_source)
            link.target.copy(link.remote_target)
            link.open()

    @staticmethod
    def on_connection_remote_close(event: Any) -> None:
        """Closes the connection."""
        _mirror_close(event.connection)

    @staticmethod
    def on_session_remote_close(event: Any) -> None:
        """Closes the session."""
        _mirror_close(event.session)

    @staticmethod
    def on_link_remote_close(event: Any) -> None:
        """Closes the link."""
        _mirror_close(event.link)


def _mirror_open(endpoint: Any) -> None:
    if endpoint.state & endpoint.LOCAL_UNINIT:
        endpoint.open()


def _mirror_close(endpoint: Any) -> None:
    if not endpoint.state & endpoint.LOCAL_CLOSED:
        endpoint.close()


CFlowController = FlowController
CHandshaker = Handshaker
