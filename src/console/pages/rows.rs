//! Rows of change files and of staging: operation, key, values.

use super::words;
use crate::console::page::{Block, Fact, Grid, GridColumn, GridRow, Page, Tone};
use crate::engine::inspect::preview::Preview;
use crate::engine::inspect::rows::{Cell, RowOperation, ShownColumn, ShownRow};
use crate::engine::inspect::staging::StagingRows;

/// The first rows of a change file.
#[must_use]
pub fn preview(preview: &Preview) -> Page {
    let number = preview.number.map_or_else(String::new, |number| format!("file {number} of {}", preview.files));
    let facts = vec![
        Fact::new("batch", format!("{} of epoch {}, {}", preview.seq, preview.epoch, words::kind(preview.kind))),
        Fact::new("file", number),
        Fact::new("URI", preview.url.clone().unwrap_or_else(|| "the batch has no files".into())),
        Fact::new("size", format!("{}, {} rows", words::bytes(preview.bytes), words::count(preview.file_rows))),
    ];
    let from = preview.rows.first().and_then(|row| row.line).filter(|line| *line > 1);
    let note = if let Some(line) = from {
        format!("from line {line}")
    } else if preview.complete {
        "all rows".to_owned()
    } else {
        format!("the first {} rows", preview.rows.len())
    };
    Page {
        title: format!("Batch {}: {note}", preview.seq),
        table: Some(preview.table.clone()),
        blocks: vec![Block::Facts(facts), rows(&preview.columns, &preview.rows, "no rows")],
        fault: false,
        reveal: true,
    }
}

/// What stands in staging.
#[must_use]
pub fn staging(staging: &StagingRows) -> Page {
    let batches: Vec<String> = staging.batches.iter().map(|batch| format!("{} ({} rows)", batch.seq, words::count(batch.rows))).collect();
    let range = staging.staged.map_or_else(
        || Fact::new("staged", "nothing: what stands there is left over, and the next load empties it"),
        |staged| {
            Fact::new(
                "staged",
                format!("batches {} to {}, {} rows, to be applied by the next load", staged.from, staged.to, words::count(staged.rows)),
            )
        },
    );
    let range = if staging.total == 0 && staging.staged.is_none() { Fact::new("staged", "nothing") } else { range };
    let facts = vec![
        Fact::new("table", &staging.staging),
        range,
        Fact::new("rows", words::count(staging.total)),
        Fact::new("by batch", if batches.is_empty() { "-".to_owned() } else { batches.join(", ") }),
    ];
    Page {
        title: "Staging".into(),
        table: Some(staging.table.clone()),
        blocks: vec![Block::Facts(facts), rows(&staging.columns, &staging.rows, "staging is empty")],
        fault: false,
        reveal: staging.total > 0,
    }
}

/// One row has a line for each value, however long; several stand in a grid.
fn rows(columns: &[ShownColumn], rows: &[ShownRow], empty: &str) -> Block {
    let grid = grid(columns, rows, empty);
    let [GridRow { cells, tone, .. }] = grid.rows.as_slice() else { return Block::Grid(grid) };
    Block::Facts(grid.columns.iter().zip(cells).map(|(column, cell)| Fact::new(&column.name, cell).tone(*tone)).collect())
}

/// Key columns first, with their values once they may be seen.
fn grid(columns: &[ShownColumn], rows: &[ShownRow], empty: &str) -> Grid {
    let with_line = rows.iter().any(|row| row.line.is_some());
    let mut heads = vec![GridColumn::right("BATCH")];
    if with_line {
        heads.push(GridColumn::right("LINE"));
    }
    heads.push(GridColumn::left("OPERATION"));
    heads.extend(
        columns.iter().map(|column| GridColumn::left(if column.key { format!("{} (key)", column.name) } else { column.name.clone() })),
    );
    let row = |row: &ShownRow| {
        let mut cells = vec![row.seq.to_string()];
        if with_line {
            cells.push(row.line.map(|line| line.to_string()).unwrap_or_default());
        }
        let (word, tone) = match row.operation {
            RowOperation::Upsert => ("upsert", Tone::Plain),
            RowOperation::Delete => ("delete", Tone::Warn),
        };
        cells.push(word.to_owned());
        cells.extend(row.cells.iter().map(cell));
        GridRow { cells, tone, open: None }
    };
    Grid { columns: heads, rows: rows.iter().map(row).collect(), empty: empty.to_owned() }
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Hidden => "·····".to_owned(),
        Cell::Null => "NULL".to_owned(),
        Cell::Text { text, .. } => words::quoted(text),
        Cell::Kept => "(kept)".to_owned(),
        Cell::Gone => "(gone)".to_owned(),
        Cell::Absent => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_has_a_line_for_each_value() {
        let column = |name: &str, key| ShownColumn { name: name.into(), source_type: "nvarchar(400)".into(), key };
        let columns = [column("Id", true), column("Note", false)];
        let text = |text: &str| Cell::Text { text: text.into(), bytes: 1 };
        let cells = vec![text("7"), text(&"long ".repeat(90))];
        let row = ShownRow { seq: 9, line: Some(4), order: None, operation: RowOperation::Upsert, cells };
        let Block::Facts(facts) = rows(&columns, std::slice::from_ref(&row), "no rows") else { panic!("one row is no grid") };
        let names: Vec<&str> = facts.iter().map(|fact| fact.name.as_str()).collect();
        assert_eq!(names, ["BATCH", "LINE", "OPERATION", "Id (key)", "Note"]);
        assert_eq!(facts[4].value.len(), 452, "whole, with its quotes");
        assert!(matches!(rows(&columns, &[row.clone(), row], "no rows"), Block::Grid(grid) if grid.rows.len() == 2));
        assert!(matches!(rows(&columns, &[], "no rows"), Block::Grid(_)));
    }
}
