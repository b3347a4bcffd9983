//! What an order would do, looked up before the sheet is answered. Reads only.

use std::sync::Arc;

use futures::StreamExt;

use super::looks;
use super::worker::Link;
use crate::cli::connect::LiveEngine;
use crate::console::order::Order;
use crate::console::seam::Plan;
use crate::engine::event::Job;
use crate::engine::inspect::waiting::{Records, Waiting};
use crate::engine::inspect::widen::WidenOptions;
use crate::engine::operate::{FailedStep, RecaptureOrder, Report, came_later};
use crate::model::fault::operate::CONFIRM;
use crate::model::order::Repeat;
use crate::model::words::{ago, bytes, count};
use crate::model::{Fault, TableName};
use crate::target::Target;

/// Batches that are looked at for the size of a load.
const BATCHES: usize = 200;
/// Tables that are looked at one by one, and named.
const TABLES: usize = 50;
/// Tables that are looked at at once.
const AT_ONCE: usize = 16;

pub async fn plan(link: &Link, order: &Order, tables: &[TableName]) -> Result<Plan, Fault> {
    let engine = &link.engine;
    if let Order::Retry { repeat } = order {
        return retry(engine, tables, *repeat).await;
    }
    let [table] = tables else { return many(link, order, tables).await };
    match order {
        Order::Load => load(link, table).await,
        Order::Extract => extract(engine, table).await,
        Order::Sync => {
            let mut plan = load(link, table).await?;
            let extract = extract(engine, table).await?;
            plan.facts.extend(extract.facts);
            plan.warnings.extend(extract.warnings);
            Ok(plan)
        }
        Order::Widen { column, to } => widen(engine, table, column.clone(), *to).await,
        Order::Skip { .. } => skip(engine, table).await,
        Order::Prepare { new_epoch } => prepare(engine, table, *new_epoch).await,
        Order::TakeOver | Order::Release => leases(engine, tables).await,
        Order::AcceptSchema => would(engine.accept(tables, false).await, "No change of the columns waits to be accepted."),
        Order::Recapture => {
            would(engine.recapture(tables, &RecaptureOrder::default()).await, "The newest capture instance has every column that it could.")
        }
        Order::Enable { role } => Ok(enable(tables, role.as_deref())),
        _ => Ok(Plan::default()),
    }
}

/// What an order says that was not confirmed; `nothing` where it would not do anything.
fn would<R>(reports: Vec<Report<R>>, nothing: &str) -> Result<Plan, Fault> {
    let mut plan = Plan::default();
    for report in reports {
        match report.outcome {
            Ok(_) => plan.warnings.push(nothing.into()),
            Err(fault) if fault.is(&CONFIRM) => plan.facts.extend(fault.facts().iter().cloned()),
            Err(fault) => return Err(fault),
        }
    }
    Ok(plan)
}

/// Of many tables the sheet tells what the list knows; statements only where they are the same.
async fn many(link: &Link, order: &Order, tables: &[TableName]) -> Result<Plan, Fault> {
    let engine = &link.engine;
    match order {
        Order::Load | Order::Sync => Ok(replaced(link, tables).await),
        Order::TakeOver | Order::Release => leases(engine, tables).await,
        Order::Enable { role } => Ok(enable(tables, role.as_deref())),
        Order::Prepare { new_epoch: true } => {
            let warnings = vec!["Every row of production of these tables is replaced by a new snapshot.".into()];
            Ok(Plan { warnings, ..Plan::default() })
        }
        _ => Ok(Plan::default()),
    }
}

fn fact(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// The steps that failed, and which of them the retry would run.
async fn retry(engine: &Arc<LiveEngine>, tables: &[TableName], repeat: Repeat) -> Result<Plan, Fault> {
    let mut plan = Plan::default();
    for FailedStep { table, job, why, order } in engine.to_retry(tables).await? {
        if job != Job::Prepare {
            plan.facts.push(fact(job.as_str(), format!("{table}, which failed with {why}")));
            continue;
        }
        let command = order.map(|order| order.command(&table));
        match (order, &command) {
            (Some(order), Some(command)) if repeat.takes(order) => {
                plan.facts.push(fact(job.as_str(), format!("{command}, which failed with {why}")));
                if order.new_epoch {
                    plan.warnings.push(format!("{table}: the load after it replaces every row of production by the new snapshot."));
                }
            }
            _ => {
                let by_hand = command.as_deref().unwrap_or("a prepare whose options are not known");
                plan.warnings.push(format!("{table}: {by_hand} ({why}) is left for you: this retry does not give it again."));
            }
        }
    }
    if plan.facts.is_empty() {
        plan.facts.push(fact("retry", "no step would run"));
    }
    Ok(plan)
}

/// Of several tables: where the next load replaces production as a whole.
async fn replaced(link: &Link, tables: &[TableName]) -> Plan {
    if tables.len() > TABLES {
        let text = "Where a snapshot waits, the load replaces every row of production: the sheet of a single table tells.";
        return Plan { warnings: vec![text.into()], ..Plan::default() };
    }
    let said = looks::said(link).await;
    let said = &said;
    // A table that cannot be looked at is the load's to tell.
    let looked = futures::stream::iter(tables.iter().cloned()).map(|table| async move {
        let waiting = link.engine.waiting(&table, 1, Some(said)).await;
        matches!(waiting, Ok(Waiting::Records(Records { snapshot: true, .. }))).then_some(table)
    });
    let snapshots: Vec<TableName> = looked.buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
    let warning = |table: &TableName| format!("{table}: a snapshot waits: every row of production is replaced.");
    let mut plan = Plan { warnings: snapshots.iter().map(warning).collect(), ..Plan::default() };
    if let Err(fault) = &said.answer {
        plan.warnings.push(format!("What waits is not known. {}: {}", fault.code(), fault.what()));
    }
    plan
}

async fn load(link: &Link, table: &TableName) -> Result<Plan, Fault> {
    let said = looks::said(link).await;
    let mut plan = Plan::default();
    let records = match Box::pin(link.engine.waiting(table, BATCHES, Some(&said))).await? {
        Waiting::Records(records) => records,
        Waiting::Nothing => {
            plan.facts.push(fact("load", "nothing waits in S3"));
            return Ok(plan);
        }
        Waiting::Unknown(fault) => {
            plan.facts.push(fact("load", "not known: Redshift does not tell what production holds"));
            plan.warnings.extend(fault.map(|fault| format!("{}: {}", fault.code, fault.what)));
            return Ok(plan);
        }
    };
    let names = link.engine.target.names(table);
    let Records { epoch, from, to, .. } = records;
    let least = if records.complete { "" } else { "at least " };
    let lsn_from = records.lsn_from.map_or_else(|| "the beginning".to_owned(), |lsn| lsn.to_string());
    let sql = if records.snapshot {
        plan.warnings.push("Batch 0 is a snapshot: every row of production is deleted, and the snapshot is inserted.".into());
        "DELETE of every row of production and COPY of the snapshot, in one transaction; then the batches after it"
    } else {
        "COPY into staging; DELETE and INSERT in production, in one transaction"
    };
    plan.facts.extend([
        fact(
            "load",
            format!(
                "batches {from} to {to} of epoch {epoch}: {least}{} rows, {} files, {}",
                count(records.rows),
                count(records.files),
                bytes(records.bytes)
            ),
        ),
        fact("LSN", format!("{lsn_from} to {}", records.lsn_to)),
        fact("staging", names.staging),
        fact("target", names.production),
        fact("SQL", sql),
        fact("as of", format!("what Redshift said {}", ago(said.at, jiff::Timestamp::now()))),
    ]);
    Ok(plan)
}

async fn extract(engine: &Arc<LiveEngine>, table: &TableName) -> Result<Plan, Fault> {
    let report = engine.status(std::slice::from_ref(table)).await;
    let mut plan = Plan::default();
    let Some(status) = report.tables.first() else { return Ok(plan) };
    let from = status.store.as_ref().and_then(|store| store.head_lsn).map(|lsn| lsn.next().to_string());
    let to = status.source.as_ref().and_then(|source| source.max_lsn).map(|lsn| lsn.to_string());
    let waits = match status.source.as_ref().and_then(|source| source.waiting) {
        Some(true) => "changes wait",
        Some(false) => "no change waits; an empty batch may be written",
        None => "it is not known whether changes wait",
    };
    plan.facts.push(fact("extract", waits));
    if let (Some(from), Some(to)) = (from, to) {
        plan.facts.push(fact("LSN", format!("{from} to {to}, or to what is captured then")));
    }
    plan.facts.push(fact("SQL", "SELECT from the change table in SQL Server, nothing else there"));
    plan.warnings.extend(report.faults.iter().map(|fault| format!("{}: {}", fault.fault.code, fault.fault.what)));
    Ok(plan)
}

async fn widen(engine: &Arc<LiveEngine>, table: &TableName, column: Option<String>, to: Option<u32>) -> Result<Plan, Fault> {
    let report = engine.widen(table, &WidenOptions { column, to, confirm: false }).await?;
    if let Some(nothing) = report.nothing_too_long() {
        return Ok(Plan { warnings: vec![nothing], ..Plan::default() });
    }
    let mut plan = Plan {
        facts: vec![
            fact("column", format!("{}: {} becomes {} bytes wide", report.column, report.production, report.to)),
            fact("then", "loads again what was refused"),
        ],
        order: Some(Order::Widen { column: Some(report.column), to: Some(report.to) }),
        ..Plan::default()
    };
    if report.statements.is_empty() {
        plan.warnings.push("Production and staging are wide enough already: only the load runs.".into());
    }
    plan.sql = report.statements;
    Ok(plan)
}

async fn skip(engine: &Arc<LiveEngine>, table: &TableName) -> Result<Plan, Fault> {
    let Some(next) = engine.skip_plan(table).await? else {
        return Ok(Plan { warnings: vec!["Nothing waits to be loaded, so there is nothing to skip.".into()], ..Plan::default() });
    };
    let from = next.lsn_from.map_or_else(|| "the beginning".to_owned(), |lsn| lsn.to_string());
    Ok(Plan {
        facts: vec![
            fact("batch", format!("{} of epoch {}", next.batch, next.epoch)),
            fact("rows", format!("{} upserts and {} deletes would be missing", count(next.upserts), count(next.deletes))),
            fact("LSN", format!("{from} to {}", next.lsn_to)),
        ],
        warnings: vec!["The table counts as diverged until a verify finds it equal, or a new snapshot replaces it.".into()],
        order: Some(Order::Skip { batch: Some(next.batch), why: String::new() }),
        ..Plan::default()
    })
}

async fn prepare(engine: &Arc<LiveEngine>, table: &TableName, new_epoch: bool) -> Result<Plan, Fault> {
    let names = engine.target.names(table);
    let mut plan = Plan { facts: vec![fact("target", names.production), fact("staging", names.staging)], ..Plan::default() };
    if let Some(Ok(facts)) = engine.describe(std::slice::from_ref(table)).await?.into_iter().next()
        && let Some(instance) = facts.instances.first()
    {
        plan.facts.push(fact("capture instance", &instance.identity.instance));
        plan.warnings.extend(came_later(table, instance, &engine.later_columns(instance).await?));
    }
    if new_epoch {
        match engine.target.production_rows(table).await? {
            Some(rows) => {
                plan.facts.push(fact("production", format!("{} rows, all replaced by the next load", count(rows))));
                plan.warnings.push("Until that load ends, production stays as it is.".into());
            }
            None => plan.facts.push(fact("production", "does not exist: it is made anew, and filled by the next load")),
        }
    }
    Ok(plan)
}

async fn leases(engine: &Arc<LiveEngine>, tables: &[TableName]) -> Result<Plan, Fault> {
    let now = jiff::Timestamp::now();
    let mut plan = Plan::default();
    for report in engine.leases(tables).await {
        for lease in report.outcome? {
            let holder = &lease.holder;
            let ended = if lease.holder_has_ended { ", its process has ended" } else { "" };
            let text = format!("{} by {}@{}, renewed {}{ended}", lease.kind.as_str(), holder.user, holder.host, ago(lease.beat_at, now));
            plan.facts.push(fact(&report.table.to_string(), text));
        }
    }
    if plan.facts.is_empty() {
        plan.facts.push(fact("leases", "nobody holds one"));
    }
    Ok(plan)
}

fn enable(tables: &[TableName], role: Option<&str>) -> Plan {
    let mut sql = vec![super::setup::ENABLE_DATABASE.to_owned()];
    sql.extend(tables.iter().map(|table| super::setup::enable_table(table, role)));
    Plan {
        facts: vec![fact("needs", "sysadmin for the database (on Amazon RDS msdb.dbo.rds_cdc_enable_db), db_owner for a table")],
        sql,
        warnings: vec!["Capture reads the log and writes change tables: it costs the source some work and room.".into()],
        order: None,
    }
}
