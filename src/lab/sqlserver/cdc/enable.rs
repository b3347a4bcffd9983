//! Switching change data capture on and off, for a database and for a table.

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::arguments::Arguments;
use super::errors::{Trouble, internal};
use super::{instance, jobs, log, relations};
use crate::lab::sqlserver::engine::catalog::{self, Column, Index, Table, TableDef, same_name};
use crate::lab::sqlserver::engine::extension::{Argument, Call, Outcome};
use crate::lab::sqlserver::engine::server::Database;
use crate::lab::sqlserver::engine::type_name;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;

/// Whether CDC is on for the database.
pub fn is_enabled(connection: &Connection) -> Result<bool, Message> {
    let enabled: Option<i64> = catalog::meta(connection, "is_cdc_enabled").map_err(|e| internal(&e))?;
    Ok(enabled == Some(1))
}

/// 22901 when CDC is off for the database.
pub fn require_enabled(call: &Call<'_>) -> Result<(), Message> {
    if is_enabled(call.conn)? { Ok(()) } else { Err(Trouble::DatabaseNotEnabled { database: call.database.name.clone() }.into()) }
}

/// `sys.sp_cdc_enable_db`.
pub fn enable_db(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    Arguments::new("sp_cdc_enable_db", &[], given)?;
    switch_on(call.conn, call.database)
}

/// `msdb.dbo.rds_cdc_enable_db @db_name`: Amazon RDS' name for it. Only for the session's own
/// database here.
pub fn rds_enable_db(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    of_this_database(call, "rds_cdc_enable_db", given)?;
    switch_on(call.conn, call.database)
}

/// `msdb.dbo.rds_cdc_disable_db @db_name`.
pub fn rds_disable_db(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    of_this_database(call, "rds_cdc_disable_db", given)?;
    disable_db(call, &[])
}

fn of_this_database(call: &Call<'_>, procedure: &'static str, given: &[Argument]) -> Result<(), Message> {
    let arguments = Arguments::new(procedure, &["@db_name"], given)?;
    arguments.require("@db_name")?;
    match arguments.text("@db_name")? {
        Some(name) if same_name(&name, &call.database.name) => Ok(()),
        _ => Err(Message::error(50_000, format!("the lab runs {procedure} only for the database of the session, {}", call.database.name))),
    }
}

fn switch_on(connection: &Connection, database: &Database) -> Result<Outcome, Message> {
    let name = database.name.clone();
    if database.id <= 4 {
        return Err(Trouble::SystemDatabase { database: name }.into());
    }
    if is_enabled(connection)? {
        let note = Message::from(Trouble::DatabaseAlreadyEnabled { database: name });
        return Ok(Outcome { messages: vec![note], ..Outcome::default() });
    }
    let taken = connection.query_row("SELECT EXISTS (SELECT 1 FROM __lab_schemas WHERE name = 'cdc')", [], |row| row.get(0));
    if taken.map_err(|e| internal(&e))? {
        return Err(Trouble::CdcNamesTaken { database: name }.into());
    }
    relations::create(connection).and_then(|()| catalog::set_cdc_enabled(connection, true)).map_err(|e| internal(&e))?;
    Ok(Outcome::default())
}

/// `sys.sp_cdc_disable_db`: all instances, their change tables and the schema go.
pub fn disable_db(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    Arguments::new("sp_cdc_disable_db", &[], given)?;
    if !is_enabled(call.conn)? {
        return Ok(Outcome::default());
    }
    let work = || {
        for known in instance::all(call.conn)? {
            drop_instance(call.conn, &known)?;
        }
        relations::drop(call.conn)?;
        jobs::drop_all(call.conn, call.database.id)?;
        catalog::set_cdc_enabled(call.conn, false)
    };
    work().map_err(|e: rusqlite::Error| internal(&e))?;
    Ok(Outcome::default())
}

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
const RESERVED: [&str; 5] = ["__$start_lsn", "__$end_lsn", "__$seqval", "__$operation", "__$update_mask"];

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
fn source_table(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Table, Message> {
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

/// In the order of the table, whatever the order of the list.
fn captured_columns(arguments: &Arguments<'_>, table: &Table) -> Result<Vec<Column>, Message> {
    let bad_list = || Message::from(Trouble::ColumnList { schema: table.schema.clone(), table: table.name.clone() });
    let columns = match arguments.text("@captured_column_list")? {
        None => table.columns.clone(),
        Some(list) => {
            let names = split_names(&list).ok_or_else(bad_list)?;
            if names.iter().any(|name| table.column(name).is_none()) {
                return Err(bad_list());
            }
            table.columns.iter().filter(|c| names.iter().any(|name| same_name(name, &c.name))).cloned().collect()
        }
    };
    if columns.iter().any(|c| RESERVED.iter().any(|reserved| same_name(reserved, &c.name))) {
        return Err(Trouble::ReservedColumn { table: table.name.clone() }.into());
    }
    Ok(columns)
}

/// A comma-separated list of names, plain, in brackets or in double quotes. `None` when a quote
/// is not closed or a name is empty.
fn split_names(list: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut chars = list.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut name = String::new();
        if let Some(open) = chars.next_if(|c| matches!(c, '[' | '"')) {
            let close = if open == '[' { ']' } else { '"' };
            loop {
                match chars.next()? {
                    c if c == close && chars.next_if_eq(&close).is_none() => break,
                    c => name.push(c),
                }
            }
            while chars.next_if(|c| c.is_whitespace()).is_some() {}
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                name.push(c);
            }
            name.truncate(name.trim_end().len());
        }
        if name.is_empty() {
            return None;
        }
        names.push(name);
        match chars.next() {
            None => return Some(names),
            Some(',') => {}
            Some(_) => return None,
        }
    }
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
             VALUES (?1, ?2, ?3, ?4, ?5, 0)",
            params![ct_id, column.name, column.id, type_name::name(&column.data_type), ordinal],
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

/// CDC for the database, unless it is on.
pub fn switch_on_if_off(call: &Call<'_>) -> rusqlite::Result<()> {
    let enabled: Option<i64> = catalog::meta(call.conn, "is_cdc_enabled")?;
    if enabled == Some(1) {
        return Ok(());
    }
    relations::create(call.conn)?;
    catalog::set_cdc_enabled(call.conn, true)
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

/// Logs the table's changes, with the columns that it has now.
pub fn track(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let columns: Vec<log::LogColumn> = table.columns.iter().map(|c| log::LogColumn { id: c.id, name: c.name.clone() }).collect();
    log::track(connection, table.object_id, &format!("{}.{}", table.schema, table.name), &columns)
}

const DISABLE_TABLE: &[&str] = &["@source_schema", "@source_name", "@capture_instance"];

/// `sys.sp_cdc_disable_table`.
pub fn disable_table(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let arguments = Arguments::new("sp_cdc_disable_table", DISABLE_TABLE, given)?;
    for name in DISABLE_TABLE {
        arguments.require(name)?;
    }
    require_enabled(call)?;
    let table = source_table(call, &arguments)?;
    let (schema, source) = (table.schema.clone(), table.name.clone());
    let known = instance::of_source(call.conn, table.object_id).map_err(|e| internal(&e))?;
    if known.is_empty() {
        return Err(Trouble::TableNotEnabled { schema, table: source }.into());
    }
    let Some(name) = arguments.text("@capture_instance")? else {
        return Err(Trouble::ParameterNull { parameter: "@capture_instance".into() }.into());
    };
    let gone: Vec<_> = known.iter().filter(|k| same_name(&name, "all") || same_name(&name, &k.instance.name)).collect();
    if gone.is_empty() {
        return Err(Trouble::NoSuchInstance { instance: name, schema, table: source }.into());
    }
    let work = || {
        for one in gone {
            drop_instance(call.conn, one)?;
        }
        if instance::all(call.conn)?.is_empty() {
            jobs::drop_all(call.conn, call.database.id)?;
        }
        Ok(())
    };
    work().map_err(|e: rusqlite::Error| internal(&e))?;
    Ok(Outcome::default())
}

fn drop_instance(connection: &Connection, known: &instance::Known) -> rusqlite::Result<()> {
    let instance = &known.instance;
    if let Some(table) = catalog::table_by_id(connection, instance.ct_id)? {
        catalog::drop_table(connection, &table)?;
    }
    for of in ["change_tables", "captured_columns", "index_columns", "ddl_history"] {
        connection.execute(&format!("DELETE FROM \"cdc.{of}\" WHERE object_id = ?1"), [instance.ct_id])?;
    }
    connection.execute("DELETE FROM __lab_cdc_marker WHERE ct_id = ?1", [instance.ct_id])?;
    if instance::of_source(connection, instance.source_id)?.is_empty() {
        log::forget(connection, instance.source_id)?;
        catalog::set_tracked(connection, instance.source_id, false)?;
    }
    Ok(())
}

/// The source table is about to be dropped: its instances go with it.
pub fn drop_instances_of(call: &Call<'_>, source_id: i32) -> rusqlite::Result<()> {
    for known in instance::of_source(call.conn, source_id)? {
        drop_instance(call.conn, &known)?;
    }
    if instance::all(call.conn)?.is_empty() { jobs::drop_all(call.conn, call.database.id) } else { Ok(()) }
}

/// Whether a schema change alters the type of a column that an instance captures.
pub fn alters_captured(connection: &Connection, source_id: i32, column_id: i32) -> rusqlite::Result<bool> {
    let known = instance::of_source(connection, source_id)?;
    Ok(known.iter().any(|k| k.instance.columns.iter().any(|c| c.column_id == column_id)))
}

/// Pushes a type change of a source column into the change tables, as the capture process does.
pub fn follow_type(connection: &Connection, source_id: i32, column_id: i32, data_type: &DataType) -> rusqlite::Result<()> {
    for known in instance::of_source(connection, source_id)? {
        let Some(captured) = known.instance.columns.iter().find(|c| c.column_id == column_id) else { continue };
        let Some(table) = instance::change_table(connection, &known)? else { continue };
        let Some(column) = table.column(&captured.name) else { continue };
        catalog::alter_column(connection, &table, column.id, &relations::captured_type(data_type), true)?;
        connection.execute(
            "UPDATE \"cdc.captured_columns\" SET column_type = ?3 WHERE object_id = ?1 AND column_id = ?2",
            params![known.instance.ct_id, column_id, Value::Text(type_name::name(data_type).into())],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::split_names;

    #[test]
    fn column_lists_may_be_quoted() {
        assert_eq!(split_names("id, [Order Date] ,\"a\"\"b\",[x]]y]").unwrap(), ["id", "Order Date", "a\"b", "x]y"]);
        for bad in ["", "a,", "[a", "[a]b", ",a"] {
            assert_eq!(split_names(bad), None, "{bad}");
        }
    }
}
