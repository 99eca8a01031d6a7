#!/bin/sh
# Writes the machine code of five log calls into this folder, so that a change of it shows in review.
#
# Each file has the call as a user writes it, and the function that all calls with the same argument types share. Addresses are left
# out. The number in the header is counted by `benches/instructions.sh`: instructions that one call executes.
set -eu
cd "$(dirname "$0")/../.."

machine=$(uname -m | tr _ -)
[ "$machine" = x86-64 ] || { echo "$0: only for x86-64 so far" >&2; exit 1; }
for tool in cargo objdump nm c++filt valgrind; do
    command -v "$tool" > /dev/null || { echo "$0: $tool is needed" >&2; exit 1; }
done

calls=$(cargo bench --quiet --bench calls --no-run --message-format json |
    sed -n 's/.*"name":"calls".*"executable":"\([^"]*\)".*/\1/p')

# disassemble SYMBOL: its instructions, without what changes from build to build.
disassemble() {
    objdump --disassemble="$1" --no-show-raw-insn --no-addresses "$calls" | c++filt |
        sed -n '/^<.*>:$/,/^$/p' |
        sed -E -e 's/::h[0-9a-f]{16}//g' \
            -e 's/-?0x[0-9a-f]+(\(%rip\).*[^ ]) +#.*$/...\1/' \
            -e '/^$/d'
}

# shared SYMBOL: the function of kymo's that it ends in, called directly or through the table of addresses.
shared() {
    target=$(objdump --disassemble="$1" --no-show-raw-insn "$calls" |
        sed -n -E -e 's/.*jmp +([0-9a-f]+) <_.*/direct \1/p' -e 's/.*jmp +\*.*# ([0-9a-f]+) .*/table \1/p')
    address=${target#* }
    if [ "${target% *}" = table ]; then
        address=$(objdump --dynamic-reloc "$calls" |
            sed -n -E "s/^0*$address .*\*ABS\*\+0x([0-9a-f]+).*/\1/p")
    fi
    nm "$calls" | sed -n -E "s/^0*$address [tT] //p" | head -n 1
}

for message in disabled static ints mixed fields; do
    file=benches/assembly/$message.$machine.s
    {
        echo "# $(benches/instructions.sh $message) instructions are executed by one call ($message; hardware counter)."
        echo "# $(rustc --version | cut -d' ' -f1,2), written by benches/assembly/update.sh."
        echo
        disassemble kymo_call_$message
        # What is disabled goes no further.
        if [ $message != disabled ]; then
            echo
            disassemble "$(shared kymo_call_$message)"
        fi
    } > "$file"
    echo "$file: $(head -n 1 "$file")"
done
