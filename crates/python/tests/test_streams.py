"""Messages in parts: what is written leaves with the next I/O, and the receiver reads what is here."""

from __future__ import annotations

import random

import pytest
from pairs import Pair
from proton import Delivery, Link, LinkException, Message


def small_frames(size: int = 512) -> Pair:
    """A pair whose server takes frames of that length at most."""
    pair = Pair(bind=False)
    pair.server.transport.max_frame_size = size
    pair.bind()
    return pair.opened()


def another(pair: Pair, name: str, credit: int = 0, mode: int = Link.SND_MIXED) -> tuple:
    """One more sender of the client, and its receiver."""
    sender = pair.client.session.sender(name)
    sender.snd_settle_mode = mode
    sender.open()
    pair.pump()
    receiver = pair.server.connection.link_head(0)
    while receiver.name != name:
        receiver = receiver.next(0)
    receiver.open()
    if credit:
        receiver.flow(credit)
    pair.events()
    return sender, receiver


def read(receiver, limit: int = 1 << 20) -> bytes:
    """All that is here of the current message."""
    parts = []
    while True:
        part = receiver.recv(limit)
        if not part:
            return b"".join(parts)
        parts.append(bytes(part))


def test_every_part_is_an_event():
    pair = Pair().opened()
    sender, receiver = pair.linked(10)
    sent = sender.delivery("tag")
    assert sent.partial
    sender.stream(b"ab")
    assert pair.events() == (["transport", "link_flow"], ["delivery"])
    received = receiver.current
    assert (received.partial, received.readable, received.pending) == (True, True, 2)
    sender.stream(b"cde")
    assert pair.events() == (["transport", "link_flow"], ["delivery"])
    assert received.pending == 5
    assert read(receiver, 3) == b"abcde"
    assert (received.partial, received.pending) == (True, 0)
    sender.advance()
    assert not sent.partial
    assert pair.events() == (["transport", "link_flow"], ["delivery"])
    assert not received.partial
    assert receiver.recv(1) is None


def test_numbers_of_a_link_while_a_message_is_written():
    pair = Pair().opened()
    sender, receiver = pair.linked(10)

    def numbers():
        return sender.credit, sender.queued, sender.unsettled, receiver.credit, receiver.queued, receiver.unsettled

    assert numbers() == (10, 0, 0, 10, 0, 0)
    sent = sender.delivery("tag")
    assert numbers() == (10, 0, 1, 10, 0, 0)
    sender.stream(b"ab")
    assert numbers() == (10, 0, 1, 10, 0, 0)
    pair.pump()
    assert numbers() == (10, 0, 1, 10, 1, 1)
    sender.advance()
    assert numbers() == (9, 1, 1, 10, 1, 1)
    pair.pump()
    assert numbers() == (9, 0, 1, 10, 1, 1)
    received = receiver.current
    receiver.advance()
    assert numbers() == (9, 0, 1, 9, 0, 1)
    received.update(Delivery.ACCEPTED)
    received.settle()
    pair.pump()
    sent.settle()
    assert numbers() == (9, 0, 0, 9, 0, 0)


def test_a_long_message_goes_through_small_frames():
    pair = small_frames()
    sender, receiver = pair.linked(1)
    steps = random.Random(7)
    body = steps.randbytes(3 << 20)
    sender.delivery("tag")
    written, got = 0, []
    while written < len(body):
        size = steps.randrange(1, 200_000)
        sender.stream(body[written : written + size])
        written += size
        pair.pump()
        got.append(read(receiver, steps.randrange(1, 100_000)))
        assert receiver.current.partial
    sender.advance()
    pair.pump()
    got.append(read(receiver))
    assert receiver.recv(1) is None
    assert b"".join(got) == body
    assert receiver.advance()
    assert receiver.current is None


@pytest.mark.parametrize("seed", range(5))
def test_streams_of_several_links_are_mixed_with_whole_messages(seed):
    pair = small_frames()
    steps = random.Random(seed)
    links = [another(pair, f"link-{number}", 100) for number in range(3)]
    expected = {receiver.name: [] for _, receiver in links}
    writing: dict = {}
    got = {receiver.name: [b""] for _, receiver in links}
    for step in range(300):
        sender, receiver = steps.choice(links)
        part = steps.randbytes(steps.choice((1, 100, 3000)))
        if sender.name not in writing:
            sender.delivery(str(step))
            writing[sender.name] = b""
        sender.stream(part)
        writing[sender.name] += part
        if steps.random() < 0.3 or step >= 290:
            sender.advance()
            expected[sender.name].append(writing.pop(sender.name))
        if steps.random() < 0.4:
            pair.pump()
            _collect(receiver, got[receiver.name])
    for sender, receiver in links:
        if sender.name in writing:
            sender.advance()
            expected[sender.name].append(writing.pop(sender.name))
        pair.pump()
        _collect(receiver, got[receiver.name])
        assert got[receiver.name] == [*expected[receiver.name], b""]


def _collect(receiver, messages: list) -> None:
    while receiver.current is not None:
        messages[-1] += read(receiver)
        if receiver.current.partial:
            return
        receiver.advance()
        messages.append(b"")


def test_nothing_leaves_without_credit():
    pair = Pair().opened()
    sender, receiver = pair.linked()
    sent = sender.delivery("tag")
    sender.stream(b"ab")
    assert pair.events() == (["transport"], [])
    assert (sender.credit, sender.queued, receiver.queued) == (0, 0, 0)
    assert sent.pending == 2
    sender.stream(b"cd")
    receiver.flow(1)
    assert "delivery" in pair.events()[1]
    assert read(receiver) == b"abcd"
    sender.advance()
    pair.pump()
    assert (sender.credit, receiver.current.partial) == (0, False)


def test_whole_messages_wait_behind_what_is_written():
    pair = Pair().opened()
    sender, receiver = pair.linked(10)
    sender.delivery("first")
    sender.delivery("second")
    sender.stream(b"a")
    pair.pump()
    sender.stream(b"b")
    sender.advance()
    assert sender.current.tag == "second"
    sender.stream(b"c")
    sender.advance()
    assert sender.current is None
    pair.pump()
    assert receiver.queued == 2
    assert (receiver.current.tag, read(receiver)) == ("first", b"ab")
    receiver.advance()
    assert (receiver.current.tag, read(receiver)) == ("second", b"c")


def test_a_message_that_is_sent_whole_ends_the_one_that_is_written():
    pair = Pair().opened()
    sender, receiver = pair.linked(10)
    sender.delivery("first")
    sender.stream(b"ab")
    pair.pump()
    sender.send(Message("whole"), tag="second")
    pair.pump()
    assert receiver.current.tag == "first"
    assert not receiver.current.partial
    assert read(receiver)[:2] == b"ab"
    assert sender.current.tag == "second"


def test_without_a_delivery_there_is_nothing_to_write_into():
    pair = Pair().opened()
    sender, _ = pair.linked(10)
    with pytest.raises(LinkException):
        sender.stream(b"ab")


def test_a_message_that_is_given_up_before_any_of_it_has_left():
    pair = Pair().opened()
    sender, receiver = pair.linked(2)
    sent = sender.delivery("given up")
    sender.stream(b"ab")
    sent.abort()
    assert sender.current is None
    pair.events()
    assert receiver.current is None
    assert (sender.credit, sender.queued, sender.unsettled) == (2, 0, 0)
    sender.delivery("kept")
    sender.stream(b"cd")
    sender.advance()
    pair.pump()
    assert (receiver.current.tag, read(receiver)) == ("kept", b"cd")


def test_a_message_that_is_given_up_in_the_middle():
    pair = Pair().opened()
    sender, receiver = pair.linked(2)
    sent = sender.delivery("given up")
    sender.stream(b"ab")
    pair.events()
    received = receiver.current
    sender.stream(b"cd")
    sent.abort()
    assert pair.events()[1] == ["delivery"]
    assert (received.aborted, received.partial, received.settled) == (True, False, True)
    assert sender.unsettled == 0
    received.settle()
    assert receiver.current is None
    sender.delivery("next")
    sender.stream(b"ef")
    sender.advance()
    pair.pump()
    assert (receiver.current.tag, read(receiver)) == ("next", b"ef")


def test_who_settles_first_is_done_with_the_message():
    pair = Pair().opened()
    sender, receiver = pair.linked(2)
    sent = sender.delivery("tag")
    sender.stream(b"ab")
    sent.settle()
    assert sender.current is None
    pair.pump()
    received = receiver.current
    assert (received.partial, received.settled, read(receiver)) == (False, True, b"ab")
    assert sender.unsettled == 0


@pytest.mark.ours
def test_senders_that_settle_at_once_settle_what_is_streamed():
    pair = Pair().opened()
    sender, receiver = another(pair, "settled", 2, Link.SND_SETTLED)
    sender.delivery("tag")
    sender.stream(b"ab")
    pair.pump()
    assert (receiver.current.settled, receiver.current.partial) == (True, True)
    sender.stream(b"cd")
    sender.advance()
    pair.pump()
    assert (receiver.current.settled, receiver.current.partial) == (True, False)
    assert read(receiver) == b"abcd"


def test_a_receiver_may_settle_what_is_still_on_its_way():
    pair = Pair().opened()
    sender, receiver = pair.linked(2)
    sent = sender.delivery("tag")
    sender.stream(b"ab")
    pair.pump()
    received = receiver.current
    received.update(Delivery.REJECTED)
    pair.pump()
    assert sent.remote_state == Delivery.REJECTED
    assert not sent.settled
    sent.abort()
    pair.pump()
    assert received.aborted


def test_what_is_offered_is_seen_with_the_next_flow():
    pair = Pair().opened()
    sender, receiver = pair.linked(2)
    sender.offered(7)
    sender.delivery("tag")
    sender.stream(b"ab")
    sender.advance()
    receiver.drain(0)
    pair.pump()
    sender.drained()
    pair.pump()
    assert receiver.queued == 1


def test_the_end_of_the_link_is_the_end_of_the_message():
    pair = Pair().opened()
    sender, receiver = pair.linked(2)
    sender.delivery("tag")
    sender.stream(b"ab")
    pair.pump()
    sender.close()
    assert "link_remote_close" in pair.events()[1]
    assert read(receiver) == b"ab"


def test_the_end_of_the_connection_in_the_middle():
    pair = Pair().opened()
    sender, receiver = pair.linked(2)
    sent = sender.delivery("tag")
    sender.stream(b"ab")
    pair.pump()
    sender.stream(b"cd")
    for side in (pair.client, pair.server):
        side.transport.close_tail()
        side.transport.close_head()
        side.transport.unbind()
    received = receiver.current
    assert received.partial
    assert read(receiver) == b"ab"
    assert not sent.settled
    sender.stream(b"ef")
    sent.settle()
    received.settle()
    assert (sender.unsettled, receiver.unsettled) == (0, 0)


def with_capacity(capacity: int) -> tuple:
    """A pair whose server has so much room, in frames of 1024 bytes; a long message is on its way to it."""
    pair = Pair(bind=False)
    pair.server.transport.max_frame_size = 1024
    pair.bind()
    pair.client.connection.open()
    pair.pump()
    pair.server.connection.open()
    pair.client.session = pair.client.connection.session()
    pair.client.session.open()
    pair.pump()
    pair.server.session = pair.server.connection.session_head(0)
    pair.server.session.incoming_capacity = capacity
    pair.server.session.open()
    sender, receiver = pair.linked(1)
    body = random.Random(1).randbytes(1 << 18)
    sent = sender.delivery("tag")
    sender.stream(body)
    sender.advance()
    pair.pump()
    return pair, sent, receiver, body


def test_a_window_that_closes_holds_the_rest_back():
    capacity = 8 * 1024
    pair, sent, receiver, body = with_capacity(capacity)
    assert 0 < receiver.current.pending <= capacity
    assert sent.pending >= len(body) - 2 * capacity
    got = []
    while receiver.current.partial or receiver.current.pending:
        assert 0 < receiver.current.pending <= capacity
        got.append(read(receiver, 1000))
        pair.pump()
    assert b"".join(got) == body
    assert sent.link.queued == 0


def test_what_is_read_piece_by_piece_makes_room_for_as_much():
    capacity = 8 * 1024
    pair, _sent, receiver, body = with_capacity(capacity)
    got = []
    while receiver.current.partial or receiver.current.pending:
        assert receiver.current.pending <= capacity + 1024
        got.append(bytes(receiver.recv(3000)))
        pair.pump()
    assert b"".join(got) == body


@pytest.mark.ours
def test_frames_longer_than_the_capacity_come_one_by_one():
    pair, _sent, receiver, body = with_capacity(100)
    got = []
    while receiver.current.partial or receiver.current.pending:
        assert receiver.current.pending < 1024
        got.append(read(receiver))
        pair.pump()
    assert b"".join(got) == body
