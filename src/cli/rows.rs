//! Rows of a change file or of staging as text.

use super::output;
use crate::engine::inspect::rows::{Cell, RowOperation, ShownColumn, ShownRow};

pub fn print(columns: &[ShownColumn], rows: &[ShownRow]) {
    let name = |column: &ShownColumn| format!("{} {}{}", column.name, column.source_type, if column.key { " (key)" } else { "" });
    output::line(format_args!("  columns: {}", columns.iter().map(name).collect::<Vec<_>>().join(", ")));
    for row in rows {
        output::line(format_args!("  {}", text(columns, row)));
    }
    if rows.iter().any(|row| row.cells.contains(&Cell::Hidden)) {
        output::line(format_args!("  values are hidden: --show-values shows them"));
    }
}

fn text(columns: &[ShownColumn], row: &ShownRow) -> String {
    let operation = match row.operation {
        RowOperation::Upsert => "upsert",
        RowOperation::Delete => "delete",
    };
    let order = row.order.map_or_else(String::new, |order| format!(" order {order}"));
    let line = row.line.map_or_else(String::new, |line| format!(" line {line}"));
    let cells: Vec<String> = columns
        .iter()
        .zip(&row.cells)
        .filter_map(|(column, cell)| {
            let text = match cell {
                Cell::Hidden | Cell::Absent => return None,
                Cell::Null => "NULL".to_owned(),
                Cell::Kept => "(kept)".to_owned(),
                Cell::Gone => "(gone)".to_owned(),
                Cell::Text { text, bytes } if text.len() as u64 == *bytes => output::cell(Some(text)),
                Cell::Text { text, bytes } => format!("{}… ({} bytes)", output::cell(Some(text)), output::count(*bytes)),
            };
            Some(format!("{}={text}", column.name))
        })
        .collect();
    format!("batch {}{order}{line}  {operation}  {}", row.seq, cells.join(", ")).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_on_one_line() {
        let column = |name: &str, key| ShownColumn { name: name.into(), source_type: "int".into(), key };
        let columns = [column("id", true), column("n", false), column("note", false)];
        let cell = |text: &str, bytes| Cell::Text { text: text.into(), bytes };
        let row = |operation, cells: [Cell; 3]| ShownRow { seq: 3, line: Some(2), order: Some(9), operation, cells: cells.to_vec() };
        let upsert = row(RowOperation::Upsert, [cell("7", 1), Cell::Null, cell("ab", 9_000)]);
        assert_eq!(text(&columns, &upsert), r#"batch 3 order 9 line 2  upsert  id="7", n=NULL, note="ab"… (9,000 bytes)"#);
        let delete = row(RowOperation::Delete, [cell("7", 1), Cell::Absent, Cell::Absent]);
        assert_eq!(text(&columns, &delete), r#"batch 3 order 9 line 2  delete  id="7""#);
        let hidden = ShownRow { order: None, ..row(RowOperation::Upsert, [Cell::Hidden, Cell::Hidden, Cell::Kept]) };
        assert_eq!(text(&columns, &hidden), "batch 3 line 2  upsert  note=(kept)");
    }
}
