"""Sends a message and receives it, one step after the other, without callbacks."""

from __future__ import annotations

import argparse

from proton import Message
from proton.utils import BlockingConnection

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqp://127.0.0.1")
    parser.add_argument("queue")
    arguments = parser.parse_args()

    connection = BlockingConnection(arguments.url, timeout=10)
    try:
        receiver = connection.create_receiver(arguments.queue)
        sender = connection.create_sender(arguments.queue)
        sender.send(Message("Hello World!"))
        print(receiver.receive().body)
        receiver.accept()
    finally:
        connection.close()
