//! Commit records: the small JSON objects whose writing makes a batch exist.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::unfit::is_zero;
use super::{CaptureIdentity, Lsn, MappingRow, SourceIdentity, TableName, TableShape, UnfitCount};

/// +1 at every snapshot or start of a table. The first epoch is 1.
pub type Epoch = u32;
/// Number of a batch inside its epoch. Record 0 opens the epoch.
pub type Seq = u64;

/// Present value of [`CommitRecord::version`].
pub const RECORD_VERSION: u32 = 1;

/// What a record stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// Record 0 with the rows of a scan.
    Snapshot,
    /// Record 0 without rows: changes only.
    Start,
    /// A batch of changes; without files when nothing changed in its window.
    Changes,
    /// The operator's order to go on with a changed column list. No files.
    Schema,
}

/// Columns of the part files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `__d2r_op, __d2r_batch, __d2r_order`, the columns of the shape, the keep flags.
    Changes,
    /// The columns of the shape alone: a scan under snapshot isolation, loaded straight into
    /// production.
    Production,
}

/// One compressed CSV file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PartFile {
    /// Full object key, without the bucket.
    pub key: String,
    /// Compressed size.
    pub bytes: u64,
    pub rows: u64,
    /// Lowercase hex SHA-256 of the compressed bytes.
    pub sha256: String,
}

/// Rows of a batch by kind.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RowCounts {
    pub upserts: u64,
    pub deletes: u64,
    /// Values that load takes from earlier rows.
    pub kept: u64,
    /// Untouched values whose row was gone when it was read again.
    pub gone: u64,
    /// NUL characters that were replaced by U+FFFD outside keys.
    #[serde(default)]
    pub replaced_nuls: u64,
    /// U+FFFD outside keys that the source brought. A lone surrogate is read as this character,
    /// and a source may hold the character itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replacement_characters: u64,
    /// Empty binary values, which COPY takes for NULL.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub empty_binaries: u64,
    /// Values that a column's policy cut or emptied, by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unfit: BTreeMap<String, UnfitCount>,
}

impl RowCounts {
    /// Rows in the part files: what `pg_last_copy_count()` must say.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.upserts + self.deletes
    }
}

/// A commit record (rules R1 to R7). Its key depends on table, epoch and seq alone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CommitRecord {
    pub version: u32,
    pub kind: RecordKind,
    pub pipeline: String,
    pub table: TableName,
    pub epoch: Epoch,
    pub seq: Seq,
    /// The attempt that wrote it: tells our own record from a rival's (rule R3).
    pub attempt: Uuid,
    pub run: Uuid,
    pub source: SourceIdentity,
    pub capture: CaptureIdentity,
    pub columns: TableShape,
    pub column_hash: String,
    /// Newest `ddl_lsn` of the instance that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ddl_lsn: Option<Lsn>,
    /// When the table's definition had been changed last as record 0 was written, server-local.
    /// While that stands, a newer `ddl_lsn` is of a change that the epoch has seen: capture notes
    /// it late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altered: Option<DateTime>,
    /// `lsn_to` of the record before, plus one. `None` in record 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsn_from: Option<Lsn>,
    /// Upper bound, inclusive.
    pub lsn_to: Lsn,
    /// Newest mapping row at or below `lsn_to` (rule R7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappingRow>,
    /// In record 0: max LSN read before the scan. Below it the source has gone back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l0: Option<Lsn>,
    /// Newest mapping row that stood in the source after rows were last read from the table itself,
    /// by a scan or a re-read. Until the stream has passed it, it must stand there: else those rows
    /// are of a history that a restore took away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<MappingRow>,
    /// Batches are overlap batches until their end maps above this server-local time (rule R6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_until: Option<DateTime>,
    /// The epoch's marker for NULL in part files.
    pub null_marker: String,
    pub layout: Layout,
    pub parts: Vec<PartFile>,
    pub counts: RowCounts,
    /// The operator vouched for what production held before a `start`: diverged until a verify.
    #[serde(default)]
    pub trusted: bool,
    pub created_at: Timestamp,
    /// Version of the program.
    pub tool: String,
}
