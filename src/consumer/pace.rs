//! How long the consumer waits between two sweeps.
//!
//! Two costs pull in opposite directions. Each look at a ring's tail takes the cache line from its
//! producer, which then waits for it. A ring that is looked at too rarely has left the nearest
//! cache when it is read, and fills up. And a consumer that never sleeps takes a whole core. So
//! while there are records, a sweep begins one poll interval after the last one ended; the consumer
//! spins in between. If that sweep left records, the next one begins at once. Without records, the
//! consumer goes on like that for a while. Then it sleeps, each time twice as long, up to the idle
//! sleep.

use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::shared::stats::Counters;
use crate::sync::{hint, thread};

/// How long the consumer stays awake without records, in nanoseconds.
const AWAKE_NS: u64 = 50_000;

/// The first sleep.
const FIRST_SLEEP: Duration = Duration::from_micros(50);

/// What a sweep took from the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swept {
    Nothing,
    Records,
    /// More records than one sweep takes.
    More,
}

/// Waits between sweeps.
#[derive(Debug)]
pub(crate) struct Pacing {
    poll_ns: u64,
    idle_sleep: Duration,
    /// When the last records came, on the monotonic clock.
    busy_ns: u64,
    sleep: Duration,
    /// When it last began to work.
    woke_ns: u64,
    started_ns: u64,
}

impl Pacing {
    pub(crate) fn new(poll_interval: Duration, idle_sleep: Duration) -> Self {
        Self {
            poll_ns: crate::clock::nanoseconds(poll_interval),
            idle_sleep,
            busy_ns: 0,
            sleep: FIRST_SLEEP,
            woke_ns: 0,
            started_ns: 0,
        }
    }

    /// Waits before the next sweep.
    pub(crate) fn wait(&mut self, swept: Swept, counters: &Counters) {
        let now = monotonic_ns();
        if self.started_ns == 0 {
            (self.started_ns, self.woke_ns) = (now, now);
        }
        counters.busy_ns.set(counters.busy_ns.get() + (now - self.woke_ns));
        counters.running_ns.set(now - self.started_ns);
        self.woke_ns = now;
        if swept != Swept::Nothing {
            self.busy_ns = now;
            self.sleep = FIRST_SLEEP;
        }
        if swept != Swept::More {
            self.pause(now);
            self.woke_ns = monotonic_ns();
        }
    }

    fn pause(&mut self, now: u64) {
        if self.poll_ns > AWAKE_NS {
            // Too long to spin.
            thread::park_timeout(Duration::from_nanos(self.poll_ns));
        } else if now - self.busy_ns < AWAKE_NS || self.idle_sleep.is_zero() {
            while monotonic_ns() - now < self.poll_ns {
                hint::spin_loop();
            }
        } else {
            // A request's token ends the sleep, or makes it return at once.
            thread::park_timeout(self.sleep.min(self.idle_sleep));
            self.sleep = (self.sleep * 2).min(self.idle_sleep.max(FIRST_SLEEP));
        }
    }
}
