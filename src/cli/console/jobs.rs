//! Orders carried out: the engine's calls, and how they ended, table by table.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use crate::cli::connect::LiveEngine;
use crate::cli::{jobs as run_jobs, reports};
use crate::console::order::Order;
use crate::console::seam::{Id, Replies, Reply, TableEnd};
use crate::engine::event::{EventReceiver, TableReport};
use crate::engine::inspect::upkeep::Upkeep;
use crate::engine::inspect::verify::{Verdict, VerifyOptions};
use crate::engine::inspect::widen::WidenOptions;
use crate::engine::operate::{Report, SkipOrder, TakeOver};
use crate::engine::prepare::PrepareOptions;
use crate::model::fault::FaultDocument;
use crate::model::{Fault, TableName};
use crate::source::Source;

/// Between two looks at a job's progress.
const PROGRESS: Duration = Duration::from_millis(200);

/// Passes on what a job tells, until its engine is gone.
pub async fn tell(job: Id, mut receiver: EventReceiver, replies: Replies) {
    // Events never wait for the pace of progress: a full channel would hold the job up.
    let mut pace = tokio::time::interval(PROGRESS);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = receiver.events.recv() => match event {
                Some(event) => drop(replies.send(Reply::Event { job, event }).await),
                None => return,
            },
            _ = pace.tick() => {
                if receiver.progress.has_changed().unwrap_or(false) {
                    let progress = receiver.progress.borrow_and_update().clone();
                    drop(replies.send(Reply::Progress { job, progress }).await);
                }
            }
        }
    }
}

/// Carries an order out and notes it for `runs`.
pub async fn run(engine: Arc<LiveEngine>, order: &Order, tables: &[TableName]) -> Vec<TableEnd> {
    match order {
        Order::Extract | Order::Load | Order::Sync | Order::Prepare { .. } | Order::Retry => moved(&engine, order, tables).await,
        Order::Widen { column, to } => widened(&engine, tables, column.clone(), *to).await,
        Order::Pause { why } => ordered(&engine, engine.pause(tables, why).await).await,
        Order::Resume => ordered(&engine, engine.resume(tables).await).await,
        Order::Recover => ordered(&engine, engine.recover(tables).await).await,
        Order::TakeOver => {
            let order = TakeOver { confirm: true, force: None };
            ordered(&engine, engine.take_over(tables, &order).await).await
        }
        Order::Release => ordered(&engine, engine.release_leases(tables).await).await,
        Order::Skip { batch, why } => skipped(&engine, tables, *batch, why).await,
        Order::Verify => verified(&engine, tables).await,
        Order::TruncateStaging => kept_up(&engine, tables, &Upkeep::TruncateStaging).await,
        Order::Analyze => kept_up(&engine, tables, &Upkeep::Analyze).await,
        Order::Vacuum => kept_up(&engine, tables, &Upkeep::Vacuum).await,
        Order::Enable { role } => enabled(&engine, tables, role.as_deref()).await,
    }
}

async fn moved(engine: &Arc<LiveEngine>, order: &Order, tables: &[TableName]) -> Vec<TableEnd> {
    // Noted at the beginning too: a run that dies is still seen.
    run_jobs::note_run(engine, &[], None).await;
    let reports = match order {
        Order::Extract => engine.extract(tables).await,
        Order::Load => engine.load(tables).await,
        Order::Prepare { new_epoch } => engine.prepare(tables, PrepareOptions { new_epoch: *new_epoch, ..PrepareOptions::default() }).await,
        Order::Retry => match engine.retry(tables).await {
            Ok(retried) => retried.again.into_iter().map(|(_, report)| report).collect(),
            Err(fault) => return tables.iter().map(|table| end(table, "retry", Err(&fault))).collect(),
        },
        _ => engine.sync(tables).await,
    };
    run_jobs::note_run(engine, &reports, Some(Timestamp::now())).await;
    reports.iter().map(end_of).collect()
}

fn end_of(report: &TableReport) -> TableEnd {
    match &report.outcome {
        Ok(outcome) => TableEnd {
            table: report.table.clone(),
            outcome: outcome.as_str().to_owned(),
            batches: outcome.batches,
            rows: outcome.rows,
            fault: None,
        },
        Err(fault) => end(&report.table, report.job.as_str(), Err(fault)),
    }
}

fn end(table: &TableName, job: &str, outcome: Result<String, &Fault>) -> TableEnd {
    let (text, fault) = match outcome {
        Ok(text) => (text, None),
        Err(fault) => (format!("{job} {}", fault.code()), Some(FaultDocument::from(fault))),
    };
    TableEnd { table: table.clone(), outcome: text, batches: 0, rows: 0, fault }
}

async fn ordered<R>(engine: &LiveEngine, reports: Vec<Report<R>>) -> Vec<TableEnd> {
    reports::note(engine, &reports).await;
    let line = |report: &Report<R>| {
        let outcome = report.outcome.as_ref().map(|_| "done".to_owned());
        end(&report.table, &engine.run.command, outcome)
    };
    reports.iter().map(line).collect()
}

/// The column first, then what was refused for its sake.
async fn widened(engine: &Arc<LiveEngine>, tables: &[TableName], column: Option<String>, to: Option<u32>) -> Vec<TableEnd> {
    let mut ends = Vec::new();
    for table in tables {
        let options = WidenOptions { column: column.clone(), to, confirm: true };
        match engine.widen(table, &options).await {
            Ok(_) => ends.extend(moved(engine, &Order::Load, std::slice::from_ref(table)).await),
            Err(fault) => ends.push(end(table, "widen", Err(&fault))),
        }
    }
    ends
}

async fn skipped(engine: &LiveEngine, tables: &[TableName], batch: Option<u64>, why: &str) -> Vec<TableEnd> {
    let mut reports = Vec::new();
    for table in tables {
        let order = SkipOrder { table: table.clone(), batch, why: why.to_owned(), confirm: Some(table.to_string()) };
        reports.push(Report { table: table.clone(), outcome: engine.skip(&order).await });
    }
    ordered(engine, reports).await
}

async fn verified(engine: &LiveEngine, tables: &[TableName]) -> Vec<TableEnd> {
    let mut ends = Vec::new();
    for table in tables {
        let report = engine.verify(table, &VerifyOptions::default()).await;
        let outcome = report.as_ref().map(|report| match report.verdict {
            Verdict::Equal => "equal".to_owned(),
            Verdict::Different => {
                format!("DIFFERENT: {} missing, {} extra, {} different", report.missing, report.extra + report.duplicate, report.different)
            }
            Verdict::Unsettled => "not decided: capture lags behind".to_owned(),
        });
        ends.push(end(table, "verify", outcome));
    }
    ends
}

/// One after the other: a cluster runs one VACUUM at a time.
async fn kept_up(engine: &LiveEngine, tables: &[TableName], what: &Upkeep) -> Vec<TableEnd> {
    let mut ends = Vec::new();
    for table in tables {
        let report = engine.upkeep(table, what).await;
        ends.push(end(table, "maintain", report.as_ref().map(|report| report.did.clone())));
    }
    ends
}

async fn enabled(engine: &LiveEngine, tables: &[TableName], role: Option<&str>) -> Vec<TableEnd> {
    if let Err(fault) = engine.source.enable_database().await {
        let whole = [TableName::new("", "database")];
        let named = if tables.is_empty() { &whole } else { tables };
        return named.iter().map(|table| end(table, "enable", Err(&fault))).collect();
    }
    let mut reports = Vec::new();
    for table in tables {
        reports.push(Report { table: table.clone(), outcome: engine.source.enable_table(table, role).await });
    }
    ordered(engine, reports).await
}
