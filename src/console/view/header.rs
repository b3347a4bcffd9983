//! The three lines on top: where one is, how the three systems are, which view is shown.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::Hits;
use super::input::{input, width as width_of};
use super::paint::{put, put_right, run};
use crate::console::action::Action;
use crate::console::msg::Hit;
use crate::console::page::Tone;
use crate::console::seam::{Access, Kind};
use crate::console::state::fleet::Trouble;
use crate::console::state::links::System;
use crate::console::state::{Purpose, State, View};
use crate::model::words::{ago, count, span};

/// From this width on ages and losses are told in words.
const WIDE: u16 = 100;

/// The badge, the profile, the three places, and whether one may write.
pub fn header(state: &State, area: Rect, buf: &mut Buffer) {
    let (theme, place) = (state.look.theme, &state.place);
    let tone = match place.kind {
        Kind::Production => Tone::Bad,
        Kind::Staging => Tone::Warn,
        Kind::Lab => Tone::Good,
        Kind::Unknown => Tone::Dim,
    };
    let access = access(state);
    let badge = format!(" {} ", place.kind.badge());
    let profile = format!(" {} ", place.profile);
    let insecure = place.insecure.as_ref().map(|text| format!("  {text}")).unwrap_or_default();
    let right = u16::try_from(access.iter().map(|(text, _)| text.len() + 1).sum::<usize>()).unwrap_or(0);
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
    let mut x = left.right();
    for (text, tone) in access {
        x += 1;
        x += put(buf, x, area.y, area.right().saturating_sub(x), &text, theme.tone(tone).add_modifier(Modifier::BOLD));
    }
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
        let text = if state.awaits(|purpose| *purpose == Purpose::Connect) { "connecting" } else { "not connected" };
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

/// Whether one may write; beside it that the screen is frozen, which changes nothing about that.
fn access(state: &State) -> Vec<(String, Tone)> {
    let frozen = state.frozen.then(|| ("FROZEN".to_owned(), Tone::Warn));
    let access = match state.access {
        _ if !state.connected => (String::new(), Tone::Dim),
        Access::ReadOnly => ("READ-ONLY".into(), Tone::Good),
        Access::Locked => (format!("READ-ONLY ({} unlocks)", state.keymap.key(Action::Unlock)), Tone::Good),
        Access::Until(end) => {
            let left = end.duration_since(state.now).as_secs().max(0);
            (format!("WRITE {:02}:{:02}", left / 60, left % 60), Tone::Bad)
        }
        Access::Write => ("WRITE".into(), Tone::Warn),
    };
    frozen.into_iter().chain([access]).collect()
}

/// How much is told of each system.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In words.
    Words,
    /// How old its data are.
    Ages,
    /// Whether it answers.
    Signs,
}

/// Sign, name and word of a system.
fn system(state: &State, system: System, form: Form) -> [(String, Tone); 3] {
    let since = |then: Timestamp| span(state.now.duration_since(then).as_secs().max(0));
    let (good, bad, unknown) = if state.look.ascii { ("*", "x", "?") } else { ("●", "✗", "○") };
    let link = state.links.of(system);
    let (dot, word, tone) = match (&link.lost, link.good, form) {
        (Some(lost), Some(good), Form::Words) => (bad, format!("lost, data {}, try {}", ago(good, state.now), lost.tries), Tone::Bad),
        (Some(lost), None, Form::Words) => (bad, format!("silent for {}, try {}", since(lost.since), lost.tries), Tone::Bad),
        (Some(lost), good, Form::Ages) => (bad, format!("lost {}", since(good.unwrap_or(lost.since))), Tone::Bad),
        (Some(_), _, Form::Signs) => (bad, "lost".to_owned(), Tone::Bad),
        (None, Some(at), Form::Words) => (good, ago(at, state.now), Tone::Good),
        (None, Some(at), Form::Ages) => (good, since(at), Tone::Good),
        (None, Some(_), Form::Signs) => (good, String::new(), Tone::Good),
        (None, None, _) => (unknown, if state.connected { "asking" } else { "-" }.to_owned(), Tone::Dim),
    };
    let name = if word.is_empty() { format!(" {}", system.name()) } else { format!(" {} ", system.name()) };
    [(dot.to_owned(), tone), (name, Tone::Plain), (word, if tone == Tone::Good { Tone::Dim } else { tone })]
}

/// A dot and a word for each system, whether capture is down, then how many tables are in which
/// trouble. Where there is no room for all, ages go first: trouble is always told.
pub fn health(state: &State, area: Rect, buf: &mut Buffer) {
    const DOWN: &str = "capture DOWN";
    let theme = state.look.theme;
    let down = capture_down(state).is_some();
    let spare = if down { DOWN.len() + 2 } else { 0 };
    let room = usize::from(area.width).saturating_sub(1);
    let of = |form: Form| System::ALL.map(|one| system(state, one, form));
    let wide = |systems: &[[(String, Tone); 3]; 3]| systems.iter().flatten().map(|(text, _)| text.width()).sum::<usize>() + 6;
    let needed = spare + least(state);
    let forms = [Form::Words, Form::Ages, Form::Signs].into_iter().skip(usize::from(area.width < WIDE));
    let systems = forms.map(of).find(|systems| wide(systems) + needed <= room).unwrap_or_else(|| of(Form::Signs));
    let mut x = area.x + 1;
    for parts in systems {
        for (text, tone) in parts {
            x += put(buf, x, area.y, area.right().saturating_sub(x), &text, theme.tone(tone));
        }
        x += 2;
    }
    let left = usize::from(area.right().saturating_sub(x));
    let parts = tally(state, left.saturating_sub(spare));
    if down {
        x += put(buf, x, area.y, area.right().saturating_sub(x), DOWN, theme.tone(Tone::Bad)) + 2;
    }
    let mut at = area.right().saturating_sub(u16::try_from(width(&parts)).unwrap_or(0)).max(x);
    for (text, tone) in parts {
        at += put(buf, at, area.y, area.right().saturating_sub(at), &text, theme.tone(tone)) + 2;
    }
}

/// Why capture is down, as SQL Server said last.
#[must_use]
pub fn capture_down(state: &State) -> Option<&String> {
    state.fleet.report.as_ref()?.systems.source.capture.down.as_ref()
}

/// Columns that the shortest tally with its problems needs.
fn least(state: &State) -> usize {
    match problems(state) {
        0 => 0,
        problems => format!("{} bad", count(problems as u64)).len() + 1,
    }
}

fn problems(state: &State) -> usize {
    state.fleet.tally().iter().filter(|(trouble, _)| trouble.is_problem()).map(|(_, count)| count).sum()
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
    // What a silent system would say is not known: only problems keep their colour.
    let lost = state.links.any_lost();
    let tone = |trouble: &Trouble| if lost && !trouble.is_problem() { Tone::Dim } else { trouble.tone() };
    let words = tally.iter().map(|(trouble, number)| (format!("{} {}", count(*number as u64), trouble.word()), tone(trouble)));
    let mut parts: Vec<(String, Tone)> = words.chain([of.clone()]).collect();
    let kinds = tally.iter().filter(|(trouble, _)| trouble.is_problem()).count();
    while width(&parts) > room && parts.len() > kinds + 1 {
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
    let problems = problems(state);
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
        let numbers = narrowed.as_ref().is_some_and(|narrowed| whole + narrowed.width + 3 > most) && !here;
        let text = if numbers { format!(" {number} ") } else { format!(" {number} {} ", view.title()) };
        let style = if here { theme.tone(Tone::Accent).add_modifier(Modifier::REVERSED) } else { theme.tone(Tone::Dim) };
        let used = put(buf, x, area.y, area.right().saturating_sub(x), &text, style);
        hits.add(Rect { x, y: area.y, width: used, height: 1 }, Hit::View(view));
        x += used;
    }
    let Some(Narrowed { before, after, .. }) = &narrowed else { return };
    let line = Rect { x: x + 1, width: area.right().saturating_sub(x + 1), ..area };
    let Some(typed) = &state.typing else {
        // The end is what counts: the last words, and the numbers.
        let whole = format!("{before}{after}");
        let mut text = whole.as_str();
        while text.width() > usize::from(line.width) {
            let mut rest = text.chars();
            rest.next();
            text = rest.as_str();
        }
        return put_right(buf, line.x, line.y, line.width, text, theme.tone(Tone::Warn));
    };
    let (behind, wanted) = (u16::try_from(after.width()).unwrap_or(u16::MAX), width_of(typed));
    let room = line.width.saturating_sub(behind);
    let before = if before.width() + usize::from(wanted) <= usize::from(room) { before.as_str() } else { "/" };
    let wanted = u16::try_from(before.width()).unwrap_or(u16::MAX).saturating_add(wanted).min(room);
    let style = theme.tone(Tone::Accent);
    input(buf, Rect { x: line.x + room - wanted, width: wanted, ..line }, before, typed, style);
    put_right(buf, line.right().saturating_sub(behind), line.y, behind.min(line.width), after, style);
}

/// What narrows the list, and how much of it is left: what stands before a filter that is typed,
/// and behind it.
struct Narrowed {
    before: String,
    after: String,
    width: usize,
}

/// `None`: all of the list is shown, and nothing is marked.
fn narrowed(state: &State) -> Option<Narrowed> {
    if !state.view.lists_tables() || !state.stack.is_empty() {
        return None;
    }
    let (shown, all) = state.fleet.counts();
    let mut parts = Vec::new();
    if !state.marks.is_empty() {
        parts.push(format!("{} marked", count(state.marks.len() as u64)));
    }
    if state.fleet.problems_only {
        parts.push("problems only".to_owned());
    }
    let filter = &state.fleet.filter;
    if state.typing.is_some() {
        parts.push("/".to_owned());
    } else if !filter.is_empty() {
        parts.push(format!("/{}{}", filter.text, if filter.problem.is_some() { " (not understood)" } else { "" }));
    }
    if shown == all && parts.is_empty() {
        return None;
    }
    let (before, after) = (parts.join("  "), format!("  {}/{} ", count(shown as u64), count(all as u64)));
    let width = before.width() + after.width() + state.typing.as_ref().map_or(0, |typed| usize::from(width_of(typed)));
    Some(Narrowed { before, after, width })
}
