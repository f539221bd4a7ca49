# guerrillad: `make run` tries it, `make test` proves it.

TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
PLUGINS := $(notdir $(wildcard plugins/*))
# What is released is compiled by what loads have shown to be hot; `make build PROFILE=` does without, and so does a directory with a blank in
# its name, which RUSTFLAGS cannot carry.
PROFILE := $(if $(word 2,$(CURDIR)),,$(CURDIR)/contrib/profile/release.profdata)
RELEASED := RUSTFLAGS="$(RUSTFLAGS) $(PROFILE:%=-Cprofile-use=% -Cllvm-args=-no-pgo-warn-mismatch)"
# By itself: built together with plugins it has what their libraries turn on in tokio (several threads, a clock for tests), and each connection is larger.
DAEMON := $(RELEASED) cargo build --release --locked -p guerrilla

# Every target: none of them is a file.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(MAKEFILE_LIST))

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## the daemon and every bundled plugin, in target/release and target/release/plugins
	$(DAEMON)
	$(RELEASED) cargo build --release --locked $(PLUGINS:%=-p guerrilla-%)
	@rm -rf $(RELEASE)/plugins
	@install -d -m 755 $(RELEASE)/plugins
	@set -e; for plugin in $(PLUGINS); do \
	    lib=$$(echo $$plugin | tr - _); \
	    install -m 644 $(RELEASE)/lib$$lib.so $(RELEASE)/plugins/$$plugin.so; \
	done
	@echo "built $(RELEASE)/guerrillad and $(words $(PLUGINS)) plugin(s) in $(RELEASE)/plugins"

run: build ## build, then serve on 127.0.0.1:2525 with contrib/demo.conf.json; mail goes to var/mail
	@mkdir -p var/mail
	@echo 'try it from another terminal:'
	@echo '  printf "Subject: hello\r\n\r\nHello.\r\n" | curl smtp://127.0.0.1:2525 --mail-from me@example.com --mail-rcpt you@example.org -T -'
	@echo 'then look into var/mail/example.org/you/new'
	exec $(RELEASE)/guerrillad serve -c contrib/demo.conf.json --plugins-dir $(RELEASE)/plugins

deb: build ## a Debian package of that, in target/debian
	scripts/deb

test: ## every test; installs what they need, ends in a summary
	scripts/test

lint: ## formatting, clippy and documentation, all without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo fmt --manifest-path bench/Cargo.toml --check
	cargo clippy --manifest-path bench/Cargo.toml --target-dir $(TARGET)/bench --all-targets --locked -- -D warnings
	cargo fmt --manifest-path bench/stores/Cargo.toml --check
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

torture: build ## kills, faults, overload, hostile mails and bad plugins; TORTURE="--rounds 100 --seed 7" and more (host/tests/torture)
	scripts/torture $(RELEASE) $(TORTURE)

sanitize: ## the library tests of the host, the protocol and the border under AddressSanitizer
	scripts/sanitize

audit: ## licences, sources, bans and, where its database can be reached, advisories of all dependencies; installs cargo-deny if needed
	scripts/audit

reproducible: ## two release builds in two directories have the same bytes
	scripts/reproducible

fuzz-smoke: ## every fuzz target for a few seconds; installs cargo-fuzz if needed
	scripts/fuzz smoke

profile: ## make contrib/profile anew, by the loads of the benchmark; once for each release, twenty minutes
	scripts/profile

golden: ## keep a plugin of this API for ever, for the test that later hosts load it; once for each release
	scripts/golden

abi-matrix: ## example plugins built by every other rustc that can be had load in this daemon
	scripts/abi-matrix

bench: bench-build ## us and others side by side on loopback; results below bench/results
	bench/run --target $(TARGET)

bench-smoke: bench-build ## the same for the floor and us, in under a minute
	bench/run --target $(TARGET) --out $(TARGET)/bench/smoke --contenders floor,ours,ours-so --points c10k100,pipe,c10k1 \
	    --rounds 1 --seconds 1 --idle 500 --no-syscalls

bench-micro: bench-build ## the protocol engine alone, the built-in chain, a call across the border of a plugin, MailDir and SQLite without SMTP
	cargo bench --locked --manifest-path bench/Cargo.toml --target-dir $(TARGET)/bench
	CARGO_TARGET_DIR=$(abspath $(TARGET))/bench cargo bench --locked --manifest-path bench/stores/Cargo.toml
	$(RELEASE)/guerrillad plugins bench $(RELEASE)/libhello_plugin.so

bench-soak: bench-build ## MINUTES (60) of mixed sizes: memory must stay flat, and below 64 MB at 100 connections
	bench/soak --target $(TARGET) --minutes $(or $(MINUTES),60)

bench-stage: bench-build ## what the call of an inline .so stage costs beside a message
	bench/stage-cost --target $(TARGET)

bench-stores: build bench-build ## storing processors as they come and one by one, against private servers; about six minutes
	host/tests/stores/throughput.py --daemon $(RELEASE)/guerrillad --plugins $(RELEASE)/plugins \
	    --loader $(TARGET)/bench/release/guerrilla-bench

bench-build:
	$(DAEMON)
	$(RELEASED) cargo build --release --locked -p hello-plugin $(PLUGINS:%=-p guerrilla-%)
	cargo build --release --locked --manifest-path bench/Cargo.toml --target-dir $(TARGET)/bench

clean: ## what was built and the demo's mail
	cargo clean
	rm -rf var
