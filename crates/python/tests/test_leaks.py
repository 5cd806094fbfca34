"""What programs do again and again leaves nothing behind: `leaks.py` has the cycles.

``DEUTERON_CYCLES`` multiplies how often each is gone through; `make soak` goes through each a hundred times as often.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import proton
import pytest

PROGRAM = Path(__file__).parent / "leaks.py"
MANY = int(os.environ.get("DEUTERON_CYCLES", "1"))
COUNTS = {"messages": 10000, "codec": 2000, "cycles": 1000, "links": 200, "unsettled": 200, "containers": 50}
"""How often each is gone through, in each half of the run, if not 50 times."""
NOISE = {"objects": 12, "blocks": 900, "descriptors": 0, "threads": 0, "KiB": 1024}
"""What may be there after the second half that was not there before it: caches, and counters of many digits."""
LEFT_OPEN = ("exceptions", "reconnects")
"""Cycles that leave a loop with connections in it."""


def names():
    """The cycles."""
    sys.path.insert(0, str(PROGRAM.parent))
    import leaks

    return list(leaks.CYCLES)


def run(name, count, **environment):
    """Goes through a cycle in a process of its own; gives what was left behind."""
    environment = {**os.environ, "PYTHONPATH": str(Path(proton.__file__).parents[1]), **environment}
    command = [sys.executable, str(PROGRAM), name, str(count)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3000)
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


@pytest.mark.ours
@pytest.mark.parametrize("name", names())
def test_nothing_is_left_behind(name):
    left = run(name, COUNTS.get(name, 50) * MANY)
    assert {what: number for what, number in left.items() if number > NOISE[what]} == {}


@pytest.mark.ours
@pytest.mark.parametrize("name", names())
def test_nothing_is_wrong_with_memory_or_left_open(name):
    """The allocator checks what is written beside its blocks, and Python tells what was not closed."""
    # Loops that are left in the middle leave their sockets to the collector: Python says so, and is right.
    warnings = {"PYTHONWARNINGS": "ignore::ResourceWarning"} if name in LEFT_OPEN else {}
    run(name, 10, PYTHONMALLOC="debug", PYTHONDEVMODE="1", **warnings)
