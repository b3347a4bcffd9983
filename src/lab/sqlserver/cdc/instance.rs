//! The capture instances of a database, as `cdc.change_tables` and its companions have them.

use std::sync::Arc;

use rusqlite::Connection;

use super::capture::{Captured, Instance};
use crate::lab::sqlserver::engine::catalog::{self, Table};

/// What `cdc.change_tables` says of an instance, with its captured columns.
#[derive(Clone, PartialEq, Debug)]
pub struct Known {
    pub instance: Instance,
    pub start_lsn: Option<Vec<u8>>,
    pub supports_net_changes: bool,
    /// Names of the key's columns, in the order of the key.
    pub key: Vec<String>,
}

/// Whether the login of the connection may read an instance `ct` of `cdc.change_tables`: it is in
/// the gating role, if there is one, and may SELECT from the source table.
pub const GATE: &str = "lab_gate(ct.role_name,
    (SELECT s.name FROM __lab_objects o JOIN __lab_schemas s ON s.schema_id = o.schema_id WHERE o.object_id = ct.source_object_id),
    (SELECT o.name FROM __lab_objects o WHERE o.object_id = ct.source_object_id),
    (SELECT group_concat(c.column_name, char(31)) FROM \"cdc.captured_columns\" c WHERE c.object_id = ct.object_id))";

/// [`GATE`] of the instance of that name.
pub fn is_open(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM \"cdc.change_tables\" ct WHERE ct.capture_instance = ?1 AND {GATE})");
    connection.query_row(&sql, [name], |row| row.get(0))
}

/// All instances, oldest first.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<Known>> {
    let mut query = connection.prepare_cached(
        "SELECT capture_instance, object_id, source_object_id, start_lsn, supports_net_changes
           FROM \"cdc.change_tables\" WHERE ifnull(has_drop_pending, 0) = 0 ORDER BY create_date, object_id",
    )?;
    let rows = query.query_map([], |row| {
        Ok(Known {
            instance: Instance { name: row.get(0)?, ct_id: row.get(1)?, source_id: row.get(2)?, columns: vec![] },
            start_lsn: row.get(3)?,
            supports_net_changes: row.get::<_, Option<bool>>(4)?.unwrap_or_default(),
            key: vec![],
        })
    })?;
    let mut known = rows.collect::<Result<Vec<_>, _>>()?;
    for one in &mut known {
        one.instance.columns = captured(connection, one.instance.ct_id)?;
        one.key = connection
            .prepare_cached("SELECT column_name FROM \"cdc.index_columns\" WHERE object_id = ?1 ORDER BY index_ordinal")?
            .query_map([one.instance.ct_id], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
    }
    Ok(known)
}

/// The instance of that name, without regard to case.
pub fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<Known>> {
    Ok(all(connection)?.into_iter().find(|known| catalog::same_name(&known.instance.name, name)))
}

/// The instances of a source table.
pub fn of_source(connection: &Connection, source_id: i32) -> rusqlite::Result<Vec<Known>> {
    Ok(all(connection)?.into_iter().filter(|known| known.instance.source_id == source_id).collect())
}

/// The change table in the catalogue.
pub fn change_table(connection: &Connection, known: &Known) -> rusqlite::Result<Option<Arc<Table>>> {
    catalog::table_by_id(connection, known.instance.ct_id)
}

fn captured(connection: &Connection, ct_id: i32) -> rusqlite::Result<Vec<Captured>> {
    let mut query = connection.prepare_cached(
        "SELECT c.column_id, c.column_name, c.column_type, t.max_length
           FROM \"cdc.captured_columns\" c
           LEFT JOIN __lab_columns t ON t.object_id = c.object_id AND t.name = c.column_name
          WHERE c.object_id = ?1 ORDER BY c.column_ordinal",
    )?;
    let rows = query.query_map([ct_id], |row| {
        let column_type: String = row.get(2)?;
        let max_length: Option<i64> = row.get(3)?;
        Ok(Captured {
            column_id: row.get(0)?,
            name: row.get(1)?,
            large: max_length == Some(-1),
            old_large: matches!(column_type.as_str(), "text" | "ntext" | "image"),
            rowversion: column_type == "timestamp",
        })
    })?;
    rows.collect()
}
