//! The views that list no tables: runs, log, set-up.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::Hits;
use super::page::padded;
use super::paint::{fill, put, wrap};
use crate::console::msg::Hit;
use crate::console::page::Tone;
use crate::console::seam::is_cancel;
use crate::console::setup::{Checklist, StepState};
use crate::console::state::jobs::Rows;
use crate::console::state::screen::Loaded;
use crate::console::state::{State, View};
use crate::engine::event::Job;
use crate::model::control::{RunRecord, RunTable};
use crate::model::words::{ago, many, span};

pub fn view(state: &State, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    match state.view {
        View::Runs => runs(state, area, buf, hits),
        View::Log => log(state, area, buf, hits),
        View::Setup => setup(state, area, buf, hits),
        View::Tables | View::Files | View::Redshift => {}
    }
}

fn line(state: &State, place: usize, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    if place == state.cursor().at {
        fill(buf, area, state.look.theme.selected());
    }
    hits.add(area, Hit::Row(place));
}

fn head(state: &State, area: Rect, buf: &mut Buffer, text: &str) -> Rect {
    let style = state.look.theme.tone(Tone::Dim).add_modifier(Modifier::UNDERLINED);
    put(buf, area.x + 2, area.y, area.width.saturating_sub(2), text, style);
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

fn runs(state: &State, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let theme = state.look.theme;
    let by = by_width(area.width);
    let body = head(state, area, buf, &format!("{:<14}{:<10}{:<by$}{:>8}  {}", "BEGAN", "COMMAND", "BY", "TOOK", "OUTCOME"));
    if state.runs.is_empty() {
        let (text, tone) = match &state.unread {
            Some(fault) => (format!("not known: {}: {}", fault.code, fault.what), Tone::Bad),
            None if !state.judged => ("asking".to_owned(), Tone::Dim),
            None => ("no run is on record".to_owned(), Tone::Dim),
        };
        put(buf, body.x + 2, body.y, body.width, &text, theme.tone(tone));
    }
    for ((place, run), y) in state.runs.iter().enumerate().skip(state.cursor().top).zip(body.top()..body.bottom()) {
        let row = Rect { y, height: 1, ..body };
        let (text, tone) = run_line(state, run, by);
        put(buf, row.x + 2, y, row.width.saturating_sub(2), &text, theme.tone(tone));
        line(state, place, row, buf, hits);
    }
}

/// Columns for who it was: what the others leave.
fn by_width(width: u16) -> usize {
    usize::from(width).saturating_sub(60).clamp(12, 44)
}

fn run_line(state: &State, run: &RunRecord, wide: usize) -> (String, Tone) {
    let failed = run.tables.iter().filter(|line| line.fault.as_ref().is_some_and(|fault| !is_cancel(fault))).count();
    let cancelled = run.tables.iter().any(|line| line.fault.as_ref().is_some_and(is_cancel));
    let by = format!("{}@{}", run.by.user, run.by.host);
    let took = run.finished.map_or_else(|| "-".to_owned(), |end| span(end.duration_since(run.by.since).as_secs().max(0)));
    let step = |line: &RunTable| Job::STEPS.into_iter().find(|job| line.outcome.split(' ').next() == Some(job.as_str()));
    let rows = run.tables.iter().filter_map(|line| Some((step(line)?, line.rows))).collect::<Rows>().words();
    let comma = if rows.is_empty() { "" } else { ", " };
    let (outcome, tone) = match (run.finished, failed) {
        (None, _) => ("under way, or died".to_owned(), Tone::Busy),
        (Some(_), 0) if cancelled => (format!("cancelled{comma}{rows}"), Tone::Warn),
        (Some(_), 0) => (format!("{}{comma}{rows}", many(run.tables.len(), "step")), Tone::Plain),
        (Some(_), failed) => (format!("{failed} of {} failed", many(run.tables.len(), "step")), Tone::Bad),
    };
    let by = padded(&by, wide - 1);
    (format!("{:<14}{:<10}{by} {took:>8}  {outcome}", ago(run.by.since, state.now), run.command), tone)
}

fn log(state: &State, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let theme = state.look.theme;
    let body = head(state, area, buf, "WHAT HAPPENED HERE, NEWEST FIRST");
    if state.log.is_empty() {
        put(buf, body.x + 2, body.y, body.width, "nothing yet", theme.tone(Tone::Dim));
    }
    for ((place, entry), y) in state.log.iter().enumerate().skip(state.cursor().top).zip(body.top()..body.bottom()) {
        let row = Rect { y, height: 1, ..body };
        let text = format!("{}  {}", entry.at.strftime("%H:%M:%SZ"), entry.text);
        put(buf, row.x + 2, y, row.width.saturating_sub(2), &text, theme.tone(entry.tone));
        line(state, place, row, buf, hits);
    }
}

/// The steps, the tables without CDC, and below them what the cursor is on.
fn setup(state: &State, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let theme = state.look.theme;
    let body = head(state, area, buf, "ENABLING CDC, STEP BY STEP");
    let Some(list) = state.setup.shown() else {
        let text = match &state.setup {
            Loaded::Failed(fault, _) => format!("{}: {}", fault.code, fault.what),
            Loaded::Empty => "not connected".to_owned(),
            _ => "asking".to_owned(),
        };
        put(buf, body.x + 2, body.y, body.width.saturating_sub(2), &text, theme.tone(Tone::Dim));
        return;
    };
    let detail = (body.height / 2).clamp(4, 16).min(body.height);
    let top = Rect { height: body.height - detail, ..body };
    let below = Rect { y: top.bottom(), height: detail, ..body };
    let lines = list.steps.len() + list.untracked.len();
    let first = state.cursor().at.saturating_sub(usize::from(top.height.saturating_sub(1))).max(state.cursor().top.min(lines));
    let first = first.min(state.cursor().at);
    for (place, y) in (first..lines).zip(top.top()..top.bottom()) {
        let row = Rect { y, height: 1, ..top };
        let (text, tone) = match list.steps.get(place) {
            Some(step) => {
                let (sign, word, tone) = sign(step.state, state.look.ascii);
                (format!("{sign} {:<44} {word}", step.title), tone)
            }
            None => (format!("  enable CDC for {}", list.untracked[place - list.steps.len()]), Tone::Plain),
        };
        put(buf, row.x + 2, y, row.width.saturating_sub(2), &text, theme.tone(tone));
        line(state, place, row, buf, hits);
    }
    for ((text, tone), y) in
        explained(list, state.cursor().at, usize::from(below.width.saturating_sub(4))).into_iter().zip(below.top()..below.bottom())
    {
        put(buf, below.x + 2, y, below.width.saturating_sub(4), &text, theme.tone(tone));
    }
}

fn sign(state: StepState, ascii: bool) -> (&'static str, &'static str, Tone) {
    match state {
        StepState::Done => (if ascii { "+" } else { "✓" }, "done", Tone::Good),
        StepState::Open => (if ascii { ">" } else { "▶" }, "to do", Tone::Warn),
        StepState::Waits => (if ascii { "." } else { "•" }, "waits for the step before", Tone::Dim),
        StepState::Unknown => ("?", "unknown", Tone::Dim),
    }
}

/// Why, the check, the permission and the SQL of a step.
fn explained(list: &Checklist, at: usize, width: usize) -> Vec<(String, Tone)> {
    let mut lines = vec![(String::new(), Tone::Plain)];
    let mut add = |name: &str, text: &str, tone: Tone| {
        if !text.is_empty() {
            lines.extend(wrap(&format!("{name}{text}"), width).into_iter().map(|line| (line, tone)));
        }
    };
    match list.steps.get(at) {
        Some(step) => {
            add("", &step.why, Tone::Plain);
            add("found: ", &step.found, Tone::Plain);
            add("needs: ", &step.permission, Tone::Dim);
            add("", &step.sql, Tone::Accent);
        }
        None if list.untracked.get(at.saturating_sub(list.steps.len())).is_some() => {
            add("", "This table is not tracked: its changes are not recorded. Enter shows what enabling it would run.", Tone::Plain);
        }
        None => {}
    }
    lines
}
