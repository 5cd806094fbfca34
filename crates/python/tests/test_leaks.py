"""What programs do again and again leaves nothing behind: `leaks.py` has the cycles.

``DEUTERON_CYCLES`` multiplies how often each is gone through; `make soak` goes through each a hundred times as often.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path

import proton
import pytest
from proton import Message
from proton.handlers import MessagingHandler
from support import Server, meet

PROGRAM = Path(__file__).parent / "leaks.py"
MANY = int(os.environ.get("DEUTERON_CYCLES", "1"))
COUNTS = {"messages": 5000, "codec": 1000, "cycles": 500, "links": 100, "unsettled": 100}
"""How often each is gone through, in each of four parts of the run, if not 25 times."""
NOISE = {"objects": 12, "blocks": 150, "descriptors": 0, "threads": 0, "KiB": 512}
"""What each part may leave behind, however long it is: caches, and the counting itself."""
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
    left = run(name, COUNTS.get(name, 25) * MANY)
    assert {what: number for what, number in left.items() if number > NOISE[what]} == {}


class Short(MessagingHandler):
    """Opens links on one connection, one after another, and sees how many are left of them."""

    def __init__(self, count) -> None:
        super().__init__()
        self.left = count
        self.links: weakref.WeakSet = weakref.WeakSet()
        self.alive = -1

    def on_connection_opened(self, event):
        """The first."""
        self.next(event)

    def next(self, event):
        """One more, or the count."""
        if self.left:
            self.left -= 1
            event.container.create_sender(event.connection, f"q{self.left}", handler=self)
        else:
            event.container.schedule(0, self)
            self.connection = event.connection

    def on_timer_task(self, _event):
        """All is closed but the connection."""
        gc.collect()
        self.alive = len(self.links)
        self.connection.close()

    def on_link_opened(self, event):
        """A message."""
        self.links.add(event.link)

    def on_sendable(self, event):
        """One on each link."""
        if event.sender.state & event.sender.LOCAL_ACTIVE:
            event.sender.send(Message(body="x"))

    def on_settled(self, event):
        """Closes it."""
        event.link.close()

    def on_link_closed(self, event):
        """The next."""
        self.next(event)


@pytest.mark.ours
def test_a_long_connection_does_not_grow_with_each_link():
    client, server = Short(100), Server()
    seen: weakref.WeakSet = weakref.WeakSet()
    server.on_link_opened = lambda event: seen.add(event.link)
    counts = []
    server.on_connection_closing = lambda _event: counts.append(len(seen))
    meet(client, server)
    assert len(server.messages) >= 100
    # The last one, perhaps, and what an event in the queue refers to.
    assert 0 <= client.alive <= 3
    assert counts[0] <= 3


@pytest.mark.ours
@pytest.mark.parametrize("name", names())
def test_nothing_is_wrong_with_memory_or_left_open(name):
    """The allocator checks what is written beside its blocks, and Python tells what was not closed."""
    # Loops that are left in the middle leave their sockets to the collector: Python says so, and is right.
    warnings = {"PYTHONWARNINGS": "ignore::ResourceWarning"} if name in LEFT_OPEN else {}
    run(name, 10, PYTHONMALLOC="debug", PYTHONDEVMODE="1", **warnings)
