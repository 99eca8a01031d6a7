#!/bin/sh
# Runs the tests of the package kymo under ThreadSanitizer and AddressSanitizer, with an instrumented standard library.
#
# usage: tests/sanitize.sh [--install] [--short] [--test FILE]... [thread|address]... [-- NAME...]
#
#   --install     installs the Debian packages that are missing (as root)
#   --short       the unit tests, four files of tests and ten seconds of the soak; without it all tests that a
#                 sanitizer can run, and five minutes of the soak
#   --test FILE   only this file of tests (`lib`: the unit tests), and no soak
#   NAME          only tests of this name, and no soak
#
# Runs both sanitizers unless one is named. CONTRIBUTING.md says how long that takes.
#
# Needs x86-64 and Debian's rustc-web, a compiler with the source of its standard library. RUSTC_BOOTSTRAP is set for
# unstable options. Needs a toolchain of rustup too, for the sanitizers' runtimes and lld. Builds under
# target/sanitize-*, some 4 GB each.
#
# Exit status: 0 all passed, 1 something failed or was reported, 77 skipped (it says why).
set -eu
cd "$(dirname "$0")/.."

PACKAGES="rustc-web cargo-web rust-web-src libstd-rust-web-dev:amd64 g++"

SHORT="lib logging flight_recorder accounting overwrite_oldest"

# Files of tests that are not run: under which sanitizer, their names, and why.
NOT_RUN="\
both compile_fail: calls the compiler, and compares its messages
both derived_names layers prose: read sources only
both instructions: counts instructions, and a sanitizer adds its own
both memory: measures memory, and a sanitizer takes as much again
both plugin: loads and unloads a library, which would bring a second runtime
both signal_handlers: steps through instructions by the trap flag, also through those of a sanitizer
both small_stacks: measures stacks, and a sanitizer needs more of them
both steps: steps through system calls by ptrace, also through those of a sanitizer
both system_calls: forbids system calls, and a sanitizer makes its own
both clock_set hostile_files hostile_values render: the reader alone, in one thread, which has no unsafe code
both reader_basics reader_damage reader_dumps reader_open reader_order reader_range: the reader alone, too
thread damage formats json reader_arguments reader_side: one thread logs and reads, and other files have that"

# Tests of the other files that are not run: under which sanitizer, parts of their names, and why. (ThreadSanitizer
# keeps a signal back until its thread makes a call that it knows. A parked thread, in a `futex`, makes none.)
SKIPPED="\
both ring::storage::stepped: steps through instructions by ptrace, also through those of a sanitizer
both ten_thousand_threads_one_after_another: measures memory, and a sanitizer takes as much again
both many_times_64_threads_at_once: measures memory, and a sanitizer takes as much again
both the_example_runs: builds an example by cargo, which would build it without the sanitizer
both large_rings: millions of records, which a sanitizer reads for an hour
thread consumer::faults: thousands of stories in one thread, in which there is no race
thread a_fork_leaves_overwriting_rings_alone: the runtime follows a null pointer of its own in a handler of fork
thread a_thread_that_the_library_has_forgotten_logs: its runtime ends the library's part of a thread earlier
thread exit_in_a_signal_handler_drains: calls exit in a signal handler, which is always reported
thread sigterm_drains_and_kills sigint_drains_and_kills sighup_drains_and_kills: the signal is kept back
thread a_signal_in_the_middle_of_logging a_signal_wherever own_handler_wherever: the signal is kept back
thread a_handler_of_the_program_is_called a_handler_that_calls_ours_decides: the signal is kept back
thread the_signal_decides_over the_first_process_of_a_container: the signal is kept back
thread an_ignored_signal without_a_logger_signals: the signal is kept back
thread a_recorder_at_termination a_file_belongs_to_one_process a_hangup_reopens_the_log a_hangup_rotates: the signal is kept back"

skip() {
  echo "tests/sanitize.sh: SKIPPED: $*" >&2
  exit 77
}

install= short= kinds= names= chosen=
while [ $# -gt 0 ]; do
  case $1 in
    --install) install=yes ;;
    --short) short=yes ;;
    --test) chosen="$chosen ${2?a file of tests}"; shift ;;
    thread | address) kinds="$kinds $1" ;;
    --) shift; names=$*; break ;;
    *) sed -n '2,18s/^# \{0,1\}//p' "$0"; exit 2 ;;
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

# The options of cargo for the files of tests that a sanitizer runs.
targets() {
  if [ -n "$chosen$short" ]; then
    files=${chosen:-$SHORT}
  else
    files="lib $(basename -a -s .rs tests/*.rs) $(basename -a $(dirname tests/*/main.rs))"
  fi
  for file in $files; do
    case $file in
      lib) echo " --lib" ;;
      *) echo "$NOT_RUN" | grep -Eq "^(both|$1) ([a-z_]+ )*$file[: ]" || echo " --test $file" ;;
    esac
  done
}

# Overflow checks are on in this profile. Without what only a debugger needs: these are dozens of large programs.
# (Reports name functions all the same.) Optimised a little, because a sanitizer slows programs down by ten times.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=1
export PROPTEST_CASES="${PROPTEST_CASES-32}"
failed=
run() {
  echo "== $*" >&2
  begin=$(date +%s)
  "$@" || { failed="$failed
  $*"; echo "== FAILED: $*" >&2; }
  echo "== took $(($(date +%s) - begin)) seconds" >&2
}

for kind in $kinds; do
  # Into files, because the reports of processes that a test kills would be lost.
  reports=$(mktemp -d)
  # Each test's process has the runtime, so its children have it too. The tests of crashes have handlers of their own.
  common="handle_segv=0 handle_sigbus=0 handle_sigfpe=0 handle_abort=0 handle_sigill=0 use_sigaltstack=0"
  common="$common log_path=$reports/report"
  case $kind in
    thread)
      runtime=$(echo "$host"/lib/librustc-*_rt.tsan.a)
      # Tests fork processes with several threads, and the child of a fork may start a logger. Processes that end by
      # exit leave their consumers running, on purpose.
      export TSAN_OPTIONS="halt_on_error=0 exitcode=66 second_deadlock_stack=1 die_after_fork=0 report_thread_leaks=0 \
        $common ${TSAN_OPTIONS-}" ;;
    address)
      runtime=$(echo "$host"/lib/librustc-*_rt.asan.a)
      # What lives as long as the process is no leak.
      export ASAN_OPTIONS="detect_leaks=0 allocator_may_return_null=1 $common ${ASAN_OPTIONS-}" ;;
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
  rest="-- $names"
  for name in $(echo "$SKIPPED" | sed -n "s/^\(both\|$kind\) \(.*\): .*/\2/p"); do
    rest="$rest --skip $name"
  done
  # shellcheck disable=SC2046
  run cargo test --package kymo --no-fail-fast $(targets "$kind")
  if [ -z "$names$chosen" ]; then
    seconds=300
    [ -z "$short" ] || seconds=10
    rest="-- --seconds $seconds --seed 1"
    run cargo run --package kymo --example soak
  fi
  for report in "$reports"/*; do
    [ -e "$report" ] || continue
    echo "== reported by the $kind sanitizer:" >&2
    cat "$report" >&2
    failed="$failed
  a report of the $kind sanitizer"
  done
  rm -r "$reports"
done

[ -n "$chosen" ] || echo "tests/sanitize.sh: not run:
$NOT_RUN
$SKIPPED" >&2
if [ -n "$failed" ]; then
  echo "tests/sanitize.sh: FAILED:$failed" >&2
  exit 1
fi
echo "tests/sanitize.sh: passed: $kinds${short:+ (the short version)}" >&2
