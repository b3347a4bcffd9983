//! Rows into part files: encoding, upload, rotation, and the rows that wait to be read again.
//!
//! Memory does not grow with the batch: a row that waits keeps its order number, is read again
//! with some hundred others, and is written late.

use std::collections::HashMap;

use crate::encode::{BatchWriter, RowFormat};
use crate::engine::Engine;
use crate::engine::event::{Job, Progress};
use crate::engine::fold::keys::AmbiguousKeys;
use crate::model::record::{Layout, RowCounts};
use crate::model::{Fault, Keep, PartFile, StagedOp, StagedRow, TableShape, Value};
use crate::source::Source;
use crate::store::{Attempt, ChangeStore, PartUpload};
use crate::target::Target;

/// Rows that are read again together.
const REREAD_ROWS: usize = 400;
/// Rows between two words of progress.
const PROGRESS_ROWS: u64 = 5_000;

/// Takes the rows of one attempt.
pub struct PartSink<'a, S, C: ChangeStore, T> {
    engine: &'a Engine<S, C, T>,
    job: Job,
    attempt: &'a Attempt,
    shape: TableShape,
    writer: BatchWriter,
    upload: Option<C::Upload>,
    parts: Vec<PartFile>,
    rows: u64,
    bytes: u64,
    waiting: Vec<(StagedRow, Vec<usize>)>,
    /// Anything was read again from the source.
    pub reread: bool,
}

impl<'a, S: Source, C: ChangeStore, T: Target> PartSink<'a, S, C, T> {
    pub fn new(
        engine: &'a Engine<S, C, T>,
        job: Job,
        attempt: &'a Attempt,
        shape: TableShape,
        layout: Layout,
        null_marker: &str,
    ) -> Result<Self, Fault> {
        let limits: Vec<_> = shape.columns().iter().map(|column| engine.target.byte_limit(column)).collect();
        let format = RowFormat::new(&shape, layout, null_marker, attempt.seq)?.with_limits(&limits);
        let extract = &engine.settings.extract;
        let writer = BatchWriter::new(format, extract.part_bytes, extract.compression_level);
        Ok(Self {
            engine,
            job,
            attempt,
            shape,
            writer,
            upload: None,
            parts: Vec::new(),
            rows: 0,
            bytes: 0,
            waiting: Vec::new(),
            reread: false,
        })
    }

    pub async fn push(&mut self, row: &StagedRow) -> Result<(), Fault> {
        self.writer.push(row)?;
        self.rows += 1;
        if let Some(chunk) = self.writer.take_chunk() {
            self.bytes += chunk.len() as u64;
            self.upload().await?.write(chunk).await?;
        }
        if self.writer.should_rotate() {
            self.close_part().await?;
        }
        if self.rows.is_multiple_of(PROGRESS_ROWS) {
            self.tell("rows");
        }
        Ok(())
    }

    /// The upload of the current part, opened when its first bytes are there.
    async fn upload(&mut self) -> Result<&mut C::Upload, Fault> {
        let upload = if let Some(upload) = self.upload.take() {
            upload
        } else {
            let number = u32::try_from(self.parts.len() + 1).unwrap_or(u32::MAX);
            self.engine.store.part(self.attempt, number).await?
        };
        Ok(self.upload.insert(upload))
    }

    async fn close_part(&mut self) -> Result<(), Fault> {
        let end = self.writer.finish_part()?;
        self.bytes += end.rest.len() as u64;
        self.upload().await?.write(end.rest).await?;
        if let Some(upload) = self.upload.take() {
            self.parts.push(upload.finish(end.rows).await?);
        }
        Ok(())
    }

    /// A row whose untouched values are read again (rule E7).
    pub async fn push_reread(&mut self, row: StagedRow, columns: Vec<usize>) -> Result<(), Fault> {
        self.waiting.push((row, columns));
        if self.waiting.len() >= REREAD_ROWS { self.read_waiting().await } else { Ok(()) }
    }

    async fn read_waiting(&mut self) -> Result<(), Fault> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.reread = true;
        let waiting = std::mem::take(&mut self.waiting);
        let present = self.present_rows(waiting.iter().map(|(row, _)| self.key_of(&row.values)).collect()).await?;
        for (mut row, columns) in waiting {
            let found = present.get(&self.shape.key_identity(&row.values));
            for (flag, (at, _)) in self.shape.large_columns().enumerate().filter(|(_, (at, _))| columns.contains(at)) {
                match found {
                    Some(values) => {
                        row.values[at] = values[at].clone();
                        row.keep[flag] = Keep::Value;
                    }
                    None => row.keep[flag] = Keep::Gone,
                }
            }
            self.push(&row).await?;
        }
        Ok(())
    }

    /// Keys of which one transaction made and deleted rows (rule E6): what the source holds now
    /// stands at the transaction's end, deletes before upserts.
    pub async fn push_ambiguous(&mut self, mut keys: AmbiguousKeys) -> Result<(), Fault> {
        self.reread = true;
        let (mut delete_order, mut upsert_order) = (keys.first_delete, keys.first_upsert);
        loop {
            let chunk = keys.next_chunk(REREAD_ROWS)?;
            if chunk.is_empty() {
                return Ok(());
            }
            let mut present = self.present_rows(chunk.clone()).await?;
            for key in chunk {
                let flags = self.shape.large_columns().count();
                let found = present.remove(&self.shape.key_identity(&key));
                let (op, order) = match found {
                    Some(_) => (StagedOp::Upsert, &mut upsert_order),
                    None => (StagedOp::Delete, &mut delete_order),
                };
                let values = found.unwrap_or_else(|| {
                    let mut values = key;
                    values.resize(self.shape.columns().len(), Value::Null);
                    values
                });
                let row = StagedRow { op, order: *order, values, keep: vec![Keep::Value; flags] };
                *order += 1;
                self.push(&row).await?;
            }
        }
    }

    fn key_of(&self, values: &[Value]) -> Vec<Value> {
        values[..self.shape.key_len()].to_vec()
    }

    /// The present rows of these keys, by the bytes of the key.
    async fn present_rows(&mut self, keys: Vec<Vec<Value>>) -> Result<HashMap<Vec<u8>, Vec<Value>>, Fault> {
        let rows = self.engine.source.reread(&self.attempt.table, &self.shape, &keys).await?;
        Ok(rows.into_iter().map(|values| (self.shape.key_identity(&values), values)).collect())
    }

    /// Reads what still waits, ends the last part. No rows: no parts.
    pub async fn finish(mut self) -> Result<(Vec<PartFile>, RowCounts), Fault> {
        self.read_waiting().await?;
        if self.writer.part_rows() > 0 {
            self.close_part().await?;
        }
        self.tell("files");
        Ok((self.parts, self.writer.counts()))
    }

    fn tell(&self, phase: &'static str) {
        let progress = Progress { job: self.job, phase, rows: self.rows, bytes: self.bytes };
        self.engine.events.progress(&self.attempt.table, progress);
    }
}
