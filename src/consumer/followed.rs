//! The second ring of a thread, for the levels that overwrite their oldest records, as the consumer
//! sees it. Also, how records that were logged to two rings are put back into one order.
//!
//! Each ring has its records in the order in which the thread logged them. Between the two rings,
//! time stamps decide; of equal stamps, the ordinary ring comes first. That is the order of the
//! calls only if no earlier record can turn up in the other ring later:
//!
//! - The ordinary ring is looked at, then the second one is copied, then the ordinary ring is
//!   looked at again. A record that was logged before one of the copy was published before it, so
//!   the second look has found it.
//! - A record that was logged to the second ring before one that the *first* look found is in the
//!   copy (or was overwritten). For a record that only the second look found, this is true if it is
//!   not younger than the last record of the copy. Otherwise it waits for the next sweep. While
//!   something of an older copy is left, this rule holds for all records of the ordinary ring.
//!
//! No clock is compared with another thread's. A stamp is taken before its record becomes visible,
//! by an unknown time.

use crate::level::Level;
use crate::ring::consumer::{Records, records};
use crate::ring::overwriting_rings::class;
use crate::ring::record::{Record, ticks_of};
use crate::ring::storage::overwriting::{CLASSES, OverwritingConsumer};

/// The ring, and what is needed to report what was overwritten.
pub(crate) struct Followed {
    follower: OverwritingConsumer,
    /// The ticks of the last record before those that are copied next, if there is one.
    last_ticks: Option<u64>,
}

/// A copy of the ring's records that the consumer has not taken yet.
pub(crate) struct Copy<'a> {
    words: &'a [u64],
    /// Whether the copy was made by this look.
    is_new: bool,
    /// The ticks of the last record of the copy.
    last_ticks: u64,
    /// What was overwritten before these words, by level, and between which ticks.
    pub(crate) overwritten: Option<([u64; 5], (u64, u64))>,
}

impl<'a> Copy<'a> {
    pub(crate) fn words(&self) -> &'a [u64] {
        self.words
    }
}

impl Followed {
    pub(crate) fn new(follower: OverwritingConsumer) -> Self {
        Self { follower, last_ticks: None }
    }

    /// Copies what is there, unless something of the last copy is left. `now` is the time of the
    /// clock, if that may be asked: overwritten records are not younger.
    pub(crate) fn look(&mut self, now: Option<u64>) -> Copy<'_> {
        let is_new = self.follower.left() == 0;
        // SAFETY: as in `Batch::take`.
        let level = |record: &[u64]| class(unsafe { Record::new(record) }.site.level);
        let (_, by_class) = self.follower.look_by_class(level);
        let overwritten = by_level(by_class);
        let words = self.follower.copied();
        let mut copy = Copy { words, is_new, last_ticks: 0, overwritten: None };
        if is_new {
            // There may be no first one: all that was copied may have been overwritten meanwhile.
            let first = records(words).next().map(ticks_of).or(now).or(self.last_ticks);
            if overwritten != [0; 5] {
                let range = (self.last_ticks.or(first), first);
                copy.overwritten =
                    Some((overwritten, (range.0.unwrap_or_default(), range.1.unwrap_or_default())));
            }
            let last = records(words).last().map(ticks_of);
            copy.last_ticks = last.unwrap_or_default();
            self.last_ticks = last.or(first);
        } else {
            copy.last_ticks = self.last_ticks.unwrap_or_default();
        }
        copy
    }

    /// The ring itself, for calls about its file.
    pub(crate) fn follower_mut(&mut self) -> &mut OverwritingConsumer {
        &mut self.follower
    }

    /// Whether the ring is in a file.
    pub(crate) fn is_in_file(&self) -> bool {
        self.follower.is_in_file()
    }

    /// The capacity in words.
    pub(crate) fn capacity(&self) -> usize {
        self.follower.capacity()
    }

    /// Consumes the first `words` words of the copy: they are accounted for.
    pub(crate) fn consume(&mut self, words: usize) {
        self.follower.consume(words);
    }

    /// Copies everything that is left, and hands it over with what was overwritten before it, until
    /// there is nothing more.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(&Copy<'_>)) {
        while !self.follower.is_empty() {
            let copy = self.look(None);
            take(&copy);
            let words = copy.words.len();
            self.follower.consume(words);
        }
    }

    pub(crate) fn into_follower(self) -> OverwritingConsumer {
        self.follower
    }
}

fn by_level(by_class: [u64; CLASSES]) -> [u64; 5] {
    let mut counts = [0; Level::ALL.len()];
    counts[..CLASSES].copy_from_slice(&by_class);
    counts
}

/// The records of both rings, in order.
pub(crate) struct Merge<'a> {
    /// The two runs of the ordinary ring.
    ordinary: [Records<'a>; 2],
    ordinary_words: usize,
    /// How many of its words were found before the copy was made, if it was made now.
    first_look: usize,
    is_new: bool,
    followed: Records<'a>,
    followed_words: usize,
    /// After these ticks, records of the ordinary ring that are younger have to wait.
    until: u64,
}

/// The next record, or why there is none.
pub(crate) enum Next<'a> {
    Ordinary(&'a [u64]),
    Followed(&'a [u64]),
    /// A record of the ordinary ring that was published after the first look, and has to wait.
    Held,
    /// An older copy is used up. The next record waits until there is another copy.
    Waiting,
    Nothing,
}

impl<'a> Merge<'a> {
    /// Takes the two runs of the ordinary ring at the second look, and how many words the first
    /// look had found.
    pub(crate) fn new(
        (first, second): (&'a [u64], &'a [u64]),
        first_look: usize,
        copy: Copy<'a>,
    ) -> Self {
        Self {
            ordinary: [records(first), records(second)],
            ordinary_words: first.len() + second.len(),
            first_look: if copy.is_new { first_look } else { 0 },
            is_new: copy.is_new,
            followed: records(copy.words),
            followed_words: copy.words.len(),
            until: copy.last_ticks,
        }
    }

    /// Goes on to the next record.
    pub(crate) fn next(&mut self) -> Next<'a> {
        let followed = self.followed.clone().next();
        match (self.next_ordinary(), followed) {
            (Some((one, _)), Some(other)) if ticks_of(other) < ticks_of(one) => {
                self.followed.next();
                Next::Followed(other)
            }
            (Some((one, position)), _) => {
                if position >= self.first_look && ticks_of(one) > self.until {
                    return self.next_of_copy(
                        followed,
                        if self.is_new { Next::Held } else { Next::Waiting },
                    );
                }
                let [first, second] = &mut self.ordinary;
                let _ = first.next().or_else(|| second.next());
                Next::Ordinary(one)
            }
            (None, followed) => {
                // After an older copy there may be more.
                self.next_of_copy(followed, if self.is_new { Next::Nothing } else { Next::Waiting })
            }
        }
    }

    /// Goes on in the copy, in its own order, if stamps do not decide (or a clock was set back).
    fn next_of_copy(&mut self, followed: Option<&'a [u64]>, otherwise: Next<'a>) -> Next<'a> {
        match followed {
            Some(record) => {
                self.followed.next();
                Next::Followed(record)
            }
            None => otherwise,
        }
    }

    /// Returns the next record of the ordinary ring, and the index of its first word.
    fn next_ordinary(&self) -> Option<(&'a [u64], usize)> {
        let [mut first, mut second] = self.ordinary.clone();
        let record = first.next().or_else(|| second.next())?;
        let behind = first.rest().len() + second.rest().len();
        Some((record, self.ordinary_words - behind - record.len()))
    }

    /// Returns how many words of the ordinary ring and of the copy were passed, with the fillers
    /// that follow the last records.
    pub(crate) fn passed(&self) -> (usize, usize) {
        let left = |run: &Records<'a>| match run.clone().next() {
            Some(_) => run.rest().len(),
            None => 0,
        };
        let ordinary = self.ordinary.iter().map(left).sum::<usize>();
        (self.ordinary_words - ordinary, self.followed_words - left(&self.followed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::header;

    /// Records without arguments, logged then.
    fn ring(ticks: &[u64]) -> Vec<u64> {
        ticks.iter().flat_map(|&ticks| [header(8, 16), ticks]).collect()
    }

    /// What is taken of two rings, and whether something of the ordinary one was left. Of that the
    /// first look has found `first_look` records.
    fn merged(
        ordinary: &[u64],
        first_look: usize,
        followed: &[u64],
        is_new: bool,
    ) -> (Vec<u64>, Option<&'static str>) {
        let (ordinary, followed_words) = (ring(ordinary), ring(followed));
        let last_ticks = followed.last().copied().unwrap_or_default();
        let copy = Copy { words: &followed_words, is_new, last_ticks, overwritten: None };
        // As where the ring's end is among them.
        let runs = ordinary.split_at(ordinary.len() / 4 * 2);
        let mut merge = Merge::new(runs, 2 * first_look, copy);
        let mut taken = Vec::new();
        let left = loop {
            match merge.next() {
                Next::Ordinary(record) | Next::Followed(record) => taken.push(ticks_of(record)),
                Next::Held => break Some("held"),
                Next::Waiting => break Some("waiting"),
                Next::Nothing => break None,
            }
        };
        assert_eq!(merge.passed().0 + merge.passed().1, 2 * taken.len());
        (taken, left)
    }

    #[test]
    fn what_both_looks_have_found_is_taken_in_order() {
        assert_eq!(merged(&[1, 4, 9], 3, &[2, 3, 5], true), (vec![1, 2, 3, 4, 5, 9], None));
        assert_eq!(merged(&[1, 4, 9], 3, &[], true), (vec![1, 4, 9], None));
        assert_eq!(merged(&[], 0, &[2, 3], true), (vec![2, 3], None));
    }

    #[test]
    fn what_was_published_meanwhile_goes_as_far_as_the_copy_does() {
        // Only the second look has found 4, which comes before 5.
        assert_eq!(merged(&[1, 4], 1, &[2, 5], true), (vec![1, 2, 4, 5], None));
        // A record from before 9 may have been logged to the other ring after the copy.
        assert_eq!(merged(&[1, 4, 9], 1, &[2, 5], true), (vec![1, 2, 4, 5], Some("held")));
        assert_eq!(merged(&[1, 9], 1, &[], true), (vec![1], Some("held")));
    }

    #[test]
    fn nothing_overtakes_what_came_behind_an_older_copy() {
        assert_eq!(merged(&[1, 4, 9], 3, &[2, 5], false), (vec![1, 2, 4, 5], Some("waiting")));
        // There may be more in the ring that was copied.
        assert_eq!(merged(&[1, 4], 2, &[2, 5], false), (vec![1, 2, 4, 5], Some("waiting")));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_waiting() {
        let set_back = [990, 1_000, 500, 600];
        assert_eq!(merged(&[700], 0, &set_back, false), (set_back.to_vec(), Some("waiting")));
        assert_eq!(merged(&[5], 0, &[10, 3], true), (vec![10, 3], Some("held")));
        assert_eq!(merged(&[5], 1, &[10, 3], true), (vec![5, 10, 3], None));
    }
}
