//! The first value that a column cannot hold, found in the part files: what a load error of a
//! string that is too long does not tell.

use std::ops::ControlFlow;

use super::dry_run::{Limit, Place, held_bytes};
use crate::engine::Engine;
use crate::model::fault::rs;
use crate::model::typed::shell;
use crate::model::{CommitRecord, Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{ColumnWidth, Target};

/// A value with its column, and how many bytes it has.
pub(super) struct Offender {
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
                    for ((cell, limit), width) in row.cells.iter().zip(&limits).zip(&widths) {
                        let (Some(cell), Some(limit)) = (cell, limit) else { continue };
                        let bytes = held_bytes(limit.kind, cell, limit.bytes);
                        if bytes > u64::from(limit.bytes) {
                            let place = Place { seq: record.seq, file: self.store.url(&part.key), line: row.line };
                            found = Some(Offender { width: width.clone(), bytes, limit: limit.bytes, place });
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

    /// Adds column, bytes, limit, file, line and the repair to the fault of a string that is too
    /// long; any other fault, and one that cannot be looked into, stays as it is.
    pub(crate) async fn explain_too_long(&self, table: &TableName, records: &[CommitRecord], fault: Fault) -> Fault {
        let code = fault.facts().iter().find(|(name, _)| name == "code").map(|(_, code)| code.as_str());
        let too_long = fault.is(&rs::TOO_LONG) || fault.is(&rs::LOAD_FAILED) && code == Some("1204");
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
        let Offender { width, bytes, limit, place } = offender;
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
        let widest = super::widen::MOST_BYTES;
        if bytes > u64::from(widest) {
            return fault.next(format!("shorten the value in the source: no VARCHAR of Redshift holds more than {widest} bytes"));
        }
        let to = width.needed_bytes.map_or(bytes, |needed| bytes.max(needed.into()));
        fault.next(format!("db-to-redshift widen --table {table:#} --column {} --to {to}", shell(&width.column)))
    }
}
