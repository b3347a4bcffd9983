//! Rows on their way: as a change table holds them, and as staging gets them.

use super::{Lsn, Value};

/// `__$operation` of a change table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operation {
    Delete = 1,
    Insert = 2,
    /// The row before an update.
    Before = 3,
    /// The row after an update.
    After = 4,
}

impl TryFrom<i32> for Operation {
    type Error = i32;

    fn try_from(code: i32) -> Result<Self, i32> {
        Ok(match code {
            1 => Self::Delete,
            2 => Self::Insert,
            3 => Self::Before,
            4 => Self::After,
            other => return Err(other),
        })
    }
}

/// One row of a change table, in the order (lsn, command, seqval, operation).
#[derive(Clone, PartialEq, Debug)]
pub struct ChangeRow {
    /// `__$start_lsn`: the commit LSN, the same for every row of a transaction.
    pub lsn: Lsn,
    /// `__$command_id`, NULL as 0.
    pub command_id: i32,
    pub seqval: Lsn,
    pub operation: Operation,
    pub mask: Vec<u8>,
    /// The values in the order of [`super::TableShape::columns`].
    pub values: Vec<Value>,
}

/// Text of `__d2r_op` in part files and staging: [`StagedOp::Delete`].
pub const OP_DELETE: &str = "D";
/// Text of `__d2r_op` in part files and staging: [`StagedOp::Upsert`].
pub const OP_UPSERT: &str = "U";
/// Text of a keep flag in part files and staging: [`Keep::Kept`]. [`Keep::Value`] is NULL there.
pub const KEEP_KEPT: &str = "k";
/// Text of a keep flag in part files and staging: [`Keep::Gone`].
pub const KEEP_GONE: &str = "g";

/// What a staged row does to production.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StagedOp {
    Delete,
    Upsert,
}

/// Flag of a large column in a staged row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Keep {
    /// The value in the row counts, NULL included.
    #[default]
    Value,
    /// The update did not touch the column: load takes the earlier value.
    Kept,
    /// Not touched, and the source no longer has the row: NULL is loaded and counted.
    Gone,
}

/// One row of a part file.
#[derive(Clone, PartialEq, Debug)]
pub struct StagedRow {
    pub op: StagedOp,
    /// Position inside the batch. Of the rows of one key the highest wins; the order of the rows
    /// in the files means nothing.
    pub order: i64,
    /// The values in the order of [`super::TableShape::columns`]; of a delete only the key counts.
    pub values: Vec<Value>,
    /// One flag for each large column, in the order of [`super::TableShape::large_columns`].
    pub keep: Vec<Keep>,
}
