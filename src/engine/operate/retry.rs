//! Retry: the step that failed last, again, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;

use crate::engine::Engine;
use crate::engine::event::{Job, TableReport};
use crate::model::control::RunRecord;
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
    /// Runs the failed step of each table again: a load before an extraction where both failed.
    pub async fn retry(self: &Arc<Self>, tables: &[TableName]) -> Result<Retried, Fault> {
        let runs = self.store.runs(RUNS).await?;
        let mut failed = failures(&runs);
        for table in self.left_in_staging(tables).await? {
            failed.entry((table, Job::Load)).or_insert_with(|| "rows stand in staging".to_owned());
        }
        let mut retried = Retried::default();
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

/// The steps whose newest outcome is a fault, with its code.
fn failures(runs: &[RunRecord]) -> BTreeMap<(TableName, Job), String> {
    let mut in_order: Vec<&RunRecord> = runs.iter().collect();
    in_order.sort_by_key(|run| run.finished.unwrap_or(run.by.since));
    let mut newest = BTreeMap::new();
    for line in in_order.iter().flat_map(|run| &run.tables) {
        let Some((step, outcome)) = line.outcome.split_once(' ') else { continue };
        let Some(step) = STEPS.into_iter().find(|known| known.as_str() == step) else { continue };
        newest.insert((line.table.clone(), step), outcome.to_owned());
    }
    newest.retain(|_, outcome| crate::model::fault::page(outcome).is_some());
    newest
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::model::control::{Holder, RunTable};

    fn run(second: i64, outcomes: &[&str]) -> RunRecord {
        let at = Timestamp::from_second(second).unwrap();
        let by = Holder { run: Uuid::from_u128(1), host: "h".into(), user: "u".into(), pid: 1, machine: None, since: at };
        let line =
            |outcome: &&str| RunTable { table: TableName::new("dbo", "t"), outcome: (*outcome).into(), fault: None, batches: 0, rows: 0 };
        RunRecord { run: by.run, command: "sync".into(), by, finished: Some(at), tables: outcomes.iter().map(line).collect() }
    }

    fn failed(runs: &[RunRecord]) -> Vec<(Job, String)> {
        failures(runs).into_iter().map(|((_, job), code)| (job, code)).collect()
    }

    #[test]
    fn the_newest_outcome_of_each_step_counts() {
        let bad = run(2, &["load done", "extract SYNC-002"]);
        assert_eq!(failed(&[bad.clone(), run(1, &["load RS-010"])]), [(Job::Extract, "SYNC-002".into())]);
        assert_eq!(failed(&[run(3, &["extract nothing to do"]), bad.clone()]), []);
        assert_eq!(failed(&[run(3, &["skip SYNC-042", "prepare SYNC-018"]), bad]), [(Job::Extract, "SYNC-002".into())]);
    }
}
