//! `verify`: is production equal to the source?

use std::sync::Arc;
use std::time::Duration;

use super::args::{Global, Verify};
use super::connect::LiveEngine;
use super::document::Reports;
use super::{exit, output, select, watch};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::verify::{Verdict, VerifyOptions, VerifyReport, Wrong};
use crate::model::{Fault, TableName};

pub async fn run(global: &Global, verify: &Verify, (engine, events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let tables = select::tables(&engine, &global.tables, select::From::Store).await?;
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    let Verify { show_keys, show_values, most, settle } = *verify;
    let options = VerifyOptions { show_keys, show_values, most, settle: Duration::from_secs(settle), ..VerifyOptions::default() };
    let mut reports: Vec<(TableName, Result<VerifyReport, Fault>)> = Vec::new();
    for table in tables {
        let report = engine.verify(&table, &options).await.map_err(|fault| fault.about(&table));
        reports.push((table, report));
    }
    // The last sender goes with the engine.
    drop(engine);
    if let Err(error) = shown.await {
        tracing::warn!(%error, "the progress display ended early");
    }
    // With events too every line of standard output is a document.
    if global.json || global.events {
        output::document(&Reports::new("verify", &reports));
    } else {
        print(&reports);
    }
    Ok(exit::worst(reports.iter().map(|(_, report)| match report {
        Err(fault) => exit::of(fault),
        Ok(report) => match report.verdict {
            Verdict::Equal => exit::DONE,
            Verdict::Different => exit::HUMAN,
            Verdict::Unsettled => exit::FAILED,
        },
    })))
}

fn print(reports: &[(TableName, Result<VerifyReport, Fault>)]) {
    let head = ["TABLE", "VERDICT", "SOURCE", "PRODUCTION", "MISSING", "EXTRA", "DOUBLE", "DIFFERENT", "LEFT OUT", "APPLIED LSN"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (table, report) in reports {
        rows.push(match report {
            Err(fault) => vec![table.to_string(), fault.code().to_owned()],
            Ok(report) => {
                let verdict = match report.verdict {
                    Verdict::Equal => "equal",
                    Verdict::Different => "DIFFERENT",
                    Verdict::Unsettled => "not decided",
                };
                let mut line = vec![table.to_string(), verdict.to_owned()];
                let figures =
                    [report.source_rows, report.production_rows, report.missing, report.extra, report.duplicate, report.different];
                line.extend(figures.map(output::count));
                line.extend([output::count(report.left_out), report.applied_lsn.to_string()]);
                line
            }
        });
    }
    output::text(output::table(&rows));
    for (table, report) in reports {
        match report {
            Err(fault) => output::line(format_args!("\n{table}: {}", output::fault_text(fault).trim_end())),
            Ok(report) => details(table, report),
        }
    }
}

fn details(table: &TableName, report: &VerifyReport) {
    for (column, rows) in &report.columns {
        output::line(format_args!("{table}: column {column} differs in {} rows", output::count(*rows)));
    }
    if report.unexamined > 0 {
        output::line(format_args!(
            "{table}: {} more rows stand in buckets that differ and were not looked at",
            output::count(report.unexamined)
        ));
    }
    for key in &report.keys {
        let what = match key.what {
            Wrong::Missing => "missing in production",
            Wrong::Extra => "only in production",
            Wrong::Duplicate => "more than once in production",
            Wrong::Different => "different",
        };
        let columns = if key.columns.is_empty() { String::new() } else { format!(" in {}", key.columns.join(", ")) };
        output::line(format_args!("{table}: {what}{columns}: {}", output::row(&report.shape, &key.key)));
        for (side, row) in [("source", &key.source), ("production", &key.production)] {
            if let Some(row) = row {
                output::line(format_args!("    {side:10}  {}", output::row(&report.shape, row)));
            }
        }
    }
    for note in &report.notes {
        output::line(format_args!("{table}: {note}"));
    }
    if report.verdict == Verdict::Different {
        for next in [
            format!("db-to-redshift verify --table {table:#} --show-keys # names the keys"),
            format!("db-to-redshift prepare --new-epoch --table {table:#} # replaces production by a new snapshot"),
        ] {
            output::line(format_args!("Next: {}", output::advice(&next)));
        }
    }
}
