//! `tables`: what the source has, and whether CDC tracks it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Global;
use super::connect::LiveEngine;
use super::document::Document;
use super::{exit, output, select};
use crate::config::settings::matches;
use crate::engine::event::EventReceiver;
use crate::model::{Fault, TableName};
use crate::source::{Source, SourceTable};

/// The tables of the source.
#[derive(Serialize, JsonSchema)]
pub struct TableList {
    /// By name; those that `--table` names, or all.
    tables: Vec<TableLine>,
}

/// One table of the source.
#[derive(Serialize, JsonSchema)]
struct TableLine {
    table: TableName,
    /// CDC is on for it.
    tracked: bool,
    /// It has a primary key, or is captured by a unique index that identifies rows.
    has_key: bool,
    /// The configuration leaves it out.
    skipped: bool,
}

impl Document for TableList {
    const NAME: &'static str = "tables";
    const VERSION: u32 = 1;
}

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let mut tables = engine.source.tables().await?;
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<String> = tables.iter().map(|table| table.name.to_string()).collect();
    if let Some(pattern) = global.tables.iter().find(|pattern| !names.iter().any(|name| matches(pattern, name))) {
        return Err(select::nothing(pattern, "", &names));
    }
    let wanted = |name: &str| global.tables.is_empty() || global.tables.iter().any(|pattern| matches(pattern, name));
    tables.retain(|table| wanted(&table.name.to_string()));
    if global.json {
        let line = |table: &SourceTable| TableLine {
            table: table.name.clone(),
            tracked: table.tracked,
            has_key: table.has_key,
            skipped: engine.settings.is_skipped(&table.name),
        };
        output::document(&TableList { tables: tables.iter().map(line).collect() });
        return Ok(exit::DONE);
    }
    let mut rows = vec![["TABLE", "CDC", "KEY", "CONFIGURATION"].map(str::to_owned).to_vec()];
    for table in &tables {
        let skipped = if engine.settings.is_skipped(&table.name) { "skip" } else { "" };
        let yes = |holds: bool, yes: &str, no: &str| if holds { yes.to_owned() } else { no.to_owned() };
        rows.push(vec![table.name.to_string(), yes(table.tracked, "on", "off"), yes(table.has_key, "yes", "none"), skipped.to_owned()]);
    }
    output::text(output::table(&rows));
    Ok(exit::DONE)
}
