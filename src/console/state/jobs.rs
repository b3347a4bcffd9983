//! The jobs of this console: what was ordered, how far it is, how it ended.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::console::order::Order;
use crate::console::seam::{Id, TableEnd};
use crate::console::state::fleet::LastFault;
use crate::engine::event::{Event, Progress};
use crate::model::TableName;

/// Jobs that ended and are kept for `history`.
const KEPT: usize = 200;

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
    /// Rows and bytes of what is finished.
    pub moved: (u64, u64),
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

    /// It stopped before its end, as it was asked to.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ends.iter().any(TableEnd::is_cancelled)
    }

    /// Rows and compressed bytes so far.
    #[must_use]
    pub fn volume(&self) -> (u64, u64) {
        self.progress.values().fold(self.moved, |(rows, bytes), progress| (rows + progress.rows, bytes + progress.bytes))
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
            moved: (0, 0),
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
            }
            Event::Recorded { rows, bytes, .. } => job.moved = (job.moved.0 + rows, job.moved.1 + bytes),
            Event::Applied { deleted, inserted, .. } => job.moved.0 += deleted + inserted,
            _ => {}
        }
    }

    pub fn progress(&mut self, id: Id, progress: BTreeMap<TableName, Progress>) {
        if let Some(job) = self.get_mut(id) {
            job.progress = progress;
        }
    }

    /// Measures rates; once a second is enough.
    pub fn measure(&mut self, now: Timestamp) {
        for job in self.list.iter_mut().filter(|job| job.is_running()) {
            let rows = job.volume().0;
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
