//! `preview`: the first rows of a change file.

use std::sync::Arc;

use super::args::{Global, Preview};
use super::connect::LiveEngine;
use super::{exit, output, rows, select};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::preview::{Preview as Report, PreviewOptions};
use crate::model::Fault;
use crate::model::words::many;

pub async fn run(global: &Global, order: &Preview, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let table = select::one(&engine, &global.tables, select::From::Store).await?;
    let options = PreviewOptions { file: order.file, from_line: order.line, most: order.most, show_values: order.show_values };
    let preview = engine.preview(&table, order.batch, &options).await?;
    if global.json {
        output::document(&preview);
        return Ok(exit::DONE);
    }
    let (Some(number), Some(url)) = (preview.number, &preview.url) else {
        output::line(format_args!("{table}: batch {} of epoch {} has no file: nothing changed in its range", preview.seq, preview.epoch));
        return Ok(exit::DONE);
    };
    output::line(format_args!(
        "{table}: batch {} of epoch {}, file {number} of {}: {} rows, {}",
        preview.seq,
        preview.epoch,
        preview.files,
        output::count(preview.file_rows),
        output::bytes(preview.bytes)
    ));
    output::line(format_args!("  {url}"));
    rows::print(&preview.columns, &preview.rows);
    if let Some(rest) = rest(&preview, order.line) {
        output::line(format_args!("  {rest}"));
    }
    Ok(exit::DONE)
}

/// What is not shown of a file whose rows were asked for from a line on.
fn rest(preview: &Report, from: u64) -> Option<String> {
    let shown = many(preview.rows.len(), "row");
    match preview.last_line {
        _ if preview.complete => None,
        Some(last) if preview.rows.is_empty() => {
            Some(format!("no row begins on line {from} or behind it: the last one begins on line {last}"))
        }
        Some(_) => Some(format!("{shown} from line {from} to the end of the file")),
        None if from > 1 => Some(format!("{shown} from line {from} on; --most shows more")),
        None => Some(format!("the first {shown}; --most shows more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::inspect::rows::ShownRow;
    use crate::model::{RecordKind, StagedOp, TableName};

    #[test]
    fn more_is_promised_only_where_there_is_more() {
        let told = |shown: usize, last_line, from| {
            let row = ShownRow { seq: 1, line: Some(1), order: None, operation: StagedOp::Upsert.into(), cells: Vec::new() };
            let preview = Report {
                table: TableName::new("dbo", "t"),
                epoch: 1,
                seq: 1,
                kind: RecordKind::Changes,
                files: 1,
                number: Some(1),
                url: None,
                bytes: 9,
                file_rows: 3,
                columns: Vec::new(),
                rows: vec![row; shown],
                complete: shown == 3,
                last_line,
            };
            rest(&preview, from).unwrap_or_default()
        };
        assert_eq!(told(3, Some(5), 1), "");
        assert_eq!(told(1, None, 1), "the first 1 row; --most shows more");
        assert_eq!(told(1, None, 2), "1 row from line 2 on; --most shows more");
        assert_eq!(told(2, Some(5), 2), "2 rows from line 2 to the end of the file");
        assert_eq!(told(0, Some(5), 6), "no row begins on line 6 or behind it: the last one begins on line 5");
    }
}
