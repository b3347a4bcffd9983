//! What inspection found: a dry run, a trace, load errors.

use super::words;
use crate::console::advice;
use crate::console::order::Order;
use crate::console::page::{Block, Choice, Fact, Grid, GridColumn, GridRow, Open, Page, Tone};
use crate::engine::inspect::dry_run::{DryRunReport, Place};
use crate::engine::inspect::load_errors::LoadError;
use crate::engine::inspect::trace::{RecordTrace, TraceReport};
use crate::model::TableName;

/// What the next load would do.
#[must_use]
pub fn dry_run(report: &DryRunReport) -> Page {
    let mut page = Page { title: "Dry run of the next load".into(), table: Some(report.table.clone()), ..Page::default() };
    let stop = report.fault.as_ref().map(|fault| {
        let open = Open::Fault { fault: Box::new(fault.clone()), table: Some(report.table.clone()) };
        let row = GridRow { cells: vec![fault.to_string()], tone: Tone::Bad, open: Some(open) };
        Block::Grid(Grid { columns: vec![GridColumn::left("THE LOAD WOULD STOP")], rows: vec![row], empty: String::new() })
    });
    let (Some(from), Some(to)) = (report.from, report.to) else {
        page.blocks.push(Block::Text(
            if stop.is_some() { Tone::Plain } else { Tone::Good },
            format!("Nothing to load. Production holds {} rows.", words::count(report.production_rows)),
        ));
        page.blocks.extend(stop);
        return page;
    };
    let trouble = |name: &str, number: u64, text: &str| {
        let fact = Fact::new(name, format!("{}{text}", words::count(number)));
        if number > 0 { fact.tone(Tone::Bad) } else { fact.tone(Tone::Good) }
    };
    let whole = if report.snapshot { "; a snapshot: all rows of production are replaced" } else { "" };
    let null_at = if report.null_keys > 0 { format!(", first: {}", place(report.first_null_key.as_ref())) } else { String::new() };
    let facts = vec![
        Fact::new("batches", format!("{from} to {to} of epoch {}{whole}", report.epoch)),
        Fact::new("rows in files", format!("{} of {} keys", words::count(report.rows), words::count(report.keys))),
        Fact::new(
            "would delete",
            format!("{} of {} rows in production", words::count(report.deletes), words::count(report.production_rows)),
        ),
        Fact::new("would insert", words::count(report.inserts)),
        Fact::new("keys with several rows", format!("{}: the last one counts", words::count(report.repeated_keys))),
        trouble("keys doubled in production", report.duplicate_keys, ""),
        trouble("NULL in a key", report.null_keys, &null_at),
        trouble("large values found nowhere", report.lost_kept, ""),
    ];
    page.blocks.push(Block::Facts(facts));
    page.blocks.extend(stop);
    if !report.complete {
        page.blocks.push(Block::Text(
            Tone::Warn,
            format!("Only the first {} keys were read: more is pending than a dry run remembers.", words::count(report.keys)),
        ));
    }
    let columns = vec![
        GridColumn::left("COLUMN"),
        GridColumn::left("PRODUCTION"),
        GridColumn::right("LIMIT"),
        GridColumn::right("WIDEST"),
        GridColumn::right("TOO LONG"),
        GridColumn::left("WHERE"),
    ];
    let rows = report.columns.iter().map(|column| GridRow {
        cells: vec![
            column.column.clone(),
            column.production.clone(),
            words::count(column.limit.into()),
            words::count(column.widest),
            words::count(column.too_long),
            place(column.first_too_long.as_ref().or(column.widest_at.as_ref())),
        ],
        tone: if column.too_long > 0 { Tone::Bad } else { Tone::Plain },
        open: None,
    });
    page.blocks.push(Block::Heading("Widest value of each text and binary column, in bytes".into()));
    page.blocks.push(Block::Grid(Grid { columns, rows: rows.collect(), empty: "no text or binary column".into() }));
    let repairs: Vec<Choice> = report
        .columns
        .iter()
        .flat_map(|column| column.next.iter().map(move |action| (column, action)))
        .map(|(column, action)| {
            let order = advice::order(action);
            let text = match &order {
                Some(Order::Widen { to: Some(to), .. }) => format!("widen {} from {} to {to} bytes", column.column, column.limit),
                _ => action.clone(),
            };
            Choice { text, order }
        })
        .collect();
    if !repairs.is_empty() {
        page.blocks.extend([Block::Heading("What to do".into()), Block::Choices(repairs)]);
    }
    page
}

fn place(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!("batch {}, {} line {}", place.seq, file(&place.file), place.line))
}

/// The last part of a URI is enough in a column.
fn file(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// One key through all stations.
#[must_use]
pub fn trace(report: &TraceReport) -> Page {
    let yes = |holds: bool| if holds { "equals the source's row of now" } else { "DIFFERS from the source's row of now" };
    let row = |cells: &[Option<String>]| {
        report
            .columns
            .iter()
            .zip(cells)
            .map(|(name, cell)| format!("{name}={}", words::held(cell.as_deref())))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut facts = vec![
        Fact::new("in SQL Server now", if report.in_source { "one row" } else { "no row" }),
        Fact::new("in staging", format!("{} rows", words::count(report.staging_rows))),
        Fact::new("in production", format!("{} rows", words::count(report.production_rows))),
        Fact::new("production", yes(report.equal)).tone(if report.equal { Tone::Good } else { Tone::Warn }),
    ];
    facts.extend(report.source.as_ref().map(|cells| Fact::new("source row", row(cells))));
    if let Some(rows) = &report.rows {
        facts.extend(
            rows.staging
                .iter()
                .map(|staged| Fact::new(format!("staged, batch {}", staged.seq), format!("{} {}", staged.operation, row(&staged.values)))),
        );
        facts.extend(rows.production.iter().map(|cells| Fact::new("production row", row(cells))));
    }
    facts.extend(report.notes.iter().map(|note| Fact::new("note", note).tone(Tone::Dim)));
    let changes = report.changes.iter().map(|change| GridRow {
        cells: vec![
            change.lsn.to_string(),
            change.time.map_or_else(|| "-".to_owned(), |time| time.to_string()),
            change.operation.clone(),
            change.touched.join(", "),
            change.values.as_deref().map(&row).unwrap_or_default(),
        ],
        ..GridRow::default()
    });
    let grid = Grid {
        columns: ["LSN", "COMMITTED (SERVER TIME)", "OPERATION", "TOUCHED", "VALUES"].map(GridColumn::left).to_vec(),
        rows: changes.collect(),
        empty: format!("no version of the key from {} to {}", report.from, report.max),
    };
    let records: Vec<GridRow> = report.records.iter().flat_map(|record| versions(record, &row)).collect();
    let records = Grid {
        columns: ["BATCH", "STATE", "FILE", "OPERATION", "VALUES"].map(GridColumn::left).to_vec(),
        rows: records,
        empty: "no record holds the key".into(),
    };
    Page {
        title: "Trace of one key".into(),
        table: Some(report.table.clone()),
        blocks: vec![
            Block::Facts(facts),
            Block::Heading("In the change table".into()),
            Block::Grid(grid),
            Block::Heading("In S3".into()),
            Block::Grid(records),
        ],
        fault: false,
        reveal: true,
    }
}

fn versions(record: &RecordTrace, row: &impl Fn(&[Option<String>]) -> String) -> Vec<GridRow> {
    let batch = format!("{} of epoch {}", record.seq, record.epoch);
    let (state, tone) = match (record.skipped, record.applied) {
        (true, _) => ("skipped", Tone::Bad),
        (_, true) => ("applied", Tone::Dim),
        _ => ("pending", Tone::Plain),
    };
    let Some(versions) = &record.versions else {
        let gone = "files were deleted after the load".to_owned();
        return vec![GridRow { cells: vec![batch, state.into(), gone, String::new(), String::new()], tone: Tone::Dim, open: None }];
    };
    let line = |version: &crate::engine::inspect::trace::PartVersion| {
        let kept = if version.kept.is_empty() { String::new() } else { format!(" (leaves {} alone)", version.kept.join(", ")) };
        let values = version.values.as_deref().map(row).unwrap_or_default();
        let file = format!("{} line {}", file(&version.file), version.line);
        GridRow { cells: vec![batch.clone(), state.into(), file, format!("{}{kept}", version.operation), values], tone, open: None }
    };
    versions.iter().map(line).collect()
}

/// The values that Redshift refused to load.
#[must_use]
pub fn load_errors(errors: &[LoadError], table: &TableName) -> Page {
    let mut blocks = Vec::new();
    for error in errors {
        let mut facts = vec![
            Fact::new("at", &error.at),
            Fact::new("file", &error.file),
            Fact::new("line", format!("{}, position {}", error.line, error.position)),
            Fact::new("column", format!("{}, {} {}", error.column, error.column_type, error.limit)),
            Fact::new("code", error.meaning.as_ref().map_or_else(|| error.code.clone(), |meaning| format!("{}: {meaning}", error.code)))
                .tone(Tone::Bad),
            Fact::new("reason", &error.reason),
        ];
        if let Some(raw) = &error.raw_field {
            facts.push(Fact::new("raw field", words::quoted(raw)));
        }
        blocks.push(Block::Facts(facts));
    }
    if blocks.is_empty() {
        blocks.push(Block::Text(Tone::Good, "Redshift has noted no load error of this table's files.".into()));
    }
    Page { title: "Load errors".into(), table: Some(table.clone()), blocks, fault: false, reveal: !errors.is_empty() }
}
