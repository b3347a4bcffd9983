//! Trace: the life of one key, from the change table to production.

use std::ops::ControlFlow;

use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Subject, digest, key};
use crate::engine::Engine;
use crate::engine::extract::guards;
use crate::engine::extract::stream::read_record;
use crate::model::fault::sync;
use crate::model::{ChangeRow, CommitRecord, Epoch, Fault, Keep, Lsn, Operation, RecordKind, Seq, StagedOp, TableName, TargetState, Value};
use crate::source::{CaptureInstance, ChangesMode, ChangesRequest, Source};
use crate::store::ChangeStore;
use crate::target::{Held, KeyRows, Target};

/// Versions and rows that a trace shows.
const MOST: u32 = 10_000;
/// Applied records that are looked at beside the pending ones.
const APPLIED_RECORDS: u64 = 50;

/// One version in the change table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChangeVersion {
    /// Commit LSN of its transaction (`__$start_lsn`).
    pub lsn: Lsn,
    /// Commit time, server-local; `None` when the mapping no longer holds it.
    pub time: Option<DateTime>,
    /// Position inside the transaction (`__$seqval`).
    pub seqval: Lsn,
    /// `delete`, `insert`, `before` or `after`.
    pub operation: String,
    /// Columns that the update mask names.
    pub touched: Vec<String>,
    /// Cells in the order of `columns`; null unless values were asked for.
    pub values: Option<Vec<Held>>,
}

/// A row of the key in a part file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PartVersion {
    /// URL of the part file.
    pub file: String,
    /// Line on which the row begins, from 1.
    pub line: u64,
    /// Position of the row in its batch: of several rows of a key the last one counts.
    pub order: i64,
    /// `upsert` or `delete`.
    pub operation: String,
    /// Large columns that the row leaves alone.
    pub kept: Vec<String>,
    /// Cells in the order of `columns`; null unless values were asked for.
    pub values: Option<Vec<Held>>,
}

/// A record whose LSN range holds a version of the key, or that holds a row of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecordTrace {
    /// Epoch of the record.
    pub epoch: Epoch,
    /// Number of the record inside its epoch, from 0.
    pub seq: Seq,
    pub kind: RecordKind,
    /// First LSN of its range; null in record 0.
    pub lsn_from: Option<Lsn>,
    /// Last LSN of its range.
    pub lsn_to: Lsn,
    /// All rows in its part files, of every key.
    pub rows: u64,
    /// Production holds it.
    pub applied: bool,
    /// An operator had it left out: production stands behind it without it.
    #[serde(default)]
    pub skipped: bool,
    /// Rows of the key in its files; `None` when the files are gone.
    pub versions: Option<Vec<PartVersion>>,
}

/// The life of one key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TraceReport {
    pub table: TableName,
    /// Names of the columns, in the order of values.
    pub columns: Vec<String>,
    /// The capture instance keeps changes from here on.
    pub from: Lsn,
    /// How far capture has come (`fn_cdc_get_max_lsn`).
    pub max: Lsn,
    /// Versions of the key in the change table, the oldest first.
    pub changes: Vec<ChangeVersion>,
    /// The source holds a row of the key now.
    pub in_source: bool,
    /// The row now, in the order of `columns`; null unless values were asked for.
    pub source: Option<Vec<Held>>,
    /// Records in S3 that concern the key.
    pub records: Vec<RecordTrace>,
    /// Rows of the key in staging.
    pub staging_rows: u64,
    /// Rows of the key in production: more than 1 is trouble.
    pub production_rows: u64,
    /// Whether the one row of production is the source's row of now.
    pub equal: bool,
    /// The rows of the key in Redshift; null unless values were asked for.
    pub rows: Option<KeyRows>,
    /// The state row of the table.
    pub state: Option<TargetState>,
    /// What else a person should know.
    pub notes: Vec<String>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Everything that the three systems know of one key. Reads only.
    pub async fn trace(&self, table: &TableName, texts: &[String], show_values: bool) -> Result<TraceReport, Fault> {
        let subject = self.subject(table).await?;
        let shape = subject.shape().clone();
        let values = key::parse(&shape, texts)?;
        let instance = self.instance_of(&subject).await?;
        let name = instance.identity.instance.clone();
        let marks = self.source.watermarks(&[name]).await?;
        let min = marks.min.first().copied().unwrap_or_default();
        let max = guards::readable(table, &instance, min, marks.max)?;
        let mut notes = Vec::new();
        let key_held: Vec<Held> = shape.key().iter().zip(&values).map(|(column, value)| self.target.hold(column, value)).collect();
        let changes = self.versions_of(&subject, &instance, (min, max), &values, show_values, &mut notes).await?;
        let present = self.source.present_row(table, &shape, &values).await?;
        let source: Option<Vec<Held>> =
            present.map(|values| shape.columns().iter().zip(&values).map(|(column, value)| self.target.hold(column, value)).collect());
        let records = self.records_of(&subject, &changes, digest::of_key(&key_held), show_values, &mut notes).await?;
        let rows = self.target.rows_of_key(table, &shape, &key_held).await?;
        let nowhere = changes.is_empty() && source.is_none() && rows.production.is_empty();
        if nowhere && shape.key().iter().any(|column| column.collation.is_some()) {
            notes.push("nothing was found; text of a key is looked for letter by letter, whatever the collation takes for the same".into());
        }
        let equal = match (&source, rows.production.as_slice()) {
            (Some(here), [there]) => here == there,
            (None, []) => true,
            _ => false,
        };
        Ok(TraceReport {
            table: table.clone(),
            columns: shape.columns().iter().map(|column| column.name.clone()).collect(),
            from: min,
            max,
            changes,
            in_source: source.is_some(),
            source: source.filter(|_| show_values),
            records,
            staging_rows: rows.staging.len() as u64,
            production_rows: rows.production.len() as u64,
            equal,
            rows: Some(rows).filter(|_| show_values),
            state: Some(subject.state),
            notes,
        })
    }

    /// The versions of the key that the change table holds.
    async fn versions_of(
        &self,
        subject: &Subject,
        instance: &CaptureInstance,
        (from, to): (Lsn, Lsn),
        key: &[Value],
        show_values: bool,
        notes: &mut Vec<String>,
    ) -> Result<Vec<ChangeVersion>, Fault> {
        let shape = subject.shape();
        let (table, instance, mode) = (subject.table.clone(), instance.identity.instance.clone(), ChangesMode::All);
        let request = ChangesRequest { table, instance, shape: shape.clone(), from, to, mode };
        let found = self.source.key_changes(&request, key, MOST).await?;
        if found.len() >= MOST as usize {
            notes.push(format!("only the first {MOST} versions of the change table are shown"));
        }
        let lsns: Vec<Lsn> = found.iter().map(|row| row.lsn).collect();
        let mapped = self.source.mappings(&lsns).await?;
        let times = lsns.iter().zip(&mapped).map(|(lsn, facts)| facts.time_of(*lsn));
        let version = |(row, time): (ChangeRow, Option<DateTime>)| ChangeVersion {
            lsn: row.lsn,
            time,
            seqval: row.seqval,
            operation: match row.operation {
                Operation::Delete => "delete",
                Operation::Insert => "insert",
                Operation::Before => "before",
                Operation::After => "after",
            }
            .to_owned(),
            touched: shape.columns().iter().filter(|column| column.is_touched(&row.mask)).map(|column| column.name.clone()).collect(),
            values: show_values
                .then(|| shape.columns().iter().zip(&row.values).map(|(column, value)| self.target.hold(column, value)).collect()),
        };
        Ok(found.into_iter().zip(times).map(version).collect())
    }

    /// Records that hold the key: all pending ones are read, and of the applied ones those of the
    /// last few whose LSNs meet a version.
    async fn records_of(
        &self,
        subject: &Subject,
        changes: &[ChangeVersion],
        key: u128,
        show_values: bool,
        notes: &mut Vec<String>,
    ) -> Result<Vec<RecordTrace>, Fault> {
        let (table, epoch, applied) = (&subject.table, subject.epoch, subject.applied_seq);
        let first = applied.saturating_sub(APPLIED_RECORDS);
        if first > 0 {
            notes.push(format!("records before {first} were not looked at"));
        }
        let logged = self.logged(table, None).await?;
        let mut found = Vec::new();
        for seq in self.store.seqs_after(table, epoch, first.checked_sub(1)).await? {
            let record = read_record(&*self.store, table, epoch, seq).await?;
            let covers = changes.iter().any(|change| change.lsn <= record.lsn_to && record.lsn_from.is_some_and(|from| from <= change.lsn));
            if !covers && seq <= applied {
                if record.kind == RecordKind::Snapshot {
                    notes.push("the rows of the snapshot, record 0, were not looked at".into());
                }
                continue;
            }
            let versions = match self.part_versions(&record, key, show_values).await {
                Ok(versions) => Some(versions),
                Err(fault) if fault.is(&sync::PART_UNREADABLE) && seq <= applied => None,
                Err(fault) => return Err(fault),
            };
            if covers || versions.as_ref().is_some_and(|versions| !versions.is_empty()) {
                let skipped = logged.skipped.contains(&(epoch, seq));
                found.push(RecordTrace {
                    epoch,
                    seq,
                    kind: record.kind,
                    lsn_from: record.lsn_from,
                    lsn_to: record.lsn_to,
                    rows: record.counts.rows(),
                    applied: seq <= applied && !skipped,
                    skipped,
                    versions,
                });
            }
        }
        Ok(found)
    }

    async fn part_versions(&self, record: &CommitRecord, key: u128, show_values: bool) -> Result<Vec<PartVersion>, Fault> {
        let shape = &record.columns;
        let mut versions = Vec::new();
        let _: ControlFlow<()> = self
            .read_parts(record, |part, row| {
                let held: Vec<Held> =
                    shape.columns().iter().zip(&row.cells).map(|(column, cell)| self.target.hold_text(column, cell.as_deref())).collect();
                if digest::of_row(&held, shape.key_len()).key == key {
                    let large = shape.large_columns().zip(&row.keep).filter(|(_, keep)| **keep != Keep::Value);
                    versions.push(PartVersion {
                        file: self.store.url(&part.key),
                        line: row.line,
                        order: row.order,
                        operation: if row.op == StagedOp::Delete { "delete" } else { "upsert" }.to_owned(),
                        kept: large.map(|((_, column), _)| column.name.clone()).collect(),
                        values: show_values.then_some(held),
                    });
                }
                if versions.len() < MOST as usize { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .await?;
        Ok(versions)
    }
}
