"""A program that a server's crashes hit, on whichever package `proton` is: kills_side.py URL ADDRESS CAPABILITY DURABLE

It sends numbered messages, 50 of them under way at once, and takes them again from the same queue. It never sends one
a second time: what is lost is lost by the library. `stop` on its standard input ends the sending; when nothing has
happened for some seconds it closes and prints what it has seen as one line of JSON. Of a message that was cut off
Proton says nothing: those are counted as `untold`.
"""

import json
import sys
import threading

from proton import VERSION, Message, symbol
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector, LinkOption

WINDOW = 50
QUIET_SECONDS = 8


class Node(LinkOption):
    """What the server has to be told of the queue."""

    def __init__(self, capability, durable):
        self.capability, self.durable = capability, durable

    def apply(self, link):
        """Tells it."""
        terminus = link.target if link.is_sender else link.source
        if self.capability:
            terminus.capabilities.put_object(symbol(self.capability))
        if self.durable:
            terminus.durability = terminus.DELIVERIES


class Program(MessagingHandler):
    """Sends and receives, and keeps book."""

    def __init__(self, url, address, capability, durable):
        super().__init__(prefetch=WINDOW)
        self.url, self.address = url, address
        self.node = Node(capability, durable)
        self.sent, self.opened, self.refused, self.unknown, self.news = 0, 0, 0, 0, 0
        self.pending, self.accepted, self.received = {}, set(), {}
        self.stopping = False

    def on_start(self, event):
        """Connects, and listens to what is said on standard input."""
        self.container = event.container
        injector = EventInjector()
        self.container.selectable(injector)
        threading.Thread(target=self.listen, args=(injector,), daemon=True).start()
        self.connection = self.container.connect(self.url, reconnect=[0.1] * 1_000_000)
        self.container.create_receiver(self.connection, self.address, options=self.node)
        self.sender = self.container.create_sender(self.connection, self.address, options=self.node)

    def listen(self, injector):
        """Waits for the word."""
        sys.stdin.readline()
        injector.trigger(ApplicationEvent("stop"))
        injector.close()

    def on_stop(self, event):
        """No more is sent; the end is near when all is quiet."""
        self.stopping = True
        self.seen = -1
        self.container.schedule(QUIET_SECONDS, self)

    def on_timer_task(self, event):
        """Closes if nothing has happened since the last look."""
        if self.seen == self.news:
            self.connection.close()
            return
        self.seen = self.news
        self.container.schedule(QUIET_SECONDS, self)

    def on_connection_opened(self, event):
        """Again and again. What was under way before is never heard of again."""
        self.opened += 1
        self.pending.clear()

    def on_sendable(self, event):
        """Keeps the window full."""
        while not self.stopping and event.sender.credit and len(self.pending) < WINDOW:
            delivery = event.sender.send(Message(body=self.sent, durable=True))
            self.pending[delivery.tag] = self.sent
            self.sent += 1

    def on_accepted(self, event):
        """The server has one."""
        self.news += 1
        number = self.pending.pop(event.delivery.tag, None)
        if number is not None:
            self.accepted.add(number)
        self.on_sendable(event)

    def on_rejected(self, event):
        """The server does not want one."""
        self.refused += 1
        self.pending.pop(event.delivery.tag, None)

    def on_released(self, event):
        """The server gives one back."""
        self.on_rejected(event)

    def on_connection_closed(self, event):
        """The end, which may be another than that which was asked for."""
        if not self.stopping:
            condition = event.connection.remote_condition or event.connection.condition
            print(f"{VERSION}: the connection is closed: {condition}", file=sys.stderr, flush=True)

    def on_link_error(self, event):
        """A link was refused or ended: as every program does that does not say otherwise, this one closes."""
        print(f"{VERSION}: {event.link.remote_condition}", file=sys.stderr, flush=True)
        super().on_link_error(event)

    def on_delivery_unknown(self, event):
        """The package says that it does not know."""
        self.unknown += 1
        self.pending.pop(event.delivery.tag, None)

    def on_message(self, event):
        """One has come."""
        self.news += 1
        number = event.message.body
        self.received[number] = self.received.get(number, 0) + 1

    def report(self):
        """What has been seen."""
        told = len(self.accepted) + self.refused + self.unknown
        return {
            "connections": self.opened,
            "sent": self.sent,
            "accepted": len(self.accepted),
            "refused": self.refused,
            "unknown": self.unknown,
            "untold": self.sent - told,
            "received": len(self.received),
            "doubled": sum(count - 1 for count in self.received.values()),
            "accepted, not received": len(self.accepted - set(self.received)),
        }


if __name__ == "__main__":
    program = Program(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == "durable")
    Container(program).run()
    print(json.dumps(program.report()), flush=True)
