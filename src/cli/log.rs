//! `log`: the newest lines of the batch log.

use std::sync::Arc;

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::model::Fault;

pub async fn run(global: &Global, most: usize, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let table = match global.tables.as_slice() {
        [] => None,
        patterns => Some(select::one(&engine, patterns, select::From::Anywhere).await?),
    };
    let log = engine.batch_log(table.as_ref(), most).await?;
    if global.json {
        output::document(&log);
        return Ok(exit::DONE);
    }
    let heading = ["LOGGED", "TABLE", "EVENT", "EPOCH", "BATCHES", "ROWS", "DELETED", "INSERTED", "UP TO LSN", "DIVERGED"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(log.lines.iter().map(|line| {
        vec![
            line.at.clone(),
            line.table.to_string(),
            line.event.clone(),
            line.epoch.to_string(),
            if line.from == line.to { line.from.to_string() } else { format!("{}-{}", line.from, line.to) },
            output::count(line.rows),
            output::count(line.deleted),
            output::count(line.inserted),
            line.lsn_to.to_string(),
            line.diverged.clone().unwrap_or_default(),
        ]
    }));
    output::text(output::table(&rows));
    Ok(exit::DONE)
}
