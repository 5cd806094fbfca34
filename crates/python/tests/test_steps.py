"""Random steps at the level of the engine lead to the same events and properties with both packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OTHER = os.environ.get("PROTON_PYTHON", "")
"""An interpreter with the other package."""

HERE = Path(__file__).parent


def output(interpreter: str, path: str, program: str, first: int, count: int) -> list:
    """What a program of steps says, seed by seed."""
    environment = {**os.environ, "PYTHONPATH": path}
    command = [interpreter, str(HERE / program), str(first), str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    return done.stdout.split("seed ")[1:]


@pytest.mark.ours
@pytest.mark.skipif(not OTHER, reason="PROTON_PYTHON names no interpreter with the other package")
@pytest.mark.parametrize(
    ("program", "first", "count"),
    [("engine_steps.py", 0, 200), ("endpoint_steps.py", 300, 200)],
)
def test_both_packages_make_the_same_of_random_steps(program, first, count):
    ours = output(sys.executable, os.environ.get("PYTHONPATH", ""), program, first, count)
    other = output(OTHER, os.environ.get("PROTON_PYTHONPATH", ""), program, first, count)
    assert len(ours) == count
    for mine, theirs in zip(ours, other):
        assert mine.splitlines() == theirs.splitlines()
