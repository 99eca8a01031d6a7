//! A segment of what was recovered from the rings of a dead process.

use super::dictionary::Dictionary;
use super::frames::{self, Totals};
use super::lane::Block;
use super::staging::Staging;
use crate::call_site::CallSite;
use crate::format::frame::Clock;
use crate::format::header::{COMMITTED_OFFSET, Header};
use crate::record::Record;
use crate::ring::MARK;
use crate::state::ThreadInfo;

/// How many words of records a block has at most, but for the last record.
const BLOCK_WORDS: usize = 8 << 10;

/// What was recovered of a thread.
pub(crate) struct Thread {
    pub(crate) info: ThreadInfo,
    /// The records, in order.
    pub(crate) records: Vec<Recovered>,
}

/// A record that was recovered: see `Record`.
pub(crate) struct Recovered {
    pub(crate) site: &'static CallSite,
    /// The words of its header.
    pub(crate) header: [u64; 2],
    /// The arguments as they were in the ring, which must be what the call site says.
    pub(crate) arguments: Vec<u8>,
}

/// Makes the whole segment: the records, and behind them that the process received `signal`, if it
/// did.
pub(crate) fn segment(
    header: &Header,
    clocks: &[Clock],
    threads: &[Thread],
    signal: Option<u8>,
) -> Vec<u8> {
    let mut staging = Staging::new(header.salt);
    let mut dictionary = Dictionary::new();
    let mut totals = Totals::default();
    clocks.iter().for_each(|clock| frames::put_clock(&mut staging, clock));
    let mut last = clocks.last().map_or(0, |clock| clock.ticks);
    for (number, thread) in threads.iter().enumerate() {
        let number = number as u64;
        let mut block = Block::default();
        frames::put_thread(&mut staging, number, &thread.info);
        let mut words = 0;
        for (written, recovered) in thread.records.iter().enumerate() {
            let record = recovered.record();
            let index = dictionary.find(record.site).unwrap_or_else(|| {
                block.close(&mut staging);
                dictionary.add(record.site, &mut staging)
            });
            if words > BLOCK_WORDS {
                block.close(&mut staging);
            }
            if !block.continues(number) {
                block.open(number, written as u64, record.ticks, &mut staging);
                words = 0;
            }
            words += 2 + record.arguments.len().div_ceil(8);
            totals.cut += u64::from(block.put(record, dictionary.entry(index), &mut staging));
            last = last.max(record.ticks);
        }
        block.close(&mut staging);
        let written = thread.records.len() as u64;
        totals.written += written;
        frames::put_thread_end(&mut staging, number, written, 0);
    }
    if let Some(signal) = signal {
        frames::put_signal(&mut staging, 0, signal, last);
    }
    frames::put_watermark(&mut staging, last);
    frames::put_end(&mut staging, totals, last);
    let mut bytes = header.to_page();
    bytes.extend_from_slice(staging.as_slice());
    let committed = (bytes.len() as u64).to_le_bytes();
    bytes[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&committed);
    bytes
}

impl Recovered {
    fn record(&self) -> Record<'_> {
        let [first, ticks] = self.header;
        Record { site: self.site, ticks, cut: first & MARK != 0, arguments: &self.arguments }
    }
}
