//! What an order would do, looked up before the sheet is answered. Reads only.

use std::sync::Arc;

use crate::cli::connect::LiveEngine;
use crate::console::order::Order;
use crate::console::seam::Plan;
use crate::engine::inspect::files::BatchState;
use crate::engine::inspect::widen::WidenOptions;
use crate::model::words::{ago, bytes, count};
use crate::model::{Fault, TableName};
use crate::target::Target;

/// Batches that are looked at for the size of a load.
const BATCHES: usize = 200;

pub async fn plan(engine: &Arc<LiveEngine>, order: &Order, tables: &[TableName]) -> Result<Plan, Fault> {
    let [table] = tables else { return many(engine, order, tables).await };
    match order {
        Order::Load => load(engine, table).await,
        Order::Extract => extract(engine, table).await,
        Order::Sync => {
            let mut plan = load(engine, table).await?;
            let extract = extract(engine, table).await?;
            plan.facts.extend(extract.facts);
            plan.warnings.extend(extract.warnings);
            Ok(plan)
        }
        Order::Widen { column, to } => widen(engine, table, column.clone(), *to).await,
        Order::Skip { .. } => skip(engine, table).await,
        Order::Prepare { new_epoch } => prepare(engine, table, *new_epoch).await,
        Order::TakeOver | Order::Release => leases(engine, tables).await,
        Order::Enable { role } => Ok(enable(tables, role.as_deref())),
        _ => Ok(Plan::default()),
    }
}

/// Of many tables the sheet tells what the list knows; statements only where they are the same.
async fn many(engine: &Arc<LiveEngine>, order: &Order, tables: &[TableName]) -> Result<Plan, Fault> {
    match order {
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

async fn load(engine: &Arc<LiveEngine>, table: &TableName) -> Result<Plan, Fault> {
    let files = Box::pin(engine.files(table, BATCHES, None)).await?;
    let waiting: Vec<_> = files.batches.iter().filter(|batch| matches!(batch.state, BatchState::Pending | BatchState::Staged)).collect();
    let names = engine.target.names(table);
    let mut plan = Plan::default();
    let (Some(newest), Some(oldest)) = (waiting.first(), waiting.last()) else {
        plan.facts.push(fact("load", "nothing waits in S3"));
        return Ok(plan);
    };
    let rows: u64 = waiting.iter().map(|batch| batch.rows).sum();
    let size: u64 = waiting.iter().flat_map(|batch| &batch.files).map(|file| file.bytes).sum();
    let parts: usize = waiting.iter().map(|batch| batch.files.len()).sum();
    let from = oldest.lsn_from.map_or_else(|| "the beginning".to_owned(), |lsn| lsn.to_string());
    plan.facts.extend([
        fact(
            "load",
            format!(
                "batches {} to {} of epoch {}: {} rows, {parts} files, {}",
                oldest.seq,
                newest.seq,
                files.epoch,
                count(rows),
                bytes(size)
            ),
        ),
        fact("LSN", format!("{from} to {}", newest.lsn_to)),
        fact("staging", names.staging),
        fact("target", names.production),
        fact("SQL", "COPY into staging; DELETE and INSERT in production, in one transaction"),
    ]);
    if let Some(fault) = files.target_fault {
        plan.warnings.push(format!("{}: {}", fault.code, fault.what));
    }
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
    if new_epoch {
        let (rows, _) = engine.target.row_counts(table).await?;
        plan.facts.push(fact("production", format!("{} rows, all replaced by the next load", count(rows))));
        plan.warnings.push("Until that load ends, production stays as it is.".into());
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
