#!/usr/bin/env python3
"""Measures Deuteron over loopback, beside its peers: writes bench/results/latest.json and prints it as a table.

Two processes, one connection, one link. Every repeat runs every peer once in every scenario, so that what else the
machine does falls on all alike; medians and the spread are reported. How many messages a run has is settled by a short
run before the first, so that each takes about --seconds. Standard library only; kills only what it started.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

import hold
import programs
import python_package
from processes import Failed, pair

HERE = pathlib.Path(__file__).resolve().parent
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
    "server memory, each": "bytes",
    "client memory, each": "bytes",
    "broker memory, each": "bytes",
    "cpu, each": "ns",
    "import": "ms",
}


def by_command(command, count, size, mode):
    """One run of `deuteron bench`: sender and receiver are connected to each other, in one process."""
    settled = ["--settled"] if mode == "settled" else []
    arguments = [*command, "--direct", "--json", "--count", str(count), "--size", str(size), *settled]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    if ran.returncode:
        raise Failed(f"deuteron bench: {ran.stderr[-500:]}")
    return json.loads(ran.stdout.splitlines()[-1])


def throughput(command, size, mode, count):
    """One run; figures by metric. The rate is the receiver's, from its first message to its last."""
    if command[-1] == "bench":
        return {"rate": by_command(command, count, size, mode)["rate"]}
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
    # The program on ntex wants one argument more.
    echo = ["echo", "0"] if "ntex" in command[0] else ["echo"]
    _, client = pair(command, echo, ["rtt", count, 100, "settled"], one_core)
    return {"p50": client["p50_us"], "p99": client["p99_us"], "rate": client["msgs_per_s"]}


def scenarios():
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
    """Rates and times: {(scenario, peer): {metric: [figure of each run]}}."""
    counts, figures = {}, {}
    for repeat in range(options.repeats + 1):
        for scenario, run in scenarios():
            if options.only and options.only not in scenario:
                continue
            for peer, command in peers.items():
                key = (scenario, peer)
                if scenario.startswith("round trip") and command[-1] == "bench":
                    # It measures acknowledgements, which is something else.
                    continue
                try:
                    result = run(command, counts.get(key))
                except Failed as failure:
                    print(f"{scenario}, {peer}: {failure}", file=sys.stderr)
                    if repeat == 0 and peer in programs.OURS:
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


def measure_memory(fronts, deuteron, options):
    """What connections, links and messages cost, in the same form."""
    runs = [
        (f"memory, {count:,} {what}", peer, lambda c=command, w=what, n=count: hold.per_piece(c, w, n))
        for what, count in hold.HELD
        for peer, command in {**fronts, **programs.build_holding_peers()}.items()
    ]
    sender = fronts["deuteron-async"]
    queue = f"memory, {hold.QUEUED:,} messages in a queue"
    runs.append((queue, "deuteron broker", lambda: hold.queued(deuteron, sender)))
    figures = {}
    for _ in range(min(3, options.repeats)):
        for scenario, peer, run in runs:
            if options.only and options.only not in scenario:
                continue
            try:
                result = run()
            except Failed as failure:
                print(f"{scenario}, {peer}: {failure}", file=sys.stderr)
                continue
            for metric, figure in result.items():
                figures.setdefault((scenario, peer), {}).setdefault(metric, []).append(figure)
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
    """Prints the rows, and how ours do against the fastest peer."""
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
        rates = {peer: rate for (name, peer, metric), rate in medians.items() if (name, metric) == (scenario, "rate")}
        ours_all = (*programs.OURS, "deuteron bench")
        theirs = {peer: rate for peer, rate in rates.items() if peer not in ours_all}
        for ours in ours_all:
            ratios = [f"{rates[ours] / rate:.2f} of {peer}" for peer, rate in theirs.items() if ours in rates]
            if ratios:
                print(f"{scenario}: the rate of {ours} in multiples: {', '.join(ratios)}")
    for line in python_package.compare(table):
        print(line)


def main():
    """Builds, measures, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a run takes, about")
    parser.add_argument("--only", help="only scenarios whose name contains this")
    parser.add_argument(
        "--peers", help="only these peers beside ours, with commas between; default: all that are there"
    )
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "results" / "latest.json")
    parser.add_argument(
        "--part", choices=("all", "rust", "python"), default="all", help="python: the package `proton` alone"
    )
    parser.add_argument("--quick", action="store_true", help="one repeat of short runs, to see that all of it works")
    options = parser.parse_args()
    if options.quick:
        options.repeats, options.seconds = 1, 0.5
    figures = {}
    if options.part != "python":
        fronts, deuteron = programs.build_ours()
        peers = programs.build_peers(options.peers and options.peers.split(","))
        figures.update(measure({**fronts, "deuteron bench": [deuteron, "bench"], **peers}, options))
        figures.update(measure_memory(fronts, deuteron, options))
    if options.part != "rust":
        figures.update(python_package.measure(options))
    table = list(rows(figures))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("[\n" + ",\n".join(json.dumps(row) for row in table) + "\n]\n", encoding="utf-8")
    show(table)
    print(f"{options.output}: {len(table)} rows")


if __name__ == "__main__":
    main()
