#!/usr/bin/env bash
# Benchmarks on real guests: `make bench`. Takes most of an hour without KVM; LAB_BENCH_ROUNDS says how
# often each thing is measured.
set -euo pipefail
if [[ $(id -u) -ne 0 ]]; then
    exec sudo --preserve-env=HOME,CARGO_HOME,RUSTUP_HOME,LAB_ARTIFACTS,LAB_BENCH_ROUNDS -- env PATH="$PATH" "$0" "$@"
fi
set --
"$(dirname -- "${BASH_SOURCE[0]}")/install-packages.sh" tests
. "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh" --release
cd "$root"
# In the profile that people install.
cargo bench --locked --bench scale --bench guests --bench cluster
