"""Deliveries: their tags, their bytes, and what is said about them."""

from __future__ import annotations

import pytest
from pairs import Pair
from proton import Condition, Connection, Delivery, Link, Message, symbol


def delivered(body: bytes = b"abc") -> tuple:
    """A delivery as its sender has it and as its receiver has it; the pair goes with them."""
    pair = Pair().opened()
    sender, receiver = pair.linked(10)
    sent = sender.delivery("tag")
    sender.send(body)
    sender.advance()
    pair.pump()
    return pair, sent, receiver.current


def test_a_fresh_delivery():
    link = Connection().session().sender("x")
    delivery = link.delivery("tag")
    assert delivery.tag == "tag"
    assert (delivery.local_state, delivery.remote_state) == (0, 0)
    for name in ("settled", "readable", "writable", "updated", "aborted"):
        assert getattr(delivery, name) is False
    assert (delivery.link, delivery.session, delivery.connection) == (link, link.session, link.connection)
    local = delivery.local
    assert (local.data, local.condition, local.annotations) == (None, None, None)
    assert (local.failed, local.undeliverable) == (False, False)
    assert (local.section_number, local.section_offset) == (0, 0)


def test_tags_are_text():
    link = Connection().session().sender("x")
    assert link.delivery(b"bytes").tag == "bytes"
    binary = link.delivery(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        assert binary.tag is None


@pytest.mark.parametrize("name", ["data", "condition", "annotations"])
def test_what_the_peer_said_is_not_changed(name):
    delivery = Connection().session().sender("x").delivery("tag")
    with pytest.raises(AttributeError):
        setattr(delivery.remote, name, [1])


def test_states_are_any_number():
    delivery = Connection().session().sender("x").delivery("tag")
    delivery.update(0x34)
    assert delivery.local_state == 0x34
    delivery.update(Delivery.ACCEPTED)
    assert delivery.local_state == Delivery.ACCEPTED
    assert delivery.local_state.name == "ACCEPTED"


def test_what_comes():
    _pair, sent, received = delivered()
    assert received.tag == sent.tag == "tag"
    assert (received.readable, received.partial, received.pending) == (True, False, 3)
    assert bytes(received.link.recv(2)) == b"ab"
    assert bytes(received.link.recv(2)) == b"c"
    assert received.link.recv(2) is None
    assert received.link.unsettled == 1


@pytest.mark.parametrize("state", [Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED])
def test_states_come_to_the_sender(state):
    pair, sent, received = delivered()
    received.update(state)
    pair.pump()
    assert sent.updated
    assert sent.remote_state == state
    assert not sent.settled
    received.settle()
    pair.pump()
    assert sent.settled
    sent.settle()
    assert sent.link.unsettled == 0


def test_a_rejection_has_a_condition():
    pair, sent, received = delivered()
    received.local.condition = Condition("a:b", "text", {symbol("k"): "v"})
    received.update(Delivery.REJECTED)
    pair.pump()
    assert sent.remote.type == Delivery.REJECTED
    assert sent.remote.condition == Condition("a:b", "text", {"k": "v"})


def test_a_modification_has_flags_and_annotations():
    pair, sent, received = delivered()
    received.local.failed = received.local.undeliverable = True
    received.local.annotations = {symbol("k"): "v"}
    received.update(Delivery.MODIFIED)
    pair.pump()
    assert (sent.remote.failed, sent.remote.undeliverable) == (True, True)
    assert sent.remote.annotations == {"k": "v"}


def test_what_was_received_so_far():
    pair, sent, received = delivered()
    received.local.section_number, received.local.section_offset = 5, 7
    received.update(Delivery.RECEIVED)
    pair.pump()
    assert (sent.remote.section_number, sent.remote.section_offset) == (5, 7)


def test_other_states_have_data():
    pair, sent, received = delivered()
    received.local.data = [b"transaction"]
    received.update(0x34)
    pair.pump()
    assert sent.remote_state == 0x34
    assert [bytes(each) for each in sent.remote.data] == [b"transaction"]


def test_pieces_and_the_end():
    pair = Pair().opened()
    sender, receiver = pair.linked(10)
    sender.delivery("tag")
    sender.stream(b"ab")
    pair.pump()
    received = receiver.current
    assert received.partial
    assert bytes(receiver.recv(10)) == b"ab"
    assert not receiver.recv(10)
    sender.stream(b"c")
    sender.advance()
    pair.pump()
    assert not received.partial
    assert bytes(receiver.recv(10)) == b"c"
    assert receiver.recv(10) is None


def test_an_aborted_delivery():
    pair = Pair().opened()
    sender, receiver = pair.linked(10)
    sent = sender.delivery("tag")
    sender.stream(b"ab")
    pair.pump()
    sent.abort()
    pair.pump()
    assert receiver.current.aborted


def test_messages_are_sent_and_received():
    pair = Pair().opened()
    sender, receiver = pair.linked(10)
    sender.send(Message("hello", subject="s"))
    pair.pump()
    message = Message()
    delivery = message.recv(receiver)
    assert (message.body, message.subject) == ("hello", "s")
    assert delivery.encoded == bytes(Message("hello", subject="s").encode())
    assert Message().recv(sender) is None


def test_settled_senders_settle_at_once():
    pair = Pair().opened()
    sender = pair.client.session.sender("other")
    sender.snd_settle_mode = Link.SND_SETTLED
    sender.open()
    pair.pump()
    receiver = pair.server.connection.link_head(0)
    receiver.open()
    receiver.flow(1)
    pair.pump()
    delivery = sender.send(Message("x"))
    assert sender.unsettled == 0
    pair.pump()
    assert receiver.current.settled
    assert delivery.link == sender


def test_sending_beyond_credit_waits():
    pair = Pair().opened()
    sender, receiver = pair.linked(1)
    for body in ("a", "b"):
        sender.send(Message(body))
    pair.pump()
    assert receiver.queued == 1
    assert sender.queued == 1
    receiver.flow(1)
    pair.pump()
    assert receiver.queued == 2
