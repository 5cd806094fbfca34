"""Run as a program: random steps with sessions and links of two connections, and what each leads to, line by line.

Arguments: the first seed and the number of seeds. The same seeds give the same steps with any package. What they
do differently for a reason (``docs/differences-from-proton.md``) is left out.
"""

from __future__ import annotations

import random
import sys

from pairs import Pair
from proton import Condition, Endpoint, Message, Terminus

_LIVE = (Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_UNINIT, Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE)
"""The states of a session on which links can come and go."""


def condition_of(endpoint) -> str:
    """Why the peer has closed it."""
    found = endpoint.remote_condition
    return "" if found is None else f"{found.name} {found.description}"


def is_closed(endpoint) -> bool:
    """Whether it is over on both sides."""
    return bool(endpoint.state & endpoint.LOCAL_CLOSED and endpoint.state & endpoint.REMOTE_CLOSED)


class Side:
    """One of the two connections, with all the endpoints that it knows."""

    def __init__(self, name: str, side) -> None:
        self.name = name
        self.connection = side.connection
        self.made: list = []

    def sessions(self) -> list:
        """The sessions, the oldest first. (Proton keeps those that are closed; a connection of ours does not.)"""
        return [session for session in self._walk(self.connection.session_head(0)) if not is_closed(session)]

    def links(self) -> list:
        """The links, the oldest first. (As of the sessions.)"""
        links = self._walk(self.connection.link_head(0))
        return [link for link in links if not is_closed(link) and not is_closed(link.session)]

    @staticmethod
    def _walk(head) -> list:
        found = []
        while head is not None:
            found.append(head)
            head = head.next(0)
        return found

    def line(self) -> str:
        """All that can be asked of them."""
        sessions = [f"{session.state}{condition_of(session)}" for session in self.sessions()]
        links = [
            f"{link.name}:{link.state}:{link.credit}:{link.queued}:{link.remote_source.address}"
            f":{link.remote_target.address}:{link.remote_snd_settle_mode}{condition_of(link)}"
            for link in self.links()
        ]
        return f"{self.connection.state} {sessions} {links}"


class Steps:
    """One sequence of random steps."""

    def __init__(self, seed: int, say) -> None:
        self.random = random.Random(seed)
        self.say = say
        self.pair = Pair()
        self.sides = Side("client", self.pair.client), Side("server", self.pair.server)
        self.count = 0
        self.detached: set = set()
        for side in self.sides:
            side.connection.open()
        self.say(f"begin {self.pair.events()}")

    def run(self, count: int) -> None:
        """Makes so many steps."""
        for number in range(count):
            step = self.random.choice(STEPS)
            side = self.random.choice(self.sides)
            try:
                result = getattr(self, step)(side)
            except Exception as error:
                result = type(error).__name__
            self.say(f"{number} {side.name} {step} {result}")
            for each in self.sides:
                self.say(f"  {each.name} {each.line()}")

    def _one(self, some: list):
        return self.random.choice(some) if some else None

    def open_connection(self, side):
        """Opens one side."""
        if side.connection.state & side.connection.LOCAL_UNINIT:
            side.connection.open()

    def close_connection(self, side):
        """Closes one side, now and then."""
        open_to_all = side.connection.state & side.connection.REMOTE_ACTIVE
        if open_to_all and self._answered() and self.random.random() < 0.2:
            self._condition(side.connection)
            side.connection.close()

    def _answered(self) -> bool:
        sessions = [session for side in self.sides for session in side.sessions()]
        return not any(session.state & session.REMOTE_UNINIT for session in sessions)

    def _condition(self, endpoint) -> None:
        if self.random.random() < 0.3:
            endpoint.condition = Condition("amqp:not-found", "gone")

    def make_session(self, side):
        """A session, which is not open yet."""
        if len(side.sessions()) < 3:
            side.connection.session()

    def open_session(self, side):
        """Opens a session, whoever began it."""
        session = self._one(side.sessions())
        if session is not None and session.state & session.LOCAL_UNINIT and self._lives(side):
            session.open()

    @staticmethod
    def _lives(side) -> bool:
        return bool(side.connection.state & side.connection.LOCAL_ACTIVE)

    def close_session(self, side):
        """Closes a session, now and then."""
        session = self._one(side.sessions())
        over = session is None or session.state & session.LOCAL_CLOSED
        if not over and self._answered() and self.random.random() < 0.3:
            self._condition(session)
            session.close()

    def make_link(self, side):
        """A link, which is not open yet."""
        session = self._one([session for session in side.sessions() if not session.state & session.LOCAL_CLOSED])
        if session is None or len(side.links()) > 4:
            return None
        self.count += 1
        make = session.sender if self.random.random() < 0.5 else session.receiver
        link = make(f"link-{self.count}")
        link.source.address = self._one([None, "a", "b"])
        link.target.address = self._one([None, "c", "d"])
        link.target.type = self._one([Terminus.TARGET, Terminus.UNSPECIFIED])
        link.snd_settle_mode = self._one([0, 1, 2])
        return link.name

    def open_link(self, side):
        """Opens a link, whoever began it."""
        link = self._one(side.links())
        over = link is None or link.state & link.REMOTE_CLOSED or link.name in self.detached
        if not over and link.state & link.LOCAL_UNINIT and link.session.state in _LIVE and self._lives(side):
            link.open()
            return link.name

    def close_link(self, side):
        """Closes a link, whether it is open or not."""
        links = [link for link in side.links() if link.session.state == _LIVE[1] and link.name not in self.detached]
        link = self._one([link for link in links if not link.state & link.LOCAL_CLOSED])
        if link is not None:
            self._condition(link)
            link.close()
            return link.name

    def detach_link(self, side):
        """Detaches a link that is open."""
        link = self._one([link for link in side.links() if link.state & link.LOCAL_ACTIVE])
        if link is not None:
            self.detached.add(link.name)
            link.detach()
            return link.name

    def flow(self, side):
        """Gives credit."""
        link = self._one([link for link in side.links() if link.is_receiver and not link.state & link.REMOTE_UNINIT])
        if link is not None:
            link.flow(self.random.randrange(1, 4))
            return link.name

    def send(self, side):
        """Sends a message."""
        link = self._one([link for link in side.links() if link.is_sender and link.state & link.LOCAL_ACTIVE])
        if link is not None and link.credit > 0:
            link.send(Message("body"))
            return link.name

    def receive(self, side):
        """Takes a message."""
        link = self._one([link for link in side.links() if link.is_receiver and link.queued])
        if link is not None:
            message = Message()
            delivery = message.recv(link)
            delivery.update(delivery.ACCEPTED)
            delivery.settle()
            return message.body

    def pump(self, _side):
        """Carries the bytes."""
        client, server = self.pair.events()
        return f"{client} {server}"


STEPS = (
    "open_connection",
    "close_connection",
    "make_session",
    "open_session",
    "open_session",
    "close_session",
    "make_link",
    "make_link",
    "open_link",
    "open_link",
    "open_link",
    "close_link",
    "detach_link",
    "flow",
    "flow",
    "send",
    "send",
    "receive",
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
