//! Takes over when the consumer itself crashes, or ends the process.
//!
//! A handler that runs on the consumer's thread cannot wait for the consumer. So where crashes are
//! handled, a thread stands by that sleeps until it is needed. It then uses the consumer in the
//! place of its thread, which is in a handler, or in `exit`, and never goes on: it waits there until
//! this is done, and then dies. See `Consumer::take_over` for what can be saved.

use std::io;
use std::ptr;

use crate::consumer::Consumer;
use crate::crash::signals::Emergency;
use crate::process::signal_action;
use crate::segment::mapped::MappedFile;
use crate::shared::mailbox::Request;
use crate::sync::Arc;
use crate::sync::statics::{AtomicBool, AtomicPtr, Ordering};

/// What the shipped consumer writes to.
type Shipped = Consumer<MappedFile>;

/// Where the consumer is found by who takes over.
pub(crate) struct Takeover {
    consumer: AtomicPtr<Shipped>,
    asked: AtomicBool,
}

impl Takeover {
    pub(crate) fn new() -> Self {
        Self { consumer: AtomicPtr::new(ptr::null_mut()), asked: AtomicBool::new(false) }
    }

    /// The consumer's side: here it is.
    ///
    /// # Safety
    /// It stays there, and is used by the calling thread only, until [`Takeover::withdraw`].
    pub(crate) unsafe fn offer(&self, consumer: *mut Shipped) {
        // Release: pairs with the acquire in `take`.
        self.consumer.store(consumer, Ordering::Release);
    }

    /// The consumer's side: it is not to be taken over any more.
    pub(crate) fn withdraw(&self) {
        // Relaxed: who takes over does so on the word of this very thread.
        self.consumer.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// For a handler on the consumer's thread.
    pub(crate) fn ask(&self) {
        // Release: pairs with the acquire in `stand_by`: what the thread has done to the consumer is
        // seen.
        self.asked.store(true, Ordering::Release);
    }

    /// The consumer, once.
    #[allow(clippy::mut_from_ref, reason = "it is taken out, so there is one such reference")]
    fn take(&self) -> Option<&mut Shipped> {
        // Acquire: pairs with the release in `offer`.
        let consumer = self.consumer.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: null, or where the consumer is (`offer`). Its thread does not use it any more: it
        // is the caller's thread, which does not return to it, or has called `ask` in a handler,
        // in which it waits, and from which it returns only to die.
        unsafe { consumer.as_mut() }
    }

    /// Drains the rings for a consumer that will not. To be called where its thread waits for this
    /// call, or on that thread itself, which must not return to it.
    /// `deadline_ns`: when to give up what is left in the rings, on the monotonic clock.
    pub(crate) fn run(&self, request: Option<Request>, deadline_ns: u64) {
        if let Some(consumer) = self.take() {
            consumer.take_over(request, deadline_ns);
        }
    }
}

/// Makes the thread that stands by.
pub(crate) fn stand_by(emergency: Arc<Emergency>) -> io::Result<std::thread::Thread> {
    let run = move || {
        signal_action::block_all_but_faults();
        emergency.set_standby_thread(crate::process::thread_info::os_thread_id());
        loop {
            // Acquire: pairs with the release in `ask`.
            if emergency.takeover.asked.load(Ordering::Acquire) {
                let request = emergency.mailbox.pending();
                let deadline_ns = request.map_or(0, |it| emergency.mailbox.deadline_ns(it));
                emergency.takeover.run(request, deadline_ns);
                request.into_iter().for_each(|request| emergency.mailbox.acknowledge(request));
                return;
            }
            if emergency.mailbox.has_ended() {
                return;
            }
            std::thread::park();
        }
    };
    let thread = std::thread::Builder::new().name("kymo-standby".to_owned()).stack_size(256 << 10);
    Ok(thread.spawn(run)?.thread().clone())
}
