//! The three lines on top: where one is, how the three systems are, which view is shown.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::Hits;
use super::paint::{ago, count, put, put_right, run, span};
use crate::console::action::Action;
use crate::console::msg::Hit;
use crate::console::page::Tone;
use crate::console::seam::{Access, Kind};
use crate::console::state::fleet::Trouble;
use crate::console::state::links::System;
use crate::console::state::{Purpose, State, View};

/// From this width on ages and losses are told in words.
const WIDE: u16 = 100;

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
    let profile = format!(" {} ", place.profile);
    let insecure = place.insecure.as_ref().map(|text| format!("  {text}")).unwrap_or_default();
    let right = u16::try_from(access.0.len() + 1).unwrap_or(0);
    let left = Rect { width: area.width.saturating_sub(right), ..area };
    let room = usize::from(left.width).saturating_sub(badge.width() + profile.width() + insecure.width());
    let (way, user) = way(state, room);
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

/// The three places and the user, in the longest form that has room: without the user, without the
/// domains of the hosts, without the prefix in S3.
fn way(state: &State, room: usize) -> (String, String) {
    let place = &state.place;
    let arrow = if state.look.ascii { " > " } else { " → " };
    let join = |places: [&str; 3]| places.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(arrow);
    let (source, cluster) = (short(&place.source), short(&place.cluster));
    let bucket = place.bucket.split('/').next().unwrap_or_default();
    let whole = join([&place.source, &place.bucket, &place.cluster]);
    if whole.is_empty() {
        let text =
            if state.awaits(|purpose| *purpose == Purpose::Connect) || state.stack.is_empty() { "connecting" } else { "not connected" };
        return (text.into(), String::new());
    }
    let user = if place.user.is_empty() { String::new() } else { format!("  as {}", place.user) };
    let brief = join([&source, &place.bucket, &cluster]);
    let forms = [(whole.clone(), user.clone()), (whole, String::new()), (brief.clone(), user), (brief, String::new())];
    let last = (join([&source, bucket, &cluster]), String::new());
    forms.into_iter().find(|(way, user)| way.width() + user.width() <= room).unwrap_or(last)
}

/// `host/database` without the domain of the host. An address has none.
fn short(place: &str) -> String {
    let (host, rest) = place.split_once('/').map_or((place, String::new()), |(host, rest)| (host, format!("/{rest}")));
    match host.split_once('.') {
        Some((name, _)) if !name.is_empty() && !name.chars().all(|c| c.is_ascii_digit()) => format!("{name}{rest}"),
        _ => place.to_owned(),
    }
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
    let since = |then: Timestamp| span(state.now.duration_since(then).as_secs().max(0));
    let (good, bad, unknown) = if state.look.ascii { ("*", "x", "?") } else { ("●", "✗", "○") };
    let (mut x, wide) = (area.x + 1, area.width >= WIDE);
    for system in System::ALL {
        let link = state.links.of(system);
        let (dot, word, tone) = match (&link.lost, link.good) {
            (Some(lost), Some(good)) if wide => (bad, format!("lost, data {}, try {}", ago(good, state.now), lost.tries), Tone::Bad),
            (Some(lost), None) if wide => (bad, format!("silent for {}, try {}", since(lost.since), lost.tries), Tone::Bad),
            (Some(lost), good) => (bad, format!("lost {}", since(good.unwrap_or(lost.since))), Tone::Bad),
            (None, Some(at)) => (good, if wide { ago(at, state.now) } else { since(at) }, Tone::Good),
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
    if x >= area.right() {
        return;
    }
    let parts = tally(state, usize::from(area.right() - x));
    let mut at = area.right().saturating_sub(u16::try_from(width(&parts)).unwrap_or(0)).max(x);
    for (text, tone) in parts {
        at += put(buf, at, area.y, area.right().saturating_sub(at), &text, theme.tone(tone)) + 2;
    }
}

fn width(parts: &[(String, Tone)]) -> usize {
    parts.iter().map(|(text, _)| text.width() + 2).sum()
}

/// How many tables are in which trouble, the worst first, in the longest form that has room. No
/// problem is left out for want of room: then its number stands with its sign, or all in one number.
fn tally(state: &State, room: usize) -> Vec<(String, Tone)> {
    let tally = state.fleet.tally();
    let total: usize = tally.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return Vec::new();
    }
    let of = (format!("of {}", count(total as u64)), Tone::Dim);
    let words = tally.iter().map(|(trouble, number)| (format!("{} {}", count(*number as u64), trouble.word()), trouble.tone()));
    let mut parts: Vec<(String, Tone)> = words.chain([of.clone()]).collect();
    let problems = tally.iter().filter(|(trouble, _)| trouble.is_problem()).count();
    while width(&parts) > room && parts.len() > problems + 1 {
        parts.remove(parts.len() - 2);
    }
    if width(&parts) <= room {
        return parts;
    }
    let bad = || tally.iter().filter(|(trouble, _)| trouble.is_problem());
    let sign =
        |(trouble, number): &(Trouble, usize)| (format!("{}{}", trouble.glyph(state.look.ascii), count(*number as u64)), trouble.tone());
    let signs: Vec<(String, Tone)> = bad().map(sign).chain([of]).collect();
    if width(&signs) <= room {
        return signs;
    }
    let problems: usize = bad().map(|(_, number)| number).sum();
    let tone = if problems > 0 { Tone::Bad } else { Tone::Dim };
    let forms = [format!("{}/{} bad", count(problems as u64), count(total as u64)), format!("{} bad", count(problems as u64))];
    forms.into_iter().map(|text| vec![(text, tone)]).find(|form| width(form) <= room + 1).unwrap_or_default()
}

/// The six views, and what narrows the list.
pub fn tabs(state: &State, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let theme = state.look.theme;
    let narrowed = narrowed(state);
    let (whole, most) = (View::ALL.map(|view| view.title().len() + 4).iter().sum::<usize>(), usize::from(area.width));
    let mut x = area.x + 1;
    for (number, view) in (1..).zip(View::ALL) {
        let here = view == state.view;
        // What narrows the list must be seen: where there is no room the other views are numbers.
        let numbers = !narrowed.is_empty() && whole + narrowed.width() + 3 > most && !here;
        let text = if numbers { format!(" {number} ") } else { format!(" {number} {} ", view.title()) };
        let style = if here { theme.tone(Tone::Accent).add_modifier(Modifier::REVERSED) } else { theme.tone(Tone::Dim) };
        let used = put(buf, x, area.y, area.right().saturating_sub(x), &text, style);
        hits.add(Rect { x, y: area.y, width: used, height: 1 }, Hit::View(view));
        x += used;
    }
    let tone = if state.typing.is_some() { Tone::Accent } else { Tone::Warn };
    // The end is what counts: the last letters that were typed, and the numbers.
    let room = usize::from(area.right().saturating_sub(x + 1));
    let mut text = narrowed.as_str();
    while text.width() > room {
        let mut rest = text.chars();
        rest.next();
        text = rest.as_str();
    }
    put_right(buf, x + 1, area.y, area.right().saturating_sub(x + 1), text, theme.tone(tone));
}

/// What narrows the list, and how much of it is left; empty: all of it is shown.
fn narrowed(state: &State) -> String {
    if !state.view.lists_tables() || !state.stack.is_empty() {
        return String::new();
    }
    let (shown, all) = state.fleet.counts();
    let mut parts = Vec::new();
    if !state.marks.is_empty() {
        parts.push(format!("{} marked", count(state.marks.len() as u64)));
    }
    if state.fleet.problems_only {
        parts.push("problems only".to_owned());
    }
    if let Some(input) = &state.typing {
        parts.push(format!("/{}█", input.value()));
    } else if !state.fleet.filter.is_empty() {
        parts.push(format!("/{}", state.fleet.filter.text));
    }
    if shown == all && parts.is_empty() {
        return String::new();
    }
    format!("{}  {}/{} ", parts.join("  "), count(shown as u64), count(all as u64))
}
