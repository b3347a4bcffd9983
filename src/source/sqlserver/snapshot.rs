//! The rows of a table, streamed in one statement.

use super::{columns, quote};
use crate::model::{TableName, TableShape};

/// Each a batch of its own. The first read inside pins the version that is seen.
pub const SNAPSHOT_ISOLATION: &str = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT;";
pub const BEGIN: &str = "BEGIN TRANSACTION;";
pub const COMMIT: &str = "COMMIT TRANSACTION;";

#[must_use]
pub fn rows(table: &TableName, shape: &TableShape) -> String {
    format!("SELECT {}\n  FROM {} AS t;", columns::select_list(shape.columns(), "t"), quote::table(table))
}
