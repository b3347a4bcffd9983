//! `files`: what stands in S3 of a table, batch by batch.

use std::sync::Arc;

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::files::{Batch, BatchState, LooseState, TableFiles};
use crate::model::{Fault, RecordKind};

pub async fn run(global: &Global, most: usize, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let table = select::one(&engine, &global.tables, select::From::Store).await?;
    let files = Box::pin(engine.files(&table, most, None)).await?;
    if global.json {
        output::document(&files);
    } else {
        print(&files);
    }
    Ok(if files.target_fault.is_some() { exit::FAILED } else { exit::DONE })
}

fn print(files: &TableFiles) {
    let applied = match (files.applied_seq, &files.target_fault) {
        (Some(seq), _) => format!("production holds batch {seq}"),
        (None, None) => "production holds none of it".to_owned(),
        (None, Some(fault)) => format!("what production holds is unknown: {} {}", fault.code, fault.what),
    };
    output::line(format_args!("{}: epoch {}, newest batch {}; {applied}", files.table, files.epoch, files.head));
    let heading = ["  BATCH", "KIND", "STATE", "ROWS", "UPSERTS", "DELETES", "FILES", "SIZE", "COMMITTED", "WRITTEN", "UP TO LSN"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(files.batches.iter().map(line));
    output::text(output::table(&rows));
    if files.more {
        output::line(format_args!("  older batches are not shown: --most shows more"));
    }
    for file in files.batches.iter().flat_map(|batch| &batch.files).filter(|file| file.present) {
        output::line(format_args!("  {}  {} rows, {}", file.url, output::count(file.rows), output::bytes(file.bytes)));
    }
    for loose in &files.loose {
        let state = match loose.state {
            LooseState::Writing => "being written",
            LooseState::LeftBehind => "left behind",
        };
        output::line(format_args!("  without a record, {state}: batch {}, {}", loose.seq, output::bytes(loose.bytes)));
        loose.urls.iter().for_each(|url| output::line(format_args!("    {url}")));
    }
}

fn line(batch: &Batch) -> Vec<String> {
    let present = batch.files.iter().filter(|file| file.present).count();
    let files = match (batch.files.len(), present) {
        (0, _) => "none".to_owned(),
        (_, 0) => "deleted".to_owned(),
        (all, present) if all == present => all.to_string(),
        (all, present) => format!("{present} of {all}"),
    };
    vec![
        format!("  {}", batch.seq),
        match batch.kind {
            RecordKind::Snapshot => "snapshot",
            RecordKind::Start => "start",
            RecordKind::Changes => "changes",
            RecordKind::Schema => "schema",
        }
        .to_owned(),
        match batch.state {
            BatchState::Applied => "applied",
            BatchState::Skipped => "skipped",
            BatchState::Staged => "STAGED",
            BatchState::Pending => "PENDING",
            BatchState::Unknown => "unknown",
        }
        .to_owned(),
        output::count(batch.rows),
        output::count(batch.upserts),
        output::count(batch.deletes),
        files,
        output::bytes(batch.files.iter().map(|file| file.bytes).sum()),
        batch.committed.map_or_else(|| "unknown".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        output::time(batch.created_at),
        batch.lsn_to.to_string(),
    ]
}
