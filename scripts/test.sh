#!/usr/bin/env bash
# Every test: `make test`. Real guests run as root under a private libvirt.
set -euo pipefail
# Namespaces, mounts and package installation need root.
if [[ $(id -u) -ne 0 ]]; then
    exec sudo --preserve-env=HOME,PATH,CARGO_HOME,RUSTUP_HOME,LAB_ARTIFACTS -- "$0" "$@"
fi
. "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh"
cd "$root"

cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
# First everything quick, then the tests that boot guests, one after the other.
cargo test --locked
cargo test --locked --test real_guests -- --ignored --test-threads=1 --nocapture
