//! Where a key goes: to the overlay, to the filter that is being typed, or by the keymap.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::backend::crossterm::to_input_request;
use tui_input::{Input, InputRequest};

use super::{act, leave, overlays};
use crate::console::action::Action;
use crate::console::msg::Effect;
use crate::console::page::Tone;
use crate::console::state::State;
use crate::console::state::filter::Filter;
use crate::console::state::overlay::Overlay;
use crate::console::view::areas::Areas;

pub fn press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    state.dirty = true;
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return interrupt(state, effects);
    }
    state.interrupted = false;
    state.message = None;
    if Areas::of(state).too_small && !is_safe_unseen(state, key) {
        return;
    }
    if state.overlay.is_some() {
        overlays::press(state, key, effects);
    } else if state.typing.is_some() {
        type_filter(state, key);
    } else if let Some(action) = state.keymap.action(key) {
        act::act(state, action, effects);
    }
}

/// On a screen that is too small to show a sheet no key may act on one.
fn is_safe_unseen(state: &State, key: KeyEvent) -> bool {
    match state.overlay {
        Some(Overlay::Leaving) => true,
        Some(_) => key.code == KeyCode::Esc,
        None => key.code == KeyCode::Esc || (state.typing.is_none() && state.keymap.action(key) == Some(Action::Quit)),
    }
}

/// The first Ctrl-C says what the second does.
fn interrupt(state: &mut State, effects: &mut Vec<Effect>) {
    if state.interrupted {
        leave(state, effects);
    } else {
        state.interrupted = true;
        state.say(Tone::Warn, "Ctrl-C once more leaves now; jobs stop at their next safe point. q asks first.");
    }
}

/// Pasted text goes where one can type, and nowhere else: it never acts as keys.
pub fn paste(state: &mut State, text: &str) {
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    state.dirty = true;
    if state.overlay.is_some() {
        overlays::paste(state, &line);
    } else if let Some(input) = &mut state.typing {
        insert(input, &line);
        narrow(state);
    }
}

pub fn insert(input: &mut Input, text: &str) {
    for c in text.chars() {
        input.handle(InputRequest::InsertChar(c));
    }
}

/// Gives a key to an input. Control characters other than the editing ones are not for it.
pub fn edit(input: &mut Input, key: KeyEvent) {
    if let Some(request) = to_input_request(&crossterm::event::Event::Key(key)) {
        input.handle(request);
    }
}

fn type_filter(state: &mut State, key: KeyEvent) {
    match key.code {
        KeyCode::Enter => state.typing = None,
        KeyCode::Esc => {
            state.typing = None;
            state.fleet.filter = Filter::default();
            state.fleet.arrange();
        }
        KeyCode::Down | KeyCode::Up => {
            let by = if key.code == KeyCode::Down { 1 } else { -1 };
            act::wheel(state, by);
        }
        _ => {
            if let Some(input) = &mut state.typing {
                edit(input, key);
            }
            narrow(state);
        }
    }
}

fn narrow(state: &mut State) {
    let Some(input) = &state.typing else { return };
    if state.fleet.filter.text == input.value() {
        return;
    }
    state.fleet.filter = Filter::new(input.value());
    state.fleet.arrange();
    if let Some(problem) = state.fleet.filter.problem.clone() {
        state.say(Tone::Warn, problem);
    }
    // What fits best stands on top.
    state.table = None;
    state.cursor_mut().at = 0;
}
