//! The sheet before anything that writes: what will happen, to what, how, and how to say yes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use tui_input::Input;
use unicode_width::UnicodeWidthStr;

use super::input::input;
use super::overlay::{boxed, frame, inside};
use super::paint::{put, wrap};
use crate::console::action::Action;
use crate::console::order::Danger;
use crate::console::page::Tone;
use crate::console::seam::Kind;
use crate::console::state::State;
use crate::console::state::overlay::{Field, Sheet};
use crate::console::state::screen::Loaded;
use crate::model::TableName;
use crate::model::words::{bytes, many};

/// Tables that have a line each; more stand beside each other.
const LINES_OF_TABLES: usize = 6;
const WIDTH: u16 = 96;

pub fn sheet(state: &State, sheet: &Sheet, whole: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    let (lines, asks, area) = content(state, sheet, whole);
    let tone = match (sheet.danger, state.place.kind) {
        (Danger::Typed, _) | (_, Kind::Production) => Tone::Bad,
        _ => Tone::Warn,
    };
    let title = format!("{} in {} {}", sheet.order.title(), state.place.kind.badge(), state.place.profile);
    let inner = frame(state, whole, area.width, area.height, &title, tone, buf);
    let room = room(inner, &asks);
    let scroll = sheet.scroll.min(lines.len().saturating_sub(room));
    for ((text, tone), y) in lines.iter().skip(scroll).take(room).zip(inner.top()..) {
        put(buf, inner.x, y, inner.width, text, theme.tone(*tone));
    }
    if lines.len() > room + scroll {
        let y = inner.top() + u16::try_from(room).unwrap_or(0);
        put(buf, inner.x, y, inner.width, &format!("↓ {}", many(lines.len() - room - scroll, "more line")), theme.tone(Tone::Dim));
    }
    // What is typed stands last: of a screen without room for all that is what must be seen.
    let asks = &asks[asks.len().saturating_sub(usize::from(inner.height))..];
    let first = inner.bottom().saturating_sub(u16::try_from(asks.len()).unwrap_or(0));
    for (ask, y) in asks.iter().zip(first..inner.bottom()) {
        match ask {
            Ask::Text(text, tone) => drop(put(buf, inner.x, y, inner.width, text, theme.tone(*tone))),
            Ask::Typed(typed, true) => input(buf, Rect { y, height: 1, ..inner }, "> ", typed, theme.tone(Tone::Accent)),
            Ask::Typed(typed, false) => drop(put(buf, inner.x, y, inner.width, &format!("> {}", typed.value()), theme.tone(Tone::Plain))),
        }
    }
}

type Lines = Vec<(String, Tone)>;

/// A line of what a sheet asks.
enum Ask<'a> {
    Text(String, Tone),
    /// What is typed, and whether keys go there now.
    Typed(&'a Input, bool),
}

/// What it tells, what it asks, and where it stands.
fn content<'a>(state: &State, sheet: &'a Sheet, whole: Rect) -> (Lines, Vec<Ask<'a>>, Rect) {
    let width = WIDTH.min(whole.width.saturating_sub(2));
    let inner = usize::from(width.saturating_sub(4));
    let (lines, asks) = (lines(state, sheet, inner), asks(sheet, inner));
    let height = u16::try_from(lines.len() + asks.len() + 3).unwrap_or(u16::MAX);
    (lines, asks, boxed(whole, width, height))
}

/// Lines that have room above what is asked; one says that there are more.
fn room(inner: Rect, asks: &[Ask<'_>]) -> usize {
    usize::from(inner.height).saturating_sub(asks.len() + 1)
}

/// How far it can be scrolled.
#[must_use]
pub fn most(state: &State, sheet: &Sheet) -> usize {
    let (lines, asks, area) = content(state, sheet, Rect::new(0, 0, state.size.0, state.size.1));
    lines.len().saturating_sub(room(inside(area), &asks))
}

/// What will happen.
fn lines(state: &State, sheet: &Sheet, width: usize) -> Vec<(String, Tone)> {
    let mut lines: Vec<(String, Tone)> = wrap(sheet.order.does(), width).into_iter().map(|line| (line, Tone::Plain)).collect();
    lines.push((String::new(), Tone::Plain));
    lines.extend(tables(state, &sheet.tables, width));
    let waiting = sheet.tables.iter().filter_map(|table| state.fleet.status(table)).filter_map(|status| status.store.as_ref());
    let (files, size) =
        waiting.fold((0, 0), |(files, size), store| (files + store.pending_files.unwrap_or(0), size + store.pending_bytes.unwrap_or(0)));
    if files > 0 {
        lines.push((format!("waiting    {}, {}", many(usize::try_from(files).unwrap_or(usize::MAX), "file"), bytes(size)), Tone::Plain));
    }
    lines.push((format!("from       {}", state.place.source), Tone::Dim));
    lines.push((format!("through    {}", state.place.bucket), Tone::Dim));
    lines.push((format!("into       {}", state.place.cluster), Tone::Dim));
    match &sheet.plan {
        Loaded::Waiting(..) => lines.push(("looking at what it would do".into(), Tone::Dim)),
        Loaded::Failed(fault, _) => {
            lines.extend(wrap(&format!("{}: {}", fault.code, fault.what), width).into_iter().map(|line| (line, Tone::Bad)));
            let next = fault.next.iter().flat_map(|next| wrap(&format!("next: {next}"), width));
            lines.extend(next.map(|line| (line, Tone::Plain)));
        }
        _ => {}
    }
    if let Some(plan) = sheet.plan.shown() {
        for (name, value) in &plan.facts {
            let name = format!("{name:<10}");
            for (at, line) in wrap(value, width.saturating_sub(11)).into_iter().enumerate() {
                lines.push((format!("{} {line}", if at == 0 { name.as_str() } else { "          " }), Tone::Plain));
            }
        }
        for warning in &plan.warnings {
            lines.extend(wrap(warning, width).into_iter().map(|line| (line, Tone::Warn)));
        }
        if !plan.sql.is_empty() {
            lines.push((String::new(), Tone::Plain));
        }
        for sql in &plan.sql {
            lines.extend(sql.lines().flat_map(|line| wrap(line, width)).map(|line| (line, Tone::Accent)));
        }
    }
    lines
}

/// Every table by name, and how many of the marked ones the list does not show.
fn tables(state: &State, tables: &[TableName], width: usize) -> Lines {
    let mut lines = Vec::new();
    if tables.len() <= LINES_OF_TABLES {
        lines.extend(tables.iter().map(|table| (format!("table      {table}"), Tone::Accent)));
    } else {
        // Beside each other, as many as have room; one that is wider than that is broken, not cut.
        let room = width.saturating_sub(11).max(1);
        let mut names: Vec<String> = Vec::new();
        for name in tables.iter().map(ToString::to_string) {
            match names.last_mut() {
                Some(line) if line.width() + 2 + name.width() <= room => line.extend(["  ", &name]),
                _ => names.push(name),
            }
        }
        for (at, line) in names.iter().flat_map(|line| broken(line, room)).enumerate() {
            let head = if at == 0 { many(tables.len(), "table") } else { String::new() };
            lines.push((format!("{head:<11}{line}"), Tone::Accent));
        }
    }
    if let Some(hidden) = hidden(state, tables) {
        lines.extend(wrap(&hidden, width).into_iter().map(|line| (line, Tone::Warn)));
    }
    lines
}

/// A line that has room stays as it is.
fn broken(line: &str, room: usize) -> Vec<String> {
    if line.width() <= room { vec![line.to_owned()] } else { wrap(line, room) }
}

/// How many of the marked tables the filter or `!` hides; `None`: none of them.
fn hidden(state: &State, tables: &[TableName]) -> Option<String> {
    let (fleet, hidden) = (&state.fleet, state.hidden(tables));
    let by = match (fleet.filter.is_empty(), fleet.problems_only) {
        (true, _) => format!("{} (only tables with problems)", state.keymap.key(Action::Problems)),
        (false, false) => format!("the filter /{}", fleet.filter.text),
        (false, true) => format!("the filter /{} and {}", fleet.filter.text, state.keymap.key(Action::Problems)),
    };
    let are = if hidden == 1 { "is" } else { "are" };
    (hidden > 0).then(|| format!("{hidden} of {} marked {are} hidden by {by}", tables.len()))
}

/// How to say yes.
fn asks(sheet: &Sheet, width: usize) -> Vec<Ask<'_>> {
    let says = |text: &str, tone: Tone| wrap(text, width).into_iter().map(move |line| Ask::Text(line, tone)).collect::<Vec<_>>();
    let tone = |field: Field| if sheet.field == field { Tone::Accent } else { Tone::Plain };
    let mut asks = vec![Ask::Text(String::new(), Tone::Plain)];
    if let Some(reason) = &sheet.reason {
        asks.extend(says("why, for the next person:", tone(Field::Reason)));
        asks.push(Ask::Typed(reason, sheet.field == Field::Reason));
    }
    if let Some((wanted, typed)) = &sheet.typed {
        asks.extend(says(&format!("type {wanted} to go on:"), tone(Field::Typed)));
        asks.push(Ask::Typed(typed, sheet.field == Field::Typed));
    }
    // What a key does is told where it does it: in an input it is a letter.
    match (sheet.field, sheet.missing()) {
        (Field::Keys, None) => asks.extend(says("y runs it, n or Esc cancels; c copies its command line", Tone::Accent)),
        (Field::Keys, Some(missing)) => asks.extend(says(&format!("needs {missing}; Esc cancels"), Tone::Dim)),
        (Field::Reason, _) => asks.extend(says("Enter: next; Esc cancels", Tone::Dim)),
        (Field::Typed, _) => {}
    }
    asks
}

/// The footer while a sheet is open.
#[must_use]
pub fn hints(sheet: &Sheet) -> Vec<(String, String)> {
    let hint = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    match sheet.field {
        Field::Reason => vec![hint("Enter", "next"), hint("Esc", "cancel")],
        Field::Typed => vec![hint("Enter", "run, once the name matches"), hint("Esc", "cancel")],
        Field::Keys => vec![hint("y", "run"), hint("n", "cancel"), hint("c", "copy command line"), hint("Up Down", "scroll")],
    }
}
