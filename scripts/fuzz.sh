#!/usr/bin/env bash
# Looks for inputs that break the readers of files and answers: `make fuzz`, or
#
#   fuzz.sh [SECONDS [TARGET...]]
#
# Inputs that reach new code stay in fuzz/corpus; one that breaks something is kept in fuzz/artifacts.
# Needs a C++ compiler for libFuzzer, and no other Rust than the project's.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
shift || true
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(topology libvirt guest state files)
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
cargo build --release --locked --manifest-path fuzz/Cargo.toml --target "$host"
mkdir -p fuzz/artifacts
for target in "${targets[@]}"; do
    "fuzz/target/$host/release/$target" -max_total_time="$seconds" -timeout=10 -max_len=8192 \
        -artifact_prefix="fuzz/artifacts/$target-" "fuzz/corpus/$target"
done
