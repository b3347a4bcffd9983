//! Clean-up of change history: the mark moves first, then the rows go.

use rusqlite::{Connection, OptionalExtension, params};

use super::agent::Agent;
use super::arguments::Arguments;
use super::database::require_enabled;
use super::errors::{Trouble, internal};
use super::instance::{self, Known};
use super::jobs::{self, JobType};
use super::sql::each;
use crate::lab::sqlserver::engine::catalog;
use crate::lab::sqlserver::engine::extension::{Argument, Call, Outcome};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use crate::model::Lsn;

const PARAMETERS: &[&str] = &["@capture_instance", "@low_water_mark", "@threshold", "@fCleanupFailed"];

/// `sys.sp_cdc_cleanup_change_table`. `fails`: the deletion meets a deadlock after the mark moved
/// (a fault that a test can ask for).
pub fn clean_change_table(call: &Call<'_>, given: &[Argument], fails: bool) -> Result<Outcome, Message> {
    let arguments = Arguments::new("sp_cdc_cleanup_change_table", PARAMETERS, given)?;
    for name in ["@capture_instance", "@low_water_mark"] {
        arguments.require(name)?;
    }
    require_enabled(call)?;
    let Some(name) = arguments.text("@capture_instance")? else {
        return Err(Trouble::ParameterNull { parameter: "@capture_instance".into() }.into());
    };
    let known = instance::find(call.conn, &name).map_err(|e| internal(&e))?;
    let known = known.ok_or_else(|| Trouble::InstanceUnknown { instance: name, database: call.database.name.clone() })?;
    let threshold = arguments.number("@threshold")?.unwrap_or(5000);
    if threshold <= 0 {
        return Err(Trouble::BadThreshold.into());
    }
    let mark = arguments.lsn("@low_water_mark")?;
    // The procedure commits in steps, unless the caller holds a transaction.
    if let Some(mark) = mark {
        step(call.conn, |connection| move_mark(connection, &known, Lsn::from_bytes(mark)))?;
    }
    let mark = match mark {
        Some(mark) => mark.to_vec(),
        None => known.start_lsn.clone().unwrap_or_default(),
    };
    let mut outcome = Outcome::default();
    if fails {
        let command = format!("delete top( @p1 ) from [cdc].[{}_CT] where __$start_lsn < @p2", known.instance.name);
        outcome.messages.push(Trouble::CleanupFailed { database: call.database.name.clone(), command }.into());
    } else {
        while step(call.conn, |connection| delete_some(connection, &known, &mark, threshold).map_err(|e| internal(&e)))? > 0 {}
        step(call.conn, |connection| trim_mapping(connection).map_err(|e| internal(&e)))?;
    }
    outcome.outputs.push(("@fCleanupFailed".into(), DataType::Bit, Datum::Bit(fails)));
    Ok(outcome)
}

/// One step in a transaction of its own, or in the caller's.
fn step<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, Message>) -> Result<T, Message> {
    if !connection.is_autocommit() {
        return work(connection);
    }
    connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| internal(&e))?;
    let done = work(connection);
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.execute_batch(end).map_err(|e| internal(&e))?;
    done
}

/// 22964: not a row of the mapping; 22957: behind the present mark, or ahead of the newest row.
fn move_mark(connection: &Connection, known: &Known, mark: Lsn) -> Result<(), Message> {
    let text = |bytes: &[u8]| format!("0x{}", each(bytes, |b| format!("{b:02X}")));
    let lsn = text(mark.as_bytes());
    let mapped: Option<i64> = connection
        .query_row("SELECT 1 FROM \"cdc.lsn_time_mapping\" WHERE start_lsn = ?1", [mark.as_bytes()], |row| row.get(0))
        .optional()
        .map_err(|e| internal(&e))?;
    if mapped.is_none() {
        return Err(Trouble::MarkNotMapped { lsn }.into());
    }
    // Another reader may have moved it since.
    let present: Option<Vec<u8>> = connection
        .query_row("SELECT start_lsn FROM \"cdc.change_tables\" WHERE object_id = ?1", [known.instance.ct_id], |row| row.get(0))
        .map_err(|e| internal(&e))?;
    let high: Vec<u8> =
        connection.query_row("SELECT max(start_lsn) FROM \"cdc.lsn_time_mapping\"", [], |row| row.get(0)).map_err(|e| internal(&e))?;
    let low = present.unwrap_or_else(|| vec![0; 10]);
    if mark.as_bytes().as_slice() < low.as_slice() {
        let instance = known.instance.name.clone();
        return Err(Trouble::LsnOutsideTimeline { lsn, instance, low: text(&low), high: text(&high) }.into());
    }
    set_mark(connection, known.instance.ct_id, mark.as_bytes()).map_err(|e| internal(&e))
}

fn set_mark(connection: &Connection, ct_id: i32, mark: &[u8]) -> rusqlite::Result<()> {
    connection.execute("UPDATE \"cdc.change_tables\" SET start_lsn = ?2 WHERE object_id = ?1", params![ct_id, mark])?;
    Ok(())
}

fn delete_some(connection: &Connection, known: &Known, mark: &[u8], threshold: i64) -> rusqlite::Result<usize> {
    let table = catalog::quote(&known.instance.change_table());
    let sql = format!(
        "DELETE FROM {table} WHERE {rowid} IN (SELECT {rowid} FROM {table} WHERE \"__$start_lsn\" < ?1 LIMIT ?2)",
        rowid = catalog::ROWID
    );
    connection.execute(&sql, params![mark, threshold])
}

/// Rows of the mapping that lie before every instance's mark are of no use to anyone.
fn trim_mapping(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM \"cdc.lsn_time_mapping\"
          WHERE start_lsn < (SELECT min(ifnull(start_lsn, zeroblob(10))) FROM \"cdc.change_tables\")",
        [],
    )?;
    Ok(())
}

/// The clean-up job, once: all marks move to `retention` minutes before the newest commit in the
/// mapping (not before now), in one transaction; then rows go. Returns the rows deleted.
pub fn by_retention(agent: &Agent, retention_minutes: Option<i64>) -> rusqlite::Result<u64> {
    let job = agent.write(|connection| jobs::load(connection, agent.database.id, JobType::Cleanup))?.unwrap_or_default();
    let retention = retention_minutes.unwrap_or(job.retention);
    let mark: Option<Vec<u8>> = agent.write(|connection| {
        let mark: Option<Vec<u8>> = connection.query_row(
            "SELECT min(start_lsn) FROM \"cdc.lsn_time_mapping\"
              WHERE tran_end_time >= (SELECT max(tran_end_time) FROM \"cdc.lsn_time_mapping\") - ?1 * 60 * 300",
            [retention],
            |row| row.get(0),
        )?;
        for known in instance::all(connection)? {
            match (&mark, &known.start_lsn) {
                (Some(mark), Some(present)) if mark > present => set_mark(connection, known.instance.ct_id, mark)?,
                _ => {}
            }
        }
        Ok(mark)
    })?;
    let Some(mark) = mark else { return Ok(0) };
    let mut deleted = 0;
    let known = agent.write(instance::all)?;
    for one in &known {
        loop {
            let rows = agent.write(|connection| delete_some(connection, one, &mark, job.threshold.max(1)))?;
            deleted += rows as u64;
            if rows == 0 {
                break;
            }
        }
    }
    agent.write(trim_mapping)?;
    Ok(deleted)
}
