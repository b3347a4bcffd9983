//! What `cdc.fn_cdc_get_net_changes` makes of all changes, for the source in memory.

use std::collections::HashMap;

use db_to_redshift::model::{ChangeRow, Operation, TableShape};

/// One row a key, as it is at the end: nothing of a row that came and went, an update where an older row is
/// replaced. By LSN, deletes of an LSN first.
pub fn net(rows: Vec<ChangeRow>, shape: &TableShape) -> Vec<ChangeRow> {
    let mut keys: HashMap<_, (Operation, ChangeRow)> = HashMap::new();
    for row in rows {
        let key = shape.key_identity(&row.values);
        match keys.get_mut(&key) {
            Some((_, last)) => *last = row,
            None => drop(keys.insert(key, (row.operation, row))),
        }
    }
    let folded = keys.into_values().filter_map(|(first, mut last)| {
        last.operation = match (first, last.operation) {
            (Operation::Insert, Operation::Delete) => return None,
            (_, Operation::Delete) => Operation::Delete,
            (Operation::Insert, _) => Operation::Insert,
            _ => Operation::After,
        };
        Some(last)
    });
    let mut folded: Vec<_> = folded.collect();
    folded.sort_by_key(|row| (row.lsn, row.operation));
    folded
}
