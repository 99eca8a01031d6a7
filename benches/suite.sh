#!/bin/sh
# All of kymo's own figures: the table as text and as JSON, the number of instructions, and plots.
#
# Usage: benches/suite.sh [FOLDER [options of the latency bench ...]]      FOLDER: target/figures, if nothing is said
#        benches/suite.sh /tmp/figures --quick
set -eu
cd "$(dirname "$0")/.."

folder=${1:-target/figures}
[ $# -eq 0 ] || shift
mkdir -p "$folder"
# Absolute: cargo runs a bench in the folder of its package.
folder=$(cd "$folder" && pwd)

# Not through a pipe, which would hide how it ended.
cargo bench --bench latency -- --json "$folder/kymo.json" "$@" > "$folder/kymo.txt" || { cat "$folder/kymo.txt"; exit 1; }
cat "$folder/kymo.txt"
if command -v valgrind > /dev/null; then
    benches/instructions.sh > "$folder/instructions.md"
    echo
    cat "$folder/instructions.md"
else
    echo "$0: without valgrind nothing counts the instructions"
fi
cargo run --quiet --release --manifest-path benches/peers/Cargo.toml --features plots --bin plots -- \
    "$folder/kymo.json" --directory "$folder"
echo
ls "$folder"
