//! Catalogue views over the `__lab_…` tables.

use super::extension::Relation;
use super::type_name::{self, Size};
use crate::lab::sqlserver::types::ResultColumn;

/// Name, columns with types, and the query.
const VIEWS: &[(&str, &str, &str)] = &[
    (
        "sys.schemas",
        "name nvarchar(128), schema_id int, principal_id int",
        "SELECT name, schema_id, 1 AS principal_id FROM __lab_schemas WHERE name <> 'msdb.dbo'",
    ),
    (
        "sys.objects",
        "name nvarchar(128), object_id int, principal_id int, schema_id int, parent_object_id int, type char(2), type_desc nvarchar(60), create_date datetime, modify_date datetime, is_ms_shipped bit, is_published bit, is_schema_published bit",
        "SELECT name, object_id, NULL AS principal_id, schema_id, parent_object_id,
                substr(kind || '  ', 1, 2) AS type,
                CASE kind WHEN 'U' THEN 'USER_TABLE' WHEN 'S' THEN 'SYSTEM_TABLE' WHEN 'PK' THEN 'PRIMARY_KEY_CONSTRAINT'
                          WHEN 'UQ' THEN 'UNIQUE_CONSTRAINT' WHEN 'SP' THEN 'SECURITY_POLICY' END AS type_desc,
                create_date, modify_date, is_ms_shipped, 0 AS is_published, 0 AS is_schema_published
           FROM __lab_objects",
    ),
    (
        "sys.tables",
        "name nvarchar(128), object_id int, principal_id int, schema_id int, parent_object_id int, type char(2), type_desc nvarchar(60), create_date datetime, modify_date datetime, is_ms_shipped bit, is_replicated bit, is_memory_optimized bit, temporal_type tinyint, is_tracked_by_cdc bit, is_external bit",
        "SELECT o.name, o.object_id, NULL AS principal_id, o.schema_id, 0 AS parent_object_id, 'U ' AS type, 'USER_TABLE' AS type_desc,
                o.create_date, o.modify_date, o.is_ms_shipped, 0 AS is_replicated, 0 AS is_memory_optimized, 0 AS temporal_type,
                o.is_tracked_by_cdc, 0 AS is_external
           FROM __lab_objects o JOIN __lab_schemas s ON s.schema_id = o.schema_id
          WHERE o.kind = 'U' AND s.name <> 'msdb.dbo'",
    ),
    (
        "sys.columns",
        "object_id int, name nvarchar(128), column_id int, system_type_id tinyint, user_type_id int, max_length smallint, precision tinyint, scale tinyint, collation_name nvarchar(128), is_nullable bit, is_ansi_padded bit, is_rowguidcol bit, is_identity bit, is_computed bit, is_filestream bit, is_replicated bit, is_hidden bit, is_masked bit, is_sparse bit, is_column_set bit, generated_always_type tinyint, default_object_id int",
        "SELECT object_id, name, column_id, system_type_id, CASE type WHEN 'hierarchyid' THEN 128 WHEN 'geometry' THEN 129 WHEN 'geography' THEN 130 ELSE system_type_id END AS user_type_id, max_length, precision, scale,
                collation AS collation_name, is_nullable, 1 AS is_ansi_padded, 0 AS is_rowguidcol, is_identity, is_computed,
                0 AS is_filestream, 0 AS is_replicated, 0 AS is_hidden,
                EXISTS (SELECT 1 FROM __lab_masks m WHERE m.object_id = __lab_columns.object_id AND m.column_id = __lab_columns.column_id) AS is_masked,
                0 AS is_sparse, 0 AS is_column_set,
                0 AS generated_always_type, 0 AS default_object_id
           FROM __lab_columns",
    ),
    // Of what it inherits from sys.columns only the names.
    (
        "sys.masked_columns",
        "object_id int, name nvarchar(128), column_id int, is_masked bit, masking_function nvarchar(4000)",
        "SELECT c.object_id, c.name, c.column_id, 1 AS is_masked, m.function AS masking_function
           FROM __lab_masks m JOIN __lab_columns c ON c.object_id = m.object_id AND c.column_id = m.column_id",
    ),
    // Policies show to ALTER ANY SECURITY POLICY and to VIEW DEFINITION, which counts here on the database alone.
    (
        "sys.security_policies",
        "name nvarchar(128), object_id int, principal_id int, schema_id int, parent_object_id int, type char(2), type_desc nvarchar(60), create_date datetime, modify_date datetime, is_ms_shipped bit, is_enabled bit, is_not_for_replication bit",
        "SELECT o.name, o.object_id, NULL AS principal_id, o.schema_id, 0 AS parent_object_id, 'SP' AS type, 'SECURITY_POLICY' AS type_desc,
                o.create_date, o.modify_date, 0 AS is_ms_shipped, p.is_enabled, 0 AS is_not_for_replication
           FROM __lab_objects o JOIN __lab_policies p ON p.object_id = o.object_id
          WHERE lab_allows(NULL, 'DATABASE', 'VIEW DEFINITION') OR lab_allows(NULL, 'DATABASE', 'ALTER ANY SECURITY POLICY')",
    ),
    (
        "sys.security_predicates",
        "object_id int, security_predicate_id int, target_object_id int, predicate_definition nvarchar(max), predicate_type int, predicate_type_desc nvarchar(60)",
        "SELECT object_id, 1 AS security_predicate_id, target_id AS target_object_id,
                condition AS predicate_definition, 0 AS predicate_type, 'FILTER' AS predicate_type_desc
           FROM __lab_policies
          WHERE lab_allows(NULL, 'DATABASE', 'VIEW DEFINITION') OR lab_allows(NULL, 'DATABASE', 'ALTER ANY SECURITY POLICY')",
    ),
    (
        "sys.identity_columns",
        "object_id int, name nvarchar(128), column_id int, seed_value bigint, increment_value bigint, last_value bigint",
        "SELECT object_id, name, column_id, seed_value, increment_value, last_value FROM __lab_columns WHERE is_identity = 1",
    ),
    (
        "sys.computed_columns",
        "object_id int, name nvarchar(128), column_id int, system_type_id tinyint, max_length smallint, precision tinyint, scale tinyint, collation_name nvarchar(128), is_nullable bit, is_computed bit, definition nvarchar(max), is_persisted bit",
        "SELECT object_id, name, column_id, system_type_id, max_length, precision, scale, collation AS collation_name, is_nullable,
                is_computed, definition, is_persisted
           FROM __lab_columns WHERE is_computed = 1",
    ),
    (
        "sys.indexes",
        "object_id int, name nvarchar(128), index_id int, type tinyint, type_desc nvarchar(60), is_unique bit, data_space_id int, is_primary_key bit, is_unique_constraint bit, is_disabled bit, has_filter bit, filter_definition nvarchar(max)",
        "SELECT object_id, name, index_id, CASE is_clustered WHEN 1 THEN 1 ELSE 2 END AS type,
                CASE is_clustered WHEN 1 THEN 'CLUSTERED' ELSE 'NONCLUSTERED' END AS type_desc, is_unique, 1 AS data_space_id,
                is_primary_key, is_unique_constraint, 0 AS is_disabled, 0 AS has_filter, NULL AS filter_definition
           FROM __lab_indexes
          UNION ALL
         SELECT o.object_id, NULL, 0, 0, 'HEAP', 0, 1, 0, 0, 0, 0, NULL
           FROM __lab_objects o
          WHERE o.kind IN ('U', 'S')
            AND NOT EXISTS (SELECT 1 FROM __lab_indexes i WHERE i.object_id = o.object_id AND i.is_clustered = 1)",
    ),
    (
        "sys.index_columns",
        "object_id int, index_id int, index_column_id int, column_id int, key_ordinal tinyint, partition_ordinal tinyint, is_descending_key bit, is_included_column bit",
        "SELECT object_id, index_id, key_ordinal AS index_column_id, column_id, key_ordinal, 0 AS partition_ordinal,
                0 AS is_descending_key, 0 AS is_included_column
           FROM __lab_index_columns",
    ),
    (
        "sys.key_constraints",
        "name nvarchar(128), object_id int, schema_id int, parent_object_id int, type char(2), type_desc nvarchar(60), unique_index_id int, is_system_named bit, is_enforced bit",
        "SELECT o.name, o.object_id, o.schema_id, o.parent_object_id, o.kind AS type,
                CASE o.kind WHEN 'PK' THEN 'PRIMARY_KEY_CONSTRAINT' ELSE 'UNIQUE_CONSTRAINT' END AS type_desc,
                i.index_id AS unique_index_id, 0 AS is_system_named, 1 AS is_enforced
           FROM __lab_objects o JOIN __lab_indexes i ON i.object_id = o.parent_object_id AND i.name = o.name
          WHERE o.kind IN ('PK', 'UQ')",
    ),
    (
        "information_schema.tables",
        "TABLE_CATALOG nvarchar(128), TABLE_SCHEMA nvarchar(128), TABLE_NAME nvarchar(128), TABLE_TYPE varchar(10)",
        "SELECT (SELECT value FROM __lab_meta WHERE key = 'database_name') AS TABLE_CATALOG, s.name AS TABLE_SCHEMA,
                o.name AS TABLE_NAME, 'BASE TABLE' AS TABLE_TYPE
           FROM __lab_objects o JOIN __lab_schemas s ON s.schema_id = o.schema_id
          WHERE o.kind = 'U' AND s.name <> 'msdb.dbo'",
    ),
    (
        "information_schema.columns",
        "TABLE_CATALOG nvarchar(128), TABLE_SCHEMA nvarchar(128), TABLE_NAME nvarchar(128), COLUMN_NAME nvarchar(128), ORDINAL_POSITION int, COLUMN_DEFAULT nvarchar(4000), IS_NULLABLE varchar(3), DATA_TYPE nvarchar(128), CHARACTER_MAXIMUM_LENGTH int, CHARACTER_OCTET_LENGTH int, NUMERIC_PRECISION tinyint, NUMERIC_SCALE int, DATETIME_PRECISION smallint, COLLATION_NAME nvarchar(128)",
        "SELECT (SELECT value FROM __lab_meta WHERE key = 'database_name') AS TABLE_CATALOG, s.name AS TABLE_SCHEMA, o.name AS TABLE_NAME,
                c.name AS COLUMN_NAME,
                (SELECT count(*) FROM __lab_columns b WHERE b.object_id = c.object_id AND b.column_id <= c.column_id) AS ORDINAL_POSITION,
                c.default_text AS COLUMN_DEFAULT, CASE c.is_nullable WHEN 1 THEN 'YES' ELSE 'NO' END AS IS_NULLABLE, c.type AS DATA_TYPE,
                CASE WHEN c.type IN ('char', 'varchar', 'binary', 'varbinary') THEN c.max_length
                     WHEN c.type IN ('nchar', 'nvarchar') THEN CASE c.max_length WHEN -1 THEN -1 ELSE c.max_length / 2 END
                END AS CHARACTER_MAXIMUM_LENGTH,
                CASE WHEN c.type IN ('char', 'varchar', 'binary', 'varbinary', 'nchar', 'nvarchar') THEN c.max_length
                END AS CHARACTER_OCTET_LENGTH,
                CASE WHEN c.type IN ('tinyint', 'smallint', 'int', 'bigint', 'decimal', 'money', 'smallmoney', 'real', 'float')
                     THEN c.precision END AS NUMERIC_PRECISION,
                CASE WHEN c.type IN ('tinyint', 'smallint', 'int', 'bigint', 'decimal', 'money', 'smallmoney')
                     THEN c.scale END AS NUMERIC_SCALE,
                CASE WHEN c.type IN ('time', 'datetime2', 'datetimeoffset', 'datetime') THEN c.scale
                     WHEN c.type IN ('date', 'smalldatetime') THEN 0 END AS DATETIME_PRECISION,
                c.collation AS COLLATION_NAME
           FROM __lab_columns c
           JOIN __lab_objects o ON o.object_id = c.object_id
           JOIN __lab_schemas s ON s.schema_id = o.schema_id
          WHERE o.kind = 'U' AND s.name <> 'msdb.dbo'",
    ),
    (
        "sys.partitions",
        "partition_id bigint, object_id int, index_id int, partition_number int, rows bigint",
        "SELECT o.object_id AS partition_id, o.object_id,
                ifnull((SELECT max(is_clustered) FROM __lab_indexes i WHERE i.object_id = o.object_id), 0) AS index_id,
                1 AS partition_number, NULL AS rows
           FROM __lab_objects o WHERE o.kind = 'U'",
    ),
];

/// The view of that lower-case name with its schema.
#[must_use]
pub fn find(name: &str) -> Option<Relation> {
    if name == "sys.types" {
        return Some(types());
    }
    let (_, columns, sql) = VIEWS.iter().find(|v| v.0 == name)?;
    Some(Relation { columns: declared(columns), sql: (*sql).to_owned() })
}

/// Columns from `name type, name type`.
#[must_use]
pub fn declared(list: &str) -> Vec<ResultColumn> {
    list.split(", ")
        .filter_map(|c| {
            let (name, type_text) = c.trim().split_once(' ')?;
            let (type_name, size) = type_text.split_once('(').unwrap_or((type_text, ""));
            let size = match size.trim_end_matches(')') {
                "" => vec![],
                "max" => vec![Size::Max],
                n => vec![Size::Number(n.parse().ok()?)],
            };
            let data_type = type_name::parse(type_name, &size, 1).ok()?;
            Some(ResultColumn { name: name.into(), data_type, nullable: true })
        })
        .collect()
}

fn types() -> Relation {
    let mut rows: Vec<String> = type_name::SYSTEM_TYPES
        .iter()
        .map(|(name, id, length, precision, scale)| {
            format!("('{name}', {id}, {}, 4, {length}, {precision}, {scale}, NULL, 1, 0)", type_name::user_type_id(name, *id))
        })
        .collect();
    rows.push("('sysname', 231, 256, 4, 256, 0, 0, NULL, 0, 0)".into());
    let columns = declared(
        "name nvarchar(128), system_type_id tinyint, user_type_id int, schema_id int, max_length smallint, precision tinyint, \
         scale tinyint, collation_name nvarchar(128), is_nullable bit, is_user_defined bit",
    );
    let renames: Vec<String> = columns.iter().enumerate().map(|(i, c)| format!("column{} AS {}", i + 1, c.name)).collect();
    let sql = format!("SELECT {} FROM (VALUES {})", renames.join(", "), rows.join(", "));
    Relation { columns, sql }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_declares_what_it_selects() {
        let dir = tempfile::tempdir().unwrap();
        let server = super::super::server::Server::open(dir.path(), &[], vec![]).unwrap();
        let conn = server.databases()[0].connect().unwrap();
        for (name, columns, sql) in VIEWS {
            let declared: Vec<String> = declared(columns).into_iter().map(|c| c.name).collect();
            assert_eq!(declared.len(), columns.split(", ").count(), "{name}");
            let statement = conn.prepare(sql).unwrap();
            assert_eq!(statement.column_names(), declared, "{name}");
        }
        assert!(conn.prepare(&types().sql).is_ok());
    }
}
