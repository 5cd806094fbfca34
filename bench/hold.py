"""How much memory a connection, a link and a message cost: many of them are held, and what that takes is divided."""

import contextlib
import os
import pathlib
import select
import subprocess
import time

from processes import Failed, free_port, wait_for_listener

# what, how many; the messages stay below the 2,048 that rhea keeps on a link
HELD = (("connections", 5000), ("links", 5000), ("messages", 2000))
QUEUED = 1_000_000
SIZE = 100


def anonymous_memory(process):
    """What a process has written to memory, in bytes; its code, which is the file's, is not in it."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise Failed("the process is gone")


def wait_until_ready(process, patience=120):
    """Waits until a program says that it holds all."""
    readable, _, _ = select.select([process.stdout], [], [], patience)
    if not readable or process.stdout.readline().strip() != "READY":
        raise Failed(f"it does not hold all within {patience} s")
    # What it still has to free or answer.
    time.sleep(0.5)


def held_by(command, what, count):
    """The memory of a listener and of a client that hold that many, in bytes."""
    port = free_port()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with contextlib.ExitStack() as stack:

        def start(role, place):
            arguments = [role, place, what, str(count), str(SIZE)]
            process = stack.enter_context(subprocess.Popen([*command, *arguments], **pipes))
            stack.callback(process.kill)
            return process

        server = start("hold-recv", str(port))
        wait_for_listener(port, server)
        client = start("hold-send", f"127.0.0.1:{port}")
        for process in (server, client):
            wait_until_ready(process)
        return anonymous_memory(server), anonymous_memory(client)


def per_piece(command, what, count):
    """Figures by metric: what each costs over and above the first."""
    one, many = held_by(command, what, 1), held_by(command, what, count)
    server, client = ((after - before) / (count - 1) for before, after in zip(one, many, strict=True))
    return {"server memory, each": server, "client memory, each": client}


def queued(deuteron, sender):
    """What each message costs the broker that has a million of them in a queue."""
    port = free_port()
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.ExitStack() as stack:
        arguments = [deuteron, "broker", "--listen", f"amqp://127.0.0.1:{port}"]
        broker = stack.enter_context(subprocess.Popen(arguments, **pipes))
        stack.callback(broker.kill)
        wait_for_listener(port, broker)
        before = anonymous_memory(broker)
        send = [*sender, "send", f"127.0.0.1:{port}", str(QUEUED), str(SIZE), "unsettled"]
        if subprocess.run(send, stdout=subprocess.DEVNULL, timeout=300, env=os.environ).returncode:
            raise Failed("the messages were not taken")
        return {"broker memory, each": (anonymous_memory(broker) - before) / QUEUED}
