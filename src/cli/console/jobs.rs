//! Orders carried out: the engine's calls, and how they ended, table by table.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use crate::cli::connect::LiveEngine;
use crate::cli::{jobs as run_jobs, reports};
use crate::console::order::Order;
use crate::console::seam::{EndKind, Id, Replies, Reply, TableEnd};
use crate::engine::event::{EventReceiver, Outcome, TableReport};
use crate::engine::inspect::upkeep::Upkeep;
use crate::engine::inspect::verify::{Verdict, VerifyOptions};
use crate::engine::inspect::widen::WidenOptions;
use crate::engine::operate::{
    Accepted, Freed, PauseChange, RecaptureOrder, Recaptured, Recovered, Report, Resumed, SkipOrder, Skipped, TakeOver,
};
use crate::engine::prepare::PrepareOptions;
use crate::model::fault::FaultDocument;
use crate::model::words::count;
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
                    // A screen that is behind gets a later one: nobody waits for it.
                    drop(replies.try_send(Reply::Progress { job, progress }));
                }
            }
        }
    }
}

/// Carries an order out and notes it for `runs`.
pub async fn run(engine: Arc<LiveEngine>, order: &Order, tables: &[TableName]) -> Vec<TableEnd> {
    match order {
        Order::Extract | Order::Load | Order::Sync | Order::Prepare { .. } | Order::Retry { .. } => moved(&engine, order, tables).await,
        Order::Widen { column, to } => widened(&engine, tables, column.clone(), *to).await,
        Order::Pause { why } => {
            let told = |paused: &PauseChange| if paused.changed { done() } else { nothing("paused already") };
            ordered(&engine, engine.pause(tables, why).await, told).await
        }
        Order::Resume => {
            let told = |resumed: &Resumed| if resumed.was.is_some() { done() } else { nothing("was not paused") };
            ordered(&engine, engine.resume(tables).await, told).await
        }
        Order::Recover => ordered(&engine, engine.recover(tables).await, recovered).await,
        Order::TakeOver => {
            let order = TakeOver { confirm: true, force: None };
            ordered(&engine, engine.take_over(tables, &order).await, freed).await
        }
        Order::AcceptSchema => {
            let told = |accepted: &Accepted| if accepted.batch.is_some() { done() } else { nothing("no change to accept") };
            ordered(&engine, engine.accept(tables, true).await, told).await
        }
        Order::Recapture => {
            let order = RecaptureOrder { without: Vec::new(), confirm: true };
            let told = |recaptured: &Recaptured| match &recaptured.made {
                Some(made) => told(EndKind::Well, format!("made {made}; a new snapshot goes over to it")),
                None => nothing("every column is captured"),
            };
            ordered(&engine, engine.recapture(tables, &order).await, told).await
        }
        Order::Release => ordered(&engine, engine.release_leases(tables).await, freed).await,
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
    let mut idle = Vec::new();
    let reports = match order {
        Order::Extract => engine.extract(tables).await,
        Order::Load => engine.load(tables).await,
        Order::Prepare { new_epoch } => engine.prepare(tables, PrepareOptions { new_epoch: *new_epoch, ..PrepareOptions::default() }).await,
        Order::Retry { repeat } => match engine.retry(tables, *repeat).await {
            Ok(retried) => {
                idle = retried.nothing_failed;
                retried.again.into_iter().map(|(_, report)| report).collect()
            }
            Err(fault) => return tables.iter().map(|table| end(table, "retry", Err(&fault))).collect(),
        },
        _ => engine.sync(tables).await,
    };
    run_jobs::note_run(engine, &reports, Some(Timestamp::now())).await;
    let idle = idle.into_iter().map(|table| TableEnd::new(table, None, EndKind::Nothing, "nothing failed"));
    reports.iter().map(end_of).chain(idle).collect()
}

fn end_of(report: &TableReport) -> TableEnd {
    match &report.outcome {
        Ok(outcome) => {
            TableEnd::new(report.table.clone(), Some(report.job), kind(*outcome), outcome.as_str()).moved(outcome.batches, outcome.rows)
        }
        Err(fault) => end(&report.table, report.job.as_str(), Err(fault)),
    }
}

fn kind(outcome: Outcome) -> EndKind {
    match outcome {
        Outcome { paused: true, .. } | Outcome { batches: 0, capture_down: true, .. } => EndKind::Attention,
        Outcome { batches: 0, .. } => EndKind::Nothing,
        _ => EndKind::Well,
    }
}

/// How an order ended that met no fault.
struct Told {
    kind: EndKind,
    outcome: String,
    left: Vec<String>,
}

fn told(kind: EndKind, outcome: impl Into<String>) -> Told {
    Told { kind, outcome: outcome.into(), left: Vec::new() }
}

fn done() -> Told {
    told(EndKind::Well, "done")
}

fn nothing(outcome: &str) -> Told {
    told(EndKind::Nothing, outcome)
}

fn recovered(recovered: &Recovered) -> Told {
    let did = recovered.did.join(", ");
    let kind = match (recovered.left.is_empty(), did.is_empty()) {
        (false, _) => EndKind::Attention,
        (true, true) => EndKind::Nothing,
        (true, false) => EndKind::Well,
    };
    let outcome = match (kind, did.is_empty()) {
        (EndKind::Attention, true) => "not all is in order".to_owned(),
        (_, true) => "nothing to put in order".to_owned(),
        _ => did,
    };
    Told { left: recovered.left.clone(), ..told(kind, outcome) }
}

fn freed(freed: &Freed) -> Told {
    if freed.leases.is_empty() { nothing("no lease was held") } else { done() }
}

fn end(table: &TableName, job: &str, outcome: Result<Told, &Fault>) -> TableEnd {
    match outcome {
        Ok(Told { kind, outcome, left }) => TableEnd { left, ..TableEnd::new(table.clone(), None, kind, outcome) },
        Err(fault) => TableEnd::of_fault(table.clone(), job, FaultDocument::from(fault)),
    }
}

/// An order that a fault stopped before its first table; of none it is the database's.
pub fn refused(order: &Order, tables: &[TableName], fault: &Fault) -> Vec<TableEnd> {
    let whole = [TableName::new("", "database")];
    let named = if tables.is_empty() { &whole } else { tables };
    named.iter().map(|table| end(table, order.command(), Err(fault))).collect()
}

async fn ordered<R>(engine: &LiveEngine, reports: Vec<Report<R>>, told: impl Fn(&R) -> Told) -> Vec<TableEnd> {
    reports::note(engine, &reports).await;
    let line = |report: &Report<R>| end(&report.table, &engine.run.command, report.outcome.as_ref().map(&told));
    reports.iter().map(line).collect()
}

/// The column first, then what was refused for its sake.
async fn widened(engine: &Arc<LiveEngine>, tables: &[TableName], column: Option<String>, to: Option<u32>) -> Vec<TableEnd> {
    let mut ends = Vec::new();
    for table in tables {
        let options = WidenOptions { column: column.clone(), to, confirm: true };
        match engine.widen(table, &options).await {
            Ok(report) => {
                // A load that finds nothing after it does not make it nothing.
                let kind = if report.statements.is_empty() { EndKind::Nothing } else { EndKind::Well };
                let holds = || format!("{} holds {} bytes", report.column, report.to);
                let outcome = report.nothing_too_long().unwrap_or_else(holds);
                ends.push(TableEnd::new(table.clone(), None, kind, outcome));
                ends.extend(moved(engine, &Order::Load, std::slice::from_ref(table)).await);
            }
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
    let told = |skipped: &Option<Skipped>| match skipped {
        Some(skipped) => told(EndKind::Well, format!("batch {} left out: {} rows", skipped.batch, count(skipped.rows))),
        None => nothing("nothing waits: nothing was left out"),
    };
    ordered(engine, reports, told).await
}

async fn verified(engine: &LiveEngine, tables: &[TableName]) -> Vec<TableEnd> {
    let mut ends = Vec::new();
    for table in tables {
        let report = engine.verify(table, &VerifyOptions::default()).await;
        let outcome = report.as_ref().map(|report| match report.verdict {
            Verdict::Equal => told(EndKind::Well, "equal"),
            Verdict::Different => told(
                EndKind::Attention,
                format!("DIFFERENT: {} missing, {} extra, {} different", report.missing, report.extra + report.duplicate, report.different),
            ),
            Verdict::Unsettled => told(EndKind::Attention, "not decided: capture lags behind"),
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
        ends.push(end(table, "maintain", report.as_ref().map(|report| told(EndKind::Well, &report.did))));
    }
    ends
}

async fn enabled(engine: &LiveEngine, tables: &[TableName], role: Option<&str>) -> Vec<TableEnd> {
    if let Err(fault) = engine.source.enable_database().await {
        return refused(&Order::Enable { role: role.map(str::to_owned) }, tables, &fault);
    }
    let mut reports = Vec::new();
    for table in tables {
        reports.push(Report { table: table.clone(), outcome: engine.source.enable_table(table, role).await });
    }
    ordered(engine, reports, |()| done()).await
}
