#!/usr/bin/env bash
# Builds the demo for an emulated board, lets it take an update, and says what it took.
#
#   run.sh BOARD PROFILE   one board (m0 m3 m4 m33 rv32), one profile (tiny small)
#   run.sh all             all of them; fails where a bar does not hold
#   run.sh readme          the same, and puts the tables into README.md
#
# `deltamote-bench device` does the work; it has more options, among them other pairs.
# Needs rustup's targets and qemu-system-arm, qemu-system-riscv32.
set -euo pipefail
cd "$(dirname "$0")/../.."

device() {
    cargo run --release --quiet -p deltamote-bench -- device --cuts "$@"
}

readme() {
    local file=patcher-nostd/demo/README.md made
    made=$(mktemp)
    {
        sed '/<!-- measured -->/q' "$file"
        echo
        device --features
        echo
        echo "$(rustc --version), $(qemu-system-arm --version | head -1); made by \`run.sh readme\`."
    } >"$made"
    cp "$made" "$file"
    rm "$made"
}

case "${1:-}" in
    all) device --features --check ;;
    readme) readme ;;
    *)
        if [ $# -ne 2 ]; then
            sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' patcher-nostd/demo/run.sh >&2
            exit 2
        fi
        device --boards "$1" --profiles "$2"
        ;;
esac
