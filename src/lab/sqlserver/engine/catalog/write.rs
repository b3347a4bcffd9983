//! Changing the catalogue, and the SQLite tables under it.

use super::{Column, Index, ObjectKind, ROWID, Table, TableDef, quote, storage_name, tables::set_meta};
use crate::lab::sqlserver::engine::{clock, codec, collation, type_name};
use crate::lab::sqlserver::types::DataType;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use std::fmt::Write as _;

/// A schema; its id if it is there already.
pub fn create_schema(conn: &Connection, name: &str) -> rusqlite::Result<i32> {
    conn.execute(
        "INSERT OR IGNORE INTO __lab_schemas (schema_id, name)
         SELECT max(5, max(schema_id) + 1), ?1 FROM __lab_schemas WHERE schema_id < 16384",
        [name],
    )?;
    changed(conn)?;
    conn.query_row("SELECT schema_id FROM __lab_schemas WHERE name = ?1", [name], |row| row.get(0))
}

/// Makes the table in the catalogue and in SQLite; returns its object id. The schema is made when
/// it is missing. A table of that name fails on the UNIQUE constraint of `__lab_objects`.
pub fn create_table(conn: &Connection, def: &TableDef) -> rusqlite::Result<i32> {
    let schema_id = create_schema(conn, &def.schema)?;
    let kind = if def.kind == ObjectKind::SystemTable { "S" } else { "U" };
    let object_id = new_object(conn, schema_id, &def.name, kind, def.ms_shipped, 0)?;
    let mut sql = format!("CREATE TABLE {} ({ROWID} INTEGER PRIMARY KEY", storage_name(&def.schema, &def.name));
    let mut columns = Vec::with_capacity(def.columns.len());
    for (id, column) in (1..).zip(&def.columns) {
        if column.is_stored() {
            let _ = write!(sql, ", {}", storage_column(column));
        }
        insert_column(conn, object_id, id, column)?;
        columns.push(Column { id, ..column.clone() });
    }
    sql.push(')');
    conn.execute_batch(&sql)?;
    let table = Table {
        object_id,
        schema: def.schema.clone(),
        name: def.name.clone(),
        kind: def.kind,
        ms_shipped: def.ms_shipped,
        tracked_by_cdc: false,
        columns,
        indexes: vec![],
        filter: None,
    };
    for index in &def.indexes {
        create_index(conn, &table, index)?;
    }
    changed(conn)?;
    Ok(object_id)
}

/// An index of a table; a name of a column that the table lacks is left to the caller's check.
pub fn create_index(conn: &Connection, table: &Table, index: &Index<String>) -> rusqlite::Result<()> {
    note_index(conn, table, index)?;
    let list: Vec<_> = index.columns.iter().filter_map(|name| table.column(name)).map(|column| quote(&column.name)).collect();
    let unique = if index.unique { "UNIQUE " } else { "" };
    let name = index_storage_name(table, &index.name);
    conn.execute_batch(&format!("CREATE {unique}INDEX {name} ON {} ({})", table.sql_name(), list.join(", ")))
}

/// The catalogue's part of [`create_index`]: enough for a table that will hold next to nothing.
pub fn note_index(conn: &Connection, table: &Table, index: &Index<String>) -> rusqlite::Result<()> {
    let next_id = "SELECT ifnull(max(index_id), 1) + 1 FROM __lab_indexes WHERE object_id = ?1";
    let index_id: i64 = if index.clustered { 1 } else { conn.query_row(next_id, [table.object_id], |row| row.get(0))? };
    conn.execute(
        "INSERT INTO __lab_indexes (object_id, index_id, name, is_primary_key, is_unique_constraint, is_unique, is_clustered)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![table.object_id, index_id, index.name, index.primary_key, index.unique_constraint, index.unique, index.clustered],
    )?;
    if index.primary_key || index.unique_constraint {
        let schema_id: i32 = conn.query_row("SELECT schema_id FROM __lab_objects WHERE object_id = ?1", [table.object_id], |r| r.get(0))?;
        let kind = if index.primary_key { "PK" } else { "UQ" };
        new_object(conn, schema_id, &index.name, kind, table.ms_shipped, table.object_id)?;
    }
    for (ordinal, name) in (1..).zip(&index.columns) {
        let Some(column) = table.column(name) else { continue };
        conn.execute(
            "INSERT INTO __lab_index_columns (object_id, index_id, key_ordinal, column_id) VALUES (?1, ?2, ?3, ?4)",
            params![table.object_id, index_id, ordinal, column.id],
        )?;
    }
    changed(conn)
}

fn index_storage_name(table: &Table, index: &str) -> String {
    quote(&format!("{}.{}.{index}", table.schema, table.name))
}

pub fn drop_index(conn: &Connection, table: &Table, name: &str) -> rusqlite::Result<()> {
    conn.execute_batch(&format!("DROP INDEX {}", index_storage_name(table, name)))?;
    conn.execute(
        "DELETE FROM __lab_index_columns WHERE object_id = ?1
            AND index_id IN (SELECT index_id FROM __lab_indexes WHERE object_id = ?1 AND name = ?2)",
        params![table.object_id, name],
    )?;
    conn.execute("DELETE FROM __lab_indexes WHERE object_id = ?1 AND name = ?2", params![table.object_id, name])?;
    conn.execute("DELETE FROM __lab_objects WHERE parent_object_id = ?1 AND name = ?2", params![table.object_id, name])?;
    changed(conn)
}

pub fn drop_table(conn: &Connection, table: &Table) -> rusqlite::Result<()> {
    conn.execute_batch(&format!("DROP TABLE {}", table.sql_name()))?;
    for of in ["__lab_columns", "__lab_masks", "__lab_indexes", "__lab_index_columns", "__lab_objects"] {
        conn.execute(&format!("DELETE FROM {of} WHERE object_id = ?1"), [table.object_id])?;
    }
    conn.execute("DELETE FROM __lab_objects WHERE parent_object_id = ?1", [table.object_id])?;
    changed(conn)
}

/// Adds a column; the rows that are there hold `fill` in it. Returns its id.
pub fn add_column(conn: &Connection, table: &Table, column: &Column, fill: &Value) -> rusqlite::Result<i32> {
    let id: i32 =
        conn.query_row("SELECT max_column_id + 1 FROM __lab_objects WHERE object_id = ?1", [table.object_id], |row| row.get(0))?;
    insert_column(conn, table.object_id, id, column)?;
    if !column.is_stored() {
        changed(conn)?;
        return Ok(id);
    }
    let default = if *fill == Value::Null { String::new() } else { format!(" DEFAULT {}", codec::sql_literal(fill)) };
    conn.execute_batch(&format!("ALTER TABLE {} ADD COLUMN {}{default}", table.sql_name(), storage_column(column)))?;
    changed(conn)?;
    Ok(id)
}

/// Drops a column that no index holds. Triggers that name it must have gone before.
pub fn drop_column(conn: &Connection, table: &Table, column: &Column) -> rusqlite::Result<()> {
    if column.is_stored() {
        conn.execute_batch(&format!("ALTER TABLE {} DROP COLUMN {}", table.sql_name(), quote(&column.name)))?;
    }
    for of in ["__lab_columns", "__lab_masks"] {
        conn.execute(&format!("DELETE FROM {of} WHERE object_id = ?1 AND column_id = ?2"), params![table.object_id, column.id])?;
    }
    changed(conn)
}

/// Masks a column, or takes its mask away.
pub fn set_mask(conn: &Connection, object_id: i32, column_id: i32, function: Option<&str>) -> rusqlite::Result<()> {
    match function {
        Some(function) => conn.execute(
            "INSERT OR REPLACE INTO __lab_masks (object_id, column_id, function) VALUES (?1, ?2, ?3)",
            params![object_id, column_id, function],
        )?,
        None => conn.execute("DELETE FROM __lab_masks WHERE object_id = ?1 AND column_id = ?2", params![object_id, column_id])?,
    };
    changed(conn)
}

/// Sets the declared type and nullability; the caller has rewritten the stored values. A mask goes
/// unless it is said again.
pub fn alter_column(conn: &Connection, table: &Table, column_id: i32, data_type: &DataType, nullable: bool) -> rusqlite::Result<()> {
    let (max_length, precision, scale) = type_name::sizes(data_type);
    conn.execute(
        "UPDATE __lab_columns
            SET type = ?3, system_type_id = ?4, max_length = ?5, precision = ?6, scale = ?7, is_nullable = ?8
          WHERE object_id = ?1 AND column_id = ?2",
        params![
            table.object_id,
            column_id,
            type_name::name(data_type),
            type_name::system_type_id(data_type),
            max_length,
            precision,
            scale,
            nullable
        ],
    )?;
    set_mask(conn, table.object_id, column_id, None)
}

/// `sys.tables.is_tracked_by_cdc`.
pub fn set_tracked(conn: &Connection, object_id: i32, tracked: bool) -> rusqlite::Result<()> {
    conn.execute("UPDATE __lab_objects SET is_tracked_by_cdc = ?2 WHERE object_id = ?1", params![object_id, tracked])?;
    changed(conn)
}

/// `sys.databases.is_cdc_enabled` of this database.
pub fn set_cdc_enabled(conn: &Connection, enabled: bool) -> rusqlite::Result<()> {
    set_meta(conn, "is_cdc_enabled", &enabled)?;
    changed(conn)
}

/// `sys.databases.snapshot_isolation_state` of this database.
pub fn set_snapshot_allowed(conn: &Connection, allowed: bool) -> rusqlite::Result<()> {
    set_meta(conn, "snapshot_isolation_state", &allowed)
}

/// The last identity value that was given out. Not a change of the catalogue's version.
pub fn set_identity_last(conn: &Connection, object_id: i32, last: Option<i64>) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE __lab_columns SET last_value = ?2 WHERE object_id = ?1 AND is_identity = 1")?
        .execute(params![object_id, last])?;
    Ok(())
}

/// No declared type, so that SQLite never converts a value; text columns carry their collation.
fn storage_column(column: &Column) -> String {
    let name = quote(&column.name);
    if column.is_text() {
        format!("{name} COLLATE {}", collation::sqlite_name(column.collation.as_deref().unwrap_or(collation::DEFAULT)))
    } else {
        name
    }
}

fn insert_column(conn: &Connection, object_id: i32, id: i32, column: &Column) -> rusqlite::Result<()> {
    let (max_length, precision, scale) = type_name::sizes(&column.data_type);
    let collation = column.is_text().then(|| column.collation.clone().unwrap_or_else(|| collation::DEFAULT.into()));
    conn.execute(
        "INSERT INTO __lab_columns (object_id, column_id, name, type, system_type_id, max_length, precision, scale, collation,
                                    is_nullable, is_identity, seed_value, increment_value, last_value, default_text,
                                    is_computed, is_persisted, definition)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        params![
            object_id,
            id,
            column.name,
            type_name::name(&column.data_type),
            type_name::system_type_id(&column.data_type),
            max_length,
            precision,
            scale,
            collation,
            column.nullable,
            column.identity.is_some(),
            column.identity.map(|i| i.seed),
            column.identity.map(|i| i.increment),
            column.identity.and_then(|i| i.last),
            column.default,
            column.computed.is_some(),
            column.computed.as_ref().is_some_and(|computed| computed.persisted),
            column.computed.as_ref().map(|computed| computed.expression.as_str())
        ],
    )?;
    conn.execute("UPDATE __lab_objects SET max_column_id = ?2 WHERE object_id = ?1", params![object_id, id])?;
    if let Some(function) = &column.mask {
        set_mask(conn, object_id, id, Some(function))?;
    }
    Ok(())
}

pub(super) fn new_object(
    conn: &Connection,
    schema_id: i32,
    name: &str,
    kind: &str,
    ms_shipped: bool,
    parent: i32,
) -> rusqlite::Result<i32> {
    // The distance between ids is the server's own habit; it keeps ids from looking like row numbers.
    let object_id: i32 =
        conn.query_row("UPDATE __lab_meta SET value = value + 16000057 WHERE key = 'next_object_id' RETURNING value", [], |row| {
            row.get::<_, i64>(0).map(|id| i32::try_from(id % 2_147_483_629).unwrap_or(1))
        })?;
    conn.execute(
        "INSERT INTO __lab_objects (object_id, schema_id, name, kind, create_date, modify_date, is_ms_shipped, parent_object_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)",
        params![object_id, schema_id, name, kind, clock::stored_datetime_of_system(), ms_shipped, parent],
    )?;
    Ok(object_id)
}

pub(super) fn changed(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE __lab_meta SET value = value + 1 WHERE key = 'catalogue_version'")?.execute([])?;
    Ok(())
}
