//! `recover`: what a crash may have left, put in order.

use std::sync::Arc;

use super::args::Global;
use super::connect::LiveEngine;
use super::{reports, select, watch};
use crate::engine::event::EventReceiver;
use crate::model::Fault;

pub async fn run(global: &Global, (engine, events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Anywhere).await?;
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    let recovered = engine.recover(&tables).await;
    reports::note(&engine, &recovered).await;
    watch::end(engine, shown).await;
    Ok(reports::show_beside_events(global, "recover", &recovered, |report, result| {
        let did = if result.did.is_empty() { "nothing to put in order".to_owned() } else { result.did.join("; ") };
        let left = if result.left.is_empty() { String::new() } else { format!("; left: {}", result.left.join("; ")) };
        format!("{}  {did}{left}", report.table)
    }))
}
