#!/usr/bin/env bash
# Builds the demo for an emulated board, runs it, and says what the update took.
#
#   run.sh BOARD PROFILE   one board (m3 m4 m33 rv32), one profile (tiny small)
#   run.sh all             all of them; fails where RAM is above its bar
#   run.sh readme          the same, and puts the table into README.md
#
# The patch is a signed one for a real pair of the corpora, made here by the command of
# this repository. An image in which a panic can be reached does not link (src/board.rs).
# Needs rustup's targets and qemu-system-arm, qemu-system-riscv32.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
root=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
pair=microbit-micropython
from=1.2.0
to=1.2.4

boards=(m3 m4 m33 rv32)
profiles=(tiny small)
declare -A triple=(
    [m3]=thumbv7m-none-eabi
    [m4]=thumbv7em-none-eabihf
    [m33]=thumbv8m.main-none-eabihf
    [rv32]=riscv32imac-unknown-none-elf
)
declare -A machine=(
    [m3]="qemu-system-arm -M mps2-an385"
    [m4]="qemu-system-arm -M mps2-an386"
    [m33]="qemu-system-arm -M mps2-an505"
    [rv32]="qemu-system-riscv32 -M virt -bios none"
)
# RAM in all: workspace and stack, the patcher on the stack included.
declare -A bar=([tiny]=10240 [small]=16384)
# Known to be above it, and how far: rustc's field multiplication spills 864 bytes on
# RV32 (248 on Cortex-M4), at every optimisation level.
declare -A above=([rv32.tiny]=544)

# Images, patch and key for one profile, in a folder of their own.
prepare() {
    local profile=$1 files=$target/demo/$1
    cargo build --quiet --release --manifest-path "$root/Cargo.toml" \
        --target-dir "$target" -p deltamote
    mkdir -p "$files"
    [ -f "$target/demo/demo.key" ] ||
        "$target/release/deltamote" keygen --out "$target/demo/demo.key" >/dev/null
    cp "$root/corpora/$pair/$from.bin" "$files/old.bin"
    cp "$root/corpora/$pair/$to.bin" "$files/new.bin"
    "$target/release/deltamote" diff "$files/old.bin" "$files/new.bin" \
        -o "$files/patch.dmp" --profile "$profile" --key "$target/demo/demo.key" >/dev/null
    # The 32 bytes of the key are the last of its SPKI structure.
    grep -v -- '-----' "$target/demo/demo.key.pub" | base64 -d | tail -c 32 >"$files/key.bin"
}

# build BOARD PROFILE FEATURES: leaves the firmware at $target/demo-build/TRIPLE/release.
build() {
    DELTAMOTE_DEMO=$target/demo/$2 cargo build --quiet --release --target "${triple[$1]}" \
        --target-dir "$target/demo-build" --no-default-features --features "$1,$2$3"
}

# Bytes of code and constants of the firmware, the trained state and the images not
# counted.
text() {
    readelf -SW "$1" | awk '
        { sub(/^ *\[ *[0-9]+\]/, "") }
        $1 == ".text" || $1 == ".rodata" || $1 == ".vector_table" { print $5 }' |
        { sum=0; while read -r size; do sum=$((sum + 16#$size)); done
          state=$(readelf -sW "$1" | awk '/_WORDS/ && $4 == "OBJECT" { n = $3 } END { print n + 0 }')
          echo $((sum - state)); }
}

# One object of JSON.
measure() {
    local board=$1 profile=$2 elf=$target/demo-build/${triple[$1]}/release/deltamote-demo
    build "$board" "$profile" ""
    local without with line
    without=$(text "$elf")
    build "$board" "$profile" ,ed25519
    with=$(text "$elf")
    # shellcheck disable=SC2086
    line=$(timeout 120 ${machine[$board]} -icount shift=0 -display none -monitor none \
        -serial none -semihosting-config enable=on,target=native -kernel "$elf" \
        </dev/null 2>&1) || { echo "run.sh: $board $profile failed: $line" >&2; return 1; }
    local fixed="\"board\": \"$board\", \"profile\": \"$profile\", \"pair\": \"$pair $from $to\""
    echo "{$fixed, \"firmware_text_bytes\": $without, \"firmware_text_with_ed25519_bytes\": $with, ${line#\{}"
}

field() { sed -E "s/.*\"$2\": \"?([^,\"}]*).*/\1/" <<<"$1"; }

measure_all() {
    local failed=0 line ram
    for profile in "${profiles[@]}"; do
        prepare "$profile"
        for board in "${boards[@]}"; do
            line=$(measure "$board" "$profile")
            echo "$line"
            ram=$(field "$line" ram_bytes)
            if [ "$ram" -gt $((bar[$profile] + ${above[$board.$profile]:-0})) ]; then
                echo "run.sh: $board $profile: $ram bytes of RAM, the bar is ${bar[$profile]}" >&2
                failed=1
            fi
        done
    done
    return $failed
}

table() {
    echo "| board | profile | RAM in all | bar | workspace | patcher | stack | decode, instructions per byte | signature, instructions | firmware text | with Ed25519 | torn resets survived |"
    echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
    while read -r line; do
        f() { field "$line" "$1"; }
        echo "| $(f board) | $(f profile) | $(f ram_bytes) | ${bar[$(f profile)]} | $(f workspace_bytes) | $(f patcher_bytes) | $(f stack_bytes) | $(($(f insns_decode) / $(f new_bytes))) | $(f insns_signature) | $(f firmware_text_bytes) | $(f firmware_text_with_ed25519_bytes) | $(f resets) |"
    done
}

readme() {
    local lines first
    lines=$(measure_all)
    first=$(head -1 <<<"$lines")
    {
        sed '/<!-- measured -->/q' README.md
        echo
        table <<<"$lines"
        echo
        echo "Pair $(field "$first" pair), new image $(field "$first" new_bytes) bytes; $(rustc --version);"
        echo "$(qemu-system-arm --version | head -1); made by \`run.sh readme\`."
    } >"$target/demo/README.md"
    cp "$target/demo/README.md" README.md
    echo "$lines"
}

case "${1:-}" in
    all) measure_all ;;
    readme) readme ;;
    *)
        if [ $# -ne 2 ] || [ -z "${triple[$1]:-}" ] || [ -z "${bar[$2]:-}" ]; then
            sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$here/run.sh" >&2
            exit 2
        fi
        prepare "$2"
        measure "$1" "$2"
        ;;
esac
