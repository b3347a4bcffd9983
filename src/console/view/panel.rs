//! Beside or below the list: the table under the cursor, its hops and what to do.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Borders, Widget};
use unicode_width::UnicodeWidthStr;

use super::paint::{put, wrap};
use crate::console::action::Action;
use crate::console::page::Tone;
use crate::console::state::State;
use crate::model::status::{Hop, HopName, TableStatus};
use crate::model::words::{ago, bytes, count, many, span};

pub fn panel(state: &State, area: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    let beside = area.x > 0;
    let borders = if beside { Borders::LEFT } else { Borders::TOP };
    let set = if state.look.ascii {
        ratatui::symbols::border::Set { vertical_left: "|", horizontal_top: "-", ..ratatui::symbols::border::PLAIN }
    } else {
        ratatui::symbols::border::PLAIN
    };
    let block = Block::new().borders(borders).border_set(set).border_style(theme.border());
    let inner = block.inner(area);
    block.render(area, buf);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(status) = state.table.as_ref().and_then(|table| state.fleet.status(table)) else { return };
    let lines = lines(state, status, inner.width);
    let lines = lines.into_iter().flat_map(|(text, tone)| wrap(&text, usize::from(inner.width)).into_iter().map(move |line| (line, tone)));
    for ((text, tone), y) in lines.zip(inner.top()..inner.bottom()) {
        put(buf, inner.x, y, inner.width, &text, theme.tone(tone));
    }
}

fn lines(state: &State, status: &TableStatus, width: u16) -> Vec<(String, Tone)> {
    let mut lines = vec![(status.table.to_string(), Tone::Accent)];
    let wide = usize::from(width);
    if let Some(last) = state.fleet.failed.get(&status.table) {
        lines.extend(wrap(&format!("{}: {}", last.fault.code, last.fault.what), wide).into_iter().take(3).map(|line| (line, Tone::Bad)));
        lines.push((format!("{}  {}  {} tells why", last.outcome, ago(last.at, state.now), state.keymap.key(Action::Fault)), Tone::Dim));
    }
    lines.extend(hops(state, status, wide));
    if let Some(stuck) = &status.hops.stuck {
        lines.extend(
            wrap(&format!("stuck for {}: {}", span(state.now.duration_since(stuck.since).as_secs().max(0)), stuck.why), wide)
                .into_iter()
                .map(|line| (line, Tone::Warn)),
        );
    }
    if let Some(left) = &status.retention {
        let total = span(left.retention_seconds);
        lines.push(match (left.left_seconds <= 0, left.warn) {
            (true, _) => (format!("retention of {total} is over: the next clean-up passes the reader"), Tone::Bad),
            (_, true) => (format!("retention: {} of {total} left, more than half is used", span(left.left_seconds)), Tone::Warn),
            _ => (format!("retention: {} of {total} left", span(left.left_seconds)), Tone::Dim),
        });
    }
    if let Some(source) = &status.source {
        let text = match (source.tracked, &source.instance) {
            (false, _) => "CDC is not enabled for this table".to_owned(),
            (true, Some(instance)) => {
                format!("CDC: instance {instance}{}", if source.waiting == Some(true) { ", changes wait" } else { "" })
            }
            (true, None) => "CDC: enabled".to_owned(),
        };
        lines.push((text, Tone::Plain));
    }
    if let Some(store) = &status.store {
        let head = store.head.map_or_else(String::new, |head| format!(", head {head}"));
        let epoch = store.epoch.map_or_else(|| "no epoch yet".to_owned(), |epoch| format!("epoch {epoch}{head}"));
        let files = match (store.pending, store.pending_files, store.pending_bytes) {
            (Some(0), ..) => ", nothing waits".to_owned(),
            (Some(pending), Some(files), Some(size)) => format!(", {} waiting: {}, {}", count(pending), many(files, "file"), bytes(size)),
            _ => String::new(),
        };
        lines.push((format!("S3: {epoch}{files}"), Tone::Plain));
        if store.paused {
            let why = store
                .control
                .as_ref()
                .and_then(|control| control.paused.as_ref())
                .map(|paused| format!(" by {}: {}", paused.by, paused.why));
            lines.push((format!("paused{}", why.unwrap_or_default()), Tone::Warn));
        }
    }
    if let Some(target) = &status.target {
        let applied = target.applied_seq.map_or_else(|| "nothing applied".to_owned(), |seq| format!("applied {seq}"));
        let at = target.applied_at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        let staged = target.staged.map_or_else(
            || "staging empty".to_owned(),
            |staged| format!("staged {} to {}, {}", staged.from, staged.to, many(staged.rows, "row")),
        );
        lines.push((format!("Redshift: epoch {}, {applied}{at}, {staged}", target.epoch), Tone::Plain));
        lines.extend(target.differences().flat_map(|why| wrap(&why, wide)).map(|line| (line, Tone::Bad)));
    }
    if let Some(next) = status.next.first() {
        lines.extend(wrap(&format!("next: {next}"), wide).into_iter().map(|line| (line, Tone::Accent)));
    }
    lines
}

/// The way of a commit: three hops between four stations. What has no room goes on in the next line.
fn hops(state: &State, status: &TableStatus, width: usize) -> Vec<(String, Tone)> {
    let (line, head) = if state.look.ascii { ("--", ">") } else { ("─", "▶") };
    let hops = &status.hops;
    let hop = |name: HopName, hop: &Hop| {
        let stuck = hops.stuck.as_ref().is_some_and(|stuck| stuck.hop == name);
        let lag = hop.lag_seconds.max(hop.waiting_seconds).map_or_else(|| "?".to_owned(), span);
        format!("{line}{}{lag}{line}{head}", if stuck { "STUCK " } else { "" })
    };
    let parts = [
        format!("commit {}", hop(HopName::Capture, &hops.capture)),
        format!("CDC {}", hop(HopName::Extract, &hops.extract)),
        format!("S3 {}", hop(HopName::Load, &hops.load)),
        "Redshift".to_owned(),
    ];
    let tone = if hops.stuck.is_some() { Tone::Warn } else { Tone::Plain };
    let mut lines: Vec<(String, Tone)> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some((text, _)) if text.width() + 1 + part.width() <= width => {
                text.push(' ');
                text.push_str(&part);
            }
            _ => lines.push((part, tone)),
        }
    }
    lines
}
