//! `adopt`: a changed source or S3 root takes over the state.

use std::sync::Arc;

use super::args::{Adopt, Global};
use super::connect::LiveEngine;
use super::{output, reports, select, watch};
use crate::engine::event::EventReceiver;
use crate::engine::operate::AdoptOrder;
use crate::model::Fault;

pub async fn run(global: &Global, adopt: &Adopt, (engine, events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    // Under a new root there may be no record yet: then the source names the tables.
    let tables = select::tables(&engine, &global.tables, select::From::Anywhere).await?;
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    let adopted = engine.adopt(&tables, AdoptOrder { confirm: adopt.confirm, pipeline: adopt.pipeline }).await;
    if adopt.confirm {
        reports::note(&engine, &adopted).await;
    }
    watch::end(engine, shown).await;
    Ok(reports::show_beside_events(global, "adopt", &adopted, |report, result| match &result.was {
        None => format!("{}  state and configuration name the same stream", report.table),
        Some(was) => {
            let (then, now) = (&was.source, &result.now.source);
            let diverged = if result.diverged { ", and counts as diverged" } else { "" };
            format!(
                "{}  belongs to {}/{} under {} now (before: {}/{} under {}){diverged}. Next: {}",
                report.table,
                now.server,
                now.database,
                result.now.root,
                then.server,
                then.database,
                was.root,
                output::advice(&result.next)
            )
        }
    }))
}
