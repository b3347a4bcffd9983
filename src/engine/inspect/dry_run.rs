//! Dry run: what the next load would do, without doing it.
//!
//! The part files are read here and the keys of production are streamed. The other way, a COPY
//! into a temporary table in a transaction that is rolled back, would need the right to make
//! temporary tables, would stop at the first value that does not fit, and would not say where the
//! widest one stands. This way needs nothing but reads, names file and line, and takes no lock.

use std::collections::HashMap;
use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::digest;
use super::room::{self, Limit, held_bytes};
use crate::encode::PartRow;
use crate::engine::Engine;
use crate::engine::extract::stream::read_record;
use crate::engine::load::plan::{self, Limits};
use crate::model::fault::{FaultDocument, sync};
use crate::model::{CommitRecord, Epoch, Fault, Keep, RecordKind, Seq, StagedOp, TableName, TableShape};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{ColumnWidth, Held, HeldRows, Target};

/// Rows of pending batches that are remembered by key: about 100 bytes each.
const MOST_ROWS: u64 = 5_000_000;

/// Where a value stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Number of the batch inside its epoch.
    pub seq: Seq,
    /// URL of the part file.
    pub file: String,
    /// Line on which the row begins, from 1.
    pub line: u64,
}

/// How wide the values of a column are that wait to be loaded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ColumnCheck {
    /// As the source spells it.
    pub column: String,
    /// Type in production, as in `VARCHAR(60)`.
    pub production: String,
    /// Type in staging.
    pub staging: String,
    /// Bytes that both can hold.
    pub limit: u32,
    /// Bytes of the widest pending value.
    pub widest: u64,
    /// Where it stands; null when no value is pending.
    pub widest_at: Option<Place>,
    /// Values that do not fit: the load stops at the first.
    pub too_long: u64,
    /// Where the first of them stands.
    pub first_too_long: Option<Place>,
    /// What makes room for the widest; empty where every value fits.
    #[serde(default)]
    pub next: Vec<String>,
}

/// What the next load of a table would do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DryRunReport {
    pub table: TableName,
    /// Epoch that would be loaded.
    pub epoch: Epoch,
    /// Number of the batch that production stands at; null before the first.
    pub applied_seq: Option<Seq>,
    /// Number of the first pending record; null when none is pending.
    pub from: Option<Seq>,
    /// Number of the last pending record.
    pub to: Option<Seq>,
    /// How many records are pending.
    pub records: u64,
    /// A snapshot comes first: production is replaced.
    pub snapshot: bool,
    /// Rows in the pending records.
    pub rows: u64,
    /// Rows of production that go: those of every key that is pending.
    pub deletes: u64,
    /// Rows that are inserted: the last of each key, unless it deletes.
    pub inserts: u64,
    /// Different keys among the pending rows.
    pub keys: u64,
    /// Keys with more than one pending row: the last one counts.
    pub repeated_keys: u64,
    /// Rows in production now.
    pub production_rows: u64,
    /// Keys that stand in production more than once: a key is a promise that Redshift does not
    /// enforce.
    pub duplicate_keys: u64,
    /// Pending rows with a NULL in their key: the load stops at the first.
    pub null_keys: u64,
    /// Where the first of them stands.
    pub first_null_key: Option<Place>,
    /// Untouched large values that neither a batch nor production has: NULL would be loaded.
    pub lost_kept: u64,
    /// Text and binary columns.
    pub columns: Vec<ColumnCheck>,
    /// The fault that the load would stop with before it moves a row.
    pub fault: Option<FaultDocument>,
    /// Everything pending was read; otherwise the first records only.
    pub complete: bool,
}

impl DryRunReport {
    /// Whether the load would stop, or load what is wrong.
    #[must_use]
    pub fn has_trouble(&self) -> bool {
        let too_long = self.columns.iter().any(|column| column.too_long > 0);
        self.fault.is_some() || too_long || self.null_keys > 0 || self.duplicate_keys > 0 || self.lost_kept > 0
    }
}

/// A pending row of a key.
struct Pending {
    seq: Seq,
    order: i64,
    op: StagedOp,
    keep: Box<[Keep]>,
}

#[derive(Default)]
struct Fold {
    rows: Vec<Pending>,
    in_production: u64,
}

impl Fold {
    fn last(&self) -> Option<&Pending> {
        self.rows.iter().max_by_key(|row| (row.seq, row.order))
    }

    /// Kept values of the surviving row that are found nowhere (rule L4).
    fn lost(&mut self) -> u64 {
        self.rows.sort_by_key(|row| (row.seq, row.order));
        let Some((last, earlier)) = self.rows.split_last() else { return 0 };
        if last.op == StagedOp::Delete {
            return 0;
        }
        let kept = last.keep.iter().enumerate().filter(|(_, keep)| **keep == Keep::Kept);
        let nowhere = kept.filter(|(at, _)| {
            for row in earlier.iter().rev() {
                if row.op == StagedOp::Delete {
                    return true;
                }
                if row.keep.get(*at) == Some(&Keep::Value) {
                    return false;
                }
            }
            self.in_production == 0
        });
        nowhere.count() as u64
    }
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Records that the next load takes, record 0 of a new epoch included.
    pub(super) async fn pending_records(&self, table: &TableName) -> Result<(CommitRecord, Option<Seq>, Vec<CommitRecord>), Fault> {
        let none = || {
            Fault::new(&sync::NOT_PREPARED, format!("{table} has no open epoch")).next(format!("db-to-redshift prepare --table {table:#}"))
        };
        let epoch = self.store.current_epoch(table).await?.ok_or_else(none)?;
        let opening = self.store.record(table, epoch, 0).await?.ok_or_else(none)?;
        let state = self.target.state(table).await?;
        let applied = state.filter(|state| state.epoch == epoch).and_then(|state| state.applied_seq);
        let mut records = Vec::new();
        for seq in self.store.seqs_after(table, epoch, applied).await? {
            records.push(read_record(&*self.store, table, epoch, seq).await?);
        }
        Ok((opening, applied, records))
    }

    /// Reads everything that waits for a load and says what would become of it.
    pub async fn dry_run(&self, table: &TableName) -> Result<DryRunReport, Fault> {
        let (opening, applied_seq, records) = self.pending_records(table).await?;
        let shape = records.last().unwrap_or(&opening).columns.clone();
        let widths = self.target.widths(table, &shape).await?;
        let mut report = DryRunReport {
            table: table.clone(),
            epoch: opening.epoch,
            applied_seq,
            from: records.first().map(|record| record.seq),
            to: records.last().map(|record| record.seq),
            records: records.len() as u64,
            snapshot: records.first().is_some_and(|record| record.kind == RecordKind::Snapshot),
            rows: records.iter().map(|record| record.counts.rows()).sum(),
            deletes: 0,
            inserts: 0,
            keys: 0,
            repeated_keys: 0,
            production_rows: 0,
            duplicate_keys: self.target.duplicate_keys(table, &shape).await?,
            null_keys: 0,
            first_null_key: None,
            lost_kept: 0,
            columns: Vec::new(),
            fault: self.coming_fault(table, &opening).await?,
            complete: true,
        };
        let mut checks = Checks::new(&shape, &widths);
        let mut folds: HashMap<u128, Fold> = HashMap::new();
        let mut read = 0;
        for record in &records {
            if read + record.counts.rows() > MOST_ROWS {
                report.complete = false;
                break;
            }
            read += record.counts.rows();
            let _: ControlFlow<()> = self
                .read_parts(record, |part, row| {
                    let place = || Place { seq: record.seq, file: self.store.url(&part.key), line: row.line };
                    checks.look(row, &place);
                    if row.cells.iter().take(shape.key_len()).any(Option::is_none) {
                        report.null_keys += 1;
                        report.first_null_key.get_or_insert_with(place);
                    }
                    let fold = folds.entry(self.key_of(&shape, row)).or_default();
                    fold.rows.push(Pending { seq: record.seq, order: row.order, op: row.op, keep: row.keep.clone().into() });
                    ControlFlow::Continue(())
                })
                .await?;
        }
        self.count_production(&shape, &mut folds, &mut report).await?;
        report.keys = folds.len() as u64;
        for fold in folds.values_mut() {
            report.repeated_keys += u64::from(fold.rows.len() > 1);
            report.inserts += u64::from(fold.last().is_some_and(|row| row.op == StagedOp::Upsert));
            report.lost_kept += fold.lost();
        }
        if report.snapshot {
            report.deletes = report.production_rows;
        }
        report.columns = checks.into_columns(table, &shape, &widths);
        Ok(report)
    }

    fn key_of(&self, shape: &TableShape, row: &PartRow) -> u128 {
        let held: Vec<Held> =
            shape.key().iter().zip(&row.cells).map(|(column, cell)| self.target.hold_text(column, cell.as_deref())).collect();
        digest::of_key(&held)
    }

    /// One stream of key columns: cheap in a column store, and the same whatever is pending.
    async fn count_production(&self, shape: &TableShape, folds: &mut HashMap<u128, Fold>, report: &mut DryRunReport) -> Result<(), Fault> {
        let key = TableShape::new(shape.key().to_vec());
        let mut rows = self.target.production(&report.table, &key).await?;
        while let Some(page) = rows.next_page().await? {
            for cells in &page {
                report.production_rows += 1;
                if let Some(fold) = folds.get_mut(&digest::of_key(cells)) {
                    fold.in_production += 1;
                    report.deletes += 1;
                }
            }
            self.safe_point(&report.table)?;
        }
        Ok(())
    }

    /// What the planning of the load would stop at.
    async fn coming_fault(&self, table: &TableName, opening: &CommitRecord) -> Result<Option<FaultDocument>, Fault> {
        let Some(state) = self.target.state(table).await? else { return Ok(None) };
        let limits = Limits { batches: self.settings.load.coalesce_batches, rows: self.settings.load.coalesce_rows };
        match plan::next(&*self.store, &state, opening, limits).await {
            Err(fault) => Ok(Some(FaultDocument::from(&fault))),
            Ok(_) => Ok(None),
        }
    }
}

struct Checks {
    columns: Vec<ColumnCheck>,
    /// Position of each check among the cells of a row.
    limits: Vec<(usize, Limit)>,
}

impl Checks {
    fn new(shape: &TableShape, widths: &[ColumnWidth]) -> Self {
        let (mut columns, mut limits) = (Vec::new(), Vec::new());
        for (at, (column, width)) in shape.columns().iter().zip(widths).enumerate() {
            let Some(limit) = Limit::of(column, width) else { continue };
            limits.push((at, limit));
            columns.push(ColumnCheck {
                column: column.name.clone(),
                production: width.production.clone(),
                staging: width.staging.clone(),
                limit: limit.bytes,
                widest: 0,
                widest_at: None,
                too_long: 0,
                first_too_long: None,
                next: Vec::new(),
            });
        }
        Self { columns, limits }
    }

    fn into_columns(mut self, table: &TableName, shape: &TableShape, widths: &[ColumnWidth]) -> Vec<ColumnCheck> {
        for ((at, _), check) in self.limits.iter().zip(&mut self.columns).filter(|(_, check)| check.too_long > 0) {
            if let Some((column, width)) = shape.columns().get(*at).zip(widths.get(*at)) {
                check.next = room::actions(table, column, width, check.widest);
            }
        }
        self.columns
    }

    fn look(&mut self, row: &PartRow, place: &impl Fn() -> Place) {
        for ((at, limit), check) in self.limits.iter().zip(&mut self.columns) {
            let Some(cell) = row.cells.get(*at).and_then(Option::as_deref) else { continue };
            let bytes = held_bytes(limit.kind, cell, limit.bytes);
            if bytes > check.widest || check.widest_at.is_none() {
                check.widest = bytes;
                check.widest_at = Some(place());
            }
            if bytes > u64::from(limit.bytes) {
                check.too_long += 1;
                check.first_too_long.get_or_insert_with(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(order: i64, op: StagedOp, keep: Keep) -> Pending {
        Pending { seq: 1, order, op, keep: Box::new([keep]) }
    }

    #[test]
    fn a_kept_value_is_lost_when_nothing_before_it_has_one() {
        let fold = |rows: Vec<Pending>, in_production| Fold { rows, in_production }.lost();
        let kept = || row(9, StagedOp::Upsert, Keep::Kept);
        assert_eq!(fold(vec![kept()], 1), 0);
        assert_eq!(fold(vec![kept()], 0), 1);
        assert_eq!(fold(vec![kept(), row(1, StagedOp::Upsert, Keep::Value)], 0), 0, "the files are in no order");
        assert_eq!(fold(vec![row(1, StagedOp::Upsert, Keep::Value), row(2, StagedOp::Delete, Keep::Value), kept()], 1), 1);
        assert_eq!(fold(vec![kept(), row(10, StagedOp::Delete, Keep::Value)], 0), 0);
    }
}
