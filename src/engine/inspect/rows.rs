//! Rows as a person looks at them: operation in words, and cells that say what they are.
//!
//! Values are hidden unless they were asked for. A cell that is very long is cut here, so that a
//! look never holds more than a few megabytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Keep, Seq, StagedOp, TableShape};
use crate::target::Held;

/// Bytes of one cell that are shown.
const CELL_BYTES: usize = 4_096;
/// Bytes of all cells of one look.
const ALL_BYTES: usize = 4 * 1024 * 1024;

/// A column of the rows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShownColumn {
    /// As the source spells it.
    pub name: String,
    /// Its type in the source.
    pub source_type: String,
    /// It belongs to the key.
    pub key: bool,
}

/// What a row does to production.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowOperation {
    /// Insert the row, or replace the one of its key.
    Upsert,
    /// Delete the row of its key.
    Delete,
}

/// One cell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Cell {
    /// Values were not asked for.
    Hidden,
    /// NULL.
    Null,
    /// A value, as production holds it; the empty text is one.
    Text {
        /// Its beginning, if it is very long.
        text: String,
        /// Length of the whole value.
        bytes: u64,
    },
    /// A large value that the change left alone: the load takes it from an earlier row.
    Kept,
    /// A large value that the change left alone, whose row was gone when it was read: NULL is loaded.
    Gone,
    /// A delete carries its key only.
    Absent,
}

/// One row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShownRow {
    /// Number of the batch that brings it.
    pub seq: Seq,
    /// Line of the part file on which it begins, from 1; null outside files.
    pub line: Option<u64>,
    /// Position in its batch: of several rows of a key the last one counts. Null in a plain scan.
    pub order: Option<i64>,
    pub operation: RowOperation,
    /// In the order of the columns.
    pub cells: Vec<Cell>,
}

impl From<StagedOp> for RowOperation {
    fn from(op: StagedOp) -> Self {
        match op {
            StagedOp::Upsert => Self::Upsert,
            StagedOp::Delete => Self::Delete,
        }
    }
}

pub(super) fn columns(shape: &TableShape) -> Vec<ShownColumn> {
    let column = |column: &crate::model::Column| ShownColumn {
        name: column.name.clone(),
        source_type: column.sql_type.to_string(),
        key: column.is_key(),
    };
    shape.columns().iter().map(column).collect()
}

/// Collects rows up to a number of rows and of bytes.
pub(super) struct Shown<'a> {
    shape: &'a TableShape,
    most: usize,
    bytes: usize,
    rows: Vec<ShownRow>,
}

impl<'a> Shown<'a> {
    pub fn new(shape: &'a TableShape, most: usize) -> Self {
        Self { shape, most, bytes: 0, rows: Vec::new() }
    }

    pub fn is_full(&self) -> bool {
        self.rows.len() >= self.most || self.bytes >= ALL_BYTES
    }

    pub fn into_rows(self) -> Vec<ShownRow> {
        self.rows
    }

    /// `held`: the values, in the order of the shape; `None` hides them.
    pub fn add(&mut self, (seq, line, order): (Seq, Option<u64>, Option<i64>), op: StagedOp, keep: &[Keep], held: Option<Vec<Held>>) {
        let mut cells: Vec<Cell> = match held {
            Some(held) => held.into_iter().map(|cell| self.cell(cell)).collect(),
            None => vec![Cell::Hidden; self.shape.columns().len()],
        };
        for ((at, _), keep) in self.shape.large_columns().zip(keep) {
            match keep {
                Keep::Value => {}
                Keep::Kept => cells[at] = Cell::Kept,
                Keep::Gone => cells[at] = Cell::Gone,
            }
        }
        if op == StagedOp::Delete {
            cells.iter_mut().skip(self.shape.key_len()).for_each(|cell| *cell = Cell::Absent);
        }
        self.rows.push(ShownRow { seq, line, order, operation: op.into(), cells });
    }

    fn cell(&mut self, held: Held) -> Cell {
        let Some(mut text) = held else { return Cell::Null };
        let bytes = text.len() as u64;
        text.truncate(text.floor_char_boundary(CELL_BYTES));
        self.bytes += text.len();
        Cell::Text { text, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, SqlType, Unfit};

    fn shape() -> TableShape {
        let column = |name: &str, id, sql_type, key_ordinal| Column {
            name: name.into(),
            column_id: id,
            ordinal: id,
            sql_type,
            nullable: true,
            collation: None,
            key_ordinal,
            unfit: Unfit::Fail,
        };
        TableShape::new(vec![
            column("id", 1, SqlType::Int, Some(1)),
            column("n", 2, SqlType::Int, None),
            column("note", 3, SqlType::NVarCharMax, None),
        ])
    }

    #[expect(clippy::unnecessary_wraps, reason = "a cell as rows hold it")]
    fn text(text: &str) -> Held {
        Some(text.to_owned())
    }

    #[test]
    fn a_cell_says_what_it_is() {
        let shape = shape();
        let mut shown = Shown::new(&shape, 9);
        let at = (1, None, Some(1));
        shown.add(at, StagedOp::Upsert, &[Keep::Value], Some(vec![text("7"), None, text("")]));
        shown.add(at, StagedOp::Upsert, &[Keep::Kept], Some(vec![text("7"), text("1"), None]));
        shown.add(at, StagedOp::Delete, &[Keep::Value], Some(vec![text("7"), None, None]));
        shown.add(at, StagedOp::Upsert, &[Keep::Gone], None);
        let cell = |text: &str| Cell::Text { text: text.into(), bytes: text.len() as u64 };
        let cells: Vec<Vec<Cell>> = shown.into_rows().into_iter().map(|row| row.cells).collect();
        assert_eq!(cells[0], [cell("7"), Cell::Null, cell("")]);
        assert_eq!(cells[1], [cell("7"), cell("1"), Cell::Kept]);
        assert_eq!(cells[2], [cell("7"), Cell::Absent, Cell::Absent]);
        assert_eq!(cells[3], [Cell::Hidden, Cell::Hidden, Cell::Gone]);
    }

    #[test]
    fn long_cells_are_cut_and_a_look_ends() {
        let shape = shape();
        let mut shown = Shown::new(&shape, usize::MAX);
        let long = "ä".repeat(CELL_BYTES);
        while !shown.is_full() {
            shown.add((1, None, None), StagedOp::Upsert, &[Keep::Value], Some(vec![text("7"), None, text(&long)]));
        }
        let rows = shown.into_rows();
        assert!(rows.len() <= ALL_BYTES / CELL_BYTES, "{}", rows.len());
        let Cell::Text { text, bytes } = &rows[0].cells[2] else { panic!("{:?}", rows[0]) };
        assert_eq!((text.len(), *bytes), (CELL_BYTES, 2 * CELL_BYTES as u64));
    }
}
