//! What a statement does at the gate, in the fewest instructions of x86-64.
//!
//! No compiler makes this of two comparisons. Nor does it call a function without a stack frame around
//! all of the statement. So the tests are written by hand, and
//! [`Gate`](crate::filter::gate::Gate) has the reference.
//!
//! 1. One comparison tells three cases apart. A level that is not in force is above that in the gate,
//!    as unsigned bytes. If the gate decides by target, the difference is negative as a signed byte.
//! 2. By target, the statement's answer is compared with the number in the gate.
//! 3. A statement without an answer calls a function that keeps all registers. So the statement needs no stack frame.

use std::arch::{asm, naked_asm};
use std::mem::offset_of;

use crate::filter::gate::{FilterSite, Line};
use crate::process::statics::GATE;
use crate::sync::atomic::Ordering;

/// Returns whether a statement of this level is logged.
#[inline(always)]
pub(super) fn passes_gate<const LEVEL: u8>(site: &'static FilterSite) -> bool {
    let mut gate = &raw const GATE.line;
    #[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read through it here")]
    // SAFETY: does nothing. The compiler does not know that, and so keeps the address in its register.
    unsafe {
        asm!("/* {0} */", inout(reg) gate, options(pure, nomem, nostack, preserves_flags))
    };
    // SAFETY: reads the first byte of a static, as a relaxed load does.
    unsafe {
        asm!(
            "cmp byte ptr [{gate}], {level}",
            "jb {closed}",
            "js {by_target}",
            gate = in(reg) gate,
            level = const LEVEL,
            closed = label { return false },
            by_target = label { return passes_by_target(site, gate) },
            options(nostack, readonly),
        );
    }
    true
}

const _: () = assert!(offset_of!(Line, level) == 0);

#[inline(always)]
fn passes_by_target(site: &'static FilterSite, gate: *const Line) -> bool {
    // Relaxed: the word says all that is read on its account.
    let answer = site.answer.load(Ordering::Relaxed);
    // SAFETY: reads a word of a static, as a relaxed load does.
    unsafe {
        asm!(
            "cmp {answer}, qword ptr [{gate} + {number}]",
            "je {logged}",
            answer = in(reg) answer,
            gate = in(reg) gate,
            number = const offset_of!(Line, number),
            logged = label { return true },
            options(nostack, readonly),
        );
    }
    // SAFETY: the address of a static.
    let number = unsafe { &(*gate).number };
    // Relaxed: as above.
    if answer == number.load(Ordering::Relaxed) + 1 {
        return false;
    }
    // SAFETY: the function keeps all registers but the flags, and returns. It uses the stack past the red zone, which
    // is 128 bytes; so nothing of the caller's is written over, as if a signal handler had run here.
    unsafe {
        asm!(
            "lea rsp, [rsp - 128]",
            "call {decide}",
            "lea rsp, [rsp + 128]",
            "jz {closed}",
            decide = sym decide_keeping_registers,
            in("rax") site,
            closed = label { return false },
            options(nostack),
        );
    }
    true
}

/// Stores the vector registers in the room at `rsp`, or loads them: `vectors!("store")`, `vectors!("load")`.
#[cfg(not(target_feature = "avx"))]
macro_rules! vectors {
    ("store") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n movups [rsp + 16 * \\i], xmm\\i\n .endr"
    };
    ("load") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n movups xmm\\i, [rsp + 16 * \\i]\n .endr"
    };
}

#[cfg(all(target_feature = "avx", not(target_feature = "avx512f")))]
macro_rules! vectors {
    ("store") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n vmovups [rsp + 32 * \\i], ymm\\i\n .endr"
    };
    ("load") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n vmovups ymm\\i, [rsp + 32 * \\i]\n .endr"
    };
}

#[cfg(target_feature = "avx512f")]
macro_rules! vectors {
    ("store") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n vmovups [rsp + 64 * \\i], zmm\\i\n .endr"
    };
    ("load") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n vmovups zmm\\i, [rsp + 64 * \\i]\n .endr"
    };
}

/// Stores or loads the mask registers, after the vector registers.
#[cfg(not(target_feature = "avx512f"))]
macro_rules! masks {
    ($what:literal) => {
        ""
    };
}

#[cfg(all(target_feature = "avx512f", not(target_feature = "avx512bw")))]
macro_rules! masks {
    ("store") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7\n kmovw [rsp + 2048 + 8 * \\i], k\\i\n .endr"
    };
    ("load") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7\n kmovw k\\i, [rsp + 2048 + 8 * \\i]\n .endr"
    };
}

#[cfg(target_feature = "avx512bw")]
macro_rules! masks {
    ("store") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7\n kmovq [rsp + 2048 + 8 * \\i], k\\i\n .endr"
    };
    ("load") => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7\n kmovq k\\i, [rsp + 2048 + 8 * \\i]\n .endr"
    };
}

/// How many bytes these registers take.
const ROOM_BYTES: usize = if cfg!(target_feature = "avx512f") {
    32 * 64 + 8 * 8
} else if cfg!(target_feature = "avx") {
    16 * 32
} else {
    16 * 16
};

/// Decides about the site in `rax`. Keeps all registers; the zero flag says "not logged".
///
/// A caller may have values in vector registers of any width. [`decide`] calls nothing outside of this crate, which
/// uses what it was compiled for: without AVX, the instructions leave the upper halves alone.
#[unsafe(naked)]
extern "C" fn decide_keeping_registers() {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "sub rsp, {room}",
        "and rsp, -64",
        vectors!("store"),
        masks!("store"),
        "mov rdi, rax",
        "cld",
        "call {decide}",
        "test al, al",
        vectors!("load"),
        masks!("load"),
        // Not an addition, which would change the flags.
        "lea rsp, [rbp - 72]",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "pop rbp",
        "ret",
        room = const ROOM_BYTES,
        decide = sym decide,
    )
}

extern "C" fn decide(site: &'static FilterSite) -> bool {
    GATE.decide(site)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;

    /// What a caller has in registers is there after a decision.
    #[test]
    fn a_decision_keeps_all_registers() {
        static SITE: FilterSite = FilterSite::new(Level::Info, "gate");
        let mut general = [0x1111_u64, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666, 0x7777, 0x8888];
        let mut vectors = [1.5_f64, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5];
        let (general_before, vectors_before) = (general, vectors);
        let [a, b, c, d, e, f, g, h] = &mut general;
        let [i, j, k, l, m, n, o, p] = &mut vectors;
        // SAFETY: as in `passes_by_target`.
        unsafe {
            asm!(
                "lea rsp, [rsp - 128]",
                "call {decide}",
                "lea rsp, [rsp + 128]",
                decide = sym decide_keeping_registers,
                in("rax") &SITE,
                inout("rcx") *a, inout("rdx") *b, inout("rsi") *c, inout("rdi") *d,
                inout("r8") *e, inout("r9") *f, inout("r10") *g, inout("r11") *h,
                inout("xmm0") *i, inout("xmm1") *j, inout("xmm2") *k, inout("xmm3") *l,
                inout("xmm7") *m, inout("xmm8") *n, inout("xmm14") *o, inout("xmm15") *p,
                options(nostack),
            );
        }
        assert_eq!((general, vectors), (general_before, vectors_before));
    }
}
