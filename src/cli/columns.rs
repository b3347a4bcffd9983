//! `columns`: what each source column becomes.

use std::sync::Arc;

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::columns::{ColumnMap, MappedColumn};
use crate::model::Fault;

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let table = select::one(&engine, &global.tables, select::From::Tracked).await?;
    let map = engine.columns(&table).await?;
    if global.json {
        output::document(&map);
    } else {
        print(&map);
    }
    Ok(match map.target_fault.is_some() || map.store_fault.is_some() {
        _ if !map.refusals.is_empty() => exit::HUMAN,
        true => exit::FAILED,
        false => exit::DONE,
    })
}

fn print(map: &ColumnMap) {
    output::line(format_args!("{}: capture instance {}, production {}", map.table, map.instance, map.production));
    let heading = ["  COLUMN", "SOURCE", "NULL", "KEY", "TARGET", "PRODUCTION", "STAGING", "NOTE"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(map.columns.iter().map(|column| {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            format!("  {}", column.name),
            text(&column.source_type),
            column.nullable.map_or("-", |nullable| if nullable { "yes" } else { "no" }).to_owned(),
            column.key.map_or_else(String::new, |key| key.to_string()),
            text(&column.target_type),
            text(&column.production),
            text(&column.staging),
            note(column),
        ]
    }));
    output::text(output::table(&rows));
    for column in &map.columns {
        column.warnings.iter().for_each(|why| output::line(format_args!("  {}: {why}", column.name)));
    }
    if !map.only_in_production.is_empty() {
        output::line(format_args!("  only in production: {}", map.only_in_production.join(", ")));
    }
    for fault in map.refusals.iter().chain(&map.store_fault).chain(&map.target_fault) {
        output::line(format_args!("  TROUBLE  {} {}", fault.code, fault.what));
        fault.next.iter().for_each(|next| output::line(format_args!("  Next: {}", output::advice(next))));
    }
}

fn note(column: &MappedColumn) -> String {
    let policy = (!column.policy.is_fail()).then(|| format!("policy {}", column.policy.as_str()));
    let notes = [
        column.computed.then(|| "computed: not carried".to_owned()),
        column.missing.then(|| "DRIFT: gone from the source".to_owned()),
        (!column.captured).then(|| "not captured".to_owned()),
        column.refused.as_ref().map(|_| "REFUSED".to_owned()),
        (column.fits == Some(false)).then(|| "TOO NARROW".to_owned()),
        policy,
    ];
    notes.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
