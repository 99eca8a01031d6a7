#!/bin/sh
# Runs tests under ThreadSanitizer and AddressSanitizer, with a standard library that is instrumented, too.
#
# usage: tests/sanitize.sh [--install] [--short] [thread|address]... [-- NAME...]
#
#   --install   installs the Debian packages that are missing (as root)
#   --short     the unit tests and two files of tests, some minutes; without it all that a sanitizer can run,
#               and five minutes of the soak, an hour or two
#   NAME        only tests of this name
#
# Both sanitizers unless one is named. Needs x86-64 and Debian's rustc-web (a compiler with the source of its
# standard library), for the unstable options of which RUSTC_BOOTSTRAP is set, and a toolchain of rustup, which has
# the sanitizers' runtimes and lld. Builds under target/sanitize-*, some 3 GB each.
#
# Exit status: 0 all passed, 1 something failed or was reported, 77 skipped (it says why).
set -eu
cd "$(dirname "$0")/.."

PACKAGES="rustc-web cargo-web rust-web-src libstd-rust-web-dev:amd64 g++"
# Not run: what steps through instructions, counts them, or counts system calls or memory (a sanitizer adds its own),
# and what calls the compiler.
SHORT="logging flight_recorder"
LONG="$SHORT overwrite_oldest rescued_order accounting output_failures crash_proof endings killed file_size reader_order reader_side reader_dumps \
  reader_damage reader_follow reader_render hostile_files damage formats render"
# Of those that are run: they do what the sanitizers' own handlers and mappings do not allow.
SKIPPED="ring::storage::stepped"

skip() {
  echo "tests/sanitize.sh: SKIPPED: $*" >&2
  exit 77
}

install= short= kinds= names=
while [ $# -gt 0 ]; do
  case $1 in
    --install) install=yes ;;
    --short) short=yes ;;
    thread | address) kinds="$kinds $1" ;;
    --) shift; names=$*; break ;;
    *) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift
done
kinds=${kinds:-thread address}

[ "$(uname -sm)" = "Linux x86_64" ] || skip "needs Linux on x86-64, this is $(uname -sm)"
missing=
for package in $PACKAGES; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || skip "needs Debian's packages$missing"
  [ -n "$install" ] || skip "missing packages:$missing. Install them by 'tests/sanitize.sh --install', or: apt-get install$missing"
  # shellcheck disable=SC2086
  apt-get install --yes --no-install-recommends $missing
fi
command -v rustup >/dev/null || skip "needs rustup, whose toolchain has the sanitizers' runtimes"
sysroot=$(rustup run stable rustc --print sysroot 2>/dev/null) || skip "needs rustup's toolchain 'stable'"
host=$sysroot/lib/rustlib/x86_64-unknown-linux-gnu
[ -x "$host/bin/gcc-ld/ld.lld" ] || skip "$host has no lld"

# Dozens of large programs: without what only a debugger needs. Reports name functions all the same.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
failed=
run() {
  echo "== $*" >&2
  "$@" || { failed="$failed
  $*"; echo "== FAILED: $*" >&2; }
}

for kind in $kinds; do
  # Each test's process has the runtime, so their children have it, too.
  case $kind in
    thread)
      runtime=$(echo "$host"/lib/librustc-*_rt.tsan.a)
      export TSAN_OPTIONS="halt_on_error=0 exitcode=66 second_deadlock_stack=1 ${TSAN_OPTIONS-}" ;;
    address)
      runtime=$(echo "$host"/lib/librustc-*_rt.asan.a)
      # The tests of crashes have handlers of their own. What lives as long as the process is no leak.
      export ASAN_OPTIONS="detect_leaks=0 handle_segv=0 handle_sigbus=0 handle_sigfpe=0 handle_abort=0 handle_sigill=0 \
        use_sigaltstack=0 ${ASAN_OPTIONS-}" ;;
  esac
  [ -e "$runtime" ] || skip "$host/lib has no runtime for the $kind sanitizer"
  flags="-Zsanitizer=$kind -Zexternal-clangrt -C link-arg=-B$host/bin/gcc-ld -C link-arg=-fuse-ld=lld"
  flags="$flags -C link-arg=-Wl,--whole-archive -C link-arg=$runtime -C link-arg=-Wl,--no-whole-archive"
  flags="$flags -C link-arg=-lstdc++ -C link-arg=-lresolv -C link-arg=-Wl,--export-dynamic"
  cargo() {
    # Without randomised addresses: the runtimes have a place of their own for what they know of memory.
    RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" \
      setarch -R /usr/bin/cargo "$@" -Zbuild-std --target x86_64-unknown-linux-gnu --target-dir "target/sanitize-$kind" $rest
  }
  tests=$LONG
  [ -z "$short" ] || tests=$SHORT
  chosen=--lib
  for test in $tests; do
    chosen="$chosen --test $test"
  done
  rest="-- $names"
  for name in $SKIPPED; do
    rest="$rest --skip $name"
  done
  # shellcheck disable=SC2086
  run cargo test --package kymo --no-fail-fast $chosen
  if [ -z "$names" ]; then
    seconds=300
    [ -z "$short" ] || seconds=10
    rest="-- --seconds $seconds --seed 1"
    run cargo run --package kymo --example soak
  fi
done
if [ -n "$failed" ]; then
  echo "tests/sanitize.sh: FAILED:$failed" >&2
  exit 1
fi
echo "tests/sanitize.sh: passed:$kinds${short:+ (the short version)}" >&2
