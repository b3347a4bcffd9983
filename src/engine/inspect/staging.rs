//! Staging: the rows that wait in Redshift to be applied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::{self, Shown, ShownColumn, ShownRow};
use crate::engine::Engine;
use crate::engine::extract::stream::read_record;
use crate::model::state::StagedRange;
use crate::model::{Epoch, Fault, Seq, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// Rows of one batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BatchCount {
    /// Number of the batch.
    pub seq: Seq,
    /// Its rows in staging.
    pub rows: u64,
}

/// What stands in staging of one table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StagingRows {
    pub table: TableName,
    /// Name of the staging table, quoted.
    pub staging: String,
    /// The current epoch.
    pub epoch: Epoch,
    /// The range that waits to be applied, by the batch log. Null while rows stand there: they were
    /// applied already, and nobody has emptied staging since.
    pub staged: Option<StagedRange>,
    /// All rows in staging.
    pub total: u64,
    /// Rows by batch, in their order.
    pub batches: Vec<BatchCount>,
    /// The key first.
    pub columns: Vec<ShownColumn>,
    /// The first rows, by batch and order.
    pub rows: Vec<ShownRow>,
    /// All rows are shown.
    pub complete: bool,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// The first `most` rows of staging. Takes no lock and waits for none: what a stage is writing
    /// does not show until it is committed.
    pub async fn staging(&self, table: &TableName, most: usize, show_values: bool) -> Result<StagingRows, Fault> {
        let epoch = self.epoch_of(table).await?;
        let logged = self.logged(table, None).await?;
        let applied = logged.applied_seq.filter(|_| logged.epoch == epoch);
        let head = self.store.head(table, epoch, applied.unwrap_or(0)).await?;
        let shape = read_record(&*self.store, table, epoch, head).await?.columns;
        let sample = self.target.staged_rows(table, &shape, most, show_values).await?;
        let mut shown = Shown::new(&shape, most);
        for row in sample.rows {
            if shown.is_full() {
                break;
            }
            shown.add((row.seq, None, Some(row.order)), row.op, &row.keep, row.values);
        }
        let rows = shown.into_rows();
        let total = sample.batches.iter().map(|batch| batch.rows).sum();
        Ok(StagingRows {
            table: table.clone(),
            staging: self.target.names(table).staging,
            epoch,
            staged: logged.staged,
            total,
            batches: sample.batches.iter().map(|batch| BatchCount { seq: batch.seq, rows: batch.rows }).collect(),
            columns: rows::columns(&shape),
            complete: rows.len() as u64 >= total,
            rows,
        })
    }
}
