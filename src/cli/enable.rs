//! `enable`: CDC on for the database and for the tables that `--table` names.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Enable, Global};
use super::connect::LiveEngine;
use super::document::Document;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::model::{Fault, TableName};
use crate::source::Source;

/// Where CDC is on now.
#[derive(Serialize, JsonSchema)]
pub struct Enabled {
    /// Name of the database.
    database: String,
    /// The tables that `--table` named.
    enabled: Vec<TableName>,
}

impl Document for Enabled {
    const NAME: &'static str = "enable";
    const VERSION: u32 = 1;
}

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
        output::document(&Enabled { database, enabled });
    } else if enabled.is_empty() {
        output::line(format_args!("CDC is on for database {database}; name tables with --table to track them"));
    }
    Ok(exit::DONE)
}
