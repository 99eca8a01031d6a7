//! Child processes of a test that have a file system of their own.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// What is mounted for a child.
#[derive(Clone, Copy, Debug)]
pub struct Mount {
    pub kind: &'static str,
    pub options: &'static str,
    pub read_only: bool,
}

/// A disk of so many MiB.
pub const fn small_disk(options: &'static str) -> Mount {
    Mount { kind: "tmpfs", options, read_only: false }
}

/// Has `command` run with this mounted at `place`, in namespaces of its own: nobody else sees it,
/// and it is gone when the process has ended. Starting the command fails where the system does not
/// allow that.
pub fn mount_for(command: &mut Command, mount: Mount, place: &Path) {
    let text = |text: &str| CString::new(text).unwrap();
    let (kind, options) = (text(mount.kind), text(mount.options));
    let place = text(place.to_str().unwrap());
    // SAFETY: no pointers; it cannot fail.
    let user = unsafe { libc::geteuid() };
    // SAFETY: as above.
    let group = unsafe { libc::getegid() };
    let maps = [
        (c"/proc/self/setgroups", text("deny")),
        (c"/proc/self/uid_map", text(&format!("0 {user} 1"))),
        (c"/proc/self/gid_map", text(&format!("0 {group} 1"))),
    ];
    let before = move || {
        // SAFETY: no pointers.
        check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
        for (file, content) in &maps {
            write(file, content)?;
        }
        let none = std::ptr::null();
        let private = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: the strings are terminated, the other pointers may be null.
        check(unsafe { libc::mount(none, c"/".as_ptr(), none, private, none.cast()) })?;
        let flags = if mount.read_only { libc::MS_RDONLY } else { 0 };
        let (kind, options) = (kind.as_ptr(), options.as_ptr().cast());
        // SAFETY: as above.
        check(unsafe { libc::mount(kind, place.as_ptr(), kind, flags, options) })
    };
    // SAFETY: between fork and exec only system calls are made; everything was allocated before.
    unsafe { command.pre_exec(before) };
}

fn write(file: &std::ffi::CStr, content: &CString) -> io::Result<()> {
    // SAFETY: the path is terminated.
    let descriptor = unsafe { libc::open(file.as_ptr(), libc::O_WRONLY) };
    check(descriptor)?;
    let bytes = content.as_bytes();
    // SAFETY: the bytes are there; the kernel only reads them.
    let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
    // SAFETY: opened above.
    unsafe { libc::close(descriptor) };
    check(written as i32)
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
