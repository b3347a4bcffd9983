//! SQLite's errors as SQL Server's.

use super::functions::carried;
use crate::lab::sqlserver::session::Message;
use rusqlite::{Error, ErrorCode, ffi};

/// What a failed statement of SQLite means to a client.
#[must_use]
pub fn message(error: &Error) -> Message {
    if let Some(message) = carried(error) {
        return message;
    }
    let Error::SqliteFailure(failure, text) = error else {
        return Message::error(50_000, format!("The lab's storage failed: {error}"));
    };
    match (failure.code, failure.extended_code) {
        (_, ffi::SQLITE_BUSY_SNAPSHOT) => Message::error(
            3960,
            "Snapshot isolation transaction aborted due to update conflict. You cannot use snapshot isolation to access a table directly or \
             indirectly in a database to update, delete, or insert the row that has been modified or deleted by another transaction. Retry \
             the transaction or change the isolation level for the update/delete statement.",
        ),
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Message::error(1222, "Lock request time out period exceeded."),
        (ErrorCode::OperationInterrupted, _) => Message::error(3617, "The operation was cancelled."),
        _ if text.as_deref() == Some("integer overflow") => {
            Message::error(8115, "Arithmetic overflow error converting expression to data type bigint.")
        }
        _ if text.as_deref().is_some_and(|t| t.contains("misuse of aggregate")) => Message::error(
            147,
            "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and \
             the column being aggregated is an outer reference.",
        ),
        _ => Message::error(50_000, format!("The lab cannot run this statement: {}", text.as_deref().unwrap_or("unknown error"))),
    }
}

/// Whether a UNIQUE index refused a row.
#[must_use]
pub fn is_unique_violation(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(f, _) if f.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE)
}

/// The columns of the index that refused a row: SQLite names them `table.column, table.column`.
#[must_use]
pub fn violated_columns(error: &Error, table: &str) -> Vec<String> {
    let shown = error.to_string();
    let list = shown.split_once("failed: ").map_or("", |(_, list)| list);
    list.split(", ").filter_map(|c| c.strip_prefix(table).and_then(|c| c.strip_prefix('.'))).map(str::to_owned).collect()
}
