//! `tables`: what the source has, and whether CDC tracks it.

use std::sync::Arc;

use serde_json::json;

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, output};
use crate::config::settings::matches;
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::source::Source;

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let mut tables = engine.source.tables().await?;
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let wanted = |name: &str| global.tables.is_empty() || global.tables.iter().any(|pattern| matches(pattern, name));
    tables.retain(|table| wanted(&table.name.to_string()));
    if global.json {
        let list: Vec<_> = tables
            .iter()
            .map(|table| json!({ "table": table.name, "tracked": table.tracked, "has_key": table.has_key, "skipped": engine.settings.is_skipped(&table.name) }))
            .collect();
        output::line(json!({ "tables": list }));
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
