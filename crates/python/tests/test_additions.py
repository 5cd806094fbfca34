"""What python-qpid-proton 0.41 adds, as far as programs for 0.40 do not notice."""

from __future__ import annotations

import pytest
from conftest import OURS
from pairs import Pair
from proton import Condition, Delivery, Described, Endpoint, Message, symbol, ulong
from proton.handlers import MessagingHandler, OutgoingMessageHandler

if OURS:
    from proton import (
        CustomDisposition,
        DeclaredDisposition,
        DispositionType,
        ModifiedDisposition,
        ReceivedDisposition,
        RejectedDisposition,
        TransactionalDisposition,
    )

pytestmark = pytest.mark.ours

ACTIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


def test_sessions_and_links_in_a_state():
    pair = Pair().opened()
    sender, _receiver = pair.linked()
    connection = pair.client.connection
    second = pair.client.session.receiver("second")
    assert list(connection.sessions(ACTIVE)) == [pair.client.session]
    assert list(connection.links(ACTIVE)) == [sender]
    assert list(connection.links(Endpoint.LOCAL_UNINIT)) == [second]
    assert list(connection.links(0)) == [sender, second]
    assert list(connection.sessions(Endpoint.LOCAL_CLOSED)) == []


@pytest.mark.parametrize(
    "given, state, failed, undeliverable",
    [
        ({}, Delivery.MODIFIED, False, False),
        ({"failed": True}, Delivery.MODIFIED, True, False),
        ({"failed": True, "undeliverable": True}, Delivery.MODIFIED, True, True),
        ({"delivered": False, "failed": True}, Delivery.RELEASED, False, False),
    ],
)
def test_release_says_what_became_of_the_attempt(given, state, failed, undeliverable):
    pair = Pair().opened()
    sender, receiver = pair.linked(1)
    sent = sender.delivery("tag")
    sender.send(b"x")
    sender.advance()
    pair.pump()
    MessagingHandler().release(receiver.current, **given)
    pair.pump()
    assert (sent.remote_state, sent.remote.failed, sent.remote.undeliverable) == (state, failed, undeliverable)


def sent_and_received(pair=None):
    """A delivery as its sender has it and as its receiver has it; the pair goes with them."""
    pair = pair or Pair().opened()
    sender, receiver = pair.linked(1)
    sent = sender.delivery("tag")
    sender.send(b"x")
    sender.advance()
    pair.pump()
    return pair, sent, receiver.current


def seen(delivery):
    """What the peer said of a delivery."""
    remote = delivery.remote
    return {
        "type": int(delivery.remote_state),
        "section": (remote.section_number, remote.section_offset),
        "flags": (remote.failed, remote.undeliverable),
        "annotations": remote.annotations,
        "condition": remote.condition,
        "data": remote.data,
    }


NOTHING = {"section": (0, 0), "flags": (False, False), "annotations": None, "condition": None, "data": None}
WHY = Condition("a:b", "text", {"k": "v"})

GIVEN = {
    "received": (lambda: ReceivedDisposition(5, 7), {"type": 0x23, "section": (5, 7)}),
    "rejected": (lambda: RejectedDisposition(WHY), {"type": 0x25, "condition": WHY}),
    "rejected without a reason": (lambda: RejectedDisposition(), {"type": 0x25}),
    "modified": (lambda: ModifiedDisposition(), {"type": 0x27, "flags": (True, False)}),
    "modified with annotations": (
        lambda: ModifiedDisposition(False, True, {"k": "v"}),
        {"type": 0x27, "flags": (False, True), "annotations": {symbol("k"): "v"}},
    ),
    "in a transaction": (
        lambda: TransactionalDisposition(b"id", ModifiedDisposition(undeliverable=True)),
        {"type": 0x34, "data": [b"id", Described(ulong(0x27), [True, True])]},
    ),
    "in a transaction, by number": (
        lambda: TransactionalDisposition("id", Delivery.ACCEPTED),
        {"type": 0x34, "data": [b"id", Described(ulong(0x24), [])]},
    ),
    "declared": (lambda: DeclaredDisposition(b"id"), {"type": 0x33, "data": [b"id"]}),
    "accepted, as custom": (lambda: CustomDisposition(Delivery.ACCEPTED), {"type": 0x24}),
    "modified, as custom": (lambda: CustomDisposition(0x27, [True]), {"type": 0x27, "flags": (True, False)}),
    "custom": (lambda: CustomDisposition(0x1234, ["a", 1]), {"type": 0x1234, "data": ["a", 1]}),
}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("way", ["update", "local", "local and number"])
def test_dispositions_come_to_the_sender(name, way):
    make, expected = GIVEN[name]
    pair, sent, received = sent_and_received()
    given = make()
    if way == "update":
        received.update(given)
    else:
        received.local = given
        received.update(*([given.type] if way == "local and number" else []))
    assert received.local is given
    assert received.local_state == given.type == expected["type"]
    received.settle()
    pair.pump()
    assert seen(sent) == {**NOTHING, **expected}
    assert sent.settled


def test_a_number_of_another_kind_takes_the_place_of_a_disposition():
    pair, sent, received = sent_and_received()
    received.local = RejectedDisposition(WHY)
    received.update(Delivery.MODIFIED)
    pair.pump()
    assert seen(sent) == {**NOTHING, "type": 0x27}
    received.local.failed = True
    received.update(Delivery.MODIFIED)
    pair.pump()
    assert seen(sent) == {**NOTHING, "type": 0x27, "flags": (True, False)}


def test_a_disposition_is_told_as_it_was_when_it_was_given():
    pair, sent, received = sent_and_received()
    given = ModifiedDisposition(failed=False)
    received.update(given)
    given.failed = True
    pair.pump()
    assert sent.remote.failed is False


def test_only_what_can_be_told_is_given():
    pair, sent, received = sent_and_received()
    for wrong in (5, "x", sent.remote):
        with pytest.raises(TypeError):
            received.local = wrong
    with pytest.raises(TypeError):
        received.update("x")
    with pytest.raises(KeyError):
        ModifiedDisposition(annotations={1.5: "v"})
    received.local = RejectedDisposition()
    received.local = None
    received.local.failed = True
    received.update(Delivery.MODIFIED)
    pair.pump()
    assert seen(sent) == {**NOTHING, "type": 0x27, "flags": (True, False)}


def test_states_of_transactions_are_numbers_still():
    pair, sent, received = sent_and_received()
    received.update(TransactionalDisposition(b"id"))
    pair.pump()
    assert type(sent.remote_state) is int
    assert sent.remote_state == DispositionType.TRANSACTIONAL_STATE
    assert type(received.local_state) is int


class Updates(MessagingHandler):
    """Notes its callbacks."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_delivery_updated(self, event):
        self.seen.append(("updated", int(event.delivery.remote_state), event.delivery.settled))

    def on_accepted(self, event):
        self.seen.append("accepted")

    def on_settled(self, event):
        self.seen.append("settled")


def dispatched(side, handler):
    """Gives a handler the events of a side."""
    while side.collector.peek():
        side.collector.peek().dispatch(handler)
        side.collector.pop()


def test_updates_are_told_before_what_they_are():
    pair, _sent, received = sent_and_received()
    handler = Updates()
    pair.events()
    received.update(ReceivedDisposition(1, 2))
    pair.pump()
    dispatched(pair.client, handler)
    assert handler.seen == [("updated", 0x23, False)]
    received.update(Delivery.ACCEPTED)
    received.settle()
    pair.pump()
    dispatched(pair.client, handler)
    assert handler.seen[1:] == [("updated", 0x24, True), "accepted", "settled"]
    pair.server.connection.close()
    pair.pump()
    dispatched(pair.client, handler)
    assert len(handler.seen) == 4


def test_a_class_of_ones_own_hears_of_updates():
    class Own(OutgoingMessageHandler):
        seen = 0

        def on_delivery_updated(self, event):
            self.seen += 1
            super().on_delivery_updated(event)

    pair, _sent, received = sent_and_received()
    delegate = Updates()
    handler = Own(delegate=delegate)
    received.update(Delivery.ACCEPTED)
    pair.pump()
    dispatched(pair.client, handler)
    assert handler.seen == 1
    assert delegate.seen == [("updated", 0x24, False), "accepted"]


def test_a_delegate_older_than_the_callback_is_not_asked():
    class Older:
        def __init__(self):
            self.seen = []

        def on_unhandled(self, method, event):
            self.seen.append(method)

    pair, _sent, received = sent_and_received()
    delegate = Older()
    handler = OutgoingMessageHandler(delegate=delegate)
    received.update(Delivery.ACCEPTED)
    pair.pump()
    dispatched(pair.client, handler)
    assert "on_accepted" in delegate.seen
    assert "on_delivery_updated" not in delegate.seen


def test_deliveries_that_are_not_settled():
    pair = Pair().opened()
    sender, receiver = pair.linked(2)
    assert (list(sender.unsettled_deliveries), sender.unsettled_head) == ([], None)
    sent = [sender.send(Message(str(number))) for number in range(3)]
    written = sender.delivery("written")
    assert list(sender.unsettled_deliveries) == [*sent, written]
    pair.pump()
    # The third waits for credit, the fourth for its bytes.
    assert list(sender.unsettled_deliveries) == [*sent, written]
    assert len([*sender.unsettled_deliveries]) == sender.unsettled == 4
    received = [*receiver.unsettled_deliveries]
    assert [delivery.tag for delivery in received] == [delivery.tag for delivery in sent[:2]]
    assert receiver.unsettled_head is received[0]
    assert received[0].unsettled_next is received[1]
    assert received[1].unsettled_next is None
    received[0].settle()
    assert list(receiver.unsettled_deliveries) == received[1:]
    assert received[0].unsettled_next is received[1]
    sent[1].settle()
    assert sent[0].unsettled_next is sent[2]


def test_deliveries_of_other_links_are_not_among_them():
    pair = Pair().opened()
    sender, _receiver = pair.linked()
    other = pair.client.session.sender("other")
    mine, others = sender.delivery("a"), other.delivery("b")
    assert list(sender.unsettled_deliveries) == [mine]
    assert list(other.unsettled_deliveries) == [others]
    for delivery in [*sender.unsettled_deliveries]:
        delivery.settle()
    assert sender.unsettled_head is None


def held_back(before_open: bool) -> tuple:
    """A pair whose server's transport bounds what is buffered; a long message is on its way to it."""
    pair = Pair(bind=False)
    pair.server.transport.max_frame_size = 1024
    if before_open:
        pair.server.transport.max_buffered_delivery_bytes = 8192
    pair.bind()
    pair.client.connection.open()
    pair.pump()
    pair.server.connection.open()
    pair.client.session = pair.client.connection.session()
    pair.client.session.open()
    pair.pump()
    pair.server.session = pair.server.connection.session_head(0)
    if not before_open:
        pair.server.transport.max_buffered_delivery_bytes = 8192
    pair.server.session.open()
    sender, receiver = pair.linked(1)
    sender.delivery("tag")
    sender.stream(b"x" * (1 << 18))
    sender.advance()
    pair.pump()
    return pair, receiver


@pytest.mark.parametrize("before_open", [True, False])
def test_a_transport_bounds_what_is_buffered(before_open):
    pair, receiver = held_back(before_open)
    assert pair.server.transport.max_buffered_delivery_bytes == 8192
    assert 0 < receiver.current.pending <= 8192
    got = 0
    while receiver.current.partial or receiver.current.pending:
        assert 0 < receiver.current.pending <= 8192
        got += len(receiver.recv(receiver.current.pending))
        pair.pump()
    assert got == 1 << 18


def test_a_transport_bounds_nothing_by_default():
    pair = Pair().opened()
    assert pair.client.transport.max_buffered_delivery_bytes == 0
    with pytest.raises(ValueError, match="-1"):
        pair.client.transport.max_buffered_delivery_bytes = -1
