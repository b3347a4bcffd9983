//! Keys while something lies over the screen. Enter never confirms anything that writes, except
//! where a name was typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{act, keys, leave, orders, picks, screens};
use crate::console::advice;
use crate::console::msg::Effect;
use crate::console::page::Tone;
use crate::console::seam::{Access, Ask, Look};
use crate::console::state::overlay::{Field, Overlay, Pick, PickKind, Picked, Prompt, PromptKind, Sheet};
use crate::console::state::{Purpose, State};
use crate::console::view;

pub fn press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    if key.code == KeyCode::Esc {
        state.overlay = None;
        return;
    }
    match &state.overlay {
        Some(Overlay::Sheet(_)) => sheet(state, key, effects),
        Some(Overlay::Pick(_)) => press_pick(state, key, effects),
        Some(Overlay::Prompt(_)) => prompt(state, key, effects),
        Some(Overlay::Help { .. }) => help(state, key),
        Some(Overlay::Leaving) => leaving(state, key, effects),
        Some(Overlay::Stopping(id)) => match key.code {
            KeyCode::Char('y') if plain(key) => {
                let id = *id;
                orders::stop(state, id, effects);
            }
            KeyCode::Char('n') if plain(key) => state.overlay = None,
            _ => {}
        },
        None => {}
    }
}

pub fn paste(state: &mut State, line: &str) {
    match &mut state.overlay {
        // What guards must be typed: pasting would make it one more key.
        Some(Overlay::Prompt(prompt)) if prompt.kind == PromptKind::Unlock => {
            state.say(Tone::Warn, "the name is typed, not pasted");
        }
        Some(Overlay::Prompt(prompt)) => keys::insert(&mut prompt.input, line),
        Some(Overlay::Sheet(sheet)) => {
            if sheet.field == Field::Typed {
                return state.say(Tone::Warn, "the name is typed, not pasted");
            }
            if sheet.field == Field::Reason
                && let Some(reason) = &mut sheet.reason
            {
                keys::insert(reason, line);
            }
        }
        Some(Overlay::Pick(pick)) => {
            if let Some(input) = &mut pick.input {
                keys::insert(input, line);
                picks::narrow(state);
            }
        }
        _ => {}
    }
}

fn sheet(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let Some(Overlay::Sheet(sheet)) = &mut state.overlay else { return };
    match (sheet.field, key.code) {
        (_, KeyCode::Tab | KeyCode::BackTab) | (Field::Reason, KeyCode::Enter) => sheet.field = other_field(sheet),
        (_, KeyCode::Up) => scroll(state, -1),
        (_, KeyCode::Down) => scroll(state, 1),
        (Field::Reason, _) => {
            if let Some(reason) = &mut sheet.reason {
                keys::edit(reason, key);
            }
        }
        // The typed name is the confirmation, once it matches.
        (Field::Typed, KeyCode::Enter) => orders::confirm(state, effects),
        (Field::Typed, _) => {
            if let Some((_, typed)) = &mut sheet.typed {
                keys::edit(typed, key);
            }
        }
        (Field::Keys, KeyCode::Char('y')) if plain(key) => orders::confirm(state, effects),
        (Field::Keys, KeyCode::Char('n')) if plain(key) => state.overlay = None,
        (Field::Keys, KeyCode::Char('c')) if plain(key) => {
            let order = sheet.plan.shown().and_then(|plan| plan.order.clone()).unwrap_or_else(|| sheet.order.clone());
            let order = match &sheet.reason {
                Some(reason) => order.because(reason.value()),
                None => order,
            };
            effects.push(Effect::Copy(order.command_line(&sheet.tables, &state.place.profile)));
        }
        (Field::Keys, _) => {}
    }
}

/// The next field of a sheet. A typed name confirms by itself, so there `y` has no field.
fn other_field(sheet: &Sheet) -> Field {
    match (sheet.field, sheet.reason.is_some(), sheet.typed.is_some()) {
        (Field::Typed | Field::Keys, true, _) => Field::Reason,
        (_, _, true) => Field::Typed,
        (_, _, false) => Field::Keys,
    }
}

fn plain(key: KeyEvent) -> bool {
    key.modifiers.is_empty()
}

fn press_pick(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let Some(Overlay::Pick(pick)) = &mut state.overlay else { return };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Down => step(pick, 1),
        KeyCode::Up => step(pick, -1),
        KeyCode::Char('n') if control => step(pick, 1),
        KeyCode::Char('p') if control => step(pick, -1),
        KeyCode::PageDown => step(pick, 10),
        KeyCode::PageUp => step(pick, -10),
        KeyCode::Enter => {
            let at = pick.cursor;
            choose(state, at, effects);
        }
        KeyCode::Char('j') if pick.input.is_none() => step(pick, 1),
        KeyCode::Char('k') if pick.input.is_none() => step(pick, -1),
        KeyCode::Char(c) if pick.kind == PickKind::Menu => {
            // A key of the menu does what it does outside, sheet included.
            let _ = c;
            if let Some(action) = state.keymap.action(key) {
                state.overlay = None;
                act::act(state, action, effects);
            }
        }
        _ => {
            if let Some(input) = &mut pick.input {
                keys::edit(input, key);
                picks::narrow(state);
            }
        }
    }
}

pub fn step(pick: &mut Pick, by: isize) {
    pick.cursor = pick.cursor.saturating_add_signed(by).min(pick.lines.len().saturating_sub(1));
}

/// The mouse hit a line: the first click goes there, the second picks it.
pub fn pick(state: &mut State, at: usize, effects: &mut Vec<Effect>) {
    let Some(Overlay::Pick(pick)) = &mut state.overlay else { return };
    if pick.cursor == at {
        return choose(state, at, effects);
    }
    pick.cursor = at.min(pick.lines.len().saturating_sub(1));
}

fn choose(state: &mut State, at: usize, effects: &mut Vec<Effect>) {
    let Some(Overlay::Pick(pick)) = &state.overlay else { return };
    let Some(line) = pick.lines.get(at).cloned() else { return };
    if !line.enabled {
        let text = format!("{}: {}", line.text, line.note);
        return state.say(Tone::Warn, text);
    }
    state.overlay = None;
    match line.pick {
        // Enter and the mouse never run anything at once.
        Picked::Action(action) if orders::is_order(action) => orders::begin(state, action, true, effects),
        Picked::Action(action) => act::act(state, action, effects),
        Picked::Table(table) => {
            state.stack.clear();
            screens::table(state, table, crate::console::seam::Tab::Overview, effects);
        }
        Picked::Copy(text) => effects.push(Effect::Copy(text)),
        Picked::Export { json } => {
            let (path, text) = crate::console::export::file(state, json);
            effects.push(Effect::Write { path, text });
        }
        Picked::Profile(profile) => switch(state, profile, effects),
    }
}

/// To another profile. Jobs belong to the one that they were begun in.
fn switch(state: &mut State, profile: String, effects: &mut Vec<Effect>) {
    if !state.jobs.is_idle() {
        return state.say(Tone::Warn, "jobs run in this profile: wait for them, or cancel them first");
    }
    effects.push(Effect::Remember { profile: state.place.profile.clone(), session: state.session() });
    let options =
        crate::console::state::Options { profile: profile.clone(), keymap: state.keymap.clone(), look: state.look, warnings: Vec::new() };
    let (now, size, next) = (state.now, state.size, state.next_id);
    let (log, profiles, mut jobs) =
        (std::mem::take(&mut state.log), std::mem::take(&mut state.place.profiles), std::mem::take(&mut state.jobs));
    jobs.leave(&state.place.profile);
    *state = State::new(options, now, size);
    // What was done stays on record, and there is a way back from a profile that cannot be opened.
    (state.log, state.place.profiles, state.jobs) = (log, profiles, jobs);
    state.log.push(now, Tone::Plain, format!("to profile {profile}"));
    // Answers to the questions of before must not meet a number of now.
    state.next_id = next;
    effects.push(Effect::Recall { profile: profile.clone() });
    screens::connect(state, profile, effects);
}

/// `W`: locks again, or asks for the profile's name.
pub fn unlock(state: &mut State, effects: &mut Vec<Effect>) {
    match state.access {
        Access::ReadOnly => state.say(Tone::Warn, "read-only: the console was started with --read-only"),
        Access::Write => state.say(Tone::Plain, "this profile is not protected: nothing to unlock"),
        Access::Until(_) => {
            let id = state.id();
            state.waiting.insert(id, Purpose::Access);
            effects.push(Effect::Ask(id, Ask::Lock));
        }
        Access::Locked => {
            state.overlay = Some(Overlay::Prompt(Prompt {
                kind: PromptKind::Unlock,
                title: "Allow writing for 15 minutes".into(),
                help: format!("type the profile's name, {}, then Enter", state.place.profile),
                input: tui_input::Input::default(),
            }));
        }
    }
}

fn prompt(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let Some(Overlay::Prompt(prompt)) = &mut state.overlay else { return };
    if key.code != KeyCode::Enter {
        return keys::edit(&mut prompt.input, key);
    }
    let (kind, text) = (prompt.kind.clone(), prompt.input.value().to_owned());
    match kind {
        PromptKind::Trace(table) => {
            let key = advice::words(&text);
            if key.is_empty() {
                return state.say(Tone::Warn, "a key is needed");
            }
            state.overlay = None;
            screens::page(state, Look::Trace { table, key, show_values: false }, effects);
        }
        PromptKind::Unlock => {
            state.overlay = None;
            let id = state.id();
            state.waiting.insert(id, Purpose::Access);
            effects.push(Effect::Ask(id, Ask::Unlock { typed: text }));
        }
    }
}

fn help(state: &mut State, key: KeyEvent) {
    match key.code {
        KeyCode::Down | KeyCode::Char('j') => scroll(state, 1),
        KeyCode::Up | KeyCode::Char('k') => scroll(state, -1),
        KeyCode::PageDown => scroll(state, 10),
        KeyCode::PageUp => scroll(state, -10),
        _ => state.overlay = None,
    }
}

/// Scrolls help or a sheet, no further than to its end.
pub fn scroll(state: &mut State, by: isize) {
    let most = match &state.overlay {
        Some(Overlay::Help { .. }) => view::help::most(state),
        Some(Overlay::Sheet(sheet)) => view::sheet::most(state, sheet),
        _ => 0,
    };
    match &mut state.overlay {
        Some(Overlay::Help { scroll }) => *scroll = scroll.saturating_add_signed(by).min(most),
        Some(Overlay::Sheet(sheet)) => sheet.scroll = sheet.scroll.saturating_add_signed(by).min(most),
        _ => {}
    }
}

fn leaving(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    match key.code {
        // The jobs go on; the console ends with the last of them.
        KeyCode::Char('w') => {
            state.overlay = None;
            // The last one may have ended while the question stood.
            if state.jobs.is_idle() {
                return leave(state, effects);
            }
            state.leaving = true;
            state.say(Tone::Busy, "leaves when the jobs are done; q and s take that back");
        }
        KeyCode::Char('c') => {
            state.overlay = None;
            leave(state, effects);
        }
        KeyCode::Char('s') => {
            state.overlay = None;
            state.leaving = false;
        }
        _ => {}
    }
}
