//! The second ring of a thread, of the levels that overwrite their oldest records, from the
//! consumer's side; and how what was logged to two rings gets back into one order.
//!
//! What is in either ring is in the order in which the thread logged it. Between the two, time
//! stamps decide, and where they are equal, the ordinary ring comes first. That is the order of the
//! calls only if no earlier record can turn up in the other ring later on:
//!
//! - The ordinary ring is looked at first, the second one is copied behind that. So whatever was
//!   logged to the second ring before a record that was found in the ordinary one is in the copy
//!   (or was overwritten). Where there is something left of an older copy, this is true only of
//!   records that are not younger than the last one of it; the others wait until that is used up.
//! - A record in the copy may have a predecessor in the ordinary ring that was published behind the
//!   look at that. But then it was itself logged behind that look, so it is not older than what the
//!   clock showed before. Those are held back until the next sweep, which looks again.

use crate::level::Level;
use crate::record::{Record, ticks_of};
use crate::recorded::class;
use crate::ring::consumer::{Records, records};
use crate::ring::recorder::overwriting::{CLASSES, Follower};

/// The ring, and what is to be known of what it lost.
pub(super) struct Followed {
    follower: Follower,
    /// The ticks of the last record before those that are copied next, if there is one.
    last_ticks: Option<u64>,
}

/// What was copied and not taken yet.
pub(super) struct Copy<'a> {
    words: &'a [u64],
    /// The records of the copy that are as old or younger are held back.
    before: Option<u64>,
    /// The records of the ordinary ring that are younger have to wait.
    until: u64,
    /// What was overwritten before these words, by level, and between which ticks.
    pub(super) overwritten: Option<([u64; 5], (u64, u64))>,
}

impl<'a> Copy<'a> {
    pub(super) fn words(&self) -> &'a [u64] {
        self.words
    }
}

impl Followed {
    pub(super) fn new(follower: Follower) -> Self {
        Self { follower, last_ticks: None }
    }

    /// Copies what is there, unless something of the last copy is left. To be called behind the look
    /// at the ordinary ring; `as_of` is what the clock showed before that, or `None` where the
    /// thread had ended.
    pub(super) fn look(&mut self, as_of: Option<u64>) -> Copy<'_> {
        // What is left was copied before the ordinary ring was looked at.
        let is_new = self.follower.left() == 0;
        // SAFETY: as in `Account::take`.
        let level = |record: &[u64]| class(unsafe { Record::new(record) }.site.level);
        let copied = self.follower.look_by_class(level);
        let overwritten = by_level(copied.overwritten_by_class());
        let words = self.follower.copied();
        let before = as_of.filter(|_| is_new);
        let mut copy = Copy { words, before, until: u64::MAX, overwritten: None };
        if is_new {
            // There may be no first one: what was copied may all have been overwritten meanwhile.
            let first = records(words).next().map(ticks_of).or(as_of).or(self.last_ticks);
            if overwritten != [0; 5] {
                let range = (self.last_ticks.or(first), first);
                copy.overwritten =
                    Some((overwritten, (range.0.unwrap_or_default(), range.1.unwrap_or_default())));
            }
            self.last_ticks = records(words).last().map(ticks_of).or(first);
        } else {
            copy.until = self.last_ticks.unwrap_or(u64::MAX);
        }
        copy
    }

    /// The ring itself, for what concerns its file.
    pub(super) fn follower_mut(&mut self) -> &mut Follower {
        &mut self.follower
    }

    /// The first `words` words of the copy are accounted for.
    pub(super) fn consume(&mut self, words: usize) {
        self.follower.consume(words);
    }

    /// Copies everything that is left, and hands it over, until there is nothing more: words, and
    /// what was overwritten before them.
    pub(super) fn drain(&mut self, mut take: impl FnMut(&Copy<'_>)) {
        while !self.follower.is_empty() {
            let copy = self.look(None);
            take(&copy);
            let words = copy.words.len();
            self.follower.consume(words);
        }
    }

    pub(super) fn into_follower(self) -> Follower {
        self.follower
    }
}

fn by_level(by_class: [u64; CLASSES]) -> [u64; 5] {
    let mut counts = [0; Level::ALL.len()];
    counts[..CLASSES].copy_from_slice(&by_class);
    counts
}

/// The records of both rings, in order.
pub(super) struct Merge<'a> {
    /// The two runs of the ordinary ring.
    ordinary: [Records<'a>; 2],
    ordinary_words: usize,
    followed: Records<'a>,
    followed_words: usize,
    /// See `Copy`.
    before: Option<u64>,
    until: u64,
}

/// What is next.
pub(super) enum Next<'a> {
    Ordinary(&'a [u64]),
    Followed(&'a [u64]),
    /// Something of the copy is left, and has to wait.
    Held,
    /// Something of the ordinary ring is.
    Waiting,
    Nothing,
}

impl<'a> Merge<'a> {
    pub(super) fn new(first: &'a [u64], second: &'a [u64], copy: Copy<'a>) -> Self {
        Self {
            ordinary: [records(first), records(second)],
            ordinary_words: first.len() + second.len(),
            followed: records(copy.words),
            followed_words: copy.words.len(),
            before: copy.before,
            until: copy.until,
        }
    }

    /// Goes on to the next record.
    pub(super) fn next(&mut self) -> Next<'a> {
        let ordinary = self.ordinary.iter().find_map(|run| run.clone().next());
        let followed = self.followed.clone().next();
        let waiting = ordinary.is_some_and(|record| ticks_of(record) > self.until);
        let ordinary = ordinary.filter(|_| !waiting);
        let may_go =
            followed.filter(|record| self.before.is_none_or(|before| ticks_of(record) < before));
        match (ordinary, may_go) {
            (Some(one), Some(other)) if ticks_of(other) < ticks_of(one) => {
                self.next_followed(other)
            }
            (Some(one), _) => {
                let [first, second] = &mut self.ordinary;
                let _ = first.next().or_else(|| second.next());
                Next::Ordinary(one)
            }
            (None, Some(other)) => self.next_followed(other),
            (None, None) if waiting => Next::Waiting,
            (None, None) if followed.is_some() => Next::Held,
            (None, None) => Next::Nothing,
        }
    }

    fn next_followed(&mut self, record: &'a [u64]) -> Next<'a> {
        self.followed.next();
        Next::Followed(record)
    }

    /// How many words of the ordinary ring and of the copy were passed, with the fillers behind the
    /// last records.
    pub(super) fn passed(&self) -> (usize, usize) {
        let left = |run: &Records<'a>| match run.clone().next() {
            Some(_) => run.rest().len(),
            None => 0,
        };
        let ordinary = self.ordinary.iter().map(left).sum::<usize>();
        (self.ordinary_words - ordinary, self.followed_words - left(&self.followed))
    }
}
