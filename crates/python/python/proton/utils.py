"""The blocking API."""

from ._utils import (
    BlockingConnection,
    BlockingReceiver,
    BlockingSender,
    ConnectionClosed,
    LinkDetached,
    SendException,
    SyncRequestResponse,
)

__all__ = [
    "BlockingConnection",
    "BlockingSender",
    "BlockingReceiver",
    "SyncRequestResponse",
    "SendException",
    "LinkDetached",
    "ConnectionClosed",
]
