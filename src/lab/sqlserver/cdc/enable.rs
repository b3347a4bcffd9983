//! Switching change data capture on for a table: a new capture instance, checked and made.

use rusqlite::{Connection, params};

use super::arguments::Arguments;
use super::captured::captured_columns;
use super::database::require_enabled;
use super::errors::{Trouble, internal};
use super::{instance, jobs, log, relations};
use crate::lab::sqlserver::engine::catalog::{self, Column, Index, Table, TableDef, same_name};
use crate::lab::sqlserver::engine::extension::{Argument, Call, Outcome};
use crate::lab::sqlserver::engine::type_name;
use crate::lab::sqlserver::session::Message;

const ENABLE_TABLE: &[&str] = &[
    "@source_schema",
    "@source_name",
    "@role_name",
    "@capture_instance",
    "@supports_net_changes",
    "@index_name",
    "@captured_column_list",
    "@filegroup_name",
    "@allow_partition_switch",
];

/// The most columns that an instance may capture.
const MOST_COLUMNS: usize = 1024;

/// A new instance, checked.
struct Plan {
    name: String,
    role: Option<String>,
    net: bool,
    index: Option<Index<i32>>,
    columns: Vec<Column>,
    filegroup: Option<String>,
    partition_switch: bool,
}

/// `sys.sp_cdc_enable_table`.
pub fn enable_table(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let arguments = Arguments::new("sp_cdc_enable_table", ENABLE_TABLE, given)?;
    for name in ["@source_schema", "@source_name", "@role_name"] {
        arguments.require(name)?;
    }
    require_enabled(call)?;
    let table = source_table(call, &arguments)?;
    let plan = plan(call, &arguments, &table)?;
    create_instance(call, &table, &plan).map_err(|e| internal(&e))?;
    Ok(Outcome::default())
}

/// The table that `@source_schema` and `@source_name` name: 22963, 22974, 22931.
pub fn source_table(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Table, Message> {
    let name = |parameter: &str| match arguments.text(parameter)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(Message::from(Trouble::ParameterNull { parameter: parameter.into() })),
    };
    let (schema, table) = (name("@source_schema")?, name("@source_name")?);
    if same_name(&schema, "cdc") {
        return Err(Trouble::CdcSchemaTable.into());
    }
    match catalog::find_table(call.conn, &schema, &table).map_err(|e| internal(&e))? {
        Some(found) => Ok(Table::clone(&found)),
        None => Err(Trouble::NoSuchTable { schema, table }.into()),
    }
}

fn plan(call: &Call<'_>, arguments: &Arguments<'_>, table: &Table) -> Result<Plan, Message> {
    let (schema, source) = (table.schema.clone(), table.name.clone());
    let role = arguments.text("@role_name")?;
    if let Some(role) = role.as_deref().filter(|role| !role.is_empty()) {
        call.rights.make_role(role);
    }
    if role.as_deref() == Some("") {
        return Err(Trouble::EmptyRole.into());
    }
    let name = arguments.text("@capture_instance")?.filter(|n| !n.is_empty()).unwrap_or_else(|| format!("{schema}_{source}"));
    if name.encode_utf16().count() > 100 {
        return Err(Trouble::InstanceNameTooLong { instance: name }.into());
    }
    let known = instance::all(call.conn).map_err(|e| internal(&e))?;
    if known.iter().any(|k| same_name(&k.instance.name, &name)) {
        return Err(Trouble::InstanceExists { instance: name }.into());
    }
    if known.iter().filter(|k| k.instance.source_id == table.object_id).count() >= 2 {
        return Err(Trouble::TwoInstances { schema, table: source }.into());
    }
    let index = key_index(arguments, table)?;
    let net = arguments.bit("@supports_net_changes")?.unwrap_or(index.is_some());
    if net && index.is_none() {
        return Err(Trouble::NoKey.into());
    }
    let columns = captured_columns(arguments, table)?;
    if net && index.iter().flat_map(|i| &i.columns).any(|id| !columns.iter().any(|c| c.id == *id)) {
        return Err(Trouble::KeyNotCaptured.into());
    }
    if columns.len() > MOST_COLUMNS {
        return Err(Message::error(
            22925,
            format!(
                "The number of columns captured by capture instance '{name}' exceeds the maximum allowed number: {MOST_COLUMNS}. Use the @captured_columns_list parameter to specify a subset of the columns less than or equal to the maximum allowed and resubmit the request."
            ),
        ));
    }
    Ok(Plan {
        name,
        role,
        net,
        index,
        columns,
        filegroup: arguments.text("@filegroup_name")?,
        partition_switch: arguments.bit("@allow_partition_switch")?.unwrap_or(true),
    })
}

fn key_index(arguments: &Arguments<'_>, table: &Table) -> Result<Option<Index<i32>>, Message> {
    let named = arguments.text("@index_name")?;
    let found = relations::key(table, named.as_deref()).cloned();
    let Some(index) = named else { return Ok(found) };
    let (schema, source) = (table.schema.clone(), table.name.clone());
    let Some(found) = found else { return Err(Trouble::NoSuchIndex { index, schema, table: source }.into()) };
    if !found.unique {
        return Err(Trouble::IndexNotUnique { index, schema, table: source }.into());
    }
    if found.columns.iter().any(|id| table.column_by_id(*id).is_some_and(|c| c.nullable)) {
        return Err(Trouble::IndexNullable { index }.into());
    }
    Ok(Some(found))
}

fn create_instance(call: &Call<'_>, table: &Table, plan: &Plan) -> rusqlite::Result<()> {
    let captured: Vec<&Column> = plan.columns.iter().collect();
    let ct_id = catalog::create_table(call.conn, &relations::change_table(&plan.name, &captured))?;
    track(call.conn, table)?;
    register(call, table, plan, ct_id)
}

/// Notes an instance whose change table is there.
fn register(call: &Call<'_>, table: &Table, plan: &Plan, ct_id: i32) -> rusqlite::Result<()> {
    let connection = call.conn;
    connection.execute(
        "INSERT INTO \"cdc.change_tables\" (object_id, version, source_object_id, capture_instance, supports_net_changes,
                has_drop_pending, role_name, index_name, filegroup_name, create_date, partition_switch)
         VALUES (?1, 0, ?2, ?3, ?4, 0, ?5, ?6, ?7, lab_now(), ?8)",
        params![
            ct_id,
            table.object_id,
            plan.name,
            plan.net,
            plan.role,
            plan.index.as_ref().map(|i| i.name.clone()),
            plan.filegroup,
            plan.partition_switch
        ],
    )?;
    for (ordinal, column) in (1..).zip(&plan.columns) {
        connection.execute(
            "INSERT INTO \"cdc.captured_columns\" (object_id, column_name, column_id, column_type, column_ordinal, is_computed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![ct_id, column.name, column.id, type_name::name(&column.data_type), ordinal, !column.is_stored()],
        )?;
    }
    for (ordinal, id) in (1..).zip(plan.index.iter().flat_map(|i| &i.columns)) {
        let name = table.column_by_id(*id).map(|c| c.name.clone());
        connection.execute(
            "INSERT INTO \"cdc.index_columns\" (object_id, column_name, index_ordinal, column_id) VALUES (?1, ?2, ?3, ?4)",
            params![ct_id, name, ordinal, id],
        )?;
    }
    log::mark(connection, log::Marker::Enable { source_id: table.object_id, ct_id })?;
    catalog::set_tracked(connection, table.object_id, true)?;
    jobs::add_default(connection, call.database.id)
}

/// What `sp_cdc_enable_table` makes of a table without an instance (all columns, no role, no net
/// changes, the instance named after schema and table), but for the log: statements on the table
/// are not captured.
pub fn capture_without_log(call: &Call<'_>, table: &Table) -> rusqlite::Result<()> {
    let plan = Plan {
        name: format!("{}_{}", table.schema, table.name),
        role: None,
        net: false,
        index: relations::key(table, None).cloned(),
        columns: table.columns.clone(),
        filegroup: None,
        partition_switch: true,
    };
    let captured: Vec<&Column> = plan.columns.iter().collect();
    let change_table = TableDef { indexes: Vec::new(), ..relations::change_table(&plan.name, &captured) };
    let ct_id = catalog::create_table(call.conn, &change_table)?;
    register(call, table, &plan, ct_id)
}

/// Logs the table's changes, with the columns that it has now. Computed ones are not logged: the
/// change table has them, always NULL.
pub fn track(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let columns: Vec<log::LogColumn> =
        table.columns.iter().filter(|c| c.is_stored()).map(|c| log::LogColumn { id: c.id, name: c.name.clone() }).collect();
    log::track(connection, table.object_id, &format!("{}.{}", table.schema, table.name), &columns)
}
