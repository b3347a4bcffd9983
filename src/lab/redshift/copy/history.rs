//! What the load views tell afterwards.

use std::time::SystemTime;

use tokio_postgres::types::ToSql;

use super::super::Shared;
use super::errors::LoadError;
use super::load::Who;
use super::table::Table;

/// Written on another connection, so that it outlives the transaction that fails.
pub(super) async fn note_error(
    shared: &Shared,
    table: &Table,
    error: &LoadError,
    id: i64,
    who: Who<'_>,
) -> Result<(), tokio_postgres::Error> {
    const INSERT: &str = "INSERT INTO pg_catalog.lab_load_error
        SELECT $1, r.oid::integer, $2, current_database(), $3, clock_timestamp() AT TIME ZONE 'UTC', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
          FROM pg_catalog.pg_roles r WHERE r.rolname = $14";
    let line = i64::try_from(error.line).unwrap_or(i64::MAX);
    let position = i32::try_from(error.error.position).unwrap_or(i32::MAX);
    let oid = table.oid.cast_signed();
    let values: [&(dyn ToSql + Sync); 14] = [
        &id,
        &who.pid,
        &oid,
        &error.file,
        &line,
        &error.column,
        &error.kind,
        &error.length,
        &position,
        &error.raw_line,
        &error.raw_field,
        &error.error.code,
        &error.error.reason,
        &who.user,
    ];
    shared.admin.execute(INSERT, &values).await.map(drop)
}

/// One COPY that had begun.
pub(super) struct Load<'a> {
    pub id: i64,
    pub url: &'a str,
    pub files: usize,
    /// `None`: it was aborted.
    pub rows: Option<u64>,
    pub began: SystemTime,
}

pub(super) async fn note_load(shared: &Shared, table: &Table, load: &Load<'_>, who: Who<'_>) -> Result<(), tokio_postgres::Error> {
    const INSERT: &str = "INSERT INTO pg_catalog.lab_load
        SELECT $1, r.oid::integer, r.rolname, $2, current_database(), $3, $4, $5, $6::timestamptz AT TIME ZONE 'UTC', clock_timestamp() AT TIME ZONE 'UTC',
               $7, $8, NULL, $9, $10
          FROM pg_catalog.pg_roles r WHERE r.rolname = $11";
    let status = if load.rows.is_some() { "completed" } else { "aborted" };
    let loaded = load.rows.map_or(0, |rows| i64::try_from(rows).unwrap_or(i64::MAX));
    let files = i64::try_from(load.files).unwrap_or(i64::MAX);
    let errors = i64::from(load.rows.is_none());
    let oid = table.oid.cast_signed();
    let values: [&(dyn ToSql + Sync); 11] =
        [&load.id, &who.pid, &oid, &table.name, &status, &load.began, &load.url, &loaded, &files, &errors, &who.user];
    shared.admin.execute(INSERT, &values).await.map(drop)
}
