#!/usr/bin/env python3
"""Decodes log files of kymo, versions 1 and 2: python3 kymo_decode.py FILE…

A second reader, written from docs/format.md. It prints what `kymo cat --order written --format json --spans` prints of
files that are whole, byte for byte, and says on standard error what is damaged (exit code 1). It needs Python 3.8.

Not covered: order by time; following a file that grows; a header page of which both copies are damaged. Damage, and
what is missing behind it, are not objects of the output; going through damage takes quadratic time.
It is not hardened: a file made to exhaust the memory will.
"""
import ipaddress, struct, sys
from collections import namedtuple
from datetime import datetime, timedelta
from math import isinf, isnan

from rust_format import WIDTHS, Struct, exponential, plain, quoted, render, shortest

LEVELS = (None, "error", "warn", "info", "debug", "trace")
REASONS = (None, "full", "too_large", "timed_out", "output_failed", "after_shutdown", "in_signal_handler",
           "file_removed", "overwritten", "damaged", "rescued", "shutdown_timed_out")
DUMPS = (None, "record", "call", "signal", "recovery")
SIGNALS = dict(enumerate("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT".split(), 1))
SIGNALS.update({24: "XCPU", 25: "XFSZ", 26: "VTALRM", 27: "PROF", 29: "IO", 30: "PWR", 31: "SYS"})

ROLES = ("in", "new", "record", "enter", "exit", "close", "follows")

CallSite = namedtuple("CallSite", "level line target file format names types roles purpose has_message")


class Span:
    """A span, as the records so far have told of it."""

    def __init__(self, id, name, parent):
        self.id, self.name, self.parent, self.fields, self.closed, self.children = id, name, parent, {}, False, 0

    def json(self):
        fields = ",".join(f"{quoted(name)}:{to_json(value)}" for name, value in self.fields.items())
        return f'{{"id":{self.id},"name":{quoted(self.name)}' + (f',"fields":{{{fields}}}}}' if fields else "}")


class Damage(Exception):
    pass


class Bytes:
    """A payload, read from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Damage("a field does not fit")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, format):
        return struct.unpack("<" + format, self.take(struct.calcsize(format)))[0]

    def flag(self):
        return (False, True)[self.number("B")]

    def varint(self, bits=64):
        value = self._varint()
        if value >> bits:
            raise Damage("a number is too large")
        return value

    def _varint(self):
        first = self.number("B")
        if first == 0:
            return self.number("Q")
        zeros = (first & -first).bit_length() - 1
        return (first | int.from_bytes(self.take(zeros), "little") << 8) >> zeros + 1

    def zigzag(self, bits):
        number = self.varint(bits)
        return number >> 1 ^ -(number & 1)

    def text(self):
        return self.take(self.varint()).decode("utf-8", "replace")


CRC = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    CRC.append(byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


# Types and values. A type is (code, what it is made of: types, structs, or how many texts); a value (code, what it is).

INSIDE = {0x80: 1, 0x81: 1, 0x83: 1, 0x84: 2, 0x85: 2, 0x86: 1, 0x87: 1}

# What a value of the type 60 may state.
ANY = dict.fromkeys(
    [1, 2, 3, *range(0x10, 0x16), *range(0x18, 0x1E), 0x20, 0x21, 0x30, 0x31, 0x33, 0x38, 0x40, *range(0x48, 0x4E)], []
) | {0x80: [(0x01, [])], 0x81: [(0x10, [])]}


def read_type(data, depth=1):
    code = data.number("B")
    if depth > 16:
        raise Damage("a type is nested too deep")
    if depth > 1 and 0x50 <= code <= 0x56:
        raise Damage("the id of a span is no part of a value")
    if code == 0x32:
        return code, data.number("B")
    if code == 0x88:
        return code, [read_struct(data, depth)]
    if code == 0x89:
        data.text()
        return code, [read_struct(data, depth) for _ in range(data.varint())]
    members = data.number("B") if code == 0x82 else INSIDE.get(code, 0)
    return code, [read_type(data, depth + 1) for _ in range(members)]


def read_struct(data, depth):
    name, kind, fields, types = data.text(), data.number("B"), [], []
    format = data.text() if kind & 4 else None
    for _ in range(data.varint()):
        field = data.text() if kind & 3 == 2 else ""
        hint = data.number("B")
        fields.append((field, hint, data.text() if hint == 2 else ""))
        types.append(read_type(data, depth + 1))
    return Struct(name, kind & 3, format, fields, types)


def read_value(data, type):
    code, members = type
    if code in (0x88, 0x89):
        struct = members[data.varint() if code == 0x89 else 0]
        has_format = any(struct.format is not None for struct in members)
        return code, (struct, [read_value(data, type) for type in struct.types], has_format)
    if code == 0x34:
        return code, "***"
    if code == 0x01:
        return code, data.flag()
    if code == 0x02:
        return code, chr(data.varint())
    if code == 0x03:
        return code, ("Less", "Equal", "Greater")[data.number("B")]
    if code in (0x10, 0x18):
        return code, data.number("B" if code == 0x10 else "b")
    if code in (0x14, 0x1C):
        return code, int.from_bytes(data.take(16), "little", signed=code == 0x1C)
    if code in WIDTHS:
        return code, data.varint(WIDTHS[code])
    if code - 8 in WIDTHS:
        return code, data.zigzag(WIDTHS[code - 8])
    if code == 0x38 or 0x50 <= code <= 0x56:
        return code, data.varint()
    if code in (0x20, 0x21):
        return code, data.number("f" if code == 0x20 else "d")
    if code in (0x30, 0x31):
        return code, read_text(data)
    if code == 0x32:
        return code, [read_text(data) for _ in range(members)]
    if code == 0x33:
        length = data.varint()
        return code, (data.take(length >> 1), length & 1)
    if code == 0x40:
        return code, (data.varint(), data.varint())
    if 0x48 <= code <= 0x4D:
        return code, read_address(data, code)
    if code == 0x60:
        stated = data.number("B")
        if stated not in ANY:
            raise Damage(f"no value states type {stated:02X}")
        return read_value(data, (stated, ANY[stated]))
    if code == 0x80:
        return code, read_value(data, members[0]) if data.flag() else None
    if code == 0x84:
        length = data.varint()
        return code, ([[read_value(data, type) for type in members] for _ in range(length >> 1)], length & 1)
    if code == 0x85:
        error = data.flag()
        return code, (error, read_value(data, members[error]))
    if code in (0x86, 0x87):
        bounds = [read_value(data, members[0]) for _ in range(2)]
        return code, (bounds, code == 0x87 and data.flag())
    if code in (0x81, 0x83):
        length = data.varint()
        return code, ([read_value(data, members[0]) for _ in range(length >> 1)], length & 1)
    if code == 0x82:
        return code, ([read_value(data, member) for member in members], 0)
    raise Damage(f"type {code:02X} is not known")


def read_text(data):
    length = data.varint()
    return data.take(length >> 1).decode("utf-8", "replace"), length & 1


def read_address(data, code):
    if code in (0x4A, 0x4D):
        code += {4: -2, 6: -1}[data.number("B")]
    ip = data.take(16 if code in (0x49, 0x4C) else 4)
    mapped = len(ip) == 16 and ip[:12] == bytes(10) + b"\xff\xff"
    text = "::ffff:" + str(ipaddress.ip_address(ip[12:])) if mapped else str(ipaddress.ip_address(ip))
    if code < 0x4B:
        return text
    port = data.number("H")
    if code == 0x4B:
        return f"{text}:{port}"
    scope = (data.number("I"), data.number("I"))[1]
    return f"[{text}%{scope}]:{port}" if scope else f"[{text}]:{port}"


# The output.

def metric(site):
    kind = {6: "count", 7: "gauge", 8: "histogram"}.get(site.purpose)
    types = (0x10, 0x11, 0x12, 0x13, 0x15, 0x18, 0x19, 0x1A, 0x1B, 0x1D, 0x20, 0x21, 0x40)
    if kind is None or not site.names or site.types[len(site.names) - 1][0] not in types:
        return ""
    name = site.format.replace("{{", "{").replace("}}", "}")
    return f',"metric":{{"kind":"{kind}","name":{quoted(name)}}}'


def message(site, values):
    """The text of a record. A number of suppressed records is no field."""
    if site.purpose not in (1, 2) or not site.names or site.types[len(site.names) - 1][0] != 0x13:
        return render(site.format, site.names, values)
    text, suppressed = render(site.format, site.names[:-1], values[:-1]), values[-1][1]
    return text + " " * bool(text) + f"(suppressed {suppressed})" if suppressed else text


def to_json(value):
    code, inner = value
    if inner is None:
        return "null"
    if code == 0x80:
        return to_json(inner)
    if code == 0x32:
        return to_json((0x31, inner[0]))
    if code == 0x33:
        return to_json((0x31, (inner[0].decode("utf-8", "replace"), inner[1])))
    if code == 0x84:
        members = [f"{quoted(plain(key))}:{to_json(value)}" for key, value in inner[0]]
        return "{" + ",".join(members + ['"…":"…"'] * inner[1]) + "}"
    if code == 0x85:
        return f'{{"{("Ok", "Err")[inner[0]]}":{to_json(inner[1])}}}'
    if code in (0x86, 0x87):
        return '{"start":%s,"end":%s}' % tuple(map(to_json, inner[0]))
    if code in (0x88, 0x89):
        content = struct_to_json(*inner[:2])
        name = quoted(inner[0].name)
        return content if code == 0x88 else name if inner[0].kind == 0 else f"{{{name}:{content}}}"
    if code in (0x81, 0x82, 0x83):
        return "[" + ",".join([to_json(member) for member in inner[0]] + ['"…"'] * inner[1]) + "]"
    if code == 0x01:
        return "true" if inner else "false"
    if code in (0x20, 0x21):
        return json_float(code, inner)
    if code == 0x40:
        return str(inner[0] * 10**9 + inner[1])
    if code == 0x38:
        return f'"{inner:#x}"'
    if isinstance(inner, int):
        return str(inner)
    return quoted(inner if isinstance(inner, str) else inner[0] + "…" * inner[1])


def struct_to_json(struct, values):
    values = list(map(to_json, values))
    if struct.kind == 2:
        return "{" + ",".join(f"{quoted(name)}:{value}" for (name, _, _), value in zip(struct.fields, values)) + "}"
    return "null" if struct.kind == 0 else values[0] if len(values) == 1 else f"[{','.join(values)}]"


def is_cut(value):
    code, inner = value
    if code in (0x88, 0x89):
        return any(map(is_cut, inner[1]))
    if code == 0x80:
        return inner is not None and is_cut(inner)
    if code == 0x32:
        return any(cut for _, cut in inner)
    if code == 0x84:
        return inner[1] or any(is_cut(part) for entry in inner[0] for part in entry)
    if code == 0x85:
        return is_cut(inner[1])
    if code in (0x86, 0x87):
        return any(map(is_cut, inner[0]))
    return isinstance(inner, tuple) and code != 0x40 and (inner[1] or code > 0x80 and any(map(is_cut, inner[0])))


def json_float(code, number):
    if isnan(number) or isinf(number):
        return '"NaN"' if isnan(number) else '"inf"' if number > 0 else '"-inf"'
    few = shortest(number, code)
    if number and not (-6, -5)[code - 0x20] <= few.adjusted() < (13, 16)[code - 0x20]:
        mantissa, exponent = exponential(abs(few), None, "e").split("e")
        return f"{'-' * (number < 0)}{mantissa}e{int(exponent):+}"
    text = f"{few:f}"
    return text if "." in text else text + ".0"


def clamp(number):
    return max(-1 << 63, min(number, (1 << 63) - 1))


def time_text(nanoseconds):
    seconds, nanoseconds = divmod(nanoseconds, 10**9)
    return f"{datetime(1970, 1, 1) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"


class Segment:
    """A log file: what the frames read so far have said."""

    def __init__(self, path):
        self.path, self.sites, self.threads, self.clocks, self.damaged = path, {}, {}, [], False
        self.spans = {}  # that are open, by id
        self.numbers = {}  # of the threads, by the operating system's id
        with open(path, "rb") as file:
            self.data = file.read()
        for copy in (0, 2048):
            page = self.data[copy:copy + 192]
            if page[:8] == b"\x89KYMO\r\n\x1a" and crc32c(page[:188]) == int.from_bytes(page[188:], "little"):
                break
        else:
            sys.exit(f"{path}: is no log file of kymo, or its header page is damaged")
        version, first, self.salt, _, self.opened = struct.unpack_from("<IIIIq", page, 8)
        if version > 2:
            sys.exit(f"{path}: is of version {version} of the format; this program knows versions 1 and 2")
        self.committed = int.from_bytes(self.data[1024:1032], "little")

    def damage(self, at, what):
        self.damaged = True
        print(f"{self.path}: at byte {at}: {what}", file=sys.stderr)

    def frames(self):
        """The valid frames: offset, kind and payload."""
        at, good = 4096, 4096
        # From there on, the first frame that is not valid is the end.
        believed = self.committed if self.committed >= 4096 else len(self.data)
        while at + 8 <= len(self.data):
            checksum, kind = struct.unpack_from("<IB", self.data, at)
            end = at + 8 + int.from_bytes(self.data[at + 5:at + 8], "little")
            if (kind == 0 or end > min(len(self.data), at + 8 + (1 << 20))
                    or crc32c(self.data[at + 4:end]) != checksum ^ self.salt
                    or at > max(good, believed)):
                if at >= believed:
                    break
                at += 8
                continue
            if at > good:
                self.damage(good, f"{at - good} bytes are damaged")
            yield at, kind, self.data[at + 8:end]
            at = good = end + -end % 8
            if kind == 9:
                return
        if good < min(self.committed, len(self.data)) or self.committed > len(self.data):
            self.damage(good, "the end of what was committed is damaged or missing")

    def objects(self):
        """The lines of the output."""
        readers = {1: self.call_site, 2: self.thread, 5: self.clock}
        for at, kind, payload in self.frames():
            try:
                if kind in readers:
                    readers[kind](Bytes(payload))
                elif kind in (3, 4):
                    yield from self.records(Bytes(payload[:-4] if kind == 4 else payload))
                elif kind == 6:
                    yield self.drops(at, Bytes(payload))
                elif kind == 11:
                    yield self.signal(at, Bytes(payload))
                elif kind == 14:
                    yield self.clock_set(at, Bytes(payload))
                elif kind == 16:
                    yield self.deleted(at, Bytes(payload))
                elif kind == 12:
                    yield self.dump(at, Bytes(payload))
                elif kind == 13:
                    yield self.dump_end(at, Bytes(payload))
            except (Damage, ValueError, LookupError) as error:
                self.damage(at, error)

    def call_site(self, data):
        number, level = data.varint(), data.number("B")
        line, column, target, _module, file, format = data.varint(), data.varint(), *(data.text() for _ in range(4))
        names, types = [], []
        for _ in range(data.varint()):
            names.append(data.text())
            types.append(read_type(Bytes(data.take(data.varint()))))
        # The ids of spans follow the arguments.
        is_id = [0x50 <= code <= 0x56 for code, _ in types]
        count = is_id.index(True) if True in is_id else len(types)
        if not all(is_id[count:]):
            self.sites.pop(number, None)
            raise Damage("an argument follows the id of a span")
        roles = [ROLES[code - 0x50] for code, _ in types[count:]]
        purpose = data.number("B") if data.at < len(data.data) else 0
        # The text that another crate made of its message is no field.
        has_message = (column == 0 and format in ("{}", "{0}") and count > 0 and names[0] == ""
                       and types[0][0] in (0x30, 0x31))
        self.sites[number] = CallSite(
            LEVELS[level], line, target, file, format, names[:count], types, roles, purpose, has_message)

    def thread(self, data):
        number, system = data.varint(), data.varint()
        self.threads[number], self.numbers[system] = data.text() or number, number

    def clock(self, data):
        self.clocks = (self.clocks + [(data.number("Q"), data.number("q"), data.number("Q"))])[-4:]

    def time(self, ticks):
        def since(clock):
            return (ticks - clock[0] + (1 << 63)) % (1 << 64) - (1 << 63)
        clocks = self.clocks or [(ticks, self.opened, 0)]
        clock = next((clock for clock in reversed(clocks) if since(clock) >= 0), clocks[0])
        return time_text(clamp(clock[1] + clamp(since(clock) * clock[2] >> 32)))

    def records(self, data):
        thread, _before, ticks = data.varint(), data.varint(), data.number("Q")
        while data.at < len(data.data):
            number = data.varint()
            if number not in self.sites:
                raise Damage(f"call site {number} is not known; the rest of the block is lost")
            site = self.sites[number]
            ticks = (ticks + data.varint()) % (1 << 64)
            values = [read_value(data, type) for type in site.types]
            ids = dict(zip(site.roles, (id for _, id in values[len(site.names):])))
            values = values[:len(site.names)]
            spans = self.spans_of(site, values, ids)
            fields = ((name or str(at), value) for at, (name, value) in enumerate(zip(site.names, values))
                      if at > 0 or not site.has_message)
            yield (f'{{"time":"{self.time(ticks)}","level":"{site.level}","target":{quoted(site.target)}'
                   f',"file":{quoted(site.file)},"line":{site.line},"thread":{self.thread_json(thread)}'
                   f',"message":{quoted(message(site, values))},"fields":{{'
                   + ",".join(f"{quoted(name)}:{to_json(value)}" for name, value in fields)
                   + "}" + metric(site) + spans + (',"cut":true}' if any(map(is_cut, values)) else "}"))

    def spans_of(self, site, values, ids):
        """Takes what a record tells of spans; returns what its line says of them."""
        within = ids.pop("in", 0)
        role, id = next(iter(ids.items()), (None, within))
        if role == "new" and id:
            self.forget(id)
            name, parent = site.format.replace("{{", "{").replace("}}", "}"), within if within != id else 0
            span = self.spans[id] = Span(id, name, parent)
            span.fields.update(zip(site.names, values))
            if span.parent in self.spans:
                self.spans[span.parent].children += 1
        if role == "record" and id in self.spans:
            self.spans[id].fields.update(zip(site.names, values))
        chain, at = [], within if role == "new" else id
        while at in self.spans and len(chain) < 64:
            chain.insert(0, self.spans[at].json())
            at = self.spans[at].parent
        if role == "close" and id in self.spans:
            self.spans[id].closed = True
            while id in self.spans and self.spans[id].closed and not self.spans[id].children:
                id = self.forget(id)
            id = ids["close"]
        if not id:
            return ""
        told = f',"span_event":"{role}","span_id":{id}' if role else ""
        if chain:
            return told + ',"spans":[' + ",".join(chain) + "]"
        return told or f',"spans":[{{"id":{id}}}]'

    def forget(self, id):
        """Forgets a span; returns the id of its parent."""
        if id not in self.spans:
            return 0
        parent = self.spans.pop(id).parent
        if parent in self.spans:
            self.spans[parent].children = max(0, self.spans[parent].children - 1)
        return parent

    def thread_json(self, thread):
        name = self.threads.get(thread, thread)
        return quoted(name) if isinstance(name, str) else str(name)

    def drops(self, at, data):
        thread, first, last = data.varint(), data.number("Q"), data.number("Q")
        counts = [(REASONS[data.number("B")], LEVELS[data.number("B")], data.varint()) for _ in range(data.varint())]
        shown = ",".join(f'{{"reason":"{reason}","level":"{level}","records":{n}}}' for reason, level, n in counts)
        return (f'{{"event":"drops","time":"{self.time(first)}","until":"{self.time(last)}"'
                f',"thread":{self.thread_json(thread)},"records":{sum(n for _, _, n in counts)},"counts":[{shown}]'
                f',"log":{quoted(self.path)},"offset":{at}}}')

    def signal(self, at, data):
        system, signal, ticks = data.varint(), data.number("B"), data.number("Q")
        thread = self.thread_json(self.numbers[system]) if system and system in self.numbers else "null"
        name = f'"SIG{SIGNALS[signal]}"' if signal in SIGNALS else "null"
        return (f'{{"event":"signal","time":"{self.time(ticks)}","signal":{signal},"name":{name},"thread":{thread}'
                f',"os_thread":{system},"log":{quoted(self.path)},"offset":{at}}}')

    def clock_set(self, at, data):
        _ticks, time, by = data.number("Q"), data.number("q"), data.number("q")
        return (f'{{"event":"clock_set","time":"{time_text(time)}","by_ns":{by}'
                f',"log":{quoted(self.path)},"offset":{at}}}')

    def deleted(self, at, data):
        time, first, last, files, size = self.time(data.number("Q")), *(data.varint() for _ in range(4))
        return (f'{{"event":"deleted","time":"{time}","first":{first},"last":{last},"files":{files},"bytes":{size}'
                f',"log":{quoted(self.path)},"offset":{at}}}')

    def dump(self, at, data):
        _previous, _oldest, _newest, first, last, dumped = *(data.number("Q") for _ in range(3)), *(
            data.number("q") for _ in range(3))
        reason, detail, thread, records, overwritten = data.number("B"), data.number("B"), *(
            data.varint() for _ in range(3))
        name = f'"{DUMPS[reason]}"' if 0 < reason < len(DUMPS) else "null"
        level = f',"level":"{LEVELS[detail]}"' if reason == 1 and 0 < detail < len(LEVELS) else ""
        signal = f',"signal":{detail}' if reason == 3 else ""
        return (f'{{"event":"dump","time":"{time_text(first)}","until":"{time_text(last)}"'
                f',"dumped":"{time_text(dumped)}","reason":{name}{level}{signal},"thread":{self.thread_json(thread)}'
                f',"records":{records},"overwritten":{overwritten},"log":{quoted(self.path)},"offset":{at}}}')

    def dump_end(self, at, data):
        thread, records = data.varint(), data.varint()
        return (f'{{"event":"dump_end","thread":{self.thread_json(thread)},"records":{records}'
                f',"log":{quoted(self.path)},"offset":{at}}}')


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    segments = [Segment(path) for path in sys.argv[1:]] or sys.exit(__doc__)
    for segment in segments:
        for line in segment.objects():
            print(line)
    sys.exit(any(segment.damaged for segment in segments))
