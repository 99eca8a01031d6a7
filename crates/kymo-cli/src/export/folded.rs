//! Writes folded stacks of scopes, which tools for flame graphs take (`inferno-flamegraph`, `flamegraph.pl`,
//! speedscope): a line for each stack, with the nanoseconds that were spent in its last scope and in none within it.
//!
//! ```text
//! feed;match;match one 812400
//! ```
//!
//! The records of scopes come when these end, the inner ones first. So the trees of a thread's scopes wait until one
//! ends that had begun before them: they are within it. Two scopes of a thread are one within the other, or one after
//! the other; so the middle of a scope says which, even if clocks differ by a little.
//!
//! INV-1: memory is bounded: by [`MAX_WAITING`] trees a thread, by [`MAX_STACKS`] stacks, and by [`MAX_DEPTH`]. Beyond
//! the first, the oldest count as being within no other scope. Beyond the second, scopes are called `(other)`. Beyond
//! the third, what is within a scope counts as a part of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write;

use kymo_reader::{Record, ScopeEvent, write_escaped};

/// How many trees of a thread may wait.
const MAX_WAITING: usize = 1 << 16;

/// How many stacks are told apart.
const MAX_STACKS: usize = 1 << 20;

/// How deep scopes are nested.
const MAX_DEPTH: usize = 128;

/// Folds scopes.
#[derive(Default)]
pub struct Folded {
    /// By file and thread.
    threads: HashMap<(usize, usize), ThreadScopes>,
    /// How many nodes all trees have.
    nodes: usize,
}

#[derive(Default)]
struct ThreadScopes {
    label: String,
    /// Scopes that have ended, in this order.
    waiting: VecDeque<Ended>,
    /// What is within no other scope.
    roots: Trees,
}

struct Ended {
    /// Twice the middle of its time, in nanoseconds.
    middle: i128,
    name: Box<str>,
    tree: Tree,
}

/// Scopes by name.
type Trees = BTreeMap<Box<str>, Tree>;

#[derive(Default)]
struct Tree {
    self_ns: u64,
    inner: Trees,
    /// What it took, with all that is within it.
    total_ns: u64,
    /// How deep what is within it is nested.
    depth: usize,
}

impl Tree {
    /// Counts what is within it as a part of it.
    fn flatten(&mut self, nodes: &mut usize) {
        fn size(trees: &Trees) -> usize {
            trees.values().map(|tree| 1 + size(&tree.inner)).sum()
        }
        *nodes = nodes.saturating_sub(size(&self.inner));
        *self = Self { self_ns: self.total_ns, total_ns: self.total_ns, ..Self::default() };
    }
}

impl Folded {
    /// Takes a record. Those of a thread must come in the order of time.
    pub fn record(&mut self, file: usize, record: &Record<'_>) {
        let Some(ScopeEvent::End(_, duration)) = record.scope() else { return };
        let total_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let end = i128::from(record.time_ns());
        let begin = end - i128::from(total_ns);
        let key = (file, record.thread().index());
        let thread = self.threads.entry(key).or_insert_with(|| {
            let mut label = String::new();
            write_frame(&record.thread().label().to_string(), &mut label);
            ThreadScopes { label, ..ThreadScopes::default() }
        });
        let mut tree = Tree { self_ns: total_ns, total_ns, ..Tree::default() };
        while thread.waiting.back().is_some_and(|it| it.middle >= 2 * begin)
            && let Some(mut inside) = thread.waiting.pop_back()
        {
            if inside.tree.depth >= MAX_DEPTH {
                inside.tree.flatten(&mut self.nodes);
            }
            tree.depth = tree.depth.max(inside.tree.depth + 1);
            tree.self_ns = tree.self_ns.saturating_sub(inside.tree.total_ns);
            merge(&mut tree.inner, inside.name, inside.tree, &mut self.nodes);
        }
        let mut name = String::new();
        write_frame(&record.call_site().name(), &mut name);
        self.nodes += 1;
        thread.waiting.push_back(Ended { middle: begin + end, name: name.into(), tree });
        if thread.waiting.len() > MAX_WAITING
            && let Some(Ended { name, tree, .. }) = thread.waiting.pop_front()
        {
            merge(&mut thread.roots, name, tree, &mut self.nodes);
        }
    }

    /// Appends the lines, in the order of threads' names and stacks.
    pub fn end(self, out: &mut String) {
        let mut nodes = self.nodes;
        let mut threads = BTreeMap::<String, Trees>::new();
        for thread in self.threads.into_values() {
            let roots = threads.entry(thread.label).or_default();
            let waiting = thread.waiting.into_iter().map(|it| (it.name, it.tree));
            for (name, tree) in thread.roots.into_iter().chain(waiting) {
                merge(roots, name, tree, &mut nodes);
            }
        }
        for (label, trees) in threads {
            write_lines(&mut label.clone(), &trees, out);
        }
    }
}

/// Adds a tree to others. `nodes`: how many there are of all.
fn merge(into: &mut Trees, name: Box<str>, tree: Tree, nodes: &mut usize) {
    let Some(known) = into.get_mut(&name) else {
        if *nodes <= MAX_STACKS {
            into.insert(name, tree);
        } else {
            *nodes = nodes.saturating_sub(1);
            let rest = into.entry("(other)".into()).or_default();
            rest.self_ns = rest.self_ns.saturating_add(tree.total_ns);
            rest.total_ns = rest.total_ns.saturating_add(tree.total_ns);
        }
        return;
    };
    *nodes = nodes.saturating_sub(1);
    known.self_ns = known.self_ns.saturating_add(tree.self_ns);
    known.total_ns = known.total_ns.saturating_add(tree.total_ns);
    for (name, tree) in tree.inner {
        merge(&mut known.inner, name, tree, nodes);
    }
}

fn write_lines(stack: &mut String, trees: &Trees, out: &mut String) {
    let length = stack.len();
    for (name, tree) in trees {
        stack.push(';');
        stack.push_str(name);
        if tree.self_ns > 0 {
            let _ = writeln!(out, "{stack} {}", tree.self_ns);
        }
        write_lines(stack, &tree.inner, out);
        stack.truncate(length);
    }
}

/// Appends a name as a part of a stack.
fn write_frame(name: &str, out: &mut String) {
    write_escaped(&name.replace(';', ":"), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(self_ns: u64) -> Tree {
        Tree { self_ns, total_ns: self_ns, ..Tree::default() }
    }

    #[test]
    fn equal_stacks_become_one() {
        let (mut trees, mut nodes) = (Trees::new(), 4);
        for _ in 0..2 {
            let mut outer = tree(10);
            merge(&mut outer.inner, "b".into(), tree(7), &mut nodes);
            merge(&mut trees, "a".into(), outer, &mut nodes);
        }
        let mut out = String::new();
        write_lines(&mut "main".to_owned(), &trees, &mut out);
        assert_eq!((&*out, nodes), ("main;a 20\nmain;a;b 14\n", 2));
    }

    #[test]
    fn what_is_too_deep_is_a_part() {
        let mut deep = Tree { self_ns: 1, total_ns: 8, ..Tree::default() };
        let mut nodes = 3;
        merge(&mut deep.inner, "x".into(), tree(7), &mut nodes);
        deep.flatten(&mut nodes);
        assert_eq!((deep.self_ns, deep.inner.len(), nodes), (8, 0, 2));
    }
}
