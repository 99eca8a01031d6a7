//! The index of a part, made while it is written.

use kymo_format::index::{Index, Step};
use kymo_format::{HEADER_BYTES, MAX_PAYLOAD_BYTES};

/// After how many bytes there is another step.
const STEP_BYTES: u64 = 256 << 10;

/// How many steps, and how many frames of the dictionary, there are at most; a part with more has no index.
const MAX_LISTED: usize = 32 << 10;

/// What is known of a part so far.
pub struct PartIndex {
    index: Index,
    step_bytes: u64,
}

impl PartIndex {
    pub fn new() -> Self {
        let first = Step {
            offset: HEADER_BYTES as u64,
            oldest_ns: i64::MAX,
            newest_ns: i64::MIN,
            watermark: 0,
        };
        Self { index: Index { steps: vec![first], frames: Vec::new() }, step_bytes: STEP_BYTES }
    }

    /// A frame that a reader must know, wherever it begins, is at `offset`.
    pub fn known(&mut self, offset: u64) {
        if self.index.frames.len() <= MAX_LISTED {
            self.index.frames.push(offset);
        }
    }

    /// A frame with something between these times is at `offset`, and before it this watermark holds.
    pub fn timed(&mut self, offset: u64, (oldest_ns, newest_ns): (i64, i64), watermark: u64) {
        if self.index.steps.last().is_some_and(|last| offset - last.offset >= self.step_bytes) {
            if self.index.steps.len() == MAX_LISTED {
                self.thin_out();
            }
            self.index.steps.push(Step { offset, oldest_ns, newest_ns, watermark });
        }
        if let Some(last) = self.index.steps.last_mut() {
            last.oldest_ns = last.oldest_ns.min(oldest_ns);
            last.newest_ns = last.newest_ns.max(newest_ns);
        }
    }

    /// Leaves every other step out.
    fn thin_out(&mut self) {
        self.step_bytes *= 2;
        self.index.steps = Step::thinned(&self.index.steps);
    }

    /// The payload of the frame that begins at `offset`; `None` if it would be too long.
    pub fn payload(&self, offset: u64) -> Option<Vec<u8>> {
        let mut payload = Vec::new();
        self.index.put(offset, &mut payload);
        let fits = self.index.frames.len() <= MAX_LISTED && payload.len() <= MAX_PAYLOAD_BYTES;
        fits.then_some(payload)
    }
}
