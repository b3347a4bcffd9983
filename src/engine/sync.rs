//! Sync: load what is recorded, extract, load again (section 7 of the protocol).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::event::TableReport;
use crate::model::fault::sync;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Carries the given tables up to now. What is staged or recorded goes first, then what the
    /// source has. Every report of every job, in the order of the jobs. A target that is down or
    /// refuses a value does not stop extraction: change history does not wait for it. But nothing is
    /// added to records that are not those of production.
    pub async fn sync(self: &Arc<Self>, tables: &[TableName]) -> Vec<TableReport> {
        let mut reports = self.load(tables).await;
        let loaded = without(tables, &reports, |_| true);
        let stops = [&sync::NOT_PREPARED, &sync::CANCELLED, &sync::RECORDS_GONE, &sync::OTHER_STREAM];
        let ready = without(tables, &reports, |fault| stops.iter().any(|page| fault.is(page)));
        reports.extend(self.extract(&ready).await);
        // A table whose extraction failed half-way still has what was recorded before.
        reports.extend(self.load(&loaded).await);
        reports
    }
}

/// The tables that no such fault was met on.
fn without(tables: &[TableName], reports: &[TableReport], stops: impl Fn(&Fault) -> bool) -> Vec<TableName> {
    let stopped = |report: &&TableReport| report.outcome.as_ref().is_err_and(&stops);
    let failed: BTreeSet<&TableName> = reports.iter().filter(stopped).map(|report| &report.table).collect();
    tables.iter().filter(|table| !failed.contains(table)).cloned().collect()
}
