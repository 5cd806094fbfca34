#!/usr/bin/env python3
"""Kills a real server again and again, under programs that send and receive, and counts what became of messages.

    bench/kills.py [--server artemis] [--server rabbitmq4] [--times 50]

The programs run side by side against one server, each on a queue of its own: Deuteron in Rust with Report and with
Replay, its Python package, python-qpid-proton and rhea. None of them sends a message twice by itself. Prints a table
for each server, and fails if a message that was accepted is gone, or if Deuteron leaves one without a known fate.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time

from processes import Failed
from programs import ROOT, target_folder
from python_package import OURS, THEIRS, installed

COLUMNS = (
    "connections",
    "sent",
    "accepted",
    "refused",
    "unknown",
    "untold",
    "received",
    "doubled",
    "accepted, not received",
)


class Server:
    """A server that is commanded over standard input."""

    def __init__(self, name):
        program = target_folder() / "release" / "interop-servers"
        self.process = subprocess.Popen(
            [str(program), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.about = json.loads(self.process.stdout.readline())
        if "missing" in self.about:
            raise Failed(f"{name} is not installed: make peers installs it")

    def ask(self, command):
        """One command, and its answer."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        """Ends it."""
        self.process.stdin.close()
        self.process.wait(60)


def programs():
    """{name: (command, environment)} of those that are there."""
    bench = str(target_folder() / "release" / "deuteron-bench")
    python = installed()
    side = str(ROOT / "bench" / "kills_side.py")
    found = {
        "Deuteron (Rust), replay": ([bench, "kills"], ["replay"]),
        "Deuteron (Rust), replay with `_AMQ_DUPL_ID`": ([bench, "kills"], ["detect"]),
        "Deuteron (Rust), report": ([bench, "kills"], ["report"]),
        "Deuteron (Python)": ([python[OURS][0], side], []),
        "python-qpid-proton 0.40": ([python[THEIRS][0], side], []),
    }
    modules = ROOT / ".peers" / "rhea" / "node_modules"
    if modules.exists():
        os.environ["NODE_PATH"] = str(modules)
        found["rhea 3.0.5"] = (["node", str(ROOT / "bench" / "peers" / "rhea_kills.js")], [])
    return found


def run(name, times):
    """The counts of each program."""
    server = Server(name)
    running = {}
    try:
        for index, (program, (command, rest)) in enumerate(programs().items()):
            node = server.ask(f"queue kills.{index}")
            durable = "durable" if node["durable"] else "volatile"
            arguments = [server.about["url"], node["address"], node["capability"] or "", durable, *rest]
            running[program] = subprocess.Popen(
                [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        for number in range(times):
            time.sleep(random.uniform(1, 2))
            server.ask("kill")
            server.ask("start")
            print(f"{name}: killed {number + 1} times", file=sys.stderr)
        time.sleep(2)
        for process in running.values():
            process.stdin.write("stop\n")
            process.stdin.flush()
        counts = {}
        for program, process in running.items():
            try:
                output, _ = process.communicate(timeout=180)
            except subprocess.TimeoutExpired:
                counts[program] = None
                continue
            lines = [line for line in output.splitlines() if line.startswith("{")]
            counts[program] = json.loads(lines[-1]) if lines else None
        return server.about["title"], counts
    finally:
        for process in running.values():
            process.kill()
        server.close()


def table(counts):
    """The counts as Markdown."""
    yield "| program | " + " | ".join(COLUMNS) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for program, found in counts.items():
        if found is None:
            yield f"| {program} | did not come to an end" + " |" * len(COLUMNS)
        else:
            yield f"| {program} | " + " | ".join(f"{found[column]:,}" for column in COLUMNS) + " |"


def main():
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", action="append", choices=("artemis", "rabbitmq4", "rabbitmq3"))
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args()
    build = ["cargo", "build", "--release", "-p", "deuteron-bench", "-p", "deuteron-interop", "--bins"]
    subprocess.run(build, cwd=ROOT, check=True)
    wrong = []
    for name in options.server or ("artemis", "rabbitmq4"):
        title, counts = run(name, options.times)
        print(f"\n{title}, killed {options.times} times:\n")
        print("\n".join(table(counts)), flush=True)
        for program, found in counts.items():
            ours = program.startswith("Deuteron")
            if ours and (found is None or found["untold"] or found["accepted, not received"]):
                wrong.append(f"{title}, {program}: {found}")
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
