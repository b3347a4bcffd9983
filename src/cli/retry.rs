//! `retry`: the step that failed last, again.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::args::Global;
use super::connect::LiveEngine;
use super::document::Document;
use super::jobs::JobDone;
use super::{exit, jobs, output, select, watch};
use crate::engine::event::{EventReceiver, Outcome};
use crate::engine::operate::Retried;
use crate::model::order::Repeat;
use crate::model::{Fault, TableName};

/// What was tried again.
#[derive(Serialize, JsonSchema)]
pub struct TriedAgain<'a> {
    /// As the user typed it.
    command: &'static str,
    /// A line a job and table that had failed.
    tables: Vec<Again<'a>>,
    /// Tables of which no job had failed.
    nothing_failed: &'a [TableName],
}

/// A job that had failed, and how it ended now.
#[derive(Serialize, JsonSchema)]
struct Again<'a> {
    /// What the failed run noted: the job and the code of its fault.
    failed_with: &'a str,
    #[serde(flatten)]
    now: JobDone<'a>,
}

impl Document for TriedAgain<'_> {
    const NAME: &'static str = "retry";
    const VERSION: u32 = 1;
}

pub async fn run(global: &Global, (engine, events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Store).await?;
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    let retried = engine.retry(&tables, Repeat::NewEpoch).await;
    if let Ok(Retried { again, .. }) = &retried
        && !again.is_empty()
    {
        jobs::note_run(&engine, again.iter().map(|(_, report)| report), Some(Timestamp::now())).await;
    }
    watch::end(engine, shown).await;
    let retried = retried?;
    if global.json {
        let tables = retried.again.iter().map(|(why, report)| Again { failed_with: why, now: JobDone::of(report) }).collect();
        output::document(&TriedAgain { command: "retry", tables, nothing_failed: &retried.nothing_failed });
    } else if !global.events {
        print(&retried);
    }
    Ok(exit::worst(retried.again.iter().map(|(_, report)| report.outcome.as_ref().map_or_else(exit::of, |_| exit::DONE))))
}

fn print(Retried { again, nothing_failed }: &Retried) {
    for (why, report) in again {
        let now = report.outcome.as_ref().map_or_else(Fault::code, Outcome::as_str);
        let anew = report.order.is_some_and(|order| order.new_epoch);
        let (step, then) = match &report.outcome {
            Ok(outcome) if anew && outcome.batches > 0 => {
                ("prepare --new-epoch", ": the next load replaces production by the new snapshot")
            }
            _ if anew => ("prepare --new-epoch", ""),
            _ => (report.job.as_str(), ""),
        };
        output::line(format_args!("{}  {step} had failed ({why}); now: {now}{then}", report.table));
    }
    for table in nothing_failed {
        output::line(format_args!("{table}  nothing failed"));
    }
    jobs::print_faults(again.iter().map(|(_, report)| report));
}
