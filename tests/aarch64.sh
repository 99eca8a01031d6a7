#!/bin/sh
# Builds everything for arm64, and runs the tests there under emulation; then files cross over: what arm64 wrote is
# verified and decoded on x86-64, and the other way round, byte for byte alike.
#
# usage: tests/aarch64.sh [--install] [--short] [-- NAME...]
#
#   --install   installs the Debian packages that are missing, and lets the kernel run arm64 programs by the emulator
#               (as root)
#   --short     the unit tests but consumer::faults, which try all operations, the golden files and the crossing, some minutes; without it all tests, half an hour
#   NAME        only tests of this name, and no crossing
#
# Needs x86-64 and Debian's rustc-web, which has the libraries of other targets. Builds under target/aarch64, some 4 GB.
# The emulator runs on x86-64's strong memory ordering: this proves instructions and system calls, not orderings.
# Those are for loom's models.
#
# Exit status: 0 all passed, 1 something failed, 77 skipped (it says why).
set -eu
cd "$(dirname "$0")/.."

TARGET=aarch64-unknown-linux-gnu
PACKAGES="rustc-web cargo-web libstd-rust-web-dev:amd64 libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross
  qemu-user-static"
BINFMT=/proc/sys/fs/binfmt_misc
# Programs whose first bytes say that they are for arm64.
MAGIC='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
MASK='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
# Files of tests that are about this machine: instructions of x86-64, the compiler's messages, and what the emulator
# itself asks of the system and of memory.
NOT_HERE="instructions compile_fail system_calls memory signal_handlers steps"
# Tests that step through instructions by ptrace.
SKIPPED="ring::storage::stepped"

skip() {
  echo "tests/aarch64.sh: SKIPPED: $*" >&2
  exit 77
}

install= short= names=
while [ $# -gt 0 ]; do
  case $1 in
    --install) install=yes ;;
    --short) short=yes ;;
    --) shift; names=$*; break ;;
    *) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift
done

[ "$(uname -sm)" = "Linux x86_64" ] || skip "needs Linux on x86-64, this is $(uname -sm)"
missing=
for package in $PACKAGES; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || skip "needs Debian's packages$missing"
  [ -n "$install" ] || skip "missing packages:$missing. Install them by 'tests/aarch64.sh --install', or:
  dpkg --add-architecture arm64 && apt-get update && apt-get install$missing"
  dpkg --add-architecture arm64
  apt-get update
  # shellcheck disable=SC2086
  apt-get install --yes --no-install-recommends $missing
fi
# Tests start themselves anew, and programs: the kernel has to know what to do with them.
if ! grep -qs '^enabled' $BINFMT/*aarch64*; then
  [ -n "$install" ] || skip "the kernel does not run arm64 programs: install qemu-user-binfmt, or run 'tests/aarch64.sh --install' as root"
  [ -e $BINFMT/register ] || mount -t binfmt_misc binfmt_misc $BINFMT
  printf '%s' ":kymo-aarch64:M::$MAGIC:$MASK:/usr/bin/qemu-aarch64-static:F" >$BINFMT/register
fi

# Dozens of large programs: without what only a debugger needs.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
# Statically linked: with qemu 7.2, a program that is linked dynamically hangs when it makes a thread.
cargo_arm64() {
  RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    /usr/bin/cargo "$@"
}
failed=
run() {
  echo "== $*" >&2
  "$@" || { failed="$failed
  $*"; echo "== FAILED: $*" >&2; }
}
common="--target $TARGET --target-dir target/aarch64"

skips=
for name in $SKIPPED; do
  skips="$skips --skip $name"
done
if [ -n "$short" ]; then
  # shellcheck disable=SC2086
  run cargo_arm64 test $common --no-fail-fast --package kymo --lib -- $names $skips --skip consumer::faults
  # shellcheck disable=SC2086
  run cargo_arm64 test $common --no-fail-fast --package kymo-cli --test golden -- $names
else
  tests=
  for file in tests/*.rs tests/*/main.rs; do
    name=$(basename "${file%/main.rs}" .rs)
    case " $NOT_HERE " in *" $name "*) ;; *) tests="$tests --test $name" ;; esac
  done
  # shellcheck disable=SC2086
  run cargo_arm64 test $common --no-fail-fast --package kymo --lib --bins $tests -- $names $skips
  # shellcheck disable=SC2086
  run cargo_arm64 test $common --no-fail-fast --workspace --exclude kymo --exclude kymo-loom-tests --exclude kymo-bench \
    --lib --bins --tests -- $names
fi

# A file that is written here is decoded there, and the other way round.
cross() {
  directory=$(mktemp -d)
  # shellcheck disable=SC2086
  cargo_arm64 build $common --package kymo-cli --bin kymo
  # shellcheck disable=SC2086
  cargo_arm64 build $common --package kymo --example station --example black_box
  cargo build --package kymo-cli --bin kymo
  cargo build --package kymo --example station --example black_box
  there=target/aarch64/$TARGET/debug here=target/debug
  for written in "$there" "$here"; do
    for example in station black_box; do
      log=$directory/$(echo "$written" | tr / -)-$example.kymo
      # The black box ends by a crash.
      "$written/examples/$example" "$log" >/dev/null 2>&1 || [ $example = black_box ]
      for reader in "$there" "$here"; do
        "$reader/kymo" verify "$log" || return 1
        "$reader/kymo" cat --format json "$log" >"$log.$(echo "$reader" | tr / -)" || return 1
      done
      [ -s "$log.target-debug" ] || { echo "$log is empty" >&2; return 1; }
      cmp "$log.target-debug" "$log.$(echo "$there" | tr / -)" || return 1
      echo "$log: $(wc -l <"$log.target-debug") lines alike" >&2
    done
  done
  rm -r "$directory"
}
[ -n "$names" ] || run cross

echo "tests/aarch64.sh: not run: tests/steps and $SKIPPED, because the emulator has no ptrace; and$(
  echo " $NOT_HERE" | sed 's/ steps//'), which are about this machine" >&2
if [ -n "$failed" ]; then
  echo "tests/aarch64.sh: FAILED:$failed" >&2
  exit 1
fi
echo "tests/aarch64.sh: passed${short:+ (the short version)}" >&2
