//! `retry`: the step that failed last, again.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, jobs, output, select, watch};
use crate::engine::event::{EventReceiver, Outcome};
use crate::engine::operate::Retried;
use crate::model::Fault;

pub async fn run(global: &Global, (engine, events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Store).await?;
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    let retried = engine.retry(&tables).await;
    if let Ok(Retried { again, .. }) = &retried
        && !again.is_empty()
    {
        jobs::note_run(&engine, again.iter().map(|(_, report)| report), Some(Timestamp::now())).await;
    }
    watch::end(engine, shown).await;
    let retried = retried?;
    if global.json {
        let line = |(why, report): &(String, _)| {
            let mut document = jobs::report_json(report);
            document["failed_with"] = json!(why);
            document
        };
        let tables: Vec<_> = retried.again.iter().map(line).collect();
        output::line(json!({ "command": "retry", "tables": tables, "nothing_failed": retried.nothing_failed }));
    } else if !global.events {
        print(&retried);
    }
    Ok(exit::worst(retried.again.iter().map(|(_, report)| report.outcome.as_ref().map_or_else(exit::of, |_| exit::DONE))))
}

fn print(Retried { again, nothing_failed }: &Retried) {
    for (why, report) in again {
        let now = report.outcome.as_ref().map_or_else(Fault::code, Outcome::as_str);
        output::line(format_args!("{}  {} had failed ({why}); now: {now}", report.table, report.job.as_str()));
    }
    for table in nothing_failed {
        output::line(format_args!("{table}  nothing failed"));
    }
    jobs::print_faults(again.iter().map(|(_, report)| report));
}
