//! Part files read back: compressed bytes in, rows with their line numbers out.
//!
//! It reads what [`super::csv`] writes and nothing more; whatever else it meets is a fault that
//! names the line, never a guess.

use std::io::Write as _;

use zstd::stream::write::Decoder;

use crate::model::change::{KEEP_GONE, KEEP_KEPT, OP_DELETE, OP_UPSERT};
use crate::model::fault::sync::PART_UNREADABLE;
use crate::model::record::Layout;
use crate::model::{Fault, Keep, Seq, StagedOp, TableShape};

/// One row of a part file, its cells still text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartRow {
    /// Line on which the row begins, from 1.
    pub line: u64,
    pub op: StagedOp,
    /// 0 in a plain scan.
    pub batch: Seq,
    pub order: i64,
    /// In the order of the shape; `None` is NULL.
    pub cells: Vec<Option<String>>,
    pub keep: Vec<Keep>,
}

/// Reads one part file, fed chunk by chunk. Memory: a chunk, decompressed, and one row.
pub struct PartReader {
    decoder: Decoder<'static, Vec<u8>>,
    columns: usize,
    large: usize,
    layout: Layout,
    marker: String,
    state: State,
    cell: Vec<u8>,
    quoted: bool,
    cells: Vec<Option<String>>,
    line: u64,
    row_line: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a cell.
    Begin,
    Bare,
    Quoted,
    /// Behind a quote inside a quoted cell: its double, or the end.
    Quote,
}

impl PartReader {
    pub fn new(shape: &TableShape, layout: Layout, null_marker: &str) -> Result<Self, Fault> {
        Ok(Self {
            decoder: Decoder::new(Vec::new()).map_err(broken)?,
            columns: shape.columns().len(),
            large: shape.large_columns().count(),
            layout,
            marker: null_marker.to_owned(),
            state: State::Begin,
            cell: Vec::new(),
            quoted: false,
            cells: Vec::new(),
            line: 1,
            row_line: 1,
        })
    }

    /// The rows that end in this chunk of compressed bytes.
    pub fn push(&mut self, compressed: &[u8]) -> Result<Vec<PartRow>, Fault> {
        self.decoder.write_all(compressed).map_err(broken)?;
        self.decoder.flush().map_err(broken)?;
        let text = std::mem::take(self.decoder.get_mut());
        let mut rows = Vec::new();
        for byte in text {
            self.byte(byte, &mut rows)?;
        }
        Ok(rows)
    }

    /// Ends the file: nothing may be half read.
    pub fn finish(self) -> Result<(), Fault> {
        if self.state == State::Begin && self.cells.is_empty() {
            return Ok(());
        }
        Err(Fault::new(&PART_UNREADABLE, "a part file ends in the middle of a row").evidence("line", self.row_line))
    }

    fn byte(&mut self, byte: u8, rows: &mut Vec<PartRow>) -> Result<(), Fault> {
        if byte == b'\n' {
            self.line += 1;
        }
        match (self.state, byte) {
            (State::Quoted, b'"') => self.state = State::Quote,
            (State::Quoted, _) => self.cell.push(byte),
            (State::Quote, b'"') => {
                self.cell.push(b'"');
                self.state = State::Quoted;
            }
            (State::Begin, b'"') => {
                self.quoted = true;
                self.state = State::Quoted;
            }
            (_, b',') => self.end_cell()?,
            (_, b'\n') => {
                self.end_cell()?;
                let row = self.end_row()?;
                rows.push(row);
                self.row_line = self.line;
            }
            (State::Begin | State::Bare, _) => {
                self.cell.push(byte);
                self.state = State::Bare;
            }
            (State::Quote, _) => return Err(self.unreadable("text stands behind a closing quote")),
        }
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), Fault> {
        let text = String::from_utf8(std::mem::take(&mut self.cell)).map_err(|_| self.unreadable("a cell is not UTF-8"))?;
        let null = !self.quoted && text == self.marker;
        self.cells.push((!null).then_some(text));
        self.quoted = false;
        self.state = State::Begin;
        Ok(())
    }

    fn end_row(&mut self) -> Result<PartRow, Fault> {
        let mut cells = std::mem::take(&mut self.cells);
        let (before, flags) = if self.layout == Layout::Changes { (3, self.large) } else { (0, 0) };
        if cells.len() != before + self.columns + flags {
            return Err(self.unreadable("a row has another number of cells than its table"));
        }
        let keep = cells.split_off(before + self.columns);
        let keep: Option<Vec<Keep>> = keep
            .iter()
            .map(|flag| match flag.as_deref() {
                None => Some(Keep::Value),
                Some(KEEP_KEPT) => Some(Keep::Kept),
                Some(KEEP_GONE) => Some(Keep::Gone),
                Some(_) => None,
            })
            .collect();
        let keep = keep.ok_or_else(|| self.unreadable("a keep flag is unknown"))?;
        let values = cells.split_off(before);
        let (op, batch, order) = match cells.as_slice() {
            [] => (StagedOp::Upsert, 0, 0),
            [Some(op), Some(batch), Some(order)] => {
                let op = match op.as_str() {
                    OP_UPSERT => Some(StagedOp::Upsert),
                    OP_DELETE => Some(StagedOp::Delete),
                    _ => None,
                };
                let placed = op.zip(batch.parse().ok()).zip(order.parse().ok());
                let ((op, batch), order) = placed.ok_or_else(|| self.unreadable("operation, batch or order of a row are unknown"))?;
                (op, batch, order)
            }
            _ => return Err(self.unreadable("operation, batch or order of a row are missing")),
        };
        let keep = if self.layout == Layout::Changes { keep } else { vec![Keep::Value; self.large] };
        Ok(PartRow { line: self.row_line, op, batch, order, cells: values, keep })
    }

    fn unreadable(&self, why: &str) -> Fault {
        Fault::new(&PART_UNREADABLE, why).evidence("line", self.row_line)
    }
}

fn broken(error: std::io::Error) -> Fault {
    Fault::new(&PART_UNREADABLE, "a part file cannot be decompressed").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{BatchWriter, RowFormat};
    use crate::model::Unfit;
    use crate::model::{Column, SqlType, StagedRow, Value};

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
        TableShape::new(vec![column("id", 1, SqlType::Int, Some(1)), column("note", 2, SqlType::NVarCharMax, None)])
    }

    fn row(op: StagedOp, order: i64, note: Option<&str>, keep: Keep) -> StagedRow {
        let note = note.map_or(Value::Null, |note| Value::Text(note.into()));
        StagedRow { op, order, values: vec![Value::Int(7), note], keep: vec![keep] }
    }

    fn file(layout: Layout, rows: &[StagedRow]) -> Vec<u8> {
        let mut writer = BatchWriter::new(RowFormat::new(&shape(), layout, "null-1", 42).unwrap(), u64::MAX, 1);
        for row in rows {
            writer.push(row).unwrap();
        }
        writer.finish_part().unwrap().rest.to_vec()
    }

    fn read(layout: Layout, bytes: &[u8], chunk: usize) -> Result<Vec<PartRow>, Fault> {
        let mut reader = PartReader::new(&shape(), layout, "null-1")?;
        let mut rows = Vec::new();
        for chunk in bytes.chunks(chunk) {
            rows.extend(reader.push(chunk)?);
        }
        reader.finish().map(|()| rows)
    }

    #[test]
    fn what_was_written_is_read_with_its_lines() {
        let rows = [
            row(StagedOp::Upsert, 1, Some("a \"quoted\",\ntwo lines"), Keep::Value),
            row(StagedOp::Upsert, 2, Some(""), Keep::Value),
            row(StagedOp::Upsert, 3, None, Keep::Kept),
            row(StagedOp::Delete, 4, None, Keep::Value),
        ];
        for chunk in [1, 7, 4096] {
            let read = read(Layout::Changes, &file(Layout::Changes, &rows), chunk).unwrap();
            let lines: Vec<u64> = read.iter().map(|row| row.line).collect();
            assert_eq!(lines, [1, 3, 4, 5]);
            assert_eq!(read[0].cells, [Some("7".to_owned()), Some("a \"quoted\",\ntwo lines".to_owned())]);
            assert_eq!((read[1].cells[1].as_deref(), read[2].cells[1].as_deref()), (Some(""), None));
            assert_eq!((read[2].keep[0], read[3].op, read[3].batch, read[3].order), (Keep::Kept, StagedOp::Delete, 42, 4));
        }
        let plain = read(Layout::Production, &file(Layout::Production, &rows[..2]), 100).unwrap();
        assert_eq!((plain.len(), plain[0].keep.len(), plain[0].op), (2, 1, StagedOp::Upsert));
    }

    #[test]
    fn what_is_no_part_file_is_a_fault() {
        let zip = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        for text in [
            "U,1,2,7\n",
            "U,1,2,7,\"x\",null-1",
            "X,1,2,7,\"x\",null-1\n",
            "U,1,2,7,\"x\"y,null-1\n",
            "U,a,2,7,\"x\",null-1\n",
            "U,1,2,7,\"x\",z\n",
        ] {
            assert!(read(Layout::Changes, &zip(text), 9).unwrap_err().is(&PART_UNREADABLE), "{text}");
        }
        assert!(read(Layout::Changes, b"not zstd at all", 9).is_err());
        assert!(read(Layout::Changes, &zip("U,1,2,7,\"x\",null-1\n"), 9).is_ok());
    }
}
