//! Load SQL: the statements that the next load would run, for a DBA to read. Reads only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::Engine;
use crate::engine::load::plan::{self, Limits, Step};
use crate::model::fault::sync;
use crate::model::{CommitRecord, Epoch, Fault, RecordKind, Seq, TableName, TargetState};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{LoadRange, LogLine, NextLoad, NextStep, Target};

pub use crate::target::{SqlStatement, SqlTransaction};

/// Stands for the manifest, which the load writes first and whose name is made then.
const MANIFEST: &str = "s3://<manifest over the files of this load>";

/// What a load does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadStep {
    /// Nothing: production holds everything that is recorded.
    Nothing,
    /// Open an epoch: with the rows of a snapshot, or empty.
    Open,
    /// Stage the batches, then apply them.
    Load,
    /// Apply what stands in staging.
    Apply,
    /// Accept a changed column list.
    Schema,
}

/// The statements of the next step of a load.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LoadSql {
    pub table: TableName,
    /// The current epoch.
    pub epoch: Epoch,
    pub step: LoadStep,
    /// First batch of the step; null without one.
    pub from: Option<Seq>,
    /// Last batch of the step. Later ones may follow it: look again after the load.
    pub to: Option<Seq>,
    /// Rows of these batches.
    pub rows: u64,
    /// Their files, which the manifest of the COPY names.
    pub files: Vec<String>,
    /// What runs, in this order. Session settings and look-ups of the catalogue are left out.
    pub transactions: Vec<SqlTransaction>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// What the next load of a table would run first.
    pub async fn load_sql(&self, table: &TableName) -> Result<LoadSql, Fault> {
        let none = || {
            Fault::new(&sync::NOT_PREPARED, format!("{table} was never prepared")).next(format!("db-to-redshift prepare --table {table:#}"))
        };
        let epoch = self.epoch_of(table).await?;
        let opening = self.store.record(table, epoch, 0).await?.ok_or_else(none)?;
        let mut state = self.target.state(table).await?.ok_or_else(none)?;
        let limits = Limits { batches: self.settings.load.coalesce_batches, rows: self.settings.load.coalesce_rows };
        let mut step = plan::next(&*self.store, &state, &opening, limits).await?;
        let unstage = matches!(step, Step::Unstage);
        if unstage {
            state.staged = None;
            step = plan::next(&*self.store, &state, &opening, limits).await?;
        }
        let (name, records, event) = match step {
            Step::Done | Step::Unstage => (LoadStep::Nothing, Vec::new(), ""),
            Step::Open if opening.kind == RecordKind::Start => (LoadStep::Open, vec![opening], "start"),
            Step::Open => (LoadStep::Open, vec![opening], "snapshot"),
            Step::Stage(records) => (LoadStep::Load, records, "applied"),
            Step::Apply(records) => (LoadStep::Apply, records, "applied"),
            Step::Schema(record) => (LoadStep::Schema, vec![*record], "schema"),
        };
        let transactions = match self.next_load(name, &records, &state, event) {
            Some(next) => self.target.load_script(table, &state, &NextLoad { unstage, ..next }).await?,
            None => Vec::new(),
        };
        Ok(LoadSql {
            table: table.clone(),
            epoch,
            step: name,
            from: records.first().map(|record| record.seq),
            to: records.last().map(|record| record.seq),
            rows: records.iter().map(|record| record.counts.rows()).sum(),
            files: records.iter().flat_map(|record| &record.parts).map(|part| self.store.url(&part.key)).collect(),
            transactions,
        })
    }

    fn next_load(&self, step: LoadStep, records: &[CommitRecord], state: &TargetState, event: &str) -> Option<NextLoad> {
        let last = records.last()?;
        let manifest = records.iter().any(|record| !record.parts.is_empty()).then(|| MANIFEST.to_owned());
        let range = plan::range(records, &self.identity(&last.source), state.fence + 1, manifest.clone())?;
        let line = line(&range, last, state, event);
        let step = match step {
            LoadStep::Nothing => return None,
            LoadStep::Open => NextStep::Open(plan::open(last, &range.identity, range.fence, manifest)),
            LoadStep::Load => NextStep::Stage(range),
            LoadStep::Apply => NextStep::Apply(range),
            LoadStep::Schema => NextStep::Schema(range, last.column_hash.clone()),
        };
        Some(NextLoad { unstage: false, step, line })
    }
}

/// Its run and its figures are known only when it is written.
fn line(range: &LoadRange, last: &CommitRecord, state: &TargetState, event: &str) -> LogLine {
    LogLine {
        table: last.table.clone(),
        event: event.to_owned(),
        epoch: range.epoch,
        from: range.from,
        to: range.to,
        lsn_to: range.lsn_to,
        rows: range.rows(),
        deleted: 0,
        inserted: 0,
        run: Uuid::nil(),
        at: String::new(),
        instance: Some(last.capture.instance.clone()),
        diverged: state.diverged.as_ref().filter(|_| event != "snapshot").map(|diverged| diverged.why.clone()),
    }
}
