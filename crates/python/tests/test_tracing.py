"""The module of tracing, with the least that can stand for the packages it needs."""

from __future__ import annotations

import subprocess
import sys

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
