//! `runs`: who ran what, and how it ended.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Global;
use super::connect::LiveEngine;
use super::document::Document;
use super::{exit, output, select};
use crate::config::settings::matches;
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::model::control::RunRecord;
use crate::store::ChangeStore;

/// The newest runs.
#[derive(Serialize, JsonSchema)]
pub struct RunList {
    /// The newest first.
    pub(super) runs: Vec<RunRecord>,
}

impl Document for RunList {
    const NAME: &'static str = "runs";
    const VERSION: u32 = 1;
}

/// The newest runs among which those of some tables are looked for.
const LOOKED_AT: usize = 1_000;

pub async fn run(global: &Global, most: usize, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let read = if global.tables.is_empty() { most } else { most.max(LOOKED_AT) };
    let mut runs = engine.store.runs(read, &[]).await?;
    // A name that no run has and nobody else knows was mistyped.
    let run_of = |pattern: &str| runs.iter().flat_map(|run| &run.tables).any(|table| matches(pattern, &table.table.to_string()));
    let unknown: Vec<String> = global.tables.iter().filter(|pattern| select::is_name(pattern) && !run_of(pattern)).cloned().collect();
    if !unknown.is_empty() {
        select::tables(&engine, &unknown, select::From::Anywhere).await?;
    }
    let named = |table: &str| global.tables.iter().any(|pattern| matches(pattern, table));
    runs.retain(|run| global.tables.is_empty() || run.tables.iter().any(|table| named(&table.table.to_string())));
    runs.truncate(most);
    if global.json {
        output::document(&RunList { runs });
        return Ok(exit::DONE);
    }
    let mut rows = vec![["BEGAN", "COMMAND", "BY", "TABLES", "BATCHES", "ROWS", "OUTCOME"].map(str::to_owned).to_vec()];
    for run in &runs {
        let bad: Vec<String> = run
            .tables
            .iter()
            .filter(|table| table.outcome.contains('-'))
            .map(|table| format!("{} {}", table.table, table.outcome))
            .collect();
        rows.push(vec![
            output::time(run.by.since),
            run.command.clone(),
            format!("{}@{}", run.by.user, run.by.host),
            run.tables.iter().map(|table| &table.table).collect::<std::collections::BTreeSet<_>>().len().to_string(),
            output::count(run.tables.iter().map(|table| table.batches).sum()),
            output::count(run.tables.iter().map(|table| table.rows).sum()),
            match run.finished {
                None => "running, or died".to_owned(),
                Some(_) if bad.is_empty() => "done".to_owned(),
                Some(_) => bad.join(", "),
            },
        ]);
    }
    output::text(output::table(&rows));
    Ok(exit::DONE)
}
