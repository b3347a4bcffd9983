//! The part files of a record, read row by row.

use std::ops::ControlFlow;

use crate::encode::{PartReader, PartRow};
use crate::engine::Engine;
use crate::model::fault::sync::PART_UNREADABLE;
use crate::model::{CommitRecord, Fault, PartFile};
use crate::source::Source;
use crate::store::{ChangeStore, PartDownload};
use crate::target::Target;

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
}
