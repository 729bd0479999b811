# Two commands matter: `make demo` and `make test`. Both do all their own set-up.

.PHONY: audit bench clean deb demo fmt fuzz golden lint test test-full unit

demo: ## from nothing to a Ready node and a running pod
	scripts/demo.sh

test: ## every test but the larger topologies, real guests included
	scripts/test.sh

test-full: ## every test, and the larger topologies all the way: hours without KVM
	scripts/test.sh full

unit: ## the tests that need neither guests nor root
	cargo test --locked

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run
	find cloud-init -name '*.sh' -exec shellcheck --shell=sh {} +

fmt:
	cargo fmt

bench: ## measure on real guests; writes docs/benchmarks.md, benchmarks-cluster.md and scale.md
	scripts/bench.sh

fuzz: ## look for inputs that break the readers of files and answers
	scripts/fuzz.sh

golden: ## write the golden files anew; read the difference before committing it
	LAB_UPDATE_GOLDEN=1 cargo test --locked --test unit golden::

deb: ## a Debian package with manual pages and completions, in target/debian
	scripts/deb.sh

audit: ## advisories, licences, sources and bans of dependencies; needs the advisory database
	cargo deny --locked check

clean:
	cargo clean
