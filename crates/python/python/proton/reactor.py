"""The container that programs run in, and what they can give it."""

from ._handler import Handler
from ._reactor import (
    ApplicationEvent,
    AtLeastOnce,
    AtMostOnce,
    Backoff,
    Container,
    Copy,
    DurableSubscription,
    DynamicNodeProperties,
    EventInjector,
    Filter,
    LinkOption,
    Move,
    ReceiverOption,
    Selector,
    SenderOption,
    Transaction,
)

__all__ = [
    "Container",
    "ApplicationEvent",
    "EventInjector",
    "Handler",
    "LinkOption",
    "ReceiverOption",
    "SenderOption",
    "AtLeastOnce",
    "AtMostOnce",
    "DynamicNodeProperties",
    "Filter",
    "Selector",
    "DurableSubscription",
    "Copy",
    "Move",
    "Backoff",
    "Transaction",
]
