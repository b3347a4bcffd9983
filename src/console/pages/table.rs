//! The sides of a table: overview, change files, batch log.

use super::{advised, words};
use crate::console::page::{Block, Fact, Grid, GridColumn, GridRow, Open, Page, Tone};
use crate::console::seam::Look;
use crate::engine::inspect::batch_log::BatchLog;
use crate::engine::inspect::files::{Batch, BatchState, LooseState, TableFiles};
use crate::model::TableName;
use crate::model::status::{Hop, HopName, StatusReport, TableStatus};

/// A table as the three systems see it, read in detail.
#[must_use]
pub fn overview(report: &StatusReport, table: &TableName) -> Page {
    let mut blocks = Vec::new();
    if let Some(status) = report.tables.iter().find(|status| status.table == *table) {
        blocks.push(Block::Text(Tone::Plain, super::meaning(status)));
        blocks.extend(advised(&status.next));
        blocks.extend([Block::Heading("The way of a commit".into()), Block::Facts(way(status))]);
        blocks.extend([Block::Heading("SQL Server".into()), Block::Facts(source(report, status))]);
        blocks.extend([Block::Heading("S3".into()), Block::Facts(store(status))]);
        blocks.extend([Block::Heading("Redshift".into()), Block::Facts(target(status))]);
    }
    for fault in &report.faults {
        blocks.push(Block::Text(Tone::Bad, format!("{}: {}", fault.fault.code, fault.fault.what)));
    }
    Page { title: table.to_string(), table: Some(table.clone()), blocks, fault: false, reveal: false }
}

fn way(status: &TableStatus) -> Vec<Fact> {
    let hops = &status.hops;
    let hop = |name: &str, hop: &Hop, stuck: bool| {
        let lag = hop.lag_seconds.map_or_else(
            || "unknown".to_owned(),
            |lag| if lag == 0 { "nothing waits".into() } else { format!("{} behind", words::span(lag)) },
        );
        let waits = hop.waiting_seconds.map(|waits| format!(", the oldest change has waited {}", words::span(waits))).unwrap_or_default();
        let fact = Fact::new(name, format!("{}{lag}{waits}", if stuck { "STUCK: " } else { "" }));
        if stuck { fact.tone(Tone::Warn) } else { fact }
    };
    let stuck = |name| hops.stuck.as_ref().is_some_and(|stuck| stuck.hop == name);
    let mut facts = vec![
        hop("commit to capture", &hops.capture, stuck(HopName::Capture)),
        hop("capture to S3", &hops.extract, stuck(HopName::Extract)),
        hop("S3 to Redshift", &hops.load, stuck(HopName::Load)),
    ];
    if let Some(stuck) = &hops.stuck {
        facts.push(Fact::new("why stuck", format!("{}, since {}", stuck.why, stuck.since.strftime("%Y-%m-%d %H:%M:%SZ"))).tone(Tone::Warn));
    }
    if let Some(left) = &status.retention {
        let text = format!(
            "{} of {} used, {} until clean-up passes the reader",
            words::span(left.used_seconds),
            words::span(left.retention_seconds),
            words::span(left.left_seconds.max(0))
        );
        let tone = if left.left_seconds <= 0 {
            Tone::Bad
        } else if left.warn {
            Tone::Warn
        } else {
            Tone::Plain
        };
        facts.push(Fact::new("retention", text).tone(tone));
    }
    facts
}

fn source(report: &StatusReport, status: &TableStatus) -> Vec<Fact> {
    let Some(source) = &status.source else { return vec![Fact::new("state", "did not answer").tone(Tone::Bad)] };
    let lsn = |lsn: Option<crate::model::Lsn>| lsn.map_or_else(|| "-".to_owned(), |lsn| lsn.to_string());
    let mut facts = vec![
        Fact::new("CDC", if source.tracked { "enabled" } else { "not enabled" }),
        Fact::new("capture instance", source.instance.clone().unwrap_or_else(|| "-".into())),
        Fact::new("low-water mark", lsn(source.min_lsn)),
        Fact::new("captured up to", lsn(source.max_lsn)),
    ];
    if let Some(true) = source.waiting {
        let at = source.first_waiting_time.map(|time| format!(", committed {time} (server time)")).unwrap_or_default();
        facts.push(Fact::new("first change that waits", format!("{}{at}", lsn(source.first_waiting))));
    }
    if let Some(down) = &report.systems.source.capture.down {
        facts.push(Fact::new("capture", format!("DOWN: {down}")).tone(Tone::Bad));
    }
    facts
}

fn store(status: &TableStatus) -> Vec<Fact> {
    let Some(store) = &status.store else { return vec![Fact::new("state", "did not answer").tone(Tone::Bad)] };
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), words::count);
    let mut facts = vec![
        Fact::new("epoch", store.epoch.map_or_else(|| "none yet".to_owned(), |epoch| epoch.to_string())),
        Fact::new("newest batch", store.head.map_or_else(|| "-".to_owned(), |head| head.to_string())),
        Fact::new("up to LSN", store.head_lsn.map_or_else(|| "-".to_owned(), |lsn| lsn.to_string())),
        Fact::new(
            "waits to be loaded",
            format!(
                "{} batches, {} files, {}",
                number(store.pending),
                number(store.pending_files),
                store.pending_bytes.map_or_else(|| "-".to_owned(), words::bytes)
            ),
        ),
    ];
    if let Some(paused) = store.control.as_ref().and_then(|control| control.paused.as_ref()) {
        let text = format!("by {} since {}: {}", paused.by, paused.since.strftime("%Y-%m-%d %H:%M:%SZ"), paused.why);
        facts.push(Fact::new("paused", text).tone(Tone::Warn));
    }
    if store.intent {
        facts.push(Fact::new("snapshot", "under way, or died before its record").tone(Tone::Busy));
    }
    for (name, busy) in [("extract lease", &store.extracting), ("load lease", &store.loading)] {
        if let Some(busy) = busy {
            let holder = busy
                .holder
                .as_ref()
                .map_or_else(String::new, |holder| format!("{}@{}, process {}, ", holder.user, holder.host, holder.pid));
            let silent = if busy.silent { "; nobody renews it" } else { "" };
            let fact = Fact::new(name, format!("{holder}renewed {}{silent}", busy.renewed.strftime("%H:%M:%SZ")));
            facts.push(fact.tone(if busy.silent { Tone::Warn } else { Tone::Busy }));
        }
    }
    facts
}

fn target(status: &TableStatus) -> Vec<Fact> {
    let Some(target) = &status.target else { return vec![Fact::new("state", "never prepared, or no answer").tone(Tone::Dim)] };
    let mut facts = vec![
        Fact::new("epoch", target.epoch.to_string()),
        Fact::new("applied batch", target.applied_seq.map_or_else(|| "none".to_owned(), |seq| seq.to_string())),
        Fact::new("as of LSN", target.applied_lsn.map_or_else(|| "-".to_owned(), |lsn| lsn.to_string())),
    ];
    if let Some(time) = target.applied_time {
        facts.push(Fact::new("as of commit", format!("{time} (server time)")));
    }
    if let Some(at) = &target.applied_at {
        facts.push(Fact::new("applied at", at));
    }
    facts.push(match target.staged {
        Some(staged) => {
            Fact::new("staged", format!("batches {} to {}, {} rows", staged.from, staged.to, words::count(staged.rows))).tone(Tone::Busy)
        }
        None => Fact::new("staged", "nothing"),
    });
    if let Some(diverged) = &target.diverged {
        facts.push(Fact::new("DIVERGED", format!("since {}: {}", diverged.since, diverged.why)).tone(Tone::Bad));
    }
    facts.extend(target.doubts.iter().map(|doubt| Fact::new("DIVERGED", doubt.as_str()).tone(Tone::Bad)));
    facts
}

/// The change files of a table, by batch.
#[must_use]
pub fn files(files: &TableFiles) -> Page {
    let waiting: Vec<&Batch> =
        files.batches.iter().filter(|batch| matches!(batch.state, BatchState::Pending | BatchState::Staged)).collect();
    let size: u64 = waiting.iter().flat_map(|batch| &batch.files).map(|file| file.bytes).sum();
    let rows: u64 = waiting.iter().map(|batch| batch.rows).sum();
    let unknown = files.batches.iter().any(|batch| batch.state == BatchState::Unknown);
    // Only the newest are read: before a pending one there may be more.
    let least = waiting.last().is_some_and(|oldest| oldest.seq > files.applied_seq.map_or(0, |applied| applied + 1));
    let waits = match (unknown, least) {
        (true, _) => "not known: Redshift does not tell what production holds".to_owned(),
        (_, true) => format!("at least {} batches, {} rows, {}", waiting.len(), words::count(rows), words::bytes(size)),
        _ => format!("{} batches, {} rows, {}", waiting.len(), words::count(rows), words::bytes(size)),
    };
    let mut facts =
        vec![Fact::new("epoch", files.epoch.to_string()), Fact::new("newest batch", files.head.to_string()), Fact::new("waits", waits)];
    if let Some(url) = files.batches.iter().flat_map(|batch| &batch.files).map(|file| file.url.as_str()).next() {
        facts.push(Fact::new("newest file", url));
    }
    if let Some(fault) = &files.target_fault {
        facts.push(Fact::new("states unknown", format!("{}: {}", fault.code, fault.what)).tone(Tone::Bad));
    }
    let columns = vec![
        GridColumn::right("BATCH"),
        GridColumn::left("STATE"),
        GridColumn::left("KIND"),
        GridColumn::right("ROWS"),
        GridColumn::right("UPSERTS"),
        GridColumn::right("DELETES"),
        GridColumn::right("FILES"),
        GridColumn::right("SIZE"),
        GridColumn::left("WRITTEN"),
        GridColumn::left("UP TO LSN"),
    ];
    let row = |batch: &Batch| {
        let (state, tone) = match batch.state {
            BatchState::Applied => ("applied", Tone::Dim),
            BatchState::Skipped => ("skipped", Tone::Bad),
            BatchState::Staged => ("staged", Tone::Busy),
            BatchState::Pending => ("pending", Tone::Plain),
            BatchState::Unknown => ("unknown", Tone::Dim),
        };
        let size: u64 = batch.files.iter().map(|file| file.bytes).sum();
        let present = batch.files.iter().any(|file| file.present);
        let look = Look::Preview { table: files.table.clone(), seq: batch.seq, show_values: false };
        GridRow {
            cells: vec![
                batch.seq.to_string(),
                state.into(),
                words::kind(batch.kind).into(),
                words::count(batch.rows),
                words::count(batch.upserts),
                words::count(batch.deletes),
                batch.files.len().to_string(),
                words::bytes(size),
                batch.created_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                batch.lsn_to.to_string(),
            ],
            tone,
            open: present.then_some(Open::Look(look)),
        }
    };
    let grid = Grid { columns, rows: files.batches.iter().map(row).collect(), empty: "no batch yet".into() };
    let mut blocks = vec![Block::Facts(facts), Block::Grid(grid)];
    if files.more {
        blocks.push(Block::Text(Tone::Dim, "older batches have records that are not shown".into()));
    }
    for loose in &files.loose {
        let what = match loose.state {
            LooseState::Writing => "being written",
            LooseState::LeftBehind => "left behind by a job that died: a later load deletes them",
        };
        blocks.push(Block::Text(
            Tone::Dim,
            format!("batch {}: {} files ({}) {what}", loose.seq, loose.urls.len(), words::bytes(loose.bytes)),
        ));
    }
    Page { title: "S3 files".into(), table: Some(files.table.clone()), blocks, fault: false, reveal: false }
}

/// What loads did.
#[must_use]
pub fn log(log: &BatchLog, table: &TableName) -> Page {
    let columns = vec![
        GridColumn::left("AT"),
        GridColumn::left("EVENT"),
        GridColumn::right("EPOCH"),
        GridColumn::left("BATCHES"),
        GridColumn::right("ROWS"),
        GridColumn::right("DELETED"),
        GridColumn::right("INSERTED"),
        GridColumn::left("NOTE"),
    ];
    let rows = log.lines.iter().map(|line| GridRow {
        cells: vec![
            line.at.clone(),
            line.event.clone(),
            line.epoch.to_string(),
            if line.from == line.to { line.from.to_string() } else { format!("{} to {}", line.from, line.to) },
            words::count(line.rows),
            words::count(line.deleted),
            words::count(line.inserted),
            line.diverged.clone().unwrap_or_default(),
        ],
        tone: if line.diverged.is_some() { Tone::Bad } else { Tone::Plain },
        open: None,
    });
    let grid = Grid { columns, rows: rows.collect(), empty: "nothing was loaded yet".into() };
    Page { title: "Batch log".into(), table: Some(table.clone()), blocks: vec![Block::Grid(grid)], fault: false, reveal: false }
}
