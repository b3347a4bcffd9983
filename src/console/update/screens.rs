//! Screens over the list: opening them, moving in them, asking for their pages.

use std::collections::BTreeMap;

use super::{act, faults};
use crate::console::msg::Effect;
use crate::console::page::{Block, Open, Page, Tone};
use crate::console::seam::{Ask, Id, Look, Tab};
use crate::console::state::screen::{Loaded, PageScreen, Screen, TableScreen};
use crate::console::state::{Polls, Purpose, State, View};
use crate::console::view::areas::Areas;
use crate::console::view::page::{layout_of, room};
use crate::model::TableName;
use crate::model::fault::FaultDocument;

pub fn connect(state: &mut State, profile: String, effects: &mut Vec<Effect>) {
    let id = state.id();
    state.connected = false;
    state.polls = Polls::default();
    state.waiting.clear();
    state.waiting.insert(id, Purpose::Connect);
    effects.push(Effect::Ask(id, Ask::Connect { profile }));
}

/// Asks for the page of the given screen, and keeps what it shows until the answer.
fn ask_page(state: &mut State, ask: Look, effects: &mut Vec<Effect>) {
    let id = state.id();
    let Some(screen) = state.stack.last_mut() else { return };
    let page = screen.page_mut();
    page.stale = false;
    page.page.ask(id);
    page.ask = Some(ask.clone());
    state.waiting.insert(id, Purpose::Page);
    effects.push(Effect::Ask(id, Ask::Look(ask)));
}

/// Opens the page of a table.
pub fn table(state: &mut State, table: TableName, tab: Tab, effects: &mut Vec<Effect>) {
    state.stack.push(Screen::Table(TableScreen { table, tab, tabs: BTreeMap::new() }));
    load_tab(state, effects);
}

/// Asks for the side that is shown.
pub fn load_tab(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(Screen::Table(screen)) = state.stack.last() else { return };
    let (table, tab) = (screen.table.clone(), screen.tab);
    let show_values = screen.tabs.get(&tab).is_some_and(|page| page.revealed);
    if tab == Tab::Fault {
        let page = faults::last_fault(state, &table);
        if let Some(screen) = state.stack.last_mut() {
            screen.page_mut().page = Loaded::Ready(Box::new(page));
        }
        return;
    }
    ask_page(state, Look::Tab { table, tab, show_values }, effects);
}

/// Another side of the table.
pub fn tab(state: &mut State, tab: Tab, effects: &mut Vec<Effect>) {
    if let Some(Screen::Table(screen)) = state.stack.last_mut() {
        screen.tab = tab;
        load_tab(state, effects);
    }
}

/// The next or the previous side; on the list: the next view.
pub fn turn(state: &mut State, by: isize, effects: &mut Vec<Effect>) {
    let turned = |at: usize, len: usize| (at + len).saturating_add_signed(by) % len;
    match state.stack.last() {
        Some(Screen::Table(screen)) => {
            let at = Tab::ALL.iter().position(|tab| *tab == screen.tab).unwrap_or(0);
            tab(state, Tab::ALL[turned(at, Tab::ALL.len())], effects);
        }
        Some(Screen::Page(_)) => {}
        None => {
            let at = View::ALL.iter().position(|view| *view == state.view).unwrap_or(0);
            act::show(state, View::ALL[turned(at, View::ALL.len())], effects);
        }
    }
}

/// Moves the cursor among what can be opened; a page with nothing to open scrolls.
pub fn step(state: &mut State, by: isize) {
    let (area, height) = (Areas::of(state).page, room(state));
    let Some(screen) = state.stack.last_mut().map(Screen::page_mut) else { return };
    let Some(page) = screen.page.shown() else { return };
    let stops = page.stops();
    let layout = layout_of(page, area.width);
    let last = layout.height.saturating_sub(height);
    let before = screen.cursor;
    if stops > 0 {
        screen.cursor = screen.cursor.saturating_add_signed(by).min(stops - 1);
        if let Some(line) = layout.stops.get(screen.cursor).copied() {
            if screen.cursor == 0 && by < 0 {
                screen.scroll = 0;
            } else if line < screen.scroll {
                screen.scroll = line;
            } else if line >= screen.scroll + height {
                screen.scroll = line + 1 - height;
            }
        }
    }
    if stops == 0 || (screen.cursor == before && by > 0) {
        screen.scroll = screen.scroll.saturating_add_signed(by);
    }
    screen.scroll = screen.scroll.min(last);
}

pub fn scroll(state: &mut State, by: isize) {
    let (area, room) = (Areas::of(state).page, room(state));
    let Some(screen) = state.stack.last_mut().map(Screen::page_mut) else { return };
    let height = screen.page.shown().map_or(0, |page| layout_of(page, area.width).height);
    screen.scroll = screen.scroll.saturating_add_signed(by).min(height.saturating_sub(room));
}

/// The cursor to a row or choice; on it already: opens it.
pub fn stop(state: &mut State, at: usize, effects: &mut Vec<Effect>) {
    let Some(screen) = state.stack.last_mut().map(Screen::page_mut) else { return };
    if screen.cursor == at {
        return open_stop(state, effects);
    }
    screen.cursor = at;
}

/// What stands behind the row or choice under the cursor.
pub fn open_stop(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(screen) = state.stack.last().and_then(Screen::page) else { return };
    let Some(page) = screen.page.shown() else { return };
    let about = page.table.clone().or_else(|| state.stack.last().and_then(Screen::table).cloned());
    let mut at = screen.cursor;
    for block in &page.blocks {
        match block {
            Block::Grid(grid) => {
                let rows: Vec<&Open> = grid.rows.iter().filter_map(|row| row.open.as_ref()).collect();
                if let Some(open) = rows.get(at) {
                    let open = (*open).clone();
                    return follow(state, open, effects);
                }
                at -= rows.len();
            }
            Block::Choices(choices) => {
                if let Some(choice) = choices.get(at) {
                    let (text, order) = (choice.text.clone(), choice.order.clone());
                    match order {
                        Some(order) => {
                            let tables = about.map_or_else(|| state.chosen(), |table| vec![table]);
                            super::orders::prepare(state, order, tables, true, effects);
                        }
                        None => {
                            effects.push(Effect::Copy(text));
                        }
                    }
                    return;
                }
                at -= choices.len();
            }
            _ => {}
        }
    }
}

fn follow(state: &mut State, open: Open, effects: &mut Vec<Effect>) {
    match open {
        Open::Look(ask) => page(state, ask, effects),
        Open::Fault { fault, table } => {
            let page = Page::of_fault(&fault, table.as_ref());
            act::push(state, page);
        }
    }
}

/// Opens a page of its own.
pub fn page(state: &mut State, ask: Look, effects: &mut Vec<Effect>) {
    state.stack.push(Screen::Page(PageScreen::default()));
    ask_page(state, ask, effects);
}

/// Asks for the page on top once more.
pub fn again(state: &mut State, effects: &mut Vec<Effect>) {
    match state.stack.last() {
        Some(Screen::Table(_)) => load_tab(state, effects),
        Some(Screen::Page(screen)) => {
            if let Some(ask) = screen.ask.clone() {
                ask_page(state, ask, effects);
            }
        }
        None => {}
    }
}

/// Something changed what pages tell: the one on top is asked for again, those below when they come
/// up.
pub fn all_stale(state: &mut State, effects: &mut Vec<Effect>) {
    state.stack.iter_mut().flat_map(Screen::pages_mut).for_each(|page| page.stale = true);
    refresh_stale(state, effects);
}

/// Asks for the page on top once more, if it is older than what changed it.
pub fn refresh_stale(state: &mut State, effects: &mut Vec<Effect>) {
    if state.stack.last().and_then(Screen::page).is_some_and(|page| page.stale) {
        again(state, effects);
    }
}

/// A page has come, or a fault instead.
pub fn loaded(state: &mut State, id: Id, answer: &Result<Page, Box<FaultDocument>>) {
    let now = state.now;
    for screen in &mut state.stack {
        for page in screen.pages_mut() {
            if page.page.take(id, answer.clone()) {
                page.read = answer.is_ok().then_some(now).or(page.read);
                let stops = page.page.shown().map_or(0, Page::stops);
                page.cursor = page.cursor.min(stops.saturating_sub(1));
                return;
            }
        }
    }
}

/// Shows or hides the values of rows.
pub fn reveal(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(screen) = state.stack.last_mut() else {
        return state.say(Tone::Plain, "values are shown on pages of files, staging, traces");
    };
    let page = screen.page_mut();
    let Some(ask) = &mut page.ask else { return };
    match ask {
        Look::Tab { show_values, .. }
        | Look::Preview { show_values, .. }
        | Look::Row { show_values, .. }
        | Look::Trace { show_values, .. }
        | Look::LoadErrors { show_values, .. } => {
            *show_values = !*show_values;
            page.revealed = *show_values;
            if !page.revealed {
                // Hidden at once, whether an answer comes or not.
                page.page = Loaded::Empty;
            }
        }
        _ => return state.say(Tone::Plain, "this page has no values"),
    }
    again(state, effects);
}

pub fn dry_run(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(table) = state.focused().cloned() {
        page(state, Look::DryRun { table }, effects);
    }
}

pub fn bundle(state: &mut State, effects: &mut Vec<Effect>) {
    let id = state.id();
    state.waiting.insert(id, Purpose::Bundle);
    effects.push(Effect::Ask(id, Ask::Look(Look::Bundle { tables: state.marks.iter().cloned().collect() })));
    state.say(Tone::Busy, "writing an incident bundle");
}
