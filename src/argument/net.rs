//! `Duration` and the addresses of `std::net`.
//!
//! A `Duration` is u64 seconds and u32 nanoseconds. An IP address is its 4 or 16 bytes in network
//! order; `IpAddr` and `SocketAddr` begin with a byte 4 or 6. A socket address is the IP address,
//! u16 port and, for version 6, u32 flow information and u32 scope.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use crate::argument::Argument;
use crate::argument::Encode;
use crate::argument::Sealed;
use crate::argument::encode::put;
use crate::format::types::Type;

/// Implements `Argument` and `Encode` for types that are a sequence of `Copy` parts.
macro_rules! parts {
    ($($ty:ident: [$($part:ty),*] |$value:ident| [$($get:expr),*];)*) => {$(
        argument!($ty);

        // SAFETY: the parts are written one after the other, and counted likewise.
        unsafe impl Encode for $ty {
            const TYPE: Type = Type::$ty;
            const BASE_BYTES: usize = 0 $(+ size_of::<$part>())*;
            const FIXED: bool = true;

            #[inline(always)]
            fn bytes(self) -> usize {
                Self::BASE_BYTES
            }

            #[inline]
            unsafe fn write(self, to: *mut u8) -> *mut u8 {
                let $value = self;
                $(
                    // SAFETY: the caller's promise; each part takes its size.
                    let to = unsafe { put::<$part>(to, $get) };
                )*
                to
            }
        }
    )*};
}

macro_rules! argument {
    ($ty:ident) => {
        impl Sealed for $ty {}
        impl Argument for $ty {
            type Captured<'a> = $ty;

            #[inline(always)]
            fn capture(&self) -> $ty {
                *self
            }
        }
    };
}

parts! {
    Duration: [u64, u32] |value| [value.as_secs(), value.subsec_nanos()];
    Ipv4Addr: [[u8; 4]] |value| [value.octets()];
    Ipv6Addr: [[u8; 16]] |value| [value.octets()];
    SocketAddrV4: [[u8; 4], u16] |value| [value.ip().octets(), value.port()];
    SocketAddrV6: [[u8; 16], u16, u32, u32] |value|
        [value.ip().octets(), value.port(), value.flowinfo(), value.scope_id()];
}

/// Implements `Argument` and `Encode` for the types that are either of version 4 or of version 6.
macro_rules! either_version {
    ($($ty:ident: $v6:ident),*) => {$(
        argument!($ty);

        // SAFETY: one byte, and then the encoding of the address.
        unsafe impl Encode for $ty {
            const TYPE: Type = Type::$ty;
            const BASE_BYTES: usize = 1 + $v6::BASE_BYTES;
            const FIXED: bool = false;

            #[inline(always)]
            fn is_short(self) -> bool {
                true
            }

            #[inline]
            fn bytes(self) -> usize {
                match self {
                    Self::V4(address) => 1 + address.bytes(),
                    Self::V6(address) => 1 + address.bytes(),
                }
            }

            #[inline]
            unsafe fn write(self, to: *mut u8) -> *mut u8 {
                // SAFETY: the caller's promise: at least one byte.
                let to = unsafe { put(to, if self.is_ipv4() { 4_u8 } else { 6 }) };
                match self {
                    // SAFETY: the caller's promise: the address follows the first byte.
                    Self::V4(address) => unsafe { address.write(to) },
                    // SAFETY: as above.
                    Self::V6(address) => unsafe { address.write(to) },
                }
            }
        }
    )*};
}

either_version!(IpAddr: Ipv6Addr, SocketAddr: SocketAddrV6);
