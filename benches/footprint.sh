#!/bin/sh
# What 2,000 log statements of three arguments add to a crate: seconds of a release build, and bytes.
set -eu
cd "$(dirname "$0")/.."
kymo=$PWD
crate=$(mktemp -d)
trap 'rm -rf "$crate"' EXIT
mkdir "$crate/src"
printf '[package]\nname = "footprint"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\nkymo = { path = "%s" }\n[workspace]\n' "$kymo" > "$crate/Cargo.toml"

# program STATEMENTS: twenty functions with as many statements each.
program() {
    for f in $(seq 20); do
        echo "#[inline(never)] pub fn f$f(id: u64, px: f64, who: &str) { std::hint::black_box((id, px, who));"
        for s in $(seq "$1"); do
            echo "kymo::info!(\"order {} filled at {} for {} $f $s\", id + $s, px, who);"
        done
        echo "}"
    done
    echo 'fn main() { let _logger = kymo::Logger::builder("footprint.kymo").start();'
    for f in $(seq 20); do echo "f$f($f, 1.5, \"ACME\");"; done
    echo "}"
}

build() {
    program "$1" > "$crate/src/main.rs"
    start=$(date +%s.%N)
    cargo build --quiet --release --manifest-path "$crate/Cargo.toml"
    date +%s.%N | awk -v start="$start" '{ printf "%.1f s\n", $1 - start }'
    size -A "$crate/target/release/footprint" | awk '$1 == ".text" { print $2 }'
    size "$crate/target/release/footprint" | tail -1 | awk '{ print $1, $2 }'
}

build 0 > /dev/null
touch "$crate/src/main.rs"
echo "no statement (release build; bytes of code; of code, strings and tables, and of data):"
build 0
echo "2,000 statements:"
build 100
