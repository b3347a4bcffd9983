//! `skip`: production goes on without one batch.

use std::sync::Arc;

use super::args::{Global, Skip};
use super::connect::LiveEngine;
use super::{output, reports, select, watch};
use crate::engine::event::EventReceiver;
use crate::engine::operate::{Report, SkipOrder};
use crate::model::Fault;

pub async fn run(global: &Global, skip: &Skip, (engine, events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let table = select::one(&engine, &global.tables, select::From::Store).await?;
    let why = skip.reason.clone().unwrap_or_default();
    let order = SkipOrder { table: table.clone(), batch: skip.batch, why, confirm: skip.confirm.clone() };
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    let outcome = engine.skip(&order).await;
    let skipped = [Report::new(table, outcome)];
    // A look is no order.
    if skip.batch.is_some() {
        reports::note(&engine, &skipped).await;
    }
    watch::end(engine, shown).await;
    Ok(reports::show_beside_events(global, "skip", &skipped, |report, result| match result {
        None => format!("{}  nothing waits to be loaded, so nothing was skipped", report.table),
        Some(skipped) => format!(
            "{}  skipped batch {} of epoch {} ({} rows): the table counts as diverged until a verify, or a new snapshot: db-to-redshift prepare --new-epoch --table {:#}",
            report.table,
            skipped.batch,
            skipped.epoch,
            output::count(skipped.rows),
            report.table,
        ),
    }))
}
