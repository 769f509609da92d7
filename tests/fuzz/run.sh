#!/usr/bin/env bash
# Fuzzes every target for some seconds, or the named ones: run.sh [SECONDS [TARGET...]]
# Needs the nightly compiler and cargo-fuzz; see docs/fuzzing.md.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift $(($# > 0 ? 1 : 0))
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo 'fuzzing needs: rustup toolchain install nightly; cargo install cargo-fuzz --locked' >&2
    exit 2
fi

host=$(rustc +nightly -vV | sed -n 's/^host: //p')
failed=()
for package in light heavy; do
    [ -d "$package" ] || continue
    targets=$(cd "$package/fuzz_targets" && for file in *.rs; do echo "${file%.rs}"; done)
    wanted=()
    for target in $targets; do
        if [ $# -eq 0 ] || [[ " $* " == *" $target "* ]]; then wanted+=("$target"); fi
    done
    [ ${#wanted[@]} -gt 0 ] || continue
    # No sanitizer: the code is safe Rust, and without one it runs several times as fast.
    cargo +nightly fuzz build --fuzz-dir "$package" --sanitizer none
    for target in "${wanted[@]}"; do
        # What is found on the way stays with the build; the corpus of the repository is only read.
        found=$CARGO_TARGET_DIR/corpus/$target artifacts=$CARGO_TARGET_DIR/artifacts/$target/
        mkdir -p "$found" "$artifacts"
        options=("-max_total_time=$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096
            -print_final_stats=1 "-artifact_prefix=$artifacts")
        [ -f "dict/$target.dict" ] && options+=("-dict=dict/$target.dict")
        log=$CARGO_TARGET_DIR/$target.log
        if "$CARGO_TARGET_DIR/$host/release/$target" "${options[@]}" "$found" "corpus/$target" >"$log" 2>&1; then
            result=ok
        else
            result="FAILED, see $log and $artifacts"
            failed+=("$target")
        fi
        stat() { grep -o "$1.*" "$log" | grep -o '[0-9]*$' | tail -n 1; }
        printf '%-22s %12s executions %8s/s   %s\n' "$target" "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" "$result"
    done
done
[ ${#failed[@]} -eq 0 ]
