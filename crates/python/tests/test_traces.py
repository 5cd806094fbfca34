"""What is traced: for a tracer of the program, and on standard error as the environment asks for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pairs import Pair
from proton import Transport

PROGRAM = """
from pairs import Pair
pair = Pair(bind=False)
client, server = pair.client, pair.server
client.transport.sasl().allowed_mechs("{mechanisms}")
server.transport.sasl().allowed_mechs("ANONYMOUS")
client.transport.sasl().allow_insecure_mechs = True
client.connection.user, client.connection.password = "me", "secret"
pair.bind()
pair.opened()
sender, receiver = pair.linked(1)
sender.delivery("tag")
sender.send(b"payload")
sender.advance()
pair.pump()
client.transport.log("some words")
"""


def errors(mechanisms="ANONYMOUS", **environment):
    """The lines that a conversation writes to standard error."""
    names = ("PN_LOG", "PN_TRACE_FRM", "PN_TRACE_RAW", "PN_TRACE_DRV", "PN_TRACE_EVT")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    program = [sys.executable, "-c", PROGRAM.format(mechanisms=mechanisms)]
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), kept.get("PYTHONPATH"))))
    ran = subprocess.run(
        program, env={**kept, **environment, "PYTHONPATH": path}, check=True, capture_output=True, timeout=50
    )
    return ran.stderr.decode().splitlines()


@pytest.mark.parametrize("name, value", [("PN_TRACE_FRM", word) for word in ("1", "true", "YES", "on")])
def test_frames(name, value):
    lines = errors(**{name: value})
    parts = [re.fullmatch(r"\[0x[0-9a-f]+\]:( AMQP| SASL|\*ALL\*):(FRAME|TRACE):(.*)", line) for line in lines]
    assert all(parts)
    texts = [f"{part[1].strip()} {part[3]}" for part in parts]
    assert texts[:3] == ["SASL   -> SASL", "SASL   <- SASL", "SASL   -> SASL"]
    for text in ("AMQP   -> AMQP", "AMQP   <- AMQP", "*ALL* some words"):
        assert text in texts
    for text in (
        "AMQP 0 -> @sasl-mechanisms(64) [sasl-server-mechanisms=@",
        "AMQP 0 <- @sasl-init(65) [mechanism=:ANONYMOUS, initial-response=",
        'AMQP 0 -> @open(16) [container-id="client", max-frame-size=',
        'AMQP 0 <- @open(16) [container-id="server", max-frame-size=',
        "AMQP 0 -> @begin(17) [",
        'AMQP 0 <- @attach(18) [name="link", handle=',
        "AMQP 0 <- @flow(19) [",
        "AMQP 0 -> @transfer(20) [handle=",
    ):
        assert any(line.startswith(text) for line in texts), text
    assert any('delivery-tag=b"tag"' in text and "payload" in text for text in texts)
    # One transport of the two is a client's.
    assert len({line.split("]")[0] for line in lines}) == 2


@pytest.mark.parametrize("value", ["FRAME", "frame", "ALL", "DEBUG FRAME"])
def test_the_log_can_be_asked_for_frames(value):
    assert any(":FRAME:0 -> @open(16)" in line for line in errors(PN_LOG=value))


@pytest.mark.parametrize("environment", [{}, {"PN_TRACE_FRM": "0"}, {"PN_TRACE_FRM": "false"}, {"PN_LOG": "nonsense"}])
def test_nothing_is_traced_unless_it_is_asked_for(environment):
    lines = errors(**environment)
    assert len(lines) == 1
    assert re.fullmatch(r"\[0x[0-9a-f]+\]:\*ALL\*:TRACE:some words", lines[0])


@pytest.mark.parametrize("environment", [{"PN_TRACE_RAW": "1"}, {"PN_LOG": "RAW"}])
def test_bytes(environment):
    lines = [line for line in errors(**environment) if "RAW:" in line]
    assert any(re.match(r"\[0x[0-9a-f]+\]:   IO:  RAW:->0000/[0-9a-f]{4}: ([0-9a-f]{2} )+ *", line) for line in lines)
    assert any("RAW:<-0000/" in line for line in lines)
    begin = [line for line in lines if re.search(r"->0000/....: 00 00 00 .. 02 00 00 00 00 53 11 ", line)]
    assert begin
    # The same as text, with dots for what is none.
    assert all(re.fullmatch(r"[!-~]{9}S[!-~]{6}", line[-16:]) for line in begin)


@pytest.mark.ours
@pytest.mark.parametrize("environment", [{"PN_TRACE_RAW": "1", "PN_TRACE_FRM": "1"}, {"PN_LOG": "ALL"}])
def test_passwords_are_not_traced(environment, tmp_path):
    (tmp_path / "users").write_text("me:secret\n")
    (tmp_path / "proton-server.conf").write_text("users: users\nmech_list: PLAIN\n")
    program = PROGRAM.replace('server.transport.sasl().allowed_mechs("ANONYMOUS")', "", 1).replace(
        "pair.bind()", "server.transport.sasl().allow_insecure_mechs = True\npair.bind()", 1
    )
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    ran = subprocess.run(
        [sys.executable, "-c", program.format(mechanisms="PLAIN")],
        env={**os.environ, **environment, "PYTHONPATH": path, "PN_SASL_CONFIG_PATH": str(tmp_path)},
        check=True,
        capture_output=True,
        timeout=50,
    )
    told = ran.stderr.decode()
    assert "mechanism=:PLAIN" in told
    assert "secret" not in told
    assert "73 65 63 72" not in told  # the same in hexadecimal digits
    assert "bytes with SASL" in told
    assert "->0000/" in told


@pytest.mark.ours
def test_numbers_are_decimal():
    assert any("max-frame-size=32768" in line for line in errors(PN_TRACE_FRM="1"))


@pytest.mark.ours
@pytest.mark.parametrize("environment", [{"PN_TRACE_DRV": "1"}, {"PN_TRACE_EVT": "1"}, {"PN_LOG": "DEBUG"}])
def test_other_words_ask_for_nothing(environment):
    assert len(errors(**environment)) == 1


def test_a_tracer_gets_levels_and_texts():
    pair, lines = Pair(bind=False), []
    transport = pair.client.transport
    transport.tracer = lambda which, text: lines.append((which == transport, text))
    transport.trace(Transport.TRACE_FRM | Transport.TRACE_RAW)
    pair.bind()
    pair.opened()
    transport.log("some words")
    assert all(which for which, _ in lines)
    texts = [text for _, text in lines]
    assert texts[0] == "FRAME:   -> AMQP"
    assert any(text.startswith('FRAME: 0 -> @open(16) [container-id="client"') for text in texts)
    assert any(text.startswith('FRAME: 0 <- @open(16) [container-id="server"') for text in texts)
    assert any(text.startswith("RAW: ->0000/") for text in texts)
    assert texts[-1] == "TRACE: some words"


def test_a_tracer_may_use_the_transport():
    pair, seen = Pair(bind=False), []
    transport = pair.client.transport
    transport.tracer = lambda which, _text: seen.append((which.frames_output, which.condition, which.connection))
    transport.trace(Transport.TRACE_FRM)
    pair.bind()
    pair.opened()
    assert seen
    assert all(condition is None for _, condition, _ in seen)


def test_without_flags_a_tracer_hears_of_the_log_alone():
    pair, lines = Pair(bind=False), []
    pair.client.transport.tracer = lambda _which, text: lines.append(text)
    pair.client.transport.trace(Transport.TRACE_OFF)
    pair.bind()
    pair.opened()
    assert lines == []
