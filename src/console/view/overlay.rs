//! Boxes over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget};

use super::input::input;
use super::paint::{fill, put, put_right, wrap};
use super::{Hits, help, sheet};
use crate::console::msg::Hit;
use crate::console::page::Tone;
use crate::console::seam::Id;
use crate::console::state::State;
use crate::console::state::overlay::{Overlay, Pick, Prompt};
use crate::model::words::many;

const HELP_WIDTH: u16 = 100;

pub fn overlay(state: &State, whole: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let Some(overlay) = &state.overlay else { return };
    hits.cover();
    match overlay {
        Overlay::Sheet(shown) => sheet::sheet(state, shown, whole, buf),
        Overlay::Pick(shown) => pick(state, shown, whole, buf, hits),
        Overlay::Prompt(shown) => prompt(state, shown, whole, buf),
        Overlay::Help { scroll } => {
            frame(state, whole, HELP_WIDTH, whole.height.saturating_sub(2), "Help", Tone::Accent, buf);
            help::help(state, help_area(whole), *scroll, buf);
        }
        Overlay::Leaving => leaving(state, whole, buf),
        Overlay::Stopping(id) => stopping(state, *id, whole, buf),
    }
}

/// The inside of the help.
pub fn help_area(whole: Rect) -> Rect {
    inside(boxed(whole, HELP_WIDTH, whole.height.saturating_sub(2)))
}

/// Where a box of this size stands.
pub fn boxed(whole: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(whole.width.saturating_sub(2)), height.min(whole.height.saturating_sub(1)));
    Rect { x: (whole.width - width) / 2, y: (whole.height - height) / 2, width, height }
}

/// A box without its border and a blank on each side.
pub fn inside(area: Rect) -> Rect {
    Rect { x: area.x + 2, y: area.y + 1, width: area.width.saturating_sub(4), height: area.height.saturating_sub(2) }
}

/// A box in the middle; gives its inside.
pub fn frame(state: &State, whole: Rect, width: u16, height: u16, title: &str, tone: Tone, buf: &mut Buffer) -> Rect {
    let area = boxed(whole, width, height);
    let theme = state.look.theme;
    Clear.render(area, buf);
    let mut block = Block::bordered().border_style(theme.tone(tone)).title(format!(" {title} "));
    if state.look.ascii {
        block = block.border_set(ratatui::symbols::border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        });
    }
    block.render(area, buf);
    inside(area)
}

fn pick(state: &State, pick: &Pick, whole: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let theme = state.look.theme;
    let typed = u16::from(pick.input.is_some());
    let height = u16::try_from(pick.lines.len()).unwrap_or(u16::MAX).saturating_add(2 + typed).max(6);
    let height = if pick.input.is_some() { whole.height.saturating_sub(4) } else { height };
    let mut inner = frame(state, whole, 90, height, pick.title, Tone::Accent, buf);
    if let Some(typed) = &pick.input {
        input(buf, Rect { height: 1, ..inner }, ":", typed, theme.tone(Tone::Accent));
        inner = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    }
    let top = (pick.cursor + 1).saturating_sub(usize::from(inner.height));
    for ((at, line), y) in pick.lines.iter().enumerate().skip(top).zip(inner.top()..inner.bottom()) {
        let row = Rect { y, height: 1, ..inner };
        let note = u16::try_from(line.note.chars().count()).unwrap_or(u16::MAX).min(inner.width * 3 / 5);
        let tone = if line.enabled { Tone::Plain } else { Tone::Dim };
        put(buf, row.x, y, row.width.saturating_sub(note + 1), &line.text, theme.tone(tone));
        put_right(buf, row.right().saturating_sub(note), y, note, &line.note, theme.tone(Tone::Dim));
        if at == pick.cursor {
            fill(buf, row, theme.selected());
        }
        hits.add(row, Hit::Pick(at));
    }
    if pick.lines.is_empty() {
        put(buf, inner.x, inner.y, inner.width, "nothing fits", theme.tone(Tone::Dim));
    }
}

fn prompt(state: &State, prompt: &Prompt, whole: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    let inner = frame(state, whole, 76, 6, &prompt.title, Tone::Accent, buf);
    let help = wrap(&prompt.help, usize::from(inner.width));
    for (line, y) in help.iter().take(2).zip(inner.top()..) {
        put(buf, inner.x, y, inner.width, line, theme.tone(Tone::Dim));
    }
    let line = Rect { y: inner.bottom().saturating_sub(1), height: 1, ..inner };
    input(buf, line, "> ", &prompt.input, theme.tone(Tone::Accent));
}

fn leaving(state: &State, whole: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    let inner = frame(state, whole, 64, 7, "Jobs are running", Tone::Warn, buf);
    let at_work = match state.jobs.running().count() {
        0 => "They have ended meanwhile.".to_owned(),
        1 => "1 job is at work. Nothing is lost either way.".to_owned(),
        many => format!("{many} jobs are at work. Nothing is lost either way."),
    };
    let lines = [
        (at_work, Tone::Plain),
        (String::new(), Tone::Plain),
        ("w  wait: leave when they are done".into(), Tone::Accent),
        ("c  cancel: stop at the next safe point, then leave".into(), Tone::Accent),
        ("s  stay".into(), Tone::Accent),
    ];
    for ((text, tone), y) in lines.iter().zip(inner.top()..inner.bottom()) {
        put(buf, inner.x, y, inner.width, text, theme.tone(*tone));
    }
}

fn stopping(state: &State, id: Id, whole: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    let inner = frame(state, whole, 72, 7, "Cancel a job", Tone::Warn, buf);
    let what = state.jobs.iter().find(|job| job.id == id).map_or_else(String::new, |job| match job.tables.as_slice() {
        [table] => format!("{} of {table}", job.order.title()),
        tables => format!("{} of all its {}", job.order.title(), many(tables.len(), "table")),
    });
    let lines = [
        (what, Tone::Accent),
        ("It stops at its next safe point: nothing is half done, and the next run".into(), Tone::Plain),
        ("goes on from there. What was done until then stays.".into(), Tone::Plain),
        (String::new(), Tone::Plain),
        ("y stops it, n or Esc lets it go on".into(), Tone::Accent),
    ];
    for ((text, tone), y) in lines.iter().zip(inner.top()..inner.bottom()) {
        put(buf, inner.x, y, inner.width, text, theme.tone(*tone));
    }
}
