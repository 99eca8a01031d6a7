//! Everything that threads share: `std` in the crate that ships, `loom` in its models.
//!
//! No other module names `std::sync`, `std::thread`, `std::cell::UnsafeCell` or
//! `std::hint::spin_loop`. So what loom checks (`--cfg kymo_loom`, see `loom-tests/`) is the code
//! that ships. The cfg has a name of its own because a bare `--cfg loom` would switch the
//! dependencies to their models, too; loom itself needs neither.
//!
//! What differs under loom binds all code that is modelled:
//!
//! - `new` is not `const`. Shared state lives in a struct that a function makes, never in a static.
//!   (A static that merely leads to such a struct stays outside the models.)
//! - An `UnsafeCell` is accessed in `with` and `with_mut`. Of memory that is not atomic, loom
//!   sees only cells: what a raw pointer into a buffer does escapes it.
//! - A loop that waits has to call [`hint::spin_loop`] or [`thread::yield_now`], or the model does
//!   not end.
//! - Time does not pass. [`thread::park_timeout`] yields and returns; a `Condvar`'s `wait_timeout`
//!   never times out. A thread that must be woken, and must not wake by itself, is modelled with
//!   `park`.
//!
//! Every ordering that a mutant weakens goes through [`mutant`](crate::mutant).

/// Types for statics, which lead to modelled state and are not modelled themselves: always those of
/// `std`.
pub mod statics {
    pub use std::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence,
    };
    pub use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
}

#[cfg(not(kymo_loom))]
pub use shipped::*;

#[cfg(kymo_loom)]
pub use modelled::*;

#[cfg(not(kymo_loom))]
mod shipped {
    pub use std::sync::{Arc, Condvar, Mutex, MutexGuard};

    /// Atomics.
    pub mod atomic {
        #[cfg(feature = "tracing")]
        pub use std::sync::atomic::AtomicU32;
        pub use std::sync::atomic::{
            AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
        };
    }

    /// Hints to the processor.
    pub mod hint {
        pub use std::hint::spin_loop;
    }

    /// Threads.
    pub mod thread {
        pub use std::thread::{Thread, current, park_timeout, sleep, yield_now};
    }
}

#[cfg(kymo_loom)]
mod modelled {
    pub use loom::cell::UnsafeCell;
    pub use loom::sync::{Condvar, Mutex, MutexGuard};
    // `std`'s: nothing here asks how many share an `Arc`. Counting them in all interleavings would
    // only multiply these.
    pub use std::sync::Arc;

    /// Atomics.
    pub mod atomic {
        pub use loom::sync::atomic::{
            AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
        };
    }

    /// Hints to the processor.
    pub mod hint {
        pub use loom::hint::spin_loop;
    }

    /// Threads.
    pub mod thread {
        pub use loom::thread::{Builder, JoinHandle, spawn, yield_now};

        use super::Arc;
        use super::Condvar;
        use super::Mutex;

        loom::thread_local! {
            static TOKEN: Arc<Token> = Arc::new(Token::default());
        }

        /// The token that makes the next `park` return at once. loom's own is lost on a thread that
        /// waits for a lock at that moment; `std`'s is not.
        #[derive(Debug, Default)]
        struct Token {
            there: Mutex<bool>,
            came: Condvar,
        }

        /// A thread that can be woken.
        #[derive(Clone, Debug)]
        pub struct Thread(Arc<Token>);

        impl Thread {
            /// Returns a pointer that tells it from other threads.
            pub fn id(&self) -> *const () {
                Arc::as_ptr(&self.0).cast()
            }

            /// Ends the thread's `park`, or its next one.
            pub fn unpark(&self) {
                *self.0.there.lock().unwrap() = true;
                self.0.came.notify_one();
            }
        }

        /// Returns the calling thread.
        pub fn current() -> Thread {
            Thread(TOKEN.with(Arc::clone))
        }

        /// Sleeps until there is a token, and takes it.
        pub fn park() {
            let Thread(token) = current();
            let mut there = token.there.lock().unwrap();
            while !*there {
                there = token.came.wait(there).unwrap();
            }
            *there = false;
        }

        /// Sleeps until another thread has had its turn.
        pub fn park_timeout(_: std::time::Duration) {
            yield_now();
        }

        /// Sleeps as `park_timeout` does.
        pub fn sleep(_: std::time::Duration) {
            yield_now();
        }
    }
}
