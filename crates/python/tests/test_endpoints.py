"""Connections, sessions and links: what they are at first, how they are found, and what they keep."""

from __future__ import annotations

import pytest
from pairs import Pair
from proton import Condition, Connection, Data, Endpoint, Link, LinkException, SymbolList, Terminus, symbol

UNINIT = Endpoint.LOCAL_UNINIT | Endpoint.REMOTE_UNINIT
ACTIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


@pytest.mark.parametrize(
    "name",
    [
        "container",
        "hostname",
        "user",
        "password",
        "condition",
        "remote_condition",
        "remote_container",
        "remote_hostname",
        "transport",
        "offered_capabilities",
        "desired_capabilities",
        "properties",
        "remote_offered_capabilities",
        "remote_desired_capabilities",
        "remote_properties",
        "connected_address",
    ],
)
def test_a_fresh_connection_knows_nothing(name):
    assert getattr(Connection(), name, None) is None


def test_fresh_endpoints():
    connection = Connection()
    assert connection.state == 9 == UNINIT
    session = connection.session()
    assert session.state == UNINIT
    assert session.connection == connection
    assert (session.incoming_capacity, session.outgoing_window) == (0, 2147483647)
    assert (session.incoming_bytes, session.outgoing_bytes) == (0, 0)


def test_a_fresh_link():
    session = Connection().session()
    sender, receiver = session.sender("a"), session.receiver("b")
    assert (sender.is_sender, sender.is_receiver) == (True, False)
    assert (receiver.is_sender, receiver.is_receiver) == (False, True)
    for link in (sender, receiver):
        assert (link.snd_settle_mode, link.rcv_settle_mode) == (Link.SND_MIXED, Link.RCV_FIRST) == (2, 0)
        assert (link.remote_snd_settle_mode, link.remote_rcv_settle_mode) == (2, 0)
        assert link.max_message_size == 0
        assert (link.credit, link.queued, link.unsettled, link.available) == (0, 0, 0, 0)
        assert link.source.type == Terminus.SOURCE == 1
        assert link.target.type == Terminus.TARGET == 2
        assert link.source.expiry_policy == Terminus.EXPIRE_WITH_SESSION == 1
        assert link.remote_source.type == Terminus.UNSPECIFIED == 0
        assert link.session == session
        assert link.connection == session.connection
        assert link.current is None
    assert sender.name == "a"


def test_fresh_termini():
    source = Connection().session().sender("x").source
    assert (source.address, source.dynamic, source.timeout) == (None, False, 0)
    assert (source.durability, source.distribution_mode) == (0, 0)
    for name in ("properties", "capabilities", "outcomes", "filter"):
        assert isinstance(getattr(source, name), Data)


def test_termini_are_copied():
    session = Connection().session()
    source = session.receiver("a").source
    source.address, source.dynamic, source.timeout = "queue", True, 7
    source.durability, source.expiry_policy = Terminus.DELIVERIES, Terminus.EXPIRE_NEVER
    source.distribution_mode = Terminus.DIST_MODE_COPY
    source.capabilities.put_object(symbol("queue"))
    other = session.receiver("b").source
    other.copy(source)
    assert (other.address, other.dynamic, other.timeout) == ("queue", True, 7)
    assert (other.durability, other.expiry_policy) == (Terminus.DELIVERIES, Terminus.EXPIRE_NEVER)
    assert other.distribution_mode == Terminus.DIST_MODE_COPY
    other.capabilities.rewind()
    other.capabilities.next()
    assert other.capabilities.get_object() == symbol("queue")


def test_wrappers_are_equal_and_share_attributes():
    connection = Connection()
    session = connection.session()
    connection.mine = 5
    assert session.connection == connection
    assert (session.connection != connection) is False
    assert hash(session.connection) == hash(connection)
    assert len({connection, session.connection}) == 1
    assert session.connection.mine == 5
    assert Connection() != connection
    link = session.sender("x")
    link.mine = session.mine = 6
    assert connection.link_head(0).mine == connection.session_head(0).mine == 6


@pytest.mark.parametrize(
    "make", [Connection, lambda: Connection().session(), lambda: Connection().session().sender("x")]
)
def test_unknown_attributes(make):
    with pytest.raises(AttributeError, match="nothing not in _attrs"):
        make().nothing  # noqa: B018


def test_walks_by_state():
    connection = Connection()
    first, second = connection.session(), connection.session()
    second.open()
    assert connection.session_head(0) == first
    assert first.next(0) == second
    assert second.next(0) is None
    assert connection.session_head(Endpoint.LOCAL_UNINIT) == first
    assert connection.session_head(Endpoint.LOCAL_ACTIVE) == second
    assert connection.session_head(Endpoint.LOCAL_UNINIT | Endpoint.LOCAL_ACTIVE) == first
    assert connection.session_head(ACTIVE) is None
    assert connection.session_head(Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_UNINIT) == second
    one, two = first.sender("one"), second.receiver("two")
    assert connection.link_head(0) == one
    assert one.next(0) == two
    assert two.next(0) is None
    assert connection.link_head(UNINIT) == one
    assert connection.link_head(ACTIVE) is None


def test_what_opens_say():
    pair = Pair()
    client, server = pair.client.connection, pair.server.connection
    client.hostname = "virtual"
    client.properties = {symbol("k"): "v"}
    client.offered_capabilities = [symbol("a"), symbol("b")]
    client.desired_capabilities = SymbolList(["c"])
    pair.opened()
    assert (server.remote_container, server.remote_hostname) == ("client", "virtual")
    assert server.remote_properties == {"k": "v"}
    assert list(server.remote_offered_capabilities) == ["a", "b"]
    assert list(server.remote_desired_capabilities) == ["c"]
    assert client.state == server.state == ACTIVE


def test_what_attaches_say():
    pair = Pair().opened()
    receiver = pair.client.session.receiver("link")
    receiver.source.address = "queue"
    receiver.source.filter.put_dict({symbol("f"): "x"})
    receiver.target.address = "here"
    receiver.snd_settle_mode, receiver.rcv_settle_mode = Link.SND_SETTLED, Link.RCV_SECOND
    receiver.max_message_size = 1000
    receiver.open()
    pair.pump()
    sender = pair.server.connection.link_head(0)
    assert sender.is_sender
    assert sender.name == "link"
    assert (sender.remote_source.address, sender.remote_target.address) == ("queue", "here")
    assert (sender.remote_snd_settle_mode, sender.remote_rcv_settle_mode) == (Link.SND_SETTLED, Link.RCV_SECOND)
    assert sender.remote_max_message_size == 1000
    sender.remote_source.filter.rewind()
    sender.remote_source.filter.next()
    assert sender.remote_source.filter.get_object() == {"f": "x"}


@pytest.mark.parametrize("kind", ["connection", "session", "link"])
def test_conditions_of_closes(kind):
    pair = Pair().opened()
    link, other = pair.linked()
    near = {"connection": link.connection, "session": link.session, "link": link}[kind]
    far = {"connection": other.connection, "session": other.session, "link": other}[kind]
    assert far.remote_condition is None
    near.condition = Condition("a:b", "text", {symbol("k"): 1})
    assert near.condition == Condition("a:b", "text", {symbol("k"): 1})
    near.close()
    pair.pump()
    assert far.remote_condition == Condition("a:b", "text", {"k": 1})
    assert repr(far.remote_condition).startswith("Condition('a:b', 'text'")
    assert near.state & Endpoint.LOCAL_CLOSED
    assert far.state & Endpoint.REMOTE_CLOSED


def test_credit_and_drain():
    pair = Pair().opened()
    sender, receiver = pair.linked(5)
    assert (sender.credit, receiver.credit) == (5, 5)
    receiver.drain(2)
    pair.pump()
    assert receiver.draining()
    assert sender.drain_mode
    assert sender.drained() == 7
    pair.pump()
    assert not receiver.draining()
    assert receiver.drained() == 7
    assert (sender.credit, receiver.credit) == (0, 0)


def test_offers_are_seen():
    pair = Pair().opened()
    sender, receiver = pair.linked(5)
    sender.offered(3)
    receiver.drain(0)
    sender.drained()
    pair.pump()
    assert sender.connection == pair.client.connection


def test_no_current_delivery():
    session = Connection().session()
    with pytest.raises(LinkException, match=r"\[-1\]"):
        session.sender("a").stream(b"x")
    with pytest.raises(LinkException, match=r"\[-5\]"):
        session.receiver("b").recv(5)


def test_a_connection_that_was_never_opened_can_be_closed():
    pair = Pair()
    pair.client.connection.open()
    pair.events()
    server = pair.server.connection
    server.condition = Condition("amqp:not-allowed", "no")
    server.close()
    of_client, of_server = pair.events()
    assert of_server[:2] == ["connection_local_close", "transport"]
    assert of_client == ["connection_remote_open", "connection_remote_close", "transport_tail_closed"]
    assert pair.client.connection.remote_condition == Condition("amqp:not-allowed", "no")
    pair.client.connection.close()
    assert "transport_closed" in pair.events()[1]


def test_a_session_that_was_never_opened_can_be_closed():
    pair = Pair().opened()
    session = pair.client.connection.session()
    session.open()
    pair.events()
    theirs = pair.server.session.next(0)
    theirs.close()
    assert pair.events() == (["session_remote_open", "session_remote_close"], ["session_local_close", "transport"])
    session.close()
    pair.pump()
    assert theirs.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


def test_a_link_that_was_never_opened_can_be_closed():
    pair = Pair().opened()
    sender = pair.client.session.sender("link")
    sender.open()
    pair.events()
    receiver = pair.server.connection.link_head(0)
    receiver.condition = Condition("amqp:not-found", "gone")
    receiver.close()
    assert pair.events() == (["link_remote_open", "link_remote_close"], ["link_local_close", "transport"])
    assert sender.remote_condition == Condition("amqp:not-found", "gone")
    assert sender.remote_target.address is None
    sender.close()
    pair.pump()
    assert receiver.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


def test_a_link_that_is_closed_before_it_is_answered():
    pair = Pair().opened()
    sender = pair.client.session.sender("link")
    sender.open()
    sender.close()
    pair.events()
    receiver = pair.server.connection.link_head(0)
    receiver.open()
    assert receiver.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_CLOSED
    assert pair.events() == (["link_remote_open"], ["link_local_open", "transport"])
    receiver.close()
    assert pair.events() == (["link_remote_close"], ["link_local_close", "transport"])
    assert sender.state == receiver.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


@pytest.mark.ours
def test_a_link_may_be_detached_with_a_condition():
    pair = Pair().opened()
    sender, receiver = pair.linked()
    receiver.condition = Condition("amqp:not-found", "gone")
    receiver.detach()
    pair.pump()
    assert sender.remote_condition == Condition("amqp:not-found", "gone")


@pytest.mark.ours
def test_what_is_closed_stays_closed():
    pair = Pair().opened()
    sender, receiver = pair.linked()
    sender.close()
    pair.client.session.close()
    pair.events()
    for endpoint in (sender, pair.client.session):
        endpoint.open()
        assert endpoint.state & Endpoint.LOCAL_CLOSED
    assert pair.events() == ([], [])
    assert receiver.state & Endpoint.REMOTE_CLOSED


@pytest.mark.ours
def test_a_session_that_ends_before_it_is_answered_is_no_other_session():
    pair = Pair().opened()
    session = pair.client.connection.session()
    session.open()
    session.close()
    pair.events()
    pair.server.session.next(0).open()
    assert pair.events()[0] == ["session_remote_open"]
    assert session.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_ACTIVE


@pytest.mark.ours
def test_a_drain_is_answered_whatever_became_of_the_last_message():
    pair = Pair().opened()
    sender, receiver = pair.linked(3)
    sent = sender.delivery("given up")
    sender.stream(b"part")
    receiver.drain(0)
    pair.pump()
    sent.abort()
    pair.pump()
    assert sender.drained() == 2
    pair.pump()
    assert not receiver.draining()
    assert receiver.drained() == 2


@pytest.mark.ours
def test_what_both_settle_at_once_is_no_news():
    pair = Pair().opened()
    sender, receiver = pair.linked(1)
    sent = sender.delivery("tag")
    sender.stream(b"x")
    sender.advance()
    pair.events()
    received = receiver.current
    sent.settle()
    received.settle()
    assert pair.events() == (["transport"], ["transport"])
