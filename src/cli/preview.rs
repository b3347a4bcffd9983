//! `preview`: the first rows of a change file.

use std::sync::Arc;

use super::args::{Global, Preview};
use super::connect::LiveEngine;
use super::{exit, output, rows, select};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::preview::PreviewOptions;
use crate::model::Fault;

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
    if !preview.complete {
        output::line(format_args!("  the first {} rows; --most shows more", output::count(preview.rows.len() as u64)));
    }
    Ok(exit::DONE)
}
