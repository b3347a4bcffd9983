//! The catalogue's own tables in a database file.

use crate::lab::sqlserver::engine::clock;
use rusqlite::{Connection, OptionalExtension as _, params, types::FromSql, types::ToSql};

/// `__lab_columns.type` to `scale` are as in `sys.columns` and `sys.types`; `column_id` counts on
/// from `__lab_objects.max_column_id`, so an id is never used twice.
const CREATE_STORAGE: &str = r"
CREATE TABLE IF NOT EXISTS __lab_meta (
    key   TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS __lab_schemas (
    schema_id INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE COLLATE LAB_CI
);

CREATE TABLE IF NOT EXISTS __lab_objects (
    object_id         INTEGER PRIMARY KEY,
    schema_id         INTEGER NOT NULL,
    name              TEXT    NOT NULL COLLATE LAB_CI,
    kind              TEXT    NOT NULL,
    create_date       INTEGER NOT NULL,
    modify_date       INTEGER NOT NULL,
    is_ms_shipped     INTEGER NOT NULL,
    is_tracked_by_cdc INTEGER NOT NULL DEFAULT 0,
    parent_object_id  INTEGER NOT NULL DEFAULT 0,
    max_column_id     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (schema_id, name)
);

CREATE TABLE IF NOT EXISTS __lab_columns (
    object_id       INTEGER NOT NULL,
    column_id       INTEGER NOT NULL,
    name            TEXT    NOT NULL COLLATE LAB_CI,
    type            TEXT    NOT NULL,
    system_type_id  INTEGER NOT NULL,
    max_length      INTEGER NOT NULL,
    precision       INTEGER NOT NULL,
    scale           INTEGER NOT NULL,
    collation       TEXT,
    is_nullable     INTEGER NOT NULL,
    is_identity     INTEGER NOT NULL,
    seed_value      INTEGER,
    increment_value INTEGER,
    last_value      INTEGER,
    is_computed     INTEGER NOT NULL DEFAULT 0,
    is_persisted    INTEGER NOT NULL DEFAULT 0,
    definition      TEXT,
    default_text    TEXT,
    PRIMARY KEY (object_id, column_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS __lab_indexes (
    object_id            INTEGER NOT NULL,
    index_id             INTEGER NOT NULL,
    name                 TEXT    NOT NULL COLLATE LAB_CI,
    is_primary_key       INTEGER NOT NULL,
    is_unique_constraint INTEGER NOT NULL,
    is_unique            INTEGER NOT NULL,
    is_clustered         INTEGER NOT NULL,
    PRIMARY KEY (object_id, index_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS __lab_index_columns (
    object_id   INTEGER NOT NULL,
    index_id    INTEGER NOT NULL,
    key_ordinal INTEGER NOT NULL,
    column_id   INTEGER NOT NULL,
    PRIMARY KEY (object_id, index_id, key_ordinal)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS __lab_masks (
    object_id INTEGER NOT NULL,
    column_id INTEGER NOT NULL,
    function  TEXT    NOT NULL,
    PRIMARY KEY (object_id, column_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS __lab_policies (
    object_id  INTEGER PRIMARY KEY,
    target_id  INTEGER NOT NULL UNIQUE,
    condition  TEXT    NOT NULL,
    is_enabled INTEGER NOT NULL
);

INSERT OR IGNORE INTO __lab_meta (key, value)
VALUES ('catalogue_version', 1), ('next_object_id', 1013578649), ('rowversion', 2000),
       ('is_cdc_enabled', 0), ('snapshot_isolation_state', 0),
       ('database_guid', randomblob(16)), ('family_guid', randomblob(16)), ('recovery_fork_guid', randomblob(16));

INSERT OR IGNORE INTO __lab_schemas (schema_id, name)
VALUES (1, 'dbo'), (2, 'guest'), (3, 'INFORMATION_SCHEMA'), (4, 'sys'), (16384, 'db_owner');
";

/// Makes the catalogue's tables in a new database file; harmless in an old one.
pub fn create_storage(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(CREATE_STORAGE)?;
    conn.execute("INSERT OR IGNORE INTO __lab_meta (key, value) VALUES ('create_date', ?1)", [clock::stored_datetime_of_system()])?;
    Ok(())
}

/// A single value of the database: `is_cdc_enabled`, `snapshot_isolation_state`, …
pub fn meta<T: FromSql>(conn: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    conn.prepare_cached("SELECT value FROM __lab_meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

pub fn set_meta(conn: &Connection, key: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO __lab_meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")?
        .execute(params![key, value])?;
    Ok(())
}
