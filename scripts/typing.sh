#!/usr/bin/env bash
# Types of the Python package and of the examples.
#   typing.sh                as mypy and pyright see them
#   typing.sh stubs PYTHON   as they are in the package that is installed for PYTHON: nothing declared that is not there, or otherwise
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly CONFIG=crates/python/pyproject.toml
scripts/peers.sh typing
if grep -q '^typing:' .peers/missing; then
    echo "mypy and pyright are not installed: types are not checked"
    exit 0
fi
case ${1:-sources} in
    sources)
        status=0
        .peers/typing/bin/mypy --config-file "$CONFIG" -p proton -p deuteron || status=1
        .peers/typing/bin/mypy --config-file "$CONFIG" examples/python || status=1
        .peers/typing/node_modules/.bin/pyright || status=1
        exit "$status"
        ;;
    stubs)
        # stubtest looks at the modules with the interpreter that it runs in: the same one, of another environment.
        PYTHONPATH=$("$2" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
        export PYTHONPATH
        for file in proton/py.typed deuteron/py.typed deuteron/_core.pyi; do
            [ -e "$PYTHONPATH/$file" ] || { echo "not in the package: $file" >&2; exit 1; }
        done
        .peers/typing/bin/stubtest --mypy-config-file "$CONFIG" --allowlist crates/python/stubtest-allowlist.txt \
            --ignore-disjoint-bases proton deuteron
        ;;
    *) echo "typing.sh: unknown: $1 (use sources, stubs)" >&2; exit 2 ;;
esac
