#!/usr/bin/env bash
# Runs every test of the workspace and of the Python package, and closes with the interop table and the sum of what ran. Extra
# arguments go to `cargo test`, and leave the Python package out.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

scripts/peers.sh test
if [ -z "${DEUTERON_SPEC:-}" ] && [ -d ../shared/spec ]; then
    DEUTERON_SPEC=$(readlink -f ../shared/spec)
    export DEUTERON_SPEC
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# The tests write the rows of the interop table anew.
rm -rf target/interop
cargo test ${CI:+--locked} --workspace --all-features --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?

echo
if [ $# -eq 0 ]; then
    scripts/python.sh 2>&1 | tee -a "$log" || status=1
fi

echo
table() { cargo run ${CI:+--locked} --quiet -p deuteron-interop --bin interop-table -- "$1"; }
table print || status=1
# Only a run that left nothing out has the whole table.
if [ "$status" -eq 0 ] && [ $# -eq 0 ] && ! grep -qvE '^(ruff|typing|proton-c|python|wheel):' .peers/missing; then
    table check || status=1
fi

echo
if [ -s .peers/missing ]; then
    echo "Left out, because what they need is not installed:"
    while IFS=: read -r name reason; do
        tests="interop/tests/${name//-/_}*.rs"
        [ "$name" != python ] || tests="crates/python/tests"
        [ "$name" != wheel ] || tests="scripts/wheel_check.py"
        echo "  the tests of $tests:$reason"
    done < <(grep -vE '^(ruff|typing|proton-c):' .peers/missing)
fi
[ -n "${DEUTERON_SPEC:-}" ] || echo "Left out: the comparison of the codec's tables with the specification (set DEUTERON_SPEC to the folder of its XML)."
grep -hE '^test result:|^[0-9]+ (passed|failed|error).* in [0-9.]+s' "$log" | awk '
    # cargo: "test result: ok. 3 passed; 0 failed; 0 ignored; ..."; pytest: "1 failed, 3 passed, 2 skipped in 0.5s".
    {
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^passed/) passed += $(i - 1)
            if ($i ~ /^(failed|error)/) failed += $(i - 1)
            if ($i ~ /^(ignored|skipped)/) ignored += $(i - 1)
        }
    }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, ignored; if (!passed) exit 1 }' || status=1
if [ "$status" -ne 0 ]; then
    echo "make test: FAILED" >&2
    exit 1
fi
echo "make test: all good"
