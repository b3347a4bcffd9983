//! The three lines on top: where one is, how the three systems are, which view is shown.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::Hits;
use super::paint::{ago, count, put, run, span};
use crate::console::action::Action;
use crate::console::msg::Hit;
use crate::console::page::Tone;
use crate::console::seam::{Access, Kind};
use crate::console::state::links::System;
use crate::console::state::{State, View};

/// The badge, the profile, the three places, and whether one may write.
pub fn header(state: &State, area: Rect, buf: &mut Buffer) {
    let (theme, place) = (state.look.theme, &state.place);
    let tone = match place.kind {
        Kind::Production => Tone::Bad,
        Kind::Staging => Tone::Warn,
        Kind::Lab => Tone::Good,
    };
    let access = access(state);
    let badge = format!(" {} ", place.kind.badge());
    let arrow = if state.look.ascii { " > " } else { " → " };
    let way: Vec<&str> =
        [place.source.as_str(), place.bucket.as_str(), place.cluster.as_str()].into_iter().filter(|text| !text.is_empty()).collect();
    let way = if way.is_empty() { "connecting".to_owned() } else { way.join(arrow) };
    let profile = format!(" {} ", place.profile);
    let user = if place.user.is_empty() { String::new() } else { format!("  as {}", place.user) };
    let insecure = place.insecure.as_ref().map(|text| format!("  {text}")).unwrap_or_default();
    let right = u16::try_from(access.0.len() + 1).unwrap_or(0);
    let left = Rect { width: area.width.saturating_sub(right), ..area };
    run(
        buf,
        left,
        [
            (badge.as_str(), theme.badge(tone)),
            (profile.as_str(), theme.tone(Tone::Accent)),
            (way.as_str(), theme.tone(Tone::Plain)),
            (user.as_str(), theme.tone(Tone::Dim)),
            (insecure.as_str(), theme.tone(Tone::Bad)),
        ],
    );
    put(buf, left.right() + 1, area.y, right, &access.0, theme.tone(access.1).add_modifier(Modifier::BOLD));
}

fn access(state: &State) -> (String, Tone) {
    if state.frozen {
        return ("FROZEN".into(), Tone::Warn);
    }
    match state.access {
        _ if !state.connected => (String::new(), Tone::Dim),
        Access::ReadOnly => ("READ-ONLY".into(), Tone::Good),
        Access::Locked => (format!("READ-ONLY ({} unlocks)", state.keymap.key(Action::Unlock)), Tone::Good),
        Access::Until(end) => {
            let left = end.duration_since(state.now).as_secs().max(0);
            (format!("WRITE {:02}:{:02}", left / 60, left % 60), Tone::Bad)
        }
        Access::Write => ("WRITE".into(), Tone::Warn),
    }
}

/// A dot and a word for each system, then how many tables are in which trouble.
pub fn health(state: &State, area: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    let (good, bad, unknown) = if state.look.ascii { ("*", "x", "?") } else { ("●", "✗", "○") };
    let mut x = area.x + 1;
    for system in System::ALL {
        let link = state.links.of(system);
        let (dot, word, tone) = match (&link.lost, link.good) {
            (Some(lost), Some(good)) => (bad, format!("lost, data {}, try {}", ago(good, state.now), lost.tries), Tone::Bad),
            (Some(lost), None) => (
                bad,
                format!("no answer since {}, try {}", span(state.now.duration_since(lost.since).as_secs().max(0)), lost.tries),
                Tone::Bad,
            ),
            (None, Some(at)) => (good, ago(at, state.now), Tone::Good),
            (None, None) => (unknown, if state.connected { "asking" } else { "-" }.to_owned(), Tone::Dim),
        };
        let name = format!(" {} ", system.name());
        let rest = |x: u16| area.right().saturating_sub(x);
        x += put(buf, x, area.y, rest(x), dot, theme.tone(tone));
        x += put(buf, x, area.y, rest(x), &name, theme.tone(Tone::Plain));
        x += put(buf, x, area.y, rest(x), &word, theme.tone(if tone == Tone::Good { Tone::Dim } else { tone }));
        x += 2;
    }
    if let Some(down) = state.fleet.report.as_ref().and_then(|report| report.systems.source.capture.down.as_ref()) {
        let text = format!("capture DOWN: {down}");
        x += put(buf, x, area.y, area.right().saturating_sub(x), &text, theme.tone(Tone::Bad)) + 2;
    }
    let tally = state.fleet.tally();
    let total: usize = tally.iter().map(|(_, count)| count).sum();
    if total == 0 || x >= area.right() {
        return;
    }
    let mut parts: Vec<(String, Tone)> =
        tally.iter().map(|(trouble, number)| (format!("{} {}", count(*number as u64), trouble.word()), trouble.tone())).collect();
    parts.push((format!("of {}", count(total as u64)), Tone::Dim));
    // From the right end, the worst first; what has no room is dropped from the well ones.
    let width = |parts: &[(String, Tone)]| parts.iter().map(|(text, _)| text.chars().count() + 2).sum::<usize>();
    while width(&parts) > usize::from(area.right() - x) && parts.len() > 1 {
        let last = parts.len() - 2;
        parts.remove(last);
        if parts.len() == 1 {
            break;
        }
    }
    let mut at = area.right().saturating_sub(u16::try_from(width(&parts)).unwrap_or(0)).max(x);
    for (text, tone) in parts {
        at += put(buf, at, area.y, area.right().saturating_sub(at), &text, theme.tone(tone)) + 2;
    }
}

/// The six views, and what narrows the list.
pub fn tabs(state: &State, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let theme = state.look.theme;
    let mut x = area.x + 1;
    for (number, view) in (1..).zip(View::ALL) {
        let text = format!(" {number} {} ", view.title());
        let here = view == state.view;
        let style = if here { theme.tone(Tone::Accent).add_modifier(Modifier::REVERSED) } else { theme.tone(Tone::Dim) };
        let used = put(buf, x, area.y, area.right().saturating_sub(x), &text, style);
        hits.add(Rect { x, y: area.y, width: used, height: 1 }, Hit::View(view));
        x += used;
    }
    if !state.view.lists_tables() || !state.stack.is_empty() {
        return;
    }
    let (shown, all) = state.fleet.counts();
    let mut text = String::new();
    if let Some(input) = &state.typing {
        text = format!("/{}█", input.value());
    } else if !state.fleet.filter.is_empty() {
        text = format!("/{}", state.fleet.filter.text);
    }
    if state.fleet.problems_only {
        text = format!("problems only  {text}");
    }
    if !state.marks.is_empty() {
        text = format!("{} marked  {text}", state.marks.len());
    }
    if shown < all || !text.is_empty() {
        text = format!("{text}  {}/{} ", count(shown as u64), count(all as u64));
    }
    let tone = if state.typing.is_some() { Tone::Accent } else { Tone::Warn };
    super::paint::put_right(buf, x + 1, area.y, area.right().saturating_sub(x + 1), &text, theme.tone(tone));
}
