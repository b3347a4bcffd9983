//! The relations of CDC that stand in the database: `cdc.change_tables` and its companions,
//! `msdb.dbo.cdc_jobs`, and the change tables themselves.

use rusqlite::Connection;

use crate::lab::sqlserver::engine::catalog::{self, Column, Index, ObjectKind, Table, TableDef};
use crate::lab::sqlserver::types::DataType;

const LSN: DataType = DataType::Binary(10);
const SYSNAME: DataType = DataType::NVarChar(Some(128));

fn null(name: &str, data_type: DataType) -> Column {
    Column::new(name, data_type, true)
}

fn full(name: &str, data_type: DataType) -> Column {
    Column::new(name, data_type, false)
}

fn unique(name: &str, columns: &[&str]) -> Index<String> {
    Index {
        name: name.into(),
        primary_key: false,
        unique_constraint: false,
        unique: true,
        clustered: true,
        columns: columns.iter().map(|&c| c.into()).collect(),
    }
}

fn system(schema: &str, name: &str, columns: Vec<Column>, indexes: Vec<Index<String>>) -> TableDef {
    TableDef { schema: schema.into(), name: name.into(), kind: ObjectKind::UserTable, ms_shipped: true, columns, indexes }
}

/// The tables that `sp_cdc_enable_db` makes, with the documented columns.
fn definitions() -> Vec<TableDef> {
    vec![
        system(
            "cdc",
            "change_tables",
            vec![
                full("object_id", DataType::Int),
                null("version", DataType::Int),
                null("source_object_id", DataType::Int),
                full("capture_instance", SYSNAME),
                null("start_lsn", LSN),
                null("end_lsn", LSN),
                null("supports_net_changes", DataType::Bit),
                null("has_drop_pending", DataType::Bit),
                null("role_name", SYSNAME),
                null("index_name", SYSNAME),
                null("filegroup_name", SYSNAME),
                null("create_date", DataType::DateTime),
                full("partition_switch", DataType::Bit),
            ],
            vec![
                unique("change_tables_clustered_idx", &["object_id"]),
                Index { clustered: false, ..unique("change_tables_unique_idx", &["capture_instance"]) },
            ],
        ),
        system(
            "cdc",
            "captured_columns",
            vec![
                full("object_id", DataType::Int),
                full("column_name", SYSNAME),
                null("column_id", DataType::Int),
                full("column_type", SYSNAME),
                full("column_ordinal", DataType::Int),
                null("is_computed", DataType::Bit),
            ],
            vec![unique("captured_columns_clustered_idx", &["object_id", "column_ordinal"])],
        ),
        system(
            "cdc",
            "index_columns",
            vec![
                full("object_id", DataType::Int),
                full("column_name", SYSNAME),
                full("index_ordinal", DataType::TinyInt),
                full("column_id", DataType::Int),
            ],
            vec![unique("index_columns_clustered_idx", &["object_id", "index_ordinal", "column_id"])],
        ),
        system(
            "cdc",
            "lsn_time_mapping",
            vec![
                full("start_lsn", LSN),
                null("tran_begin_time", DataType::DateTime),
                null("tran_end_time", DataType::DateTime),
                null("tran_id", DataType::VarBinary(Some(10))),
                null("tran_begin_lsn", LSN),
            ],
            vec![
                unique("lsn_time_mapping_clustered_idx", &["start_lsn"]),
                Index { unique: false, clustered: false, ..unique("lsn_time_mapping_nonunique_idx", &["tran_end_time"]) },
            ],
        ),
        system(
            "cdc",
            "ddl_history",
            vec![
                null("source_object_id", DataType::Int),
                full("object_id", DataType::Int),
                null("required_column_update", DataType::Bit),
                null("ddl_command", DataType::NVarChar(None)),
                full("ddl_lsn", LSN),
                null("ddl_time", DataType::DateTime),
            ],
            vec![unique("ddl_history_clustered_idx", &["object_id", "ddl_lsn"])],
        ),
    ]
}

/// `msdb.dbo.cdc_jobs`: made with the first job of the database. Each database keeps its own rows.
pub fn jobs_definition() -> TableDef {
    system(
        "msdb.dbo",
        "cdc_jobs",
        vec![
            full("database_id", DataType::Int),
            full("job_type", DataType::NVarChar(Some(20))),
            null("job_id", DataType::UniqueIdentifier),
            null("maxtrans", DataType::Int),
            null("maxscans", DataType::Int),
            null("continuous", DataType::Bit),
            null("pollinginterval", DataType::BigInt),
            null("retention", DataType::BigInt),
            null("threshold", DataType::BigInt),
        ],
        vec![unique("cdc_jobs_pk", &["database_id", "job_type"])],
    )
}

/// The bare SQLite tables, so that the functions of CDC can be asked in every database (they answer
/// NULL where CDC is off). The catalogue does not know them: T-SQL gets error 208.
pub fn create_bare(connection: &Connection) -> rusqlite::Result<()> {
    for table in definitions() {
        let names: Vec<String> = table
            .columns
            .iter()
            .map(|c| if c.is_text() { format!("{} COLLATE LAB_CI", catalog::quote(&c.name)) } else { catalog::quote(&c.name) })
            .collect();
        let name = catalog::storage_name(&table.schema, &table.name);
        connection.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {name} ({})", names.join(", ")))?;
    }
    Ok(())
}

/// Puts the tables into the catalogue.
pub fn create(connection: &Connection) -> rusqlite::Result<()> {
    catalog::create_schema(connection, "cdc")?;
    for table in definitions() {
        let name = catalog::storage_name(&table.schema, &table.name);
        connection.execute_batch(&format!("DROP TABLE IF EXISTS {name}"))?;
        catalog::create_table(connection, &table)?;
    }
    Ok(())
}

/// Takes them out again, with the schema.
pub fn drop(connection: &Connection) -> rusqlite::Result<()> {
    for table in definitions() {
        if let Some(table) = catalog::find_table(connection, &table.schema, &table.name)? {
            catalog::drop_table(connection, &table)?;
        }
    }
    connection.execute("DELETE FROM __lab_schemas WHERE name = 'cdc'", [])?;
    create_bare(connection)
}

/// `cdc.<instance>_CT` for these columns of the source, in the order of the ordinals.
pub fn change_table(instance: &str, captured: &[&Column]) -> TableDef {
    let mut columns = vec![
        full("__$start_lsn", LSN),
        null("__$end_lsn", LSN),
        full("__$seqval", LSN),
        full("__$operation", DataType::Int),
        null("__$update_mask", DataType::VarBinary(Some(128))),
    ];
    columns.extend(
        captured
            .iter()
            .map(|column| Column { collation: column.collation.clone(), ..null(&column.name, captured_type(&column.data_type)) }),
    );
    columns.push(null("__$command_id", DataType::Int));
    let order = ["__$start_lsn", "__$command_id", "__$seqval", "__$operation"];
    let name = format!("{instance}_CT");
    let index = unique(&format!("{name}_clustered_idx"), &order);
    TableDef { schema: "cdc".into(), name, kind: ObjectKind::UserTable, ms_shipped: true, columns, indexes: vec![index] }
}

/// The type of a captured column in the change table: a rowversion is kept as plain bytes.
pub fn captured_type(source: &DataType) -> DataType {
    match source {
        DataType::RowVersion => DataType::Binary(8),
        other => other.clone(),
    }
}

/// The unique key that identifies rows: the named index, or the primary key.
pub fn key<'a>(table: &'a Table, index_name: Option<&str>) -> Option<&'a Index<i32>> {
    match index_name {
        Some(name) => table.indexes.iter().find(|i| catalog::same_name(&i.name, name)),
        None => table.primary_key(),
    }
}
