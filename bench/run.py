#!/usr/bin/env python3
"""Measures Deuteron over loopback, beside Qpid Proton C: writes bench/results/latest.json and prints it as a table.

Two processes, one connection, one link. Every repeat runs every peer once in every scenario, so that what else the
machine does falls on all alike; medians and the spread are reported. How many messages a run has is settled by a short
run before the first, so that each takes about --seconds. Standard library only; kills only what it started.
"""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
OURS = ("deuteron-handler", "deuteron-async")
# name, message bytes, mode, messages of the first short run
THROUGHPUT = (
    ("100 B unsettled", 100, "unsettled", 20000),
    ("100 B pre-settled", 100, "settled", 20000),
    ("10 KiB unsettled", 10240, "unsettled", 5000),
    ("10 KiB pre-settled", 10240, "settled", 5000),
)
# name, whether both processes share one core: free to roam, wake-ups on another core decide the figure
ROUND_TRIP = (("round trip 100 B", False), ("round trip 100 B, one core", True))
METRICS = {
    "rate": "messages/s",
    "receiver cpu": "us/message",
    "sender cpu": "us/message",
    "receiver peak memory": "KiB",
    "sender peak memory": "KiB",
    "p50": "us",
    "p99": "us",
}


class Failed(Exception):
    """A run that gave no figures."""


def target_folder():
    """Where cargo puts what it builds."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def proton_c():
    """Builds the program that uses Proton's C library; None, with the reason printed, when that cannot be done."""
    folder = pathlib.Path(os.environ.get("DEUTERON_PEERS_BENCH", ROOT.parent / "shared" / "bench"))
    source = folder / "proton-c" / "bench.c"
    if not source.exists():
        print(f"Proton C is left out: {source} does not exist (DEUTERON_PEERS_BENCH can name another folder)")
        return None
    program = target_folder() / "bench-peers" / "proton-c"
    program.parent.mkdir(parents=True, exist_ok=True)
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        built = subprocess.run(["gcc", "-O2", "-o", program, source, "-lqpid-proton"], capture_output=True, text=True)
        if built.returncode:
            print(
                "Proton C is left out: its program does not build (make bench installs the library as root):",
                built.stderr,
            )
            return None
    return [str(program)]


def build():
    """The command of each peer."""
    subprocess.run(["cargo", "build", "--release", "-p", "deuteron-bench"], cwd=ROOT, check=True)
    ours = str(target_folder() / "release" / "deuteron-bench")
    peers = {name: [ours, "--front", name.split("-")[1]] for name in OURS}
    proton = proton_c()
    if proton:
        peers["proton-c"] = proton
    return peers


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


def throughput(command, size, mode, count):
    """One run; figures by metric. The rate is the receiver's, from its first message to its last."""
    arguments = [count, size, mode]
    receiver, sender = pair(command, ["recv", *arguments], ["send", *arguments])
    if receiver is None:
        raise Failed("recv reported nothing")
    figures = {"rate": receiver["msgs_per_s"]}
    for name, side in (("receiver", receiver), ("sender", sender)):
        figures[f"{name} cpu"] = 1e6 * (side["cpu_u"] + side["cpu_s"]) / count
        figures[f"{name} peak memory"] = side["peak_kb"]
    return figures


def round_trip(command, count, one_core):
    """One run of one message in flight at a time."""
    _, client = pair(command, ["echo"], ["rtt", count, 100, "settled"], one_core)
    return {"p50": client["p50_us"], "p99": client["p99_us"], "rate": client["msgs_per_s"]}


def scenarios(options):
    """Name and function of each; the function takes a command and a count, or None for the first short run."""
    for name, size, mode, first in THROUGHPUT:

        def run(command, count, size=size, mode=mode, first=first):
            return throughput(command, size, mode, count or first)

        yield name, run
    for name, one_core in ROUND_TRIP:

        def run(command, count, one_core=one_core):
            return round_trip(command, count or 1000, one_core)

        yield name, run


def measure(peers, options):
    """All figures: {(scenario, peer): {metric: [figure of each run]}}."""
    counts, figures = {}, {}
    for repeat in range(options.repeats + 1):
        for scenario, run in scenarios(options):
            if options.only and options.only not in scenario:
                continue
            for peer, command in peers.items():
                key = (scenario, peer)
                try:
                    result = run(command, counts.get(key))
                except Failed as failure:
                    print(f"{scenario}, {peer}: {failure}", file=sys.stderr)
                    if repeat == 0:
                        raise SystemExit(1) from None
                    continue
                if repeat == 0:
                    counts[key] = max(100, int(result["rate"] * options.seconds))
                    continue
                for metric, figure in result.items():
                    if metric != "rate" or "p50" not in result:
                        figures.setdefault(key, {}).setdefault(metric, []).append(figure)
        if repeat:
            print(f"repeat {repeat} of {options.repeats}", file=sys.stderr)
    return figures


def rows(figures):
    """The rows of the result file."""
    for (scenario, peer), metrics in figures.items():
        for metric, runs in metrics.items():
            yield {
                "scenario": scenario,
                "peer": peer,
                "metric": metric,
                "unit": METRICS[metric],
                "median": round(statistics.median(runs), 3),
                "min": round(min(runs), 3),
                "max": round(max(runs), 3),
                "n": len(runs),
            }


def show(table):
    """Prints the rows, and how ours do against Proton C."""
    columns = ("scenario", "peer", "metric", "unit", "median", "min", "max", "n")
    texts = [columns] + [
        tuple(f"{row[c]:,.2f}".rstrip("0").rstrip(".") if isinstance(row[c], float) else str(row[c]) for c in columns)
        for row in sorted(table, key=lambda row: (row["scenario"], row["metric"], row["peer"]))
    ]
    widths = [max(len(text[i]) for text in texts) for i in range(len(columns))]
    for text in texts:
        cells = [t.ljust(w) if i < 4 else t.rjust(w) for i, (t, w) in enumerate(zip(text, widths, strict=True))]
        print("  ".join(cells).rstrip())
    medians = {(row["scenario"], row["peer"], row["metric"]): row["median"] for row in table}
    for scenario, *_ in THROUGHPUT:
        theirs = medians.get((scenario, "proton-c", "rate"))
        for peer in OURS:
            ours = medians.get((scenario, peer, "rate"))
            if ours and theirs:
                print(f"{scenario}: {peer} is at {ours / theirs:.2f} times the rate of proton-c")


def main():
    """Builds, measures, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a run takes, about")
    parser.add_argument("--only", help="only scenarios whose name contains this")
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "results" / "latest.json")
    options = parser.parse_args()
    table = list(rows(measure(build(), options)))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("[\n" + ",\n".join(json.dumps(row) for row in table) + "\n]\n", encoding="utf-8")
    show(table)
    print(f"{options.output}: {len(table)} rows")


if __name__ == "__main__":
    main()
