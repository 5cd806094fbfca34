"""Handlers of events: classes to derive from."""

from ._handlers import (
    EndpointStateHandler,
    FlowController,
    Handshaker,
    IncomingMessageHandler,
    IOHandler,
    MessagingHandler,
    OutgoingMessageHandler,
    PythonIO,
    Reject,
    Release,
    TransactionalClientHandler,
    TransactionHandler,
)

__all__ = [
    "MessagingHandler",
    "IncomingMessageHandler",
    "OutgoingMessageHandler",
    "EndpointStateHandler",
    "TransactionHandler",
    "TransactionalClientHandler",
    "Reject",
    "Release",
    "Handshaker",
    "FlowController",
    "IOHandler",
    "PythonIO",
]
