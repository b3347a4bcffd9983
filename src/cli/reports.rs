//! What the operator's commands share: one report for each table, as text or as JSON, noted with
//! who ordered it, and the exit code.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::args::Global;
use super::connect::LiveEngine;
use super::document::Document;
use super::{exit, output};
use crate::engine::operate::Report;
use crate::model::control::RunTable;
use crate::model::fault::FaultDocument;
use crate::model::{Fault, TableName};

/// How an order ended, table by table.
#[derive(Serialize, JsonSchema)]
pub struct Orders<'a, R> {
    /// As the user typed it.
    command: &'static str,
    /// In the order of their names.
    tables: Vec<OrderLine<'a, R>>,
}

/// How an order ended on one table.
#[derive(Serialize, JsonSchema)]
struct OrderLine<'a, R> {
    table: TableName,
    /// `done` or `fault`.
    #[schemars(extend("enum" = ["done", "fault"]))]
    outcome: &'static str,
    /// Absent after a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a R>,
    /// Absent unless the outcome is `fault`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a Fault>,
}

impl<'a, R> OrderLine<'a, R> {
    fn of(report: &'a Report<R>) -> Self {
        let (result, fault) = (report.outcome.as_ref().ok(), report.outcome.as_ref().err());
        Self { table: report.table.clone(), outcome: if fault.is_some() { "fault" } else { "done" }, result, fault }
    }
}

/// [`show`] for a command whose events are followed: with `--events` standard output holds nothing
/// else, and what is for a person goes to standard error.
pub fn show_beside_events<'a, R>(
    global: &Global,
    command: &'static str,
    reports: &'a [Report<R>],
    line: impl Fn(&Report<R>, &R) -> String,
) -> u8
where
    Orders<'a, R>: Document,
{
    if !global.events || global.json {
        return show(global, command, reports, line);
    }
    lines(reports, line).iter().for_each(output::talk);
    code(reports)
}

/// Prints reports and returns the exit code. `line` says in one line how a table ended.
pub fn show<'a, R>(global: &Global, command: &'static str, reports: &'a [Report<R>], line: impl Fn(&Report<R>, &R) -> String) -> u8
where
    Orders<'a, R>: Document,
{
    if global.json {
        output::document(&Orders { command, tables: reports.iter().map(OrderLine::of).collect() });
    } else {
        lines(reports, line).iter().for_each(output::line);
    }
    code(reports)
}

fn lines<R>(reports: &[Report<R>], line: impl Fn(&Report<R>, &R) -> String) -> Vec<String> {
    if reports.is_empty() {
        return vec!["no tables".to_owned()];
    }
    let told = |report: &Report<R>| match &report.outcome {
        Ok(result) => line(report, result),
        Err(fault) => format!("{}: {}", report.table, output::fault_text(fault).trim_end()),
    };
    reports.iter().map(told).collect()
}

fn code<R>(reports: &[Report<R>]) -> u8 {
    exit::worst(reports.iter().map(|report| report.outcome.as_ref().map_or_else(exit::of, |_| exit::DONE)))
}

/// Notes the orders that were carried out or failed, for `runs`.
pub async fn note<R>(engine: &LiveEngine, reports: &[Report<R>]) {
    let line = |report: &Report<R>| {
        let outcome = report.outcome.as_ref().map_or_else(Fault::code, |_| "done");
        RunTable {
            table: report.table.clone(),
            outcome: format!("{} {outcome}", engine.run.command),
            fault: report.outcome.as_ref().err().map(FaultDocument::from),
            batches: 0,
            rows: 0,
            order: None,
        }
    };
    engine.note_run(reports.iter().map(line).collect(), Some(Timestamp::now())).await;
}
