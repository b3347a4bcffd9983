//! `prepare`, `extract`, `load` and `sync`: the jobs that write.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Command, Global, Mode, Prepare};
use super::connect::LiveEngine;
use super::document::Document;
use super::{exit, output, select, watch};
use crate::engine::event::{EventReceiver, Job, Outcome, TableReport};
use crate::engine::prepare::{OpenMode, PrepareOptions};
use crate::model::control::RunTable;
use crate::model::fault::FaultDocument;
use crate::model::{Fault, TableName};

/// How a run of jobs ended, table by table.
#[derive(Serialize, JsonSchema)]
pub struct JobsDone<'a> {
    /// As the user typed it.
    command: &'static str,
    /// A line a job and table: `sync` loads what waits, extracts, and loads again.
    tables: Vec<JobDone<'a>>,
}

/// How one job ended on one table.
#[derive(Serialize, JsonSchema)]
pub struct JobDone<'a> {
    table: TableName,
    job: Job,
    /// `done`; `nothing to do`; `paused`: an operator paused the table; `capture is down`: nothing
    /// was found, but SQL Server records nothing either; `fault`.
    #[schemars(extend("enum" = OUTCOMES))]
    outcome: &'static str,
    /// Batches that were moved; absent after a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    batches: Option<u64>,
    /// Rows of these batches; absent after a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// Absent unless the outcome is `fault`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a Fault>,
}

/// Every outcome that a job can have.
const OUTCOMES: [&str; 5] = ["done", "nothing to do", "paused", "capture is down", "fault"];

impl Document for JobsDone<'_> {
    const NAME: &'static str = "jobs";
    const VERSION: u32 = 1;
}

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
        output::document(&JobsDone { command: command.name(), tables: reports.iter().map(JobDone::of).collect() });
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
            order: report.order,
        }
    };
    engine.note_run(reports.into_iter().map(line).collect(), finished).await;
}

impl<'a> JobDone<'a> {
    pub fn of(report: &'a TableReport) -> Self {
        let done = report.outcome.as_ref().ok();
        Self {
            table: report.table.clone(),
            job: report.job,
            outcome: done.map_or("fault", Outcome::as_str),
            batches: done.map(|outcome| outcome.batches),
            rows: done.map(|outcome| outcome.rows),
            fault: report.outcome.as_ref().err(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_every_outcome() {
        let bools = [false, true];
        for (batches, paused, capture_down) in bools.iter().flat_map(|a| bools.iter().flat_map(move |b| [(0, *a, *b), (1, *a, *b)])) {
            let outcome = Outcome { batches, paused, capture_down, ..Outcome::default() };
            assert!(OUTCOMES.contains(&outcome.as_str()), "{outcome:?}");
        }
    }
}
