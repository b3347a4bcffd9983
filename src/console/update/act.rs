//! What the actions do that only look: moves, views, marks, sort and filter.

use tui_input::Input;

use super::{faults, leave, orders, overlays, picks, records, screens, walkthrough};
use crate::console::action::Action;
use crate::console::msg::Effect;
use crate::console::page::{Page, Tone};
use crate::console::state::filter::Filter;
use crate::console::state::fleet::Sort;
use crate::console::state::overlay::{Overlay, Prompt, PromptKind};
use crate::console::state::screen::Screen;
use crate::console::state::{Purpose, State, View};
use crate::console::view::{areas::Areas, list};

/// Does what an action asks for.
pub fn act(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    state.dirty = true;
    let page = isize::try_from(Areas::of(state).rows).unwrap_or(1).max(1);
    match action {
        Action::Down => step(state, 1),
        Action::Up => step(state, -1),
        Action::PageDown => step(state, page),
        Action::PageUp => step(state, -page),
        Action::HalfDown => wheel(state, page / 2),
        Action::HalfUp => wheel(state, -(page / 2)),
        Action::First => step(state, isize::MIN),
        Action::Right => screens::sideways(state, true),
        Action::Left => screens::sideways(state, false),
        Action::Last => step(state, isize::MAX),
        Action::NextMatch => problem(state, true),
        Action::PreviousMatch => problem(state, false),
        Action::Open => open(state, effects),
        Action::Back => {
            back(state);
            screens::refresh_stale(state, effects);
        }
        Action::NextTab => screens::turn(state, 1, effects),
        Action::PreviousTab => screens::turn(state, -1, effects),
        Action::Tables => show(state, View::Tables, effects),
        Action::Files => show(state, View::Files, effects),
        Action::Redshift => show(state, View::Redshift, effects),
        Action::Runs => show(state, View::Runs, effects),
        Action::Log => show(state, View::Log, effects),
        Action::Setup | Action::EnableCdc => show(state, View::Setup, effects),
        Action::FullScreen => state.full_screen = !state.full_screen,
        Action::Filter => filter(state),
        Action::Problems => {
            state.fleet.problems_only = !state.fleet.problems_only;
            state.fleet.arrange();
        }
        Action::SortNext => {
            // To the next that is a column here; the state always is.
            let mut next = state.fleet.sort.next();
            while !list::has(state.view, next) {
                next = next.next();
            }
            sort(state, next);
        }
        Action::SortReverse => {
            state.fleet.reverse = !state.fleet.reverse;
            state.fleet.arrange();
        }
        Action::Mark => mark(state),
        Action::MarkRange => mark_range(state),
        Action::MarkAll => mark_all(state),
        Action::Unmark => {
            state.marks.clear();
            state.range = None;
        }
        Action::Fault => faults::fault(state, effects),
        Action::Reveal => screens::reveal(state, effects),
        Action::DryRun => screens::dry_run(state, effects),
        Action::Trace => trace(state),
        Action::Refresh => refresh(state, effects),
        Action::Freeze => state.frozen = !state.frozen,
        Action::Copy => picks::copy(state),
        Action::Export => picks::export(state),
        Action::Pager => effects.push(Effect::Pager(super::super::export::text(state))),
        Action::Bundle => screens::bundle(state, effects),
        Action::History => records::history(state),
        Action::Cancel => orders::cancel(state),
        Action::Unlock => overlays::unlock(state, effects),
        Action::Menu => picks::menu(state),
        Action::Palette => picks::palette(state),
        Action::Help => state.overlay = Some(Overlay::Help { scroll: 0 }),
        Action::Profiles => picks::profiles(state),
        Action::Theme => state.look.theme = state.look.theme.next(),
        Action::Suspend if state.jobs.is_idle() => effects.push(Effect::Suspend),
        // It would hold its leases, and perhaps a transaction in Redshift, until somebody types fg.
        Action::Suspend => state.say(Tone::Warn, "a job is at work and would be stopped half-way: wait for it, or cancel it first"),
        Action::Quit => quit(state, effects),
        order => orders::begin(state, order, false, effects),
    }
}

/// How many lines the list of the view has.
pub fn len(state: &State) -> usize {
    match state.view {
        View::Runs => state.runs.len(),
        View::Log => state.log.len(),
        View::Setup => state.setup.shown().map_or(0, |list| list.steps.len() + list.untracked.len()),
        _ => state.fleet.counts().0,
    }
}

fn step(state: &mut State, by: isize) {
    if state.stack.is_empty() {
        let len = len(state);
        state.cursor_mut().step(by, len);
        state.table = None;
        state.moved = true;
    } else {
        screens::step(state, by);
    }
}

/// Scrolls without leaving the line, as far as that goes.
pub fn wheel(state: &mut State, by: isize) {
    state.dirty = true;
    match &mut state.overlay {
        Some(Overlay::Help { .. } | Overlay::Sheet(_)) => overlays::scroll(state, by),
        Some(Overlay::Pick(pick)) => overlays::step(pick, by),
        Some(_) => {}
        None if !state.stack.is_empty() => screens::scroll(state, by),
        None => step(state, by),
    }
}

/// To a line of the list.
pub fn go(state: &mut State, place: usize) {
    state.cursor_mut().at = place;
    state.table = None;
    state.moved = true;
}

/// To the next table with a problem, round the end.
fn problem(state: &mut State, forward: bool) {
    if !state.stack.is_empty() || !state.view.lists_tables() {
        return;
    }
    let (at, len) = (state.cursor().at, len(state));
    let found = (1..len).map(|by| if forward { (at + by) % len } else { (at + len - by) % len });
    if let Some(place) = { found }.find(|place| state.fleet.row(*place).is_some_and(|row| row.trouble.is_problem())) {
        return go(state, place);
    }
    let all = state.fleet.all().iter().filter(|row| row.trouble.is_problem()).count();
    match all - state.fleet.rows().filter(|row| row.trouble.is_problem()).count() {
        0 => state.say(Tone::Good, "no other table has a problem"),
        1 => state.say(Tone::Warn, "among the shown ones no other has a problem, but 1 that is hidden has"),
        hidden => state.say(Tone::Warn, format!("among the shown ones no other has a problem, but {hidden} that are hidden have")),
    }
}

pub fn open(state: &mut State, effects: &mut Vec<Effect>) {
    if !state.stack.is_empty() {
        return screens::open_stop(state, effects);
    }
    state.moved = true;
    match state.view {
        View::Runs => records::run(state),
        View::Log => records::log_line(state),
        View::Setup => walkthrough::step(state, effects),
        view => {
            if let Some(table) = state.row().map(|row| row.table.clone()) {
                screens::table(state, table, view.tab(), effects);
            }
        }
    }
}

/// One step back: the page, the filter, the marks, the view. Never out.
pub fn back(state: &mut State) {
    state.message = None;
    // What ended was seen now.
    state.jobs.look();
    if state.stack.pop().is_some() || state.range.take().is_some() {
        return;
    }
    if !state.fleet.filter.is_empty() {
        state.fleet.filter = Filter::default();
        state.fleet.arrange();
    } else if state.fleet.problems_only {
        state.fleet.problems_only = false;
        state.fleet.arrange();
    } else if !state.marks.is_empty() {
        state.marks.clear();
    } else {
        state.view = View::Tables;
    }
}

pub fn show(state: &mut State, view: View, effects: &mut Vec<Effect>) {
    state.stack.clear();
    state.view = view;
    if view == View::Setup {
        walkthrough::ask(state, effects);
    }
}

/// Sorts by a column; by the same once more: the other way round.
pub fn sort(state: &mut State, sort: Sort) {
    if state.fleet.sort == sort {
        state.fleet.reverse = !state.fleet.reverse;
    } else {
        state.fleet.sort = sort;
        state.fleet.reverse = false;
    }
    state.fleet.arrange();
}

fn filter(state: &mut State) {
    if !state.view.lists_tables() {
        state.view = View::Tables;
    }
    state.stack.clear();
    state.typing = Some(Input::new(state.fleet.filter.text.clone()));
}

fn mark(state: &mut State) {
    if !state.view.lists_tables() || !state.stack.is_empty() {
        return;
    }
    if let Some(table) = state.row().map(|row| row.table.clone()) {
        if !state.marks.remove(&table) {
            state.marks.insert(table);
        }
        step(state, 1);
    }
}

fn mark_range(state: &mut State) {
    if !state.view.lists_tables() || !state.stack.is_empty() {
        return;
    }
    let at = state.cursor().at;
    let Some(table) = state.row().map(|row| row.table.clone()) else { return };
    match state.range.take().and_then(|from| state.fleet.place(&from)) {
        None => {
            state.say(Tone::Plain, "range begins here: move, then v again");
            state.range = Some(table);
        }
        Some(from) => {
            let (low, high) = (from.min(at), from.max(at));
            let tables: Vec<_> = (low..=high).filter_map(|place| state.fleet.row(place)).map(|row| row.table.clone()).collect();
            state.marks.extend(tables);
            state.message = None;
        }
    }
}

fn mark_all(state: &mut State) {
    if state.view.lists_tables() && state.stack.is_empty() {
        // The list may hold more than was meant.
        if let Some(problem) = &state.fleet.filter.problem {
            let text = format!("nothing is marked, for the filter is not understood: {problem}");
            return state.say(Tone::Warn, text);
        }
        let tables: Vec<_> = state.fleet.rows().map(|row| row.table.clone()).collect();
        state.marks.extend(tables);
    }
}

fn trace(state: &mut State) {
    let Some(table) = state.focused().cloned() else { return };
    state.overlay = Some(Overlay::Prompt(Prompt {
        title: format!("Trace a key of {table}"),
        help: "the key's columns in their order, separated by blanks; quote a value with blanks as 'in this'".into(),
        kind: PromptKind::Trace(table),
        input: Input::default(),
    }));
}

fn refresh(state: &mut State, effects: &mut Vec<Effect>) {
    if !state.connected {
        if !state.awaits(|purpose| *purpose == Purpose::Connect) {
            let profile = state.place.profile.clone();
            screens::connect(state, profile, effects);
        }
        return state.say(Tone::Plain, "connecting");
    }
    super::time::all_due(state);
    let now = state.now;
    super::time::poll(state, now, effects);
    screens::again(state, effects);
    if state.view == View::Setup {
        walkthrough::ask(state, effects);
    }
    state.say(Tone::Plain, "asking all three systems");
}

fn quit(state: &mut State, effects: &mut Vec<Effect>) {
    if state.jobs.is_idle() {
        leave(state, effects);
    } else {
        state.overlay = Some(Overlay::Leaving);
    }
}

/// Lays a page over the rest.
pub fn push(state: &mut State, page: Page) {
    let screen = crate::console::state::screen::PageScreen {
        page: crate::console::state::screen::Loaded::Ready(Box::new(page)),
        ..Default::default()
    };
    state.stack.push(Screen::Page(screen));
}
