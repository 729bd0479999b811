#!/usr/bin/env bash
# Every test: `make test`. Real guests run as root under a private libvirt. With `full`, the larger
# topologies come up, too.
set -euo pipefail
# Namespaces, mounts and package installation need root.
if [[ $(id -u) -ne 0 ]]; then
    exec sudo --preserve-env=HOME,PATH,CARGO_HOME,RUSTUP_HOME,LAB_ARTIFACTS -- "$0" "$@"
fi
full=${1:-}
set --
"$(dirname -- "${BASH_SOURCE[0]}")/install-packages.sh" tests
. "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh"
LAB_UPLINKS=$cache/uplinks
export LAB_UPLINKS
LAB_MACHINE_ROOT=$("$root/scripts/machine-root.sh")
export LAB_MACHINE_ROOT
"$root/scripts/uplink-programs.sh" "$LAB_UPLINKS"
cd "$root"

# Says what begins and when, so that a run that takes long tells where.
phase() {
    printf '\n[%5d s] %s\n' "$SECONDS" "$*"
    "$@"
}

phase cargo fmt --check
phase cargo clippy --locked --all-targets -- -D warnings
# First everything quick, then the tests that boot guests, one after the other.
phase cargo test --locked
guests=(--ignored --test-threads=1 --nocapture)
phase cargo test --locked --test high_availability -- "${guests[@]}"
phase cargo test --locked --test machines -- "${guests[@]}"
phase cargo test --locked --test ordinary_user -- "${guests[@]}"
phase cargo test --locked --test warm_clones -- "${guests[@]}"
phase cargo test --locked --test real_guests -- "${guests[@]}"
[[ $full != full ]] || phase cargo test --locked --test whole_clusters -- "${guests[@]}"
phase true
