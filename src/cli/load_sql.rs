//! `load-sql`: the statements that the next load would run.

use std::sync::Arc;

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::load_sql::{LoadSql, LoadStep};
use crate::model::Fault;

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let table = select::one(&engine, &global.tables, select::From::Store).await?;
    let script = engine.load_sql(&table).await?;
    if global.json {
        output::document(&script);
    } else {
        print(&script);
    }
    Ok(exit::DONE)
}

/// As a script with comments: credentials and the manifest are missing in it, so it is for reading.
fn print(script: &LoadSql) {
    let (Some(from), Some(to)) = (script.from, script.to) else {
        output::line(format_args!("-- {}: nothing to load", script.table));
        return;
    };
    let what = match script.step {
        LoadStep::Nothing => "nothing",
        LoadStep::Open => "open the epoch",
        LoadStep::Load => "stage, then apply",
        LoadStep::Apply => "apply what is staged",
        LoadStep::Schema => "accept the changed columns",
    };
    let rows = output::count(script.rows);
    output::line(format_args!("-- {}: {what}; batches {from} to {to} of epoch {}, {rows} rows", script.table, script.epoch));
    script.files.iter().for_each(|url| output::line(format_args!("--   {url}")));
    for transaction in &script.transactions {
        output::line(format_args!("\n-- {}", transaction.purpose));
        for statement in &transaction.statements {
            if let Some(note) = &statement.note {
                output::line(format_args!("-- {}: {note}", statement.step));
            }
            output::line(format_args!("{};", statement.sql));
        }
    }
}
