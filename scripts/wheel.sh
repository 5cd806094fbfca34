#!/usr/bin/env bash
# Wheels of the Python package.
#   wheel.sh        one for each interpreter in PYTHONS (default: python3), optimized, for any Linux since 2014: target/wheels
#   wheel.sh check  one for the oldest and one for the newest CPython on this machine, not optimized; each is installed into a new
#                   environment without a network, says hello over TLS with SCRAM, and runs the tests
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

target=${CARGO_TARGET_DIR:-target}
target=$(mkdir -p "$target" && readlink -f "$target")
export CARGO_TARGET_DIR=$target

# A CPython from 3.9 on with which extension modules can be built, as "version path"; prereleases and free-threaded ones are left out.
version_of() {
    "$1" - "$1" 2>/dev/null <<'PY'
import os, sys, sysconfig
major, minor = sys.version_info[:2]
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
usable = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED") and os.path.exists(header)
if usable and (major, minor) >= (3, 9) and sys.version_info.releaselevel == "final":
    import ensurepip, venv
    print(f"{major}.{minor:02} {sys.argv[1]}")
PY
}

interpreters() {
    local python
    for python in $(compgen -c python3 | grep -E '^python3(\.[0-9]+)?$' | sort -u | xargs -r -n1 which 2>/dev/null) \
        "$HOME"/.pyenv/versions/*/bin/python3 /opt/python/*/bin/python3; do
        [ ! -x "$python" ] || version_of "$python" || true
    done | sort -V -s -k1,1
}

# maturin for INTERPRETER, OPTIONS...
build() {
    local python=$1
    shift
    PATH=$PWD/.peers/wheel/bin:$PATH .peers/wheel/bin/maturin build -q -m crates/python/Cargo.toml ${CI:+--locked} -i "$python" "$@"
}

case ${1:-build} in
    build)
        scripts/peers.sh wheel
        for python in ${PYTHONS:-python3}; do
            build "$(command -v "$python")" --release --zig --compatibility manylinux2014 --out "$target/wheels"
        done
        ls -1 "$target"/wheels/*.whl
        ;;
    check)
        found=$(interpreters)
        [ -n "$found" ] || { echo "wheel.sh: there is no CPython from 3.9 on, with its headers" >&2; exit 1; }
        oldest=$(head -1 <<< "$found") newest=$(tail -1 <<< "$found")
        [ "${oldest%% *}" = "${newest%% *}" ] && chosen=${newest#* } || chosen="${oldest#* } ${newest#* }"
        out=$(mktemp -d)
        trap 'rm -rf "$out"' EXIT
        for python in $chosen; do
            rm -rf "$out"/*
            build "$python" --profile dev --compatibility linux --out "$out"
            "$python" scripts/wheel_check.py "$target/debug/deuteron" "$out"/*.whl
        done
        ;;
    *) echo "wheel.sh: unknown: $1 (use build, check)" >&2; exit 2 ;;
esac
