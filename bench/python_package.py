"""The Python package beside Qpid Proton's: both run the same program, `python_side.py`, by turns."""

import json
import os
import subprocess
import sys
import time

import hold
from processes import Failed, pair
from programs import HERE, ROOT, target_folder

OURS, THEIRS = "deuteron-python", "python-qpid-proton"
PROGRAM = HERE / "python_side.py"
HELD = 100_000
IMPORTED = "import proton, proton.reactor, proton.handlers, proton.utils"
# name, message bytes, mode, messages of the first short run
THROUGHPUT = (
    ("Python, 100 B unsettled", 100, "unsettled", 5000),
    ("Python, 100 B pre-settled", 100, "settled", 5000),
    ("Python, 10 KiB unsettled", 10240, "unsettled", 2000),
)
ROUND_TRIP = (("Python, round trip 100 B", "rtt"), ("Python, blocking round trip 100 B", "blocking"))
MESSAGES = ("text", "map", "10 KiB")
CODEC = ("encode", "make and encode", "decode", "decode and read", "make")


def installed():
    """Our package, built as it is released and put into an environment of its own: the interpreter of that."""
    folder = target_folder() / "bench-python"
    python = folder / "bin" / "python"
    beside = ROOT / ".peers" / "proton" / "bin" / "python"
    if not beside.exists():
        raise SystemExit(f"{beside} does not exist: make peers installs python-qpid-proton")
    if not python.exists():
        subprocess.run([str(beside), "-m", "venv", str(folder)], check=True)
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(target_folder().resolve()),
        "MATURIN_PEP517_ARGS": "--profile release",
    }
    command = [str(python), "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", "./crates/python"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return {OURS: [str(python), str(PROGRAM)], THEIRS: [str(beside), str(PROGRAM)]}


def throughput(command, size, mode, count):
    """One run: the receiver's rate, and what a message costs each side."""
    receiver, sender = pair(command, ["recv", count, size, mode], ["send", count, size, mode])
    if receiver is None:
        raise Failed("recv reported nothing")
    figures = {"rate": receiver["msgs_per_s"]}
    for name, side in (("receiver", receiver), ("sender", sender)):
        figures[f"{name} cpu"] = 1e6 * (side["cpu_u"] + side["cpu_s"]) / count
    return figures


def round_trip(command, role, count):
    """One run of one message in flight at a time."""
    _, client = pair(command, ["echo"], [role, count, 100, "unsettled"])
    cost = 1e6 * (client["cpu_u"] + client["cpu_s"]) / count
    return {"p50": client["p50_us"], "p99": client["p99_us"], "sender cpu": cost, "rate": client["msgs_per_s"]}


def codec(command, message, kind):
    """Nanoseconds of processor time for one."""
    ran = subprocess.run([*command, "codec", message, kind], capture_output=True, text=True, timeout=120)
    if ran.returncode:
        raise Failed(ran.stderr[-500:])
    return {"cpu, each": json.loads(ran.stdout)["ns"]}


def imported(command):
    """Starting the interpreter and importing the package, less starting it alone; in a folder without other modules."""

    def taken(statement):
        best = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([command[0], "-c", statement], check=True, cwd="/", timeout=60)
            best.append(time.perf_counter() - began)
        return min(best)

    return {"import": 1e3 * (taken(IMPORTED) - taken("pass"))}


def scenarios(quick):
    """Name, and function of a command and a count, which is None for the first short run."""
    for name, size, mode, first in THROUGHPUT:
        yield name, lambda c, n, s=size, m=mode, f=first: throughput(c, s, m, n or f)
    for name, role in ROUND_TRIP:
        yield name, lambda c, n, r=role: round_trip(c, r, n or 500)
    for message in MESSAGES:
        for kind in CODEC:
            yield f"Python, message {message}: {kind}", lambda c, n, m=message, k=kind: codec(c, m, k)
    yield "Python, import", lambda c, n: imported(c)
    held = HELD // 10 if quick else HELD
    yield f"Python, {held:,} messages held", lambda c, n: hold.per_piece(c, "messages", held)


def measure(options):
    """{(scenario, package): {metric: [figure of each run]}}."""
    commands = installed()
    for name, command in commands.items():
        ran = subprocess.run([*command, "version"], capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"{name}: {ran.stderr}")
    counts, figures = {}, {}
    for repeat in range(options.repeats + 1):
        for name, run in scenarios(options.quick):
            if options.only and options.only not in name:
                continue
            for package, command in commands.items():
                key = (name, package)
                if repeat == 0 and not any(name == known[0] for known in (*THROUGHPUT, *ROUND_TRIP)):
                    continue
                try:
                    result = run(command, counts.get(key))
                except Failed as failure:
                    raise SystemExit(f"{name}, {package}: {failure}") from None
                rate = result.pop("rate") if "p50" in result else result.get("rate")
                if repeat == 0:
                    counts[key] = max(100, int(rate * options.seconds))
                    continue
                for metric, figure in result.items():
                    figures.setdefault(key, {}).setdefault(metric, []).append(figure)
        if repeat:
            print(f"Python, repeat {repeat} of {options.repeats}", file=sys.stderr)
    return figures


def compare(table):
    """Lines that say how ours does, metric by metric."""
    medians = {(row["scenario"], row["metric"], row["peer"]): row["median"] for row in table}
    for (scenario, metric, peer), ours in sorted(medians.items()):
        theirs = medians.get((scenario, metric, THEIRS))
        if peer == OURS and theirs:
            ratio = ours / theirs if metric == "rate" else theirs / ours
            word = "times the rate of" if metric == "rate" else "times better than"
            yield f"{scenario}, {metric}: {ratio:.2f} {word} {THEIRS}"
