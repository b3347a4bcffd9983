//! What the server and its catalogue say: identity, tables, columns, keys, capture instances.

/// Who answers. `SERVERPROPERTY` gives a sql_variant, hence the casts.
pub const SERVER: &str = "\
SELECT CAST(ISNULL(@@SERVERNAME, SERVERPROPERTY(N'ServerName')) AS nvarchar(256)) AS server_name,
       d.name AS database_name,
       CAST(SERVERPROPERTY(N'ProductVersion') AS nvarchar(128)) AS version,
       CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) AS edition,
       d.is_cdc_enabled,
       d.snapshot_isolation_state
  FROM sys.databases AS d
 WHERE d.database_id = DB_ID();";

/// Guids of the database and of its line of restores. Not open to every login, and not there in
/// Azure SQL Database.
pub const RECOVERY: &str = "\
SELECT r.database_guid, r.recovery_fork_guid
  FROM sys.database_recovery_status AS r
 WHERE r.database_id = DB_ID();";

/// Whether this very connection is encrypted: `TRUE` or `FALSE`. Needs VIEW SERVER STATE.
pub const ENCRYPTED: &str = "\
SELECT CAST(c.encrypt_option AS nvarchar(40)) AS encrypt_option
  FROM sys.dm_exec_connections AS c
 WHERE c.session_id = @@SPID;";

pub const CDC_ENABLED: &str = "\
SELECT d.is_cdc_enabled
  FROM sys.databases AS d
 WHERE d.database_id = DB_ID();";

/// Every user table. A key is a primary key here; [`KEYED_INSTANCES`] adds the unique indexes
/// that capture was told to use.
pub const TABLES: &str = "\
SELECT s.name AS schema_name,
       t.name AS table_name,
       t.object_id,
       t.is_tracked_by_cdc,
       CASE WHEN EXISTS (SELECT 1 FROM sys.indexes AS i
                          WHERE i.object_id = t.object_id AND i.is_primary_key = 1)
            THEN 1 ELSE 0 END AS has_key
  FROM sys.tables AS t
 INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
 WHERE t.is_ms_shipped = 0 AND s.name <> N'cdc'
 ORDER BY s.name, t.name;";

pub const KEYED_INSTANCES: &str = "\
SELECT DISTINCT ct.source_object_id
  FROM cdc.change_tables AS ct
 INNER JOIN cdc.index_columns AS ic ON ic.object_id = ct.object_id;";

/// Columns of the tables whose object ids are given. A name of an alias type says nothing about
/// the values, so the base type goes with it; a CLR type has none.
#[must_use]
pub fn columns(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT c.object_id, c.column_id, c.name AS column_name,
       own.name AS type_name,
       ISNULL(base.name, own.name) AS base_type_name,
       c.max_length, c.precision, c.scale, c.collation_name, c.is_nullable, c.is_computed
  FROM sys.columns AS c
 INNER JOIN sys.types AS own ON own.user_type_id = c.user_type_id
  LEFT JOIN sys.types AS base ON base.user_type_id = c.system_type_id
 WHERE c.object_id IN ({})
 ORDER BY c.object_id, c.column_id;",
        id_list(object_ids)
    )
}

/// Capture instances of the given source tables. `object_id` is that of the change table.
#[must_use]
pub fn instances(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT ct.object_id, ct.source_object_id, ct.capture_instance, ct.start_lsn,
       ct.supports_net_changes, ct.role_name, ct.create_date
  FROM cdc.change_tables AS ct
 WHERE ISNULL(ct.has_drop_pending, 0) = 0 AND ct.source_object_id IN ({})
 ORDER BY ct.source_object_id, ct.create_date DESC, ct.capture_instance DESC;",
        id_list(object_ids)
    )
}

#[must_use]
pub fn captured_columns(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT cc.object_id, cc.column_id, cc.column_name, cc.column_type, cc.column_ordinal, cc.is_computed
  FROM cdc.captured_columns AS cc
 INNER JOIN cdc.change_tables AS ct ON ct.object_id = cc.object_id
 WHERE ct.source_object_id IN ({})
 ORDER BY cc.object_id, cc.column_ordinal;",
        id_list(object_ids)
    )
}

/// The key of each instance: the primary key, or the unique index that capture was told to use.
#[must_use]
pub fn key_columns(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT ic.object_id, ic.column_id, ic.index_ordinal
  FROM cdc.index_columns AS ic
 INNER JOIN cdc.change_tables AS ct ON ct.object_id = ic.object_id
 WHERE ct.source_object_id IN ({})
 ORDER BY ic.object_id, ic.index_ordinal;",
        id_list(object_ids)
    )
}

/// The newest DDL that capture saw, by source table.
#[must_use]
pub fn ddl_history(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT h.source_object_id, MAX(h.ddl_lsn) AS ddl_lsn
  FROM cdc.ddl_history AS h
 WHERE h.source_object_id IN ({})
 GROUP BY h.source_object_id;",
        id_list(object_ids)
    )
}

/// Object ids are numbers that the server gave us: they may stand in the text, and no limit of
/// parameters binds them.
fn id_list(object_ids: &[i32]) -> String {
    object_ids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")
}
