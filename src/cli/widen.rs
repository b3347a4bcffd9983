//! `widen`: the repair of a column that is too narrow.

use std::sync::Arc;

use super::args::{Global, Widen};
use super::connect::LiveEngine;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::widen::WidenOptions;
use crate::model::Fault;
use crate::model::typed::shell;

pub async fn run(global: &Global, widen: &Widen, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let table = select::one(&engine, &global.tables, select::From::Store).await?;
    let options = WidenOptions { column: widen.column.clone(), to: widen.to, confirm: widen.confirm };
    let report = engine.widen(&table, &options).await?;
    if global.json {
        output::document(&report);
    } else if let Some(nothing) = report.nothing_too_long() {
        output::line(format_args!("{nothing}; --column names one all the same"));
    } else if report.statements.is_empty() {
        output::line(format_args!("{table}, column {}: {} is wide enough for {} bytes", report.column, report.production, report.to));
    } else {
        let verb = if report.done { "ran" } else { "would run" };
        report.statements.iter().for_each(|sql| output::line(format_args!("{verb}: {sql}")));
        if report.diverged {
            let next = output::advice(&format!("db-to-redshift verify --table {table:#}"));
            output::line(format_args!("the tables have other oids now: the table counts as diverged. Next: {next}"));
        }
        let next = if report.done {
            format!("db-to-redshift load --table {table:#}")
        } else {
            format!("db-to-redshift widen --table {table:#} --column {} --to {} --confirm", shell(&report.column), report.to)
        };
        output::line(format_args!("Next: {}", output::advice(&next)));
    }
    Ok(if report.diverged { exit::HUMAN } else { exit::DONE })
}
