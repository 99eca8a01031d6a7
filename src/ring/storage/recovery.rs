//! Recovery of a ring: reads what a dead process left in it.
//!
//! In come the bytes of a ring file, which may be anything; out go its records, and what is
//! damaged. Whatever the bytes are, reading ends, in time and memory proportional to their number.
//! Damage is named, and the rest is read. Nothing here knows the log, or what a call site means.
//!
//! How records are recovered exactly once: the consumer writes what it took from a ring to the log,
//! then an account to the ring, then commits the log (see [`RingAccount`]). So an account tells,
//! with the committed length of the segment that it names, whether its records are in the log. If
//! they are not, the account before it holds: its log was committed before this one was begun. One
//! of the two may be half written, which its checksum tells; then the log that it names was not
//! committed.
//!
//! Bytes past the log's committed length are void. Recovery has to cut them off before it appends,
//! because those records are in the ring.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::mem::offset_of;
use std::ops::Range;
use std::{error, fmt};

use crate::ring::storage::LogMark;
use crate::ring::storage::layout::{
    BLOCKS, COPY_BYTES, COPY_OFFSETS, CopyError, HEADER_BYTES, RingAccount, RingHeader,
    RingIdentity, RingMode, SHARED_OFFSET, VERSION, account_offset, entry_offset, position_of,
    u64_at,
};
use crate::ring::{WORD_BYTES, address, bytes, filler};

/// A ring as its process left it.
#[derive(Clone, Debug)]
pub struct Image {
    identity: RingIdentity,
    tail: u64,
    reserved: u64,
    head: u64,
    /// For each block the position of its first record, and how many were logged before it.
    index: Vec<(u64, u64)>,
    accounts: [Option<RingAccount>; 2],
    /// The ring's words. Fewer than the capacity if the file is too short.
    words: Vec<u64>,
    /// Damage to the identity or the accounts, and a missing end of the file.
    damage: Vec<DamagedPart>,
}

/// Why nothing can be read from a ring file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// The file has only so many bytes, fewer than the header page.
    TooShort(usize),
    /// The first page is all zero: the process died before it could use the ring.
    NeverUsed,
    /// Neither copy of the identity, at offsets 0 and 2048, is right.
    Identity,
    /// The layout has this version, which this release does not know.
    Version(u32),
    /// The positions contradict each other. This is the offset of the first of them.
    Positions(usize),
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(bytes) => {
                write!(f, "not a ring file: it has {bytes} bytes, a header has {HEADER_BYTES}")
            }
            Self::NeverUsed => f.write_str("the ring was never used: its header is empty"),
            Self::Identity => f.write_str(
                "not a ring file, or damaged: neither the copy of its header at offset 0 nor that at \
                 offset 2048 is right",
            ),
            Self::Version(version) => write!(
                f,
                "the ring file is of version {version}, this release reads version {VERSION}: use \
                 a later release"
            ),
            Self::Positions(offset) => write!(
                f,
                "the positions at offset {offset} are damaged: where the ring's records are \
                 cannot be known"
            ),
        }
    }
}

impl error::Error for RingError {}

/// A part of a ring file that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedPart {
    /// The kind of part.
    pub part: FilePart,
    /// Where the part begins in the file, in bytes.
    pub offset: usize,
    /// The length of the part in bytes.
    pub bytes: u64,
}

/// A kind of part of a ring file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePart {
    /// A copy of the identity. The other one was used.
    Identity,
    /// Both accounts (one alone may be half written). The head is used.
    Account,
    /// The index. How many records were overwritten is not known.
    Index,
    /// Records. At least one is lost.
    Records,
    /// The end of the file, which is missing.
    End,
}

impl fmt::Display for DamagedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.part {
            FilePart::Identity => "a copy of the header is damaged",
            FilePart::Account => "what of the ring is in the log is damaged",
            FilePart::Index => "the index is damaged",
            FilePart::Records => "records are damaged",
            FilePart::End => "the end of the file is missing",
        };
        write!(f, "{what}: {} bytes at byte {}", self.bytes, self.offset)
    }
}

/// How much of a ring is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Every record before this position is in the log.
    pub position: u64,
    /// How many records had been logged before that position; `None` if the accounts are damaged.
    pub records: Option<u64>,
    /// Whether this is certain. If not, the segment of the last account is not known, and records
    /// past the position may be in it.
    pub certain: bool,
}

impl From<RingAccount> for Consumed {
    fn from(account: RingAccount) -> Self {
        Self { position: account.position, records: Some(account.records), certain: true }
    }
}

/// What a run of words may be. The first has the form of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordsKind {
    /// A record.
    Record,
    /// A record of an unknown call site, so that its arguments cannot be read.
    Stranger,
    /// Anything but a record.
    None,
}

/// A function that says what words may be.
pub type Known<'k> = dyn Fn(&[u64]) -> WordsKind + 'k;

/// What recovery found in a ring.
#[derive(Clone, Debug, Default)]
pub struct RingContents<'a> {
    /// The records, in order, each from its header to its last word.
    pub records: Vec<&'a [u64]>,
    /// How many records were overwritten before the first of them; `None` if that is not known.
    pub overwritten: Option<u64>,
    /// The parts that could not be read, in the order of the records.
    pub damage: Vec<DamagedPart>,
}

impl Image {
    /// Reads a ring file.
    ///
    /// # Errors
    ///
    /// [`RingError`] if its header cannot be read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RingError> {
        let Some((page, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
            return Err(RingError::TooShort(bytes.len()));
        };
        let (identity, mut damage) = identity(page)?;
        let capacity = identity.capacity_words;
        let mut words: Vec<u64> =
            rest.chunks_exact(WORD_BYTES).map(|word| u64_at(word, 0)).collect();
        words.truncate(capacity as usize);
        let missing = (capacity - words.len() as u64) * WORD_BYTES as u64;
        if missing > 0 {
            let offset = HEADER_BYTES + words.len() * WORD_BYTES;
            damage.push(DamagedPart { part: FilePart::End, offset, bytes: missing });
        }
        let accounts = [0, 1].map(|index| {
            let offset = account_offset(index);
            let stored = std::array::from_fn(|word| u64_at(page, offset + word * WORD_BYTES));
            RingAccount::from_words(stored)
        });
        if accounts == [None; 2] {
            damage.push(DamagedPart {
                part: FilePart::Account,
                offset: account_offset(0),
                bytes: 80,
            });
        }
        Ok(Self {
            identity,
            tail: position_of(u64_at(page, TAIL_OFFSET)),
            reserved: u64_at(page, RESERVED_OFFSET),
            head: u64_at(page, HEAD_OFFSET),
            index: (0..BLOCKS as usize)
                .map(|block| {
                    let at = entry_offset(block);
                    (u64_at(page, at), u64_at(page, at + 8))
                })
                .collect(),
            accounts,
            words,
            damage,
        })
    }

    /// The ring's identity.
    pub fn identity(&self) -> &RingIdentity {
        &self.identity
    }

    /// How much of the ring is in the log. `committed` returns the committed length of the segment
    /// with this number ([`LogMark`](crate::ring::storage::LogMark)), or `None` for a segment that
    /// it does not know.
    pub fn consumed(&self, committed: impl Fn(u64) -> Option<u64>) -> Consumed {
        let head = self.head.min(self.tail);
        let by_head = Consumed { position: head, records: None, certain: true };
        let (newer, older) = match self.accounts {
            [Some(a), Some(b)] if a.position < b.position => (b, Consumed::from(a)),
            [Some(a), Some(b)] => (a, Consumed::from(b)),
            [Some(a), None] | [None, Some(a)] => {
                // The other is half written, or damaged. The head is the older one's, or may be the
                // newer one's own if its log was committed.
                if a.position < head {
                    return by_head;
                }
                (a, by_head)
            }
            [None, None] => return by_head,
        };
        // The head reaches this position only after the log has been committed, or the records have
        // been given up.
        if newer.position == head {
            return newer.into();
        }
        match committed(newer.segment) {
            Some(bytes) if bytes >= newer.committed => newer.into(),
            Some(_) => older,
            // Given up, and not consumed yet. Such an account names no segment.
            None if newer.committed == LogMark::GIVEN_UP.committed => older,
            None => Consumed { certain: false, ..older },
        }
    }

    /// Returns the records from `from` on.
    ///
    /// `known` knows the call sites, and how long their records can be. Past a damaged record,
    /// reading goes on at the next place from which a chain of known records leads on. Without
    /// `known`, it goes on at the next place where a record is known to begin. A record of an
    /// unknown call site is skipped, if what follows it is right.
    ///
    /// # Errors
    ///
    /// [`RingError::Positions`] if the positions contradict each other.
    pub fn recover(
        &self,
        from: Consumed,
        known: Option<&Known<'_>>,
    ) -> Result<RingContents<'_>, RingError> {
        let mut recovered = RingContents { damage: self.damage.clone(), ..RingContents::default() };
        let capacity = self.identity.capacity_words;
        let begin = match self.identity.mode {
            RingMode::Bounded => {
                recovered.overwritten = Some(0);
                from.position
            }
            RingMode::Overwriting => self.first_left(from, &mut recovered)?,
        };
        if begin > self.tail || self.tail - begin > capacity || self.tail > MAX_POSITION {
            return Err(RingError::Positions(TAIL_OFFSET));
        }
        RecordWalk { image: self, begin, known, chains: None, starts: self.starts(begin) }
            .walk(&mut recovered);
        Ok(recovered)
    }

    /// Returns where the first record begins that was not overwritten, in an overwriting ring.
    fn first_left(
        &self,
        from: Consumed,
        recovered: &mut RingContents<'_>,
    ) -> Result<u64, RingError> {
        let (capacity, block) = (self.identity.capacity_words, self.identity.block_words());
        let floor = self.reserved.saturating_sub(capacity);
        // INV-R3. The first block is reserved when the ring is made.
        if !self.reserved.is_multiple_of(block) || !(floor..self.reserved).contains(&self.tail) {
            return Err(RingError::Positions(RESERVED_OFFSET));
        }
        if from.position >= floor {
            recovered.overwritten = Some(0);
            return Ok(from.position);
        }
        // At most as many as there are blocks: INV-R3.
        let first = (floor / block..=self.tail / block).find_map(|number| self.entry(number));
        let Some((position, records)) = first else {
            let bytes = 16 * BLOCKS;
            recovered.damage.push(DamagedPart {
                part: FilePart::Index,
                offset: entry_offset(0),
                bytes,
            });
            return Ok(floor);
        };
        recovered.overwritten = from.records.and_then(|before| records.checked_sub(before));
        Ok(position)
    }

    /// Returns the index's entry for this block, if it is right. Blocks are counted since the ring
    /// was made.
    fn entry(&self, number: u64) -> Option<(u64, u64)> {
        let (position, records) = self.index[(number % BLOCKS) as usize];
        let right = position / self.identity.block_words() == number && position <= self.tail;
        right.then_some((position, records))
    }

    /// Returns where records are known to begin, past `begin`.
    fn starts(&self, begin: u64) -> BTreeSet<u64> {
        // INV-R2. The tail is at most one capacity further on, so there is only one such position.
        let lap = (begin / self.identity.capacity_words + 1) * self.identity.capacity_words;
        let mut starts: BTreeSet<u64> = [lap].into();
        if self.identity.mode == RingMode::Overwriting {
            starts.extend(self.index.iter().filter_map(|(position, _)| {
                let (entry, _) = self.entry(position / self.identity.block_words())?;
                (entry == *position).then_some(entry)
            }));
        }
        starts.retain(|start| (begin + 1..self.tail).contains(start));
        starts.insert(self.tail);
        starts
    }

    fn word(&self, position: u64) -> Option<u64> {
        self.words.get(self.index_of(position)).copied()
    }

    fn index_of(&self, position: u64) -> usize {
        (position & (self.identity.capacity_words - 1)) as usize
    }
}

/// A walk over the records of an image.
struct RecordWalk<'a, 'k> {
    image: &'a Image,
    begin: u64,
    known: Option<&'k Known<'k>>,
    /// Where records are known to begin. The last one is the tail.
    starts: BTreeSet<u64>,
    /// Computed when it is first needed.
    chains: Option<Chains>,
}

/// What is known of each word of the ring. Each is one position of a walk.
struct Chains {
    /// Whether a chain of known records leads from there to one of `RecordWalk::starts`.
    leads_on: Vec<bool>,
    /// Where the chain of strangers that begins there ends: before a known record, a filler or the
    /// tail. 0 if there is no such chain.
    passes: Vec<u64>,
}

/// A position that no ring reaches, small enough that positions can be added.
const MAX_POSITION: u64 = 1 << 62;

/// How many words may be looked at for each word of a ring, in order to find records past damage.
/// Undamaged words take much less. Hostile bytes may be such that each word seems to begin the
/// longest record.
const EFFORT: usize = 64;

/// What is at a position.
enum AtPosition<'a> {
    Record(&'a [u64]),
    Filler(u64),
    Stranger(u64),
}

impl<'a> RecordWalk<'a, '_> {
    fn walk(mut self, recovered: &mut RingContents<'a>) {
        let mut at = self.begin;
        while at < self.image.tail {
            at = match self.find(at) {
                Some(AtPosition::Record(record)) => {
                    recovered.records.push(record);
                    at + record.len() as u64
                }
                Some(AtPosition::Filler(words)) => at + words,
                Some(AtPosition::Stranger(_)) | None => {
                    let next = self.next_behind(at);
                    let offset = HEADER_BYTES + self.image.index_of(at) * WORD_BYTES;
                    add_damage(&mut recovered.damage, offset, (next - at) * WORD_BYTES as u64);
                    next
                }
            }
        }
    }

    /// Returns what is at `at`, if a producer may have written it.
    fn find(&self, at: u64) -> Option<AtPosition<'a>> {
        let image = self.image;
        let header = image.word(at)?;
        let index = image.index_of(at);
        let to_end = image.identity.capacity_words - index as u64;
        let words = bytes(header).div_ceil(WORD_BYTES) as u64;
        if words == 0 || words > to_end.min(image.tail - at) {
            return None;
        }
        if address(header) == 0 {
            let right = words == to_end && header == filler(words as usize);
            return right.then_some(AtPosition::Filler(words));
        }
        let record = image.words.get(index..index + words as usize)?;
        match self.known.map_or(WordsKind::Record, |known| known(record)) {
            WordsKind::Record => Some(AtPosition::Record(record)),
            WordsKind::Stranger => Some(AtPosition::Stranger(words)),
            WordsKind::None => None,
        }
    }

    /// Returns where to go on past damage.
    fn next_behind(&mut self, at: u64) -> u64 {
        let start = self.starts.range(at + 1..).next().copied().unwrap_or(self.image.tail);
        if self.known.is_none() {
            return start;
        }
        let chains = self.chains.take().unwrap_or_else(|| self.chains());
        let index = self.image.index_of(at);
        let next = match chains.passes.get(index) {
            None | Some(0) => {
                let runs = self.readable().into_iter();
                let behind = runs.flat_map(|run| run.start.max(at + 1)..run.end.min(start));
                let mut behind = behind.map(|next| (next, self.image.index_of(next)));
                behind.find(|(_, index)| chains.leads_on[*index]).map_or(start, |(next, _)| next)
            }
            Some(end) => *end,
        };
        self.chains = Some(chains);
        next
    }

    /// The positions whose words are there, from where the walk begins to the tail. There are two
    /// runs, because the ring's end lies between them.
    fn readable(&self) -> [Range<u64>; 2] {
        let (image, words) = (self.image, self.image.words.len() as u64);
        let index = image.index_of(self.begin) as u64;
        let lap = self.begin - index + image.identity.capacity_words;
        let end = self.begin + words.saturating_sub(index);
        [self.begin..end.min(lap).min(image.tail), lap..image.tail.min(lap + words)]
    }

    fn chains(&self) -> Chains {
        let length = self.image.words.len();
        let mut chains = Chains { leads_on: vec![false; length], passes: vec![0; length] };
        // Whether a known record or a filler is there.
        let mut right = vec![false; length];
        let mut effort = EFFORT * length;
        let [first, second] = self.readable();
        for at in second.rev().chain(first.rev()) {
            let index = self.image.index_of(at);
            let claimed = bytes(self.image.words[index]).div_ceil(WORD_BYTES);
            let Some(left) = effort.checked_sub(claimed) else { break };
            effort = left;
            let (words, is_stranger) = match self.find(at) {
                Some(AtPosition::Record(record)) => (record.len() as u64, false),
                Some(AtPosition::Filler(words)) => (words, false),
                Some(AtPosition::Stranger(words)) => (words, true),
                None => continue,
            };
            let next = at + words;
            // Past a filler, the ring's first words may be missing.
            let behind = self.image.index_of(next).min(length - 1);
            right[index] = !is_stranger;
            if !is_stranger {
                chains.leads_on[index] = self.starts.contains(&next) || chains.leads_on[behind];
            } else if next == self.image.tail || right[behind] {
                chains.passes[index] = next;
            } else {
                chains.passes[index] = chains.passes[behind];
            }
        }
        chains
    }
}

/// Adds damaged records. Damage that adjoins the last one is joined to it.
fn add_damage(damage: &mut Vec<DamagedPart>, offset: usize, bytes: u64) {
    match damage.last_mut() {
        Some(last)
            if last.part == FilePart::Records && last.offset + last.bytes as usize == offset =>
        {
            last.bytes += bytes;
        }
        _ => damage.push(DamagedPart { part: FilePart::Records, offset, bytes }),
    }
}

const TAIL_OFFSET: usize = SHARED_OFFSET;
const RESERVED_OFFSET: usize = SHARED_OFFSET + 8;
const HEAD_OFFSET: usize = SHARED_OFFSET + offset_of!(RingHeader, consumer);

/// Returns the first right copy of the identity, and the damage to the other one.
fn identity(page: &[u8]) -> Result<(RingIdentity, Vec<DamagedPart>), RingError> {
    let copies = COPY_OFFSETS.map(|offset| {
        page[offset..]
            .first_chunk::<COPY_BYTES>()
            .map_or(Err(CopyError::Damaged), RingIdentity::from_copy)
    });
    let damaged = COPY_OFFSETS.into_iter().zip(&copies).filter(|(_, copy)| copy.is_err());
    let damage = damaged
        .map(|(offset, _)| DamagedPart {
            part: FilePart::Identity,
            offset,
            bytes: COPY_BYTES as u64,
        })
        .collect();
    match copies {
        [Ok(identity), _] | [_, Ok(identity)] => Ok((identity, damage)),
        [Err(CopyError::Version(version)), _] | [_, Err(CopyError::Version(version))] => {
            Err(RingError::Version(version))
        }
        _ if COPY_OFFSETS.iter().all(|offset| page[*offset..offset + 8] == [0; 8]) => {
            Err(RingError::NeverUsed)
        }
        _ => Err(RingError::Identity),
    }
}

#[cfg(kymo_loom)]
impl Image {
    /// Returns what a recovering process would find now. In the models the writer does not die, but
    /// goes on unseen.
    pub fn of(ring: &crate::ring::storage::memory::Ring) -> Self {
        use crate::sync::atomic::{Ordering, fence};
        let shared = ring.shared();
        // Acquire: the end of a process orders all that it has stored before all that is loaded
        // later. Here, each load has to.
        let accounts = [0, 1].map(|index| {
            let words = &shared.consumer.accounts[index].words;
            RingAccount::from_words(std::array::from_fn(|word| words[word].load(Ordering::Acquire)))
        });
        let head = shared.consumer.head.load(Ordering::Acquire);
        let tail = position_of(shared.tail.load(Ordering::Acquire));
        let words = (0..ring.capacity()).map(|at| ring.word(at).load(Ordering::Relaxed)).collect();
        let index = shared.index.iter().map(|entry| {
            let position = entry.position.load(Ordering::Relaxed);
            (position, entry.records.load(Ordering::Relaxed))
        });
        let index = index.collect();
        fence(Ordering::Acquire);
        let reserved = shared.reserved.load(Ordering::Relaxed);
        let identity = ring.identity().clone();
        Self { identity, tail, reserved, head, index, accounts, words, damage: Vec::new() }
    }
}
