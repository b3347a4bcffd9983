//! Retry: the step that failed last, again, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;

use super::reprepare::Unprepared;
use crate::engine::Engine;
use crate::engine::event::{Job, TableReport};
use crate::model::control::RunRecord;
use crate::model::fault::operate::PREPARE_BY_HAND;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// Runs that are looked through for the last outcome of each table.
const RUNS: usize = 200;

/// What a retry found and did.
#[derive(Debug, Default)]
pub struct Retried {
    /// Each failed step, with the code that it had failed with or what else called for it, and how
    /// it ended now.
    pub again: Vec<(String, TableReport)>,
    pub nothing_failed: Vec<TableName>,
}

/// The steps of a sync, in their order.
const STEPS: [Job; 2] = [Job::Load, Job::Extract];

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Runs the failed step of each table again: a prepare before a load before an extraction where
    /// several failed.
    pub async fn retry(self: &Arc<Self>, tables: &[TableName]) -> Result<Retried, Fault> {
        let runs = self.store.runs(RUNS).await?;
        let Failures { steps: mut failed, prepares } = failures(&runs);
        for table in self.left_in_staging(tables).await? {
            failed.entry((table, Job::Load)).or_insert_with(|| "rows stand in staging".to_owned());
        }
        // First: an epoch must be open before anything else can go on.
        let mut retried = Retried { again: self.prepare_again(tables, prepares).await?, ..Retried::default() };
        for step in STEPS {
            let again: Vec<TableName> = tables.iter().filter(|table| failed.contains_key(&((*table).clone(), step))).cloned().collect();
            let done = match step {
                Job::Extract => self.extract(&again).await,
                _ => self.load(&again).await,
            };
            for report in done {
                let why = failed.get(&(report.table.clone(), step)).cloned().unwrap_or_default();
                retried.again.push((why, report));
            }
        }
        let idle = |table: &&TableName| retried.again.iter().all(|(_, report)| report.table != **table);
        retried.nothing_failed = tables.iter().filter(idle).cloned().collect();
        Ok(retried)
    }

    /// A load that was killed has noted no run, but state tells of it.
    async fn left_in_staging(&self, tables: &[TableName]) -> Result<Vec<TableName>, Fault> {
        let read: Vec<_> = futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let state = self.target.state(&table).await;
                (table, state)
            })
            .buffered(self.settings.load.parallel.max(1))
            .collect()
            .await;
        let mut left = Vec::new();
        for (table, state) in read {
            if state?.is_some_and(|state| state.staged.is_some()) {
                left.push(table);
            }
        }
        Ok(left)
    }
}

/// What went wrong last.
#[derive(Debug, Default)]
struct Failures {
    /// The steps of a sync whose newest outcome is a fault, with its code.
    steps: BTreeMap<(TableName, Job), String>,
    /// Tables whose newest prepare failed.
    prepares: BTreeMap<TableName, Unprepared>,
}

fn failures(runs: &[RunRecord]) -> Failures {
    let mut in_order: Vec<&RunRecord> = runs.iter().collect();
    in_order.sort_by_key(|run| run.finished.unwrap_or(run.by.since));
    let is_fault = |outcome: &str| crate::model::fault::page(outcome).is_some();
    let Failures { mut steps, mut prepares } = Failures::default();
    for (run, line) in in_order.iter().flat_map(|run| run.tables.iter().map(move |line| (run, line))) {
        let Some((step, outcome)) = line.outcome.split_once(' ') else { continue };
        if step == Job::Prepare.as_str() {
            // That a prepare waits for an order is no other failure than the one that it waits for.
            if outcome == PREPARE_BY_HAND.code {
                continue;
            }
            prepares.remove(&line.table);
            if is_fault(outcome) {
                let unprepared = Unprepared { why: outcome.to_owned(), order: line.order, run: run.run, began: run.by.since };
                prepares.insert(line.table.clone(), unprepared);
            }
        } else if let Some(step) = STEPS.into_iter().find(|known| known.as_str() == step) {
            // A stream that goes on well is not thrown away for a new epoch that did not begin.
            if !is_fault(outcome) && prepares.get(&line.table).is_some_and(|failed| failed.order.is_none_or(|order| order.new_epoch)) {
                prepares.remove(&line.table);
            }
            steps.insert((line.table.clone(), step), outcome.to_owned());
        }
    }
    steps.retain(|_, outcome| is_fault(outcome));
    Failures { steps, prepares }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::model::control::{Holder, RunTable};
    use crate::model::order::PrepareOptions;

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
        failures(runs).steps.into_iter().map(|((_, job), code)| (job, code)).collect()
    }

    #[test]
    fn the_newest_outcome_of_each_step_counts() {
        let bad = run(2, &["load done", "extract SYNC-002"]);
        assert_eq!(failed(&[bad.clone(), run(1, &["load RS-010"])]), [(Job::Extract, "SYNC-002".into())]);
        assert_eq!(failed(&[run(3, &["extract nothing to do"]), bad.clone()]), []);
        assert_eq!(failed(&[run(3, &["skip SYNC-042", "prepare SYNC-018"]), bad]), [(Job::Extract, "SYNC-002".into())]);
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
        let standing = |runs: &[RunRecord]| failures(runs).prepares.into_values().map(|one| (one.why, one.order)).next();
        let told = |order| Some(("S3-004".to_owned(), order));
        assert_eq!(standing(&[ordered(1, plain, "prepare S3-004")]), told(plain));
        assert_eq!(standing(&[ordered(1, plain, "prepare S3-004"), ordered(2, plain, "prepare done")]), None);
        assert_eq!(standing(&[ordered(1, plain, "prepare S3-004"), run(2, &["extract SYNC-010"])]), told(plain));
        assert_eq!(standing(&[ordered(1, anew, "prepare S3-004"), run(2, &["extract SYNC-002"])]), told(anew));
        assert_eq!(standing(&[ordered(1, anew, "prepare S3-004"), run(2, &["load nothing to do"])]), None);
        assert_eq!(standing(&[ordered(1, anew, "prepare S3-004"), ordered(2, anew, "prepare SYNC-046")]), told(anew));
    }
}
