//! Retry: the step that failed last, again, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;

use super::reprepare::Unprepared;
use crate::engine::Engine;
use crate::engine::event::{Job, TableReport};
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

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
        let (prepares, steps): (Vec<_>, Vec<_>) = self.runs(&[]).await?.failed.into_iter().partition(|failed| failed.job == Job::Prepare);
        let prepares = prepares.into_iter().map(|failed| (failed.table.clone(), Unprepared::from(failed))).collect();
        let mut failed: BTreeMap<_, _> = steps.into_iter().map(|failed| ((failed.table, failed.job), failed.code)).collect();
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
