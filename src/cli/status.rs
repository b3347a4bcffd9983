//! `status`: each table in the three systems.

use std::sync::Arc;

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::model::status::{StatusReport, TableStatus, Verdict};
use crate::model::{Fault, Lsn};

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    // Without the source the tables that have records still show.
    let tables = match select::tables(&engine, &global.tables, select::From::Source).await {
        Ok(tables) => tables,
        Err(fault) if exit::of(&fault) == exit::CONFIG => return Err(fault),
        Err(_) => match select::tables(&engine, &global.tables, select::From::Tracked).await {
            Ok(tables) => tables,
            Err(_) => select::tables(&engine, &global.tables, select::From::Store).await?,
        },
    };
    let report = engine.status(&tables).await;
    if global.json {
        output::line(serde_json::json!(report));
    } else {
        print(&report);
    }
    let verdicts = report.tables.iter().map(|table| match table.verdict {
        Verdict::Gap | Verdict::Diverged => exit::HUMAN,
        _ => exit::DONE,
    });
    let systems = report.faults.iter().map(|_| exit::FAILED);
    Ok(exit::worst(verdicts.chain(systems)))
}

fn print(report: &StatusReport) {
    let head = ["TABLE", "VERDICT", "CDC", "EPOCH", "EXTRACTED", "PENDING", "APPLIED", "STAGED", "HEAD LSN", "HEAD TIME", "BUSY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(report.tables.iter().map(line));
    output::line(format_args!("pipeline {}", report.pipeline));
    output::text(output::table(&rows));
    for table in &report.tables {
        if let Some(diverged) = table.target.as_ref().and_then(|state| state.diverged.as_ref()) {
            output::line(format_args!("{} is diverged since {}: {}", table.table, diverged.since, diverged.why));
        }
    }
    for fault in &report.faults {
        output::line(format_args!("fault: {fault}"));
    }
}

fn line(status: &TableStatus) -> Vec<String> {
    let show = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let store = status.store.as_ref();
    let state = status.target.as_ref();
    let cdc = status.source.as_ref().map(|source| if source.tracked { "on" } else { "off" }.to_owned());
    let busy = store.map(|store| {
        let jobs = [("extract", &store.extracting), ("load", &store.loading)];
        let words: Vec<String> =
            jobs.iter().filter_map(|(job, holder)| holder.as_ref().map(|holder| format!("{job}@{}", holder.host))).collect();
        if words.is_empty() { "-".to_owned() } else { words.join(" ") }
    });
    vec![
        status.table.to_string(),
        verdict(status.verdict).to_owned(),
        show(cdc),
        show(store.and_then(|store| store.epoch).map(|epoch| epoch.to_string())),
        show(store.and_then(|store| store.head).map(output::count)),
        show(store.and_then(|store| store.pending).map(output::count)),
        show(state.and_then(|state| state.applied_seq).map(output::count)),
        show(state.and_then(|state| state.staged).map(|staged| format!("{}-{}", staged.from, staged.to))),
        show(store.and_then(|store| store.head_lsn).as_ref().map(Lsn::to_string)),
        show(store.and_then(|store| store.head_time).map(|time| time.to_string())),
        show(busy),
    ]
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "unknown",
        Verdict::Diverged => "DIVERGED",
        Verdict::Gap => "GAP",
        Verdict::Paused => "paused",
        Verdict::NotTracked => "not tracked",
        Verdict::NotPrepared => "not prepared",
        Verdict::Staged => "staged",
        Verdict::Pending => "pending",
        Verdict::Behind => "behind",
        Verdict::Current => "current",
    }
}
