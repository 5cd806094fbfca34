"""A server, run as a program, that wants a sign of life ten times a second and looks at every frame.

It prints ``port N``; ``beats`` when enough empty frames have come after Open; at the end the codes of all other frames.
With two arguments, a certificate and a key, it speaks TLS. A frame that is cut or out of place ends it with an error.
"""

import socket
import ssl
import struct
import sys

from wire import AMQP, frame

BEATS = 5
OPEN = frame(0, b"\x00\x53\x10\xc0\x0e\x05\xa1\x03raw\x40\x40\x40\x70" + struct.pack(">I", 200))
CLOSE = frame(0, b"\x00\x53\x18\x45")


def exactly(sock, count):
    """So many bytes, or an error."""
    parts = b""
    while len(parts) < count:
        part = sock.recv(count - len(parts))
        if not part:
            raise EOFError(f"cut after {len(parts)} of {count} bytes")
        parts += part
    return parts


def bodies(sock):
    """The bodies of frames."""
    while True:
        size, offset, kind, channel = struct.unpack(">IBBH", exactly(sock, 8))
        if (offset, kind, channel) != (2, 0, 0):
            raise ValueError(f"not a frame: {size} {offset} {kind} {channel}")
        yield exactly(sock, size - 8)


def main():
    """Serves one client."""
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    sock, _address = listener.accept()
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[1:3])
        sock = context.wrap_socket(sock, server_side=True)
    if exactly(sock, 8) != AMQP:
        raise ValueError("no AMQP")
    sock.sendall(AMQP + OPEN)
    beats, codes = 0, []
    for body in bodies(sock):
        if not body:
            beats += 1
            if beats == BEATS:
                print("beats", flush=True)
            continue
        codes.append(body[2])
        if body[2] == 0x18:
            sock.sendall(CLOSE)
            break
    print("frames", *(hex(code) for code in codes), flush=True)


main()
