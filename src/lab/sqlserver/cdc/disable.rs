//! Capture instances that go: switched off, or dropped with their table.

use rusqlite::Connection;

use super::arguments::Arguments;
use super::database::require_enabled;
use super::enable::source_table;
use super::errors::{Trouble, internal};
use super::{instance, jobs, log};
use crate::lab::sqlserver::engine::catalog::{self, same_name};
use crate::lab::sqlserver::engine::extension::{Argument, Call, Outcome};
use crate::lab::sqlserver::session::Message;

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

pub fn drop_instance(connection: &Connection, known: &instance::Known) -> rusqlite::Result<()> {
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
