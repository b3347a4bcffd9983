//! Orders: from a key to a sheet, from the sheet to the engine. The only file that gives one.

use tui_input::Input;

use crate::console::action::Action;
use crate::console::msg::Effect;
use crate::console::order::{Danger, Order};
use crate::console::page::Tone;
use crate::console::seam::{Access, Ask, Id, Look};
use crate::console::state::overlay::{Field, Overlay, Sheet};
use crate::console::state::screen::Loaded;
use crate::console::state::{Purpose, State};
use crate::engine::event::Job;
use crate::model::TableName;
use crate::model::order::Repeat;

/// Whether an action gives an order by itself.
pub fn is_order(action: Action) -> bool {
    action.order(false).is_some()
}

/// An action that changes something, for what is chosen. `asks`: a sheet comes first, however
/// harmless it is.
pub fn begin(state: &mut State, action: Action, asks: bool, effects: &mut Vec<Effect>) {
    let tables = state.chosen();
    let paused = tables
        .first()
        .and_then(|table| state.fleet.status(table))
        .and_then(|status| status.store.as_ref())
        .is_some_and(|store| store.paused);
    if let Some(order) = action.order(paused) {
        prepare(state, order, tables, asks, effects);
    }
}

/// Why an order cannot be given now; `None`: it can.
#[must_use]
pub fn refusal(state: &State, order: &Order, tables: &[TableName]) -> Option<String> {
    if state.access == Access::ReadOnly {
        return Some("read-only: the console was started with --read-only".into());
    }
    if !state.may_write() {
        let key = state.keymap.key(Action::Unlock);
        return Some(format!("the profile {} is protected: {key} unlocks it for 15 minutes", state.place.profile));
    }
    if state.leaving {
        return Some("the console is about to end".into());
    }
    if !state.connected {
        return Some("not connected".into());
    }
    if tables.is_empty() && !matches!(order, Order::Enable { .. }) {
        return Some("no table is chosen".into());
    }
    if order.is_single() && tables.len() > 1 {
        return Some("this is done for one table at a time: clear the marks".into());
    }
    let busy = tables.iter().find(|table| state.jobs.running().any(|job| job.has(table)));
    if let Some(busy) = busy {
        return Some(format!("a job works on {busy}: wait, or cancel it"));
    }
    if matches!(order, Order::Retry { .. }) && tables.iter().all(|table| !state.fleet.failed.contains_key(table)) {
        return Some("no job of it failed".into());
    }
    None
}

/// What a retry of these tables would give again beside loads and extracts.
fn repeat(state: &State, tables: &[TableName]) -> Repeat {
    let of = |table: &TableName| {
        // The runs were not read since a job of ours failed: the worst is taken for granted.
        let unread =
            || state.fleet.failed.get(table).filter(|last| last.outcome.starts_with(Job::Prepare.as_str())).map(|_| Repeat::NewEpoch);
        state.prepares.repeat(table).or_else(unread).unwrap_or_default()
    };
    tables.iter().map(of).max().unwrap_or_default()
}

/// Opens the sheet of an order; a retry of loads and extracts runs at once, unless it `asks`.
pub fn prepare(state: &mut State, mut order: Order, mut tables: Vec<TableName>, asks: bool, effects: &mut Vec<Effect>) {
    if let Order::Retry { repeat: which } = &mut order {
        if tables.len() > 1 {
            // Of many marked ones only the failed.
            tables.retain(|table| state.fleet.failed.contains_key(table));
        }
        *which = repeat(state, &tables);
    }
    if let Some(why) = refusal(state, &order, &tables) {
        return state.say(Tone::Warn, format!("{}: {why}", order.title()));
    }
    let danger = order.danger(tables.len(), state.is_protected());
    // What is not seen is not given at a key.
    if danger == Danger::Retry && !asks && state.hidden(&tables) == 0 {
        return run(state, order, tables, effects);
    }
    let id = state.id();
    let mut plan = Loaded::Empty;
    plan.ask(id);
    state.waiting.insert(id, Purpose::Plan);
    effects.push(Effect::Ask(id, Ask::Look(Look::Plan { order: order.clone(), tables: tables.clone() })));
    let reason = order.wants_reason().then(Input::default);
    let typed = (danger == Danger::Typed).then(|| (word_to_type(state, &tables), Input::default()));
    let field = if reason.is_some() {
        Field::Reason
    } else if typed.is_some() {
        Field::Typed
    } else {
        Field::Keys
    };
    state.overlay = Some(Overlay::Sheet(Box::new(Sheet { order, tables, danger, plan, reason, typed, field, scroll: 0 })));
}

/// The name of the one table, else the number of tables: what cannot be typed by accident.
fn word_to_type(state: &State, tables: &[TableName]) -> String {
    match tables {
        [table] => table.to_string(),
        [] => state.place.profile.clone(),
        many => format!("{} tables", many.len()),
    }
}

/// What a confirmed sheet does.
pub fn confirm(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(Overlay::Sheet(sheet)) = &state.overlay else { return };
    if let Some(missing) = sheet.missing() {
        let text = format!("not yet: {missing} is missing");
        return state.say(Tone::Warn, text);
    }
    // Minutes may lie between opening and confirming.
    if let Some(why) = refusal(state, &sheet.order, &sheet.tables) {
        return state.say(Tone::Warn, why);
    }
    let Some(Overlay::Sheet(sheet)) = state.overlay.take() else { return };
    let found = sheet.plan.shown().and_then(|plan| plan.order.clone()).unwrap_or(sheet.order);
    let order = match &sheet.reason {
        Some(reason) => found.because(reason.value().trim()),
        None => found,
    };
    run(state, order, sheet.tables, effects);
}

fn run(state: &mut State, order: Order, tables: Vec<TableName>, effects: &mut Vec<Effect>) {
    let (id, now) = (state.id(), state.now);
    let many = match tables.as_slice() {
        [table] => table.to_string(),
        many => format!("{} tables", many.len()),
    };
    state.log.push(now, Tone::Busy, format!("{}: {many}", order.title()));
    state.say(Tone::Busy, format!("{}: {many}", order.title()));
    state.fleet.running.extend(tables.iter().cloned());
    state.jobs.begin(id, order.clone(), tables.clone(), now);
    state.fleet.judge();
    effects.push(Effect::Ask(id, Ask::Run { order, tables }));
}

/// Asks whether the job on the table, else the newest one, should stop.
pub fn cancel(state: &mut State) {
    let chosen = state.chosen();
    let of_table = state.jobs.running().find(|job| job.tables.iter().any(|table| chosen.contains(table))).map(|job| job.id);
    match of_table.or_else(|| state.jobs.running().next().map(|job| job.id)) {
        Some(id) => state.overlay = Some(Overlay::Stopping(id)),
        None => state.say(Tone::Plain, "nothing runs that could be cancelled"),
    }
}

/// Stops a job at its next safe point.
pub fn stop(state: &mut State, id: Id, effects: &mut Vec<Effect>) {
    state.overlay = None;
    let ask = state.id();
    let Some(job) = state.jobs.get_mut(id).filter(|job| job.is_running()) else {
        return state.say(Tone::Plain, "the job has ended meanwhile");
    };
    job.cancelling = true;
    let title = job.order.title();
    state.say(Tone::Warn, format!("{title}: stops at the next safe point"));
    effects.push(Effect::Ask(ask, Ask::Cancel { job: id }));
}
