//! What the reader renders is what `format!` would have printed, byte for byte.
//!
//! Every format string of the tables below goes to `format!` and, as a string from a file would, to
//! a template.

mod encode;

use std::fmt::{self, Debug};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use encode::{Encode, Encoded, encoded, put_str};
use kymo_reader::{Template, Type};
use proptest::prelude::*;

/// A value that the program formatted itself.
#[derive(Clone)]
struct Formatted(String);

impl fmt::Display for Formatted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Formatted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Encode for Formatted {
    fn put_type(out: &mut Vec<u8>) {
        out.push(0x31);
    }
    fn put(&self, out: &mut Vec<u8>) {
        put_str(out, &self.0, false);
    }
}

/// Renders the arguments by both ways, and checks that they agree.
fn render(format: &str, names: &[&str], arguments: &[Encoded]) -> String {
    let template = Template::parse(format, names).unwrap_or_else(|e| panic!("{format:?}: {e}"));
    let types: Vec<_> = arguments
        .iter()
        .map(|argument| Type::parse(&argument.ty).unwrap_or_else(|| panic!("{:x?}", argument.ty)))
        .collect();
    let mut values = Vec::new();
    for (argument, ty) in arguments.iter().zip(&types) {
        let (mut decoded, mut skipped) = (&argument.bytes[..], &argument.bytes[..]);
        values.push(ty.decode(&mut decoded).unwrap_or_else(|e| panic!("{ty}: {e}")));
        ty.skip(&mut skipped).unwrap_or_else(|e| panic!("{ty}: {e}"));
        assert_eq!((decoded.len(), skipped.len()), (0, 0), "{ty}");
    }
    let mut out = String::from("before ");
    template.render(&values, &mut out);
    let bytes: Vec<u8> = arguments.iter().flat_map(|argument| argument.bytes.clone()).collect();
    let mut streamed = String::from("before ");
    let mut rest = &bytes[..];
    template.render_encoded(&types, &mut rest, &mut streamed).expect("decodes");
    assert_eq!((streamed.as_str(), rest), (out.as_str(), &[][..]));
    out.split_off("before ".len())
}

/// Checks a value against each of the format strings, which take it and, if given, what follows it.
macro_rules! same {
    (@one ($value:expr $(, $more:expr)*) $format:literal) => {
        assert_eq!(
            render(
                $format,
                &["", $(as_unnamed(&$more),)*],
                &[encoded(&$value), $(encoded(&$more),)*],
            ),
            format!($format, $value, $($more,)*),
            "{}", $format
        )
    };
    ($arguments:tt; $($format:literal)*) => {
        $(same!(@one $arguments $format);)*
    };
}

fn as_unnamed<T>(_: &T) -> &'static str {
    ""
}

/// The tables that are applied to every type that has the trait.
macro_rules! same_display {
    ($value:expr, $width:expr, $precision:expr) => {
        same!(($value);
            "{}" "{:5}" "{:<5}" "{:>5}" "{:^5}" "{:*<12}" "{:*>12}" "{:*^12}" "{:…^13}" "{:<<9}"
            "{:^^8}" "{:>>7}"
            "{:0}" "{:05}" "{:040}" "{:*<040}" "{:+}" "{:-}" "{:#}" "{:+#020}" "{:.0}" "{:.1}"
            "{:.2}" "{:.3}" "{:.}"
            "{:.17}" "{:10.3}" "{:*^20.5}" "{:+.2}" "{:+020.4}" "{:020.1}" "{:#.1}" "{:.40}"
            "{:+#.3}" "{:\n>7}"
            "{{{}}}" "a{}b" "{0}{0}" "{0:?}{0:>4}" "{ }" "{0 }" "{: }" "{:>8 }" "}}{}{{" "{:00}"
            "{:#07.2}" "{:1}");
        same!(($value, $width);
            "{:1$}" "{0:1$}" "{:<1$}" "{:>1$}" "{:^1$}" "{:*^1$}" "{:01$}" "{:+01$}" "{:.1$}"
            "{:9.1$}" "{:#1$.3}"
            "{0:01$.1$}" "{1} {0}" "{1:>4} {0:<4}" "{}{}" "{} {}." "{:#01$}");
        same!(($value, $width, $precision);
            "{:1$.2$}" "{:>01$.2$}" "{:+1$.2$}" "{:é>1$.2$}" "{2} {0} {1}" "{:01$.2$}");
        // The precision comes before the value, and takes its turn among the placeholders.
        assert_eq!(
            render("{:.*}|{:>9}", &["", "", ""], &[
                encoded(&$precision), encoded($value), encoded(&$width)
            ]),
            format!("{:.*}|{:>9}", $precision, $value, $width),
        );
        assert_eq!(
            render("{1:.*} {}", &["", ""], &[encoded(&$precision), encoded($value)]),
            format!("{1:.*} {}", $precision, $value),
        );
        let (value, width, precision) = ($value, $width, $precision);
        assert_eq!(
            render("{value:>width$.precision$}|{value:?}", &["value", "width", "precision"],
                &[encoded(value), encoded(&width), encoded(&precision)]),
            format!("{value:>width$.precision$}|{value:?}"),
        );
    };
}

macro_rules! same_debug {
    ($value:expr, $width:expr, $precision:expr) => {
        same!(($value);
            "{:?}" "{:#?}" "{:5?}" "{:<5?}" "{:>9?}" "{:*^12?}" "{:…>14?}" "{:05?}" "{:012?}"
            "{:+?}" "{:+#?}" "{:#012?}"
            "{:x?}" "{:X?}" "{:#x?}" "{:#X?}" "{:02x?}" "{:#06X?}" "{:.0?}" "{:.1?}" "{:.2?}"
            "{:8.3?}" "{:#.2?}" "{:#9.1?}"
            "{:+09.2?}" "{:?  }" "{0:?}{0:#?}" "{:\n<7?}" "{:\n<#7?}" "{:.12?}");
        same!(($value, $width);
            "{:1$?}" "{:<1$?}" "{:#1$?}" "{:*^1$x?}" "{:01$?}" "{:.1$?}" "{0:#.1$?} {1:?}");
        same!(($value, $width, $precision); "{:1$.2$?}" "{:>#1$.2$?}" "{:+#01$.2$?}");
    };
}

macro_rules! same_integer {
    ($value:expr, $width:expr, $precision:expr) => {
        same_display!($value, $width, $precision);
        same_debug!($value, $width, $precision);
        same!(($value);
            "{:x}" "{:X}" "{:o}" "{:b}" "{:#x}" "{:#X}" "{:#o}" "{:#b}" "{:08x}" "{:#010x}"
            "{:*^40x}" "{:<#9b}" "{:+x}" "{:#034b}"
            "{:e}" "{:E}" "{:.0e}" "{:.2e}" "{:12.3E}" "{:012e}" "{:+e}" "{:*<14.1e}" "{:+#018x}"
            "{:.3x}");
        same!(($value, $width); "{:1$x}" "{:#01$b}" "{:.1$e}" "{:_>1$o}");
    };
}

macro_rules! same_text {
    ($value:expr, $width:expr, $precision:expr) => {
        same_display!($value, $width, $precision);
        same_debug!($value, $width, $precision);
    };
}

macro_rules! same_float {
    ($value:expr, $width:expr, $precision:expr) => {
        same_display!($value, $width, $precision);
        same_debug!($value, $width, $precision);
        same!(($value);
            "{:e}" "{:E}" "{:.0e}" "{:.2e}" "{:12.3E}" "{:012e}" "{:+e}" "{:*<14.1e}"
            "{:+017.4E}" "{:#e}");
        same!(($value, $width); "{:1$e}" "{:.1$E}" "{:_>1$e}");
    };
}

/// Declares a property test over a value, a width and a precision.
macro_rules! property {
    ($($name:ident($strategy:expr) => $table:ident;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(200))]
            $(#[test]
            fn $name(value in $strategy, width in 0..40usize, precision in 0..25usize) {
                $table!(&value, width, precision);
            })*
        }
    };
}

fn any_f64() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<i32>().prop_map(|v| f64::from(v) / 100.0),
        any::<i64>().prop_map(|v| v as f64),
        (any::<i16>(), 0..12).prop_map(|(v, shift)| f64::from(v) / f64::from(1 << shift)),
        (1..100_000u32, -25..25).prop_map(|(v, e)| f64::from(v) * 10f64.powi(e)),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            5e-324,
            f64::MAX
        ]),
    ]
}

fn any_f32() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        any_f64().prop_map(|v| v as f32),
        any::<i16>().prop_map(|v| f32::from(v) / 64.0),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z ]{0,20}", "[\u{0}-\u{a0}é…\u{301}\u{200b}\"'\\\\]{0,12}"]
}

fn any_v4() -> impl Strategy<Value = Ipv4Addr> {
    any::<[u8; 4]>().prop_map(Ipv4Addr::from)
}

fn any_v6() -> impl Strategy<Value = Ipv6Addr> {
    let sparse = prop::collection::vec(prop_oneof![Just(0), any::<u16>()], 8);
    prop_oneof![
        any::<[u8; 16]>().prop_map(Ipv6Addr::from),
        sparse.prop_map(|s| <[u16; 8]>::try_from(s).expect("eight").into()),
        any_v4().prop_map(|v4| v4.to_ipv6_mapped()),
    ]
}

fn any_socket_v6() -> impl Strategy<Value = SocketAddrV6> {
    (any_v6(), any::<u16>(), any::<u32>(), prop_oneof![Just(0), any::<u32>()])
        .prop_map(|(ip, port, flow, scope)| SocketAddrV6::new(ip, port, flow, scope))
}

fn any_socket_v4() -> impl Strategy<Value = SocketAddrV4> {
    (any_v4(), any::<u16>()).prop_map(|(ip, port)| SocketAddrV4::new(ip, port))
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        any::<u64>().prop_map(Duration::from_nanos),
        (0..10_000_000u64).prop_map(Duration::from_nanos),
        (any::<u64>(), 0..1_000_000_000u32).prop_map(|(s, n)| Duration::new(s, n)),
        (0..100_000u64).prop_map(Duration::from_millis),
    ]
}

/// Integers of every magnitude, not only huge ones.
macro_rules! integers {
    ($ty:ty) => {
        (any::<$ty>(), 0..<$ty>::BITS).prop_map(|(value, shift)| value >> shift)
    };
}

fn lists<T: Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(of, 0..4)
}

property! {
    bool_as_format_does(any::<bool>()) => same_text;
    char_as_format_does(any::<char>()) => same_text;
    u8_as_format_does(integers!(u8)) => same_integer;
    u16_as_format_does(integers!(u16)) => same_integer;
    u32_as_format_does(integers!(u32)) => same_integer;
    u64_as_format_does(integers!(u64)) => same_integer;
    u128_as_format_does(integers!(u128)) => same_integer;
    usize_as_format_does(integers!(usize)) => same_integer;
    i8_as_format_does(integers!(i8)) => same_integer;
    i16_as_format_does(integers!(i16)) => same_integer;
    i32_as_format_does(integers!(i32)) => same_integer;
    i64_as_format_does(integers!(i64)) => same_integer;
    i128_as_format_does(integers!(i128)) => same_integer;
    isize_as_format_does(integers!(isize)) => same_integer;
    f32_as_format_does(any_f32()) => same_float;
    f64_as_format_does(any_f64()) => same_float;
    str_as_format_does(any_text()) => same_text;
    text_as_format_does(any_text().prop_map(Formatted)) => same_text;
    v4_as_format_does(any_v4()) => same_text;
    v6_as_format_does(any_v6()) => same_text;
    ip_as_format_does(prop_oneof![
        any_v4().prop_map(IpAddr::V4), any_v6().prop_map(IpAddr::V6)
    ]) => same_text;
    socket_v4_as_format_does(any_socket_v4()) => same_text;
    socket_v6_as_format_does(any_socket_v6()) => same_text;
    socket_as_format_does(prop_oneof![
        any_socket_v4().prop_map(SocketAddr::V4), any_socket_v6().prop_map(SocketAddr::V6)
    ]) => same_text;
    duration_as_format_does(any_duration()) => same_debug;
    options_as_format_does(any::<Option<Option<u8>>>()) => same_debug;
    lists_as_format_does(lists(lists(integers!(i16)))) => same_debug;
    floats_in_lists_as_format_does(lists(any_f64())) => same_debug;
    short_floats_in_lists_as_format_does(lists(any_f32())) => same_debug;
    strings_in_options_as_format_does(prop::option::of(any_text())) => same_debug;
    chars_and_bools_as_format_does(lists(any::<(char, bool)>())) => same_debug;
    text_of_lines_within_as_format_does(
        lists(prop::option::of("[a\n]{0,6}".prop_map(Formatted)))
    ) => same_debug;
    tuples_as_format_does((integers!(u64), (any_text(),), lists(any_v4()))) => same_debug;
    units_as_format_does((Just(()), lists(Just(())), prop::option::of(Just(((),))))) => same_debug;
    durations_within_as_format_does(lists((any_duration(), any_socket_v6()))) => same_debug;
    unit_as_format_does(Just(())) => same_debug;
}

#[cfg(target_pointer_width = "64")]
#[test]
fn pointers_as_format_does() {
    for address in [0, 1, 0x7fff_1234_5678, usize::MAX] {
        let pointer = std::ptr::without_provenance::<()>(address);
        same!((pointer);
            "{:p}" "{:#p}" "{:?}" "{:#?}" "{:20p}" "{:<20p}" "{:020p}" "{:#20p}" "{:#9p}"
            "{:*^25p}" "{:+p}" "{:x?}" "{:30?}"
            "{:.3p}" "{:#30?}");
        same!((pointer, 0usize); "{:#1$p}" "{:1$p}" "{:01$p}");
        same!((&Some(pointer)); "{:?}" "{:#?}" "{:20?}" "{:020?}");
    }
}

/// The text of one argument that is given by its bytes in a file.
fn render_bytes(format: &str, ty: &[u8], bytes: &[u8]) -> String {
    render(format, &[""], &[Encoded { ty: ty.into(), bytes: bytes.into() }])
}

/// A cut is marked at the end of the value.
#[test]
fn cuts_are_marked_at_the_end() {
    let mut bytes = Vec::new();
    put_str(&mut bytes, "abc", true);
    let cut = |format| render_bytes(format, &[0x30], &bytes);
    assert_eq!(cut("{}"), "abc…");
    assert_eq!(cut("{:?}"), "\"abc\"…");
    assert_eq!(cut("{:>6}|"), "  abc…|");
    // A precision that the string fills leaves no room for the mark, and no need: this much would
    // have been printed anyway.
    assert_eq!(cut("{:.3}"), "abc");
    assert_eq!(cut("{:.4}"), "abc…");
    let list = |format| render_bytes(format, &[0x81, 0x10], &[0b1011, 1, 2]);
    assert_eq!(list("{:?}"), "[1, 2, …]");
    assert_eq!(list("{:#?}"), "[\n    1,\n    2,\n    …\n]");
    assert_eq!(render_bytes("{:?}", &[0x81, 0x10], &[0b11]), "[…]");
}

/// A string that is not UTF-8 is printed with replacement characters.
#[test]
fn invalid_utf8_is_replaced() {
    assert_eq!(render_bytes("{}", &[0x30], b"\x11a\xFFbc"), "a\u{FFFD}bc");
    assert_eq!(render_bytes("{:?}", &[0x30], b"\x11a\xFFbc"), "\"a\u{FFFD}bc\"");
}

/// Pieces of a character in two strings are not joined.
#[test]
fn split_characters_are_not_joined() {
    let half = |byte| Encoded { ty: [0x30].into(), bytes: [0b101, byte].into() };
    assert_eq!(render("{}{}", &["", ""], &[half(0xC3), half(0xA9)]), "\u{FFFD}\u{FFFD}");
}

#[test]
fn a_trait_that_the_type_lacks_gives_way() {
    assert_eq!(render_bytes("{:x}", &[0x30], b"\x09ab"), "ab");
    assert_eq!(render_bytes("{}", &[0x81, 0x10], &[5, 1]), "[1]");
    assert_eq!(render_bytes("{:x}", &[0x81, 0x10], &[5, 255]), "[ff]");
    assert_eq!(render_bytes("{:b}", &[0x01], &[1]), "true");
    assert_eq!(render_bytes("{:p} {0:o}", &[0x20], &1.5f32.to_le_bytes()), "1.5 1.5");
}

/// Widths from arguments have the limit of the language.
#[test]
fn widths_from_arguments_are_limited() {
    let argument = |value: u64| [encoded(&1u8), encoded(&value)];
    assert_eq!(render("{:1$}", &["", ""], &argument(u64::MAX)).len(), 65_535);
    assert_eq!(render("{:1$}", &["", ""], &argument(65_536)).len(), 65_535);
    assert_eq!(render("{:1$}", &["", ""], &[encoded(&1u8), encoded(&"x")]), "1");
}

/// A message ends at 16 MiB, for any content.
#[test]
fn messages_end_at_16_mib() {
    let many = vec![0u8; 4096];
    let text = render("{:65535?}", &[""], &[encoded(&many)]);
    assert!(text.len() < (1 << 24) + 70_000 && text.ends_with(", …]"), "{}", text.len());
    let format = "{0:65535}".repeat(1000);
    let text = render(&format, &[""], &[encoded(&1u8)]);
    assert!(text.len() < (1 << 24) + 70_000 && text.ends_with('…'), "{}", text.len());
}
