"""Handlers that keep credit up, and that answer what the peer opens and closes."""

from __future__ import annotations

from typing import Any

from deuteron import _core

from ._handler import Handler


class FlowController(_core.FlowCore, Handler):
    """Keeps the credit of receivers at ``window`` messages, until the peer has drained some of it."""


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
