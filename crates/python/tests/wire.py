"""A server that speaks as much AMQP as is needed to see what a client says first: SASL and Open."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from proton import Data

AMQP = b"AMQP\x00\x01\x00\x00"
SASL = b"AMQP\x03\x01\x00\x00"


def frame(kind: int, body: bytes) -> bytes:
    """A frame on channel 0."""
    return struct.pack(">IBBH", 8 + len(body), 2, kind, 0) + body


def mechanisms(names) -> bytes:
    """The frame that offers mechanisms."""
    symbols = b"".join(bytes([len(name)]) + name.encode() for name in names)
    array = b"\xe0" + bytes([len(symbols) + 2, len(names), 0xA3]) + symbols
    return frame(1, b"\x00\x53\x40\xc0" + bytes([len(array) + 1, 1]) + array)


def outcome(code: int) -> bytes:
    """The frame that ends SASL."""
    return frame(1, b"\x00\x53\x44\xc0\x03\x01\x50" + bytes([code]))


OPEN = frame(0, b"\x00\x53\x10\xc0\x06\x01\xa1\x03raw")
"""An Open with the container id ``raw``."""


def close(condition: str = "") -> bytes:
    """A Close, with an error if one is named."""
    if not condition:
        return frame(0, b"\x00\x53\x18\x45")
    name = b"\xa3" + bytes([len(condition)]) + condition.encode()
    error = b"\x00\x53\x1d\xc0" + bytes([len(name) + 1, 1]) + name
    return frame(0, b"\x00\x53\x18\xc0" + bytes([len(error) + 1, 1]) + error)


def fields(body: bytes) -> list:
    """The fields of a performative; those that are not there are None."""
    data = Data()
    data.decode(body)
    data.rewind()
    data.next()
    # What is binary must be copied as long as the data is there.
    values = [bytes(item) if isinstance(item, memoryview) else item for item in data.get_py_described().value]
    return values + [None] * 12


class Conversation:
    """The server's side of one connection."""

    def __init__(self, sock) -> None:
        self.sock = sock

    def read(self, count: int) -> bytes:
        """So many bytes; EOFError if the client has gone."""
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read_frame(self) -> bytes:
        """The body of the next frame that is not empty."""
        while True:
            size = struct.unpack(">I", self.read(4))[0]
            body = self.read(size - 4)[4:]
            if body:
                return body

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        self.sock.sendall(data)

    def wait_for_end(self) -> None:
        """Reads until the client has closed."""
        with contextlib.suppress(OSError):
            while self.sock.recv(65536):
                pass


class RawServer:
    """Listens while it is entered, and gives connections to functions, one after the other on one thread."""

    def __init__(self, *conversations) -> None:
        self.conversations = conversations
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        for conversation in self.conversations:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            with sock, contextlib.suppress(EOFError, OSError):
                conversation(Conversation(sock))
        self.socket.close()

    def __enter__(self) -> RawServer:
        """Begins to listen."""
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        """Ends it."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(30)


class Listening:
    """A conversation that keeps what the client says up to its Open, and then drops the connection."""

    def __init__(self, *offered, code: int = 0) -> None:
        self.offered = offered or ("ANONYMOUS",)
        self.code = code
        self.mechanism = self.response = self.sasl_hostname = None
        self.header = None
        self.opened: list = []

    def __call__(self, client) -> None:
        self.header = client.read(8)
        if self.header == SASL:
            client.send(SASL + mechanisms(self.offered))
            init = fields(client.read_frame())
            self.mechanism = str(init[0])
            self.response = init[1]
            self.sasl_hostname = init[2]
            client.send(outcome(self.code))
            if self.code:
                client.wait_for_end()
                return
            client.read(8)
        client.send(AMQP)
        self.opened = fields(client.read_frame())
