//! Reading the catalogue.

use super::{Column, Computed, Identity, Index, ObjectKind, Table, same_name, tables::meta};
use crate::lab::sqlserver::engine::type_name;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::sync::Arc;

/// The whole catalogue of a database at one version.
#[derive(Clone, PartialEq, Debug)]
pub struct Catalogue {
    pub version: i64,
    /// Name and id.
    pub schemas: Vec<(String, i32)>,
    by_name: HashMap<(String, String), Arc<Table>>,
    by_id: HashMap<i32, Arc<Table>>,
}

impl Catalogue {
    #[must_use]
    pub fn table(&self, schema: &str, name: &str) -> Option<Arc<Table>> {
        self.by_name.get(&(schema.to_lowercase(), name.to_lowercase())).cloned()
    }

    #[must_use]
    pub fn table_by_id(&self, object_id: i32) -> Option<Arc<Table>> {
        self.by_id.get(&object_id).cloned()
    }

    #[must_use]
    pub fn schema(&self, name: &str) -> Option<&(String, i32)> {
        self.schemas.iter().find(|s| same_name(&s.0, name))
    }
}

/// Changes with every change of the catalogue, inside the reader's own snapshot.
pub fn version(conn: &Connection) -> rusqlite::Result<i64> {
    Ok(meta(conn, "catalogue_version")?.unwrap_or(0))
}

/// Everything. A session keeps it until [`version`] differs.
pub fn catalogue(conn: &Connection) -> rusqlite::Result<Catalogue> {
    let version = version(conn)?;
    let schemas = conn
        .prepare_cached("SELECT name, schema_id FROM __lab_schemas ORDER BY schema_id")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let tables = read_tables(conn, "1 = 1", &[])?;
    let by_id = tables.iter().map(|t| (t.object_id, t.clone())).collect();
    let by_name = tables.into_iter().map(|t| ((t.schema.to_lowercase(), t.name.to_lowercase()), t)).collect();
    Ok(Catalogue { version, schemas, by_name, by_id })
}

/// The table `schema.name`, without regard to case.
pub fn find_table(conn: &Connection, schema: &str, name: &str) -> rusqlite::Result<Option<Arc<Table>>> {
    Ok(read_tables(conn, "s.name = ?1 AND o.name = ?2", params![schema, name])?.pop())
}

pub fn table_by_id(conn: &Connection, object_id: i32) -> rusqlite::Result<Option<Arc<Table>>> {
    Ok(read_tables(conn, "o.object_id = ?1", params![object_id])?.pop())
}

/// The columns of a table, in the order of their ids.
pub fn columns(conn: &Connection, object_id: i32) -> rusqlite::Result<Vec<Column>> {
    conn.prepare_cached(
        "SELECT column_id, name, type, max_length, precision, scale, collation, is_nullable, is_identity,
                seed_value, increment_value, last_value, default_text, definition, is_persisted,
                (SELECT m.function FROM __lab_masks m WHERE m.object_id = ?1 AND m.column_id = __lab_columns.column_id)
           FROM __lab_columns WHERE object_id = ?1 ORDER BY column_id",
    )?
    .query_map([object_id], |row| {
        let type_name: String = row.get(2)?;
        let data_type = type_name::from_catalogue(&type_name, row.get(3)?, row.get(4)?, row.get(5)?)
            .ok_or_else(|| rusqlite::Error::InvalidColumnType(2, type_name, rusqlite::types::Type::Text))?;
        let identity = if row.get(8)? { Some(Identity { seed: row.get(9)?, increment: row.get(10)?, last: row.get(11)? }) } else { None };
        let computed = row.get::<_, Option<String>>(13)?;
        let computed = computed.map(|expression| Ok::<_, rusqlite::Error>(Computed { expression, persisted: row.get(14)? })).transpose()?;
        Ok(Column {
            id: row.get(0)?,
            name: row.get(1)?,
            data_type,
            collation: row.get(6)?,
            nullable: row.get(7)?,
            identity,
            default: row.get(12)?,
            computed,
            mask: row.get(15)?,
        })
    })?
    .collect()
}

fn indexes(conn: &Connection, object_id: i32) -> rusqlite::Result<Vec<Index<i32>>> {
    let mut columns =
        conn.prepare_cached("SELECT column_id FROM __lab_index_columns WHERE object_id = ?1 AND index_id = ?2 ORDER BY key_ordinal")?;
    conn.prepare_cached(
        "SELECT index_id, name, is_primary_key, is_unique_constraint, is_unique, is_clustered
           FROM __lab_indexes WHERE object_id = ?1 ORDER BY index_id",
    )?
    .query_map([object_id], |row| {
        let id: i64 = row.get(0)?;
        Ok(Index {
            name: row.get(1)?,
            primary_key: row.get(2)?,
            unique_constraint: row.get(3)?,
            unique: row.get(4)?,
            clustered: row.get(5)?,
            columns: columns.query_map(params![object_id, id], |c| c.get(0))?.collect::<Result<_, _>>()?,
        })
    })?
    .collect()
}

fn read_tables(conn: &Connection, condition: &str, parameters: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<Arc<Table>>> {
    let sql = format!(
        "SELECT o.object_id, s.name, o.name, o.kind, o.is_ms_shipped, o.is_tracked_by_cdc,
                (SELECT p.condition FROM __lab_policies p WHERE p.target_id = o.object_id AND p.is_enabled = 1)
           FROM __lab_objects o JOIN __lab_schemas s ON s.schema_id = o.schema_id
          WHERE o.kind IN ('U', 'S') AND {condition}"
    );
    conn.prepare_cached(&sql)?
        .query_map(parameters, |row| {
            let object_id = row.get(0)?;
            let kind: String = row.get(3)?;
            Ok(Arc::new(Table {
                object_id,
                schema: row.get(1)?,
                name: row.get(2)?,
                kind: if kind == "S" { ObjectKind::SystemTable } else { ObjectKind::UserTable },
                ms_shipped: row.get(4)?,
                tracked_by_cdc: row.get(5)?,
                columns: columns(conn, object_id)?,
                indexes: indexes(conn, object_id)?,
                filter: row.get(6)?,
            }))
        })?
        .collect()
}
