//! `pause` and `resume`.

use std::sync::Arc;

use super::args::{Global, Pause};
use super::connect::LiveEngine;
use super::{output, reports, select};
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::model::control::Paused;

pub async fn pause(global: &Global, pause: &Pause, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Anywhere).await?;
    let paused = engine.pause(&tables, &pause.reason).await;
    reports::note(&engine, &paused).await;
    Ok(reports::show(global, "pause", &paused, |report, result| {
        let stands = if result.changed { "paused" } else { "was paused already" };
        format!("{}  {stands} {}", report.table, ordered(&result.paused))
    }))
}

pub async fn resume(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Anywhere).await?;
    let resumed = engine.resume(&tables).await;
    reports::note(&engine, &resumed).await;
    Ok(reports::show(global, "resume", &resumed, |report, result| match &result.was {
        Some(was) => format!("{}  goes on; it was paused {}", report.table, ordered(was)),
        None => format!("{}  was not paused", report.table),
    }))
}

fn ordered(paused: &Paused) -> String {
    format!("by {} since {}: {}", paused.by, output::time(paused.since), paused.why)
}
