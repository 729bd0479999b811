#!/usr/bin/env bash
# Everything a lab needs on a machine without internet but with package registries: packages, the
# binary, a guest image and the Kubernetes binaries. What is there already is reused.
#
#   prepare.sh [cargo build options]
#
# Sourced by demo.sh and the tests' Makefile target for the two variables it sets.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lab
export LAB_ARTIFACTS=${LAB_ARTIFACTS:-$cache/kubernetes-1.20.2}

"$root/scripts/install-packages.sh"
command -v cargo >/dev/null || {
    echo "error: cargo is missing; install Rust 1.89 or newer with rustup" >&2
    exit 1
}
# Compiling Go and compiling Rust take turns on the processors; together they still end sooner.
"$root/scripts/build-kubernetes.sh" "$LAB_ARTIFACTS" &
kubernetes=$!
(cd "$root" && cargo build --locked "$@")
profile=debug
[[ " $* " != *" --release "* ]] || profile=release
LAB=${CARGO_TARGET_DIR:-$root/target}/$profile/lab
export LAB
"$LAB" images build debian-12
wait "$kubernetes"
