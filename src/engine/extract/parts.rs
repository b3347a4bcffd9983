//! Rows into part files: encoding, upload, rotation, and the rows that wait to be read again.
//!
//! Memory does not grow with the batch: a row that waits keeps its order number, is read again
//! with others, some hundred of them or some megabytes, and is written late.

use std::collections::BTreeMap;

use crate::encode::{BatchWriter, RowFormat};
use crate::engine::Engine;
use crate::engine::event::{Job, Progress};
use crate::engine::fold::keys::AmbiguousKeys;
use crate::model::record::{Layout, RowCounts};
use crate::model::{Fault, Keep, PartFile, StagedOp, StagedRow, TableShape, Value};
use crate::source::{Pages, Source};
use crate::store::{Attempt, ChangeStore, PartUpload};
use crate::target::Target;

/// Rows that are read again together, and bytes of theirs at which no more wait.
const REREAD_ROWS: usize = 400;
const REREAD_BYTES: usize = 4 << 20;
/// Rows between two words of progress.
const PROGRESS_ROWS: u64 = 5_000;

/// A row with the columns whose values are to be read again.
type Waiting = (StagedRow, Vec<usize>);

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
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
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
            waiting_bytes: 0,
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
        self.waiting_bytes += row.values.iter().map(Value::held_bytes).sum::<usize>();
        self.waiting.push((row, columns));
        if self.waiting.len() >= REREAD_ROWS || self.waiting_bytes >= REREAD_BYTES { self.read_waiting().await } else { Ok(()) }
    }

    async fn read_waiting(&mut self) -> Result<(), Fault> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.reread = true;
        self.waiting_bytes = 0;
        // A batch may hold several versions of a row.
        let mut waiting: BTreeMap<Vec<u8>, Vec<Waiting>> = BTreeMap::new();
        let mut keys = Vec::new();
        for (row, columns) in std::mem::take(&mut self.waiting) {
            let versions = waiting.entry(self.shape.key_identity(&row.values)).or_default();
            if versions.is_empty() {
                keys.push(row.values[..self.shape.key_len()].to_vec());
            }
            versions.push((row, columns));
        }
        let mut rows = self.engine.source.reread(&self.attempt.table, &self.shape, &keys).await?;
        while let Some(page) = rows.next_page().await? {
            for values in page {
                for version in waiting.remove(&self.shape.key_identity(&values)).unwrap_or_default() {
                    self.push_filled(version, Some(&values)).await?;
                }
            }
        }
        for version in waiting.into_values().flatten() {
            self.push_filled(version, None).await?;
        }
        Ok(())
    }

    /// `present`: the row as the source holds it now, if it still does.
    async fn push_filled(&mut self, (mut row, columns): Waiting, present: Option<&Vec<Value>>) -> Result<(), Fault> {
        for (flag, (at, _)) in self.shape.large_columns().enumerate().filter(|(_, (at, _))| columns.contains(at)) {
            match present {
                Some(values) => {
                    row.values[at] = values[at].clone();
                    row.keep[flag] = Keep::Value;
                }
                None => row.keep[flag] = Keep::Gone,
            }
        }
        self.push(&row).await
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
            let mut rows = self.engine.source.reread(&self.attempt.table, &self.shape, &chunk).await?;
            let mut absent: BTreeMap<Vec<u8>, Vec<Value>> = chunk.into_iter().map(|key| (self.shape.key_identity(&key), key)).collect();
            while let Some(page) = rows.next_page().await? {
                for values in page {
                    if absent.remove(&self.shape.key_identity(&values)).is_some() {
                        self.push_settled(StagedOp::Upsert, &mut upsert_order, values).await?;
                    }
                }
            }
            for mut key in absent.into_values() {
                key.resize(self.shape.columns().len(), Value::Null);
                self.push_settled(StagedOp::Delete, &mut delete_order, key).await?;
            }
        }
    }

    async fn push_settled(&mut self, op: StagedOp, order: &mut i64, values: Vec<Value>) -> Result<(), Fault> {
        let row = StagedRow { op, order: *order, values, keep: vec![Keep::Value; self.shape.large_columns().count()] };
        *order += 1;
        self.push(&row).await
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
