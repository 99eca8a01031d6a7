//! A bounded queue from one thread to one other, between the consumer and the housekeeper, or the console.
//!
//! It is rtrb's. The models have one of `sync`'s types in its place, with the same promises: what is pushed is seen
//! whole, in order, and an end that is gone is seen after all that it had pushed.

/// The end that pushes.
pub(crate) struct Sender<T>(shipped::Producer<T>);

/// The end that pops.
pub(crate) struct Receiver<T>(shipped::Consumer<T>);

/// Makes a queue of so many places.
pub(crate) fn queue<T>(places: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = shipped::RingBuffer::new(places);
    (Sender(sender), Receiver(receiver))
}

impl<T> Sender<T> {
    /// Whether something can be pushed.
    pub(crate) fn has_room(&self) -> bool {
        self.0.slots() > 0
    }

    /// Pushes a value. Returns it if there is no room.
    pub(crate) fn push(&mut self, value: T) -> Result<(), T> {
        self.0.push(value).map_err(|shipped::PushError::Full(value)| value)
    }
}

impl<T> Receiver<T> {
    /// The oldest value, if there is one.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.0.pop().ok()
    }

    /// Whether the sender is gone. To be asked before the last [`pop`](Self::pop): what it had pushed is there then.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

#[cfg(not(kymo_loom))]
use rtrb as shipped;

/// What the models have in rtrb's place.
#[cfg(kymo_loom)]
mod shipped {
    use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use crate::sync::{Arc, UnsafeCell};

    struct Shared<T> {
        places: Vec<UnsafeCell<Option<T>>>,
        head: AtomicUsize,
        tail: AtomicUsize,
        abandoned: AtomicBool,
    }

    // SAFETY: a place is used by the sender before it stores the tail past it, by the receiver after it loaded that.
    unsafe impl<T: Send> Send for Shared<T> {}
    // SAFETY: as above.
    unsafe impl<T: Send> Sync for Shared<T> {}

    pub(super) struct RingBuffer;

    pub(super) struct Producer<T>(Arc<Shared<T>>);

    pub(super) struct Consumer<T>(Arc<Shared<T>>);

    pub(super) enum PushError<T> {
        Full(T),
    }

    impl RingBuffer {
        #[expect(clippy::new_ret_no_self, reason = "as rtrb has it")]
        pub(super) fn new<T>(places: usize) -> (Producer<T>, Consumer<T>) {
            let shared = Arc::new(Shared {
                places: (0..places).map(|_| UnsafeCell::new(None)).collect(),
                head: AtomicUsize::new(0),
                tail: AtomicUsize::new(0),
                abandoned: AtomicBool::new(false),
            });
            (Producer(shared.clone()), Consumer(shared))
        }
    }

    impl<T> Producer<T> {
        pub(super) fn slots(&self) -> usize {
            let Shared { places, head, tail, .. } = &*self.0;
            // Acquire: pairs with the release in `pop`. Relaxed: this thread's own.
            places.len() - (tail.load(Ordering::Relaxed) - head.load(Ordering::Acquire))
        }

        pub(super) fn push(&mut self, value: T) -> Result<(), PushError<T>> {
            if self.slots() == 0 {
                return Err(PushError::Full(value));
            }
            let Shared { places, tail, .. } = &*self.0;
            // Relaxed: this thread's own.
            let at = tail.load(Ordering::Relaxed);
            // SAFETY: the receiver does not use it before the store below.
            places[at % places.len()].with_mut(|place| unsafe { *place = Some(value) });
            // Release: pairs with the acquire in `pop`.
            tail.store(at + 1, Ordering::Release);
            Ok(())
        }
    }

    impl<T> Drop for Producer<T> {
        fn drop(&mut self) {
            // Release: pairs with the acquire in `is_abandoned`.
            self.0.abandoned.store(true, Ordering::Release);
        }
    }

    impl<T> Consumer<T> {
        pub(super) fn pop(&mut self) -> Result<T, ()> {
            let Shared { places, head, tail, .. } = &*self.0;
            // Relaxed: this thread's own. Acquire: pairs with the release in `push`.
            let at = head.load(Ordering::Relaxed);
            if at == tail.load(Ordering::Acquire) {
                return Err(());
            }
            // SAFETY: the sender does not use it before the store below.
            let value = places[at % places.len()].with_mut(|place| unsafe { (*place).take() });
            // Release: pairs with the acquire in `slots`.
            head.store(at + 1, Ordering::Release);
            value.ok_or(())
        }

        pub(super) fn is_abandoned(&self) -> bool {
            // Acquire: pairs with the release in the sender's drop.
            self.0.abandoned.load(Ordering::Acquire)
        }
    }
}
