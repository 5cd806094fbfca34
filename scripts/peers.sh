#!/usr/bin/env bash
# Installs what tests, lints and benchmarks need beside Rust, under .peers/:  peers.sh [test|wheel|typing|ruff|bench]...   (default: test)
#   test    pytest, maturin, Qpid Proton's Python package, with TLS and SASL, rhea, go-amqp, fe2o3-amqp, tshark, Apache
#           ActiveMQ Artemis and RabbitMQ, 3.10 and 4.0
#   wheel   maturin and zig, which build wheels
#   typing  mypy and pyright
#   ruff    the linter of the Python files
#   bench   Proton's C and C++ libraries, for the programs that ours are measured beside
# What cannot be installed is listed in .peers/missing, one "name: reason" a line. That is an error only when CI is set.
# A second run finds everything in its place and ends at once.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly PROTON=0.40.0 PYTEST=9.2.0 RUFF=0.17.6 MATURIN=1.16.0 ZIG=0.17.1 MYPY=2.4.1 PYRIGHT=1.1.414 ARTEMIS=2.40.0
readonly PROTON_LIBRARIES="libssl-dev libsasl2-dev libsasl2-modules sasl2-bin pkg-config gcc python3-dev"
mkdir -p .peers/log
touch .peers/missing

forget() { sed -i "/^$1:/d" .peers/missing; }

# missing NAME REASON...: what is not there, and why.
missing() {
    local name=$1
    shift
    forget "$name"
    echo "$name: $*" >> .peers/missing
    return 1
}

# twice COMMAND...: a second time if it fails. Networks do.
twice() { "$@" || { echo "failed, once more: $1"; sleep 2; "$@"; }; }

# fetch_debian PACKAGE...: installs them, and starts none of their services: policy-rc.d says that nothing may be started.
fetch_debian() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
    fi
    twice apt-get update -qq && twice apt-get install -y -qq --no-install-recommends "$@"
)

# debian PACKAGE...: installs those that are not there. Fails with a reason on standard output.
debian() {
    local absent=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || absent+=("$package")
    done
    [ ${#absent[@]} -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        echo "needs ${absent[*]}, and this is no Debian: install them by hand"
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "needs root once, for: apt-get install ${absent[*]}"
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    if ! fetch_debian "${absent[@]}" >> .peers/log/apt 2>&1 < /dev/null; then
        echo "apt-get could not install ${absent[*]} (see .peers/log/apt)"
        return 1
    fi
}

# venv NAME: a Python environment of our own in .peers/NAME.
venv() {
    rm -rf ".peers/$1"
    if ! python3 -m venv ".peers/$1" > ".peers/log/$1" 2>&1; then
        debian python3-venv || return 1
        if ! python3 -m venv ".peers/$1" >> ".peers/log/$1" 2>&1; then
            echo "python3 -m venv failed (see .peers/log/$1)"
            return 1
        fi
    fi
}

# add_pytest NAME: pytest in the environment .peers/NAME.
add_pytest() {
    ".peers/$1/bin/pip" install -q "pytest==$PYTEST" >> ".peers/log/$1" 2>&1 || missing "$1" "pip could not install pytest $PYTEST (see .peers/log/$1)"
}

# Where our Python package is installed and tested.
python() {
    local stamp=".peers/python/.installed-$PYTEST" reason
    [ -e "$stamp" ] && return
    reason=$(venv python) || { missing python "$reason"; return; }
    add_pytest python || return
    touch "$stamp"
}

proton_works() {
    .peers/proton/bin/python -c 'import proton; raise SystemExit(not (proton.SSL.present() and proton.SASL.extended()))' 2>/dev/null
}

# The libraries come first: without their headers the package builds with TLS and SASL left out, and says nothing.
proton() {
    local stamp=".peers/proton/.installed-$PROTON-pytest-$PYTEST" reason
    # shellcheck disable=SC2086
    reason=$(debian $PROTON_LIBRARIES) || { missing proton "$reason"; return; }
    [ -e "$stamp" ] && proton_works && return
    echo "building python-qpid-proton $PROTON (20 seconds or so)"
    reason=$(venv proton) || { missing proton "$reason"; return; }
    if ! .peers/proton/bin/pip install -q --no-binary python-qpid-proton "python-qpid-proton==$PROTON" >> .peers/log/proton 2>&1; then
        missing proton "pip could not build python-qpid-proton $PROTON (see .peers/log/proton)"
        return
    fi
    proton_works || { missing proton "python-qpid-proton was built without TLS or SASL (see .peers/log/proton)"; return; }
    add_pytest proton || return
    touch "$stamp"
}

rhea() {
    local reason
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        reason=$(debian nodejs npm) || { missing rhea "$reason"; return; }
    fi
    mkdir -p .peers/rhea
    if [ -e .peers/rhea/.installed ] && cmp -s interop/peers/package.json .peers/rhea/package.json; then
        return
    fi
    cp interop/peers/package.json .peers/rhea/package.json
    if ! (cd .peers/rhea && npm install --no-audit --no-fund) > .peers/log/rhea 2>&1 < /dev/null; then
        missing rhea "npm could not install rhea (see .peers/log/rhea)"
        return
    fi
    touch .peers/rhea/.installed
}

# Maven verifies what it fetches.
artemis() {
    local here=.peers/artemis archive="apache-artemis-$ARTEMIS-bin.tar.gz" reason
    if ! command -v java >/dev/null; then
        reason=$(debian openjdk-17-jre-headless) || { missing artemis "$reason"; return; }
    fi
    [ -e "$here/.installed-$ARTEMIS" ] && return
    if ! command -v mvn >/dev/null; then
        reason=$(debian maven) || { missing artemis "$reason"; return; }
    fi
    echo "fetching Apache ActiveMQ Artemis $ARTEMIS (47 MB)"
    rm -rf "$here" && mkdir -p "$here"
    if ! mvn -B dependency:copy -Dartifact="org.apache.activemq:apache-artemis:$ARTEMIS:tar.gz:bin" -DoutputDirectory="$here" \
        > .peers/log/artemis 2>&1 < /dev/null; then
        missing artemis "Maven could not fetch Artemis $ARTEMIS (see .peers/log/artemis)"
        return
    fi
    if ! { tar -xzf "$here/$archive" -C "$here" && mv "$here/apache-artemis-$ARTEMIS" "$here/apache-artemis"; } >> .peers/log/artemis 2>&1; then
        missing artemis "the archive of Artemis $ARTEMIS could not be unpacked (see .peers/log/artemis)"
        return
    fi
    rm "$here/$archive"
    touch "$here/.installed-$ARTEMIS"
}

# RabbitMQ 3.10 is what Debian 12 has; the suite runs its programs itself, so the package must not start a server.
rabbitmq3() {
    local here=.peers/rabbitmq3 reason version
    [ -e "$here/installed" ] && [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && return
    rm -rf "$here" && mkdir -p "$here"
    reason=$(RUNLEVEL=1 debian rabbitmq-server) || { missing rabbitmq3 "$reason"; return; }
    version=$(dpkg-query -W -f '${Version}' rabbitmq-server)
    case $version in
        3.10.*) touch "$here/installed" ;;
        *) missing rabbitmq3 "the system's RabbitMQ is $version, and the tests are about 3.10" ;;
    esac
}

# RabbitMQ 4.0 is what Debian 13 has. Its Erlang needs a newer C library than Debian 12's: hence a root of its own, 180 MB.
rabbitmq4() {
    local here=.peers/rabbitmq4 reason mirror
    [ -e "$here/installed" ] && return
    if [ "$(id -u)" -ne 0 ]; then
        missing rabbitmq4 "needs root, for a Debian 13 of its own under $here"
        return
    fi
    reason=$(debian mmdebstrap) || { missing rabbitmq4 "$reason"; return; }
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        grep -ohE 'https?://[^ ]+/debian/?( |$)' | head -1)
    mirror=${mirror%% }
    echo "installing RabbitMQ 4.0 into a Debian 13 of its own (a minute or so)"
    # It fails in a root that is there already: a second try begins with none.
    debian_13() { rm -rf --one-file-system "$here" && mkdir -p "$here" && mmdebstrap "$@"; }
    if ! twice debian_13 --mode=root --variant=essential --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --include=rabbitmq-server trixie "$here/root" \
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} trixie main" \
        > .peers/log/rabbitmq4 2>&1 < /dev/null; then
        missing rabbitmq4 "mmdebstrap could not make a Debian 13 with RabbitMQ (see .peers/log/rabbitmq4)"
        return
    fi
    cp /etc/hosts "$here/root/etc/hosts"
    touch "$here/installed"
}

# The program is built from interop/peers/go_amqp; go.sum says what go-amqp must be.
go_amqp() {
    local reason version
    if ! command -v go >/dev/null; then
        reason=$(debian golang) || { missing go-amqp "$reason"; return; }
    fi
    version=$(cd interop/peers/go_amqp && go version 2>&1) || { missing go-amqp "needs Go 1.25 or newer: $(head -1 <<< "$version")"; return; }
    mkdir -p .peers/go-amqp
    cat interop/peers/go_amqp/* <(echo "$version") > .peers/go-amqp/.wanted
    cmp -s .peers/go-amqp/.wanted .peers/go-amqp/.installed && return
    if ! (cd interop/peers/go_amqp && go build -o "$OLDPWD/.peers/go-amqp/peer" .) > .peers/log/go-amqp 2>&1 < /dev/null; then
        missing go-amqp "go could not build interop/peers/go_amqp (see .peers/log/go-amqp)"
        return
    fi
    mv .peers/go-amqp/.wanted .peers/go-amqp/.installed
}

# A cargo project of its own: what fe2o3-amqp depends on is no dependency of ours.
fe2o3() {
    local reason
    mkdir -p .peers/fe2o3
    cat interop/peers/fe2o3/Cargo.* interop/peers/fe2o3/src/* <(cargo --version) > .peers/fe2o3/.wanted
    cmp -s .peers/fe2o3/.wanted .peers/fe2o3/.installed && return
    echo "building fe2o3-amqp (a minute or two)"
    if ! cargo build --locked --manifest-path interop/peers/fe2o3/Cargo.toml --target-dir .peers/fe2o3/target > .peers/log/fe2o3 2>&1 < /dev/null; then
        missing fe2o3 "cargo could not build interop/peers/fe2o3 (see .peers/log/fe2o3)"
        return
    fi
    cp .peers/fe2o3/target/debug/fe2o3_peer .peers/fe2o3/peer
    mv .peers/fe2o3/.wanted .peers/fe2o3/.installed
}

# Capturing needs root, or the right to; it is tried out.
tshark() {
    local reason
    reason=$(debian tshark) || { missing tshark "$reason"; return; }
    mkdir -p .peers/tshark
    if ! dumpcap -q -i lo -a duration:1 -w - > /dev/null 2> .peers/log/tshark < /dev/null; then
        missing tshark "dumpcap may not capture on the loopback (see .peers/log/tshark): it needs root or CAP_NET_RAW"
        return
    fi
    touch .peers/tshark/works
}

ruff() {
    local reason
    [ -e ".peers/ruff/.installed-$RUFF" ] && return
    reason=$(venv ruff) || { missing ruff "$reason"; return; }
    .peers/ruff/bin/pip install -q "ruff==$RUFF" >> .peers/log/ruff 2>&1 || { missing ruff "pip could not install ruff $RUFF (see .peers/log/ruff)"; return; }
    touch ".peers/ruff/.installed-$RUFF"
}

# What makes wheels that run elsewhere: zig links them against an old glibc.
wheel() {
    local stamp=".peers/wheel/.installed-$MATURIN-$ZIG" reason
    [ -e "$stamp" ] && return
    reason=$(venv wheel) || { missing wheel "$reason"; return; }
    if ! .peers/wheel/bin/pip install -q "maturin==$MATURIN" "ziglang==$ZIG" >> .peers/log/wheel 2>&1; then
        missing wheel "pip could not install maturin $MATURIN and ziglang $ZIG (see .peers/log/wheel)"
        return
    fi
    touch "$stamp"
}

# pyright comes from npm: pip's package of that name only fetches it from there.
typing() {
    local stamp=".peers/typing/.installed-$MYPY-$PYRIGHT" reason
    [ -e "$stamp" ] && return
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        reason=$(debian nodejs npm) || { missing typing "$reason"; return; }
    fi
    reason=$(venv typing) || { missing typing "$reason"; return; }
    if ! .peers/typing/bin/pip install -q "mypy==$MYPY" >> .peers/log/typing 2>&1; then
        missing typing "pip could not install mypy $MYPY (see .peers/log/typing)"
        return
    fi
    if ! npm install --prefix .peers/typing --no-audit --no-fund "pyright@$PYRIGHT" >> .peers/log/typing 2>&1 < /dev/null; then
        missing typing "npm could not install pyright $PYRIGHT (see .peers/log/typing)"
        return
    fi
    touch "$stamp"
}

proton_c() {
    local reason
    reason=$(debian libqpid-proton11-dev libqpid-proton-cpp12-dev gcc g++) || { missing proton-c "$reason"; return; }
}

install() {
    forget "$1"
    "${1//-/_}" || echo "not available: $(grep "^$1:" .peers/missing)" >&2
}

for what in "${@:-test}"; do
    case $what in
        test) install python; install wheel; install proton; install rhea; install go-amqp; install fe2o3; install tshark; install artemis; install rabbitmq3; install rabbitmq4 ;;
        wheel) install wheel ;;
        typing) install typing ;;
        ruff) install ruff ;;
        bench) install proton-c ;;
        *) echo "peers.sh: unknown: $what (use test, wheel, typing, ruff, bench)" >&2; exit 2 ;;
    esac
done
if [ -s .peers/missing ] && [ -n "${CI:-}" ]; then
    echo "With CI set, everything must be there. Missing:" >&2
    sed 's/^/  /' .peers/missing >&2
    exit 1
fi
