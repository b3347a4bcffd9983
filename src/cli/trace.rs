//! `trace`: the life of one key.

use std::sync::Arc;

use super::args::{Global, Trace};
use super::connect::LiveEngine;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::trace::{RecordTrace, TraceReport};
use crate::model::Fault;

pub async fn run(global: &Global, trace: &Trace, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let table = select::one(&engine, &global.tables, select::From::Store).await?;
    let report = engine.trace(&table, &trace.keys, trace.show_values).await?;
    if global.json {
        output::document(&report);
    } else {
        print(&report);
    }
    Ok(exit::DONE)
}

fn print(report: &TraceReport) {
    let names = &report.columns;
    output::line(format_args!("{}: change table from {} to {}", report.table, report.from, report.max));
    for change in &report.changes {
        let time = change.time.map_or_else(|| "time unknown".to_owned(), |time| time.to_string());
        output::line(format_args!("  {}  {time}  {:6}  touched: {}", change.lsn, change.operation, change.touched.join(", ")));
        if let Some(values) = &change.values {
            output::line(format_args!("      {}", output::row(names, values)));
        }
    }
    if report.changes.is_empty() {
        output::line(format_args!("  no version of the key"));
    }
    output::line(format_args!("source now: {}", if report.in_source { "one row" } else { "no row" }));
    if let Some(values) = &report.source {
        output::line(format_args!("  {}", output::row(names, values)));
    }
    output::line(format_args!("records in S3:"));
    report.records.iter().for_each(|record| print_record(record, names));
    output::line(format_args!("staging: {} rows; production: {} rows", report.staging_rows, report.production_rows));
    if let Some(rows) = &report.rows {
        for row in &rows.staging {
            output::line(format_args!(
                "  staging     seq {} order {} {}  {}",
                row.seq,
                row.order,
                row.operation,
                output::row(names, &row.values)
            ));
        }
        rows.production.iter().for_each(|row| output::line(format_args!("  production  {}", output::row(names, row))));
    }
    if let Some(state) = &report.state {
        let seq = state.applied_seq.map_or_else(|| "nothing".to_owned(), |seq| seq.to_string());
        let lsn = state.applied_lsn.map_or_else(String::new, |lsn| format!(", LSN {lsn}"));
        output::line(format_args!("state: epoch {}, applied up to {seq}{lsn}", state.epoch));
    }
    output::line(format_args!("production {} the source's row of now", if report.equal { "equals" } else { "DIFFERS from" }));
    report.notes.iter().for_each(|note| output::line(format_args!("note: {note}")));
}

fn print_record(record: &RecordTrace, names: &[String]) {
    let from = record.lsn_from.map_or_else(|| "the beginning".to_owned(), |lsn| lsn.to_string());
    let applied = match (record.skipped, record.applied) {
        (true, _) => "skipped",
        (_, true) => "applied",
        _ => "PENDING",
    };
    output::line(format_args!(
        "  epoch {} seq {}  {from} to {}  {} rows  {applied}",
        record.epoch,
        record.seq,
        record.lsn_to,
        output::count(record.rows)
    ));
    let Some(versions) = &record.versions else {
        output::line(format_args!("      {}", if record.skipped { "its files are gone" } else { "its files were deleted after the load" }));
        return;
    };
    for version in versions {
        let kept = if version.kept.is_empty() { String::new() } else { format!("  leaves alone: {}", version.kept.join(", ")) };
        output::line(format_args!("      {} line {}  order {}  {}{kept}", version.file, version.line, version.order, version.operation));
        if let Some(values) = &version.values {
            output::line(format_args!("      {}", output::row(names, values)));
        }
    }
}
