"""Transports: their settings, the bytes that go in and out, and idle connections."""

from __future__ import annotations

import pytest
from pairs import Pair
from proton import Condition, Connection, SessionException, Transport, TransportException


def bound(mode: int = Transport.CLIENT) -> tuple:
    """A transport with its connection; the transport needs it to live."""
    transport, connection = Transport(mode), Connection()
    transport.bind(connection)
    return transport, connection


def test_defaults():
    transport = Transport(Transport.CLIENT)
    assert transport.max_frame_size == 32768
    assert transport.remote_max_frame_size == 2**32 - 1
    assert (transport.channel_max, transport.remote_channel_max) == (32767, 65535)
    assert (transport.idle_timeout, transport.remote_idle_timeout) == (0.0, 0.0)
    assert transport.capacity() == 8192
    assert transport.user == "anonymous"
    assert (transport.authenticated, transport.encrypted, transport.condition) == (False, False, None)
    assert (transport.frames_input, transport.frames_output) == (0, 0)
    assert transport.connection is None
    assert not transport.closed


def test_modes():
    assert (Transport.CLIENT, Transport.SERVER) == (1, 2)
    with pytest.raises(TransportException):
        Transport(3)


@pytest.mark.parametrize(("size", "expected"), [(100, 512), (0, 0), (512, 512), (65536, 65536)])
def test_frames_are_at_least_512_bytes(size, expected):
    transport = Transport()
    transport.max_frame_size = size
    assert transport.max_frame_size == expected


@pytest.mark.parametrize(("name", "value"), [("max_frame_size", -1), ("channel_max", 70000), ("channel_max", -1)])
def test_settings_out_of_range(name, value):
    with pytest.raises(OverflowError):
        setattr(Transport(), name, value)


def test_channels_cannot_be_limited_after_the_open():
    transport, connection = bound()
    transport.channel_max = 5
    connection.open()
    transport.pending()
    with pytest.raises(SessionException):
        transport.channel_max = 7
    assert transport.channel_max == 5


def test_bind_and_unbind():
    transport, connection = bound()
    assert transport.connection == connection
    assert connection.transport == transport
    with pytest.raises(TransportException, match=r"\[-5\]"):
        transport.bind(Connection())
    transport.bind_nothrow(Connection())
    assert transport.connection == connection
    transport.unbind()
    transport.unbind()
    assert connection.transport is None


def test_a_client_begins_with_the_header():
    transport, _connection = bound()
    assert transport.pending() == 8
    assert bytes(transport.peek(4)) == b"AMQP"
    assert bytes(transport.peek(100)) == b"AMQP\x00\x01\x00\x00"
    transport.pop(8)
    assert transport.pending() == 0


def test_a_client_begins_before_it_has_a_connection():
    transport, connection = Transport(Transport.CLIENT), Connection()
    assert transport.pending() == 8
    assert transport.peek(100) == b"AMQP\x00\x01\x00\x00"
    transport.pop(4)
    transport.bind(connection)
    connection.open()
    assert bytes(transport.peek(1000)[:5]) == b"\x00\x01\x00\x00\x00"
    transport.pop(4)
    assert bytes(transport.peek(1000)[4:8]) == b"\x02\x00\x00\x00"
    assert transport.pending() == int.from_bytes(transport.peek(4), "big")


def test_sasl_comes_too_late_behind_the_header():
    transport, connection = Transport(Transport.CLIENT), Connection()
    transport.pending()
    transport.sasl()
    transport.bind(connection)
    connection.open()
    assert bytes(transport.peek(1000)[:8]) == b"AMQP\x00\x01\x00\x00"
    assert transport.pending() > 8


def test_a_header_of_sasl_needs_no_connection():
    transport, connection = Transport(Transport.CLIENT), Connection()
    transport.sasl().allowed_mechs("ANONYMOUS")
    assert bytes(transport.peek(100)) == b"AMQP\x03\x01\x00\x00"
    transport.bind(connection)
    transport.pop(8)
    assert transport.pending() == 0
    transport.push(b"AMQP\x03\x01\x00\x00")
    mechanisms = b"\x00S\x40\xc0\x0f\x01\xe0\x0c\x01\xa3\x09ANONYMOUS"
    transport.push((8 + len(mechanisms)).to_bytes(4, "big") + b"\x02\x01\x00\x00" + mechanisms)
    assert b"ANONYMOUS" in transport.peek(1000)


def test_a_server_waits_for_the_header():
    transport = Transport(Transport.SERVER)
    assert transport.pending() == 0
    assert transport.peek(10) == b""


@pytest.mark.ours
def test_what_is_pushed_waits_for_a_connection():
    transport, connection = Transport(Transport.SERVER), Connection()
    transport.push(b"garbage!")
    assert transport.condition is None
    transport.bind(connection)
    assert transport.condition.name == "amqp:connection:framing-error"


def test_push_takes_no_more_than_there_is_room_for():
    with pytest.raises(OverflowError):
        Transport().push(b"x" * 100000)


@pytest.mark.parametrize("mode", [Transport.CLIENT, Transport.SERVER])
def test_garbage_sets_the_condition(mode):
    transport, _connection = bound(mode)
    transport.push(b"garbage!")
    assert transport.condition.name == "amqp:connection:framing-error"
    assert "garbage!" in transport.condition.description
    assert transport.capacity() == -1


def test_the_end_of_both_directions():
    transport, connection = bound()
    connection.open()
    transport.close_head()
    transport.close_tail()
    assert (transport.pending(), transport.capacity()) == (-1, -1)
    assert transport.peek(10) is None
    assert transport.closed
    assert transport.condition.name == "amqp:connection:framing-error"


def test_settings_are_told_to_the_peer():
    pair = Pair(bind=False)
    client, server = pair.client.transport, pair.server.transport
    client.max_frame_size, client.channel_max, client.idle_timeout = 1024, 9, 10
    pair.bind()
    pair.opened()
    assert server.remote_max_frame_size == 1024
    assert server.remote_channel_max == 9
    assert server.remote_idle_timeout == 5.0
    assert client.idle_timeout == 10.0
    assert client.frames_output == server.frames_input > 0


def test_an_idle_peer_is_given_up():
    pair = Pair(bind=False)
    pair.client.transport.idle_timeout = 10
    pair.bind()
    pair.opened()
    transport = pair.client.transport
    assert transport.tick(1.0) == 11.0
    assert transport.condition is None
    transport.tick(12.0)
    assert transport.condition == Condition("amqp:resource-limit-exceeded", "local-idle-timeout expired")


def test_empty_frames_keep_an_idle_connection():
    pair = Pair(bind=False)
    pair.client.transport.idle_timeout = 10
    pair.bind()
    pair.opened()
    transport = pair.server.transport
    sent = transport.frames_output
    assert transport.tick(1.0) == 3.5
    assert transport.pending() == 0
    transport.tick(3.5)
    assert bytes(transport.peek(100)) == b"\x00\x00\x00\x08\x02\x00\x00\x00"
    assert transport.frames_output == sent + 1


def test_without_timeouts_there_is_no_deadline():
    assert Transport().tick(1.0) == 0.0


def test_what_is_logged_comes_to_the_tracer():
    transport, lines = Transport(), []
    transport.tracer = lambda which, text: lines.append((which == transport, text))
    transport.log("some words")
    assert len(lines) == 1
    assert lines[0][0]
    assert "some words" in lines[0][1]


def test_frames_come_to_the_tracer():
    transport, lines = Transport(Transport.CLIENT), []
    transport.tracer = lambda _which, text: lines.append(text)
    transport.trace(Transport.TRACE_FRM)
    connection = Connection()
    connection.container = "here"
    transport.bind(connection)
    connection.open()
    transport.pending()
    assert any("-> AMQP" in line for line in lines)
    assert any('0 -> @open(16) [container-id="here"' in line for line in lines)
