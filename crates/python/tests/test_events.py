"""The exact order of events of two connections that are given each other's bytes."""

from __future__ import annotations

from pairs import Pair
from proton import Condition, Delivery


def test_from_the_first_to_the_last():
    pair = Pair()
    assert pair.events() == (["connection_init", "connection_bound"],) * 2
    client, server = pair.client.connection, pair.server.connection
    client.open()
    assert pair.events() == (["connection_local_open", "transport"], ["connection_remote_open"])
    server.open()
    assert pair.events() == (["connection_remote_open"], ["connection_local_open", "transport"])
    session = client.session()
    session.open()
    assert pair.events() == (
        ["session_init", "session_local_open", "transport"],
        ["session_init", "session_remote_open"],
    )
    server.session_head(0).open()
    assert pair.events() == (["session_remote_open"], ["session_local_open", "transport"])
    session.close()
    assert pair.events() == (["session_local_close", "transport"], ["session_remote_close"])
    server.session_head(0).close()
    assert pair.events() == (["session_remote_close"], ["session_local_close", "transport"])
    client.close()
    assert pair.events() == (
        ["connection_local_close", "transport", "transport_head_closed"],
        ["connection_remote_close", "transport_tail_closed"],
    )
    server.close()
    assert pair.events() == (
        ["connection_remote_close", "transport_tail_closed", "transport_closed"],
        ["connection_local_close", "transport", "transport_head_closed", "transport_closed"],
    )


def test_a_link():
    pair = Pair().opened()
    sender = pair.client.session.sender("link")
    sender.open()
    assert pair.events() == (["link_init", "link_local_open", "transport"], ["link_init", "link_remote_open"])
    receiver = pair.server.connection.link_head(0)
    receiver.open()
    assert pair.events() == (["link_remote_open"], ["link_local_open", "transport"])
    receiver.flow(10)
    assert pair.events() == (["link_flow"], ["transport"])
    sender.detach()
    assert pair.events() == (["link_local_detach", "transport"], ["link_remote_detach"])
    receiver.detach()
    assert pair.events() == (["link_remote_detach"], ["link_local_detach", "transport"])


def test_a_link_that_is_closed_with_a_condition():
    pair = Pair().opened()
    sender, receiver = pair.linked()
    receiver.condition = Condition("amqp:not-found", "no such node")
    receiver.close()
    assert pair.events() == (["link_remote_close"], ["link_local_close", "transport"])
    assert sender.remote_condition == Condition("amqp:not-found", "no such node")
    sender.close()
    assert pair.events() == (["link_local_close", "transport"], ["link_remote_close"])


def test_a_delivery():
    pair = Pair().opened()
    sender, receiver = pair.linked(10)
    sent = sender.delivery("tag")
    sender.send(b"abc")
    sender.advance()
    assert pair.events() == (["transport", "link_flow"], ["delivery"])
    received = receiver.current
    assert bytes(receiver.recv(10)) == b"abc"
    receiver.advance()
    received.update(Delivery.ACCEPTED)
    assert pair.events() == (["delivery"], ["transport"])
    received.settle()
    assert pair.events() == (["delivery"], ["transport"])
    assert sent.settled
    sent.settle()
    assert pair.events() == (["transport"], [])


def test_everything_at_once():
    pair = Pair()
    client = pair.client.connection
    client.open()
    session = client.session()
    session.open()
    sender = session.sender("link")
    sender.open()
    of_client, of_server = pair.events()
    assert (of_client, of_server) == (
        [
            "connection_init",
            "connection_bound",
            "connection_local_open",
            "transport",
            "session_init",
            "session_local_open",
            "transport",
            "link_init",
            "link_local_open",
            "transport",
        ],
        [
            "connection_init",
            "connection_bound",
            "connection_remote_open",
            "session_init",
            "session_remote_open",
            "link_init",
            "link_remote_open",
        ],
    )


def test_what_there_is_to_write_is_told_once_in_a_row():
    pair = Pair()
    connection = pair.client.connection
    connection.open()
    assert pair.client.events()[-1] == "transport"
    connection.open()
    assert pair.client.events() == []
    session = connection.session()
    session.open()
    sender, receiver = session.sender("out"), session.receiver("in")
    sender.open()
    assert pair.client.events()[-2:] == ["link_local_open", "transport"]
    sender.offered(5)
    session.open()
    sender.open()
    assert pair.client.events() == []
    # What is told may change until somebody looks.
    receiver.open()
    receiver.flow(1)
    receiver.flow(2)
    sent = sender.delivery("tag")
    sender.stream(b"x")
    sender.stream(b"y")
    sender.advance()
    sent.update(Delivery.ACCEPTED)
    sent.settle()
    assert pair.client.events() == ["link_local_open", "transport"]
    for step in (lambda: receiver.flow(1), lambda: receiver.drain(0), lambda: sender.close()):
        step()
        assert pair.client.events()[-1] == "transport"


def test_without_a_transport_nobody_is_told_what_there_is_to_write():
    pair = Pair(bind=False)
    connection = pair.client.connection
    connection.open()
    session = connection.session()
    session.open()
    session.sender("link").open()
    assert pair.client.events() == [
        "connection_init",
        "connection_local_open",
        "session_init",
        "session_local_open",
        "link_init",
        "link_local_open",
    ]
    pair.client.bind()
    assert pair.client.events() == ["connection_bound"]


def test_events_know_what_they_are_about():
    pair = Pair()
    pair.client.connection.open()
    pair.client.connection.session().open()
    seen = {}
    while pair.client.collector.peek() is not None:
        event = pair.client.collector.peek()
        seen[event.type.name] = (event.connection, event.session, event.link)
        pair.client.collector.pop()
    connection = pair.client.connection
    assert seen["PN_CONNECTION_LOCAL_OPEN"] == (connection, None, None)
    assert seen["PN_SESSION_LOCAL_OPEN"] == (connection, connection.session_head(0), None)
