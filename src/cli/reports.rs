//! What the operator's commands share: one report for each table, as text or as JSON, noted with
//! who ordered it, and the exit code.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, output};
use crate::engine::operate::Report;
use crate::model::Fault;
use crate::model::control::RunTable;
use crate::model::fault::FaultDocument;

/// Prints reports and returns the exit code. `line` says in one line how a table ended.
pub fn show<R: Serialize>(global: &Global, command: &str, reports: &[Report<R>], line: impl Fn(&Report<R>, &R) -> String) -> u8 {
    if global.json {
        output::line(json!({ "command": command, "tables": reports.iter().map(document).collect::<Vec<_>>() }));
    } else if reports.is_empty() {
        output::line("no tables");
    } else {
        for report in reports {
            match &report.outcome {
                Ok(result) => output::line(line(report, result)),
                Err(fault) => output::line(format_args!("{}: {}", report.table, output::fault_text(fault).trim_end())),
            }
        }
    }
    exit::worst(reports.iter().map(|report| report.outcome.as_ref().map_or_else(exit::of, |_| exit::DONE)))
}

fn document<R: Serialize>(report: &Report<R>) -> Value {
    match &report.outcome {
        Ok(result) => json!({ "table": report.table, "outcome": "done", "result": result }),
        Err(fault) => json!({ "table": report.table, "outcome": "fault", "fault": fault }),
    }
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
        }
    };
    engine.note_run(reports.iter().map(line).collect(), Some(Timestamp::now())).await;
}
