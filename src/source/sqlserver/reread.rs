//! Present rows by their keys, many keys in one statement.

use super::{columns, quote};
use crate::model::{TableName, TableShape};

/// Rows of `table` whose key equals one of `keys` rows of parameters under the server's own
/// comparison, which may be more than bytewise equality. Parameters run row by row.
#[must_use]
pub fn by_keys(table: &TableName, shape: &TableShape, keys: usize) -> String {
    let width = shape.key_len();
    let tuples: Vec<_> = (0..keys)
        .map(|row| {
            let parameters: Vec<_> = (0..width).map(|n| format!("@P{}", row * width + n + 1)).collect();
            format!("({})", parameters.join(", "))
        })
        .collect();
    let names: Vec<_> = (0..width).map(|n| format!("c{n}")).collect();
    let equal: Vec<_> = shape
        .key()
        .iter()
        .enumerate()
        .map(|(n, column)| format!("t.{} = {}", quote::name(&column.name), columns::key_expression(column, &format!("k.c{n}"))))
        .collect();
    format!(
        "\
SELECT {}
  FROM (VALUES {}) AS k ({})
 INNER JOIN {} AS t ON {};",
        columns::select_list(shape.columns(), "t"),
        tuples.join(", "),
        names.join(", "),
        quote::table(table),
        equal.join(" AND ")
    )
}
