//! The part files of a record, read row by row.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::encode::{PartReader, PartRow};
use crate::engine::Engine;
use crate::model::fault::sync::PART_UNREADABLE;
use crate::model::{CommitRecord, Fault, PartFile, TableName};
use crate::source::Source;
use crate::store::{ChangeStore, PartDownload};
use crate::target::Target;

/// Part files that a fault names as missing at the most.
const MISSING_SHOWN: usize = 10;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Shows every row of all its files to `visit`, until it breaks.
    pub(super) async fn read_parts(
        &self,
        record: &CommitRecord,
        mut visit: impl FnMut(&PartFile, &PartRow) -> ControlFlow<()> + Send,
    ) -> Result<ControlFlow<()>, Fault> {
        for part in &record.parts {
            if self.read_part(record, part, |row| visit(part, row)).await?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One of its files. What lies behind a break is not downloaded.
    pub(super) async fn read_part(
        &self,
        record: &CommitRecord,
        part: &PartFile,
        mut visit: impl FnMut(&PartRow) -> ControlFlow<()> + Send,
    ) -> Result<ControlFlow<()>, Fault> {
        let gone = || Fault::new(&PART_UNREADABLE, "a part file that a record names is gone").evidence("object", &part.key);
        let mut download = self.store.download(&part.key).await?.ok_or_else(gone)?;
        let mut reader = PartReader::new(&record.columns, record.layout, &record.null_marker)?;
        while let Some(chunk) = download.chunk().await? {
            let rows = reader.push(&chunk).map_err(|fault| fault.evidence("object", &part.key))?;
            for row in &rows {
                if visit(row).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            self.safe_point(&record.table)?;
        }
        reader.finish().map_err(|fault| fault.evidence("object", &part.key))?;
        Ok(ControlFlow::Continue(()))
    }

    /// Names the part files that are gone in the fault of a COPY that could not read its files: the
    /// server's own text may name none, or has its quotes taken out.
    pub(super) async fn explain_missing(&self, table: &TableName, records: &[CommitRecord], fault: Fault) -> Fault {
        match self.missing_parts(table, records).await {
            Ok(missing) => missing.into_iter().fold(fault, |fault, key| fault.evidence("missing", self.store.url(&key))),
            Err(other) => {
                tracing::warn!(%table, fault = %other, "the part files could not be listed");
                fault
            }
        }
    }

    async fn missing_parts(&self, table: &TableName, records: &[CommitRecord]) -> Result<Vec<String>, Fault> {
        let Some(first) = records.first() else { return Ok(Vec::new()) };
        let there = self.store.attempts(table, first.epoch).await?;
        let there: BTreeSet<String> = there.into_iter().flat_map(|attempt| attempt.keys).collect();
        let parts = records.iter().flat_map(|record| &record.parts);
        Ok(parts.filter(|part| !there.contains(&part.key)).map(|part| part.key.clone()).take(MISSING_SHOWN).collect())
    }
}
