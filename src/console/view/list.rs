//! The list of tables, in its three forms: by trouble, by what waits in S3, by what Redshift holds.

use std::cmp::Ordering;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::Hits;
use super::page::padded;
use super::paint::{fill, put, put_right, wrap};
use crate::console::action::Action;
use crate::console::msg::Hit;
use crate::console::page::Tone;
use crate::console::seam::EndKind;
use crate::console::state::fleet::{Row, Sort, Trouble, lag_of};
use crate::console::state::links::System;
use crate::console::state::{Purpose, State, View};
use crate::model::state::StagedRange;
use crate::model::status::{HopName, TableStatus};
use crate::model::words::{ago, brief, bytes, count, fitted, span};

/// A column of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    pub title: &'static str,
    /// 0: takes what is left.
    width: u16,
    right: bool,
    sort: Option<Sort>,
    /// The larger, the sooner it goes when there is no room.
    spare: u8,
    what: What,
}

/// What stands in a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    State,
    Table,
    Capture,
    Extract,
    Load,
    Retention,
    Waiting,
    Files,
    Size,
    Since,
    Doing,
    Epoch,
    Head,
    Applied,
    AppliedAt,
    Staged,
    Diverged,
    Busy,
}

const fn column(what: What, title: &'static str, width: u16, right: bool, sort: Option<Sort>, spare: u8) -> Column {
    Column { title, width, right, sort, spare, what }
}

const STATE: Column = column(What::State, "STATE", 14, false, Some(Sort::Trouble), 0);
const TABLE: Column = column(What::Table, "TABLE", 0, false, Some(Sort::Name), 0);

const TABLES: &[Column] = &[
    STATE,
    TABLE,
    column(What::Capture, "CAPTURE", 8, true, None, 5),
    column(What::Extract, "TO S3", 8, true, Some(Sort::Extract), 1),
    column(What::Load, "TO RS", 8, true, Some(Sort::Load), 1),
    column(What::Waiting, "WAIT", 6, true, Some(Sort::Waiting), 2),
    column(What::Retention, "RETENTION", 10, true, None, 4),
    column(What::Doing, "NOW", 14, false, None, 3),
];

const FILES: &[Column] = &[
    STATE,
    TABLE,
    column(What::Epoch, "EPOCH", 6, true, None, 5),
    column(What::Head, "HEAD", 7, true, None, 4),
    column(What::Waiting, "WAIT", 6, true, Some(Sort::Waiting), 1),
    column(What::Files, "FILES", 6, true, None, 1),
    column(What::Size, "SIZE", 9, true, None, 2),
    column(What::Since, "OLDEST", 11, true, None, 2),
    column(What::Busy, "LEASES", 16, false, None, 3),
];

const REDSHIFT: &[Column] = &[
    STATE,
    TABLE,
    column(What::Epoch, "EPOCH", 6, true, None, 5),
    column(What::Applied, "APPLIED", 8, true, None, 1),
    column(What::AppliedAt, "APPLIED AT", 20, false, None, 3),
    column(What::Staged, "STAGED: ROWS", 18, false, None, 2),
    column(What::Load, "LAG", 8, true, Some(Sort::Load), 1),
    column(What::Diverged, "DIVERGED", 18, false, None, 4),
];

/// Every column of a view.
#[must_use]
pub fn columns(view: View) -> &'static [Column] {
    match view {
        View::Files => FILES,
        View::Redshift => REDSHIFT,
        _ => TABLES,
    }
}

/// Whether a view has a column that this sorts by.
#[must_use]
pub fn has(view: View, sort: Sort) -> bool {
    columns(view).iter().any(|column| column.sort == Some(sort))
}

/// Columns that have room, with their widths.
fn fitting(view: View, width: u16) -> Vec<(Column, u16)> {
    const NAME: u16 = 20;
    let mut kept: Vec<Column> = columns(view).to_vec();
    let needed = |kept: &[Column]| kept.iter().map(|column| if column.width == 0 { NAME } else { column.width } + 1).sum::<u16>() + 2;
    while needed(&kept) > width {
        let Some(spare) = kept.iter().map(|column| column.spare).max().filter(|spare| *spare > 0) else { break };
        if let Some(at) = kept.iter().rposition(|column| column.spare == spare) {
            kept.remove(at);
        }
    }
    let fixed: u16 = kept.iter().map(|column| column.width + 1).sum::<u16>() + 2;
    let rest = width.saturating_sub(fixed);
    kept.into_iter().map(|column| (column, if column.width == 0 { rest } else { column.width })).collect()
}

pub fn list(state: &State, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let (theme, columns) = (state.look.theme, fitting(state.view, area.width));
    let mut x = area.x + 2;
    for (column, width) in &columns {
        let sorted = column.sort == Some(state.fleet.sort);
        let arrow = match (sorted, state.fleet.reverse, state.look.ascii) {
            (false, ..) => "",
            (true, false, false) => "↓",
            (true, true, false) => "↑",
            (true, false, true) => "v",
            (true, true, true) => "^",
        };
        let title = format!("{}{arrow}", column.title);
        let style = theme.tone(if sorted { Tone::Accent } else { Tone::Dim }).add_modifier(Modifier::UNDERLINED);
        let cell = Rect { x, y: area.y, width: *width, height: 1 };
        if column.right {
            put_right(buf, x, area.y, *width, &title, style);
        } else {
            put(buf, x, area.y, *width, &title, style);
        }
        if let Some(sort) = column.sort {
            hits.add(cell, Hit::Header(sort));
        }
        x += width + 1;
    }
    let cursor = state.cursor();
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if state.fleet.counts().0 == 0 {
        let lines = wrap(&empty(state), usize::from(body.width.saturating_sub(3)));
        for (line, y) in lines.iter().zip(body.top()..body.bottom()) {
            put(buf, area.x + 2, y, body.width.saturating_sub(2), line, theme.tone(Tone::Dim));
        }
        return;
    }
    for (place, y) in (cursor.top..).zip(body.top()..body.bottom()) {
        let Some(row) = state.fleet.row(place) else { break };
        let line = Rect { y, height: 1, ..body };
        draw(state, row, &columns, line, buf);
        if place == cursor.at {
            fill(buf, line, theme.selected());
        }
        hits.add(line, Hit::Row(place));
    }
}

/// Why there is nothing to see.
fn empty(state: &State) -> String {
    let (_, all) = state.fleet.counts();
    if all > 0 {
        "no table fits the filter; Esc clears it".into()
    } else if state.fleet.report.is_some() {
        let key = state.keymap.key(Action::Setup);
        format!("no tables: CDC tracks none that the configuration does not skip; {key} walks through enabling it")
    } else if !state.connected && !state.awaits(|purpose| *purpose == Purpose::Connect) {
        format!("not connected; {} tries again", state.keymap.key(Action::Refresh))
    } else {
        "asking SQL Server, S3 and Redshift".into()
    }
}

fn draw(state: &State, row: &Row, columns: &[(Column, u16)], area: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    if state.marks.contains(&row.table) {
        put(buf, area.x, area.y, 1, if state.look.ascii { "*" } else { "▌" }, theme.tone(Tone::Accent));
    }
    let Some(status) = state.fleet.status_of(row) else { return };
    let mut x = area.x + 2;
    for (column, width) in columns {
        let (text, tone) = cell(state, row, status, column.what, usize::from(*width));
        let fades = match column.what {
            // A problem stays one until something says otherwise; that all is well is not known.
            What::State => !row.trouble.is_problem() && row.trouble != Trouble::Running,
            _ => tone == Tone::Plain,
        };
        let tone = if fades && is_stale(state, column.what) { Tone::Dim } else { tone };
        if column.right {
            put_right(buf, x, area.y, *width, &text, theme.tone(tone));
        } else {
            put(buf, x, area.y, *width, &text, theme.tone(tone));
        }
        x += width + 1;
    }
}

/// The system that a column comes from does not answer; a word on the whole table comes from all.
fn is_stale(state: &State, what: What) -> bool {
    let system = match what {
        What::Table | What::Doing => return false,
        What::State => return state.links.any_lost(),
        What::Capture | What::Extract | What::Retention => System::Source,
        What::Waiting | What::Files | What::Size | What::Since | What::Head | What::Busy | What::Epoch => System::Store,
        What::Load | What::Applied | What::AppliedAt | What::Staged | What::Diverged => System::Target,
    };
    state.links.of(system).lost.is_some()
}

/// The texts of a row, in the order of [`columns`]: for exports.
#[must_use]
pub fn texts(state: &State, row: &Row) -> Vec<String> {
    let status = state.fleet.status_of(row);
    let text = |column: &Column| status.map(|status| cell(state, row, status, column.what, usize::MAX).0).unwrap_or_default();
    columns(state.view).iter().map(text).collect()
}

/// What stands in a cell of so many columns. No number is ever cut: a long one is shortened.
fn cell(state: &State, row: &Row, status: &TableStatus, what: What, room: usize) -> (String, Tone) {
    let (store, target) = (status.store.as_ref(), status.target.as_ref());
    let hops = &status.hops;
    let hop = |hop: HopName, lag: Option<i64>| {
        let stuck = hops.stuck.as_ref().is_some_and(|stuck| stuck.hop == hop);
        let text = lag.map_or_else(|| "-".to_owned(), span);
        let tone = match lag {
            _ if stuck => Tone::Warn,
            Some(0) | None => Tone::Dim,
            Some(_) => Tone::Plain,
        };
        (if stuck { format!("!{text}") } else { text }, tone)
    };
    let number = |value: Option<u64>| match value {
        Some(0) => ("0".to_owned(), Tone::Dim),
        Some(value) => (fitted(value, room), Tone::Plain),
        None => ("-".to_owned(), Tone::Dim),
    };
    // A name: without separators it is whole in more cases.
    let name = |value: Option<u64>| match value {
        Some(value) if count(value).len() > room && value.to_string().len() <= room => (value.to_string(), Tone::Plain),
        other => number(other),
    };
    match what {
        What::State => (format!("{} {}", row.trouble.glyph(state.look.ascii), row.trouble.word()), row.trouble.tone()),
        What::Table => (row.name.clone(), if row.trouble == Trouble::Failed { Tone::Bad } else { Tone::Plain }),
        What::Capture => hop(HopName::Capture, hops.capture.lag_seconds),
        What::Extract => hop(HopName::Extract, lag_of(&hops.extract)),
        What::Load => hop(HopName::Load, lag_of(&hops.load)),
        What::Retention => match status.retention {
            Some(left) if left.left_seconds <= 0 => ("over".into(), Tone::Bad),
            Some(left) => (span(left.left_seconds), if left.warn { Tone::Warn } else { Tone::Dim }),
            None => ("-".into(), Tone::Dim),
        },
        What::Waiting => number(store.and_then(|store| store.pending)),
        What::Files => number(store.and_then(|store| store.pending_files)),
        What::Size => match store.and_then(|store| store.pending_bytes) {
            Some(0) | None => ("-".into(), Tone::Dim),
            Some(size) => (bytes(size), Tone::Plain),
        },
        What::Since => (since(store.and_then(|store| store.pending_since), state.now), Tone::Plain),
        What::Head => name(store.and_then(|store| store.head)),
        What::Epoch => name(store.and_then(|store| store.epoch).or(target.map(|target| target.epoch)).map(u64::from)),
        What::Busy => busy(status),
        What::Doing => doing(state, row, status, room),
        What::Applied => name(target.and_then(|target| target.applied_seq)),
        What::AppliedAt => (target.and_then(|target| target.applied_at.clone()).unwrap_or_else(|| "-".into()), Tone::Dim),
        What::Staged => match target.and_then(|target| target.staged) {
            Some(staged) => (range(staged, room), Tone::Busy),
            None => ("-".into(), Tone::Dim),
        },
        What::Diverged => {
            match target.and_then(|target| target.diverged.as_ref().map(|diverged| &diverged.why).or(target.doubts.first())) {
                Some(why) => (why.clone(), Tone::Bad),
                None => ("-".into(), Tone::Dim),
            }
        }
    }
}

/// Batches and rows in staging.
fn range(staged: StagedRange, room: usize) -> String {
    let StagedRange { from, to, rows, .. } = staged;
    let forms = [format!("{from}-{to}: {}", count(rows)), format!("{from}-{to}: {}", brief(rows)), format!("to {to}: {}", brief(rows))];
    forms.into_iter().find(|form| form.len() <= room).unwrap_or_else(|| format!("to {}: {}", brief(to), brief(rows)))
}

fn since(then: Option<Timestamp>, now: Timestamp) -> String {
    then.map_or_else(|| "-".to_owned(), |then| ago(then, now))
}

fn busy(status: &TableStatus) -> (String, Tone) {
    let Some(store) = &status.store else { return ("-".into(), Tone::Dim) };
    let leases = [("extract", &store.extracting), ("load", &store.loading)];
    let words: Vec<String> = leases
        .iter()
        .filter_map(|(job, busy)| busy.as_ref().map(|busy| if busy.silent { format!("{job} silent") } else { (*job).to_owned() }))
        .collect();
    match words.len().cmp(&0) {
        Ordering::Greater => {
            // A silent lease is nobody's: that is no work but a reason why there is none.
            let silent = leases.iter().any(|(_, busy)| busy.as_ref().is_some_and(|busy| busy.silent));
            (words.join(" "), if silent { Tone::Warn } else { Tone::Busy })
        }
        _ => ("-".into(), Tone::Dim),
    }
}

/// What happens with the table now: a job of ours, a job of others, or what failed.
fn doing(state: &State, row: &Row, status: &TableStatus, room: usize) -> (String, Tone) {
    if let Some(job) = state.jobs.of(&row.table) {
        if let Some(progress) = job.phase(Some(&row.table)) {
            let rows = fitted(progress.rows, room.saturating_sub(progress.phase.len() + 1));
            let phase = padded(progress.phase, progress.phase.len().min(room.saturating_sub(rows.len() + 1)));
            return (format!("{phase} {rows}"), Tone::Busy);
        }
        let mut ends = job.ends_on(&row.table).iter().rev();
        // Of several steps the one that failed is told.
        let strange = ends.clone().filter(|end| end.kind >= EndKind::Attention).max_by_key(|end| end.kind);
        if let Some(end) = strange.or_else(|| ends.next()) {
            return (if end.is_cancelled() { "cancelled".into() } else { end.outcome.clone() }, end.tone());
        }
        if job.is_running() {
            return (if job.cancelling { "stopping".into() } else { "waits".into() }, Tone::Busy);
        }
    }
    if let Some(last) = state.fleet.failed.get(&row.table) {
        return (last.outcome.clone(), Tone::Bad);
    }
    let (text, tone) = busy(status);
    if text == "-" { (String::new(), Tone::Dim) } else { (text, tone) }
}
