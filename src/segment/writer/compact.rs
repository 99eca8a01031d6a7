//! Compacts arguments: from the form that they have in a ring to the form that they have in a file.
//!
//! For each call site, a plan is made once: a short list of steps over the bytes of the record. The
//! forms are specified in `argument::encode` (ring) and in `docs/format.md` (file).

use crate::argument::CUT;
use crate::format::types::{Members, Type};
use crate::format::varint;
use crate::segment::writer::staging::Room;

/// One step of a plan.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Bytes that are equal in both forms.
    Copy(usize),
    U16,
    U32,
    U64,
    I16,
    I32,
    I64,
    /// A string that follows its length.
    Str,
    /// A string that takes the rest of the record.
    LastStr,
    Duration,
    /// A value that is made of other types.
    Nested(&'static Type),
}

/// How to compact the arguments of a call site.
#[derive(Debug)]
pub(crate) struct Plan {
    steps: Box<[Step]>,
}

impl Plan {
    pub(crate) fn new(types: impl Iterator<Item = &'static Type>) -> Self {
        let (mut steps, mut last) = (Vec::new(), None);
        for ty in types {
            push_steps(ty, &mut steps);
            last = Some(ty);
        }
        if let (Some(step), Some(Type::Str)) = (steps.last_mut(), last) {
            *step = Step::LastStr;
        }
        Self { steps: steps.into_boxed_slice() }
    }

    /// Appends the arguments of a record to `out`, which must have room for `max_bytes` of its
    /// length. `last_cut`: the last argument is a string that was cut. Returns whether anything was
    /// cut.
    #[inline(always)]
    pub(crate) fn compact<'a>(
        &self,
        arguments: &[u8],
        last_cut: bool,
        mut out: Room<'a>,
    ) -> (bool, Room<'a>) {
        let mut input = Input { bytes: arguments, last_cut, cut: last_cut };
        for step in &self.steps {
            // The most frequent steps, without a call.
            match *step {
                Step::U64 => out.put_varint(u64::from_ne_bytes(input.take_array())),
                Step::U32 => out.put_varint(u32::from_ne_bytes(input.take_array()).into()),
                Step::I64 => put_signed(&mut out, i64::from_ne_bytes(input.take_array())),
                Step::Copy(8) => out.put(&input.take_array::<8>()),
                Step::LastStr => input.take_last_str(&mut out),
                step => (input, out) = input.after_step(step, out),
            }
        }
        (input.cut, out)
    }
}

/// The most bytes in the file for arguments that have `bytes` bytes in the ring. A varint may have
/// one byte more than its number, which has at least two. The length of a last string is added.
pub(crate) fn max_bytes(bytes: usize) -> usize {
    bytes + bytes / 2 + 2 * varint::MAX_BYTES
}

/// Appends the steps of a type: those of a struct are the steps of its fields.
fn push_steps(ty: &'static Type, steps: &mut Vec<Step>) {
    if let Type::Struct(inner) = ty {
        return inner.types.each(&mut |field| push_steps(field, steps));
    }
    match (steps.last_mut(), step(ty)) {
        (Some(Step::Copy(before)), Step::Copy(bytes)) => *before += bytes,
        (_, step) => steps.push(step),
    }
}

fn step(ty: &'static Type) -> Step {
    match ty {
        Type::Bool | Type::Ordering | Type::U8 | Type::I8 => Step::Copy(1),
        Type::F32 | Type::Ipv4Addr => Step::Copy(4),
        Type::SocketAddrV4 => Step::Copy(6),
        Type::F64 => Step::Copy(8),
        Type::U128 | Type::I128 | Type::Ipv6Addr => Step::Copy(16),
        Type::SocketAddrV6 => Step::Copy(26),
        Type::U16 => Step::U16,
        Type::U32 | Type::Char => Step::U32,
        Type::U64 | Type::Usize | Type::Pointer | Type::Span(_) => Step::U64,
        Type::I16 => Step::I16,
        Type::I32 => Step::I32,
        Type::I64 | Type::Isize => Step::I64,
        Type::Str => Step::Str,
        Type::Duration => Step::Duration,
        _ => Step::Nested(ty),
    }
}

/// The rest of a record.
#[derive(Clone, Copy)]
struct Input<'a> {
    bytes: &'a [u8],
    last_cut: bool,
    /// Whether anything was cut.
    cut: bool,
}

impl<'a> Input<'a> {
    #[inline(always)]
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        taken
    }

    #[inline(always)]
    fn take_array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) =
            self.bytes.split_first_chunk().expect("a record is as long as its types say");
        self.bytes = rest;
        *taken
    }

    /// Takes a length, and whether the value was cut.
    #[inline]
    fn take_len(&mut self) -> (usize, bool) {
        let word = u16::from_ne_bytes(self.take_array());
        let cut = word & CUT != 0;
        self.cut |= cut;
        (usize::from(word & !CUT), cut)
    }

    /// Takes a step, and returns both. Passed by value, they can stay in registers until then.
    #[inline(never)]
    fn after_step<'b>(mut self, step: Step, mut out: Room<'b>) -> (Self, Room<'b>) {
        self.take_step(step, &mut out);
        (self, out)
    }

    #[inline(always)]
    fn take_last_str(&mut self, out: &mut Room<'_>) {
        let text = self.take(self.bytes.len());
        put_len(out, text.len(), self.last_cut);
        out.put_text(text);
    }

    fn take_step(&mut self, step: Step, out: &mut Room<'_>) {
        match step {
            Step::Copy(len) => out.put(self.take(len)),
            Step::U16 => out.put_varint(u16::from_ne_bytes(self.take_array()).into()),
            Step::U32 => out.put_varint(u32::from_ne_bytes(self.take_array()).into()),
            Step::U64 => out.put_varint(u64::from_ne_bytes(self.take_array())),
            Step::I16 => put_signed(out, i16::from_ne_bytes(self.take_array()).into()),
            Step::I32 => put_signed(out, i32::from_ne_bytes(self.take_array()).into()),
            Step::I64 => put_signed(out, i64::from_ne_bytes(self.take_array())),
            Step::Str => {
                let (len, cut) = self.take_len();
                put_len(out, len, cut);
                out.put_text(self.take(len));
            }
            Step::LastStr => self.take_last_str(out),
            Step::Duration => {
                out.put_varint(u64::from_ne_bytes(self.take_array()));
                out.put_varint(u32::from_ne_bytes(self.take_array()).into());
            }
            Step::Nested(ty) => self.take_nested(ty, out),
        }
    }

    fn take_nested(&mut self, ty: &'static Type, out: &mut Room<'_>) {
        match ty {
            Type::Text => self.take_step(Step::Str, out),
            Type::Formatted(texts) => (0..*texts).for_each(|_| self.take_step(Step::Str, out)),
            Type::OsStr => {
                let (len, cut) = self.take_len();
                put_len(out, len, cut);
                out.put(self.take(len));
            }
            Type::Result(both) => {
                let [variant] = self.take_array();
                out.put(&[variant]);
                self.take_step(step(&both[usize::from(variant & 1)]), out);
            }
            Type::Range(bound) => (0..2).for_each(|_| self.take_step(step(bound), out)),
            Type::RangeInclusive(bound) => {
                (0..2).for_each(|_| self.take_step(step(bound), out));
                out.put(self.take(1));
            }
            Type::Map(both) => {
                let (len, cut) = self.take_len();
                put_len(out, len, cut);
                for _ in 0..len {
                    both.iter().for_each(|inner| self.take_step(step(inner), out));
                }
            }
            Type::Option(inner) => {
                let [some] = self.take_array();
                out.put(&[some]);
                if some != 0 {
                    self.take_step(step(inner), out);
                }
            }
            Type::Sequence(inner) | Type::Set(inner) => {
                let (len, cut) = self.take_len();
                put_len(out, len, cut);
                match step(inner) {
                    Step::Copy(bytes) => out.put(self.take(len * bytes)),
                    step => (0..len).for_each(|_| self.take_step(step, out)),
                }
            }
            Type::Tuple(members) => {
                members.iter().for_each(|member| self.take_step(step(member), out));
            }
            Type::Struct(inner) => self.take_members(&inner.types, out),
            Type::Enum(inner) => {
                let index = u16::from_ne_bytes(self.take_array());
                out.put_varint(index.into());
                let variant = inner.variants.get(index.into()).expect("a variant of the enum");
                self.take_members(&variant.types, out);
            }
            Type::Any => {
                let [code] = self.take_array();
                out.put(&[code]);
                let ty = Type::in_any(code).expect("a type that a value may state");
                self.take_step(step(ty), out);
            }
            Type::Redacted => {}
            Type::IpAddr | Type::SocketAddr => {
                let [version] = self.take_array();
                out.put(&[version]);
                let port_bytes = if matches!(ty, Type::IpAddr) { [0, 0] } else { [2, 10] };
                let bytes = if version == 4 { 4 + port_bytes[0] } else { 16 + port_bytes[1] };
                out.put(self.take(bytes));
            }
            other => self.take_step(step(other), out),
        }
    }

    fn take_members(&mut self, members: &'static Members, out: &mut Room<'_>) {
        members.each(&mut |member| self.take_step(step(member), out));
    }
}

#[inline(always)]
fn put_signed(out: &mut Room<'_>, value: i64) {
    out.put_varint(varint::zigzag(value));
}

#[inline(always)]
fn put_len(out: &mut Room<'_>, len: usize, cut: bool) {
    out.put_varint((len as u64) << 1 | u64::from(cut));
}
