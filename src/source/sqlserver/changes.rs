//! Change rows of one instance: the change table page by page, or the net function.

use super::{columns, quote};
use crate::model::TableShape;

/// Whether a change table has `__$command_id` (older servers lack it). `@P1` is the instance.
pub const HAS_COMMAND_ID: &str = "\
SELECT COUNT(*) AS found
  FROM cdc.change_tables AS ct
 INNER JOIN sys.columns AS c ON c.object_id = ct.object_id
 WHERE ct.capture_instance = @P1 AND c.name = N'__$command_id';";

/// Where a page starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// At the beginning of the range.
    Nothing,
    /// Behind a row that has a command id, or in a table without the column.
    Row,
    /// Behind a row whose command id is NULL. NULLs stand first in SQL Server's order.
    RowWithoutCommand,
}

/// One page of a change table. Order and predicate are in the same terms, so that nothing lies
/// between two pages, and in the terms of the table's clustered index, so that no page sorts.
///
/// `@P1` rows, `@P2` from, `@P3` to, then the last row's LSN `@P4`, seqval `@P5`, operation `@P6`
/// and, for [`After::Row`], command id `@P7`. Behind the first page `@P2` is the last LSN.
#[must_use]
pub fn page(instance: &str, shape: &TableShape, has_command_id: bool, after: After) -> String {
    let command = if has_command_id { "ct.__$command_id" } else { "CAST(NULL AS int)" };
    let order = if has_command_id { "ct.__$command_id, " } else { "" };
    let behind = match (after, has_command_id) {
        (After::Nothing, _) => String::new(),
        (_, false) => behind("", ""),
        (After::Row, true) => behind("ct.__$command_id = @P7 AND ", "ct.__$command_id > @P7"),
        (After::RowWithoutCommand, true) => behind("ct.__$command_id IS NULL AND ", "ct.__$command_id IS NOT NULL"),
    };
    format!(
        "\
SELECT TOP (@P1)
       ct.__$start_lsn, {command} AS __$command_id, ct.__$seqval, ct.__$operation, ct.__$update_mask,
       {}
  FROM {} AS ct
 WHERE ct.__$start_lsn >= @P2 AND ct.__$start_lsn <= @P3{behind}
 ORDER BY ct.__$start_lsn, {order}ct.__$seqval, ct.__$operation;",
        columns::select_list(shape.columns(), "ct"),
        quote::change_table(instance)
    )
}

fn behind(same_command: &str, later_command: &str) -> String {
    let later = if later_command.is_empty() { String::new() } else { format!("\n     OR (ct.__$start_lsn = @P4 AND {later_command})") };
    format!(
        "
   AND (ct.__$start_lsn > @P4{later}
     OR (ct.__$start_lsn = @P4 AND {same_command}ct.__$seqval > @P5)
     OR (ct.__$start_lsn = @P4 AND {same_command}ct.__$seqval = @P5 AND ct.__$operation > @P6))"
    )
}

/// The net function over a whole range, deletes of an LSN first. `@P1` from, `@P2` to.
#[must_use]
pub fn net(instance: &str, shape: &TableShape) -> String {
    format!(
        "\
SELECT ct.__$start_lsn, ct.__$operation, ct.__$update_mask,
       {}
  FROM {}(@P1, @P2, N'all with mask') AS ct
 ORDER BY ct.__$start_lsn, ct.__$operation;",
        columns::select_list(shape.columns(), "ct"),
        quote::net_function(instance)
    )
}
