//! The two lines at the bottom: what just happened, and which keys do what here.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::paint::put;
use crate::console::action::{ACTIONS, Action};
use crate::console::page::Tone;
use crate::console::state::State;
use crate::console::state::overlay::Overlay;
use crate::console::state::screen::Screen;
use crate::model::TableName;
use crate::model::fault::FaultDocument;

pub fn message(state: &State, area: Rect, buf: &mut Buffer) {
    let said = state.message.as_ref().map(|message| (Cow::from(&message.text), message.tone));
    let Some((text, tone)) = said.or_else(|| standing(state)) else { return };
    put(buf, area.x + 1, area.y, area.width.saturating_sub(2), &text, state.look.theme.tone(tone));
}

/// What holds for as long as it does, and has no room elsewhere. On a page the line is the page's.
fn standing(state: &State) -> Option<(Cow<'_, str>, Tone)> {
    if !state.stack.is_empty() {
        return None;
    }
    let filter = state.fleet.filter.problem.as_ref().filter(|_| state.view.lists_tables());
    let filter = filter.map(|problem| (Cow::from(problem), Tone::Warn));
    let down = || super::header::capture_down(state).map(|why| (Cow::from(why), Tone::Bad));
    let unread = |fault: &FaultDocument| format!("more may have failed: the runs cannot be read: {}: {}", fault.code, fault.what);
    filter.or_else(down).or_else(|| Some((Cow::from(unread(state.unread.as_ref()?)), Tone::Bad)))
}

/// Hints by priority: what has no room is dropped from the end, but never help and the way out.
pub fn footer(state: &State, area: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    let mut x = area.x + 1;
    let mut hints = hints(state);
    let width = |hints: &[(String, String)]| hints.iter().map(|(key, hint)| key.width() + hint.width() + 3).sum::<usize>();
    let always = [Action::Help, Action::Quit].map(|action| action.info().hint);
    while width(&hints) > usize::from(area.width) {
        let Some(last) = hints.iter().rposition(|(_, hint)| !always.contains(&hint.as_str())) else { break };
        hints.remove(last);
    }
    for (key, hint) in hints {
        x += put(buf, x, area.y, area.right().saturating_sub(x), &key, theme.tone(Tone::Accent));
        x += put(buf, x, area.y, area.right().saturating_sub(x), &format!(" {hint}  "), theme.tone(Tone::Dim));
    }
}

fn hints(state: &State) -> Vec<(String, String)> {
    let fixed = |hints: &[(&str, &str)]| hints.iter().map(|(key, hint)| ((*key).to_owned(), (*hint).to_owned())).collect();
    match &state.overlay {
        Some(Overlay::Sheet(sheet)) => return super::sheet::hints(sheet),
        Some(Overlay::Pick(_)) => return fixed(&[("Enter", "choose"), ("Esc", "close")]),
        Some(Overlay::Prompt(_)) => return fixed(&[("Enter", "go"), ("Esc", "cancel")]),
        Some(Overlay::Help { .. }) => return fixed(&[("j k", "scroll"), ("Esc", "close")]),
        Some(Overlay::Stopping(_)) => return fixed(&[("y", "stop it"), ("n", "let it go on")]),
        Some(Overlay::Leaving) => return fixed(&[("w", "wait for the jobs"), ("c", "stop them and leave"), ("s", "stay")]),
        None => {}
    }
    if state.typing.is_some() {
        return fixed(&[("Enter", "keep"), ("Esc", "clear"), ("state: lag> schema: !word", "narrow")]);
    }
    let wanted = wanted(state);
    let known = |action: &Action| ACTIONS.iter().find(|info| info.action == *action && !info.hint.is_empty());
    wanted
        .iter()
        .filter_map(known)
        .map(|info| (state.keymap.key(info.action), info.hint.to_owned()))
        .filter(|(key, _)| !key.is_empty())
        .collect()
}

/// What an operator would want here, the likeliest first.
fn wanted(state: &State) -> Vec<Action> {
    use Action::{
        Back, Both, Cancel, Copy, DryRun, EnableCdc, Extract, Fault, Filter, Freeze, Help, Load, Mark, Menu, NextTab, Open, Pause,
        Problems, Quit, Retry, Reveal, SortNext, Trace,
    };
    let mut wanted = Vec::new();
    let failed = |table: &TableName| state.fleet.failed.contains_key(table);
    let marked = state.stack.is_empty() && state.marks.iter().any(failed);
    if marked || (state.marks.is_empty() || !state.stack.is_empty()) && state.focused().is_some_and(failed) {
        wanted.extend([Fault, Retry]);
    }
    match state.stack.last() {
        Some(Screen::Table(_)) => wanted.extend([Back, NextTab, Both, Extract, Load, Reveal, Menu, Copy, DryRun, Trace, Pause]),
        Some(Screen::Page(screen)) => {
            if screen.page.shown().is_some_and(|page| page.stops() > 0) {
                wanted.push(Open);
            }
            if screen.page.shown().is_some_and(|page| page.reveal) {
                wanted.push(Reveal);
            }
            wanted.extend([Back, Menu, Copy]);
        }
        None if state.view.lists_tables() => {
            wanted.extend([Open, Both, Extract, Load, Filter, Menu, Pause, Mark, Problems, SortNext, EnableCdc, Freeze]);
        }
        None => wanted.extend([Open, Back, Menu, Copy]),
    }
    if !state.jobs.is_idle() {
        wanted.insert(0, Cancel);
    }
    // Help and the way out are always told.
    wanted.insert(wanted.len().min(5), Help);
    wanted.insert(wanted.len().min(6), Quit);
    wanted
}
