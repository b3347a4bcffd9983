//! `prepare`, `extract`, `load` and `sync`: the jobs that write.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{Command, Global, Mode, Prepare};
use super::connect::LiveEngine;
use super::{exit, output, select, watch};
use crate::engine::event::{EventReceiver, Outcome, TableReport};
use crate::engine::prepare::{OpenMode, PrepareOptions};
use crate::model::control::RunTable;
use crate::model::fault::FaultDocument;
use crate::model::{Fault, TableName};

pub async fn run(global: &Global, command: &Command, (engine, events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let from = if matches!(command, Command::Load) { select::From::Store } else { select::From::Source };
    let tables = select::tables(&engine, &global.tables, from).await?;
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    // Noted at the beginning too: a run that dies is still seen.
    note_run(&engine, &[], None).await;
    let reports = work(&engine, command, &tables).await;
    note_run(&engine, &reports, Some(Timestamp::now())).await;
    watch::end(engine, shown).await;
    if global.json {
        output::line(json!({ "command": command.name(), "tables": reports.iter().map(report_json).collect::<Vec<_>>() }));
    } else if !global.events {
        print(&reports);
    }
    Ok(exit::worst(reports.iter().map(|report| report.outcome.as_ref().map_or_else(exit::of, |_| exit::DONE))))
}

async fn work(engine: &Arc<LiveEngine>, command: &Command, tables: &[TableName]) -> Vec<TableReport> {
    match command {
        Command::Prepare(options) => engine.prepare(tables, prepare_options(options)).await,
        Command::Extract => engine.extract(tables).await,
        Command::Load => engine.load(tables).await,
        _ => engine.sync(tables).await,
    }
}

fn prepare_options(options: &Prepare) -> PrepareOptions {
    let mode = match options.mode {
        Mode::Snapshot => OpenMode::Snapshot,
        Mode::Start => OpenMode::Start,
    };
    PrepareOptions { mode, new_epoch: options.new_epoch, trusted: options.trusted, replace: options.replace }
}

/// Who ran what, for `runs`.
pub async fn note_run<'a>(engine: &LiveEngine, reports: impl IntoIterator<Item = &'a TableReport>, finished: Option<Timestamp>) {
    let line = |report: &TableReport| {
        let (outcome, done) = match &report.outcome {
            Ok(outcome) => (outcome.as_str().to_owned(), *outcome),
            Err(fault) => (fault.code().to_owned(), Outcome::default()),
        };
        RunTable {
            table: report.table.clone(),
            outcome: format!("{} {outcome}", report.job.as_str()),
            fault: report.outcome.as_ref().err().map(FaultDocument::from),
            batches: done.batches,
            rows: done.rows,
        }
    };
    engine.note_run(reports.into_iter().map(line).collect(), finished).await;
}

pub fn report_json(report: &TableReport) -> Value {
    let mut document = json!({ "table": report.table, "job": report.job });
    match &report.outcome {
        Ok(outcome) => {
            document["outcome"] = json!(outcome.as_str());
            document["batches"] = json!(outcome.batches);
            document["rows"] = json!(outcome.rows);
        }
        Err(fault) => {
            document["outcome"] = json!("fault");
            document["fault"] = json!(fault);
        }
    }
    document
}

fn print(reports: &[TableReport]) {
    let mut rows = vec![["TABLE", "JOB", "OUTCOME", "BATCHES", "ROWS"].map(str::to_owned).to_vec()];
    for report in reports {
        let (outcome, batches, moved) = match &report.outcome {
            Ok(outcome) => (outcome.as_str(), output::count(outcome.batches), output::count(outcome.rows)),
            Err(fault) => (fault.code(), String::new(), String::new()),
        };
        rows.push(vec![report.table.to_string(), report.job.as_str().to_owned(), outcome.to_owned(), batches, moved]);
    }
    if reports.is_empty() {
        output::line("no tables: CDC tracks none that the configuration does not skip");
    } else {
        output::text(output::table(&rows));
    }
    print_faults(reports);
}

/// The faults behind a table of outcomes, in full.
pub fn print_faults<'a>(reports: impl IntoIterator<Item = &'a TableReport>) {
    for report in reports {
        if let Err(fault) = &report.outcome {
            output::line(format_args!("\n{}: {}", report.table, output::fault_text(fault).trim_end()));
        }
    }
}
