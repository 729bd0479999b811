#!/usr/bin/env bash
# Every test but the larger topologies: `make test`. Real guests run as root under a private libvirt. With `full`, those
# come up, too.
set -euo pipefail
# Namespaces, mounts and package installation need root.
if [[ $(id -u) -ne 0 ]]; then
    exec sudo --preserve-env=HOME,CARGO_HOME,RUSTUP_HOME,LAB_ARTIFACTS -- env PATH="$PATH" "$0" "$@"
fi
full=${1:-}
set --
"$(dirname -- "${BASH_SOURCE[0]}")/install-packages.sh" tests
# Made beside everything else that takes its time: most of it is unpacking.
told=$(mktemp)
beside=
# shellcheck disable=SC2317 # Called by the trap.
leave() {
    if [[ -n $beside ]]; then
        kill -- "-$beside" 2>/dev/null || true
        wait "$beside" || true
        cat "$told"
    fi
    rm -f -- "$told"
}
trap leave EXIT
"$(dirname -- "${BASH_SOURCE[0]}")/machine-root.sh" >"$told" &
machine_root=$!
# With the tests: dependencies of theirs choose features of what the binary is built from, too.
. "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh" --bins --tests
LAB_UPLINKS=$cache/uplinks
export LAB_UPLINKS
LAB_ADDONS=$cache/addons
export LAB_ADDONS
wait "$machine_root"
LAB_MACHINE_ROOT=$(<"$told")
export LAB_MACHINE_ROOT
"$root/scripts/uplink-programs.sh" "$LAB_UPLINKS"
"$root/scripts/addon-programs.sh" "$LAB_ADDONS"
cd "$root"

# Says what begins and when, so that a run that takes long tells where.
phase() {
    printf '\n[%5d s] %s\n' "$SECONDS" "$*"
    "$@"
}

guests=(--ignored --test-threads=1 --nocapture)
# Enough takeovers to judge how long they take.
[[ $full != full ]] || export LAB_TEST_ROUNDS=50
# Nodes of namespaces wait more than they work: they come first, beside what only works.
setsid nice -n -10 cargo test --locked --test namespaces -- "${guests[@]}" >"$told" 2>&1 &
beside=$!

# What the tests beside said, and whether they passed.
finish_beside() {
    local status=0
    wait "$beside" || status=$?
    beside=
    cat "$told"
    return "$status"
}

phase cargo fmt --check
phase nice cargo clippy --locked --all-targets -- -D warnings
phase shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run
phase find cloud-init -name '*.sh' -exec shellcheck --shell=sh {} +
# First everything quick, then the tests that boot guests, one after the other.
# Most of them wait: more at once than there are processors.
phase nice env RUST_TEST_THREADS=8 cargo test --locked
phase finish_beside
larger=()
[[ $full == full ]] || larger=(--skip full_)
# Machines wait more than they work, too: those that have a cluster of their own, and the faults, which take long, come
# beside the others.
apart=(existing:: faults:: kubeadm::)
setsid cargo test --locked --test machines -- "${guests[@]}" "${larger[@]}" "${apart[@]}" >"$told" 2>&1 &
beside=$!
others=("${apart[@]/#/--skip=}")
phase cargo test --locked --test machines -- "${guests[@]}" "${larger[@]}" "${others[@]}"
phase finish_beside
phase cargo test --locked --test guests -- "${guests[@]}" ordinary_user::
phase cargo test --locked --test guests -- "${guests[@]}" three::
# All that is left, so that nothing is forgotten.
named=(--skip ordinary_user:: --skip three:: --skip whole_clusters::)
phase cargo test --locked --test guests -- "${guests[@]}" "${named[@]}"
[[ $full != full ]] || phase cargo test --locked --test guests -- "${guests[@]}" whole_clusters::
phase true
