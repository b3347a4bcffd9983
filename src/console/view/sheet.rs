//! The sheet before anything that writes: what will happen, to what, how, and how to say yes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::overlay::{boxed, cursor, frame, inside};
use super::paint::{bytes, many, put, wrap};
use crate::console::order::Danger;
use crate::console::page::Tone;
use crate::console::seam::Kind;
use crate::console::state::State;
use crate::console::state::overlay::{Field, Sheet};
use crate::console::state::screen::Loaded;

/// Tables that are told by name; of more than that their number.
const SHOWN_TABLES: usize = 6;
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
    let first = inner.bottom().saturating_sub(u16::try_from(asks.len()).unwrap_or(0));
    for ((text, tone), y) in asks.iter().zip(first..inner.bottom()) {
        put(buf, inner.x, y, inner.width, text, theme.tone(*tone));
    }
}

type Lines = Vec<(String, Tone)>;

/// What it tells, what it asks, and where it stands.
fn content(state: &State, sheet: &Sheet, whole: Rect) -> (Lines, Lines, Rect) {
    let width = WIDTH.min(whole.width.saturating_sub(2));
    let lines = lines(state, sheet, usize::from(width.saturating_sub(4)));
    let asks = asks(state, sheet);
    let height = u16::try_from(lines.len() + asks.len() + 3).unwrap_or(u16::MAX);
    (lines, asks, boxed(whole, width, height))
}

/// Lines that have room above what is asked; one says that there are more.
fn room(inner: Rect, asks: &Lines) -> usize {
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
    for table in sheet.tables.iter().take(SHOWN_TABLES) {
        lines.push((format!("table      {table}"), Tone::Accent));
    }
    if sheet.tables.len() > SHOWN_TABLES {
        lines.push((format!("           and {} more", sheet.tables.len() - SHOWN_TABLES), Tone::Accent));
    }
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

/// How to say yes.
fn asks(state: &State, sheet: &Sheet) -> Vec<(String, Tone)> {
    let mut asks = vec![(String::new(), Tone::Plain)];
    if let Some(reason) = &sheet.reason {
        let here = if sheet.field == Field::Reason { cursor(state) } else { "" };
        asks.push((format!("why, for the next person: {}{here}", reason.value()), tone_of(sheet.field == Field::Reason)));
    }
    match &sheet.typed {
        Some((wanted, typed)) => {
            let here = if sheet.field == Field::Typed { cursor(state) } else { "" };
            asks.push((format!("type {wanted} to go on: {}{here}", typed.value()), tone_of(sheet.field == Field::Typed)));
        }
        None if sheet.missing().is_none() => asks.push(("y runs it, n or Esc cancels; c copies its command line".into(), Tone::Accent)),
        None => asks.push((format!("needs {}; Esc cancels", sheet.missing().unwrap_or_default()), Tone::Dim)),
    }
    asks
}

fn tone_of(here: bool) -> Tone {
    if here { Tone::Accent } else { Tone::Plain }
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
