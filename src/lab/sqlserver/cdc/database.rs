//! Change data capture of a whole database, on and off.

use rusqlite::Connection;

use super::arguments::Arguments;
use super::disable::drop_instance;
use super::errors::{Trouble, internal};
use super::{instance, jobs, relations};
use crate::lab::sqlserver::engine::catalog::{self, same_name};
use crate::lab::sqlserver::engine::extension::{Argument, Call, Outcome};
use crate::lab::sqlserver::engine::server::Database;
use crate::lab::sqlserver::session::Message;

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

/// CDC for the database, unless it is on.
pub fn switch_on_if_off(call: &Call<'_>) -> rusqlite::Result<()> {
    let enabled: Option<i64> = catalog::meta(call.conn, "is_cdc_enabled")?;
    if enabled == Some(1) {
        return Ok(());
    }
    relations::create(call.conn)?;
    catalog::set_cdc_enabled(call.conn, true)
}
