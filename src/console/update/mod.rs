//! `update`: from what happened to the next state and to what the outside should do. Pure: it
//! reads no clock, holds no channel and does no I/O.

mod act;
mod faults;
mod keys;
mod orders;
mod overlays;
mod picks;
mod records;
mod replies;
mod screens;
mod time;
mod walkthrough;

use super::msg::{Effect, Hit, Msg};
use super::page::Tone;
use super::state::State;
use super::state::session::Session;
use super::view::areas::Areas;

/// Takes one message over.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut effects = Vec::new();
    let logged = state.log.pushed();
    match msg {
        Msg::Key(key) => keys::press(state, key, &mut effects),
        Msg::Paste(text) => keys::paste(state, &text),
        Msg::Click(hit) => click(state, hit, &mut effects),
        Msg::Wheel(by) => act::wheel(state, by),
        Msg::Resize(width, height) => {
            state.size = (width, height);
            state.dirty = true;
        }
        Msg::Tick(now) => time::tick(state, now, &mut effects),
        Msg::Reply(reply) => replies::take(state, *reply, &mut effects),
        Msg::Terminate => leave(state, &mut effects),
        Msg::Resumed => state.dirty = true,
        Msg::Done(Ok(text)) if text.is_empty() => {}
        Msg::Done(Ok(text)) => state.say(Tone::Good, text),
        Msg::Done(Err(text)) => {
            let now = state.now;
            state.log.push(now, Tone::Bad, text.clone());
            state.say(Tone::Bad, text);
        }
    }
    records::keep_line(state, state.log.pushed().saturating_sub(logged));
    settle(state);
    effects
}

/// Goes on as the last visit of the profile ended.
pub fn restore(state: &mut State, session: &Session) {
    state.restore(session);
    settle(state);
}

/// The first questions.
#[must_use]
pub fn begin(state: &mut State) -> Vec<Effect> {
    let mut effects = vec![Effect::Recall { profile: state.place.profile.clone() }];
    let profile = state.place.profile.clone();
    screens::connect(state, profile, &mut effects);
    effects
}

/// Saves what should be remembered and leaves; jobs stop at their next safe point.
fn leave(state: &mut State, effects: &mut Vec<Effect>) {
    state.leaving = true;
    let running: Vec<_> = state.jobs.running().map(|job| job.id).collect();
    for job in running {
        let id = state.id();
        effects.push(Effect::Ask(id, super::seam::Ask::Cancel { job }));
    }
    effects.push(Effect::Remember { profile: state.place.profile.clone(), session: state.session() });
    effects.push(Effect::Quit);
}

/// Keeps the cursor on its table, and in sight.
fn settle(state: &mut State) {
    if !state.dirty {
        return;
    }
    let height = usize::from(Areas::of(state).rows);
    let len = act::len(state);
    if state.view.lists_tables() {
        // Rows move beneath the cursor: it stays on its table while that is shown.
        let place = state.table.as_ref().and_then(|table| state.fleet.place(table));
        if let Some(place) = place {
            state.cursor_mut().at = place;
        }
    }
    state.cursor_mut().reveal(len, height);
    if state.view.lists_tables() {
        state.table = state.row().map(|row| row.table.clone());
    }
}

fn click(state: &mut State, hit: Hit, effects: &mut Vec<Effect>) {
    state.dirty = true;
    match hit {
        Hit::View(view) => act::show(state, view, effects),
        Hit::Header(sort) => act::sort(state, sort),
        Hit::Row(place) if state.cursor().at == place => act::open(state, effects),
        Hit::Row(place) => act::go(state, place),
        Hit::Tab(tab) => screens::tab(state, tab, effects),
        Hit::Stop(at) => screens::stop(state, at, effects),
        Hit::Pick(at) => overlays::pick(state, at, effects),
    }
}
