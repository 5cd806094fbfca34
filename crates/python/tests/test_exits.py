"""The interpreter ends while the package is at work: nothing crashes, nothing hangs, nothing is said of it.

``DEUTERON_EXITS`` says how often each program of ``exits.py`` runs; `make soak` runs each fifty times.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import proton
import pytest

PROGRAM = Path(__file__).parent / "exits.py"
RUNS = int(os.environ.get("DEUTERON_EXITS", "2"))
BURNERS = 6
EXPECTED = {"sys_exit": 3, "exception": 1, "os_exit": 4}
"""What a program returns, if not 0."""
PATIENCE = 50


def start(*arguments, **options):
    """Runs the file of programs with the package that the tests use."""
    environment = {**os.environ, "PYTHONPATH": str(Path(proton.__file__).parents[1]), "PYTHONFAULTHANDLER": "1"}
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


@pytest.fixture(scope="module")
def port():
    """The port of a server, on a machine that has too much to do."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BURNERS)]
    server = start("server")
    try:
        yield int(server.stdout.readline().split()[1])
        assert server.poll() is None, "the server has gone"
    finally:
        for process in (*burners, server):
            process.kill()
            process.communicate()


def names():
    """The programs, each as often as is asked for."""
    sys.path.insert(0, str(PROGRAM.parent))
    import exits

    return list(exits.PROGRAMS)


@pytest.mark.ours
@pytest.mark.parametrize("name", names())
def test_the_interpreter_ends_while_the_package_is_at_work(name, port):
    for _ in range(RUNS):
        process = start(name, port)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == EXPECTED.get(name, 0), err
        assert out == ("the last was sent\n" if name == "at_exit" else "")
        if name == "exception":
            assert err.startswith("Traceback") and err.endswith("\nValueError: boom\n")
            assert err.count("Traceback") == 1
        else:
            assert err == ""
