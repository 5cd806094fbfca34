# ruff: noqa: D102, D103, D107
"""Making senders and receivers, with options, and what goes over them."""

from __future__ import annotations

import pytest
from proton import Described, Link, LinkException, Message, Terminus, Url, symbol, ulong
from proton.handlers import MessagingHandler
from proton.reactor import (
    AtLeastOnce,
    AtMostOnce,
    Container,
    Copy,
    DurableSubscription,
    DynamicNodeProperties,
    Filter,
    LinkOption,
    Move,
    ReceiverOption,
    Selector,
    SenderOption,
)
from support import Both, Server, meet


def connection():
    """A connection that is never made."""
    return Container(container_id="me").connect("amqp://example.com")


def make(kind, *args, **kwargs):
    """A sender or receiver that never opens."""
    container = Container(container_id="me")
    return getattr(container, f"create_{kind}")(container.connect("amqp://example.com"), *args, **kwargs)


def test_links_are_open_on_return():
    for link in (make("sender", "a"), make("receiver", "a")):
        assert link.state & link.LOCAL_ACTIVE
        assert link.state & link.REMOTE_UNINIT


def test_the_addresses_of_a_sender():
    assert make("sender", "to").target.address == "to"
    assert make("sender", "to").source.address is None
    sender = make("sender", "to", "from")
    assert (sender.target.address, sender.source.address) == ("to", "from")
    assert make("sender").target.address is None


def test_the_addresses_of_a_receiver():
    assert make("receiver", "from").source.address == "from"
    assert make("receiver", "from").target.address is None
    receiver = make("receiver", "from", "to")
    assert (receiver.source.address, receiver.target.address) == ("from", "to")
    assert make("receiver", dynamic=True).source.dynamic is True
    assert make("receiver", "a").source.dynamic is False


def test_the_names_of_links():
    assert make("sender", "to").name == "me-to"
    assert make("sender", "to", "from").name == "me-to-from"
    assert make("sender", source="from").name == "me-from"
    assert make("receiver", "from").name == "me-from"
    assert make("receiver", "from", "to").name == "me-from-to"
    assert make("sender", "to", name="mine").name == "mine"
    one, two = make("receiver", dynamic=True).name, make("receiver", dynamic=True).name
    assert one != two
    assert one.startswith("me-")
    assert len(one) == len("me-") + 36


def test_a_session_of_ones_own():
    container = Container()
    session = container.connect("amqp://example.com").session()
    assert container.create_sender(session, "a").session == session


def test_anything_with_a_session():
    container = Container()
    session = container.connect("amqp://example.com").session()

    class Some:
        def session(self):
            return session

    assert container.create_receiver(session, "a").session == session
    with pytest.raises(AttributeError):
        container.create_receiver(object(), "a")


@pytest.mark.parametrize("kind", [str, Url])
def test_a_url_makes_a_connection(kind):
    links: list = []

    class Client(MessagingHandler):
        def on_link_opened(self, event):
            links.append((event.link.is_sender, event.link.remote_target.address, event.link.remote_source.address))
            if len(links) == 3:
                for link in made:
                    link.connection.close()

    def begin(container, port):
        container.handler.add(client)
        url = kind(f"127.0.0.1:{port}/path")
        made.append(container.create_sender(url))
        made.append(container.create_receiver(url))
        made.append(container.create_receiver(url, "other"))
        assert made[0].connection != made[1].connection

    made: list = []
    client = Client()
    both = Both(begin, connections=3).run()
    assert len(both.server.connections) == 3
    assert sorted(links, key=str) == [(False, None, "other"), (False, None, "path"), (True, "path", None)]


def test_a_handler_of_the_link():
    seen = []

    class OfLink(MessagingHandler):
        def on_link_opened(self, event):
            seen.append("of the link")
            event.connection.close()

    class Client(MessagingHandler):
        def begin(self, container):
            container.create_sender(self.connection, "a", handler=OfLink())

        def on_link_opened(self, event):
            seen.append("of the connection")

    meet(Client())
    assert seen == ["of the link"]


def sent(**options):
    """The tags of what is sent over a link with options."""
    tags: list = []

    class Client(MessagingHandler):
        def begin(self, container):
            container.create_sender(self.connection, "a", **options)

        def on_sendable(self, event):
            if not tags:
                tags.extend(str(event.sender.send(Message("x")).tag) for _ in range(3))
                tags.append(str(event.sender.send(Message("x"), tag="mine").tag))
                event.connection.close()

    both = meet(Client())
    assert both.server.messages == ["x"] * 4
    return tags


def test_tags_count_from_1():
    assert sent() == ["1", "2", "3", "mine"]


def test_tags_of_ones_own():
    assert sent(tags=iter(["a", "b", "c"])) == ["a", "b", "c", "mine"]


def test_settle_modes():
    assert make("sender", "a").snd_settle_mode == Link.SND_MIXED
    assert make("sender", "a", options=AtMostOnce()).snd_settle_mode == Link.SND_SETTLED
    link = make("receiver", "a", options=AtLeastOnce())
    assert (link.snd_settle_mode, link.rcv_settle_mode) == (Link.SND_UNSETTLED, Link.RCV_FIRST)


def test_options_of_receivers_do_not_apply_to_senders():
    class Noting(ReceiverOption):
        def apply(self, link):
            seen.append(("receiver", link.is_receiver))

    class OfSender(SenderOption):
        def apply(self, link):
            seen.append(("sender", link.is_sender))

    class Never(LinkOption):
        def apply(self, link):
            seen.append("never")

        def test(self, link):
            return False

    class Any(LinkOption):
        def apply(self, link):
            seen.append("any")

    seen: list = []
    options = [Noting(), OfSender(), Never(), Any()]
    make("sender", "a", options=options)
    assert seen == [("sender", True), "any"]
    seen.clear()
    make("receiver", "a", options=options)
    assert seen == [("receiver", True), "any"]


def test_options_are_applied_before_the_link_opens():
    states = []

    class Noting(LinkOption):
        def apply(self, link):
            states.append(bool(link.state & link.LOCAL_UNINIT))

    make("sender", "a", options=Noting())
    assert states == [True]


def first(data):
    """The value in a Data."""
    data.rewind()
    data.next()
    return data.get_object()


def test_filters():
    selector = Described(symbol("apache.org:selector-filter:string"), "colour = 'red'")
    assert first(make("receiver", "a", options=Selector("colour = 'red'")).source.filter) == {
        symbol("selector"): selector
    }
    assert first(make("receiver", "a", options=Selector("x", name="mine")).source.filter) == {
        symbol("mine"): Described(symbol("apache.org:selector-filter:string"), "x")
    }
    wanted = {symbol("some"): Described(ulong(5), "x")}
    assert first(make("receiver", "a", options=Filter(wanted)).source.filter) == wanted


def test_properties_of_dynamic_nodes():
    wanted = {symbol("lifetime"): 1, symbol("other"): "x"}
    option = DynamicNodeProperties({"lifetime": 1, symbol("other"): "x"})
    assert first(make("receiver", dynamic=True, options=option).source.properties) == wanted
    assert first(make("sender", options=option).target.properties) == wanted


def test_subscriptions_and_browsing():
    source = make("receiver", "a", options=DurableSubscription()).source
    assert (source.durability, source.expiry_policy) == (Terminus.DELIVERIES, Terminus.EXPIRE_NEVER)
    assert make("receiver", "a", options=Move()).source.distribution_mode == Terminus.DIST_MODE_MOVE
    assert make("receiver", "a", options=[Copy()]).source.distribution_mode == Terminus.DIST_MODE_COPY


def test_what_the_peer_sees():
    seen = {}

    class Noting(Server):
        def on_link_opening(self, event):
            link = event.link
            source = link.remote_source
            seen.update(
                name=link.name,
                filter=first(source.filter),
                durability=source.durability,
                expiry=source.expiry_policy,
                mode=source.distribution_mode,
                settle=link.remote_snd_settle_mode,
            )
            super().on_link_opening(event)

    class Client(MessagingHandler):
        def begin(self, container):
            options = [Selector("x = 1"), DurableSubscription(), Copy(), AtMostOnce()]
            container.create_receiver(self.connection, "a", name="sub", options=options)

        def on_link_opened(self, event):
            event.connection.close()

    meet(Client(), Noting())
    assert seen == {
        "name": "sub",
        "filter": {symbol("selector"): Described(symbol("apache.org:selector-filter:string"), "x = 1")},
        "durability": Terminus.DELIVERIES,
        "expiry": Terminus.EXPIRE_NEVER,
        "mode": Terminus.DIST_MODE_COPY,
        "settle": Link.SND_SETTLED,
    }


def test_what_is_sent_at_most_once_is_settled():
    seen = []

    class Client(MessagingHandler):
        def begin(self, container):
            container.create_sender(self.connection, "a", options=AtMostOnce())

        def on_sendable(self, event):
            if not seen:
                seen.append(event.sender.send(Message("x")).settled)
                event.sender.close()

        def on_accepted(self, event):
            seen.append("accepted")

        def on_settled(self, event):
            seen.append("settled")

        def on_link_closed(self, event):
            event.connection.close()

    class Noting(Server):
        def on_message(self, event):
            super().on_message(event)
            seen.append(("settled by the peer", event.delivery.settled))

    both = meet(Client(), Noting())
    assert both.server.messages == ["x"]
    assert ("settled by the peer", True) in seen
    assert "accepted" not in seen
    assert "settled" not in seen


def test_sending_beyond_the_credit_queues():
    credits = []

    class Client(MessagingHandler):
        def begin(self, container):
            sender = container.create_sender(self.connection, "a")
            for number in range(25):
                sender.send(Message(number))
            credits.append(sender.credit)
            credits.append(sender.queued)
            self.settled = 0

        def on_settled(self, event):
            self.settled += 1
            if self.settled == 25:
                event.connection.close()

    both = meet(Client())
    assert credits == [-25, 25]
    assert both.server.messages == list(range(25))


def test_bytes_are_streamed_and_objects_send_themselves():
    class Mine:
        def send(self, sender, tag=None):
            return ("mine", sender, tag)

    sender = make("sender", "a")
    assert sender.send(Mine(), tag="t") == ("mine", sender, "t")
    with pytest.raises(LinkException, match=r"\[-1\]"):
        sender.stream(b"abc")
    sender.delivery("tag")
    assert sender.send(b"abc") == 3
    assert sender.stream(b"abc") == 3


def test_receiving_without_a_delivery_is_an_error():
    with pytest.raises(LinkException, match=r"\[-5\]"):
        make("receiver", "a").recv(10)


def test_credit_by_hand():
    class Sends(Server):
        def on_sendable(self, event):
            self.credit = event.sender.credit
            while event.sender.credit:
                event.sender.send(Message("x"))

    class Client(MessagingHandler):
        def __init__(self) -> None:
            super().__init__(prefetch=0)
            self.got: list = []

        def begin(self, container):
            container.create_receiver(self.connection, "a")

        def on_link_opened(self, event):
            event.receiver.flow(3)

        def on_message(self, event):
            self.got.append(event.message.body)
            if len(self.got) == 3:
                assert event.receiver.credit == 0
                event.connection.close()

    client, server = Client(), Sends()
    meet(client, server)
    assert client.got == ["x"] * 3
    assert server.credit == 3


def test_draining():
    class Sends(Server):
        def on_sendable(self, event):
            event.sender.send(Message("only"))
            assert event.sender.drain_mode
            event.sender.drained()

    class Client(MessagingHandler):
        def __init__(self) -> None:
            super().__init__(prefetch=0)
            self.told: list = []

        def begin(self, container):
            container.create_receiver(self.connection, "a")

        def on_link_opened(self, event):
            event.receiver.drain(5)
            self.told.append(event.receiver.draining())

        def on_message(self, event):
            self.told.append(event.message.body)

        def on_link_flow(self, event):
            if not event.receiver.draining() and not event.receiver.credit:
                self.told.append("drained")
                event.connection.close()

    client = Client()
    meet(client, Sends())
    assert client.told == [True, "only", "drained"]
