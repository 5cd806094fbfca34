"""The module of tracing, with the least that can stand for the packages it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, types
for name in ("opentracing", "opentracing.ext", "opentracing.ext.tags", "opentracing.propagation", "jaeger_client"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["opentracing.ext"].tags = sys.modules["opentracing.ext.tags"]
sys.modules["opentracing.propagation"].Format = type("Format", (), {"TEXT_MAP": "text_map"})
import proton._endpoints, proton._handlers
names = [(proton._handlers, "IncomingMessageHandler"), (proton._handlers, "OutgoingMessageHandler")]
before = [getattr(*each) for each in names]
import proton.tracing
for each, old in zip(names, before):
    new = getattr(*each)
    assert new is not old and issubclass(new, old), each
assert isinstance(proton.Connection().session().sender("x"), proton._endpoints.Sender)
"""


def test_importing_it_replaces_the_handlers_of_messages():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


@pytest.mark.parametrize("made", ["init", "global"])
def test_a_message_takes_its_span_along(made):
    program = [sys.executable, str(Path(__file__).with_name("spans.py")), made]
    told = json.loads(subprocess.run(program, check=True, capture_output=True, timeout=50).stdout)
    sent, received = told["spans"]
    assert (sent["name"], sent["parent"], sent["finished"]) == ("amqp-delivery-send", None, True)
    assert (received["name"], received["parent"], received["finished"]) == (
        "amqp-delivery-receive",
        "amqp-delivery-send",
        True,
    )
    assert sent["tags"]["span_kind"] == "producer"
    assert received["tags"]["span_kind"] == "consumer"
    for span in (sent, received):
        assert span["tags"]["component"] == "proton-message-tracing"
    assert sent["tags"]["message_bus_destination"] == "queue"
    assert sent["log"] == [{"event": "delivery settled", "state": "ACCEPTED"}]
    assert sent["tags"]["delivery-terminal-state"] == "ACCEPTED"
    assert sent["tags"]["delivery-tag"]
    assert told["current"] == [["amqp-delivery-receive"], [True, "ACCEPTED"]]
    assert told["annotations"] == ["x-opt-qpid-tracestate"]
