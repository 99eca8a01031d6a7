//! Threads open and close spans, and share the handles of one.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::slab::Slab;
use kymo::loom_export::sync::UnsafeCell;
use kymo::loom_export::sync::thread;
use std::sync::Arc;

/// Two slots, in a chunk each: the thread that comes first makes it.
type Spans = Slab<u64, 1, 2>;

/// One chunk of two slots.
type OneChunk = Slab<u64, 2, 1>;

static KNOWN: u64 = 7;

fn open<const CHUNK: usize, const CHUNKS: usize>(slab: &Slab<u64, CHUNK, CHUNKS>) -> Option<u64> {
    slab.open(&KNOWN).or_else(|| slab.open_first(&KNOWN))
}

fn close<const CHUNK: usize, const CHUNKS: usize>(slab: &Slab<u64, CHUNK, CHUNKS>, id: u64) {
    let slot = slab.slot(id).expect("an open span has a slot");
    assert_eq!(slot.known(), Some(&KNOWN));
    assert!(slot.remove_handle(), "two spans in one slot");
    slab.close(slot);
    assert!(slab.slot(id).is_none(), "an id that finds a span that is closed");
}

/// Two threads open spans while both slots have been free: each has a slot and an id of its own, that no span had.
fn reuse() {
    let slab = Arc::new(Spans::new());
    let first = [open(&*slab), open(&*slab)].map(|id| id.expect("a slot"));
    first.into_iter().for_each(|id| close(&*slab, id));
    let other = thread::spawn({
        let slab = slab.clone();
        move || {
            let one = slab.open(&KNOWN);
            let two = slab.open(&KNOWN);
            if let Some(one) = one {
                close(&*slab, one);
            }
            (one, two)
        }
    });
    let own = slab.open(&KNOWN);
    let (one, two) = other.join().unwrap();
    // One more, if a slot is free.
    let more = slab.open(&KNOWN);
    let mut met =
        first.into_iter().chain(own).chain(one).chain(two).chain(more).collect::<Vec<_>>();
    let count = met.len();
    met.sort_unstable();
    met.dedup();
    assert_eq!(met.len(), count, "an id that two spans had");
    assert!(own.is_some() || two.is_some(), "a free slot is not found");
    // Those that are open are still those that they were.
    for id in own.into_iter().chain(two).chain(more) {
        close(&*slab, id);
    }
}

#[test]
fn a_slot_has_one_span() {
    check("a_slot_has_one_span", reuse);
}

#[test]
fn a_slot_has_one_span_mutants() {
    const TWICE: &str = "an id that two spans had";
    let mutants = [(Mutant::SlabNumberKept, TWICE)];
    must_fail(a_slot_has_one_span_mutants, reuse, &mutants);
}

/// A thread closes a span, whose slot another thread takes: the new span has an id of its own.
fn handed_over() {
    let slab = Arc::new(OneChunk::new());
    let first = [open(&*slab), open(&*slab)].map(|id| id.expect("a slot"));
    let other = thread::spawn({
        let slab = slab.clone();
        move || {
            let own = slab.open(&KNOWN);
            assert!(!own.is_some_and(|id| first.contains(&id)), "an id that two spans had");
            own
        }
    });
    close(&*slab, first[0]);
    for id in other.join().unwrap().into_iter().chain([first[1]]) {
        close(&*slab, id);
    }
}

#[test]
fn a_closed_span_gives_its_slot() {
    check("a_closed_span_gives_its_slot", handed_over);
}

#[test]
fn a_closed_span_gives_its_slot_mutants() {
    const TWICE: &str = "an id that two spans had";
    let mutants = [(Mutant::SlabClose, TWICE), (Mutant::SlabPop, TWICE)];
    must_fail(a_closed_span_gives_its_slot_mutants, handed_over, &mutants);
}

/// Two threads need the first chunk at once: one makes it, both use it.
fn first_chunk() {
    let slab = Arc::new(OneChunk::new());
    let other = thread::spawn({
        let slab = slab.clone();
        move || open(&*slab).expect("a slot")
    });
    let own = open(&*slab).expect("a slot");
    let other = other.join().unwrap();
    assert_ne!(own, other, "an id that two spans had");
    [own, other].into_iter().for_each(|id| close(&*slab, id));
}

#[test]
fn a_chunk_is_found_whole() {
    check("a_chunk_is_found_whole", first_chunk);
}

#[test]
fn a_chunk_is_found_whole_mutants() {
    const RACE: &str = "Causality violation";
    let mutants = [(Mutant::SlabChunkLoad, RACE), (Mutant::SlabChunkPut, RACE)];
    must_fail(a_chunk_is_found_whole_mutants, first_chunk, &mutants);
}

/// What each of two threads did before it gave up its handle.
struct Done([UnsafeCell<bool>; 2]);

// SAFETY: each thread writes its own, and the last one reads both. loom sees to that.
unsafe impl Sync for Done {}
// SAFETY: as above.
unsafe impl Send for Done {}

/// Two threads have a handle each, and give it up: one of them is the last, and sees what the other did before.
fn handles() {
    let slab = Arc::new(OneChunk::new());
    let id = open(&*slab).expect("a slot");
    slab.slot(id).expect("its slot").add_handle();
    let done = Arc::new(Done([UnsafeCell::new(false), UnsafeCell::new(false)]));
    let give_up = |which: usize| {
        let (slab, done) = (slab.clone(), done.clone());
        move || {
            // SAFETY: nobody else writes it.
            done.0[which].with_mut(|it| unsafe { *it = true });
            let slot = slab.slot(id).expect("it is open until the last handle is given up");
            let is_last = slot.remove_handle();
            if is_last {
                // SAFETY: nobody writes them any more.
                assert!(done.0.iter().all(|it| it.with(|it| unsafe { *it })));
                slab.close(slot);
            }
            is_last
        }
    };
    let other = thread::spawn(give_up(1));
    let own = give_up(0)();
    assert!(own != other.join().unwrap(), "closed twice, or never");
    assert!(slab.slot(id).is_none());
}

#[test]
fn a_span_is_closed_by_one() {
    check("a_span_is_closed_by_one", handles);
}

#[test]
fn a_span_is_closed_by_one_mutants() {
    let mutants = [(Mutant::SlabHandle, "Causality violation")];
    must_fail(a_span_is_closed_by_one_mutants, handles, &mutants);
}
