#!/usr/bin/env bash
# Everything that can be checked without running the program. Goes through all checks and names those that failed.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
failed=()
# In CI the lock file is what was tested; elsewhere cargo may bring it up to date.
locked=${CI:+--locked}

check() {
    local name=$1
    shift
    echo "== $name"
    "$@" || failed+=("$name")
}

shells() {
    local file
    for file in scripts/*.sh .ci/run; do bash -n "$file" || return 1; done
}

peers_syntax() {
    command -v node >/dev/null || { echo "node is not installed: not checked"; return 0; }
    node --check interop/peers/rhea_peer.js && node --check interop/peers/rhea_types.js
}

go_lint() {
    command -v gofmt >/dev/null || { echo "go is not installed: not checked"; return 0; }
    local unformatted
    unformatted=$(gofmt -l interop/peers/go_amqp)
    [ -z "$unformatted" ] || { echo "not formatted (gofmt -w): $unformatted"; return 1; }
    (cd interop/peers/go_amqp && go vet ./...)
}

python_lint() {
    scripts/peers.sh ruff || return 1
    [ -x .peers/ruff/bin/ruff ] || { echo "ruff is not installed: not checked"; return 0; }
    .peers/ruff/bin/ruff check . && .peers/ruff/bin/ruff format --check .
}

check "formatting" cargo fmt --all --check
check "formatting of the fe2o3 peer" cargo fmt --manifest-path interop/peers/fe2o3/Cargo.toml --check
check "layering" scripts/layering.sh
check "clippy" cargo clippy $locked --quiet --keep-going --workspace --all-targets --all-features -- -D warnings
check "rustdoc" env RUSTDOCFLAGS="-D warnings" cargo doc $locked --quiet --workspace --no-deps --all-features
check "python" python_lint
check "types of the Python package" scripts/typing.sh
check "javascript" peers_syntax
check "go" go_lint
check "shell" shells
check "sizes" python3 scripts/sizes.py
if [ ${#failed[@]} -ne 0 ]; then
    echo "make lint: FAILED: ${failed[*]}" >&2
    exit 1
fi
echo "make lint: all good"
