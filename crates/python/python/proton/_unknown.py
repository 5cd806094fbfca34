"""Messages of which nobody will say any more what became of them."""

from __future__ import annotations

from typing import Any

from deuteron import _core

from ._application import ApplicationEvent


class DeliveryUnknown(ApplicationEvent):
    """``on_delivery_unknown``: a message was sent, at least in part, and its link went, by itself or with its
    session or connection, before it was settled. The peer may have it or not; nothing is sent twice by itself.
    """

    container: Any
    reactor: Any

    def __init__(self, delivery: Any) -> None:
        super().__init__("delivery_unknown", delivery=delivery)

    @property
    def handler(self) -> Any | None:
        """The handler of the link, else of its session, else of its connection."""
        for about in (self.link, self.session, self.connection):
            handler = getattr(about, "handler", None)
            if handler is not None:
                return handler
        return None


def _delivery_unknown(delivery: Any) -> None:
    reactor = getattr(delivery.connection, "_reactor", None)
    if reactor is not None:
        event = DeliveryUnknown(delivery)
        event.container = event.reactor = reactor
        reactor.push_event(event, event.type)


_core.register("delivery_unknown", _delivery_unknown)
