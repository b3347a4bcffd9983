//! The first value that a column cannot hold, found in the part files: what a load error of a
//! string that is too long does not tell.

use std::ops::ControlFlow;

use super::dry_run::Place;
use super::room::{self, Limit, held_bytes};
use crate::engine::Engine;
use crate::model::fault::rs;
use crate::model::{Column, CommitRecord, Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{ColumnWidth, Target};

/// A value with its column, and how many bytes it has.
pub(super) struct Offender {
    pub column: Column,
    pub width: ColumnWidth,
    pub bytes: u64,
    pub limit: u32,
    pub place: Place,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    pub(super) async fn first_offender(&self, table: &TableName, records: &[CommitRecord]) -> Result<Option<Offender>, Fault> {
        let mut found = None;
        for record in records {
            let widths = self.target.widths(table, &record.columns).await?;
            let limits: Vec<Option<Limit>> =
                record.columns.columns().iter().zip(&widths).map(|(column, width)| Limit::of(column, width)).collect();
            let ended = self
                .read_parts(record, |part, row| {
                    for (at, (cell, limit)) in row.cells.iter().zip(&limits).enumerate() {
                        let (Some(cell), Some(limit)) = (cell, limit) else { continue };
                        let bytes = held_bytes(limit.kind, cell, limit.bytes);
                        if bytes > u64::from(limit.bytes) {
                            let place = Place { seq: record.seq, file: self.store.url(&part.key), line: row.line };
                            let (column, width) = (record.columns.columns()[at].clone(), widths[at].clone());
                            found = Some(Offender { column, width, bytes, limit: limit.bytes, place });
                            return ControlFlow::Break(());
                        }
                    }
                    ControlFlow::Continue(())
                })
                .await?;
            if ended.is_break() {
                break;
            }
        }
        Ok(found)
    }

    /// What only records, files and columns together tell of the fault of a load.
    pub(crate) async fn explain(&self, table: &TableName, records: &[CommitRecord], fault: Fault) -> Fault {
        if fault.is(&rs::COPY_SOURCE) {
            return self.explain_missing(table, records, fault).await;
        }
        self.explain_too_long(table, records, fault).await
    }

    /// Adds column, bytes, limit, file, line and the repair to the fault of a value that is too
    /// long; any other fault, and one that cannot be looked into, stays as it is.
    async fn explain_too_long(&self, table: &TableName, records: &[CommitRecord], fault: Fault) -> Fault {
        let code = fault.facts().iter().find(|(name, _)| name == "code").map(|(_, code)| code.as_str());
        // 1224 is what a SUPER answers to any value that it does not take.
        let too_long = fault.is(&rs::TOO_LONG) || fault.is(&rs::LOAD_FAILED) && matches!(code, Some("1204" | "1224"));
        if !too_long {
            return fault;
        }
        let offender = match self.first_offender(table, records).await {
            Ok(Some(offender)) => offender,
            Ok(None) => return fault,
            Err(other) => {
                tracing::warn!(%table, fault = %other, "the value that was refused could not be looked for");
                return fault;
            }
        };
        let Offender { column, width, bytes, limit, place } = offender;
        let facts = [
            ("source table", table.to_string()),
            ("column", width.name.clone()),
            ("bytes", bytes.to_string()),
            ("limit", limit.to_string()),
            ("file", place.file),
            ("line", place.line.to_string()),
        ];
        let mut fault = fault;
        for (name, value) in facts {
            if fault.facts().iter().all(|(known, _)| known != name) {
                fault = fault.evidence(name, value);
            }
        }
        room::actions(table, &column, &width, bytes).into_iter().fold(fault, Fault::next)
    }
}
