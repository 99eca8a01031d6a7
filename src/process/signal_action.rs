//! What a process does about a signal: reading it, setting it, passing a signal on.
//!
//! Everything here may be called in a signal handler.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;

/// What is done about a signal.
pub(crate) type Action = libc::sigaction;

/// A handler that gets the details of the signal: the sender, or the address at fault.
pub(crate) type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Returns the current action for `signal`; `None` if there is no such signal.
pub(crate) fn current(signal: c_int) -> Option<Action> {
    let mut action = MaybeUninit::uninit();
    // SAFETY: a null pointer for the new action changes nothing; the other one is valid for a
    // write.
    let failed = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: the call has filled it in.
    (failed == 0).then(|| unsafe { action.assume_init() })
}

/// Sets the action for `signal`. Returns whether that succeeded.
pub(crate) fn set(signal: c_int, action: &Action) -> bool {
    // SAFETY: `action` is whole, and what it names is a handler of this signature or of the program
    // that it was read from. A null pointer: the old action is not asked for.
    unsafe { libc::sigaction(signal, action, ptr::null_mut()) == 0 }
}

/// Returns an action that calls `handler`, on the thread's alternate stack if it has one.
///
/// Blocked signals and the resumption of system calls are those of `like`.
pub(crate) fn calling(handler: Handler, like: &Action) -> Action {
    let resumed =
        if is_function(like) { like.sa_flags & libc::SA_RESTART } else { libc::SA_RESTART };
    Action {
        sa_sigaction: handler as usize,
        sa_flags: libc::SA_SIGINFO | libc::SA_ONSTACK | resumed,
        ..*like
    }
}

/// Returns whether an action is the default one.
pub(crate) fn is_default(action: &Action) -> bool {
    action.sa_sigaction == libc::SIG_DFL
}

/// Returns whether an action ignores the signal.
pub(crate) fn is_ignored(action: &Action) -> bool {
    action.sa_sigaction == libc::SIG_IGN
}

/// Returns whether an action calls a function.
pub(crate) fn is_function(action: &Action) -> bool {
    !is_default(action) && !is_ignored(action)
}

/// Returns whether an action calls this handler.
pub(crate) fn calls(action: &Action, handler: Handler) -> bool {
    action.sa_sigaction == handler as usize
}

/// Calls the function of an action as the kernel would.
///
/// # Safety
/// To be called in a handler of `signal`, with what that was given. The action was read from this
/// process, and calls a function.
pub(crate) unsafe fn call(
    action: &Action,
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    if action.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: with this flag, it is the address of such a function.
        let function: Handler = unsafe { std::mem::transmute(action.sa_sigaction) };
        function(signal, info, context);
    } else {
        // SAFETY: without the flag, it is the address of such a function.
        let function: extern "C" fn(c_int) = unsafe { std::mem::transmute(action.sa_sigaction) };
        function(signal);
    }
}

/// Sends a signal to the calling thread once more, with its details. The signal is blocked while
/// its handler runs, so it takes effect when the handler returns.
///
/// # Safety
/// `info` is the description that the handler of `signal` got.
pub(crate) unsafe fn send_again(signal: c_int, info: *mut libc::siginfo_t) {
    let process = std::process::id() as c_int;
    let thread = crate::process::thread_info::os_thread_id() as c_int;
    // SAFETY: the kernel reads `info`; a process may send any to itself.
    let failed = unsafe {
        libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, info.cast::<c_void>())
    };
    if failed != 0 {
        // SAFETY: a call without pointers.
        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
    }
}

/// Sends a signal with its details to a thread of this process; to any thread if that one has
/// ended.
///
/// # Safety
/// `info` describes such a signal, as the kernel described it to a handler.
pub(crate) unsafe fn send_to(thread: c_int, signal: c_int, info: *mut libc::siginfo_t) {
    let process = std::process::id() as c_int;
    let info = info.cast::<c_void>();
    // SAFETY: the kernel reads `info`; a process may send any to itself.
    let sent =
        unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, info) == 0 };
    if !sent {
        // SAFETY: a call without pointers.
        unsafe { libc::kill(process, signal) };
    }
}

/// Ends the process by a signal, as the signal's default effect does.
///
/// The process with number 1 of its namespace, such as the first of a container, has no such
/// effect. It exits with 128 and the signal's number, which is the status that a shell shows for a
/// process killed by the signal.
pub(crate) fn end_process(signal: c_int) -> ! {
    // SAFETY: an all-zero action is a value of this type: the default, and no flags.
    let default: Action = unsafe { std::mem::zeroed() };
    set(signal, &default);
    let mut set = MaybeUninit::uninit();
    // SAFETY: valid for a write.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: `sigemptyset` has filled it in.
    let mut set: libc::sigset_t = unsafe { set.assume_init() };
    // SAFETY: the set is initialised, and the signal exists.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    // SAFETY: the set is initialised; the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
    // SAFETY: a call without pointers.
    unsafe { libc::raise(signal) };
    // Still here: the process has the number 1.
    // SAFETY: a call without pointers.
    unsafe { libc::_exit(128 + signal) }
}

/// Signals that are blocked in the calling thread until this is dropped.
pub(crate) struct Blocked {
    /// Those that were blocked before.
    before: libc::sigset_t,
}

impl Blocked {
    /// Blocks all signals but those that a thread raises by a fault of its own, and the one that profilers use.
    pub(crate) fn all_but_faults() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: valid for a write.
        unsafe { libc::sigfillset(set.as_mut_ptr()) };
        // SAFETY: `sigfillset` has filled it in.
        let mut set: libc::sigset_t = unsafe { set.assume_init() };
        for signal in FAULTS.into_iter().chain([libc::SIGTRAP, libc::SIGSYS, libc::SIGPROF]) {
            // SAFETY: the set is initialised.
            unsafe { libc::sigdelset(&raw mut set, signal) };
        }
        // An empty set, if the call fails, which it does for wrong arguments only.
        // SAFETY: an all-zero value is one of this type.
        let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is initialised, and the other one is valid for a write.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before) };
        Self { before }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled in when this was made.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut())
        };
    }
}

/// The signals of faults.
pub(crate) const FAULTS: [c_int; 5] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];
