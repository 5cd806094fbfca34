# Everything a developer or CI runs. `make` alone lists the targets; scripts/ holds what does not fit on a line.
.DEFAULT_GOAL := help
.PHONY: help build install wheel demo test lint format interop-table bench cuts kills soak peers doc clean-peers cargo-here

# Where `make install` puts things.
PREFIX ?= $(HOME)/.local
BUILT = $(or $(CARGO_TARGET_DIR),target)/release/deuteron

help: ## this list
	@echo "Deuteron: AMQP 1.0 messaging. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || grep '## ' $(MAKEFILE_LIST)

cargo-here:
	@command -v cargo >/dev/null || { echo "cargo was not found. Install Rust 1.88 or newer (https://rustup.rs), open a new shell and run make again." >&2; exit 1; }

build: cargo-here ## the `deuteron` command, optimized: target/release/deuteron
	cargo build --release -p deuteron-cli

install: build ## the command, its manual pages and completions, under PREFIX (default ~/.local)
	install -d "$(PREFIX)/bin" "$(PREFIX)/share/man/man1" "$(PREFIX)/share/bash-completion/completions" "$(PREFIX)/share/zsh/site-functions" "$(PREFIX)/share/fish/vendor_completions.d"
	install -m 755 "$(BUILT)" "$(PREFIX)/bin/deuteron"
	"$(BUILT)" man "$(PREFIX)/share/man/man1"
	"$(BUILT)" completions bash > "$(PREFIX)/share/bash-completion/completions/deuteron"
	"$(BUILT)" completions zsh > "$(PREFIX)/share/zsh/site-functions/_deuteron"
	"$(BUILT)" completions fish > "$(PREFIX)/share/fish/vendor_completions.d/deuteron.fish"

wheel: cargo-here ## the Python package for any Linux since 2014, for each interpreter in PYTHONS (default python3): target/wheels
	@scripts/wheel.sh

demo: cargo-here ## one run that shows it all: 100,000 messages, a server killed, failover, nothing lost
	cargo build --release -p deuteron-cli
	cargo run --quiet --release -p deuteron-cli -- demo

test: cargo-here ## all tests, those against other people's programs included (installs them under .peers/ where it may)
	@scripts/test.sh

interop-table: cargo-here ## the tests with other people's programs alone, and their table into docs/interop.md
	@scripts/peers.sh test
	rm -rf target/interop
	CI=1 cargo test --no-fail-fast -p deuteron-interop
	scripts/python.sh servers
	cargo run --quiet -p deuteron-interop --bin interop-table -- write

lint: cargo-here ## formatting, clippy, rustdoc, layering of the crates, sizes, scripts
	@scripts/lint.sh

format: cargo-here ## formats Rust and Python
	cargo fmt --all
	@scripts/peers.sh ruff
	.peers/ruff/bin/ruff format .

bench: cargo-here ## throughput, latency and memory over loopback, beside the peers: bench/results/latest.json
	@scripts/peers.sh test bench
	python3 bench/run.py

cuts: cargo-here ## a program at work is cut off before, in and after each frame: what it was told is true
	@cargo test --quiet --release -p deuteron-engine --test faults cuts -- --nocapture --test-threads 1 | grep -v '^$$'
	@cargo test --quiet --release -p deuteron-broker --test cuts -- --nocapture --test-threads 1 | grep -v '^$$'

kills: cargo-here ## Artemis and RabbitMQ are killed 50 times under programs of ours and others: what became of each message
	@scripts/peers.sh test bench
	python3 bench/kills.py

soak: cargo-here ## a million random schedules of faults; leaks and exits of the Python package, far more often than in `make test`
	SCHEDULES=1000000 cargo test --release -p deuteron-engine --test faults schedules -- --nocapture
	@scripts/python.sh soak

peers: ## installs what the tests need beside Rust, under .peers/
	@scripts/peers.sh test ruff

doc: cargo-here ## the API documentation: target/doc/deuteron/index.html
	cargo doc --workspace --no-deps --all-features

clean-peers: ## forgets what was installed under .peers/
	rm -rf .peers
