"""The programs that are measured: ours, and those of the peers whose source is at hand."""

import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
OURS = ("deuteron-handler", "deuteron-async")


def target_folder():
    """Where cargo puts what it builds."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def peers_folder():
    """The source of the peers' programs."""
    return pathlib.Path(os.environ.get("DEUTERON_PEERS_BENCH", ROOT.parent / "shared" / "bench"))


def left_out(peer, reason):
    """Says that a peer is not measured, and why."""
    print(f"{peer} is left out: {reason.strip()[-400:]}")


def compiled(peer, source, command):
    """A program of one source file; None, with the reason printed, when it cannot be built."""
    if not source.exists():
        left_out(peer, f"{source} does not exist (DEUTERON_PEERS_BENCH can name another folder)")
        return None
    program = target_folder() / "bench-peers" / peer
    program.parent.mkdir(parents=True, exist_ok=True)
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        arguments = [part.format(program=program, source=source) for part in command]
        built = subprocess.run(arguments, capture_output=True, text=True)
        if built.returncode:
            left_out(peer, f"it does not build (make bench installs its library as root): {built.stderr}")
            return None
    return [str(program)]


def cargo_built(peer):
    """A peer's program in Rust."""
    source = peers_folder() / peer
    if not source.exists():
        left_out(peer, f"{source} does not exist (DEUTERON_PEERS_BENCH can name another folder)")
        return None
    target = target_folder() / "bench-peers" / "target"
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", target]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True)
    if built.returncode:
        left_out(peer, f"it does not build: {built.stderr}")
        return None
    return [str(target / "release" / f"{peer}-bench")]


def python_peer():
    """Proton's Python package."""
    source = peers_folder() / "proton-python" / "bench.py"
    python = ROOT / ".peers" / "proton" / "bin" / "python"
    if not (source.exists() and python.exists()):
        left_out("proton-python", f"{source} or {python} does not exist (make peers installs the package)")
        return None
    return [str(python), str(source)]


def rhea(source):
    """A program on rhea."""
    modules = ROOT / ".peers" / "rhea" / "node_modules"
    if not (source.exists() and modules.exists() and shutil.which("node")):
        left_out("rhea", f"{source}, {modules} or node does not exist (make peers installs the package)")
        return None
    return ["env", f"NODE_PATH={modules}", "node", str(source)]


def known(commands):
    """Those that are there."""
    return {name: command for name, command in commands.items() if command}


def build_ours():
    """Our programs: for each front the one that takes roles, and the command."""
    command = ["cargo", "build", "--quiet", "--release", "-p", "deuteron-bench", "-p", "deuteron-cli"]
    subprocess.run(command, cwd=ROOT, check=True)
    folder = target_folder() / "release"
    fronts = {name: [str(folder / "deuteron-bench"), "--front", name.split("-")[1]] for name in OURS}
    return fronts, str(folder / "deuteron")


def build_peers(wanted):
    """The commands of peers that move messages: of those wanted, or of all."""
    folder = peers_folder()
    cpp = ["g++", "-O2", "-std=c++17", "-o", "{program}", "{source}", "-lqpid-proton-cpp"]
    c = ["gcc", "-O2", "-o", "{program}", "{source}", "-lqpid-proton"]
    builders = {
        "proton-c": lambda: compiled("proton-c", folder / "proton-c" / "bench.c", c),
        "proton-cpp": lambda: compiled("proton-cpp", folder / "proton-cpp" / "bench.cpp", cpp),
        "proton-python": python_peer,
        "rhea": lambda: rhea(folder / "rhea" / "bench.js"),
        "fe2o3": lambda: cargo_built("fe2o3"),
        "ntex": lambda: cargo_built("ntex"),
    }
    return known({name: build() for name, build in builders.items() if not wanted or name in wanted})


def build_holding_peers():
    """The commands of peers that hold many connections, links or messages."""
    c = ["gcc", "-O2", "-o", "{program}", "{source}", "-lqpid-proton"]
    return known(
        {
            "proton-c": compiled("proton-hold", HERE / "peers" / "proton_hold.c", c),
            "rhea": rhea(HERE / "peers" / "rhea_hold.js"),
        }
    )
