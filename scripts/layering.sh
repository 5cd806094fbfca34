#!/usr/bin/env bash
# The layers of the workspace: codec <- engine <- deuteron <- the rest. Codec and engine may depend on the crates named here and on
# nothing else; a new name here is a decision, not a formality.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

codec="bytes"
# The second row is what SCRAM needs, the last ones what that brings with it.
engine="deuteron-codec bytes slab
    base64 hmac pbkdf2 sha1 sha2 stringprep
    block-buffer cfg-if cmov const-oid cpufeatures crypto-common ctutils digest generic-array hybrid-array libc subtle typenum version_check zeroize
    tinyvec tinyvec_macros unicode-bidi unicode-normalization unicode-properties"

status=0
layer() {
    local crate=$1 allowed=$2 name
    while read -r name; do
        case " $(echo $allowed) " in
            *" $name "*) ;;
            *) echo "layering: $crate must not depend on $name (scripts/layering.sh has the list)" >&2; status=1 ;;
        esac
    done < <(cargo tree --quiet -p "$crate" -e normal --prefix none --all-features --format '{p}' | awk '{print $1}' | sort -u | grep -vx "$crate")
}

# users CRATE...: crates of the workspace that CRATE may not be used by.
downward() {
    local crate=$1 name
    shift
    for name in "$@"; do
        if cargo tree --quiet -p "$crate" -e normal --prefix none --format '{p}' | awk '{print $1}' | grep -qx "$name"; then
            echo "layering: $crate must not depend on $name" >&2
            status=1
        fi
    done
}

layer deuteron-codec "$codec"
layer deuteron-engine "$engine"
downward deuteron deuteron-broker deuteron-cli deuteron-testkit
downward deuteron-broker deuteron-cli deuteron-testkit
downward deuteron-cli deuteron-testkit
exit $status
