"""What a transport says to bytes that are not AMQP."""

from __future__ import annotations

import pytest
from certificates import server_domain
from pairs import Side
from proton import SSL, Transport

HEADER = b"AMQP\0\1\0\0"
FRAMING_ERROR = "amqp:connection:framing-error"


def answer(side: Side, garbage: bytes) -> bytes:
    """Everything that is said to a peer who says that and ends: before it does, after that, and at the end."""
    said = b""
    for step in (None, lambda: side.transport.push(garbage), side.transport.close_tail):
        if step is not None:
            step()
        pending = side.transport.pending()
        if pending > 0:
            said += bytes(side.transport.peek(pending))
            side.transport.pop(pending)
    return said


def over(side: Side) -> bool:
    """Whether both directions have ended, with an error."""
    events = side.events()
    told = {"transport_error", "transport_tail_closed", "transport_head_closed", "transport_closed"} <= set(events)
    return told and side.transport.closed and (side.transport.capacity(), side.transport.pending()) == (-1, -1)


def server(files=None, unsecured=False) -> Side:
    """A server, with TLS if there are files."""
    side = Side(Transport.SERVER, "server")
    if files is not None:
        domain = server_domain(files)
        if unsecured:
            domain.allow_unsecured_client()
        SSL(side.transport, domain)
    side.bind()
    return side


@pytest.mark.parametrize("tls", [None, "tls", "both"])
@pytest.mark.parametrize(
    "garbage, text",
    [
        (b"GET / HTTP/1.1\r\n\r\n", r"Unknown protocol detected: 'GET / HTTP/1.1\x0d\x0a\x0d\x0a'"),
        (b"garbage!", "Unknown protocol detected: 'garbage!'"),
    ],
)
def test_a_server_says_what_it_does_not_know(server_files, tls, garbage, text):
    side = server(None if tls is None else server_files, tls == "both")
    said = answer(side, garbage)
    assert said.startswith(HEADER)
    assert b"\x00S\x10" in said
    assert b"\x00S\x18" in said
    assert text.encode() in said
    assert (side.transport.condition.name, side.transport.condition.description) == (FRAMING_ERROR, text)
    assert over(side)


@pytest.mark.parametrize("header", [b"AMQP\0\0\x09\1", b"AMQP\0\1\1\0"])
def test_another_version_of_amqp(header):
    side = server()
    assert answer(side, header).startswith(HEADER)
    assert side.transport.condition.name == FRAMING_ERROR
    assert over(side)


@pytest.mark.parametrize("garbage", [b"garbagegarbage", b"\0\0\0\7\2\0\0\0"])
@pytest.mark.parametrize("mode", [Transport.CLIENT, Transport.SERVER])
def test_garbage_in_place_of_frames(mode, garbage):
    side = Side(mode, "here")
    side.bind()
    said = answer(side, HEADER + garbage)
    assert said.startswith(HEADER)
    assert FRAMING_ERROR.encode() in said
    assert side.transport.condition.name == FRAMING_ERROR
    assert over(side)


OTHERS = [b"GET / HTTP/1.1\r\n\r\n", b"garbage!", b"AMQP\0\0\x09\1"]


@pytest.mark.parametrize(
    "garbage, sasl",
    [*((other, sasl) for other in OTHERS for sasl in (False, True)), (b"AMQP\3\1\0\0", False)],
)
def test_a_client_whose_server_speaks_something_else(garbage, sasl):
    side = Side(Transport.CLIENT, "client")
    if sasl:
        side.transport.sasl()
    side.bind()
    said = answer(side, garbage)
    assert said.startswith(b"AMQP\3\1\0\0" if sasl else HEADER)
    assert side.transport.condition.name == FRAMING_ERROR
    assert over(side)


@pytest.mark.ours
def test_little_of_what_came_is_repeated():
    side = server()
    answer(side, b"x" * 5000)
    assert side.transport.condition.description == f"Unknown protocol detected: '{'x' * 64}'..."


@pytest.mark.ours
def test_a_client_says_what_its_server_speaks():
    side = Side(Transport.CLIENT, "client")
    side.bind()
    answer(side, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert side.transport.condition.description == "expected an AMQP 1.0 header: the peer speaks HTTP"
