//! The jobs of this console: what was ordered, how far it is, how it ended.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::console::order::Order;
use crate::console::page::Tone;
use crate::console::seam::{EndKind, Id, TableEnd};
use crate::console::state::fleet::LastFault;
use crate::engine::event::{Event, Job as Step, Progress};
use crate::model::TableName;
use crate::model::words::{count, many};

/// Jobs that ended and are kept for `history`.
const KEPT: usize = 200;

/// Rows on the two hops: the same change is extracted once and loaded once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rows {
    pub extracted: u64,
    pub loaded: u64,
    /// Read by a verify.
    pub compared: u64,
}

impl Rows {
    pub fn add(&mut self, job: Step, rows: u64) {
        match job {
            Step::Prepare | Step::Extract => self.extracted += rows,
            Step::Load => self.loaded += rows,
            Step::Verify => self.compared += rows,
        }
    }

    /// All of them, whatever was done with them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.extracted + self.loaded + self.compared
    }

    /// As in `1,000 extracted, 1,000 loaded`; empty when there were none.
    #[must_use]
    pub fn words(self) -> String {
        let parts = [(self.extracted, "extracted"), (self.loaded, "loaded"), (self.compared, "compared")];
        let parts: Vec<String> =
            parts.iter().filter(|(rows, _)| *rows > 0).map(|(rows, word)| format!("{} {word}", count(*rows))).collect();
        parts.join(", ")
    }
}

/// Of each step, its rows.
impl FromIterator<(Step, u64)> for Rows {
    fn from_iter<I: IntoIterator<Item = (Step, u64)>>(steps: I) -> Self {
        let mut rows = Self::default();
        steps.into_iter().for_each(|(job, moved)| rows.add(job, moved));
        rows
    }
}

/// One order on its way.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: Id,
    pub order: Order,
    /// By name.
    pub tables: Vec<TableName>,
    pub started: Timestamp,
    pub progress: BTreeMap<TableName, Progress>,
    pub ended: Option<Timestamp>,
    /// By name.
    pub ends: Vec<TableEnd>,
    /// It was asked to stop.
    pub cancelling: bool,
    /// Tables of which something ended.
    pub done: usize,
    /// Rows and bytes of what is recorded or applied.
    moved: (Rows, u64),
    /// Rows that stand in staging.
    staged: BTreeMap<TableName, u64>,
    /// Its end was looked at: it may leave the screen.
    pub seen: bool,
    /// The profile that it was ordered in, when that was left.
    pub left: Option<String>,
    /// Rows at the tick before, for the rate.
    sample: Option<(Timestamp, u64)>,
    /// Rows a second between the last two samples.
    pub rate: Option<f64>,
}

impl Job {
    /// It is about the table.
    #[must_use]
    pub fn has(&self, table: &TableName) -> bool {
        self.tables.binary_search(table).is_ok()
    }

    /// How it ended on a table, step by step.
    #[must_use]
    pub fn ends_on(&self, table: &TableName) -> &[TableEnd] {
        let from = self.ends.partition_point(|end| end.table < *table);
        let rest = &self.ends[from..];
        &rest[..rest.partition_point(|end| end.table == *table)]
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    #[must_use]
    pub fn failed(&self) -> usize {
        self.ends.iter().filter(|end| end.is_failed()).count()
    }

    /// How it ended as a whole, in a few words.
    #[must_use]
    pub fn outcome(&self) -> (Tone, String) {
        let tables =
            |ends: usize| if self.ends.len() == 1 { String::new() } else { format!(" ({ends} of {})", many(self.ends.len(), "step")) };
        let strange: Vec<&TableEnd> = self.ends.iter().filter(|end| end.kind == EndKind::Attention).collect();
        let kind = self.ends.iter().map(|end| end.kind).max();
        match (self.failed(), strange.as_slice()) {
            (0, _) if self.is_cancelled() => (Tone::Warn, "cancelled".to_owned()),
            (0, [first, ..]) if strange.iter().all(|end| end.outcome == first.outcome) => {
                (Tone::Warn, format!("{}{}", first.outcome, tables(strange.len())))
            }
            (0, [_, ..]) => (Tone::Warn, format!("look at it{}", tables(strange.len()))),
            (0, []) => match kind {
                Some(EndKind::Nothing) => (Tone::Plain, "nothing to do".to_owned()),
                // Of the database alone.
                None if !matches!(self.order, Order::Enable { .. }) => (Tone::Plain, "nothing was done".to_owned()),
                _ => (Tone::Good, "done".to_owned()),
            },
            (failed, _) => (Tone::Bad, format!("{failed} failed")),
        }
    }

    /// Rows of its steps, as they ended.
    #[must_use]
    pub fn rows(&self) -> Rows {
        self.ends.iter().filter_map(|end| Some((end.job?, end.rows))).collect()
    }

    /// It stopped before its end, as it was asked to.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ends.iter().any(TableEnd::is_cancelled)
    }

    /// Rows and compressed bytes so far.
    #[must_use]
    pub fn volume(&self) -> (Rows, u64) {
        self.progress.values().fold(self.moved, |(mut rows, bytes), progress| {
            rows.add(progress.job, progress.rows);
            (rows, bytes + progress.bytes)
        })
    }

    /// Seconds from its beginning to its end, or to now.
    #[must_use]
    pub fn seconds(&self, now: Timestamp) -> i64 {
        self.ended.unwrap_or(now).duration_since(self.started).as_secs().max(0)
    }

    /// What is done now, of a table or of the first that is at work.
    #[must_use]
    pub fn phase(&self, table: Option<&TableName>) -> Option<Progress> {
        match table {
            Some(table) => self.progress.get(table).copied(),
            None => self.progress.values().next().copied(),
        }
    }
}

/// All of them, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    list: VecDeque<Job>,
}

impl Jobs {
    pub fn begin(&mut self, id: Id, order: Order, tables: Vec<TableName>, now: Timestamp) {
        while self.list.len() >= KEPT && self.list.front().is_some_and(|job| !job.is_running()) {
            self.list.pop_front();
        }
        let mut tables = tables;
        tables.sort();
        self.list.push_back(Job {
            id,
            order,
            tables,
            started: now,
            progress: BTreeMap::new(),
            ended: None,
            ends: Vec::new(),
            cancelling: false,
            done: 0,
            moved: (Rows::default(), 0),
            staged: BTreeMap::new(),
            seen: false,
            left: None,
            sample: None,
            rate: None,
        });
    }

    pub fn get_mut(&mut self, id: Id) -> Option<&mut Job> {
        self.list.iter_mut().rev().find(|job| job.id == id)
    }

    /// How the newest job on a table failed, if it did and was no step of its stream: of those
    /// the runs tell.
    #[must_use]
    pub fn refused(&self, table: &TableName) -> Option<LastFault> {
        let job = self.list.iter().rev().find(|job| job.left.is_none() && !job.ends_on(table).is_empty())?;
        let end = job.ends_on(table).iter().rev().find(|end| end.is_failed() && !end.is_step())?;
        Some(LastFault { outcome: end.outcome.clone(), fault: end.fault.clone()?, at: job.ended? })
    }

    /// Another profile comes: of these only the history is kept. None of them runs.
    pub fn leave(&mut self, profile: &str) {
        for job in self.list.iter_mut().filter(|job| job.left.is_none()) {
            (job.seen, job.left) = (true, Some(profile.to_owned()));
        }
    }

    /// The newest first, also of profiles that were left.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.list.iter().rev()
    }

    pub fn running(&self) -> impl Iterator<Item = &Job> {
        self.iter().filter(|job| job.is_running())
    }

    /// Running ones, and those whose end was not looked at.
    pub fn on_screen(&self) -> impl Iterator<Item = &Job> {
        self.iter().filter(|job| job.is_running() || !job.seen)
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running().next().is_none()
    }

    /// The job that works on a table, or did last and was not looked at.
    #[must_use]
    pub fn of(&self, table: &TableName) -> Option<&Job> {
        self.on_screen().find(|job| job.has(table))
    }

    /// Takes an event of a job over.
    pub fn note(&mut self, id: Id, event: &Event) {
        let Some(job) = self.get_mut(id) else { return };
        match event {
            Event::Finished { table, .. } => {
                job.done += 1;
                job.progress.remove(table);
                job.staged.remove(table);
            }
            Event::Recorded { table, rows, bytes, .. } => {
                job.progress.remove(table);
                job.moved.0.extracted += rows;
                job.moved.1 += bytes;
            }
            Event::Staged { table, rows, .. } => drop(job.staged.insert(table.clone(), *rows)),
            Event::Applied { table, from, deleted, inserted, .. } => {
                job.progress.remove(table);
                // An update deletes a row and inserts one: both are one row of a file. A snapshot is
                // never staged, and what it deletes is all that stood there.
                let known = if *from == 0 { *inserted } else { *deleted.max(inserted) };
                job.moved.0.loaded += job.staged.remove(table).unwrap_or(known);
            }
            _ => {}
        }
    }

    pub fn progress(&mut self, id: Id, progress: BTreeMap<TableName, Progress>) {
        // What has ended goes on no more, however late it is told.
        if let Some(job) = self.get_mut(id).filter(|job| job.is_running()) {
            job.progress = progress;
        }
    }

    /// Measures rates; once a second is enough.
    pub fn measure(&mut self, now: Timestamp) {
        for job in self.list.iter_mut().filter(|job| job.is_running()) {
            let rows = job.volume().0.total();
            if let Some((at, before)) = job.sample {
                let seconds = now.duration_since(at).as_secs_f64();
                if seconds < 0.9 {
                    continue;
                }
                #[expect(clippy::cast_precision_loss, reason = "a rate for a person")]
                let moved = rows.saturating_sub(before) as f64;
                job.rate = Some(moved / seconds);
            }
            job.sample = Some((now, rows));
        }
    }

    /// Everything that ended counts as looked at.
    pub fn look(&mut self) {
        self.list.iter_mut().filter(|job| !job.is_running()).for_each(|job| job.seen = true);
    }
}
