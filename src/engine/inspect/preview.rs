//! Preview: the first rows of a change file.
//!
//! The file is read from its beginning and left as soon as there are enough rows; memory is that
//! of a chunk and of the rows shown.

use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::{self, Shown, ShownColumn, ShownRow};
use crate::engine::Engine;
use crate::model::fault::sync;
use crate::model::record::Layout;
use crate::model::{CommitRecord, Epoch, Fault, PartFile, RecordKind, Seq, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{Held, Target};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreviewOptions {
    /// Number of the part file in its batch, from 1; `None` is the first.
    pub file: Option<u32>,
    /// Rows that begin on an earlier line are left out; lines count from 1.
    pub from_line: u64,
    /// Rows at the most.
    pub most: usize,
    /// Values are hidden otherwise.
    pub show_values: bool,
}

/// The first rows of a change file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    pub table: TableName,
    /// The current epoch.
    pub epoch: Epoch,
    /// Number of the batch in it.
    pub seq: Seq,
    pub kind: RecordKind,
    /// How many part files the batch has.
    pub files: u32,
    /// Which of them this is, from 1; null when the batch has none.
    pub number: Option<u32>,
    /// As `s3://…`; null when the batch has none.
    pub url: Option<String>,
    /// Compressed size.
    pub bytes: u64,
    /// Rows in the file.
    pub file_rows: u64,
    /// The key first.
    pub columns: Vec<ShownColumn>,
    /// The first rows of the file.
    pub rows: Vec<ShownRow>,
    /// All its rows are shown.
    pub complete: bool,
    /// Line on which the last row of the file begins; null where the file was not read to its end.
    #[serde(default)]
    pub last_line: Option<u64>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// The first rows of a part file of a batch of the current epoch. Needs S3 only.
    pub async fn preview(&self, table: &TableName, seq: Seq, options: &PreviewOptions) -> Result<Preview, Fault> {
        let epoch = self.epoch_of(table).await?;
        let record = self.store.record(table, epoch, seq).await?.ok_or_else(|| {
            Fault::new(&sync::NO_BATCH, format!("{table} has no batch {seq}")).evidence("epoch", epoch).evidence("batch", seq)
        })?;
        let (number, part) = chosen(&record, options.file)?;
        let mut shown = Shown::new(&record.columns, options.most);
        let file_rows = part.map_or(0, |part| part.rows);
        let (mut read, mut line) = (0, None);
        if let Some(part) = part.filter(|_| !shown.is_full()) {
            let scan = record.layout == Layout::Production;
            let _: ControlFlow<()> = self
                .read_part(&record, part, |row| {
                    (read, line) = (read + 1, Some(row.line));
                    if row.line < options.from_line {
                        return ControlFlow::Continue(());
                    }
                    let held = options.show_values.then(|| {
                        let held = |(column, cell): (_, &Held)| self.target.hold_text(column, cell.as_deref());
                        record.columns.columns().iter().zip(&row.cells).map(held).collect()
                    });
                    shown.add((seq, Some(row.line), (!scan).then_some(row.order)), row.op, &row.keep, held);
                    if shown.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .await?;
        }
        let rows = shown.into_rows();
        Ok(Preview {
            table: table.clone(),
            epoch,
            seq,
            kind: record.kind,
            files: u32::try_from(record.parts.len()).unwrap_or(u32::MAX),
            number: part.map(|_| number),
            url: part.map(|part| self.store.url(&part.key)),
            bytes: part.map_or(0, |part| part.bytes),
            file_rows,
            columns: rows::columns(&record.columns),
            complete: rows.len() as u64 >= file_rows,
            last_line: line.filter(|_| read >= file_rows),
            rows,
        })
    }
}

/// The file that was asked for; a batch without files has no first one.
fn chosen(record: &CommitRecord, file: Option<u32>) -> Result<(u32, Option<&PartFile>), Fault> {
    let number = file.unwrap_or(1);
    let part = number.checked_sub(1).and_then(|at| record.parts.get(usize::try_from(at).ok()?));
    if part.is_none() && (file.is_some() || !record.parts.is_empty()) {
        return Err(Fault::new(&sync::NO_BATCH, format!("batch {} of {} has no file {number}", record.seq, record.table))
            .evidence("batch", record.seq)
            .evidence("files", record.parts.len()));
    }
    Ok((number, part))
}
