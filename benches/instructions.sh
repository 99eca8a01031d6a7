#!/bin/sh
# Counts the instructions of a log call and of a decoded record, and prints them as a table.
#
# valgrind counts what is executed inside one function, on all of its way: once for COUNT calls, once for twice as many. The
# difference, divided, is exact for calls, whatever the machine does meanwhile. It includes the `ret` of the function around the call.
# What is decoded lies in blocks, whose number depends on the consumer's pace: those counts, and that of the consumer, move in the
# last digits.
#
# Usage: benches/instructions.sh            the table
#        benches/instructions.sh NAME ...   a number for each, a line for each: mixed, "mixed coarse", "mixed overwriting",
#                                           "mixed filtered", "mixed routed", named, "named routed", "mixed flight", "mixed console",
#                                           "mixed capture", "mixed panic_hook", log_kv, "log_kv floor",
#                                           tracing_fields, consumer, decode_text
set -eu
cd "$(dirname "$0")/.."

for tool in cargo valgrind; do
    command -v "$tool" > /dev/null || { echo "$0: $tool is needed" >&2; exit 1; }
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

program() {
    cargo bench --quiet --bench calls --no-run --message-format json 2> "$scratch/build" |
        sed -n 's/.*"name":"calls".*"executable":"\([^"]*\)".*/\1/p'
}

# executed FUNCTION ARGUMENT...: how many instructions, from the first one in FUNCTION to its return.
executed() {
    function=$1
    shift
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$function" \
        "$calls" "$@" > "$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
    awk '/Collected/ { print $4 }' "$scratch/log"
}

# each MESSAGE [CHOICE]: instructions for one.
each() {
    message=$1
    case $1 in
        consumer) function='*Lane*drain*' message=mixed ;;
        decode_*) function=kymo_$1 ;;
        *) function=kymo_call_$1 ;;
    esac
    # So many fit into the ring, so that none of them looks how far the consumer is.
    count=2000
    once=$(executed "$function" "$message" $count "${2:-counter}")
    twice=$(executed "$function" "$message" $((2 * count)) "${2:-counter}")
    awk "BEGIN { printf \"%.10g\\n\", int(10 * ($twice - $once) / $count + 0.5) / 10 }"
}

calls=$(program)
[ -x "$calls" ] || { cat "$scratch/build" >&2; exit 1; }

if [ $# -gt 0 ]; then
    for name in "$@"; do
        # shellcheck disable=SC2086 # the clock is a word of its own
        each $name
    done
    exit
fi

echo "| a call | instructions | with the coarse clock | with a filter by target | overwriting the oldest | recorded |"
echo "| --- | --- | --- | --- | --- | --- |"
for message in disabled static ints mixed fields str64; do
    echo "| $message | $(each $message) | $(each $message coarse) | $(each $message filtered) | $(each $message overwriting) | $(each $message flight) |"
done
echo
echo "| a statement with a rate | instructions | with a filter by target |"
echo "| --- | --- | --- |"
for message in limited suppressed_n suppressed_once suppressed_time; do
    echo "| $message | $(each $message) | $(each $message filtered) |"
done
echo
echo "| a statement of log or tracing | instructions | with a filter by target | of which floor |"
echo "| --- | --- | --- | --- |"
for message in log_disabled log_kv log_text tracing_disabled tracing_static tracing_fields tracing_text tracing_span; do
    echo "| $message | $(each $message) | $(each $message filtered) | $(each $message floor) |"
done
echo
echo "| a call, with | the console | capture in tests | the panic hook |"
echo "| --- | --- | --- | --- |"
for message in static mixed; do
    echo "| $message | $(each $message console) | $(each $message capture) | $(each $message panic_hook) |"
done
echo
echo "| a record of the message mixed | instructions |"
echo "| --- | --- |"
echo "| put into a block of the file by the consumer | $(each consumer) |"
for render in count text json; do
    echo "| decoded: $render | $(each decode_$render) |"
done
echo
rustc --version --verbose | awk '/^rustc/ { version = $0 } /^host/ { print version ", " $2 }'
