//! `status`: each table in the three systems, the worst first.

use std::sync::Arc;

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::model::fault::{FaultDocument, page};
use crate::model::status::{HopName, ReportKind, StatusReport, TableStatus, TargetStatus, Verdict};
use crate::model::words::span;

/// Up to so many tables, asked for by name, are read in detail.
const DETAILED: usize = 20;
/// Tables without trouble that are listed; the others are only counted.
const WELL: usize = 20;

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let report = if global.tables.is_empty() {
        engine.fleet(None).await
    } else {
        // Without the source the tables that have records still show.
        let tables = match select::tables(&engine, &global.tables, select::From::Source).await {
            Ok(tables) => tables,
            Err(fault) if exit::of(&fault) == exit::CONFIG => return Err(fault),
            Err(_) => match select::tables(&engine, &global.tables, select::From::Tracked).await {
                Ok(tables) => tables,
                Err(_) => select::tables(&engine, &global.tables, select::From::Store).await?,
            },
        };
        if tables.len() <= DETAILED { engine.status(&tables).await } else { engine.fleet(Some(&tables)).await }
    };
    if global.json {
        output::document(&report);
    } else {
        output::text(text(&report));
    }
    let waits = |table: &TableStatus| table.store.iter().flat_map(|store| &store.failed).any(|failed| failed.human);
    let verdicts = report.tables.iter().map(|table| match table.verdict {
        Verdict::Gap | Verdict::Diverged => exit::HUMAN,
        Verdict::Stuck if waits(table) => exit::HUMAN,
        _ => exit::DONE,
    });
    let systems = report.faults.iter().map(|met| page(&met.fault.code).map_or(exit::FAILED, |page| exit::of_class(page.class)));
    Ok(exit::worst(verdicts.chain(systems)))
}

/// What a person reads.
#[must_use]
pub fn text(report: &StatusReport) -> String {
    let mut out = vec![header(report), systems(report)];
    let mut tables: Vec<&TableStatus> = report.tables.iter().collect();
    tables.sort_by_key(|status| (status.verdict, std::cmp::Reverse(urgency(status))));
    let shown = |at: usize, status: &TableStatus| at < WELL || status.verdict < Verdict::Behind || report.kind == ReportKind::Detail;
    let mut well = 0;
    let mut rows =
        vec![["TABLE", "VERDICT", "TO S3", "TO REDSHIFT", "RETENTION", "PENDING", "FILES", "STAGED", "BUSY"].map(str::to_owned).to_vec()];
    for status in &tables {
        if status.verdict >= Verdict::Behind {
            well += 1;
        }
        if shown(well, status) {
            rows.push(line(status));
        }
    }
    let hidden = tables.len() + 1 - rows.len();
    out.push(output::table(&rows).trim_end().to_owned());
    if hidden > 0 {
        out.push(format!("and {} more without trouble; --json shows all", output::count(hidden as u64)));
    }
    for status in tables {
        out.extend(notes(status));
    }
    out.extend(report.faults.iter().map(|fault| format!("fault: {}", fault.fault)));
    out.retain(|line| !line.is_empty());
    out.join("\n") + "\n"
}

/// Of two tables with one verdict the one that has waited longer, or has less time left.
fn urgency(status: &TableStatus) -> i64 {
    let waiting = [&status.hops.extract, &status.hops.load].into_iter().filter_map(|hop| hop.waiting_seconds.max(hop.lag_seconds)).max();
    if status.verdict == Verdict::Lagging { -status.retention.map_or(0, |retention| retention.left_seconds) } else { waiting.unwrap_or(0) }
}

fn header(report: &StatusReport) -> String {
    let counts: Vec<String> = Verdict::ALL
        .into_iter()
        .filter_map(|verdict| {
            let count = report.tables.iter().filter(|status| status.verdict == verdict).count();
            (count > 0).then(|| format!("{} {}", output::count(count as u64), verdict.as_str()))
        })
        .collect();
    let from = match report.kind {
        ReportKind::Fleet => "by the batch log",
        ReportKind::Detail => "in detail",
    };
    let tables = output::count(report.tables.len() as u64);
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    format!("pipeline {}, {tables} tables {from}{counts}", report.pipeline)
}

fn systems(report: &StatusReport) -> String {
    let source = &report.systems.source;
    let said = |fault: &Option<FaultDocument>| if fault.is_some() { "FAULT" } else { "ok" };
    let mut capture = match &source.capture.down {
        Some(why) => format!("capture DOWN: {why}"),
        None => source.capture.latency_seconds.map_or_else(|| "capture".to_owned(), |latency| format!("capture {} behind", span(latency))),
    };
    if let Some(time) = source.newest_commit {
        capture = format!("{capture}, up to {}", time.strftime("%Y-%m-%d %H:%M:%S"));
    }
    let capture = if source.fault.is_some() { String::new() } else { format!(" ({capture})") };
    format!(
        "source {}{capture}, S3 {}, Redshift {}",
        said(&source.fault),
        said(&report.systems.store.fault),
        said(&report.systems.target.fault)
    )
}

fn line(status: &TableStatus) -> Vec<String> {
    let show = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let stuck = |hop| status.hops.stuck.as_ref().is_some_and(|stuck| stuck.hop == hop);
    let lag =
        |seconds: Option<i64>, hop| show(seconds.map(|seconds| format!("{}{}", span(seconds), if stuck(hop) { " stuck" } else { "" })));
    let store = status.store.as_ref();
    let busy = store.map(|store| {
        let jobs = [("extract", &store.extracting), ("load", &store.loading)];
        let words = jobs.iter().filter_map(|(job, busy)| {
            let busy = busy.as_ref()?;
            let host = busy.holder.as_ref().map_or_else(String::new, |holder| format!("@{}", holder.host));
            Some(format!("{job}{host}{}", if busy.silent { " (silent)" } else { "" }))
        });
        let words: Vec<String> = words.collect();
        if words.is_empty() { "-".to_owned() } else { words.join(" ") }
    });
    let files = store.and_then(|store| Some((store.pending_files.filter(|files| *files > 0)?, store.pending_bytes?)));
    vec![
        status.table.to_string(),
        status.verdict.as_str().to_owned(),
        lag(status.hops.extract.lag_seconds, HopName::Extract),
        lag(status.hops.load.lag_seconds.max(status.hops.load.waiting_seconds), HopName::Load),
        show(
            status
                .retention
                .map(|left| if left.left_seconds > 0 { format!("{} left", span(left.left_seconds)) } else { "over".to_owned() }),
        ),
        show(store.and_then(|store| store.pending).map(output::count)),
        show(files.map(|(files, bytes)| format!("{} ({})", output::count(files), output::bytes(bytes)))),
        show(
            status
                .target
                .as_ref()
                .and_then(|target| target.staged)
                .map(|staged| format!("{}-{} ({} rows)", staged.from, staged.to, output::count(staged.rows))),
        ),
        show(busy),
    ]
}

/// What a line has no room for, where something is to be done at once.
fn notes(status: &TableStatus) -> Vec<String> {
    let mut notes = Vec::new();
    let table = &status.table;
    notes.extend(status.target.iter().flat_map(TargetStatus::differences).map(|why| format!("{table} is {why}")));
    if let Some(stuck) = status.hops.stuck.as_ref().filter(|_| status.verdict == Verdict::Stuck) {
        notes.push(format!("{table} is stuck since {}: {}", stuck.since.strftime("%Y-%m-%d %H:%M:%SZ"), stuck.why));
    }
    if let Some(paused) = status.store.as_ref().and_then(|store| store.control.as_ref()?.paused.as_ref()) {
        notes.push(format!("{table} is paused by {} since {}: {}", paused.by, paused.since.strftime("%Y-%m-%d %H:%M:%SZ"), paused.why));
    }
    if status.verdict <= Verdict::Stuck {
        notes.extend(status.next.iter().map(|next| format!("{table} next: {}", output::advice(next))));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TableName;
    use crate::model::status::{Countdown, Hop, Hops, StoreStatus, Stuck, Systems};
    use jiff::Timestamp;

    fn status(name: &str, verdict: Verdict, lag: i64) -> TableStatus {
        let hop = |lag| Hop { lag_seconds: Some(lag), waiting_seconds: None };
        TableStatus {
            table: TableName::new("dbo", name),
            verdict,
            hops: Hops { capture: hop(5), extract: hop(lag), load: hop(0), stuck: None },
            retention: Some(Countdown { retention_seconds: 259_200, used_seconds: lag, left_seconds: 259_200 - lag, warn: false }),
            source: None,
            store: Some(StoreStatus { pending: Some(0), ..StoreStatus::default() }),
            target: None,
            next: Vec::new(),
        }
    }

    #[test]
    fn trouble_comes_first_and_the_rest_is_counted() {
        let mut tables: Vec<_> = (0..30).map(|number| status(&format!("quiet{number:02}"), Verdict::Current, 0)).collect();
        let mut late = status("late", Verdict::Lagging, 200_000);
        late.next = vec!["db-to-redshift sync --table 'dbo.late'".into()];
        let mut stuck = status("stuck", Verdict::Stuck, 7_500);
        stuck.hops.stuck = Some(Stuck { hop: HopName::Extract, since: Timestamp::UNIX_EPOCH, why: "changes wait".into() });
        tables.extend([status("soon", Verdict::Pending, 65), stuck, late]);
        let report = StatusReport {
            pipeline: "shop".into(),
            kind: ReportKind::Fleet,
            at: Timestamp::UNIX_EPOCH,
            systems: Systems::default(),
            tables,
            faults: Vec::new(),
        };
        insta::assert_snapshot!(text(&report));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<StatusReport>(&json).unwrap(), report, "the console reads what the command line writes");
    }
}
