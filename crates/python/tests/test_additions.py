"""What python-qpid-proton 0.41 adds, as far as programs for 0.40 do not notice."""

from __future__ import annotations

import pytest
from pairs import Pair
from proton import Delivery, Endpoint
from proton.handlers import MessagingHandler

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
