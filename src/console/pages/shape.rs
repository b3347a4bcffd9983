//! What a table becomes, and the statements that carry it.

use super::words;
use crate::console::page::{Block, Fact, Grid, GridColumn, GridRow, Page, Tone};
use crate::engine::inspect::columns::{ColumnMap, MappedColumn};
use crate::engine::inspect::load_sql::{LoadSql, LoadStep};

/// Columns with their types on both sides.
#[must_use]
pub fn columns(map: &ColumnMap) -> Page {
    let mut blocks = vec![Block::Facts(vec![
        Fact::new("capture instance", &map.instance),
        Fact::new("production", &map.production),
        Fact::new("staging", &map.staging),
    ])];
    for fault in map.refusals.iter().chain(&map.store_fault).chain(&map.target_fault) {
        blocks.push(Block::Text(Tone::Bad, format!("{}: {}", fault.code, fault.what)));
    }
    let columns = vec![
        GridColumn::right("KEY"),
        GridColumn::left("COLUMN"),
        GridColumn::left("SQL SERVER"),
        GridColumn::left("NULL"),
        GridColumn::left("REDSHIFT"),
        GridColumn::left("IN PRODUCTION"),
        GridColumn::left("TOO LONG"),
        GridColumn::left("NOTE"),
    ];
    let grid = Grid { columns, rows: map.columns.iter().map(row).collect(), empty: "no columns".into() };
    blocks.push(Block::Grid(grid));
    for column in &map.columns {
        for warning in column.warnings.iter().chain(&column.refused) {
            let tone = if column.refused.is_some() { Tone::Bad } else { Tone::Warn };
            blocks.push(Block::Text(tone, format!("{}: {warning}", column.name)));
        }
    }
    if !map.only_in_production.is_empty() {
        blocks.push(Block::Text(Tone::Dim, format!("only in production: {}", map.only_in_production.join(", "))));
    }
    Page { title: "Columns".into(), table: Some(map.table.clone()), blocks, fault: false, reveal: false }
}

fn row(column: &MappedColumn) -> GridRow {
    let (note, tone) = match column {
        MappedColumn { missing: true, .. } => ("drift: gone from the source", Tone::Bad),
        MappedColumn { refused: Some(_), .. } => ("cannot be carried", Tone::Bad),
        MappedColumn { computed: true, .. } => ("computed: not carried", Tone::Dim),
        MappedColumn { captured: false, .. } => ("not captured", Tone::Warn),
        MappedColumn { fits: Some(false), .. } => ("production is too narrow", Tone::Warn),
        MappedColumn { warnings, .. } if !warnings.is_empty() => ("see below", Tone::Plain),
        _ => ("", Tone::Plain),
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let null = match column.nullable {
        Some(true) => "NULL",
        Some(false) => "NOT NULL",
        None => "-",
    };
    let limit = column.limit.map_or_else(String::new, |limit| format!("{} over {} B", column.policy.as_str(), words::count(limit.into())));
    GridRow {
        cells: vec![
            column.key.map(|key| key.to_string()).unwrap_or_default(),
            column.name.clone(),
            text(&column.source_type),
            null.into(),
            text(&column.target_type),
            text(&column.production),
            limit,
            note.into(),
        ],
        tone,
        open: None,
    }
}

/// The statements that the next load runs.
#[must_use]
pub fn sql(load: &LoadSql) -> Page {
    let what = match (load.step, load.from, load.to) {
        (LoadStep::Nothing, ..) | (_, None, _) => "nothing waits to be loaded".to_owned(),
        (_, Some(from), Some(to)) => format!("batches {from} to {to} of epoch {}, {} rows", load.epoch, words::count(load.rows)),
        (_, Some(from), None) => format!("batch {from} of epoch {}", load.epoch),
    };
    let mut blocks = vec![Block::Facts(vec![Fact::new("the next load", what), Fact::new("files", load.files.len().to_string())])];
    for transaction in &load.transactions {
        blocks.push(Block::Heading(transaction.purpose.clone()));
        blocks.extend(transaction.statements.iter().flat_map(|statement| {
            let note = statement.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            [Block::Text(Tone::Dim, format!("{}{note}", statement.step)), Block::Code(statement.sql.clone())]
        }));
    }
    Page { title: "SQL".into(), table: Some(load.table.clone()), blocks, fault: false, reveal: false }
}
