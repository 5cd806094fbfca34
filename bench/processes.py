"""Two processes over loopback, and what they and the kernel say of them."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import threading
import time


class Failed(Exception):
    """A run that gave no figures."""


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_listener(port, process):
    """Waits until someone listens, without connecting: these listeners take the first connection for the run."""
    wanted = f":{port:04X}"
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[1].endswith(wanted):
                return
        if process.poll() is not None:
            raise Failed(f"the listener ended: {process.communicate()[1][-500:]}")
        time.sleep(0.002)
    raise Failed("nobody listened within 20 s")


def report(output):
    """The JSON line a program printed."""
    for line in output.splitlines():
        if line.startswith("{"):
            return json.loads(line)
    return None


class Memory(threading.Thread):
    """Watches the peak memory of a process.

    Its own getrusage would not do: a process starts with the peak of the one that forked it, which is this one.
    """

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process = process
        self.peak = 0
        self.start()

    def run(self):
        """Reads the kernel's high-water mark until the process is gone."""
        while self.process.poll() is None:
            with contextlib.suppress(OSError):
                for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self.peak = int(line.split()[1])
            time.sleep(0.02)


def pair(command, listener, client, one_core=False, patience=120):
    """Runs a listener and a client; returns what each reported. A listener that only echoes reports nothing."""
    pin = (lambda: os.sched_setaffinity(0, {0})) if one_core else None
    port = free_port()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "preexec_fn": pin}
    with contextlib.ExitStack() as stack:

        def start(arguments):
            process = stack.enter_context(subprocess.Popen([*command, *map(str, arguments)], **pipes))
            stack.callback(process.kill)
            return process, Memory(process)

        server, server_memory = start([listener[0], port, *listener[1:]])
        wait_for_listener(port, server)
        sender, sender_memory = start([client[0], f"127.0.0.1:{port}", *client[1:]])
        try:
            sent, complaint = sender.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"no end within {patience} s") from None
        try:
            received, _ = server.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            received, _ = server.communicate()
        if report(sent) is None:
            raise Failed(f"{client[0]} reported nothing: {complaint[-500:]}")
        results = report(received), report(sent)
        for result, memory in zip(results, (server_memory, sender_memory), strict=True):
            if result is not None:
                result["peak_kb"] = memory.peak
        return results
