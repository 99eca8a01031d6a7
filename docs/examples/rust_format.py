"""Messages as Rust's std::fmt makes them of a format string and values, as kymo_decode.py has them: (code of the type,
value).

All of its syntax and all types of kymo are covered. Which characters `{:?}` escapes depends on the version of Unicode,
and so of Python and of Rust. What was cut to fit ends with `…`, as the reader of kymo shows it.
"""
import re, unicodedata
from collections import namedtuple
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Context, Decimal
from math import copysign, isinf, isnan
from struct import pack, unpack

WIDTHS = {0x10: 8, 0x11: 16, 0x12: 32, 0x13: 64, 0x14: 128, 0x15: 64}  # of integers; signed ones: + 8

Struct = namedtuple("Struct", "name kind format fields types")  # fields: (name, hint, unit)
Spec = namedtuple("Spec", "fill align plus alternate zero width precision type")
PIECE = re.compile(r"""\{\{ | \}\} | \{ \s* (?P<arg>\w*) \s* (?: : (?:(?P<fill>.)(?=[<^>]))? (?P<align>[<^>])?
    (?P<sign>[+-])? (?P<alternate>\#)? (?P<zero>0(?!\$))? (?P<width>\w+\$|\d+)? (?:\.(?P<precision>\w+\$|\d+|\*))?
    (?P<type>[xX]?\?|[xXobeEp]|) \s* )? \}""", re.VERBOSE | re.DOTALL)
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}  # the other characters: \\u....
UNSAFE = re.compile('["\\\\\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]')
NOT_BARE = re.compile('[^!#-<>-\\[\\]-~]')  # needs quotes after `name=`


def quoted(text):
    return '"' + UNSAFE.sub(lambda match: ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}", text) + '"'


def render(format, names, values, with_fields=True):
    """The message of a format string and its arguments, of which those that it does not print are fields."""
    following = iter(range(len(values)))
    places = [0] * len(values)
    used = set()

    def index(name):
        at = next(following) if not name else int(name) if name.isdigit() else names.index(name)
        used.add(at)
        return at

    def argument(name):
        return values[index(name)]

    def count(text):
        return argument(text.rstrip("*$"))[1] if text and text[-1] in "*$" else int(text) if text else None

    def piece(match):
        if match[0] in ("{{", "}}"):
            return match[0][0]
        precision = count(match["precision"])
        spec = Spec(match["fill"] or " ", match["align"], match["sign"] == "+", match["alternate"], match["zero"],
                    count(match["width"]), precision, match["type"] or "")
        at = index(match["arg"])
        code, inner = values[at]
        places[at] += 1
        if code == 0x32:
            # The program has formatted it, for each placeholder.
            text, cut = inner[min(places[at], len(inner)) - 1]
            return text + "…" * cut
        return format_value((code, inner), spec)

    text = PIECE.sub(piece, format)
    if not with_fields:
        return text
    fields = "".join(field(names[at] or str(at), value) for at, value in enumerate(values) if at not in used)
    return text + fields if format else fields[1:]


def field(name, value):
    """An argument that the format string does not print."""
    code, inner = value
    text = inner[0][0] + "…" * inner[0][1] if code == 0x32 else plain(value, "?" if 0x80 <= code < 0x88 else "")
    if not text or NOT_BARE.search(text):
        text = quoted(text)
    return f" {NOT_BARE.sub('_', name)}={text}"


def plain(value, type=""):
    """What `{}` prints."""
    return format_value(value, Spec(" ", None, False, None, None, None, None, type))


def format_value(value, spec):
    code, inner = value
    debug = spec.type.endswith("?")
    if code in WIDTHS or code - 8 in WIDTHS:
        return format_integer(code, inner, spec)
    if code in (0x20, 0x21):
        return format_float(code, inner, spec)
    if code == 0x01:
        return pad_text("true" if inner else "false", spec)
    if code == 0x02:
        return f"'{escape(inner, chr(39))}'" if debug else pad_text(inner, spec)
    if code in (0x30, 0x31):
        if debug and code == 0x30:
            return f'"{escape(inner[0], chr(34))}"' + "…" * inner[1]
        return pad_text(inner[0] + "…" * inner[1], spec)
    if code == 0x32:
        return inner[0][0] + "…" * inner[0][1]
    if code == 0x33:
        if not debug:
            return pad_text(inner[0].decode("utf-8", "replace") + "…" * inner[1], spec)
        text = escape(inner[0].decode("utf-8", "surrogateescape"), chr(34))
        return '"' + re.sub(r"\\u\{dc(..)\}", lambda match: "\\x" + match[1].upper(), text) + '"' + "…" * inner[1]
    if code in (0x03, 0x34):
        return inner
    if code in (0x88, 0x89):
        return format_struct(*inner, spec)
    if code == 0x85:
        return group(("Ok(", "Err(")[inner[0]], [format_value(inner[1], spec)], ")", spec)
    if code in (0x86, 0x87):
        between = ".." if code == 0x86 else "..="
        return between.join(format_value(bound, spec) for bound in inner[0]) + " (exhausted)" * inner[1]
    if code == 0x83:
        return group("{", [format_value(member, spec) for member in inner[0]], "}", spec, inner[1])
    if code == 0x84:
        parts = [": ".join(format_value(part, spec) for part in entry) for entry in inner[0]]
        return group("{", parts, "}", spec, inner[1])
    if code == 0x38:
        if spec.alternate:
            spec = spec._replace(zero=True, width=18 if spec.width is None else spec.width)
        return pad_number("", "0x", f"{inner:x}", spec)
    if code == 0x40:
        return format_duration(*inner, spec)
    if code == 0x80:
        return "None" if inner is None else group("Some(", [format_value(inner, spec)], ")", spec)
    if code in (0x81, 0x82):
        if value == (0x82, ([], 0)):
            return pad_text("()", spec)
        parts = [format_value(member, spec) for member in inner[0]]
        return group("[", parts, "]", spec, inner[1]) if code == 0x81 else group("(", parts, ")", spec)
    return pad_text(inner, spec)


def format_hinted(value, hint, unit, spec):
    code, inner = value
    if hint and code == 0x80:
        return "None" if inner is None else group("Some(", [format_hinted(inner, hint, unit, spec)], ")", spec)
    is_hex = hint == 1 and (code in WIDTHS or code - 8 in WIDTHS)
    return format_value(value, spec._replace(type="x", alternate=True) if is_hex else spec) + unit


def format_struct(struct, values, has_format, spec):
    if spec.type == "" and struct.format is not None:
        if sum(match[0] not in ("{{", "}}") for match in PIECE.finditer(struct.format)) <= 128:
            return render(struct.format, [""] * len(values), values, with_fields=False)
    if not values:
        return pad_text(struct.name, spec) if spec.type == "" and has_format else struct.name
    if not spec.type.endswith("?"):
        spec = spec._replace(type="?")
    parts = []
    for (name, hint, unit), value in zip(struct.fields, values):
        text = format_hinted(value, hint, unit, spec)
        parts.append(f"{name}: {text}" if struct.kind == 2 else text)
    if struct.kind != 2:
        return group(struct.name + "(", parts, ")", spec)
    return group(struct.name + (" {" if spec.alternate else " { "), parts, "}" if spec.alternate else " }", spec)


def group(begin, parts, end, spec, cut=0):
    if spec.alternate and (parts or cut):
        lines = "".join(part + ",\n" for part in parts) + "…\n" * cut
        return begin + "\n" + re.sub(r"(?m)^(?=.|\n)", "    ", lines) + end
    return begin + ", ".join(parts + ["…"] * cut) + ("," if begin == "(" and len(parts) == 1 else "") + end


def pad(text, spec, align):
    missing = max((spec.width or 0) - len(text), 0)
    before = {"<": 0, "^": missing // 2, ">": missing}[spec.align or align]
    return spec.fill * before + text + spec.fill * (missing - before)


def pad_text(text, spec):
    return pad(text[:spec.precision], spec, "<")


def pad_number(sign, prefix, digits, spec):
    if spec.zero:
        return sign + prefix + digits.rjust((spec.width or 0) - len(sign + prefix), "0")
    return pad(sign + prefix + digits, spec, ">")


def escape(text, quote):
    def one(character):
        if character in "\t\r\n\0" or character in (quote, "\\"):
            return {"\t": "\\t", "\r": "\\r", "\n": "\\n", "\0": "\\0"}.get(character, "\\" + character)
        extends = unicodedata.category(character) in ("Mn", "Me")
        return character if character.isprintable() and not extends else f"\\u{{{ord(character):x}}}"
    return "".join(map(one, text))


def format_integer(code, number, spec):
    base = spec.type.rstrip("?")
    if base in ("x", "X", "o", "b"):
        number %= 1 << WIDTHS[code & ~8]
        return pad_number("+" * spec.plus, "0" + base.lower() if spec.alternate else "", f"{number:{base}}", spec)
    sign, digits = "-" if number < 0 else "+" * spec.plus, str(abs(number))
    if base in ("e", "E"):
        digits = exponential(Decimal(abs(number)), spec.precision, base)
    return pad_number(sign, "", digits, spec)


def exponential(number, precision, letter):
    """A decimal number with an exponent; without a precision, all of its digits."""
    if precision is not None:
        number = Context(prec=precision + 1, rounding=ROUND_HALF_EVEN, Emax=10**6, Emin=-10**6).plus(number)
    exponent = number.adjusted() if number else 0
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0") or "0"
    digits = digits.ljust((precision or 0) + 1, "0")
    return digits[0] + ("." + digits[1:] if digits[1:] else "") + letter + str(exponent)


def shortest(number, code, tie=ROUND_HALF_EVEN):
    """The decimal number with the fewest digits that is read as this one, and of these the nearest."""
    def reads_back(decimal):
        try:
            return float(decimal) == number if code == 0x21 else unpack("f", pack("f", decimal))[0] == number
        except OverflowError:
            return False
    first = len(Decimal(repr(number)).as_tuple().digits) if code == 0x21 else 1
    candidates = (Context(prec=digits, rounding=rounding).create_decimal(number)
                  for digits in range(first, 18) for rounding in (tie, ROUND_UP))
    return next(filter(reads_back, candidates))


def format_float(code, number, spec):
    sign = "" if isnan(number) else "-" if copysign(1, number) < 0 else "+" * spec.plus
    number = abs(number)
    if isnan(number) or isinf(number):
        return pad_number(sign, "", "NaN" if isnan(number) else "inf", spec)
    exact, few, precision = Decimal(number), shortest(number, code, ROUND_HALF_UP), spec.precision
    debug = spec.type.endswith("?") and precision is None
    if spec.type in ("e", "E"):
        digits = exponential(few if precision is None else exact, precision, spec.type)
    elif debug and number and not -4 <= few.adjusted() < 16:
        digits = exponential(few, None, "e")
    elif precision is None:
        digits = f"{few:f}"
        digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
        digits += ".0" if debug and "." not in digits else ""
    else:
        digits = f"{number:.{precision}f}"
    return pad_number(sign, "", digits, spec)


def format_duration(seconds, nanoseconds, spec):
    places, unit = 9, "s"
    if not seconds:
        places, unit = (6, "ms") if nanoseconds >= 10**6 else (3, "µs") if nanoseconds >= 1000 else (0, "ns")
    shown = places if spec.precision is None else min(spec.precision, places)
    number, rest = divmod(seconds * 10**9 + nanoseconds, 10 ** (places - shown))
    half = 10 ** (places - shown)
    number += 2 * rest > half or 2 * rest == half and number % 2
    whole, part = divmod(number, 10**shown)
    digits = f"{part:0{shown}}" if shown else ""
    digits = digits.rstrip("0") if spec.precision is None else digits.ljust(spec.precision, "0")
    return pad("+" * spec.plus + str(whole) + ("." + digits if digits else "") + unit, spec, "<")
