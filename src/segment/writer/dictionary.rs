//! The call sites that the consumer has met.

use std::collections::HashMap;
use std::ptr;

use crate::format::MAX_TEXT_BYTES;
use crate::format::Purpose;
use crate::format::boundary;
use crate::format::frame::{Kind, put_str};
use crate::format::varint;
use crate::level::Level;
use crate::segment::writer::compact::Plan;
use crate::segment::writer::staging::Staging;
use crate::statement::call_site::CallSite;

/// A call site of this segment.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its number in the file.
    pub(crate) number: u64,
    pub(crate) level: Level,
    pub(crate) plan: Plan,
    fingerprint: u64,
}

/// Finds the entry for a call site's address.
#[derive(Debug)]
pub(crate) struct Dictionary {
    entries: Vec<Entry>,
    /// How many numbers have been given out.
    numbers: u64,
    by_address: HashMap<usize, u32>,
    /// The latest finds, by the low bits of the address.
    recent: Box<[(usize, u32); RECENT]>,
}

/// How many finds are remembered.
const RECENT: usize = 256;

impl Dictionary {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            numbers: 0,
            by_address: HashMap::new(),
            recent: Box::new([(0, 0); RECENT]),
        }
    }

    /// Makes an empty dictionary. Its numbers begin after all that `other` has given out.
    pub(crate) fn behind(other: &Self) -> Self {
        // One more, for an entry that is half made.
        Self { numbers: other.numbers + 1, ..Self::new() }
    }

    /// Forgets all call sites, so that they are written again. Their numbers are not used again:
    /// what was written may be read, and must not be mistaken.
    pub(crate) fn forget(&mut self) {
        *self = Self { numbers: self.numbers, ..Self::new() };
    }

    /// The index of the entry for `site`; `None` if it is new and has to be added.
    ///
    /// An address that means something else than it did (its dynamic library was unloaded, and
    /// another one loaded there) is new.
    #[inline]
    pub(crate) fn find(&mut self, site: &'static CallSite) -> Option<usize> {
        let address = ptr::from_ref(site).addr();
        let (recent, index) = self.recent[slot(address)];
        let index = if recent == address { index } else { self.find_slow(address)? };
        (self.entries[index as usize].fingerprint == site.fingerprint).then_some(index as usize)
    }

    fn find_slow(&mut self, address: usize) -> Option<u32> {
        let index = *self.by_address.get(&address)?;
        self.recent[slot(address)] = (address, index);
        Some(index)
    }

    /// Adds `site`, and writes its frame to `out`. Returns its index.
    pub(crate) fn add(&mut self, site: &'static CallSite, out: &mut Staging) -> usize {
        let index = self.entries.len();
        let number = self.numbers;
        self.numbers += 1;
        out.frame(Kind::CallSite, |payload| put_entry(payload, number, site));
        self.entries.push(Entry {
            number,
            level: site.level,
            plan: Plan::new(site.types()),
            fingerprint: site.fingerprint,
        });
        let address = ptr::from_ref(site).addr();
        self.by_address.insert(address, index as u32);
        self.recent[slot(address)] = (address, index as u32);
        index
    }

    /// Writes the frame of `site` to `out`, once more if it was written before.
    pub(crate) fn put_again(&mut self, site: &'static CallSite, out: &mut Staging) {
        match self.find(site) {
            Some(index) => {
                let number = self.entries[index].number;
                out.frame(Kind::CallSite, |payload| put_entry(payload, number, site));
            }
            None => drop(self.add(site, out)),
        }
    }

    #[inline]
    pub(crate) fn entry(&self, index: usize) -> &Entry {
        &self.entries[index]
    }
}

fn slot(address: usize) -> usize {
    (address >> 4) % RECENT
}

/// Writes a call site's entry.
fn put_entry(out: &mut Vec<u8>, number: u64, site: &CallSite) {
    put_call_site(out, number, site);
    put_purpose(out, site);
}

/// Writes the purpose of a call site, if it has one. It is the last field of an entry.
pub(crate) fn put_purpose(out: &mut Vec<u8>, site: &CallSite) {
    if site.purpose != Purpose::Text {
        out.push(site.purpose.code());
    }
}

/// Writes a call site's entry, without its purpose.
pub(crate) fn put_call_site(out: &mut Vec<u8>, number: u64, site: &CallSite) {
    let location = &site.location;
    varint::put(out, number);
    out.push(site.level as u8);
    varint::put(out, location.line.into());
    varint::put(out, location.column.into());
    for text in [location.target, location.module, location.file, location.format] {
        put_str(out, clip(text));
    }
    varint::put(out, location.names.len() as u64);
    let mut ty = Vec::new();
    for (name, argument) in location.names.iter().zip(site.types()) {
        ty.clear();
        argument.put(&mut ty);
        put_str(out, clip(name));
        varint::put(out, ty.len() as u64);
        out.extend_from_slice(&ty);
    }
}

/// The beginning of a text that is longer than any sensible one, so that the frame does not become
/// too long. (A format string that long does not compile.)
pub(crate) fn clip(text: &str) -> &str {
    &text[..boundary(text, MAX_TEXT_BYTES)]
}
