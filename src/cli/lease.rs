//! `lease`: who is busy with what; release and take-over.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Global, Lease};
use super::connect::LiveEngine;
use super::document::Document;
use super::{exit, output, reports, select};
use crate::engine::event::EventReceiver;
use crate::engine::operate::{Freed, LeaseLine, Report, TakeOver};
use crate::model::{Fault, TableName};

/// Who is busy with what.
#[derive(Serialize, JsonSchema)]
pub struct LeaseList<'a> {
    /// As the user typed it.
    command: &'static str,
    /// The leases that are held.
    leases: Vec<HeldLine<'a>>,
    /// Tables whose leases could not be read.
    faults: Vec<FaultLine<'a>>,
}

/// A lease of one table.
#[derive(Serialize, JsonSchema)]
struct HeldLine<'a> {
    table: &'a TableName,
    lease: &'a LeaseLine,
}

/// A fault, and the table that met it.
#[derive(Serialize, JsonSchema)]
struct FaultLine<'a> {
    table: &'a TableName,
    fault: &'a Fault,
}

impl Document for LeaseList<'_> {
    const NAME: &'static str = "lease-list";
    const VERSION: u32 = 1;
}

pub async fn run(global: &Global, lease: &Lease, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Anywhere).await?;
    if !lease.release && !lease.take_over {
        return Ok(list(global, &engine.leases(&tables).await));
    }
    let freed = if lease.take_over {
        let order = TakeOver { confirm: lease.confirm, force: lease.force.clone() };
        engine.take_over(&tables, &order).await
    } else {
        engine.release_leases(&tables).await
    };
    reports::note(&engine, &freed).await;
    Ok(reports::show(global, "lease", &freed, |report, Freed { leases }| match leases.as_slice() {
        [] => format!("{}  nobody holds a lease", report.table),
        leases => {
            let freed: Vec<String> = leases.iter().map(|line| format!("{} of {}", line.kind.as_str(), holder(line))).collect();
            format!("{}  freed {}", report.table, freed.join(", "))
        }
    }))
}

fn holder(line: &LeaseLine) -> String {
    format!("{}@{} (pid {})", line.holder.user, line.holder.host, line.holder.pid)
}

fn list(global: &Global, found: &[Report<Vec<LeaseLine>>]) -> u8 {
    let held: Vec<(&TableName, &LeaseLine)> = found
        .iter()
        .filter_map(|report| Some((&report.table, report.outcome.as_ref().ok()?)))
        .flat_map(|(table, lines)| lines.iter().map(move |line| (table, line)))
        .collect();
    let faults: Vec<(&TableName, &Fault)> =
        found.iter().filter_map(|report| Some((&report.table, report.outcome.as_ref().err()?))).collect();
    if global.json {
        let leases = held.iter().map(|(table, lease)| HeldLine { table, lease }).collect();
        let faults = faults.iter().map(|(table, fault)| FaultLine { table, fault }).collect();
        output::document(&LeaseList { command: "lease", leases, faults });
    } else if held.is_empty() && faults.is_empty() {
        output::line("nobody holds a lease");
    } else {
        print(&held);
        for (table, fault) in faults {
            output::line(format_args!("{table}: {}", output::fault_text(fault).trim_end()));
        }
    }
    exit::worst(found.iter().map(|report| report.outcome.as_ref().map_or_else(exit::of, |_| exit::DONE)))
}

fn print(held: &[(&TableName, &LeaseLine)]) {
    let mut rows = vec![["TABLE", "LEASE", "HOLDER", "RUN", "SINCE", "LAST BEAT"].map(str::to_owned).to_vec()];
    for (table, line) in held {
        let ended = if line.holder_has_ended { ", which has ended" } else { "" };
        rows.push(vec![
            table.to_string(),
            line.kind.as_str().to_owned(),
            format!("{}{ended}", holder(line)),
            line.holder.run.to_string(),
            output::time(line.holder.since),
            format!("{} s ago", line.beat_age_seconds),
        ]);
    }
    output::text(output::table(&rows));
}
