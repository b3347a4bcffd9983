//! `accept-schema`: a stream goes on after DDL that leaves what it carries alone.

use std::sync::Arc;

use super::args::{AcceptSchema, Global};
use super::connect::LiveEngine;
use super::{output, reports, select, watch};
use crate::engine::event::EventReceiver;
use crate::model::Fault;

pub async fn run(global: &Global, accept: &AcceptSchema, (engine, events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Store).await?;
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    let accepted = engine.accept(&tables, accept.confirm).await;
    if accept.confirm {
        reports::note(&engine, &accepted).await;
    }
    watch::end(engine, shown).await;
    Ok(reports::show_beside_events(global, "accept-schema", &accepted, |report, result| match result.batch {
        None => format!("{}  no change to accept", report.table),
        Some(batch) => format!(
            "{}  batch {batch} of epoch {} goes on with the columns as they are now. Next: {}",
            report.table,
            result.epoch,
            output::advice(&result.next.join("; "))
        ),
    }))
}
