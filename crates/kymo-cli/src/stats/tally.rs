//! Counts the records and marks of the files.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use kymo_reader::Level;
use kymo_reader::{CallSite, Drops, Event, Purpose, Record, Report, Thread};

use super::Sort;
use super::between::{Between, Role};
use super::histogram::Histogram;
use super::summary::{Count, Dropped, SiteRow, Summary, ThreadRow};
use kymo_query::Filter;

/// The counts so far.
pub struct Tally {
    files: Vec<FileTally>,
    sites: Vec<SiteTally>,
    site_numbers: HashMap<SiteKey, usize>,
    threads: Vec<ThreadTally>,
    thread_numbers: HashMap<String, usize>,
    between: Option<Between>,
    histogram: Histogram,
    span: Option<(i64, i64)>,
    dropped: BTreeMap<(String, Option<Level>), u64>,
    summary: Summary,
}

/// The numbers of one file's call sites and threads among those of all files.
struct FileTally {
    name: String,
    sites: Vec<Option<usize>>,
    threads: Vec<Option<usize>>,
}

/// A call site, whichever file names it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct SiteKey {
    file: Box<str>,
    line: u64,
    column: u64,
    level: Level,
    target: Box<str>,
    format: Box<str>,
}

struct SiteTally {
    key: SiteKey,
    role: Role,
    /// The message of its first record, if another crate than kymo formats them.
    example: Option<String>,
    /// How many records a rate has suppressed.
    suppressed: u64,
    count: Count,
}

struct ThreadTally {
    name: String,
    count: Count,
    dropped: u64,
    lost: u64,
}

impl Tally {
    /// For files with these names.
    pub fn new(names: impl IntoIterator<Item = String>, between: Option<Between>) -> Self {
        let file = |name| FileTally { name, sites: Vec::new(), threads: Vec::new() };
        let files: Vec<FileTally> = names.into_iter().map(file).collect();
        let summary = Summary { files: files.len(), ..Summary::default() };
        Self {
            files,
            sites: Vec::new(),
            site_numbers: HashMap::new(),
            threads: Vec::new(),
            thread_numbers: HashMap::new(),
            between,
            histogram: Histogram::default(),
            span: None,
            dropped: BTreeMap::new(),
            summary,
        }
    }

    /// Counts a record.
    #[inline]
    pub fn record(&mut self, file: usize, record: &Record<'_>) {
        let bytes = record.encoded_bytes() as u64;
        let time = record.time_ns();
        self.histogram.add(time);
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
        let site = self.site(file, record.call_site());
        let thread = self.thread(file, record.thread());
        let tally = &mut self.sites[site];
        if tally.count.records == 0 && record.call_site().has_message_argument() {
            let mut message = String::new();
            record.message(&mut message);
            tally.example = Some(message);
        }
        tally.count.add(bytes);
        if let Some(suppressed) = record.suppressed() {
            tally.suppressed = tally.suppressed.saturating_add(suppressed);
        }
        self.threads[thread].count.add(bytes);
        let role = self.sites[site].role;
        if let Some(between) = &mut self.between
            && (role.begins || role.ends)
        {
            between.record(role, file, record);
        }
    }

    /// Counts an event that is no record, and that `filter` admits.
    pub fn mark(&mut self, file: usize, event: &Event<'_>, filter: &Filter) {
        match event {
            Event::Drops(drops) => self.drops(file, drops, filter),
            Event::Gap(gap) => {
                self.summary.gaps += 1;
                self.summary.lost = self.summary.lost.saturating_add(gap.records);
                if let Some(thread) = gap.thread {
                    let thread = self.thread(file, thread);
                    let lost = &mut self.threads[thread].lost;
                    *lost = lost.saturating_add(gap.records);
                }
            }
            Event::Dump(_) => self.summary.dumps += 1,
            Event::DumpEnd(end) => {
                self.summary.dumped = self.summary.dumped.saturating_add(end.records);
            }
            Event::Damage(damage) => {
                self.summary.damages += 1;
                let bytes = &mut self.summary.damaged_bytes;
                *bytes = bytes.saturating_add(damage.bytes);
            }
            _ => {}
        }
    }

    /// Counts a mark. It may have several levels, some of them not wanted.
    fn drops(&mut self, file: usize, drops: &Drops<'_>, filter: &Filter) {
        let thread = self.thread(file, drops.thread);
        self.summary.drop_marks += 1;
        for count in drops.counts.iter().filter(|count| filter.admits_level(count.level)) {
            let dropped = &mut self.threads[thread].dropped;
            *dropped = dropped.saturating_add(count.count);
            self.summary.dropped = self.summary.dropped.saturating_add(count.count);
            let key = (count.reason.to_string(), count.level);
            let sum = self.dropped.entry(key).or_default();
            *sum = sum.saturating_add(count.count);
        }
    }

    /// Counts a file that was read to its end. `is_all` says that no mark was left out: then records
    /// count as lost too that are missing without a gap, by the totals of the file.
    pub fn file(&mut self, report: &Report, is_all: bool) {
        self.summary.file_bytes += report.length_bytes;
        self.summary.frames += report.frames;
        if is_all {
            let without_gap = report.lost().saturating_sub(report.missing);
            self.summary.lost = self.summary.lost.saturating_add(without_gap);
        }
    }

    /// The number of a call site among those of all files.
    #[inline]
    fn site(&mut self, file: usize, site: &CallSite) -> usize {
        match self.files[file].sites.get(site.index()) {
            Some(&Some(number)) => number,
            _ => self.new_site(file, site),
        }
    }

    #[cold]
    fn new_site(&mut self, file: usize, site: &CallSite) -> usize {
        let format = match site.purpose() {
            // It says how many records of another statement were suppressed, whose format string is its text.
            Purpose::Outstanding => site.format().replace("{{", "{").replace("}}", "}").into(),
            _ => site.format().into(),
        };
        let key = SiteKey {
            file: site.file().into(),
            line: site.line(),
            column: site.column(),
            level: site.level(),
            target: site.target().into(),
            format,
        };
        let next = self.sites.len();
        let number = *self.site_numbers.entry(key.clone()).or_insert(next);
        if number == next {
            let role = self.between.as_ref().map_or(Role::default(), |it| it.role(site));
            let count = Count::default();
            self.sites.push(SiteTally { key, role, example: None, suppressed: 0, count });
        }
        put(&mut self.files[file].sites, site.index(), number);
        number
    }

    /// The number of a thread among those of all files. Threads with one name count as one.
    #[inline]
    fn thread(&mut self, file: usize, thread: &Thread) -> usize {
        match self.files[file].threads.get(thread.index()) {
            Some(&Some(number)) => number,
            _ => self.new_thread(file, thread),
        }
    }

    #[cold]
    fn new_thread(&mut self, file: usize, thread: &Thread) -> usize {
        let name = match (thread.name(), self.files.len()) {
            ("", 1) => thread.number().to_string(),
            ("", _) => format!("{} ({})", thread.number(), self.files[file].name),
            (name, _) => name.to_owned(),
        };
        let next = self.threads.len();
        let number = *self.thread_numbers.entry(name.clone()).or_insert(next);
        if number == next {
            let count = Count::default();
            self.threads.push(ThreadTally { name, count, dropped: 0, lost: 0 });
        }
        put(&mut self.files[file].threads, thread.index(), number);
        number
    }

    /// Adds it all up.
    pub fn summary(self, sort: Sort) -> Summary {
        let mut summary = self.summary;
        let (mut levels, mut targets) = (BTreeMap::new(), BTreeMap::new());
        for site in &self.sites {
            levels.entry(site.key.level).or_insert_with(Count::default).merge(site.count);
            targets.entry(site.key.target.clone()).or_insert_with(Count::default).merge(site.count);
            summary.records += site.count.records;
            summary.bytes += site.count.bytes;
            summary.suppressed = summary.suppressed.saturating_add(site.suppressed);
        }
        if let Some((first, last)) = self.span {
            (summary.first_ns, summary.last_ns) = (Some(first), Some(last));
        }
        summary.histogram = self.histogram;
        summary.levels =
            sorted(sort, levels.into_iter().map(|(level, count)| (level.name().to_owned(), count)));
        summary.targets =
            sorted(sort, targets.into_iter().map(|(target, count)| (target.into(), count)));
        for site in self.sites {
            let mut at = String::from(site.key.file);
            let _ = write!(at, ":{}", site.key.line);
            // What was made at run time has none.
            if site.key.column > 0 {
                let _ = write!(at, ":{}", site.key.column);
            }
            summary.call_sites.push(SiteRow {
                at,
                level: site.key.level.name(),
                target: site.key.target.into(),
                format: site.key.format.into(),
                example: site.example,
                suppressed: site.suppressed,
                count: site.count,
            });
        }
        summary.call_sites.sort_by_key(|row| std::cmp::Reverse(row.count.key(sort)));
        for thread in self.threads {
            let ThreadTally { name, count, dropped, lost } = thread;
            summary.threads.push(ThreadRow { name, count, dropped, lost });
        }
        summary.threads.sort_by_key(|row| std::cmp::Reverse(row.count.key(sort)));
        for ((reason, level), records) in self.dropped {
            let level = level.map(Level::name);
            summary.drops.push(Dropped { reason, level, records });
        }
        summary.between = self.between.map(Between::latency);
        summary
    }
}

/// Remembers `number` at `index`.
fn put(numbers: &mut Vec<Option<usize>>, index: usize, number: usize) {
    if numbers.len() <= index {
        numbers.resize(index + 1, None);
    }
    numbers[index] = Some(number);
}

fn sorted(sort: Sort, counts: impl Iterator<Item = (String, Count)>) -> Vec<super::summary::Row> {
    let mut rows: Vec<_> =
        counts.map(|(name, count)| super::summary::Row { name, count }).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count.key(sort)));
    rows
}
