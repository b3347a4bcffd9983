//! What failed last: one answer for `retry`, for the console and for whoever else asks.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use uuid::Uuid;

use crate::engine::Engine;
use crate::engine::event::{Job, PAUSED};
use crate::model::control::{RunRecord, RunTable};
use crate::model::fault::operate::PREPARE_BY_HAND;
use crate::model::fault::{FaultDocument, page, sync};
use crate::model::order::PrepareOptions;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// Runs that are looked through: where each table has a run of its own, a fleet of hundreds makes
/// as many in one round.
const RUNS: usize = 1_000;

/// A step whose newest outcome is a fault.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    pub table: TableName,
    /// Prepare, extract or load: what a sync is made of.
    pub job: Job,
    /// Code of the fault.
    pub code: String,
    /// `None` where a run of an older version noted the code alone.
    pub fault: Option<FaultDocument>,
    /// When its run ended, or began where no end is known.
    pub at: Timestamp,
    /// What a prepare was told; `None` where an older version noted it.
    pub order: Option<PrepareOptions>,
    pub run: Uuid,
    /// When its run began.
    pub began: Timestamp,
}

impl Failure {
    /// Somebody stopped it: nothing went wrong.
    #[must_use]
    pub fn is_cancel(&self) -> bool {
        self.code == sync::CANCELLED.code
    }
}

/// The newest runs, and what they tell.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Runs {
    /// The newest first.
    pub runs: Vec<RunRecord>,
    /// By table and step.
    pub failed: Vec<Failure>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// The newest runs. What is `known` of an earlier call is not read again once it has ended.
    ///
    /// # Errors
    /// Faults of the store.
    pub async fn runs(&self, known: &[RunRecord]) -> Result<Runs, Fault> {
        Ok(Runs::of(self.store.runs(RUNS, known).await?))
    }
}

impl Runs {
    /// Runs, the newest first, and what they tell.
    #[must_use]
    pub fn of(runs: Vec<RunRecord>) -> Self {
        let failed = failures(&runs);
        Self { runs, failed }
    }
}

fn failures(runs: &[RunRecord]) -> Vec<Failure> {
    let mut in_order: Vec<&RunRecord> = runs.iter().collect();
    in_order.sort_by_key(|run| run.finished.unwrap_or(run.by.since));
    // `None`: it went well.
    let mut steps: BTreeMap<(TableName, Job), Option<Failure>> = BTreeMap::new();
    for (run, line) in in_order.iter().flat_map(|run| run.tables.iter().map(move |line| (run, line))) {
        let Some((job, outcome)) = line.outcome.split_once(' ') else { continue };
        // Nothing was tried.
        if outcome == PAUSED {
            continue;
        }
        // That a prepare waits for an order is no other failure than the one that it waits for.
        let Some(job) = Job::STEPS.into_iter().find(|known| known.as_str() == job && outcome != PREPARE_BY_HAND.code) else { continue };
        let failed = page(outcome).is_some().then(|| failure(run, line, job, outcome));
        if failed.is_none() && job != Job::Prepare {
            goes_on(&mut steps, &line.table);
        }
        match steps.entry((line.table.clone(), job)) {
            // What was stopped while it was tried again has still failed.
            Entry::Occupied(step) if step.get().is_some() && failed.as_ref().is_some_and(Failure::is_cancel) => {}
            Entry::Occupied(mut step) => drop(step.insert(failed)),
            Entry::Vacant(step) => drop(step.insert(failed)),
        }
    }
    steps.into_values().flatten().collect()
}

fn failure(run: &RunRecord, line: &RunTable, job: Job, code: &str) -> Failure {
    Failure {
        table: line.table.clone(),
        job,
        code: code.to_owned(),
        fault: line.fault.clone(),
        at: run.finished.unwrap_or(run.by.since),
        order: line.order,
        run: run.run,
        began: run.by.since,
    }
}

/// A stream that goes on well is not thrown away for a new epoch that did not begin.
fn goes_on(steps: &mut BTreeMap<(TableName, Job), Option<Failure>>, table: &TableName) {
    if let Some(step) = steps.get_mut(&(table.clone(), Job::Prepare))
        && step.as_ref().is_some_and(|failed| failed.order.is_none_or(|order| order.new_epoch))
    {
        *step = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::control::Holder;

    fn run(second: i64, outcomes: &[&str]) -> RunRecord {
        let at = Timestamp::from_second(second).unwrap();
        let by = Holder { run: Uuid::from_u128(1), host: "h".into(), user: "u".into(), pid: 1, machine: None, since: at };
        let line = |outcome: &&str| RunTable {
            table: TableName::new("dbo", "t"),
            outcome: (*outcome).into(),
            fault: None,
            batches: 0,
            rows: 0,
            order: None,
        };
        RunRecord { run: by.run, command: "sync".into(), by, finished: Some(at), tables: outcomes.iter().map(line).collect() }
    }

    fn failed(runs: &[RunRecord]) -> Vec<(Job, String)> {
        failures(runs).into_iter().map(|failure| (failure.job, failure.code)).collect()
    }

    #[test]
    fn the_newest_outcome_of_each_step_counts() {
        let bad = run(2, &["load done", "extract SYNC-002"]);
        assert_eq!(failed(&[bad.clone(), run(1, &["load RS-010"])]), [(Job::Extract, "SYNC-002".into())]);
        assert_eq!(failed(&[run(3, &["extract nothing to do"]), bad.clone()]), []);
        assert_eq!(failed(&[run(3, &["skip SYNC-042", "verify SRC-001"]), bad]), [(Job::Extract, "SYNC-002".into())]);
    }

    #[test]
    fn a_pause_ends_no_failure() {
        let paused = run(4, &["prepare paused", "extract paused", "load paused"]);
        let bad = run(3, &["prepare S3-004", "load RS-010"]);
        assert_eq!(failed(&[paused, bad.clone()]), failed(&[bad]));
    }

    #[test]
    fn what_was_stopped_neither_failed_nor_went_well() {
        let cancel = format!("load {}", sync::CANCELLED.code);
        let (bad, stopped) = (run(1, &["load RS-010"]), run(2, &[&cancel]));
        assert_eq!(failed(&[bad.clone(), stopped.clone()]), [(Job::Load, "RS-010".into())]);
        assert_eq!(failed(&[bad, stopped.clone(), run(3, &["load done"])]), []);
        assert!(failures(&[stopped])[0].is_cancel(), "a retry goes on with it");
    }

    #[test]
    fn a_prepare_that_failed_stands_until_one_ends_or_the_stream_goes_on() {
        let ordered = |second, order: Option<PrepareOptions>, outcome: &str| {
            let mut run = run(second, &[outcome]);
            run.tables[0].order = order;
            run
        };
        let plain = Some(PrepareOptions::default());
        let anew = Some(PrepareOptions { new_epoch: true, ..PrepareOptions::default() });
        let prepare = |failure: Failure| (failure.job == Job::Prepare).then_some((failure.code, failure.order));
        let standing = |runs: &[RunRecord]| failures(runs).into_iter().find_map(prepare);
        let told = |order| Some(("S3-004".to_owned(), order));
        assert_eq!(standing(&[ordered(1, plain, "prepare S3-004")]), told(plain));
        assert_eq!(standing(&[ordered(1, plain, "prepare S3-004"), ordered(2, plain, "prepare done")]), None);
        assert_eq!(standing(&[ordered(1, plain, "prepare S3-004"), run(2, &["extract SYNC-010"])]), told(plain));
        assert_eq!(standing(&[ordered(1, anew, "prepare S3-004"), run(2, &["extract SYNC-002"])]), told(anew));
        assert_eq!(standing(&[ordered(1, anew, "prepare S3-004"), run(2, &["load nothing to do"])]), None);
        assert_eq!(standing(&[ordered(1, anew, "prepare S3-004"), ordered(2, anew, "prepare SYNC-046")]), told(anew));
    }
}
