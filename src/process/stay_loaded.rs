//! Keeps the object file that contains this code loaded, for good.
//!
//! Handlers of signals, `exit` and `fork` are called long after the call that installed them, and
//! kymo's threads run as long. If kymo is part of a dynamic library (a plugin) and the program
//! unloads it, each of them would jump to an unmapped address.
//!
//! Not taken: removing the handlers before. Nothing tells a library in time: when `dlclose` calls
//! its destructors, other threads may be in a handler. And a handler that another one has saved,
//! and calls, cannot be removed.

/// Keeps the object file loaded. To be called before the first handler is installed.
#[cfg(not(target_feature = "crt-static"))]
pub(crate) fn stay_loaded() {
    use std::ptr;
    use std::sync::Once;

    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let Some(this) = object(stay_loaded as *const ()) else { return };
        // SAFETY: a call without pointers.
        let headers = unsafe { libc::getauxval(libc::AT_PHDR) };
        let program = object(ptr::without_provenance(headers as usize));
        // The program itself stays. And its name here is what it was called by, whatever file that
        // is now.
        if program.is_some_and(|program| program.dli_fbase == this.dli_fbase) {
            return;
        }
        // It is loaded, so nothing is loaded here, and no code runs. Where this fails, which
        // nothing speaks for, the library must not be unloaded.
        let flags = libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // SAFETY: the name is a terminated string, and the object's that contains this code.
        unsafe { libc::dlopen(this.dli_fname, flags) };
    });
}

/// A static program unloads nothing.
#[cfg(target_feature = "crt-static")]
pub(crate) fn stay_loaded() {}

/// Returns the object file that an address belongs to.
#[cfg(not(target_feature = "crt-static"))]
fn object(address: *const ()) -> Option<libc::Dl_info> {
    let mut info = std::mem::MaybeUninit::uninit();
    // SAFETY: valid for a write; the address may be any.
    let found = unsafe { libc::dladdr(address.cast(), info.as_mut_ptr()) };
    // SAFETY: the call has filled it in.
    (found != 0).then(|| unsafe { info.assume_init() })
}
