//! Lists to pick from: the action menu, the palette, what can be copied, exported, switched to.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use tui_input::Input;

use super::orders;
use crate::console::action::{ACTIONS, Action, Group, Info};
use crate::console::page::Block;
use crate::console::seam::Access;
use crate::console::state::State;
use crate::console::state::overlay::{Overlay, Pick, PickKind, PickLine, Picked};
use crate::console::state::screen::Screen;

/// Lines of the palette at the most.
const HITS: usize = 200;

fn open(state: &mut State, kind: PickKind, title: &'static str, lines: Vec<PickLine>) {
    state.overlay = Some(Overlay::Pick(Pick { kind, title, lines, cursor: 0, input: None }));
}

fn line(state: &State, info: &Info) -> PickLine {
    let why_not = why_not(state, info.action);
    let note = why_not.clone().unwrap_or_else(|| state.keymap.key(info.action));
    PickLine { text: info.help.to_owned(), note, enabled: why_not.is_none(), pick: Picked::Action(info.action) }
}

/// Why an action cannot be done here; `None`: it can.
fn why_not(state: &State, action: Action) -> Option<String> {
    let tables = state.chosen();
    match action {
        Action::Cancel if state.jobs.is_idle() => Some("nothing runs".into()),
        Action::EnableCdc | Action::Cancel => None,
        _ => {
            let order = action.order(false)?;
            // The one reason for all of them is told in few words: it stands beside every line.
            match state.access {
                Access::ReadOnly => Some("read-only".into()),
                _ if !state.may_write() => Some(format!("locked: {} unlocks", state.keymap.key(Action::Unlock))),
                _ => orders::refusal(state, &order, &tables),
            }
        }
    }
}

/// `a`: everything that changes something, and the looks at a table.
pub fn menu(state: &mut State) {
    let wanted = |info: &&Info| info.group == Group::Change || info.group == Group::Look;
    let lines = ACTIONS.iter().filter(wanted).map(|info| line(state, info)).collect();
    open(state, PickKind::Menu, "Actions", lines);
}

/// `:`: all actions, views and tables.
pub fn palette(state: &mut State) {
    let pick = Pick { kind: PickKind::Palette, title: "Go to", lines: Vec::new(), cursor: 0, input: Some(Input::default()) };
    state.overlay = Some(Overlay::Pick(pick));
    narrow(state);
}

/// Lines that fit what was typed, the best first.
pub fn narrow(state: &mut State) {
    let Some(Overlay::Pick(Pick { kind: PickKind::Palette, input: Some(input), .. })) = &state.overlay else { return };
    let typed = input.value().to_owned();
    let pattern = Pattern::parse(&typed, CaseMatching::Ignore, Normalization::Smart);
    let (mut matcher, mut buffer) = (Matcher::new(Config::DEFAULT), Vec::new());
    let mut score = |text: &str| {
        buffer.clear();
        pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher)
    };
    let mut hits: Vec<(u32, PickLine)> = Vec::new();
    for info in ACTIONS {
        if let Some(score) = score(&format!("{} {}", info.name, info.help)) {
            // An action that is named by what was typed stands before a table that contains it.
            let exact = if info.name == typed { 10_000 } else { 0 };
            let mut line = line(state, info);
            line.text = format!("{}  {}", info.name, info.help);
            hits.push((score + exact, line));
        }
    }
    if !typed.is_empty() {
        for row in state.fleet.rows() {
            if let Some(score) = score(&row.name) {
                let (text, note) = (row.name.clone(), row.trouble.word().to_owned());
                hits.push((score, PickLine { text, note, enabled: true, pick: Picked::Table(row.table.clone()) }));
            }
        }
        hits.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    }
    hits.truncate(HITS);
    if let Some(Overlay::Pick(pick)) = &mut state.overlay {
        pick.lines = hits.into_iter().map(|(_, line)| line).collect();
        pick.cursor = 0;
    }
}

/// `y`: what of here may be wanted elsewhere.
pub fn copy(state: &mut State) {
    let mut lines = Vec::new();
    let mut add = |what: &str, text: String| {
        lines.push(PickLine { text: what.to_owned(), note: shortened(&text), enabled: true, pick: Picked::Copy(text) });
    };
    let tables = state.chosen();
    if !tables.is_empty() {
        add("name", tables.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    if let Some(last) = state.focused().and_then(|table| state.fleet.failed.get(table)) {
        let fault = &last.fault;
        let evidence = fault.evidence.iter().map(|fact| format!("{}: {}", fact.name, fact.value));
        let lines: Vec<String> = std::iter::once(format!("{}: {}", fault.code, fault.what)).chain(evidence).collect();
        add("last fault", lines.join("\n"));
    }
    if let Some(page) = state.stack.last().and_then(Screen::page).and_then(|screen| screen.page.shown()) {
        let code: Vec<&str> = page
            .blocks
            .iter()
            .filter_map(|block| match block {
                Block::Code(code) => Some(code.as_str()),
                _ => None,
            })
            .collect();
        if !code.is_empty() {
            add("SQL", code.join("\n\n"));
        }
        let uris: Vec<&str> = page
            .blocks
            .iter()
            .flat_map(|block| match block {
                Block::Facts(facts) => facts.iter().map(|fact| fact.value.as_str()).collect::<Vec<_>>(),
                Block::Grid(grid) => grid.rows.iter().flat_map(|row| &row.cells).map(String::as_str).collect(),
                _ => Vec::new(),
            })
            .filter(|value| value.starts_with("s3://"))
            .collect();
        if !uris.is_empty() {
            add("S3 URIs", uris.join("\n"));
        }
    }
    if let Some(table) = tables.first() {
        let status = state.fleet.status(table);
        if let Some(next) = status.and_then(|status| status.next.first()) {
            add("advice", next.clone());
        }
        for action in [Action::Both, Action::Extract, Action::Load, Action::Retry] {
            if let Some(order) = action.order(false) {
                add(&format!("command line of {}", action.info().name), order.command_line(&tables, &state.place.profile));
            }
        }
    }
    let whole = crate::console::export::text(state);
    let note = crate::console::view::paint::many(whole.lines().count(), "line");
    lines.push(PickLine { text: "whole view".into(), note, enabled: true, pick: Picked::Copy(whole) });
    open(state, PickKind::Copy, "Copy", lines);
}

/// A text as a note: its first line, and not all of it.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(60).collect();
    if short.len() < text.len() { format!("{short} …") } else { short }
}

/// `w`: into a file of the working folder.
pub fn export(state: &mut State) {
    let line = |text: &str, json| PickLine {
        text: text.to_owned(),
        note: crate::console::export::name(state, json).display().to_string(),
        enabled: true,
        pick: Picked::Export { json },
    };
    let lines = vec![line("as CSV", false), line("as JSON", true)];
    open(state, PickKind::Export, "Write the view", lines);
}

/// `p`: every profile of the configuration.
pub fn profiles(state: &mut State) {
    let line = |name: &String| {
        let here = *name == state.place.profile;
        PickLine { text: name.clone(), note: if here { "here" } else { "" }.into(), enabled: !here, pick: Picked::Profile(name.clone()) }
    };
    let lines = state.place.profiles.iter().map(line).collect();
    open(state, PickKind::Profile, "Switch to a profile", lines);
}
