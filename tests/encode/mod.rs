//! An encoder of arguments, written from docs/format.md and nothing else, for the tests of the
//! reader.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

/// A value that can be an argument.
pub trait Encode {
    /// Appends the type in the dictionary's notation.
    fn put_type(out: &mut Vec<u8>);
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);
}

/// A value with its type, encoded.
pub struct Encoded {
    pub ty: Vec<u8>,
    pub bytes: Vec<u8>,
}

pub fn encoded<T: Encode + ?Sized>(value: &T) -> Encoded {
    let mut encoded = Encoded { ty: Vec::new(), bytes: Vec::new() };
    T::put_type(&mut encoded.ty);
    value.put(&mut encoded.bytes);
    encoded
}

pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    for len in 1..=8 {
        if value < 1 << (7 * len) {
            let word = u128::from(value) << len | 1 << (len - 1);
            out.extend_from_slice(&word.to_le_bytes()[..len]);
            return;
        }
    }
    out.push(0);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, if value < 0 { !((value as u64) << 1) } else { (value as u64) << 1 });
}

macro_rules! encode {
    ($($ty:ty = $code:literal, |$value:ident, $out:ident| $put:expr;)*) => {
        $(impl Encode for $ty {
            fn put_type(out: &mut Vec<u8>) {
                out.push($code);
            }
            fn put(&self, $out: &mut Vec<u8>) {
                let $value = self;
                $put
            }
        })*
    };
}

encode! {
    bool = 0x01, |v, out| out.push(u8::from(*v));
    char = 0x02, |v, out| put_varint(out, u64::from(*v));
    u8 = 0x10, |v, out| out.push(*v);
    u16 = 0x11, |v, out| put_varint(out, u64::from(*v));
    u32 = 0x12, |v, out| put_varint(out, u64::from(*v));
    u64 = 0x13, |v, out| put_varint(out, *v);
    u128 = 0x14, |v, out| out.extend(v.to_le_bytes());
    usize = 0x15, |v, out| put_varint(out, *v as u64);
    i8 = 0x18, |v, out| out.push(*v as u8);
    i16 = 0x19, |v, out| put_zigzag(out, i64::from(*v));
    i32 = 0x1A, |v, out| put_zigzag(out, i64::from(*v));
    i64 = 0x1B, |v, out| put_zigzag(out, *v);
    i128 = 0x1C, |v, out| out.extend(v.to_le_bytes());
    isize = 0x1D, |v, out| put_zigzag(out, *v as i64);
    f32 = 0x20, |v, out| out.extend(v.to_le_bytes());
    f64 = 0x21, |v, out| out.extend(v.to_le_bytes());
    str = 0x30, |v, out| put_str(out, v, false);
    String = 0x30, |v, out| put_str(out, v, false);
    *const () = 0x38, |v, out| put_varint(out, v.addr() as u64);
    Duration = 0x40, |v, out| {
        put_varint(out, v.as_secs());
        put_varint(out, u64::from(v.subsec_nanos()));
    };
    Ipv4Addr = 0x48, |v, out| out.extend(v.octets());
    Ipv6Addr = 0x49, |v, out| out.extend(v.octets());
    IpAddr = 0x4A, |v, out| match v {
        IpAddr::V4(v) => { out.push(4); v.put(out); }
        IpAddr::V6(v) => { out.push(6); v.put(out); }
    };
    SocketAddrV4 = 0x4B, |v, out| {
        v.ip().put(out);
        out.extend(v.port().to_le_bytes());
    };
    SocketAddrV6 = 0x4C, |v, out| {
        v.ip().put(out);
        out.extend(v.port().to_le_bytes());
        out.extend(v.flowinfo().to_le_bytes());
        out.extend(v.scope_id().to_le_bytes());
    };
    SocketAddr = 0x4D, |v, out| match v {
        SocketAddr::V4(v) => { out.push(4); v.put(out); }
        SocketAddr::V6(v) => { out.push(6); v.put(out); }
    };
}

pub fn put_str(out: &mut Vec<u8>, text: &str, cut: bool) {
    put_varint(out, (text.len() as u64) << 1 | u64::from(cut));
    out.extend(text.as_bytes());
}

impl<T: Encode + ?Sized> Encode for &T {
    fn put_type(out: &mut Vec<u8>) {
        T::put_type(out);
    }
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
}

impl<T: Encode> Encode for Option<T> {
    fn put_type(out: &mut Vec<u8>) {
        out.push(0x80);
        T::put_type(out);
    }
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        self.iter().for_each(|value| value.put(out));
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn put_type(out: &mut Vec<u8>) {
        out.push(0x81);
        T::put_type(out);
    }
    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, (self.len() as u64) << 1);
        self.iter().for_each(|value| value.put(out));
    }
}

impl Encode for () {
    fn put_type(out: &mut Vec<u8>) {
        out.extend([0x82, 0]);
    }
    fn put(&self, _: &mut Vec<u8>) {}
}

macro_rules! encode_tuple {
    ($count:literal: $($ty:ident $index:tt),+) => {
        impl<$($ty: Encode),+> Encode for ($($ty,)+) {
            fn put_type(out: &mut Vec<u8>) {
                out.extend([0x82, $count]);
                $($ty::put_type(out);)+
            }
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$index.put(out);)+
            }
        }
    };
}
encode_tuple!(1: A 0);
encode_tuple!(2: A 0, B 1);
encode_tuple!(3: A 0, B 1, C 2);
