//! A process that is stopped at its system calls on files, one after the other.

use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{io, ptr};

/// The process says by closing this descriptor, which nobody has, that its operations count from now.
const MARK: i32 = -77_777;

/// To be called by the process itself.
pub fn begin() {
    // SAFETY: there is no such descriptor.
    unsafe { libc::close(MARK) };
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Exit(i32),
    Signal(i32),
}

/// A process whose system calls this one sees. Dropped, it is killed.
pub struct Traced {
    process: i32,
    counts: bool,
    /// How many operations were begun.
    operations: usize,
    /// The thread that is stopped before one.
    stopped: Option<i32>,
    ended: Option<Ended>,
}

impl Traced {
    /// Starts a program, which is stopped before its first instruction. Fails where the system, or what
    /// emulates it, does not let processes be traced.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let trace_me = || {
            // SAFETY: no pointers.
            check(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) })
        };
        // SAFETY: between fork and exec only a system call is made.
        unsafe { command.pre_exec(trace_me) };
        let process = command.spawn()?.id() as i32;
        let traced = Self { process, counts: false, operations: 0, stopped: None, ended: None };
        let (_, status) = wait(process);
        assert!(libc::WIFSTOPPED(status), "{status:x}");
        let options =
            libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
        // SAFETY: no pointers.
        check(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, process, 0, options) }).unwrap();
        resume(process, 0);
        Ok(traced)
    }

    /// Lets it run up to the operation of this number, from 0, and stops it before that; returns what
    /// it is, or `None` if the process ends before. Its other threads are stopped at what they ask the
    /// system for next.
    pub fn run_to(&mut self, operation: usize) -> Option<String> {
        if let Some(thread) = self.stopped.take() {
            resume(thread, 0);
        }
        while self.ended.is_none() {
            let (thread, status) = wait(-1);
            if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
                if thread == self.process {
                    self.ended = Some(match libc::WIFEXITED(status) {
                        true => Ended::Exit(libc::WEXITSTATUS(status)),
                        false => Ended::Signal(libc::WTERMSIG(status)),
                    });
                }
                continue;
            }
            let signal = libc::WSTOPSIG(status);
            if signal == libc::SIGTRAP | 0x80 {
                if let Some(name) = self.entered(thread) {
                    self.operations += 1;
                    if self.operations == operation + 1 {
                        self.stopped = Some(thread);
                        return Some(name);
                    }
                }
                resume(thread, 0);
            } else if status >> 16 != 0 || signal == libc::SIGSTOP {
                // It has made a thread, or is one that was made.
                resume(thread, 0);
            } else {
                resume(thread, signal);
            }
        }
        None
    }

    /// Lets it run to its end.
    pub fn finish(&mut self) -> Ended {
        self.run_to(usize::MAX - 1);
        self.ended.expect("it has ended")
    }

    /// Kills it at its current instruction.
    pub fn kill(&mut self) {
        if self.ended.is_none() {
            // SAFETY: no pointers; the process is this one's child, and nobody has waited for it.
            unsafe { libc::kill(self.process, libc::SIGKILL) };
            self.stopped = None;
            self.finish();
        }
    }

    /// The operation that the thread has just asked for, if it is one, and counts.
    fn entered(&mut self, thread: i32) -> Option<String> {
        let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
        let size = size_of_val(&info);
        // SAFETY: the structure has that size.
        let known =
            unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread, size, info.as_mut_ptr()) };
        if known <= 0 {
            // It was killed.
            return None;
        }
        // SAFETY: all zeros, or what the system wrote, are such a structure.
        let info = unsafe { info.assume_init() };
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return None;
        }
        // SAFETY: of this kind.
        let entry = unsafe { info.u.entry };
        let number = entry.nr as i64;
        if number == libc::SYS_close && entry.args[0] as i32 == MARK {
            self.counts = true;
        }
        name_of(number, &entry.args).filter(|_| self.counts)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The name of a system call that changes a file, a directory or a lock.
fn name_of(number: i64, args: &[u64; 6]) -> Option<String> {
    const CHANGES: i32 = libc::O_CREAT | libc::O_TRUNC;
    let name = match number {
        libc::SYS_renameat => "renameat",
        libc::SYS_renameat2 => "renameat2",
        libc::SYS_linkat => "linkat",
        libc::SYS_unlinkat => "unlinkat",
        libc::SYS_symlinkat => "symlinkat",
        libc::SYS_openat if args[2] as i32 & CHANGES != 0 => "openat",
        libc::SYS_ftruncate => "ftruncate",
        libc::SYS_fallocate => "fallocate",
        libc::SYS_flock => "flock",
        libc::SYS_pwrite64 => "pwrite64",
        libc::SYS_write if args[0] as i32 > libc::STDERR_FILENO => "write",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => "rename",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_link => "link",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink => "unlink",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_symlink => "symlink",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open if args[1] as i32 & CHANGES != 0 => "open",
        _ => return None,
    };
    Some(name.to_owned())
}

fn wait(process: i32) -> (i32, i32) {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to a number.
        let waited = unsafe { libc::waitpid(process, &raw mut status, libc::__WALL) };
        if waited >= 0 {
            return (waited, status);
        }
        let error = io::Error::last_os_error();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
    }
}

/// Lets a thread run up to its next system call. It may have been killed.
fn resume(thread: i32, signal: i32) {
    let none = ptr::null_mut::<libc::c_void>();
    // SAFETY: no pointers are used.
    unsafe { libc::ptrace(libc::PTRACE_SYSCALL, thread, none, signal) };
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
