#!/usr/bin/env bash
# Fuzzes the laws: builds the targets, runs them one after the other, prints a table.
#
#   fuzz/run.sh short [SECONDS]      each law so long (10), from the inputs kept in corpus/
#   fuzz/run.sh long [RUNS]          each law so many executions (1000000)
#   fuzz/run.sh coverage [FOLDER]    lines of format, patcher and zstd that the inputs reach
#   fuzz/run.sh keep                 adds what runs found to corpus/, the smallest set of it
#
# LAWS="..." names some of them only. Works with the stable compiler: the coverage that
# libFuzzer wants is an LLVM pass, and there is no `unsafe` for a sanitizer to look into
# (overflow and debug assertions are on). `cargo +nightly fuzz run LAW` works as well.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-short}
target=${CARGO_TARGET_DIR:-target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
found=$target/found
mapfile -t laws < <(tr ' ' '\n' <<<"${LAWS:-$(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' fuzz/Cargo.toml)}")
# No law says anything new of longer inputs.
max_len=400
# The engine would start a pool for a hundred bytes.
export RAYON_NUM_THREADS=1

build() {
    # --target: build scripts and procedural macros go without.
    RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
        -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table" \
        cargo build --quiet --release --manifest-path fuzz/Cargo.toml \
        --target-dir "$target" --target "$host"
}

# fuzz LIMIT: all laws, with a table; fails at the end if any law was broken.
fuzz() {
    local broken=0 total=0 law log executions seconds began inputs
    echo "at $(git describe --always --dirty)"
    printf '%-34s %12s %8s %9s %7s\n' law executions seconds per-s inputs
    for law in "${laws[@]}"; do
        mkdir -p "$found/$law" "$target/artifacts/$law"
        log=$target/artifacts/$law.log
        began=$SECONDS
        # `timeout`: a law that hangs is broken too (-timeout), but so may be libFuzzer.
        if ! "$target/$host/release/$law" "$found/$law" "fuzz/corpus/$law" "fuzz/regressions/$law" \
            "$1" -max_len=$max_len -timeout=20 -artifact_prefix="$target/artifacts/$law/" \
            -print_final_stats=1 -verbosity=1 >"$log" 2>&1; then
            broken=1
            grep -m1 -A2 -E 'panicked|ERROR' "$log" || tail -5 "$log"
            grep 'Test unit written' "$log" || true
        fi
        executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        seconds=$((SECONDS - began))
        inputs=$(find "$found/$law" -type f | wc -l)
        total=$((total + ${executions:-0}))
        printf '%-34s %12d %8d %9d %7d\n' "$law" "${executions:-0}" "$seconds" \
            $((${executions:-0} / (seconds > 0 ? seconds : 1))) "$inputs"
    done
    printf '%-34s %12d\n' all "$total"
    return $broken
}

keep() {
    local law
    for law in "${laws[@]}"; do
        local merged
        merged=$(mktemp -d)
        # Inputs that together reach every edge that all reach: a greedy, small choice.
        "$target/$host/release/$law" -set_cover_merge=1 -use_counters=0 -max_len=$max_len "$merged" \
            "fuzz/corpus/$law" "$found/$law" >"$target/artifacts/$law.keep" 2>&1
        find "$merged" -type f -exec cp -t "fuzz/corpus/$law/" {} +
        rm -rf "$merged"
    done
    du -sh fuzz/corpus
}

# By the test that replays inputs, so that what is counted is what `cargo test` reaches.
coverage() {
    local tools profiles test
    rustup component list --installed | grep -q '^llvm-tools' || rustup component add llvm-tools
    tools=$(rustc --print sysroot)/lib/rustlib/$host/bin
    profiles=$(mktemp -d)
    export CARGO_TARGET_DIR=$target/coverage
    export RUSTFLAGS="-Cinstrument-coverage" LLVM_PROFILE_FILE="$profiles/%p-%m.profraw"
    test=$(cargo test --quiet --no-run --message-format=json -p deltamote-laws --test replay |
        sed -n 's/.*"executable":"\([^"]*replay[^"]*\)".*/\1/p')
    DELTAMOTE_INPUTS="${1:-}" "$test" --quiet kept_inputs
    "$tools/llvm-profdata" merge -sparse "$profiles"/*.profraw -o "$profiles/all"
    for part in patcher-nostd/format/src patcher-nostd/src patcher-nostd/zstd/src engine/src/image; do
        "$tools/llvm-cov" report "$test" -instr-profile="$profiles/all" \
            --show-branch-summary=false "$part" |
            awk -v part="$part" '/^TOTAL/ { print part ": regions " $4 ", functions " $7 ", lines " $10 }'
    done
    rm -rf "$profiles"
}

mkdir -p "$target"
target=$(cd "$target" && pwd)
found=$target/found
for law in "${laws[@]}"; do mkdir -p "fuzz/corpus/$law" "fuzz/regressions/$law"; done
case $what in
short) build && fuzz "-max_total_time=${2:-10}" ;;
long) build && fuzz "-runs=${2:-1000000}" ;;
keep) keep ;;
coverage) coverage "${2:-}" ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
