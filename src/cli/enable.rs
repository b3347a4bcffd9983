//! `enable`: CDC on for the database and for the tables that `--table` names.

use std::sync::Arc;

use serde_json::json;

use super::args::{Enable, Global};
use super::connect::LiveEngine;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::source::Source;

pub async fn run(global: &Global, enable: &Enable, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let database = engine.source.start_up().await?.identity.database;
    engine.source.enable_database().await?;
    let mut enabled = Vec::new();
    // Without --table nothing is switched on but the database: capture costs the source something.
    if !global.tables.is_empty() {
        for table in select::tables(&engine, &global.tables, select::From::Source).await? {
            engine.source.enable_table(&table, enable.role.as_deref()).await?;
            if !global.json {
                output::line(format_args!("CDC is on for {table}"));
            }
            enabled.push(table);
        }
    }
    if global.json {
        output::line(json!({ "database": database, "enabled": enabled }));
    } else if enabled.is_empty() {
        output::line(format_args!("CDC is on for database {database}; name tables with --table to track them"));
    }
    Ok(exit::DONE)
}
