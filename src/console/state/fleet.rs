//! The tables of the list: what is known of each, in the order of their trouble.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::filter::Filter;
pub use super::trouble::Trouble;
use crate::engine::operate::Failure;
use crate::model::TableName;
use crate::model::control::RunRecord;
use crate::model::fault::FaultDocument;
use crate::model::status::{Hop, Hops, StatusReport, TableStatus};

/// A line of the list.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    pub table: TableName,
    /// As shown and searched.
    pub name: String,
    pub trouble: Trouble,
    /// Seconds that production is behind the newest captured commit, by both hops.
    pub lag: Option<i64>,
    /// Records that wait in S3.
    pub waiting: u64,
    /// Index into the report.
    pub at: usize,
}

/// What the list is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    #[default]
    Trouble,
    Name,
    /// Seconds to S3.
    Extract,
    /// Seconds from there to Redshift.
    Load,
    Waiting,
}

impl Sort {
    pub const ALL: [Self; 5] = [Self::Trouble, Self::Name, Self::Extract, Self::Load, Self::Waiting];

    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trouble => "state",
            Self::Name => "name",
            Self::Extract => "to-s3",
            Self::Load => "to-redshift",
            Self::Waiting => "waiting",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.name() == name)
    }
}

/// The last fault of a table.
#[derive(Clone, PartialEq, Debug)]
pub struct LastFault {
    /// As the run noted it, as in `load RS-018`.
    pub outcome: String,
    pub fault: FaultDocument,
    /// When the run ended, or began.
    pub at: Timestamp,
}

/// All tables, and which of them are shown in which order.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    pub report: Option<StatusReport>,
    /// When Redshift was asked last.
    pub target_at: Option<Timestamp>,
    /// Tables whose newest job failed.
    pub failed: BTreeMap<TableName, LastFault>,
    /// How the newest job of this console ended on a table, and when: it counts until a record of a
    /// run says it too.
    own: BTreeMap<TableName, (Timestamp, Option<LastFault>)>,
    /// Of this console's jobs: tables at work.
    pub running: BTreeSet<TableName>,
    /// By the report's order.
    rows: Vec<Row>,
    /// Rows that are shown, in their order.
    shown: Vec<usize>,
    /// How many are in which trouble.
    tally: Vec<(Trouble, usize)>,
    pub sort: Sort,
    pub reverse: bool,
    pub filter: Filter,
    pub problems_only: bool,
}

impl Fleet {
    /// Takes a new report over.
    pub fn take(&mut self, report: StatusReport, target_at: Option<Timestamp>) {
        self.report = Some(report);
        self.target_at = target_at.or(self.target_at);
        self.judge();
    }

    /// Takes over what failed last, by the newest runs.
    pub fn take_runs(&mut self, runs: &[RunRecord], failed: Vec<Failure>) {
        for run in runs {
            let Some(finished) = run.finished else { continue };
            if self.own.values().any(|(at, _)| finished >= before(*at)) {
                let told: BTreeSet<&TableName> = run.tables.iter().map(|line| &line.table).collect();
                self.own.retain(|table, (at, _)| finished < before(*at) || !told.contains(table));
            }
        }
        self.failed.clear();
        // What was cancelled neither failed nor went well.
        for failure in failed.into_iter().filter(|failure| !failure.is_cancel()) {
            let Failure { table, job, code, fault: Some(fault), at, .. } = failure else { continue };
            if self.failed.get(&table).is_none_or(|last| last.at <= at) {
                let outcome = format!("{} {code}", job.as_str());
                self.failed.insert(table, LastFault { outcome, fault, at });
            }
        }
        for (table, (_, ended)) in &self.own {
            match ended {
                Some(last) => drop(self.failed.insert(table.clone(), last.clone())),
                None => drop(self.failed.remove(table)),
            }
        }
        self.judge();
    }

    /// A job of this console ended on a table.
    pub fn note_own(&mut self, table: &TableName, at: Timestamp, ended: Option<LastFault>) {
        match &ended {
            Some(last) => drop(self.failed.insert(table.clone(), last.clone())),
            None => drop(self.failed.remove(table)),
        }
        self.own.insert(table.clone(), (at, ended));
    }

    /// What each row's word is, then [`Self::arrange`].
    pub fn judge(&mut self) {
        let Some(report) = &self.report else { return };
        let mut rows = named(std::mem::take(&mut self.rows), &report.tables);
        for (row, status) in rows.iter_mut().zip(&report.tables) {
            row.trouble = self.trouble(status);
            row.lag = lag(status);
            row.waiting = status.store.as_ref().and_then(|store| store.pending).unwrap_or(0);
        }
        self.rows = rows;
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.trouble).or_insert(0) += 1;
        }
        self.tally = counts.into_iter().collect();
        self.arrange();
    }

    fn trouble(&self, status: &TableStatus) -> Trouble {
        let busy =
            status.store.as_ref().is_some_and(|store| [&store.extracting, &store.loading].into_iter().flatten().any(|busy| !busy.silent));
        if self.running.contains(&status.table) {
            Trouble::Running
        } else if self.failed.contains_key(&status.table) {
            Trouble::Failed
        } else {
            let own = Trouble::of(status.verdict);
            if busy && own > Trouble::Running { Trouble::Running } else { own }
        }
    }

    /// Which rows are shown, in which order.
    pub fn arrange(&mut self) {
        let (mut matcher, mut buffer) = (Filter::matcher(), Vec::new());
        let mut shown: Vec<usize> = Vec::with_capacity(self.rows.len());
        for (at, row) in self.rows.iter().enumerate() {
            if (!self.problems_only || row.trouble.is_problem())
                && (self.filter.is_empty() || self.filter.takes(row, &mut matcher, &mut buffer))
            {
                shown.push(at);
            }
        }
        let rows = &self.rows;
        let hop_lag = |hop: fn(&Hops) -> &Hop, row: &Row| self.status_of(row).and_then(|status| lag_of(hop(&status.hops)));
        match self.sort {
            Sort::Trouble => shown.sort_by_cached_key(|at| {
                let row = &rows[*at];
                (row.trouble, Reverse(row.lag), row.at)
            }),
            // The report comes by name.
            Sort::Name => {}
            Sort::Extract => shown.sort_by_cached_key(|at| (Reverse(hop_lag(|hops| &hops.extract, &rows[*at])), *at)),
            Sort::Load => shown.sort_by_cached_key(|at| (Reverse(hop_lag(|hops| &hops.load, &rows[*at])), *at)),
            Sort::Waiting => shown.sort_by_key(|at| (Reverse(rows[*at].waiting), *at)),
        }
        if self.reverse {
            shown.reverse();
        }
        self.shown = shown;
    }

    /// Rows that are shown, in their order.
    #[must_use]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Row> + DoubleEndedIterator {
        self.shown.iter().map(|at| &self.rows[*at])
    }

    /// Every row, whatever the filter says.
    #[must_use]
    pub fn all(&self) -> &[Row] {
        &self.rows
    }

    /// How many are shown, and how many there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.shown.len(), self.rows.len())
    }

    /// The row at a place of the shown ones.
    #[must_use]
    pub fn row(&self, place: usize) -> Option<&Row> {
        self.shown.get(place).map(|at| &self.rows[*at])
    }

    /// The place of a table among the shown ones.
    #[must_use]
    pub fn place(&self, table: &TableName) -> Option<usize> {
        self.shown.iter().position(|at| self.rows[*at].table == *table)
    }

    #[must_use]
    pub fn status(&self, table: &TableName) -> Option<&TableStatus> {
        let report = self.report.as_ref()?;
        report.tables.binary_search_by(|status| status.table.cmp(table)).ok().map(|at| &report.tables[at])
    }

    #[must_use]
    pub fn status_of(&self, row: &Row) -> Option<&TableStatus> {
        self.report.as_ref()?.tables.get(row.at)
    }

    #[must_use]
    pub fn trouble_of(&self, table: &TableName) -> Option<Trouble> {
        self.status(table).map(|status| self.trouble(status))
    }

    /// How many tables are in which trouble, the worst first; of all, not only the shown ones.
    #[must_use]
    pub fn tally(&self) -> &[(Trouble, usize)] {
        &self.tally
    }
}

/// A row for each table. Most were there before: these keep their names.
fn named(before: Vec<Row>, tables: &[TableStatus]) -> Vec<Row> {
    if before.len() == tables.len() && before.iter().zip(tables).all(|(row, status)| row.table == status.table) {
        return before;
    }
    let mut before = before.into_iter().peekable();
    let mut rows = Vec::with_capacity(tables.len());
    for (at, status) in tables.iter().enumerate() {
        while before.next_if(|row| row.table < status.table).is_some() {}
        let row = before.next_if(|row| row.table == status.table).unwrap_or_else(|| {
            let table = status.table.clone();
            Row { name: table.to_string(), table, trouble: Trouble::Unknown, lag: None, waiting: 0, at }
        });
        rows.push(Row { at, ..row });
    }
    rows
}

/// A little earlier: a run record is stamped a moment before or after the console hears of the end.
fn before(at: Timestamp) -> Timestamp {
    at.checked_sub(jiff::SignedDuration::from_secs(5)).unwrap_or(at)
}

/// How far production is behind: the larger of both hops of ours.
fn lag(status: &TableStatus) -> Option<i64> {
    let hops = &status.hops;
    [&hops.extract, &hops.load].into_iter().filter_map(lag_of).max()
}

/// How far a hop is behind, as the list shows it.
#[must_use]
pub fn lag_of(hop: &Hop) -> Option<i64> {
    hop.lag_seconds.max(hop.waiting_seconds)
}
