//! Sync: load what is recorded, extract, load again (section 7 of the protocol).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::event::TableReport;
use crate::model::TableName;
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Carries the given tables up to now. What is staged or recorded goes first, then what the
    /// source has. Every report of every job, in the order of the jobs; a table that failed one
    /// job is left out of the next.
    pub async fn sync(self: &Arc<Self>, tables: &[TableName]) -> Vec<TableReport> {
        let mut reports = self.load(tables).await;
        let ready = without_failed(tables, &reports);
        reports.extend(self.extract(&ready).await);
        // A table whose extraction failed half-way still has what was recorded before.
        let recorded: BTreeSet<TableName> =
            reports.iter().filter_map(|report| report.outcome.as_ref().ok().map(|_| report.table.clone())).collect();
        let ready: Vec<TableName> = ready.into_iter().filter(|table| recorded.contains(table)).collect();
        reports.extend(self.load(&ready).await);
        reports
    }
}

fn without_failed(tables: &[TableName], reports: &[TableReport]) -> Vec<TableName> {
    let failed: BTreeSet<&TableName> = reports.iter().filter(|report| report.outcome.is_err()).map(|report| &report.table).collect();
    tables.iter().filter(|table| !failed.contains(table)).cloned().collect()
}
