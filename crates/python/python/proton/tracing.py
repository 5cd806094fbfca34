"""Distributed tracing of messages. Importing this traces all that is sent and received from then on."""

from ._tracing import get_tracer, init_tracer

__all__ = ["get_tracer", "init_tracer"]
