//! Faults on the screen: the page behind `e`, and what the console's own jobs met.

use super::{act, records, screens};
use crate::console::msg::Effect;
use crate::console::page::{Block, Fact, Page, Tone};
use crate::console::seam::{EndKind, Tab, TableEnd};
use crate::console::state::fleet::LastFault;
use crate::console::state::links::Lost;
use crate::console::state::screen::Screen;
use crate::console::state::{State, View};
use crate::model::TableName;

/// The newest fault of a table: of the steps of its stream, or of any order that was given here.
fn newest(state: &State, table: &TableName) -> Option<LastFault> {
    let step = state.fleet.failed.get(table).cloned();
    step.into_iter().chain(state.jobs.refused(table)).max_by_key(|last| last.at)
}

/// The page of a table's last fault; says so when there is none.
pub fn last_fault(state: &State, table: &TableName) -> Page {
    match newest(state, table) {
        Some(last) => {
            let mut page = Page::of_fault(&last.fault, Some(table));
            let when = last.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
            page.blocks.push(Block::Facts(vec![Fact::new("failed", format!("{} at {when}", last.outcome))]));
            page
        }
        None => Page {
            title: "No fault".into(),
            table: Some(table.clone()),
            blocks: vec![Block::Text(Tone::Good, "The newest job on this table did not fail.".into())],
            fault: false,
            reveal: false,
        },
    }
}

/// `e`: the fault behind what the cursor is on.
pub fn fault(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(Screen::Table(screen)) = state.stack.last_mut() {
        screen.tab = Tab::Fault;
        return screens::load_tab(state, effects);
    }
    if state.stack.is_empty() && state.view == View::Runs {
        return records::run(state);
    }
    let Some(table) = state.focused().cloned() else {
        return system_fault(state);
    };
    if newest(state, &table).is_some() {
        let page = last_fault(state, &table);
        return act::push(state, page);
    }
    // No failed job: then what the table's word means, and what helps.
    let Some(status) = state.fleet.status(&table) else { return system_fault(state) };
    if status.next.is_empty() && lost(state).is_some() {
        return system_fault(state);
    }
    let page = super::super::pages::verdict(status);
    act::push(state, page);
}

/// The first of the three systems that does not answer.
fn lost(state: &State) -> Option<&Lost> {
    let links = &state.links;
    [&links.source, &links.store, &links.target].into_iter().find_map(|link| link.lost.as_ref())
}

/// The fault of a system that does not answer.
fn system_fault(state: &mut State) {
    match lost(state).map(|lost| Page::of_fault(&lost.fault, None)) {
        Some(page) => act::push(state, page),
        None => state.say(Tone::Good, "nothing is wrong here"),
    }
}

/// A job of ours ended: what a step of a stream met counts at once, before the runs are read again.
pub fn note_ends(state: &mut State, ends: &[TableEnd]) {
    for end in ends.iter().filter(|end| end.is_step() && matches!(end.kind, EndKind::Well | EndKind::Nothing)) {
        state.fleet.note_own(&end.table, state.now, None);
    }
    // Last: a step that went well does not undo another one's failure.
    for end in ends.iter().filter(|end| end.is_failed() && end.is_step()) {
        let Some(fault) = end.fault.clone() else { continue };
        let last = LastFault { outcome: end.outcome.clone(), fault, at: state.now };
        state.fleet.note_own(&end.table, state.now, Some(last));
    }
    state.fleet.judge();
}
