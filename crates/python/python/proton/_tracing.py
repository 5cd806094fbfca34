"""Distributed tracing of messages with OpenTracing and Jaeger, for programs that import :mod:`proton.tracing`."""

from __future__ import annotations

import atexit
import time
from typing import Any

try:
    import jaeger_client
    import opentracing
    from opentracing.ext import tags
    from opentracing.propagation import Format
except ImportError as missing:
    raise ImportError("proton.tracing needs the packages opentracing and jaeger_client") from missing

from . import _endpoints, _handlers
from ._connector import without_password
from ._data import symbol
from ._delivery import Delivery
from ._message import Message

_TRACE_KEY = symbol("x-opt-qpid-tracestate")
_COMPONENT = "proton-message-tracing"
_FLUSH_SECONDS = 1.0

_tracer: Any = None


def get_tracer() -> Any:
    """The tracer of this process: that of ``init_tracer()``, else the global one of OpenTracing."""
    global _tracer
    if _tracer is None:
        _tracer = opentracing.global_tracer()
    return _tracer


def _close_tracer() -> None:
    """Gives the tracer the time to send off what it has."""
    _tracer.close()
    time.sleep(_FLUSH_SECONDS)


def init_tracer(service_name: str) -> Any:
    """Makes a Jaeger tracer for this process, which traces everything under the name of a service."""
    global _tracer
    if _tracer is not None:
        return _tracer
    settings = {"sampler": {"type": "const", "param": 1}, "logging": True}
    _tracer = jaeger_client.Config(config=settings, service_name=service_name, validate=True).initialize_tracer()
    opentracing.set_global_tracer(_tracer)
    atexit.register(_close_tracer)
    return _tracer


class IncomingMessageHandler(_handlers.IncomingMessageHandler):
    """Runs ``on_message`` within a span that continues that of the sender."""

    def on_message(self, event: Any) -> None:
        """A message has arrived."""
        if self.delegate is None:
            return
        tracer = get_tracer()
        message = event.message
        about = {
            tags.SPAN_KIND: tags.SPAN_KIND_CONSUMER,
            tags.MESSAGE_BUS_DESTINATION: event.receiver.source.address,
            tags.PEER_ADDRESS: without_password(event.connection.connected_address),
            tags.PEER_HOSTNAME: event.connection.hostname,
            tags.COMPONENT: _COMPONENT,
        }
        carrier = message.annotations.get(_TRACE_KEY) if message.annotations else None
        parent = tracer.extract(Format.TEXT_MAP, carrier) if carrier else None
        with tracer.start_active_span("amqp-delivery-receive", child_of=parent, tags=about):
            super().on_message(event)


class OutgoingMessageHandler(_handlers.OutgoingMessageHandler):
    """Ends the span of a message that was sent when the peer has settled it."""

    def on_settled(self, event: Any) -> None:
        """The peer has settled a message."""
        delivery = event.delivery
        span = getattr(delivery, "span", None)
        if span is None:
            super().on_settled(event)
            return
        state = delivery.remote_state
        name = getattr(state, "name", str(state))
        span.set_tag("delivery-terminal-state", name)
        span.log_kv({"event": "delivery settled", "state": name})
        span.finish()
        super().on_settled(event)


_send_untraced = _endpoints.Sender.send


def _send(self: Any, obj: Any, tag: str | None = None) -> Delivery:
    """Sends within a span, which travels with the message in its annotations."""
    if not isinstance(obj, Message):
        return _send_untraced(self, obj, tag)
    tracer = get_tracer()
    connection = self.connection
    about = {
        tags.SPAN_KIND: tags.SPAN_KIND_PRODUCER,
        tags.MESSAGE_BUS_DESTINATION: self.target.address,
        tags.PEER_ADDRESS: without_password(connection.connected_address),
        tags.PEER_HOSTNAME: connection.hostname,
        tags.COMPONENT: _COMPONENT,
    }
    span = tracer.start_span("amqp-delivery-send", tags=about)
    carrier: dict = {}
    tracer.inject(span.context, Format.TEXT_MAP, carrier)
    if obj.annotations is None:
        obj.annotations = {}
    obj.annotations[_TRACE_KEY] = carrier
    delivery = _send_untraced(self, obj, tag)
    delivery.span = span
    span.set_tag("delivery-tag", delivery.tag)
    if self.snd_settle_mode == self.SND_SETTLED:
        span.finish()
    return delivery


_handlers.IncomingMessageHandler = IncomingMessageHandler  # type: ignore[misc]
_handlers.OutgoingMessageHandler = OutgoingMessageHandler  # type: ignore[misc]
_endpoints.Sender.send = _send  # type: ignore[method-assign]
