//! Retry: the step that failed last, again, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::reprepare::Unprepared;
use crate::engine::Engine;
use crate::engine::abreast::abreast;
use crate::engine::event::{Job, TableReport};
use crate::model::order::{PrepareOptions, Repeat};
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// A step that failed and was not repaired since.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedStep {
    pub table: TableName,
    /// Prepare, load or extract.
    pub job: Job,
    /// The code that it failed with, or what else calls for it.
    pub why: String,
    /// What a prepare was told; `None` where an older version noted it, and for the other steps.
    pub order: Option<PrepareOptions>,
}

/// What the runs and staging tell of failed steps.
struct Found {
    prepares: BTreeMap<TableName, Unprepared>,
    steps: BTreeMap<(TableName, Job), String>,
}

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
    /// several failed. `repeat` bounds what it may run; without prepares it looks for none.
    pub async fn retry(self: &Arc<Self>, tables: &[TableName], repeat: Repeat) -> Result<Retried, Fault> {
        let Found { prepares, steps: failed } = self.failed_steps(tables).await?;
        // First: an epoch must be open before anything else can go on.
        let again = if repeat == Repeat::Steps { Vec::new() } else { self.prepare_again(tables, prepares, repeat).await? };
        let mut retried = Retried { again, ..Retried::default() };
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

    /// Every step that a retry would look at, in the order in which it would run them. Reads only.
    ///
    /// # Errors
    /// Faults of the store and of the target.
    pub async fn to_retry(&self, tables: &[TableName]) -> Result<Vec<FailedStep>, Fault> {
        let Found { mut prepares, steps } = self.failed_steps(tables).await?;
        let mut found = Vec::new();
        for table in tables {
            if let Some(Unprepared { why, order, .. }) = self.unprepared(table, prepares.remove(table)).await? {
                found.push(FailedStep { table: table.clone(), job: Job::Prepare, why, order });
            }
        }
        for job in STEPS {
            let of = |table: &TableName| steps.get(&(table.clone(), job)).cloned();
            let failed = tables.iter().filter_map(|table| Some((table.clone(), of(table)?)));
            found.extend(failed.map(|(table, why)| FailedStep { table, job, why, order: None }));
        }
        Ok(found)
    }

    async fn failed_steps(&self, tables: &[TableName]) -> Result<Found, Fault> {
        let (prepares, steps): (Vec<_>, Vec<_>) = self.runs(&[]).await?.failed.into_iter().partition(|failed| failed.job == Job::Prepare);
        let prepares = prepares.into_iter().map(|failed| (failed.table.clone(), Unprepared::from(failed))).collect();
        let mut steps: BTreeMap<_, _> = steps.into_iter().map(|failed| ((failed.table, failed.job), failed.code)).collect();
        for table in self.left_in_staging(tables).await? {
            steps.entry((table, Job::Load)).or_insert_with(|| "rows stand in staging".to_owned());
        }
        Ok(Found { prepares, steps })
    }

    /// A load that was killed has noted no run, but state tells of it.
    async fn left_in_staging(&self, tables: &[TableName]) -> Result<Vec<TableName>, Fault> {
        let read = abreast(tables.iter().cloned(), self.settings.load.parallel, |table| async move {
            let state = self.target.state(&table).await;
            (table, state)
        })
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
