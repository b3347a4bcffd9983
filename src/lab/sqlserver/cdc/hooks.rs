//! What the engine asks of CDC: commits, key updates, schema changes, names.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::OptionalExtension;
use rusqlite::types::Value;

use super::errors::{Trouble, internal};
use super::{Cdc, captured, changes, disable, enable, instance, job, log, procedures, scalars, views};
use crate::lab::sqlserver::engine::catalog::{self, Table};
use crate::lab::sqlserver::engine::extension::{Call, Ddl, DdlKind, Extension, Procedure, Relation, RowChange, ScalarFunction};
use crate::lab::sqlserver::engine::server::Database;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

impl Extension for Cdc {
    fn procedure(&self, name: &str) -> Option<Procedure> {
        procedures::find(self, name)
    }

    fn scalar(&self, name: &str) -> Option<ScalarFunction> {
        scalars::find(name)
    }

    fn table_function(&self, call: &Call<'_>, name: &str, arguments: &[(DataType, Datum)]) -> Option<Result<Relation, Message>> {
        changes::find(call.conn, name, arguments)
    }

    fn relation(&self, call: &Call<'_>, name: &str) -> Option<Relation> {
        let agent = self.agent_of(call.database.id)?;
        match name {
            "sys.dm_cdc_log_scan_sessions" => Some(views::log_scan_sessions(agent)),
            "sys.dm_cdc_errors" => Some(views::errors(agent)),
            "sys.dm_server_services" => Some(views::services(self.agent_service.load(Ordering::SeqCst))),
            _ => None,
        }
    }

    fn before_commit(&self, call: &Call<'_>) -> Result<(), Message> {
        log::commit(call.conn).map(|_| ()).map_err(|e| internal(&e))
    }

    fn after_commit(&self, database: &Arc<Database>) {
        if let Some(agent) = self.agent_of(database.id) {
            job::wake(agent);
        }
    }

    fn key_update(&self, call: &Call<'_>, table: &Table, rows: &[RowChange], touched: &[i32]) -> Result<(), Message> {
        for change in rows {
            let images: Vec<(i32, Value, Value)> = table
                .columns
                .iter()
                .zip(change.before.iter().zip(&change.after))
                .filter(|(column, _)| column.is_stored())
                .map(|(column, (before, after))| (column.id, before.clone(), after.clone()))
                .collect();
            log::update(call.conn, table.object_id, touched, &images).map_err(|e| internal(&e))?;
        }
        Ok(())
    }

    fn before_ddl(&self, call: &Call<'_>, ddl: &Ddl<'_>) -> Result<(), Message> {
        if !ddl.table.tracked_by_cdc {
            return Ok(());
        }
        match ddl.kind {
            DdlKind::DropTable => disable::drop_instances_of(call, ddl.table.object_id).map_err(|e| internal(&e)),
            // A trigger that names a column stands in the way of dropping it.
            DdlKind::DropColumn { .. } => log::untrack(call.conn, ddl.table.object_id).map_err(|e| internal(&e)),
            _ => Ok(()),
        }
    }

    fn after_ddl(&self, call: &Call<'_>, ddl: &Ddl<'_>) -> Result<(), Message> {
        if !ddl.table.tracked_by_cdc || ddl.kind == DdlKind::DropTable {
            return Ok(());
        }
        if ddl.kind == DdlKind::DropIndex {
            keep_key(call, ddl.table)?;
        }
        note(call, ddl).map_err(|e| internal(&e))
    }
}

/// 22983 when the index that identifies the rows of an instance is gone.
fn keep_key(call: &Call<'_>, before: &Table) -> Result<(), Message> {
    let gone: Option<String> = call
        .conn
        .query_row(
            "SELECT ct.index_name FROM \"cdc.change_tables\" ct
              WHERE ct.source_object_id = ?1
                AND ct.index_name NOT IN (SELECT i.name FROM __lab_indexes i WHERE i.object_id = ?1)",
            [before.object_id],
            |row| row.get(0),
        )
        .optional()
        .map_err(|e| internal(&e))?;
    match gone {
        None => Ok(()),
        Some(index) => Err(Trouble::KeyIndexUsed { index, table: before.name.clone() }.into()),
    }
}

/// Triggers for the columns that there are now, types pushed on, and a record for the history.
fn note(call: &Call<'_>, ddl: &Ddl<'_>) -> rusqlite::Result<()> {
    let source_id = ddl.table.object_id;
    let Some(table) = catalog::table_by_id(call.conn, source_id)? else { return Ok(()) };
    enable::track(call.conn, &table)?;
    let mut column_update = false;
    if let DdlKind::AlterColumn { column_id } = ddl.kind
        && let (Some(before), Some(after)) = (ddl.table.column_by_id(column_id), table.column_by_id(column_id))
        && before.data_type != after.data_type
    {
        column_update = captured::alters_captured(call.conn, source_id, column_id)?;
        captured::follow_type(call.conn, source_id, column_id, &after.data_type)?;
    }
    if instance::of_source(call.conn, source_id)?.is_empty() {
        return Ok(());
    }
    log::mark(call.conn, log::Marker::Ddl { source_id, command: ddl.command, column_update })
}
