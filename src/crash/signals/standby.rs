//! The standby thread: it acts when the consumer, or an interrupted thread, cannot.
//!
//! - A termination signal: the handler leaves it in [`Pending`](crate::shared::pending) and
//!   returns. The standby thread has the rings drained. Then it ends the process by the signal, or
//!   sends it once more to the thread that received it, for the program's own handler.
//! - A crash of the consumer: a handler that runs on the consumer's thread cannot wait for the
//!   consumer. The standby thread uses the consumer in its place. The consumer's thread is in a
//!   handler, or in `exit`, and never goes on: it waits until this is done, and then dies.
//!   `Consumer::take_over` says what can be saved.
//!
//! Once it runs, the thread takes no lock and allocates nothing. So it makes progress whatever the
//! interrupted threads hold.

use std::io;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::crash::signals::Handled;
use crate::process::{own_thread, signal_action};
use crate::shared::emergency::{Emergency, GRACE_NS, TERMINATION};
use crate::shared::mailbox::Request;
use crate::shared::pending::{Effect, Payload, Post};
use crate::sync::Arc;

/// Makes the standby thread.
pub(crate) fn stand_by(
    emergency: Arc<Emergency>,
    handled: Handled,
) -> io::Result<std::thread::Thread> {
    let run = move || {
        crate::process::thread_info::be_ordinary();
        emergency.set_standby_thread(crate::process::thread_info::os_thread_id());
        loop {
            for slot in 0..TERMINATION.len() {
                emergency.serve(slot, handled);
            }
            let crashed = emergency.take_over_if_asked();
            if crashed || emergency.mailbox.has_ended() {
                return emergency.stand_down();
            }
            std::thread::park();
        }
    };
    let thread = std::thread::Builder::new().name("kymo-standby".to_owned()).stack_size(256 << 10);
    Ok(own_thread::spawn_by(thread, run)?.thread().clone())
}

impl Emergency {
    /// Does the work of the consumer if that has crashed. Returns whether it had.
    fn take_over_if_asked(&self) -> bool {
        let asked = self.takeover.is_asked();
        if asked {
            let request = self.mailbox.pending();
            let deadline_ns = request.map_or(0, |it| self.mailbox.deadline_ns(it));
            self.takeover.run(request, deadline_ns);
            request.into_iter().for_each(|request| self.mailbox.acknowledge(request));
        }
        asked
    }

    /// Has the rings drained for a signal that was left here, if one was, and lets the signal have
    /// its effect.
    fn serve(&self, slot: usize, handled: Handled) {
        let Some((post, payload)) = self.pending[slot].take() else { return };
        let signal = TERMINATION[slot];
        let is_fatal = post.effect == Effect::Kill;
        let limit_ns = handled.limit(signal).map_or(0, nanoseconds);
        let deadline_ns = monotonic_ns().saturating_add(limit_ns);
        self.mailbox.set_deadline(signal as u8, deadline_ns);
        let deadline_ns = deadline_ns.saturating_add(GRACE_NS);
        let request = Request::drain(signal as u8, post.thread);
        let request = if is_fatal { request.marked().closing() } else { request };
        let wake = || {
            if let Some(consumer) = self.consumer.get() {
                consumer.unpark();
            }
        };
        self.mailbox.drain(request, wake, || {
            self.take_over_if_asked();
            crate::shared::emergency::nap();
            monotonic_ns() < deadline_ns
        });
        let pending = &self.pending[slot];
        match post.effect {
            Effect::Nothing => pending.clear(),
            Effect::Kill | Effect::Call => {
                if post.effect == Effect::Call {
                    pending.ready(post);
                }
                take_effect(signal, post, payload);
            }
        }
    }

    /// Tells handlers that nothing will be drained any more: they act by themselves.
    fn stand_down(&self) {
        for (slot, signal) in TERMINATION.into_iter().enumerate() {
            if let Some((post, payload)) = self.pending[slot].close() {
                take_effect(signal, post, payload);
            }
        }
    }
}

/// Ends the process, or has the thread that received the signal call the program's handler.
fn take_effect(signal: i32, post: Post, mut payload: Payload) {
    match post.effect {
        Effect::Kill => signal_action::end_process(signal),
        Effect::Call if !post.waits => {
            // SAFETY: it is what the handler was given.
            unsafe {
                signal_action::send_to(post.thread as i32, signal, payload.as_mut_ptr().cast())
            };
        }
        // Its handler is there, and does it.
        Effect::Call | Effect::Nothing => {}
    }
}
