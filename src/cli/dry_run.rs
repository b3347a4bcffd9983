//! `dry-run`: what the next load would do.

use std::sync::Arc;

use super::args::Global;
use super::connect::LiveEngine;
use super::document::Reports;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::dry_run::{DryRunReport, Place};
use crate::model::{Fault, TableName};

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Store).await?;
    let mut reports: Vec<(TableName, Result<DryRunReport, Fault>)> = Vec::new();
    for table in tables {
        let report = engine.dry_run(&table).await.map_err(|fault| fault.about(&table));
        reports.push((table, report));
    }
    if global.json {
        output::document(&Reports::new("dry-run", &reports));
    } else {
        for (table, report) in &reports {
            match report {
                Ok(report) => print(report),
                Err(fault) => output::line(format_args!("{table}: {}", output::fault_text(fault).trim_end())),
            }
        }
    }
    Ok(exit::worst(reports.iter().map(|(_, report)| match report {
        Ok(report) if report.has_trouble() => exit::HUMAN,
        Ok(_) => exit::DONE,
        Err(fault) => exit::of(fault),
    })))
}

fn place(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!("{} line {}", place.file, place.line))
}

fn print(report: &DryRunReport) {
    let table = &report.table;
    let stop = || {
        if let Some(fault) = &report.fault {
            output::line(format_args!("  TROUBLE  {fault}"));
        }
    };
    let (Some(from), Some(to)) = (report.from, report.to) else {
        output::line(format_args!("{table}: nothing to load; production holds {} rows", output::count(report.production_rows)));
        stop();
        return;
    };
    let count = output::count;
    output::line(format_args!(
        "{table}: records {from} to {to} of epoch {}, {} rows of {} keys",
        report.epoch,
        count(report.rows),
        count(report.keys)
    ));
    if report.snapshot {
        output::line(format_args!("  a snapshot replaces production"));
    }
    output::line(format_args!(
        "  deletes {} rows of {} in production, inserts {}",
        count(report.deletes),
        count(report.production_rows),
        count(report.inserts)
    ));
    output::line(format_args!("  {} keys have several rows: the last one counts", count(report.repeated_keys)));
    if report.duplicate_keys > 0 {
        output::line(format_args!("  TROUBLE  {} keys stand in production more than once", count(report.duplicate_keys)));
    }
    if report.null_keys > 0 {
        output::line(format_args!(
            "  TROUBLE  {} rows have a NULL in their key, first: {}",
            count(report.null_keys),
            place(report.first_null_key.as_ref())
        ));
    }
    if report.lost_kept > 0 {
        output::line(format_args!("  TROUBLE  {} untouched large values are found nowhere: NULL would be loaded", count(report.lost_kept)));
    }
    stop();
    if !report.complete {
        output::line(format_args!("  only the first {} keys were read: more is pending than a dry run remembers", count(report.keys)));
    }
    let mut rows = vec![["  COLUMN", "PRODUCTION", "LIMIT", "WIDEST", "TOO LONG", "WHERE"].map(str::to_owned).to_vec()];
    for column in &report.columns {
        let at = column.first_too_long.as_ref().or(column.widest_at.as_ref());
        rows.push(vec![
            format!("  {}", column.column),
            column.production.clone(),
            count(column.limit.into()),
            count(column.widest),
            count(column.too_long),
            place(at),
        ]);
    }
    if rows.len() > 1 {
        output::text(output::table(&rows));
    }
    for action in report.columns.iter().flat_map(|column| &column.next) {
        output::line(format_args!("Next: {}", output::advice(action)));
    }
}
