//! `check`: one line each, green or a fault with next actions.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Global;
use super::connect::LiveEngine;
use super::document::Document;
use super::{exit, output, select};
use crate::engine::check::{Finding, FindingDocument, Found};
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::model::fault::sync;

/// What was looked at, and what was found.
#[derive(Serialize, JsonSchema)]
pub struct Checked {
    /// The three systems first, then the tables.
    findings: Vec<FindingDocument>,
}

impl Checked {
    pub(super) fn new(findings: &[Finding]) -> Self {
        Self { findings: findings.iter().map(FindingDocument::from).collect() }
    }
}

impl Document for Checked {
    const NAME: &'static str = "check";
    const VERSION: u32 = 1;
}

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    // A source that cannot be reached is a line of the check, not its end.
    let tables = match select::tables(&engine, &global.tables, select::From::Source).await {
        Err(fault) if fault.is(&sync::NO_TABLE) => return Err(fault),
        Err(_) => select::tables(&engine, &global.tables, select::From::Tracked).await.unwrap_or_default(),
        Ok(tables) => tables,
    };
    let findings = engine.check(&tables).await;
    if global.json {
        output::document(&Checked::new(&findings));
    } else {
        findings.iter().for_each(print);
    }
    Ok(exit::worst(findings.iter().map(|finding| match &finding.result {
        Found::Fault(fault) => exit::of(fault),
        Found::Good(_) | Found::Warning(_) => exit::DONE,
    })))
}

fn print(finding: &Finding) {
    let Finding { area, what, result } = finding;
    match result {
        Found::Good(text) => output::line(format_args!("ok       {area}  {what}: {text}")),
        Found::Warning(text) => output::line(format_args!("warning  {area}  {what}: {text}")),
        Found::Fault(fault) => {
            output::line(format_args!("FAULT    {area}  {what}"));
            for line in output::fault_text(fault).lines() {
                output::line(format_args!("         {line}"));
            }
        }
    }
}
