"""Options of links, applied before a link is opened."""

from __future__ import annotations

from typing import Any

from ._data import Described, symbol
from ._endpoints import Link, Terminus


class LinkOption:
    """An option of senders and receivers. Derive from it and override ``apply``."""

    def apply(self, link: Any) -> None:
        """Sets what the option is about on a link that is not open yet."""

    def test(self, link: Any) -> bool:
        """Whether the option is for this link."""
        return True


class AtMostOnce(LinkOption):
    """Messages may be lost but do not arrive twice: they are sent settled."""

    def apply(self, link: Any) -> None:
        """Sets the settle mode."""
        link.snd_settle_mode = Link.SND_SETTLED


class AtLeastOnce(LinkOption):
    """Messages are not lost but may arrive twice: they are settled when the receiver has answered for them."""

    def apply(self, link: Any) -> None:
        """Sets the settle modes."""
        link.snd_settle_mode = Link.SND_UNSETTLED
        link.rcv_settle_mode = Link.RCV_FIRST


class SenderOption(LinkOption):
    """An option of senders."""

    def apply(self, sender: Any) -> None:
        """Sets what the option is about on a sender that is not open yet."""

    def test(self, link: Any) -> bool:
        """Whether the link is a sender."""
        return link.is_sender


class ReceiverOption(LinkOption):
    """An option of receivers."""

    def apply(self, receiver: Any) -> None:
        """Sets what the option is about on a receiver that is not open yet."""

    def test(self, link: Any) -> bool:
        """Whether the link is a receiver."""
        return link.is_receiver


class DynamicNodeProperties(LinkOption):
    """Properties of the node that the peer is asked to make."""

    def __init__(self, props: dict[Any, Any] | None = None) -> None:
        self.properties = {symbol(key) if type(key) is str else key: value for key, value in (props or {}).items()}

    def apply(self, link: Any) -> None:
        """Puts them on the source of a receiver, the target of a sender."""
        terminus = link.source if link.is_receiver else link.target
        terminus.properties.put_dict(self.properties)


class Filter(ReceiverOption):
    """Filters of a receiver's source: a dict of name to described value."""

    def __init__(self, filter_set: dict[Any, Any] | None = None) -> None:
        self.filter_set = {} if filter_set is None else filter_set

    def apply(self, receiver: Any) -> None:
        """Puts them on the source."""
        receiver.source.filter.put_dict(self.filter_set)


class Selector(Filter):
    """A message selector: a condition in the language of JMS selectors."""

    def __init__(self, value: str, name: str = "selector") -> None:
        described = Described(symbol("apache.org:selector-filter:string"), value)
        super().__init__({symbol(name): described})


class DurableSubscription(ReceiverOption):
    """A subscription that outlives the link: close the receiver with ``detach()`` to keep it."""

    def apply(self, receiver: Any) -> None:
        """Sets durability and expiry of the source."""
        receiver.source.durability = Terminus.DELIVERIES
        receiver.source.expiry_policy = Terminus.EXPIRE_NEVER


class Move(ReceiverOption):
    """Messages are taken off the source."""

    def apply(self, receiver: Any) -> None:
        """Sets the distribution mode."""
        receiver.source.distribution_mode = Terminus.DIST_MODE_MOVE


class Copy(ReceiverOption):
    """Messages stay at the source: browsing."""

    def apply(self, receiver: Any) -> None:
        """Sets the distribution mode."""
        receiver.source.distribution_mode = Terminus.DIST_MODE_COPY


def apply_options(options: LinkOption | list[LinkOption] | None, link: Any) -> None:
    """Applies an option, or several, to a link that is not open yet."""
    if not options:
        return
    for option in options if isinstance(options, (list, tuple)) else [options]:
        if option.test(link):
            option.apply(link)
