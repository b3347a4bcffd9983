//! `recapture`: another capture instance of a table, with the columns that it got since.

use std::sync::Arc;

use super::args::{Global, Recapture};
use super::connect::LiveEngine;
use super::{output, reports, select, watch};
use crate::engine::event::EventReceiver;
use crate::engine::operate::RecaptureOrder;
use crate::model::Fault;

pub async fn run(global: &Global, recapture: &Recapture, (engine, events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Store).await?;
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    let order = RecaptureOrder { without: recapture.without.clone(), confirm: recapture.confirm };
    let recaptured = engine.recapture(&tables, &order).await;
    if recapture.confirm {
        reports::note(&engine, &recaptured).await;
    }
    watch::end(engine, shown).await;
    Ok(reports::show_beside_events(global, "recapture", &recaptured, |report, result| match &result.made {
        None => format!("{}  {} captures every column that it is to", report.table, result.newest),
        Some(made) => format!(
            "{}  made {made} beside {}: it captures {} too. Next: {}",
            report.table,
            result.newest,
            if result.added.is_empty() { "what changed".to_owned() } else { result.added.join(", ") },
            output::advice(&result.next.join("; "))
        ),
    }))
}
