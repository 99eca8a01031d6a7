#!/bin/sh
# Builds everything for arm64, and runs the tests there under emulation. Then files cross over: what arm64 wrote is
# verified and decoded on x86-64, and the other way round, byte for byte alike.
#
# usage: tests/aarch64.sh [--install] [--short] [--test FILE]... [-- NAME...]
#
#   --install     installs the Debian packages that are missing, and has the kernel run arm64 programs by the emulator
#                 (as root)
#   --short       the unit tests, processes that log and end in all ways, the golden files, and the crossing; without
#                 it all tests
#   --test FILE   only this file of tests of the package kymo (`lib`: its unit tests), and no crossing
#   NAME          only tests of this name, and no crossing
#
# CONTRIBUTING.md says how long that takes.
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

SHORT="lib logging flight_recorder killed crash_proof endings"

# Files of tests that are not run, and why.
NOT_RUN="\
black_box: has cargo build an example for this machine; the crossing runs it
compile_fail: calls the compiler, and compares its messages
derived_names: reads sources only
instructions: counts instructions of x86-64
layers: reads sources only
prose: reads sources only
memory: measures memory, of which the emulator takes its share
plugin: loads a library, which a statically linked program cannot
signal_handlers: steps through instructions by the trap flag of x86-64
small_stacks: measures stacks, of which the emulator takes its share
station: has cargo build an example for this machine; the crossing runs it
steps: steps through system calls by ptrace, which the emulator does not have
system_calls: forbids system calls, and the emulator makes its own"

# Tests of the other files that are not run: parts of their names, and why. (The emulator's counter counts microseconds.
# So calls have equal time stamps, by which the records of a thread's two rings have no order: see docs/design.md.)
SKIPPED="\
ring::storage::stepped: steps through instructions by ptrace, which the emulator does not have
a_dump_before_a_kill a_flight_recorder_is_read_after_a_kill overwriting_levels_are_recovered: equal time stamps
a_recorder_at_abort a_recorder_at_a_null_pointer a_recorder_at_termination a_recorder_while_others: equal time stamps
dumps_on_request_are_in_order overwriting_and_recording_go_together: equal time stamps
a_repaired_file_has_its_dumps_in_place dumps_are_shown_counted_and_checked: equal time stamps
ten_thousand_threads_one_after_another: measures memory, of which the emulator takes its share
the_first_process_of_a_container: the emulator itself waits for a signal that this process does not get
a_forged_log_takes_no_live_rings: the emulator makes up /proc/self/stat, which says when a process began
what_is_named_like_a_ring_is_left_alone: limits addresses, of which the emulator reserves many
files_named_like_rings_are_left_alone: limits addresses, of which the emulator reserves many
files_named_like_side_files_stay: limits addresses, of which the emulator reserves many"

# Not run in the short version: part of their names, and why.
SHORT_SKIPPED="\
consumer::faults: tries each operation of thousands of stories, for a quarter of an hour
large_rings: millions of records, which the emulator reads for minutes"

skip() {
  echo "tests/aarch64.sh: SKIPPED: $*" >&2
  exit 77
}

install= short= names= chosen=
while [ $# -gt 0 ]; do
  case $1 in
    --install) install=yes ;;
    --short) short=yes ;;
    --test) chosen="$chosen ${2?a file of tests}"; shift ;;
    --) shift; names=$*; break ;;
    *) sed -n '2,22s/^# \{0,1\}//p' "$0"; exit 2 ;;
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

# Without what only a debugger needs: these are dozens of large programs. Optimised a little, because the emulator slows
# programs down by ten times.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=1
export PROPTEST_CASES="${PROPTEST_CASES-32}"
# Statically linked: with qemu 7.2, a program that is linked dynamically hangs when it makes a thread.
cargo_arm64() {
  RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    /usr/bin/cargo "$@"
}
failed=
run() {
  echo "== $*" >&2
  begin=$(date +%s)
  "$@" || { failed="$failed
  $*"; echo "== FAILED: $*" >&2; }
  echo "== took $(($(date +%s) - begin)) seconds" >&2
}
common="--target $TARGET --target-dir target/aarch64"

# The options of cargo for files of tests.
targets() {
  for file in "$@"; do
    name=$(basename "${file%/main.rs}" .rs)
    case $name in
      lib) echo " --lib" ;;
      *) echo "$NOT_RUN" | grep -q "^$name: " || echo " --test $name" ;;
    esac
  done
}
[ -z "$short" ] || SKIPPED="$SKIPPED
$SHORT_SKIPPED"
skips=
for name in $(echo "$SKIPPED" | sed 's/: [^:]*$//'); do
  skips="$skips --skip $name"
done
files="lib tests/*.rs tests/*/main.rs"
[ -z "$short" ] || files=$SHORT
# shellcheck disable=SC2046,SC2086
run cargo_arm64 test $common --no-fail-fast --package kymo $(targets ${chosen:-$files}) -- $names $skips
if [ -n "$chosen" ]; then
  :
elif [ -n "$short" ]; then
  # shellcheck disable=SC2086
  run cargo_arm64 test $common --no-fail-fast --package kymo-cli --test golden -- $names
else
  # shellcheck disable=SC2046,SC2086
  run cargo_arm64 test $common --no-fail-fast --package kymo-cli --bins $(targets lib crates/kymo-cli/tests/*.rs) \
    -- $names $skips
  # shellcheck disable=SC2086
  run cargo_arm64 test $common --no-fail-fast --workspace --exclude kymo --exclude kymo-cli --exclude kymo-loom-tests \
    --exclude kymo-bench --lib --tests -- $names
fi

# A file that is written here is decoded there, and the other way round. The rings of a process that is killed here are
# recovered there, and the other way round.
cross() {
  directory=$(mktemp -d)
  # shellcheck disable=SC2086
  cargo_arm64 build $common --package kymo-cli --bin kymo || return 1
  examples="--example station --example black_box --example kill_9"
  # shellcheck disable=SC2086
  cargo_arm64 build $common --package kymo $examples || return 1
  native="env -u CARGO_PROFILE_DEV_DEBUG -u CARGO_PROFILE_DEV_OPT_LEVEL cargo build"
  $native --package kymo-cli --bin kymo || return 1
  # shellcheck disable=SC2086
  $native --package kymo $examples || return 1
  there=target/aarch64/$TARGET/debug here=target/debug
  for written in "$there" "$here"; do
    for example in station black_box; do
      log=$directory/$(echo "$written" | tr / -)-$example.kymo
      # The black box ends by a crash.
      "$written/examples/$example" "$log" >/dev/null 2>&1 || [ $example = black_box ] || return 1
      for reader in "$there" "$here"; do
        name=$log.$(echo "$reader" | tr / -)
        # A log that ends by a crash was not closed, which is exit status 1.
        "$reader/kymo" verify "$log" >"$name.verdict" 2>&1 || [ $example = black_box ] || return 1
        "$reader/kymo" cat --format json "$log" >"$name" || return 1
      done
      cat "$log.target-debug.verdict" >&2
      cmp "$log.target-debug.verdict" "$log.$(echo "$there" | tr / -).verdict" || return 1
      [ -s "$log.target-debug" ] || { echo "$log is empty" >&2; return 1; }
      cmp "$log.target-debug" "$log.$(echo "$there" | tr / -)" || return 1
      echo "$log: $(wc -l <"$log.target-debug") lines alike" >&2
    done
  done
  recover_across "$there" "$here" && recover_across "$here" "$there" || return 1
  rm -r "$directory"
}

# Kills a program of $1, and has the command of $2 recover what it logged.
recover_across() {
  log=$directory/$(echo "$1" | tr / -)-kill_9.kymo
  # It prints each number that it has logged.
  "$1/examples/kill_9" "$log" >"$log.printed" &
  while kill -0 $! && [ "$(wc -l <"$log.printed")" -lt 10000 ]; do
    sleep 0.1
  done
  kill -KILL $! || return 1
  wait $! || :
  "$2/kymo" recover "$log" || return 1
  printed=$(wc -l <"$log.printed") found=$("$2/kymo" cat "$log" | grep -c 'step ')
  echo "$log: $found records of at least $printed" >&2
  [ "$found" -ge "$printed" ]
}
[ -n "$names$chosen" ] || run cross

[ -n "$chosen" ] || echo "tests/aarch64.sh: not run:
$NOT_RUN
$SKIPPED" >&2
if [ -n "$failed" ]; then
  echo "tests/aarch64.sh: FAILED:$failed" >&2
  exit 1
fi
echo "tests/aarch64.sh: passed${short:+ (the short version)}" >&2
