#!/usr/bin/env bash
# Installs our Python package where `peers.sh` made a place for it, and runs its tests: with ours, then with Qpid Proton's package.
# Both must pass: what is ours alone is marked so, and is left out of the second run. At the end, wheels are installed and tried.
#   python.sh          all of that
#   python.sh soak     the tests of leaks and exits alone, a hundred and fifty times as often
#   python.sh servers  no more than the tests with Artemis and RabbitMQ, for the table of what works with whom
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

target=${CARGO_TARGET_DIR:-target}
target=$(mkdir -p "$target" && readlink -f "$target")
status=0
absent() { grep -q "^$1:" .peers/missing; }

# The tests' broker, what starts their servers, and the extension module as cargo has just built it for the other tests.
cargo build ${CI:+--locked} --quiet -p deuteron-cli -p deuteron-interop
DEUTERON=$target/debug/deuteron INTEROP_SERVERS=$target/debug/interop-servers
export DEUTERON INTEROP_SERVERS
PROTON_PYTHON=$(absent proton || echo "$PWD/.peers/proton/bin/python")
export PROTON_PYTHON

if ! absent python; then
    echo "installing crates/python into .peers/python"
    if CARGO_TARGET_DIR=$target MATURIN_PEP517_ARGS="--profile dev ${CI:+--locked}" .peers/python/bin/pip install -q --force-reinstall --no-deps ./crates/python \
        > .peers/log/python-package 2>&1; then
        case ${1:-} in
            servers) exec .peers/python/bin/python -m pytest -q crates/python/tests/test_servers.py ;;
            soak)
                export DEUTERON_CYCLES=100 DEUTERON_EXITS=50 DEUTERON_TEST_SECONDS=3600
                exec .peers/python/bin/python -m pytest -q -k "leaks or exits" crates/python/tests
                ;;
        esac
        echo "types of the Python package"
        scripts/typing.sh stubs .peers/python/bin/python || status=1
        echo "tests of the Python package"
        .peers/python/bin/python -m pytest -q crates/python/tests || status=1
    else
        tail -30 .peers/log/python-package
        status=1
    fi
fi
if ! absent proton; then
    echo "the same tests with python-qpid-proton"
    .peers/proton/bin/python -m pytest -q crates/python/tests || status=1
fi
if ! absent wheel; then
    echo "wheels for the oldest and the newest CPython here"
    scripts/wheel.sh check > .peers/log/wheel-check 2>&1 || { status=1; tail -30 .peers/log/wheel-check; }
    grep '^deuteron-.*whl in ' .peers/log/wheel-check || status=1
fi
exit "$status"
