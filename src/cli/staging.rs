//! `staging`: the rows that wait in Redshift to be applied.

use std::sync::Arc;

use super::args::{Global, Staging};
use super::connect::LiveEngine;
use super::{exit, output, rows, select};
use crate::engine::event::EventReceiver;
use crate::model::Fault;

pub async fn run(global: &Global, order: &Staging, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let table = select::one(&engine, &global.tables, select::From::Store).await?;
    let staging = engine.staging(&table, order.most, order.show_values).await?;
    if global.json {
        output::document(&staging);
        return Ok(exit::DONE);
    }
    let waits = match &staging.staged {
        Some(staged) => format!("batches {} to {} wait to be applied", staged.from, staged.to),
        None => "nothing waits to be applied".to_owned(),
    };
    output::line(format_args!("{table}: {} rows in {}; {waits}", output::count(staging.total), staging.staging));
    for batch in &staging.batches {
        output::line(format_args!("  batch {}: {} rows", batch.seq, output::count(batch.rows)));
    }
    if staging.total > 0 {
        rows::print(&staging.columns, &staging.rows);
    }
    if !staging.complete {
        output::line(format_args!("  the first {} rows; --most shows more", output::count(staging.rows.len() as u64)));
    }
    Ok(exit::DONE)
}
