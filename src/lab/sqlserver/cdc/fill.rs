//! Change tables filled directly, for tests of size: no source table, no log.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::instance;
use super::log::quoted;
use super::position::Position;
use super::sql::{each, full_mask};
use crate::lab::sqlserver::engine::codec;
use crate::lab::sqlserver::types::Datum;
use crate::model::Lsn;

/// One row of a change table. The values stand in the order of the captured columns.
#[derive(Clone, PartialEq, Debug)]
pub struct GeneratedRow {
    /// 1 to 4. A pair of 3 and 4 must follow each other.
    pub operation: u8,
    pub values: Vec<Datum>,
    /// The row ends its transaction; the last row does so anyway.
    pub commits: bool,
}

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Generated {
    pub rows: u64,
    pub transactions: u64,
    /// Commit LSNs of the first and the last transaction.
    pub first: Lsn,
    pub last: Lsn,
}

/// `None` when there is no such instance, or no row. Updates carry a full mask.
pub fn fill(connection: &Connection, name: &str, rows: impl Iterator<Item = GeneratedRow>) -> rusqlite::Result<Option<Generated>> {
    let Some(known) = instance::find(connection, name)? else { return Ok(None) };
    let Some(table) = instance::change_table(connection, &known)? else { return Ok(None) };
    let columns = &known.instance.columns;
    let types: Vec<_> = columns.iter().filter_map(|c| table.column(&c.name)).map(|c| c.data_type.clone()).collect();
    let names: String = each(columns, |c| format!(", {}", quoted(&c.name)));
    let mut insert = connection.prepare(&format!(
        "INSERT INTO {} (\"__$start_lsn\", \"__$seqval\", \"__$operation\", \"__$update_mask\", \"__$command_id\"{names})
         VALUES (?, ?, ?, ?, ?{})",
        table.sql_name(),
        ", ?".repeat(columns.len())
    ))?;
    let mut map = connection.prepare(
        "INSERT INTO \"cdc.lsn_time_mapping\" (start_lsn, tran_begin_time, tran_end_time, tran_id, tran_begin_lsn)
         VALUES (?1, lab_now(), lab_now(), ?2, ?3)",
    )?;
    let mask = Value::Blob(full_mask(columns.len()));
    let blob = |position: i64| Value::Blob(Position(position).lsn().as_bytes().to_vec());
    let mut at: i64 = connection.query_row("SELECT last FROM __lab_cdc_state", [], |row| row.get(0))?;
    let mut done: Option<Generated> = None;
    let mut rows = rows.peekable();
    // The commit LSN comes after the rows of its transaction but stands in each of them: a
    // transaction is waiting back until its end is known, in blocks of positions by its size.
    let mut waiting: Vec<GeneratedRow> = Vec::new();
    while let Some(row) = rows.next() {
        let ends = row.commits || rows.peek().is_none();
        waiting.push(row);
        if !ends {
            continue;
        }
        let first = at + 1;
        let commit = first + i64::try_from(waiting.len()).unwrap_or(i64::MAX / 2);
        let lsn = blob(commit);
        for row in waiting.drain(..) {
            // Both rows of an update share their sequence value.
            at += i64::from(row.operation != 4);
            let system = [lsn.clone(), blob(at), Value::Integer(row.operation.into()), mask.clone(), Value::Integer(1)];
            let values = types.iter().zip(&row.values).map(|(data_type, value)| codec::encode(data_type, value));
            insert.execute(params_from_iter(system.into_iter().chain(values)))?;
            done.get_or_insert(Generated { rows: 0, transactions: 0, first: Position(commit).lsn(), last: Lsn::ZERO }).rows += 1;
        }
        map.execute(params![lsn, &first.to_be_bytes()[2..], blob(first)])?;
        if let Some(done) = &mut done {
            done.transactions += 1;
            done.last = Position(commit).lsn();
        }
        at = Position(commit).after_commit().0;
    }
    connection.execute("UPDATE __lab_cdc_state SET last = ?1, captured = ?1", [at])?;
    connection.execute(
        "UPDATE \"cdc.change_tables\" SET start_lsn = ?2 WHERE object_id = ?1 AND start_lsn IS NULL",
        params![known.instance.ct_id, done.map(|d| d.first.as_bytes().to_vec())],
    )?;
    Ok(done)
}
