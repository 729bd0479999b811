#!/usr/bin/env bash
# Build a Debian package of lab: `make deb`. Manual pages and completions come from the binary itself.
#
# Puts target/debian/*.deb. Installs cargo-deb below target when it is not on the path.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}

PATH=$target/tools/bin:$PATH
if ! command -v cargo-deb >/dev/null; then
    cargo install --locked --quiet --root "$target/tools" cargo-deb
fi
cargo build --locked --release
lab=$target/release/lab
# Where Cargo.toml looks for them, wherever cargo builds.
parts=target/deb-parts
rm -rf -- "$parts"
mkdir -p "$parts/completions"
"$lab" man "$parts/man"
gzip --best --no-name "$parts"/man/*.1
for shell in bash zsh fish; do
    "$lab" completion "$shell" >"$parts/completions/$shell"
done
cargo deb --locked --no-build
