#!/bin/sh
# What compressing closed segments gives: bytes and seconds of `kymo compress`, and of gzip and zstd for the text.
# Logs: examples/station.rs, and a million each of three messages of the benches.
set -eu
cd "$(dirname "$0")/.."
kymo=$PWD
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/src"
printf '[package]\nname = "messages"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\nkymo = { path = "%s" }\nkymo-bench = { path = "%s/crates/kymo-bench" }\n[workspace]\n' \
    "$kymo" "$kymo" > "$place/Cargo.toml"
cat > "$place/src/main.rs" <<'END'
use kymo_bench::values::{name, price, text};
fn main() {
    for message in ["mixed", "ints", "str64"] {
        let logger = kymo::Logger::builder(format!("{message}.kymo")).start().unwrap();
        for n in 0..1_000_000_u64 {
            match message {
                "mixed" => kymo::info!("order {} filled at {} for {}", n, price(n), name(n)),
                "ints" => kymo::info!("values {} {} {}", n, n + 7, n ^ 0x55),
                _ => kymo::info!("{}", text(n)),
            }
        }
        assert_eq!(logger.shutdown().dropped, 0);
    }
}
END
cargo build --quiet --release --package kymo-cli --bin kymo
cargo build --quiet --release --example station
cargo build --quiet --release --manifest-path "$place/Cargo.toml" --target-dir target
cd "$place"
"$kymo/target/release/messages"
"$kymo/target/release/examples/station" station.kymo > /dev/null

# seconds COMMAND...: the least processor time of three runs, in seconds.
seconds() {
    for _ in 1 2 3; do
        bash -c 'TIMEFORMAT="%U %S"; time "$@" > /dev/null' sh "$@" 2>&1 | awk '{ print $1 + $2 }'
    done | sort -n | head -1
}
bytes() { stat -c %s "$1"; }
row() { awk -v what="$1" -v whole="$2" -v bytes="$3" -v s="$4" -v of="$5" \
    'BEGIN { printf "%-34s %12d %6.1f %8.3f %8.0f\n", what, bytes, whole / bytes, s, of / s / 1e6 }'; }

for log in station mixed ints str64; do
    size=$(bytes $log.kymo)
    "$kymo/target/release/kymo" cat $log.kymo > $log.txt
    text=$(bytes $log.txt)
    echo
    printf '%-34s %12s %6s %8s %8s\n' "$log" bytes ratio seconds MB/s
    printf '%-34s %12d\n%-34s %12d\n' "the log" "$size" "its text (kymo cat)" "$text"
    for level in 1 3 9 19; do
        cp $log.kymo c.kymo
        "$kymo/target/release/kymo" compress --level $level c.kymo > /dev/null 2>&1
        after=$(bytes c.kymo.zst)
        rm c.kymo.zst
        took=$(for _ in 1 2 3; do
            cp $log.kymo c.kymo
            bash -c 'TIMEFORMAT="%U %S"; time "$@" > /dev/null 2>&1' sh "$kymo/target/release/kymo" compress --level $level c.kymo 2>&1 |
                awk '{ print $1 + $2 }'
            rm c.kymo.zst
        done | sort -n | head -1)
        row "kymo compress --level $level" "$size" "$after" "$took" "$size"
    done
    zstd -q -3 -k -f $log.kymo -o whole.zst
    row "zstd -3, the log as one frame" "$size" "$(bytes whole.zst)" "$(seconds zstd -q -3 -c $log.kymo)" "$size"
    gzip -6 -c $log.kymo > whole.gz
    row "gzip -6, the log" "$size" "$(bytes whole.gz)" "$(seconds gzip -6 -c $log.kymo)" "$size"
    gzip -6 -c $log.txt > text.gz
    row "gzip -6, the text" "$text" "$(bytes text.gz)" "$(seconds gzip -6 -c $log.txt)" "$text"
    zstd -q -3 -c $log.txt > text.zst
    row "zstd -3, the text" "$text" "$(bytes text.zst)" "$(seconds zstd -q -3 -c $log.txt)" "$text"
    cp $log.kymo c.kymo
    "$kymo/target/release/kymo" compress c.kymo > /dev/null 2>&1
    row "kymo cat of the log" "$size" "$size" "$(seconds "$kymo/target/release/kymo" cat --threads 0 $log.kymo)" "$size"
    row "kymo cat of the compressed log" "$size" "$(bytes c.kymo.zst)" "$(seconds "$kymo/target/release/kymo" cat --threads 0 c.kymo.zst)" "$size"
    rm c.kymo.zst
done
