"""Sends messages, and prints what is said of each, the same with both packages. Arguments: the URL, how many."""

from __future__ import annotations

import sys

from proton import Described, Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


def plain(value):
    """A value without what differs in how the packages write it."""
    if isinstance(value, Described):
        return ("described", int(value.descriptor), plain(value.value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return value


class Client(MessagingHandler):
    """Sends one after the other."""

    def __init__(self, url: str, count: int) -> None:
        super().__init__()
        self.url, self.count, self.sent = url, count, 0

    def on_start(self, event) -> None:
        """Connects."""
        event.container.create_sender(event.container.connect(self.url, reconnect=False), "queue")

    def on_sendable(self, event) -> None:
        """Sends the first."""
        if self.sent == 0:
            self.next(event.sender)

    def next(self, sender) -> None:
        """Sends one."""
        self.sent += 1
        sender.send(Message(str(self.sent)))

    def on_settled(self, event) -> None:
        """Prints what it was answered with, and sends the next."""
        remote = event.delivery.remote
        why = remote.condition
        print(
            int(event.delivery.remote_state),
            (remote.section_number, remote.section_offset),
            (remote.failed, remote.undeliverable),
            plain(remote.annotations),
            why and (str(why.name), why.description, plain(why.info)),
            plain(remote.data),
        )
        if self.sent < self.count:
            self.next(event.link)
        else:
            event.connection.close()


Container(Client(sys.argv[1], int(sys.argv[2]))).run()
