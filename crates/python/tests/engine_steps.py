"""Run as a program: random steps at the level of the engine, and what each leads to, printed line by line.

Arguments: the first seed and the number of seeds. The same seeds give the same steps with any package.
"""

from __future__ import annotations

import random
import sys

from pairs import Pair
from proton import Delivery, Link

STATES = (Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED)


def of_delivery(delivery) -> str:
    """All that can be asked of a delivery."""
    if delivery is None:
        return "-"
    flags = "".join(
        letter if value else "."
        for letter, value in (
            ("p", delivery.partial),
            ("a", delivery.aborted),
            ("r", delivery.readable),
            ("w", delivery.writable),
            ("u", delivery.updated),
            ("s", delivery.settled),
        )
    )
    pending = "" if delivery.aborted else delivery.pending
    return f"{delivery.tag}:{flags}:{pending}:{int(delivery.local_state)}:{int(delivery.remote_state)}"


def of_link(link) -> str:
    """The numbers of a link."""
    numbers = (link.credit, link.queued, link.unsettled, int(link.draining()) if link.is_receiver else "")
    return f"{numbers} {of_delivery(link.current)}"


class Steps:
    """One sequence of random steps on one link."""

    def __init__(self, seed: int, say) -> None:
        self.random = random.Random(seed)
        self.say = say
        self.pair = Pair().opened()
        self.sent: list = []
        self.received: list = []
        self.done: set = set()
        client = self.pair.client.session.sender("link")
        client.target.address = "queue"
        client.snd_settle_mode = self.random.choice((Link.SND_MIXED, Link.SND_UNSETTLED))
        client.open()
        self.pair.pump()
        server = self.pair.server.connection.link_head(0)
        server.open()
        self.pair.events()
        self.sender, self.receiver = client, server

    def run(self, count: int) -> None:
        """Makes so many steps."""
        for number in range(count):
            step = self.random.choice(STEPS)
            try:
                result = getattr(self, step)()
            except Exception as error:
                result = f"{type(error).__name__}"
            self.say(f"{number} {step} {result}")
            self.say(f"  sender {of_link(self.sender)}")
            self.say(f"  receiver {of_link(self.receiver)}")

    def delivery(self):
        """Begins a message."""
        if len(self.sent) < 30:
            delivery = self.sender.delivery(f"t{len(self.sent)}")
            self.sent.append(delivery)
            return delivery.tag

    def stream(self):
        """Writes some of one."""
        size = self.random.choice((0, 1, 5, 2000, 70_000))
        return self.sender.stream(bytes([len(self.sent)]) * size)

    def advance(self):
        """Ends one."""
        return self.sender.advance()

    def abort(self):
        """Gives one up, and tells the peer."""
        if self.sender.current is not None:
            self.sender.current.abort()
        return self.pump()

    def send(self):
        """A message at once."""
        if len(self.sent) < 30:
            delivery = self.sender.delivery(f"t{len(self.sent)}")
            self.sent.append(delivery)
            self.sender.stream(b"whole")
            return self.sender.advance()

    def settle_sent(self):
        """Settles one that was sent, or is written now. (Proton never sends one that is settled before its turn.)"""
        known = [delivery for delivery in self.sent if delivery.tag not in self.waiting()]
        if known:
            self.random.choice(known).settle()

    def waiting(self) -> set:
        """The tags of those that are not begun."""
        current = self.sender.current
        return set() if current is None else {f"t{number}" for number in range(int(current.tag[1:]) + 1, 30)}

    def update_received(self):
        """Gives an outcome."""
        if self.received:
            self.random.choice(self.received).update(self.random.choice(STATES))

    def settle_received(self):
        """Settles one that has come, by itself: what both sides settle at once is an event more in Proton."""
        whole = [delivery for delivery in self.received if not delivery.partial]
        if not whole:
            return None
        before = self.pump()
        settled = self.random.choice(whole)
        settled.settle()
        self.received.remove(settled)
        self.done.add(settled.tag)
        return f"{before} {self.pump()}"

    def flow(self):
        """Gives credit."""
        self.receiver.flow(self.random.randrange(1, 4))

    def drain(self):
        """Asks for credit back."""
        if self.receiver.credit > self.receiver.queued:
            self.receiver.drain(self.random.randrange(0, 2))

    def drained(self):
        """Gives it back, if there is some; how much it was, of both sides."""
        idle = self.sender.current is None and not self.sender.queued
        returned = self.sender.drained() if self.sender.credit > 0 and idle else ""
        return f"{self.pump()} {returned} {self.receiver.drained()}"

    def read(self):
        """Reads some of the current one."""
        self._note()
        size = self.random.choice((1, 100, 100_000))
        data = self.receiver.recv(size)
        return None if data is None else len(data)

    def advance_receiver(self):
        """Goes on to the next."""
        self._note()
        return self.receiver.advance()

    def _note(self):
        current = self.receiver.current
        if current is not None and current not in self.received and current.tag not in self.done:
            self.received.append(current)

    def pump(self):
        """Carries the bytes."""
        # Flows and outcomes of one turn may come in any order, and several of a kind as one.
        client, server = (sorted(set(events)) for events in self.pair.events())
        self._note()
        return f"{client} {server}"


STEPS = (
    "delivery",
    "delivery",
    "stream",
    "stream",
    "stream",
    "advance",
    "advance",
    "abort",
    "send",
    "settle_sent",
    "update_received",
    "settle_received",
    "flow",
    "flow",
    "drain",
    "drained",
    "read",
    "read",
    "advance_receiver",
    "pump",
    "pump",
    "pump",
    "pump",
)


def main() -> None:
    """Runs what the arguments ask for."""
    first, count = int(sys.argv[1]), int(sys.argv[2])
    for seed in range(first, first + count):
        print(f"seed {seed}")
        Steps(seed, print).run(40)


if __name__ == "__main__":
    main()
